//! SIGTERM in the middle of a crowd: what was read is decided, synced and answered, and all of it
//! is there afterwards.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use doorbuster::client::{Answer, Client, Item, Request};

use super::CROWD;
use super::resp::{Resp, encode};
use super::server::{House, PATIENCE, Server};

const TEE: Item = Item { sale: 1, item: 1 };
/// Requests of one buyer that are on their way at once.
const WINDOW: u32 = 32;

/// Buys until the door closes. Returns what was answered: order by key.
fn buy_binary(server: &Server, who: usize, answered: &AtomicUsize) -> BTreeMap<String, u64> {
    let (mut sender, mut receiver) = Client::over(server.connect()).expect("a greeting").split();
    let (mut orders, mut next) = (BTreeMap::new(), 0);
    loop {
        while sender.in_flight() < WINDOW {
            let key = format!("{who}-{next}");
            let buy = Request::Buy { item: TEE, buyer: "b", key: &key, units: 1, max_price: None };
            sender.send(&buy).expect("room for it");
            next += 1;
        }
        // After the stop nothing can be sent any more, but answers may still lie there.
        let _ = sender.flush();
        match receiver.receive() {
            Ok((tag, Answer::Order(order))) => {
                orders.insert(format!("{who}-{}", tag.0), order.order);
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok(other) => panic!("no order: {other:?}"),
            Err(_) => return orders,
        }
    }
}

fn buy_resp(server: &Server, who: usize, answered: &AtomicUsize) -> BTreeMap<String, u64> {
    let mut peer = Resp::over(server.connect());
    let (mut orders, mut next, mut received) = (BTreeMap::new(), 0, 0);
    loop {
        let mut bytes = Vec::new();
        while next - received < WINDOW {
            encode(&["BUY", "crowd", "tee", "b", &format!("{who}-{next}")], &mut bytes);
            next += 1;
        }
        let _ = peer.raw(&bytes);
        match peer.receive() {
            Ok(answer) => {
                assert_eq!(answer.word(), "held");
                orders.insert(format!("{who}-{received}"), answer.number(1));
                received += 1;
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => return orders,
        }
    }
}

#[test]
fn a_stop_under_load_answers_what_it_decided_and_keeps_it() {
    for threads in ["shared", "apart"] {
        let house = House::new(&[CROWD]);
        let server = house.server().with(&["--threads", threads]).run();
        let answered = AtomicUsize::new(0);
        let orders: BTreeMap<String, u64> = std::thread::scope(|scope| {
            let (running, answered) = (&server, &answered);
            let buyers: Vec<_> = (0..8)
                .map(|who| {
                    scope.spawn(move || match who % 2 {
                        0 => buy_binary(running, who, answered),
                        _ => buy_resp(running, who, answered),
                    })
                })
                .collect();
            let deadline = Instant::now() + PATIENCE;
            while answered.load(Ordering::Relaxed) < 3000 {
                assert!(Instant::now() < deadline, "no load");
                std::thread::sleep(Duration::from_millis(1));
            }
            running.terminate();
            buyers.into_iter().flat_map(|buyer| buyer.join().expect("no panic")).collect()
        });
        let ended = server.wait();
        ended.expect_code(0);
        assert!(ended.stderr.contains("SIGTERM"), "{}", ended.stderr);

        // Everything decided was answered, and everything answered is there.
        let records = house.records();
        let held: Vec<_> = records.iter().filter(|record| record["kind"] == "hold").collect();
        let keys: HashSet<&str> = held.iter().filter_map(|hold| hold["key"].as_str()).collect();
        assert_eq!(keys.len(), held.len(), "a key twice");
        for hold in &held {
            let key = hold["key"].as_str().expect("a key");
            let told = orders.get(key).map(u64::to_string);
            assert_eq!(told.as_deref(), hold["order"].as_str(), "{key} was never answered");
        }
        assert_eq!(held.len(), orders.len(), "answered and lost");
        assert_eq!(records.last().expect("records")["kind"], "seal", "a clean stop");
        assert_eq!(house.audit()["held"], orders.len());

        let server = house.serve();
        let mut peer = Resp::over(server.connect());
        for (key, order) in orders.iter().step_by(orders.len() / 100) {
            assert_eq!(peer.ask(&["BUY", "crowd", "tee", "b", key]).number(1), *order);
        }
    }
}

#[test]
fn a_stop_waits_for_a_peer_that_never_reads_but_not_for_ever() {
    let house = House::new(&[CROWD]);
    let server = house.serve();
    let deaf = server.connect();
    deaf.set_write_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    let mut deaf = Resp::over(deaf);
    let mut bytes = Vec::new();
    for _ in 0..4000 {
        encode(&["ECHO", &"x".repeat(16_000)], &mut bytes);
    }
    assert!(deaf.raw(&bytes).is_err(), "it takes no more than it can answer");
    let held = Resp::over(server.connect()).ask(&["BUY", "crowd", "tee", "b", "k"]);
    assert_eq!(held.word(), "held");
    server.stop().expect_code(0);
    assert_eq!(house.audit()["held"], 1);
}

#[test]
fn a_stop_without_anyone_connected_is_a_clean_one() {
    let house = House::new(&[CROWD]);
    for round in 1..4 {
        house.serve().stop().expect_code(0);
        assert_eq!(house.audit()["seals"], round);
    }
}
