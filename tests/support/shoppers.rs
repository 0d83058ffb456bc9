//! Buyers for tests of what becomes of orders: they shop until the server is gone, and its figures
//! and its journal say what came of it.
//!
//! Wants `resp` and `server` beside it.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::resp::{self, Resp};
use crate::server::{PATIENCE, Server};

/// A sale with all that can become of an order, but a draw.
pub(crate) const DROP: &str = r#"
name = "drop"
hold_ms = 40
extend_ms = 40
waitlist = 20
offer_ms = 40
items = [
    { sku = "tee", stock = 1000000, price = 2500 },
    { sku = "cap", stock = 3, price = 900 },
]
"#;
/// A sale in which what is bought is sold.
pub(crate) const AT_ONCE: &str =
    "name = \"once\"\nhold_ms = 0\nitems = [{ sku = \"pin\", stock = 100000, price = 100 }]\n";

/// Kinds of records that change an order.
pub(crate) const OF_ORDERS: [&str; 11] = [
    "hold", "buy", "wait", "confirm", "release", "extend", "cancel", "expire", "offer", "leave",
    "drawn",
];

/// Orders of all kinds, as long as the server answers, for about so many rounds.
pub(crate) fn shop(server: &Server, round: u64, rounds: u64) -> Option<()> {
    let mut resp = Resp::over(server.try_connect().ok()?);
    for number in 0..rounds {
        let name = format!("{round}-{number}");
        let long = format!("a-buyer-of-more-than-sixteen-{name}");
        let buyer = if number % 5 == 0 { &long } else { &name };
        let given = ask(&mut resp, &["BUY", "drop", "tee", buyer, &name, "UNITS", "2"])?;
        let order = given.number(1).to_string();
        match number % 6 {
            0 => _ = ask(&mut resp, &["CONFIRM", "drop", &order])?,
            1 => _ = ask(&mut resp, &["RELEASE", "drop", &order])?,
            2 => {
                ask(&mut resp, &["CONFIRM", "drop", &order])?;
                ask(&mut resp, &["CANCEL", "drop", &order])?;
            }
            3 => _ = ask(&mut resp, &["EXTEND", "drop", &order])?,
            _ => {}
        }
        let cap = format!("cap-{name}");
        ask(&mut resp, &["BUY", "drop", "cap", buyer, &cap, "WAIT"])?;
        let basket = format!("basket-{name}");
        ask(&mut resp, &["BASKET", "drop", buyer, &basket, "tee", "1", "cap", "1"])?;
        ask(&mut resp, &["BUY", "once", "pin", buyer, &name])?;
    }
    Some(())
}

fn ask(resp: &mut Resp, words: &[&str]) -> Option<resp::Value> {
    resp.send(words).and_then(|()| resp.receive()).ok()
}

/// One order that is sold at once.
pub(crate) fn shop_one(server: &Server) {
    shop_some(server, "k", 1);
}

/// So many orders that are sold at once, under keys that begin so.
pub(crate) fn shop_some(server: &Server, key: &str, count: u64) {
    let mut resp = Resp::over(server.connect());
    for number in 0..count {
        let key = format!("{key}{number}");
        assert_eq!(resp.ask(&["BUY", "once", "pin", "ann", &key]).word(), "confirmed");
    }
}

/// The seqs of the journal's records of these kinds.
pub(crate) fn seqs(records: &[Value], kinds: &[&str]) -> Vec<u64> {
    let is_it = |record: &&Value| kinds.contains(&record["kind"].as_str().unwrap_or(""));
    records.iter().filter(is_it).map(|record| record["seq"].as_u64().expect("a seq")).collect()
}

/// Waits until the server shows a figure so.
pub(crate) fn until(server: &Server, line: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let figures = figures(server);
        if figures.lines().any(|shown| shown == line) {
            return;
        }
        assert!(Instant::now() < deadline, "no {line} in {figures}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// All figures that it shows.
pub(crate) fn figures(server: &Server) -> String {
    let mut answer =
        ureq::get(format!("http://{}/metrics", server.admin)).call().expect("an answer");
    answer.body_mut().read_to_string().expect("a body")
}
