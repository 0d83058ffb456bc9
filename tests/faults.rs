//! Faults from outside, at the real program: every call that it makes on a file fails in every way,
//! files may not grow, the disk fills up and is freed, the process is stopped and goes on, the wall
//! clock steps. It goes on serving, or ends with a code and one sentence; what it acknowledged is
//! there afterwards, and the audit passes.

use super::support::{faketime, http_peer, peer, resp, server, sinks, small_disk, strace};

#[path = "faults/calls.rs"]
mod calls;
#[path = "faults/clock.rs"]
mod clock;
#[path = "faults/frozen.rs"]
mod frozen;
#[path = "faults/room.rs"]
mod room;

use std::time::{Duration, Instant};

use server::PATIENCE;

/// Waits until `is_so`, within reason.
#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never happens: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
