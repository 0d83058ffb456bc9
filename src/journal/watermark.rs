//! How far the journal is durable, for all who wait for it. An atomic and nothing else, so that
//! loom can try every interleaving of it (`tests/loom`).
//!
//! Invariant: who sees a seq here sees all that the journal did before it raised it so far.

use std::sync::Arc;

use crossbeam::utils::CachePadded;

use super::atomic::{AtomicU64, Ordering};

/// How far the journal is durable: 0 until the journal says otherwise.
#[derive(Clone, Default)]
pub struct Watermark {
    /// The newest durable seq. Written by the journal (Release), read by shards (Acquire).
    seq: Arc<CachePadded<AtomicU64>>,
}

impl Watermark {
    /// Raises it.
    pub(super) fn raise(&self, seq: u64) {
        debug_assert!(seq >= self.seq());
        self.seq.store(seq, Ordering::Release);
    }

    /// The newest durable seq.
    #[inline]
    pub fn seq(&self) -> u64 {
        self.seq.load(Ordering::Acquire)
    }
}
