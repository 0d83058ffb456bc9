//! When requests are meant to be sent: pure arithmetic, no clock.
//!
//! Request `index` of a run is due at `index / rate` seconds. Threads and connections take turns
//! (request by request), so each of them has an even schedule of its own, all out of phase, and no
//! burst is ever planned.

/// An even schedule, as one of `stride` threads sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    period_ns: f64,
    stride: u64,
    offset: u64,
}

impl Schedule {
    pub(crate) fn new(rate: f64, stride: u64, offset: u64) -> Schedule {
        Schedule { period_ns: 1e9 / rate, stride, offset }
    }

    /// When this thread's request `index` is due, in ns since the start.
    pub(crate) fn due_at(&self, index: u64) -> u64 {
        ((index * self.stride + self.offset) as f64 * self.period_ns) as u64
    }

    /// How many of this thread's requests are due before `time`.
    pub(crate) fn due_before(&self, time: u64) -> u64 {
        let own = (time as f64 / self.period_ns - self.offset as f64) / self.stride as f64;
        // The estimate is off by one at most: rounding.
        let mut count = (own.max(0.0) as u64).saturating_sub(1);
        while self.due_at(count) < time {
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_one_even_schedule() {
        let (first, second) = (Schedule::new(1e6, 2, 0), Schedule::new(1e6, 2, 1));
        assert_eq!([0, 1, 2].map(|index| first.due_at(index)), [0, 2_000, 4_000]);
        assert_eq!([0, 1, 2].map(|index| second.due_at(index)), [1_000, 3_000, 5_000]);
    }

    #[test]
    fn what_is_due_is_counted_exactly() {
        for rate in [1.0, 3.0, 777.7, 1e5, 1e6 / 3.0, 2e7] {
            let schedule = Schedule::new(rate, 3, 2);
            for time in [0, 1, 999, 1_000_000, 123_456_789, 10_000_000_001] {
                let count = schedule.due_before(time);
                assert!(count == 0 || schedule.due_at(count - 1) < time);
                assert!(schedule.due_at(count) >= time);
            }
        }
    }
}
