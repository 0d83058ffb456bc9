//! Start-up: what the disk holds becomes the state again, and the place where the journal goes on.
//!
//! A torn end is cut and reported; anything else that is not as it was written stops the start.
//! Invariant: when [`open`] returns, everything it gave to the state is synced, and everything
//! after it on the disk is zero.

use std::{
    collections::{BTreeSet, VecDeque},
    io,
    sync::Arc,
};

use crossbeam::utils::CachePadded;

use super::{
    Journal, JournalError, JournalOptions, Place, Room, Torn, Watermark,
    batch::Batch,
    maker::Maker,
    segment::{self, HEADER_BYTES, Segment, SegmentHeader, index_of, is_unfinished, name_of},
    snapshot,
    storage::{SegmentFile, Storage, is_shortage, read_all},
    verify::{Mode, verify},
    writer::Position,
};
use crate::{
    bell::Bell,
    chains::{ChainWriter, chains},
    message::{CELL_BYTES, Cell},
    metrics::JournalCounters,
    ring::Reader,
};

/// What was found on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Seq of the newest record: their number too, as seq is dense from 1.
    pub seq: u64,
    /// The folder's id: random, and the beginning of its chain.
    pub folder: [u8; 16],
    /// Batches that hold them.
    pub batches: u64,
    /// Segments, those without records included.
    pub segments: u32,
    /// The hash chain after the newest record: it differs if anything before it does.
    pub chain: [u8; 32],
    /// The torn end, if there is one.
    pub torn: Option<Torn>,
    /// Whether a server was writing meanwhile: there may be more than this by now.
    pub is_live: bool,
    /// Up to here a snapshot stood for the records, and they were not read.
    pub since: u64,
}

/// How the journal is read by those who only look.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// Batches that go past this seq are not given, nor looked at.
    pub last_seq: u64,
    /// Where it begins; at the beginning if `None`.
    pub from: Option<Place>,
    /// Whether a server is writing just now.
    pub is_served: &'a (dyn Fn() -> bool + Sync),
}

/// A journal that was read and may be written on.
pub struct Recovered<S: Storage> {
    storage: Arc<S>,
    options: JournalOptions,
    chains: ChainWriter,
    end: Place,
    report: Report,
    active: Segment<S::File>,
    ready: VecDeque<Segment<S::File>>,
}

/// Reads the journal and makes it ready to go on: gives `apply` the first seq and the record cells
/// of each batch, cuts a torn end, and syncs what it read.
///
/// The folder must be locked by the caller.
///
/// # Errors
/// [`JournalError`]: damage, a version that is not ours, a record that `apply` refuses, or the
/// disk.
pub fn open<S: Storage>(
    storage: S,
    options: &JournalOptions,
    apply: impl FnMut(u64, &[Cell]) -> Result<(), String>,
) -> Result<Recovered<S>, JournalError> {
    // One place that nobody reads.
    open_from(storage, options, None, chains(1).0, apply)
}

/// Opens the journal as [`open`] does, reads it from a place on, and lets `chains` know the chain
/// values of its batches, from there on.
///
/// # Errors
/// As [`open`].
pub fn open_from<S: Storage>(
    storage: S,
    options: &JournalOptions,
    from: Option<Place>,
    mut chains: ChainWriter,
    mut apply: impl FnMut(u64, &[Cell]) -> Result<(), String>,
) -> Result<Recovered<S>, JournalError> {
    clean(&storage)?;
    let mut present = indices(&storage)?;
    if present.is_empty() {
        if let Some(newest) = snapshot::snapshots(&storage)?.last() {
            let what = "snapshots are there, and no segment is".to_owned();
            return Err(JournalError::Damaged { segment: 1, offset: 0, seq: newest + 1, what });
        }
        begin(&storage, options)?;
        present.insert(1);
    }
    forget_caches(&storage, &present)?;
    let mode = Mode { settle: true, last_seq: u64::MAX, is_live: false, now: &|| false };
    let (end, tear) = verify(&storage, &present, from, mode, |batch| {
        apply(batch.first_seq, batch.cells)?;
        chains.push(batch.last_seq, batch.chain);
        Ok(())
    })?;
    if let Some(tear) = &tear {
        tear.cut(&storage)?;
    }
    let report = report(&end, &present, tear.map(|tear| tear.torn), from);
    let mut segments = VecDeque::with_capacity(present.len());
    for &index in present.range(end.segment..) {
        let name = name_of(index);
        let file = storage.open(&name).map_err(JournalError::disk("open", &name))?;
        segments.push_back(Segment::check(file, index, Some(end.folder), end.seq + 1)?.0);
    }
    let active = segments.pop_front().expect("the segment where the records end is there");
    assert!(active.index == end.segment && end.offset <= active.bytes);
    let (storage, options, ready) = (Arc::new(storage), *options, segments);
    Ok(Recovered { storage, options, chains, end, report, active, ready })
}

/// Reads the journal as [`open`] does, and changes nothing: a torn end is only reported.
///
/// A folder that a server is writing may look torn or damaged at its end: see [`read_while`].
///
/// # Errors
/// As [`open`].
pub fn read<S: Storage>(
    storage: &S,
    apply: impl FnMut(u64, &[Cell]) -> Result<(), String>,
) -> Result<Report, JournalError> {
    read_while(storage, &Reading { from: None, last_seq: u64::MAX, is_served: &|| false }, apply)
}

/// Reads the journal as [`read`] does, while a server may be writing it: then it ends where the
/// writer was when it came there, which is neither a tear nor damage. What it gives is whole, but
/// the newest of it may not be synced yet.
///
/// # Errors
/// As [`open`].
pub fn read_while<S: Storage>(
    storage: &S,
    reading: &Reading<'_>,
    mut apply: impl FnMut(u64, &[Cell]) -> Result<(), String>,
) -> Result<Report, JournalError> {
    read_batches(storage, reading, |batch| apply(batch.first_seq, batch.cells))
}

/// Reads the journal as [`read_while`] does, batch by batch with their chain values.
///
/// # Errors
/// As [`open`].
pub fn read_batches<S: Storage>(
    storage: &S,
    reading: &Reading<'_>,
    apply: impl FnMut(&Batch<'_>) -> Result<(), String>,
) -> Result<Report, JournalError> {
    let is_live = (reading.is_served)();
    let present = indices(storage)?;
    if present.is_empty() && reading.from.is_none() {
        let (folder, chain, torn) = ([0; 16], [0; 32], None);
        let (seq, since) = (0, 0);
        return Ok(Report { seq, folder, batches: 0, segments: 0, chain, torn, is_live, since });
    }
    let mode = Mode { settle: false, last_seq: reading.last_seq, is_live, now: reading.is_served };
    let (end, tear) = verify(storage, &present, reading.from, mode, apply)?;
    let report = report(&end, &present, tear.map(|tear| tear.torn), reading.from);
    Ok(Report { is_live: is_live || (reading.is_served)(), ..report })
}

fn report(end: &Place, present: &BTreeSet<u32>, torn: Option<Torn>, from: Option<Place>) -> Report {
    let (segments, since) = (present.len() as u32, from.map_or(0, |place| place.seq));
    let Place { seq, folder, batches, chain, .. } = *end;
    Report { seq, folder, batches, segments, chain, torn, is_live: false, since }
}

impl<S: Storage> Recovered<S> {
    /// What was found.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Starts the journal where the records end: it will raise `watermark`, read `ring`, count in
    /// `counters` and ring `bells` whenever the watermark was raised.
    ///
    /// # Errors
    /// [`JournalError::Disk`] if the thread that makes segments cannot be started.
    pub fn start(
        self,
        watermark: Watermark,
        ring: Reader<Cell>,
        bells: Vec<Arc<Bell>>,
        counters: Arc<CachePadded<JournalCounters>>,
    ) -> Result<(Journal<S>, Room), JournalError> {
        self.start_with(watermark, ring, bells, counters, true)
    }

    /// As [`start`](Self::start), without a thread: segments are made by [`Journal::tend`].
    ///
    /// # Errors
    /// None so far.
    pub fn start_alone(
        self,
        watermark: Watermark,
        ring: Reader<Cell>,
        bells: Vec<Arc<Bell>>,
        counters: Arc<CachePadded<JournalCounters>>,
    ) -> Result<(Journal<S>, Room), JournalError> {
        self.start_with(watermark, ring, bells, counters, false)
    }

    fn start_with(
        self,
        watermark: Watermark,
        ring: Reader<Cell>,
        bells: Vec<Arc<Bell>>,
        counters: Arc<CachePadded<JournalCounters>>,
        has_thread: bool,
    ) -> Result<(Journal<S>, Room), JournalError> {
        let Recovered { storage, options, chains, end, active, ready, .. } = self;
        let usable = |segment: &Segment<S::File>| segment.bytes - HEADER_BYTES;
        let room = Room::with(active.bytes - end.offset + ready.iter().map(usable).sum::<u64>());
        let next = SegmentHeader {
            index: ready.back().map_or(active.index, |segment| segment.index) + 1,
            bytes: options.segment_bytes(),
            folder: end.folder,
        };
        let under_way = options.segments_ahead().max(ready.len());
        let maker = Maker::start(storage, next, under_way, room.clone(), has_thread)
            .map_err(JournalError::disk("start the thread that makes", "segments"))?;
        counters.seq.set(end.seq);
        let position = Position {
            active,
            offset: end.offset,
            next_seq: end.seq + 1,
            synced: end.seq,
            chain: end.chain,
        };
        // What was found is synced.
        chains.sync(end.seq);
        watermark.raise(end.seq);
        let journal = Journal::new(
            &options,
            position,
            ready,
            maker,
            room.clone(),
            chains,
            watermark,
            ring,
            bells,
            counters,
        );
        Ok((journal, room))
    }
}

/// Removes what a crash left of segments and snapshots in the making.
fn clean(storage: &impl Storage) -> Result<(), JournalError> {
    let names = storage.names().map_err(JournalError::disk("list", "the journal folder"))?;
    let is_left = |name: &&String| is_unfinished(name) || snapshot::is_unfinished(name);
    for name in names.iter().filter(is_left) {
        storage.remove(name).map_err(JournalError::disk("remove", name))?;
    }
    Ok(())
}

/// The numbers of the segments that are there.
pub(super) fn indices(storage: &impl Storage) -> Result<BTreeSet<u32>, JournalError> {
    let list = || {
        let names = storage.names().map_err(JournalError::disk("list", "the journal folder"))?;
        Ok(names.iter().filter_map(|name| index_of(name)).collect::<BTreeSet<u32>>())
    };
    let present = list()?;
    // A list made while a server adds segments may hold a newer one and not the one before.
    let bounds = present.first().zip(present.last());
    if bounds.is_some_and(|(first, last)| (last - first) as usize + 1 != present.len()) {
        return list();
    }
    Ok(present)
}

/// Makes the first segment of a new journal.
fn begin<S: Storage>(storage: &S, options: &JournalOptions) -> Result<(), JournalError> {
    let folder = storage.fresh_id().map_err(JournalError::disk("read", "/dev/urandom"))?;
    let header = SegmentHeader { index: 1, bytes: options.segment_bytes(), folder };
    let mut shortage = None;
    let made = segment::make(storage, header, &mut |refusal| {
        let code = refusal.filter(|why| is_shortage(why)).and_then(io::Error::raw_os_error);
        shortage = code.map(io::Error::from_raw_os_error);
        refusal.is_none()
    })?;
    match (made, shortage) {
        (Some(_), _) => Ok(()),
        (None, Some(why)) => Err(JournalError::disk("make", &name_of(1))(why)),
        (None, None) => Err(JournalError::Full),
    }
}

/// Makes sure that the segments that may have been written last are read from the disk itself:
/// after a failed sync the system may remember what the disk never got.
fn forget_caches(storage: &impl Storage, present: &BTreeSet<u32>) -> Result<(), JournalError> {
    for &index in present.iter().rev() {
        let name = name_of(index);
        let file = storage.open_read(&name).map_err(JournalError::disk("open", &name))?;
        file.forget_cache().map_err(JournalError::disk("read", &name))?;
        let mut first = Cell::ZERO;
        let is_used = file.bytes().map_err(JournalError::disk("measure", &name))?
            >= HEADER_BYTES + CELL_BYTES as u64
            && {
                read_all(&file, &mut first.0, HEADER_BYTES)
                    .map_err(JournalError::disk("read", &name))?;
                first != Cell::ZERO
            };
        if is_used {
            break;
        }
    }
    Ok(())
}
