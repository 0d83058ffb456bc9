//! What each thread counts. Every counter has one writer, which stores without a lock prefix;
//! whoever shows them reads all and adds up.
//!
//! Times are recorded for a batch and not for an order: a shard's read and publish, the matcher's
//! round, the journal's batch, a shard's round of telling. The time of a batch is that of its
//! oldest order, and counts for all of them: what is shown is never better than what was.

mod answers;
mod histogram;
mod render;
mod sinks;
mod threads;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

pub use answers::{Answers, OUTCOMES, Protocol};
pub use histogram::{Histogram, Tally};
pub use render::CONTENT_TYPE;
pub use sinks::{SinkCounters, Sinks};
pub use threads::{Pulse, ThreadCounters, Threads};

use crossbeam::utils::CachePadded;

/// A number with one writer.
#[derive(Default, Debug)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds, and begins anew above the largest number: counting never ends a server. To be called
    /// by its one writer only.
    #[inline]
    pub fn add(&self, count: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(count), Relaxed);
    }

    /// Sets. To be called by its one writer only.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// Raises to `value` if it is below. To be called by its one writer only.
    #[inline]
    pub fn raise(&self, value: u64) {
        if value > self.0.load(Relaxed) {
            self.0.store(value, Relaxed);
        }
    }

    /// What it is.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What one shard counts.
#[derive(Debug)]
pub struct ShardCounters {
    /// Connections taken.
    pub accepted: Counter,
    /// Connections closed.
    pub closed: Counter,
    /// Connections turned away at the connection limit.
    pub turned_away: Counter,
    /// Requests handed to the matcher.
    pub requests: Counter,
    /// Bytes read from sockets.
    pub bytes_in: Counter,
    /// Bytes written to sockets.
    pub bytes_out: Counter,
    /// Peers that broke their protocol.
    pub protocol_errors: Counter,
    /// Requests refused for want of a token or role.
    pub denied: Counter,
    /// Purchases refused for want of a good ticket.
    pub ticket_refused: Counter,
    /// Purchases refused as sold out without asking the matcher.
    pub sold_out_here: Counter,
    /// Purchases refused above a rate.
    pub rate_limited: Counter,
    /// Orders that connections watch.
    pub watches: Counter,
    /// News of watched orders told, events of streams included but the first.
    pub pushes: Counter,
    /// Answers told.
    pub answers: Answers,
    /// From the read of a request to its place in the ring; per publish.
    pub ring_time: Histogram,
    /// From durable to written; per round of telling, from the newest watermark.
    pub written_time: Histogram,
    /// From the read of a request to its written answer; per round of telling.
    pub answer_time: Histogram,
}

impl Default for ShardCounters {
    fn default() -> ShardCounters {
        ShardCounters {
            accepted: Counter::default(),
            closed: Counter::default(),
            turned_away: Counter::default(),
            requests: Counter::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            protocol_errors: Counter::default(),
            denied: Counter::default(),
            ticket_refused: Counter::default(),
            sold_out_here: Counter::default(),
            rate_limited: Counter::default(),
            watches: Counter::default(),
            pushes: Counter::default(),
            answers: Answers::default(),
            ring_time: Histogram::of_times(),
            written_time: Histogram::of_times(),
            answer_time: Histogram::of_times(),
        }
    }
}

/// What the matcher counts.
#[derive(Debug)]
pub struct MatcherCounters {
    /// Requests decided.
    pub decided: Counter,
    /// Orders given (held or confirmed at once), repeats not counted.
    pub given: Counter,
    /// Refusals.
    pub refused: Counter,
    /// Of these purchases that had waited too long.
    pub shed: Counter,
    /// Holds confirmed.
    pub confirmed: Counter,
    /// Holds released.
    pub released: Counter,
    /// Holds that ran out.
    pub expired: Counter,
    /// Holds extended.
    pub extended: Counter,
    /// Purchases given back.
    pub cancelled: Counter,
    /// Purchases that wait.
    pub waited: Counter,
    /// Of these that were offered units.
    pub offered: Counter,
    /// Of these that ended with their sale.
    pub left: Counter,
    /// Orders in state `waiting`.
    pub waiting: Counter,
    /// Requests decided after one that arrived later.
    pub inversions: Counter,
    /// The largest such difference of arrival, ns.
    pub inversion_ns_max: Counter,
    /// The newest seq decided.
    pub seq: Counter,
    /// From the read of a request to its decision; per round, as of the round's beginning.
    pub matched_time: Histogram,
    /// Cells of requests in the rings at the beginning of the last round.
    pub queued_cells: Counter,
    /// Arrival stamp of the oldest request then, monotonic ns; 0 if there was none.
    pub oldest_arrival: Counter,
    /// Orders in state `held`.
    pub held: Counter,
    /// Orders remembered.
    pub orders: Counter,
    /// Entries in the table of buyers.
    pub buyers: Counter,
}

impl Default for MatcherCounters {
    fn default() -> MatcherCounters {
        MatcherCounters {
            decided: Counter::default(),
            given: Counter::default(),
            refused: Counter::default(),
            shed: Counter::default(),
            confirmed: Counter::default(),
            released: Counter::default(),
            expired: Counter::default(),
            extended: Counter::default(),
            cancelled: Counter::default(),
            waited: Counter::default(),
            offered: Counter::default(),
            left: Counter::default(),
            waiting: Counter::default(),
            inversions: Counter::default(),
            inversion_ns_max: Counter::default(),
            seq: Counter::default(),
            matched_time: Histogram::of_times(),
            queued_cells: Counter::default(),
            oldest_arrival: Counter::default(),
            held: Counter::default(),
            orders: Counter::default(),
            buyers: Counter::default(),
        }
    }
}

/// What the room that makes snapshots counts.
#[derive(Debug, Default)]
pub struct KeeperCounters {
    /// Snapshots made.
    pub snapshots: Counter,
    /// Attempts that failed and are made again.
    pub failures: Counter,
    /// The seq at which the newest snapshot was made.
    pub snapshot_seq: Counter,
    /// Bytes of the journal behind it.
    pub unsnapped_bytes: Counter,
    /// The first seq that the journal has.
    pub first_seq: Counter,
    /// Bytes of all segments.
    pub journal_bytes: Counter,
    /// Segments removed.
    pub removed_segments: Counter,
    /// How often segments were removed that a sink had not been told of.
    pub lost_to_sinks: Counter,
}

/// What the journal counts.
#[derive(Debug)]
pub struct JournalCounters {
    /// Batches written.
    pub batches: Counter,
    /// Record cells written.
    pub cells: Counter,
    /// Bytes written, headers and seals included.
    pub bytes: Counter,
    /// Time spent in syncs, ns.
    pub sync_ns: Counter,
    /// The longest sync, ns.
    pub sync_ns_max: Counter,
    /// The newest durable seq.
    pub seq: Counter,
    /// Segments begun.
    pub segments: Counter,
    /// When it last became durable, monotonic ns.
    pub durable_at: Counter,
    /// From the decision to durable; per batch, by the clock of the records.
    pub durable_time: Histogram,
    /// Time of a sync.
    pub sync_time: Histogram,
    /// Records of a batch.
    pub batch_records: Histogram,
    /// Bytes of a batch.
    pub batch_bytes: Histogram,
    /// Bytes left in the segments that are made.
    pub room_bytes: Counter,
    /// 1 while the disk refuses another segment.
    pub refused: Counter,
}

impl Default for JournalCounters {
    fn default() -> JournalCounters {
        JournalCounters {
            batches: Counter::default(),
            cells: Counter::default(),
            bytes: Counter::default(),
            sync_ns: Counter::default(),
            sync_ns_max: Counter::default(),
            seq: Counter::default(),
            segments: Counter::default(),
            durable_at: Counter::default(),
            durable_time: Histogram::of_times(),
            sync_time: Histogram::of_times(),
            batch_records: Histogram::of_sizes(),
            batch_bytes: Histogram::of_bytes(),
            room_bytes: Counter::default(),
            refused: Counter::default(),
        }
    }
}

/// All of them.
#[derive(Clone, Default, Debug)]
pub struct Metrics {
    /// One for each shard.
    pub shards: Arc<[CachePadded<ShardCounters>]>,
    /// The matcher's.
    pub matcher: Arc<CachePadded<MatcherCounters>>,
    /// The journal's.
    pub journal: Arc<CachePadded<JournalCounters>>,
    /// That of the room that makes snapshots.
    pub keeper: Arc<KeeperCounters>,
    /// Each thread's.
    pub threads: Threads,
    /// Each sink's.
    pub sinks: Sinks,
    /// What does not change while the server runs.
    pub fixed: Fixed,
}

/// What is known at the start.
#[derive(Clone, Copy, Default, Debug)]
pub struct Fixed {
    /// When the server began, monotonic ns; 0 if it did not.
    pub started_at: u64,
    /// See the option.
    pub orders_max: usize,
    /// See the option.
    pub buyers_max: usize,
}

impl Metrics {
    /// Counters at zero.
    pub fn new(shards: usize) -> Metrics {
        Metrics {
            shards: (0..shards).map(|_| CachePadded::default()).collect(),
            ..Metrics::default()
        }
    }

    /// The sum of one counter over all shards.
    pub fn over_shards(&self, pick: impl Fn(&ShardCounters) -> &Counter) -> u64 {
        self.shards.iter().map(|shard| pick(shard).value()).sum()
    }

    /// Redis-style `INFO`: sections of `name:value` lines.
    pub fn info(&self) -> String {
        let (matcher, journal) = (&self.matcher, &self.journal);
        let lines: [(&str, u64); 28] = [
            ("# Clients", 0),
            ("connections_accepted", self.over_shards(|shard| &shard.accepted)),
            ("connections_closed", self.over_shards(|shard| &shard.closed)),
            ("connections_turned_away", self.over_shards(|shard| &shard.turned_away)),
            ("protocol_errors", self.over_shards(|shard| &shard.protocol_errors)),
            ("# Access", 0),
            ("requests_denied", self.over_shards(|shard| &shard.denied)),
            ("tickets_refused", self.over_shards(|shard| &shard.ticket_refused)),
            ("requests_rate_limited", self.over_shards(|shard| &shard.rate_limited)),
            ("# Orders", 0),
            ("requests_decided", matcher.decided.value()),
            ("orders_given", matcher.given.value()),
            ("orders_confirmed", matcher.confirmed.value()),
            ("orders_released", matcher.released.value()),
            ("orders_expired", matcher.expired.value()),
            (
                "requests_refused",
                matcher.refused.value() + self.over_shards(|shard| &shard.sold_out_here),
            ),
            ("sold_out_at_shard", self.over_shards(|shard| &shard.sold_out_here)),
            ("requests_shed", matcher.shed.value()),
            ("# Arrival", 0),
            ("arrival_inversions", matcher.inversions.value()),
            ("arrival_inversion_ns_max", matcher.inversion_ns_max.value()),
            ("# Journal", 0),
            ("journal_seq", journal.seq.value()),
            ("journal_batches", journal.batches.value()),
            ("journal_bytes", journal.bytes.value()),
            ("journal_sync_ns_total", journal.sync_ns.value()),
            ("journal_sync_ns_max", journal.sync_ns_max.value()),
            ("journal_segments", journal.segments.value()),
        ];
        // Client libraries look for Redis's version, and judge by it what they may ask.
        const SERVER: &str = "# Server\r\nserver:doorbuster\r\nredis_version:7.0.0\r\n\
            redis_mode:standalone\r\n";
        let mut text = String::from(SERVER);
        for (name, value) in lines {
            if name.starts_with('#') {
                text += &format!("\r\n{name}\r\n");
            } else {
                text += &format!("{name}:{value}\r\n");
            }
        }
        text
    }
}
