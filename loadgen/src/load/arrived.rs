//! Who was given an order when: kept for the comparison of orders that fairness is.

/// Orders of one thread at most: 32 bytes each.
const ORDERS_MAX: usize = 4_000_000;
/// Orders in one piece of memory: growing must not copy what is there.
const CHUNK: usize = 65_536;

/// An order that was given. Times are ns since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// The order's id: higher ones were decided later.
    pub(crate) order: u64,
    /// The purchase's number.
    pub(crate) number: u64,
    pub(crate) intended: u64,
    pub(crate) sent: u64,
}

#[derive(Default)]
pub(crate) struct ArrivedOrders {
    chunks: Vec<Vec<Arrived>>,
    /// Orders past the bound.
    pub(crate) unchecked: u64,
}

impl ArrivedOrders {
    #[inline]
    pub(crate) fn push(&mut self, arrived: Arrived) {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            if (self.chunks.len() + 1) * CHUNK > ORDERS_MAX {
                self.unchecked += 1;
                return;
            }
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks.last_mut().expect("pushed if there was none").push(arrived);
    }

    pub(crate) fn merge(&mut self, other: ArrivedOrders) {
        self.chunks.extend(other.chunks);
        self.unchecked += other.unchecked;
    }

    /// All of them, in the order of decisions.
    pub(crate) fn into_decided(self) -> Vec<Arrived> {
        let mut all = self.chunks.concat();
        all.sort_unstable_by_key(|arrived| arrived.order);
        all
    }
}
