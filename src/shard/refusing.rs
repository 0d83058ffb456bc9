//! Purchases that are refused here, because the board says that what they want is sold out.
//!
//! It gives the answer that the matcher would have given at that moment, and only when nothing that
//! came to this shard before is still to be decided: so the order of arrival is kept.
//!
//! Invariant: what is told here was decided from a state that is durable.

use crate::board::Board;
use crate::journal::Gate;
use crate::message::{Cell, Head, Reply, kind, outcome};
use crate::metrics::{Metrics, Protocol};
use crate::ring::Writer;
use crate::sale::Side;

/// What a shard goes by.
pub(super) struct Refusing {
    pub(super) board: Board,
    pub(super) gate: Gate,
    pub(super) metrics: Metrics,
    /// Which shard this is.
    pub(super) index: usize,
}

impl Refusing {
    /// The answer to a purchase that can only be refused as sold out; `None` if the matcher has to
    /// be asked. `in_flight` are the requests of its connection that are on their way.
    #[inline]
    pub(super) fn sold_out(
        &mut self,
        requests: &mut Writer<Cell>,
        protocol: Protocol,
        in_flight: u32,
        (numbers, head, side): ((u16, u16), &Head, &Side),
        stamp: u64,
    ) -> Option<Cell> {
        // Whoever names more than buyer and item may be told something else.
        let is_plain = head.kind == kind::BUY && !head.is_waiting() && *side == Side::NONE;
        if !is_plain || in_flight > 0 {
            return None;
        }
        let notice = self.board.sold_out(numbers, head, stamp)?;
        // The matcher gives a place back when the request in it is decided.
        if !requests.is_read() {
            return None;
        }
        let reply = Reply {
            kind: kind::REPLY,
            outcome: outcome::SOLD_OUT,
            after: notice.after.into(),
            ..bytemuck::Zeroable::zeroed()
        };
        let told = self.gate.pass(reply.into())?.into_inner();
        let counters = &self.metrics.shards[self.index];
        counters.answers.count(protocol, outcome::SOLD_OUT);
        counters.sold_out_here.add(1);
        Some(told)
    }
}
