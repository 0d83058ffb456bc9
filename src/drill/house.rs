//! One life of a house: the rooms of a server, made as `pipeline` makes them, but without threads,
//! kernel or files, and with a place to look into every ring.
//!
//! It decides nothing about when who works. Invariant: whatever goes from one room to another goes
//! through a tap, whole and in order.

mod opening;

use std::collections::VecDeque;

pub(super) use opening::{EVERYTHING, Found, Make, recover};

use super::clock;
use super::disk::SimDisk;
use super::judge::Work;
use crate::journal::{Journal, Room, Watermark};
use crate::keeper::Keeper;
use crate::matcher::Matcher;
use crate::message::{Cell, messages};
use crate::metrics::Metrics;
use crate::operator::{Operator, OperatorHandle};
use crate::ring::{Reader, Writer};
use crate::sale::Bounds;
use crate::shard::Shard;
use crate::sink::Follower;

/// Large enough for everything a round asks for.
pub(super) const BOUNDS: Bounds = Bounds {
    orders_max: 512,
    buyers_max: 512,
    long_texts_max: 256,
    lines_max: 512,
    waiters_max: 512,
    sales_max: 16,
};
const JOURNAL_RING_CELLS: usize = 256;
/// Requests that waited longer are shed.
pub(super) const SHED_AFTER_NS: u64 = 1_000_000_000;

/// Between a room that asks and the matcher.
struct Tap {
    asked: Reader<Cell>,
    to_matcher: Writer<Cell>,
    told: Reader<Cell>,
    to_asker: Writer<Cell>,
    /// With the matcher, and not answered. Who asked has their places back when they are decided,
    /// as without a tap.
    pending: VecDeque<Vec<Cell>>,
    /// Cells of answers seen and not carried on.
    seen: usize,
}

pub(super) struct House {
    pub(super) shards: Vec<Shard>,
    pub(super) operator: Operator,
    pub(super) handle: OperatorHandle,
    pub(super) matcher: Matcher,
    pub(super) journal: Journal<SimDisk>,
    pub(super) follower: Follower<SimDisk>,
    /// `None`: no snapshots are made.
    keeper: Option<Keeper<SimDisk>>,
    pub(super) watermark: Watermark,
    pub(super) metrics: Metrics,
    room: Room,
    taps: Vec<Tap>,
    records: Reader<Cell>,
    to_journal: Writer<Cell>,
    /// Cells of records seen and not carried on.
    seen: usize,
    /// The matcher's time, and the monotonic one as of which it is.
    time: (u64, u64),
}

impl House {
    /// Carries requests on to the matcher. Returns how many cells.
    pub(super) fn carry_requests(&mut self, door: usize) -> usize {
        let tap = &mut self.taps[door];
        let from: usize = tap.pending.iter().map(Vec::len).sum();
        let there = tap.asked.available(usize::MAX);
        let cells: Vec<Cell> = (from..there).map(|at| tap.asked.get(at)).collect();
        let room = tap.to_matcher.free(cells.len());
        let mut carried = 0;
        for request in messages(&cells) {
            if carried + request.len() > room {
                break;
            }
            carried += request.len();
            tap.to_matcher.push_all(request.iter().copied());
            tap.pending.push_back(request.to_vec());
        }
        tap.to_matcher.publish();
        carried
    }

    /// Carries answers on to who asked. Returns how many cells.
    pub(super) fn carry_answers(&mut self, door: usize) -> usize {
        let tap = &mut self.taps[door];
        let count = tap.seen;
        (0..count).for_each(|at| tap.to_asker.push(tap.told.get(at)));
        tap.told.release(count);
        tap.seen = 0;
        tap.to_asker.publish();
        count
    }

    /// Carries records on to the journal. Returns how many cells.
    pub(super) fn carry_records(&mut self) -> usize {
        let count = self.seen.min(self.to_journal.free(JOURNAL_RING_CELLS));
        (0..count).for_each(|at| self.to_journal.push(self.records.get(at)));
        self.records.release(count);
        self.seen -= count;
        self.to_journal.publish();
        count
    }

    /// Lets the matcher decide. Returns what it did.
    ///
    /// # Errors
    /// If it passed over somebody who came first.
    pub(super) fn decide(&mut self) -> Result<Work, String> {
        let (time, read_at) = self.time;
        let glance = clock::glance();
        let now = clock::unix().max(time + (glance - read_at));
        self.time = (now, glance);
        let was_refused = self.room.is_refused();
        self.matcher.work();
        let mut decided = Vec::new();
        for (door, tap) in self.taps.iter_mut().enumerate() {
            for answer in tap.new_answers() {
                let request = tap.pending.pop_front().ok_or("an answer to nobody")?;
                tap.asked.release(request.len());
                decided.push((request[0].head().time.to_native(), door, request, answer));
            }
        }
        decided.sort_by_key(|(stamp, door, ..)| (*stamp, *door));
        let newest = decided.last().map_or(0, |(stamp, ..)| *stamp);
        let mut may_overload = was_refused;
        for (stamp, ..) in &decided {
            may_overload |= glance.saturating_sub(*stamp) > SHED_AFTER_NS;
        }
        // The operator's may have to wait for others' turns.
        for (door, tap) in self.taps[..self.taps.len() - 1].iter().enumerate() {
            let oldest = tap.pending.front().map(|request| request[0].head().time.to_native());
            if let Some(oldest) = oldest.filter(|oldest| *oldest < newest) {
                return Err(format!(
                    "a request of stamp {oldest} at door {door} was passed over for {newest}"
                ));
            }
        }
        let decided = decided.into_iter().map(|(_, _, request, answer)| (request, answer));
        Ok(Work { now, may_overload, decided: decided.collect(), records: self.new_records() })
    }

    /// Lets the keeper work. Returns how much it did.
    pub(super) fn keep(&mut self) -> usize {
        self.keeper.as_mut().map_or(0, |keeper| keeper.work(&|| false))
    }

    /// Records that were not seen before.
    pub(super) fn new_records(&mut self) -> Vec<Vec<Cell>> {
        let there = self.records.available(usize::MAX);
        let cells: Vec<Cell> = (self.seen..there).map(|at| self.records.get(at)).collect();
        self.seen = there;
        messages(&cells).map(<[Cell]>::to_vec).collect()
    }

    /// Whether nothing is on its way between rooms.
    pub(super) fn is_quiet(&mut self) -> bool {
        let records = self.records.available(usize::MAX);
        let is_quiet = |tap: &mut Tap| {
            let asked = tap.asked.available(usize::MAX);
            tap.pending.is_empty() && tap.seen == 0 && asked == 0
        };
        records == 0 && self.taps.iter_mut().all(is_quiet) && !self.journal.has_work()
    }
}

impl Tap {
    fn new_answers(&mut self) -> Vec<Vec<Cell>> {
        let there = self.told.available(usize::MAX);
        let mut answers = Vec::new();
        while self.seen < there {
            let len = 1 + self.told.get(self.seen).reply_tails();
            answers.push((0..len).map(|at| self.told.get(self.seen + at)).collect());
            self.seen += len;
        }
        answers
    }
}
