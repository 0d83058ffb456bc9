//! A suite as one page of HTML, and its plot as one SVG: the same tables as everywhere, latency by
//! offered rate, and every command line.

use clap::ValueEnum;
use maud::{Markup, html};

use super::Contestant;
use super::document::{Row, SuiteDocument};
use super::shape::Shape;
use super::tables::{self, Table};
use crate::figures::{memory, rate, time};
use crate::report::chart::{Axis, Chart, Colour, Mark};
use crate::report::html as report;

const TITLE: &str = "Flash sale: reserve one unit, with limit and idempotency";

pub(super) fn page(suite: &SuiteDocument) -> String {
    let (p50, p99) = (chart(suite, "p50", |row| row.p50_ns), main_chart(suite));
    let body = html! {
        h1 { (TITLE) }
        p.quiet {
            @if let Some(begun) = &suite.started_at { (begun) ", " }
            "loadgen " (suite.loadgen) ", medians of all rounds"
        }
        @if suite.partial {
            p.banner role="alert" {
                strong { "partial" } ": a signal ended the suite early"
            }
        }
        (table(&tables::closed(suite)))
        @if p50.is_some() || p99.is_some() {
            h2 { "Latency by offered rate" }
            @for (name, chart) in [("99 of 100 were faster (p99)", &p99),
                ("half were faster (p50)", &p50)] {
                @if let Some(chart) = chart { h3 { (name) } figure { (chart) } }
            }
            p.note {
                "Open loops, timed from the intended send: who falls behind has its queue counted. "
                "A line ends at the last rate that was driven; the tables say why."
            }
        }
        @for one in tables::open(suite) { (table(&one)) }
        (table(&tables::contestants(suite)))
        (table(&tables::bare(suite)))
        @if let Some(shares) = tables::shares(suite) { (table(&shares)) }
        h2 { "Conditions" }
        p { "All of it again:" }
        pre { (suite.command) }
        (machine(suite))
        h2 { "Every run by itself" }
        div.scroll { table.conditions { tbody {
            @for row in suite.rows.iter().filter(|row| !row.runs.is_empty()) { tr {
                th { (row.contestant) } th { (row.shape.word()) }
                td { @if let Some(command) = &row.command { code { (command) } } }
            } }
        } } }
    };
    report::frame(TITLE, &body).into_string()
}

/// The plot for a README; without an open loop an empty one that says so.
pub(super) fn plot(suite: &SuiteDocument) -> String {
    let empty = || {
        let (x, y) = (Axis::rates(std::iter::empty(), "no open loop was driven"), axis_y([]));
        let described = "Nothing was driven".to_owned();
        Chart { described, x, y, marks: Vec::new(), legend: Vec::new(), square: false }
    };
    let chart = main_chart(suite).unwrap_or_else(empty);
    chart.alone("Wait of the slowest 1 in 100 buyers, by purchases offered a second")
}

fn main_chart(suite: &SuiteDocument) -> Option<Chart> {
    chart(suite, "p99", |row| row.p99_ns)
}

fn axis_y(values: impl IntoIterator<Item = u64>) -> Axis {
    Axis::times(values.into_iter().map(|ns| ns as f64), "latency")
}

/// A percentile over the rate, one line a contestant; `None` without an open loop.
fn chart(suite: &SuiteDocument, name: &str, of: fn(&Row) -> Option<u64>) -> Option<Chart> {
    let (mut marks, mut legend) = (Vec::new(), Vec::new());
    let (mut rates, mut values) = (Vec::new(), Vec::new());
    for entry in &suite.contestants {
        let Ok(contestant) = Contestant::from_str(&entry.name, false) else { continue };
        let colour = colour(contestant);
        let rows = suite.rows.iter().filter(|row| row.contestant == entry.name);
        let mut points: Vec<(f64, u64, bool)> = rows
            .filter_map(|row| match row.shape {
                Shape::Open { rate } => Some((rate, of(row)?, row.kept == Some(false))),
                Shape::Closed { .. } => None,
            })
            .collect();
        points.sort_by(|left, right| left.0.total_cmp(&right.0));
        if points.is_empty() {
            continue;
        }
        rates.extend(points.iter().map(|point| point.0));
        values.extend(points.iter().map(|point| point.1));
        legend.push((colour, entry.name.clone()));
        let line = points.iter().map(|(at, ns, _)| (*at, Some(*ns as f64)));
        marks.push(Mark::Line(colour, line.collect()));
        marks.extend(points.iter().map(|(at, ns, missed)| {
            let missed = if *missed { ", schedule missed" } else { "" };
            let told = format!("{}, {}/s: {name} {}{missed}", entry.name, rate(*at), time(*ns));
            Mark::Point(colour, *at, *ns as f64, told)
        }));
    }
    let x = Axis::rates(rates.iter().copied(), "offered purchases a second");
    let described = format!("Latency ({name}) by offered rate, a line a contestant");
    (!rates.is_empty()).then(|| Chart {
        described,
        x,
        y: axis_y(values),
        marks,
        legend,
        square: false,
    })
}

/// Ours in blues, Redis in reds, PostgreSQL in greens, its batches apart.
fn colour(contestant: Contestant) -> Colour {
    match contestant {
        Contestant::Doorbuster => "k1",
        Contestant::DoorbusterResp => "k2",
        Contestant::DoorbusterHttp => "k3",
        Contestant::RedisAlways => "k4",
        Contestant::RedisEverysec => "k5",
        Contestant::RedisOff => "k6",
        Contestant::PostgresRow => "k7",
        Contestant::PostgresUnits => "k8",
        Contestant::PostgresBatch => "k9",
    }
}

fn table(table: &Table) -> Markup {
    let last = table.rows[0].len() - 1;
    let class = |index: usize| match index {
        0 => None,
        _ if table.is_figure(index) => Some("n"),
        _ if index == last => Some("first"),
        _ => None,
    };
    html! {
        h2 { (table.title) }
        div.scroll { table.wrapped {
            thead { tr { @for (index, cell) in table.rows[0].iter().enumerate() {
                th class=[class(index)] { (cell) }
            } } }
            tbody { @for row in &table.rows[1..] { tr {
                @for (index, cell) in row.iter().enumerate() {
                    @if index == 0 { th { (cell) } }
                    @else { td class=[class(index)] { (cell) } }
                }
            } } }
        } }
        @for note in &table.notes { p.note { (note) } }
    }
}

fn machine(suite: &SuiteDocument) -> Markup {
    let Some(machine) = &suite.machine else {
        return html! { p.note { "No run said what machine this is." } };
    };
    let processor = machine.processor.as_deref().unwrap_or("processor not known");
    let memory = machine.memory_bytes.map_or("not known".to_owned(), memory);
    let rows = [
        ("Machine", format!("{} x {processor}", machine.processors)),
        ("Memory", memory),
        ("System", machine.system.clone()),
        ("Where the generator runs", "on the same machine, for all of them".to_owned()),
    ];
    html! {
        div.scroll { table.conditions { tbody {
            @for (name, value) in rows { tr { th { (name) } td { (value) } } }
        } } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample as runs;
    use crate::suite::sample;

    #[test]
    fn the_page_has_every_figure_command_and_what_is_missing() {
        let page = page(&sample::suite());
        runs::keep("suite.html", &page);
        for text in [
            "100,000",
            "5.00 x",
            "Latency by offered rate",
            "redis-always, 1,000/s: p99 5.40 ms",
            "postgres-units was left out: it is not &lt;installed&gt;",
            "not driven: its closed loop had given 20,000",
            "A server &lt;1&gt;",
            "25.0 %",
            "loadgen rival x --place 3",
        ] {
            assert!(page.contains(text), "no {text}");
        }
        assert_eq!(page.matches("<svg").count(), 4, "two plots in two sizes");
        for foreign in ["<script", "http:", "https:", "url(", "@import", "src=", "NaN", "<1>"] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn the_plot_is_a_file_of_its_own() {
        let mut suite = sample::suite();
        let svg = plot(&suite);
        runs::keep("suite.svg", &svg);
        assert!(svg.contains("class=\"line k1\"") && svg.contains("redis-everysec</text>"));
        assert!(!svg.contains("postgres-units"), "it was not there");
        suite.rows.clear();
        assert!(plot(&suite).contains("no open loop was driven"));
    }
}
