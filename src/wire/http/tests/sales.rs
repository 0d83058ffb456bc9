//! A sale as it is written, from cells made by hand.

use bytemuck::Zeroable;
use serde_json::{Value, json};

use crate::message::{Cell, ItemReply, PoolReply, SaleReply, TermsReply, WaveReply, kind};
use crate::sale::Name;
use crate::wire::http::answers::Teller;
use crate::wire::http::{Manner, SaleShown};

fn names(texts: &[&str]) -> Vec<Name> {
    texts.iter().map(|text| Name::parse(text.as_bytes()).expect("a name")).collect()
}

fn written(more: &[Cell]) -> Value {
    let reply = SaleReply {
        kind: kind::SALE_REPLY,
        after: 7.into(),
        state: 1,
        hold_ms: 1000.into(),
        currency: *b"EUR",
        ..SaleReply::zeroed()
    };
    let (items, groups) = (names(&["tee", "cap"]), names(&["card"]));
    let channels = names(&["tv", "radio"]);
    let (items, groups, channels) = (&items[..], &groups[..], &channels[..]);
    let (reply, name) = (&reply, "drop");
    let shown = SaleShown { reply, name, items, groups, channels, more };
    let item = |item: u16| ItemReply {
        kind: kind::ITEM,
        item: item.into(),
        stock: 9.into(),
        free: 9.into(),
        ..ItemReply::zeroed()
    };
    let mut out = Vec::new();
    let cells = [1, 2].into_iter().map(|number| item(number).into());
    Teller::new(1).sale(&shown, cells, Manner::default(), &mut out);
    let text = String::from_utf8(out).expect("UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head}");
    serde_json::from_str(body).expect("JSON")
}

#[test]
fn what_stands_behind_the_items_goes_where_it_belongs() {
    let at = 1_795_809_600_000_000_000;
    let pool = |item: u16, channel, until: u64, is_swept| PoolReply {
        kind: kind::POOL,
        item: item.into(),
        channel,
        set_aside: 5.into(),
        free: 3.into(),
        until: until.into(),
        is_swept,
        ..PoolReply::zeroed()
    };
    let wave = WaveReply {
        kind: kind::WAVE,
        item: 2.into(),
        wave: 12.into(),
        units: 500.into(),
        at: at.into(),
        ..WaveReply::zeroed()
    };
    let terms = TermsReply {
        kind: kind::TERMS,
        is_strict: 1,
        draw: 3,
        groups: 1,
        offer_ms: 60_000.into(),
        waitlist: 10.into(),
        group_limits: [4.into(), 0.into()],
        entries: 8.into(),
        draw_at: at.into(),
        commitment: [0xab; 32],
    };
    let mut seed = Cell::ZERO;
    seed.0[0] = kind::SEED;
    seed.0[32..].fill(0x0c);
    let pools = [pool(1, 2, 0, 0), pool(2, 1, at, 1), pool(2, 2, 0, 0)];
    let mut more = vec![terms.into(), seed];
    more.extend(pools.map(Cell::from));
    more.push(wave.into());
    let sale = written(&more);
    let time = "2026-11-27T20:00:00.000Z";
    let shown = |channel: &str, until: Value, swept: bool| {
        let mut pool = json!({ "channel": channel, "set_aside": 5, "free": 3, "swept": swept });
        pool["until"] = until;
        pool
    };
    assert_eq!(sale["items"][0]["channels"], json!([shown("radio", Value::Null, false)]));
    let both = json!([shown("tv", json!(time), true), shown("radio", Value::Null, false)]);
    assert_eq!(sale["items"][1]["channels"], both);
    assert_eq!(sale["waves"], json!([{ "wave": 12, "item": "cap", "units": 500, "at": time }]));
    assert_eq!(sale["groups"], json!([{ "name": "card", "limit": 4 }]));
    let (commitment, seed) = ("ab".repeat(32), "0c".repeat(32));
    let draw = json!({ "at": time, "commitment": commitment, "state": "drawing", "entries": 8,
        "seed": seed });
    assert_eq!(sale["draw"], draw);
    let policy = (&sale["offer_ms"], &sale["waitlist"], &sale["waitlist_policy"]);
    assert_eq!(policy, (&json!(60_000), &json!(10), &json!("strict")));
}

#[test]
fn a_plain_sale_has_nothing_of_it() {
    let sale = written(&[TermsReply { kind: kind::TERMS, ..TermsReply::zeroed() }.into()]);
    assert_eq!(sale["draw"], Value::Null);
    assert_eq!((&sale["groups"], &sale["waves"]), (&json!([]), &json!([])));
    assert_eq!((&sale["waitlist_policy"], &sale["limit"]), (&json!("skip"), &Value::Null));
    assert_eq!((&sale["name"], &sale["seq"]), (&json!("drop"), &json!(7)));
    assert_eq!((&sale["currency"], &sale["items"][1]["sku"]), (&json!("EUR"), &json!("cap")));
}
