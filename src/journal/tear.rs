//! A tear: the end of the journal that a crash left half written. Here it is told apart from
//! damage, measured, and cut.
//!
//! The rule: nothing that was ever synced may be cut. Each batch says up to which seq the journal
//! was synced when it was written; so if any whole batch after the tear knows the torn seq to be
//! synced, it was lost later, and that is damage. A journal kept with `durability = "fsync"` syncs
//! each batch before the next, so there every batch after a tear knows.
//!
//! Cutting writes zeros from the far end to the near one, and the header of the torn batch last:
//! a crash in between leaves a tear.

use std::collections::BTreeSet;

use super::{
    JournalError, Place,
    batch::{BatchHeader, FRAME_CELLS, is_whole},
    segment::{HEADER_BYTES, Segment, name_of},
    storage::{SegmentFile, Storage, read_all, write_all},
    verify::open_segment,
};
use crate::message::{CELL_BYTES, Cell};

/// A torn end, as it is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Number of the segment where the tear begins.
    pub segment: u32,
    /// Where in it.
    pub offset: u64,
    /// The first record that is not there.
    pub seq: u64,
    /// Bytes from there to the last that is not zero.
    pub bytes: u64,
}

/// A torn end, as it is cut.
#[derive(Debug)]
pub(super) struct Tear {
    pub(super) torn: Torn,
    /// Segment, from, to (both offsets, of cells).
    stretches: Vec<(u32, u64, u64)>,
}

const STEP_BYTES: usize = 1 << 20;
/// Zeros in one write.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// Some cells of a segment, read again when others are asked for.
struct Window<'a, F> {
    segment: &'a Segment<F>,
    cells: Vec<Cell>,
    start: u64,
    filled: usize,
}

impl<F: SegmentFile> Window<'_, F> {
    fn new(segment: &Segment<F>) -> Window<'_, F> {
        let cells = (segment.bytes as usize).min(STEP_BYTES) / CELL_BYTES;
        Window { segment, cells: vec![Cell::ZERO; cells], start: 0, filled: 0 }
    }

    /// `count` cells from `offset` on, which must lie in the segment.
    fn get(&mut self, offset: u64, count: usize) -> Result<&[Cell], JournalError> {
        let left = (self.segment.bytes - offset) as usize / CELL_BYTES;
        assert!(count <= left, "looked past the end of a segment");
        let filled_to = self.start + (self.filled * CELL_BYTES) as u64;
        if offset < self.start || offset + (count * CELL_BYTES) as u64 > filled_to {
            // At most the largest batch: the caller has bounded it.
            if self.cells.len() < count {
                self.cells.resize(count, Cell::ZERO);
            }
            (self.start, self.filled) = (offset, left.min(self.cells.len()));
            let bytes = bytemuck::cast_slice_mut(&mut self.cells[..self.filled]);
            read_all(&self.segment.file, bytes, offset)
                .map_err(JournalError::disk("read", &self.segment.name))?;
        }
        let at = (offset - self.start) as usize / CELL_BYTES;
        Ok(&self.cells[at..at + count])
    }
}

/// Where the last cell from `from` on that is not zero ends, if there is one.
pub(super) fn last_nonzero<F: SegmentFile>(
    segment: &Segment<F>,
    from: u64,
) -> Result<Option<u64>, JournalError> {
    let mut window = Window::new(segment);
    let (mut at, mut last) = (from, None);
    while at < segment.bytes {
        let count = ((segment.bytes - at) as usize / CELL_BYTES).min(STEP_BYTES / CELL_BYTES);
        let cells = window.get(at, count)?;
        if let Some(index) = cells.iter().rposition(|cell| *cell != Cell::ZERO) {
            last = Some(at + ((index + 1) * CELL_BYTES) as u64);
        }
        at += (count * CELL_BYTES) as u64;
    }
    Ok(last)
}

/// Looks at everything from the tear on; it is damage if anything there proves that what is torn
/// was synced once.
pub(super) fn survey<S: Storage>(
    storage: &S,
    present: &BTreeSet<u32>,
    end: &Place,
    segment: u32,
    offset: u64,
) -> Result<Tear, JournalError> {
    let seq = end.seq + 1;
    let mut torn = Torn { segment, offset, seq, bytes: 0 };
    let mut stretches = Vec::new();
    let last = present.last().copied().expect("the torn segment is there");
    for index in segment..=last {
        let (file, _) = open_segment(storage, present, index, Some(end.folder), seq)?;
        let from = if index == segment { offset } else { HEADER_BYTES };
        if let Some(proof) = find_proof(&file, from, seq)? {
            let what = format!(
                "records that were synced are missing here: those from seq {} on lie whole in \
                 segment {index} at offset {}",
                proof.first_seq, proof.offset
            );
            return Err(JournalError::Damaged { segment, offset, seq, what });
        }
        if let Some(to) = last_nonzero(&file, from)? {
            torn.bytes += to - from;
            stretches.push((index, from, to));
        }
    }
    Ok(Tear { torn, stretches })
}

/// Finds a whole batch that knows `seq` to be synced.
fn find_proof<F: SegmentFile>(
    segment: &Segment<F>,
    from: u64,
    seq: u64,
) -> Result<Option<BatchHeader>, JournalError> {
    let mut window = Window::new(segment);
    let mut at = from;
    while at < segment.bytes {
        let header = BatchHeader::decode(&window.get(at, 1)?[0])
            .filter(|header| header.is_possible(segment.index, at, segment.bytes));
        let mut step = 1;
        if let Some(header) = header {
            let extent = header.cells as usize + FRAME_CELLS;
            if is_whole(window.get(at, extent)?) {
                if header.synced >= seq {
                    return Ok(Some(header));
                }
                step = extent;
            }
        }
        at += (step * CELL_BYTES) as u64;
    }
    Ok(None)
}

impl Tear {
    /// Writes zeros over it, durably.
    pub(super) fn cut<S: Storage>(&self, storage: &S) -> Result<(), JournalError> {
        for &(index, from, to) in self.stretches.iter().rev() {
            let name = name_of(index);
            let file = storage.open(&name).map_err(JournalError::disk("open", &name))?;
            let header_end = (from + CELL_BYTES as u64).min(to);
            for (from, to) in [(header_end, to), (from, header_end)] {
                let mut at = from;
                while at < to {
                    let count = (to - at).min(ZEROS.len() as u64);
                    write_all(&file, &ZEROS[..count as usize], at)
                        .map_err(JournalError::disk("write", &name))?;
                    at += count;
                }
                file.sync().map_err(JournalError::disk("sync", &name))?;
            }
        }
        Ok(())
    }
}
