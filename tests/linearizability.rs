//! Linearizability: buyers over RESP, HTTP and the binary protocol at once, for the same few units,
//! orders and keys. What each of them asked, was told, and when, must be explained by one order of
//! single steps in which nobody is overtaken by who came after he was answered: the journal's
//! order, under the law as the naive sale has it.

use super::support::{http_peer, resp, server};

#[path = "linearizability/buyers.rs"]
mod buyers;
#[path = "linearizability/history.rs"]
mod history;

use std::collections::BTreeSet;
use std::sync::Mutex;

use doorbuster::journal::{Cursor, Disk};
use doorbuster::message::{Cell, messages};
use doorbuster::sale_file;
use history::{Deed, Event, Said, explain};
use server::House;

/// Histories; the variable `DOORBUSTER_HISTORIES` asks for more.
fn histories() -> u64 {
    std::env::var("DOORBUSTER_HISTORIES").map_or(3, |text| text.parse().expect("a number"))
}

const BUYERS: usize = 9;
const DEEDS: usize = 150;

/// Little of everything: units are sold out, given back, bought again, limits are met, holds end.
const SALE: &str = r#"
name = "drop"
limit = 3
hold_ms = 20
items = [
    { sku = "tee", stock = 6, price = 2500, limit = 2 },
    { sku = "mug", stock = 9, price = 900 },
]
"#;

fn journal(house: &House, seq: u64) -> Vec<Vec<Cell>> {
    let mut cursor = Cursor::new(Disk::new(house.data().join("journal"))).expect("a journal");
    let mut records = Vec::new();
    while let Some(batch) = cursor.next(seq).expect("it was audited") {
        records.extend(messages(batch.cells).map(<[Cell]>::to_vec));
    }
    records
}

/// A run: the history of all buyers, and the records of the journal.
fn run(options: &[&str], seed: u64) -> (Vec<Event>, Vec<Vec<Cell>>) {
    let house = House::new(&[SALE]);
    let server = house.server().with(options).run();
    let orders = Mutex::new(Vec::new());
    let mut history: Vec<Event> = std::thread::scope(|scope| {
        let (server, orders) = (&server, &orders);
        let buyers: Vec<_> = (0..BUYERS)
            .map(|buyer| {
                let dice = seed * 1_000 + buyer as u64;
                scope.spawn(move || buyers::live(server, buyer, DEEDS, dice, orders))
            })
            .collect();
        buyers.into_iter().flat_map(|buyer| buyer.join().expect("it says why")).collect()
    });
    server.stop().expect_code(0);
    let seq = house.audit()["seq"].as_u64().expect("a seq");
    history.sort_by_key(|event| event.asked);
    (history, journal(&house, seq))
}

#[test]
fn what_buyers_over_all_protocols_were_told_has_one_order_that_explains_it() {
    let terms = sale_file::parse(SALE, false).expect("a good sale");
    let mut words = BTreeSet::new();
    for seed in 1..=histories() {
        let options: &[&str] = match seed % 3 {
            0 => &["--shards", "3", "--threads", "apart"],
            1 => &[],
            _ => &["--shards", "2"],
        };
        let (history, records) = run(options, seed);
        assert_eq!(history.len(), BUYERS * DEEDS);
        explain(&terms, &history, &records).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        words.extend(history.into_iter().map(|event| event.said.word().to_owned()));
    }
    for word in [
        "held",
        "sold_out",
        "limit_reached",
        "key_reused",
        "confirmed",
        "already_confirmed",
        "released",
        "already_released",
        "expired",
        "hold_expired",
        "unknown_order",
        "stock",
    ] {
        assert!(words.contains(word), "nobody met {word}: {words:?}");
    }
}

#[test]
fn a_history_that_no_order_explains_is_found_out() {
    let terms = sale_file::parse(SALE, false).expect("a good sale");
    let (history, records) = run(&[], 4);
    explain(&terms, &history, &records).expect("it was as it should be");
    // Somebody saw an order before anybody asked for it.
    let (look, made) = history
        .iter()
        .enumerate()
        .find_map(|(at, event)| {
            let Deed::Look(order) = event.deed else { return None };
            event.said.is_order(order).then_some(())?;
            let made = history.iter().find(|event| event.said.is_order(order))?;
            Some((at, made.asked))
        })
        .expect("somebody looks");
    let mut early = history.clone();
    let before = made - std::time::Duration::from_nanos(1);
    (early[look].asked, early[look].told) = (before, before);
    early.sort_by_key(|event| event.asked);
    explain(&terms, &early, &records).expect_err("it was seen before it was there");
    // Somebody was shown the stock as it had been before anything was sold.
    let (last, stock) = history
        .iter()
        .enumerate()
        .rev()
        .find_map(|(at, event)| match event.said {
            Said::Stock([all, .., sold]) if sold > 0 => Some((at, all)),
            _ => None,
        })
        .expect("somebody looks");
    let mut stale = history.clone();
    stale[last].said = Said::Stock([stock, stock, 0, 0]);
    explain(&terms, &stale, &records).expect_err("it was sold before");
    // An order was never told to anybody.
    let made = history.iter().position(|event| {
        let is_once =
            |order| history.iter().filter(|other| other.said.is_order(order)).count() == 1;
        matches!(event.said, Said::Order(_, order) if is_once(order))
    });
    let mut hidden = history;
    hidden.remove(made.expect("some are told once"));
    explain(&terms, &hidden, &records).expect_err("a change that nobody asked for");
}
