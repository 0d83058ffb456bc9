//! What the operator may choose about the journal. A value of these types is valid: the checks are
//! in the constructors, and nothing behind them asks again.

use crate::limits::{BATCH_CELLS_MAX, SEGMENT_BYTES_MAX, SEGMENTS_AHEAD_MAX};

use super::{batch::batch_bytes, segment::HEADER_BYTES};

/// What must have happened before an answer may leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Written and synced: survives a power cut.
    #[default]
    Fsync,
    /// Written: survives the end of the process, not a power cut.
    Os,
    /// Decided: survives nothing for sure.
    None,
}

/// How the journal lies on the disk.
#[derive(Clone, Copy, Debug)]
pub struct JournalOptions {
    segment_bytes: u64,
    segments_ahead: usize,
    durability: Durability,
    batch_cells_max: usize,
}

/// Segments are a multiple of this.
const SEGMENT_STEP_BYTES: u64 = 1 << 20;

impl Default for JournalOptions {
    /// Segments of 64 MiB, two ahead, synced.
    fn default() -> JournalOptions {
        JournalOptions::new(64 << 20, 2, Durability::Fsync).expect("these are allowed values")
    }
}

impl JournalOptions {
    /// Checks what was chosen.
    ///
    /// # Errors
    /// A sentence with the values allowed.
    pub fn new(
        segment_bytes: u64,
        segments_ahead: usize,
        durability: Durability,
    ) -> Result<JournalOptions, String> {
        let largest = HEADER_BYTES + batch_bytes(BATCH_CELLS_MAX);
        let least = largest.next_multiple_of(SEGMENT_STEP_BYTES);
        if !segment_bytes.is_multiple_of(SEGMENT_STEP_BYTES)
            || !(least..=SEGMENT_BYTES_MAX).contains(&segment_bytes)
        {
            return Err(format!(
                "segment_bytes is {segment_bytes}; it must be a multiple of {SEGMENT_STEP_BYTES} \
                 from {least} to {SEGMENT_BYTES_MAX}"
            ));
        }
        if !(1..=SEGMENTS_AHEAD_MAX).contains(&segments_ahead) {
            return Err(format!(
                "segments_ahead is {segments_ahead}; it must be from 1 to {SEGMENTS_AHEAD_MAX}"
            ));
        }
        Ok(JournalOptions {
            segment_bytes,
            segments_ahead,
            durability,
            batch_cells_max: BATCH_CELLS_MAX,
        })
    }

    /// For tests: segments and batches as small as they like, so that every edge is near.
    ///
    /// # Panics
    /// If the largest batch does not fit into a segment.
    #[doc(hidden)]
    pub fn tiny(
        segment_bytes: u64,
        segments_ahead: usize,
        durability: Durability,
        batch_cells_max: usize,
    ) -> JournalOptions {
        assert!(segment_bytes.is_multiple_of(HEADER_BYTES) && segments_ahead > 0);
        assert!(HEADER_BYTES + batch_bytes(batch_cells_max) <= segment_bytes);
        JournalOptions { segment_bytes, segments_ahead, durability, batch_cells_max }
    }

    /// Bytes of each new segment.
    pub fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }

    /// Segments kept ready.
    pub fn segments_ahead(&self) -> usize {
        self.segments_ahead
    }

    /// When an answer may leave.
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// Record cells in one batch at most.
    pub(super) fn batch_cells_max(&self) -> usize {
        self.batch_cells_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_cannot_work_are_refused_with_the_values_allowed() {
        assert!(JournalOptions::new(2 << 20, 1, Durability::Os).is_ok());
        for (bytes, ahead) in [(1 << 20, 2), ((2 << 20) + 64, 2), (1 << 40, 2), (64 << 20, 0)] {
            let refusal = JournalOptions::new(bytes, ahead, Durability::Fsync).expect_err("bad");
            assert!(refusal.contains("must be"), "{refusal}");
        }
    }
}
