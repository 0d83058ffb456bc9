//! More than the server takes: purchases that waited too long, and peers without room.

use std::collections::HashSet;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use doorbuster::client::{Client, Error, Refusal};

use super::CROWD;
use super::buyers::{Orders, find_all};
use super::peer::{Answer, Peer, order};
use super::resp::{Resp, Value, encode};
use super::server::{House, PATIENCE, Server};

const CONNECTIONS: usize = 8;
const DEPTH: usize = 200;
/// Refusals to be seen.
const SHED: usize = 50;
/// What a peer is asked to wait at least, and half as long again at most, ms.
const RETRY_MS: u64 = 1_000;

/// What one connection saw.
#[derive(Default)]
struct Seen {
    orders: Orders,
    /// Keys that were refused, and when to come again.
    refused: Vec<(String, u64)>,
}

/// Asserts that it says when to come again, in both of its places. Returns it in ms.
#[track_caller]
fn retry_after(answer: &Answer) -> u64 {
    assert_eq!((answer.status, answer.problem().as_str()), (503, "overloaded"), "{answer:?}");
    let ms = answer.json()["retry_after_ms"].as_u64().expect("a time");
    let seconds = answer.header("retry-after").and_then(|text| text.parse().ok());
    assert_eq!(seconds, Some(ms.div_ceil(1000)), "{answer:?}");
    ms
}

fn buy(who: usize, number: usize) -> (String, String) {
    let key = format!("o{who}-{number}");
    let request = order("crowd", &key, &format!(r#"{{"item":"tee","buyer":"o{who}"}}"#));
    (key, request)
}

/// Orders by the hundred, until enough was refused.
fn rush(server: &Server, who: usize, shed: &AtomicUsize) -> Seen {
    let (mut peer, mut seen, mut next) = (Peer::of(server), Seen::default(), 0);
    while shed.load(Ordering::Relaxed) < SHED {
        let round: Vec<_> = (next..next + DEPTH).map(|number| buy(who, number)).collect();
        next += DEPTH;
        peer.send(round.iter().map(|(_, request)| request.as_str()).collect::<String>());
        for (key, _) in round {
            let answer = peer.receive();
            if answer.status == 201 {
                let id = answer.json()["order"].as_str().and_then(|id| id.parse().ok());
                seen.orders.insert(key, id.expect("an id"));
            } else {
                seen.refused.push((key, retry_after(&answer)));
                shed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    seen
}

#[test]
fn a_purchase_that_waited_too_long_is_refused_and_may_come_again() {
    let house = House::new(&[CROWD]);
    // Requests wait between the threads while the whole server is frozen.
    let server = house.server().with(&["--threads", "apart"]).option("SHED_AFTER_MS", 1).run();
    let (shed, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let seen: Vec<Seen> = std::thread::scope(|scope| {
        let (server, shed, is_over) = (&server, &shed, &is_over);
        let buyers: Vec<_> =
            (0..CONNECTIONS).map(|who| scope.spawn(move || rush(server, who, shed))).collect();
        scope.spawn(move || {
            let deadline = Instant::now() + PATIENCE;
            while !is_over.load(Ordering::Relaxed) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(7));
                server.freeze(true);
                std::thread::sleep(Duration::from_millis(5));
                server.freeze(false);
            }
        });
        let seen = buyers.into_iter().map(|buyer| buyer.join()).collect::<Vec<_>>();
        is_over.store(true, Ordering::Relaxed);
        seen.into_iter().map(|seen| seen.expect("right answers")).collect()
    });
    let mut orders = Orders::new();
    let mut refused = Vec::new();
    for seen in seen {
        orders.extend(seen.orders);
        refused.extend(seen.refused);
    }
    assert!(refused.iter().all(|(_, ms)| (RETRY_MS..=RETRY_MS * 3 / 2).contains(ms)));
    let different: HashSet<u64> = refused.iter().map(|(_, ms)| *ms).collect();
    assert!(different.len() > SHED / 4, "all come again at once: {different:?}");
    find_all(&server, &orders);
    // A refusal is not remembered: the key is free, until it is taken.
    let mut peer = Peer::of(&server);
    let (key, _) = &refused[0];
    let deadline = Instant::now() + PATIENCE;
    loop {
        let looked = peer.get(&format!("/v1/sales/crowd/orders?key={key}"));
        assert_eq!(looked.problem(), "unknown_order");
        let again = peer.order("crowd", key, r#"{"item":"tee","buyer":"again"}"#);
        if again.status == 201 {
            break;
        }
        retry_after(&again);
        assert!(Instant::now() < deadline, "it is refused for ever");
    }
    server.stop().expect_code(0);
    let verdict = house.audit();
    assert_eq!(verdict["held"], orders.len() + 1, "what was refused left nothing behind");
}

#[test]
fn who_finds_no_room_is_told_in_its_own_words() {
    const ROOM: usize = 3;
    let house = House::new(&[CROWD]);
    let server = house.server().option("CONNECTIONS_MAX", ROOM).run();
    let mut inside: Vec<Peer> = (0..ROOM).map(|_| Peer::of(&server)).collect();
    for peer in &mut inside {
        assert_eq!(peer.get("/v1/sales/crowd").status, 200);
    }
    // Over HTTP, as problem, with a time that is not everybody's.
    let mut waits = HashSet::new();
    for number in 0..8 {
        let mut late = Peer::of(&server);
        let (_, request) = buy(0, number);
        // The door may be shut before all is sent.
        let _ = late.stream.write_all(request.as_bytes());
        let answer = late.receive();
        waits.insert(retry_after(&answer));
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(late.is_over());
    }
    assert!(waits.len() > 1, "{waits:?}");
    // Over RESP, and to those who say nothing.
    let full = Value::Error("ERR max number of clients reached".into());
    let mut ping = Vec::new();
    encode(&["PING"], &mut ping);
    for words in [&ping[..], b""] {
        let mut late = Resp::over(server.connect());
        let _ = late.raw(words);
        assert_eq!(late.receive().expect("an answer"), full);
        assert!(late.is_closed());
    }
    match Client::over(server.connect()) {
        Err(Error::Refused(Refusal::Overloaded { retry_after_ms })) => {
            assert!((RETRY_MS..=RETRY_MS * 3 / 2).contains(&retry_after_ms), "{retry_after_ms}");
        }
        other => panic!("{other:?}"),
    }
    // More at once than are waited for: each hears something, and nobody inside is disturbed.
    let crowd: Vec<_> = (0..200).map(|_| server.connect()).collect();
    assert_eq!(inside[0].get("/v1/sales/crowd").status, 200);
    for stream in crowd {
        assert_eq!(Resp::over(stream).receive().expect("an answer"), full);
    }
    // One that leaves makes room for one.
    inside.pop();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut next = Peer::of(&server);
        let _ = next.stream.write_all(buy(1, 0).1.as_bytes());
        let answer = next.receive();
        if answer.status == 201 {
            break;
        }
        retry_after(&answer);
        assert!(Instant::now() < deadline, "no room again");
    }
    server.stop().expect_code(0);
    assert_eq!(house.audit()["held"], 1);
}

#[test]
fn as_many_orders_as_it_remembers_are_taken_and_then_it_says_that_it_is_full() {
    let house = House::new(&[CROWD]);
    let mut server = house.server().option("orders_max", 3).run();
    let mut resp = Resp::over(server.connect());
    for buyer in ["ann", "bob", "cem"] {
        assert_eq!(resp.ask(&["BUY", "crowd", "tee", buyer, buyer]).word(), "held");
    }
    let refused = resp.ask(&["BUY", "crowd", "tee", "dora", "dora"]);
    assert!(refused.word().starts_with("BUSY"), "{refused:?}");
    server.says("the tables are full with 3 orders");
    // What was taken goes on.
    assert_eq!(resp.ask(&["CONFIRM", "crowd", "3"]).word(), "confirmed");
    server.stop().expect_code(0);
}
