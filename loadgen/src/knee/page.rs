//! The ladder as one page of HTML: percentiles over the rate, and the grid of figures.

use maud::html;

use super::{Ladder, Step, Verdict};
use crate::figures::{rate, time};
use crate::report::chart::{Axis, Chart, Colour, Mark};
use crate::report::document::{ALL_PURCHASES, Percentiles};
use crate::report::{conditions, html as report};

/// A percentile's colour, name and value.
type Line = (Colour, &'static str, fn(&Percentiles) -> u64);

const LINES: [Line; 4] = [
    ("g1", "p50", |of| of.p50_ns),
    ("g2", "p90", |of| of.p90_ns),
    ("a", "p99", |of| of.p99_ns),
    ("g3", "p99.9", |of| of.p99_9_ns),
];

fn latency(step: &Step) -> &Percentiles {
    &step.document.latency[ALL_PURCHASES].from_intended
}

pub(super) fn page(ladder: &Ladder) -> String {
    let first = ladder.steps.first();
    let sale = first.map_or("", |step| &*step.document.run.sale);
    let title = format!("Sale {sale}: the knee");
    let body = html! {
        h1 { (title) }
        p { (ladder.sentence()) "." }
        h2 { "Latency by rate" }
        @if let Some(chart) = chart(ladder) {
            figure { (chart) }
            p.note { "All purchases, from the intended send; one open-loop run a rate." }
        }
        h2 { "Figures" }
        div.scroll { table {
            thead { tr {
                th.n { "Rate" } th.n { "Orders a second" }
                @for (_, name, _) in LINES { th.n { (name) } }
                th.n { "max" } th.first {}
            } }
            tbody { @for step in &ladder.steps { tr {
                td.n { (rate(step.rate)) "/s" }
                td.n { (rate(step.document.orders_per_second)) }
                @for (_, _, of) in LINES { td.n { (time(of(latency(step)))) } }
                td.n { (time(latency(step).max_ns)) }
                td.first.bad[step.verdict != Verdict::Held] { (step.verdict.words()) }
            } } }
        } }
        @if let Some(step) = first {
            h2 { "Conditions" }
            (report::conditions(&step.document, &conditions::stated(&step.document)))
        }
    };
    report::frame(&title, &body).into_string()
}

fn chart(ladder: &Ladder) -> Option<Chart> {
    let (low, high) = (ladder.steps.first()?.rate, ladder.steps.last()?.rate);
    let values = ladder.steps.iter().flat_map(|step| LINES.map(|(_, _, of)| of(latency(step))));
    let y = Axis::times(values.map(|ns| ns as f64), "latency");
    let x = Axis::exact(low.min(high * 0.99), high, "offered purchases a second");
    let mut marks = Vec::new();
    for (colour, name, of) in LINES {
        let point = |step: &Step| (step.rate, of(latency(step)));
        let line = ladder.steps.iter().map(point).map(|(at, ns)| (at, Some(ns as f64)));
        marks.push(Mark::Line(colour, line.collect()));
        marks.extend(ladder.steps.iter().map(point).map(|(at, ns)| {
            let told = format!("{}/s: {name} {}", rate(at), time(ns));
            Mark::Point(colour, at, ns as f64, told)
        }));
    }
    let legend = LINES.map(|(colour, name, _)| (colour, name.to_owned())).to_vec();
    let described = "Latency percentiles by offered rate".to_owned();
    Some(Chart { described, x, y, marks, legend, square: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_page_names_the_knee_and_every_rate() {
        let step = |rate: f64, verdict| Step { rate, verdict, tries: 1, document: sample::flash() };
        let broke = Verdict::Broke("p99 <3 s>".to_owned());
        let ladder = Ladder {
            version: 1,
            partial: false,
            p99_ns: 20_000_000,
            knee: Some(20_000.0),
            limit: "30,000/s broke: p99 <3 s>".to_owned(),
            steps: vec![step(10e3, Verdict::Held), step(20e3, Verdict::Held), step(30e3, broke)],
        };
        let page = page(&ladder);
        if let Some(folder) = std::env::var_os("LOADGEN_PAGES") {
            std::fs::write(std::path::Path::new(&folder).join("knee.html"), &page)
                .expect("the folder is there");
        }
        assert!(page.contains("knee: 20,000/s with a p99 below 20.0 ms"));
        assert_eq!(page.matches("<svg").count(), 2, "one plot in two sizes");
        assert!(page.contains("broke: p99 &lt;3 s&gt;") && !page.contains("<3 s>"));
    }
}
