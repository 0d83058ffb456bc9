//! Decisions as records, and records as decisions again: the form in which a change lies in the
//! journal; next door the replay that makes the same change from it.
//!
//! It decides nothing. Invariant: what a record is made from can be read from it again.

mod replay;

pub use replay::{RecordCounts, Replay};

use crate::message::{Cell, Head, LINES_PER_CELL, encode_lines, join_text, kind};
use crate::sale::{
    About, Command, Fill, Form, Given, Ident, OrderLine, Party, Rule, Ruling, Shop, Stamp, State,
    Text,
};

/// The record of a purchase, made from its request.
#[inline(always)]
pub fn buy(request: &Head, condition: u32, given: &Given, now: Stamp) -> Head {
    let is_waiting = given.state == State::Waiting;
    Head {
        kind: if is_waiting { kind::WAIT } else { request.kind },
        tag: condition.into(),
        price: given.price.into(),
        units: given.units.into(),
        time: now.into(),
        ..*request
    }
}

/// The command about an order that a request or record of this kind is; `None` if it is none.
pub fn command(kind: u8, about: About) -> Option<Command<'static>> {
    Some(match kind {
        kind::CONFIRM => Command::Confirm(about),
        kind::RELEASE => Command::Release(about),
        kind::EXTEND => Command::Extend(about),
        kind::CANCEL => Command::Cancel(about),
        _ => return None,
    })
}

/// The last tail of a record of a purchase that was content with fewer units: what it asked for.
pub fn asked(item: u16, units: u32) -> Cell {
    encode_lines(&[OrderLine::new(item, units, 0)])
}

/// Whether a purchase is content with fewer units.
#[inline(always)]
pub fn fill(head: &Head) -> Fill {
    if head.is_up_to() { Fill::UpTo } else { Fill::All }
}

/// The record of a basket, made from its request of which `texts` tails are long texts: its lines
/// go behind those.
pub fn basket(
    request: &Head,
    texts: usize,
    lines: &[OrderLine],
    condition: u32,
    given: &Given,
    now: Stamp,
) -> Head {
    let tails = texts + lines.chunks(LINES_PER_CELL).len();
    Head { tails: (tails as u16).into(), ..buy(request, condition, given, now) }
}

/// The record of a change to an order: of a kind of [`command`], [`kind::EXPIRE`], [`kind::OFFER`]
/// or [`kind::LEAVE`].
pub fn change(kind: u8, sale: u16, given: &Given, now: Stamp) -> Head {
    let mut head = Head::new(kind);
    head.sale = sale.into();
    head.units = given.units.into();
    head.price = given.price.into();
    head.time = now.into();
    head.set_order(given.order);
    head
}

/// The request for a ruling and its record: kinds [`kind::OPEN`] to [`kind::PRICE`]. The item stays
/// zero where it is the whole sale that is ruled.
pub fn rule(ruling: &Ruling, time: u64) -> Head {
    let (kind, item, value) = match ruling.rule {
        Rule::Open => (kind::OPEN, 0, 0),
        Rule::Pause => (kind::PAUSE, 0, 0),
        Rule::Resume => (kind::RESUME, 0, 0),
        Rule::Close => (kind::CLOSE, 0, 0),
        Rule::Remove => (kind::REMOVE, 0, 0),
        Rule::Add(units) => (kind::ADD, ruling.item, units),
        Rule::Withdraw(units) => (kind::WITHDRAW, ruling.item, units),
        Rule::Price(price) => (kind::PRICE, ruling.item, price),
    };
    let (sale, item, price) = (ruling.sale.into(), item.into(), value.into());
    Head { sale, item, price, time: time.into(), ..Head::new(kind) }
}

/// The ruling in a request or record; `None` if it is of another kind.
pub fn ruling(head: &Head) -> Option<Ruling> {
    let value = head.price.to_native();
    let rule = match head.kind {
        kind::OPEN => Rule::Open,
        kind::PAUSE => Rule::Pause,
        kind::RESUME => Rule::Resume,
        kind::CLOSE => Rule::Close,
        kind::REMOVE => Rule::Remove,
        kind::ADD => Rule::Add(value),
        kind::WITHDRAW => Rule::Withdraw(value),
        kind::PRICE => Rule::Price(value),
        _ => return None,
    };
    Some(Ruling { sale: head.sale.to_native(), item: head.item.to_native(), rule })
}

/// The record of a clean stop in the state with this hash.
pub fn seal(state_hash: &[u8; 32], now: Stamp) -> Head {
    let mut head = Head::new(kind::SEAL);
    head.buyer.copy_from_slice(&state_hash[..16]);
    head.key.copy_from_slice(&state_hash[16..]);
    head.time = now.into();
    head
}

/// The state hash in a seal.
pub fn sealed_hash(head: &Head) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(&head.buyer);
    hash[16..].copy_from_slice(&head.key);
    hash
}

/// The buyer and key of a purchase with their whole texts, and in how many tails those lie. `tail`
/// gives the cells behind the head.
///
/// `None` if a form is unknown or an ident is missing.
#[inline(always)]
pub fn idents(
    shop: &Shop,
    head: &Head,
    texts: &mut [Text; 2],
    tail: impl Fn(usize) -> Cell,
) -> Option<(Ident, Ident, usize)> {
    let (mut buyer, mut key) = (head.buyer()?, head.key()?);
    if buyer.form == Form::None || key.form == Form::None {
        return None;
    }
    let mut tails = 0;
    if buyer.form == Form::Long {
        texts[0] = join_text(buyer.bits, &tail(tails));
        buyer = shop.long(&texts[0]);
        tails += 1;
    }
    if key.form == Form::Long {
        texts[1] = join_text(key.bits, &tail(tails));
        key = shop.long(&texts[1]);
        tails += 1;
    }
    (usize::from(head.tails.to_native()) >= tails).then_some((buyer, key, tails))
}

/// An ident and the text it needs if it is long.
#[inline(always)]
pub fn party(ident: Ident, text: &Text) -> Party<'_> {
    Party { ident, text: (ident.form == Form::Long).then_some(text) }
}

/// Asks the cache for what a request or record will touch first.
#[inline(always)]
pub fn prefetch(shop: &Shop, head: &Head) {
    match (head.kind, head.buyer(), head.key()) {
        (kind::BUY | kind::BASKET, Some(buyer), Some(key)) => {
            shop.prefetch(head.sale.to_native(), buyer, key);
        }
        (kind::BUY | kind::BASKET, ..) => {}
        _ => shop.prefetch_order(head.order()),
    }
}

/// Requests or records whose memory is asked for ahead of their decision.
pub const PREFETCH_AHEAD: usize = 32;
