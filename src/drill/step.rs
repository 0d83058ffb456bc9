//! One change as the judge remembers it: what it takes to make it again in another model.
//!
//! It decides nothing itself. Invariant: made in a model that is where the first one was, a step
//! makes the same change.

use super::model::Naive;
use super::verdict::{Expected, given, refusal};
use crate::record;
use crate::sale::{About, Basket, Buy, Fill, Ident, OrderLine, Ruling, Side, Terms, condition};

/// One change, as it can be made again.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Create(Terms),
    Rule(Ruling),
    Buy(Wanted),
    Change(u8, u16, u64),
    Expire,
    Happen,
    Promote,
    Seal,
}

/// A purchase, of one item or a basket.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) sale: u16,
    pub(super) item: u16,
    pub(super) units: u32,
    pub(super) max_price: u64,
    pub(super) fill: Fill,
    pub(super) waits: bool,
    pub(super) side: Side,
    pub(super) lines: Option<Vec<OrderLine>>,
    pub(super) buyer: Ident,
    pub(super) key: Ident,
}

impl Step {
    pub(super) fn make(&self, model: &mut Naive, now: u64) {
        match self {
            Step::Create(terms) => model.create(terms),
            Step::Rule(ruling) => drop(model.rule(now, ruling)),
            Step::Buy(wanted) => drop(wanted.ask(model, now)),
            Step::Change(kind, sale, order) => {
                let about = About { sale: *sale, order: *order, buyer: Ident::NONE };
                if let Some(command) = record::command(*kind, about) {
                    let _ = model.change(&command);
                }
            }
            Step::Expire => drop(model.expire(now)),
            Step::Happen => drop(model.happen(now)),
            Step::Promote => drop(model.promote(now)),
            Step::Seal => model.seq += 1,
        }
    }
}

impl Wanted {
    pub(super) fn ask(&self, model: &mut Naive, now: u64) -> Expected {
        let condition = |units| condition(self.max_price, self.fill, units, self.waits, &self.side);
        if let Some(lines) = &self.lines {
            let basket = Basket {
                sale: self.sale,
                lines,
                max_price: self.max_price,
                waits: self.waits,
                side: self.side,
                condition: condition(0),
                buyer: self.buyer.into(),
                key: self.key.into(),
            };
            return match model.basket(now, &basket) {
                Ok(answer) => given(&answer, now),
                Err(refused) => refusal(&refused.why)
                    .about(refused.line.map(|line| (line, lines[usize::from(line)].item))),
            };
        }
        let buy = Buy {
            sale: self.sale,
            item: self.item,
            units: self.units,
            max_price: self.max_price,
            fill: self.fill,
            waits: self.waits,
            side: self.side,
            condition: condition(self.units),
            buyer: self.buyer.into(),
            key: self.key.into(),
        };
        model.buy(now, &buy).map_or_else(|why| refusal(&why), |answer| given(&answer, now))
    }
}
