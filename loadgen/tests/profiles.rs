//! Profiles, traces and the manners of buyers, against a shop that is known to do as told; and what
//! the checks say of one that does not.

mod support;

use std::{
    fs,
    net::SocketAddr,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use support::{Habits, start};

fn loadgen(target: SocketAddr, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.args(["run", "--json", "--sale", "drop", "--target", &target.to_string()]);
    command.args(words.split_whitespace());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().expect("it starts")
}

fn run(habits: Habits, words: &str) -> (i32, Value) {
    let output = loadgen(start(habits), &format!("--item tee --connections 4 {words}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{stderr}"));
    (output.status.code().unwrap_or(-1), report)
}

fn count(report: &Value, pointer: &str) -> u64 {
    let value = report.pointer(pointer).and_then(Value::as_u64);
    value.unwrap_or_else(|| panic!("no {pointer} in {report:#}"))
}

fn failed_checks(report: &Value) -> Vec<&str> {
    let checks = report["checks"].as_array().expect("a list of checks");
    let failed = checks.iter().filter(|check| check["passed"] == false);
    failed.filter_map(|check| check["name"].as_str()).collect()
}

fn due(report: &Value) -> Vec<u64> {
    let intervals = report["intervals"].as_array().expect("a list of seconds");
    intervals.iter().map(|interval| interval["due"].as_u64().expect("an open loop")).collect()
}

#[test]
fn a_ramp_offers_what_lies_under_its_line() {
    let (exit, report) = run(Habits::default(), "--ramp 0:2000 --duration 2s --warmup 0s");
    assert_eq!(exit, 0, "{report:#}");
    assert_eq!(count(&report, "/counts/scheduled"), 2_000);
    assert_eq!(due(&report)[..2], [500, 1_500]);
    assert_eq!(report["run"]["profile"], "ramp 0/s to 2,000/s, even");
}

#[test]
fn a_spike_is_calm_then_a_wall_then_a_tail() {
    let words = "--spike 100:5000 --duration 3s --warmup 1s --arrivals poisson";
    let (exit, report) = run(Habits::default(), words);
    assert_eq!(exit, 0, "{report:#}");
    let due = due(&report);
    assert_eq!(due[0], 100);
    // The wall stands at 1.9 s.
    assert!(due[1] < due[2] && due[3] < due[2], "{due:?}");
    assert_eq!(report["run"]["profile"], "spike from 100/s to 5,000/s, Poisson");
    // Independent arrivals: the number is not the one of the profile, but near.
    let (sent, wanted) = (count(&report, "/counts/sent"), due[1..].iter().sum::<u64>());
    assert!(sent.abs_diff(wanted) < wanted / 5, "{sent} of {wanted}");
}

#[test]
fn a_flash_brings_a_crowd_as_large_as_asked_for_and_sells_what_there_is() {
    let habits = Habits { stock: Some(500), ..Habits::default() };
    let (exit, report) = run(habits, "--flash 4 --duration 1s --protocol http");
    assert_eq!(exit, 0, "{report:#}");
    assert_eq!(count(&report, "/counts/scheduled"), 2_000);
    assert_eq!(count(&report, "/orders"), 500);
    assert_eq!(count(&report, "/outcomes/refused/sold_out"), 1_500);
    let last = report["intervals"].as_array().and_then(|all| all.last()).expect("a second");
    assert_eq!(count(last, "/stock/free"), 0);
    assert_eq!(count(&report, "/fairness/orders"), 500);
}

#[test]
fn a_trace_is_played_as_it_is_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("trace.csv");
    let mut text = "time,buyer,item,units\n".to_owned();
    for index in 0..400 {
        text += &format!("{},a-buyer-with-a-long-name-{},tee,1\n", 1000 + index / 200, index % 7);
    }
    fs::write(&path, text).expect("it takes some lines");
    for protocol in ["binary", "resp", "http"] {
        let words = format!("--trace {} --speed 2 --protocol {protocol}", path.display());
        let output = loadgen(start(Habits::default()), &words);
        let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        assert_eq!(report["run"]["items"], serde_json::json!(["tee"]));
        assert_eq!(count(&report, "/orders"), 400);
        // Two moments, half a second apart at twice the speed.
        assert!((0.5..5.0).contains(&report["seconds"].as_f64().unwrap_or(0.0)), "{report:#}");
        // 57 units and more for each of seven buyers; over HTTP their limit of two is known.
        let over: &[&str] = if protocol == "http" { &["no buyer above the limit"] } else { &[] };
        assert_eq!(failed_checks(&report), over);
    }
    fs::write(&path, "time,buyer,item\n1,ann,tee\nsoon,bob,tee\n").expect("it takes some lines");
    let output = loadgen(start(Habits::default()), &format!("--trace {}", path.display()));
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("trace.csv: line 3: time 'soon'"), "{stderr}");
}

#[test]
fn an_overloaded_server_is_tried_again_under_the_same_key() {
    for protocol in ["binary", "resp", "http"] {
        let habits = Habits { busy: 40, remember: true, ..Habits::default() };
        let words = format!(
            "--protocol {protocol} --rate 1000 --duration 300ms --warmup 0s --retries 3 \
             --retry-after 50ms"
        );
        let (exit, report) = run(habits, &words);
        assert_eq!(exit, 0, "{report:#}");
        assert_eq!(count(&report, "/orders"), 300, "{report:#}");
        assert_eq!(count(&report, "/counts/retried"), 40);
        // Their wait counts from the first try.
        let slow = count(&report, "/latency/given/from_intended/max_ns");
        assert!(slow >= 50_000_000, "{slow}");
        let (_, gave_up) = run(
            Habits { busy: 10_000, ..Habits::default() },
            "--rate 1000 --duration 100ms --warmup 0s --retries 1 --retry-after 10ms",
        );
        assert_eq!(count(&gave_up, "/outcomes/refused/overloaded"), 100, "{gave_up:#}");
        assert_eq!(count(&gave_up, "/counts/retried"), 100);
    }
}

#[test]
fn buyers_click_twice_think_and_are_bots() {
    let habits = Habits { remember: true, ..Habits::default() };
    let words = "--rate 2000 --duration 1s --warmup 0s --clicks 0.5 --think 100ms --confirm 1 \
                 --bots 0.5 --bot-buyers 3";
    let (exit, report) = run(habits, words);
    assert_eq!(exit, 0, "{report:#}");
    assert_eq!((count(&report, "/orders"), count(&report, "/counts/followed")), (2_000, 2_000));
    let clicks = count(&report, "/outcomes/replayed/held");
    assert!(clicks.abs_diff(1_000) < 150, "{clicks}");
    assert_eq!(count(&report, "/counts/repeats_sent"), clicks);
    // Nobody waited for the thinking: it is no latency.
    let wait = count(&report, "/latency/confirm_release/from_sent/p50_ns");
    assert!(wait < 100_000_000, "{wait}");
}

#[test]
fn a_server_that_oversells_or_miscounts_is_found_out() {
    for protocol in ["binary", "resp", "http"] {
        let words = format!("--protocol {protocol} --requests 500 --warmup 0s");
        let (exit, report) = run(Habits { tells: Some(300), ..Habits::default() }, &words);
        assert_eq!((exit, failed_checks(&report)), (1, vec!["not oversold"]), "{report:#}");
        let (exit, report) = run(Habits { tells: Some(500), ..Habits::default() }, &words);
        assert_eq!(exit, 0, "{report:#}");
    }
    // It says so of every confirm, and counts each as two.
    let habits = Habits { miscounts: true, ..Habits::default() };
    let (exit, report) = run(habits, "--requests 500 --warmup 0s --confirm 1");
    let wanted = vec!["confirmed = held - released - ran out"];
    assert_eq!((exit, failed_checks(&report)), (1, wanted), "{report:#}");
}

#[test]
fn figures_that_are_not_there_are_told_and_do_no_harm() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|door| door.local_addr());
    let nobody = nobody.expect("a free port");
    let words = format!("--item tee --requests 100 --warmup 0s --admin {nobody}");
    let output = loadgen(start(Habits::default()), &words);
    assert_eq!(output.status.code(), Some(0));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains(&format!("no figures from http://{nobody}/metrics")), "{stderr}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(report["server"], Value::Null);
}

#[test]
fn profiles_that_cannot_be_are_refused_in_a_line() {
    let shop = start(Habits { stock: Some(0), ..Habits::default() });
    for (words, wanted) in [
        ("--item tee --ramp 5", "two rates a second"),
        ("--item tee --rate 5 --ramp 1:2", "cannot be used with"),
        ("--item tee --spike 1:2 --requests 5", "--requests: with --rate"),
        ("--item tee --flash 3", "--flash: nothing of the stock is left"),
        ("--item tee --flash 0", "--flash and --speed: a factor above 0"),
        ("--trace /nowhere/trace.csv", "/nowhere/trace.csv: No such file"),
        ("--rate 5", "--item: which of the sale to buy"),
        ("--item tee --units 1:x", "1 to "),
    ] {
        let output = loadgen(shop, words);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words}: {stderr}");
        assert!(stderr.contains(wanted), "{words}: {stderr}");
    }
}

#[test]
fn a_run_that_counts_requests_ends_though_the_server_hangs() {
    let habits = Habits { hush: true, ..Habits::default() };
    let (exit, report) = run(habits, "--requests 100000 --warmup 0s --timeout 300ms");
    assert_eq!((exit, &report["partial"]), (1, &Value::Bool(true)), "{report:#}");
    assert_eq!(count(&report, "/counts/timeouts"), 4 * 16);
}

#[test]
fn what_was_never_tried_again_or_decided_is_told() {
    let habits = Habits { busy: 10_000, ..Habits::default() };
    let words = "--rate 500 --duration 200ms --warmup 0s --timeout 100ms --retries 1 \
                 --retry-after 5s";
    let (exit, report) = run(habits, words);
    assert_eq!(exit, 1, "{report:#}");
    assert_eq!(count(&report, "/counts/timeouts"), 100);
    assert_eq!(count(&report, "/latency/all_purchases/from_intended/count"), 100);
    let words = "--rate 500 --duration 200ms --warmup 0s --timeout 100ms --confirm 1 --think 5s";
    let (exit, report) = run(Habits::default(), words);
    assert_eq!((exit, count(&report, "/counts/unfollowed")), (0, 100), "{report:#}");
}

#[test]
fn a_thread_without_connections_keeps_its_schedule_in_the_count() {
    let habits = Habits { die: Some((100, 1)), ..Habits::default() };
    let words = "--connections 2 --threads 2 --rate 1000 --duration 2s --warmup 0s --timeout 300ms";
    let output = loadgen(start(habits), &format!("--item tee {words}"));
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(count(&report, "/counts/scheduled"), 2_000, "{report:#}");
    assert!(count(&report, "/counts/unsent") > 700, "{report:#}");
    assert_eq!((&report["partial"], &report["schedule"]["missed"]), (&true.into(), &true.into()));
}
