//! A sale as operators write it, JSON and TOML: what is accepted comes back from the journal's
//! cells, and from both forms when it is written again; what is refused says which field.

use doorbuster::message::{decode_terms, encode_terms};
use doorbuster::sale::{Name, Terms};
use doorbuster::sale_file;
use serde_json::{Map, Value, json};

use super::Target;
use crate::meter;
use crate::seen::Seen;

/// Beside what hangs on the input's length: a sentence, and what a parser keeps, bytes.
const BYTES_AT_LEAST: usize = 64 << 10;
/// For each byte of JSON, which may come from far: a short item is 150 bytes of terms.
const BYTES_A_BYTE_OF_JSON: usize = 32;
/// For each byte of TOML, which comes from a file of this machine: what its parser keeps for the
/// shortest key, a dot.
const BYTES_A_BYTE_OF_TOML: usize = 2048;

pub(super) const TARGET: Target = Target {
    name: "operator",
    words: &[
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "=",
        "\n",
        "[[items]]\n",
        "[[groups]]\n",
        "[draw]\n",
        "name",
        "items",
        "currency",
        "limit",
        "hold_ms",
        "opens_at",
        "closes_at",
        "extend_ms",
        "offer_ms",
        "waitlist",
        "waitlist_policy",
        "groups",
        "draw",
        "sku",
        "stock",
        "price",
        "at",
        "commitment",
        "\"strict\"",
        "\"skip\"",
        "\"EUR\"",
        "\"2026-11-27T20:00:00Z\"",
        "2026-11-27T20:00:00Z",
        "2026-11-27T20:00:00.123456789+05:30",
        "null",
        "true",
        "1",
        "0",
        "{\"sku\":\"tee\",\"stock\":5,\"price\":100}",
        "{\"name\":\"card\",\"limit\":2}",
        "9e43be5bf0ac5b3dfe2ae0a4a4e1a5a55f3d2f7c0a1c7c9de1f1f3f7f9fbfdff",
    ],
    max: 3000,
    make: || Box::new(read),
};

fn read(input: &[u8], seen: &mut Seen) {
    let text = String::from_utf8_lossy(input);
    let bound_of = |is_json: bool| {
        let a_byte = if is_json { BYTES_A_BYTE_OF_JSON } else { BYTES_A_BYTE_OF_TOML };
        BYTES_AT_LEAST + a_byte * text.len()
    };
    for is_json in [true, false] {
        let parse = || sale_file::parse(&text, is_json);
        match meter::within(bound_of(is_json), "a sale", parse) {
            Err(why) => {
                assert!(!why.is_empty(), "refused without a word");
                seen.say(&why);
            }
            Ok(terms) => comes_back(&terms, seen),
        }
    }
    let name = Name::parse(b"drop").expect("a name");
    match meter::within(bound_of(true), "a sale", || sale_file::parse_named(&name, &text)) {
        Err(why) => seen.say(&why),
        Ok(terms) => assert_eq!(terms.name, name),
    }
}

fn comes_back(terms: &Terms, seen: &mut Seen) {
    let Terms { items, groups, draw, is_strict, opens_at, closes_at, .. } = terms;
    seen.count("items", items.len());
    let times = (*opens_at > 0, *closes_at > 0);
    seen.mark(&(groups.len(), draw.is_some(), *is_strict, times, terms.waitlist > 0));
    let cells = encode_terms(1, terms, 7);
    assert_eq!(decode_terms(&cells).as_ref(), Ok(terms), "the journal holds another sale");
    let value = written(terms);
    let again = sale_file::parse(&value.to_string(), true);
    assert_eq!(again.as_ref(), Ok(terms), "as JSON it is another sale");
    let toml = toml::to_string(&value).expect("it can be written");
    assert_eq!(sale_file::parse(&toml, false).as_ref(), Ok(terms), "as TOML it is another sale");
}

/// The terms as an operator would write them.
fn written(terms: &Terms) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value, is_said: bool| {
        if is_said {
            fields.insert(name.to_owned(), value);
        }
    };
    put("name", json!(terms.name.as_str()), true);
    put("currency", json!(String::from_utf8_lossy(&terms.currency)), terms.currency != [0; 3]);
    put("limit", json!(terms.limit), terms.limit > 0);
    put("hold_ms", json!(terms.hold_ms), true);
    put("opens_at", moment(terms.opens_at), terms.opens_at > 0);
    put("closes_at", moment(terms.closes_at), terms.closes_at > 0);
    put("extend_ms", json!(terms.extend_ms), true);
    put("offer_ms", json!(terms.offer_ms), terms.waitlist > 0 || terms.draw.is_some());
    put("waitlist", json!(terms.waitlist), true);
    put("waitlist_policy", json!("strict"), terms.is_strict);
    let limited = |mut value: Value, limit: u32| {
        if limit > 0 {
            value["limit"] = json!(limit);
        }
        value
    };
    let items = terms.items.iter().map(|item| {
        let value = json!({"sku": item.sku.as_str(), "stock": item.stock, "price": item.price});
        limited(value, item.limit)
    });
    put("items", items.collect(), true);
    let groups = terms.groups.iter();
    let groups = groups.map(|group| limited(json!({"name": group.name.as_str()}), group.limit));
    put("groups", groups.collect(), !terms.groups.is_empty());
    if let Some(draw) = &terms.draw {
        let commitment: String = draw.commitment.iter().map(|it| format!("{it:02x}")).collect();
        put("draw", json!({"at": moment(draw.at), "commitment": commitment}), true);
    }
    Value::Object(fields)
}

fn moment(ns: u64) -> Value {
    let timestamp = jiff::Timestamp::from_nanosecond(ns.into()).expect("it was read");
    json!(timestamp.to_string())
}
