//! The records of the journal, one after another, as changes of whole orders.
//!
//! A record of a change names its order and little else, so what is in an order is remembered from
//! the record that made it until it can change no more, save that what was sold may be cancelled.
//! Invariant: remembered are the orders that are held or wait, and no others; the server's tables
//! bound them.

use hashbrown::HashMap;
use smallvec::{SmallVec, smallvec};

use super::change::{Change, ChangedLine, Currency, Kind, OrderFacts};
use crate::message::{CELL_BYTES, Cell, Head, decode_side, kind, lines_in};
use crate::record::{Known, kept, texts};
use crate::sale::{BadImage, ImagePart, LineSource, Name, OrderLine, Seq, State, read_image};

/// An order that is held or waits.
struct Open {
    /// The record that made it: a third of the size of what it says, taken apart.
    record: Box<[u8]>,
    /// Its units, if it was given fewer than it waited for.
    units: Option<u32>,
    is_waiting: bool,
}

/// Bytes for each order that is open, about: the record, two texts of which one is long, and the
/// place in the table.
pub const OPEN_BYTES: usize = 2 * CELL_BYTES + 80;

/// What records so far have said.
#[derive(Default)]
pub struct History {
    known: Known,
    open: HashMap<Seq, Open>,
}

/// What a record makes of an order, and where it says what is in that.
enum Source {
    /// In itself.
    Here,
    /// In the record of an order that is open no more.
    Closed(Open),
    /// In that of one that is.
    Open,
    /// It was said long ago.
    Nowhere,
}

impl History {
    /// What the records before an image have said.
    ///
    /// # Errors
    /// If the lines are no image.
    pub fn from_image(lines: impl LineSource) -> Result<History, BadImage> {
        let (mut known, mut open) = (Known::default(), HashMap::new());
        read_image(lines, |part| match part {
            ImagePart::Sale(sale) => known.know(sale),
            ImagePart::Order(order) if matches!(order.state, State::Held | State::Waiting) => {
                let record = bytemuck::cast_slice(&kept(order)).into();
                let is_waiting = order.state == State::Waiting;
                open.insert(order.id, Open { record, units: None, is_waiting });
            }
            ImagePart::Order(_) => {}
        })?;
        Ok(History { known, open })
    }

    /// Takes the next record. Appends the change of an order that it made, if it made one that is
    /// wanted; others cost little.
    ///
    /// # Errors
    /// A sentence, if it does not follow from those before it.
    pub fn note(
        &mut self,
        seq: Seq,
        record: &[Cell],
        is_wanted: impl FnOnce(Kind, &Name) -> bool,
        changes: &mut Vec<Change>,
    ) -> Result<(), String> {
        let head = record[0].head();
        if record.len() < head.cells() {
            return Err(format!("seq {seq}: cut short"));
        }
        self.known.note(record).map_err(|why| format!("seq {seq}: {why}"))?;
        let (kind, order, source) = match head.kind {
            kind::BUY | kind::BASKET | kind::WAIT => {
                (self.given(seq, head, record), seq, Source::Here)
            }
            kind::CONFIRM..=kind::CANCEL
            | kind::EXPIRE
            | kind::OFFER
            | kind::LEAVE
            | kind::DRAWN => {
                let order = head.order();
                let changed = self.changed(head, order);
                let (kind, source) =
                    changed.ok_or_else(|| format!("seq {seq}: no order {order} is open"))?;
                (kind, order, source)
            }
            _ => return Ok(()),
        };
        let terms = self.known.terms(head.sale.to_native());
        let terms = terms.ok_or_else(|| format!("seq {seq}: no such sale"))?;
        if !is_wanted(kind, &terms.name) {
            return Ok(());
        }
        let facts = match &source {
            Source::Here => Some(self.facts(record, None)),
            Source::Closed(open) => Some(self.facts_of(open)),
            Source::Open => self.open.get(&order).map(|open| self.facts_of(open)),
            Source::Nowhere => None,
        };
        let no_item = || format!("seq {seq}: no such item");
        let facts = facts.map(|facts| facts.ok_or_else(no_item)).transpose()?;
        let (time, sale, currency) =
            (head.time.to_native(), terms.name, Currency::of(terms.currency));
        // Made where it lies: it is large.
        changes.push(Change { seq, time, kind, sale, currency, order, facts });
        Ok(())
    }

    fn given(&mut self, seq: Seq, head: &Head, record: &[Cell]) -> Kind {
        let is_waiting = head.kind == kind::WAIT;
        let holds = self.known.terms(head.sale.to_native()).is_none_or(|terms| terms.hold_ms > 0);
        if !is_waiting && !holds {
            return Kind::Now(State::Confirmed);
        }
        let record = bytemuck::cast_slice(&record[..head.cells()]).into();
        self.open.insert(seq, Open { record, units: None, is_waiting });
        Kind::Now(if is_waiting { State::Waiting } else { State::Held })
    }

    /// What a record of a change makes of an order.
    fn changed(&mut self, head: &Head, order: Seq) -> Option<(Kind, Source)> {
        let now = match head.kind {
            // It was sold before, and is not open.
            kind::CANCEL => return Some((Kind::Now(State::Cancelled), Source::Nowhere)),
            kind::EXTEND => {
                return self.open.contains_key(&order).then_some((Kind::Extended, Source::Open));
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
            return Some((Kind::Now(now), Source::Closed(self.open.remove(&order)?)));
        }
        let open = self.open.get_mut(&order)?;
        open.is_waiting = now == State::Waiting;
        open.units = Some(head.units.to_native());
        Some((Kind::Now(now), Source::Open))
    }

    fn facts_of(&self, open: &Open) -> Option<OrderFacts> {
        let record: Vec<Cell> = bytemuck::pod_collect_to_vec(&open.record);
        self.facts(&record, open.units)
    }

    #[inline]
    fn facts(&self, record: &[Cell], units: Option<u32>) -> Option<OrderFacts> {
        let head = record[0].head();
        let sale = head.sale.to_native();
        let terms = self.known.terms(sale)?;
        let line = |line: OrderLine| {
            let item = terms.items.get(usize::from(line.item).wrapping_sub(1))?.sku;
            Some(ChangedLine { item, units: line.units, price: line.price })
        };
        let lines: Option<SmallVec<[ChangedLine; 1]>> = match head.item.to_native() {
            0 => {
                let cells = record[1..].iter().filter(|cell| cell.kind() == kind::LINES);
                cells.flat_map(lines_in).map(line).collect()
            }
            item => {
                let (units, price) = (head.units.to_native(), head.price.to_native());
                line(OrderLine::new(item, units, price)).map(|line| smallvec![line])
            }
        };
        let mut lines = lines?;
        // One that was content with fewer may be given fewer than it waited for.
        if let ([line], Some(units)) = (&mut lines[..], units) {
            line.units = units;
        }
        let channel = record[1..]
            .iter()
            .find_map(decode_side)
            .and_then(|side| self.known.channel(sale, side.channel))
            .map(|name| Box::new(*name));
        let [buyer, key] = texts(record);
        Some(OrderFacts { buyer, key, channel, lines })
    }
}
