//! A sale as it stands: its terms, whether it is open, and the units of each item.

use super::Stamp;
use super::command::Stock;
use super::draw::Draw;
use super::pools::Pool;
use super::terms::{Name, Terms};
use super::waiters::Queue;

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

/// Channels of one sale.
pub const CHANNELS_PER_SALE_MAX: usize = 16;
/// Items and channels of one sale that units were set aside for, counted in pairs.
pub const POOLS_PER_SALE_MAX: usize = 64;

/// Baskets on the waiting list of one sale: when units return, each may have to be looked at.
pub(super) const BASKETS_WAITING_MAX: u32 = 4096;

/// How far a draw has come. The numbers are those of the formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum DrawState {
    /// Entries are taken, or will be.
    Entering = 1,
    /// No more entries; the seed is not revealed yet.
    Sealed = 2,
    /// The seed is revealed, and not all entries have had their turn.
    Drawing = 3,
    /// All entries have had their turn: it sells as if there had been no draw.
    Drawn = 4,
}

/// Units of an item that were set aside for a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolView {
    /// Number of the item.
    pub item: u16,
    /// Number of the channel.
    pub channel: u8,
    /// Units ever set aside.
    pub set_aside: u64,
    /// Of these, units nobody has.
    pub free: u64,
    /// When what is left returns to the common units; 0 if it does not.
    pub until: Stamp,
    /// Whether it has.
    pub is_swept: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) stock: u64,
    /// Units that are free to all.
    pub(super) free: u64,
    pub(super) held: u64,
    pub(super) confirmed: u64,
    pub(super) price: u64,
    pub(super) limit: u32,
    /// Who waits for it.
    pub(super) queue: Queue,
    /// Units that entries of a draw wait for.
    pub(super) entered: u64,
    /// Units that are free to those who name a channel only, of all channels together.
    pub(super) aside: u64,
    /// What was set aside, for each channel.
    pub(super) pools: Vec<Pool>,
}

impl Item {
    pub(super) fn shown(&self) -> Stock {
        let Item { stock, held, confirmed, price, limit, .. } = *self;
        let (free, waiting) = (self.free + self.aside, self.queue.units + self.entered);
        Stock { stock, free, held, confirmed, waiting, price, limit }
    }

    /// Every unit given into the sale is somewhere, and nowhere twice.
    #[inline(always)]
    pub(super) fn assert_balance(&self) {
        let there = self.free + self.aside + self.held + self.confirmed;
        assert_eq!(self.stock, there, "units came or went");
    }
}

/// A sale as it stands. Times in force are such that one comparison tells each: what has no end
/// ends at the end of time, what an operator opened or closed did so at its beginning.
#[derive(Clone, Debug)]
pub(super) struct Sale {
    /// As it was created; stock and prices may have changed since.
    pub(super) terms: Terms,
    /// It sells from then on: 0 once the operator opened or closed it, [`Stamp::MAX`] until then if
    /// nobody else does.
    pub(super) opens_at: Stamp,
    /// It sells until then: 0 once the operator closed it, [`Stamp::MAX`] if it has no end.
    pub(super) closes_at: Stamp,
    pub(super) is_paused: bool,
    /// Only its number is left of it: nothing is known to be in it any more.
    pub(super) is_removed: bool,
    /// The lane of its holds.
    pub(super) lane: u8,
    /// The lane of holds that were offered to those who waited.
    pub(super) offer_lane: u8,
    /// Orders on the waiting list.
    pub(super) waiting: u32,
    /// Of these, baskets.
    pub(super) baskets: u32,
    /// Names of its channels, in the order of their numbers, from 1.
    pub(super) channels: Vec<Name>,
    pub(super) draw: Option<Box<Draw>>,
    pub(super) items: Vec<Item>,
}

/// The operator's doings in the image of a sale. The first is also there if a sale opens by itself.
const OPENED: u8 = 1;
const OPENED_EARLY: u8 = 2;
const PAUSED: u8 = 4;
const CLOSED: u8 = 8;
const REMOVED: u8 = 16;

impl Sale {
    /// A sale under these terms of which the operator has said nothing yet.
    pub(super) fn new(terms: &Terms, lane: u8, offer_lane: u8) -> Sale {
        let or_never = |at: Stamp| if at == 0 { Stamp::MAX } else { at };
        let items = terms.items.iter().map(|item| Item {
            stock: item.stock,
            free: item.stock,
            held: 0,
            confirmed: 0,
            price: item.price,
            limit: item.limit,
            queue: Queue::EMPTY,
            entered: 0,
            aside: 0,
            pools: Vec::new(),
        });
        Sale {
            opens_at: or_never(terms.opens_at),
            closes_at: or_never(terms.closes_at),
            is_paused: false,
            is_removed: false,
            lane,
            offer_lane,
            waiting: 0,
            baskets: 0,
            channels: Vec::new(),
            draw: terms.draw.map(|draw| Box::new(Draw::new(draw))),
            items: items.collect(),
            terms: terms.clone(),
        }
    }

    /// Whether it has ended by then.
    #[inline(always)]
    pub(super) fn is_over(&self, now: Stamp) -> bool {
        now >= self.closes_at
    }

    /// Where it stands then. What is over is over, whatever else it is.
    pub(super) fn phase(&self, now: Stamp) -> Phase {
        if self.is_over(now) {
            Phase::Closed
        } else if now < self.opens_at {
            Phase::Scheduled
        } else if self.is_paused {
            Phase::Paused
        } else {
            Phase::Open
        }
    }

    /// How far its draw has come; it has sold as any other since it was drawn.
    pub(super) fn undrawn(&self, now: Stamp) -> Option<DrawState> {
        let state = self.draw.as_ref()?.state(now);
        (state != DrawState::Drawn && !self.is_over(now)).then_some(state)
    }

    /// Whether one more may go on its waiting list.
    pub(super) fn has_place(&self, is_basket: bool) -> bool {
        self.waiting < self.terms.waitlist && !(is_basket && self.baskets >= BASKETS_WAITING_MAX)
    }

    /// Orders that wait, on the list or for their turn in the draw.
    pub(super) fn expectant(&self) -> u32 {
        self.waiting + self.draw.as_ref().map_or(0, |draw| draw.live)
    }

    /// Sells from now on.
    pub(super) fn open(&mut self) {
        self.opens_at = 0;
    }

    /// Ends it. It is not to be opened or resumed any more, so it is neither unopened nor paused.
    pub(super) fn close(&mut self) {
        (self.opens_at, self.closes_at, self.is_paused) = (0, 0, false);
    }

    /// Units in holds.
    pub(super) fn held(&self) -> u64 {
        self.items.iter().map(|item| item.held).sum()
    }

    /// What the operator has said of it, as bits of the image.
    pub(super) fn bits(&self) -> u8 {
        let has_opened = self.opens_at == 0;
        let bit = |is: bool, bit: u8| if is { bit } else { 0 };
        bit(has_opened || self.terms.opens_at != 0, OPENED)
            | bit(has_opened && self.terms.opens_at != 0, OPENED_EARLY)
            | bit(self.is_paused, PAUSED)
            | bit(self.closes_at == 0, CLOSED)
            | bit(self.is_removed, REMOVED)
    }

    /// Takes what [`bits`](Self::bits) gave; `false` if no sale has such bits.
    pub(super) fn restore(&mut self, bits: u8) -> bool {
        let opens_itself = self.terms.opens_at != 0;
        if bits & (if opens_itself { OPENED_EARLY } else { OPENED }) != 0 {
            self.open();
        }
        if bits & CLOSED != 0 {
            self.close();
        }
        self.is_paused = bits & PAUSED != 0;
        self.is_removed = bits & REMOVED != 0;
        self.bits() == bits
    }
}
