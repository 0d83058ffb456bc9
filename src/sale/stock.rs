//! A sale as it stands: its terms, whether it is open, and the units of each item.

use super::Stamp;
use super::command::Stock;
use super::terms::Terms;

/// Where a sale stands at some time. The numbers are those of the formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// It has not opened yet.
    Scheduled = 0,
    /// It sells.
    Open = 1,
    /// The operator has paused it.
    Paused = 2,
    /// It is over.
    Closed = 3,
}

impl Phase {
    /// The phase with this number, if there is one.
    pub const fn from_number(number: u8) -> Option<Phase> {
        Some(match number {
            0 => Phase::Scheduled,
            1 => Phase::Open,
            2 => Phase::Paused,
            3 => Phase::Closed,
            _ => return None,
        })
    }

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Phase::Scheduled => "scheduled",
            Phase::Open => "open",
            Phase::Paused => "paused",
            Phase::Closed => "closed",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) stock: u64,
    pub(super) free: u64,
    pub(super) held: u64,
    pub(super) confirmed: u64,
    pub(super) price: u64,
    pub(super) limit: u32,
}

impl Item {
    pub(super) fn shown(&self) -> Stock {
        let Item { stock, free, held, confirmed, price, limit } = *self;
        Stock { stock, free, held, confirmed, price, limit }
    }

    /// Every unit given into the sale is somewhere, and nowhere twice.
    #[inline(always)]
    pub(super) fn assert_balance(&self) {
        assert_eq!(self.stock, self.free + self.held + self.confirmed, "units came or went");
    }
}

#[derive(Clone, Debug)]
pub(super) struct Sale {
    pub(super) terms: Terms,
    pub(super) is_open: bool,
    /// The lane of its holds.
    pub(super) lane: u8,
    pub(super) items: Vec<Item>,
}

impl Sale {
    /// Whether it has ended by then.
    #[inline(always)]
    pub(super) fn is_over(&self, now: Stamp) -> bool {
        self.terms.closes_at != 0 && now >= self.terms.closes_at
    }

    /// Where it stands then. What is over is over, whatever else it is.
    pub(super) fn phase(&self, now: Stamp) -> Phase {
        if self.is_over(now) {
            Phase::Closed
        } else if !self.is_open || now < self.terms.opens_at {
            Phase::Scheduled
        } else {
            Phase::Open
        }
    }
}
