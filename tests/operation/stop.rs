//! SIGTERM and kill -9 while 64 connections order as fast as they can: what was answered is there
//! afterwards, and a stop leaves nobody with half an answer or without an end.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::CROWD;
use super::buyers::{End, Orders, find_all, rush};
use super::peer::{Peer, request};
use super::server::{House, PATIENCE, Server};

const ROUNDS: usize = 3;
/// Orders answered before a round ends.
const ENOUGH: usize = 600;
/// How long a peer that takes nothing holds up a stop.
const STALL_MS: u64 = 2_500;

fn threads(round: usize) -> &'static str {
    if round.is_multiple_of(2) { "shared" } else { "apart" }
}

/// Asks for more than it and the system take, and reads nothing.
fn deaf(server: &Server) -> TcpStream {
    let mut deaf = server.connect();
    deaf.set_write_timeout(Some(Duration::from_millis(200))).expect("a socket");
    let padding = format!("X: {}\r\n", "x".repeat(8_000));
    let requests = request("GET /openapi.json", &padding, "").repeat(4_000);
    assert!(deaf.write_all(requests.as_bytes()).is_err(), "it takes no more than it can answer");
    deaf
}

fn ready(operator: &mut Peer) -> u16 {
    operator.get("/readyz").status
}

/// Ends `server`, which someone holds up, and looks at it meanwhile.
fn stop_and_look(server: &Server, operator: &mut Peer, idle: &mut [Peer]) {
    assert_eq!(ready(operator), 200);
    server.terminate();
    let deadline = Instant::now() + PATIENCE;
    while ready(operator) == 200 {
        assert!(Instant::now() < deadline, "it is still ready");
    }
    for peer in idle {
        assert!(peer.is_closed(), "who waits for nothing is let go");
    }
    assert_eq!(ready(operator), 503, "it still waits for the peer that takes nothing");
    assert!(server.try_connect().is_err(), "nobody is let in any more");
}

/// All that was decided was told, and what was told is there.
fn check(house: &House, told: &Orders) {
    let records = house.records();
    let held: Vec<_> = records.iter().filter(|record| record["kind"] == "hold").collect();
    let keys: HashSet<&str> = held.iter().filter_map(|hold| hold["key"].as_str()).collect();
    assert_eq!(keys.len(), held.len(), "a key twice");
    for hold in held {
        let key = hold["key"].as_str().expect("a key");
        let order = told.get(key).unwrap_or_else(|| panic!("{key} was never answered"));
        assert_eq!(hold["order"], order.to_string());
    }
    assert_eq!(keys.len(), told.len(), "answered and lost");
    assert_eq!(records.last().expect("records")["kind"], "seal", "a clean stop");
    assert_eq!(house.audit()["held"], told.len());
}

#[test]
fn a_rolling_stop_answers_what_it_read_and_keeps_what_it_answered() {
    let house = House::new(&[CROWD]);
    let mut told = Orders::new();
    for round in 0..ROUNDS {
        let start = house.server().with(&["--threads", threads(round)]);
        let server = start.option("WRITE_STALL_MS", STALL_MS).run();
        find_all(&server, &told);
        let mut operator = Peer::over(TcpStream::connect(server.admin).expect("it listens"));
        let mut idle: Vec<Peer> = (0..8).map(|_| Peer::of(&server)).collect();
        for peer in &mut idle[4..] {
            assert_eq!(peer.get("/v1/sales/crowd").status, 200);
        }
        // Half of a request is none.
        idle[0].send("POST /v1/sales/crowd/orders HTTP/1.1\r\nHos");
        let held_up = (round == 0).then(|| deaf(&server));
        let began = Instant::now();
        let orders = rush(&server, round, ENOUGH, End::Stop, || match held_up {
            Some(_) => stop_and_look(&server, &mut operator, &mut idle),
            None => server.terminate(),
        });
        assert!(orders.len() >= ENOUGH);
        told.extend(orders);
        server.wait().expect_code(0);
        assert!(began.elapsed() < PATIENCE / 2, "the peer that takes nothing is not waited for");
        drop(held_up);
        check(&house, &told);
    }
    find_all(&house.serve(), &told);
}

#[test]
fn what_was_answered_over_http_survives_kills_under_load() {
    let house = House::new(&[CROWD]);
    let mut told = Orders::new();
    for round in 0..ROUNDS {
        let server = house.server().with(&["--threads", threads(round)]).run();
        find_all(&server, &told);
        told.extend(rush(&server, round, ENOUGH, End::Kill, || server.strike()));
        server.wait();
    }
    let server = house.serve();
    find_all(&server, &told);
    let stock = Peer::of(&server).get("/v1/sales/crowd").json()["items"][0].clone();
    assert!(stock["held"].as_u64() >= Some(told.len() as u64), "{stock}");
    server.stop().expect_code(0);
    assert!(house.audit()["held"].as_u64() >= Some(told.len() as u64));
}

#[test]
fn a_second_signal_ends_the_wait_for_a_peer_that_takes_nothing() {
    let house = House::new(&[CROWD]);
    let server = house.serve();
    let mut deaf = deaf(&server);
    let mut operator = Peer::over(TcpStream::connect(server.admin).expect("it listens"));
    let deadline = Instant::now() + PATIENCE;
    server.terminate();
    while ready(&mut operator) == 200 {
        assert!(Instant::now() < deadline, "it is still ready");
    }
    server.terminate();
    server.wait().expect_code(0);
    // What it had taken is whole as far as it goes.
    let mut all = Vec::new();
    let _ = deaf.read_to_end(&mut all);
    assert!(all.starts_with(b"HTTP/1.1 200 OK\r\n"));
    house.audit();
}
