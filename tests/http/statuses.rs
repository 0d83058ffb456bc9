//! Each status that a buyer can get, with the headers and members that belong to it. Where the
//! request was whole, the connection goes on.

use serde_json::{Value, json};

use super::DROP;
use super::peer::{Answer, Peer, order, request};
use super::server::House;

const TEE: &str = r#"{"item":"tee","buyer":"u1"}"#;

/// Status and word.
#[track_caller]
fn told(answer: &Answer) -> (u16, String) {
    (answer.status, answer.problem())
}

#[track_caller]
fn expect(answer: &Answer, status: u16, word: &str) {
    assert_eq!(told(answer), (status, word.to_owned()), "{answer:?}");
}

#[test]
fn every_refusal_has_its_status_and_what_helps() {
    let item = "items = [{ sku = \"tee\", stock = 10, price = 2500 }]\n";
    let later = format!("name = \"later\"\nopens_at = 2126-01-01T00:00:00Z\n{item}");
    let over = format!(
        "name = \"over\"\nopens_at = 2001-01-01T00:00:00Z\ncloses_at = 2002-01-01T00:00:00Z\n{item}"
    );
    let house = House::new(&[DROP, &later, &over]);
    let server = house.serve();
    let mut shop = Peer::of(&server);
    let of = |answer: &Answer, name: &str| answer.json()[name].clone();

    expect(&shop.order("nope", "k", TEE), 404, "unknown_sale");
    expect(&shop.order("a%2fb", "k", TEE), 404, "unknown_sale");
    expect(&shop.get("/v1/sales/nope"), 404, "unknown_sale");
    expect(&shop.get("/v1/sales/"), 404, "unknown_sale");
    expect(&shop.get("/v1/sales/nope/orders?key=k"), 404, "unknown_sale");
    expect(&shop.order("drop", "k", r#"{"item":"hat","buyer":"u1"}"#), 404, "unknown_item");
    expect(&shop.get("/v1/sales/drop/orders/999"), 404, "unknown_order");
    expect(&shop.get("/v1/sales/drop/orders?key=k"), 404, "unknown_order");
    expect(&shop.post("/v1/sales/drop/orders/999/confirm", ""), 404, "unknown_order");

    assert_eq!(shop.order("drop", "k", TEE).status, 201);
    let other = shop.order("drop", "k", r#"{"item":"tee","units":2,"buyer":"u1"}"#);
    expect(&other, 422, "key_reused");
    // The limit leaves one of two.
    let few = r#"{"item":"tee","units":2,"buyer":"u1","fill":"up_to"}"#;
    let told = shop.order("drop", "few", few);
    assert_eq!((told.status, of(&told, "lines")[0]["units"].clone()), (201, json!(1)));
    assert_eq!(shop.order("drop", "few", few).status, 200);
    expect(&shop.order("drop", "few", &few.replace("up_to", "all")), 422, "key_reused");
    expect(&shop.order("drop", "fewer", few), 409, "limit_reached");
    let dear = shop.order("drop", "d", r#"{"item":"tee","buyer":"u2","max_price":2499}"#);
    expect(&dear, 409, "price_changed");
    assert_eq!(of(&dear, "price"), 2500);
    let much = shop.order("drop", "m", r#"{"item":"tee","units":2,"buyer":"u1"}"#);
    expect(&much, 409, "limit_reached");
    assert_eq!(of(&much, "limit"), 2);
    assert_eq!(shop.order("drop", "c", r#"{"item":"cap","buyer":"u2"}"#).status, 201);
    let gone = shop.order("drop", "g", r#"{"item":"cap","buyer":"u3"}"#);
    expect(&gone, 409, "sold_out");
    assert_eq!((of(&gone, "price"), gone.header("retry-after")), (Value::Null, None));

    let early = shop.order("later", "k", TEE);
    expect(&early, 425, "not_open");
    let wait = of(&early, "retry_after_ms").as_u64().expect("a time");
    let seconds = early.header("retry-after").and_then(|text| text.parse().ok());
    assert_eq!(seconds, Some(wait.div_ceil(1000)));
    expect(&shop.order("over", "k", TEE), 410, "closed");
    let sale = shop.get("/v1/sales/over").json();
    assert_eq!(
        ["state", "opens_at", "closes_at", "currency", "limit"].map(|name| sale[name].clone()),
        [
            json!("closed"),
            json!("2001-01-01T00:00:00.000Z"),
            json!("2002-01-01T00:00:00.000Z"),
            Value::Null,
            Value::Null
        ]
    );
    assert_eq!(shop.get("/v1/sales/later").json()["state"], "scheduled");
}

#[test]
fn a_request_that_makes_no_sense_is_told_why_and_the_connection_goes_on() {
    let house = House::new(&[DROP]);
    let server = house.serve();
    let mut shop = Peer::of(&server);
    let path = "/v1/sales/drop/orders";
    expect(&shop.get("/"), 404, "not_found");
    expect(&shop.post("/v1/sales/drop/orders/1/pay", "{}"), 404, "not_found");
    expect(&shop.post(path, TEE), 400, "missing_idempotency_key");
    expect(&shop.order("drop", "k", "{"), 400, "malformed_json");
    let field = shop.order("drop", "k", r#"{"item":"tee","buyer":"u1","units":0}"#);
    expect(&field, 400, "bad_field");
    let detail = "units must be an integer from 1 to 1000000, got 0";
    assert_eq!(field.json()["detail"], detail);
    expect(&shop.get("/v1/sales/drop/orders"), 400, "bad_field");
    expect(&shop.get("/v1/sales/drop/orders/first"), 400, "bad_field");
    expect(&shop.get("/v1/sales/%"), 400, "bad_request");
    let method = shop.ask(request("DELETE /v1/sales/drop/orders", "", ""));
    expect(&method, 405, "method_not_allowed");
    assert_eq!(method.header("allow"), Some("GET, HEAD, POST, OPTIONS"));
    let form = "Content-Type: application/x-www-form-urlencoded\r\nIdempotency-Key: k\r\n";
    expect(&shop.ask(request(&format!("POST {path}"), form, TEE)), 415, "unsupported_media_type");
    let options = shop.ask(request("OPTIONS /v1/sales/drop", "", ""));
    assert_eq!((options.status, options.header("allow")), (204, Some("GET, HEAD, OPTIONS")));
    assert_eq!(shop.order("drop", "k", TEE).status, 201, "after all that");
    // What cannot be said in JSON as it is, is escaped.
    let odd = shop.get("/v1/sales/drop/orders/\"\\");
    assert!(odd.json()["detail"].as_str().is_some_and(|detail| detail.ends_with(r#"'"\'"#)));
}

#[test]
fn a_broken_request_ends_the_connection_after_the_answers_before_it() {
    let house = House::new(&[DROP]);
    let server = house.serve();
    let get = "GET /v1/sales/drop HTTP/1.1\r\n";
    let long = "x".repeat(20_000);
    for (broken, status, word) in [
        (format!("{get}\r\n"), 400, "bad_request"),
        (format!("{get}Host: x\n\n"), 400, "bad_request"),
        (
            format!("{get}Host: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            400,
            "bad_request",
        ),
        (format!("{get}Host: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), 400, "bad_request"),
        (format!("{get}Host: x\r\nContent-Length: 16385\r\n\r\n"), 413, "body_too_large"),
        (format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), 414, "uri_too_long"),
        (format!("{get}Host: x\r\nExpect: a-lot\r\n\r\n"), 417, "expectation_failed"),
        (format!("{get}Host: x\r\nA: {long}\r\n\r\n"), 431, "head_too_large"),
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n".into(), 505, "version_not_supported"),
    ] {
        let mut shop = Peer::of(&server);
        let key = format!("{status}-{}", broken.len());
        let first = order("drop", &key, &format!(r#"{{"item":"tee","buyer":"b{key}"}}"#));
        let smuggled = order("drop", "smuggled", TEE);
        shop.send([first, broken.clone(), smuggled].concat());
        assert_eq!(shop.receive().status, 201);
        let answer = shop.receive();
        expect(&answer, status, word);
        assert_eq!(answer.header("connection"), Some("close"), "{broken:?}");
        assert!(shop.is_closed(), "{broken:?}");
    }
    let mut shop = Peer::of(&server);
    expect(&shop.get("/v1/sales/drop/orders?key=smuggled"), 404, "unknown_order");
}
