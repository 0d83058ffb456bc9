//! Decides every request, one after another: takes the rings' requests in order of arrival, gives
//! them a seq and a time, asks the sale, and passes records to the journal and answers to shards.
//!
//! It is the only room that changes stock. It never waits for a shard (a reply always finds room,
//! see `limits`), never syncs and never answers: an answer leaves only behind the journal's proof.
//!
//! Invariant: at each moment all requests that it can see are decided oldest stamp first. A stamp
//! older than one already decided is an inversion: it was on its way between a socket and the ring.

mod basket;
mod clockwork;
mod decide;
mod notices;
mod rule;
mod show;

use std::sync::Arc;

use crossbeam::utils::CachePadded;

use crate::bell::Bell;
use crate::board::BoardWriter;
use crate::journal::Room;
use crate::limits::{ENTRIES_PASSED_OVER, LOOKS_AT_ONCE, MATCHER_BATCH_MAX, TAILS_MAX};
use crate::live::Follower;
use crate::message::{CELL_BYTES, Cell, kind};
use crate::metrics::{JournalCounters, MatcherCounters};
use crate::mutant::{self, Mutant};
use crate::news::NewsWriter;
use crate::record;
use crate::ring::{Reader, Writer};
use crate::sale::{Shop, Stamp};

/// Journal bytes kept for each held order: its last record, alone in a batch.
const RESERVE_BYTES_PER_HOLD: u64 = 3 * 64;
/// And for what is decided before the room is looked at again.
const RESERVE_BYTES: u64 = 2 << 20;

/// One source of requests: a shard, or the operator.
pub struct Door {
    /// Its requests.
    pub requests: Reader<Cell>,
    /// Its answers, in the order of its requests.
    pub replies: Writer<Cell>,
    /// Wakes it.
    pub bell: Arc<Bell>,
}

/// The room.
pub struct Matcher {
    shop: Shop,
    board: BoardWriter,
    news: NewsWriter,
    /// Something is sold out, and the board has not noted everything given.
    board_lags: bool,
    doors: Vec<Door>,
    /// The operator's, in a round in which its next command has to wait.
    held_back: Option<usize>,
    records: Writer<Cell>,
    journal_bell: Arc<Bell>,
    room: Room,
    clock: fn() -> Stamp,
    monotonic: fn() -> u64,
    shed_after_ns: u64,
    live: Follower,
    counters: Arc<CachePadded<MatcherCounters>>,
    journal_counters: Arc<CachePadded<JournalCounters>>,
    /// Cells passed on to the journal.
    passed_on: u64,
    /// The newest arrival stamp decided.
    newest_arrival: u64,
    /// The matcher's time, Unix ns, as of `read_at`, monotonic ns.
    time: Stamp,
    read_at: u64,
}

/// What a matcher is made of.
pub struct MatcherParts {
    /// The state to go on from.
    pub shop: Shop,
    /// Where it says what is sold out.
    pub board: BoardWriter,
    /// Where it says which orders have changed; its readers are the first of the doors.
    pub news: NewsWriter,
    /// Where requests come from.
    pub doors: Vec<Door>,
    /// Where records go.
    pub records: Writer<Cell>,
    /// Wakes the journal.
    pub journal_bell: Arc<Bell>,
    /// How much the journal can still take.
    pub room: Room,
    /// Unix ns. May step; the matcher's time does not step back, and runs on while this stands.
    pub clock: fn() -> Stamp,
    /// Monotonic ns, the clock of the arrival stamps.
    pub monotonic: fn() -> u64,
    /// Purchases that waited longer than this are refused as overloaded, ns.
    pub shed_after_ns: u64,
    /// Its counters.
    pub counters: Arc<CachePadded<MatcherCounters>>,
    /// The journal's counters: how many of the cells passed on are written.
    pub journal_counters: Arc<CachePadded<JournalCounters>>,
}

impl Matcher {
    /// A matcher that goes on from the state it is given.
    pub fn new(parts: MatcherParts) -> Matcher {
        parts.counters.seq.set(parts.shop.seq());
        let mut shop = parts.shop;
        shop.pass_over(ENTRIES_PASSED_OVER);
        let matcher = Matcher {
            time: shop.now(),
            read_at: (parts.monotonic)(),
            shop,
            board: parts.board,
            news: parts.news,
            board_lags: false,
            doors: parts.doors,
            held_back: None,
            records: parts.records,
            journal_bell: parts.journal_bell,
            room: parts.room,
            clock: parts.clock,
            monotonic: parts.monotonic,
            shed_after_ns: parts.shed_after_ns,
            live: Follower::default(),
            counters: parts.counters,
            passed_on: parts.journal_counters.cells.value(),
            journal_counters: parts.journal_counters,
            newest_arrival: 0,
        };
        matcher.show(0, 0);
        matcher
    }

    /// Takes its changing options from here.
    pub fn follow(&mut self, live: Follower) {
        self.live = live;
    }

    /// Decides what is there, up to a batch. Returns how much that was.
    pub fn work(&mut self) -> usize {
        if let Some(values) = self.live.news() {
            self.shed_after_ns = values.shed_after_ms.saturating_mul(1_000_000);
        }
        let now = self.read_time();
        let expired = self.expire(now) + self.happen(now);
        let promoted = self.promote(now);
        self.held_back = None;
        let mut done = expired;
        self.watch_room();
        let oldest = self.look_ahead();
        while done < MATCHER_BATCH_MAX && self.records.free(TAILS_MAX + 1) > TAILS_MAX {
            let Some((door, until)) = self.oldest() else { break };
            // All holds that have ended are back before the next command is decided.
            if self.shop.has_due(now) {
                break;
            }
            let count = self.run(door, until, now, MATCHER_BATCH_MAX - done);
            // Whoever waits for a sale's turns lets the other doors go on.
            if count == 0 && self.held_back != Some(door) {
                break;
            }
            done += count;
        }
        self.pass_on();
        let cleared = self.clear();
        if done + promoted + cleared > 0 {
            self.show(oldest, done - expired);
        }
        done + promoted + cleared + self.note()
    }

    /// Clears away a slice of what removed sales have left, after the answers are on their way.
    fn clear(&mut self) -> usize {
        if !self.shop.is_clearing() {
            return 0;
        }
        let looks = self.shop.clear_some(LOOKS_AT_ONCE);
        if !self.shop.is_clearing() {
            // What was given in them is not to be remembered for ever.
            self.board.begin_again();
        }
        looks
    }

    /// Shows how much waits, and since when. Returns the oldest arrival stamp, 0 if none waits.
    fn look_ahead(&mut self) -> u64 {
        let (mut oldest, mut cells) = (u64::MAX, 0);
        for door in &mut self.doors {
            let waiting = door.requests.available(usize::MAX);
            if waiting > 0 {
                cells += waiting as u64;
                oldest = oldest.min(door.requests.get(0).head().time.to_native());
            }
        }
        let oldest = if cells == 0 { 0 } else { oldest };
        self.counters.queued_cells.set(cells);
        self.counters.oldest_arrival.set(oldest);
        oldest
    }

    /// Shows what the round was, of which the oldest request arrived at `oldest`.
    fn show(&self, oldest: u64, decided: usize) {
        if decided > 0 {
            // What came in after the look has not waited.
            let waited = if oldest == 0 { 0 } else { self.read_at.saturating_sub(oldest) };
            self.counters.matched_time.record(waited, decided as u64);
        }
        self.counters.held.set(self.shop.held());
        self.counters.waiting.set(self.shop.waiting());
        self.counters.orders.set(self.shop.orders_len() as u64);
        self.counters.buyers.set(self.shop.buyers_len() as u64);
    }

    /// Whether there is something to decide and room for what is decided, or to be cleared away.
    pub fn busy(&mut self) -> bool {
        if self.shop.is_clearing() {
            return true;
        }
        self.records.free(TAILS_MAX + 1) > TAILS_MAX
            && (self.board_lags
                || self.doors.iter_mut().any(|door| door.requests.available(1) > 0)
                || {
                    let now = self.read_time();
                    self.shop.due() <= now || self.shop.is_promoting(now)
                })
    }

    /// Reads the time: it follows the wall clock forward, and while that stands or has stepped
    /// back it runs on at its own pace, so that holds end when they should.
    fn read_time(&mut self) -> Stamp {
        let read_at = (self.monotonic)();
        let elapsed = read_at.saturating_sub(self.read_at);
        (self.time, self.read_at) = ((self.clock)().max(self.time + elapsed), read_at);
        self.time
    }

    /// Whether every door is closed and all that came through was decided.
    pub fn is_finished(&mut self) -> bool {
        self.doors.iter_mut().all(|door| door.requests.is_finished())
    }

    /// How long it may sleep before the next hold ends, in ns from now.
    pub fn sleep_ns_max(&self) -> u64 {
        self.shop.due().saturating_sub(self.time)
    }

    /// Seals the state: the last record before a clean stop. Returns whether that is done; if not,
    /// there is [`work`](Self::work) left, or the journal's ring is full.
    ///
    /// It takes the time of the last decision, not a new one: no hold ends in between.
    pub fn seal(&mut self) -> bool {
        let now = self.shop.now();
        if self.shop.seq() == 0 {
            return true;
        }
        if self.shop.has_due(now) || self.records.free(1) == 0 {
            return false;
        }
        let hash = self.shop.state_hash();
        self.shop.seal(now);
        self.records.push(record::seal(&hash, now).into());
        self.pass_on();
        true
    }

    /// The state, for whoever proves something of it.
    pub fn shop(&self) -> &Shop {
        &self.shop
    }

    /// Keeps journal room for what is already held: new orders are refused before it is gone.
    fn watch_room(&mut self) {
        let under_way = self.passed_on - self.journal_counters.cells.value();
        let reserve = RESERVE_BYTES
            + RESERVE_BYTES_PER_HOLD
                * (self.shop.held() + 3 * self.shop.waiting() + self.shop.planned() as u64)
            + CELL_BYTES as u64 * under_way;
        self.shop.admit(self.room.bytes_left() > reserve);
    }

    /// The door whose head arrived first, and the stamp up to which it stays the first.
    #[inline]
    fn oldest(&mut self) -> Option<(usize, u64)> {
        let (mut first, mut until) = (None, u64::MAX);
        let mut oldest = u64::MAX;
        for (index, door) in self.doors.iter_mut().enumerate() {
            if door.requests.available(1) == 0 || self.held_back == Some(index) {
                continue;
            }
            let stamp = door.requests.get(0).head().time.to_native();
            if first.is_none() || (stamp < oldest) != mutant::is(Mutant::ArrivalSwapped) {
                until = if mutant::is(Mutant::ArrivalSwapped) { u64::MAX } else { oldest };
                (first, oldest) = (Some(index), stamp);
            } else {
                until = until.min(stamp);
            }
        }
        first.map(|index| (index, until))
    }

    /// Decides requests of one door while they are the oldest. Returns how many.
    fn run(&mut self, door: usize, until: u64, now: Stamp, count_max: usize) -> usize {
        let available = self.doors[door].requests.available(1);
        let (mut at, mut ahead, mut count) = (0, 0, 0);
        while at < available && count < count_max {
            while ahead < available && ahead < at + record::PREFETCH_AHEAD {
                let requests = &self.doors[door].requests;
                let later = requests.get(ahead);
                record::prefetch(&self.shop, later.head());
                ahead += later.head().cells();
            }
            let cell = self.doors[door].requests.get(at);
            let head = cell.head();
            let stamp = head.time.to_native();
            let cells = head.cells();
            assert!(at + cells <= available, "a message is published whole");
            if stamp > until || self.records.free(TAILS_MAX + 1) <= TAILS_MAX {
                break;
            }
            // What is free belongs to those who wait before an operator can say anything of it.
            if matches!(head.kind, kind::OPEN..=kind::DRAW)
                && self.shop.is_promoting_in(head.sale.to_native(), now)
            {
                self.held_back = Some(door);
                break;
            }
            self.arrived(stamp);
            self.decide(door, at, head, now);
            at += cells;
            count += 1;
        }
        self.doors[door].requests.release(at);
        self.counters.decided.add(count as u64);
        count
    }

    #[inline(always)]
    fn arrived(&mut self, stamp: u64) {
        if stamp >= self.newest_arrival {
            self.newest_arrival = stamp;
        } else {
            self.counters.inversions.add(1);
            self.counters.inversion_ns_max.raise(self.newest_arrival - stamp);
        }
    }

    /// Shows the journal its records first, then the shards their answers and what has changed.
    fn pass_on(&mut self) {
        self.passed_on += self.records.unpublished() as u64;
        if self.records.publish() {
            self.counters.seq.set(self.shop.seq());
            self.journal_bell.ring();
        }
        let has_news = self.news.publish();
        for (index, door) in self.doors.iter_mut().enumerate() {
            if door.replies.publish() || has_news && self.news.is_for(index) {
                door.bell.ring();
            }
        }
    }
}
