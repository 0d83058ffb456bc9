//! What tests of sinks have in common: orders of all kinds, and how a sink does.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::resp::{Resp, encode};
use super::server::{Ended, House, PATIENCE, Server, run};

/// Held for a moment, prolonged, waited for, cancelled.
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
/// Sold at once.
pub(crate) const AT_ONCE: &str =
    "name = \"once\"\nhold_ms = 0\nitems = [{ sku = \"pin\", stock = 100000, price = 100 }]\n";

/// The sink `orders` has given up.
pub(crate) const STOPPED: &str = "doorbuster_sink_stopped{sink=\"orders\"} 1";
/// The sink `orders` has dealt with all there is.
pub(crate) const LEVEL: &str = "doorbuster_sink_lag_seqs{sink=\"orders\"} 0";

/// Rounds of killing; the variable `DOORBUSTER_ROUNDS` asks for more.
pub(crate) fn rounds() -> u64 {
    std::env::var("DOORBUSTER_ROUNDS").map_or(6, |n| n.parse().expect("a number"))
}

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

fn ask(resp: &mut Resp, words: &[&str]) -> Option<super::resp::Value> {
    resp.send(words).and_then(|()| resp.receive()).ok()
}

/// One order that is sold at once.
pub(crate) fn shop_one(server: &Server, key: &str) {
    let mut resp = Resp::over(server.connect());
    assert_eq!(resp.ask(&["BUY", "once", "pin", "ann", key]).word(), "confirmed");
}

/// So many orders that are sold at once, under keys that begin so.
pub(crate) fn shop_some(server: &Server, key: &str, count: u64) {
    (0..count).for_each(|number| shop_one(server, &format!("{key}{number}")));
}

/// So many orders of a sale at once, under keys that begin so, many on their way at a time.
pub(crate) fn shop_many(server: &Server, sale: &str, key: &str, count: usize) {
    let mut resp = Resp::over(server.connect());
    for first in (0..count).step_by(1000) {
        let numbers = first..count.min(first + 1000);
        let mut requests = Vec::new();
        for number in numbers.clone() {
            encode(&["BUY", sale, "pin", "ann", &format!("{key}{number}")], &mut requests);
        }
        resp.raw(&requests).expect("it reads");
        for _ in numbers {
            assert_eq!(resp.receive().expect("an answer").word(), "confirmed");
        }
    }
}

/// Kinds of records that change an order.
pub(crate) const OF_ORDERS: [&str; 11] = [
    "hold", "buy", "wait", "confirm", "release", "extend", "cancel", "expire", "offer", "leave",
    "drawn",
];

/// The seqs of the journal's records of these kinds.
pub(crate) fn seqs(records: &[Value], kinds: &[&str]) -> Vec<u64> {
    let is_it = |record: &&Value| kinds.contains(&record["kind"].as_str().unwrap_or(""));
    records.iter().filter(is_it).map(|record| record["seq"].as_u64().expect("a seq")).collect()
}

/// Waits until the server shows a figure so.
#[track_caller]
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

/// Waits until the sink `orders` has delivered so many changes since the start.
pub(crate) fn until_changes(server: &Server, count: u64) {
    until(server, &format!("doorbuster_sink_changes_total{{sink=\"orders\"}} {count}"));
}

/// Stops the server; the line in which the stopped sink `orders` says why.
pub(crate) fn stop_line(server: Server) -> String {
    let ended = server.stop();
    let said = &ended.expect_code(0).stderr;
    let line = said.lines().find(|line| line.contains("sink orders has stopped"));
    line.unwrap_or_else(|| panic!("it does not say so: {said}")).to_owned()
}

/// Waits until a figure is so much at least: one that grows by itself is not seen at each value.
#[track_caller]
pub(crate) fn at_least(server: &Server, figure: &str, least: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let figures = figures(server);
        let shown = figures.lines().find_map(|line| line.strip_prefix(figure)?.trim().parse().ok());
        if shown.is_some_and(|shown: u64| shown >= least) {
            return;
        }
        assert!(Instant::now() < deadline, "{figure} stays below {least}: {figures}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// All that is counted.
pub(crate) fn figures(server: &Server) -> String {
    let mut answer =
        ureq::get(format!("http://{}/metrics", server.admin)).call().expect("an answer");
    answer.body_mut().read_to_string().expect("a body")
}

/// The journal beside what this sink has told.
pub(crate) fn reconcile(house: &House, sink: &str) -> Ended {
    let data = house.data();
    let data = data.to_str().expect("text");
    run(&["reconcile", "--data", data, "--sink", sink])
}

/// They do not differ.
#[track_caller]
pub(crate) fn assert_same(house: &House, sink: &str) {
    let compared = reconcile(house, sink);
    let said = &compared.expect_code(0).stdout;
    assert!(said.ends_with("no difference\n"), "{sink}: {compared:?}");
}

/// What `doorbuster sink` does at this server.
pub(crate) fn sink(server: &Server, words: &[&str]) -> Ended {
    let admin = format!("http://{}", server.admin);
    let mut all = vec!["sink", "--admin", &admin];
    all.extend(words);
    run(&all)
}
