//! A comparison as a person reads it on a terminal.

use super::{Comparison, Unit, Verdict};
use crate::figures::{rate, time};
use crate::report::table::{aligned, painted, warn};

pub(super) fn text(comparison: &Comparison) -> String {
    let runs = |count: usize| if count == 1 { "1 run".to_owned() } else { format!("{count} runs") };
    let (base, with) = (runs(comparison.base_runs), runs(comparison.with_runs));
    let mut text = format!("base: {base}, with: {with}\n\n");
    let head = ["", "base", "with", "difference", "95 % sure", ""];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for line in &comparison.lines {
        let worse = if line.regression { "  REGRESSION" } else { "" };
        rows.push(vec![
            line.name.to_owned(),
            figure(line.unit, line.base),
            figure(line.unit, line.with),
            difference(line.difference),
            interval(line.interval),
            format!("{}{worse}", line.told),
        ]);
    }
    // The last column is words.
    let told = aligned(1, rows.iter().map(|row| row[..5].to_vec()).collect());
    let wide = told.lines().map(|line| line.chars().count()).max().unwrap_or(0) + 2;
    for (line, row) in told.lines().zip(&rows) {
        let verdict = row[5].replace("REGRESSION", &painted(false, "REGRESSION"));
        let line = format!("{line:<wide$}{verdict}");
        text += &format!("{}\n", line.trim_end());
    }
    text.push('\n');
    text += &note(comparison);
    text
}

/// What can be made of it, and what decides.
pub(super) fn note(comparison: &Comparison) -> String {
    let tolerance = comparison.tolerance * 100.0;
    let certainty = if comparison.is_repeated() {
        "Means of the runs; a difference counts where its 95 % interval (Welch's t) leaves out 0.\n"
    } else {
        "Too few runs to tell a difference from chance: three a side or more can (--base, --with).\n"
    };
    let verdict = if comparison.regression { "A regression" } else { "No regression" };
    format!("{certainty}{verdict}: judged at {tolerance} % of tolerance; maxima and CPU are not.\n")
}

/// What must not be overlooked, on stderr.
pub(super) fn print_warnings(comparison: &Comparison) {
    for differing in &comparison.differing {
        warn(&format!("conditions differ: {differing}"));
    }
    comparison.doubts.iter().for_each(|doubt| warn(doubt));
}

pub(super) fn figure(unit: Unit, value: Option<f64>) -> String {
    let Some(value) = value else { return "-".to_owned() };
    match unit {
        Unit::PerSecond => rate(value),
        Unit::Ns => time(value.round() as u64),
        Unit::Share => format!("{:.3} %", value * 100.0),
        Unit::Processors => format!("{value:.2}"),
    }
}

pub(super) fn difference(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:+.1} %", share * 100.0))
}

pub(super) fn interval(ends: Option<[f64; 2]>) -> String {
    ends.map_or("-".to_owned(), |[low, high]| {
        format!("{:+.1} to {:+.1} %", low * 100.0, high * 100.0)
    })
}

/// Class of a line on the page.
pub(super) fn class(verdict: Verdict, regression: bool) -> &'static str {
    match verdict {
        _ if regression => "worse",
        Verdict::Better => "better",
        _ => "",
    }
}
