//! Reads the whole journal in order and checks every byte of it: segment headers, batch headers,
//! checksums, the hash chain, the density of seq. Whole batches are handed on; the first thing that
//! is not whole ends the walk, as a tear or as damage.
//!
//! It changes nothing on the disk and allocates nothing by what the disk claims. Reading, checksums
//! and hashing run on one thread, what is done with the records on the caller's: buffers travel
//! between them in a circle.

use std::{
    collections::BTreeSet,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use super::{
    JournalError, Place,
    batch::{Batch, Chain, FRAME_CELLS, Look, look},
    segment::{HEADER_BYTES, Segment, name_of},
    storage::{SegmentFile, Storage, read_all},
    tear::{self, Tear},
};
use crate::{
    limits::BATCH_CELLS_MAX,
    message::{CELL_BYTES, Cell},
    mutant,
};

/// Buffers that travel between the two threads.
const CHUNKS: usize = 3;
/// Cells of one: twice the largest batch at least, so that most are read once only.
const CHUNK_CELLS: usize = 4 * BATCH_CELLS_MAX;
const _: () = assert!(CHUNK_CELLS >= 2 * (BATCH_CELLS_MAX + FRAME_CELLS));
/// Less than this holds no batch.
const BATCH_BYTES_MIN: u64 = ((1 + FRAME_CELLS) * CELL_BYTES) as u64;

/// How often damage is looked at again while a server writes, and what lies between two looks.
const LOOKS: u32 = 20;
const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// How to walk.
#[derive(Clone, Copy)]
pub(super) struct Mode<'a> {
    /// Sync each segment that holds records after it was read.
    pub(super) settle: bool,
    /// Stop before the batch that goes past this seq.
    pub(super) last_seq: u64,
    /// A server is writing, so that what is read may be older than what is there.
    pub(super) is_live: bool,
    /// Whether one is now, if none was before.
    pub(super) now: &'a (dyn Fn() -> bool + Sync),
}

/// Record cells of one batch in a chunk.
struct Span {
    first_seq: u64,
    last_seq: u64,
    start: usize,
    cells: usize,
    chain: Chain,
}

/// A stretch of a segment and the whole batches in it.
struct Chunk {
    cells: Vec<Cell>,
    spans: Vec<Span>,
}

/// Walks from a place, or the beginning, to the last segment, gives `apply` the records of each
/// whole batch in order, and returns where they end and whether a tear follows.
pub(super) fn verify<S: Storage>(
    storage: &S,
    present: &BTreeSet<u32>,
    from: Option<Place>,
    mode: Mode<'_>,
    mut apply: impl FnMut(&Batch<'_>) -> Result<(), String>,
) -> Result<(Place, Option<Tear>), JournalError> {
    let (to_apply, verified) = sync_channel(CHUNKS);
    let (give_back, spare) = sync_channel(CHUNKS);
    // `move`: when this side stops early, its ends of the channels must be gone before the scope
    // waits for the other.
    thread::scope(move |scope| {
        let (chunks, end, is_done) = (0, from, false);
        let walk = Walk { storage, present, mode, to_apply, spare, chunks, end, is_done };
        let mutant = mutant::current();
        let walking = thread::Builder::new()
            .name("journal-verify".to_owned())
            .spawn_scoped(scope, move || {
                mutant::inherit(mutant);
                walk.run()
            })
            .map_err(JournalError::disk("start the thread that verifies", "the journal"))?;
        for chunk in verified {
            let Chunk { cells, spans } = &chunk;
            for span in spans {
                let batch = Batch {
                    first_seq: span.first_seq,
                    last_seq: span.last_seq,
                    cells: &cells[span.start..span.start + span.cells],
                    chain: &span.chain,
                };
                apply(&batch)
                    .map_err(|what| JournalError::Refused { seq: span.first_seq, what })?;
            }
            // Refused only at the end, when nobody waits for it.
            let _ = give_back.send(chunk);
        }
        walking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

struct Walk<'a, S: Storage> {
    storage: &'a S,
    present: &'a BTreeSet<u32>,
    mode: Mode<'a>,
    to_apply: SyncSender<Chunk>,
    spare: Receiver<Chunk>,
    /// Chunks made so far.
    chunks: usize,
    /// `None` until the first segment's header is read.
    end: Option<Place>,
    /// Nothing after `end` is to be looked at.
    is_done: bool,
}

impl<S: Storage> Walk<'_, S> {
    fn run(mut self) -> Result<(Place, Option<Tear>), JournalError> {
        let last = self.present.last().copied().expect("there is a segment to verify");
        let (first, mut offset) =
            self.end.map_or((1, HEADER_BYTES), |place| (place.segment, place.offset));
        for index in first..=last.max(first) {
            let segment = self.open(index)?;
            let tear = self.walk(&segment, offset)?;
            offset = HEADER_BYTES;
            let has_records = self.end().segment == index && self.end().offset > HEADER_BYTES;
            if self.mode.settle && has_records {
                segment.file.sync().map_err(JournalError::disk("sync", &segment.name))?;
            }
            if tear.is_some() || self.is_done {
                return Ok((*self.end(), tear));
            }
        }
        Ok((*self.end(), None))
    }

    fn end(&mut self) -> &mut Place {
        self.end.as_mut().expect("a segment was opened before")
    }

    /// Opens the next segment and checks that it is one, and ours.
    fn open(&mut self, index: u32) -> Result<Segment<S::File>, JournalError> {
        let (folder, seq) = match &self.end {
            Some(end) => (Some(end.folder), end.seq + 1),
            None => (None, 1),
        };
        let segment = open_segment(self.storage, self.present, index, folder, seq)?;
        let folder = segment.1;
        let end = self.end.get_or_insert_with(|| Place::first(folder));
        if end.segment == index && end.offset > segment.0.bytes {
            let what = "it is shorter than the snapshot after it says".to_owned();
            let (offset, seq) = (segment.0.bytes, end.seq);
            return Err(JournalError::Damaged { segment: index, offset, seq, what });
        }
        Ok(segment.0)
    }

    /// Hands on the whole batches of a segment from an offset on, up to its end or to a tear.
    fn walk(
        &mut self,
        segment: &Segment<S::File>,
        mut offset: u64,
    ) -> Result<Option<Tear>, JournalError> {
        while segment.bytes - offset >= BATCH_BYTES_MIN {
            let mut chunk = self.chunk(segment)?;
            let filled = (segment.bytes - offset).min((chunk.cells.len() * CELL_BYTES) as u64);
            let filled = filled as usize / CELL_BYTES;
            let bytes = bytemuck::cast_slice_mut(&mut chunk.cells[..filled]);
            read_all(&segment.file, bytes, offset)
                .map_err(JournalError::disk("read", &segment.name))?;
            let (found, read) = self.gather(&mut chunk, filled, segment, offset);
            let is_stuck = read == 0 && found == Look::More && !self.is_done;
            assert!(!is_stuck, "a chunk holds the largest batch");
            offset += (read * CELL_BYTES) as u64;
            self.to_apply.send(chunk).map_err(|_| JournalError::Stopped)?;
            if self.is_done {
                return Ok(None);
            }
            if found != Look::More {
                return self.judge(segment, offset, &found);
            }
        }
        // Too little is left for a batch.
        self.judge(segment, offset, &Look::Zero)
    }

    /// What it means that no whole batch lies at `offset`, if a server may be writing there.
    ///
    /// A tear is then the place where it writes. Damage is one only if the place stays as it was:
    /// what was read of the place may be older than what was read after it.
    fn judge(
        &mut self,
        segment: &Segment<S::File>,
        offset: u64,
        found: &Look,
    ) -> Result<Option<Tear>, JournalError> {
        let judged = self.stopped(segment, offset, found);
        let is_end = matches!(judged, Ok(Some(_)));
        let is_damage = matches!(judged, Err(JournalError::Damaged { .. }));
        if !(is_end || is_damage) || !(self.mode.is_live || (self.mode.now)()) {
            return judged;
        }
        if is_damage && !self.becomes_whole(segment, offset)? {
            return judged;
        }
        self.is_done = true;
        Ok(None)
    }

    /// Looks again, for a while, whether the next batch has come to where it may lie: at `offset`,
    /// or where the records end, in a segment before.
    fn becomes_whole(
        &mut self,
        segment: &Segment<S::File>,
        offset: u64,
    ) -> Result<bool, JournalError> {
        let end = *self.end();
        let (storage, present, next) = (self.storage, self.present, end.seq + 1);
        let (before, _) = open_segment(storage, present, end.segment, Some(end.folder), next)?;
        for _ in 0..LOOKS {
            if is_there(segment, offset, &end)? || is_there(&before, end.offset, &end)? {
                return Ok(true);
            }
            thread::sleep(LOOK_PAUSE);
        }
        Ok(false)
    }

    /// Looks for batches one after another; returns what ended it, and after how many cells.
    fn gather(
        &mut self,
        chunk: &mut Chunk,
        filled: usize,
        segment: &Segment<S::File>,
        offset: u64,
    ) -> (Look, usize) {
        let mut at = 0;
        loop {
            let last_seq = self.mode.last_seq;
            let end = self.end();
            if end.seq >= last_seq {
                self.is_done = true;
                return (Look::More, at);
            }
            let expected = end.expected(segment, offset + (at * CELL_BYTES) as u64);
            match look(&chunk.cells[at..filled], &expected) {
                Look::Whole { records, .. } if end.seq + u64::from(records) > last_seq => {
                    self.is_done = true;
                    return (Look::More, at);
                }
                Look::Whole { cells, records, chain } => {
                    let last_seq = end.seq + u64::from(records);
                    let (first_seq, start) = (expected.seq, at + 1);
                    chunk.spans.push(Span { first_seq, last_seq, start, cells, chain });
                    at += cells + FRAME_CELLS;
                    *end = Place {
                        segment: segment.index,
                        offset: offset + (at * CELL_BYTES) as u64,
                        seq: last_seq,
                        chain,
                        batches: end.batches + 1,
                        ..*end
                    };
                }
                other => return (other, at),
            }
        }
    }

    /// What it means that no whole batch lies at `offset`.
    fn stopped(
        &mut self,
        segment: &Segment<S::File>,
        offset: u64,
        found: &Look,
    ) -> Result<Option<Tear>, JournalError> {
        let end = *self.end();
        let damaged = |what: &str| JournalError::Damaged {
            segment: segment.index,
            offset,
            seq: end.seq + 1,
            what: what.to_owned(),
        };
        let after_header = offset + CELL_BYTES as u64;
        let (segment, offset) = match *found {
            Look::Whole { .. } | Look::More => unreachable!("these do not end a walk"),
            // The clean end of the segment, as long as nothing follows in it.
            Look::Zero if tear::last_nonzero(segment, offset)?.is_none() => return Ok(None),
            Look::Zero | Look::Unfinished => (segment.index, offset),
            Look::Partial if tear::last_nonzero(segment, after_header)?.is_none() => {
                (segment.index, offset)
            }
            Look::Partial => return Err(damaged("the header of the batch is damaged")),
            // The end of the segment before may not have reached the disk.
            Look::Ahead if offset == HEADER_BYTES => (end.segment, end.offset),
            Look::Ahead => return Err(damaged("the batch holds later records than it should")),
            Look::Bad(what) => return Err(damaged(what)),
        };
        tear::survey(self.storage, self.present, &end, segment, offset).map(Some)
    }

    fn chunk(&mut self, segment: &Segment<S::File>) -> Result<Chunk, JournalError> {
        let cells = (segment.bytes / CELL_BYTES as u64).min(CHUNK_CELLS as u64) as usize;
        let mut chunk = if self.chunks < CHUNKS {
            self.chunks += 1;
            Chunk { cells: Vec::new(), spans: Vec::new() }
        } else {
            self.spare.recv().map_err(|_| JournalError::Stopped)?
        };
        if chunk.cells.len() < cells {
            chunk.cells.resize(cells, Cell::ZERO);
        }
        chunk.spans.clear();
        Ok(chunk)
    }
}

/// Whether the batch after `end` lies at `offset`, as the disk is now.
fn is_there<F: SegmentFile>(
    segment: &Segment<F>,
    offset: u64,
    end: &Place,
) -> Result<bool, JournalError> {
    let left = (segment.bytes - offset) as usize / CELL_BYTES;
    let mut cells = vec![Cell::ZERO; left.min(BATCH_CELLS_MAX + FRAME_CELLS)];
    read_all(&segment.file, bytemuck::cast_slice_mut(&mut cells), offset)
        .map_err(JournalError::disk("read", &segment.name))?;
    Ok(matches!(look(&cells, &end.expected(segment, offset)), Look::Whole { .. }))
}

/// Opens a segment for reading and checks its header; returns the folder's id too.
pub(super) fn open_segment<S: Storage>(
    storage: &S,
    present: &BTreeSet<u32>,
    index: u32,
    folder: Option<[u8; 16]>,
    seq: u64,
) -> Result<(Segment<S::File>, [u8; 16]), JournalError> {
    let name = name_of(index);
    if !present.contains(&index) {
        let what = "the segment is missing".to_owned();
        return Err(JournalError::Damaged { segment: index, offset: 0, seq, what });
    }
    let file = storage.open_read(&name).map_err(JournalError::disk("open", &name))?;
    let (segment, header) = Segment::check(file, index, folder, seq)?;
    Ok((segment, header.folder))
}
