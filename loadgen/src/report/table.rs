//! The report as a person reads it: on stdout, aligned; warnings on stderr, red on a terminal.

use std::io::IsTerminal;

use comfy_table::{CellAlignment, Table, presets::NOTHING};

use super::document::{ALL_PURCHASES, Document, Percentiles};
use crate::figures::{grouped, rate, share, time};
use crate::load::tally::CLASSES;

/// Everything, a line break at the end.
pub(crate) fn text(report: &Document) -> String {
    let tables = [summary(report), outcomes(report), latencies(report), checks(report)];
    tables.map(|table| table.trim_fmt() + "\n").join("\n")
}

/// Prints what must not be overlooked.
pub(crate) fn print_warnings(report: &Document) {
    for warning in super::warnings::of(report) {
        let why = if warning.why.is_empty() { String::new() } else { format!(": {}", warning.why) };
        warn(&(warning.what + &why));
    }
}

fn warn(sentence: &str) {
    let coloured = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (red, plain) = if coloured { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    eprintln!("{red}loadgen: {sentence}{plain}");
}

fn table(right_from: usize, rows: Vec<Vec<String>>) -> Table {
    let mut table = Table::new();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    table.load_preset(NOTHING).add_rows(rows);
    for index in 0..columns {
        if let Some(column) = table.column_mut(index) {
            column.set_padding((0, 2));
            if index >= right_from {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    table
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn summary(report: &Document) -> Table {
    let run = &report.run;
    let connections = run.connections;
    let mut rows = vec![vec![
        "target".to_owned(),
        format!("{} {}, {connections} connections", run.target, run.protocol.word()),
    ]];
    let pace = match (&report.schedule, run.pipeline) {
        (Some(kept), _) => format!(
            "open: {}, offered {}/s, sent {}/s, generator at most {} late{}",
            run.profile.as_deref().unwrap_or(""),
            rate(kept.offered_per_second),
            rate(kept.sent_per_second),
            time(kept.latest_ns),
            if kept.missed { ", MISSED ITS SCHEDULE" } else { "" }
        ),
        (None, pipeline) => format!("closed: pipeline {}", pipeline.unwrap_or(1)),
    };
    rows.push(vec!["loop".to_owned(), pace]);
    let partial = if report.partial { " (partial)" } else { "" };
    let measured =
        format!("{:.2} s after {:.2} s warm-up{partial}", report.seconds, run.warmup_seconds);
    rows.push(vec!["measured".to_owned(), measured]);
    rows.push(vec!["orders/s".to_owned(), rate(report.orders_per_second)]);
    rows.push(vec!["answers/s".to_owned(), rate(report.answers_per_second)]);
    let processors = |share: Option<f64>| share.map_or("-".to_owned(), |s| format!("{s:.2}"));
    let cpu = format!(
        "generator {}, server {} (processors)",
        processors(report.cpu.generator),
        processors(report.cpu.server)
    );
    rows.push(vec!["cpu".to_owned(), cpu]);
    table(2, rows)
}

fn outcomes(report: &Document) -> Table {
    let counts = &report.counts;
    let mut rows = vec![row(["outcome", "count", "share"])];
    let due = counts.scheduled;
    let mut push = |what: String, count: u64, whole: u64| {
        rows.push(vec![what, grouped(count), share(count, whole)]);
    };
    for (words, note) in [(&report.outcomes.given, ""), (&report.outcomes.replayed, ", replayed")] {
        for (word, count) in words {
            push(format!("{word}{note}"), *count, due);
        }
    }
    for (word, count) in &report.outcomes.refused {
        push(format!("refused: {word}"), *count, due);
    }
    for (what, count) in [
        ("errors", counts.errors),
        ("timed out", counts.timeouts),
        ("lost with their connection", counts.lost),
        ("due but never sent", counts.unsent),
    ] {
        if count > 0 {
            push(what.to_owned(), count, due);
        }
    }
    for (what, words) in
        [("confirm", &report.outcomes.confirm), ("release", &report.outcomes.release)]
    {
        let whole = words.values().sum();
        for (word, count) in words {
            push(format!("{what}: {word}"), *count, whole);
        }
    }
    if counts.connections_lost > 0 {
        push("connections lost".to_owned(), counts.connections_lost, report.run.connections as u64);
    }
    table(1, rows)
}

fn latencies(report: &Document) -> Table {
    let head = ["latency", "from", "count", "p50", "p90", "p99", "p99.9", "p99.99", "max"];
    let mut rows = vec![row(head)];
    let mut push = |name: &str, from: &str, percentiles: &Percentiles| {
        let [count, times @ ..] = percentiles.columns();
        let mut cells = vec![name.to_owned(), from.to_owned(), grouped(count)];
        cells.extend(times.map(time));
        rows.push(cells);
    };
    let open = report.schedule.is_some();
    for name in std::iter::once(ALL_PURCHASES).chain(CLASSES.map(|(_, name)| name)) {
        let latency = &report.latency[name];
        if latency.from_intended.count == 0 {
            continue;
        }
        let name = name.replace('_', " ");
        if open {
            push(&name, "intended send", &latency.from_intended);
        }
        push(if open { "" } else { &name }, "actual send", &latency.from_sent);
    }
    table(2, rows)
}

fn checks(report: &Document) -> Table {
    let mut rows = vec![row(["check", "", ""])];
    for check in &report.checks {
        rows.push(row([&check.name, if check.passed { "yes" } else { "NO" }, &check.detail]));
    }
    table(3, rows)
}
