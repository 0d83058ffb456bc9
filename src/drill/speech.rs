//! What scripted buyers say, in all three protocols, and what they understand.
//!
//! It is no client for anybody else: it knows the few answers that there are, and anything it does
//! not understand is an error. It touches no line.

use crate::message::{CELL_BYTES, Cell, Head, NO_MAX_PRICE, UP_TO, WAITS, encode_lines, kind};
use crate::message::{outcome, text_tail};
use crate::sale::{Form, Ident, OrderLine};

/// What a buyer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Binary,
    Resp,
    Http,
}

/// For whom something is bought, and under which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) buyer: String,
    pub(super) key: String,
}

/// What a buyer asks. Sales and items go by their numbers, which are in their names too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Buy { of: Who, sale: u16, item: u16, units: u32, max: u64, up_to: bool, waits: bool },
    Basket { of: Who, sale: u16, lines: Vec<(u16, u32)>, waits: bool },
    Change { sale: u16, kind: u8, order: u64 },
    Order { sale: u16, order: u64 },
    Stock { sale: u16, item: u16 },
}

/// What a buyer hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// See [`outcome`].
    pub(super) outcome: u8,
    /// The order's id, if it is about one.
    pub(super) order: u64,
}

pub(super) const HELLO: [u8; 2] = [kind::HELLO, 1];

/// The name of a sale.
pub(super) fn sale_name(sale: u16) -> String {
    format!("drop-{sale}")
}

/// The name of an item.
pub(super) fn item_name(item: u16) -> String {
    format!("item-{item}")
}

impl Protocol {
    /// Appends a request.
    pub(super) fn say(self, ask: &Ask, out: &mut Vec<u8>) {
        match self {
            Protocol::Binary => binary(ask, out),
            Protocol::Resp => resp(ask, out),
            Protocol::Http => http(ask, out),
        }
    }

    /// The first answer in `heard`, with its length; `None` if it is not whole.
    ///
    /// # Errors
    /// A sentence, if it is none.
    pub(super) fn hear(self, heard: &[u8]) -> Result<Option<(usize, Option<Told>)>, String> {
        match self {
            Protocol::Binary => Ok(heard_binary(heard)),
            Protocol::Resp => heard_resp(heard),
            Protocol::Http => heard_http(heard),
        }
    }
}

fn binary(ask: &Ask, out: &mut Vec<u8>) {
    let mut tails: Vec<Cell> = Vec::new();
    let mut ident = |text: &str| {
        let ident = Ident::parse(text.as_bytes()).expect("the script has good names only");
        if ident.form == Form::Long {
            tails.push(text_tail(text.as_bytes()));
        }
        ident
    };
    let mut head = match ask {
        Ask::Buy { of: Who { buyer, key }, sale, item, units, max, up_to, waits } => {
            let mut head = Head::new(kind::BUY);
            (head.sale, head.item) = ((*sale).into(), (*item).into());
            (head.units, head.price) = ((*units).into(), (*max).into());
            head.set_buyer(ident(buyer));
            head.set_key(ident(key));
            head.options |= if *up_to { UP_TO } else { 0 } | if *waits { WAITS } else { 0 };
            head
        }
        Ask::Basket { of: Who { buyer, key }, sale, lines, waits } => {
            let mut head = Head::new(kind::BASKET);
            (head.sale, head.price) = ((*sale).into(), NO_MAX_PRICE.into());
            head.set_buyer(ident(buyer));
            head.set_key(ident(key));
            head.options |= if *waits { WAITS } else { 0 };
            let lines: Vec<OrderLine> =
                lines.iter().map(|(item, units)| OrderLine::new(*item, *units, 0)).collect();
            tails.extend(lines.chunks(3).map(encode_lines));
            head
        }
        Ask::Change { sale, kind, order } => order_head(*kind, *sale, *order),
        Ask::Order { sale, order } => order_head(kind::ORDER, *sale, *order),
        Ask::Stock { sale, item } => {
            Head { sale: (*sale).into(), item: (*item).into(), ..Head::new(kind::STOCK) }
        }
    };
    head.tails = (tails.len() as u16).into();
    out.extend(Cell::from(head).0);
    tails.iter().for_each(|tail| out.extend(tail.0));
}

fn order_head(kind: u8, sale: u16, order: u64) -> Head {
    let mut head = Head { sale: sale.into(), ..Head::new(kind) };
    head.set_order(order);
    head
}

fn heard_binary(heard: &[u8]) -> Option<(usize, Option<Told>)> {
    let bytes = heard.get(..CELL_BYTES)?;
    let mut cell = Cell::ZERO;
    cell.0.copy_from_slice(bytes);
    if matches!(cell.kind(), kind::HELLO | kind::NEWS) {
        return Some((CELL_BYTES, None));
    }
    let bytes = CELL_BYTES * (1 + cell.reply_tails());
    if heard.len() < bytes {
        return None;
    }
    let reply = cell.reply();
    let order = if cell.kind() == kind::REPLY && !outcome::is_refusal(reply.outcome) {
        reply.order.to_native()
    } else {
        0
    };
    Some((bytes, Some(Told { outcome: reply.outcome, order })))
}

fn resp(ask: &Ask, out: &mut Vec<u8>) {
    let mut words: Vec<String> = Vec::new();
    match ask {
        Ask::Buy { of: Who { buyer, key }, sale, item, units, max, up_to, waits } => {
            words.extend(["BUY".to_owned(), sale_name(*sale), item_name(*item)]);
            words.extend([buyer.clone(), key.clone(), "UNITS".to_owned(), units.to_string()]);
            if *max != NO_MAX_PRICE {
                words.extend(["MAXPRICE".to_owned(), max.to_string()]);
            }
            words.extend(up_to.then(|| "UPTO".to_owned()));
            words.extend(waits.then(|| "WAIT".to_owned()));
        }
        Ask::Basket { of: Who { buyer, key }, sale, lines, waits } => {
            words.extend(["BASKET".to_owned(), sale_name(*sale), buyer.clone(), key.clone()]);
            for (item, units) in lines {
                words.extend([item_name(*item), units.to_string()]);
            }
            words.extend(waits.then(|| "WAIT".to_owned()));
        }
        Ask::Change { sale, kind, order } => {
            words.extend([verb(*kind).to_uppercase(), sale_name(*sale), order.to_string()]);
        }
        Ask::Order { sale, order } => {
            words.extend(["ORDER".to_owned(), sale_name(*sale), order.to_string()]);
        }
        Ask::Stock { sale, item } => {
            words.extend(["STOCK".to_owned(), sale_name(*sale), item_name(*item)]);
        }
    }
    out.extend(format!("*{}\r\n", words.len()).bytes());
    for word in words {
        out.extend(format!("${}\r\n{word}\r\n", word.len()).bytes());
    }
}

fn verb(number: u8) -> &'static str {
    match number {
        kind::CONFIRM => "confirm",
        kind::RELEASE => "release",
        kind::EXTEND => "extend",
        _ => "cancel",
    }
}

/// The lines of a RESP answer: all of it is read as words, an array's first two decide.
fn heard_resp(heard: &[u8]) -> Result<Option<(usize, Option<Told>)>, String> {
    let (mut at, mut words) = (0, Vec::new());
    let mut left = 1_usize;
    while left > 0 {
        let Some(end) = heard[at..].windows(2).position(|pair| pair == b"\r\n") else {
            return Ok(None);
        };
        let line = String::from_utf8_lossy(&heard[at..at + end]).into_owned();
        at += end + 2;
        left -= 1;
        let number = |text: &str| text.parse::<usize>().map_err(|_| format!("no RESP: {line:?}"));
        match line.split_at_checked(1) {
            Some(("*", count)) => left += number(count)?,
            Some(("$", "-1")) => words.push(String::new()),
            Some(("$", bytes)) => {
                let bytes = number(bytes)?;
                if heard.len() < at + bytes + 2 {
                    return Ok(None);
                }
                words.push(String::from_utf8_lossy(&heard[at..at + bytes]).into_owned());
                at += bytes + 2;
            }
            Some((":", value)) => words.push(value.to_owned()),
            Some(("-", why)) if why.starts_with("BUSY") => words.push("overloaded".to_owned()),
            _ => return Err(format!("no answer that a buyer knows: {line:?}")),
        }
    }
    // An order in full is told in pairs, stock in numbers.
    let of = |name: &str| words.iter().position(|word| word == name).map(|at| &words[at + 1]);
    let is_order = words.first().is_some_and(|word| word == "order");
    let state = if is_order { of("state") } else { words.first() };
    let order = if is_order { of("order") } else { words.get(1) };
    let state = state.cloned().unwrap_or_default();
    let told = if state.parse::<u64>().is_ok() { outcome::OK } else { number_of(&state)? };
    let order = order.and_then(|word| word.parse().ok());
    let order = if outcome::is_refusal(told) || told == outcome::OK { None } else { order };
    Ok(Some((at, Some(Told { outcome: told, order: order.unwrap_or(0) }))))
}

fn number_of(word: &str) -> Result<u8, String> {
    let found = (0..=outcome::TICKET_REFUSED).find(|number| outcome::word(*number) == word);
    found.ok_or_else(|| format!("no outcome that a buyer knows: {word:?}"))
}

fn http(ask: &Ask, out: &mut Vec<u8>) {
    let (method, path, key, body) = match ask {
        Ask::Buy { of: Who { buyer, key }, sale, item, units, max, up_to, waits } => {
            let mut body = serde_json::json!({
                "item": item_name(*item), "units": units, "buyer": buyer, "wait": waits,
            });
            if *max != NO_MAX_PRICE {
                body["max_price"] = (*max).into();
            }
            if *up_to {
                body["fill"] = "up_to".into();
            }
            ("POST", format!("/v1/sales/{}/orders", sale_name(*sale)), Some(key), body)
        }
        Ask::Basket { of: Who { buyer, key }, sale, lines, waits } => {
            let line = |line: &(u16, u32)| {
                let (item, units) = (item_name(line.0), line.1);
                serde_json::json!({ "item": item, "units": units })
            };
            let lines: Vec<_> = lines.iter().map(line).collect();
            let body = serde_json::json!({ "lines": lines, "buyer": buyer, "wait": waits });
            ("POST", format!("/v1/sales/{}/orders", sale_name(*sale)), Some(key), body)
        }
        Ask::Change { sale, kind, order } => {
            let path = format!("/v1/sales/{}/orders/{order}/{}", sale_name(*sale), verb(*kind));
            ("POST", path, None, serde_json::Value::Null)
        }
        Ask::Order { sale, order } => {
            let path = format!("/v1/sales/{}/orders/{order}", sale_name(*sale));
            ("GET", path, None, serde_json::Value::Null)
        }
        Ask::Stock { sale, .. } => {
            ("GET", format!("/v1/sales/{}", sale_name(*sale)), None, serde_json::Value::Null)
        }
    };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let key = key.map_or(String::new(), |key| format!("Idempotency-Key: {key}\r\n"));
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: drill\r\n{key}Content-Length: {length}");
    out.extend(format!("{head}\r\n\r\n{body}").bytes());
}

fn heard_http(heard: &[u8]) -> Result<Option<(usize, Option<Told>)>, String> {
    let Some(end) = heard.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&heard[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default().to_owned();
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let length = length.ok_or_else(|| format!("no length: {head:?}"))?;
    let Some(body) = heard.get(end + 4..end + 4 + length) else { return Ok(None) };
    let body: serde_json::Value =
        serde_json::from_slice(body).map_err(|why| format!("{status}: {why}"))?;
    let urn = body["type"].as_str().and_then(|urn| urn.strip_prefix("urn:doorbuster:"));
    let told = match (urn, body["order"].as_str()) {
        (Some(word), _) => Told { outcome: number_of(word)?, order: 0 },
        (None, Some(order)) => Told {
            outcome: number_of(body["state"].as_str().unwrap_or_default())?,
            order: order.parse().map_err(|_| format!("no order's id: {order:?}"))?,
        },
        (None, None) => Told { outcome: outcome::OK, order: 0 },
    };
    Ok(Some((end + 4 + length, Some(told))))
}
