//! A segment: a file that was filled with zeros before its first use, so that a sync writes no
//! metadata. It starts with a header cell; batches follow, packed.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `DB` `journ` 0xDB |
//! | 8 | 4 | version of the format: 1 |
//! | 12 | 4 | number of the segment, from 1 |
//! | 16 | 8 | bytes of the file |
//! | 24 | 16 | id of the folder: random, the same in all its segments |
//! | 40 | 20 | zero |
//! | 60 | 4 | crc32c of bytes 0-59 |
//!
//! Magic, version and checksum keep their places in every version. All integers are little-endian.
//! Invariant: a file with a segment's name is whole; until it is, it has another name.

use std::io;

use super::{
    JournalError,
    storage::{SegmentFile, Storage, is_refusal, is_shortage, read_all, write_all},
};
use crate::message::{CELL_BYTES, Cell};

/// Bytes of the header.
pub(super) const HEADER_BYTES: u64 = CELL_BYTES as u64;
/// Version of everything below `journal/`.
pub(super) const FORMAT_VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"DBjourn\xDB";
const SUFFIX: &str = ".seg";
/// What a segment is called until it is whole.
const UNFINISHED_SUFFIX: &str = ".seg.tmp";
const DIGITS: usize = 8;
/// Zeros in one write, and bytes between two syncs: small enough not to stall the live segment's.
const SLICE_BYTES: usize = 1 << 20;
const SYNC_EVERY_BYTES: u64 = 4 << 20;
static ZEROS: [u8; SLICE_BYTES] = [0; SLICE_BYTES];

/// An open segment.
pub(super) struct Segment<F> {
    pub(super) file: F,
    pub(super) name: String,
    pub(super) index: u32,
    pub(super) bytes: u64,
}

/// What a segment's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) index: u32,
    pub(super) bytes: u64,
    pub(super) folder: [u8; 16],
}

/// Why a cell is not the header looked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadHeader {
    Version(u32),
    What(&'static str),
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> Cell {
        assert!(self.index > 0);
        let mut cell = Cell::ZERO;
        cell.0[0..8].copy_from_slice(&MAGIC);
        cell.0[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        cell.0[12..16].copy_from_slice(&self.index.to_le_bytes());
        cell.0[16..24].copy_from_slice(&self.bytes.to_le_bytes());
        cell.0[24..40].copy_from_slice(&self.folder);
        let crc = crc32c::crc32c(&cell.0[..60]);
        cell.0[60..64].copy_from_slice(&crc.to_le_bytes());
        cell
    }

    pub(super) fn decode(cell: &Cell) -> Result<SegmentHeader, BadHeader> {
        let bytes = &cell.0;
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
        if bytes[0..8] != MAGIC {
            return Err(BadHeader::What("it does not start as a journal segment does"));
        }
        if number(60) != crc32c::crc32c(&bytes[..60]) {
            return Err(BadHeader::What("the checksum of the segment's header is wrong"));
        }
        if number(8) != FORMAT_VERSION {
            return Err(BadHeader::Version(number(8)));
        }
        Ok(SegmentHeader {
            index: number(12),
            bytes: u64::from_le_bytes(bytes[16..24].try_into().expect("eight")),
            folder: bytes[24..40].try_into().expect("sixteen"),
        })
    }
}

/// The file name of a segment.
pub(super) fn name_of(index: u32) -> String {
    assert!(index > 0, "segments are numbered from 1");
    format!("{index:0DIGITS$}{SUFFIX}")
}

/// The number of the segment with this file name; `None` for any other file.
pub(super) fn index_of(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(SUFFIX)?;
    let is_ours = digits.len() == DIGITS && digits.bytes().all(|it| it.is_ascii_digit());
    digits.parse().ok().filter(|index| is_ours && *index > 0)
}

/// Whether this is what a crash left of a segment in the making.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.ends_with(UNFINISHED_SUFFIX)
}

/// Makes a segment: whole and durable under its name when this returns.
///
/// `go_on` is asked between slices (with `None`), and whenever the disk refuses for want of room
/// or the system for want of a descriptor (with the refusal): `true` means go on or try again.
/// `Ok(None)`: it said `false`.
pub(super) fn make<S: Storage>(
    storage: &S,
    header: SegmentHeader,
    go_on: &mut dyn FnMut(Option<&io::Error>) -> bool,
) -> Result<Option<Segment<S::File>>, JournalError> {
    assert!(header.bytes > HEADER_BYTES && header.bytes.is_multiple_of(HEADER_BYTES));
    let name = name_of(header.index);
    let unfinished = format!("{}{UNFINISHED_SUFFIX}", name.trim_end_matches(SUFFIX));
    loop {
        let refusal = match attempt(storage, &header, &name, &unfinished, go_on) {
            Ok(true) => return opened(storage, &header, name, go_on),
            Ok(false) => None,
            Err(JournalError::Disk { source, .. })
                if is_refusal(&source) || is_shortage(&source) =>
            {
                Some(source)
            }
            Err(error) => return Err(error),
        };
        // What a failed sync leaves cannot be trusted: start over.
        let _ = storage.remove(&unfinished);
        if refusal.is_none_or(|refusal| !go_on(Some(&refusal))) {
            return Ok(None);
        }
    }
}

/// Opens a segment that is whole.
fn opened<S: Storage>(
    storage: &S,
    header: &SegmentHeader,
    name: String,
    go_on: &mut dyn FnMut(Option<&io::Error>) -> bool,
) -> Result<Option<Segment<S::File>>, JournalError> {
    loop {
        match storage.open(&name) {
            Ok(file) => {
                let SegmentHeader { index, bytes, .. } = *header;
                return Ok(Some(Segment { file, name, index, bytes }));
            }
            Err(error) if is_shortage(&error) => {
                if !go_on(Some(&error)) {
                    return Ok(None);
                }
            }
            Err(error) => return Err(JournalError::disk("open", &name)(error)),
        }
    }
}

/// One attempt; `false` if told to give up.
fn attempt<S: Storage>(
    storage: &S,
    header: &SegmentHeader,
    name: &str,
    unfinished: &str,
    go_on: &mut dyn FnMut(Option<&io::Error>) -> bool,
) -> Result<bool, JournalError> {
    let file = storage.create(unfinished).map_err(JournalError::disk("create", unfinished))?;
    let sync = || file.sync().map_err(JournalError::disk("sync", unfinished));
    write_all(&file, &header.encode().0, 0).map_err(JournalError::disk("write", unfinished))?;
    let (mut filled, mut synced) = (HEADER_BYTES, 0);
    while filled < header.bytes {
        if !go_on(None) {
            return Ok(false);
        }
        let slice = (header.bytes - filled).min(SLICE_BYTES as u64) as usize;
        match write_all(&file, &ZEROS[..slice], filled) {
            Ok(()) => filled += slice as u64,
            // Nothing is lost, so what is there already stays, and the next try is cheap.
            Err(error) if is_refusal(&error) => {
                if !go_on(Some(&error)) {
                    return Ok(false);
                }
            }
            Err(error) => return Err(JournalError::disk("write", unfinished)(error)),
        }
        if filled - synced >= SYNC_EVERY_BYTES {
            sync()?;
            synced = filled;
        }
    }
    sync()?;
    storage.rename(unfinished, name).map_err(JournalError::disk("rename", unfinished))?;
    storage.sync_dir().map_err(JournalError::disk("sync the folder of", name))?;
    Ok(true)
}

impl<F: SegmentFile> Segment<F> {
    /// Takes an open file for segment `index`, if its header and length say so.
    pub(super) fn check(
        file: F,
        index: u32,
        folder: Option<[u8; 16]>,
        seq: u64,
    ) -> Result<(Segment<F>, SegmentHeader), JournalError> {
        let name = name_of(index);
        let damaged = |offset, what: &str| {
            Err(JournalError::Damaged { segment: index, offset, seq, what: what.to_owned() })
        };
        let bytes = file.bytes().map_err(JournalError::disk("measure", &name))?;
        if bytes <= HEADER_BYTES {
            return damaged(bytes, "the file is cut short");
        }
        let mut cell = Cell::ZERO;
        read_all(&file, &mut cell.0, 0).map_err(JournalError::disk("read", &name))?;
        let header = match SegmentHeader::decode(&cell) {
            Ok(header) => header,
            Err(BadHeader::What(what)) => return damaged(0, what),
            Err(BadHeader::Version(found)) => {
                return Err(JournalError::Version { segment: index, found, ours: FORMAT_VERSION });
            }
        };
        if header.index != index {
            let what = format!("the file holds segment {}, not {index}", header.index);
            return damaged(0, &what);
        }
        if folder.is_some_and(|folder| folder != header.folder) {
            return damaged(0, "the segment belongs to another journal");
        }
        if header.bytes != bytes || !bytes.is_multiple_of(HEADER_BYTES) {
            let what = format!("the file has {bytes} bytes, and should have {}", header.bytes);
            return damaged(bytes.min(header.bytes), &what);
        }
        Ok((Segment { file, name, index, bytes }, header))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: SegmentHeader = SegmentHeader { index: 3, bytes: 4096, folder: [7; 16] };

    #[test]
    fn a_header_comes_back_and_any_flipped_bit_is_seen() {
        assert_eq!(SegmentHeader::decode(&HEADER.encode()), Ok(HEADER));
        for bit in 0..512 {
            let mut cell = HEADER.encode();
            cell.0[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(SegmentHeader::decode(&cell), Err(BadHeader::What(_))), "bit {bit}");
        }
    }

    #[test]
    fn another_version_is_told_apart_from_damage() {
        let mut cell = HEADER.encode();
        cell.0[8] = 2;
        let crc = crc32c::crc32c(&cell.0[..60]);
        cell.0[60..64].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&cell), Err(BadHeader::Version(2)));
    }

    #[test]
    fn only_our_own_names_are_segments() {
        assert_eq!(index_of(&name_of(42)), Some(42));
        for name in ["1.seg", "00000000.seg", "+0000001.seg", "00000001.seg.tmp", "00000001"] {
            assert_eq!(index_of(name), None, "{name}");
        }
        assert!(is_unfinished("00000003.seg.tmp"));
    }
}
