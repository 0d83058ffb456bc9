//! How one thread wakes another: the sleeper says that it sleeps, looks once more, then sleeps; who
//! leaves work for it looks whether it sleeps, and only then pays for a wake-up.
//!
//! It never carries data and never loses a wake-up. The race, step by step: the sleeper stores
//! `asleep`, fences, looks for work; the ringer publishes work, fences, loads `asleep`. Whichever
//! fence comes first in the one order of all fences, the other side sees what came before it:
//! either the sleeper finds the work, or the ringer finds it asleep.

#[cfg(doorbuster_loom)]
use loom::sync::atomic::{AtomicBool, Ordering, fence};
#[cfg(not(doorbuster_loom))]
use std::sync::atomic::{AtomicBool, Ordering, fence};

/// Wakes one thread by whatever means that thread waits on.
pub struct Bell {
    /// Relaxed throughout: the fence in [`ring`](Bell::ring) and its partner, the one in
    /// [`doze`](Bell::doze), give the order.
    asleep: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Bell {
    /// A bell that calls `wake` to end the sleep of its thread. A wake-up given before the sleep
    /// began must end that sleep too (as `mio::Waker` and `Unparker` do).
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Bell {
        Bell { asleep: AtomicBool::new(false), wake: Box::new(wake) }
    }

    /// Wakes the thread if it sleeps. To be called after the work is published.
    #[inline]
    pub fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) {
            self.wake_once();
        }
    }

    /// Apart from [`ring`](Bell::ring), so that the usual way of it stays short.
    #[cold]
    fn wake_once(&self) {
        // Of several ringers one pays for the wake-up. Partner: the stores in `doze`. Not a swap:
        // a ringer that comes too late writes nothing, so nobody mistakes it for a later waking.
        let won = self.asleep.compare_exchange(true, false, Ordering::Relaxed, Ordering::Relaxed);
        if won.is_ok() {
            (self.wake)();
        }
    }

    /// The sleeper's side: goes to sleep unless `busy` finds work after the bell was hung out.
    /// `sleep` may return early and for no reason.
    pub fn doze(&self, busy: impl FnOnce() -> bool, sleep: impl FnOnce()) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if !busy() {
            sleep();
        }
        self.asleep.store(false, Ordering::Relaxed);
    }
}
