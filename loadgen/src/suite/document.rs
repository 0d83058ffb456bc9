//! What a suite says in the end: every run, and the medians over its rounds.
//!
//! Field names are for scripts and stay. Times are in ns, rates per second; what was not measured
//! is `null`, never 0.

use serde::{Deserialize, Serialize};

use super::{Contestant, Shape};
use crate::bare;
use crate::report::document::{ALL_PURCHASES, Document, Machine, Percentiles};
use crate::rival::Rival;

/// The form of the JSON document.
const VERSION: u32 = 1;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SuiteDocument {
    pub(crate) version: u32,
    /// The version of this program.
    pub(crate) loadgen: String,
    /// The command line that repeats it.
    pub(crate) command: String,
    /// Whether a signal ended it early.
    pub(crate) partial: bool,
    /// When the first run began; `null` without one.
    pub(crate) started_at: Option<String>,
    pub(crate) machine: Option<Machine>,
    pub(crate) bare: Vec<bare::Line>,
    pub(crate) contestants: Vec<Entry>,
    /// Each contestant at each shape.
    pub(crate) rows: Vec<Row>,
}

/// One who takes part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// How it is driven.
    pub(crate) how: String,
    /// Whether it is ours.
    pub(crate) ours: bool,
    /// When what an answer says is on disk, as it is set up.
    pub(crate) synced: String,
    /// What it says of itself.
    pub(crate) server: Option<String>,
    pub(crate) durability: Option<String>,
    /// Purchases a second up to which latency holds, where that was measured.
    pub(crate) knee: Option<f64>,
    /// Why there is nothing above it, or why it was not found.
    pub(crate) knee_limit: Option<String>,
    /// Why it did not take part.
    pub(crate) missing: Option<String>,
}

/// A contestant at a shape: medians over the rounds, and all runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) contestant: String,
    pub(crate) shape: Shape,
    pub(crate) command: Option<String>,
    pub(crate) orders_per_second: Option<f64>,
    /// The least and the most of all rounds.
    pub(crate) orders_per_second_range: Option<(f64, f64)>,
    /// Of all purchases, from their intended send.
    pub(crate) p50_ns: Option<u64>,
    pub(crate) p99_ns: Option<u64>,
    pub(crate) p99_9_ns: Option<u64>,
    /// Processors that the server had busy.
    pub(crate) server_cpu: Option<f64>,
    /// Open loop: whether most rounds kept their schedule.
    pub(crate) kept: Option<bool>,
    /// Open loop: what was sent late because the generator was busy, and because connections were
    /// full or dead, as shares of what was due.
    pub(crate) late_shares: Option<(f64, f64)>,
    /// What must be known beside the figures.
    pub(crate) notes: Vec<String>,
    pub(crate) runs: Vec<Document>,
}

impl SuiteDocument {
    pub(super) fn new(
        bare: Vec<bare::Line>,
        contestants: &[Contestant],
        shapes: &[Shape],
    ) -> SuiteDocument {
        let entry = |contestant: &Contestant| Entry {
            name: contestant.word(),
            how: contestant.how().to_owned(),
            ours: contestant.rival() == Rival::Doorbuster,
            synced: contestant.synced().to_owned(),
            server: None,
            durability: None,
            knee: None,
            knee_limit: None,
            missing: None,
        };
        let rows = contestants
            .iter()
            .flat_map(|contestant| shapes.iter().map(|shape| Row::new(contestant.word(), *shape)));
        SuiteDocument {
            version: VERSION,
            loadgen: env!("CARGO_PKG_VERSION").to_owned(),
            command: std::env::args().collect::<Vec<_>>().join(" "),
            partial: false,
            started_at: None,
            machine: None,
            bare,
            contestants: contestants.iter().map(entry).collect(),
            rows: rows.collect(),
        }
    }

    /// Says why a contestant takes no part, or no more.
    pub(super) fn miss(&mut self, contestant: usize, why: &str) {
        eprintln!("loadgen: {} is left out: {why}", self.contestants[contestant].name);
        self.contestants[contestant].missing = Some(why.to_owned());
    }

    fn shapes(&self) -> usize {
        self.rows.len() / self.contestants.len().max(1)
    }

    pub(super) fn row(&mut self, contestant: usize, shape: usize) -> &mut Row {
        let shapes = self.shapes();
        &mut self.rows[contestant * shapes + shape]
    }

    /// The most orders a second that a closed loop has had from a contestant so far.
    pub(super) fn best(&self, contestant: usize) -> Option<f64> {
        let shapes = self.shapes();
        let rows = &self.rows[contestant * shapes..][..shapes];
        let closed = rows.iter().filter(|row| matches!(row.shape, Shape::Closed { .. }));
        let all = closed.flat_map(|row| &row.runs).map(|run| run.orders_per_second);
        all.max_by(f64::total_cmp)
    }

    /// Draws the medians, and what the runs say of machine and servers.
    pub(super) fn conclude(&mut self) {
        self.rows.iter_mut().for_each(Row::conclude);
        let mut runs = self.rows.iter().flat_map(|row| &row.runs);
        if let Some(first) = runs.next() {
            self.machine = Some(first.machine.clone());
        }
        let begun = self.rows.iter().flat_map(|row| &row.runs).map(|run| &run.started_at);
        self.started_at = begun.filter(|time| !time.is_empty()).min().cloned();
        for entry in &mut self.contestants {
            let mut rows = self.rows.iter().filter(|row| row.contestant == entry.name);
            let Some(run) = rows.find_map(|row| row.runs.first()) else { continue };
            entry.server = run.run.mix.get("server").cloned();
            entry.durability = run.run.mix.get("durability").cloned();
        }
    }

    /// 1 if a check of any run failed, or nothing could be run at all.
    pub(super) fn exit_code(&self) -> u8 {
        let mut runs = self.rows.iter().flat_map(|row| &row.runs).peekable();
        let none = runs.peek().is_none();
        u8::from(none || runs.flat_map(|run| &run.checks).any(|check| !check.passed))
    }
}

impl Row {
    fn new(contestant: String, shape: Shape) -> Row {
        Row {
            contestant,
            shape,
            command: None,
            orders_per_second: None,
            orders_per_second_range: None,
            p50_ns: None,
            p99_ns: None,
            p99_9_ns: None,
            server_cpu: None,
            kept: None,
            late_shares: None,
            notes: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Adds a note once.
    pub(super) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn conclude(&mut self) {
        let runs = &self.runs;
        let Some(first) = runs.first() else { return };
        self.command = Some(first.run.command.clone());
        let of = |figure: &dyn Fn(&Document) -> Option<f64>| median(runs.iter().filter_map(figure));
        let latency = |figure: fn(&Percentiles) -> u64| {
            of(&|run| Some(figure(&run.latency.get(ALL_PURCHASES)?.from_intended) as f64))
                .map(|ns| ns as u64)
        };
        self.orders_per_second = of(&|run| Some(run.orders_per_second));
        let rates = || runs.iter().map(|run| run.orders_per_second);
        let least = rates().min_by(f64::total_cmp);
        self.orders_per_second_range = least.zip(rates().max_by(f64::total_cmp));
        self.p50_ns = latency(|percentiles| percentiles.p50_ns);
        self.p99_ns = latency(|percentiles| percentiles.p99_ns);
        self.p99_9_ns = latency(|percentiles| percentiles.p99_9_ns);
        self.server_cpu = of(&|run| run.cpu.server);
        let kept: Vec<bool> =
            runs.iter().filter_map(|run| Some(!run.schedule.as_ref()?.missed)).collect();
        let most = kept.iter().filter(|kept| **kept).count() * 2 > kept.len();
        self.kept = (!kept.is_empty()).then_some(most);
        let generator = of(&|run| Some(run.schedule.as_ref()?.late_generator_share));
        let connection = of(&|run| Some(run.schedule.as_ref()?.late_connection_share));
        self.late_shares = generator.zip(connection);
        let mut notes = Vec::new();
        for run in runs {
            let refused = run.outcomes.refused.iter();
            notes.extend(refused.map(|(word, _)| format!("some were refused: {word}")));
            let failed = run.checks.iter().filter(|check| !check.passed);
            notes.extend(failed.map(|check| format!("check failed: {}", check.name)));
            notes.extend(run.first_error.iter().map(|error| format!("error: {error}")));
        }
        notes.into_iter().for_each(|note| self.note(note));
    }
}

/// The value in the middle, or the mean of the two.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([].into_iter()), None);
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), Some(2.5));
    }
}
