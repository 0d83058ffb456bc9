//! A forger's tools, made from the description of the format alone: a journal with another record
//! in it, sealed anew from there on, which no check of the journal by itself can tell from a true
//! one.

use std::fs;
use std::path::{Path, PathBuf};

const CELL: usize = 64;

fn number(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four")) as usize
}

/// The first segment of a data folder.
pub(crate) fn segment(data: &Path) -> PathBuf {
    data.join("journal/00000001.seg")
}

/// Lets `change` have each record with its seq, and seals everything anew.
pub(crate) fn forge(data: &Path, mut change: impl FnMut(u64, &mut [u8])) {
    let path = segment(data);
    let mut bytes = fs::read(&path).expect("a segment");
    let id: [u8; 16] = bytes[24..40].try_into().expect("sixteen");
    let mut chain = blake3::derive_key("doorbuster 2026 journal chain v1", &id);
    let (mut at, mut seq) = (CELL, 0);
    while bytes[at..at + 4] == *b"\xDBBAT" {
        let (first, end) = (at + CELL, at + CELL + number(&bytes, at + 4) * CELL);
        let mut record = first;
        while record < end {
            let tails = usize::from(u16::from_le_bytes([bytes[record + 2], bytes[record + 3]]));
            let behind = record + (1 + tails) * CELL;
            seq += 1;
            change(seq, &mut bytes[record..behind]);
            record = behind;
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&chain).update(&bytes[at..end]);
        chain = hasher.finalize().into();
        let sum = crc32c::crc32c(&bytes[first..end]);
        bytes[end..end + 32].copy_from_slice(&chain);
        bytes[end + 32..end + 36].copy_from_slice(&sum.to_le_bytes());
        at = end + CELL;
    }
    assert!(seq > 0, "nothing to forge");
    fs::write(&path, &bytes).expect("written");
}

/// Puts another buyer, of the same length, into each purchase of the first.
pub(crate) fn replace_buyer(data: &Path, from: &str, to: &str) {
    assert!(from.len() == to.len() && from.len() <= 16);
    let mut count = 0;
    forge(data, |_, record| {
        let buyer = &mut record[16..16 + from.len()];
        if buyer == from.as_bytes() {
            buyer.copy_from_slice(to.as_bytes());
            count += 1;
        }
    });
    assert!(count > 0, "nobody is {from}");
}
