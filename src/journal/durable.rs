//! The proof that something is durable. Only this room can make it, so nothing can be answered
//! before: a shard may only write a `Durable<Cell>` to a socket.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crossbeam::utils::CachePadded;

use crate::message::Cell;

/// Something that no crash can undo any more.
pub struct Durable<T>(T);

impl<T> Durable<T> {
    /// What is durable.
    #[inline]
    pub fn into_inner(self) -> T {
        self.0
    }
}

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

/// One reader's view of the watermark: asks again only when what it knows is not enough.
#[derive(Clone)]
pub struct Gate {
    watermark: Watermark,
    seen: u64,
}

impl Gate {
    /// A view of `watermark`.
    pub fn new(watermark: Watermark) -> Gate {
        let seen = watermark.seq();
        Gate { watermark, seen }
    }

    /// The answer, with proof, if everything that it was decided from is durable.
    #[inline]
    pub fn pass(&mut self, answer: Cell) -> Option<Durable<Cell>> {
        let after = answer.reply().after.to_native();
        if after > self.seen {
            self.seen = self.watermark.seq();
        }
        (after <= self.seen).then_some(Durable(answer))
    }
}
