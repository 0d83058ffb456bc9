//! The life of an order as the `redis` crate sees it, which was written for another server.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use redis::{Connection, RedisResult, Value, cmd};

use super::DROP;
use super::resp::Resp;
use super::server::{House, PATIENCE, Server};

type Order = (String, u64, u64, u64, u64, u64);

const PROTOCOLS: [&str; 2] = ["", "?protocol=3"];

fn connect(server: &Server, protocol: &str) -> Connection {
    let client = redis::Client::open(format!("redis://{}/{protocol}", server.address));
    let connection = client.and_then(|client| client.get_connection_with_timeout(PATIENCE));
    let connection = connection.expect("a client library connects");
    connection.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    connection
}

fn ask<T: redis::FromRedisValue>(connection: &mut Connection, line: &str) -> RedisResult<T> {
    let mut words = line.split(' ');
    let mut command = cmd(words.next().expect("a command"));
    command.arg(words.collect::<Vec<_>>()).query(connection)
}

fn order(connection: &mut Connection, line: &str) -> Order {
    ask(connection, line).unwrap_or_else(|why| panic!("{line}: {why}"))
}

/// A refusal's word, and the number that goes with some.
fn refusal(connection: &mut Connection, line: &str) -> (String, Option<u64>) {
    let mut values: Vec<Value> =
        ask(connection, line).unwrap_or_else(|why| panic!("{line}: {why}"));
    let number = (values.len() > 1).then(|| values.remove(1));
    assert_eq!(values.len(), 1, "{line}: {values:?}");
    let word = redis::from_redis_value(values.remove(0)).expect("a word");
    (word, number.map(|number| redis::from_redis_value(number).expect("a number")))
}

fn plain(word: &str) -> (String, Option<u64>) {
    (word.to_owned(), None)
}

fn stock(connection: &mut Connection, item: &str) -> [u64; 5] {
    ask(connection, &format!("STOCK {item}")).expect("five numbers")
}

fn fields(connection: &mut Connection, line: &str) -> HashMap<String, Value> {
    ask(connection, line).unwrap_or_else(|why| panic!("{line}: {why}"))
}

#[test]
fn an_order_is_held_repeated_confirmed_and_shown() {
    for protocol in PROTOCOLS {
        let house = House::new(&[DROP]);
        let server = house.serve();
        let mut shop = connect(&server, protocol);
        let (state, id, seq, units, price, left) = order(&mut shop, "BUY drop tee u1 k1 UNITS 2");
        assert_eq!((state.as_str(), units, price), ("held", 2, 2500));
        assert_eq!(id, seq, "an order is named after its record");
        assert!((3_500_000..=3_600_000).contains(&left), "{left}");
        // Once: the key stands for this order, however often it is sent.
        for _ in 0..2 {
            let again = order(&mut shop, "BUY drop tee u1 k1 UNITS 2");
            assert_eq!((again.0.as_str(), again.1, again.3), ("held", id, 2));
        }
        assert_eq!(refusal(&mut shop, "BUY drop tee u1 k1"), plain("key_reused"));
        assert_eq!(refusal(&mut shop, "BUY drop cap u1 k1 UNITS 2"), plain("key_reused"));
        assert_eq!(refusal(&mut shop, "BUY drop tee u2 k1 UNITS 2"), plain("key_reused"));
        assert_eq!(stock(&mut shop, "drop tee"), [10, 8, 2, 0, 0]);

        let shown = fields(&mut shop, &format!("ORDER drop {id}"));
        let text = |name: &str| match &shown[name] {
            Value::BulkString(text) => String::from_utf8(text.clone()).expect("text"),
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(
            ["sale", "item", "state", "buyer", "key"].map(text),
            ["drop", "tee", "held", "u1", "k1"]
        );
        assert_eq!((&shown["units"], &shown["price"]), (&Value::Int(2), &Value::Int(2500)));
        assert!(text("expires_at").ends_with('Z') && text("expires_at").len() == 24);

        let confirmed: (String, u64, u64) =
            ask(&mut shop, &format!("CONFIRM drop {id}")).expect("confirmed");
        assert_eq!((confirmed.0.as_str(), confirmed.1), ("confirmed", id));
        assert!(confirmed.2 > seq);
        let again = format!("CONFIRM drop {id}");
        assert_eq!(refusal(&mut shop, &again), plain("already_confirmed"));
        let release = format!("RELEASE drop {id}");
        assert_eq!(refusal(&mut shop, &release), plain("already_confirmed"));
        // The key now answers with the order as it stands.
        assert_eq!(order(&mut shop, "BUY drop tee u1 k1 UNITS 2").0, "confirmed");
        assert_eq!(stock(&mut shop, "drop tee"), [10, 8, 0, 2, 0]);
        drop(shop);
        server.stop().expect_code(0);
        assert_eq!(house.audit()["confirmed"], 1);
    }
}

#[test]
fn limits_prices_and_the_last_unit_are_kept_and_given_back() {
    for protocol in PROTOCOLS {
        let house = House::new(&[DROP]);
        let server = house.serve();
        let mut shop = connect(&server, protocol);
        let first = order(&mut shop, "BUY drop tee u1 a UNITS 2");
        let limit = |limit| ("limit_reached".to_owned(), Some(limit));
        assert_eq!(refusal(&mut shop, "BUY drop tee u1 b"), limit(2), "of the item");
        order(&mut shop, "BUY drop pin u1 c UNITS 2");
        assert_eq!(refusal(&mut shop, "BUY drop pin u1 d"), limit(4), "of the sale");
        let dear = refusal(&mut shop, "BUY drop tee u2 e MAXPRICE 2499");
        assert_eq!(dear, ("price_changed".to_owned(), Some(2500)));
        // A refused key is free again.
        assert_eq!(order(&mut shop, "BUY drop tee u2 e MAXPRICE 2500").0, "held");

        let cap = order(&mut shop, "BUY drop cap u3 f");
        assert_eq!(refusal(&mut shop, "BUY drop cap u4 g"), plain("sold_out"));
        let released: (String, u64, u64) =
            ask(&mut shop, &format!("RELEASE drop {}", cap.1)).expect("released");
        assert_eq!((released.0.as_str(), released.1), ("released", cap.1));
        let again = format!("RELEASE drop {}", cap.1);
        assert_eq!(refusal(&mut shop, &again), plain("already_released"));
        let confirm = format!("CONFIRM drop {}", cap.1);
        assert_eq!(refusal(&mut shop, &confirm), plain("already_released"));
        assert_eq!(order(&mut shop, "BUY drop cap u4 g").0, "held");
        // What was released counts against no limit.
        let release = format!("RELEASE drop {}", first.1);
        assert_eq!(ask::<(String, u64, u64)>(&mut shop, &release).expect("released").0, "released");
        assert_eq!(order(&mut shop, "BUY drop tee u1 h UNITS 2").0, "held");
    }
}

#[test]
fn what_is_not_there_is_said_so() {
    let house = House::new(&[DROP]);
    let server = house.serve();
    for protocol in PROTOCOLS {
        let mut shop = connect(&server, protocol);
        for line in ["BUY nope tee u k", "CONFIRM nope 1", "ORDER nope 1", "STOCK nope tee"] {
            assert_eq!(refusal(&mut shop, line), plain("unknown_sale"), "{line}");
        }
        for line in ["BUY drop nope u k", "STOCK drop nope"] {
            assert_eq!(refusal(&mut shop, line), plain("unknown_item"), "{line}");
        }
        for line in ["CONFIRM drop 999", "RELEASE drop 0", "ORDER drop 18446744073709551615"] {
            assert_eq!(refusal(&mut shop, line), plain("unknown_order"), "{line}");
        }
    }
}

#[test]
fn a_sale_is_open_between_its_times_only() {
    let item = "items = [{ sku = \"tee\", stock = 10, price = 2500 }]\n";
    let later = format!("name = \"later\"\nopens_at = 2126-01-01T00:00:00Z\n{item}");
    let over = format!(
        "name = \"over\"\nopens_at = 2001-01-01T00:00:00Z\ncloses_at = 2002-01-01T00:00:00Z\n{item}"
    );
    let house = House::new(&[&later, &over]);
    let server = house.serve();
    let mut shop = connect(&server, "");
    assert_eq!(refusal(&mut shop, "BUY later tee u k"), plain("not_open"));
    assert_eq!(refusal(&mut shop, "BUY over tee u k"), plain("closed"));
}

#[test]
fn a_hold_that_is_not_confirmed_expires_and_its_unit_goes_on() {
    let brief = "name = \"brief\"\nhold_ms = 400\nlimit = 1\n\
        items = [{ sku = \"tee\", stock = 1, price = 2500 }]\n";
    for protocol in PROTOCOLS {
        let house = House::new(&[brief]);
        let server = house.serve();
        let mut shop = connect(&server, protocol);
        let held = order(&mut shop, "BUY brief tee u1 k1");
        assert!(held.5 <= 400);
        let deadline = Instant::now() + PATIENCE;
        let next = loop {
            // Sold out until the moment when the hold ends; never afterwards.
            let values: Vec<Value> = ask(&mut shop, "BUY brief tee u2 k2").expect("an answer");
            if values.len() > 1 {
                break redis::from_redis_value::<Order>(Value::Array(values)).expect("an order");
            }
            assert!(Instant::now() < deadline, "it never expires");
            std::thread::sleep(Duration::from_millis(10));
        };
        assert_eq!(next.2, held.1 + 2, "the expiry lies between them in the journal");
        let confirm = format!("CONFIRM brief {}", held.1);
        assert_eq!(refusal(&mut shop, &confirm), plain("hold_expired"));
        assert_eq!(order(&mut shop, "BUY brief tee u1 k1").0, "expired");
        // Nobody needs to ask: it expires by itself.
        while stock(&mut shop, "brief tee")[1] == 0 {
            assert!(Instant::now() < deadline, "it never expires");
            std::thread::sleep(Duration::from_millis(10));
        }
        server.stop().expect_code(0);
        assert_eq!(house.audit()["expired"], 2);
    }
}

#[test]
fn without_a_hold_an_order_is_confirmed_at_once() {
    let instant = "name = \"instant\"\nhold_ms = 0\n\
        items = [{ sku = \"tee\", stock = 3, price = 2500 }]\n";
    let house = House::new(&[instant]);
    let server = house.serve();
    let mut shop = connect(&server, "?protocol=3");
    let bought = order(&mut shop, "BUY instant tee u1 k1 UNITS 3");
    assert_eq!((bought.0.as_str(), bought.5), ("confirmed", 0));
    let shown = fields(&mut shop, &format!("ORDER instant {}", bought.1));
    assert_eq!(shown["expires_at"], Value::Nil);
    assert_eq!(refusal(&mut shop, "BUY instant tee u2 k2"), plain("sold_out"));
}

#[test]
fn a_pipeline_is_answered_in_its_order() {
    let house = House::new(&[DROP]);
    let server = house.serve();
    for (round, protocol) in PROTOCOLS.iter().enumerate() {
        let mut shop = connect(&server, protocol);
        let mut pipeline = redis::pipe();
        for number in 0..500 {
            let (buyer, key) = (format!("b-{round}-{number}"), format!("k-{round}-{number}"));
            pipeline.cmd("BUY").arg(&["drop", "pin", &buyer, &key]);
        }
        pipeline.cmd("PING");
        let mut answers: Vec<Value> = pipeline.query(&mut shop).expect("501 answers");
        assert_eq!(answers.pop(), Some(Value::SimpleString("PONG".into())));
        let ids: Vec<u64> = answers
            .into_iter()
            .map(|answer| redis::from_redis_value::<Order>(answer).expect("an order").1)
            .collect();
        assert!(ids.len() == 500 && ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    }
}

#[test]
fn a_transaction_is_refused_and_what_was_in_it_can_be_repeated_under_its_key() {
    // By hand: the library does not survive a server that refuses MULTI.
    let house = House::new(&[DROP]);
    let server = house.serve();
    let mut shop = Resp::over(server.connect());
    assert!(shop.ask(&["MULTI"]).word().starts_with("ERR unknown command 'MULTI'"));
    let first = shop.ask(&["BUY", "drop", "pin", "u1", "k1"]);
    assert!(shop.ask(&["EXEC"]).word().starts_with("ERR unknown command 'EXEC'"));
    assert_eq!(shop.ask(&["BUY", "drop", "pin", "u1", "k1"]).number(1), first.number(1));
    assert_eq!(shop.ask(&["STOCK", "drop", "pin"]).number(2), 1);
}
