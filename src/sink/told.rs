//! A change as the systems behind are told it, in JSON, and as it is read back from them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

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
    /// Appends it as JSON, one object: the bytes that [`Told::write_json`] writes. There may be
    /// millions a second, so it is written as it stands, with no copy made first; `serde_json` took
    /// three times as long.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"seq\":");
        number(self.seq, out);
        field("time", clock::iso_label(self.time).text(), out);
        field("change", self.kind.word().as_bytes(), out);
        field("sale", self.sale.text(), out);
        out.extend_from_slice(b",\"order\":\"");
        number(self.order, out);
        out.push(b'"');
        if let Some(facts) = &self.facts {
            field("buyer", facts.buyer.text(), out);
            field("key", facts.key.text(), out);
            if let Some(channel) = &facts.channel {
                field("channel", channel.text(), out);
            }
            out.extend_from_slice(b",\"lines\":[");
            for (index, line) in facts.lines.iter().enumerate() {
                let begin: &[u8] = if index > 0 { b",{\"item\":" } else { b"{\"item\":" };
                out.extend_from_slice(begin);
                text(line.item.text(), out);
                out.extend_from_slice(b",\"units\":");
                number(line.units.into(), out);
                out.extend_from_slice(b",\"price\":");
                number(line.price, out);
                out.push(b'}');
            }
            out.extend_from_slice(b"],\"total\":");
            number(facts.total(), out);
            match &self.currency {
                Some(currency) => field("currency", currency.as_bytes(), out),
                None => out.extend_from_slice(b",\"currency\":null"),
            }
        }
        out.push(b'}');
    }
}

#[inline]
fn number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[inline]
fn field(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    text(value, out);
}

/// UTF-8, quoted.
#[inline]
fn text(value: &[u8], out: &mut Vec<u8>) {
    if value.iter().any(|byte| *byte < b' ' || matches!(byte, b'"' | b'\\')) {
        let value = std::str::from_utf8(value).expect("every text is UTF-8");
        serde_json::to_writer(out, value).expect("memory takes everything");
        return;
    }
    out.push(b'"');
    out.extend_from_slice(value);
    out.push(b'"');
}
