//! The waiting list over the binary protocol and RESP, on one port at once.

use doorbuster::client::{Refusal, Request, State};
use serde_json::json;

use super::both::{connect, given, refused};
use super::resp::{Resp, Value};
use super::server::House;

/// A sale with a waiting list.
const QUEUE: &str = "name = \"queue\"\nhold_ms = 60000\nwaitlist = 3\noffer_ms = 30000\n\
    items = [{ sku = \"tee\", stock = 1, price = 2500, limit = 2 }]\n";

#[test]
fn who_waits_is_offered_what_returns_over_both_protocols() {
    let house = House::new(&[QUEUE]);
    let server = house.serve();
    let mut client = connect(&server);
    let mut resp = Resp::over(server.connect());
    let tee = client.resolve("queue", "tee").expect("it is sold");
    let first = given(client.buy(tee, "u1", "k1", 1).expect("an answer"));
    // Without the word it is sold out, and told so from now on without asking anybody.
    for _ in 0..3 {
        assert_eq!(refused(client.buy(tee, "u2", "k2", 1).expect("an answer")), Refusal::SoldOut);
    }
    let key = "a-key-of-more-than-sixteen";
    let wait = Request::BuyOrWait { item: tee, buyer: "u2", key, units: 1, max_price: None };
    let second = given(client.call(&wait).expect("an answer"));
    assert_eq!((second.state, second.position, second.expires_in_ms), (State::Waiting, 1, 0));
    let third = resp.ask(&["BUY", "queue", "tee", "u3", "k3", "WAIT"]);
    assert_eq!((third.word(), third.number(5), third.number(6)), ("waiting", 0, 2));
    let order = third.number(1).to_string();
    let shown = resp.ask(&["ORDER", "queue", &order]);
    assert_eq!(shown.field("position"), &Value::Number(2));
    assert_eq!(shown.field("state"), &Value::Text("waiting".into()));
    assert_eq!(resp.ask(&["CONFIRM", "queue", &order]).word(), "not_held");
    assert_eq!(resp.ask(&["STOCK", "queue", "tee"]).number(4), 2);
    assert_eq!(resp.ask(&["RELEASE", "queue", &order]).word(), "left");
    assert_eq!(resp.ask(&["BUY", "queue", "tee", "u4", "k4", "WAIT"]).number(6), 2);
    // It is given back, and is the next one's.
    client.release(tee.sale, first.order).expect("an answer");
    assert_eq!(resp.ask(&["BUY", "queue", "tee", "u9", "k9"]).word(), "sold_out");
    let offered = given(client.call(&wait).expect("an answer"));
    assert_eq!((offered.state, offered.order, offered.position), (State::Held, second.order, 0));
    assert!((1..=30_000).contains(&offered.expires_in_ms));
    assert_eq!(resp.ask(&["BUY", "queue", "tee", "u4", "k4", "WAIT"]).number(6), 1);
    given(client.confirm(tee.sale, second.order).expect("an answer"));

    // From the journal it is the same.
    server.stop().expect_code(0);
    let server = house.serve();
    let mut resp = Resp::over(server.connect());
    assert_eq!(resp.ask(&["BUY", "queue", "tee", "u4", "k4", "WAIT"]).number(6), 1);
    assert_eq!(resp.ask(&["CANCEL", "queue", &second.order.to_string()]).word(), "cancelled");
    assert_eq!(resp.ask(&["BUY", "queue", "tee", "u4", "k4", "WAIT"]).word(), "held");
    server.stop().expect_code(0);
    let audit = house.audit();
    assert_eq!(
        (&audit["verdict"], &audit["held"], &audit["left"]),
        (&json!("pass"), &json!(1), &json!(1))
    );
    let kinds: Vec<_> = house.records().into_iter().map(|one| one["kind"].clone()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "wait").count(), 3);
    assert_eq!(kinds.iter().filter(|kind| **kind == "offer").count(), 2);
}
