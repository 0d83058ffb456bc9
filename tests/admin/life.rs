//! A sale's life: what the operator does is what buyers meet, and a restart keeps all of it.

use serde_json::json;

use super::DROP;
use super::http::{Feed, ask};
use super::resp::Resp;
use super::server::House;

#[test]
fn a_sale_lives_from_create_to_remove_and_buyers_see_each_step() {
    let house = House::new(&[]);
    let server = house.serve();
    let admin = server.admin;
    let mut buyer = Resp::over(server.connect());
    let mut buy = |key: &str, item: &str| buyer.ask(&["BUY", "drop", item, key, key]);

    let created = ask(admin, "PUT", "/v1/sales/drop", DROP);
    assert_eq!((created.status, &created.json()["seq"]), (201, &json!(1)), "{}", created.text);
    assert!(created.head.contains("location: /v1/sales/drop\r\n"), "{}", created.head);
    let again = ask(admin, "PUT", "/v1/sales/drop", DROP);
    assert_eq!((again.status, &again.json()["state"]), (200, &json!("scheduled")));
    let other = ask(admin, "PUT", "/v1/sales/drop", &DROP.replace("2500", "1"));
    other.expect_problem(409, "key_reused");
    assert_eq!(buy("early", "tee").word(), "not_open");

    let step = |verb: &str, state: &str, seq: u64| {
        let answer = ask(admin, "POST", &format!("/v1/sales/drop/{verb}"), "");
        let sale = answer.json();
        assert_eq!((&sale["state"], &sale["seq"]), (&json!(state), &json!(seq)), "{verb}: {sale}");
    };
    step("open", "open", 2);
    assert_eq!(buy("a", "tee").number(1), 3);
    step("pause", "paused", 4);
    assert_eq!(buy("b", "tee").word(), "paused");
    step("resume", "open", 5);
    assert_eq!(buy("b", "tee").number(4), 2500);

    let price = ask(admin, "PUT", "/v1/sales/drop/items/tee/price", r#"{"price":1900}"#);
    assert_eq!(price.json()["items"][0]["price"], 1900);
    assert_eq!(buy("c", "tee").number(4), 1900, "the new price");
    assert_eq!(buy("a", "tee").number(4), 2500, "a held price is frozen");
    assert_eq!(buy("d", "cap").word(), "held");
    assert_eq!(buy("e", "cap").word(), "sold_out");
    let more = ask(admin, "POST", "/v1/sales/drop/items/cap/stock", r#"{"add":2}"#).json();
    assert_eq!((&more["items"][1]["stock"], &more["items"][1]["free"]), (&json!(3), &json!(2)));
    assert_eq!(buy("e", "cap").word(), "held");
    let less = ask(admin, "POST", "/v1/sales/drop/items/cap/stock", r#"{"withdraw":2}"#);
    less.expect_problem(409, "sold_out");
    assert_eq!(less.json()["free"], 1);
    let less = ask(admin, "POST", "/v1/sales/drop/items/cap/stock", r#"{"withdraw":1}"#).json();
    assert_eq!((&less["items"][1]["stock"], &less["items"][1]["held"]), (&json!(2), &json!(2)));

    ask(admin, "DELETE", "/v1/sales/drop", "").expect_problem(409, "not_closed");
    assert_eq!(ask(admin, "POST", "/v1/sales/drop/close", "").json()["state"], "closed");
    assert_eq!(buy("f", "tee").word(), "closed");
    ask(admin, "POST", "/v1/sales/drop/open", "").expect_problem(409, "closed");
    ask(admin, "DELETE", "/v1/sales/drop", "").expect_problem(409, "holds_live");
    for order in ["3", "6", "8", "9", "11"] {
        assert_eq!(buyer.ask(&["CONFIRM", "drop", order]).word(), "confirmed", "order {order}");
    }
    let removed = ask(admin, "DELETE", "/v1/sales/drop", "");
    assert_eq!((removed.status, &removed.json()["state"]), (200, &json!("removed")));
    ask(admin, "GET", "/v1/sales/drop", "").expect_problem(404, "unknown_sale");
    assert_eq!(buyer.ask(&["STOCK", "drop", "tee"]).word(), "unknown_sale");
    assert_eq!(ask(admin, "PUT", "/v1/sales/drop", DROP).status, 201, "the name is free again");
    server.stop().expect_code(0);
    house.audit();
}

#[test]
fn a_restart_keeps_what_the_operator_did() {
    let house = House::new(&[]);
    let server = house.serve();
    let admin = server.admin;
    for (method, path, body) in [
        ("PUT", "drop", DROP),
        ("PUT", "gone", DROP),
        ("POST", "gone/close", ""),
        ("DELETE", "gone", ""),
        ("POST", "drop/open", ""),
        ("POST", "drop/items/tee/stock", r#"{"add":90}"#),
        ("PUT", "drop/items/cap/price", r#"{"price":1}"#),
        ("POST", "drop/pause", ""),
    ] {
        let answer = ask(admin, method, &format!("/v1/sales/{path}"), body);
        assert!(answer.status < 300, "{path}: {}", answer.text);
    }
    let before = ask(admin, "GET", "/v1/sales/drop", "").json();
    assert_eq!((&before["state"], &before["items"][0]["stock"]), (&json!("paused"), &json!(100)));
    server.kill();
    let server = house.serve();
    let after = ask(server.admin, "GET", "/v1/sales/drop", "").json();
    assert_eq!(after, before);
    let list = ask(server.admin, "GET", "/v1/sales", "").json();
    assert_eq!(list["sales"].as_array().expect("sales").len(), 1, "{list}");
    assert_eq!(list["sales"][0]["stock"], 101);
}

#[test]
fn a_feed_tells_of_orders_and_ends_with_its_sale() {
    let house = House::new(&[]);
    let server = house.serve();
    let admin = server.admin;
    assert_eq!(ask(admin, "PUT", "/v1/sales/drop", &DROP.replace("10,", "100000,")).status, 201);
    assert_eq!(ask(admin, "POST", "/v1/sales/drop/open", "").status, 200);
    let mut feed = Feed::of(admin, "drop");
    let (event, sale) = feed.next().expect("a snapshot");
    assert_eq!((event.as_str(), &sale["items"][0]["free"]), ("snapshot", &json!(100_000)));
    let mut buyer = Resp::over(server.connect());
    for number in 0..3000 {
        let name = format!("secret-{number}");
        assert_eq!(buyer.ask(&["BUY", "drop", "tee", &name, &name]).word(), "held");
    }
    // However they are conflated, they add up: the last delta tells of all.
    let (mut deltas, mut held) = (0, json!(0));
    while held != 3000 {
        let (event, delta) = feed.next().expect("a delta");
        assert_eq!((event.as_str(), delta["items"].as_array().map(Vec::len)), ("delta", Some(1)));
        assert!(!delta.to_string().contains("secret"), "{delta}");
        held = delta["items"][0]["held"].clone();
        deltas += 1;
    }
    assert!(deltas < 1500, "{deltas} deltas are not conflated");
    assert_eq!(ask(admin, "POST", "/v1/sales/drop/close", "").status, 200);
    assert_eq!(feed.next().expect("a delta").1["state"], "closed");
    server.stop().expect_code(0);
    assert_eq!(feed.next(), None, "it ends with the server");
}
