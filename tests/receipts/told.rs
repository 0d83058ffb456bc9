//! Every answer about an accepted order tells a receipt that the audit accepts, over all protocols,
//! and later ones tell the same, also after a restart.

use doorbuster::client::{Answer, Client, OrderAnswer, Receipt, Request};
use serde_json::{Value, json};

use super::resp::{self, Resp};
use super::server::{House, Server};
use super::{DROP, audited, get};

fn client(server: &Server) -> Client {
    Client::over(server.connect()).expect("a greeting")
}

#[track_caller]
fn told(answer: Result<Answer, doorbuster::client::Error>) -> (OrderAnswer, String) {
    let order = match answer.expect("an answer") {
        Answer::Order(order) => order,
        Answer::Shown(shown) => shown.order,
        other => panic!("no order: {other:?}"),
    };
    let receipt = order.receipt.expect("a receipt");
    assert_eq!(receipt.seq, order.seq);
    (order, receipt.to_string())
}

/// A text in an array.
#[track_caller]
fn text(answer: &resp::Value, at: usize) -> String {
    match answer {
        resp::Value::List(values) => match values.get(at) {
            Some(resp::Value::Text(text)) => text.clone(),
            other => panic!("no text at {at}: {other:?} in {answer:?}"),
        },
        other => panic!("no array: {other:?}"),
    }
}

#[track_caller]
fn len(answer: &resp::Value) -> usize {
    match answer {
        resp::Value::List(values) => values.len(),
        other => panic!("no array: {other:?}"),
    }
}

fn post(server: &Server, target: &str, key: &str, body: &str) -> Value {
    let agent = ureq::Agent::new_with_defaults();
    let request = agent.post(format!("http://{}{target}", server.address));
    let request = request.header("Idempotency-Key", key).content_type("application/json");
    let mut answer = request.send(body).expect("an answer");
    serde_json::from_str(&answer.body_mut().read_to_string().expect("a body")).expect("JSON")
}

#[test]
fn every_protocol_tells_receipts_that_the_audit_accepts_with_the_buyers_place() {
    let house = House::new(&[DROP]);
    let server = house.serve();
    let (mut binary, mut resp) = (client(&server), Resp::over(server.connect()));
    let tee = binary.resolve("drop", "tee").expect("it is sold");

    // Three orders, one over each protocol.
    let (first, first_receipt) = told(binary.buy(tee, "ann", "k1", 1));
    let second = resp.ask(&["BUY", "drop", "tee", "bob", "k2", "UNITS", "2", "RECEIPT"]);
    let second_receipt = text(&second, 6);
    let body = r#"{"lines":[{"item":"cap"},{"item":"tee","units":2}],"buyer":"cat"}"#;
    let third = post(&server, "/v1/sales/drop/orders", "k3", body);
    let third_receipt = third["receipt"].as_str().expect("a receipt").to_owned();

    // What happens to them has receipts of its own.
    let (_, confirmed) = told(binary.confirm(tee.sale, first.order));
    let order = second.number(1).to_string();
    let released = text(&resp.ask(&["RELEASE", "drop", &order, "RECEIPT"]), 3);
    let path = format!("/v1/sales/drop/orders/{}", third["order"].as_str().expect("an id"));
    let extended = post(&server, &format!("{path}/extend"), "none", "");
    let extended = extended["receipt"].as_str().expect("a receipt").to_owned();
    let cancelled = text(&resp.ask(&["CANCEL", "drop", &first.order.to_string(), "receipt"]), 3);
    let waits = text(&resp.ask(&["BUY", "drop", "pin", "dan", "k4", "RECEIPT"]), 6);
    let waiting = text(&resp.ask(&["BUY", "drop", "pin", "eve", "k5", "WAIT", "RECEIPT"]), 7);
    let basket = ["BASKET", "drop", "fay", "k6", "cap", "1", "tee", "1", "RECEIPT"];
    let basket = text(&resp.ask(&basket), 6);

    let check = || {
        for (receipt, kind, buyer, sale, items) in [
            (&first_receipt, "hold", "ann", 1, json!([{"item": "tee", "place": 1}])),
            (&second_receipt, "hold", "bob", 2, json!([{"item": "tee", "place": 2}])),
            (
                &third_receipt,
                "hold",
                "cat",
                3,
                json!([{"item": "cap", "place": 1}, {"item": "tee", "place": 3}]),
            ),
            (&confirmed, "confirm", "ann", 1, json!([{"item": "tee", "place": 1}])),
            (&cancelled, "cancel", "ann", 1, json!([{"item": "tee", "place": 1}])),
            (&released, "release", "bob", 2, json!([{"item": "tee", "place": 2}])),
            (
                &extended,
                "extend",
                "cat",
                3,
                json!([{"item": "cap", "place": 1}, {"item": "tee", "place": 3}]),
            ),
            (&waits, "hold", "dan", 4, json!([{"item": "pin", "place": 1}])),
            (&waiting, "wait", "eve", 5, json!([{"item": "pin", "place": 2}])),
            (
                &basket,
                "hold",
                "fay",
                6,
                json!([{"item": "cap", "place": 2}, {"item": "tee", "place": 4}]),
            ),
        ] {
            let found = audited(&house, receipt, true);
            assert_eq!(
                (&found["record"]["kind"], &found["order"]["buyer"]),
                (&json!(kind), &json!(buyer))
            );
            assert_eq!(found["place"], json!({"sale": sale, "items": items}), "{found}");
        }
    };
    check();

    // The same again, whoever asks and however, also after the journal was read anew.
    let again = |server: &Server| {
        let (mut binary, mut resp) = (client(server), Resp::over(server.connect()));
        assert_eq!(told(binary.buy(tee, "ann", "k1", 1)).1, first_receipt);
        assert_eq!(
            told(binary.call(&Request::Order { sale: tee.sale, order: first.order })).1,
            first_receipt
        );
        let repeated = resp.ask(&["BUY", "drop", "tee", "bob", "k2", "UNITS", "2", "RECEIPT"]);
        assert_eq!(text(&repeated, 6), second_receipt);
        assert_eq!(get(server.address, &path).1["receipt"], third_receipt.as_str());
        let shown = resp.ask(&["ORDER", "drop", &order]);
        assert_eq!(text(&shown, 25), second_receipt);
    };
    again(&server);
    server.stop().expect_code(0);
    let server = house.serve();
    again(&server);
    drop(server);
    check();
    let told = house.look("audit", &["--receipt", &third_receipt]);
    told.expect_code(0);
    let place = "of buyer cat is number 3 of sale drop, number 1 of item cap, number 3 of item tee";
    assert!(
        told.stdout.contains(place) && told.stdout.contains("receipt   YES"),
        "{}",
        told.stdout
    );
}

#[test]
fn answers_that_nobody_asked_a_receipt_of_stay_as_they_are() {
    let house = House::new(&[DROP]);
    let server = house.serve();
    let mut resp = Resp::over(server.connect());
    let bought = resp.ask(&["BUY", "drop", "tee", "ann", "k1"]);
    assert_eq!(len(&bought), 6);
    let order = bought.number(1).to_string();
    assert_eq!(len(&resp.ask(&["CONFIRM", "drop", &order])), 3);
    assert_eq!(len(&resp.ask(&["CONFIRM", "drop", &order, "RECEIPT"])), 1);
    let basket = ["BASKET", "drop", "ann", "k2", "cap", "1"];
    assert_eq!(len(&resp.ask(&basket)), 6);
    assert_eq!(len(&resp.ask(&["BUY", "drop", "cap", "ann", "k3", "UNITS", "99", "RECEIPT"])), 1);
}

#[test]
fn without_durability_a_receipt_may_be_missing_and_is_never_wrong() {
    let house = House::new(&[DROP]);
    let server = house.server().option("DURABILITY", "none").run();
    let mut binary = client(&server);
    let tee = binary.resolve("drop", "tee").expect("it is sold");
    let mut receipts: Vec<Receipt> = Vec::new();
    for number in 0..50 {
        let key = format!("k{number}");
        for _ in 0..2 {
            match binary.buy(tee, "ann", &key, 1).expect("an answer") {
                Answer::Order(order) => receipts.extend(order.receipt),
                other => panic!("no order: {other:?}"),
            }
        }
    }
    assert!(!receipts.is_empty(), "repeated answers come late enough");
    server.stop().expect_code(0);
    for receipt in receipts.iter().step_by(20) {
        audited(&house, &receipt.to_string(), true);
    }
}

#[test]
fn a_receipt_of_another_journal_is_refused_with_the_reason() {
    let houses = [House::new(&[DROP]), House::new(&[DROP])];
    let receipts = houses.each_ref().map(|house| {
        let server = house.serve();
        let mut binary = client(&server);
        let tee = binary.resolve("drop", "tee").expect("it is sold");
        let receipt = told(binary.buy(tee, "ann", "k1", 1)).1;
        server.stop().expect_code(0);
        receipt
    });
    assert_eq!(receipts[0][..16], receipts[1][..16], "the same place");
    audited(&houses[0], &receipts[0].to_uppercase(), true);
    let found = audited(&houses[0], &receipts[1], false);
    assert!(found["why"].as_str().is_some_and(|why| why.contains("chain value")), "{found}");
    let beyond = format!("{:016x}{}", 999, &receipts[0][16..]);
    let found = audited(&houses[0], &beyond, false);
    assert!(found["why"].as_str().is_some_and(|why| why.contains("ends at seq")), "{found}");
    let bad = houses[0].look("audit", &["--receipt", "abc"]);
    bad.expect_code(2);
    assert!(bad.stderr.contains("48 hex digits"), "{}", bad.stderr);
}
