//! A run as one page of HTML that needs nothing else: no network, no other file, no script.
//!
//! The template escapes every text by construction, so names, commands and errors from outside stay
//! text. Values under a pointer are `<title>` elements: the page says all that matters without.

mod sections;

pub(crate) use sections::conditions;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::chart::Chart;
use super::document::{ALL_PURCHASES, Document};
use super::plots::{self, Timeline};
use super::warnings;
use crate::figures::{grouped, rate, time};

/// The whole page of one run.
pub(crate) fn page(run: &Document) -> String {
    let title = title(run);
    let body = html! {
        (headline(run, &title))
        (sections::verdicts(run))
        (latency(run))
        (over_time(run))
        (sections::outcomes(run))
        (sections::fairness(run))
        (sections::server(run))
        h2 { "Conditions" }
        (conditions(run, &super::conditions::stated(run)))
    };
    frame(&title, &body).into_string()
}

/// What every page has around it.
pub(crate) fn frame(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style {
                    (PreEscaped(include_str!("style.css")))
                    (PreEscaped(include_str!("../chart/series.css")))
                }
            }
            body {
                (body)
                footer {
                    "Written by loadgen " (env!("CARGO_PKG_VERSION"))
                    ", the load generator of doorbuster. Latency is never corrected after the "
                    "fact: from the intended send it is what a buyer who came on schedule waited."
                }
            }
        }
    }
}

fn title(run: &Document) -> String {
    let pace = match (&run.run.profile, run.run.pipeline) {
        (Some(profile), _) => profile.clone(),
        (None, pipeline) => format!("closed loop, pipeline {}", pipeline.unwrap_or(1)),
    };
    format!("Sale {}: {pace}", run.run.sale)
}

fn headline(run: &Document, title: &str) -> Markup {
    let all = run.latency.get(ALL_PURCHASES).map(|both| &both.from_intended);
    let refused: u64 = run.outcomes.refused.values().sum();
    let counts = &run.counts;
    let offered = match &run.schedule {
        Some(kept) => {
            let [offered, sent] = [kept.offered_per_second, kept.sent_per_second].map(rate);
            format!("{offered} purchases offered, {sent} sent")
        }
        None => "as fast as they came".to_owned(),
    };
    let failed = counts.errors + counts.timeouts + counts.lost + counts.unsent;
    html! {
        h1 { (title) }
        p.quiet {
            @if !run.started_at.is_empty() { (run.started_at) ", " }
            (format!("{:.1} s", run.seconds)) " measured, " (run.run.protocol.word())
            @if run.run.tls { " over TLS" }
            ", " (grouped(run.run.connections as u64)) " connections"
        }
        @for warning in warnings::of(run).iter().filter(|warning| !warning.verdict) {
            p.banner role="alert" { strong { (warning.what) } @if !warning.why.is_empty() { ": " }
                (warning.why) }
        }
        dl.figures {
            (figure("Answers a second", &rate(run.answers_per_second), &offered))
            (figure("Sold", &grouped(run.orders), &format!("{} orders a second",
                rate(run.orders_per_second))))
            (figure("Refused", &grouped(refused), &format!("of {} due", grouped(counts.scheduled))))
            (figure("Failed", &grouped(failed), "errors, timeouts, lost, never sent"))
            @if let Some(all) = all.filter(|all| all.count > 0) {
                (figure("p50", &time(all.p50_ns), "half were faster"))
                (figure("p99", &time(all.p99_ns), "99 of 100 were faster"))
                (figure("p99.9", &time(all.p99_9_ns), "999 of 1,000 were faster"))
                (figure("Longest", &time(all.max_ns), "from intended send"))
            }
        }
    }
}

fn figure(name: &str, value: &str, note: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) small { (note) } } } }
}

/// A heading, a chart and what there is to say below it.
fn plotted(name: &str, chart: &Chart, note: &str) -> Markup {
    html! {
        h2 { (name) }
        figure { (chart) }
        @if !note.is_empty() { p.note { (note) } }
    }
}

fn latency(run: &Document) -> Markup {
    let open = run.schedule.is_some();
    let lines = run.latency.get(ALL_PURCHASES).map(|both| {
        let mut lines =
            vec![("a", "from intended send (corrected)".to_owned(), &both.from_intended)];
        if open {
            let name = "from actual send (uncorrected)".to_owned();
            lines.insert(0, ("g2", name, &both.from_sent));
        } else {
            lines[0].1 = "all purchases".to_owned();
        }
        lines
    });
    let note = if open {
        "All purchases. Where the lines part, requests left later than they were due, and whoever \
         counts from the actual send does not see their wait."
    } else {
        "All purchases. In a closed loop the next request waits for an answer, so a slow server is \
         asked less often: an open loop (--rate) shows what buyers would have waited."
    };
    let chart = lines.and_then(|lines| plots::by_percentile(&lines));
    html! {
        @match chart {
            Some(chart) => (plotted("Latency by percentile", &chart, note)),
            None => { h2 { "Latency" } p.note { "Nothing was answered." } }
        }
        (sections::latencies(run))
    }
}

fn over_time(run: &Document) -> Markup {
    let Some(line) = Timeline::of(run) else {
        return html! {
            h2 { "Over time" }
            p.note {
                "Not measured: the run was shorter than a second, or its seconds were not kept."
            }
        };
    };
    let together = if line.together > 1 {
        format!("Each step is {} seconds, with the latencies of the worst of them.", line.together)
    } else {
        String::new()
    };
    html! {
        @if let Some(chart) = line.latency() {
            (plotted("Latency over time", &chart, &together))
        }
        (plotted("Rate over time", &line.rate(), if run.schedule.is_some() { "" } else {
            "A closed loop has no schedule, so nothing was due: --rate gives it one."
        }))
        (plotted("Outcome over time", &line.outcome(), ""))
        @match line.stock() {
            Some(chart) => {
                (plotted("Stock over time", &chart, "Of the first item, as the server told."))
            }
            None => {
                h2 { "Stock over time" }
                p.note { (sections::SERVER_NOT_ASKED) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::document::Check;
    use crate::report::sample;

    fn kept(name: &str, run: &Document) -> String {
        let page = page(run);
        sample::keep(name, &page);
        page
    }

    #[test]
    fn a_full_run_shows_everything() {
        let mut run = sample::flash();
        for text in ["p99<5ms", "oversold==0", "p99.9<10ms"] {
            let rule = crate::report::Rule::parse(text).expect("a good threshold");
            run.thresholds.push(rule.judge(&run));
        }
        let page = kept("full.html", &run);
        for text in [
            "Sale drop: steady 50,000/s, Poisson",
            "49,990",
            "Latency by percentile",
            "Latency over time",
            "Rate over time",
            "Outcome over time",
            "Stock over time",
            "Fairness",
            "disk sync",
            "limit_reached",
            "not oversold",
            "0 inversions",
            "7.8 GiB",
            "loadgen run --sale drop",
        ] {
            assert!(page.contains(text), "no {text}");
        }
        assert_eq!(page.matches("<svg").count(), 12, "six charts in two sizes");
        assert_eq!(
            (page.matches("class=\"missed\"").count(), page.contains("p.banner")),
            (1, false)
        );
        assert!(!page.contains("class=\"banner\""), "nothing is wrong with it");
        for foreign in ["<script", "http:", "https:", "url(", "@import", "src="] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        assert!(!page.contains("NaN") && !page.contains("inf"), "a figure is none");
    }

    #[test]
    fn what_was_not_measured_is_said() {
        let page = kept("closed.html", &sample::closed());
        for text in [
            "closed loop, pipeline 16",
            "an open loop (--rate)",
            "Not measured: the run was shorter than a second",
            "Not measured: no orders to compare",
            "Batches, syncs and stages: Not measured",
            "--server-pid",
        ] {
            assert!(page.contains(text), "no {text}");
        }
        assert_eq!(page.matches("<svg").count(), 2);
        let mut empty = sample::closed();
        empty.latency.clear();
        assert!(kept("empty.html", &empty).contains("Nothing was answered."));
    }

    #[test]
    fn what_is_wrong_stands_in_red() {
        let mut run = sample::flash();
        run.partial = true;
        if let Some(kept) = &mut run.schedule {
            (kept.missed, kept.late_generator_share) = (true, 0.212);
        }
        run.checks[0].passed = false;
        let page = kept("bad.html", &run);
        assert_eq!(page.matches("class=\"banner\"").count(), 2);
        assert!(page.contains("the schedule was missed") && page.contains("21.20 % late"));
        assert_eq!(page.matches("class=\"missed\"").count(), 1);
    }

    #[test]
    fn text_from_outside_stays_text() {
        let evil = "<script>alert('x')</script><img src=x onerror=\"y\">&";
        let mut run = sample::flash();
        for place in [
            &mut run.run.command,
            &mut run.run.target,
            &mut run.run.sale,
            &mut run.run.items[0],
            &mut run.machine.system,
            &mut run.started_at,
            &mut run.loadgen,
        ] {
            evil.clone_into(place);
        }
        run.run.profile = Some(evil.to_owned());
        run.machine.processor = Some(evil.to_owned());
        run.first_error = Some(evil.to_owned());
        run.run.mix.insert(evil.to_owned(), evil.to_owned());
        run.outcomes.refused.insert(evil.to_owned(), 7);
        run.intervals[1].refused.insert(evil.to_owned(), 700_000);
        let name = || evil.to_owned();
        run.checks.push(Check { name: name(), passed: false, detail: name() });
        if let Some(server) = &mut run.server {
            server.version = Some(name());
            server.stages.insert(name(), Default::default());
        }
        let page = kept("evil.html", &run);
        assert!(!page.contains("<script") && !page.contains("<img"), "markup from outside");
        assert!(!page.contains("onerror=\"y\""), "an attribute from outside");
        assert!(page.matches("&lt;script&gt;").count() > 15, "it is all there, as text");
    }
}
