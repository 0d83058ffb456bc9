//! Other sides that take connections and bytes and answer nothing, or answer slowly.

use std::time::{Duration, Instant};

use super::proxy::Mode;
use super::server::{House, PATIENCE, Server};
use super::sinks::{AT_ONCE, at_least, seqs, shop_some, sink as sink_command, until};
use super::{FAILURES, LAG_SECONDS, LAG_SEQS, LEVEL, Side, figure, run};

/// Waits until the sink is said to be some time behind.
#[track_caller]
fn until_late(server: &Server) {
    let deadline = Instant::now() + PATIENCE;
    while figure(server, LAG_SECONDS) == 0.0 {
        assert!(Instant::now() < deadline, "it is never late");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[track_caller]
fn is_level_again(server: &Server) {
    until(server, LEVEL);
    assert_eq!(figure(server, LAG_SECONDS), 0.0);
}

/// As long as the other side may take its time, nothing is wrong but that it is behind.
fn how_far_it_is_behind_is_seen_while_it_waits(side: &Side, house: &House) {
    let proxy = side.proxy();
    let server = run(house, &side.sink(house, proxy.port(), "timeout_ms=60000"));
    shop_some(&server, "a", 1);
    until(&server, "doorbuster_sink_changes_total{sink=\"orders\"} 1");
    proxy.set(Mode::Hang);
    // The server goes on selling.
    shop_some(&server, "b", 5);
    at_least(&server, LAG_SEQS, 5);
    until_late(&server);
    let listed = sink_command(&server, &["list"]);
    let row = listed.expect_code(0).stdout.lines().nth(1).expect("a row").to_owned();
    let behind = row.split_whitespace().nth(4).and_then(|word| word.parse::<u64>().ok());
    assert!(behind.is_some_and(|behind| behind >= 5), "{row}");
    assert_eq!(figure(&server, FAILURES), 0.0);
    proxy.set(Mode::Slow(64, Duration::from_millis(1)));
    shop_some(&server, "c", 200);
    at_least(&server, LAG_SEQS, 50);
    is_level_again(&server);
    assert_eq!(figure(&server, FAILURES), 0.0, "slow is not broken");
    server.stop().expect_code(0);
}

fn it_is_given_up_and_found_again(side: &Side, house: &House, says: &str) {
    let proxy = side.proxy();
    let mut server = run(house, &side.sink(house, proxy.port(), "timeout_ms=300"));
    until(&server, LEVEL);
    proxy.set(Mode::Hang);
    shop_some(&server, "d", 3);
    let line = server.says("nothing is lost");
    assert!(line.contains("sink orders: ") && line.contains(says), "{line}");
    assert!(line.contains("127.0.0.1:"), "{line}");
    // Also where it begins again nobody answers.
    at_least(&server, FAILURES, 3);
    shop_some(&server, "e", 1);
    at_least(&server, LAG_SEQS, 4);
    until_late(&server);
    proxy.set(Mode::Pass);
    is_level_again(&server);
    server.says("goes on after");
    server.stop().expect_code(0);
}

fn nothing_is_lost_where_nobody_answers(side: &Side, says: &str) {
    let house = House::new(&[AT_ONCE]);
    how_far_it_is_behind_is_seen_while_it_waits(side, &house);
    it_is_given_up_and_found_again(side, &house, says);
    let proxy = side.proxy();
    let sink = side.sink(&house, proxy.port(), "");
    side.has_all(&house, &sink, &seqs(&house.records(), &["buy"]));
}

#[test]
fn a_postgres_that_hangs_or_is_slow_is_behind_and_catches_up() {
    let Some(side) = Side::postgres() else { return };
    nothing_is_lost_where_nobody_answers(&side, "no answer within 300 ms");
}

#[test]
fn a_nats_that_hangs_or_is_slow_is_behind_and_catches_up() {
    let Some(side) = Side::nats() else { return };
    nothing_is_lost_where_nobody_answers(&side, "no answer within 300 ms");
}

#[test]
fn a_redis_that_hangs_or_is_slow_is_behind_and_catches_up() {
    let Some(side) = Side::redis() else { return };
    nothing_is_lost_where_nobody_answers(&side, "no answer within 300 ms");
}

#[test]
fn a_receiver_that_hangs_or_is_slow_is_behind_and_catches_up() {
    nothing_is_lost_where_nobody_answers(&Side::webhook(), "no answer in time");
}

#[test]
fn how_late_it_is_shows_where_the_other_side_was_never_there() {
    let house = House::new(&[AT_ONCE]);
    let Some(redis) = super::RedisServer::down(&[]) else { return };
    let server = run(&house, &format!("name=orders type=redis url={}", redis.url()));
    shop_some(&server, "a", 2);
    at_least(&server, FAILURES, 2);
    at_least(&server, LAG_SEQS, 2);
    until_late(&server);
    let mut redis = redis;
    redis.start();
    is_level_again(&server);
    server.stop().expect_code(0);
}
