//! What an answer must look like when the model has decided, and whether a shop is where the model
//! is.
//!
//! It changes nothing. The numbers of refusals stand here once more, apart from the matcher's.

use super::model::{MS, Naive, Order};
use crate::message::{Cell, Reply, kind, outcome};
use crate::sale::{About, Given, Ident, PoolView, Refusal, Shop, State};

/// What an answer must say.
pub(super) enum Expected {
    /// Looked at elsewhere.
    Any,
    /// An order, as it stands after this; the last is what is left of its hold, or its place.
    Given(Given, u32),
    /// A refusal: its number, what it says, whose limit, and of a basket the line and its item.
    Refused(u8, u64, u64, (u32, u32)),
    /// A ruling that made this seq, or changed nothing.
    Ruled(u64),
}

pub(super) fn given(given: &Given, now: u64) -> Expected {
    let left = (given.expires_at.saturating_sub(now) / MS) as u32;
    let left = if given.state == State::Held { left } else { given.position };
    Expected::Given(*given, left)
}

pub(super) fn refusal(why: &Refusal) -> Expected {
    let (number, value, group) = match *why {
        Refusal::UnknownSale => (32, 0, 0),
        Refusal::UnknownItem => (33, 0, 0),
        Refusal::KeyReused => (34, 0, 0),
        Refusal::NotOpen => (35, 0, 0),
        Refusal::Paused => (36, 0, 0),
        Refusal::Closed => (37, 0, 0),
        Refusal::PriceChanged(price) => (38, price, 0),
        Refusal::LimitReached(limit) => (39, limit.into(), 0),
        Refusal::GroupLimit(group, limit) => (39, limit.into(), group.into()),
        Refusal::SoldOut => (40, 0, 0),
        Refusal::NotFree(free) => (40, free, 0),
        Refusal::UnknownChannel => (41, 0, 0),
        Refusal::UnknownOrder => (48, 0, 0),
        Refusal::NotYourOrder => (49, 0, 0),
        Refusal::HoldExpired => (50, 0, 0),
        Refusal::AlreadyConfirmed => (51, 0, 0),
        Refusal::AlreadyReleased => (52, 0, 0),
        Refusal::ExtendRefused => (53, 0, 0),
        Refusal::NotConfirmed => (54, 0, 0),
        Refusal::NotHeld => (55, 0, 0),
        Refusal::NotClosed => (56, 0, 0),
        Refusal::HoldsLive(units) => (57, units, 0),
        Refusal::TooMuch(most) => (58, most, 0),
        Refusal::UnknownWave => (59, 0, 0),
        Refusal::NoDraw => (60, 0, 0),
        Refusal::WrongSeed => (61, 0, 0),
        Refusal::BadTime => (62, 0, 0),
        Refusal::Overloaded => (64, 0, 0),
    };
    Expected::Refused(number, value, group, (0, 0))
}

impl Expected {
    /// Says of which line of a basket, and of which item, a refusal is.
    pub(super) fn about(self, line: Option<(u8, u16)>) -> Expected {
        match (self, line) {
            (Expected::Refused(number, value, group, _), Some((line, item))) => {
                Expected::Refused(number, value, group, (u32::from(line) + 1, item.into()))
            }
            (expected, _) => expected,
        }
    }

    /// # Errors
    /// A sentence with both.
    pub(super) fn compare(&self, answer: &Cell) -> Result<(), String> {
        let reply = answer.reply();
        let (is_same, wanted) = match self {
            Expected::Any => return Ok(()),
            Expected::Given(given, left) => (is_told(given, *left, reply), format!("{given:?}")),
            Expected::Refused(number, value, group, (line, item)) => {
                let told = (reply.outcome, reply.price.to_native(), reply.order.to_native());
                let about = (reply.units.to_native(), reply.expires_in_ms.to_native());
                let is_same = reply.seq.to_native() == 0
                    && told == (*number, *value, *group)
                    && about == (*line, *item);
                (is_same, format!("{} ({value}, line {line})", outcome::word(*number)))
            }
            Expected::Ruled(seq) => {
                let told = (reply.outcome, reply.seq.to_native());
                (told == (outcome::OK, *seq), format!("ok, seq {seq}"))
            }
        };
        if is_same && reply.kind == kind::REPLY {
            return Ok(());
        }
        Err(format!(
            "the answer was {}, {reply:?}; by the law {wanted}",
            outcome::word(reply.outcome)
        ))
    }
}

fn is_told(given: &Given, left: u32, reply: &Reply) -> bool {
    let told = [reply.order, reply.seq, reply.price, reply.expires_at].map(|it| it.to_native());
    let known = [given.order, given.seq, given.price, given.expires_at];
    let small = (reply.outcome, reply.replayed, reply.units.to_native());
    told == known
        && small == (given.state as u8, u8::from(given.replayed), given.units)
        && reply.expires_in_ms.to_native() == left
}

/// Whether a shop is where the model is.
///
/// # Errors
/// A sentence with the first difference.
pub(super) fn compare(model: &Naive, shop: &Shop) -> Result<(), String> {
    let fail = |what: &str, naive: &dyn std::fmt::Debug, real: &dyn std::fmt::Debug| {
        Err(format!("{what}: by the law {naive:?}, in the state {real:?}"))
    };
    if shop.seq() != model.seq {
        return fail("seq", &model.seq, &shop.seq());
    }
    for (sale, item, _) in model.free.keys().filter(|place| place.2 == 0) {
        let pools = model.free.iter().filter(|(place, _)| (&place.0, &place.1) == (sale, item));
        let free: u64 = pools.map(|(_, units)| units).sum();
        let sum = |state| {
            let is_it = |order: &Order| order.sale == *sale && order.given.state == state;
            model.sum(Some(*item), is_it)
        };
        let (held, confirmed) = (sum(State::Held), sum(State::Confirmed));
        let naive = [free + held + confirmed, free, held, confirmed, sum(State::Waiting)];
        let real = shop.stock(*sale, *item).map_err(|why| format!("{why:?}"))?;
        let real = [real.stock, real.free, real.held, real.confirmed, real.waiting];
        if naive != real {
            return fail("stock, free, held, confirmed, waiting", &naive, &real);
        }
    }
    for (place, pool) in &model.pools {
        let is_it = |view: &PoolView| (view.item, view.channel) == (place.1, place.2);
        let Some(view) = shop.pools(place.0).find(is_it) else { continue };
        let naive = (model.free[place], pool.set_aside, pool.until, pool.is_swept);
        let real = (view.free, view.set_aside, view.until, view.is_swept);
        if naive != real {
            return fail("a channel's units", &naive, &real);
        }
    }
    for (id, order) in &model.orders {
        let about = About { sale: order.sale, order: *id, buyer: Ident::NONE };
        let real = shop.order(&about).map_err(|why| format!("order {id}: {why:?}"))?.given;
        let naive = Given { seq: *id, position: model.position(*id), ..order.given };
        if naive != real {
            return fail("an order", &naive, &real);
        }
    }
    let totals = shop.prove()?;
    if totals.orders != model.orders.len() as u64 {
        return fail("orders", &model.orders.len(), &totals.orders);
    }
    Ok(())
}
