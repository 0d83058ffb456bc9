//! How many requests may come, and how soon the next: the generic cell rate algorithm in integers.
//!
//! The formula is the virtual scheduling algorithm of ITU-T I.371 (annex A; the same as in the ATM
//! Forum's Traffic Management 4.0). With `T` the emission interval, `tau` the tolerance and `TAT`
//! the theoretical arrival time, a request at time `t` conforms if `t >= TAT - tau`, and then
//! `TAT = max(t, TAT) + T`; one that does not conform changes nothing. A burst of `b` from rest is
//! `tau = (b - 1) T`. It reads no clock. All times are ns.
//!
//! Invariant: an account whose `TAT` lies in the past is as good as none.

/// The highest rate: one request a nanosecond.
pub const RATE_MAX: u32 = 1_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;

/// A rate and its tolerance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    interval: u64,
    tolerance: u64,
}

impl Pace {
    /// So many requests a second, and so many at once after a rest; 0 at once means as many as in
    /// one second. `None` for a rate of 0: no limit. The interval is rounded up to whole ns, so
    /// that never more than the rate may pass.
    pub fn new(per_second: u32, burst: u32) -> Option<Pace> {
        let rate = u64::from(per_second.min(RATE_MAX));
        let interval = SECOND_NS.div_ceil(if rate == 0 { return None } else { rate });
        let burst = if burst == 0 { rate } else { u64::from(burst) };
        Some(Pace { interval, tolerance: (burst - 1) * interval })
    }

    /// Asks for one request at `now` on the account `due` (its theoretical arrival time).
    ///
    /// # Errors
    /// The ns after which one more would conform.
    #[inline]
    pub fn ask(&self, due: u64, now: u64) -> Result<u64, u64> {
        let earliest = due.saturating_sub(self.tolerance);
        if now < earliest { Err(earliest - now) } else { Ok(due.max(now) + self.interval) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same law told another way (the continuous-state leaky bucket of the same annex): a
    /// bucket that leaks one a ns and takes `interval` for each request.
    struct Bucket {
        level: i128,
        last: i128,
    }

    impl Bucket {
        fn ask(&mut self, pace: &Pace, now: u64) -> bool {
            let now = i128::from(now);
            let level = (self.level - (now - self.last)).max(0);
            if level > i128::from(pace.tolerance) {
                return false;
            }
            (self.level, self.last) = (level + i128::from(pace.interval), now);
            true
        }
    }

    #[test]
    fn a_burst_from_rest_then_one_an_interval() {
        let pace = Pace::new(10, 3).expect("a limit");
        let (mut due, start) = (0, 5_000_000_000);
        for _ in 0..3 {
            due = pace.ask(due, start).expect("within the burst");
        }
        assert_eq!(pace.ask(due, start), Err(100_000_000));
        assert_eq!(pace.ask(due, start + 99_999_999), Err(1));
        due = pace.ask(due, start + 100_000_000).expect("an interval later");
        assert_eq!(pace.ask(due, start + 100_000_000), Err(100_000_000));
    }

    #[test]
    fn a_rate_of_zero_is_no_limit_and_no_burst_is_a_second_of_the_rate() {
        assert_eq!(Pace::new(0, 9), None);
        assert_eq!(Pace::new(50, 0), Pace::new(50, 50));
        assert_eq!(Pace::new(3, 1), Some(Pace { interval: 333_333_334, tolerance: 0 }));
        let widest = Pace::new(1, u32::MAX).expect("a limit");
        assert!(widest.ask(u64::MAX / 4, u64::MAX / 4).is_ok());
    }

    proptest! {
        #[test]
        fn it_is_the_leaky_bucket(
            rate in 1_u32..2000, burst in 0_u32..50,
            waits in prop::collection::vec(0_u64..30_000_000, 1..300),
        ) {
            let pace = Pace::new(rate, burst).expect("a limit");
            let (mut bucket, mut due) = (Bucket { level: 0, last: 0 }, 0);
            let (mut now, mut passed) = (1_000_000_000_u64, 0_u64);
            let start = now;
            for wait in waits {
                now += wait;
                let asked = pace.ask(due, now);
                prop_assert_eq!(asked.is_ok(), bucket.ask(&pace, now));
                match asked {
                    Ok(next) => (due, passed) = (next, passed + 1),
                    Err(wait) => {
                        prop_assert!(pace.ask(due, now + wait).is_ok());
                        prop_assert!(pace.ask(due, now + wait - 1).is_err());
                    }
                }
            }
            // Never more than the burst and what the rate gives in the time that went by.
            let burst = if burst == 0 { rate } else { burst };
            let most = u128::from(now - start) * u128::from(rate) / 1_000_000_000 + 1;
            prop_assert!(u128::from(passed) <= u128::from(burst) + most);
        }
    }
}
