//! The matcher's answers in RESP.
//!
//! Each function appends one whole reply. They decide nothing: what the outcome is has been
//! decided, and the caller has seen to it that it may be told.
//!
//! Invariant: one call, one RESP value.

use super::scribe::Scribe;
use super::{push_decimal, push_moment};
use crate::access::{Denied, Refused};
use crate::message::{Cell, Reply, StockReply, join_text, kind, lines_in, outcome};
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

/// Answers `BASKET`: as [`buy`], units and price in all; a refusal has the name of the item that it
/// is about behind what helps, if it is about one.
pub fn basket(reply: &Reply, item: &str, out: &mut Vec<u8>) {
    if item.is_empty() {
        return buy(reply, out);
    }
    let word = outcome::word(reply.outcome).as_bytes();
    let mut line: Scribe = Scribe::new();
    match reply.outcome {
        outcome::PRICE_CHANGED | outcome::LIMIT_REACHED => {
            line.text(b"*3\r\n").bulk(word).integer(reply.price.to_native())
        }
        _ => line.text(b"*2\r\n").bulk(word),
    };
    line.bulk(item.as_bytes()).append_to(out);
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
    out.extend_from_slice(if resp3 { b"%12\r\n" } else { b"*24\r\n" });
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
mod tests {
    use super::*;
    use crate::message::{Head, encode_lines, text_tail};
    use bytemuck::Zeroable;

    fn shown(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("ASCII").replace("\r\n", " ")
    }

    fn reply(outcome: u8) -> Reply {
        Reply {
            kind: kind::REPLY,
            outcome,
            order: 42.into(),
            seq: 43.into(),
            units: 1.into(),
            price: 2500.into(),
            expires_in_ms: 120_000.into(),
            ..Reply::zeroed()
        }
    }

    #[test]
    fn answers_are_the_arrays_of_the_contract() {
        assert_eq!(
            shown(|out| buy(&reply(outcome::HELD), out)),
            "*6 $4 held :42 :43 :1 :2500 :120000 "
        );
        assert_eq!(
            shown(|out| buy(&reply(outcome::WAITING), out)),
            "*7 $7 waiting :42 :43 :1 :2500 :0 :120000 "
        );
        for state in (outcome::CONFIRMED..=outcome::CANCELLED).chain([outcome::LEFT]) {
            let word = outcome::word(state);
            let start = format!("*6 ${} {word} :42 ", word.len());
            assert!(shown(|out| buy(&reply(state), out)).starts_with(&start));
        }
        let held = Reply { after: 77.into(), ..reply(outcome::HELD) };
        assert_eq!(
            shown(|out| news(&held, "drop", out)),
            ">8 $5 order $4 drop :42 $4 held :77 :1 :2500 :120000 "
        );
        assert!(shown(|out| news(&reply(4), &"x".repeat(64), out)).ends_with(" :0 :1 :2500 :0 "));
        assert_eq!(shown(|out| change(&reply(2), out)), "*3 $9 confirmed :42 :43 ");
        assert_eq!(shown(|out| buy(&reply(outcome::SOLD_OUT), out)), "*1 $8 sold_out ");
        assert_eq!(
            shown(|out| buy(&reply(outcome::PRICE_CHANGED), out)),
            "*2 $13 price_changed :2500 "
        );
        assert_eq!(
            shown(|out| basket(&reply(outcome::LIMIT_REACHED), "tee", out)),
            "*3 $13 limit_reached :2500 $3 tee "
        );
        assert_eq!(shown(|out| basket(&reply(40), "", out)), "*1 $8 sold_out ");
        assert_eq!(shown(|out| basket(&reply(40), "tee", out)), "*2 $8 sold_out $3 tee ");
        assert_eq!(shown(|out| unknown_item(b"hat", out)), "*2 $12 unknown_item $3 hat ");
        assert_eq!(
            shown(|out| change(&reply(outcome::UNKNOWN_ORDER), out)),
            "*1 $13 unknown_order "
        );
        assert_eq!(
            shown(|out| buy(&reply(outcome::OVERLOADED), out)),
            "-BUSY retry after 2500 ms "
        );
        let stocked = StockReply { stock: 9.into(), free: 4.into(), ..StockReply::zeroed() };
        assert_eq!(shown(|out| stock(&stocked, out)), "*5 :9 :4 :0 :0 :0 ");
    }

    #[test]
    fn an_order_is_shown_with_its_texts_unchanged() {
        let key = b"a-key-that-is-longer-than-sixteen";
        let mut head = Head::new(kind::BUY);
        head.set_buyer(Ident::parse(b"77").expect("good"));
        head.set_key(Ident::parse(key).expect("good"));
        head.units = 2.into();
        head.price = 100.into();
        let mut reply = reply(outcome::HELD);
        reply.expires_at = 1_795_809_720_123_000_000.into();
        head.item = 1.into();
        let items = ["tee", "cap"].map(|name| Name::parse(name.as_bytes()).expect("a name"));
        let tails = [head.into(), text_tail(key)];
        let order_of = |reply: &Reply, resp3| {
            let shown_order = Shown { reply, tails: &tails, sale: "drop", items: &items };
            shown(|out| order(&shown_order, resp3, out))
        };
        assert_eq!(
            order_of(&reply, true),
            "%12 $5 order :42 $3 seq :43 $4 sale $4 drop $5 state $4 held $5 buyer $2 77 $3 key \
             $33 a-key-that-is-longer-than-sixteen $4 item $3 tee $5 units :2 $5 price :100 \
             $13 expires_in_ms :120000 $10 expires_at $24 2026-11-27T20:02:00.123Z $8 position _ "
        );
        let lines = [OrderLine::new(2, 1, 900), OrderLine::new(1, 2, 50)];
        head.kind = kind::BASKET;
        let tails = [head.into(), text_tail(key), encode_lines(&lines)];
        let shown_order = Shown { reply: &reply, tails: &tails, sale: "drop", items: &items };
        assert!(
            shown(|out| order(&shown_order, true, out)).contains(
                "$5 lines *2 *3 $3 cap :1 :900 *3 $3 tee :2 :50 $5 units :2 $5 price :100 "
            )
        );
        reply.expires_at = 0.into();
        assert!(order_of(&reply, false).starts_with("*24 $5 order"));
        assert!(order_of(&reply, false).ends_with("$10 expires_at $-1 $8 position $-1 "));
    }
}
