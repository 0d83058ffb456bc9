//! What a run has to keep to: `p99<5ms`, `oversold==0`, `given.p99.9<=20ms`.
//!
//! Parsed before the run starts, so a wrong word costs nothing; judged on the document alone. What
//! was not measured in a run does not pass: a threshold that nobody looked at would be a lie.

use super::checks;
use super::document::{ALL_PURCHASES, Departure, Document, Percentiles, Spread, Threshold};
use crate::figures::{grouped, rate, time};

/// Said with every mistake.
const ALLOWED: &str = "\
metric op value, like 'p99<5ms', 'rate>=50k', 'late<1%' or 'oversold==0'
  op      < <= > >= ==
  times   p50 p90 p99 p99.9 p99.99 max mean, in us, ms or s: of all purchases, from their intended
          send; sent.p99 from their actual send; given.p99, refused.p99, replayed.p99, failed.p99
          of one kind, and sent.given.p99 of both; fairness.overtaken.p50 (.p90 .p99 .p99.9 .max)
  counts  sold refused errors timeouts lost unsent shed oversold duplicates
          fairness.places.p50 (.p90 .p99 .p99.9 .max)
  rates   rate (purchases sent a second) answers_per_second orders_per_second
  shares  late fairness.overtaken.share, in %
  fairness is told from the actual send; fairness.intended. instead of fairness. from the intended";

/// Names of classes of answers that have latencies of their own.
const CLASSES: [&str; 4] = ["given", "refused", "replayed", "failed"];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    Equal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// ns.
    Time,
    Count,
    PerSecond,
    /// Of 1.
    Share,
}

/// One threshold, understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    text: String,
    metric: String,
    unit: Unit,
    op: Op,
    value: f64,
}

impl Rule {
    /// Reads `metric op value`; says what is wrong and what is allowed.
    pub(crate) fn parse(text: &str) -> Result<Rule, String> {
        let problem = |what: String| format!("{what}; {ALLOWED}");
        let compact: String = text.chars().filter(|char| !char.is_whitespace()).collect();
        let sign = compact.find(['<', '>', '=']);
        let at = sign.ok_or_else(|| problem("no comparison".to_owned()))?;
        let (metric, rest) = compact.split_at(at);
        let ops = [
            ("<=", Op::LessOrEqual),
            (">=", Op::MoreOrEqual),
            ("==", Op::Equal),
            ("<", Op::Less),
            (">", Op::More),
        ];
        let op = ops.into_iter().find(|(sign, _)| rest.starts_with(sign));
        let (sign, op) = op.ok_or_else(|| problem("no comparison".to_owned()))?;
        let unit = unit(metric).ok_or_else(|| problem(format!("no metric '{metric}'")))?;
        let value = value(&rest[sign.len()..], unit).map_err(problem)?;
        Ok(Rule { text: compact.clone(), metric: metric.to_owned(), unit, op, value })
    }

    /// What a run made of it.
    pub(crate) fn judge(&self, document: &Document) -> Threshold {
        let measured = measured(&self.metric, document);
        let passed = measured.is_some_and(|measured| match self.op {
            Op::Less => measured < self.value,
            Op::LessOrEqual => measured <= self.value,
            Op::More => measured > self.value,
            Op::MoreOrEqual => measured >= self.value,
            Op::Equal => measured == self.value,
        });
        let told = measured.map(|measured| match self.unit {
            Unit::Time => time(measured.round() as u64),
            Unit::Count => grouped(measured as u64),
            Unit::PerSecond => rate(measured) + "/s",
            Unit::Share => format!("{:.2} %", measured * 100.0),
        });
        let measured = told.unwrap_or_else(|| "not measured in this run".to_owned());
        Threshold { text: self.text.clone(), measured, passed }
    }
}

/// The unit of a metric; `None` if there is no such metric.
fn unit(metric: &str) -> Option<Unit> {
    const SPREADS: [&str; 5] = ["p50", "p90", "p99", "p99.9", "max"];
    if let Some(rest) = metric.strip_prefix("fairness.") {
        let rest = rest.strip_prefix("intended.").unwrap_or(rest);
        return match rest.split_once('.')? {
            ("overtaken", "share") => Some(Unit::Share),
            ("overtaken", which) if SPREADS.contains(&which) => Some(Unit::Time),
            ("places", which) if SPREADS.contains(&which) => Some(Unit::Count),
            _ => None,
        };
    }
    match metric {
        "sold" | "refused" | "errors" | "timeouts" | "lost" | "unsent" | "shed" | "oversold"
        | "duplicates" => Some(Unit::Count),
        "rate" | "answers_per_second" | "orders_per_second" => Some(Unit::PerSecond),
        "late" => Some(Unit::Share),
        _ => percentile(metric, &Percentiles::default()).map(|_| Unit::Time),
    }
}

/// Reads a value in the unit's words.
fn value(text: &str, unit: Unit) -> Result<f64, String> {
    let suffix = text.trim_start_matches(|char: char| char.is_ascii_digit() || char == '.');
    let (scale, wanted) = match (unit, suffix) {
        (Unit::Time, "us") => (1e3, ""),
        (Unit::Time, "ms") => (1e6, ""),
        (Unit::Time, "s") => (1e9, ""),
        (Unit::Time, _) => (0.0, "a time in us, ms or s, like 5ms"),
        (Unit::Count | Unit::PerSecond, "") => (1.0, ""),
        (Unit::Count | Unit::PerSecond, "k") => (1e3, ""),
        (Unit::Count | Unit::PerSecond, "M") => (1e6, ""),
        (Unit::Count | Unit::PerSecond, _) => (0.0, "a number without a unit, k or M behind it"),
        (Unit::Share, "%") => (0.01, ""),
        (Unit::Share, _) => (0.0, "a share in %, like 1%"),
    };
    let number = text[..text.len() - suffix.len()].parse::<f64>().ok();
    match number.filter(|_| scale > 0.0) {
        Some(number) => Ok(number * scale),
        None if wanted.is_empty() => Err(format!("'{text}' is no number")),
        None => Err(format!("'{text}' is not {wanted}")),
    }
}

/// The share of the percentiles that a metric like `sent.given.p99` names, and which of them.
fn split(metric: &str) -> (bool, &str, &str) {
    let (sent, rest) = match metric.strip_prefix("sent.") {
        Some(rest) => (true, rest),
        None => (false, metric),
    };
    let class = CLASSES
        .into_iter()
        .find(|class| rest.strip_prefix(class).is_some_and(|which| which.starts_with('.')));
    match class {
        Some(class) => (sent, class, &rest[class.len() + 1..]),
        None => (sent, ALL_PURCHASES, rest),
    }
}

fn percentile(metric: &str, of: &Percentiles) -> Option<f64> {
    Some(match split(metric).2 {
        "p50" => of.p50_ns as f64,
        "p90" => of.p90_ns as f64,
        "p99" => of.p99_ns as f64,
        "p99.9" => of.p99_9_ns as f64,
        "p99.99" => of.p99_99_ns as f64,
        "max" => of.max_ns as f64,
        "mean" => of.mean_ns,
        _ => return None,
    })
}

/// What the run says of a metric, in ns, of 1, or as a number; `None` if it was not measured.
fn measured(metric: &str, document: &Document) -> Option<f64> {
    if let Some(rest) = metric.strip_prefix("fairness.") {
        let fairness = document.fairness.as_ref()?;
        return Some(match rest.strip_prefix("intended.") {
            Some(rest) => departure(rest, &fairness.from_intended)?,
            None => departure(rest, &fairness.from_sent)?,
        });
    }
    let counts = &document.counts;
    let whole = |count: u64| Some(count as f64);
    match metric {
        "sold" => whole(document.orders),
        "refused" => whole(document.outcomes.refused.values().sum()),
        "errors" => whole(counts.errors),
        "timeouts" => whole(counts.timeouts),
        "lost" => whole(counts.lost),
        "unsent" => whole(counts.unsent),
        "shed" => whole(document.server.as_ref()?.shed?),
        "oversold" => found_by(document, checks::NOT_OVERSOLD),
        "duplicates" => found_by(document, checks::ONE_ORDER_A_KEY),
        "rate" => Some(match &document.schedule {
            Some(kept) => kept.sent_per_second,
            None if document.seconds > 0.0 => counts.sent as f64 / document.seconds,
            None => return None,
        }),
        "answers_per_second" => Some(document.answers_per_second),
        "orders_per_second" => Some(document.orders_per_second),
        "late" => {
            let kept = document.schedule.as_ref()?;
            Some(kept.late_generator_share + kept.late_connection_share)
        }
        _ => {
            let (sent, class, _) = split(metric);
            let both = document.latency.get(class)?;
            let of = if sent { &both.from_sent } else { &both.from_intended };
            percentile(metric, of).filter(|_| of.count > 0)
        }
    }
}

/// How many faults a check found: it says so at the beginning of its detail, when it fails. A check
/// that says no number found one at least.
fn found_by(document: &Document, name: &str) -> Option<f64> {
    let check = document.checks.iter().find(|check| check.name == name)?;
    if check.passed {
        return Some(0.0);
    }
    let first = check.detail.split_whitespace().next().unwrap_or_default();
    Some(first.replace(',', "").parse().unwrap_or(1.0))
}

fn departure(metric: &str, of: &Departure) -> Option<f64> {
    let (what, which) = metric.split_once('.')?;
    let among = |spread: &Spread| {
        Some(match which {
            "p50" => spread.p50,
            "p90" => spread.p90,
            "p99" => spread.p99,
            "p99.9" => spread.p99_9,
            "max" => spread.max,
            _ => return None,
        } as f64)
    };
    match (what, which) {
        ("overtaken", "share") => Some(of.overtaken_share),
        ("overtaken", _) => among(&of.overtaken_ns),
        ("places", _) => among(&of.places),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn judge(text: &str, document: &Document) -> (bool, String) {
        let threshold = Rule::parse(text).expect("a good threshold").judge(document);
        (threshold.passed, threshold.measured)
    }

    #[test]
    fn every_metric_is_read_from_its_place() {
        let run = sample::flash();
        for (text, passed, told) in [
            ("p50<1ms", true, "310 us"),
            ("p99 < 5 ms", true, "4.20 ms"),
            ("p99<4.2ms", false, "4.20 ms"),
            ("p99<=4.2ms", true, "4.20 ms"),
            ("sent.p99<5ms", true, "1.90 ms"),
            ("given.p99.9<1s", true, "23.1 ms"),
            ("sent.refused.max<100us", false, "8.00 ms"),
            ("rate>=49.9k", true, "49,991/s"),
            ("sold==5k", true, "5,000"),
            ("refused>1000", true, "394,998"),
            ("late<1%", true, "0.04 %"),
            ("fairness.places.max<100", false, "212"),
            ("fairness.intended.places.max<1k", true, "840"),
            ("fairness.overtaken.max<=2ms", true, "1.30 ms"),
            ("fairness.overtaken.share<10%", true, "3.10 %"),
            ("shed==0", true, "0"),
            ("duplicates==0", true, "0"),
            ("oversold==0", true, "0"),
        ] {
            assert_eq!(judge(text, &run), (passed, told.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_a_check_counted_is_what_is_compared() {
        let mut run = sample::flash();
        for check in &mut run.checks {
            (check.passed, check.detail) = (false, "12 times not".to_owned());
        }
        assert_eq!(judge("oversold==0", &run), (false, "12".to_owned()));
        assert_eq!(judge("duplicates<13", &run), (true, "12".to_owned()));
    }

    #[test]
    fn what_was_not_measured_does_not_pass() {
        let run = sample::closed();
        for text in ["late<1%", "shed==0", "fairness.places.max<9", "failed.p99<9s", "oversold<9"] {
            assert_eq!(judge(text, &run), (false, "not measured in this run".to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_what_is_allowed() {
        for (text, wrong) in [
            ("p99", "no comparison"),
            ("p99=5ms", "no comparison"),
            ("p98<5ms", "no metric 'p98'"),
            ("sold.p99<5ms", "no metric 'sold.p99'"),
            ("fairness.places.share<5%", "no metric 'fairness.places.share'"),
            ("p99<5", "'5' is not a time in us, ms or s"),
            ("p99<-5ms", "'-5ms' is not a time"),
            ("p99<ms", "'ms' is no number"),
            ("errors<1%", "'1%' is not a number without a unit"),
            ("late<0.01", "'0.01' is not a share in %"),
            ("errors<", "'' is no number"),
            ("<5ms", "no metric ''"),
        ] {
            let said = Rule::parse(text).expect_err(text);
            assert!(said.starts_with(wrong) && said.contains("oversold"), "{text}: {said}");
        }
    }
}
