//! Buyers over HTTP who order as fast as they can, until the server ends.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::peer::{Peer, order, request};
use super::server::{PATIENCE, Server};

/// Connections at once.
pub(crate) const BUYERS: usize = 64;
/// Orders asked for by one connection that is asked to look for many.
const WINDOW: usize = 64;

/// What buyers were told: order by key.
pub(crate) type Orders = BTreeMap<String, u64>;

/// What happens to the server in the end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It stops: an answer is whole or not there at all.
    Stop,
    /// It is killed: the last answer of a connection may be cut short.
    Kill,
}

fn body(buyer: &str) -> String {
    format!(r#"{{"item":"tee","buyer":"{buyer}"}}"#)
}

/// Orders, `depth` requests on their way at once, until the connection ends.
fn buy(server: &Server, who: &str, depth: usize, end: End, answered: &AtomicUsize) -> Orders {
    let (mut orders, mut sent) = (Orders::new(), 0);
    // It may be over before it began.
    let Ok(stream) = server.try_connect() else { return orders };
    let mut peer = Peer::over(stream);
    loop {
        let mut requests = String::new();
        while sent < orders.len() + depth {
            requests += &order("crowd", &format!("{who}-{sent}"), &body(who));
            sent += 1;
        }
        // At the end nothing can be sent any more, but answers may still lie there.
        let _ = peer.stream.write_all(requests.as_bytes());
        let answer = match peer.hear(true) {
            Ok(Some(answer)) => answer,
            Ok(None) => return orders,
            Err(_) if end == End::Kill => return orders,
            Err(why) => panic!("{who}: {why}"),
        };
        assert_eq!(answer.status, 201, "{answer:?}");
        let (told, key) = (answer.json(), format!("{who}-{}", orders.len()));
        assert_eq!(told["key"], key.as_str(), "answers are in the order of their requests");
        let id = told["order"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        assert_eq!(orders.insert(key, id), None);
        answered.fetch_add(1, Ordering::Relaxed);
        if answer.header("connection") == Some("close") {
            assert!(end == End::Stop && peer.is_over(), "nothing comes after the last answer");
            return orders;
        }
    }
}

/// Lets all buyers order; when `enough` orders are answered, `then` ends the server. Returns what
/// they were told.
pub(crate) fn rush(
    server: &Server,
    round: usize,
    enough: usize,
    end: End,
    then: impl FnOnce(),
) -> Orders {
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let answered = &answered;
        let buyers: Vec<_> = (0..BUYERS)
            .map(|buyer| {
                let (who, depth) = (format!("r{round}-b{buyer}"), 1 + buyer % 4);
                scope.spawn(move || buy(server, &who, depth, end, answered))
            })
            .collect();
        let deadline = Instant::now() + PATIENCE;
        while answered.load(Ordering::Relaxed) < enough {
            assert!(Instant::now() < deadline, "no load");
            std::thread::sleep(Duration::from_millis(1));
        }
        then();
        buyers.into_iter().flat_map(|buyer| buyer.join().expect("it says why")).collect()
    })
}

/// Asks for every one of these orders: it is there, under its key, and still held.
pub(crate) fn find_all(server: &Server, orders: &Orders) {
    let mut peer = Peer::of(server);
    let orders: Vec<(&String, &u64)> = orders.iter().collect();
    for window in orders.chunks(WINDOW) {
        let look = |(_, id): &(&String, &u64)| {
            request(&format!("GET /v1/sales/crowd/orders/{id}"), "", "")
        };
        peer.send(window.iter().map(look).collect::<String>());
        for (key, id) in window {
            let answer = peer.receive();
            assert_eq!(answer.status, 200, "order {id} of {key}: {answer:?}");
            let found = answer.json();
            assert_eq!((&found["key"], &found["state"]), (&(*key).clone().into(), &"held".into()));
        }
    }
}
