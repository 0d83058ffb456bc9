//! The records of the journal, one after another, as changes of whole orders.
//!
//! A record of a change names its order and little else, so what is in an order is remembered from
//! the record that made it until it can change no more, save that what was sold may be cancelled.
//! Invariant: remembered are the orders that are held or wait, and no others; the server's tables
//! bound them.

use std::collections::HashMap;

use super::change::{Change, ChangedLine, Kind, OrderFacts};
use crate::message::{Cell, Head, decode_side, kind, lines_in};
use crate::record::{Known, texts};
use crate::sale::{Name, OrderLine, Seq, State};

/// An order that is held or waits.
struct Open {
    facts: OrderFacts,
    is_waiting: bool,
}

/// What records so far have said.
#[derive(Default)]
pub struct History {
    known: Known,
    open: HashMap<Seq, Open>,
}

impl History {
    /// Takes the next record. Returns the change of an order that it made, if it made one.
    ///
    /// # Errors
    /// A sentence, if it does not follow from those before it.
    pub fn note(&mut self, seq: Seq, record: &[Cell]) -> Result<Option<Change>, String> {
        let head = record[0].head();
        if record.len() < head.cells() {
            return Err(format!("seq {seq}: cut short"));
        }
        self.known.note(record).map_err(|why| format!("seq {seq}: {why}"))?;
        let (kind, order, facts) = match head.kind {
            kind::BUY | kind::BASKET | kind::WAIT => {
                let facts =
                    self.facts(head, record).ok_or_else(|| format!("seq {seq}: no such item"))?;
                (self.given(seq, head, &facts), seq, Some(facts))
            }
            kind::CONFIRM..=kind::CANCEL
            | kind::EXPIRE
            | kind::OFFER
            | kind::LEAVE
            | kind::DRAWN => {
                let order = head.order();
                let changed = self.changed(head, order);
                let (kind, facts) =
                    changed.ok_or_else(|| format!("seq {seq}: no order {order} is open"))?;
                (kind, order, facts)
            }
            _ => return Ok(None),
        };
        let terms = self.known.terms(head.sale.to_native());
        let terms = terms.ok_or_else(|| format!("seq {seq}: no such sale"))?;
        let currency = (terms.currency != [0; 3])
            .then(|| String::from_utf8_lossy(&terms.currency).into_owned());
        let (time, sale) = (head.time.to_native(), terms.name);
        Ok(Some(Change { seq, time, kind, sale, currency, order, facts }))
    }

    fn given(&mut self, seq: Seq, head: &Head, facts: &OrderFacts) -> Kind {
        let is_waiting = head.kind == kind::WAIT;
        let holds = self.known.terms(head.sale.to_native()).is_none_or(|terms| terms.hold_ms > 0);
        if !is_waiting && !holds {
            return Kind::Now(State::Confirmed);
        }
        self.open.insert(seq, Open { facts: facts.clone(), is_waiting });
        Kind::Now(if is_waiting { State::Waiting } else { State::Held })
    }

    /// What a record of a change makes of an order.
    fn changed(&mut self, head: &Head, order: Seq) -> Option<(Kind, Option<OrderFacts>)> {
        let now = match head.kind {
            // It was sold before, and is not open.
            kind::CANCEL => return Some((Kind::Now(State::Cancelled), None)),
            kind::EXTEND => {
                let facts = self.open.get(&order)?.facts.clone();
                return Some((Kind::Extended, Some(facts)));
            }
            kind::CONFIRM => State::Confirmed,
            kind::RELEASE if self.open.get(&order)?.is_waiting => State::Left,
            kind::RELEASE => State::Released,
            kind::EXPIRE => State::Expired,
            kind::OFFER => State::Held,
            kind::DRAWN => State::from_number(u8::try_from(head.tag.to_native()).ok()?)?,
            _ => State::Left,
        };
        if !matches!(now, State::Held | State::Waiting) {
            return Some((Kind::Now(now), Some(self.open.remove(&order)?.facts)));
        }
        let open = self.open.get_mut(&order)?;
        open.is_waiting = now == State::Waiting;
        // One that was content with fewer may be given fewer than it waited for.
        if let [line] = &mut open.facts.lines[..] {
            line.units = head.units.to_native();
        }
        Some((Kind::Now(now), Some(open.facts.clone())))
    }

    fn facts(&self, head: &Head, record: &[Cell]) -> Option<OrderFacts> {
        let sale = head.sale.to_native();
        let terms = self.known.terms(sale)?;
        let line = |line: OrderLine| {
            let item = terms.items.get(usize::from(line.item).wrapping_sub(1))?.sku;
            Some(ChangedLine { item, units: line.units, price: line.price })
        };
        let lines: Option<Vec<ChangedLine>> = match head.item.to_native() {
            0 => {
                let cells = record[1..].iter().filter(|cell| cell.kind() == kind::LINES);
                cells.flat_map(lines_in).map(line).collect()
            }
            item => {
                let (units, price) = (head.units.to_native(), head.price.to_native());
                line(OrderLine::new(item, units, price)).map(|line| vec![line])
            }
        };
        let channel: Option<Name> = record[1..]
            .iter()
            .find_map(decode_side)
            .and_then(|side| self.known.channel(sale, side.channel).copied());
        let [buyer, key] = texts(record);
        Some(OrderFacts { buyer, key, channel, lines: lines? })
    }
}
