//! A place in the journal: after which batch, where it lies, and what all before it has come to.
//!
//! Invariant: what comes next is looked for there and must follow from it, so whoever starts at a
//! place trusts it as it trusts all that was read before.

use super::{
    batch::{Chain, Expected, first_chain},
    segment::{HEADER_BYTES, Segment},
};

/// A place between two batches of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The journal's id.
    pub(super) folder: [u8; 16],
    /// Segment and offset after the last batch.
    pub(super) segment: u32,
    pub(super) offset: u64,
    /// The newest record.
    pub(super) seq: u64,
    /// The chain after it.
    pub(super) chain: Chain,
    pub(super) batches: u64,
}

impl Place {
    /// Before the first batch of a journal.
    pub(super) fn first(folder: [u8; 16]) -> Place {
        let chain = first_chain(&folder);
        Place { folder, segment: 1, offset: HEADER_BYTES, seq: 0, chain, batches: 0 }
    }

    /// The seq of the last record before it; 0 at the beginning.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The number of the segment in which it lies.
    pub fn segment(&self) -> u32 {
        self.segment
    }

    /// Where in its segment, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The chain value there.
    pub fn chain(&self) -> [u8; 32] {
        self.chain
    }

    /// The journal's id.
    pub fn folder(&self) -> [u8; 16] {
        self.folder
    }

    /// Batches before it.
    pub fn batches(&self) -> u64 {
        self.batches
    }

    /// What must come next if it lies at `offset` of `segment`.
    pub(super) fn expected<F>(&self, segment: &Segment<F>, offset: u64) -> Expected {
        Expected {
            segment: segment.index,
            segment_bytes: segment.bytes,
            offset,
            seq: self.seq + 1,
            chain: self.chain,
        }
    }
}
