//! The loop that is the same for all sinks: read what is durable, deliver, remember; after trouble
//! wait and try again, each time a little longer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};

use super::change::{Change, Kind};
use super::checkpoint::Checkpoint;
use super::history::History;
use super::{Sink, Trouble};
use crate::heads::hex;
use crate::journal::{Cursor, Disk, JournalError, Watermark};
use crate::limits::{SINK_CHANGES_MAX, SINK_WAIT_MS_MAX, SINK_WAIT_MS_MIN};
use crate::message::messages;
use crate::metrics::SinkCounters;
use crate::sale::{Name, Seq, Stamp};

/// Which changes a sink wants.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Of these kinds.
    pub kinds: Vec<Kind>,
    /// Of these sales; empty for all.
    pub sales: Vec<Name>,
}

impl Wanted {
    fn has(&self, change: &Change) -> bool {
        self.kinds.contains(&change.kind)
            && (self.sales.is_empty() || self.sales.contains(&change.sale))
    }
}

/// What a follower is made of.
pub struct FollowerParts {
    /// The sink's name.
    pub name: String,
    /// Where changes go.
    pub sink: Box<dyn Sink>,
    /// Which.
    pub wanted: Wanted,
    /// The journal's folder.
    pub journal: Disk,
    /// Its id.
    pub folder: [u8; 16],
    /// How far it is durable.
    pub watermark: Watermark,
    /// Where the checkpoint lies.
    pub checkpoint: PathBuf,
    /// Where it counts.
    pub counters: Arc<SinkCounters>,
    /// Monotonic ns.
    pub clock: fn() -> u64,
}

/// The room of one sink.
pub struct Follower {
    parts: FollowerParts,
    /// `None` before it could begin.
    cursor: Option<Cursor<Disk>>,
    history: History,
    /// What is to be written down, and whether it is.
    kept: Checkpoint,
    is_kept: bool,
    /// Read and not delivered yet, and up to where it was read.
    pending: Vec<Change>,
    read: Seq,
    /// The time of the last record that was read.
    read_time: Stamp,
    /// Whether the sink stands where `kept` says.
    has_begun: bool,
    /// After trouble: when it is tried again, and how long it is waited then.
    again_at: u64,
    wait_ms: u64,
    has_stopped: bool,
}

impl Follower {
    /// How long it sleeps when there is nothing to do: nobody wakes it, so that it costs those on
    /// an order's way nothing.
    pub const NAP: Duration = Duration::from_millis(5);

    /// A follower that has done nothing yet.
    pub fn new(parts: FollowerParts) -> Follower {
        Follower {
            parts,
            cursor: None,
            history: History::default(),
            kept: Checkpoint::default(),
            is_kept: true,
            pending: Vec::new(),
            read: 0,
            read_time: 0,
            has_begun: false,
            again_at: 0,
            wait_ms: SINK_WAIT_MS_MIN,
            has_stopped: false,
        }
    }

    /// The sink's name.
    pub fn name(&self) -> &str {
        &self.parts.name
    }

    /// Whether everything that is durable now has been delivered.
    pub fn is_level(&self) -> bool {
        self.pending.is_empty() && self.read >= self.parts.watermark.seq() && self.has_begun
    }

    /// Whether it waits for better times, or for nothing any more: nobody needs to wait for it.
    pub fn is_in_trouble(&self) -> bool {
        self.has_stopped || self.wait_ms > SINK_WAIT_MS_MIN
    }

    /// Reads and delivers what there is, some of it. Returns how much was done.
    pub fn work(&mut self) -> usize {
        let mut done = 0;
        if !self.has_stopped && (self.parts.clock)() >= self.again_at {
            match self.round() {
                Ok(count) => {
                    done = count;
                    self.recovered();
                }
                Err(trouble) => self.trouble(trouble),
            }
        }
        self.show();
        done
    }

    fn round(&mut self) -> Result<usize, Trouble> {
        self.begin()?;
        // Nothing more is delivered before it is written down what was.
        self.keep()?;
        let before = self.read;
        self.gather()?;
        if self.pending.is_empty() {
            return Ok((self.read - before) as usize);
        }
        let count = self.pending.len();
        let mark = self.parts.sink.deliver(&self.pending, self.read)?;
        (self.kept.seq, self.kept.mark) = (self.read, mark);
        self.is_kept = false;
        self.pending.clear();
        self.parts.counters.delivered.add(count as u64);
        self.keep()?;
        Ok(count)
    }

    fn recovered(&mut self) {
        if self.wait_ms > SINK_WAIT_MS_MIN {
            info!("sink {}: goes on after seq {}", self.parts.name, self.kept.seq);
        }
        self.wait_ms = SINK_WAIT_MS_MIN;
    }

    /// Makes sink and reader stand where the checkpoint says.
    fn begin(&mut self) -> Result<(), Trouble> {
        if self.cursor.is_none() {
            let path = &self.parts.checkpoint;
            let kept = Checkpoint::read(path)?;
            let journal = hex(&self.parts.folder);
            let fresh = || Checkpoint { journal: journal.clone(), ..Checkpoint::default() };
            self.kept = kept.unwrap_or_else(fresh);
            if self.kept.journal != journal {
                return Err(Trouble::Stop(format!(
                    "{} speaks of another journal, {}; remove it to begin anew",
                    path.display(),
                    self.kept.journal
                )));
            }
            let durable = self.parts.watermark.seq();
            if self.kept.seq > durable {
                return Err(Trouble::Stop(format!(
                    "{} says that seq {} was delivered, and the journal ends at {durable}",
                    path.display(),
                    self.kept.seq
                )));
            }
            let cursor = Cursor::new(self.parts.journal.clone());
            self.cursor = Some(cursor.map_err(of_journal)?);
        }
        if !self.has_begun {
            let mark = self.parts.sink.begin(&self.kept)?;
            self.is_kept &= mark == self.kept.mark;
            self.kept.mark = mark;
            self.has_begun = true;
        }
        Ok(())
    }

    /// Writes the checkpoint, if there is anything new in it.
    fn keep(&mut self) -> Result<(), Trouble> {
        if !self.is_kept {
            let path = &self.parts.checkpoint;
            let written = self.kept.write(path);
            written.map_err(|why| Trouble::Again(format!("{}: {why}", path.display())))?;
            self.is_kept = true;
        }
        Ok(())
    }

    /// Reads until there is enough to deliver, or nothing more is durable.
    fn gather(&mut self) -> Result<(), Trouble> {
        let cursor = self.cursor.as_mut().expect("it has begun");
        let durable = self.parts.watermark.seq();
        let mut looked = 0;
        while self.pending.len() < SINK_CHANGES_MAX && looked < 4 * SINK_CHANGES_MAX {
            let Some(batch) = cursor.next(durable).map_err(of_journal)? else { break };
            for (seq, record) in (batch.first_seq..).zip(messages(batch.cells)) {
                let change = self.history.note(seq, record).map_err(Trouble::Stop)?;
                let change = change.filter(|change| self.parts.wanted.has(change));
                self.pending.extend(change.filter(|_| seq > self.kept.seq));
                self.read_time = record[0].head().time.to_native();
                looked += 1;
            }
            self.read = batch.last_seq;
        }
        Ok(())
    }

    fn trouble(&mut self, trouble: Trouble) {
        let name = &self.parts.name;
        self.has_begun = false;
        match trouble {
            Trouble::Again(why) => {
                // Half of it by chance, so that many that failed together do not come together.
                let chance = (self.parts.clock)().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
                let wait_ms = self.wait_ms / 2 + chance % (self.wait_ms / 2 + 1);
                self.again_at = (self.parts.clock)() + wait_ms * 1_000_000;
                self.wait_ms = (2 * self.wait_ms).min(SINK_WAIT_MS_MAX);
                self.parts.counters.failures.add(1);
                warn!("sink {name}: {why}; again in {wait_ms} ms, nothing is lost");
            }
            Trouble::Stop(why) => {
                self.has_stopped = true;
                self.parts.counters.stopped.set(1);
                error!("sink {name} has stopped: {why}; the server goes on without it");
            }
        }
    }

    fn show(&self) {
        let counters = &self.parts.counters;
        let durable = self.parts.watermark.seq();
        let read = if self.pending.is_empty() { self.read } else { 0 };
        let delivered = self.kept.seq.max(read);
        counters.lag.set(durable.saturating_sub(delivered));
        let since = self.pending.first().map_or(self.read_time, |change| change.time);
        counters.behind_since.set(if delivered < durable { since } else { 0 });
    }
}

/// The disk may have its reasons, and they may pass; what is damaged stays so.
fn of_journal(why: JournalError) -> Trouble {
    match why {
        JournalError::Disk { .. } => Trouble::Again(why.to_string()),
        _ => Trouble::Stop(why.to_string()),
    }
}
