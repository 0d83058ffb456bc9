//! The parts of the page that are tables and lists. One that has nothing to show says in a line
//! what was not measured and how to have it measured.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::figures::{grouped, share, time};
use crate::report::document::{Check, Departure, Document, Server};
use crate::report::plots;
use crate::report::table::{LATENCIES, Row};

pub(super) const SERVER_NOT_ASKED: &str =
    "Not measured: the server was not asked. --admin names its operators' port.";

pub(super) fn verdicts(run: &Document) -> Markup {
    html! {
        h2 { "Checks" }
        p.note { "From the answers alone." }
        ul.verdicts { @for check in &run.checks { (verdict(check)) } }
        @if !run.thresholds.is_empty() {
            h2 { "Thresholds" }
            ul.verdicts {
                @for threshold in &run.thresholds {
                    li.{ @if threshold.passed { "met" } @else { "missed" } } {
                        (threshold.text) span.quiet { ", measured " (threshold.measured) }
                    }
                }
            }
        }
    }
}

fn verdict(check: &Check) -> Markup {
    html! {
        li.{ @if check.passed { "met" } @else { "missed" } } {
            (check.name)
            @if !check.detail.is_empty() { span.quiet { " (" (check.detail) ")" } }
        }
    }
}

/// Percentiles downwards; for every kind of answer that came, both ways of counting side by side.
pub(super) fn latencies(run: &Document) -> Markup {
    let open = run.schedule.is_some();
    let kinds = run.answered_kinds();
    if kinds.is_empty() {
        return html! {};
    }
    html! {
        div.scroll { table {
            thead {
                tr { th.none {} @for (name, _) in &kinds {
                    th.group colspan=(if open { 2 } else { 1 }) { (name.replace('_', " ")) }
                } }
                @if open { tr { th { "from" } @for _ in &kinds {
                    th.{ "n first" } { "intended" } th.n { "actual" }
                } } }
            }
            tbody { @for (name, which) in LATENCIES { tr {
                th { (name) }
                @for (_, both) in &kinds {
                    td.{ "n first" } { (which(&both.from_intended)) }
                    @if open { td.n { (which(&both.from_sent)) } }
                }
            } } }
        } }
        @if open { p.note { "What was never sent is among those from the intended send only." } }
    }
}

pub(super) fn outcomes(run: &Document) -> Markup {
    let (counts, outcomes) = (&run.counts, &run.outcomes);
    let due = counts.scheduled;
    let all = |words: &BTreeMap<String, u64>| words.values().sum::<u64>();
    let part = |name: &str, words: &BTreeMap<String, u64>, whole: u64| {
        html! { @if !words.is_empty() {
            tr.part { th colspan="3" { (name) } }
            @for (word, count) in words { (counted(word, *count, whole)) }
        } }
    };
    let failed: BTreeMap<String, u64> = [
        ("answered with an error", counts.errors),
        ("no answer in time", counts.timeouts),
        ("lost with their connection", counts.lost),
        ("due but never sent", counts.unsent),
        ("confirms, releases not due in time", counts.unfollowed),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(|(name, count)| (name.to_owned(), count))
    .collect();
    html! {
        h2 { "Outcome" }
        div.scroll { table {
            thead { tr { th {} th.n { "count" } th.n { "of those due" } } }
            tbody {
                (counted("purchases due", due, due))
                (part("Sold", &outcomes.given, due))
                (part("Answered again, same key", &outcomes.replayed, due))
                (part("On the waiting list", &outcomes.waiting, due))
                (part("Refused", &outcomes.refused, due))
                (part("Failed", &failed, due))
                (part("Confirms, of them", &outcomes.confirm, all(&outcomes.confirm)))
                (part("Releases, of them", &outcomes.release, all(&outcomes.release)))
            }
        } }
        @if counts.connections_lost > 0 {
            p.banner { (grouped(counts.connections_lost)) " of "
                (grouped(run.run.connections as u64)) " connections died." }
        }
    }
}

fn counted(name: &str, count: u64, whole: u64) -> Markup {
    html! { tr { th { (name) } td.n { (grouped(count)) } td.n { (share(count, whole)) } } }
}

pub(super) fn fairness(run: &Document) -> Markup {
    let Some(fairness) = &run.fairness else {
        return html! {
            h2 { "Fairness" }
            p.note {
                "Not measured: no orders to compare, or the protocol does not tell their place."
            }
        };
    };
    let ways: [(&str, &Departure); 2] =
        [("intended send", &fairness.from_intended), ("actual send", &fairness.from_sent)];
    let rows: [Row<Departure>; 7] = [
        ("overtaken at all", |of| format!("{:.2} %", of.overtaken_share * 100.0)),
        ("places off, p50", |of| grouped(of.places.p50)),
        ("places off, p99", |of| grouped(of.places.p99)),
        ("places off, most", |of| grouped(of.places.max)),
        ("overtaken by, p50", |of| time(of.overtaken_ns.p50)),
        ("overtaken by, p99", |of| time(of.overtaken_ns.p99)),
        ("overtaken by, most", |of| time(of.overtaken_ns.max)),
    ];
    html! {
        h2 { "Fairness: order of arrival against order of decision" }
        p.note {
            (grouped(fairness.orders)) " orders compared"
            @if fairness.unchecked > 0 { ", " (grouped(fairness.unchecked))
                " not: past the bound of memory" }
            ". On the diagonal an order was decided in its turn; seen from the generator, what was "
            "on its way at the same moment may arrive in another order than it was sent."
        }
        div.beside {
            @if let Some(chart) = plots::fairness(fairness) { figure { (chart) } }
            div {
                div.scroll { table {
                    thead { tr { th {} @for (name, _) in ways { th.n { (name) } } } }
                    tbody { @for (name, which) in rows { tr {
                        th { (name) } @for (_, of) in ways { td.n { (which(of)) } }
                    } } }
                } }
                @if let Some(check) = &fairness.journal {
                    p.note { "By the server's own journal:" }
                    ul.verdicts { (verdict(check)) }
                }
            }
        }
    }
}

pub(super) fn server(run: &Document) -> Markup {
    let processors =
        |busy: Option<f64>| busy.map_or("not measured".to_owned(), |busy| format!("{busy:.2}"));
    html! {
        h2 { "Server and generator" }
        div.scroll { table { tbody {
            tr { th { "Processors busy, generator" } td.n { (processors(run.cpu.generator)) } }
            tr { th { "Processors busy, server" } td.n { (processors(run.cpu.server)) } }
            @if let Some(server) = &run.server {
                @for (name, count) in [("Disk syncs", server.syncs), ("Shed", server.shed)] {
                    @if let Some(count) = count { tr { th { (name) } td.n { (grouped(count)) } } }
                }
                @if let Some(records) = server.records_per_batch {
                    tr { th { "Records in a batch, mean" } td.n { (format!("{records:.2}")) } }
                }
            }
        } } }
        @if run.cpu.server.is_none() {
            p.note { "The server's processors are told for --server-pid, on this machine." }
        }
        @match &run.server {
            None => p.note { "Batches, syncs and stages: " (SERVER_NOT_ASKED) },
            Some(server) => (times(server)),
        }
    }
}

/// What the server says it spent its time on, a line each.
fn times(server: &Server) -> Markup {
    let spreads = server.times();
    html! {
        @if !spreads.is_empty() {
            p.note { "By the server's own figures, whose percentiles are upper bounds:" }
            div.scroll { table {
                thead { tr {
                    th {}
                    @for name in ["p50", "p90", "p99", "p99.9", "max"] { th.n { (name) } }
                } }
                tbody { @for (name, of) in spreads { tr {
                    th { (name) }
                    @for ns in [of.p50, of.p90, of.p99, of.p99_9, of.max] { td.n { (time(ns)) } }
                } } }
            } }
        }
    }
}

/// The command that repeats a run, and all else that it was made under.
pub(crate) fn conditions(run: &Document, stated: &[(String, String)]) -> Markup {
    html! {
        pre { (run.run.command) }
        div.scroll { table.conditions { tbody {
            @for (name, value) in stated { tr { th { (name) } td { (value) } } }
        } } }
    }
}
