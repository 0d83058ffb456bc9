//! How a thread that tells of orders stays behind those that decide them. It takes few of the cores
//! itself; and where it had to wait for one it rests, for those to whom it gives work, a database
//! on this machine, are as eager as before and would take the cores from the orders.

use std::time::Duration;

/// How much longer than it worked it rests if it waited for a core all the time: the share of the
/// time that is left to its other side is then a tenth.
const RESTS: f64 = 9.0;
/// The longest rest, so that what is behind stays on its way.
const REST_MAX: Duration = Duration::from_secs(1);

/// What the kernel has counted of a thread, ns.
#[derive(Clone, Copy, Default)]
struct Counted {
    ran: u64,
    /// For a core.
    waited: u64,
}

/// See the page's header.
pub(super) struct Courtesy(Option<Counted>);

impl Courtesy {
    /// That of this thread, which from now on takes what those on an order's way leave of the
    /// cores, about a tenth at least. Elsewhere than on Linux the whole process would, so nothing
    /// is done.
    pub(super) fn begin() -> Courtesy {
        #[cfg(target_os = "linux")]
        let _ = rustix::process::setpriority_process(None, 10);
        Courtesy(counted())
    }

    /// How long to rest after it worked for so long.
    pub(super) fn rest(&mut self, worked: Duration) -> Duration {
        let now = counted();
        let (Some(before), Some(now)) = (std::mem::replace(&mut self.0, now), now) else {
            return Duration::ZERO;
        };
        rest(worked, now.ran.saturating_sub(before.ran), now.waited.saturating_sub(before.waited))
    }
}

fn rest(worked: Duration, ran: u64, waited: u64) -> Duration {
    if waited == 0 {
        return Duration::ZERO;
    }
    let share = waited as f64 / (ran + waited) as f64;
    worked.mul_f64(RESTS * share).min(REST_MAX)
}

/// <https://docs.kernel.org/scheduler/sched-stats.html>, the part on a process's own; `None` where
/// it is not counted.
fn counted() -> Option<Counted> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let mut numbers = text.split_ascii_whitespace().map(str::parse);
    Some(Counted { ran: numbers.next()?.ok()?, waited: numbers.next()?.ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_where_it_had_to_wait_and_not_for_long() {
        let second = Duration::from_secs(1);
        assert_eq!(rest(second / 10, 500, 0), Duration::ZERO);
        assert_eq!(rest(second / 90, 50, 50), second / 20);
        assert_eq!(rest(second, 0, 100), REST_MAX);
        assert_eq!(rest(Duration::ZERO, 1, 1), Duration::ZERO);
    }
}
