//! A change of an order as the systems behind want to know it: whole in itself, with names in place
//! of numbers.

use serde::Serialize;

use crate::clock;
use crate::message::outcome;
use crate::sale::{Name, Seq, Stamp, State};

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
    pub buyer: String,
    /// Under which idempotency key.
    pub key: String,
    /// From which channel's units, if it named one.
    pub channel: Option<Name>,
    /// What is in it.
    pub lines: Vec<ChangedLine>,
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
    pub currency: Option<String>,
    /// The order's id.
    pub order: Seq,
    /// The order. `None` for one that was sold before and is cancelled now: its sale was told then.
    pub facts: Option<OrderFacts>,
}

/// A change as it is told in JSON.
#[derive(Serialize)]
struct Told<'a> {
    seq: Seq,
    time: String,
    change: &'static str,
    sale: &'a str,
    /// As text: JSON's numbers end where a float's whole numbers do.
    order: String,
    #[serde(flatten)]
    facts: Option<ToldFacts<'a>>,
}

#[derive(Serialize)]
struct ToldFacts<'a> {
    buyer: &'a str,
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    lines: Vec<ToldLine<'a>>,
    total: u64,
    currency: Option<&'a str>,
}

#[derive(Serialize)]
struct ToldLine<'a> {
    item: &'a str,
    units: u32,
    price: u64,
}

impl Change {
    /// Appends it as JSON, one object.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let sum = |line: &ChangedLine| line.price.saturating_mul(line.units.into());
        let facts = self.facts.as_ref().map(|facts| ToldFacts {
            buyer: &facts.buyer,
            key: &facts.key,
            channel: facts.channel.as_ref().map(|name| name.as_str()),
            lines: facts.lines.iter().map(told_line).collect(),
            total: facts.lines.iter().fold(0, |total, one| total.saturating_add(sum(one))),
            currency: self.currency.as_deref(),
        });
        let told = Told {
            seq: self.seq,
            time: clock::iso(self.time),
            change: self.kind.word(),
            sale: self.sale.as_str(),
            order: self.order.to_string(),
            facts,
        };
        serde_json::to_writer(out, &told).expect("memory takes everything");
    }
}

fn told_line(line: &ChangedLine) -> ToldLine<'_> {
    ToldLine { item: line.item.as_str(), units: line.units, price: line.price }
}
