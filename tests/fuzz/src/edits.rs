//! An input as a list of edits to a file that is there already: most of what is changed at random
//! in a whole file would never get past its first checksum, and files are large.

use crate::dice::Dice;

/// Bytes of an edit in an input.
const BYTES: usize = 8;
/// Edits of one input.
const EDITS_MAX: usize = 24;
/// A cell, and a line of a snapshot.
const LINE: usize = 64;
const SECTOR: usize = 512;

/// What is done, to which file, where, and with what.
#[derive(Clone, Copy, Debug)]
pub struct Edit {
    /// Which of the things that can be done.
    pub deed: u8,
    /// Which file.
    pub file: u8,
    at: u16,
    value: u32,
}

/// Reads an input as edits; what is left over at its end is none.
pub fn edits(input: &[u8]) -> impl Iterator<Item = Edit> {
    input.chunks_exact(BYTES).take(EDITS_MAX).map(|bytes| Edit {
        deed: bytes[0],
        file: bytes[1],
        at: u16::from_le_bytes([bytes[2], bytes[3]]),
        value: u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
    })
}

impl Edit {
    /// Does it to the bytes of a file, the first `kept` of which it leaves where they are.
    pub fn apply(&self, bytes: &mut Vec<u8>, kept: usize) {
        let Some(len) = bytes.len().checked_sub(kept).filter(|len| *len >= LINE) else { return };
        let at = usize::from(self.at) % len + kept;
        let lines = len / LINE;
        let line = kept + LINE * (usize::from(self.at) % lines);
        let other = kept + LINE * (self.value as usize % lines);
        let mut dice = Dice(u64::from(self.value));
        let mut put = |at: usize, with: &[u8]| {
            let with = &with[..with.len().min(bytes.len() - at)];
            bytes[at..at + with.len()].copy_from_slice(with);
        };
        match self.deed % 14 {
            0 => bytes[at] ^= 1 << (self.value % 8),
            1 => bytes[at] = self.value as u8,
            2 => put(at, &(self.value as u16).to_le_bytes()),
            3 => put(at, &self.value.to_le_bytes()),
            4 => put(at, &(u64::MAX >> (self.value % 64)).to_le_bytes()),
            5 => put(line, &[self.value as u8; LINE]),
            6 => put(line, &[(); LINE].map(|()| dice.any() as u8)),
            7 => bytes.copy_within(other..other + LINE, line),
            8 => {
                let one: [u8; LINE] = bytes[line..line + LINE].try_into().expect("a line");
                bytes.copy_within(other..other + LINE, line);
                bytes[other..other + LINE].copy_from_slice(&one);
            }
            9 => drop(bytes.drain(line..line + LINE)),
            10 => {
                let copied = bytes[other..other + LINE].to_vec();
                drop(bytes.splice(line..line, copied));
            }
            11 => bytes.truncate(at),
            12 => bytes[at..].fill(0),
            _ => {
                let sector = at / SECTOR * SECTOR;
                let end = (sector + SECTOR).min(bytes.len());
                bytes[sector.max(kept)..end].fill(0);
            }
        }
    }
}
