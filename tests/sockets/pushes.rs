//! Who waits hears of it unasked, from the real program: over RESP3, the binary protocol, and a
//! stream of events over HTTP.

use std::io::{Read, Write};
use std::time::Duration;

use doorbuster::client::{Request, State};
use serde_json::{Value as Json, json};

use super::both::{connect, given};
use super::resp::{Resp, Value};
use super::server::{House, Server};

const LONG: &str = "name = \"queue\"\nhold_ms = 600000\nwaitlist = 9\noffer_ms = 300000\n\
    items = [{ sku = \"tee\", stock = 1, price = 2500 }]\n";
/// An offer runs out.
const SHORT: &str = "name = \"queue\"\nhold_ms = 600000\nwaitlist = 9\noffer_ms = 300\n\
    items = [{ sku = \"tee\", stock = 1, price = 2500 }]\n";

/// One who speaks RESP3.
fn resp3(server: &Server) -> Resp {
    let mut resp = Resp::over(server.connect());
    assert_eq!(resp.ask(&["HELLO", "3"]).field("proto"), &Value::Number(3));
    resp
}

/// A push about an order: its state.
#[track_caller]
fn push(value: &Value, order: u64) -> String {
    let Value::List(parts) = value else { panic!("no push: {value:?}") };
    assert_eq!(parts.len(), 8, "{value:?}");
    assert_eq!((value.word(), &parts[1]), ("order", &Value::Text("queue".into())));
    assert_eq!((value.number(2), value.number(5), value.number(6)), (order, 1, 2500));
    let Value::Text(state) = &parts[3] else { panic!("no state: {value:?}") };
    assert_eq!(value.number(7) > 0, state == "held", "{value:?}");
    state.clone()
}

/// The stream of an order's events, event by event.
struct Events {
    stream: std::net::TcpStream,
    heard: String,
    /// Of the last event.
    id: u64,
}

impl Events {
    fn of(server: &Server, order: u64) -> Events {
        let mut stream = server.connect();
        let line = format!("GET /v1/sales/queue/orders/{order}/events HTTP/1.1");
        stream.write_all(format!("{line}\r\nHost: x\r\n\r\n").as_bytes()).expect("sent");
        let mut events = Events { stream, heard: String::new(), id: 0 };
        let head = events.next("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("\r\nContent-Type: text/event-stream\r\n"), "{head}");
        events
    }

    /// All up to the next `end`; `None` if the stream ends.
    fn next(&mut self, end: &str) -> Option<String> {
        loop {
            if let Some((piece, rest)) = self.heard.split_once(end) {
                let (piece, rest) = (piece.to_owned(), rest.to_owned());
                self.heard = rest;
                return Some(format!("{piece}\r\n"));
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes).expect("a server that goes on") {
                0 => return None,
                read => self.heard += std::str::from_utf8(&bytes[..read]).expect("ASCII"),
            }
        }
    }

    /// The order in the next event, whose id is higher than that before.
    fn order(&mut self) -> Option<Json> {
        let event = self.next("\n\n")?;
        let (id, data) = event.split_once("\nevent: order\ndata: ").expect("an event");
        let order: Json = serde_json::from_str(data.trim_end()).expect("JSON");
        let id = id.strip_prefix("id: ").and_then(|id| id.parse().ok()).expect("an id");
        assert!(id > self.id && Some(id) >= order["seq"].as_u64(), "{id} after {}", self.id);
        self.id = id;
        Some(order)
    }

    #[track_caller]
    fn state(&mut self) -> String {
        self.order().expect("an event")["state"].as_str().expect("a state").to_owned()
    }
}

#[test]
fn who_waits_hears_of_the_offer_and_of_its_end_over_every_protocol() {
    let house = House::new(&[LONG]);
    let server = house.serve();
    let mut client = connect(&server);
    let tee = client.resolve("queue", "tee").expect("it is sold");
    let first = given(client.buy(tee, "u1", "k1", 1).expect("an answer"));
    let mut resp = resp3(&server);
    let second = resp.ask(&["BUY", "queue", "tee", "u2", "k2", "WAIT"]);
    assert_eq!((second.word(), second.number(6)), ("waiting", 1));
    let (buyer, key) = ("u3", "k3");
    let wait = Request::BuyOrWait { item: tee, buyer, key, units: 1, max_price: None };
    let third = given(client.call(&wait).expect("an answer"));
    assert_eq!((third.state, client.news().expect("a server")), (State::Waiting, None));
    let mut events = Events::of(&server, third.order);
    let shown = events.order().expect("an event");
    assert_eq!((&shown["state"], &shown["position"]), (&json!("waiting"), &json!(2)));

    // It comes back, and is offered to the second; answers and pushes keep their places.
    given(client.release(tee.sale, first.order).expect("an answer"));
    assert_eq!(push(&resp.receive().expect("a push"), second.number(1)), "held");
    let order = second.number(1).to_string();
    for words in [&["PING"][..], &["STOCK", "queue", "tee"], &["RELEASE", "queue", &order]] {
        resp.send(words).expect("sent");
    }
    assert_eq!(resp.receive().expect("an answer"), Value::Text("PONG".into()));
    assert_eq!(resp.receive().expect("an answer").number(2), 1);
    assert_eq!(resp.receive().expect("an answer").word(), "released");
    assert_eq!(push(&resp.receive().expect("a push"), second.number(1)), "released");

    // Then to the third, who hears it twice.
    let offer = client.wait_for_news().expect("news");
    assert_eq!((offer.state, offer.order, offer.position), (State::Held, third.order, 0));
    assert!((1..=300_000).contains(&offer.expires_in_ms) && offer.expires_at > 0);
    let shown = events.order().expect("an event");
    assert_eq!((&shown["state"], &shown["position"]), (&json!("held"), &json!(null)));
    assert!(offer.seq > third.seq, "of the offer, or later");
    given(client.confirm(tee.sale, third.order).expect("an answer"));
    assert_eq!(client.wait_for_news().expect("news").state, State::Confirmed);
    assert_eq!(events.state(), "confirmed");
    assert_eq!(events.order(), None);
    assert_eq!(client.news().expect("a server"), None);
    client.ping().expect("it goes on");
    server.stop().expect_code(0);
    house.audit();
}

#[test]
fn an_offer_that_runs_out_is_told_and_so_is_the_end_of_the_sale() {
    let house = House::new(&[SHORT]);
    let server = house.serve();
    let mut resp = resp3(&server);
    let first = resp.ask(&["BUY", "queue", "tee", "u1", "k1"]).number(1).to_string();
    let second = resp.ask(&["BUY", "queue", "tee", "u2", "k2", "WAIT"]).number(1);
    let mut events = Events::of(&server, second);
    assert_eq!(events.state(), "waiting");
    assert_eq!(resp.ask(&["RELEASE", "queue", &first]).word(), "released");
    for state in ["held", "expired"] {
        assert_eq!(push(&resp.receive().expect("a push"), second), state);
        assert_eq!(events.state(), state);
    }
    assert_eq!(events.order(), None);
    assert_eq!(resp.ask(&["BUY", "queue", "tee", "u3", "k3"]).word(), "held");
    let last = resp.ask(&["BUY", "queue", "tee", "u4", "k4", "WAIT"]).number(1);
    let close = "POST /v1/sales/queue/close HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
        Content-Length: 0\r\n\r\n";
    let mut operator = std::net::TcpStream::connect(server.admin).expect("it listens");
    operator.write_all(close.as_bytes()).expect("sent");
    let mut told = String::new();
    operator.read_to_string(&mut told).expect("an answer");
    assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
    assert_eq!(push(&resp.receive().expect("a push"), last), "left");
    server.stop().expect_code(0);
}

#[test]
fn a_stop_ends_streams_at_once_and_an_unknown_order_has_none() {
    let house = House::new(&[LONG]);
    let server = house.serve();
    let mut resp = Resp::over(server.connect());
    let order = resp.ask(&["BUY", "queue", "tee", "u1", "k1"]).number(1);
    let mut events = Events::of(&server, order);
    assert_eq!(events.state(), "held");
    let mut stream = server.connect();
    let line = "GET /v1/sales/queue/orders/999999/events HTTP/1.0";
    stream.write_all(format!("{line}\r\n\r\n").as_bytes()).expect("sent");
    let mut told = String::new();
    stream.read_to_string(&mut told).expect("an answer, and the end");
    assert!(told.starts_with("HTTP/1.1 404 ") && told.contains("unknown_order"), "{told}");
    let start = std::time::Instant::now();
    server.stop().expect_code(0);
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    assert_eq!(events.order(), None);
}
