//! The disk fails under the real program: a failed write or sync ends it with exit 74 and not one
//! reply more, a slow sync holds every reply back, a full disk refuses new orders and nothing else;
//! and in each case everything that was acknowledged is there afterwards.

use super::support::{peer, resp, server, small_disk, strace};

#[path = "disk_faults/full.rs"]
mod full;

use std::time::{Duration, Instant};

use doorbuster::client::State;
use peer::{Peer, Told};
use resp::Resp;
use server::{Ended, House, PATIENCE, Server};

const CROWD: (u16, &str) = (1, "crowd");
const SALE: &str = r#"
name = "crowd"
hold_ms = 86400000
items = [{ sku = "tee", stock = 1000000, price = 2500 }]
"#;

/// An acknowledged order: its key and its id.
type Acknowledged = Vec<(String, u64)>;

/// Buys over both protocols until the server is gone. Returns what was acknowledged.
fn buy_until_the_end(server: &Server, name: &str) -> Acknowledged {
    std::thread::scope(|scope| {
        let buyers: Vec<_> = (0..4)
            .map(|index| {
                scope.spawn(move || {
                    let (mut acknowledged, mut sent) = (Vec::new(), 0);
                    let Ok(mut peer) = Peer::connect(server, index % 2 == 0) else {
                        return acknowledged;
                    };
                    let key = |number: usize| format!("{name}{index}-{number}");
                    loop {
                        while sent < acknowledged.len() + 1 + 10 * index {
                            peer.buy(CROWD, &key(sent), 1);
                            sent += 1;
                        }
                        peer.flush();
                        match peer.receive() {
                            Ok(Told::Order { order, state: State::Held }) => {
                                acknowledged.push((key(acknowledged.len()), order));
                            }
                            Ok(other) => panic!("{other:?}"),
                            Err(_) => return acknowledged,
                        }
                    }
                })
            })
            .collect();
        buyers.into_iter().flat_map(|buyer| buyer.join().expect("it says why")).collect()
    })
}

/// Everything acknowledged is there, under its key and its id.
#[track_caller]
fn check(house: &House, acknowledged: &Acknowledged) {
    let server = house.serve();
    let mut peer = Peer::connect(&server, true).expect("it serves");
    for some in acknowledged.chunks(500) {
        some.iter().for_each(|(key, _)| peer.buy(CROWD, key, 1));
        peer.flush();
        for (key, order) in some {
            let told = peer.receive().expect("an answer");
            assert_eq!(told, Told::Order { state: State::Held, order: *order }, "{key}");
        }
    }
    drop(peer);
    server.stop().expect_code(0);
    house.audit();
}

#[track_caller]
fn stopped(ended: &Ended) {
    ended.expect_code(74);
    assert!(ended.stderr.contains("stopped without answering"), "{}", ended.stderr);
}

#[test]
fn a_failed_write_or_sync_ends_the_server_with_74_and_nothing_acknowledged_is_lost() {
    if !strace::is_there("a failed write or sync") {
        return;
    }
    for fault in [
        "fdatasync:error=EIO:when=3+",
        "fdatasync:error=EIO:when=60+",
        "fdatasync:error=ENOSPC:when=30+",
        "pwrite64:error=EIO:when=40+",
        "pwrite64:retval=0:when=25+",
    ] {
        let house = House::new(&[SALE]);
        // Each thread counts its own calls: the third sync of the one that makes segments may fail
        // before the server listens.
        let (acknowledged, ended) =
            match strace::with_faults(house.server(), None, &[fault]).try_run() {
                Ok(server) => (buy_until_the_end(&server, "a"), server.wait()),
                Err(ended) => (Default::default(), ended),
            };
        stopped(&ended);
        assert_eq!(acknowledged.is_empty(), fault.ends_with("=3+"), "{fault}");
        check(&house, &acknowledged);
    }
}

#[test]
fn after_a_failed_sync_not_one_reply_leaves() {
    if !strace::is_there("no reply after a failed sync") {
        return;
    }
    let house = House::new(&[SALE]);
    let fault = "fdatasync:error=EIO:when=6+";
    let server = strace::with_faults(house.server(), None, &[fault]).run();
    // One at a time: each is a sync of its own, and two there were before.
    let mut resp = Resp::over(server.connect());
    for number in 0..3 {
        assert_eq!(resp.ask(&["BUY", "crowd", "tee", "u", &format!("{number}")]).word(), "held");
    }
    resp.send(&["BUY", "crowd", "tee", "u", "never"]).expect("sent");
    resp.send(&["STOCK", "crowd", "tee"]).expect("sent");
    assert!(resp.is_closed(), "not a word more");
    stopped(&server.wait());
    let server = house.serve();
    let mut resp = Resp::over(server.connect());
    for number in 0..3 {
        let order = resp.ask(&["BUY", "crowd", "tee", "u", &format!("{number}")]).number(1);
        assert_eq!(order, 3 + number);
    }
}

#[test]
fn a_start_on_a_failing_disk_exits_74() {
    if !strace::is_there("a start on a failing disk") {
        return;
    }
    for fault in ["fsync:error=EIO", "fdatasync:error=EIO", "pwrite64:error=EIO"] {
        let house = House::new(&[SALE]);
        let refused = strace::with_faults(house.server(), None, &[fault]).try_run();
        let refused = refused.err().expect("no server without a disk");
        assert!([73, 74].map(Some).contains(&refused.code()), "{fault}: {refused:?}");
        // What it left half made is no hindrance.
        house.serve().stop().expect_code(0);
    }
}

#[test]
fn an_interrupted_write_is_taken_up_again() {
    if !strace::is_there("an interrupted write") {
        return;
    }
    let house = House::new(&[SALE]);
    let fault = "pwrite64:error=EINTR:when=3+2";
    let server = strace::with_faults(house.server(), None, &[fault]).run();
    let mut resp = Resp::over(server.connect());
    for number in 0..50 {
        assert_eq!(resp.ask(&["BUY", "crowd", "tee", "u", &format!("{number}")]).word(), "held");
    }
    drop(resp);
    server.stop().expect_code(0);
    assert_eq!(house.audit()["held"], 50);
}

#[test]
fn no_reply_leaves_before_the_sync_that_its_decision_needs() {
    if !strace::is_there("no reply before its sync") {
        return;
    }
    const SYNC: Duration = Duration::from_millis(400);
    let last = SALE.replace("1000000", "1");
    let house = House::new(&[&last]);
    let fault = format!("fdatasync:delay_enter={}:when=3+", SYNC.as_micros());
    let server = strace::with_faults(house.server(), None, &[&fault]).run();
    let (mut winner, mut loser) = (Resp::over(server.connect()), Resp::over(server.connect()));
    let mut looker = Resp::over(server.connect());
    let asked = Instant::now();
    winner.send(&["BUY", "crowd", "tee", "u1", "k1"]).expect("sent");
    std::thread::sleep(SYNC / 8);
    // Decided from a state that a crash could still undo: these wait for the same sync.
    loser.send(&["BUY", "crowd", "tee", "u2", "k2"]).expect("sent");
    looker.send(&["STOCK", "crowd", "tee"]).expect("sent");
    assert_eq!(loser.receive().expect("an answer").word(), "sold_out");
    assert!(asked.elapsed() >= SYNC, "sold out was told {:?} after the sale", asked.elapsed());
    assert_eq!(looker.receive().expect("an answer").number(1), 0);
    assert_eq!(winner.receive().expect("an answer").word(), "held");
    assert!(asked.elapsed() >= SYNC);
    // What is durable already is told at once, as far as that can be tested without a clock.
    assert_eq!(looker.ask(&["PING"]).word(), "PONG");
}

#[test]
fn a_kill_between_decision_and_write_loses_nothing_that_was_told() {
    if !strace::is_there("a kill between decision and write") {
        return;
    }
    let house = House::new(&[SALE]);
    let mut acknowledged = Acknowledged::new();
    for round in 0..12_u64 {
        // Each write waits so long that the kill falls before it more often than not.
        let fault = "pwrite64:delay_enter=20000:when=12+";
        let server = strace::with_faults(house.server(), None, &[fault]).run();
        std::thread::scope(|scope| {
            let buyers = scope.spawn(|| buy_until_the_end(&server, &format!("{round}-")));
            std::thread::sleep(Duration::from_millis(150 + 37 * round % 100));
            server.strike();
            acknowledged.extend(buyers.join().expect("it says why"));
        });
        server.wait();
    }
    assert!(!acknowledged.is_empty());
    check(&house, &acknowledged);
}

/// Waits until `is_so`, within reason.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never happens: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
