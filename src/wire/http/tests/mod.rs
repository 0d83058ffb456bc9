//! HTTP requests as bytes, and what is made of them, in one line each.

mod answers;
mod framing;
mod orders;
mod routes;
mod sales;
mod streams;

use super::*;
use crate::message::{NO_MAX_PRICE, kind, line_cells};
use crate::sale::Ident;

/// A whole request for a new order of the sale `drop` under the key `k`.
pub(super) fn post(body: &str) -> String {
    format!(
        "POST /v1/sales/drop/orders HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// What one look at the bytes gives.
#[track_caller]
pub(super) fn seen(input: impl AsRef<[u8]>) -> String {
    let mut scratch = Scratch::new();
    let rooms = (scratch.body.capacity(), scratch.text.0.capacity());
    let seen = shown(&read(input.as_ref(), &mut scratch));
    assert_eq!((scratch.body.capacity(), scratch.text.0.capacity()), rooms, "it never grows");
    seen
}

/// The whole of a head without a body, shown.
#[track_caller]
pub(super) fn asked(line: &str) -> String {
    seen(format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n"))
}

pub(super) fn shown(read: &Read<'_>) -> String {
    match read {
        Read::Partial { expects: false } => "partial".into(),
        Read::Partial { expects: true } => "partial, expects".into(),
        Read::Blank => "blank".into(),
        Read::Broken(fault) => format!("broken {}", said(fault)),
        Read::Whole(request) => meant(&request.meaning),
    }
}

fn said(fault: &Fault) -> String {
    let problem = fault.problem();
    format!("{} {}: {}", problem.status, problem.word, problem.detail)
}

fn meant(meaning: &Meaning<'_>) -> String {
    let ask = match meaning {
        Meaning::Ask(ask) => ask,
        Meaning::Document(text) => return format!("document of {}", text.len()),
        Meaning::Heads => return "heads".to_owned(),
        Meaning::Options(allow) => return format!("options {allow}"),
        Meaning::Fault(fault) => return said(fault),
    };
    let head = ask.head;
    let name = match head.kind {
        kind::BUY => "BUY",
        kind::CONFIRM => "CONFIRM",
        kind::RELEASE => "RELEASE",
        kind::BASKET => "BASKET",
        kind::EXTEND => "EXTEND",
        kind::CANCEL => "CANCEL",
        kind::ORDER => "ORDER",
        kind::ORDER_BY_KEY => "ORDER_BY_KEY",
        kind::SALE => "SALE",
        _ => "?",
    };
    assert_eq!(head.is_full(), (kind::BUY..=kind::BASKET).contains(&head.kind));
    let texts = [ask.long_buyer, ask.long_key];
    let long = texts.iter().filter(|text| !text.is_empty()).count();
    let tails = long + line_cells(ask.lines.len());
    assert_eq!(usize::from(head.tails.to_native()), tails, "long texts, and the cells of lines");
    let mut line = format!("{name} {}", ask.sale.escape_ascii());
    let ident = |ident: Option<Ident>, long: &[u8]| {
        let mut text = [0; 64];
        let len = ident.expect("a known form").write_text(&mut text);
        let text = if long.is_empty() { &text[..len] } else { long };
        String::from_utf8(text.to_vec()).expect("ASCII")
    };
    for index in 0..ask.lines.len() {
        let (item, units) = ask.lines.line(index);
        line += &format!("/{} x{units}", item.escape_ascii());
    }
    if head.kind == kind::BASKET && head.price.to_native() != NO_MAX_PRICE {
        line += &format!(" at {}", head.price);
    }
    if head.kind == kind::BUY {
        line += &format!("/{} x{}", ask.item.escape_ascii(), head.units);
        line += if head.is_up_to() { " up to" } else { "" };
        if head.price.to_native() != NO_MAX_PRICE {
            line += &format!(" at {}", head.price);
        }
    }
    line += if head.is_waiting() { " or waits" } else { "" };
    if !ask.named.channel.is_empty() {
        line += &format!(" by {}", ask.named.channel.escape_ascii());
    }
    for (group, member) in ask.named.groups() {
        line += &format!(" {}:{}", group.escape_ascii(), member.escape_ascii());
    }
    let buyer = ident(head.buyer(), ask.long_buyer);
    if !buyer.is_empty() {
        line += &format!(" for {buyer}");
    }
    match head.kind {
        kind::BUY | kind::BASKET | kind::ORDER_BY_KEY => {
            line += &format!(" key {}", ident(head.key(), ask.long_key))
        }
        kind::SALE => {}
        _ => line += &format!(" order {}", head.order()),
    }
    line
}
