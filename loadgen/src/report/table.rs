//! The report as a person reads it: on stdout, aligned, as wide as the terminal; warnings on
//! stderr, red on a terminal. Colour is for terminals only, and for nobody who set `NO_COLOR`.

use std::io::IsTerminal;

use comfy_table::{CellAlignment, Table, presets::NOTHING};

use super::document::{Departure, Document, FromBoth, Percentiles};
use crate::figures::{grouped, memory, rate, share, time};

/// Columns where nothing says how many there are.
const WIDTH: usize = 100;
/// Columns of a latency and the space before it.
const CELL: usize = 11;

/// The name of a figure, and what it is in words.
pub(crate) type Row<T> = (&'static str, fn(&T) -> String);

/// What is told of latencies, here and on the page.
pub(crate) const LATENCIES: [Row<Percentiles>; 9] = [
    ("p50", |of| time(of.p50_ns)),
    ("p90", |of| time(of.p90_ns)),
    ("p99", |of| time(of.p99_ns)),
    ("p99.9", |of| time(of.p99_9_ns)),
    ("p99.99", |of| time(of.p99_99_ns)),
    ("max", |of| time(of.max_ns)),
    ("mean", |of| time(of.mean_ns.round() as u64)),
    ("min", |of| time(of.min_ns)),
    ("answers", |of| grouped(of.count)),
];

/// How to draw it.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) width: usize,
    pub(crate) coloured: bool,
}

impl Look {
    /// As fits stdout.
    pub(crate) fn of_stdout() -> Look {
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
        let width = size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0);
        let coloured = may_colour() && std::io::stdout().is_terminal();
        Look { width: width.unwrap_or(WIDTH), coloured }
    }

    fn painted(self, good: bool, text: &str) -> String {
        match (self.coloured, good) {
            (false, _) => text.to_owned(),
            (true, true) => format!("\x1b[32m{text}\x1b[0m"),
            (true, false) => format!("\x1b[1;31m{text}\x1b[0m"),
        }
    }

    /// A tick or a cross.
    fn mark(self, passed: bool) -> String {
        self.painted(passed, if passed { "\u{2713}" } else { "\u{2717}" })
    }
}

/// A word of the result, green or red if stdout is a terminal.
pub(crate) fn painted(good: bool, text: &str) -> String {
    Look::of_stdout().painted(good, text)
}

/// Everything, a line break at the end.
pub(crate) fn text(run: &Document, look: Look) -> String {
    let mut parts = vec![summary(run, look), outcomes(run)];
    parts.extend(latencies(run, look));
    parts.extend(server(run));
    parts.extend(fairness(run, look));
    parts.push(verdicts(run, look));
    parts.join("\n")
}

/// Prints what must not be overlooked.
pub(crate) fn print_warnings(report: &Document) {
    for warning in super::warnings::of(report) {
        let why = if warning.why.is_empty() { String::new() } else { format!(": {}", warning.why) };
        warn(&(warning.what + &why));
    }
}

/// A line on stderr, red on a terminal.
pub(crate) fn warn(sentence: &str) {
    let coloured = may_colour() && std::io::stderr().is_terminal();
    let (red, plain) = if coloured { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    eprintln!("{red}loadgen: {sentence}{plain}");
}

fn may_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Aligned rows; all columns from `right_from` on lean to the right.
pub(crate) fn aligned(right_from: usize, rows: Vec<Vec<String>>) -> String {
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
    table.trim_fmt() + "\n"
}

/// A name and what there is to say, folded where the terminal ends.
fn said(rows: Vec<(&str, String)>, look: Look) -> String {
    let indent = rows.iter().map(|row| row.0.len()).max().unwrap_or(0) + 2;
    let lines = rows.into_iter().map(|(name, sentence)| {
        format!("{name:<indent$}{}", folded(&sentence, indent, look.width))
    });
    lines.collect()
}

/// Folds a sentence before `width`; lines after the first begin with `indent` spaces, and each ends
/// with a line break.
fn folded(sentence: &str, indent: usize, width: usize) -> String {
    let (mut text, mut used) = (String::new(), indent);
    for word in sentence.split(' ') {
        let length = word.chars().count() + usize::from(used > indent);
        if used > indent && used + length > width {
            text += &format!("\n{:indent$}{word}", "");
            used = indent + word.chars().count();
        } else {
            text += if used > indent { " " } else { "" };
            text += word;
            used += length;
        }
    }
    text + "\n"
}

fn summary(report: &Document, look: Look) -> String {
    let (run, machine) = (&report.run, &report.machine);
    let tls = if run.tls { " over TLS" } else { "" };
    let connections = grouped(run.connections as u64);
    let target = format!("{}, {}{tls}, {connections} connections", run.target, run.protocol.word());
    let mut rows = vec![("target", target)];
    match &report.schedule {
        Some(kept) => {
            let profile = run.profile.as_deref().unwrap_or("open loop");
            rows.push(("profile", format!("{profile}; open loop")));
            let (offered, sent) = (rate(kept.offered_per_second), rate(kept.sent_per_second));
            let late = (kept.late_generator_share + kept.late_connection_share) * 100.0;
            let latest = time(kept.latest_ns);
            let judged = if kept.missed { "MISSED" } else { "kept" };
            rows.push(("offered", format!("{offered}/s, sent {sent}/s")));
            let kept = format!("{judged}, {late:.2} % late; the generator itself at most {latest}");
            rows.push(("schedule", kept));
        }
        None => {
            rows.push(("profile", format!("closed loop, pipeline {}", run.pipeline.unwrap_or(1))))
        }
    }
    let partial = if report.partial { ", PARTIAL" } else { "" };
    let (seconds, warm) = (report.seconds, run.warmup_seconds);
    rows.push(("measured", format!("{seconds:.2} s after {warm:.2} s of warm-up{partial}")));
    let (answers, orders) = (rate(report.answers_per_second), rate(report.orders_per_second));
    rows.push(("answers/s", format!("{answers} of all kinds; orders {orders}")));
    let processors = |busy: Option<f64>| busy.map_or("-".to_owned(), |busy| format!("{busy:.2}"));
    let (generator, server) = (processors(report.cpu.generator), processors(report.cpu.server));
    rows.push(("cpu", format!("generator {generator}, server {server} (processors busy)")));
    let processor = machine.processor.as_deref().unwrap_or("processors");
    let memory = machine.memory_bytes.map_or(String::new(), |bytes| format!(", {}", memory(bytes)));
    let machine = format!("{} x {processor}{memory}; {}", machine.processors, machine.system);
    rows.push(("machine", machine));
    // Painted after it was folded: colour has no width.
    let mut text = said(rows, look);
    for (word, bad) in [
        ("MISSED, ", report.schedule.as_ref().is_some_and(|kept| kept.missed)),
        (", PARTIAL", report.partial),
    ] {
        if bad {
            text = text.replacen(word, &look.painted(false, word), 1);
        }
    }
    text
}

/// Sold and refused apart, each with its words.
fn outcomes(report: &Document) -> String {
    let (counts, outcomes) = (&report.counts, &report.outcomes);
    let due = counts.scheduled;
    let mut rows = vec![["outcome", "", "count", "share"].map(str::to_owned).to_vec()];
    let mut push = |what: &str, word: &str, count: u64, whole: u64| {
        rows.push(vec![what.to_owned(), word.to_owned(), grouped(count), share(count, whole)]);
    };
    push("due", "", due, due);
    for (what, words, of_itself) in [
        ("sold", &outcomes.given, false),
        ("again, same key", &outcomes.replayed, false),
        ("on the list", &outcomes.waiting, false),
        ("refused", &outcomes.refused, false),
        ("confirms", &outcomes.confirm, true),
        ("releases", &outcomes.release, true),
    ] {
        let whole = if of_itself { words.values().sum() } else { due };
        let mut first = what;
        for (word, count) in words {
            push(std::mem::take(&mut first), word, *count, whole);
        }
    }
    let mut first = "failed";
    for (word, count) in [
        ("answered with an error", counts.errors),
        ("timed out", counts.timeouts),
        ("lost with their connection", counts.lost),
        ("due but never sent", counts.unsent),
        ("confirms, releases not due in time", counts.unfollowed),
    ] {
        if count > 0 {
            push(std::mem::take(&mut first), word, count, due);
        }
    }
    if counts.connections_lost > 0 {
        push("connections", "lost", counts.connections_lost, report.run.connections as u64);
    }
    aligned(2, rows)
}

/// Percentiles downwards; kinds of answers beside each other, each counted from the intended and
/// from the actual send, in as many blocks as the width needs.
fn latencies(report: &Document, look: Look) -> Vec<String> {
    let open = report.schedule.is_some();
    let kinds = report.answered_kinds();
    let columns = if open { 2 } else { 1 };
    let wide = CELL.max(if open { 0 } else { 16 });
    let in_a_block = ((look.width.saturating_sub(10)) / (wide * columns)).max(1);
    let block = |kinds: &[(&str, &FromBoth)]| {
        let mut text = format!("{:<10}", "latency");
        for (name, _) in kinds {
            text += &format!("{:>1$}", name.replace('_', " "), wide * columns);
        }
        text.push('\n');
        if open {
            text += &format!("{:<10}", "from send");
            kinds.iter().for_each(|_| text += &format!("{:>CELL$}{:>CELL$}", "intended", "actual"));
            text.push('\n');
        }
        for (name, which) in &LATENCIES {
            text += &format!("{name:<10}");
            for (_, both) in kinds {
                text += &format!("{:>wide$}", which(&both.from_intended));
                if open {
                    text += &format!("{:>wide$}", which(&both.from_sent));
                }
            }
            text.push('\n');
        }
        text
    };
    kinds.chunks(in_a_block).map(block).collect()
}

fn server(report: &Document) -> Option<String> {
    let server = report.server.as_ref()?;
    let head = ["server", "p50", "p90", "p99", "p99.9", "max"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (name, of) in server.times() {
        let times = [of.p50, of.p90, of.p99, of.p99_9, of.max].map(time);
        rows.push(std::iter::once(name.to_owned()).chain(times).collect());
    }
    let mut said: Vec<String> = Vec::new();
    said.extend(server.version.as_ref().map(|version| format!("version {version}")));
    said.extend(server.syncs.map(|syncs| format!("{} disk syncs", grouped(syncs))));
    said.extend(server.records_per_batch.map(|records| format!("{records:.2} records in a batch")));
    said.extend(server.shed.map(|shed| format!("{} shed", grouped(shed))));
    let table = if rows.len() > 1 { aligned(1, rows) } else { String::new() };
    Some(format!("{table}server: {}\n", said.join(", ")))
}

fn fairness(report: &Document, look: Look) -> Option<String> {
    let fairness = report.fairness.as_ref()?;
    let line = |name: &str, of: &Departure| {
        let share = format!("{:.2} %", of.overtaken_share * 100.0);
        let places = [of.places.p50, of.places.p99, of.places.max].map(grouped);
        let behind = [of.overtaken_ns.p99, of.overtaken_ns.max].map(time);
        [vec![name.to_owned(), share], places.into(), behind.into()].concat()
    };
    let head = ["fairness, from", "overtaken", "places p50", "p99", "max", "by p99", "max"];
    let rows = vec![
        head.map(str::to_owned).to_vec(),
        line("intended send", &fairness.from_intended),
        line("actual send", &fairness.from_sent),
    ];
    let mut text = aligned(1, rows);
    let mut compared = format!("{} orders compared", grouped(fairness.orders));
    if fairness.unchecked > 0 {
        compared += &format!(", {} not: past the bound of memory", grouped(fairness.unchecked));
    }
    text += &format!("{compared}\n");
    if let Some(check) = &fairness.journal {
        let (mark, name, detail) = (look.mark(check.passed), &check.name, &check.detail);
        let said = folded(&format!("the server's journal: {name} ({detail})"), 2, look.width);
        text += &format!("{mark} {said}");
    }
    Some(text)
}

fn verdicts(report: &Document, look: Look) -> String {
    let mut text = "checks, from the answers alone\n".to_owned();
    for check in &report.checks {
        let detail =
            if check.detail.is_empty() { String::new() } else { format!(" ({})", check.detail) };
        let said = folded(&format!("{}{detail}", check.name), 4, look.width);
        text += &format!("  {} {said}", look.mark(check.passed));
    }
    if !report.thresholds.is_empty() {
        text += "\nthresholds\n";
        let longest = report.thresholds.iter().map(|threshold| threshold.text.len()).max();
        for threshold in &report.thresholds {
            let (mark, wide) = (look.mark(threshold.passed), longest.unwrap_or(0));
            text += &format!("  {mark} {:<wide$}  {}\n", threshold.text, threshold.measured);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Rule, sample};

    const PLAIN: Look = Look { width: 80, coloured: false };

    #[test]
    fn it_fits_the_terminal_and_says_all() {
        let mut run = sample::flash();
        run.thresholds.push(Rule::parse("p99<1ms").expect("a good threshold").judge(&run));
        for width in [80, 120] {
            let text = text(&run, Look { width, coloured: false });
            let longest = text.lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(width), "{longest:?} of {width} columns:\n{text}");
            for word in [
                "steady 50,000/s, Poisson",
                "offered    50,000/s, sent 49,991/s",
                "kept, 0.04 % late",
                "7.8 GiB",
                "sold",
                "limit_reached",
                "intended",
                "actual",
                "disk sync",
                "18,204 disk syncs",
                "5,000 orders compared",
                "\u{2713} not oversold (5,000 units of 5,000)",
                "\u{2717} p99<1ms  4.20 ms",
            ] {
                assert!(text.contains(word), "no {word} in\n{text}");
            }
            assert!(!text.contains('\x1b'));
        }
    }

    #[test]
    fn a_closed_loop_has_one_way_to_count() {
        let text = text(&sample::closed(), PLAIN);
        assert!(text.contains("closed loop, pipeline 16") && !text.contains("intended"), "{text}");
        assert!(!text.contains("server:") && !text.contains("fairness"), "{text}");
    }

    #[test]
    fn what_is_missed_is_red_on_a_terminal() {
        let mut run = sample::flash();
        run.partial = true;
        run.schedule.iter_mut().for_each(|kept| kept.missed = true);
        run.checks[0].passed = false;
        let text = text(&run, Look { width: 80, coloured: true });
        assert!(text.contains("\x1b[1;31mMISSED"), "{text}");
        assert!(text.contains("\x1b[1;31m, PARTIAL"), "{text}");
        assert!(text.contains("\x1b[1;31m\u{2717}\x1b[0m not oversold"), "{text}");
    }
}
