//! The program against servers with known habits: what it says must be what they did.

mod support;

use std::{
    net::SocketAddr,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use support::{Habits, start};

fn loadgen(target: SocketAddr, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.args(["run", "--json", "--item", "tee", "--target", &target.to_string()]);
    command.args(words.split_whitespace());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it on the sale; exit code and report.
fn run(target: SocketAddr, words: &str) -> (i32, Value) {
    let output = loadgen(target, words).args(["--sale", "drop"]).output().expect("it starts");
    report(&output)
}

fn report(output: &Output) -> (i32, Value) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{stderr}"));
    (output.status.code().unwrap_or(-1), report)
}

fn number(report: &Value, pointer: &str) -> u64 {
    let value = report.pointer(pointer).and_then(Value::as_u64);
    value.unwrap_or_else(|| panic!("no {pointer} in {report:#}"))
}

fn count(report: &Value, name: &str) -> u64 {
    number(report, &format!("/counts/{name}"))
}

fn latency_ms(report: &Value, from: &str, which: &str) -> u64 {
    number(report, &format!("/latency/all_purchases/{from}/{which}_ns")) / 1_000_000
}

const STALL: Habits = Habits {
    stall: Some((Duration::from_millis(800), Duration::from_millis(400))),
    die: None,
    remember: false,
    stock: None,
    tells: None,
    busy: 0,
    miscounts: false,
    hush: false,
};

/// The demonstration of wrk2: 2 s at 1000/s, with a stall of 400 ms. A fifth of all requests fall
/// into it, so a tenth waits for more than half of it.
#[test]
fn a_stall_is_seen_from_the_intended_time_and_not_from_the_actual_one() {
    let words = "--rate 1000 --duration 2s --warmup 0s --connections 1 --outstanding 1";
    let (exit, report) = run(start(STALL), words);
    assert_eq!(exit, 0, "{report:#}");
    assert_eq!(count(&report, "scheduled"), 2000);
    assert_eq!(number(&report, "/latency/all_purchases/from_intended/count"), 2000);
    let p90 = latency_ms(&report, "from_intended", "p90");
    assert!((120..350).contains(&p90), "{report:#}");
    let max = latency_ms(&report, "from_intended", "max");
    assert!((380..800).contains(&max), "{report:#}");
    assert!(latency_ms(&report, "from_sent", "p99") < 100, "{report:#}");
    assert!(latency_ms(&report, "from_intended", "p50") < 50, "{report:#}");
    assert!(count(&report, "late_connection") > 200, "{report:#}");
    assert_eq!(report["schedule"]["missed"], true);
}

#[test]
fn what_was_sent_in_time_is_not_corrected_again() {
    let words = "--rate 1000 --duration 2s --warmup 0s --connections 4";
    let (exit, report) = run(start(STALL), words);
    assert_eq!(exit, 0, "{report:#}");
    for from in ["from_intended", "from_sent"] {
        let p90 = latency_ms(&report, from, "p90");
        assert!((120..350).contains(&p90), "{report:#}");
    }
    let intended = latency_ms(&report, "from_intended", "max");
    assert!(intended.abs_diff(latency_ms(&report, "from_sent", "max")) < 100, "{report:#}");
    assert_eq!(count(&report, "late_connection"), 0, "{report:#}");
}

#[test]
fn every_kind_of_answer_is_counted_apart() {
    for protocol in ["binary", "resp", "http"] {
        let words = format!(
            "--protocol {protocol} --requests 20000 --warmup 0s --connections 8 --threads 2 \
             --duplicates 0.2 --confirm 0.3 --release 0.1"
        );
        let shop = start(Habits { remember: true, stock: Some(15_000), ..Habits::default() });
        let (exit, report) = run(shop, &words);
        assert_eq!(exit, 0, "{report:#}");
        assert_eq!(count(&report, "sent"), 20_000);
        assert_eq!(number(&report, "/orders"), 15_000);
        let replayed = number(&report, "/outcomes/replayed/held");
        let refused = number(&report, "/outcomes/refused/sold_out");
        assert_eq!(15_000 + replayed + refused, 20_000, "{report:#}");
        assert!(replayed > 1_000 && replayed < count(&report, "repeats_sent"), "{report:#}");
        let confirmed = number(&report, "/outcomes/confirm/confirmed");
        let released = number(&report, "/outcomes/release/released");
        assert!(confirmed.abs_diff(4_500) < 400 && released.abs_diff(1_500) < 250, "{report:#}");
        assert_eq!(count(&report, "followed"), confirmed + released);
        assert_eq!(number(&report, "/latency/given/from_sent/count"), 15_000);
        assert_eq!(number(&report, "/latency/refused/from_sent/count"), refused);
    }
}

#[test]
fn a_server_that_forgets_keys_is_found_out() {
    let words = "--requests 5000 --warmup 0s --connections 4 --duplicates 0.2";
    let (exit, report) = run(start(Habits::default()), words);
    assert_eq!(exit, 1);
    let checks = report["checks"].as_array().expect("a list of checks");
    let failed: Vec<&str> = checks
        .iter()
        .filter(|check| check["passed"] == false)
        .filter_map(|check| check["name"].as_str())
        .collect();
    assert_eq!(failed, ["each key given one order"]);
}

#[test]
fn connections_that_die_are_counted_with_their_requests() {
    let some = Habits { die: Some((100, 2)), ..Habits::default() };
    let words = "--rate 4000 --duration 1s --warmup 0s --connections 4 --timeout 300ms";
    let (exit, report) = run(start(some), words);
    assert_eq!(exit, 1, "{report:#}");
    assert_eq!(count(&report, "connections_lost"), 2);
    // Half of the connections are gone after a tenth of the time, and with them their schedule.
    assert!((1_700..2_000).contains(&count(&report, "unsent")), "{report:#}");
    assert_eq!(number(&report, "/latency/all_purchases/from_intended/count"), 4_000);
    assert!(latency_ms(&report, "from_intended", "p90") > 300, "{report:#}");

    let all = Habits { die: Some((100, 4)), ..Habits::default() };
    let began = Instant::now();
    let (exit, report) = run(start(all), "--duration 30s --warmup 0s --connections 4");
    assert_eq!(exit, 69, "{report:#}");
    assert_eq!((count(&report, "connections_lost"), count(&report, "errors")), (4, 0));
    assert!(count(&report, "lost") > 0, "{report:#}");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn requests_without_an_answer_are_timeouts() {
    let hush = Habits { hush: true, ..Habits::default() };
    let words = "--rate 1000 --duration 500ms --warmup 0s --connections 2 --timeout 300ms";
    let (exit, report) = run(start(hush), words);
    assert_eq!(exit, 1, "{report:#}");
    assert_eq!(count(&report, "timeouts"), 500);
    assert!(latency_ms(&report, "from_intended", "p50") >= 500, "{report:#}");
    assert_eq!(number(&report, "/orders"), 0);
}

#[test]
fn a_signal_ends_the_run_with_what_there_is() {
    let mut command = loadgen(start(Habits::default()), "--sale drop --duration 60s --warmup 0s");
    let child = command.spawn().expect("it starts");
    std::thread::sleep(Duration::from_millis(500));
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::INT).expect("it runs");
    let (exit, report) = report(&child.wait_with_output().expect("it ends"));
    assert_eq!(exit, 0, "{report:#}");
    assert_eq!(report["partial"], true);
    assert!(number(&report, "/orders") > 0);
}

#[test]
fn what_cannot_be_is_said_in_a_line() {
    let exit = |mut command: Command| {
        let output = command.output().expect("it starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let shop = start(Habits::default());
    for protocol in ["binary", "resp", "http"] {
        let (code, text) = exit(loadgen(shop, &format!("--sale shop --protocol {protocol}")));
        assert_eq!(code, Some(1));
        assert!(text.contains("unknown_sale: sale 'shop', item 'tee'"), "{text}");
    }
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|door| door.local_addr());
    let (code, text) = exit(loadgen(nobody.expect("a free port"), "--sale drop"));
    assert_eq!(code, Some(69), "{text}");
    for words in ["--rate 0", "--confirm 0.9 --release 0.2", "--duration 5", "--connections 0"] {
        let (code, text) = exit(loadgen(shop, &format!("--sale drop {words}")));
        assert_eq!(code, Some(2), "{text}");
    }
}
