//! Holds every decision of the matcher against the naive sale: who came first, what was answered,
//! what was written, and that what had to happen before did. Remembers all of it, so that after a
//! crash it can say what a journal that ends anywhere must make.
//!
//! It sees the cells in the rings and asks no room anything. Invariant: the model has decided what
//! the matcher has, in the same order, and nothing else.

use std::collections::{BTreeMap, HashMap};

use super::model::Naive;
use super::step::{Step, Wanted};
use super::verdict::{Expected, given, refusal};
use crate::message::{Cell, Head, Lines, NO_MAX_PRICE, decode_terms, join_text, kind, outcome};
use crate::record;
use crate::sale::{About, Form, Ident, Refusal, Shop, Side, State, Text, text_len};

/// What was decided of a request, and the newest seq that this rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) outcome: u8,
    pub(super) order: u64,
    pub(super) after: u64,
}

/// What one round of the matcher did.
pub(super) struct Work {
    /// Its time.
    pub(super) now: u64,
    /// It may have refused purchases because of what the sale does not know: the disk, or the age
    /// of the request.
    pub(super) may_overload: bool,
    pub(super) records: Vec<Vec<Cell>>,
    /// Requests and answers, in the order of arrival.
    pub(super) decided: Vec<(Vec<Cell>, Vec<Cell>)>,
}

#[derive(Default)]
pub(super) struct Judge {
    model: Naive,
    steps: Vec<(u64, Step)>,
    records: Vec<Vec<Cell>>,
    long: HashMap<String, u128>,
    purchases: HashMap<String, Vec<Decision>>,
    changes: HashMap<(u8, u64), Vec<Decision>>,
    /// When there was last nothing for newcomers, by sale and item.
    short_at: BTreeMap<(u16, u16), u64>,
}

impl Judge {
    /// The newest seq decided.
    pub(super) fn seq(&self) -> u64 {
        self.model.seq
    }

    pub(super) fn model(&self) -> &Naive {
        &self.model
    }

    /// All records decided so far.
    pub(super) fn records(&self) -> &[Vec<Cell>] {
        &self.records
    }

    /// What was ever decided of the purchase with this key.
    pub(super) fn of_key(&self, key: &str) -> &[Decision] {
        self.purchases.get(key).map_or(&[], Vec::as_slice)
    }

    /// What was ever decided of a command about an order.
    pub(super) fn of_change(&self, kind: u8, order: u64) -> &[Decision] {
        self.changes.get(&(kind, order)).map_or(&[], Vec::as_slice)
    }

    /// Whether there was nothing of an item for newcomers at this step or later.
    pub(super) fn was_short(&self, (sale, item): (u16, u16), since: u64) -> bool {
        self.short_at.get(&(sale, item)).is_some_and(|at| *at >= since)
            || self.model.open((sale, item, 0)) == 0
    }

    /// Notes what newcomers find at this step.
    pub(super) fn note_short(&mut self, step: u64) {
        let places = self.model.free.keys().filter(|place| place.2 == 0);
        let short: Vec<_> = places.filter(|place| self.model.open(**place) == 0).copied().collect();
        for (sale, item, _) in short {
            self.short_at.insert((sale, item), step);
        }
    }

    /// Judges a round of the matcher.
    ///
    /// # Errors
    /// A sentence with what it should have decided.
    pub(super) fn judge(&mut self, mut work: Work) -> Result<(), String> {
        let first = self.records.len();
        for record in &work.records {
            let time = record[0].head().time.to_native();
            if time != work.now {
                return Err(format!("a record of time {time}, decided at {}", work.now));
            }
        }
        self.records.append(&mut work.records);
        let mut newest = self.seq();
        for (request, answer) in &work.decided {
            let after = answer[0].reply().after.to_native();
            if after < newest || after > self.records.len() as u64 {
                return Err(format!("an answer decided from seq {after} after one from {newest}"));
            }
            newest = after;
            let is_own = is_change(&request[0], &answer[0]);
            self.happen_until(after - u64::from(is_own), work.now)?;
            if let Some(what) = self.overdue(work.now) {
                return Err(format!("{what} when {} was decided", told(request[0].head())));
            }
            self.decide(request, &answer[0], &work)?;
            if self.seq() != after {
                return Err(format!(
                    "{}: seq {after} was told, and the model is at {}",
                    told(request[0].head()),
                    self.seq()
                ));
            }
        }
        self.happen_until(self.records.len() as u64, work.now)?;
        for record in &self.records[first..] {
            if record.len() != record[0].head().cells() {
                return Err("a record that is not whole".to_owned());
            }
        }
        Ok(())
    }

    /// What should have happened by now and has not.
    fn overdue(&self, now: u64) -> Option<String> {
        let late = self
            .model
            .orders
            .values()
            .find(|order| order.given.state == State::Held && order.given.expires_at <= now);
        if let Some(order) = late {
            return Some(format!("the hold of order {} had ended", order.given.order));
        }
        let plan = self.model.plans.iter().find(|plan| plan.0 <= now);
        plan.map(|plan| format!("what seq {} planned was due", plan.1))
    }

    /// What happened without a request.
    fn happen_until(&mut self, seq: u64, now: u64) -> Result<(), String> {
        while self.seq() < seq {
            let at = self.seq() as usize;
            let head = *self.records[at][0].head();
            let (step, made) = match head.kind {
                kind::EXPIRE => {
                    let given = self.model.expire(now).ok_or("nothing expires at this time")?;
                    let sale = self.model.orders[&given.order].sale;
                    (Step::Expire, record::change(kind::EXPIRE, sale, &given, now))
                }
                kind::SURGE | kind::SWEEP => {
                    let happened = self.model.happen(now).ok_or("nothing was planned")?.1;
                    (Step::Happen, record::happened(&happened, now))
                }
                kind::OFFER | kind::LEAVE | kind::DRAWN => {
                    let turn = self.model.promote(now).ok_or("nobody has a turn")?;
                    (Step::Promote, record::turn(&turn, now))
                }
                kind::SEAL => {
                    self.model.seq += 1;
                    (Step::Seal, head)
                }
                _ => return Err(format!("seq {}: {} without a request", at + 1, told(&head))),
            };
            if made != head {
                return Err(format!("seq {}: {head:?}, and the model has {made:?}", at + 1));
            }
            self.steps.push((now, step));
        }
        Ok(())
    }

    fn decide(&mut self, request: &[Cell], answer: &Cell, work: &Work) -> Result<(), String> {
        let (head, reply) = (*request[0].head(), *answer.reply());
        let (now, before) = (work.now, self.seq());
        let is_purchase = matches!(head.kind, kind::BUY | kind::BASKET);
        let made = Decision {
            outcome: reply.outcome,
            order: reply.order.to_native(),
            after: reply.after.to_native(),
        };
        if is_purchase {
            let key = record::texts(request)[1].to_string();
            self.purchases.entry(key).or_default().push(made);
        } else if matches!(head.kind, kind::CONFIRM..=kind::CANCEL) {
            self.changes.entry((head.kind, head.order())).or_default().push(made);
        }
        if reply.kind == kind::REPLY && reply.outcome == outcome::OVERLOADED {
            return if work.may_overload {
                Ok(())
            } else {
                Err(format!("{}: overloaded without a reason", told(&head)))
            };
        }
        let expected = match head.kind {
            kind::BUY | kind::BASKET => {
                let wanted = self.wanted(request);
                let expected = wanted.ask(&mut self.model, now);
                self.keep(before, now, Step::Buy(wanted));
                expected
            }
            kind::CONFIRM..=kind::CANCEL => {
                let buyer = self.party(head.buyer(), &mut request[1..].iter());
                let about = About { sale: head.sale.to_native(), order: head.order(), buyer };
                let command = record::command(head.kind, about).ok_or("no command")?;
                let expected = self
                    .model
                    .change(&command)
                    .map_or_else(|why| refusal(&why), |answer| given(&answer, now));
                self.keep(before, now, Step::Change(head.kind, about.sale, about.order));
                expected
            }
            kind::CREATE => {
                let terms = decode_terms(request)?;
                let is_new = self.model.there().all(|number| {
                    self.model.sales[usize::from(number) - 1].terms.name != terms.name
                });
                if is_new {
                    self.model.create(&terms);
                    self.keep(before, now, Step::Create(terms));
                }
                Expected::Any
            }
            kind::OPEN..=kind::DRAW => {
                let tail = |at: usize| request.get(1 + at).copied().unwrap_or(Cell::ZERO);
                let ruling = record::ruling(&head, tail).ok_or("no ruling")?;
                let expected = match self.model.rule(now, &ruling) {
                    Ok(seq) => Expected::Ruled(seq),
                    Err(why) => refusal(&why),
                };
                self.keep(before, now, Step::Rule(ruling));
                expected
            }
            kind::ORDER => self.shown(&head, now),
            kind::STOCK => self.stock(&head, answer)?,
            _ => Expected::Any,
        };
        expected.compare(answer).map_err(|what| format!("{}: {what}", told(&head)))?;
        if self.seq() > before {
            self.is_recorded(&head, &reply)?;
        }
        Ok(())
    }

    /// Remembers a step, if it changed anything.
    fn keep(&mut self, before: u64, now: u64, step: Step) {
        if self.model.seq > before {
            self.steps.push((now, step));
        }
    }

    /// Whether the newest record is of this request and says what was answered.
    fn is_recorded(&self, request: &Head, reply: &crate::message::Reply) -> Result<(), String> {
        let record = self.records.get(self.seq() as usize - 1).ok_or("it left no record")?;
        let head = record[0].head();
        let kind = match request.kind {
            kind::BUY | kind::BASKET if reply.outcome == outcome::WAITING => kind::WAIT,
            kind => kind,
        };
        let is_order = matches!(request.kind, kind::BUY | kind::BASKET)
            || matches!(request.kind, kind::CONFIRM..=kind::CANCEL);
        let is_same = head.kind == kind
            && (!is_order || (head.units, head.price) == (reply.units, reply.price));
        if is_same { Ok(()) } else { Err(format!("{} was recorded as {head:?}", told(request))) }
    }

    fn shown(&self, head: &Head, now: u64) -> Expected {
        if self.model.sale(head.sale.to_native()).is_err() {
            return refusal(&Refusal::UnknownSale);
        }
        let found = self.model.orders.get(&head.order());
        let Some(order) = found.filter(|order| order.sale == head.sale.to_native()) else {
            return refusal(&Refusal::UnknownOrder);
        };
        let id = order.given.order;
        let position = self.model.position(id);
        given(&crate::sale::Given { seq: id, position, ..order.given }, now)
    }

    fn stock(&self, head: &Head, answer: &Cell) -> Result<Expected, String> {
        let (sale, item) = (head.sale.to_native(), head.item.to_native());
        if self.model.sale(sale).is_err() {
            return Ok(refusal(&Refusal::UnknownSale));
        }
        if !self.model.free.contains_key(&(sale, item, 0)) {
            return Ok(refusal(&Refusal::UnknownItem));
        }
        let stock = answer.stock_reply();
        let told = [stock.stock, stock.free, stock.held, stock.confirmed].map(|it| it.to_native());
        let sum = |state| {
            self.model.sum(Some(item), |order| order.sale == sale && order.given.state == state)
        };
        let pools = self.model.free.iter().filter(|(place, _)| (place.0, place.1) == (sale, item));
        let free: u64 = pools.map(|(_, units)| units).sum();
        let (held, confirmed) = (sum(State::Held), sum(State::Confirmed));
        let known = [free + held + confirmed, free, held, confirmed];
        if told == known {
            Ok(Expected::Any)
        } else {
            Err(format!("stock, free, held, confirmed are told as {told:?}, and are {known:?}"))
        }
    }

    /// The purchase in a request.
    fn wanted(&mut self, request: &[Cell]) -> Wanted {
        let head = *request[0].head();
        let mut tails = request[1..].iter();
        let buyer = self.party(head.buyer(), &mut tails);
        let key = self.party(head.key(), &mut tails);
        let rest: Vec<Cell> = tails.copied().collect();
        let lines = (head.kind == kind::BASKET)
            .then(|| Lines::read(rest.len(), |at| rest[at]).map(|lines| lines.all().to_vec()))
            .flatten();
        Wanted {
            sale: head.sale.to_native(),
            item: head.item.to_native(),
            units: head.units.to_native(),
            max_price: head.price.to_native(),
            fill: record::fill(&head),
            waits: head.is_waiting(),
            side: Side::NONE,
            lines,
            buyer,
            key,
        }
    }

    /// A buyer or key; a long one by a number of its own.
    fn party<'a>(
        &mut self,
        ident: Option<Ident>,
        tails: &mut impl Iterator<Item = &'a Cell>,
    ) -> Ident {
        let ident = ident.unwrap_or(Ident::NONE);
        if ident.form != Form::Long {
            return ident;
        }
        let text: Text = join_text(ident.bits, tails.next().unwrap_or(&Cell::ZERO));
        let text = String::from_utf8_lossy(&text[..text_len(&text)]).into_owned();
        let next = self.long.len() as u128 + 1;
        Ident { bits: *self.long.entry(text).or_insert(next), ..ident }
    }

    /// Goes back to what the records up to `seq` make.
    pub(super) fn go_back(&mut self, seq: u64) {
        self.records.truncate(seq as usize);
        // What was decided later never was: nobody is to be told it any more.
        let decided = self.purchases.values_mut().chain(self.changes.values_mut());
        decided.for_each(|made| made.retain(|made| made.after <= seq));
        self.steps.truncate(seq as usize);
        let mut model = Naive::default();
        for (now, step) in &self.steps {
            step.make(&mut model, *now);
        }
        assert_eq!(model.seq, seq, "every step makes one record");
        self.model = model;
    }

    /// Whether a shop is in the state of the model.
    ///
    /// # Errors
    /// A sentence with the difference.
    pub(super) fn compare(&self, shop: &Shop) -> Result<(), String> {
        super::verdict::compare(&self.model, shop)
    }
}

/// Whether the answer tells of a change that it made.
fn is_change(request: &Cell, answer: &Cell) -> bool {
    let (kind, reply) = (request.kind(), answer.reply());
    let changes = kind <= kind::BASKET || matches!(kind, kind::CREATE..=kind::DRAW);
    let is_good = reply.kind == kind::REPLY && !outcome::is_refusal(reply.outcome);
    changes && is_good && reply.replayed == 0 && reply.seq.to_native() > 0
}

fn told(head: &Head) -> String {
    let word = match head.kind {
        kind::BUY => "a purchase",
        kind::BASKET => "a basket",
        kind::CONFIRM => "a confirmation",
        kind::RELEASE => "a release",
        kind::EXTEND => "an extension",
        kind::CANCEL => "a cancellation",
        kind::CREATE..=kind::DRAW => "a ruling",
        _ => "a request",
    };
    let price = head.price.to_native();
    let price = if price == NO_MAX_PRICE { 0 } else { price };
    let (number, sale, item) = (head.kind, head.sale.to_native(), head.item.to_native());
    format!(
        "{word} (kind {number}, sale {sale}, item {item}, order {}, price {price})",
        head.order()
    )
}
