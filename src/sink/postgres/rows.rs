//! Changes as rows in PostgreSQL's binary form of COPY. What becomes of an order within one
//! delivery comes into one row.
//!
//! <https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4>

use bytes::{BufMut as _, Bytes, BytesMut};
use hashbrown::HashMap;

use crate::message::outcome;
use crate::sale::{Seq, Stamp, State};
use crate::sink::{Change, Kind, OrderFacts};

const HEADER: [u8; 19] = *b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: i16 = -1;
/// Bytes that go to the server at once.
const CHUNK_BYTES: usize = 1 << 18;
/// PostgreSQL counts time from 2000-01-01T00:00:00Z, in us.
const EPOCH_US: i64 = 946_684_800_000_000;

/// Rows of one table on their way, each written when its turn comes: what was written before is
/// being worked on meanwhile.
pub(super) struct Encoder {
    bytes: BytesMut,
}

impl Encoder {
    /// No rows yet, and what stands before them.
    pub(super) fn begin() -> Encoder {
        let mut bytes = BytesMut::with_capacity(2 * CHUNK_BYTES);
        bytes.put_slice(&HEADER);
        Encoder { bytes }
    }

    /// What was written so far, if that is enough to be sent.
    pub(super) fn chunk(&mut self) -> Option<Bytes> {
        (self.bytes.len() >= CHUNK_BYTES).then(|| {
            let left = BytesMut::with_capacity(2 * CHUNK_BYTES);
            std::mem::replace(&mut self.bytes, left).freeze()
        })
    }

    /// The rest, and what stands behind the rows.
    pub(super) fn end(mut self) -> Bytes {
        self.bytes.put_i16(TRAILER);
        self.bytes.freeze()
    }

    fn row(&mut self, fields: i16) {
        self.bytes.put_i16(fields);
    }

    fn text(&mut self, text: &str) {
        self.bytes.put_i32(text.len() as i32);
        self.bytes.put_slice(text.as_bytes());
    }

    fn maybe(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.bytes.put_i32(-1),
        }
    }

    fn bigint(&mut self, number: u64) {
        self.bytes.put_i32(8);
        // Sums that a bigint cannot hold are shown as the largest.
        self.bytes.put_i64(i64::try_from(number).unwrap_or(i64::MAX));
    }

    fn integer(&mut self, number: u32) {
        self.bytes.put_i32(4);
        self.bytes.put_i32(i32::try_from(number).unwrap_or(i32::MAX));
    }

    fn smallint(&mut self, number: i16) {
        self.bytes.put_i32(2);
        self.bytes.put_i16(number);
    }

    fn boolean(&mut self, truth: bool) {
        self.bytes.put_i32(1);
        self.bytes.put_u8(truth.into());
    }

    fn time(&mut self, time: Stamp) {
        self.bytes.put_i32(8);
        self.bytes.put_i64((time / 1000) as i64 - EPOCH_US);
    }
}

/// What a delivery tells.
pub(super) struct Rows<'a> {
    pub(super) changes: &'a [Change],
    /// Orders that were never told before, and those that were, as they are now; of some of the
    /// latter nothing but the state is known: they have no buyer and the total 0.
    pub(super) new: Vec<Last<'a>>,
    pub(super) moved: Vec<Last<'a>>,
}

/// What became of one order in this delivery.
pub(super) struct Last<'a> {
    change: &'a Change,
    facts: Option<&'a OrderFacts>,
    /// Whether what is in it may be other than before.
    renews: bool,
}

impl<'a> Rows<'a> {
    /// Takes the changes of one delivery, in the order of seq; `is_first` says of a change whether
    /// its order was never told before, `renews` whether what is in it may be other than was told.
    pub(super) fn of(
        changes: &'a [Change],
        is_first: impl Fn(&Change) -> bool,
        renews: impl Fn(&Change) -> bool,
    ) -> Rows<'a> {
        let (mut new, mut moved): (Vec<Last<'_>>, Vec<Last<'_>>) = (Vec::new(), Vec::new());
        let mut places = HashMap::with_capacity(changes.len());
        for change in changes {
            let (is_new, place) = *places.entry(change.order).or_insert_with(|| {
                let is_new = is_first(change);
                let orders = if is_new { &mut new } else { &mut moved };
                orders.push(Last { change, facts: None, renews: false });
                (is_new, orders.len() - 1)
            });
            let last = if is_new { &mut new[place] } else { &mut moved[place] };
            last.change = change;
            last.facts = change.facts.as_ref().or(last.facts);
            last.renews |= renews(change);
        }
        Rows { changes, new, moved }
    }

    /// The first and the last seq of the changes.
    pub(super) fn seqs(&self) -> (Seq, Seq) {
        (self.changes.first().map_or(0, |it| it.seq), self.changes.last().map_or(0, |it| it.seq))
    }

    /// The least and the greatest id of the orders that were told before.
    pub(super) fn moved_ids(&self) -> (Seq, Seq) {
        let ids = || self.moved.iter().map(|last| last.change.order);
        (ids().min().unwrap_or(0), ids().max().unwrap_or(0))
    }

    /// Whether anything is told of what is in those.
    pub(super) fn moves_lines(&self) -> bool {
        self.moved.iter().any(|last| last.facts.is_some_and(|facts| !facts.lines.is_empty()))
    }
}

/// The row of a change.
pub(super) fn change(change: &Change, table: &mut Encoder) {
    table.row(5);
    table.bigint(change.seq);
    table.bigint(change.order);
    table.text(change.sale.as_str());
    table.text(change.kind.word());
    table.time(change.time);
}

impl Last<'_> {
    /// The row of an order that is new.
    pub(super) fn new_order(&self, table: &mut Encoder) {
        table.row(10);
        self.order(table);
    }

    /// The row of an order that was told before.
    pub(super) fn moved_order(&self, table: &mut Encoder) {
        table.row(11);
        self.order(table);
        table.boolean(self.renews);
    }

    fn order(&self, table: &mut Encoder) {
        let Last { change, facts, .. } = self;
        table.bigint(change.order);
        table.text(change.sale.as_str());
        table.maybe(facts.map(|facts| facts.buyer.as_str()));
        table.text(facts.map_or("", |facts| &facts.key));
        table.maybe(facts.and_then(|facts| facts.channel.as_ref()).map(|name| name.as_str()));
        table.bigint(facts.map_or(0, OrderFacts::total));
        table.maybe(change.currency.as_deref());
        table.text(state_after(change.kind));
        table.bigint(change.seq);
        table.time(change.time);
    }

    /// The rows of what is in it.
    pub(super) fn lines(&self, table: &mut Encoder) {
        for (number, line) in (1..).zip(self.facts.iter().flat_map(|facts| &facts.lines)) {
            table.row(5);
            table.bigint(self.change.order);
            table.smallint(number);
            table.text(line.item.as_str());
            table.integer(line.units);
            table.bigint(line.price);
        }
    }
}

/// The word of the state that an order is in after a change.
pub(super) fn state_after(kind: Kind) -> &'static str {
    match kind {
        Kind::Now(_) => kind.word(),
        Kind::Extended => outcome::word(State::Held as u8),
    }
}
