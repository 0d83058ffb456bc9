//! A comparison as a person reads it on a terminal.

use super::{Comparison, Unit, Verdict};
use crate::figures::{rate, time};
use crate::report::table::{aligned, painted, warn};

pub(super) fn text(comparison: &Comparison) -> String {
    let runs = |count: usize| if count == 1 { "1 run".to_owned() } else { format!("{count} runs") };
    let (base, with) = (runs(comparison.base_runs), runs(comparison.with_runs));
    let head = ["", "base", "with", "change", "95 % sure"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(comparison.lines.iter().map(|line| {
        vec![
            line.name.to_owned(),
            figure(line.unit, line.base),
            figure(line.unit, line.with),
            change(line.difference),
            interval(line.interval),
        ]
    }));
    if !comparison.is_repeated() {
        rows.iter_mut().for_each(|row| row.truncate(4));
    }
    // The words come behind the table: colour has no width.
    let figures = aligned(1, rows);
    let wide = figures.lines().map(|line| line.chars().count()).max().unwrap_or(0) + 2;
    let mut text = format!("base: {base}, with: {with}\n\n");
    let told = comparison.lines.iter().map(|line| {
        let regression =
            if line.regression { painted(false, " REGRESSION") } else { String::new() };
        line.told.clone() + &regression
    });
    for (line, told) in figures.lines().zip(std::iter::once(String::new()).chain(told)) {
        text += &format!("{}\n", format!("{line:<wide$}{told}").trim_end());
    }
    text + "\n" + &note(comparison)
}

/// What can be made of it, and what decides.
pub(super) fn note(comparison: &Comparison) -> String {
    let tolerance = comparison.tolerance * 100.0;
    let certainty = if comparison.is_repeated() {
        "Means of the runs. No difference: none that these runs can show, because the interval\n\
         that holds it with 95 % confidence (Welch's t) holds 0 too.\n"
    } else {
        "Too few runs to tell a difference from chance: three a side can (--base, --with).\n"
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

pub(super) fn change(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:+.1} %", share * 100.0))
}

pub(super) fn interval(ends: Option<[f64; 2]>) -> String {
    let end = |share: f64| {
        let decimals = usize::from(share.abs() < 0.1);
        format!("{:+.decimals$}", share * 100.0)
    };
    ends.map_or("-".to_owned(), |[low, high]| format!("{} to {} %", end(low), end(high)))
}

/// Class of a line on the page.
pub(super) fn class(verdict: Verdict, regression: bool) -> &'static str {
    match verdict {
        _ if regression => "worse",
        Verdict::Better => "better",
        _ => "",
    }
}
