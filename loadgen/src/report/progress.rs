//! What goes on while a run goes on, on stderr: lines that redraw themselves on a terminal, else a
//! plain line every ten seconds. It is told of an interval about once a second, and shows no more
//! than that interval and the sums so far.

use std::{collections::BTreeMap, io::IsTerminal};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::document::{Interval, Stock};
use crate::figures::{grouped, rate, time};

/// Between two plain lines, in seconds of the run.
const PLAIN_EVERY: f64 = 10.0;

pub(crate) struct Progress {
    /// On a terminal: the lines that are drawn again and again.
    lines: Option<[ProgressBar; 2]>,
    told_at: f64,
    given: u64,
    refused: BTreeMap<String, u64>,
    failed: u64,
}

impl Progress {
    /// Nothing is drawn before the first interval.
    pub(crate) fn new() -> Progress {
        let style = ProgressStyle::with_template("{wide_msg}").expect("a template of one word");
        let lines = std::io::stderr().is_terminal().then(|| {
            let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
            [(); 2].map(|()| all.add(ProgressBar::new_spinner().with_style(style.clone())))
        });
        Progress { lines, told_at: 0.0, given: 0, refused: BTreeMap::new(), failed: 0 }
    }

    /// Shows the interval that has just ended.
    pub(crate) fn interval(&mut self, interval: &Interval) {
        self.given += interval.given;
        self.failed += interval.failed;
        for (word, count) in &interval.refused {
            *self.refused.entry(word.clone()).or_insert(0) += count;
        }
        let [pace, sums] = [pace(interval), self.sums(interval.stock)];
        match &self.lines {
            Some([first, second]) => {
                first.set_message(pace);
                second.set_message(format!("{:7}  {sums}", ""));
            }
            None if interval.at_seconds - self.told_at >= PLAIN_EVERY => {
                self.told_at = interval.at_seconds;
                eprintln!("loadgen: {pace}  {sums}");
            }
            None => {}
        }
    }

    /// Takes the lines away, so that the report stands alone.
    pub(crate) fn finish(&self) {
        self.lines.iter().flatten().for_each(ProgressBar::finish_and_clear);
    }

    fn sums(&self, stock: Option<Stock>) -> String {
        let mut parts = vec![format!("sold {}", grouped(self.given))];
        if let Some(stock) = stock {
            parts.push(format!("{} of {} left", grouped(stock.free), grouped(stock.stock)));
        }
        if self.failed > 0 {
            parts.push(format!("FAILED {}", grouped(self.failed)));
        }
        // Last, because they may be more than the terminal is wide.
        for (word, count) in &self.refused {
            parts.push(format!("{word} {}", grouped(*count)));
        }
        parts.join(", ")
    }
}

/// Pace and latency of one interval. Columns stand still while figures change.
fn pace(interval: &Interval) -> String {
    let per = |count: u64| rate(count as f64 / interval.seconds.max(1e-9));
    let refused: u64 = interval.refused.values().sum();
    let answered = interval.given + interval.replayed + interval.waiting + refused;
    let due = interval.due.map_or(String::new(), |due| format!("due {:>7}  ", per(due)));
    let latency = match interval.intended.count {
        0 => "no answers".to_owned(),
        _ => {
            let (p50, p99) = (time(interval.intended.p50_ns), time(interval.intended.p99_ns));
            format!("p50 {p50:>7}  p99 {p99:>7}")
        }
    };
    let warm = if interval.measured { "" } else { "  (warm-up)" };
    let (at, sent, answered) = (interval.at_seconds, per(interval.sent), per(answered));
    format!("{at:5.0} s  {due}sent {sent:>7}  answered {answered:>7}  {latency}{warm}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_line_says_pace_and_latency_and_fits_a_terminal() {
        let run = sample::flash();
        let line = pace(&run.intervals[2]);
        assert_eq!(
            line,
            "    3 s  due  50,000  sent  49,992  answered  49,740  p50  318 us  p99 5.00 ms"
        );
        assert!(pace(&run.intervals[0]).ends_with("(warm-up)"));
        let silent = Interval { seconds: 1.0, measured: true, ..Interval::default() };
        assert!(pace(&silent).ends_with("no answers"), "{}", pace(&silent));
    }

    #[test]
    fn sums_grow_and_name_every_refusal() {
        let mut progress = Progress::new();
        for interval in &sample::flash().intervals[..2] {
            progress.interval(interval);
        }
        let stock = Stock { stock: 5_000, free: 1_250, ..Stock::default() };
        assert_eq!(
            progress.sums(Some(stock)),
            "sold 2,500, 1,250 of 5,000 left, limit_reached 800, rate_limited 600, sold_out 95,500"
        );
    }
}
