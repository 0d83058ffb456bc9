//! An axis: from a value to a place between 0 and 1, and the ticks that a reader can hold on to.

use crate::figures::{short, short_time};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Linear,
    Log,
    /// Each further nine takes the same room, as in HdrHistogram's plots: 0 to just below 100.
    Percentile,
}

#[derive(Clone, Debug)]
pub(crate) struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    /// What the axis shows, unit included.
    pub(crate) title: String,
    text: fn(f64) -> String,
}

impl Axis {
    /// From 0 to `high` at least, in plain numbers.
    pub(crate) fn from_zero(high: f64, title: &str) -> Axis {
        let step = nice_step(high.max(1.0), 5.0);
        let high = (high.max(1.0) / step).ceil() * step;
        Axis { scale: Scale::Linear, low: 0.0, high, title: title.to_owned(), text: short }
    }

    /// From `low` to `high` exactly, in plain numbers.
    pub(crate) fn exact(low: f64, high: f64, title: &str) -> Axis {
        let high = if high > low { high } else { low + 1.0 };
        Axis { scale: Scale::Linear, low, high, title: title.to_owned(), text: short }
    }

    /// Times in ns, each decade with the same room; holds all of `values` that are above 0.
    pub(crate) fn times(values: impl Iterator<Item = f64>, title: &str) -> Axis {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for value in values.filter(|value| *value > 0.0) {
            (low, high) = (low.min(value), high.max(value));
        }
        if high == 0.0 {
            (low, high) = (1e3, 1e6);
        }
        let (low, mut high) = (round_down(low), round_up(high));
        if high <= low {
            high = low * 10.0;
        }
        Axis { scale: Scale::Log, low, high, title: title.to_owned(), text: short_time }
    }

    /// Rates, each decade with the same room; holds all of `values` that are above 0.
    pub(crate) fn rates(values: impl Iterator<Item = f64>, title: &str) -> Axis {
        Axis { text: short, ..Axis::times(values, title) }
    }

    /// Percentiles from 0 to as many nines as `count` values can tell of.
    pub(crate) fn percentiles(count: u64) -> Axis {
        let high = 100.0 - 100.0 / (count.max(100) as f64);
        let text = |percent: f64| {
            let digits = format!("{percent:.7}");
            digits.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        Axis { scale: Scale::Percentile, low: 0.0, high, title: "percentile".to_owned(), text }
    }

    /// Where a value lies: 0 at the low end, 1 at the high one; what lies outside is at the end.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let at = |value: f64| match self.scale {
            Scale::Linear => value,
            Scale::Log => value.max(self.low).log10(),
            Scale::Percentile => -(1.0 - value.min(self.high) / 100.0).log10(),
        };
        let (low, high) = (at(self.low), at(self.high));
        ((at(value) - low) / (high - low)).clamp(0.0, 1.0)
    }

    /// Values to mark, about `wanted` of them, with their texts.
    pub(crate) fn ticks(&self, wanted: f64) -> Vec<(f64, String)> {
        let values = match self.scale {
            Scale::Linear => linear(self.low, self.high, wanted),
            Scale::Log => decades(self.low, self.high, wanted),
            Scale::Percentile => {
                let nines = (0..9).map(|nines| 100.0 - 100.0 / 10_f64.powi(nines));
                nines.filter(|percent| *percent <= self.high + 1e-9).collect()
            }
        };
        values.into_iter().map(|value| (value, (self.text)(value))).collect()
    }
}

/// 1, 2 or 5 times a power of ten that divides `span` into `wanted` parts or fewer.
fn nice_step(span: f64, wanted: f64) -> f64 {
    let rough = span / wanted;
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(10.0 * power)
}

fn linear(low: f64, high: f64, wanted: f64) -> Vec<f64> {
    let step = nice_step(high - low, wanted);
    let first = (low / step).ceil();
    let last = (high / step + 1e-9).floor();
    let count = (last - first).max(0.0) as usize + 1;
    (0..count).map(|index| (first + index as f64) * step).collect()
}

/// Powers of ten; 1, 2 and 5 of them where there are few.
fn decades(low: f64, high: f64, wanted: f64) -> Vec<f64> {
    let span = (high / low).log10();
    let steps: &[f64] = if span * 3.0 <= wanted + 1.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let first = low.log10().floor() as i32;
    let last = high.log10().ceil() as i32;
    (first..=last)
        .flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)))
        .filter(|value| *value >= low * 0.999 && *value <= high * 1.001)
        .collect()
}

/// The next 1, 2 or 5 of a power of ten, downwards.
fn round_down(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let steps = [5.0, 2.0, 1.0].map(|step| step * power);
    steps.into_iter().find(|step| *step <= value * 1.000_001).unwrap_or(power)
}

fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= value * 0.999_999).unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis, wanted: f64) -> Vec<String> {
        axis.ticks(wanted).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round_and_have_units() {
        let rate = Axis::from_zero(43_210.0, "");
        assert_eq!(texts(&rate, 5.0), ["0", "10k", "20k", "30k", "40k", "50k"]);
        let axis = Axis::times([3e5, 4e7].into_iter(), "");
        assert_eq!(texts(&axis, 4.0), ["1 ms", "10 ms"]);
        assert_eq!(
            texts(&Axis::times([3e5, 9e5].into_iter(), ""), 5.0),
            ["200 us", "500 us", "1 ms"]
        );
        let percentiles = Axis::percentiles(10_000);
        assert_eq!(texts(&percentiles, 9.0), ["0", "90", "99", "99.9", "99.99"]);
    }

    #[test]
    fn each_nine_has_the_same_room_and_each_decade_too() {
        let percentiles = Axis::percentiles(1_000);
        for (percent, place) in [(0.0, 0.0), (90.0, 1.0 / 3.0), (99.0, 2.0 / 3.0), (100.0, 1.0)] {
            assert!((percentiles.place(percent) - place).abs() < 1e-9, "{percent}");
        }
        let times = Axis::times([1e3, 1e7].into_iter(), "");
        assert!((times.place(1e5) - 0.5).abs() < 1e-9);
        assert_eq!((times.place(0.0), times.place(1e12)), (0.0, 1.0));
    }

    #[test]
    fn nothing_to_show_still_is_an_axis() {
        for axis in [
            Axis::times(std::iter::empty(), ""),
            Axis::times([5e3].into_iter(), ""),
            Axis::from_zero(0.0, ""),
            Axis::exact(3.0, 3.0, ""),
            Axis::percentiles(0),
        ] {
            assert!(!axis.ticks(4.0).is_empty(), "{axis:?}");
            assert!(axis.place(5.0).is_finite(), "{axis:?}");
        }
    }
}
