//! SIGSTOP and SIGCONT under load: who was connected is answered, in order, as if nothing had been;
//! holds that ran out meanwhile have ended.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use doorbuster::client::State;

use super::http_peer;
use super::peer::{Peer, Told};
use super::resp::Resp;
use super::server::{House, Server};
use super::wait_until;

const SALES: [&str; 2] = [
    "name = \"crowd\"\nhold_ms = 86400000\n\
     items = [{ sku = \"tee\", stock = 1000000, price = 2500 }]\n",
    "name = \"brief\"\nhold_ms = 400\nitems = [{ sku = \"cap\", stock = 2, price = 900 }]\n",
];
const CROWD: (u16, &str) = (1, "crowd");
/// Longer than a brief hold, and than a purchase may wait.
const STOP: Duration = Duration::from_millis(1200);
const SHED_AFTER_MS: u64 = 600;
/// Answers before each stop.
const ENOUGH: usize = 300;
const WINDOW: usize = 8;

/// What one connection was told: its orders in the order of their requests, and how often it was
/// told to come again.
type Heard = (Vec<u64>, usize);

/// Buys over RESP or the binary protocol until it is over, then hears all that is on its way.
fn buy(
    server: &Server,
    who: &str,
    is_binary: bool,
    is_over: &AtomicBool,
    count: &AtomicUsize,
) -> Heard {
    let mut peer = Peer::connect(server, is_binary).expect("it serves");
    let (mut orders, mut shed, mut sent, mut heard) = (Vec::new(), 0, 0, 0);
    loop {
        while sent < heard + WINDOW && !is_over.load(Ordering::Relaxed) {
            peer.buy(CROWD, &format!("{who}-{sent}"), 1);
            sent += 1;
        }
        peer.flush();
        if heard == sent {
            return (orders, shed);
        }
        match peer.receive().expect("nobody is let go") {
            Told::Order { state: State::Held, order } => orders.push(order),
            Told::Refused(word) if word.contains("overloaded") || word.starts_with("BUSY") => {
                shed += 1;
            }
            other => panic!("{other:?}"),
        }
        heard += 1;
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// The same over HTTP, one at a time.
fn buy_over_http(server: &Server, is_over: &AtomicBool, count: &AtomicUsize) -> Heard {
    let mut peer = http_peer::Peer::of(server);
    let (mut orders, mut shed) = (Vec::new(), 0);
    for number in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let answer =
            peer.order("crowd", &format!("http-{number}"), r#"{"item":"tee","buyer":"h"}"#);
        match answer.status {
            201 => {
                let order = answer.json()["order"].as_str().and_then(|id| id.parse().ok());
                orders.push(order.expect("an id"));
            }
            503 => shed += 1,
            _ => panic!("{answer:?}"),
        }
        count.fetch_add(1, Ordering::Relaxed);
    }
    (orders, shed)
}

/// Lets it do nothing: not one of its threads runs any more when this returns.
fn stop(server: &Server) {
    server.freeze(true);
    wait_until("all threads are stopped", || {
        let threads =
            std::fs::read_dir(format!("/proc/{}/task", server.id())).expect("it is there");
        threads.flatten().all(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            // Behind the name, which may be anything.
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
        })
    });
}

/// Stops and resumes it twice under load. Returns the orders that were told.
fn stop_and_go_on(server: &Server) -> Vec<u64> {
    let (is_over, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let (is_over, count) = (&is_over, &count);
        let mut buyers: Vec<_> = (0..4)
            .map(|who| {
                let name = format!("b{who}");
                scope.spawn(move || buy(server, &name, who % 2 == 0, is_over, count))
            })
            .collect();
        buyers.push(scope.spawn(move || buy_over_http(server, is_over, count)));
        for round in 1..=2 {
            wait_until("load", || count.load(Ordering::Relaxed) >= ENOUGH * round);
            stop(server);
            std::thread::sleep(STOP);
            server.freeze(false);
        }
        wait_until("load", || count.load(Ordering::Relaxed) >= ENOUGH * 3);
        is_over.store(true, Ordering::Relaxed);
        let told = buyers.into_iter().map(|buyer| buyer.join().expect("it says why"));
        told.flat_map(|(orders, _)| {
            assert!(orders.is_sorted(), "answers are in the order of their requests");
            orders
        })
        .collect()
    })
}

#[test]
fn a_server_that_was_stopped_goes_on_where_it_was_and_ends_what_ran_out() {
    for threads in ["shared", "apart"] {
        let house = House::new(&SALES);
        let start = house.server().with(&["--threads", threads]);
        let server = start.option("SHED_AFTER_MS", SHED_AFTER_MS).run();
        let told = stop_and_go_on(&server);
        let different: HashSet<&u64> = told.iter().collect();
        assert_eq!(different.len(), told.len(), "an order twice");

        // One holds both caps; while it is stopped their time runs out, and the next one asks.
        let mut resp = Resp::over(server.connect());
        resp.send(&["BUY", "brief", "cap", "ann", "a", "UNITS", "2"]).expect("sent");
        resp.send(&["BUY", "brief", "cap", "bob", "b"]).expect("sent");
        let order = resp.receive().expect("an answer").number(1);
        assert_eq!(resp.receive().expect("an answer").word(), "sold_out");
        stop(&server);
        let mut next = Resp::over(server.connect());
        next.send(&["CONFIRM", "brief", &order.to_string()]).expect("sent");
        std::thread::sleep(STOP);
        server.freeze(false);
        let late = next.receive().expect("an answer");
        assert_eq!(late.word(), "hold_expired", "{late:?}");
        let caps = ["BUY", "brief", "cap", "bob", "c", "UNITS", "2"];
        wait_until("the next one has them", || next.ask(&caps).word() == "held");

        drop((resp, next));
        server.stop().expect_code(0);
        let verdict = house.audit();
        assert!(verdict["expired"].as_u64() >= Some(1), "{verdict}");
        let records = house.records();
        let held: HashSet<u64> = records
            .iter()
            .filter(|record| record["kind"] == "hold" && record["sale"] == "crowd")
            .map(|record| record["seq"].as_u64().expect("a seq"))
            .collect();
        let told: HashSet<u64> = told.into_iter().collect();
        assert_eq!(held, told, "told and held are the same");
    }
}
