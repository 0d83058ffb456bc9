//! Decisions as records, and records as decisions again: the form in which a change lies in the
//! journal; next door the replay that makes the same change from it.
//!
//! It decides nothing. Invariant: what a record is made from can be read from it again.

mod known;
mod replay;

pub use known::{Known, texts};
pub use replay::{RecordCounts, Replay};

use crate::message::{
    Cell, Head, LINES_PER_CELL, decode_side, encode_lines, encode_side, join_text, kind, text_tail,
};
use crate::sale::{
    About, Aside, Command, Event, Fill, Form, Given, Happened, Ident, ImageOrder, Name, OrderLine,
    Party, Rule, Ruling, Shop, Side, Stamp, State, Text, Turn, text_len,
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

/// The record that would make an order of an image as it now stands, at an unknown time.
pub fn kept(order: &ImageOrder) -> Vec<Cell> {
    let mut head = Head::new(match (order.state, order.lines.is_empty()) {
        (State::Waiting, _) => kind::WAIT,
        (_, true) => kind::BUY,
        (_, false) => kind::BASKET,
    });
    (head.sale, head.item) = (order.sale.into(), order.item.into());
    (head.units, head.price) = (order.units.into(), order.price.into());
    let mut cells = vec![Cell::ZERO];
    let [buyer, key] = [order.buyer, order.key].map(|ident| ident.bits);
    let mut bits = [buyer, key];
    for (bits, text) in bits.iter_mut().zip(&order.texts) {
        let Some(text) = text else { continue };
        *bits = u128::from_le_bytes(*text.first_chunk().expect("a text has more"));
        cells.push(text_tail(&text[..text_len(text)]));
    }
    head.set_buyer(Ident { bits: bits[0], ..order.buyer });
    head.set_key(Ident { bits: bits[1], ..order.key });
    if order.channel != 0 {
        cells.push(encode_side(&Side { channel: order.channel, ..Side::NONE }));
    }
    cells.extend(order.lines.chunks(LINES_PER_CELL).map(encode_lines));
    head.tails = (cells.len() as u16 - 1).into();
    cells[0] = head.into();
    cells
}

/// The record of a change to an order: of a kind of [`command`], or [`kind::EXPIRE`].
pub fn change(kind: u8, sale: u16, given: &Given, now: Stamp) -> Head {
    let mut head = Head::new(kind);
    head.sale = sale.into();
    head.units = given.units.into();
    head.price = given.price.into();
    head.time = now.into();
    head.set_order(given.order);
    head
}

/// The record of a change to an order that had its turn among those who wait.
pub fn turn(turn: &Turn, now: Stamp) -> Head {
    let state = turn.given.state;
    let kind = match state {
        _ if turn.is_drawn => kind::DRAWN,
        State::Held => kind::OFFER,
        _ => kind::LEAVE,
    };
    let tag = if turn.is_drawn { state as u32 } else { 0 };
    Head { tag: tag.into(), ..change(kind, turn.sale, &turn.given, now) }
}

/// The record of something that was planned and has happened.
pub fn happened(happened: &Happened, now: Stamp) -> Head {
    let (kind, units) = match happened.event {
        Event::Surge { units, .. } => (kind::SURGE, units),
        Event::Sweep { units, .. } => (kind::SWEEP, units),
    };
    let (sale, item) = (happened.sale.into(), happened.item.into());
    let mut head = Head { sale, item, time: now.into(), price: units.into(), ..Head::new(kind) };
    match happened.event {
        Event::Surge { wave, .. } => head.set_order(wave),
        Event::Sweep { channel, .. } => head.tag = u32::from(channel).into(),
    }
    head
}

/// The request for a ruling and its record: kinds [`kind::OPEN`] to [`kind::DRAW`], a head and what
/// lies behind it. The item stays zero where it is the whole sale that is ruled.
pub fn rule(ruling: &Ruling, time: u64) -> impl Iterator<Item = Cell> + use<> {
    let mut head = Head::new(kind::OPEN);
    let mut tail = None;
    let (kind, item, value) = match ruling.rule {
        Rule::Open => (kind::OPEN, 0, 0),
        Rule::Pause => (kind::PAUSE, 0, 0),
        Rule::Resume => (kind::RESUME, 0, 0),
        Rule::Close => (kind::CLOSE, 0, 0),
        Rule::Remove => (kind::REMOVE, 0, 0),
        Rule::Add(units) => (kind::ADD, ruling.item, units),
        Rule::Withdraw(units) => (kind::WITHDRAW, ruling.item, units),
        Rule::Price(price) => (kind::PRICE, ruling.item, price),
        Rule::Aside(aside) => {
            head.tails = 1.into();
            head.set_order(aside.until);
            tail = Some(Cell(*aside.channel.as_bytes()));
            (kind::ASIDE, ruling.item, aside.units)
        }
        Rule::Plan { units, at } => {
            head.set_order(at);
            (kind::PLAN, ruling.item, units)
        }
        Rule::CallOff(wave) => {
            head.set_order(wave);
            (kind::CALL_OFF, 0, 0)
        }
        Rule::Draw(seed) => {
            put_hash(&mut head, &seed);
            (kind::DRAW, 0, 0)
        }
    };
    let (sale, item, price) = (ruling.sale.into(), item.into(), value.into());
    let head = Head { kind, sale, item, price, time: time.into(), ..head };
    std::iter::once(head.into()).chain(tail)
}

/// The ruling in a request or record; `None` if it is of another kind, or names what is no name.
/// `tail` gives the cells behind the head.
pub fn ruling(head: &Head, tail: impl Fn(usize) -> Cell) -> Option<Ruling> {
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
        kind::ASIDE => {
            let name = tail(0).0;
            let channel = Name::parse(&name[..text_len(&name)]).ok()?;
            Rule::Aside(Aside { channel, units: value, until: head.order() })
        }
        kind::PLAN => Rule::Plan { units: value, at: head.order() },
        kind::CALL_OFF => Rule::CallOff(head.order()),
        kind::DRAW => Rule::Draw(hash_in(head)),
        _ => return None,
    };
    Some(Ruling { sale: head.sale.to_native(), item: head.item.to_native(), rule })
}

/// The record of a clean stop in the state with this hash.
pub fn seal(state_hash: &[u8; 32], now: Stamp) -> Head {
    let mut head = Head::new(kind::SEAL);
    put_hash(&mut head, state_hash);
    head.time = now.into();
    head
}

/// Puts 32 bytes where a purchase has buyer and key.
fn put_hash(head: &mut Head, hash: &[u8; 32]) {
    head.buyer.copy_from_slice(&hash[..16]);
    head.key.copy_from_slice(&hash[16..]);
}

/// The 32 bytes where a purchase has buyer and key: the state hash in a seal, the seed of a draw.
pub fn hash_in(head: &Head) -> [u8; 32] {
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

/// What a purchase names beside buyer and item, if the tail behind its `texts` long texts says
/// something of it, and behind how many tails the rest lies.
#[inline(always)]
pub fn side(head: &Head, texts: usize, tail: impl Fn(usize) -> Cell) -> (Side, usize) {
    if usize::from(head.tails.to_native()) == texts {
        return (Side::NONE, texts);
    }
    decode_side(&tail(texts)).map_or((Side::NONE, texts), |side| (side, texts + 1))
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
