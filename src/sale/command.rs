//! What can be asked of a shop, and what it answers.

use super::ident::{Ident, Text};
use super::lines::OrderLine;
use super::orders::State;
use super::terms::GROUPS_MAX;

/// Nanoseconds since the Unix epoch, as the matcher read them. The sale only ever sees stamps.
pub type Stamp = u64;

/// A position in the journal, dense from 1. An order's id is the seq of the record that made it.
pub type Seq = u64;

/// A buyer or key as it came: its ident and, if that is long, the whole text.
///
/// The bits of a long ident are what [`Shop::long`](super::Shop::long) made of the text.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    /// What it is compared by.
    pub ident: Ident,
    /// The text of a long ident; `None` otherwise.
    pub text: Option<&'a Text>,
}

impl From<Ident> for Party<'_> {
    fn from(ident: Ident) -> Self {
        Party { ident, text: None }
    }
}

/// What a purchase names beside buyer and item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// Number of the channel in the sale whose units it wants; 0 for the common ones.
    pub channel: u8,
    /// What stands for the member of each limit group; 0 for none.
    pub groups: [u128; GROUPS_MAX],
}

impl Side {
    /// Nothing.
    pub const NONE: Side = Side { channel: 0, groups: [0; GROUPS_MAX] };

    /// Whether it names a member of a limit group.
    #[inline(always)]
    pub fn has_groups(&self) -> bool {
        self.groups != [0; GROUPS_MAX]
    }

    /// 64 bits that stand for all of it; 0 for nothing.
    fn digest(&self) -> u64 {
        const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15; // 2^64 / golden ratio: Fibonacci hashing
        let words = self.groups.iter().flat_map(|group| [*group as u64, (group >> 64) as u64]);
        words.fold(u64::from(self.channel), |digest, word| {
            let digest = (digest ^ word).wrapping_mul(GOLDEN);
            digest ^ digest >> 32
        })
    }
}

/// A purchase.
#[derive(Clone, Copy, Debug)]
pub struct Buy<'a> {
    /// Number of the sale, 0 unknown.
    pub sale: u16,
    /// Number of the item in it, 0 unknown.
    pub item: u16,
    /// Units wanted, at least 1.
    pub units: u32,
    /// The highest acceptable price, minor units each; `u64::MAX` for any.
    pub max_price: u64,
    /// Whether it is content with fewer units.
    pub fill: Fill,
    /// Whether it rather waits than be sold out.
    pub waits: bool,
    /// What else it names.
    pub side: Side,
    /// The [`condition`] of the request: part of what the key stands for.
    pub condition: u32,
    /// Who.
    pub buyer: Party<'a>,
    /// The idempotency key.
    pub key: Party<'a>,
}

/// A purchase of several items, all or none.
#[derive(Clone, Copy, Debug)]
pub struct Basket<'a> {
    /// Number of the sale, 0 unknown.
    pub sale: u16,
    /// 1 to [`BASKET_LINES_MAX`](super::BASKET_LINES_MAX) lines of one unit at least, whose prices
    /// are not looked at. Lines of one item count as one.
    pub lines: &'a [OrderLine],
    /// As in [`Buy`], for each line.
    pub max_price: u64,
    /// As in [`Buy`].
    pub waits: bool,
    /// As in [`Buy`].
    pub side: Side,
    /// As in [`Buy`].
    pub condition: u32,
    /// Who.
    pub buyer: Party<'a>,
    /// The idempotency key.
    pub key: Party<'a>,
}

/// What a purchase is content with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// All units that it asks for, or none.
    All,
    /// As many of them as are free and as its buyer's limits leave, one at least.
    UpTo,
}

/// What tells one purchase from another beside item, units and buyer, in 32 bits; 0 for none of it.
/// `units` are those asked for: an order that is content with fewer does not remember them.
#[inline]
pub fn condition(max_price: u64, fill: Fill, units: u32, waits: bool, side: &Side) -> u32 {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15; // 2^64 / golden ratio: Fibonacci hashing
    if max_price == u64::MAX && fill == Fill::All && !waits && *side == Side::NONE {
        return 0;
    }
    let mut digest = max_price.wrapping_add(1).wrapping_mul(GOLDEN);
    if fill == Fill::UpTo {
        digest = (digest ^ u64::from(units) ^ 1 << 63).wrapping_mul(GOLDEN);
        digest = (digest ^ digest >> 29).wrapping_mul(GOLDEN);
    }
    if waits {
        digest = (digest ^ 1 << 62).wrapping_mul(GOLDEN);
        digest = (digest ^ digest >> 31).wrapping_mul(GOLDEN);
    }
    if *side != Side::NONE {
        digest = (digest ^ side.digest()).wrapping_mul(GOLDEN);
        digest = (digest ^ digest >> 30).wrapping_mul(GOLDEN);
    }
    (digest >> 32) as u32 | 1
}

/// A command or question about one order.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Number of the sale, 0 unknown.
    pub sale: u16,
    /// The order's id.
    pub order: Seq,
    /// Checked against the order's buyer unless it is [`Ident::NONE`].
    pub buyer: Ident,
}

/// What changes a shop on a buyer's behalf.
#[derive(Clone, Copy, Debug)]
pub enum Command<'a> {
    /// Take units.
    Buy(Buy<'a>),
    /// Make a hold a purchase.
    Confirm(About),
    /// Give a hold back.
    Release(About),
    /// Have a hold last longer, once.
    Extend(About),
    /// Give a purchase back.
    Cancel(About),
}

/// An order as an answer tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// Its id.
    pub order: Seq,
    /// The change that this answers; for a repeated key the order's first.
    pub seq: Seq,
    /// Number of its item in its sale; 0 of a basket.
    pub item: u16,
    /// Where it stands now.
    pub state: State,
    /// Units in it.
    pub units: u32,
    /// Minor units each, of a basket in all; frozen when it was given.
    pub price: u64,
    /// When the hold ends; 0 if it was a purchase at once.
    pub expires_at: Stamp,
    /// Its place among those who wait for the item, from 1; 0 if it does not wait.
    pub position: u32,
    /// Whether this repeats an earlier answer.
    pub replayed: bool,
}

/// Why not. A refusal changes nothing and leaves nothing behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such sale.
    UnknownSale,
    /// No such item in the sale.
    UnknownItem,
    /// The key stands for another purchase.
    KeyReused,
    /// The sale has not opened yet.
    NotOpen,
    /// The operator has paused the sale.
    Paused,
    /// The sale is over.
    Closed,
    /// The price in force, minor units each, is above the highest acceptable.
    PriceChanged(u64),
    /// The buyer would pass this limit, in units.
    LimitReached(u32),
    /// Nothing of the item was ever set aside for this channel.
    UnknownChannel,
    /// All purchases of this limit group's member would pass the group's limit, in units: the
    /// group's number, from 1, and the limit.
    GroupLimit(u8, u32),
    /// Fewer units are free than wanted.
    SoldOut,
    /// No such order in the sale.
    UnknownOrder,
    /// The order is another buyer's.
    NotYourOrder,
    /// The hold ran out before this.
    HoldExpired,
    /// The order is a purchase already.
    AlreadyConfirmed,
    /// The order was given back already.
    AlreadyReleased,
    /// The hold was extended already, or the sale extends none.
    ExtendRefused,
    /// The order still waits: nothing is held for it.
    NotHeld,
    /// Only what was sold can be cancelled, and this is a hold.
    NotConfirmed,
    /// Only so many units are free to be withdrawn.
    NotFree(u64),
    /// Only a closed sale can be removed.
    NotClosed,
    /// The sale still has so many units in holds.
    HoldsLive(u64),
    /// Above the highest number that would do, which is this.
    TooMuch(u64),
    /// No such wave is planned.
    UnknownWave,
    /// The sale has no draw.
    NoDraw,
    /// The seed is not the one that was committed to.
    WrongSeed,
    /// The time has passed, or lies after the sale's end.
    BadTime,
    /// A table is full.
    Overloaded,
}

/// Why a basket was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasketRefusal {
    /// Why.
    pub why: Refusal,
    /// Which of its lines is the first for which that holds, by its place from 0; `None` if it is
    /// about all.
    pub line: Option<u8>,
}

impl From<Refusal> for BasketRefusal {
    fn from(why: Refusal) -> BasketRefusal {
        BasketRefusal { why, line: None }
    }
}

/// The answer to a command.
pub type Outcome = Result<Given, Refusal>;

/// An order in full.
#[derive(Clone, Copy, Debug)]
pub struct OrderView<'a> {
    /// What an answer tells of it.
    pub given: Given,
    /// Number of the sale.
    pub sale: u16,
    /// Number of the item; 0 of a basket.
    pub item: u16,
    /// The lines of a basket; empty of an order of one item.
    pub lines: &'a [OrderLine],
    /// Whose it is.
    pub buyer: Party<'a>,
    /// Under which key.
    pub key: Party<'a>,
}

/// Units of one item. `stock = free + held + confirmed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stock {
    /// Units given into the sale.
    pub stock: u64,
    /// Units nobody has.
    pub free: u64,
    /// Units in holds.
    pub held: u64,
    /// Units sold.
    pub confirmed: u64,
    /// Units waited for.
    pub waiting: u64,
    /// Minor units each.
    pub price: u64,
    /// Units that one buyer may have of it; 0 for no limit.
    pub limit: u32,
}
