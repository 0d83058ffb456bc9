//! The life of an order over HTTP, and the same orders as RESP sees them.

use std::time::{Duration, Instant};

use serde_json::json;

use super::peer::{Peer, request};
use super::resp::{Resp, Value};
use super::server::{House, PATIENCE};
use super::{CROWD, DROP};

#[test]
fn an_order_is_made_repeated_found_confirmed_and_shown() {
    let house = House::new(&[DROP]);
    let server = house.serve();
    let mut shop = Peer::of(&server);
    let body = r#"{"item":"tee","units":2,"buyer":"u\"1"}"#;
    let made = shop.order("drop", "a-key-that-is-longer-than-sixteen", body);
    assert_eq!((made.status, made.header("idempotent-replayed")), (201, None), "{made:?}");
    assert_eq!(made.header("content-type"), Some("application/json"));
    let order = made.json();
    let (id, seq) = (order["order"].as_str().expect("a string").to_owned(), order["seq"].as_u64());
    assert_eq!(seq, id.parse().ok(), "an order is named after its record");
    let left = order["expires_in_ms"].as_u64().expect("a number");
    assert!((3_500_000..=3_600_000).contains(&left), "{left}");
    let expires_at = order["expires_at"].as_str().expect("a moment").to_owned();
    assert!(expires_at.len() == 24 && expires_at.ends_with('Z'), "{expires_at}");
    let receipt = order["receipt"].as_str().expect("a receipt").to_owned();
    assert!(receipt.len() == 48 && receipt.starts_with(&format!("{:016x}", seq.unwrap_or(0))));
    let expected = |state: &str, seq: u64, left: &serde_json::Value, replayed: bool| {
        json!({
            "order": id, "seq": seq, "sale": "drop", "state": state, "buyer": "u\"1",
            "key": "a-key-that-is-longer-than-sixteen",
            "lines": [{"item": "tee", "units": 2, "price": 2500}],
            "expires_at": expires_at, "expires_in_ms": left, "position": null,
            "replayed": replayed, "receipt": receipt,
        })
    };
    let seq = seq.expect("a number");
    assert_eq!(order, expected("held", seq, &order["expires_in_ms"], false));

    // Once: the key stands for this order, however it is sent again.
    let lines = r#" {"lines":[{"units":2,"item":"tee"}],"buyer":"u\"1"}"#;
    let again = shop.order("drop", "a-key-that-is-longer-than-sixteen", lines);
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")));
    assert_eq!(again.json(), expected("held", seq, &again.json()["expires_in_ms"], true));

    let path = format!("/v1/sales/drop/orders/{id}");
    for target in [&path, "/v1/sales/drop/orders?key=a-key-that-is-longer-than-%73ixteen"] {
        let found = shop.get(target);
        assert_eq!((found.status, found.header("idempotent-replayed")), (200, None));
        assert_eq!(found.json(), expected("held", seq, &found.json()["expires_in_ms"], false));
    }

    let stranger = shop.post(&format!("{path}/confirm"), r#"{"buyer":"u2"}"#);
    assert_eq!((stranger.status, stranger.problem().as_str()), (403, "not_your_order"));
    let confirmed = shop.post(&format!("{path}/confirm"), r#"{"buyer":"u\"1"}"#);
    assert_eq!(confirmed.status, 200, "{confirmed:?}");
    let (order, state) = (confirmed.json(), "confirmed");
    assert!(order["seq"].as_u64() > Some(seq), "{order}");
    assert_eq!((order["state"].as_str(), &order["expires_in_ms"]), (Some(state), &json!(0)));
    assert_eq!(
        (&order["order"], &order["key"]),
        (&json!(id), &json!("a-key-that-is-longer-than-sixteen"))
    );
    let again = shop.post(&format!("{path}/confirm"), "");
    assert_eq!((again.status, again.problem().as_str()), (409, "already_confirmed"));
    assert_eq!(shop.get(&path).json()["state"], "confirmed");

    let sale = shop.get("/v1/sales/drop");
    let seq = sale.json()["seq"].as_u64().expect("a number");
    assert_eq!(
        sale.json(),
        json!({
            "name": "drop", "state": "open", "opens_at": null, "closes_at": null,
            "currency": "EUR", "limit": 4, "hold_ms": 3_600_000, "extend_ms": 0, "seq": seq,
            "offer_ms": 0, "waitlist": 0, "waitlist_policy": "skip", "groups": [], "draw": null,
            "items": [
                {"sku": "tee", "stock": 10, "free": 8, "held": 0, "confirmed": 2, "waiting": 0,
                 "price": 2500, "limit": 2, "channels": []},
                {"sku": "cap", "stock": 1, "free": 1, "held": 0, "confirmed": 0, "waiting": 0,
                 "price": 900, "limit": null, "channels": []},
            ],
            "waves": [],
        })
    );
    // Operators see the same, byte for byte.
    assert_eq!(Peer::of_operator(&server).get("/v1/sales/drop").body, sale.body);
    drop(shop);
    server.stop().expect_code(0);
    assert_eq!(house.audit()["confirmed"], 1);
}

#[test]
fn what_is_released_can_be_bought_again() {
    let house = House::new(&[DROP]);
    let server = house.serve();
    let mut shop = Peer::of(&server);
    let cap = |buyer: &str| format!(r#"{{"item":"cap","buyer":"{buyer}"}}"#);
    let first = shop.order("drop", "a", &cap("u1")).json();
    let refused = shop.order("drop", "b", &cap("u2"));
    assert_eq!((refused.status, refused.problem().as_str()), (409, "sold_out"));
    let path = format!("/v1/sales/drop/orders/{}", first["order"].as_str().expect("an id"));
    let released = shop.post(&format!("{path}/release"), "{}");
    assert_eq!((released.status, &released.json()["state"]), (200, &json!("released")));
    for verb in ["release", "confirm"] {
        let again = shop.post(&format!("{path}/{verb}"), "");
        assert_eq!((again.status, again.problem().as_str()), (409, "already_released"));
    }
    // A refused key is free again.
    assert_eq!(shop.order("drop", "b", &cap("u2")).status, 201);
    let replayed = shop.order("drop", "a", &cap("u1"));
    assert_eq!((replayed.status, &replayed.json()["state"]), (200, &json!("released")));
}

#[test]
fn without_a_hold_an_order_never_expires_and_with_a_short_one_it_does() {
    let instant =
        "name = \"instant\"\nhold_ms = 0\nitems = [{ sku = \"tee\", stock = 3, price = 0 }]\n";
    let brief =
        "name = \"brief\"\nhold_ms = 300\nitems = [{ sku = \"tee\", stock = 1, price = 1 }]\n";
    let house = House::new(&[instant, brief]);
    let server = house.serve();
    let mut shop = Peer::of(&server);
    let body = r#"{"item":"tee","buyer":"u1"}"#;
    let bought = shop.order("instant", "k", body).json();
    assert_eq!((&bought["state"], &bought["expires_at"]), (&json!("confirmed"), &json!(null)));
    let held = shop.order("brief", "k", body).json();
    let path = format!("/v1/sales/brief/orders/{}", held["order"].as_str().expect("an id"));
    let deadline = Instant::now() + PATIENCE;
    while shop.get(&path).json()["state"] != "expired" {
        assert!(Instant::now() < deadline, "it never expires");
        std::thread::sleep(Duration::from_millis(10));
    }
    let late = shop.post(&format!("{path}/confirm"), "");
    assert_eq!((late.status, late.problem().as_str()), (409, "hold_expired"));
}

#[test]
fn a_basket_has_its_lines_and_its_refusal_names_one() {
    let sale = "name = \"many\"\nhold_ms = 3600000\nitems = [\
        { sku = \"tee\", stock = 5, price = 2500, limit = 3 },\
        { sku = \"cap\", stock = 1, price = 900 }]\n";
    let house = House::new(&[sale]);
    let server = house.serve();
    let mut shop = Peer::of(&server);
    let body = r#"{"lines":[{"item":"tee"},{"item":"cap"},{"item":"tee"}],"buyer":"u1"}"#;
    let made = shop.order("many", "k1", body);
    assert_eq!(made.status, 201, "{made:?}");
    let order = made.json();
    let lines = json!([
        {"item": "tee", "units": 2, "price": 2500}, {"item": "cap", "units": 1, "price": 900}
    ]);
    assert_eq!((&order["lines"], &order["state"]), (&lines, &json!("held")));
    let path = format!("/v1/sales/many/orders/{}", order["order"].as_str().expect("an id"));
    assert_eq!(shop.get(&path).json()["lines"], lines);
    assert_eq!(shop.order("many", "k1", body).status, 200);
    let one = r#"{"lines":[{"item":"tee","units":2}],"buyer":"u1"}"#;
    assert_eq!(shop.order("many", "k1", one).status, 422);
    for (body, status, word, detail) in [
        (body.replace("u1", "u2"), 409, "sold_out", "lines[1], cap: fewer units are free"),
        (body.replace("cap", "hat"), 404, "unknown_item", "lines[1], hat: the sale has no item"),
        (
            r#"{"lines":[{"item":"cap"},{"item":"tee","units":2}],"buyer":"u1"}"#.to_owned(),
            409,
            "limit_reached",
            "lines[1], tee: with what it has already",
        ),
    ] {
        let refused = shop.order("many", "k2", &body);
        assert_eq!((refused.status, refused.problem().as_str()), (status, word));
        let told = refused.json();
        assert!(told["detail"].as_str().expect("a text").starts_with(detail), "{told}");
        assert_eq!(told["field"], "lines[1]");
        assert!(detail.contains(told["item"].as_str().expect("a name")));
    }
    let paid = shop.post(&format!("{path}/confirm"), "").json();
    assert_eq!((&paid["lines"], &paid["state"]), (&lines, &json!("confirmed")));
    assert_eq!(shop.post(&format!("{path}/cancel"), "").json()["state"], "cancelled");
    assert_eq!(shop.get("/v1/sales/many").json()["items"][1]["free"], 1);
}

#[test]
fn resp_and_http_see_the_same_orders_on_one_port() {
    let house = House::new(&[CROWD]);
    let server = house.serve();
    let (mut browser, mut redis) = (Peer::of(&server), Resp::over(server.connect()));
    for round in 0..20 {
        let (web, raw) = (format!("web-{round}"), format!("raw-{round}"));
        let body = format!(r#"{{"item":"tee","buyer":"{web}"}}"#);
        let made = browser.order("crowd", &web, &body).json();
        let bought = redis.ask(&["BUY", "crowd", "tee", &raw, &raw]);
        let id = made["order"].as_str().expect("an id");
        let shown = redis.ask(&["ORDER", "crowd", id]);
        assert_eq!(shown.field("buyer"), &Value::Text(web.clone()));
        let found = browser.get(&format!("/v1/sales/crowd/orders/{}", bought.number(1))).json();
        assert_eq!((&found["buyer"], &found["key"]), (&json!(raw), &json!(raw)));
        // The key is one key, whichever way it comes.
        let same = redis.ask(&["BUY", "crowd", "tee", &web, &web]);
        assert_eq!(same.number(1).to_string(), id);
    }
    let items = browser.get("/v1/sales/crowd").json()["items"].clone();
    assert_eq!(items[0]["held"], 40);
    assert_eq!(redis.ask(&["STOCK", "crowd", "tee"]).number(2), 40);
    // A connection stays with the protocol of its first byte.
    let mixed = browser.ask(request("GET /v1/sales/crowd", "", "") + "*1\r\n$4\r\nPING\r\n");
    assert_eq!(mixed.status, 200);
    let broken = browser.receive();
    assert_eq!((broken.status, broken.problem().as_str()), (400, "bad_request"));
    assert!(browser.is_closed());
}
