//! Thousands who say nothing and hundreds who say it slowly, while others work.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::CROWD;
use super::peer::{Peer, request};
use super::server::{House, PATIENCE, Server};

const IDLE: usize = 2_000;
const SLOW: usize = 200;
const GOOD: usize = 64;
/// Orders of one good connection, at least.
const ORDERS: usize = 10;
const REQUEST_MS: u64 = 1_500;
/// What an idle connection may cost, buffers of the allocator and all.
const BYTES_MAX: u64 = 4 * 1024;
/// Descriptors that come and go with segments of the journal and the connection before.
const OTHERS: usize = 8;
/// Between two bytes of those who speak slowly.
const PAUSE: Duration = Duration::from_millis(100);

/// Most systems allow a process fewer descriptors than it may ask for.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).expect("up to the hard limit");
}

fn descriptors_of(server: &Server) -> usize {
    let path = format!("/proc/{}/fd", server.id());
    std::fs::read_dir(path).expect("it runs").count()
}

/// Orders, and looks at its orders, until nobody is slow any more.
fn work(server: &Server, who: usize, is_over: &AtomicBool) -> usize {
    let (mut peer, mut orders) = (Peer::of(server), 0);
    while orders < ORDERS || !is_over.load(Ordering::Relaxed) {
        let key = format!("g{who}-{orders}");
        let body = format!(r#"{{"item":"tee","buyer":"g{who}"}}"#);
        let made = peer.order("crowd", &key, &body);
        assert_eq!(made.status, 201, "{made:?}");
        let id = made.json()["order"].as_str().expect("an id").to_owned();
        let found = peer.get(&format!("/v1/sales/crowd/orders/{id}"));
        assert_eq!(found.json()["key"], key, "{found:?}");
        orders += 1;
        std::thread::sleep(Duration::from_millis(20));
    }
    orders
}

/// Of an order whose body is longer than anybody can send in time.
const HEAD: &[u8] = b"POST /v1/sales/crowd/orders HTTP/1.1\r\nHost: shop.example\r\n\
    Content-Type: application/json\r\nIdempotency-Key: slow\r\nContent-Length: 4000\r\n\r\n";

/// Sends a head, or what passes for a body, byte by byte on all of these until each is closed. None
/// is before its time is up.
fn speak_slowly(mut slow: Vec<(TcpStream, Option<Instant>)>) {
    let head = request("GET /v1/sales/crowd", &format!("X: {}\r\n", "x".repeat(4_000)), "");
    let deadline = Instant::now() + PATIENCE;
    for byte in head.bytes() {
        if slow.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{} are never closed", slow.len());
        slow.retain_mut(|(stream, begun)| {
            let begun = *begun.get_or_insert_with(Instant::now);
            let is_closed = match stream.read(&mut [0]) {
                Ok(read) => {
                    assert_eq!(read, 0, "nothing was asked for");
                    true
                }
                Err(why) => why.kind() != ErrorKind::WouldBlock,
            };
            if is_closed {
                let after = begun.elapsed();
                assert!(after >= Duration::from_millis(REQUEST_MS), "closed after {after:?}");
                return false;
            }
            // It may be closed by now: the next look shows it.
            let _ = stream.write(&[byte]);
            true
        });
        std::thread::sleep(PAUSE);
    }
    panic!("{} could say all they wanted", slow.len());
}

#[test]
fn an_idle_crowd_and_a_slow_one_hold_nobody_up() {
    raise_descriptors();
    let house = House::new(&[CROWD]);
    let server = house.server().option("REQUEST_MS", REQUEST_MS).run();
    let is_over = AtomicBool::new(true);
    // What is made at the first order is there before anything is measured.
    work(&server, GOOD, &is_over);
    is_over.store(false, Ordering::Relaxed);
    let (descriptors, memory) = (descriptors_of(&server), server.resident_bytes());
    let mut idle: Vec<Peer> = (0..IDLE).map(|_| Peer::of(&server)).collect();
    let slow: Vec<_> = (0..SLOW)
        .map(|number| {
            let mut stream = server.connect();
            // Of every other one the head is whole, and it is the body that comes slowly.
            let begun = (number % 2 == 0).then(Instant::now);
            if begun.is_some() {
                stream.write_all(HEAD).expect("sent");
            }
            stream.set_nonblocking(true).expect("a socket");
            (stream, begun)
        })
        .collect();
    wait_until("all are let in", || descriptors_of(&server) + OTHERS >= descriptors + IDLE + SLOW);
    let grown = server.resident_bytes().saturating_sub(memory);
    let most = BYTES_MAX * (IDLE + SLOW) as u64;
    println!("{} bytes a connection", grown / (IDLE + SLOW) as u64);
    assert!(grown <= most, "{grown} bytes for {} connections", IDLE + SLOW);
    let orders: usize = std::thread::scope(|scope| {
        let (server, is_over) = (&server, &is_over);
        let good: Vec<_> =
            (0..GOOD).map(|who| scope.spawn(move || work(server, who, is_over))).collect();
        let slow = scope.spawn(move || speak_slowly(slow));
        let slow = slow.join();
        is_over.store(true, Ordering::Relaxed);
        let orders = good.into_iter().map(|good| good.join().expect("right answers")).sum();
        slow.expect("closed in time");
        orders
    });
    // Silence is not slowness: they are all still there.
    for peer in &mut idle {
        assert_eq!(peer.get("/v1/sales/crowd").status, 200);
    }
    drop(idle);
    wait_until("descriptors are given back", || descriptors_of(&server) <= descriptors + OTHERS);
    server.stop().expect_code(0);
    assert_eq!(house.audit()["held"], orders + ORDERS);
}

#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
