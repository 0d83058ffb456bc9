//! Makes a house over what lies on a disk, as `pipeline` does.

use std::collections::VecDeque;
use std::sync::{Arc, atomic::AtomicBool};

use super::{BOUNDS, House, JOURNAL_RING_CELLS, SHED_AFTER_NS, Tap};
use crate::access::Access;
use crate::bell::Bell;
use crate::board::BoardWriter;
use crate::chains::{ChainWriter, chains};
use crate::directory::DirectoryWriter;
use crate::drill::clock;
use crate::drill::disk::SimDisk;
use crate::drill::sink::{Outlet, Shelf};
use crate::heads;
use crate::journal::{
    self, Durability, Gate, JournalError, JournalOptions, Place, Recovered, Report, Watermark,
};
use crate::keeper::{Keep, Keeper, KeeperParts, Unremembered, remember};
use crate::limits::TAILS_MAX;
use crate::matcher::{Door, Matcher, MatcherParts};
use crate::message::{Cell, messages};
use crate::metrics::Metrics;
use crate::news::NewsWriter;
use crate::operator::{Operator, OperatorParts};
use crate::pipeline;
use crate::record::Replay;
use crate::ring::{Reader, Writer, ring};
use crate::sale::{Seed, Shop};
use crate::shard::{Shard, ShardOptions, ShardParts};
use crate::sink::{Follower, FollowerParts, Kind, Wanted};
use crate::taps::{SinkView, Taps};

// Rings are as small as they can be: a round makes many.
const REQUEST_RING_CELLS: usize = 256;
const REPLY_RING_CELLS: usize = 1024;
const OPERATOR_RING_CELLS: usize = (TAILS_MAX + 2).next_power_of_two();
const RECORD_RING_CELLS: usize = (TAILS_MAX + 2).next_power_of_two();
/// Chain values that are kept for receipts.
const CHAINS_MAX: usize = 256;
/// More bytes than any round writes.
pub(in crate::drill) const EVERYTHING: u64 = u64::MAX / 2;

/// What a life is made of, beside the disks.
#[derive(Clone, Copy, Debug)]
pub(in crate::drill) struct Make {
    pub(in crate::drill) shards: usize,
    pub(in crate::drill) segment_bytes: u64,
    pub(in crate::drill) segments_ahead: usize,
    pub(in crate::drill) batch_cells_max: usize,
    pub(in crate::drill) connections_max: usize,
    /// Journal after which a snapshot is made, bytes; 0: none ever is.
    pub(in crate::drill) snapshot_bytes: u64,
    /// So much of the journal is kept behind two snapshots, bytes.
    pub(in crate::drill) keep_bytes: u64,
}

impl Make {
    pub(in crate::drill) fn journal(&self) -> JournalOptions {
        let (bytes, ahead) = (self.segment_bytes, self.segments_ahead);
        JournalOptions::tiny(bytes, ahead, Durability::Fsync, self.batch_cells_max)
    }

    /// Whether the journal keeps its beginning.
    pub(in crate::drill) fn keeps_all(&self) -> bool {
        self.snapshot_bytes == 0 || self.keep_bytes == EVERYTHING
    }
}

/// What was found on the disk.
pub(in crate::drill) struct Found {
    pub(in crate::drill) report: Report,
    /// The records behind the snapshot, each with its tails.
    pub(in crate::drill) records: Vec<Vec<Cell>>,
    /// Where the snapshot stands.
    pub(in crate::drill) from: Option<Place>,
}

/// What a start makes of what lies on the disk.
///
/// # Errors
/// [`JournalError`].
pub(in crate::drill) fn recover(
    make: &Make,
    disk: &SimDisk,
    mut chains: ChainWriter,
) -> Result<(Shop, Recovered<SimDisk>, Found), JournalError> {
    let memory = remember(disk, BOUNDS, seed, |at| chains.push(at.seq, &at.chain));
    let memory = memory.map_err(|why| match why {
        Unremembered::Journal(why) => why,
        Unremembered::TooSmall { seq, why } => JournalError::Refused { seq, what: why },
    })?;
    let mut replay = Replay::new(memory.shop, false);
    let mut records = Vec::new();
    let apply = |first, cells: &[Cell]| {
        records.extend(messages(cells).map(<[Cell]>::to_vec));
        replay.apply(first, cells)
    };
    let (options, from) = (make.journal(), memory.from);
    let recovered = journal::open_from(disk.clone(), &options, from, chains, apply)?;
    let report = *recovered.report();
    let (shop, _) =
        replay.finish().map_err(|what| JournalError::Refused { seq: report.seq, what })?;
    Ok((shop, recovered, Found { report, records, from }))
}

/// Keys of hash tables: a round's is the same whenever it is run.
fn seed() -> Seed {
    Seed::new([1, 2, 3, 4])
}

/// The keeper's time, ns. Its seconds are long for a round.
fn hurried() -> u64 {
    clock::monotonic().saturating_mul(1_000)
}

impl House {
    /// Opens a house over what lies on the disk.
    ///
    /// # Errors
    /// [`JournalError`].
    pub(in crate::drill) fn open(
        make: &Make,
        disk: &SimDisk,
        (outlet, shelf): (&Outlet, &Shelf),
    ) -> Result<(House, Found), JournalError> {
        let bell = || Arc::new(Bell::new(|| {}));
        let metrics = Metrics::new(make.shards);
        let watermark = Watermark::default();
        let (chains_writer, chains) = chains(CHAINS_MAX);
        let (shop, recovered, found) = recover(make, disk, chains_writer)?;
        let report = found.report;

        let mut directory = DirectoryWriter::default();
        directory.publish(pipeline::names_of(&shop));
        let board = BoardWriter::new(BOUNDS.orders_max, seed());
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
        let sinks = Taps::default();
        let view = SinkView { name: "drill".to_owned(), ..SinkView::default() };
        let follower = Follower::new(FollowerParts {
            tap: sinks.add(view.clone()),
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
        let keeper = (make.snapshot_bytes > 0).then(|| {
            Keeper::new(KeeperParts {
                storage: disk.clone(),
                bounds: BOUNDS,
                seed,
                watermark: watermark.clone(),
                newest: found.from,
                behind: found.records.iter().map(|record| size_of_val(&record[..]) as u64).sum(),
                snapshot_bytes: make.snapshot_bytes,
                chains_max: CHAINS_MAX,
                keep: Keep { bytes: make.keep_bytes, for_sinks_bytes: EVERYTHING },
                taps: sinks,
                journal: Arc::clone(&metrics.journal),
                counters: Arc::clone(&metrics.keeper),
                clock: hurried,
            })
        });
        let house = House {
            shards,
            operator,
            handle,
            matcher,
            journal,
            follower,
            keeper,
            watermark,
            metrics,
            room,
            taps,
            records: records_seen,
            to_journal,
            seen: 0,
            time,
        };
        Ok((house, found))
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
