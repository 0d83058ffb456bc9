//! A sale as the operator's port writes it: the same JSON in answers, in the feed and for the
//! command line, which reads it back. Never a buyer's name.

use serde::{Deserialize, Serialize};

use crate::operator::{ItemView, SaleView};

/// A sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Its name.
    pub name: String,
    /// The change this answers, or the newest seq this was seen at.
    pub seq: u64,
    /// `scheduled`, `open`, `paused`, `closed` or `removed`.
    pub state: String,
    /// RFC 3339, in UTC.
    pub opens_at: Option<String>,
    /// RFC 3339, in UTC.
    pub closes_at: Option<String>,
    /// How long a hold lasts.
    pub hold_ms: u32,
    /// By how much it may be prolonged, once; 0 for not at all.
    pub extend_ms: u32,
    /// Units that one buyer may have of the whole sale.
    pub limit: Option<u32>,
    /// Three capital letters.
    pub currency: Option<String>,
    /// What it sells.
    pub items: Vec<ShownItem>,
}

/// An item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownItem {
    /// Its name.
    pub sku: String,
    /// Units given into the sale: `free + held + confirmed`.
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
    /// Units that one buyer may have of it.
    pub limit: Option<u32>,
}

/// A sale in a list: its items added up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// See [`Shown`]; likewise below.
    pub name: String,
    /// The newest seq this was seen at.
    pub seq: u64,
    /// Where it stands.
    pub state: String,
    /// RFC 3339, in UTC.
    pub opens_at: Option<String>,
    /// RFC 3339, in UTC.
    pub closes_at: Option<String>,
    /// How many there are.
    pub items: usize,
    /// Units of all items; likewise below.
    pub stock: u64,
    /// Units nobody has.
    pub free: u64,
    /// Units in holds.
    pub held: u64,
    /// Units sold.
    pub confirmed: u64,
    /// Units waited for.
    pub waiting: u64,
}

/// A page of sales, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The sales.
    pub sales: Vec<Summary>,
    /// Ask on with `after` = this; there are no more if it is null.
    pub next: Option<String>,
}

/// What changed in a sale: only what did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// The newest seq this was seen at.
    pub seq: u64,
    /// The new state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The items that changed, whole.
    pub items: Vec<ShownItem>,
}

impl From<&SaleView> for Shown {
    fn from(view: &SaleView) -> Shown {
        let currency = std::str::from_utf8(&view.currency).ok().filter(|text| *text != "\0\0\0");
        Shown {
            name: view.name.to_string(),
            seq: view.after,
            state: view.state.word().to_owned(),
            opens_at: time(view.opens_at),
            closes_at: time(view.closes_at),
            hold_ms: view.hold_ms,
            extend_ms: view.extend_ms,
            limit: limit(view.limit),
            currency: currency.map(str::to_owned),
            items: view.items.iter().map(ShownItem::from).collect(),
        }
    }
}

impl From<&ItemView> for ShownItem {
    fn from(item: &ItemView) -> ShownItem {
        let ItemView { name, stock, free, held, confirmed, waiting, price, limit: most } = *item;
        let (sku, limit) = (name.to_string(), limit(most));
        ShownItem { sku, stock, free, held, confirmed, waiting, price, limit }
    }
}

impl From<&Shown> for Summary {
    fn from(sale: &Shown) -> Summary {
        let sum = |pick: fn(&ShownItem) -> u64| sale.items.iter().map(pick).sum();
        Summary {
            name: sale.name.clone(),
            seq: sale.seq,
            state: sale.state.clone(),
            opens_at: sale.opens_at.clone(),
            closes_at: sale.closes_at.clone(),
            items: sale.items.len(),
            stock: sum(|item| item.stock),
            free: sum(|item| item.free),
            held: sum(|item| item.held),
            confirmed: sum(|item| item.confirmed),
            waiting: sum(|item| item.waiting),
        }
    }
}

impl Delta {
    /// What leads from one sight to a later one; `None` if nothing that anybody sees has changed.
    pub fn between(old: &Shown, new: &Shown) -> Option<Delta> {
        let state = (old.state != new.state).then(|| new.state.clone());
        // Items keep their places: a sale's items are settled when it is created.
        let pairs = old.items.iter().zip(&new.items);
        let items: Vec<ShownItem> =
            pairs.filter(|(old, new)| old != new).map(|(_, new)| new.clone()).collect();
        let changed = state.is_some() || !items.is_empty();
        changed.then_some(Delta { seq: new.seq, state, items })
    }
}

fn limit(most: u32) -> Option<u32> {
    (most > 0).then_some(most)
}

fn time(unix_ns: u64) -> Option<String> {
    let at = jiff::Timestamp::from_nanosecond(i128::from(unix_ns)).ok()?;
    (unix_ns > 0).then(|| format!("{at:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sale::{Name, Phase};

    fn view() -> SaleView {
        let name = |text: &str| Name::parse(text.as_bytes()).expect("a name");
        let item = |sku| ItemView {
            name: name(sku),
            stock: 10,
            free: 7,
            held: 2,
            confirmed: 1,
            waiting: 0,
            price: 2500,
            limit: 0,
        };
        SaleView {
            after: 7,
            name: name("drop"),
            state: Phase::Open,
            opens_at: 0,
            closes_at: 1_795_809_600_000_000_000,
            hold_ms: 1000,
            extend_ms: 0,
            limit: 4,
            currency: *b"EUR",
            items: vec![item("tee"), item("cap")],
        }
    }

    #[test]
    fn none_is_null_and_times_are_utc() {
        let shown = Shown::from(&view());
        assert_eq!((shown.opens_at, shown.limit), (None, Some(4)));
        assert_eq!(shown.closes_at.as_deref(), Some("2026-11-27T20:00:00.000Z"));
        assert_eq!((shown.currency.as_deref(), shown.items[0].limit), (Some("EUR"), None));
        assert_eq!(Shown::from(&SaleView { currency: [0; 3], ..view() }).currency, None);
    }

    #[test]
    fn a_delta_holds_what_changed_and_nothing_else() {
        let old = Shown::from(&view());
        assert_eq!(Delta::between(&old, &Shown { seq: 9, ..old.clone() }), None);
        let mut new = old.clone();
        (new.seq, new.items[1].free, new.items[1].held) = (8, 6, 3);
        let delta = Delta::between(&old, &new).expect("an item changed");
        assert_eq!((delta.seq, delta.state, delta.items.len()), (8, None, 1));
        assert_eq!(delta.items[0], new.items[1]);
        new.state = "paused".to_owned();
        assert_eq!(Delta::between(&old, &new).expect("both").state.as_deref(), Some("paused"));
    }
}
