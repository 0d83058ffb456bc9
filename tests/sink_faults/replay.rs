//! Changes that an operator wants told again: where each is there once, nothing is other than
//! before; where it cannot be, that is said; where it comes again, that is at the end.

use std::time::{Duration, Instant};

use super::resp::Resp;
use super::server::{Ended, House, PATIENCE, Server};
use super::sinks::{sink as sink_command, until};
use super::{LEVEL, Side, assert_same, run};

/// Nothing happens in it by itself.
const SALE: &str = r#"
name = "drop"
hold_ms = 600000
extend_ms = 600000
items = [{ sku = "tee", stock = 1000, price = 2500 }, { sku = "cap", stock = 1000, price = 900 }]
"#;

/// A server and its sink, to which orders of all kinds were told.
fn told(house: &House, side: &Side, port: u16) -> (Server, String) {
    let sink = side.sink(house, port, "changes=all");
    let server = run(house, &sink);
    let mut resp = Resp::over(server.connect());
    for number in 0..60 {
        let (buyer, key) = (format!("b{number}"), format!("k{number}"));
        let order = resp.ask(&["BASKET", "drop", &buyer, &key, "tee", "1", "cap", "2"]);
        let order = order.number(1).to_string();
        for &deed in [&["CONFIRM", "CANCEL"][..], &["EXTEND"], &["RELEASE"], &[]][number % 4] {
            resp.ask(&[deed, "drop", &order]);
        }
    }
    until(&server, LEVEL);
    (server, sink)
}

/// Has all up to a seq told again, and waits until that is done.
fn replay(server: &Server, to: u64) -> Ended {
    let to = to.to_string();
    let ended = sink_command(server, &["replay", "orders", "--from", "1", "--to", &to]);
    let deadline = Instant::now() + PATIENCE;
    while sink_command(server, &["list"]).stdout.contains("again") {
        assert!(Instant::now() < deadline, "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    ended
}

#[test]
fn tables_that_are_told_again_are_as_they_were() {
    let house = House::new(&[SALE]);
    let Some(side) = Side::postgres() else { return };
    let Side::Postgres(postgres) = &side else { panic!("it is one") };
    let (server, sink) = told(&house, &side, postgres.port);
    let tables = || {
        ["orders", "lines", "changes"]
            .map(|table| postgres.ask(&format!("SELECT * FROM doorbuster.{table} ORDER BY 1, 2")))
    };
    let before = tables();
    let newest = *side.told().last().expect("some");
    replay(&server, newest).expect_code(0);
    assert!(before[2].len() > 60 && before == tables(), "a row is other than before");
    server.stop().expect_code(0);
    assert_same(&house, &sink);
}

#[test]
fn a_redis_stream_takes_nothing_again_and_says_so() {
    let house = House::new(&[SALE]);
    let Some(side) = Side::redis() else { return };
    let Side::Redis(redis) = &side else { panic!("it is one") };
    let (server, sink) = told(&house, &side, redis.port());
    let before = side.told();
    let refused = replay(&server, before[5]);
    assert!(refused.expect_code(1).stderr.contains("takes no id twice"), "{refused:?}");
    server.stop().expect_code(0);
    assert_eq!(side.told(), before);
    assert_same(&house, &sink);
}

#[test]
fn a_nats_stream_has_it_again_at_its_end_and_is_compared_as_before() {
    let house = House::new(&[SALE]);
    let Some(side) = Side::nats() else { return };
    let Side::Nats(nats) = &side else { panic!("it is one") };
    let (server, sink) = told(&house, &side, nats.port());
    let before = side.told();
    replay(&server, before[5]).expect_code(0);
    server.stop().expect_code(0);
    assert_eq!(side.told(), [&before[..], &before[..6]].concat());
    assert_same(&house, &sink);
}
