//! Whether a history has an order that explains it.
//!
//! The order of changes is known: the journal's. So one place has to be found for every other
//! answer, between what was answered before it was asked for and what was asked for after it was
//! answered. Each gets the first place at which the law gives its answer: a later one would only
//! push others further. The history is explained if all get one.

use std::time::Instant;

use doorbuster::drill::model::Naive;
use doorbuster::message::{Cell, kind, outcome};
use doorbuster::record;
use doorbuster::sale::{
    About, Buy, Command, Fill, Form, Given, Ident, Outcome, Refusal, Rule, Ruling, Side, State,
    Terms,
};

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Buy { item: u16, units: u32, buyer: String, key: String },
    Confirm(u64),
    Release(u64),
    Look(u64),
    Stock(u16),
}

/// What is told: an order's state and id, a refusal, or stock, free, held and confirmed units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Order(String, u64),
    Refused(String),
    Stock([u64; 4]),
}

impl Said {
    pub(crate) fn word(&self) -> &str {
        match self {
            Said::Order(word, _) | Said::Refused(word) => word,
            Said::Stock(_) => "stock",
        }
    }

    pub(crate) fn is_order(&self, of: u64) -> bool {
        matches!(self, Said::Order(_, order) if *order == of)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) deed: Deed,
    pub(crate) said: Said,
    /// Just before it was sent.
    pub(crate) asked: Instant,
    /// Just after the answer was there.
    pub(crate) told: Instant,
}

/// Finds the order.
///
/// # Errors
/// The first thing that has no place in any.
pub(crate) fn explain(
    terms: &Terms,
    history: &[Event],
    records: &[Vec<Cell>],
) -> Result<(), String> {
    let mut model = Naive::default();
    let mut has_place = vec![false; history.len()];
    // All before this one have theirs.
    let mut first = 0;
    for (seq, record) in (1..).zip(records) {
        let now = record[0].head().time.to_native();
        let asked_for = change(&mut model, terms, record, now)
            .map_err(|why| format!("seq {seq}: {why}: {record:?}"))?;
        if model.seq != seq {
            return Err(format!("seq {seq} changes nothing: {:?}", record[0].head()));
        }
        if asked_for {
            let made = open(history, &has_place, first)
                .into_iter()
                .find(|at| makes(&history[*at], record, seq))
                .ok_or_else(|| format!("nobody can have asked for seq {seq} by then"))?;
            has_place[made] = true;
        }
        // Who gets a place may make room for others who came later.
        loop {
            let answered: Vec<usize> = open(history, &has_place, first)
                .into_iter()
                .filter(|at| answer(&mut model, &history[*at].deed, now) == history[*at].said)
                .collect();
            if answered.is_empty() {
                break;
            }
            answered.into_iter().for_each(|at| has_place[at] = true);
        }
        first += has_place[first..].iter().take_while(|has| **has).count();
    }
    match has_place.iter().position(|has| !has) {
        Some(at) => Err(format!("never was this the answer: {:?}", history[at])),
        None => Ok(()),
    }
}

/// Those who have no place yet, and may have the next one: nobody else without a place was answered
/// before they asked. The history is in the order of asking.
fn open(history: &[Event], has_place: &[bool], first: usize) -> Vec<usize> {
    let mut open = Vec::new();
    let mut earliest: Option<Instant> = None;
    for at in first..history.len() {
        let event = &history[at];
        if earliest.is_some_and(|told| told < event.asked) {
            break;
        }
        if !has_place[at] {
            open.push(at);
            earliest = Some(earliest.map_or(event.told, |told| told.min(event.told)));
        }
    }
    open
}

/// Makes the change of a record in the model. Returns whether somebody asked for it.
fn change(model: &mut Naive, terms: &Terms, record: &[Cell], now: u64) -> Result<bool, String> {
    let head = record[0].head();
    let said = |outcome: Outcome| outcome.map(|_| true).map_err(|why| format!("{why:?}"));
    match head.kind {
        kind::CREATE => model.create(terms),
        kind::OPEN => {
            let ruling = Ruling { sale: head.sale.to_native(), item: 0, rule: Rule::Open };
            model.rule(now, &ruling).map_err(|why| format!("{why:?}"))?;
        }
        kind::EXPIRE => {
            let given = model.expire(now).ok_or("nothing expires")?;
            if given.order != head.order() {
                return Err(format!("order {} expires first", given.order));
            }
        }
        kind::SEAL => model.seq += 1,
        kind::BUY => {
            let [buyer, key] = record::texts(record).map(|text| text.to_string());
            let (item, units) = (head.item.to_native(), head.units.to_native());
            return said(buy(model, now, &Deed::Buy { item, units, buyer, key }));
        }
        kind::CONFIRM | kind::RELEASE => {
            return said(model.change(&command(head.kind, head.order())));
        }
        other => return Err(format!("a record of kind {other}, which nobody asks for here")),
    }
    Ok(false)
}

/// Whether an event asked for what the record says, and was told so.
fn makes(event: &Event, record: &[Cell], seq: u64) -> bool {
    let head = record[0].head();
    match &event.deed {
        Deed::Buy { key, .. } => {
            head.kind == kind::BUY
                && event.said == Said::Order("held".into(), seq)
                && record::texts(record)[1].to_string() == *key
        }
        Deed::Confirm(order) | Deed::Release(order) => {
            let is_confirm = matches!(event.deed, Deed::Confirm(_));
            let (kind, word) = match is_confirm {
                true => (kind::CONFIRM, "confirmed"),
                false => (kind::RELEASE, "released"),
            };
            head.kind == kind
                && head.order() == *order
                && event.said == Said::Order(word.into(), *order)
        }
        Deed::Look(_) | Deed::Stock(_) => false,
    }
}

/// What the law answers now, if that changes nothing. The model is left as it was.
fn answer(model: &mut Naive, deed: &Deed, now: u64) -> Said {
    let nothing = Said::Refused(String::new());
    match deed {
        Deed::Buy { key, .. } => {
            let (seq, free) = (model.seq, model.free.clone());
            let outcome = buy(model, now, deed);
            if model.seq > seq {
                (model.seq, model.free) = (seq, free);
                model.orders.remove(&(seq + 1));
                let key = ident(key);
                model.keys.remove(&(1, key.form as u8, key.bits));
                return nothing;
            }
            told(outcome)
        }
        Deed::Confirm(order) | Deed::Release(order) => {
            if model.orders.get(order).is_some_and(|order| order.given.state == State::Held) {
                return nothing;
            }
            let is_confirm = matches!(deed, Deed::Confirm(_));
            let kind = if is_confirm { kind::CONFIRM } else { kind::RELEASE };
            told(model.change(&command(kind, *order)))
        }
        Deed::Look(order) => match model.orders.get(order) {
            Some(order) => told(Ok(order.given)),
            None => told(Err(Refusal::UnknownOrder)),
        },
        Deed::Stock(item) => {
            let sum = |state| model.sum(Some(*item), |order| order.given.state == state);
            let (held, confirmed) = (sum(State::Held), sum(State::Confirmed));
            let free = model.free.get(&(1, *item, 0)).copied().unwrap_or(0);
            Said::Stock([free + held + confirmed, free, held, confirmed])
        }
    }
}

fn buy(model: &mut Naive, now: u64, deed: &Deed) -> Outcome {
    let Deed::Buy { item, units, buyer, key } = deed else { unreachable!("a purchase") };
    model.buy(
        now,
        &Buy {
            sale: 1,
            item: *item,
            units: *units,
            max_price: u64::MAX,
            fill: Fill::All,
            waits: false,
            side: Side::NONE,
            condition: 0,
            buyer: ident(buyer).into(),
            key: ident(key).into(),
        },
    )
}

fn command(kind: u8, order: u64) -> Command<'static> {
    let about = About { sale: 1, order, buyer: Ident::NONE };
    record::command(kind, about).expect("a command about an order")
}

fn ident(text: &str) -> Ident {
    let ident = Ident::parse(text.as_bytes()).expect("a good one");
    assert!(ident.form != Form::Long, "the model knows short ones");
    ident
}

fn told(outcome: Result<Given, Refusal>) -> Said {
    let code = match outcome {
        Ok(given) => {
            let code = match given.state {
                State::Held => outcome::HELD,
                State::Confirmed => outcome::CONFIRMED,
                State::Released => outcome::RELEASED,
                State::Expired => outcome::EXPIRED,
                other => unreachable!("nobody makes it {other:?}"),
            };
            return Said::Order(outcome::word(code).to_owned(), given.order);
        }
        Err(Refusal::NotOpen) => outcome::NOT_OPEN,
        Err(Refusal::KeyReused) => outcome::KEY_REUSED,
        Err(Refusal::LimitReached(_)) => outcome::LIMIT_REACHED,
        Err(Refusal::SoldOut) => outcome::SOLD_OUT,
        Err(Refusal::UnknownOrder) => outcome::UNKNOWN_ORDER,
        Err(Refusal::HoldExpired) => outcome::HOLD_EXPIRED,
        Err(Refusal::AlreadyConfirmed) => outcome::ALREADY_CONFIRMED,
        Err(Refusal::AlreadyReleased) => outcome::ALREADY_RELEASED,
        Err(other) => unreachable!("nothing here is refused as {other:?}"),
    };
    Said::Refused(outcome::word(code).to_owned())
}
