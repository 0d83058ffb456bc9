//! A thread that looks at the server from outside while it runs: it sums up what happened to peers
//! and disk into at most one line a kind and second, and tells systemd that there is progress.
//!
//! It only reads counters. When matcher or journal stand still it says nothing to systemd any more,
//! and so does systemd's watchdog end what is stuck.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam::channel::{RecvTimeoutError, Sender, bounded};
use doorbuster::metrics::Metrics;
use doorbuster::sale::BUYERS_SPARE;
use sd_notify::NotifyState;
use tracing::{info, warn};

use super::words::count;

/// The longest time between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// What a replay that goes on asks for, at each look.
const EXTENSION_US: u32 = 30_000_000;
/// A start that shows no progress asks for no more time than this: tables are touched meanwhile.
const PATIENCE_LOOKS: u32 = 120;
/// Whose progress counts.
const WATCHED: [&str; 2] = ["matcher", "journal"];

/// Ends when it is dropped.
pub(super) struct Guard {
    /// Hears that the replay is over, and by its end that the server stops.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What was seen at the last look.
#[derive(Default)]
struct Seen {
    protocol_errors: u64,
    turned_away: u64,
    shed: u64,
    is_disk_full: bool,
    is_table_full: bool,
    seq: u64,
    looks_without_progress: u32,
    rounds: Vec<u64>,
}

impl Guard {
    /// Begins to look.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(super) fn start(metrics: Metrics) -> std::io::Result<Guard> {
        let watchdog = sd_notify::watchdog_enabled();
        // Three looks in the time that systemd gives: one may come late.
        let look = watchdog.map_or(LOOK, |time| LOOK.min(time / 3));
        let (end, ended) = bounded::<()>(1);
        let thread = thread::Builder::new().name("guard".to_owned()).spawn(move || {
            let (mut seen, mut is_ready) = (Seen::default(), false);
            loop {
                match ended.recv_timeout(look) {
                    Ok(()) => is_ready = true,
                    Err(RecvTimeoutError::Disconnected) => break,
                    Err(RecvTimeoutError::Timeout) if !is_ready => seen.replay(&metrics),
                    Err(RecvTimeoutError::Timeout) => {
                        seen.sum_up(&metrics);
                        if seen.goes_on(&metrics) && watchdog.is_some() {
                            notify(&[NotifyState::Watchdog]);
                        }
                    }
                }
            }
        })?;
        Ok(Guard { end: Some(end), thread: Some(thread) })
    }

    /// The replay is over.
    pub(super) fn ready(&self) {
        if let Some(end) = &self.end {
            let _ = end.send(());
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Tells systemd, if it started this process.
pub(super) fn notify(states: &[NotifyState<'_>]) {
    // A manager that does not listen is no reason to stop.
    let _ = sd_notify::notify(states);
}

impl Seen {
    /// Asks systemd for more time while the replay gets on.
    fn replay(&mut self, metrics: &Metrics) {
        let seq = metrics.journal.seq.value();
        self.looks_without_progress =
            if seq == self.seq { self.looks_without_progress + 1 } else { 0 };
        self.seq = seq;
        if self.looks_without_progress < PATIENCE_LOOKS {
            let status = format!("replaying the journal: seq {}", count(seq));
            let states =
                [NotifyState::ExtendTimeoutUsec(EXTENSION_US), NotifyState::Status(&status)];
            notify(&states);
        }
    }

    /// Whether all that must go round has done so since the last look.
    fn goes_on(&mut self, metrics: &Metrics) -> bool {
        let threads = metrics.threads.all();
        let rounds: Vec<u64> = WATCHED
            .iter()
            .filter_map(|name| threads.iter().find(|thread| thread.0 == *name))
            .map(|thread| thread.1.rounds.value())
            .collect();
        let goes_on = rounds.len() == WATCHED.len()
            && (self.rounds.len() != rounds.len()
                || rounds.iter().zip(&self.rounds).all(|(now, before)| now != before));
        self.rounds = rounds;
        goes_on
    }

    /// Says what happened since the last look.
    fn sum_up(&mut self, metrics: &Metrics) {
        let since = |seen: &mut u64, now: u64| {
            let more = now - *seen;
            *seen = now;
            (more > 0).then_some(more)
        };
        let broken = metrics.over_shards(|shard| &shard.protocol_errors);
        if let Some(peers) = since(&mut self.protocol_errors, broken) {
            info!(peers, "{} peers broke their protocol and were let go", count(peers));
        }
        let turned_away = metrics.over_shards(|shard| &shard.turned_away);
        if let Some(peers) = since(&mut self.turned_away, turned_away) {
            warn!(peers, "{} peers turned away: connections_max is reached", count(peers));
        }
        if let Some(shed) = since(&mut self.shed, metrics.matcher.shed.value()) {
            warn!(shed, "{} purchases refused: they waited past shed_after_ms", count(shed));
        }
        let is_full = metrics.journal.refused.value() > 0;
        if is_full && !self.is_disk_full {
            let room_bytes = metrics.journal.room_bytes.value();
            let room = count(room_bytes);
            warn!(room_bytes, "the disk is full: {room} bytes are left, kept for what is held");
        } else if !is_full && self.is_disk_full {
            info!("the disk has room again");
        }
        self.is_disk_full = is_full;
        let (orders, buyers) = (metrics.matcher.orders.value(), metrics.matcher.buyers.value());
        let is_full = orders >= metrics.fixed.orders_max as u64
            || buyers + BUYERS_SPARE as u64 > metrics.fixed.buyers_max as u64;
        if is_full && !self.is_table_full {
            let (told, of_buyers) = (count(orders), count(buyers));
            warn!(
                orders,
                buyers,
                "the tables are full with {told} orders and {of_buyers} entries of buyers: new \
                 orders are refused until a sale is removed; orders_max and buyers_max bound them"
            );
        } else if !is_full && self.is_table_full {
            info!("the tables have room again");
        }
        self.is_table_full = is_full;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_progress_only_while_matcher_and_journal_both_go_round() {
        let metrics = Metrics::new(1);
        let mut seen = Seen::default();
        assert!(!seen.goes_on(&metrics), "nobody is there yet");
        let mut matcher = metrics.threads.add("matcher");
        let mut journal = metrics.threads.add("journal");
        matcher.after(0);
        journal.after(0);
        assert!(seen.goes_on(&metrics));
        matcher.after(0);
        journal.after(0);
        assert!(seen.goes_on(&metrics));
        matcher.after(1);
        assert!(!seen.goes_on(&metrics), "the journal stands");
        journal.after(1);
        assert!(!seen.goes_on(&metrics), "the matcher stands");
    }

    #[test]
    fn a_replay_asks_for_more_time_while_it_gets_on() {
        let metrics = Metrics::new(1);
        let mut seen = Seen::default();
        for _ in 0..PATIENCE_LOOKS {
            seen.replay(&metrics);
        }
        assert_eq!(seen.looks_without_progress, PATIENCE_LOOKS);
        metrics.journal.seq.set(5);
        seen.replay(&metrics);
        assert_eq!(seen.looks_without_progress, 0);
    }
}
