//! `loadgen compare`: two sides of one or more runs each, side by side, and whether the second is
//! worse.
//!
//! With three runs a side or more it says which differences are more than chance; with fewer it
//! says that it cannot. It never runs anything: it reads documents. Exit 1 on a regression: a
//! judged figure worse by more than the tolerance (and, where that can be told, by more than
//! chance).

mod page;
mod read;
mod statistics;
mod tell;

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use serde::Serialize;

use crate::Failure;
use crate::report::document::{ALL_PURCHASES, Document, Percentiles};
use crate::report::{KeptFile, conditions, warnings};
use statistics::{RUNS_MIN, interval, mean};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Two JSON documents of runs: the first is the base. A file may hold an array of documents
    #[arg(value_name = "FILE", num_args = 2, required_unless_present = "base",
        conflicts_with_all = ["base", "with"])]
    files: Vec<PathBuf>,
    /// Repeated runs of the base, comma between them; three a side or more tell chance apart
    #[arg(long, value_name = "FILES", value_delimiter = ',', requires = "with")]
    base: Vec<PathBuf>,
    /// Repeated runs of what is compared with it
    #[arg(long, value_name = "FILES", value_delimiter = ',', requires = "base")]
    with: Vec<PathBuf>,
    /// How much worse is no regression yet; maxima and CPU are shown, not judged
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = percent)]
    tolerance: f64,
    /// Write one JSON document instead of the table
    #[arg(long)]
    json: bool,
    /// Keep the comparison as one page of HTML, both distributions in one plot
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    let share =
        number.filter(|number| (0.0..=1000.0).contains(number)).map(|number| number / 100.0);
    share.ok_or_else(|| "a share in %, like 5%".to_owned())
}

/// Reads, compares, prints; returns the exit code.
pub(crate) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let (base, with) = match &arguments.files[..] {
        [base, with] => (vec![base.clone()], vec![with.clone()]),
        _ => (arguments.base.clone(), arguments.with.clone()),
    };
    let read = |paths: &[PathBuf]| -> Result<Vec<Document>, Failure> {
        let read: Result<Vec<_>, _> = paths.iter().map(|path| read::documents(path)).collect();
        Ok(read?.into_iter().flatten().collect())
    };
    let (base, with) = (read(&base)?, read(&with)?);
    let mut file = arguments.html.as_deref().map(KeptFile::open).transpose()?;
    let comparison = Comparison::new(&base, &with, arguments.tolerance);
    if arguments.json {
        crate::print_json(&comparison)?;
    } else {
        crate::print(&tell::text(&comparison))?;
    }
    tell::print_warnings(&comparison);
    let complete = file.as_mut().is_none_or(|file| {
        file.write(page::page(&comparison, &base, &with).as_bytes());
        file.finish()
    });
    Ok(match (comparison.regression, complete) {
        (true, _) => Failure::CHECK,
        (false, false) => Failure::DISK,
        (false, true) => 0,
    })
}

/// What is compared, in which unit, and what is better.
struct Measure {
    name: &'static str,
    unit: Unit,
    more_is_better: bool,
    /// Whether it can be a regression.
    judged: bool,
    words: [&'static str; 2],
    of: fn(&Document) -> Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Unit {
    PerSecond,
    Ns,
    Share,
    Processors,
}

fn purchases(run: &Document, which: fn(&Percentiles) -> u64) -> Option<f64> {
    of_class(run, ALL_PURCHASES, which)
}

fn sold(run: &Document, which: fn(&Percentiles) -> u64) -> Option<f64> {
    of_class(run, "given", which)
}

fn of_class(run: &Document, class: &str, which: fn(&Percentiles) -> u64) -> Option<f64> {
    let of = &run.latency.get(class)?.from_intended;
    (of.count > 0).then(|| which(of) as f64)
}

fn failed(run: &Document) -> Option<f64> {
    let counts = &run.counts;
    let failed = counts.errors + counts.timeouts + counts.lost + counts.unsent;
    (counts.scheduled > 0).then(|| failed as f64 / counts.scheduled as f64)
}

const fn latency(name: &'static str, judged: bool, of: fn(&Document) -> Option<f64>) -> Measure {
    let words = ["faster", "slower"];
    Measure { name, unit: Unit::Ns, more_is_better: false, judged, words, of }
}

const fn pace(name: &'static str, of: fn(&Document) -> Option<f64>) -> Measure {
    let words = ["faster", "slower"];
    Measure { name, unit: Unit::PerSecond, more_is_better: true, judged: true, words, of }
}

const fn used(name: &'static str, of: fn(&Document) -> Option<f64>) -> Measure {
    let words = ["less", "more"];
    Measure { name, unit: Unit::Processors, more_is_better: false, judged: false, words, of }
}

const MEASURES: [Measure; 12] = [
    pace("answers/s", |run| Some(run.answers_per_second)),
    pace("orders/s", |run| Some(run.orders_per_second)),
    latency("p50", true, |run| purchases(run, |of| of.p50_ns)),
    latency("p90", true, |run| purchases(run, |of| of.p90_ns)),
    latency("p99", true, |run| purchases(run, |of| of.p99_ns)),
    latency("p99.9", true, |run| purchases(run, |of| of.p99_9_ns)),
    latency("max", false, |run| purchases(run, |of| of.max_ns)),
    latency("p50, sold", true, |run| sold(run, |of| of.p50_ns)),
    latency("p99, sold", true, |run| sold(run, |of| of.p99_ns)),
    Measure {
        name: "failed",
        unit: Unit::Share,
        more_is_better: false,
        judged: true,
        words: ["fewer", "more"],
        of: failed,
    },
    used("cpu, server", |run| run.cpu.server),
    used("cpu, generator", |run| run.cpu.generator),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Better,
    Worse,
    /// These runs show none.
    NoDifference,
    /// There are too few runs to tell a difference from chance.
    Untold,
    /// One side or both did not measure it.
    NotMeasured,
}

/// One figure of both sides.
#[derive(Clone, Debug, Serialize)]
struct Line {
    name: &'static str,
    unit: Unit,
    /// Mean of the side's runs.
    base: Option<f64>,
    with: Option<f64>,
    /// Of the base's mean; `null` where that is 0.
    difference: Option<f64>,
    /// Where the difference lies with 95 % confidence, of the base's mean.
    interval: Option<[f64; 2]>,
    verdict: Verdict,
    /// In words, for people.
    told: String,
    regression: bool,
}

#[derive(Clone, Debug, Serialize)]
struct Comparison {
    base_runs: usize,
    with_runs: usize,
    tolerance: f64,
    lines: Vec<Line>,
    /// Conditions that are not the same in all runs, in words.
    differing: Vec<String>,
    /// Runs that do not stand for what they should.
    doubts: Vec<String>,
    regression: bool,
}

impl Comparison {
    fn new(base: &[Document], with: &[Document], tolerance: f64) -> Comparison {
        let lines: Vec<Line> =
            MEASURES.iter().map(|measure| line(measure, base, with, tolerance)).collect();
        Comparison {
            base_runs: base.len(),
            with_runs: with.len(),
            tolerance,
            differing: differing(base, with),
            doubts: [doubts("base", base), doubts("with", with)].concat(),
            regression: lines.iter().any(|line| line.regression),
            lines,
        }
    }

    /// Whether chance can be told apart.
    fn is_repeated(&self) -> bool {
        self.base_runs.min(self.with_runs) >= RUNS_MIN
    }
}

fn line(measure: &Measure, base: &[Document], with: &[Document], tolerance: f64) -> Line {
    let of = |runs: &[Document]| runs.iter().map(measure.of).collect::<Option<Vec<f64>>>();
    let mut line = Line {
        name: measure.name,
        unit: measure.unit,
        base: of(base).as_deref().map(mean),
        with: of(with).as_deref().map(mean),
        difference: None,
        interval: None,
        verdict: Verdict::NotMeasured,
        told: "not measured".to_owned(),
        regression: false,
    };
    let (Some(all_base), Some(all_with)) = (of(base), of(with)) else { return line };
    let (from, to) = (mean(&all_base), mean(&all_with));
    let worse = if measure.more_is_better { to < from } else { to > from };
    line.difference = (from != 0.0).then(|| (to - from) / from);
    let certain = interval(&all_base, &all_with);
    line.interval = certain.filter(|_| from != 0.0).map(|ends| ends.map(|end| end / from));
    let [better_word, worse_word] = measure.words;
    let word = if worse { worse_word } else { better_word };
    (line.verdict, line.told) = match certain {
        _ if from == to => (Verdict::NoDifference, "the same".to_owned()),
        Some([low, high]) if low <= 0.0 && high >= 0.0 => {
            (Verdict::NoDifference, "no difference".to_owned())
        }
        Some(_) if worse => (Verdict::Worse, word.to_owned()),
        Some(_) => (Verdict::Better, word.to_owned()),
        None => (Verdict::Untold, format!("{word}, or chance")),
    };
    // From nothing to something is beyond every tolerance.
    let beyond = line.difference.is_none_or(|difference| difference.abs() > tolerance);
    let shown = matches!(line.verdict, Verdict::Worse | Verdict::Untold);
    line.regression = measure.judged && worse && beyond && shown;
    line
}

fn differing(base: &[Document], with: &[Document]) -> Vec<String> {
    let mut values: BTreeMap<String, [Vec<String>; 2]> = BTreeMap::new();
    for (side, runs) in [base, with].into_iter().enumerate() {
        for (name, value) in runs.iter().flat_map(conditions::compared) {
            let of_side = &mut values.entry(name).or_default()[side];
            if !of_side.contains(&value) {
                of_side.push(value);
            }
        }
    }
    // Refusals are quicker than orders: runs that sold another share did other work.
    let [a, b] = [base, with].map(sold_share);
    if (a - b).abs() > SOLD_APART {
        let shares = [format!("{:.1} %", a * 100.0), format!("{:.1} %", b * 100.0)];
        values.insert("Sold, of those due".to_owned(), shares.map(|share| vec![share]));
    }
    let joined = |values: &[String]| match values {
        [] => "nothing".to_owned(),
        values => values.join(" and "),
    };
    let differ = values.into_iter().filter(|(_, [a, b])| a.len() != 1 || a != b);
    differ.map(|(name, [a, b])| format!("{name}: {} against {}", joined(&a), joined(&b))).collect()
}

/// Shares of purchases sold that differ by more than this are told.
const SOLD_APART: f64 = 0.01;

fn sold_share(runs: &[Document]) -> f64 {
    let due: u64 = runs.iter().map(|run| run.counts.scheduled).sum();
    runs.iter().map(|run| run.orders).sum::<u64>() as f64 / due.max(1) as f64
}

fn doubts(side: &str, runs: &[Document]) -> Vec<String> {
    let number =
        |index: usize| if runs.len() > 1 { format!(" {}", index + 1) } else { String::new() };
    let of_run = |(index, run)| {
        let warnings: Vec<_> = warnings::of(run);
        let told = warnings.into_iter().filter(|warning| warning.what != "threshold missed");
        told.map(move |warning| {
            format!("{side}{}: {}: {}", number(index), warning.what, warning.why)
        })
        .collect::<Vec<_>>()
    };
    runs.iter().enumerate().flat_map(of_run).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    /// Runs whose p99 is that many us.
    fn runs(p99_us: &[u64]) -> Vec<Document> {
        let run = |us: &u64| {
            let mut run = sample::flash();
            let of = run.latency.get_mut(ALL_PURCHASES).expect("it is always there");
            of.from_intended.p99_ns = us * 1_000;
            run
        };
        p99_us.iter().map(run).collect()
    }

    fn p99(base: &[u64], with: &[u64]) -> Line {
        let comparison = Comparison::new(&runs(base), &runs(with), 0.05);
        let line = comparison.lines.iter().find(|line| line.name == "p99").expect("a line");
        assert_eq!(line.regression, comparison.regression, "nothing else changed");
        line.clone()
    }

    #[test]
    fn one_run_each_cannot_tell_and_is_held_to_the_tolerance() {
        let slower = p99(&[1000], &[1100]);
        assert_eq!((slower.verdict, slower.regression), (Verdict::Untold, true));
        assert_eq!(slower.told, "slower, or chance");
        assert!((slower.difference.expect("a base") - 0.1).abs() < 1e-9);
        assert!(!p99(&[1000], &[1040]).regression);
        assert!(!p99(&[1000], &[500]).regression);
        assert_eq!(p99(&[1000], &[1000]).told, "the same");
    }

    #[test]
    fn repeated_runs_tell_chance_from_difference() {
        let clear = p99(&[1000, 1010, 990], &[1200, 1190, 1210]);
        assert_eq!((clear.verdict, clear.regression), (Verdict::Worse, true));
        let [low, high] = clear.interval.expect("enough runs");
        assert!(low > 0.15 && low < 0.2 && high > 0.2 && high < 0.25, "{low} {high}");
        let noisy = p99(&[1000, 1500, 600], &[1200, 700, 1900]);
        assert_eq!((noisy.verdict, noisy.regression), (Verdict::NoDifference, false));
        assert_eq!(noisy.told, "no difference");
        let small = p99(&[1000, 1001, 999], &[1020, 1021, 1019]);
        assert_eq!((small.verdict, small.regression), (Verdict::Worse, false));
        assert_eq!(p99(&[1200, 1190, 1210], &[1000, 1010, 990]).told, "faster");
    }

    #[test]
    fn failures_out_of_nothing_are_a_regression() {
        let (base, mut with) = (vec![sample::flash()], vec![sample::flash()]);
        with[0].counts.errors = 1;
        let comparison = Comparison::new(&base, &with, 1.0);
        let names: Vec<_> = comparison.lines.iter().filter(|line| line.regression).collect();
        assert_eq!((names.len(), names[0].name, names[0].difference), (1, "failed", None));
    }

    #[test]
    fn what_was_not_measured_is_not_judged() {
        let comparison = Comparison::new(&[sample::flash()], &[sample::closed()], 0.05);
        let cpu = comparison.lines.iter().find(|line| line.name == "cpu, server");
        assert_eq!(cpu.map(|line| line.verdict), Some(Verdict::NotMeasured));
    }

    #[test]
    fn other_conditions_are_named() {
        let base = runs(&[1000, 1000, 1000]);
        let mut with = base.clone();
        assert!(Comparison::new(&base, &with, 0.05).differing.is_empty());
        with[1].run.connections = 128;
        with[2].run.mix.insert("bots".to_owned(), "0.1".to_owned());
        with.iter_mut().for_each(|run| run.machine.processors = 8);
        (with[0].run.seed, with[0].partial, with[0].orders) = (7, true, 100_000);
        let comparison = Comparison::new(&base, &with, 0.05);
        let all = comparison.differing.join("\n");
        assert!(all.contains("Connections: 64"), "{all}");
        assert!(all.contains("Mix: bots: nothing against 0.1"), "{all}");
        assert!(all.contains("machine: 2 x"), "{all}");
        assert!(all.contains("Sold, of those due: 1.2 % against 9.2 %"), "{all}");
        assert_eq!(comparison.differing.len(), 4, "the seed may differ: {all}");
        assert!(comparison.doubts[0].starts_with("with 1: partial"), "{:?}", comparison.doubts);
    }
}
