//! Snapshots and removed segments with the real program: it starts, sells, is killed, tells its
//! sinks and is audited as if all of the journal were there.

use super::support::{resp, server, sinks};

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use resp::Resp;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use server::{House, Server, Start};
use sinks::{at_least, reconcile, sink, until};

const DROP: &str = r#"
name = "drop"
hold_ms = 600000
items = [
    { sku = "tee", stock = 1000000, price = 2500 },
    { sku = "mug", stock = 1000000, price = 900 },
]
"#;
const REMOVED: &str = "doorbuster_journal_removed_segments_total";

/// A server that makes a snapshot after each MiB and keeps nothing behind two of them.
fn short(house: &House) -> Start {
    house.server().option("SNAPSHOT_MIB", 1).option("KEEP_MIB", 0).option("ORDERS_MAX", 500_000)
}

/// Buys so many tees under keys that begin so, several at once.
fn buy(server: &Server, key: &str, count: u64) {
    let mut resp = Resp::over(server.connect());
    for first in (0..count).step_by(100) {
        let numbers = first..count.min(first + 100);
        for number in numbers.clone() {
            let key = format!("a-key-of-more-than-sixteen-{key}-{number}");
            resp.send(&["BUY", "drop", "tee", &format!("{number}"), &key]).expect("it listens");
        }
        for _ in numbers {
            assert_eq!(resp.receive().expect("an answer").word(), "held");
        }
    }
}

fn snapshots(house: &House) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(house.data().join("journal")).expect("a journal");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "snap"));
    paths.sort();
    paths
}

/// Sells until the journal begins with a segment behind that one. Returns a receipt of the first
/// order and its id.
fn sell_until_removed(house: &House, server: &Server, segment: &str) -> (String, u64) {
    let mut resp = Resp::over(server.connect());
    let first = resp.ask(&["BUY", "drop", "mug", "ann", "the-first"]);
    let order = first.number(1);
    let shown = resp.ask(&["RECEIPT", &order.to_string()]);
    let mut rounds = 0;
    while house.segments()[0].file_name().expect("it has one") <= OsStr::new(segment) {
        assert!(rounds < 40, "nothing is removed");
        buy(server, &format!("r{rounds}"), 10_000);
        rounds += 1;
        // However slow its room is: each snapshot waits for the one before.
        at_least(server, "doorbuster_snapshots_total", rounds);
    }
    at_least(server, REMOVED, 1);
    (shown.word().to_owned(), order)
}

#[test]
fn a_server_whose_beginning_is_removed_starts_sells_and_is_audited() {
    let house = House::new(&[DROP]);
    let server = short(&house).run();
    let (_, order) = sell_until_removed(&house, &server, "00000001.seg");
    let before = sinks::figures(&server);
    assert!(before.contains("doorbuster_snapshot_seq"), "{before}");
    server.kill();
    let server = short(&house).run();
    let mut resp = Resp::over(server.connect());
    // What a removed record has made is as it was: the order, its key, the buyer's count.
    let again = resp.ask(&["BUY", "drop", "mug", "ann", "the-first"]);
    assert_eq!((again.word(), again.number(1)), ("held", order));
    assert_eq!(resp.ask(&["CONFIRM", "drop", &order.to_string()]).word(), "confirmed");
    server.stop().expect_code(0);
    let verdict = house.audit();
    let since = verdict["since"].as_u64().expect("a seq");
    assert!(since > 1_000, "{verdict}");
    assert!(verdict["snapshots"].as_u64().expect("a count") >= 1, "{verdict}");
    // The log begins behind the snapshot, and knows the names from before.
    let log = house.look("log", &["--json"]);
    log.expect_code(0);
    let line: Value =
        serde_json::from_str(log.stdout.lines().next().expect("a record")).expect("JSON");
    assert_eq!((&line["seq"], &line["sale"]), (&Value::from(since + 1), &Value::from("drop")));
    let begins = format!("the journal begins with seq {}", since + 1);
    assert!(log.stderr.contains(&begins), "{}", log.stderr);
    let text = house.look("audit", &[]);
    assert!(text.stdout.contains("have been removed; a snapshot stands for them"), "{text:?}");
}

#[test]
fn kill_at_any_moment_of_snapshots_and_removals_loses_nothing_told() {
    let house = House::new(&[DROP]);
    let mut told = 0;
    for round in 0..8 {
        let server = short(&house).run();
        let mut resp = Resp::over(server.connect());
        let stock = resp.ask(&["STOCK", "drop", "tee"]);
        assert!(stock.number(2) >= told, "round {round}: {stock:?} after {told} were told");
        for number in 0..60 {
            buy(&server, &format!("k{round}-{number}"), 100);
            told += 100;
        }
        buy(&server, &format!("k{round}"), 4_000 + 700 * round);
        told += 4_000 + 700 * round;
        server.kill();
    }
    let server = short(&house).run();
    let stock = Resp::over(server.connect()).ask(&["STOCK", "drop", "tee"]);
    assert_eq!(stock.number(2), told);
    // The lives before may have been too short for its room; here it has the time.
    buy(&server, "last", 10_000);
    at_least(&server, "doorbuster_snapshots_total", 1);
    server.stop().expect_code(0);
    assert!(house.audit()["snapshots"].as_u64().expect("a count") >= 1);
}

/// Another program looks at the journal, and stands still in the midst of it.
fn begin_to_look(house: &House, command: &str) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_doorbuster"));
    child.arg(command).arg(house.data()).arg("--json");
    let child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    std::thread::sleep(Duration::from_millis(30));
    signal(&child, Signal::STOP);
    child
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("our own child");
}

#[test]
fn who_looks_while_a_server_removes_is_told_of_no_damage() {
    let house = House::new(&[DROP]);
    let start = || short(&house).option("SEGMENT_MIB", 4).option("ORDERS_MAX", 1_000_000);
    let server = start().option("KEEP_MIB", 4096).run();
    (0..24).for_each(|round| buy(&server, &format!("s{round}"), 10_000));
    server.stop().expect_code(0);
    let (audit, log) = (begin_to_look(&house, "audit"), begin_to_look(&house, "log"));
    let server = start().run();
    let mut rounds = 0;
    while house.segments()[0].file_name().expect("it has one") <= OsStr::new("00000010.seg") {
        assert!(rounds < 40, "nothing is removed");
        buy(&server, &format!("t{rounds}"), 10_000);
        rounds += 1;
        at_least(&server, "doorbuster_snapshots_total", rounds);
    }
    [&audit, &log].into_iter().for_each(|child| signal(child, Signal::CONT));
    // What was printed already cannot begin anew.
    let log = log.wait_with_output().expect("it ends");
    let why = String::from_utf8_lossy(&log.stderr);
    assert!(why.contains("no records before seq") && why.contains("is gone"), "{why}");
    let audit = audit.wait_with_output().expect("it ends");
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stderr));
    let verdict: Value = serde_json::from_slice(&audit.stdout).expect("JSON");
    assert!(verdict["since"].as_u64().expect("a seq") > 10_000, "{verdict}");
    server.stop().expect_code(0);
}

#[test]
fn segments_wait_for_a_sink_that_is_paused_and_it_is_told_all() {
    let house = House::new(&[DROP]);
    let path = house.path("orders.ndjson");
    let table = format!("name=orders type=file path={} changes=all", path.display());
    let start = || short(&house).with(&["--sink", &table]);
    let server = start().run();
    buy(&server, "first", 500);
    until(&server, "doorbuster_sink_changes_total{sink=\"orders\"} 500");
    sink(&server, &["pause", "orders"]).expect_code(0);
    // Each waits for the one before, so that there are three of them.
    for round in 0..3 {
        buy(&server, &format!("p{round}"), 20_000);
        at_least(&server, "doorbuster_snapshots_total", round + 1);
    }
    assert!(house.segments()[0].ends_with("00000001.seg"), "removed before the sink was told");
    sink(&server, &["resume", "orders"]).expect_code(0);
    at_least(&server, REMOVED, 1);
    server.stop().expect_code(0);
    assert!(!house.segments()[0].ends_with("00000001.seg"));
    let lines = std::fs::read_to_string(&path).expect("a file");
    assert_eq!(lines.lines().count(), 60_500);
    let compared = reconcile(&house, &table);
    compared.expect_code(0);
    assert!(compared.stdout.contains("the journal before it is removed"), "{}", compared.stdout);
    // It goes on from a snapshot: what is in an order that was made before is known.
    let server = start().run();
    let order = {
        let mut resp = Resp::over(server.connect());
        let key = "a-key-of-more-than-sixteen-first-7";
        let order = resp.ask(&["BUY", "drop", "tee", "7", key]).number(1);
        assert_eq!(resp.ask(&["CONFIRM", "drop", &order.to_string()]).word(), "confirmed");
        order
    };
    until(&server, "doorbuster_sink_lag_seqs{sink=\"orders\"} 0");
    server.stop().expect_code(0);
    let lines = std::fs::read_to_string(&path).expect("a file");
    let last: Value = serde_json::from_str(lines.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["order"], order.to_string());
    assert_eq!(
        (&last["buyer"], &last["key"]),
        (&Value::from("7"), &Value::from("a-key-of-more-than-sixteen-first-7"))
    );
    assert_eq!(last["lines"][0]["price"], 2500);
}

#[test]
fn a_sink_that_is_behind_by_more_than_is_kept_stops_and_says_what_it_lost() {
    let house = House::new(&[DROP]);
    let path = house.path("orders.ndjson");
    let table = format!("name=orders type=file path={} changes=held", path.display());
    let start = || short(&house).option("KEEP_FOR_SINKS_MIB", 2).with(&["--sink", &table]);
    let mut server = start().run();
    sink(&server, &["pause", "orders"]).expect_code(0);
    // The first it holds open, and could still read.
    sell_until_removed(&house, &server, "00000002.seg");
    at_least(&server, "doorbuster_sink_losses_total", 1);
    server.says("sink orders has been told up to seq");
    sink(&server, &["resume", "orders"]).expect_code(0);
    until(&server, "doorbuster_sink_stopped{sink=\"orders\"} 1");
    server.says("the journal has no records before seq");
    buy(&server, "after", 100);
    server.stop().expect_code(0);
}

#[test]
fn what_was_to_be_told_again_and_is_removed_holds_nobody() {
    let house = House::new(&[DROP]);
    let words = "name=orders type=file path=- changes=held";
    let server = short(&house).with(&["--sink", words]).run();
    buy(&server, "before", 1);
    until(&server, "doorbuster_sink_changes_total{sink=\"orders\"} 1");
    server.stop().expect_code(0);
    // Meanwhile nobody follows.
    let server = short(&house).run();
    sell_until_removed(&house, &server, "00000001.seg");
    server.stop().expect_code(0);
    let path = house.data().join("sinks/orders");
    let text = std::fs::read_to_string(&path).expect("a checkpoint");
    let mut kept: Value = serde_json::from_str(&text).expect("JSON");
    kept["seq"] = house.audit()["seq"].clone();
    kept["replay"] = serde_json::json!({ "from": 1, "to": 5 });
    std::fs::write(&path, kept.to_string()).expect("written");
    let mut server = short(&house).with(&["--sink", words]).run();
    let line = server.says("not delivered again up to seq 5");
    assert!(line.contains("the journal has no records before seq"), "{line}");
    buy(&server, "after", 3);
    until(&server, "doorbuster_sink_changes_total{sink=\"orders\"} 3");
    server.stop().expect_code(0);
}

#[test]
fn a_damaged_snapshot_is_said_and_an_audit_names_it() {
    let house = House::new(&[DROP]);
    let server = short(&house).run();
    sell_until_removed(&house, &server, "00000001.seg");
    server.kill();
    let newest = snapshots(&house).pop().expect("there are two");
    let mut bytes = std::fs::read(&newest).expect("it can be read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&newest, bytes).expect("it can be written");
    let audit = house.look("audit", &[]);
    audit.expect_code(65);
    assert!(audit.stderr.contains("the checksum of its part"), "{}", audit.stderr);
    let mut server = short(&house).spawn();
    server.says("is not used: the checksum of its part");
    assert!(server.listens());
    buy(&server, "after", 100);
    server.stop().expect_code(0);
}
