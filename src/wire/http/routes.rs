//! Which path and method ask for what.
//!
//! The table of routes stands in [`read`], one arm a path; what a route takes from its body and its
//! headers is read here too. It resolves no names: which numbers a sale and an item have is for the
//! caller to fill in.
//!
//! Invariant: an [`Ask`] that comes out of here keeps the bounds of the house and asks to be
//! answered in full.

use super::fault::{Fault, Shown};
use super::head::Head;
use super::target::{self, Target};
use super::{Manner, Meaning, Sent, SentLine, Span, Text, order};
use crate::limits::BASKET_LINES_MAX;
use crate::message::{self, FULL, UP_TO, WAITS, kind, line_cells};
use crate::sale::{Form, Ident};
use crate::wire::commands::{Ask, Lines};

/// The description of all routes, served at `/openapi.json`.
pub const OPENAPI: &str = include_str!("../openapi.json");

const LOOK: &str = "GET, HEAD, OPTIONS";
const LOOK_AND_MAKE: &str = "GET, HEAD, POST, OPTIONS";
const MAKE: &str = "POST, OPTIONS";
const ALL: &str = "GET, HEAD, POST, OPTIONS";

/// Understands a whole request.
///
/// # Errors
/// When it makes no sense; the connection goes on behind it.
pub(super) fn read<'a>(
    head: &mut Head<'a>,
    body: &'a [u8],
    text: &'a mut Text,
    lines: &'a mut [SentLine; BASKET_LINES_MAX],
) -> Result<Meaning<'a>, Fault> {
    let target = target::read(head.target, text)?;
    if target.is_server {
        return match head.method {
            b"OPTIONS" => Ok(Meaning::Options(ALL)),
            _ => Err(Fault::bad_request("the target * goes with OPTIONS only")),
        };
    }
    let sent = head.target;
    let mut names: [&[u8]; target::SEGMENTS_MAX] = [&[]; target::SEGMENTS_MAX];
    for (index, name) in names.iter_mut().enumerate() {
        *name = target.segment(index).of(sent, text);
    }
    match (target.count, names) {
        (4, [b"v1", b"sales", _, b"orders", ..]) => orders(head, &target, body, text, lines),
        (6, [b"v1", b"sales", _, b"orders", _, b"events"]) => {
            let meaning = look(head, &target, text, kind::ORDER)?;
            let is_asked = matches!(meaning, Meaning::Ask(_));
            head.manner.set(Manner::STREAM, is_asked);
            // The stream ends with its connection, and this with the stream.
            head.manner.set(Manner::CLOSE, is_asked);
            Ok(meaning)
        }
        (6, [b"v1", b"sales", _, b"orders", _, verb]) => {
            let kind = match verb {
                b"confirm" => kind::CONFIRM,
                b"release" => kind::RELEASE,
                b"extend" => kind::EXTEND,
                b"cancel" => kind::CANCEL,
                _ => return Err(nothing_there(sent)),
            };
            change(head, &target, kind, body, text)
        }
        (5, [b"v1", b"sales", _, b"orders", ..]) => look(head, &target, text, kind::ORDER),
        (3, [b"v1", b"sales", ..]) => look(head, &target, text, kind::SALE),
        (2, [b"v1", b"heads", ..]) => fixed(head, &target, text, Meaning::Heads),
        (1, [b"openapi.json", ..]) => fixed(head, &target, text, Meaning::Document(OPENAPI)),
        _ => Err(nothing_there(sent)),
    }
}

#[cold]
fn nothing_there(target: &[u8]) -> Fault {
    let detail =
        format!("there is nothing at {}; orders are at /v1/sales/{{sale}}/orders", Shown(target));
    Fault::new(404, "not_found", detail)
}

/// `/v1/sales/{sale}/orders`.
fn orders<'a>(
    head: &mut Head<'a>,
    target: &Target,
    body: &'a [u8],
    text: &'a mut Text,
    lines: &'a mut [SentLine; BASKET_LINES_MAX],
) -> Result<Meaning<'a>, Fault> {
    match head.method {
        b"POST" => make(head, target, body, text, lines),
        b"GET" | b"HEAD" => order_of_key(head, target, text),
        b"OPTIONS" => Ok(Meaning::Options(LOOK_AND_MAKE)),
        other => Err(Fault::method(other, LOOK_AND_MAKE)),
    }
}

fn make<'a>(
    head: &mut Head<'a>,
    target: &Target,
    body: &'a [u8],
    text: &'a mut Text,
    lines: &'a mut [SentLine; BASKET_LINES_MAX],
) -> Result<Meaning<'a>, Fault> {
    no_parameters(head, target, text)?;
    let key = head.idempotency_key.ok_or_else(|| {
        let detail = "the header Idempotency-Key is missing: 1 to 64 printable ASCII characters \
                      without spaces, one for each purchase, the same when it is sent again";
        Fault::new(400, "missing_idempotency_key", detail)
    })?;
    let key_ident = Ident::parse(key)
        .map_err(|why| Fault::bad_field(format!("Idempotency-Key {why}, got {}", Shown(key))))?;
    is_json(head, body)?;
    let wanted = order::wanted(body, text, lines)?;
    let text: &'a Text = text;
    let kind = if wanted.lines == 0 { kind::BUY } else { kind::BASKET };
    let mut ask = ask(kind, target.segment(2).of(head.target, text));
    ask.head.price = wanted.max_price.into();
    if wanted.lines == 0 {
        ask.head.units = wanted.units.into();
        ask.head.options |= if wanted.is_up_to { UP_TO } else { 0 };
        ask.item = wanted.item.of(body, text);
    } else {
        ask.head.tails = (line_cells(wanted.lines) as u16).into();
        ask.lines = Lines::Sent(Sent { lines: &lines[..wanted.lines], body, text });
    }
    ask.head.options |= if wanted.waits { WAITS } else { 0 };
    ask.named.channel = wanted.channel.map_or(&[], |channel| channel.of(body, text));
    for (group, member) in wanted.groups.into_iter().flatten() {
        let added = ask.named.add(group.of(body, text), member.of(body, text));
        added.expect("the reader has seen to it");
    }
    set_buyer(&mut ask, wanted.buyer_ident, wanted.buyer.of(body, text));
    set_key(&mut ask, key_ident, key);
    head.manner.set(Manner::CREATE, true);
    Ok(Meaning::Ask(ask))
}

fn order_of_key<'a>(
    head: &Head<'a>,
    target: &Target,
    text: &'a Text,
) -> Result<Meaning<'a>, Fault> {
    if let Some(stray) = target.stray {
        let shown = Shown(stray.of(head.target, text));
        let detail = format!("the only parameter here is key, once, got {shown}");
        return Err(Fault::bad_field(detail));
    }
    let Some(key) = target.key else {
        let detail = "the parameter key is missing: ?key= and the order's Idempotency-Key";
        return Err(Fault::bad_field(detail));
    };
    let key = key.of(head.target, text);
    let ident = Ident::parse(key)
        .map_err(|why| Fault::bad_field(format!("key {why}, got {}", Shown(key))))?;
    let mut ask = ask(kind::ORDER_BY_KEY, target.segment(2).of(head.target, text));
    set_key(&mut ask, ident, key);
    Ok(Meaning::Ask(ask))
}

/// `/v1/sales/{sale}`, `/v1/sales/{sale}/orders/{order}` and that one's events.
fn look<'a>(
    head: &Head<'a>,
    target: &Target,
    text: &'a Text,
    kind: u8,
) -> Result<Meaning<'a>, Fault> {
    match head.method {
        b"GET" | b"HEAD" => {}
        b"OPTIONS" => return Ok(Meaning::Options(LOOK)),
        other => return Err(Fault::method(other, LOOK)),
    }
    no_parameters(head, target, text)?;
    let mut ask = ask(kind, target.segment(2).of(head.target, text));
    if kind == message::kind::ORDER {
        ask.head.set_order(order_id(target.segment(4), head, text)?);
    }
    Ok(Meaning::Ask(ask))
}

/// `/v1/sales/{sale}/orders/{order}/{verb}`.
fn change<'a>(
    head: &Head<'a>,
    target: &Target,
    kind: u8,
    body: &'a [u8],
    text: &'a mut Text,
) -> Result<Meaning<'a>, Fault> {
    match head.method {
        b"POST" => {}
        b"OPTIONS" => return Ok(Meaning::Options(MAKE)),
        other => return Err(Fault::method(other, MAKE)),
    }
    no_parameters(head, target, text)?;
    let id = order_id(target.segment(4), head, text)?;
    is_json(head, body)?;
    let sender = order::sender(body, text)?;
    let text: &'a Text = text;
    let mut ask = ask(kind, target.segment(2).of(head.target, text));
    ask.head.set_order(id);
    if let Some((buyer, ident)) = sender {
        set_buyer(&mut ask, ident, buyer.of(body, text));
    }
    Ok(Meaning::Ask(ask))
}

fn fixed<'a>(
    head: &Head<'a>,
    target: &Target,
    text: &Text,
    document: Meaning<'a>,
) -> Result<Meaning<'a>, Fault> {
    match head.method {
        b"GET" | b"HEAD" => {
            no_parameters(head, target, text)?;
            Ok(document)
        }
        b"OPTIONS" => Ok(Meaning::Options(LOOK)),
        other => Err(Fault::method(other, LOOK)),
    }
}

#[inline]
fn no_parameters(head: &Head<'_>, target: &Target, text: &Text) -> Result<(), Fault> {
    if target.key.is_none() && target.stray.is_none() {
        return Ok(());
    }
    let name = target.stray.map_or(&b"key"[..], |stray| stray.of(head.target, text));
    Err(Fault::bad_field(format!("this request takes no parameters, got {}", Shown(name))))
}

/// A body is JSON, and says so or nothing.
#[inline]
fn is_json(head: &Head<'_>, body: &[u8]) -> Result<(), Fault> {
    let kind = head.content_type;
    if kind.is_empty() || kind == b"application/json" || body.is_empty() {
        return Ok(());
    }
    let name = kind.split(|byte| *byte == b';').next().unwrap_or(kind).trim_ascii();
    if name.eq_ignore_ascii_case(b"application/json") {
        return Ok(());
    }
    let detail = format!("a body is sent as Content-Type: application/json, got {}", Shown(kind));
    Err(Fault::new(415, "unsupported_media_type", detail))
}

fn order_id(span: Span, head: &Head<'_>, text: &Text) -> Result<u64, Fault> {
    let bytes = span.of(head.target, text);
    let digits = std::str::from_utf8(bytes).ok().filter(|_| bytes.iter().all(u8::is_ascii_digit));
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
        let max = u64::MAX;
        let detail =
            format!("order in the path must be an integer from 0 to {max}, got {}", Shown(bytes));
        Fault::bad_field(detail)
    })
}

#[inline]
fn ask(kind: u8, sale: &[u8]) -> Ask<'_> {
    let mut ask = Ask { sale, ..Ask::new(kind) };
    if matches!(kind, kind::BUY..=kind::BASKET) {
        ask.head.tag = FULL.into();
    }
    ask
}

#[inline]
fn set_buyer<'a>(ask: &mut Ask<'a>, ident: Ident, text: &'a [u8]) {
    ask.head.set_buyer(ident);
    if ident.form == Form::Long {
        ask.long_buyer = text;
        ask.head.tails = (ask.head.tails.to_native() + 1).into();
    }
}

#[inline]
fn set_key<'a>(ask: &mut Ask<'a>, ident: Ident, text: &'a [u8]) {
    ask.head.set_key(ident);
    if ident.form == Form::Long {
        ask.long_key = text;
        ask.head.tails = (ask.head.tails.to_native() + 1).into();
    }
}
