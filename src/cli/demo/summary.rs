//! The result as a person reads it: demand against stock, what became of the orders, how long
//! answers took, and how many orders a second became durable.

use std::time::Duration;

use doorbuster::options::cores;

use super::super::words::{count, duration};
use super::burst::{self, Burst};
use super::checks::Evidence;
use super::hall::{Ask, Deed, Told};
use super::plan::WARES;
use super::say;

/// Prints it.
pub(super) fn print(evidence: &Evidence<'_>, inversions: u64, outage: Duration) {
    say("");
    demand(evidence);
    say("");
    orders(evidence);
    crash(evidence, outage);
    latency(evidence);
    throughput(evidence.burst);
    row(
        "Arrival",
        &match inversions {
            0 => "decided in the order of arrival; the server counted 0 inversions".to_owned(),
            some => format!("the server counted {} inversions", count(some)),
        },
    );
    say("");
    say("Checked, the buyers' own notes against the journal");
}

fn row(name: &str, text: &str) {
    say(&format!("{name:<12}{text}"));
}

fn demand(evidence: &Evidence<'_>) {
    let columns = |name: &str, cells: [String; 6]| {
        let cells = cells.map(|cell| format!("{cell:>11}"));
        say(&format!("{name:<16}{}", cells.concat()));
    };
    let words = ["stock", "buyers", "wanted", "sold", "came back", "left over"];
    columns("Item", words.map(str::to_owned));
    let mut sums = [0; 6];
    for (index, ware) in WARES.iter().enumerate() {
        let fans = || evidence.hall.crowd.iter().filter(|buyer| buyer.ware == index);
        let flow = &evidence.ledger.flows[index];
        let cells = [
            ware.stock,
            fans().count() as u64,
            fans().map(|buyer| u64::from(buyer.units)).sum(),
            flow.confirmed,
            flow.came_back(),
            ware.stock.saturating_sub(flow.confirmed),
        ];
        sums.iter_mut().zip(cells).for_each(|(sum, cell)| *sum += cell);
        columns(ware.sku, cells.map(count));
    }
    columns("in all", sums.map(count));
    let flows = &evidence.ledger.flows;
    let again: u64 =
        flows.iter().zip(&WARES).map(|(flow, ware)| flow.held.saturating_sub(ware.stock)).sum();
    say(&format!(
        "Units come back when a hold is released or runs out; {} went on to another buyer.",
        count(again)
    ));
}

fn orders(evidence: &Evidence<'_>) {
    let [held, confirmed, released, expired] = evidence.ledger.changes.map(count);
    row(
        "Orders",
        &format!("{held} held: {confirmed} paid, {released} given back, {expired} ran out unpaid"),
    );
    let mut refused: Vec<(&str, u64)> = Vec::new();
    for deed in evidence.deeds.iter().flatten() {
        if let Told::Refused(refusal) = &deed.told
            && !deed.was_done_before_the_crash()
        {
            match refused.iter_mut().find(|(word, _)| *word == refusal.word()) {
                Some((_, times)) => *times += 1,
                None => refused.push((refusal.word(), 1)),
            }
        }
    }
    refused.sort_unstable_by_key(|(_, times)| std::cmp::Reverse(*times));
    let refused: Vec<_> =
        refused.iter().map(|(word, times)| format!("{word} {}", count(*times))).collect();
    row("Refused", &refused.join(", "));
}

fn crash(evidence: &Evidence<'_>, outage: Duration) {
    let all = || evidence.deeds.iter().flatten();
    let is_replayed = |deed: &&Deed| matches!(&deed.told, Told::Order(order) if order.replayed);
    let twice = all().filter(|deed| !deed.errand.repeated).filter(is_replayed).count();
    row(
        "Clicks",
        &format!("{} repeated clicks were answered with the same order again", count(twice as u64)),
    );
    let repeated = || all().filter(|deed| deed.errand.repeated);
    let decided = repeated().filter(|deed| deed.was_done_before_the_crash());
    row(
        "Crash",
        &format!(
            "no answers for {}; {} requests on their way were sent again, same keys;",
            duration(outage),
            count(repeated().count() as u64)
        ),
    );
    let decided = match decided.count() as u64 {
        0 => "the journal knew none of them yet: each was decided now, once".to_owned(),
        some => format!(
            "{} of them had been decided before: answered with the same order, none bought twice",
            count(some)
        ),
    };
    row("", &decided);
}

fn latency(evidence: &Evidence<'_>) {
    let waits = |caught: bool| {
        let deeds = evidence.deeds.iter().flatten();
        let mut waits: Vec<u64> = deeds
            .filter(|deed| deed.caught == caught)
            .filter(|deed| matches!(deed.errand.ask, Ask::Click | Ask::Again | Ask::More))
            .map(|deed| deed.answered.saturating_sub(deed.errand.due))
            .collect();
        waits.sort_unstable();
        waits
    };
    let calm = waits(false);
    let at = |share: f64| {
        let index = (calm.len() as f64 * share).ceil() as usize;
        let wait = calm.get(index.clamp(1, calm.len().max(1)) - 1).copied().unwrap_or(0);
        duration(Duration::from_nanos(wait))
    };
    row(
        "Latency",
        &format!(
            "p50 {}, p99 {}, p99.9 {}, from click to answer, disk sync included",
            at(0.5),
            at(0.99),
            at(0.999)
        ),
    );
    let caught = waits(true);
    if let Some(longest) = caught.last() {
        row(
            "",
            &format!(
                "{} more clicks fell into the crash and were answered within {}",
                count(caught.len() as u64),
                duration(Duration::from_nanos(*longest))
            ),
        );
    }
}

fn throughput(burst: &Burst) {
    row(
        "Throughput",
        &format!(
            "{} durable orders a second: {} new purchases in {}, none refused",
            count(burst.rate()),
            count(burst.orders),
            duration(burst.took)
        ),
    );
    row(
        "",
        &format!(
            "{} connections, {} orders in flight on each; client and server share {} cores",
            burst::CONNECTIONS,
            count(burst::IN_FLIGHT.into()),
            cores()
        ),
    );
}
