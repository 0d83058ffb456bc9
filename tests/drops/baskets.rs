//! Baskets that wait, over every protocol.

use doorbuster::client::{Answer, Client, Purchase, State};
use serde_json::json;

use super::peer::Peer;
use super::resp::Resp;
use super::server::House;

const QUEUE: &str = "name = \"queue\"\nhold_ms = 3600000\nwaitlist = 9\noffer_ms = 3600000\n\
    items = [{ sku = \"tee\", stock = 1, price = 2500 },\n\
    { sku = \"cap\", stock = 9, price = 1 }]\n";
const BASKET: &str = r#"{"lines":[{"item":"cap"},{"item":"tee"}],"buyer":"u"}"#;

#[test]
fn a_basket_waits_and_is_offered_whole() {
    let house = House::new(&[QUEUE]);
    let server = house.serve();
    let mut peer = Peer::of(&server);
    let first = peer.order("queue", "k1", BASKET);
    assert_eq!(first.status, 201, "{first:?}");
    assert_eq!(peer.order("queue", "k2", BASKET).status, 409);
    let second = peer.order("queue", "k2", &BASKET.replace("}]", "}],\"wait\":true"));
    assert_eq!((second.status, &second.json()["position"]), (202, &json!(1)), "{second:?}");
    let mut resp = Resp::over(server.connect());
    let third = resp.ask(&["BASKET", "queue", "v", "k3", "tee", "1", "cap", "2", "WAIT"]);
    assert_eq!((third.word(), third.number(6)), ("waiting", 2));
    let mut client = Client::over(server.connect()).expect("a greeting");
    let sale = client.resolve("queue", "tee").expect("it is sold").sale;
    let lines = [(1, 1), (2, 1)];
    let purchase = Purchase { waits: true, ..Purchase::of(sale, &lines, "w", "k4") };
    match client.purchase(&purchase).expect("an answer") {
        Answer::Order(order) => assert_eq!((order.state, order.position), (State::Waiting, 3)),
        other => panic!("no order: {other:?}"),
    }
    let order = first.json()["order"].as_str().expect("an id").to_owned();
    let path = format!("/v1/sales/queue/orders/{order}/release");
    assert_eq!(peer.post(&path, "").status, 200);
    let offered = peer.get("/v1/sales/queue/orders?key=k2").json();
    assert_eq!(
        (&offered["state"], offered["lines"].as_array().map(Vec::len)),
        (&json!("held"), Some(2))
    );
    let third = resp.ask(&["BASKET", "queue", "v", "k3", "tee", "1", "cap", "2", "WAIT"]);
    assert_eq!((third.word(), third.number(6)), ("waiting", 1));
    server.stop().expect_code(0);
    assert_eq!(house.audit()["verdict"], json!("pass"));
}
