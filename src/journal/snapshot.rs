//! The file of a snapshot: the state at a place of the journal, so that a start need not read what
//! lies before it. What its lines mean is for others; here they are numbered, checked and durable.
//!
//! | header | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `DB` `snap` 0x01 0xDB |
//! | 8 | 4 | version of the format: 1 |
//! | 12 | 4 | number of the segment in which the place lies |
//! | 16 | 8 | its offset there |
//! | 24 | 8 | seq of the last record before it |
//! | 32 | 8 | batches before it |
//! | 40 | 16 | id of the journal |
//! | 56 | 32 | chain value at the place |
//! | 88 | 32 | BLAKE3 of the image: the state hash |
//! | 120 | 8 | lines of chain values |
//! | 128 | 8 | lines of the image behind them |
//! | 252 | 4 | crc32c of bytes 0-251 |
//!
//! Chunks follow: up to [`CHUNK_LINES`] lines of 64 bytes, and one line that checks them: their
//! number u32, the chunk's number u32, the snapshot's seq u64, crc32c u32 of the lines and these.
//! All integers are little-endian. Invariant: a file with a snapshot's name is whole and durable.

mod reader;
mod writer;

pub use reader::{SnapshotLines, SnapshotReader, read_snapshot};
pub use writer::SnapshotWriter;

use super::{JournalError, Place, storage::Storage};
use crate::chains::ChainAt;

/// Version of what lies in a snapshot.
const VERSION: u32 = 1;
/// Lines that are checked together: a chunk is 1 MiB.
const CHUNK_LINES: usize = (1 << 14) - 1;

const MAGIC: [u8; 8] = *b"DBsnap\x01\xDB";
const HEADER_BYTES: usize = 256;
const SUFFIX: &str = ".snap";
/// What it is called until it is whole.
const UNFINISHED_SUFFIX: &str = ".snap.tmp";
const DIGITS: usize = 20;

type Line = [u8; 64];

/// What a snapshot's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotHeader {
    /// Where it was made.
    pub place: Place,
    /// The BLAKE3 hash of the image.
    pub state_hash: [u8; 32],
    /// Lines before the image.
    pub chain_lines: u64,
    /// Lines of the image.
    pub image_lines: u64,
}

impl SnapshotHeader {
    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut at = 0;
        let mut put = |field: &[u8]| {
            bytes[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        };
        let Place { folder, segment, offset, seq, chain, batches } = &self.place;
        put(&MAGIC);
        put(&VERSION.to_le_bytes());
        put(&segment.to_le_bytes());
        [offset, seq, batches].iter().for_each(|number| put(&number.to_le_bytes()));
        put(folder);
        put(chain);
        put(&self.state_hash);
        [self.chain_lines, self.image_lines].iter().for_each(|lines| put(&lines.to_le_bytes()));
        let crc = crc32c::crc32c(&bytes[..HEADER_BYTES - 4]);
        bytes[HEADER_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<SnapshotHeader, String> {
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
        let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight"));
        let hash = |at: usize| bytes[at..at + 32].try_into().expect("thirty-two");
        if bytes[..8] != MAGIC {
            return Err("it does not start as a snapshot does".to_owned());
        }
        if number(HEADER_BYTES - 4) != crc32c::crc32c(&bytes[..HEADER_BYTES - 4]) {
            return Err("the checksum of its header is wrong".to_owned());
        }
        if number(8) != VERSION {
            let found = number(8);
            return Err(format!("it has format version {found}; this server reads {VERSION}"));
        }
        let folder = bytes[40..56].try_into().expect("sixteen");
        let place = Place {
            folder,
            segment: number(12),
            offset: long(16),
            seq: long(24),
            chain: hash(56),
            batches: long(32),
        };
        let (chain_lines, image_lines) = (long(120), long(128));
        Ok(SnapshotHeader { place, state_hash: hash(88), chain_lines, image_lines })
    }
}

fn name_of(seq: u64) -> String {
    format!("{seq:0DIGITS$}{SUFFIX}")
}

fn seq_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    let is_ours = digits.len() == DIGITS && digits.bytes().all(|it| it.is_ascii_digit());
    digits.parse().ok().filter(|_| is_ours)
}

/// Whether this is what a crash left of a snapshot in the making.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.ends_with(UNFINISHED_SUFFIX)
}

/// The seqs of the snapshots that are there, ascending.
///
/// # Errors
/// [`JournalError::Disk`].
pub fn snapshots(storage: &impl Storage) -> Result<Vec<u64>, JournalError> {
    let names = storage.names().map_err(JournalError::disk("list", "the journal folder"))?;
    let mut seqs: Vec<u64> = names.iter().filter_map(|name| seq_of(name)).collect();
    seqs.sort_unstable();
    Ok(seqs)
}

/// Removes a snapshot; the folder is synced by who removes what it stood for.
pub(super) fn remove(storage: &impl Storage, seq: u64) -> Result<(), JournalError> {
    let name = name_of(seq);
    storage.remove(&name).map_err(JournalError::disk("remove", &name))
}

fn bad(seq: u64, what: impl Into<String>) -> JournalError {
    JournalError::Snapshot { seq, what: what.into() }
}

/// A chain value as a line: seq u64, 32 bytes, zeros.
fn chain_line(at: &ChainAt) -> Line {
    let mut line = [0; 64];
    line[..8].copy_from_slice(&at.seq.to_le_bytes());
    line[8..40].copy_from_slice(&at.chain);
    line
}

fn chain_of(line: &Line) -> ChainAt {
    let seq = u64::from_le_bytes(line[..8].try_into().expect("eight"));
    ChainAt { seq, chain: line[8..40].try_into().expect("thirty-two") }
}

/// What checks a chunk.
fn check(lines: &[Line], chunk: u32, seq: u64) -> Line {
    let mut line = [0; 64];
    line[..4].copy_from_slice(&(lines.len() as u32).to_le_bytes());
    line[4..8].copy_from_slice(&chunk.to_le_bytes());
    line[8..16].copy_from_slice(&seq.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(lines.as_flattened()), &line[..16]);
    line[16..20].copy_from_slice(&crc.to_le_bytes());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SnapshotHeader {
        let place = Place { seq: 77, offset: 640, segment: 3, ..Place::first([9; 16]) };
        SnapshotHeader { place, state_hash: [5; 32], chain_lines: 2, image_lines: 11 }
    }

    #[test]
    fn a_header_comes_back_and_any_flipped_bit_is_seen() {
        let bytes = header().encode();
        assert_eq!(SnapshotHeader::decode(&bytes), Ok(header()));
        for bit in 0..8 * HEADER_BYTES {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(SnapshotHeader::decode(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn another_version_is_refused_by_name() {
        let mut bytes = header().encode();
        bytes[8] = 2;
        let crc = crc32c::crc32c(&bytes[..HEADER_BYTES - 4]);
        bytes[HEADER_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
        let why = SnapshotHeader::decode(&bytes).expect_err("version 2");
        assert_eq!(why, "it has format version 2; this server reads 1");
    }

    #[test]
    fn only_our_own_names_are_snapshots() {
        assert_eq!(seq_of(&name_of(42)), Some(42));
        for name in ["42.snap", "00000000000000000042.snap.tmp", "00000000000000000042"] {
            assert_eq!(seq_of(name), None, "{name}");
        }
        assert!(is_unfinished("00000000000000000042.snap.tmp"));
    }
}
