//! Follows the journal behind its writer: batch after batch, each with its checksum and its link of
//! the chain looked at, and never further than is durable.
//!
//! It holds nothing that the writer wants and changes nothing on the disk: what is durable lies
//! still, so reading it needs no lock.

use std::collections::BTreeSet;
use std::io;

use super::{
    JournalError, Place,
    batch::{Batch, FRAME_CELLS, Look, look},
    segment::{HEADER_BYTES, Segment},
    storage::{Storage, read_all},
    trim::earliest,
    verify::open_segment,
};
use crate::{
    limits::BATCH_CELLS_MAX,
    message::{CELL_BYTES, Cell},
};

/// Cells read at once: the largest batch and more.
const READ_CELLS: usize = 2 * BATCH_CELLS_MAX;
/// Cells read at once where little is to come.
const LITTLE_CELLS: usize = 64;
const _: () = assert!(READ_CELLS >= BATCH_CELLS_MAX + FRAME_CELLS);

/// A reader of the journal that stands between two batches.
pub struct Cursor<S: Storage> {
    storage: S,
    segment: Segment<S::File>,
    /// The last batch that was given.
    end: Place,
    cells: Vec<Cell>,
    /// Which of `cells` were read and not given yet.
    at: usize,
    filled: usize,
}

impl<S: Storage> Cursor<S> {
    /// Stands before the first batch of a journal that was begun.
    ///
    /// # Errors
    /// [`JournalError`]: the first segment is missing or none of ours, or the disk.
    pub fn new(storage: S) -> Result<Cursor<S>, JournalError> {
        let (segment, folder) = open_segment(&storage, &BTreeSet::from([1]), 1, None, 1)?;
        let end = Place::first(folder);
        Ok(Cursor { storage, segment, end, cells: Vec::new(), at: 0, filled: 0 })
    }

    /// Stands at a place.
    ///
    /// # Errors
    /// [`JournalError`]: its segment is missing or none of ours, or the disk.
    pub fn at(storage: S, place: &Place) -> Result<Cursor<S>, JournalError> {
        let (index, folder) = (place.segment, Some(place.folder));
        let present = BTreeSet::from([index]);
        let (segment, _) = open_segment(&storage, &present, index, folder, place.seq + 1)?;
        Ok(Cursor { storage, segment, end: *place, cells: Vec::new(), at: 0, filled: 0 })
    }

    /// Where it stands.
    pub fn place(&self) -> Place {
        self.end
    }

    /// The journal's id.
    pub fn folder(&self) -> [u8; 16] {
        self.end.folder
    }

    /// The seq of the last record that was given; 0 at the beginning.
    pub fn seq(&self) -> u64 {
        self.end.seq
    }

    /// The next batch, if it is durable, that is, begins at or before `durable`.
    ///
    /// # Errors
    /// [`JournalError`]: what lies there is not what was written, or the disk.
    pub fn next(&mut self, durable: u64) -> Result<Option<Batch<'_>>, JournalError> {
        if self.end.seq >= durable {
            return Ok(None);
        }
        // As much as there may be: a record has a cell or two, and a batch its frame.
        let cells = usize::try_from(durable - self.end.seq).unwrap_or(READ_CELLS);
        let cells = cells.saturating_mul(2).saturating_add(LITTLE_CELLS).min(READ_CELLS);
        let mut found = self.look();
        if !matches!(found, Look::Whole { .. }) {
            // What was read may be older than what is there.
            found = self.read(cells)?;
        }
        if matches!(found, Look::Zero | Look::More) {
            if !self.turn(cells)? {
                return Ok(None);
            }
            found = self.look();
        }
        match found {
            Look::Whole { cells, records, chain } => Ok(Some(self.step(cells, records, chain))),
            Look::Bad(what) => Err(self.damaged(what)),
            _ => Err(self.damaged("a batch that was durable is not there")),
        }
    }

    fn look(&self) -> Look {
        look(&self.cells[self.at..self.filled], &self.end.expected(&self.segment, self.end.offset))
    }

    fn step(&mut self, cells: usize, records: u32, chain: [u8; 32]) -> Batch<'_> {
        let (first_seq, start) = (self.end.seq + 1, self.at + 1);
        self.at += cells + FRAME_CELLS;
        self.end = Place {
            offset: self.end.offset + ((cells + FRAME_CELLS) * CELL_BYTES) as u64,
            seq: self.end.seq + u64::from(records),
            chain,
            batches: self.end.batches + 1,
            ..self.end
        };
        let cells = &self.cells[start..start + cells];
        Batch { first_seq, last_seq: self.end.seq, cells, chain: &self.end.chain }
    }

    /// Reads about so many cells from where it stands, and looks at them.
    fn read(&mut self, cells: usize) -> Result<Look, JournalError> {
        for cells in [cells, READ_CELLS] {
            let left = (self.segment.bytes - self.end.offset) as usize / CELL_BYTES;
            self.cells.resize(READ_CELLS, Cell::ZERO);
            (self.at, self.filled) = (0, left.min(cells));
            let bytes = bytemuck::cast_slice_mut(&mut self.cells[..self.filled]);
            read_all(&self.segment.file, bytes, self.end.offset)
                .map_err(JournalError::disk("read", &self.segment.name))?;
            let found = self.look();
            if found != Look::More || left <= cells {
                return Ok(found);
            }
        }
        unreachable!("the largest batch fits, or the segment ends")
    }

    /// Goes on in the next segment, if the next batch lies there. Returns whether it does.
    fn turn(&mut self, cells: usize) -> Result<bool, JournalError> {
        let index = self.end.segment + 1;
        let (folder, seq) = (self.end.folder, self.end.seq + 1);
        let present = BTreeSet::from([index]);
        let opened = open_segment(&self.storage, &present, index, Some(folder), seq);
        let segment = match opened {
            Err(JournalError::Disk { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return match earliest(&self.storage)? {
                    Some(first) if first.segment >= index => {
                        Err(JournalError::Removed { seq: self.end.seq, first: first.seq + 1 })
                    }
                    _ => Ok(false),
                };
            }
            opened => opened?.0,
        };
        let (before, end) = (std::mem::replace(&mut self.segment, segment), self.end);
        self.end = Place { segment: index, offset: HEADER_BYTES, ..end };
        let found = self.read(cells);
        if matches!(found, Ok(Look::Whole { .. } | Look::Bad(_))) {
            return Ok(true);
        }
        // It was made ahead; the next batch is still to come, in one or the other.
        (self.segment, self.end) = (before, end);
        (self.at, self.filled) = (0, 0);
        found.map(|_| false)
    }

    fn damaged(&self, what: &str) -> JournalError {
        JournalError::Damaged {
            segment: self.end.segment,
            offset: self.end.offset,
            seq: self.end.seq + 1,
            what: what.to_owned(),
        }
    }
}
