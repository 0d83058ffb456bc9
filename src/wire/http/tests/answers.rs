//! Answers as they are written, and their lengths.

use bytemuck::Zeroable;

use crate::message::{Head, Receipt, Reply, kind, outcome, text_tail};
use crate::sale::{Ident, Name};
use crate::wire::answers::{Shown, Subject};
use crate::wire::http::answers::Teller;
use crate::wire::http::{Fault, Manner};

/// Head and body of an answer, whose length must be said right.
#[track_caller]
fn told(manner: Manner, write: impl FnOnce(&mut Teller, &mut Vec<u8>)) -> (String, String) {
    let mut teller = Teller::new(1);
    teller.refresh(0, || 0);
    // Something stands before it.
    let mut out = b"before".to_vec();
    write(&mut teller, &mut out);
    let text = String::from_utf8(out.split_off(6)).expect("UTF-8");
    assert_eq!(out, b"before");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    if !manner.has(Manner::HEAD) {
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{text}");
    }
    (head.to_owned(), body.to_owned())
}

fn held() -> (Reply, Head) {
    let mut order = Head::new(kind::BUY);
    (order.units, order.price, order.item) = (2.into(), 2500.into(), 1.into());
    order.set_buyer(Ident::parse(b"a\"b\\c").expect("good"));
    order.set_key(Ident::parse(b"6f1e0c4a-93d1-4f3c-8a55-0123456789ab").expect("good"));
    let reply = Reply {
        kind: kind::REPLY,
        outcome: outcome::HELD,
        order: 42.into(),
        seq: 42.into(),
        price: 2500.into(),
        expires_at: 1_795_809_720_123_000_000.into(),
        expires_in_ms: 120_000.into(),
        ..Reply::zeroed()
    };
    (reply, order)
}

#[test]
fn an_order_is_written_as_the_description_has_it() {
    let (reply, order) = held();
    let tails = [order.into()];
    let receipt = Some(Receipt { seq: 42, chain: [0xab; 16] });
    let write = |manner| {
        told(manner, |teller, out| {
            let items = [Name::parse(b"tee").expect("a name")];
            let (sale, tails) = ("drop", &tails);
            let shown = Shown { reply: &reply, receipt, tails, sale, items: &items };
            teller.order(&shown, manner, out);
        })
    };
    let (head, body) = write(Manner::CREATE);
    assert_eq!(
        body,
        r#"{"order":"42","seq":42,"sale":"drop","state":"held","buyer":"a\"b\\c","#.to_owned()
            + r#""key":"6f1e0c4a-93d1-4f3c-8a55-0123456789ab","#
            + r#""lines":[{"item":"tee","units":2,"price":2500}],"#
            + r#""expires_at":"2026-11-27T20:02:00.123Z","expires_in_ms":120000,"#
            + r#""position":null,"replayed":false,"receipt":"000000000000002a"#
            + &"ab".repeat(16)
            + "\"}"
    );
    assert_eq!(
        head,
        format!(
            "HTTP/1.1 201 Created\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
             Cache-Control: no-store\r\nContent-Type: application/json\r\n\
             Content-Length: {}",
            body.len()
        )
    );
    assert!(write(Manner::default()).0.starts_with("HTTP/1.1 200 OK\r\n"));
    let (bare, nothing) = write(Manner::HEAD);
    assert!(bare.ends_with(&format!("Content-Length: {}", body.len())) && nothing.is_empty());
}

#[test]
fn long_texts_come_back_whole() {
    let (reply, mut order) = held();
    let (buyer, key) = ("\"".repeat(64), "a-key-that-is-longer-than-sixteen");
    order.set_buyer(Ident::parse(buyer.as_bytes()).expect("good"));
    order.set_key(Ident::parse(key.as_bytes()).expect("good"));
    let tails = [order.into(), text_tail(buyer.as_bytes()), text_tail(key.as_bytes())];
    let (_, body) = told(Manner::CREATE, |teller, out| {
        let items = [Name::parse(b"tee").expect("a name")];
        let (sale, receipt) = ("drop", None);
        let shown = Shown { reply: &reply, receipt, tails: &tails, sale, items: &items };
        teller.order(&shown, Manner::CREATE, out);
    });
    let order: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((&order["buyer"], &order["key"]), (&buyer.into(), &key.into()));
}

#[test]
fn the_length_is_right_however_many_digits_it_has() {
    for len in [2, 9, 10, 99, 100, 999, 1000, 123_456] {
        let text: &'static str = "x".repeat(len).leak();
        let (head, body) = told(Manner::CLOSE, |teller, out| {
            teller.document(text, Manner::CLOSE, out);
        });
        assert_eq!(body, text);
        assert!(head.contains("\r\nConnection: close\r\n"));
        let (head, body) = told(Manner::HEAD, |teller, out| {
            teller.document(text, Manner::HEAD, out);
        });
        assert!(head.ends_with(&format!("Content-Length: {len}")) && body.is_empty());
    }
}

#[test]
fn a_refusal_tells_what_helps() {
    let write = |outcome: u8, value: u64| {
        let reply = Reply { kind: kind::REPLY, outcome, price: value.into(), ..Reply::zeroed() };
        told(Manner::KEEP, |teller, out| teller.refusal(&reply, Subject::All, Manner::KEEP, out))
    };
    let (head, body) = write(outcome::LIMIT_REACHED, 4);
    assert!(head.starts_with("HTTP/1.1 409 Conflict\r\n"), "{head}");
    assert!(head.contains("\r\nConnection: keep-alive\r\n") && !head.contains("Retry-After"));
    assert_eq!(
        body,
        r#"{"type":"urn:doorbuster:limit_reached","title":"Limit reached","status":409,"#
            .to_owned()
            + r#""detail":"with what it has already the buyer would pass its limit of units","#
            + r#""limit":4}"#
    );
    let limit = Reply { outcome: outcome::LIMIT_REACHED, price: 4.into(), ..Reply::zeroed() };
    let (_, body) = told(Manner::KEEP, |teller, out| {
        teller.refusal(&limit, Subject::Group("card"), Manner::KEEP, out);
    });
    let detail = r#""detail":"all purchases of this card would pass the limit of units","#;
    assert!(body.ends_with(&format!(r#"{detail}"group":"card","limit":4}}"#)), "{body}");
    assert!(write(outcome::PRICE_CHANGED, 2500).1.ends_with(r#","price":2500}"#));
    let (head, body) = write(outcome::OVERLOADED, 9_000);
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    let problem: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let wait = problem["retry_after_ms"].as_u64().expect("a number");
    assert!((9_000..=13_500).contains(&wait), "{wait}");
    assert!(head.contains(&format!("\r\nRetry-After: {}\r\n", wait.div_ceil(1000))), "{head}");
}

#[test]
fn a_fault_can_be_read_whatever_was_sent() {
    let fault = Fault::bad_field("got '\"\\' ");
    let (_, body) = told(Manner::CLOSE, |teller, out| teller.fault(&fault, Manner::CLOSE, out));
    let problem: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(problem["detail"], "got '\"\\' ");
    let fault = Fault::method(b"PUT", "GET, HEAD, OPTIONS");
    let (head, _) = told(Manner::CLOSE, |teller, out| teller.fault(&fault, Manner::CLOSE, out));
    assert!(head.contains("\r\nAllow: GET, HEAD, OPTIONS\r\n"), "{head}");
}
