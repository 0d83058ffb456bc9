//! One life of a house: the rooms of a server, made as `pipeline` makes them, but without threads,
//! kernel or files, and with a place to look into every ring.
//!
//! It decides nothing about when who works. Invariant: whatever goes from one room to another goes
//! through a tap, whole and in order.

use std::collections::VecDeque;
use std::sync::{Arc, atomic::AtomicBool};

use super::clock;
use super::disk::SimDisk;
use super::judge::Work;
use super::sink::{Outlet, Shelf};
use crate::access::Access;
use crate::bell::Bell;
use crate::board::BoardWriter;
use crate::chains::chains;
use crate::directory::DirectoryWriter;
use crate::heads;
use crate::journal::{
    self, Durability, Gate, Journal, JournalError, JournalOptions, Report, Room, Watermark,
};
use crate::limits::TAILS_MAX;
use crate::matcher::{Door, Matcher, MatcherParts};
use crate::message::{Cell, messages};
use crate::metrics::Metrics;
use crate::news::NewsWriter;
use crate::operator::{Operator, OperatorHandle, OperatorParts};
use crate::pipeline;
use crate::record::Replay;
use crate::ring::{Reader, Writer, ring};
use crate::sale::{Bounds, Seed, Shop};
use crate::shard::{Shard, ShardOptions, ShardParts};
use crate::sink::{Follower, FollowerParts, Kind, Wanted};
use crate::taps::{SinkView, Taps};

/// Large enough for everything a round asks for.
pub(super) const BOUNDS: Bounds = Bounds {
    orders_max: 512,
    buyers_max: 512,
    long_texts_max: 256,
    lines_max: 512,
    waiters_max: 512,
    sales_max: 16,
};
// Rings are as small as they can be: a round makes many.
const REQUEST_RING_CELLS: usize = 256;
const REPLY_RING_CELLS: usize = 1024;
const OPERATOR_RING_CELLS: usize = (TAILS_MAX + 2).next_power_of_two();
const RECORD_RING_CELLS: usize = (TAILS_MAX + 2).next_power_of_two();
const JOURNAL_RING_CELLS: usize = 256;
/// Requests that waited longer are shed.
pub(super) const SHED_AFTER_NS: u64 = 1_000_000_000;

/// What a life is made of, beside the disks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Make {
    pub(super) shards: usize,
    pub(super) segment_bytes: u64,
    pub(super) segments_ahead: usize,
    pub(super) batch_cells_max: usize,
    pub(super) connections_max: usize,
    pub(super) seed: u64,
}

impl Make {
    pub(super) fn journal(&self) -> JournalOptions {
        let (bytes, ahead) = (self.segment_bytes, self.segments_ahead);
        JournalOptions::tiny(bytes, ahead, Durability::Fsync, self.batch_cells_max)
    }

    pub(super) fn seed(&self) -> Seed {
        Seed::new([self.seed, 2, 3, 4])
    }
}

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

/// What was found on the disk.
pub(super) struct Found {
    pub(super) report: Report,
    /// All records, each with its tails.
    pub(super) records: Vec<Vec<Cell>>,
}

impl House {
    /// Opens a house over what lies on the disk.
    ///
    /// # Errors
    /// [`JournalError`].
    pub(super) fn open(
        make: &Make,
        disk: &SimDisk,
        (outlet, shelf): (&Outlet, &Shelf),
    ) -> Result<(House, Found), JournalError> {
        let bell = || Arc::new(Bell::new(|| {}));
        let metrics = Metrics::new(make.shards);
        let watermark = Watermark::default();
        let (chains_writer, chains) = chains(256);
        let mut replay = Replay::new(Shop::new(BOUNDS, make.seed()), false);
        let mut records = Vec::new();
        let recovered = journal::open_from(disk.clone(), &make.journal(), None, chains_writer, {
            |first, cells: &[Cell]| {
                records.extend(messages(cells).map(<[Cell]>::to_vec));
                replay.apply(first, cells)
            }
        })?;
        let report = *recovered.report();
        let (shop, _) =
            replay.finish().map_err(|what| JournalError::Refused { seq: report.seq, what })?;

        let mut directory = DirectoryWriter::default();
        directory.publish(pipeline::names_of(&shop));
        let board = BoardWriter::new(BOUNDS.orders_max, make.seed());
        let news = NewsWriter::default();
        let (mut doors, mut taps, mut shards) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..make.shards {
            let (requests, replies, tap, door) = tap(REQUEST_RING_CELLS, REPLY_RING_CELLS);
            taps.push(tap);
            doors.push(door);
            let shard = Shard::new(ShardParts {
                index,
                requests,
                replies,
                gate: Gate::new(watermark.clone()),
                chains: chains.clone(),
                heads: heads::Shelf::default(),
                board: board.reader(),
                news: news.reader(index),
                matcher_bell: bell(),
                directory: directory.reader(),
                metrics: metrics.clone(),
                clock: clock::monotonic,
                loading: Arc::new(AtomicBool::new(false)),
                certificates: None,
                access: Access::open(),
                options: ShardOptions {
                    connections_max: make.connections_max,
                    ..ShardOptions::default()
                },
            });
            let shard = shard.map_err(|source| {
                let (op, name) = ("open", "the kernel's event queue".to_owned());
                JournalError::Disk { op, name, source }
            })?;
            shards.push(shard);
        }
        let (requests, replies, tap, door) = tap(OPERATOR_RING_CELLS, REPLY_RING_CELLS);
        taps.push(tap);
        doors.push(door);
        let (operator, handle) = Operator::new(OperatorParts {
            requests,
            replies,
            gate: Gate::new(watermark.clone()),
            matcher_bell: bell(),
            directory,
            clock: clock::monotonic,
            bell: bell(),
        });

        let (to_tap, records_seen) = ring(RECORD_RING_CELLS, Cell::ZERO);
        let (to_journal, to_write) = ring(JOURNAL_RING_CELLS, Cell::ZERO);
        let counters = Arc::clone(&metrics.journal);
        let (journal, room) =
            recovered.start_alone(watermark.clone(), to_write, Vec::new(), counters)?;
        let time = (shop.now(), clock::glance());
        let matcher = Matcher::new(MatcherParts {
            shop,
            board,
            news,
            doors,
            records: to_tap,
            journal_bell: bell(),
            room: room.clone(),
            clock: clock::unix,
            monotonic: clock::monotonic,
            shed_after_ns: SHED_AFTER_NS,
            counters: Arc::clone(&metrics.matcher),
            journal_counters: Arc::clone(&metrics.journal),
        });
        let view = SinkView { name: "drill".to_owned(), ..SinkView::default() };
        let follower = Follower::new(FollowerParts {
            tap: Taps::default().add(view.clone()),
            view,
            sink: Box::new(outlet.clone()),
            wanted: Wanted { kinds: Kind::ALL.to_vec(), sales: Vec::new() },
            from: 1,
            journal: disk.clone(),
            folder: report.folder,
            watermark: watermark.clone(),
            checkpoint: Box::new(shelf.clone()),
            counters: metrics.sinks.add("drill"),
            clock: clock::monotonic,
            unix: clock::unix,
        });
        let house = House {
            shards,
            operator,
            handle,
            matcher,
            journal,
            follower,
            watermark,
            metrics,
            room,
            taps,
            records: records_seen,
            to_journal,
            seen: 0,
            time,
        };
        Ok((house, Found { report, records }))
    }

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

/// The ends that the asking room has, the tap, and the ends that the matcher has.
fn tap(request_cells: usize, reply_cells: usize) -> (Writer<Cell>, Reader<Cell>, Tap, Door) {
    let (requests, asked) = ring(request_cells, Cell::ZERO);
    let (to_matcher, requests_out) = ring(request_cells, Cell::ZERO);
    let (replies_in, told) = ring(reply_cells, Cell::ZERO);
    let (to_asker, replies) = ring(reply_cells, Cell::ZERO);
    let (pending, seen) = (VecDeque::new(), 0);
    let bell = Arc::new(Bell::new(|| {}));
    let door = Door { requests: requests_out, replies: replies_in, bell };
    (requests, replies, Tap { asked, to_matcher, told, to_asker, pending, seen }, door)
}
