//! A sale as the operator's port writes it: the same JSON in answers, in the feed and for the
//! command line, which reads it back. Never a buyer's name.

use serde::{Deserialize, Serialize};

use crate::message::draw_word;
use crate::operator::{ChannelView, DrawView, ItemView, SaleView, WaveView};
use crate::sale::GroupTerms;

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
    /// How long units are held for one who waited for them.
    pub offer_ms: u32,
    /// Orders that may wait at once.
    pub waitlist: u32,
    /// `skip` or `strict`.
    pub waitlist_policy: String,
    /// Its limit groups.
    pub groups: Vec<ShownGroup>,
    /// Its draw.
    pub draw: Option<ShownDraw>,
    /// What it sells.
    pub items: Vec<ShownItem>,
    /// Units that are to come, in the order of time.
    pub waves: Vec<ShownWave>,
}

/// A limit group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownGroup {
    /// Its name.
    pub name: String,
    /// Units that all purchases of one member may have together.
    pub limit: u32,
}

/// A draw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownDraw {
    /// Until when entries are taken, RFC 3339, in UTC.
    pub at: Option<String>,
    /// The BLAKE3 hash of its seed, in hex.
    pub commitment: String,
    /// `entering`, `sealed`, `drawing` or `drawn`.
    pub state: String,
    /// Entries so far.
    pub entries: u32,
    /// The seed in hex, once it is revealed.
    pub seed: Option<String>,
}

/// Units that are to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownWave {
    /// Its id.
    pub wave: u64,
    /// The item's name.
    pub item: String,
    /// How many.
    pub units: u64,
    /// When, RFC 3339, in UTC.
    pub at: Option<String>,
}

/// Units of an item that were set aside for a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownChannel {
    /// The channel's name.
    pub channel: String,
    /// Units ever set aside.
    pub set_aside: u64,
    /// Of these, units nobody has.
    pub free: u64,
    /// When what is left returns to the common units, RFC 3339, in UTC.
    pub until: Option<String>,
    /// Whether it has.
    pub swept: bool,
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
    /// What was set aside of it.
    pub channels: Vec<ShownChannel>,
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
    /// All units that are now to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waves: Option<Vec<ShownWave>>,
    /// The draw as it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draw: Option<ShownDraw>,
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
            offer_ms: view.offer_ms,
            waitlist: view.waitlist,
            waitlist_policy: if view.is_strict { "strict" } else { "skip" }.to_owned(),
            groups: view.groups.iter().map(ShownGroup::from).collect(),
            draw: view.draw.as_ref().map(ShownDraw::from),
            items: view.items.iter().map(ShownItem::from).collect(),
            waves: view.waves.iter().map(ShownWave::from).collect(),
        }
    }
}

impl From<&GroupTerms> for ShownGroup {
    fn from(group: &GroupTerms) -> ShownGroup {
        ShownGroup { name: group.name.to_string(), limit: group.limit }
    }
}

impl From<&DrawView> for ShownDraw {
    fn from(draw: &DrawView) -> ShownDraw {
        ShownDraw {
            at: time(draw.at),
            commitment: hex(&draw.commitment),
            state: draw_word(draw.state).to_owned(),
            entries: draw.entries,
            seed: draw.seed.map(|seed| hex(&seed)),
        }
    }
}

impl From<&WaveView> for ShownWave {
    fn from(wave: &WaveView) -> ShownWave {
        let WaveView { id, item, units, at } = *wave;
        ShownWave { wave: id, item: item.to_string(), units, at: time(at) }
    }
}

impl From<&ChannelView> for ShownChannel {
    fn from(channel: &ChannelView) -> ShownChannel {
        let ChannelView { name, set_aside, free, until, is_swept: swept } = *channel;
        ShownChannel { channel: name.to_string(), set_aside, free, until: time(until), swept }
    }
}

impl From<&ItemView> for ShownItem {
    fn from(item: &ItemView) -> ShownItem {
        ShownItem {
            sku: item.name.to_string(),
            stock: item.stock,
            free: item.free,
            held: item.held,
            confirmed: item.confirmed,
            waiting: item.waiting,
            price: item.price,
            limit: limit(item.limit),
            channels: item.channels.iter().map(ShownChannel::from).collect(),
        }
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
        let waves = (old.waves != new.waves).then(|| new.waves.clone());
        let draw = new.draw.clone().filter(|_| old.draw != new.draw);
        let changed = state.is_some() || !items.is_empty() || waves.is_some() || draw.is_some();
        changed.then_some(Delta { seq: new.seq, state, items, waves, draw })
    }
}

fn limit(most: u32) -> Option<u32> {
    (most > 0).then_some(most)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
            channels: Vec::new(),
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
            offer_ms: 60_000,
            waitlist: 5,
            is_strict: false,
            groups: Vec::new(),
            draw: None,
            items: vec![item("tee"), item("cap")],
            waves: Vec::new(),
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
        let wave = ShownWave { wave: 8, item: "tee".to_owned(), units: 500, at: None };
        new.waves.push(wave.clone());
        let delta = Delta::between(&old, &new).expect("a wave is to come");
        assert_eq!((delta.waves, delta.draw), (Some(vec![wave]), None));
        new.state = "paused".to_owned();
        assert_eq!(Delta::between(&old, &new).expect("both").state.as_deref(), Some("paused"));
    }
}
