//! Sinks, with the real program: what is in a file beside what `doorbuster log` says is in the
//! journal, whatever was killed in between.

use super::support::{server, sinks, strace};

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use server::{House, Server};
use sinks::{
    AT_ONCE, DROP, OF_ORDERS, assert_same, at_least, figures, reconcile, seqs, shop, shop_many,
    shop_one, shop_some, until,
};

const MANY: &str =
    "name = \"many\"\nhold_ms = 0\nitems = [{ sku = \"pin\", stock = 1000000, price = 100 }]\n";

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("the file is there");
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is cut");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn seqs_of(path: &Path) -> Vec<u64> {
    lines(path).iter().map(|line| line["seq"].as_u64().expect("a seq")).collect()
}

#[test]
fn a_file_holds_each_change_once_and_in_order_whatever_was_killed() {
    let house = House::new(&[DROP, AT_ONCE]);
    let (all, sold, table) =
        (house.path("all.ndjson"), house.path("sold.ndjson"), house.path("once.csv"));
    let sink = |name: &str, path: &Path, more: &str| {
        format!("name={name} type=file path={} {more}", path.display())
    };
    let sinks = [
        sink("all", &all, "changes=all"),
        sink("sold", &sold, ""),
        sink("once", &table, "format=csv sales=once"),
    ];
    let start = || sinks.iter().fold(house.server(), |start, sink| start.with(&["--sink", sink]));
    for round in 0..8 {
        let server = start().run();
        std::thread::scope(|scope| {
            let shopping = scope.spawn(|| shop(&server, round, 400));
            std::thread::sleep(Duration::from_millis(40 + 37 * round));
            server.strike();
            // It ends when nobody answers any more.
            shopping.join().expect("it only asks");
        });
        server.wait();
    }
    let server = start().run();
    shop(&server, 100, 30).expect("it answers");
    // What is left when it stops is told before it ends.
    server.stop().expect_code(0);
    for sink in &sinks[..2] {
        assert_same(&house, sink);
    }
    let records = house.records();
    let told = lines(&all);
    let found: Vec<u64> = told.iter().map(|line| line["seq"].as_u64().expect("a seq")).collect();
    assert_eq!(found, seqs(&records, &OF_ORDERS));
    assert!(found.len() > 100, "{} changes", found.len());
    for (record, line) in records
        .iter()
        .filter(|record| OF_ORDERS.contains(&record["kind"].as_str().unwrap_or("")))
        .zip(&told)
    {
        assert_eq!((&line["order"], &line["sale"]), (&record["order"], &record["sale"]));
        assert_eq!(line["time"], record["time"]);
        let is_new = record["buyer"].is_string();
        if is_new {
            assert_eq!((&line["buyer"], &line["key"]), (&record["buyer"], &record["key"]));
        }
        let states: &[&str] = match record["kind"].as_str().expect("a kind") {
            "hold" | "offer" => &["held"],
            "buy" | "confirm" => &["confirmed"],
            "wait" => &["waiting"],
            // Who waits may leave.
            "release" => &["released", "left"],
            "extend" => &["extended"],
            "cancel" => &["cancelled"],
            "expire" => &["expired"],
            "leave" => &["left"],
            other => panic!("nothing is drawn here: {other}"),
        };
        assert!(states.contains(&line["change"].as_str().unwrap_or("")), "{line} of {record}");
        if record["kind"] != "cancel" {
            let lines = line["lines"].as_array().expect("lines");
            let units: u64 = lines.iter().map(|line| line["units"].as_u64().expect("units")).sum();
            assert_eq!(Some(units), record["units"].as_u64(), "{line} of {record}");
        }
    }
    let found = seqs_of(&sold);
    assert_eq!(found, seqs(&records, &["buy", "confirm", "cancel"]));
    let rows = std::fs::read_to_string(&table).expect("the file is there");
    let pins: Vec<Value> = records.iter().filter(|r| r["sale"] == "once").cloned().collect();
    let rows: Vec<&str> = rows.split("\r\n").filter(|row| !row.is_empty()).collect();
    assert_eq!(rows.len() - 1, seqs(&pins, &["buy"]).len());
    assert!(rows[0].starts_with("seq,time,change,") && rows[1].contains(",confirmed,once,"));
}

/// More than a file takes at once, twice.
#[test]
fn a_backlog_is_told_once_and_in_order_whatever_fails_and_whoever_is_killed() {
    if !strace::is_there("a backlog, and writes that fail") {
        return;
    }
    const ORDERS: usize = 150_000;
    let house = House::new(&[MANY]);
    let server = house.server().option("orders_max", 200_000).run();
    shop_many(&server, "many", "k", ORDERS);
    server.stop().expect_code(0);
    let expected = seqs(&house.records(), &["buy"]);
    assert_eq!(expected.len(), ORDERS);
    let told = |name: &str| {
        let path = house.path(&format!("{name}.ndjson"));
        let sink = format!("name={name} type=file path={}", path.display());
        (path, house.server().option("orders_max", 200_000).with(&["--sink", &sink]))
    };
    let level = |server: &Server, name: &str| {
        until(server, &format!("doorbuster_sink_lag_seqs{{sink=\"{name}\"}} 0"));
    };
    // A piece that goes to the disk by itself, in the second delivery; and a sync. Each thread
    // counts its own, and one that begins anew is another.
    let faults = [("piece", "pwrite64:error=EIO:when=13"), ("sync", "fdatasync:error=EIO:when=2")];
    for (name, fault) in faults {
        let (path, start) = told(name);
        let server = strace::with_faults(start, path.to_str(), &[fault]).run();
        at_least(&server, &format!("doorbuster_sink_failures_total{{sink=\"{name}\"}}"), 1);
        level(&server, name);
        server.stop().expect_code(0);
        assert_eq!(seqs_of(&path), expected, "{fault}");
    }
    for ms in [0, 60, 120] {
        let server = told("killed").1.run();
        std::thread::sleep(Duration::from_millis(ms));
        server.strike();
        server.wait();
    }
    let (path, start) = told("killed");
    let server = start.run();
    level(&server, "killed");
    assert_eq!(seqs_of(&path), expected);
}

#[test]
fn a_sink_that_cannot_go_on_stops_alone_and_says_why() {
    let house = House::new(&[AT_ONCE]);
    let path = house.path("there.ndjson");
    std::fs::write(&path, "somebody's\n").expect("written");
    let sink = format!("name=orders type=file path={}", path.display());
    let server = house.server().with(&["--sink", &sink]).run();
    until(&server, "doorbuster_sink_stopped{sink=\"orders\"} 1");
    until(&server, "doorbuster_sink_failures_total{sink=\"orders\"} 1");
    shop_one(&server, "k");
    let ended = server.stop();
    let said = &ended.expect_code(0).stderr;
    let line = said.lines().find(|line| line.contains("sink orders has stopped"));
    let line = line.unwrap_or_else(|| panic!("it does not say so: {said}"));
    assert!(line.contains("there.ndjson") && line.contains("move it away"), "{line}");
    assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "somebody's\n");
}

#[test]
fn a_sink_whose_folder_is_missing_goes_on_when_it_is_there() {
    let house = House::new(&[AT_ONCE]);
    let folder = house.path("later");
    let path = folder.join("orders.ndjson");
    let sink = format!("name=orders type=file path={}", path.display());
    let server = house.server().with(&["--sink", &sink]).run();
    shop_one(&server, "k");
    at_least(&server, "doorbuster_sink_failures_total{sink=\"orders\"}", 2);
    assert!(figures(&server).contains("doorbuster_sink_changes_total{sink=\"orders\"} 0"));
    std::fs::create_dir(&folder).expect("a folder");
    until(&server, "doorbuster_sink_changes_total{sink=\"orders\"} 1");
    until(&server, "doorbuster_sink_lag_seqs{sink=\"orders\"} 0");
    let ended = server.stop();
    let said = &ended.expect_code(0).stderr;
    assert!(said.contains("orders.ndjson") && said.contains("nothing is lost"), "{said}");
    assert_eq!(lines(&path).len(), 1);
}

#[test]
fn a_sink_that_hangs_keeps_nobody_and_does_not_keep_the_server_from_its_end() {
    let house = House::new(&[AT_ONCE]);
    let path = house.path("pipe");
    // Nobody reads it: whoever opens it waits.
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo, of coreutils, is wanted");
    let sink = format!("name=pipe type=file path={}", path.display());
    let server = house.server().with(&["--sink", &sink]).run();
    shop_one(&server, "k");
    server.terminate();
    std::thread::sleep(Duration::from_millis(300));
    // The second one ends the wait for those that take nothing.
    server.terminate();
    let ended = server.wait();
    let said = &ended.expect_code(0).stderr;
    assert!(said.contains("a sink does not take what it is given"), "{said}");
}

#[test]
fn a_sink_that_is_paused_stays_so_until_it_is_resumed() {
    let house = House::new(&[AT_ONCE]);
    let path = house.path("orders.ndjson");
    let words = format!("name=orders type=file path={}", path.display());
    let start = || house.server().with(&["--sink", &words]).run();
    let server = start();
    shop_one(&server, "one");
    until(&server, "doorbuster_sink_changes_total{sink=\"orders\"} 1");
    let paused = sinks::sink(&server, &["pause", "orders"]);
    assert!(paused.expect_code(0).stdout.contains("paused"), "{paused:?}");
    shop_one(&server, "two");
    std::thread::sleep(Duration::from_millis(1_100));
    server.stop().expect_code(0);
    let server = start();
    shop_one(&server, "three");
    // A restart does not make it less late, nor more.
    at_least(&server, "doorbuster_sink_lag_seqs{sink=\"orders\"}", 2);
    let late = |shown: &str| {
        let figure = "doorbuster_sink_lag_seconds{sink=\"orders\"} ";
        let line = shown.lines().find_map(|line| line.strip_prefix(figure));
        line.and_then(|line| line.parse().ok()).filter(|late: &f64| *late > 0.0)
    };
    let mut looks = std::iter::repeat_with(|| late(&figures(&server))).take(10_000);
    let late = looks.find_map(|late| late).expect("it is never late");
    assert!(late >= 1.1, "{late} s");
    let listed = sinks::sink(&server, &["list"]);
    let row = listed.expect_code(0).stdout.lines().nth(1).expect("a row").to_owned();
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(words[..3], ["orders", "file", "paused"], "{row}");
    assert!(words[4] != "0", "{row}");
    assert_eq!(lines(&path).len(), 1);
    let replayed = sinks::sink(&server, &["replay", "orders", "--to", "1"]);
    assert!(replayed.expect_code(1).stderr.contains("holds each change once"), "{replayed:?}");
    let unknown = sinks::sink(&server, &["resume", "oders"]);
    assert!(unknown.expect_code(1).stderr.contains("there is no sink 'oders'"), "{unknown:?}");
    sinks::sink(&server, &["resume", "orders"]).expect_code(0);
    until(&server, "doorbuster_sink_lag_seqs{sink=\"orders\"} 0");
    server.stop().expect_code(0);
    assert_eq!(lines(&path).len(), 3);
}

#[test]
fn a_sink_can_begin_in_the_middle_and_is_compared_from_there() {
    let house = House::new(&[AT_ONCE]);
    let (all, late) = (house.path("all.ndjson"), house.path("late.ndjson"));
    let all = format!("name=all type=file path={}", all.display());
    let server = house.server().with(&["--sink", &all]).run();
    for key in ["one", "two", "three"] {
        shop_one(&server, key);
    }
    server.stop().expect_code(0);
    let from = *seqs(&house.records(), &["buy"]).last().expect("an order");
    let words = format!("name=late type=file from={from} path={}", late.display());
    let server = house.server().with(&["--sink", &words]).run();
    until(&server, "doorbuster_sink_lag_seqs{sink=\"late\"} 0");
    server.stop().expect_code(0);
    assert_eq!(lines(&late).len(), 1);
    // Of another name nothing is known, which is not the same as nothing to find.
    let other = words.replace("name=", "name=not-");
    let never = reconcile(&house, &other);
    assert!(never.expect_code(78).stderr.contains("was never told from this folder"), "{never:?}");
    assert!(reconcile(&house, &words).expect_code(0).stdout.contains(": 1 changes"));
    std::fs::write(&late, "").expect("emptied");
    reconcile(&house, &words).expect_code(1);
}

#[test]
fn a_sink_that_begins_at_what_is_to_come_is_told_nothing_before_it() {
    let house = House::new(&[AT_ONCE]);
    let path = house.path("late.ndjson");
    let server = house.server().run();
    shop_one(&server, "before");
    server.stop().expect_code(0);
    let from = house.records().last().expect("a record")["seq"].as_u64().expect("a seq") + 4;
    let words = format!("name=late type=file from={from} path={}", path.display());
    let start = || house.server().with(&["--sink", &words]).run();
    let server = start();
    shop_one(&server, "one");
    server.stop().expect_code(0);
    assert!(lines(&path).is_empty());
    assert!(reconcile(&house, &words).expect_code(0).stdout.contains(": 0 changes"));
    // It is remembered over a restart before it has come so far.
    let server = start();
    shop_some(&server, "more", 8);
    server.stop().expect_code(0);
    let mut expected = seqs(&house.records(), &["buy"]);
    expected.retain(|seq| *seq >= from);
    let found = seqs_of(&path);
    assert!((1..9).contains(&found.len()), "{found:?} from {from}");
    assert_eq!(found, expected);
    reconcile(&house, &words).expect_code(0);
}
