//! A suite with real servers: every contestant has its rows, and who is missing is named.

use std::{fs, process::Command};

use serde_json::Value;
use tempfile::TempDir;

/// Runs a suite; `path` is where programs are found beside the usual places.
fn suite(
    program: &std::path::Path,
    path: Option<&str>,
    words: &str,
) -> (Option<i32>, Value, String) {
    let dir = TempDir::new().expect("the temporary folder can be written");
    suite_in(dir.path(), program, path, words)
}

/// The same; `suite.json`, `suite.html` and `suite.svg` are kept in a folder.
fn suite_in(
    dir: &std::path::Path,
    program: &std::path::Path,
    path: Option<&str>,
    words: &str,
) -> (Option<i32>, Value, String) {
    let file = dir.join("suite.json");
    let mut command = Command::new(program);
    command.args(["suite", "--connections", "4", "--out"]).arg(&file);
    command.arg("--html").arg(dir.join("suite.html")).arg("--svg").arg(dir.join("suite.svg"));
    command.args(words.split_whitespace());
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let output = command.output().expect("it starts");
    let talk = String::from_utf8_lossy(&output.stderr);
    let json = fs::read(&file).unwrap_or_else(|_| panic!("no document: {talk}"));
    let tables = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), serde_json::from_slice(&json).expect("a document"), tables)
}

#[test]
fn contestants_take_turns_at_every_shape() {
    let words = "--contestants redis-off,postgres-batch --rounds 2 --duration 500ms --warmup 100ms \
                 --rates 200,90000000 --markdown";
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_loadgen"));
    let (exit, suite, tables) = suite(program, None, words);
    let entries = suite["contestants"].as_array().expect("a list");
    let missing = entries.iter().find_map(|entry| entry["missing"].as_str());
    if let Some(why) = missing.filter(|why| why.contains("is not installed")) {
        println!("not tested: {why}");
        return;
    }
    assert_eq!((exit, missing), (Some(0), None), "{tables}");
    let rows = suite["rows"].as_array().expect("a list");
    assert_eq!(rows.len(), 2 * 4);
    for (index, row) in rows.iter().enumerate() {
        let runs = row["runs"].as_array().expect("a list");
        if index % 4 == 3 {
            // Nobody gives so many: the row says so.
            let note = row["notes"][0].as_str().expect("a note");
            assert!(
                runs.is_empty() && note.starts_with("not driven: its closed loop had given "),
                "{row:#}"
            );
            continue;
        }
        assert_eq!(runs.len(), 2, "{row:#}");
        let orders = |run: &Value| run["orders_per_second"].as_f64().expect("a rate");
        let mean = (orders(&runs[0]) + orders(&runs[1])) / 2.0;
        let told = orders(row);
        assert!((told - mean).abs() <= mean / 1e6 && told > 0.0, "{row:#}");
        assert!(row["command"].as_str().is_some_and(|c| c.starts_with("loadgen rival ")));
    }
    for (entry, server) in entries.iter().zip(["Redis ", "PostgreSQL "]) {
        assert!(entry["server"].as_str().is_some_and(|said| said.starts_with(server)), "{entry}");
        let name = entry["name"].as_str().expect("a name");
        assert!(tables.matches(&format!("| {name} | ")).count() >= 4, "{tables}");
    }
    assert_eq!(suite["bare"].as_array().expect("a list").len(), 5);
}

#[test]
fn page_plot_and_knee_come_with_it() {
    let words = "--contestants redis-everysec,redis-off --rounds 1 --duration 150ms --warmup 30ms \
                 --rates 100,300 --knee --p99 4s";
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_loadgen"));
    let dir = TempDir::new().expect("the temporary folder can be written");
    let (exit, suite, tables) = suite_in(dir.path(), program, None, words);
    let entries = suite["contestants"].as_array().expect("a list");
    let missing = entries.iter().find_map(|entry| entry["missing"].as_str());
    if let Some(why) = missing.filter(|why| why.contains("is not installed")) {
        println!("not tested: {why}");
        return;
    }
    assert_eq!((exit, missing), (Some(0), None), "{tables}");
    let kept = |name: &str| fs::read_to_string(dir.path().join(name)).expect("it is kept");
    let (page, plot) = (kept("suite.html"), kept("suite.svg"));
    for entry in entries {
        let name = entry["name"].as_str().expect("a name");
        // Whatever it came to, its limit is told; on a busy machine no rate may have held.
        let limit = entry["knee_limit"].as_str().expect("why there is nothing above it");
        assert!(tables.contains(&format!("knee of {name}: ")) && tables.contains(limit));
        assert!(page.contains(&format!("{name}, 300/s: p99 ")), "no point in the plot");
        assert!(plot.contains(&format!("{name}</text>")), "no name in the legend: {plot}");
    }
    for row in suite["rows"].as_array().expect("a list") {
        let command = row["command"].as_str().expect("a command line");
        assert!(page.contains(command), "{command}");
    }
    assert!(page.starts_with("<!DOCTYPE html>") && plot.starts_with("<svg xmlns="));
    assert!(page.contains("Results as a share of the possible"));
}

#[test]
fn one_file_holds_one_kind_of_results() {
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["suite", "--html", "same", "--svg", "same"])
        .output()
        .expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(talk.contains("one file cannot hold two kinds of results"), "{talk}");
}

#[test]
fn who_is_missing_is_named() {
    let dir = TempDir::new().expect("the temporary folder can be written");
    let alone = dir.path().join("loadgen");
    fs::copy(env!("CARGO_BIN_EXE_loadgen"), &alone).expect("there is room for it");
    let words = "--contestants doorbuster --quick --rates 100";
    let (exit, suite, tables) = suite(&alone, Some(""), words);
    assert_eq!(exit, Some(1), "nothing was run at all: {tables}");
    let why = "doorbuster is not installed";
    assert!(suite["contestants"][0]["missing"].as_str().is_some_and(|said| said.contains(why)));
    assert!(tables.contains(&format!("doorbuster was left out: {why}")), "{tables}");
}

#[test]
fn a_document_that_cannot_be_made_is_said_before_anything_is_run() {
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["suite", "--out", "/nowhere/suite.json"])
        .output()
        .expect("it starts");
    assert_eq!(output.status.code(), Some(73));
    assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
}
