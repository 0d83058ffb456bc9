//! No more requests in a second than the receiver is said to bear, over all lanes together.

use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Gives out moments, one after the other.
pub(super) struct Rate {
    /// Between two of them; zero for no bound.
    gap: Duration,
    next: Mutex<Instant>,
}

impl Rate {
    /// So many a second; 0 for no bound.
    pub(super) fn new(per_second: u64) -> Rate {
        let gap = Duration::from_nanos(1_000_000_000_u64.checked_div(per_second).unwrap_or(0));
        Rate { gap, next: Mutex::new(Instant::now()) }
    }

    /// Waits for the next moment.
    pub(super) fn wait(&self) {
        if self.gap.is_zero() {
            return;
        }
        let now = Instant::now();
        let mine = {
            let mut next = self.next.lock();
            let mine = now.max(*next);
            *next = mine + self.gap;
            mine
        };
        thread::sleep(mine - now);
    }
}
