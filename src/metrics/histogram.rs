//! A histogram with one writer: fixed buckets, each a counter of its own, added up by the reader.
//!
//! Recording is one search among twenty bounds and two stores without a lock prefix, and is done
//! for a batch at once, never for an order.
//!
//! Invariant: a reader may see a record in a bucket before it sees it in the sum, never half of it.

use super::Counter;

/// Buckets, the one without an upper bound included.
const BUCKETS: usize = 20;

/// Upper bounds of times, ns: 10 us to 10 s, in steps of 1, 2.5, 5.
static TIMES: [u64; BUCKETS - 1] = {
    let mut bounds = [0; BUCKETS - 1];
    let (mut at, mut decade) = (0, 10_000);
    while at < BUCKETS - 1 {
        bounds[at] = match at % 3 {
            0 => decade,
            1 => decade * 5 / 2,
            _ => decade * 5,
        };
        if at % 3 == 2 {
            decade *= 10;
        }
        at += 1;
    }
    bounds
};

/// Upper bounds of sizes, in powers of two: 1 to 262,144.
static SIZES: [u64; BUCKETS - 1] = {
    let mut bounds = [0; BUCKETS - 1];
    let mut at = 0;
    while at < BUCKETS - 1 {
        bounds[at] = 1 << at;
        at += 1;
    }
    bounds
};

/// Upper bounds of bytes, in powers of two: 64 to 16,777,216.
static BYTES: [u64; BUCKETS - 1] = {
    let mut bounds = [0; BUCKETS - 1];
    let mut at = 0;
    while at < BUCKETS - 1 {
        bounds[at] = 64 << at;
        at += 1;
    }
    bounds
};

/// How often values of what size were recorded.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64; BUCKETS - 1],
    /// How many of the shown unit one recorded unit is: a second has 1e9 recorded ns.
    scale: f64,
    counts: [Counter; BUCKETS],
    sum: Counter,
}

impl Histogram {
    fn new(bounds: &'static [u64; BUCKETS - 1], scale: f64) -> Histogram {
        Histogram { bounds, scale, counts: Default::default(), sum: Counter::default() }
    }

    /// Of times, recorded in ns and shown in seconds.
    pub fn of_times() -> Histogram {
        Histogram::new(&TIMES, 1e9)
    }

    /// Of counts of something.
    pub fn of_sizes() -> Histogram {
        Histogram::new(&SIZES, 1.0)
    }

    /// Of bytes.
    pub fn of_bytes() -> Histogram {
        Histogram::new(&BYTES, 1.0)
    }

    /// Records a value that `times` things share. To be called by its one writer only.
    #[inline]
    pub fn record(&self, value: u64, times: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].add(times);
        self.sum.add(value.wrapping_mul(times));
    }

    /// What it holds now.
    pub fn tally(&self) -> Tally {
        let bounds = self.bounds.iter().map(|bound| *bound as f64 / self.scale);
        let counts = self.counts.iter().map(Counter::value);
        Tally {
            buckets: bounds.chain([f64::INFINITY]).zip(counts).collect(),
            sum: self.sum.value() as f64 / self.scale,
        }
    }
}

/// What one or several histograms of the same kind held at a moment.
#[derive(Debug, Default)]
pub struct Tally {
    /// Upper bound and count of each bucket, in the shown unit; the last has no bound.
    pub buckets: Vec<(f64, u64)>,
    /// The sum of all values.
    pub sum: f64,
}

impl Tally {
    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.1).sum()
    }

    /// This and `other` together.
    pub fn with(mut self, other: Tally) -> Tally {
        if self.buckets.is_empty() {
            return other;
        }
        for (mine, theirs) in self.buckets.iter_mut().zip(other.buckets) {
            mine.1 += theirs.1;
        }
        self.sum += other.sum;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_rise_in_steps_of_one_two_and_a_half_and_five() {
        assert_eq!(TIMES[..4], [10_000, 25_000, 50_000, 100_000]);
        assert_eq!(TIMES[BUCKETS - 2], 10_000_000_000);
        for bounds in [&TIMES, &SIZES, &BYTES] {
            assert!(bounds.is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn a_value_on_a_bound_belongs_below_it_and_two_histograms_add_up() {
        let (one, other) = (Histogram::of_times(), Histogram::of_times());
        one.record(10_000, 1);
        one.record(10_001, 2);
        other.record(u64::MAX / 4, 3);
        let tally = one.tally().with(other.tally());
        assert_eq!(tally.count(), 6);
        assert_eq!(tally.buckets[0], (1e-5, 1));
        assert_eq!(tally.buckets[1], (2.5e-5, 2));
        assert_eq!(tally.buckets[BUCKETS - 1], (f64::INFINITY, 3));
        assert_eq!(Tally::default().with(one.tally()).sum, 30_002.0 / 1e9);
    }
}
