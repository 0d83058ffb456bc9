//! A change of an order as the systems behind want to know it: whole in itself, with names in place
//! of numbers.

use smallvec::SmallVec;

use crate::message::outcome;
use crate::sale::{Label, Name, Seq, Stamp, State};

/// What has become of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is in this state now.
    Now(State),
    /// Its hold lasts longer.
    Extended,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 8] = [
        Kind::Now(State::Held),
        Kind::Now(State::Confirmed),
        Kind::Now(State::Released),
        Kind::Now(State::Expired),
        Kind::Now(State::Cancelled),
        Kind::Now(State::Waiting),
        Kind::Now(State::Left),
        Kind::Extended,
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Now(state) => outcome::word(state as u8),
            Kind::Extended => "extended",
        }
    }

    /// The one with this word, if there is one.
    pub fn from_word(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Units of one item in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedLine {
    /// The item's name.
    pub item: Name,
    /// How many.
    pub units: u32,
    /// Minor units each.
    pub price: u64,
}

/// Whose an order is and what is in it: the same as long as it lives, but for units of one that was
/// content with fewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderFacts {
    /// Whose.
    pub buyer: Label,
    /// Under which idempotency key.
    pub key: Label,
    /// From which channel's units, if it named one.
    pub channel: Option<Box<Name>>,
    /// What is in it: most often one line, and then it lies here.
    pub lines: SmallVec<[ChangedLine; 1]>,
}

/// An ISO 4217 code: three letters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Currency([u8; 3]);

impl Currency {
    /// That of a sale's terms, which are zeros where it has none.
    pub fn of(terms: [u8; 3]) -> Option<Currency> {
        (terms != [0; 3]).then_some(Currency(terms))
    }
}

/// Its letters.
impl std::ops::Deref for Currency {
    type Target = str;

    fn deref(&self) -> &str {
        // What is not ours may have anything there.
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}

impl std::fmt::Debug for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self)
    }
}

/// A change of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which record of the journal made it.
    pub seq: Seq,
    /// When, Unix ns.
    pub time: Stamp,
    /// What.
    pub kind: Kind,
    /// The sale's name.
    pub sale: Name,
    /// The sale's currency, if it has one.
    pub currency: Option<Currency>,
    /// The order's id.
    pub order: Seq,
    /// The order. `None` for one that was sold before and is cancelled now: its sale was told then.
    pub facts: Option<OrderFacts>,
}

impl OrderFacts {
    /// The sum of all lines, minor units.
    pub fn total(&self) -> u64 {
        let sum = |line: &ChangedLine| line.price.saturating_mul(line.units.into());
        self.lines.iter().fold(0, |total, line| total.saturating_add(sum(line)))
    }
}
