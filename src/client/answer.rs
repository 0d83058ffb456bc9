//! Answers, and how they are read from cells.
//!
//! Reading trusts nothing but the length it was given: whatever a server sends becomes an answer or
//! [`Error::Protocol`], never a panic.

use super::{Error, Item, Result};
use crate::message::{Cell, Head, Receipt, Reply, join_text, kind, lines_in, outcome};
use crate::sale::{Form, Ident, OrderLine, TEXT_BYTES_MAX, text_len};

/// What the server says to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// An order as it now stands: to `Buy` and to an order's commands.
    Order(OrderAnswer),
    /// An order with all that is known of it: to `Order`.
    Shown(ShownOrder),
    /// Units of an item: to `Stock`.
    Stock(Stock),
    /// Numbers of names: to `Resolve`.
    Item(Item),
    /// The number of a name: to `ResolveChannel`.
    Channel(u8),
    /// Nothing was changed, and this is why.
    Refused(Refusal),
    /// Nothing was changed, because of one line of a basket.
    RefusedLine {
        /// Why.
        refusal: Refusal,
        /// Which line, from 0.
        line: usize,
    },
    /// To `Ping`.
    Pong,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Units are set aside for the buyer until `expires_at`.
    Held,
    /// The units are the buyer's.
    Confirmed,
    /// The hold was given back.
    Released,
    /// The hold ran out.
    Expired,
    /// The purchase was given back.
    Cancelled,
    /// Units are waited for.
    Waiting,
    /// The buyer waits no more and was given nothing.
    Left,
}

impl State {
    fn from_outcome(number: u8) -> Option<State> {
        Some(match number {
            outcome::HELD => State::Held,
            outcome::CONFIRMED => State::Confirmed,
            outcome::RELEASED => State::Released,
            outcome::EXPIRED => State::Expired,
            outcome::CANCELLED => State::Cancelled,
            outcome::WAITING => State::Waiting,
            outcome::LEFT => State::Left,
            _ => return None,
        })
    }
}

/// An order as it stood when the request was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderAnswer {
    /// Where it stands.
    pub state: State,
    /// Its id, for the order's commands and `Order`.
    pub order: u64,
    /// Position in the journal of the change that this answers.
    pub seq: u64,
    /// Units of the order.
    pub units: u32,
    /// Price of a unit, of a basket in all, in minor units.
    pub price: u64,
    /// When the hold ends, in ns of Unix time; 0 if it does not.
    pub expires_at: u64,
    /// What was left of the hold at the decision, in ms.
    pub expires_in_ms: u32,
    /// Its place among those who wait for the item, from 1; 0 if it does not wait.
    pub position: u32,
    /// Whether this repeats the answer to a repeated key.
    pub replayed: bool,
    /// What proves later that the journal has this change at this place; `None` if the server
    /// does not have it at hand any more.
    pub receipt: Option<Receipt>,
}

/// An order with its item, buyer, key and time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownOrder {
    /// As it stands.
    pub order: OrderAnswer,
    /// What was bought; of a basket with the item's number 0.
    pub item: Item,
    /// The lines of a basket; none of an order of one item.
    pub lines: Vec<OrderLine>,
    /// By whom.
    pub buyer: String,
    /// Under which key.
    pub key: String,
}

/// Units of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stock {
    /// Given into the sale.
    pub stock: u64,
    /// Nobody's.
    pub free: u64,
    /// In holds.
    pub held: u64,
    /// Sold.
    pub confirmed: u64,
    /// Waited for.
    pub waiting: u64,
}

/// Why nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// No such sale.
    UnknownSale,
    /// No such item in the sale.
    UnknownItem,
    /// The key was used for something else.
    KeyReused,
    /// The sale has not opened yet.
    NotOpen,
    /// The operator has paused the sale.
    Paused,
    /// The sale is over.
    Closed,
    /// The price in force is above `max_price`.
    PriceChanged {
        /// The price in force, in minor units.
        price: u64,
    },
    /// The buyer's limit would be passed.
    LimitReached {
        /// The limit, in units.
        limit: u64,
    },
    /// All purchases of a limit group's member would pass the group's limit.
    GroupLimitReached {
        /// The group, by its place in the sale, from 1.
        group: u64,
        /// The limit, in units.
        limit: u64,
    },
    /// Nothing of the item was set aside for this channel.
    UnknownChannel,
    /// Not enough units are free.
    SoldOut,
    /// No such order in the sale.
    UnknownOrder,
    /// The order is another buyer's.
    NotYourOrder,
    /// The hold ran out before this.
    HoldExpired,
    /// The order is confirmed already.
    AlreadyConfirmed,
    /// The order was given back already.
    AlreadyReleased,
    /// The hold was extended already, or the sale extends none.
    ExtendRefused,
    /// The order still waits: nothing is held for it.
    NotHeld,
    /// Only a purchase can be cancelled, and the order is none yet.
    NotConfirmed,
    /// A table or queue of the server is full.
    Overloaded {
        /// After how long to try again, in ms.
        retry_after_ms: u64,
    },
    /// The request makes no sense.
    Malformed,
    /// The server asks for a token, and this connection has none that counts.
    Unauthorized,
    /// The connection's token has no role for this.
    Forbidden,
    /// The buyer's ticket does not let it buy.
    TicketRefused {
        /// Why: 1 it is missing, 2 malformed, 3 for another buyer, 4 for another sale or wrongly
        /// signed, 5 expired.
        reason: u64,
    },
    /// A reason that this version does not know, by its number.
    Other(u8),
}

impl Refusal {
    fn from_reply(reply: &Reply) -> Refusal {
        let value = reply.price.to_native();
        match reply.outcome {
            outcome::UNKNOWN_SALE => Refusal::UnknownSale,
            outcome::UNKNOWN_ITEM => Refusal::UnknownItem,
            outcome::KEY_REUSED => Refusal::KeyReused,
            outcome::NOT_OPEN => Refusal::NotOpen,
            outcome::PAUSED => Refusal::Paused,
            outcome::CLOSED => Refusal::Closed,
            outcome::PRICE_CHANGED => Refusal::PriceChanged { price: value },
            outcome::LIMIT_REACHED => match reply.order.to_native() {
                0 => Refusal::LimitReached { limit: value },
                group => Refusal::GroupLimitReached { group, limit: value },
            },
            outcome::UNKNOWN_CHANNEL => Refusal::UnknownChannel,
            outcome::SOLD_OUT => Refusal::SoldOut,
            outcome::UNKNOWN_ORDER => Refusal::UnknownOrder,
            outcome::NOT_YOUR_ORDER => Refusal::NotYourOrder,
            outcome::HOLD_EXPIRED => Refusal::HoldExpired,
            outcome::ALREADY_CONFIRMED => Refusal::AlreadyConfirmed,
            outcome::ALREADY_RELEASED => Refusal::AlreadyReleased,
            outcome::EXTEND_REFUSED => Refusal::ExtendRefused,
            outcome::NOT_HELD => Refusal::NotHeld,
            outcome::NOT_CONFIRMED => Refusal::NotConfirmed,
            outcome::OVERLOADED => Refusal::Overloaded { retry_after_ms: value },
            outcome::MALFORMED => Refusal::Malformed,
            outcome::UNAUTHORIZED => Refusal::Unauthorized,
            outcome::FORBIDDEN => Refusal::Forbidden,
            outcome::TICKET_REFUSED => Refusal::TicketRefused { reason: value },
            other => Refusal::Other(other),
        }
    }

    /// The contract's word: `sold_out` and so on.
    pub fn word(&self) -> &'static str {
        outcome::word(match self {
            Refusal::UnknownSale => outcome::UNKNOWN_SALE,
            Refusal::UnknownItem => outcome::UNKNOWN_ITEM,
            Refusal::KeyReused => outcome::KEY_REUSED,
            Refusal::NotOpen => outcome::NOT_OPEN,
            Refusal::Paused => outcome::PAUSED,
            Refusal::Closed => outcome::CLOSED,
            Refusal::PriceChanged { .. } => outcome::PRICE_CHANGED,
            Refusal::LimitReached { .. } => outcome::LIMIT_REACHED,
            Refusal::GroupLimitReached { .. } => outcome::LIMIT_REACHED,
            Refusal::UnknownChannel => outcome::UNKNOWN_CHANNEL,
            Refusal::SoldOut => outcome::SOLD_OUT,
            Refusal::UnknownOrder => outcome::UNKNOWN_ORDER,
            Refusal::NotYourOrder => outcome::NOT_YOUR_ORDER,
            Refusal::HoldExpired => outcome::HOLD_EXPIRED,
            Refusal::AlreadyConfirmed => outcome::ALREADY_CONFIRMED,
            Refusal::AlreadyReleased => outcome::ALREADY_RELEASED,
            Refusal::ExtendRefused => outcome::EXTEND_REFUSED,
            Refusal::NotHeld => outcome::NOT_HELD,
            Refusal::NotConfirmed => outcome::NOT_CONFIRMED,
            Refusal::Overloaded { .. } => outcome::OVERLOADED,
            Refusal::Malformed => outcome::MALFORMED,
            Refusal::Unauthorized => outcome::UNAUTHORIZED,
            Refusal::Forbidden => outcome::FORBIDDEN,
            Refusal::TicketRefused { .. } => outcome::TICKET_REFUSED,
            Refusal::Other(number) => *number,
        })
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::PriceChanged { price } => write!(f, "price_changed to {price}"),
            Refusal::LimitReached { limit } => write!(f, "limit_reached: {limit} units"),
            Refusal::GroupLimitReached { group, limit } => {
                write!(f, "limit_reached: {limit} units in limit group {group}")
            }
            Refusal::Overloaded { retry_after_ms } => {
                write!(f, "overloaded: retry after {retry_after_ms} ms")
            }
            Refusal::TicketRefused { reason } => {
                let why = match reason {
                    1 => "missing",
                    2 => "malformed",
                    3 => "for another buyer",
                    4 => "for another sale, or its signature is wrong",
                    5 => "expired",
                    _ => "for a reason that this version does not know",
                };
                write!(f, "ticket_refused: {why}")
            }
            Refusal::Other(number) => write!(f, "refusal number {number}"),
            other => f.write_str(other.word()),
        }
    }
}

/// Reads one answer from its head cell and those behind it.
pub(super) fn decode(head: &Cell, tails: &[Cell]) -> Result<Answer> {
    if head.kind() == kind::STOCK_REPLY {
        let reply = head.stock_reply();
        return Ok(Answer::Stock(Stock {
            stock: reply.stock.to_native(),
            free: reply.free.to_native(),
            held: reply.held.to_native(),
            confirmed: reply.confirmed.to_native(),
            waiting: reply.waiting.to_native(),
        }));
    }
    if head.kind() != kind::REPLY {
        return Err(Error::Protocol("a cell that is no answer"));
    }
    let reply = head.reply();
    if outcome::is_refusal(reply.outcome) {
        let refusal = Refusal::from_reply(reply);
        let line = (reply.units.to_native() as usize).checked_sub(1);
        return Ok(match line {
            Some(line) => Answer::RefusedLine { refusal, line },
            None => Answer::Refused(refusal),
        });
    }
    if reply.outcome == outcome::OK {
        if reply.price.to_native() != 0 {
            let number = u8::try_from(reply.price.to_native());
            let number = number.map_err(|_| Error::Protocol("a channel's number past 8 bits"))?;
            return Ok(Answer::Channel(number));
        }
        let number = |wide: u64| {
            u16::try_from(wide).map_err(|_| Error::Protocol("a number of a name past 16 bits"))
        };
        let item =
            Item { sale: number(reply.order.to_native())?, item: number(reply.seq.to_native())? };
        return Ok(if item.sale == 0 { Answer::Pong } else { Answer::Item(item) });
    }
    let order = order(reply)?;
    match tails {
        [] => Ok(Answer::Order(order)),
        [record, texts @ ..] => shown(order, record.head(), texts).map(Answer::Shown),
    }
}

/// Reads a cell of news.
pub(super) fn decode_news(cell: &Cell) -> Result<OrderAnswer> {
    order(cell.reply())
}

fn order(reply: &Reply) -> Result<OrderAnswer> {
    let is_waiting = reply.outcome == outcome::WAITING;
    Ok(OrderAnswer {
        state: State::from_outcome(reply.outcome)
            .ok_or(Error::Protocol("a state that this version does not know"))?,
        order: reply.order.to_native(),
        seq: reply.seq.to_native(),
        units: reply.units.to_native(),
        price: reply.price.to_native(),
        expires_at: reply.expires_at.to_native(),
        expires_in_ms: if is_waiting { 0 } else { reply.expires_in_ms.to_native() },
        position: if is_waiting { reply.expires_in_ms.to_native() } else { 0 },
        replayed: reply.replayed != 0,
        receipt: reply.receipt(),
    })
}

fn shown(order: OrderAnswer, record: &Head, mut texts: &[Cell]) -> Result<ShownOrder> {
    let buyer = text(record.buyer(), &mut texts)?;
    let key = text(record.key(), &mut texts)?;
    let mut lines = Vec::new();
    if record.kind == kind::BASKET {
        while let Some((cell, rest)) = texts.split_first() {
            lines.extend(lines_in(cell));
            texts = rest;
        }
    }
    if !texts.is_empty() {
        return Err(Error::Protocol("cells that belong to nothing"));
    }
    let item = Item { sale: record.sale.to_native(), item: record.item.to_native() };
    Ok(ShownOrder { order, item, lines, buyer, key })
}

fn text(ident: Option<Ident>, texts: &mut &[Cell]) -> Result<String> {
    let ident = ident.ok_or(Error::Protocol("a form of text that this version does not know"))?;
    let mut buffer = [0; TEXT_BYTES_MAX];
    let mut length = ident.write_text(&mut buffer);
    if ident.form == Form::Long {
        let (tail, rest) =
            texts.split_first().ok_or(Error::Protocol("a long text without its cell"))?;
        *texts = rest;
        buffer = join_text(ident.bits, tail);
        length = text_len(&buffer);
    }
    std::str::from_utf8(&buffer[..length])
        .map(str::to_owned)
        .map_err(|_| Error::Protocol("a text that is not ASCII"))
}
