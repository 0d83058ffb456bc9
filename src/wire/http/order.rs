//! The bodies of buyers' requests: what is wanted, and by whom.
//!
//! Every field is known and may be there once; whatever else is in a body is refused with the
//! field's name, what was sent and what is allowed.
//!
//! Invariant: an order that comes out of here keeps the bounds of the house, and was read without
//! any memory of its own: what a field is called is put together for a fault only.

use std::fmt::Display;

use super::fault::{Fault, Shown};
use super::json::{Json, Kind, Number};
use super::{SentLine, Span, Text};
use crate::limits::{BASKET_LINES_MAX, GROUPS_MAX, PRICE_MAX, UNITS_MAX};
use crate::message::NO_MAX_PRICE;
use crate::sale::{Ident, TEXT_BYTES_MAX};

/// What `POST /v1/sales/{sale}/orders` asks for.
pub(super) struct Wanted {
    pub(super) item: Span,
    pub(super) units: u32,
    /// Lines of a basket; then item and units say nothing. 0 for an order of one item.
    pub(super) lines: usize,
    pub(super) buyer: Span,
    pub(super) buyer_ident: Ident,
    /// [`NO_MAX_PRICE`] if none is named.
    pub(super) max_price: u64,
    /// Whether fewer units will do.
    pub(super) is_up_to: bool,
    /// Whether it rather waits than be sold out.
    pub(super) waits: bool,
    /// The channel, if it names one.
    pub(super) channel: Option<Span>,
    /// Limit groups and its members of them, in the order in which they came.
    pub(super) groups: Groups,
}

/// Limit groups and members; as many as there are.
pub(super) type Groups = [Option<(Span, Span)>; GROUPS_MAX];

/// Fields as they come.
#[derive(Default)]
struct Fields {
    item: Option<Span>,
    units: Option<u32>,
    buyer: Option<(Span, Ident)>,
    /// How many.
    lines: usize,
    max_price: Option<u64>,
    is_up_to: Option<bool>,
    waits: Option<bool>,
    channel: Option<Span>,
    groups: Option<Groups>,
}

const FIELDS: &str = "item, units, lines, buyer, max_price, fill, wait, channel and groups";

/// Reads the body of a new order; the lines of a basket go into `room`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn wanted(
    body: &[u8],
    text: &mut Text,
    room: &mut [SentLine; BASKET_LINES_MAX],
) -> Result<Wanted, Fault> {
    let mut json = begin(body, text)?;
    let mut fields = Fields::default();
    json.object(|json, name| match json.bytes(name) {
        b"item" => item(json, "item", &mut fields.item),
        b"units" => units(json, "units", &mut fields.units),
        b"buyer" => buyer(json, &mut fields.buyer),
        b"max_price" => max_price(json, &mut fields.max_price),
        b"lines" => lines(json, &mut fields, room),
        b"fill" => fill(json, &mut fields.is_up_to),
        b"wait" => wait(json, &mut fields.waits),
        b"channel" => item(json, "channel", &mut fields.channel),
        b"groups" => groups(json, &mut fields.groups),
        other => Err(unknown(other, FIELDS)),
    })?;
    json.end()?;
    let Some((buyer, buyer_ident)) = fields.buyer else { return Err(missing("buyer")) };
    let item = fields.item.ok_or_else(|| missing("item (or lines)"))?;
    let max_price = fields.max_price.unwrap_or(NO_MAX_PRICE);
    let units = fields.units.unwrap_or(1);
    let is_up_to = fields.is_up_to.unwrap_or(false);
    if is_up_to && fields.lines > 1 {
        let detail = "fill must be \"all\" in an order of several lines, got 'up_to'";
        return Err(Fault::bad_field(detail));
    }
    let waits = fields.waits.unwrap_or(false);
    let (channel, groups) = (fields.channel, fields.groups.unwrap_or_default());
    let lines = if fields.lines > 1 { fields.lines } else { 0 };
    Ok(Wanted {
        item,
        units,
        lines,
        buyer,
        buyer_ident,
        max_price,
        is_up_to,
        waits,
        channel,
        groups,
    })
}

/// Reads the body of an order's command: nothing, or who sends it.
///
/// # Errors
/// What is wrong with it.
pub(super) fn sender(body: &[u8], text: &mut Text) -> Result<Option<(Span, Ident)>, Fault> {
    if body.is_empty() {
        return Ok(None);
    }
    let mut json = begin(body, text)?;
    let mut sender = None;
    json.object(|json, name| match json.bytes(name) {
        b"buyer" => buyer(json, &mut sender),
        other => Err(unknown(other, "buyer")),
    })?;
    json.end()?;
    Ok(sender)
}

#[inline]
fn begin<'a, 't>(body: &'a [u8], text: &'t mut Text) -> Result<Json<'a, 't>, Fault> {
    if let Err(error) = std::str::from_utf8(body) {
        let at = error.valid_up_to();
        let detail = format!("the body is no UTF-8 from byte {at} on");
        return Err(Fault::new(400, "malformed_json", detail));
    }
    let mut json = Json::new(body, text);
    if body.is_empty() {
        return Err(json.malformed("an object"));
    }
    match json.kind()? {
        Kind::Object => Ok(json),
        other => Err(wrong("the body", "an object", other)),
    }
}

fn item(
    json: &mut Json<'_, '_>,
    name: impl Display + Copy,
    place: &mut Option<Span>,
) -> Result<(), Fault> {
    const ALLOWED: &str = "a name of 1 to 64 characters of A-Z a-z 0-9 . _ -";
    match json.kind()? {
        Kind::Text => {}
        other => return Err(wrong(name, ALLOWED, other)),
    }
    let span = json.string()?;
    let good = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    let bytes = json.bytes(span);
    if bytes.is_empty() || bytes.len() > TEXT_BYTES_MAX || !bytes.iter().all(good) {
        let detail = format!("{name} must be {ALLOWED}, got {}", Shown(bytes));
        return Err(Fault::bad_field(detail));
    }
    once(name, place, span)
}

fn buyer(json: &mut Json<'_, '_>, place: &mut Option<(Span, Ident)>) -> Result<(), Fault> {
    match json.kind()? {
        Kind::Text => {}
        other => return Err(wrong("buyer", "a string", other)),
    }
    let span = json.string()?;
    let bytes = json.bytes(span);
    match Ident::parse(bytes) {
        Ok(ident) => once("buyer", place, (span, ident)),
        Err(why) => Err(Fault::bad_field(format!("buyer {why}, got {}", Shown(bytes)))),
    }
}

fn units(
    json: &mut Json<'_, '_>,
    name: impl Display + Copy,
    place: &mut Option<u32>,
) -> Result<(), Fault> {
    let units = integer(json, name, 1, u64::from(UNITS_MAX))?;
    once(name, place, u32::try_from(units).expect("UNITS_MAX fits"))
}

fn max_price(json: &mut Json<'_, '_>, place: &mut Option<u64>) -> Result<(), Fault> {
    let price = integer(json, "max_price", 0, PRICE_MAX)?;
    once("max_price", place, price)
}

/// What a field of a basket's line is called.
#[derive(Clone, Copy)]
struct OfLine(usize, &'static str);

impl Display for OfLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "lines[{}].{}", self.0, self.1)
    }
}

/// The lines of a basket; a single one fills `item` and `units`.
fn lines(
    json: &mut Json<'_, '_>,
    fields: &mut Fields,
    lines: &mut [SentLine; BASKET_LINES_MAX],
) -> Result<(), Fault> {
    let allowed = || format!("an array of 1 to {BASKET_LINES_MAX} lines");
    match json.kind()? {
        Kind::Array => {}
        other => return Err(wrong("lines", &allowed(), other)),
    }
    if fields.lines > 0 {
        return Err(twice("lines"));
    }
    let count = json.array(|json, index| {
        if index >= BASKET_LINES_MAX {
            let detail = format!("lines must be {}, got more", allowed());
            return Err(Fault::bad_field(detail));
        }
        match json.kind()? {
            Kind::Object => {}
            other => {
                let name = format_args!("lines[{index}]");
                return Err(wrong(name, "an object with item and units", other));
            }
        }
        let mut line = (None, None);
        json.object(|json, name| match json.bytes(name) {
            b"item" => item(json, OfLine(index, "item"), &mut line.0),
            b"units" => units(json, OfLine(index, "units"), &mut line.1),
            other => Err(unknown(other, "item and units in a line")),
        })?;
        let Some(item) = line.0 else { return Err(missing(OfLine(index, "item"))) };
        lines[index] = (item, line.1.unwrap_or(1));
        Ok(())
    })?;
    if count == 0 {
        return Err(Fault::bad_field(format!("lines must be {}, got none", allowed())));
    }
    if fields.item.is_some() || fields.units.is_some() {
        return Err(Fault::bad_field("an order has either lines or item and units, got both"));
    }
    (fields.lines, fields.item, fields.units) = (count, Some(lines[0].0), Some(lines[0].1));
    Ok(())
}

fn fill(json: &mut Json<'_, '_>, place: &mut Option<bool>) -> Result<(), Fault> {
    const ALLOWED: &str = "\"all\" or \"up_to\"";
    match json.kind()? {
        Kind::Text => {}
        other => return Err(wrong("fill", ALLOWED, other)),
    }
    let span = json.string()?;
    let is_up_to = match json.bytes(span) {
        b"all" => false,
        b"up_to" => true,
        other => {
            let detail = format!("fill must be {ALLOWED}, got {}", Shown(other));
            return Err(Fault::bad_field(detail));
        }
    };
    once("fill", place, is_up_to)
}

fn wait(json: &mut Json<'_, '_>, place: &mut Option<bool>) -> Result<(), Fault> {
    match json.kind()? {
        Kind::True | Kind::False => {}
        other => return Err(wrong("wait", "true or false", other)),
    }
    let waits = json.boolean()?;
    once("wait", place, waits)
}

/// Members of limit groups, by the groups' names; which of them the sale has is for others to say.
fn groups(json: &mut Json<'_, '_>, place: &mut Option<Groups>) -> Result<(), Fault> {
    match json.kind()? {
        Kind::Object => {}
        other => return Err(wrong("groups", "an object of limit groups and members", other)),
    }
    let mut groups = Groups::default();
    json.object(|json, group| {
        let name = |json: &Json<'_, '_>| Shown::field("groups", json.bytes(group));
        match json.kind()? {
            Kind::Text => {}
            other => return Err(wrong(name(json), "a string", other)),
        }
        let member = json.string()?;
        let bytes = json.bytes(member);
        if let Err(why) = Ident::parse(bytes) {
            return Err(Fault::bad_field(format!("{} {why}, got {}", name(json), Shown(bytes))));
        }
        let is_there = |(other, _): &(Span, Span)| json.bytes(*other) == json.bytes(group);
        if groups.iter().flatten().any(is_there) {
            return Err(twice(name(json)));
        }
        let free = groups.iter_mut().find(|place| place.is_none()).ok_or_else(|| {
            let detail = format!("groups must have {GROUPS_MAX} members at most, got more");
            Fault::bad_field(detail)
        })?;
        *free = Some((group, member));
        Ok(())
    })?;
    once("groups", place, groups)
}

#[inline]
fn integer(json: &mut Json<'_, '_>, name: impl Display, min: u64, max: u64) -> Result<u64, Fault> {
    let allowed = || format!("an integer from {min} to {max}");
    match json.kind()? {
        Kind::Number => {}
        other => return Err(wrong(name, &allowed(), other)),
    }
    let detail = match json.number()? {
        Number::Whole(value) if (min..=max).contains(&value) => return Ok(value),
        Number::Whole(value) => format!("{name} must be {}, got {value}", allowed()),
        Number::Other(span) => {
            format!("{name} must be {}, got {}", allowed(), Shown(json.bytes(span)))
        }
    };
    Err(Fault::bad_field(detail))
}

#[inline]
fn once<T>(name: impl Display, place: &mut Option<T>, value: T) -> Result<(), Fault> {
    if place.replace(value).is_some() { Err(twice(name)) } else { Ok(()) }
}

#[cold]
fn twice(name: impl Display) -> Fault {
    let name = name.to_string();
    let what = match name.as_str() {
        "item" | "units" => " (or in lines as well)",
        _ => "",
    };
    Fault::bad_field(format!("{name} is there more than once{what}"))
}

#[cold]
fn missing(name: impl Display) -> Fault {
    Fault::bad_field(format!("{name} is missing"))
}

#[cold]
fn unknown(name: &[u8], allowed: &str) -> Fault {
    Fault::bad_field(format!("{} is no field; there are {allowed}", Shown(name)))
}

#[cold]
fn wrong(name: impl Display, allowed: &str, got: Kind) -> Fault {
    Fault::bad_field(format!("{name} must be {allowed}, got {}", got.word()))
}
