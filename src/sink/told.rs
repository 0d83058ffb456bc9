//! A change as the systems behind are told it, in JSON, and as it is read back from them.

use std::borrow::Cow;

use serde::ser::{SerializeSeq as _, SerializeStruct as _};
use serde::{Deserialize, Serialize, Serializer};

use super::change::{Change, ChangedLine};
use crate::clock;

/// A change as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told<'a> {
    /// Which record of the journal made it.
    pub seq: u64,
    /// When, RFC 3339 in UTC, to the microsecond.
    pub time: String,
    /// The word of its kind.
    pub change: Cow<'a, str>,
    /// The sale's name.
    pub sale: Cow<'a, str>,
    /// The order's id, as text: JSON's numbers end where a float's whole numbers do.
    pub order: String,
    /// What is in the order; not there for one that was sold before and is cancelled now.
    #[serde(flatten)]
    pub facts: Option<ToldFacts<'a>>,
}

/// What is in an order, as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldFacts<'a> {
    /// Whose it is.
    pub buyer: Cow<'a, str>,
    /// Its idempotency key.
    pub key: Cow<'a, str>,
    /// The channel whose units it wants, if it named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Cow<'a, str>>,
    /// Its lines.
    pub lines: Vec<ToldLine<'a>>,
    /// The sum of all lines, minor units.
    pub total: u64,
    /// The sale's currency, if it has one.
    pub currency: Option<Cow<'a, str>>,
}

/// Units of one item, as they are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldLine<'a> {
    /// The item's name.
    pub item: Cow<'a, str>,
    /// How many.
    pub units: u32,
    /// Minor units each.
    pub price: u64,
}

impl<'a> Told<'a> {
    /// How a change is told.
    pub fn of(change: &'a Change) -> Told<'a> {
        let facts = change.facts.as_ref().map(|facts| ToldFacts {
            buyer: facts.buyer.as_str().into(),
            key: facts.key.as_str().into(),
            channel: facts.channel.as_ref().map(|name| name.as_str().into()),
            lines: facts.lines.iter().map(told_line).collect(),
            total: facts.total(),
            currency: change.currency.as_deref().map(Cow::from),
        });
        Told {
            seq: change.seq,
            time: clock::iso(change.time),
            change: change.kind.word().into(),
            sale: change.sale.as_str().into(),
            order: change.order.to_string(),
            facts,
        }
    }

    /// Appends it as JSON, one object.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, self).expect("memory takes everything");
    }
}

fn told_line(line: &ChangedLine) -> ToldLine<'_> {
    ToldLine { item: line.item.as_str().into(), units: line.units, price: line.price }
}

impl Change {
    /// Appends it as JSON, one object: what [`Told`] reads.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, self).expect("memory takes everything");
    }
}

/// As [`Told::of`] says it, without making that first: there may be millions a second.
impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut told = serializer.serialize_struct("Change", FIELDS_MAX)?;
        told.serialize_field("seq", &self.seq)?;
        told.serialize_field("time", clock::iso_label(self.time).as_str())?;
        told.serialize_field("change", self.kind.word())?;
        told.serialize_field("sale", self.sale.as_str())?;
        told.serialize_field("order", &Digits(self.order))?;
        if let Some(facts) = &self.facts {
            told.serialize_field("buyer", facts.buyer.as_str())?;
            told.serialize_field("key", facts.key.as_str())?;
            if let Some(channel) = &facts.channel {
                told.serialize_field("channel", channel.as_str())?;
            }
            told.serialize_field("lines", &Lines(&facts.lines))?;
            told.serialize_field("total", &facts.total())?;
            told.serialize_field("currency", &self.currency.as_deref())?;
        }
        told.end()
    }
}

const FIELDS_MAX: usize = 11;

/// A number as text.
struct Digits(u64);

impl Serialize for Digits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

struct Lines<'a>(&'a [ChangedLine]);

impl Serialize for Lines<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut lines = serializer.serialize_seq(Some(self.0.len()))?;
        self.0.iter().try_for_each(|line| lines.serialize_element(&told_line(line)))?;
        lines.end()
    }
}
