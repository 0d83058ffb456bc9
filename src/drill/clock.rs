//! The drill's two clocks, one pair a thread. They stand still unless they are moved, but for one
//! nanosecond with each reading of the monotonic one: no two stamps are alike.
//!
//! Invariant: the monotonic clock never steps back, the wall clock does whatever it is told.

use std::cell::Cell;

thread_local! {
    static MONOTONIC: Cell<u64> = const { Cell::new(0) };
    static WALL: Cell<u64> = const { Cell::new(0) };
}

/// Friday evening, 2026-11-27 20:02 UTC, in ns.
const START: u64 = 1_795_809_720_000_000_000;

/// Both clocks as they stand at the beginning of a round.
pub(super) fn wind() {
    MONOTONIC.set(1_000_000_000);
    WALL.set(START);
}

/// Monotonic ns.
pub(super) fn monotonic() -> u64 {
    let now = MONOTONIC.get();
    MONOTONIC.set(now + 1);
    now
}

/// Monotonic ns, without the nanosecond that a reading takes.
pub(super) fn glance() -> u64 {
    MONOTONIC.get()
}

/// Unix ns.
pub(super) fn unix() -> u64 {
    WALL.get()
}

/// Lets time pass on both.
pub(super) fn pass(ns: u64) {
    MONOTONIC.set(MONOTONIC.get() + ns);
    WALL.set(WALL.get() + ns);
}

/// Sets the wall clock forward or back.
pub(super) fn step_wall(ns: i64) {
    WALL.set(WALL.get().saturating_add_signed(ns));
}

/// Lets the wall clock show this, if it would soon. Returns whether it does.
pub(super) fn aim(at: u64, ns_max: u64) -> bool {
    let now = WALL.get();
    let is_near = at > now && at - now <= ns_max;
    if is_near {
        WALL.set(at);
    }
    is_near
}
