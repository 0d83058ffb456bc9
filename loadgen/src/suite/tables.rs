//! A suite as a person reads it: a few tables, plain or as Markdown.

use comfy_table::{CellAlignment, Table as Grid, presets::NOTHING};

use super::document::{Entry, Row, SuiteDocument};
use super::shape::Shape;
use super::standing;
use crate::figures::{rate, time};

/// One table, and the sentences below it.
pub(super) struct Table {
    pub(super) title: String,
    /// The first row is the head.
    pub(super) rows: Vec<Vec<String>>,
    pub(super) notes: Vec<String>,
}

const NOTHING_MEASURED: &str = "-";

/// Closed loops, open loops, who took part, and what the machine can do at all.
pub(super) fn all(suite: &SuiteDocument) -> Vec<Table> {
    let mut tables = vec![closed(suite)];
    tables.extend(open(suite));
    tables.push(contestants(suite));
    tables.push(bare(suite));
    tables.extend(shares(suite));
    tables
}

fn cells<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn optional<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| NOTHING_MEASURED.to_owned(), show)
}

/// The headline: what each gives at all, and how that is to the best rival.
pub(super) fn closed(suite: &SuiteDocument) -> Table {
    let is_closed = |shape: &Shape| matches!(shape, Shape::Closed { .. });
    let shapes: Vec<Shape> = standing::shapes(suite).into_iter().filter(is_closed).collect();
    let mut head = cells(["closed loop", "synced"]);
    for shape in &shapes {
        head.push(format!("{}: orders/s", shape.word()));
        head.extend(["to best rival", "p50", "p99"].map(str::to_owned));
    }
    let said = vec!["To best rival: the best of those that sync as often.".to_owned()];
    let mut table = Table { title: "Orders a second".to_owned(), rows: vec![head], notes: said };
    for entry in present(suite) {
        let mut line = vec![entry.name.clone(), entry.synced.clone()];
        for shape in &shapes {
            let row = standing::row(suite, &entry.name, *shape);
            line.push(optional(row.and_then(|row| row.orders_per_second), rate));
            let ratio = standing::to_best_rival(suite, &entry.name, *shape);
            line.push(optional(ratio, |ratio| format!("{ratio:.2} x")));
            let times = [row.and_then(|row| row.p50_ns), row.and_then(|row| row.p99_ns)];
            line.extend(times.map(|ns| optional(ns, time)));
            table.notes.extend(row.into_iter().flat_map(notes));
        }
        table.rows.push(line);
    }
    table
}

pub(super) fn open(suite: &SuiteDocument) -> Vec<Table> {
    let is_open = |shape: &Shape| matches!(shape, Shape::Open { .. });
    let table = |shape: Shape| {
        let head = ["open loop", "orders/s", "p50", "p99", "p99.9", "server's processors", ""];
        let mut table = Table {
            title: format!("{} purchases, timed from the intended send", shape.word()),
            rows: vec![cells(head)],
            notes: vec![],
        };
        for row in present(suite).filter_map(|one| standing::row(suite, &one.name, shape)) {
            let mut line = vec![row.contestant.clone(), optional(row.orders_per_second, rate)];
            line.extend([row.p50_ns, row.p99_ns, row.p99_9_ns].map(|ns| optional(ns, time)));
            line.push(optional(row.server_cpu, |busy| format!("{busy:.2}")));
            line.push(match (row.kept, row.notes.first()) {
                (Some(false), _) => optional(row.late_shares, late),
                (None, Some(note)) => note.clone(),
                _ => String::new(),
            });
            table.notes.extend(notes(row).filter(|_| row.kept.is_some()));
            table.rows.push(line);
        }
        table
    };
    standing::shapes(suite).into_iter().filter(is_open).map(table).collect()
}

/// Why a schedule was missed: shares of the generator and of the connections.
fn late((generator, connection): (f64, f64)) -> String {
    let [generator, connection] = [generator, connection].map(|share| share * 100.0);
    format!(
        "schedule missed: {connection:.1} % late, the server being behind; \
         {generator:.1} % late, the generator being busy"
    )
}

fn notes(row: &Row) -> impl Iterator<Item = String> {
    row.notes.iter().map(move |note| format!("{}, {}: {note}", row.contestant, row.shape.word()))
}

fn present(suite: &SuiteDocument) -> impl Iterator<Item = &Entry> {
    suite.contestants.iter().filter(|entry| is_present(suite, &entry.name))
}

/// Whether it took part at all.
fn is_present(suite: &SuiteDocument, name: &str) -> bool {
    suite.rows.iter().any(|row| row.contestant == name && !row.runs.is_empty())
}

pub(super) fn contestants(suite: &SuiteDocument) -> Table {
    let with_knee = suite.contestants.iter().any(|entry| entry.knee.is_some());
    let mut head = cells(["contestant", "server", "durable", "how"]);
    head.extend(with_knee.then(|| "knee".to_owned()));
    let mut rows = vec![head];
    for entry in present(suite) {
        let said = |text: &Option<String>| optional(text.clone(), |text| text);
        let mut line = vec![
            entry.name.clone(),
            said(&entry.server),
            said(&entry.durability),
            entry.how.clone(),
        ];
        line.extend(with_knee.then(|| optional(entry.knee, |knee| format!("{}/s", rate(knee)))));
        rows.push(line);
    }
    let left_out = suite.contestants.iter().filter_map(|entry| {
        let why = entry.missing.as_ref()?;
        Some(format!("{} was left out: {why}", entry.name))
    });
    let mut notes: Vec<String> = left_out.collect();
    notes.extend(suite.contestants.iter().filter_map(|entry| {
        let limit = entry.knee_limit.as_ref()?;
        Some(match entry.knee {
            Some(_) => format!("knee of {}: above it, {limit}", entry.name),
            None => format!("knee of {}: not found: {limit}", entry.name),
        })
    }));
    if suite.partial {
        notes.push("partial: a signal ended the suite early".to_owned());
    }
    notes.push(format!("made by: {}", suite.command));
    Table { title: "Contestants".to_owned(), rows, notes }
}

pub(super) fn bare(suite: &SuiteDocument) -> Table {
    let mut rows = vec![cells(["bare machine", "per second", "p50", "p99", "p99.9"])];
    for line in &suite.bare {
        let mut cells = vec![line.what.clone(), rate(line.per_second)];
        cells.extend([line.p50_ns, line.p99_ns, line.p99_9_ns].map(time));
        rows.push(cells);
    }
    let machine = suite.machine.iter().map(|machine| {
        let processor = machine.processor.as_deref().unwrap_or("processor not known");
        format!("{processor}, {} of them; {}", machine.processors, machine.system)
    });
    Table { title: "The machine".to_owned(), notes: machine.collect(), rows }
}

/// What each makes of the machine; `None` if nothing was driven.
pub(super) fn shares(suite: &SuiteDocument) -> Option<Table> {
    let of = ["of the possible", "most orders/s", "of the loopback", "orders a possible sync"];
    let mut head = cells(of);
    head.extend(["p50 at the lowest rate", "in syncs"].map(str::to_owned));
    let mut rows = vec![head];
    for entry in present(suite) {
        let Some(share) = standing::share(suite, &entry.name) else { continue };
        rows.push(vec![
            entry.name.clone(),
            rate(share.orders_per_second),
            optional(share.of_loopback, |share| format!("{:.1} %", share * 100.0)),
            optional(share.orders_a_sync, |orders| format!("{orders:.1}")),
            optional(share.calm_p50, |(ns, _)| time(ns)),
            optional(share.calm_p50, |(_, syncs)| format!("{syncs:.2}")),
        ]);
    }
    let note = "The loopback's most: 64-byte frames, as deep as helps. An answer that waits for \
                its sync cannot come sooner than one sync.";
    let title = "Results as a share of the possible".to_owned();
    (rows.len() > 1).then(|| Table { title, rows, notes: vec![note.to_owned()] })
}

/// For a terminal.
pub(super) fn plain(tables: &[Table]) -> String {
    let one = |table: &Table| {
        let mut grid = Grid::new();
        grid.load_preset(NOTHING).add_rows(&table.rows);
        for (index, column) in grid.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if index > 0 && table.is_figure(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let notes: String = table.notes.iter().map(|note| format!("{note}\n")).collect();
        format!("{}\n{}\n{notes}", table.title, grid.trim_fmt())
    };
    tables.iter().map(one).collect::<Vec<_>>().join("\n")
}

/// For a README.
pub(super) fn markdown(tables: &[Table]) -> String {
    let one = |table: &Table| {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let width = table.rows[0].len();
        let rule = |index| if index > 0 && table.is_figure(index) { "---:|" } else { "---|" };
        let mut text = format!("{}:\n\n{}|", table.title, line(&table.rows[0]));
        text.extend((0..width).map(rule));
        text.push('\n');
        text.extend(table.rows[1..].iter().map(|cells| line(cells)));
        text.extend(table.notes.iter().map(|note| format!("\n{note}\n")));
        text
    };
    tables.iter().map(one).collect::<Vec<_>>().join("\n")
}

impl Table {
    /// Whether a column holds numbers.
    pub(super) fn is_figure(&self, column: usize) -> bool {
        let begins =
            |cell: &String| cell.starts_with(|char: char| char.is_ascii_digit() || char == '-');
        self.rows[1..].iter().filter_map(|cells| cells.get(column)).all(begins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let rows = vec![cells(["who", "orders/s", "why"]), cells(["a|b", "1,000", "so"])];
        Table { title: "All".to_owned(), rows, notes: vec!["c was left out".to_owned()] }
    }

    #[test]
    fn a_table_is_markdown_and_text() {
        let wanted = "All:\n\n| who | orders/s | why |\n|---|---:|---|\n| a\\|b | 1,000 | so |\n\
                      \nc was left out\n";
        assert_eq!(markdown(&[table()]), wanted);
        let text = plain(&[table()]);
        assert!(text.contains("a|b") && text.ends_with("c was left out\n"), "{text}");
    }
}
