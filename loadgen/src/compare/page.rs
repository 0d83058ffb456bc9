//! A comparison as one page of HTML: both distributions in one plot, the figures side by side.

use maud::html;

use super::{Comparison, tell};
use crate::report::document::{ALL_PURCHASES, Document};
use crate::report::{conditions, html as report, plots};

/// Runs of a side that are drawn: more lines than that hide each other.
const LINES_MAX: usize = 5;

pub(super) fn page(comparison: &Comparison, base: &[Document], with: &[Document]) -> String {
    let side = |colour, name: &str, runs: &[Document]| {
        let plotted = runs.iter().take(LINES_MAX).filter_map(|run| run.latency.get(ALL_PURCHASES));
        let lines = plotted.map(|both| (colour, name.to_owned(), &both.from_intended));
        // Owned names, borrowed figures: the caller's documents outlive the chart.
        lines.map(|(colour, name, of)| (colour, name, of.clone())).collect::<Vec<_>>()
    };
    let lines = [side("g2", "base", base), side("a", "with", with)].concat();
    let lines: Vec<_> =
        lines.iter().map(|(colour, name, of)| (*colour, name.clone(), of)).collect();
    let title = match (base.first(), with.first()) {
        (Some(base), Some(with)) if base.run.sale != with.run.sale => {
            format!("Sale {} against sale {}", with.run.sale, base.run.sale)
        }
        (base, _) => format!("Sale {}: a comparison", base.map_or("", |run| &run.run.sale)),
    };
    let body = html! {
        h1 { (title) }
        p.quiet { "Runs: base " (comparison.base_runs) ", with " (comparison.with_runs) }
        @for what in &comparison.differing {
            p.banner { strong { "Conditions differ" } ": " (what) }
        }
        @for doubt in &comparison.doubts { p.banner { (doubt) } }
        h2 { "Figures" }
        div.scroll { table {
            thead { tr {
                th {} th.n { "base" } th.n { "with" } th.n { "change" } th.n { "95 % sure" }
                th.first {}
            } }
            tbody { @for line in &comparison.lines { tr {
                th { (line.name) }
                td.n { (tell::figure(line.unit, line.base)) }
                td.n { (tell::figure(line.unit, line.with)) }
                td.n { (tell::change(line.difference)) }
                td.n { (tell::interval(line.interval)) }
                td.{ "first " (tell::class(line.verdict, line.regression)) } {
                    (line.told) @if line.regression { ": regression" }
                }
            } } }
        } }
        p.note { (tell::note(comparison)) }
        h2 { "Latency by percentile" }
        @match plots::by_percentile(&lines) {
            Some(chart) => {
                figure { (chart) }
                p.note { "All purchases, from the intended send." }
            }
            None => p.note { "Nothing was answered." }
        }
        @for (name, runs) in [("base", base), ("with", with)] {
            @if let Some(run) = runs.first() {
                h2 { "Conditions: " (name) }
                (report::conditions(run, &conditions::stated(run)))
            }
        }
    };
    report::frame(&title, &body).into_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn both_sides_are_in_one_plot_and_nothing_from_outside_is_markup() {
        let base = vec![sample::flash(); 3];
        let mut with = base.clone();
        for run in &mut with {
            let of = run.latency.get_mut(ALL_PURCHASES).expect("it is always there");
            of.from_intended.p99_ns *= 2;
            of.from_intended.distribution.iter_mut().for_each(|step| step.1 = step.1 * 3 / 2);
            run.run.command = "<script>".to_owned();
            run.run.connections = 128;
        }
        let page = page(&Comparison::new(&base, &with, 0.05), &base, &with);
        sample::keep("compare.html", &page);
        assert_eq!(page.matches("<svg").count(), 2, "one plot in two sizes");
        assert_eq!(page.matches("class=\"line g2\"").count(), 6, "three runs in two sizes");
        assert_eq!(page.matches("class=\"sw g2\"").count(), 1, "one word in the legend for them");
        assert!(page.contains("slower: regression") && page.contains("Conditions differ"));
        assert!(!page.contains("<script"));
    }
}
