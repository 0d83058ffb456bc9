//! The proof that something is durable. Only this room can make it, so nothing can be answered
//! before: a shard may only write a `Durable<Cell>` to a socket.

use super::Watermark;
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
