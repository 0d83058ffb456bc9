//! A record of the journal in words, as JSON and as a line.
//!
//! Invariant: nothing is said of a record that is not in it or in those before it.

use doorbuster::heads::hex;
use doorbuster::message::{Cell, decode_side, kind, lines_in, outcome};
use doorbuster::record::{Known, hash_in, texts};
use doorbuster::sale::{Name, OrderLine, Terms};
use serde_json::{Value, json};

use super::super::words::time;

/// What a channel is called.
fn channel(known: &Known, sale: u16, channel: u8) -> String {
    known.channel(sale, channel).map_or_else(|| channel.to_string(), Name::to_string)
}

/// A record in words, after those before it.
pub(in crate::cli) fn describe(known: &Known, seq: u64, record: &[Cell]) -> Value {
    let head = record[0].head();
    let at = time(head.time.to_native());
    let number = head.sale.to_native();
    let terms = known.terms(number);
    let sale = terms.map_or_else(|| number.to_string(), |terms| terms.name.to_string());
    let item = sku(terms, head.item.to_native());
    let mut value = json!({"seq": seq, "time": at, "kind": word(head.kind)});
    let mut put = |name: &str, field: Value| {
        value[name] = field;
    };
    if head.kind != kind::SEAL {
        put("sale", json!(sale));
    }
    match head.kind {
        kind::BUY | kind::WAIT | kind::BASKET => {
            let [buyer, key] = texts(record);
            let holds = terms.is_none_or(|terms| terms.hold_ms > 0);
            if head.kind != kind::WAIT {
                put("kind", json!(if holds { "hold" } else { "buy" }));
            }
            if head.item.to_native() == 0 {
                put("lines", lines(terms, &record[1..]));
            } else {
                put("item", json!(item));
            }
            put("order", json!(seq.to_string()));
            put("units", json!(head.units.to_native()));
            if head.is_up_to() {
                let asked = record.last().and_then(|cell| lines_in(cell).next());
                put("up_to", json!(asked.map_or(0, |line| line.units)));
            }
            put("price", json!(head.price.to_native()));
            put("buyer", json!(buyer.as_str()));
            put("key", json!(key.as_str()));
            if let Some(side) = record.iter().skip(1).find_map(decode_side) {
                if side.channel != 0 {
                    put("channel", json!(channel(known, number, side.channel)));
                }
                let groups = terms.map_or(&[][..], |terms| &terms.groups);
                // What stands for the members: what they are called is not kept.
                let members = groups.iter().zip(side.groups);
                let members = members.map(|(group, digest)| {
                    (group.name.to_string(), json!(format!("{digest:032x}")))
                });
                let members: serde_json::Map<String, Value> = members.collect();
                if !members.is_empty() {
                    put("groups", Value::Object(members));
                }
            }
        }
        kind::CONFIRM..=kind::CANCEL | kind::EXPIRE | kind::OFFER | kind::LEAVE => {
            put("order", json!(head.order().to_string()));
            put("units", json!(head.units.to_native()));
            put("price", json!(head.price.to_native()));
        }
        kind::ADD | kind::WITHDRAW | kind::PRICE => {
            put("item", json!(item));
            let what = if head.kind == kind::PRICE { "price" } else { "units" };
            put(what, json!(head.price.to_native()));
        }
        kind::DRAWN => {
            put("order", json!(head.order().to_string()));
            put("units", json!(head.units.to_native()));
            let state = u8::try_from(head.tag.to_native()).unwrap_or(0);
            put("state", json!(outcome::word(state)));
        }
        kind::ASIDE | kind::PLAN | kind::SURGE | kind::SWEEP => {
            put("item", json!(item));
            put("units", json!(head.price.to_native()));
            match head.kind {
                kind::SURGE => put("wave", json!(head.order())),
                kind::PLAN => put("at", json!(time(head.order()))),
                kind::SWEEP => {
                    let channel = u8::try_from(head.tag.to_native()).unwrap_or(0);
                    put("channel", json!(self::channel(known, number, channel)));
                }
                _ => {
                    let name = record.get(1).map_or(&[][..], |tail| &tail.0[..]);
                    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
                    put("channel", json!(String::from_utf8_lossy(name)));
                    if head.order() != 0 {
                        put("until", json!(time(head.order())));
                    }
                }
            }
        }
        kind::CALL_OFF => put("wave", json!(head.order())),
        kind::DRAW => put("seed", json!(hex(&hash_in(head)))),
        kind::CREATE => {
            let items = terms.map_or(0, |terms| terms.items.len());
            let stock = terms.map_or(0, |t| t.items.iter().map(|item| item.stock).sum());
            put("items", json!(items));
            put("stock", json!(stock));
            put("hold_ms", json!(terms.map_or(0, |terms| terms.hold_ms)));
            put("extend_ms", json!(terms.map_or(0, |terms| terms.extend_ms)));
            put("waitlist", json!(terms.map_or(0, |terms| terms.waitlist)));
        }
        kind::SEAL => put("state_hash", json!(hex(&hash_in(head)))),
        _ => {}
    }
    value
}

/// What the terms call an item; nothing for a number that is not theirs.
fn sku(terms: Option<&Terms>, number: u16) -> String {
    let index = usize::from(number).wrapping_sub(1);
    let item = terms.and_then(|terms| terms.items.get(index));
    item.map_or(String::new(), |item| item.sku.to_string())
}

/// The lines of a basket among the cells behind its head.
fn lines(terms: Option<&Terms>, tails: &[Cell]) -> Value {
    let tails = tails.iter().filter(|cell| cell.kind() == kind::LINES);
    let line = |line: OrderLine| {
        let item = sku(terms, line.item);
        json!({"item": item, "units": line.units, "price": line.price})
    };
    tails.flat_map(lines_in).map(line).collect()
}

fn word(kind: u8) -> String {
    match kind {
        kind::BUY | kind::BASKET => "hold",
        kind::CONFIRM => "confirm",
        kind::RELEASE => "release",
        kind::EXTEND => "extend",
        kind::CANCEL => "cancel",
        kind::EXPIRE => "expire",
        kind::WAIT => "wait",
        kind::OFFER => "offer",
        kind::LEAVE => "leave",
        kind::CREATE => "create",
        kind::OPEN => "open",
        kind::PAUSE => "pause",
        kind::RESUME => "resume",
        kind::CLOSE => "close",
        kind::REMOVE => "remove",
        kind::ADD => "add",
        kind::WITHDRAW => "withdraw",
        kind::PRICE => "price",
        kind::ASIDE => "aside",
        kind::PLAN => "plan",
        kind::CALL_OFF => "call off",
        kind::DRAW => "draw",
        kind::SURGE => "surge",
        kind::SWEEP => "sweep",
        kind::DRAWN => "drawn",
        kind::SEAL => "seal",
        other => return format!("kind {other}"),
    }
    .to_owned()
}

/// `seq time kind name=value ...`, aligned as far as that is possible line by line.
pub(in crate::cli) fn sentence(value: &Value) -> String {
    let text = |name: &str| value[name].as_str().unwrap_or("").to_owned();
    let mut line =
        format!("{:>9}  {}  {:<8}", value["seq"].to_string(), text("time"), text("kind"));
    let names = [
        "sale",
        "item",
        "lines",
        "order",
        "units",
        "up_to",
        "price",
        "state",
        "buyer",
        "key",
        "channel",
        "groups",
        "wave",
        "at",
        "until",
        "seed",
        "items",
        "stock",
        "hold_ms",
        "extend_ms",
        "waitlist",
        "state_hash",
    ];
    for name in names {
        match &value[name] {
            Value::Null => {}
            Value::String(text) => line += &format!(" {name}={text}"),
            other => line += &format!(" {name}={other}"),
        }
    }
    line
}
