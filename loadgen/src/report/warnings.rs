//! What must not be overlooked in a run: said in red, on a terminal and on the page.

use super::document::Document;
use crate::figures::rate;

pub(crate) struct Warning {
    pub(crate) what: String,
    /// May be empty.
    pub(crate) why: String,
    /// Whether it is one of the checks or thresholds, which the page lists anyway.
    pub(crate) verdict: bool,
}

/// The worst first.
pub(crate) fn of(run: &Document) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |what: &str, why: String| {
        let verdict = ["check failed", "threshold missed"].contains(&what);
        warnings.push(Warning { what: what.to_owned(), why, verdict });
    };
    if run.partial {
        let why = "the run ended before its time, by a signal or because the target went away; \
                   these are the figures until then";
        warn("partial", why.to_owned());
    }
    if let Some(kept) = run.schedule.as_ref().filter(|kept| kept.missed) {
        let generator = kept.late_generator_share * 100.0;
        let connection = kept.late_connection_share * 100.0;
        let why = format!(
            "{generator:.2} % late because the generator was busy, {connection:.2} % late or \
             unsent because connections were full or dead; these are not the figures of {} \
             purchases/s",
            rate(kept.offered_per_second)
        );
        warn("the schedule was missed", why);
    }
    if let Some(error) = &run.first_error {
        warn("first error", error.clone());
    }
    for check in run.checks.iter().filter(|check| !check.passed) {
        let why =
            if check.detail.is_empty() { String::new() } else { format!(" ({})", check.detail) };
        warn("check failed", check.name.clone() + &why);
    }
    for threshold in run.thresholds.iter().filter(|threshold| !threshold.passed) {
        warn("threshold missed", format!("{} ({})", threshold.text, threshold.measured));
    }
    warnings
}
