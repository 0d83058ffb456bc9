//! The matcher's answers in RESP.
//!
//! Each function appends one whole reply. They decide nothing: what the outcome is has been
//! decided, and the caller has seen to it that it may be told.
//!
//! Invariant: one call, one RESP value.

use super::scribe::Scribe;
use super::{push_decimal, push_moment};
use crate::access::{Denied, Refused};
use crate::message::{Cell, Receipt, Reply, StockReply, join_text, kind, lines_in, outcome};
use crate::sale::{Form, Ident, Name, OrderLine, TEXT_BYTES_MAX, text_len};

/// While the journal is replayed.
pub const LOADING: &[u8] = b"-LOADING doorbuster is replaying its journal\r\n";
/// To a connection above the limit.
pub const TOO_MANY_CLIENTS: &[u8] = b"-ERR max number of clients reached\r\n";

/// Answers `BUY`: `[state, order, seq, units, price, expires_in_ms]`, with the place behind if it
/// waits, or a refusal.
#[inline]
pub fn buy(reply: &Reply, out: &mut Vec<u8>) {
    let start: &[u8] = match reply.outcome {
        outcome::HELD => b"*6\r\n$4\r\nheld\r\n:",
        outcome::CONFIRMED => b"*6\r\n$9\r\nconfirmed\r\n:",
        outcome::RELEASED => b"*6\r\n$8\r\nreleased\r\n:",
        outcome::EXPIRED => b"*6\r\n$7\r\nexpired\r\n:",
        outcome::CANCELLED => b"*6\r\n$9\r\ncancelled\r\n:",
        outcome::WAITING => b"*7\r\n$7\r\nwaiting\r\n:",
        outcome::LEFT => b"*6\r\n$4\r\nleft\r\n:",
        _ => return refusal(reply, out),
    };
    let mut line: Scribe = Scribe::new();
    line.text(start).decimal(reply.order.to_native());
    line.text(b"\r\n:").decimal(reply.seq.to_native());
    line.text(b"\r\n:").decimal(u64::from(reply.units.to_native()));
    line.text(b"\r\n:").decimal(reply.price.to_native());
    if reply.outcome == outcome::WAITING {
        line.text(b"\r\n:0");
    }
    line.text(b"\r\n:").decimal(u64::from(reply.expires_in_ms.to_native()));
    line.text(b"\r\n").append_to(out);
}

/// Pushes, in RESP3, what has become of an order that was waited for:
/// `[order, sale, id, state, seq, units, price, expires_in_ms]`. The seq is the newest that this
/// was decided from; the change lies there or before.
pub fn news(reply: &Reply, sale: &str, out: &mut Vec<u8>) {
    let is_held = reply.outcome == outcome::HELD;
    let left_ms = if is_held { reply.expires_in_ms.to_native() } else { 0 };
    let mut line: Scribe = Scribe::new();
    line.text(b">8\r\n").bulk(b"order").bulk(sale.as_bytes());
    line.integer(reply.order.to_native()).bulk(outcome::word(reply.outcome).as_bytes());
    line.integer(reply.after.to_native()).integer(u64::from(reply.units.to_native()));
    line.integer(reply.price.to_native()).integer(u64::from(left_ms)).append_to(out);
}

/// What a refusal is about, if it is not about the whole purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// The whole purchase.
    All,
    /// A line of a basket: the name of its item.
    Item(&'a str),
    /// The limit group of this name.
    Group(&'a str),
}

/// Answers `BUY` or `BASKET` as [`buy`] does, of a basket units and price in all; a refusal has the
/// name of what it is about behind what helps.
#[inline]
pub fn purchase(reply: &Reply, subject: Subject<'_>, out: &mut Vec<u8>) {
    match subject {
        Subject::All => buy(reply, out),
        Subject::Item(name) | Subject::Group(name) => refusal_about(reply, name, out),
    }
}

#[cold]
fn refusal_about(reply: &Reply, name: &str, out: &mut Vec<u8>) {
    let word = outcome::word(reply.outcome).as_bytes();
    let mut line: Scribe = Scribe::new();
    match reply.outcome {
        outcome::PRICE_CHANGED | outcome::LIMIT_REACHED => {
            line.text(b"*3\r\n").bulk(word).integer(reply.price.to_native())
        }
        _ => line.text(b"*2\r\n").bulk(word),
    };
    line.bulk(name.as_bytes()).append_to(out);
}

/// Answers a `BASKET` that names an item which the sale does not have.
pub fn unknown_item(item: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"*2\r\n");
    push_bulk(outcome::word(outcome::UNKNOWN_ITEM).as_bytes(), out);
    push_bulk(item, out);
}

/// Answers `CONFIRM`, `RELEASE`, `EXTEND` and `CANCEL`: `[state, order, seq]` or a refusal.
pub fn change(reply: &Reply, out: &mut Vec<u8>) {
    if outcome::is_refusal(reply.outcome) {
        return refusal(reply, out);
    }
    let mut line: Scribe = Scribe::new();
    line.text(b"*3\r\n").bulk(outcome::word(reply.outcome).as_bytes());
    line.integer(reply.order.to_native()).integer(reply.seq.to_native()).append_to(out);
}

/// Makes the receipt the last element of the array that was appended from `start` on; null if its
/// chain value is not at hand.
pub fn add_receipt(start: usize, receipt: Option<Receipt>, resp3: bool, out: &mut Vec<u8>) {
    let length = &mut out[start + 1];
    assert!((b'1'..b'9').contains(length), "an answer about an order has three to seven elements");
    *length += 1;
    push_receipt(receipt, resp3, out);
}

fn push_receipt(receipt: Option<Receipt>, resp3: bool, out: &mut Vec<u8>) {
    match receipt {
        Some(receipt) => push_bulk(&receipt.digits(), out),
        None => out.extend_from_slice(if resp3 { b"_\r\n" } else { b"$-1\r\n" }),
    }
}

/// Appends a refusal: an array of its word and what helps, or `-BUSY`.
pub fn refusal(reply: &Reply, out: &mut Vec<u8>) {
    let word = outcome::word(reply.outcome).as_bytes();
    let price = reply.price.to_native();
    let mut line: Scribe = Scribe::new();
    match reply.outcome {
        outcome::SOLD_OUT => line.text(b"*1\r\n$8\r\nsold_out\r\n"),
        outcome::OVERLOADED => line.text(b"-BUSY retry after ").decimal(price).text(b" ms\r\n"),
        outcome::PRICE_CHANGED | outcome::LIMIT_REACHED => {
            line.text(b"*2\r\n").bulk(word).integer(price)
        }
        _ => line.text(b"*1\r\n").bulk(word),
    };
    line.append_to(out);
}

/// Appends why a request does not get as far as the matcher. `command` is its name.
#[cold]
pub fn turned_away(refused: Refused, command: &[u8], out: &mut Vec<u8>) {
    let text = match refused {
        Refused::Denied(Denied::NoToken | Denied::WrongToken) => {
            "-NOAUTH Authentication required.".into()
        }
        Refused::Denied(Denied::WrongRole) => {
            let command = command.to_ascii_lowercase();
            let command = command.escape_ascii();
            format!("-NOPERM this token has no permission to run the '{command}' command")
        }
        Refused::Ticket(why) => format!("-NOPERM ticket {why}"),
        Refused::Busy { retry_after_ms } => format!("-BUSY retry after {retry_after_ms} ms"),
    };
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Answers `STOCK`: `[stock, free, held, confirmed, waiting]`.
pub fn stock(reply: &StockReply, out: &mut Vec<u8>) {
    let mut line: Scribe = Scribe::new();
    line.text(b"*5\r\n").integer(reply.stock.to_native()).integer(reply.free.to_native());
    line.integer(reply.held.to_native()).integer(reply.confirmed.to_native());
    line.integer(reply.waiting.to_native()).append_to(out);
}

/// An order to be shown.
pub struct Shown<'a> {
    /// The answer.
    pub reply: &'a Reply,
    /// What proves the change that it tells of, if that is at hand.
    pub receipt: Option<Receipt>,
    /// The order's own head, its long texts and its lines.
    pub tails: &'a [Cell],
    /// The sale's name.
    pub sale: &'a str,
    /// The names of the sale's items, in the order of their numbers.
    pub items: &'a [Name],
}

impl Shown<'_> {
    /// The name of an item.
    pub fn item(&self, number: u16) -> &str {
        let name = self.items.get(usize::from(number).wrapping_sub(1));
        name.map_or("", |name| name.as_str())
    }

    /// What is left of its hold, ms, and its place among those who wait, 0 if it does not.
    pub fn times(&self) -> (u64, u64) {
        let number = u64::from(self.reply.expires_in_ms.to_native());
        if self.reply.outcome == outcome::WAITING { (0, number) } else { (number, 0) }
    }

    /// The lines of a basket; none of an order of one item.
    pub fn lines(&self) -> impl Iterator<Item = OrderLine> {
        self.tails.iter().filter(|cell| cell.kind() == kind::LINES).flat_map(lines_in)
    }
}

/// Answers `ORDER` with all that is known of it: a map in RESP3, a flat array in RESP2. A basket
/// has `lines` of item, units and price where other orders have `item`; its price is that of all.
pub fn order(shown: &Shown<'_>, resp3: bool, out: &mut Vec<u8>) {
    let Shown { reply, tails, sale, .. } = shown;
    let Some((head, texts)) = tails.split_first() else { return refusal(reply, out) };
    let head = head.head();
    let mut texts = texts.iter();
    let (buyer, key) = (head.buyer(), head.key());
    out.extend_from_slice(if resp3 { b"%13\r\n" } else { b"*26\r\n" });
    integer_field("order", reply.order.to_native(), out);
    integer_field("seq", reply.seq.to_native(), out);
    text_field("sale", sale.as_bytes(), out);
    text_field("state", outcome::word(reply.outcome).as_bytes(), out);
    ident_field("buyer", buyer, &mut texts, out);
    ident_field("key", key, &mut texts, out);
    if head.kind == kind::BASKET {
        push_bulk(b"lines", out);
        array(shown.lines().count() as u64, out);
        for line in shown.lines() {
            array(3, out);
            push_bulk(shown.item(line.item).as_bytes(), out);
            push_integer(u64::from(line.units), out);
            push_integer(line.price, out);
        }
    } else {
        text_field("item", shown.item(head.item.to_native()).as_bytes(), out);
    }
    integer_field("units", u64::from(head.units.to_native()), out);
    integer_field("price", head.price.to_native(), out);
    let (left_ms, position) = shown.times();
    integer_field("expires_in_ms", left_ms, out);
    match reply.expires_at.to_native() {
        0 => {
            push_bulk(b"expires_at", out);
            out.extend_from_slice(if resp3 { b"_\r\n" } else { b"$-1\r\n" });
        }
        expires_at => {
            push_bulk(b"expires_at", out);
            out.extend_from_slice(b"$24\r\n");
            push_moment(expires_at, out);
            out.extend_from_slice(b"\r\n");
        }
    }
    match position {
        0 => {
            push_bulk(b"position", out);
            out.extend_from_slice(if resp3 { b"_\r\n" } else { b"$-1\r\n" });
        }
        position => integer_field("position", position, out),
    }
    push_bulk(b"receipt", out);
    push_receipt(shown.receipt, resp3, out);
}

fn ident_field<'a>(
    name: &str,
    ident: Option<Ident>,
    texts: &mut impl Iterator<Item = &'a Cell>,
    out: &mut Vec<u8>,
) {
    let ident = ident.unwrap_or(Ident::NONE);
    let mut text = [0; TEXT_BYTES_MAX];
    let mut len = ident.write_text(&mut text);
    if ident.form == Form::Long
        && let Some(tail) = texts.next()
    {
        text = join_text(ident.bits, tail);
        len = text_len(&text);
    }
    text_field(name, &text[..len], out);
}

fn text_field(name: &str, text: &[u8], out: &mut Vec<u8>) {
    push_bulk(name.as_bytes(), out);
    push_bulk(text, out);
}

fn integer_field(name: &str, value: u64, out: &mut Vec<u8>) {
    push_bulk(name.as_bytes(), out);
    push_integer(value, out);
}

fn array(len: u64, out: &mut Vec<u8>) {
    out.push(b'*');
    push_decimal(len, out);
    out.extend_from_slice(b"\r\n");
}

fn push_integer(value: u64, out: &mut Vec<u8>) {
    out.push(b':');
    push_decimal(value, out);
    out.extend_from_slice(b"\r\n");
}

/// Appends a bulk string.
pub fn push_bulk(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'$');
    push_decimal(text.len() as u64, out);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
