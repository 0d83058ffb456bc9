//! Decides every request, one after another: takes the rings' requests in order of arrival, gives
//! them a seq and a time, asks the sale, and passes records to the journal and answers to shards.
//!
//! It is the only room that changes stock. It never waits for a shard (a reply always finds room,
//! see `limits`), never syncs and never answers: an answer leaves only behind the journal's proof.
//!
//! Invariant: at each moment all requests that it can see are decided oldest stamp first. A stamp
//! older than one already decided is an inversion: it was on its way between a socket and the ring.

mod decide;

use std::sync::Arc;

use crossbeam::utils::CachePadded;

use crate::bell::Bell;
use crate::directory::DirectoryWriter;
use crate::journal::Room;
use crate::limits::{MATCHER_BATCH_MAX, TAILS_MAX};
use crate::message::{Cell, kind};
use crate::metrics::MatcherCounters;
use crate::record;
use crate::ring::{Reader, Writer};
use crate::sale::{Shop, Stamp};

/// Requests whose memory is asked for ahead of their decision.
const PREFETCH_AHEAD: usize = 32;
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
    doors: Vec<Door>,
    records: Writer<Cell>,
    journal_bell: Arc<Bell>,
    directory: DirectoryWriter,
    room: Room,
    clock: fn() -> Stamp,
    counters: Arc<CachePadded<MatcherCounters>>,
    /// The newest arrival stamp decided.
    newest_arrival: u64,
}

/// What a matcher is made of.
pub struct MatcherParts {
    /// The state to go on from.
    pub shop: Shop,
    /// Where requests come from.
    pub doors: Vec<Door>,
    /// Where records go.
    pub records: Writer<Cell>,
    /// Wakes the journal.
    pub journal_bell: Arc<Bell>,
    /// Where new names are published.
    pub directory: DirectoryWriter,
    /// How much the journal can still take.
    pub room: Room,
    /// Unix ns. May step back; the matcher's time does not.
    pub clock: fn() -> Stamp,
    /// Its counters.
    pub counters: Arc<CachePadded<MatcherCounters>>,
}

impl Matcher {
    /// A matcher that goes on from the state it is given.
    pub fn new(parts: MatcherParts) -> Matcher {
        let MatcherParts { shop, doors, records, journal_bell, directory, room, clock, counters } =
            parts;
        counters.seq.set(shop.seq());
        Matcher {
            shop,
            doors,
            records,
            journal_bell,
            directory,
            room,
            clock,
            counters,
            newest_arrival: 0,
        }
    }

    /// Decides what is there, up to a batch. Returns how much that was.
    pub fn work(&mut self) -> usize {
        let now = (self.clock)().max(self.shop.now());
        let mut done = self.expire(now);
        self.watch_room();
        while done < MATCHER_BATCH_MAX && self.records.free(TAILS_MAX + 1) > TAILS_MAX {
            let Some((door, until)) = self.oldest() else { break };
            // All holds that have ended are back before the next command is decided.
            if self.shop.has_due(now) {
                break;
            }
            done += self.run(door, until, now, MATCHER_BATCH_MAX - done);
        }
        self.pass_on();
        done
    }

    /// Whether there is something to decide.
    pub fn busy(&mut self) -> bool {
        self.doors.iter_mut().any(|door| door.requests.available(1) > 0)
            || self.shop.due() <= (self.clock)()
    }

    /// Whether every door is closed and all that came through was decided.
    pub fn is_finished(&mut self) -> bool {
        self.doors.iter_mut().all(|door| door.requests.is_finished())
    }

    /// How long it may sleep before the next hold ends, in ns from now.
    pub fn sleep_ns_max(&self) -> u64 {
        self.shop.due().saturating_sub((self.clock)())
    }

    /// Seals the state: the last record before a clean stop.
    pub fn seal(&mut self) {
        let now = (self.clock)().max(self.shop.now());
        if self.shop.seq() == 0 || self.records.free(1) == 0 {
            return;
        }
        let hash = self.shop.state_hash();
        self.shop.seal(now);
        self.records.push(record::seal(&hash, now).into());
        self.pass_on();
    }

    /// The state, for whoever proves something of it.
    pub fn shop(&self) -> &Shop {
        &self.shop
    }

    /// Returns the units of all holds that end by `now`, as far as the journal's ring has room.
    fn expire(&mut self, now: Stamp) -> usize {
        let mut count = 0;
        while self.records.free(1) > TAILS_MAX {
            let Some((sale, given)) = self.shop.expire(now) else { break };
            self.records.push(record::change(kind::EXPIRE, sale, &given, now).into());
            count += 1;
        }
        self.counters.expired.add(count as u64);
        count
    }

    /// Keeps journal room for what is already held: new orders are refused before it is gone.
    fn watch_room(&mut self) {
        let reserve = RESERVE_BYTES + RESERVE_BYTES_PER_HOLD * self.shop.held();
        self.shop.admit(self.room.bytes_left() > reserve);
    }

    /// The door whose head arrived first, and the stamp up to which it stays the first.
    #[inline]
    fn oldest(&mut self) -> Option<(usize, u64)> {
        let (mut first, mut until) = (None, u64::MAX);
        let mut oldest = u64::MAX;
        for (index, door) in self.doors.iter_mut().enumerate() {
            if door.requests.available(1) == 0 {
                continue;
            }
            let stamp = door.requests.get(0).head().time.to_native();
            if first.is_none() || stamp < oldest {
                until = oldest;
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
            while ahead < available && ahead < at + PREFETCH_AHEAD {
                ahead += self.prefetch(&self.doors[door].requests.get(ahead));
            }
            let cell = self.doors[door].requests.get(at);
            let head = cell.head();
            let stamp = head.time.to_native();
            let cells = 1 + usize::from(head.tails.to_native());
            assert!(at + cells <= available, "a message is published whole");
            if stamp > until || self.records.free(TAILS_MAX + 1) <= TAILS_MAX {
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
    fn prefetch(&self, cell: &Cell) -> usize {
        let head = cell.head();
        if head.kind == kind::BUY {
            if let (Some(buyer), Some(key)) = (head.buyer(), head.key()) {
                self.shop.prefetch(head.sale.to_native(), buyer, key);
            }
        } else {
            self.shop.prefetch_order(head.order());
        }
        1 + usize::from(head.tails.to_native())
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

    /// Shows the journal its records first, then the shards their answers.
    fn pass_on(&mut self) {
        if self.records.publish() {
            self.counters.seq.set(self.shop.seq());
            self.journal_bell.ring();
        }
        for door in &mut self.doors {
            if door.replies.publish() {
                door.bell.ring();
            }
        }
    }
}
