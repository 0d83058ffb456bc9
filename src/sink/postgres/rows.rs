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
/// PostgreSQL counts time from 2000-01-01T00:00:00Z, in us.
const EPOCH_US: i64 = 946_684_800_000_000;

/// Rows of one table.
#[derive(Default)]
pub(super) struct Table {
    bytes: BytesMut,
    rows: usize,
}

impl Table {
    fn begin(&mut self) {
        self.rows = 0;
        self.bytes.clear();
        self.bytes.put_slice(&HEADER);
    }

    /// Whether there is any.
    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// All of it, as COPY wants it.
    pub(super) fn copy(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(self.bytes.len() + 2);
        bytes.put_slice(&self.bytes);
        bytes.put_i16(TRAILER);
        bytes.freeze()
    }

    fn row(&mut self, fields: i16) {
        self.rows += 1;
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

/// The rows of one delivery.
#[derive(Default)]
pub(super) struct Rows {
    /// Orders that were never told before, and what is in them.
    pub(super) new_orders: Table,
    pub(super) new_lines: Table,
    /// Orders that were, as they are now; those of which nothing but the state is known have no
    /// buyer and the total 0.
    pub(super) moved_orders: Table,
    /// What is in them.
    pub(super) moved_lines: Table,
    pub(super) changes: Table,
    /// The first and the last order of `moved_orders`, and seq of `changes`.
    pub(super) moved_from: Seq,
    pub(super) moved_to: Seq,
    pub(super) seq_from: Seq,
    pub(super) seq_to: Seq,
}

/// What became of one order in this delivery.
struct Last<'a> {
    change: &'a Change,
    facts: Option<&'a OrderFacts>,
    is_new: bool,
    /// Whether what is in it may be other than before.
    renews: bool,
}

impl Rows {
    /// Takes the changes of one delivery, in the order of seq; `is_first` says of a change whether
    /// its order was never told before, `renews` whether what is in it may be other than was told.
    pub(super) fn fill(
        &mut self,
        changes: &[Change],
        is_first: impl Fn(&Change) -> bool,
        renews: impl Fn(&Change) -> bool,
    ) {
        let tables = [
            &mut self.new_orders,
            &mut self.new_lines,
            &mut self.moved_orders,
            &mut self.moved_lines,
            &mut self.changes,
        ];
        tables.into_iter().for_each(Table::begin);
        (self.seq_from, self.seq_to) = (Seq::MAX, 0);
        let mut places = HashMap::with_capacity(changes.len());
        let mut orders: Vec<Last<'_>> = Vec::with_capacity(changes.len());
        for change in changes {
            self.change(change);
            let place = *places.entry(change.order).or_insert(orders.len());
            if place == orders.len() {
                let is_new = is_first(change);
                orders.push(Last { change, facts: None, is_new, renews: false });
            }
            let last = &mut orders[place];
            last.change = change;
            last.facts = change.facts.as_ref().or(last.facts);
            last.renews |= renews(change);
        }
        (self.moved_from, self.moved_to) = (Seq::MAX, 0);
        orders.iter().for_each(|last| self.order(last));
    }

    fn change(&mut self, change: &Change) {
        self.seq_from = self.seq_from.min(change.seq);
        self.seq_to = self.seq_to.max(change.seq);
        let table = &mut self.changes;
        table.row(5);
        table.bigint(change.seq);
        table.bigint(change.order);
        table.text(change.sale.as_str());
        table.text(change.kind.word());
        table.time(change.time);
    }

    fn order(&mut self, last: &Last<'_>) {
        let Last { change, facts, .. } = last;
        let (table, lines) = if last.is_new {
            (&mut self.new_orders, &mut self.new_lines)
        } else {
            self.moved_from = self.moved_from.min(change.order);
            self.moved_to = self.moved_to.max(change.order);
            (&mut self.moved_orders, &mut self.moved_lines)
        };
        table.row(if last.is_new { 10 } else { 11 });
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
        if !last.is_new {
            table.boolean(last.renews);
        }
        for (number, line) in (1..).zip(facts.iter().flat_map(|facts| &facts.lines)) {
            lines.row(5);
            lines.bigint(change.order);
            lines.smallint(number);
            lines.text(line.item.as_str());
            lines.integer(line.units);
            lines.bigint(line.price);
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
