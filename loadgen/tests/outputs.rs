//! What a run leaves in files, how thresholds end it, and how its documents are compared.

mod support;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::{Value, json};
use support::{Habits, start};

/// Exit code, stdout and stderr of the program.
fn loadgen(words: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    let output = command.args(words).env_remove("NO_COLOR").output().expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// A short run against a shop of 1,000 units, of which 2,000 are wanted.
fn run(more: &[&str]) -> (i32, String, String) {
    let shop = start(Habits { remember: true, stock: Some(1_000), ..Habits::default() });
    let target = shop.to_string();
    let words = ["run", "--sale", "drop", "--item", "tee", "--target", &target, "--warmup", "0s"];
    let pace = ["--requests", "2000", "--connections", "4", "--rate", "4000"];
    loadgen(&[&words[..], &pace, more].concat())
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn path(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).to_string_lossy().into_owned()
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).expect("it is there")
}

#[test]
fn every_file_holds_the_same_run() {
    let folder = folder();
    let [out, html, hgrm, hlog, series] =
        ["run.json", "run.html", "run.hgrm", "run.hlog", "run.ndjson"]
            .map(|name| path(&folder, name));
    let files = ["--json", "--out", &out, "--html", &html, "--hgrm", &hgrm, "--hlog", &hlog];
    let (exit, stdout, stderr) = run(&[&files[..], &["--series", &series]].concat());
    assert_eq!(exit, 0, "{stderr}");
    let printed: Value = serde_json::from_str(&stdout).expect("one document");
    let kept: Value = serde_json::from_str(&read(&out)).expect("one document");
    assert_eq!(printed, kept);
    assert_eq!(kept["orders"], 1_000);
    assert!(kept["machine"]["processors"].as_u64() > Some(0), "{kept:#}");

    let page = read(&html);
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("Sale drop"), "{page}");
    assert!(page.contains("sold_out") && page.trim_end().ends_with("</html>"), "{page}");

    let text = read(&hgrm);
    assert!(text.trim_start().starts_with("Value"), "{text}");
    assert!(text.contains("Total count    =         2000]"), "{text}");
    let max = kept["latency"]["all_purchases"]["from_intended"]["max_ns"].as_f64();
    let max = format!("#[Max     = {:12.3},", max.expect("a figure") / 1e6);
    assert!(text.contains(&max), "no {max} in {text}");

    let seconds = kept["intervals"].as_array().expect("a list").len();
    let lines: Vec<Value> = read(&series)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a document a line"))
        .collect();
    assert_eq!(Value::from(lines), kept["intervals"]);
    let log = read(&hlog);
    let entries: Vec<_> =
        IntervalLogIterator::new(log.as_bytes()).map(|entry| entry.expect("a good line")).collect();
    assert!(matches!(entries[0], LogEntry::StartTime(_)), "{log}");
    assert_eq!(entries.len(), 2 + seconds, "{log}");
}

#[test]
fn the_table_marks_thresholds_and_one_that_is_missed_ends_in_99() {
    let met = ["--threshold", "max < 60s", "--threshold", "errors==0", "--threshold", "sold==1k"];
    let (exit, stdout, stderr) = run(&met);
    assert_eq!(exit, 0, "{stdout}{stderr}");
    assert!(stdout.contains("\u{2713} max<60s"), "{stdout}");
    let (exit, stdout, stderr) = run(&[&met[..], &["--threshold", "refused<1000"]].concat());
    assert_eq!(exit, 99, "{stdout}{stderr}");
    assert!(stdout.contains("\u{2717} refused<1000  1,000"), "{stdout}");
    assert!(stderr.contains("threshold missed: refused<1000 (1,000)"), "{stderr}");
    assert!(!stdout.contains('\x1b') && !stderr.contains('\x1b'), "colour is for terminals");
    let (exit, _, stderr) = run(&["--threshold", "fairness.intended.places.p50>=0.5M"]);
    assert_eq!(exit, 99, "{stderr}");
}

#[test]
fn a_threshold_that_cannot_be_is_refused_before_anything_is_sent() {
    for bad in ["p98<5ms", "p99<5", "late<0.1", "p99"] {
        let (exit, stdout, stderr) = run(&["--threshold", bad]);
        assert_eq!((exit, stdout.as_str()), (2, ""), "{bad}");
        assert!(stderr.contains("metric op value") && stderr.contains("oversold"), "{stderr}");
    }
}

#[test]
fn a_file_that_cannot_be_made_costs_no_run() {
    let folder = folder();
    let (nowhere, there) = (path(&folder, "no/such/folder/run.html"), path(&folder, "run.json"));
    let (exit, stdout, stderr) = run(&["--out", &there, "--html", &nowhere]);
    assert_eq!((exit, stdout.as_str()), (73, ""), "{stderr}");
    assert!(stderr.contains(&nowhere) && stderr.lines().count() == 1, "{stderr}");
    assert!(!Path::new(&there).exists(), "an empty file was left behind");
    let (exit, _, stderr) = run(&["--out", &there, "--html", &there]);
    assert_eq!(exit, 2, "{stderr}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_loses_nothing_else() {
    let folder = folder();
    let out = path(&folder, "run.json");
    for full in ["--html", "--hgrm", "--hlog"] {
        let (exit, stdout, stderr) = run(&["--out", &out, full, "/dev/full"]);
        assert_eq!(exit, 74, "{full}: {stderr}");
        assert!(stderr.contains("/dev/full: ") && stderr.contains("not complete"), "{stderr}");
        assert!(stdout.contains("sold_out"), "the result is still told: {stdout}");
        let kept: Value = serde_json::from_str(&read(&out)).expect("one document");
        assert_eq!(kept["orders"], 1_000);
    }
}

/// A document of a real run, to be changed by the tests.
fn document() -> Value {
    let (exit, stdout, stderr) = run(&["--json"]);
    assert_eq!(exit, 0, "{stderr}");
    let mut document: Value = serde_json::from_str(&stdout).expect("one document");
    for (name, ns) in [("p50", 100_000), ("p90", 200_000), ("p99", 1_000_000), ("p99_9", 5_000_000)]
    {
        document["latency"]["all_purchases"]["from_intended"][format!("{name}_ns")] = json!(ns);
    }
    // How a busy machine fared is not what is tested.
    document["schedule"]["missed"] = json!(false);
    document["partial"] = json!(false);
    document
}

fn with_p99(document: &Value, ns: u64) -> Value {
    let mut changed = document.clone();
    changed["latency"]["all_purchases"]["from_intended"]["p99_ns"] = json!(ns);
    changed
}

fn keep(folder: &tempfile::TempDir, name: &str, document: &Value) -> String {
    let path = PathBuf::from(path(folder, name));
    std::fs::write(&path, document.to_string()).expect("the folder takes it");
    path.to_string_lossy().into_owned()
}

#[test]
fn two_runs_are_compared_within_a_tolerance() {
    let (folder, base) = (folder(), document());
    let a = keep(&folder, "a.json", &base);
    let slower = keep(&folder, "b.json", &with_p99(&base, 1_200_000));
    let page = path(&folder, "page.html");

    let (exit, stdout, stderr) = loadgen(&["compare", &a, &slower, "--html", &page]);
    assert_eq!(exit, 1, "{stdout}{stderr}");
    let line = stdout.lines().find(|line| line.starts_with("p99 ")).expect("a line for it");
    for word in ["1.00 ms", "1.20 ms", "+20.0 %", "slower, or chance REGRESSION"] {
        assert!(line.contains(word), "no {word} in {line}");
    }
    assert!(stdout.contains("Too few runs to tell a difference from chance"), "{stdout}");
    assert!(read(&page).contains("slower, or chance: regression"));

    let (exit, stdout, _) = loadgen(&["compare", &a, &slower, "--tolerance", "25%"]);
    assert_eq!(exit, 0, "{stdout}");
    let (exit, stdout, _) = loadgen(&["compare", &slower, &a]);
    assert_eq!(exit, 0, "faster is no regression: {stdout}");
    let (exit, stdout, _) = loadgen(&["compare", &a, &slower, "--json"]);
    let told: Value = serde_json::from_str(&stdout).expect("one document");
    assert_eq!((exit, &told["regression"]), (1, &json!(true)), "{told:#}");
}

#[test]
fn repeated_runs_tell_difference_from_chance() {
    let (folder, run) = (folder(), document());
    let side = |name: &str, all: [u64; 3]| {
        keep(&folder, name, &Value::from(all.map(|ns| with_p99(&run, ns)).to_vec()))
    };
    let base = side("base.json", [1_000_000, 1_010_000, 990_000]);
    let worse = side("worse.json", [1_200_000, 1_190_000, 1_210_000]);
    let noisy = side("noisy.json", [700_000, 1_100_000, 1_900_000]);
    let (exit, stdout, _) = loadgen(&["compare", "--base", &base, "--with", &worse]);
    assert_eq!(exit, 1, "{stdout}");
    assert!(stdout.contains("base: 3 runs, with: 3 runs"), "{stdout}");
    let (exit, stdout, _) = loadgen(&["compare", "--base", &base, "--with", &noisy]);
    assert_eq!(exit, 0, "{stdout}");
    assert!(stdout.contains("none that these runs can show"), "{stdout}");
}

#[test]
fn other_conditions_are_warned_of_and_what_is_no_document_is_refused() {
    let (folder, run) = (folder(), document());
    let a = keep(&folder, "a.json", &run);
    let mut other = run.clone();
    other["run"]["connections"] = json!(99);
    let (exit, _, stderr) = loadgen(&["compare", &a, &keep(&folder, "other.json", &other)]);
    assert_eq!(exit, 0, "{stderr}");
    assert!(stderr.contains("conditions differ: Connections: 4 against 99"), "{stderr}");

    let mut old = run.clone();
    old["version"] = json!(1);
    let mut torn = run.clone();
    torn["latency"] = json!("gone");
    for (name, bad, said) in [
        ("old.json", old.to_string(), "a document of form 1; this program reads form 2"),
        ("torn.json", torn.to_string(), "invalid type"),
        ("words.json", "no".to_owned(), "no JSON"),
        ("list.json", "[]".to_owned(), "an array without documents"),
        ("number.json", "7".to_owned(), "JSON without a version"),
    ] {
        let file = path(&folder, name);
        std::fs::write(&file, bad).expect("the folder takes it");
        let (exit, stdout, stderr) = loadgen(&["compare", &a, &file]);
        assert_eq!((exit, stdout.as_str()), (2, ""), "{name}: {stderr}");
        assert!(stderr.contains(&file) && stderr.contains(said), "{name}: {stderr}");
    }
    let (exit, _, stderr) = loadgen(&["compare", &a, &path(&folder, "missing.json")]);
    assert_eq!(exit, 2, "{stderr}");
    assert!(stderr.contains("missing.json: "), "{stderr}");
    for words in [&["compare"][..], &["compare", &a], &["compare", "--base", &a]] {
        assert_eq!(loadgen(words).0, 2, "{words:?}");
    }
}
