//! The plots of a run: which of its figures go onto which axes. `None` where the run has nothing to
//! plot; the page says why.

use std::collections::BTreeMap;

use super::chart::{Axis, Chart, Colour, Mark};
use super::document::{Document, Fairness, Interval, Percentiles};
use crate::figures::{grouped, rate, time};

/// Steps of time that a plot shows at most; more seconds than that are put together.
const STEPS_MAX: usize = 300;
/// Shades of refusals, the most frequent first; all others share one. Lightest first: what is most
/// frequent is the background of what is sold.
const SHADES: [Colour; 3] = ["g3", "g2", "g1"];
const SINCE: &str = "seconds since the first request";

/// Latency by percentile, one line for each distribution with its name.
pub(crate) fn by_percentile(lines: &[(Colour, String, &Percentiles)]) -> Option<Chart> {
    let count = lines.iter().map(|line| line.2.count).max().filter(|count| *count > 0)?;
    let values = lines.iter().flat_map(|line| &line.2.distribution).map(|step| step.1 as f64);
    let (x, y) = (Axis::percentiles(count), Axis::times(values, "latency"));
    let mut marks: Vec<Mark> = lines
        .iter()
        .map(|(colour, _, of)| {
            let steps = of.distribution.iter();
            Mark::Line(colour, steps.map(|(at, ns)| (*at, Some(*ns as f64))).collect())
        })
        .collect();
    for (colour, name, of) in lines {
        let [_, p50, p90, p99, high @ ..] = of.columns();
        let named = [(50.0, p50), (90.0, p90), (99.0, p99), (99.9, high[0]), (99.99, high[1])];
        let told = named.into_iter().filter(|(at, _)| of.count as f64 >= 100.0 / (100.0 - at));
        marks.extend(told.map(|(at, ns)| {
            Mark::Point(colour, at, ns as f64, format!("{name}: p{at} {}", time(ns)))
        }));
        if of.count > 0 {
            let max = format!("{name}: max {}", time(of.max_ns));
            marks.push(Mark::Point(colour, 100.0, of.max_ns as f64, max));
        }
    }
    // Repeated runs have one name.
    let mut legend: Vec<_> =
        lines.iter().map(|(colour, name, _)| (*colour, name.clone())).collect();
    legend.dedup();
    let described = "Latency by percentile".to_owned();
    Some(Chart { described, x, y, marks, legend, square: false })
}

/// A run's seconds, put together where there are more than a plot can show.
pub(crate) struct Timeline {
    steps: Vec<Interval>,
    /// Seconds in one step at most.
    pub(crate) together: usize,
}

impl Timeline {
    /// `None` if the run was not measured second by second.
    pub(crate) fn of(run: &Document) -> Option<Timeline> {
        let together = run.intervals.len().div_ceil(STEPS_MAX).max(1);
        let steps: Vec<_> = run.intervals.chunks(together).map(put_together).collect();
        (!steps.is_empty()).then_some(Timeline { steps, together })
    }

    fn x(&self) -> Axis {
        let start = self.steps.first().map_or(0.0, began);
        Axis::exact(start, self.steps.last().map_or(1.0, |step| step.at_seconds), SINCE)
    }

    /// The warm-up, what is told at each step, and the marks between them.
    fn chart(&self, named: &str, y: Axis, marks: Vec<Mark>, told: Told) -> Chart {
        let warm = self.steps.iter().take_while(|step| !step.measured).last();
        let mut all = Vec::new();
        if let (Some(first), Some(last)) = (self.steps.first(), warm) {
            all.push(Mark::Stretch(began(first), last.at_seconds, "warm-up"));
        }
        all.extend(marks);
        for step in &self.steps {
            let text = format!("{:.0} s: {}", step.at_seconds, (told.0)(step));
            all.push(Mark::Told(began(step), step.at_seconds, text));
        }
        Chart {
            described: format!("{named} over time"),
            x: self.x(),
            y,
            marks: all,
            legend: told.1,
            square: false,
        }
    }

    /// p50, p99 and maximum from the intended send, in every second.
    pub(crate) fn latency(&self) -> Option<Chart> {
        let lines: [Level<Percentiles, u64>; 3] = [
            ("g2", "max", |of| of.max_ns),
            ("a", "p99", |of| of.p99_ns),
            ("ink", "p50", |of| of.p50_ns),
        ];
        let answered = || self.steps.iter().filter(|step| step.intended.count > 0);
        answered().next()?;
        let values = answered().flat_map(|step| lines.map(|line| (line.2)(&step.intended) as f64));
        let y = Axis::times(values, "latency from intended send");
        let marks = lines.map(|(colour, _, which)| {
            let points = self.steps.iter().map(|step| {
                let of = &step.intended;
                (began(step) + step.seconds / 2.0, (of.count > 0).then(|| which(of) as f64))
            });
            Mark::Line(colour, points.collect())
        });
        let told = |step: &Interval| {
            let of = &step.intended;
            let [p50, p99, max] = [of.p50_ns, of.p99_ns, of.max_ns].map(time);
            format!("p50 {p50}, p99 {p99}, max {max}")
        };
        let legend = lines.map(|(colour, name, _)| (colour, name.to_owned())).into();
        Some(self.chart("Latency", y, marks.into(), Told(Box::new(told), legend)))
    }

    /// Purchases due, sent and answered a second.
    pub(crate) fn rate(&self) -> Chart {
        let mut lines: Vec<Level<Interval, f64>> = vec![
            ("g1", "sent", |step| step.sent as f64),
            ("a", "answered", |step| answered(step) as f64),
        ];
        if self.steps.iter().any(|step| step.due.is_some()) {
            // Above the others, which mostly lie on it.
            lines.push(("ink dashed", "due", |step| step.due.unwrap_or(0) as f64));
        }
        let level = |step: &Interval, which: fn(&Interval) -> f64| which(step) / length(step);
        let all = self.steps.iter().flat_map(|step| lines.iter().map(|line| level(step, line.2)));
        // Some room above: a line along the upper edge is hard to see.
        let y = Axis::from_zero(all.fold(0.0, f64::max) * 1.05, "purchases a second");
        let steps = |which| {
            let levels =
                self.steps.iter().map(|step| (began(step), step.at_seconds, level(step, which)));
            levels.collect()
        };
        let marks = lines.iter().map(|(colour, _, which)| Mark::Steps(colour, steps(*which)));
        let marks = marks.collect();
        let legend = lines.iter().map(|(colour, name, _)| (*colour, (*name).to_owned())).collect();
        let told = move |step: &Interval| {
            let each = |(_, name, which): &Level<Interval, f64>| {
                format!("{name} {}/s", rate(level(step, *which)))
            };
            lines.iter().map(each).collect::<Vec<_>>().join(", ")
        };
        self.chart("Rate", y, marks, Told(Box::new(told), legend))
    }

    /// What became of the purchases answered in every second, on top of each other.
    pub(crate) fn outcome(&self) -> Chart {
        let words = self.refusals();
        let mut layers: Vec<Layer> = vec![
            ("a", "given".to_owned(), Box::new(|step| step.given)),
            ("soft", "replayed".to_owned(), Box::new(|step| step.replayed)),
        ];
        if self.steps.iter().any(|step| step.waiting > 0) {
            layers.push(("soft", "waiting".to_owned(), Box::new(|step| step.waiting)));
        }
        let (own, others) = words.split_at(words.len().min(SHADES.len()));
        for (shade, word) in SHADES.into_iter().zip(own.iter().cloned()) {
            let name = word.clone();
            let count = move |step: &Interval| step.refused.get(&name).copied().unwrap_or(0);
            layers.push((shade, word, Box::new(count)));
        }
        if !others.is_empty() {
            let names = others.to_vec();
            let count = move |step: &Interval| {
                names.iter().filter_map(|name| step.refused.get(name)).sum::<u64>()
            };
            layers.push(("g4", format!("{} other refusals", others.len()), Box::new(count)));
        }
        layers.push(("bad", "failed".to_owned(), Box::new(|step| step.failed)));
        layers.retain(|layer| self.steps.iter().any(|step| (layer.2)(step) > 0));
        self.stacked("Outcome", "answers a second", layers, length)
    }

    /// Units free, held and confirmed; `None` if the server was never asked.
    pub(crate) fn stock(&self) -> Option<Chart> {
        self.steps.iter().find_map(|step| step.stock)?;
        let stock = |step: &Interval| step.stock.unwrap_or_default();
        let layers: Vec<Layer> = vec![
            ("a", "confirmed".to_owned(), Box::new(move |step| stock(step).confirmed)),
            ("soft", "held".to_owned(), Box::new(move |step| stock(step).held)),
            ("g3", "free".to_owned(), Box::new(move |step| stock(step).free)),
        ];
        Some(self.stacked("Stock", "units", layers, |_| 1.0))
    }

    fn stacked(
        &self,
        named: &str,
        title: &str,
        layers: Vec<Layer>,
        per: fn(&Interval) -> f64,
    ) -> Chart {
        let mut tops = vec![0.0; self.steps.len()];
        let mut marks = Vec::new();
        for (colour, _, count) in &layers {
            let parts = self.steps.iter().zip(&mut tops).map(|(step, top)| {
                let low = *top;
                *top += count(step) as f64 / per(step);
                (began(step), step.at_seconds, low, *top)
            });
            marks.push(Mark::Area(colour, parts.collect()));
        }
        let y = Axis::from_zero(tops.into_iter().fold(0.0, f64::max), title);
        let legend = layers.iter().map(|(colour, name, _)| (*colour, name.clone())).collect();
        let told = move |step: &Interval| {
            let each = layers.iter().map(|(_, name, count)| {
                format!("{name} {}", grouped((count(step) as f64 / per(step)).round() as u64))
            });
            each.collect::<Vec<_>>().join(", ")
        };
        self.chart(named, y, marks, Told(Box::new(told), legend))
    }

    /// Words of refusals, most frequent first.
    fn refusals(&self) -> Vec<String> {
        let mut sums: BTreeMap<&String, u64> = BTreeMap::new();
        for (word, count) in self.steps.iter().flat_map(|step| &step.refused) {
            *sums.entry(word).or_insert(0) += count;
        }
        let mut words: Vec<_> = sums.into_iter().filter(|(_, count)| *count > 0).collect();
        words.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        words.into_iter().map(|(word, _)| word.clone()).collect()
    }
}

/// Colour, name and value of what is a line.
type Level<T, V> = (Colour, &'static str, fn(&T) -> V);
/// Colour, name and count of what is stacked.
type Layer = (Colour, String, Box<dyn Fn(&Interval) -> u64>);
/// What a pointer is told of a step, and the legend.
struct Told(Box<dyn Fn(&Interval) -> String>, Vec<(Colour, String)>);

/// Order of arrival against order of decision.
pub(crate) fn fairness(fairness: &Fairness) -> Option<Chart> {
    let last = fairness.points.iter().map(|(sent, decided)| *sent.max(decided)).max()?;
    let axis = |title| Axis::exact(0.0, last.max(1) as f64, title);
    let points = fairness.points.iter().map(|(sent, decided)| (*sent as f64, *decided as f64));
    Some(Chart {
        described: "Order of arrival against order of decision".to_owned(),
        x: axis("place by actual send"),
        y: axis("place by decision"),
        marks: vec![Mark::Diagonal, Mark::Dots("a", points.collect())],
        legend: Vec::new(),
        square: true,
    })
}

fn began(step: &Interval) -> f64 {
    (step.at_seconds - step.seconds).max(0.0)
}

fn length(step: &Interval) -> f64 {
    if step.seconds > 0.0 { step.seconds } else { 1.0 }
}

fn answered(step: &Interval) -> u64 {
    step.given + step.replayed + step.waiting + step.refused.values().sum::<u64>()
}

/// One step out of several seconds: counts are added; of latencies, which cannot be, it has those
/// of the worst second.
fn put_together(seconds: &[Interval]) -> Interval {
    let mut whole = seconds.last().cloned().unwrap_or_default();
    for second in seconds.split_last().map_or(&[][..], |(_, others)| others) {
        whole.seconds += second.seconds;
        whole.measured &= second.measured;
        whole.due = whole.due.zip(second.due).map(|(a, b)| a + b);
        whole.sent += second.sent;
        whole.given += second.given;
        whole.replayed += second.replayed;
        whole.waiting += second.waiting;
        whole.failed += second.failed;
        whole.followed += second.followed;
        for (word, count) in &second.refused {
            *whole.refused.entry(word.clone()).or_insert(0) += count;
        }
        let (own, other) = (&mut whole.intended, &second.intended);
        own.count += other.count;
        own.p50_ns = own.p50_ns.max(other.p50_ns);
        own.p99_ns = own.p99_ns.max(other.p99_ns);
        own.max_ns = own.max_ns.max(other.max_ns);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use maud::Render;

    #[test]
    fn seconds_are_put_together_without_losing_any() {
        let mut run = sample::flash();
        let second = run.intervals[3].clone();
        run.intervals = (0..1000)
            .map(|index| Interval { at_seconds: f64::from(index) + 1.0, ..second.clone() })
            .collect();
        run.intervals[500].intended.max_ns = 7_000_000_000;
        let line = Timeline::of(&run).expect("it has seconds");
        assert_eq!((line.steps.len(), line.together), (250, 4));
        let given: u64 = line.steps.iter().map(|step| step.given).sum();
        assert_eq!(given, 1000 * second.given);
        let max = line.steps.iter().map(|step| step.intended.max_ns).max();
        assert_eq!(max, Some(7_000_000_000));
        assert!(line.steps.iter().all(|step| step.seconds == 4.0));
        let ends: Vec<f64> = line.steps.iter().map(|step| step.at_seconds).collect();
        assert_eq!((ends[0], ends[249]), (4.0, 1000.0));
    }

    #[test]
    fn rare_refusals_share_a_shade() {
        let mut run = sample::flash();
        for second in &mut run.intervals {
            second.refused.insert("paused".to_owned(), 1);
            second.refused.insert("not_open".to_owned(), 2);
        }
        let chart = Timeline::of(&run).expect("it has seconds").outcome();
        let names: Vec<&str> = chart.legend.iter().map(|(_, name)| name.as_str()).collect();
        let wanted =
            ["given", "replayed", "sold_out", "limit_reached", "rate_limited", "2 other refusals"];
        assert_eq!(names[..6], wanted);
        assert_eq!(names[6..], ["failed"]);
    }

    #[test]
    fn nothing_measured_is_nothing_plotted() {
        let run = sample::closed();
        assert!(Timeline::of(&run).is_none());
        assert!(by_percentile(&[("a", String::new(), &Percentiles::default())]).is_none());
        let mut bare = sample::flash();
        bare.intervals.iter_mut().for_each(|second| {
            (second.stock, second.due, second.intended) = (None, None, Percentiles::default());
        });
        let line = Timeline::of(&bare).expect("it has seconds");
        assert!(line.stock().is_none() && line.latency().is_none());
        assert!(!line.rate().render().into_string().contains("due"));
    }
}
