//! Stopping and starting a whole server in this process, at moments that once went wrong.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use doorbuster::client::{Client, Request};
use doorbuster::journal::Durability;
use doorbuster::options::{Layer, Options};
use doorbuster::pipeline::{Pipeline, StartError};
use tempfile::TempDir;

fn options(folder: &TempDir, change: impl FnOnce(&mut Layer)) -> Options {
    let sale = folder.path().join("drop.toml");
    let text = "name = \"drop\"\nhold_ms = 15\n\
        [[items]]\nsku = \"tee\"\nstock = 100000\nprice = 100\n";
    std::fs::write(&sale, text).expect("the folder can be written");
    let mut layer = Layer {
        data: Some(folder.path().join("data")),
        listen: Some(([127, 0, 0, 1], 0).into()),
        durability: Some(Durability::Os),
        orders_max: Some(100_000),
        segment_mib: Some(4),
        segments_ahead: Some(1),
        sale: Some(vec![sale]),
        ..Layer::default()
    };
    change(&mut layer);
    layer.options().expect("good options")
}

fn start(options: &Options) -> Result<Pipeline, StartError> {
    Pipeline::start(options, Arc::new(|why| panic!("the journal failed: {why}")))
}

/// Buys `count` units one by one, pipelined, under keys of this round.
fn buy(pipeline: &Pipeline, round: u32, count: u32) {
    let mut client = Client::connect(pipeline.address()).expect("it listens");
    let item = client.resolve("drop", "tee").expect("it is sold");
    for number in 0..count {
        let key = format!("{round}-{number}");
        let request = Request::Buy { item, buyer: &key, key: &key, units: 1, max_price: None };
        client.send(&request).expect("it is sent");
    }
    for _ in 0..count {
        client.receive().expect("it is answered");
    }
}

#[test]
fn a_stop_while_holds_run_out_leaves_a_journal_that_starts_again() {
    for threads in [doorbuster::options::Threads::Shared, doorbuster::options::Threads::Apart] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options(&folder, |layer| layer.threads = Some(threads));
        for round in 0..12 {
            let pipeline = start(&options).unwrap_or_else(|why| panic!("round {round}: {why}"));
            buy(&pipeline, round, 300);
            thread::sleep(Duration::from_millis(u64::from(round) * 2));
            pipeline.stop();
        }
    }
}

#[test]
fn tables_too_small_for_the_journal_are_an_option_to_change_and_no_damage() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pipeline = start(&options(&folder, |_| {})).expect("it starts");
    buy(&pipeline, 0, 50);
    pipeline.stop();
    let small = options(&folder, |layer| layer.orders_max = Some(20));
    let Err(StartError::Options(why)) = start(&small) else { panic!("20 orders hold no 50") };
    assert!(why.contains("orders_max"), "{why}");
    start(&options(&folder, |_| {})).expect("nothing was lost").stop();
}

#[test]
fn a_bad_sale_file_leaves_no_other_sale_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bad = folder.path().join("none.toml");
    let with_bad = options(&folder, |layer| {
        layer.sale.as_mut().expect("one is there").push(bad);
    });
    assert!(matches!(start(&with_bad), Err(StartError::Sale(_))));
    assert!(!folder.path().join("data").exists(), "nothing was begun");
}

#[test]
fn more_orders_than_memory_are_refused_before_they_are_touched() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let huge = options(&folder, |layer| layer.orders_max = Some(1_000_000_000));
    let huge = Options { orders_max: 1 << 50, ..huge };
    let Err(StartError::Options(why)) = start(&huge) else { panic!("no machine has that") };
    assert!(why.contains("GiB"), "{why}");
}
