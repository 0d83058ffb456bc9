//! A batch: what one sync makes durable. Header, record cells, seal; all of 64 bytes, packed, never
//! across the end of a segment.
//!
//! | header | bytes | field |
//! |---|---|---|
//! | 0 | 4 | magic 0xDB `BAT` |
//! | 4 | 4 | record cells between header and seal |
//! | 8 | 8 | seq of the first record |
//! | 16 | 4 | records |
//! | 20 | 4 | number of the segment |
//! | 24 | 8 | offset of this header in the segment |
//! | 32 | 8 | newest seq known to be synced when this was written |
//! | 40 | 16 | zero |
//! | 56 | 4 | crc32c of bytes 0-55 |
//! | 60 | 4 | `end` 0xDB |
//!
//! | seal | bytes | field |
//! |---|---|---|
//! | 0 | 32 | chain: BLAKE3 of (the chain before, the header, the record cells) |
//! | 32 | 4 | crc32c of the record cells |
//! | 36 | 20 | zero |
//! | 56 | 8 | `sealed!` 0xDB |
//!
//! The first chain of a folder is BLAKE3's `derive_key` of its id. All integers are little-endian.
//! Invariant: neither the first nor the last byte of header and seal's end is ever zero, and no
//! flip of one bit makes it so; thus a write that was cut short is told apart from damage.

use super::segment::HEADER_BYTES as SEGMENT_HEADER_BYTES;
pub(super) use crate::chains::Chain;
use crate::{
    limits::BATCH_CELLS_MAX,
    message::{CELL_BYTES, Cell},
    mutant::{self, Mutant},
};

/// Cells of a batch that are no records: header and seal.
pub(super) const FRAME_CELLS: usize = 2;
/// The least that a disk writes whole.
const SECTOR_BYTES: u64 = 512;

const MAGIC: [u8; 4] = *b"\xDBBAT";
const HEADER_END: [u8; 4] = *b"end\xDB";
const SEAL_END: [u8; 8] = *b"sealed!\xDB";
const SEAL_END_AT: usize = CELL_BYTES - SEAL_END.len();
const CHAIN_CONTEXT: &str = "doorbuster 2026 journal chain v1";

/// A batch as it was read again.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The seq of its first record.
    pub first_seq: u64,
    /// The seq of its last record.
    pub last_seq: u64,
    /// The cells of its records.
    pub cells: &'a [Cell],
    /// The chain value after it.
    pub chain: &'a Chain,
}

/// Bytes that a batch with so many record cells takes.
pub(super) const fn batch_bytes(record_cells: usize) -> u64 {
    ((record_cells + FRAME_CELLS) * CELL_BYTES) as u64
}

/// Where the chain of a folder starts.
pub(super) fn first_chain(folder: &[u8; 16]) -> Chain {
    blake3::derive_key(CHAIN_CONTEXT, folder)
}

/// Cells of the record that starts with `head`.
#[inline]
pub(super) fn record_cells(head: &Cell) -> usize {
    head.head().cells()
}

/// What a batch's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchHeader {
    pub(super) cells: u32,
    pub(super) first_seq: u64,
    pub(super) records: u32,
    pub(super) segment: u32,
    pub(super) offset: u64,
    pub(super) synced: u64,
}

impl BatchHeader {
    pub(super) fn encode(&self) -> Cell {
        assert!(self.records >= 1 && self.records <= self.cells);
        assert!(self.synced < self.first_seq, "what is being written cannot be synced");
        let mut cell = Cell::ZERO;
        cell.0[0..4].copy_from_slice(&MAGIC);
        cell.0[4..8].copy_from_slice(&self.cells.to_le_bytes());
        cell.0[8..16].copy_from_slice(&self.first_seq.to_le_bytes());
        cell.0[16..20].copy_from_slice(&self.records.to_le_bytes());
        cell.0[20..24].copy_from_slice(&self.segment.to_le_bytes());
        cell.0[24..32].copy_from_slice(&self.offset.to_le_bytes());
        cell.0[32..40].copy_from_slice(&self.synced.to_le_bytes());
        let crc = crc32c::crc32c(&cell.0[..56]);
        cell.0[56..60].copy_from_slice(&crc.to_le_bytes());
        cell.0[60..64].copy_from_slice(&HEADER_END);
        cell
    }

    /// Reads a header; `None` if it is none, or not whole.
    pub(super) fn decode(cell: &Cell) -> Option<BatchHeader> {
        let bytes = &cell.0;
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
        let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight"));
        let is_whole = bytes[0..4] == MAGIC
            && bytes[60..64] == HEADER_END
            && number(56) == crc32c::crc32c(&bytes[..56]);
        is_whole.then(|| BatchHeader {
            cells: number(4),
            first_seq: long(8),
            records: number(16),
            segment: number(20),
            offset: long(24),
            synced: long(32),
        })
    }

    /// Whether the numbers can be true of a batch at this place in a segment of `segment_bytes`.
    pub(super) fn is_possible(&self, segment: u32, offset: u64, segment_bytes: u64) -> bool {
        self.segment == segment
            && self.offset == offset
            && (1..=BATCH_CELLS_MAX as u32).contains(&self.cells)
            && (1..=self.cells).contains(&self.records)
            && offset >= SEGMENT_HEADER_BYTES
            && batch_bytes(self.cells as usize) <= segment_bytes - offset.min(segment_bytes)
            && self.first_seq > self.synced
            && self.first_seq.checked_add(u64::from(self.records)).is_some()
    }
}

/// Puts header and seal around the record cells, which lie in `batch[1..len - 1]`, and returns
/// where the chain goes on.
pub(super) fn seal(batch: &mut [Cell], header: &BatchHeader, chain: &Chain) -> Chain {
    assert!(batch.len() == header.cells as usize + FRAME_CELLS);
    batch[0] = header.encode();
    let last = batch.len() - 1;
    let (next, seal) = expected_seal(&batch[..last], chain);
    batch[last] = seal;
    next
}

/// The chain and seal that belong to header and record cells after `chain`.
fn expected_seal(cells: &[Cell], chain: &Chain) -> (Chain, Cell) {
    let mut hasher = blake3::Hasher::new();
    hasher.update(chain).update(bytemuck::cast_slice(cells));
    let next: Chain = hasher.finalize().into();
    let mut seal = Cell::ZERO;
    seal.0[0..32].copy_from_slice(&next);
    seal.0[32..36].copy_from_slice(&crc_of(&cells[1..]).to_le_bytes());
    seal.0[SEAL_END_AT..].copy_from_slice(&SEAL_END);
    (next, seal)
}

fn crc_of(records: &[Cell]) -> u32 {
    crc32c::crc32c(bytemuck::cast_slice(records))
}

/// Whether `batch`, header to seal, is whole as far as can be said without knowing the chain.
pub(super) fn is_whole(batch: &[Cell]) -> bool {
    let last = batch.len() - 1;
    batch[last].0[32..36] == crc_of(&batch[1..last]).to_le_bytes()
        && batch[last].0[SEAL_END_AT..] == SEAL_END
}

/// Where a reader stands, and what must come there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) segment: u32,
    pub(super) segment_bytes: u64,
    pub(super) offset: u64,
    pub(super) seq: u64,
    pub(super) chain: Chain,
}

/// What lies where a batch is expected.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// A batch, whole and in its place.
    Whole { cells: usize, records: u32, chain: Chain },
    /// More bytes are needed to say.
    More,
    /// Nothing: the header is zero.
    Zero,
    /// The beginning or the end of a header, the rest of it zero.
    Partial,
    /// A header whose batch did not reach the disk in full.
    Unfinished,
    /// A batch of later records.
    Ahead,
    /// Something that was not written so.
    Bad(&'static str),
}

/// Looks at the cells from the expected place on; `cells` may end anywhere.
pub(super) fn look(cells: &[Cell], expected: &Expected) -> Look {
    let Some(first) = cells.first() else { return Look::More };
    if *first == Cell::ZERO {
        return Look::Zero;
    }
    if first.0[0] == 0 || first.0[CELL_BYTES - 1] == 0 {
        return Look::Partial;
    }
    let Some(header) = BatchHeader::decode(first) else {
        return Look::Bad("the header of the batch is not what was written");
    };
    if !header.is_possible(expected.segment, expected.offset, expected.segment_bytes) {
        return Look::Bad("the header of the batch says what cannot be");
    }
    if header.first_seq > expected.seq {
        return Look::Ahead;
    }
    if header.first_seq < expected.seq {
        return Look::Bad("the batch holds records that came before");
    }
    let extent = header.cells as usize + FRAME_CELLS;
    if cells.len() < extent {
        return Look::More;
    }
    check_body(&cells[..extent], &header, expected)
}

fn check_body(batch: &[Cell], header: &BatchHeader, expected: &Expected) -> Look {
    let last = batch.len() - 1;
    let (chain, seal) = expected_seal(&batch[..last], &expected.chain);
    if batch[last] != seal && !mutant::is(Mutant::ChecksumOff) {
        let is_torn = is_cut(&batch[last]) || misses_a_sector(batch, expected.offset);
        if is_torn && mutant::is(Mutant::TornTailAccepted) {
            return Look::Whole { cells: last - 1, records: header.records, chain };
        }
        if is_torn {
            return Look::Unfinished;
        }
        return Look::Bad(if !is_whole(batch) {
            "the checksum of the batch is wrong"
        } else {
            "the hash chain is broken: the batch does not follow the one before it"
        });
    }
    let (mut at, mut records) = (1, 0);
    while at < last {
        at += record_cells(&batch[at]);
        records += 1;
    }
    if at != last || records != header.records {
        return Look::Bad("the batch does not hold the records that it counts");
    }
    Look::Whole { cells: last - 1, records, chain }
}

/// Whether the end of the seal is the beginning of what it should be, and then zero.
fn is_cut(seal: &Cell) -> bool {
    let end = &seal.0[SEAL_END_AT..];
    let written = end.iter().zip(SEAL_END).take_while(|(found, wanted)| *found == wanted).count();
    written < SEAL_END.len() && end[written..].iter().all(|byte| *byte == 0)
}

/// Whether some sector got nothing of its part of the batch.
fn misses_a_sector(batch: &[Cell], offset: u64) -> bool {
    let cell_bytes = CELL_BYTES as u64;
    let first = ((SECTOR_BYTES - offset % SECTOR_BYTES) / cell_bytes) as usize;
    let first = first.min(batch.len());
    let sectors = batch[first..].chunks((SECTOR_BYTES / cell_bytes) as usize);
    std::iter::once(&batch[..first])
        .chain(sectors)
        .any(|sector| !sector.is_empty() && sector.iter().all(|cell| *cell == Cell::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Head, kind};

    fn batch(records: usize, offset: u64) -> (Vec<Cell>, Expected) {
        let mut cells = vec![Cell::ZERO; records + FRAME_CELLS];
        for (index, cell) in cells[1..=records].iter_mut().enumerate() {
            let mut head = Head::new(kind::BUY);
            head.time = (index as u64).into();
            *cell = head.into();
        }
        let header = BatchHeader {
            cells: records as u32,
            first_seq: 10,
            records: records as u32,
            segment: 2,
            offset,
            synced: 9,
        };
        assert_eq!(BatchHeader::decode(&header.encode()), Some(header));
        let chain = first_chain(&[1; 16]);
        seal(&mut cells, &header, &chain);
        (cells, Expected { segment: 2, segment_bytes: 8192, offset, seq: 10, chain })
    }

    #[test]
    fn a_sealed_batch_is_found_whole_where_it_was_put() {
        let (cells, expected) = batch(5, 64);
        assert!(matches!(look(&cells, &expected), Look::Whole { cells: 5, records: 5, .. }));
        assert_eq!(look(&cells[..6], &expected), Look::More);
        assert_eq!(look(&cells, &Expected { seq: 9, ..expected }), Look::Ahead);
        for wrong in [
            Expected { seq: 11, ..expected },
            Expected { segment: 3, ..expected },
            Expected { offset: 128, ..expected },
            Expected { segment_bytes: 448, ..expected },
            Expected { chain: [0; 32], ..expected },
        ] {
            assert!(matches!(look(&cells, &wrong), Look::Bad(_)), "{wrong:?}");
        }
    }

    #[test]
    fn every_flipped_bit_is_damage_and_never_a_tear() {
        let (cells, expected) = batch(9, 192);
        for bit in 0..cells.len() * CELL_BYTES * 8 {
            let mut flipped = cells.clone();
            flipped[bit / 512].0[bit / 8 % CELL_BYTES] ^= 1 << (bit % 8);
            assert!(matches!(look(&flipped, &expected), Look::Bad(_)), "bit {bit}");
        }
    }

    #[test]
    fn every_beginning_of_a_batch_is_a_tear_and_never_damage() {
        let (cells, expected) = batch(9, 192);
        for kept in 0..cells.len() * CELL_BYTES {
            let mut cut = cells.clone();
            bytemuck::cast_slice_mut::<Cell, u8>(&mut cut)[kept..].fill(0);
            let found = look(&cut, &expected);
            let wanted = match kept {
                0 => Look::Zero,
                1..CELL_BYTES => Look::Partial,
                _ => Look::Unfinished,
            };
            assert_eq!(found, wanted, "{kept} bytes kept");
        }
    }
}
