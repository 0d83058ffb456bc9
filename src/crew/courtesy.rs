//! How a thread that tells of orders stays behind those that decide them. It takes few of the cores
//! itself; and while those have hardly a free moment it rests, for those to whom it gives work, a
//! database on this machine, are as eager as before and would take the cores from the orders.

use std::time::{Duration, Instant};

use crate::metrics::Threads;

/// What decides orders: the threads whose names begin so.
const DECIDERS: [&str; 2] = ["shard", "matcher"];
/// Which part of the time those may be busy before anybody rests: a core that is shared with
/// clients shows a saturated one as busy for two thirds of it.
const BUSY_FREE: f64 = 0.25;
/// How much longer than it worked it rests if they are busy all the time: the share of the time
/// that is left to its other side is then a tenth.
const RESTS: f64 = 9.0;
/// The longest rest, so that what is behind stays on its way.
const REST_MAX: Duration = Duration::from_secs(1);

/// See the page's header.
pub(super) struct Courtesy {
    threads: Threads,
    /// When it looked last, and how long the busiest had been busy then, ns.
    looked: (Instant, Vec<u64>),
}

impl Courtesy {
    /// That of this thread, which from now on takes what those on an order's way leave of the
    /// cores, about a tenth at least. Elsewhere than on Linux the whole process would, so nothing
    /// is done.
    pub(super) fn begin(threads: Threads) -> Courtesy {
        #[cfg(target_os = "linux")]
        let _ = rustix::process::setpriority_process(None, 10);
        let looked = (Instant::now(), busy(&threads));
        Courtesy { threads, looked }
    }

    /// How long to rest after it worked for so long.
    pub(super) fn rest(&mut self, worked: Duration) -> Duration {
        let (now, busy) = (Instant::now(), busy(&self.threads));
        let (then, before) = std::mem::replace(&mut self.looked, (now, busy.clone()));
        let longest = busy.iter().zip(&before).map(|(now, then)| now.saturating_sub(*then)).max();
        let share = longest.unwrap_or(0) as f64 / (now - then).as_nanos().max(1) as f64;
        rest(worked, share)
    }
}

fn busy(threads: &Threads) -> Vec<u64> {
    let all = threads.all();
    let decide = |name: &str| DECIDERS.iter().any(|decider| name.starts_with(decider));
    all.iter().filter(|(name, _)| decide(name)).map(|(_, shown)| shown.busy_ns.value()).collect()
}

fn rest(worked: Duration, busy: f64) -> Duration {
    let above = ((busy - BUSY_FREE) / (1.0 - BUSY_FREE)).clamp(0.0, 1.0);
    worked.mul_f64(RESTS * above).min(REST_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_while_orders_need_the_cores_and_not_for_long() {
        let second = Duration::from_secs(1);
        assert_eq!(rest(second / 10, BUSY_FREE), Duration::ZERO);
        assert_eq!(rest(second / 100, 1.5), second * 9 / 100);
        assert_eq!(rest(second, 1.0), REST_MAX);
        let half = rest(second / 100, (1.0 + BUSY_FREE) / 2.0);
        assert!(half > second * 44 / 1000 && half < second * 46 / 1000, "{half:?}");
    }
}
