//! The deadlines: silence, requests that never become whole, peers that take no answers; and signs
//! of life for those who listen.
//!
//! A few slots are looked at now and then, so that all are within [`PERIOD`], however many there
//! are; no order ever waits for it. Deadlines are therefore kept to about a tenth of a second.
//!
//! Invariant: only what a peer failed to do counts against it, not what this house kept waiting.

use std::time::Duration;

use super::Shard;
use super::ShardOptions;
use super::connection::Connection;
use super::watching;

/// How long one look at every connection takes.
pub(super) const PERIOD: Duration = Duration::from_millis(100);
/// How long there is nothing to look at.
const STEP_NS: u64 = 5_000_000;
const SLOTS_MIN: u64 = 16;

pub(super) struct Sweep {
    at: u32,
    swept: u64,
}

impl Sweep {
    pub(super) fn new(now: u64) -> Sweep {
        Sweep { at: 0, swept: now }
    }
}

impl Shard {
    /// Closes those of the next few slots whose time is up.
    pub(super) fn sweep(&mut self, now: u64) {
        let elapsed = now.saturating_sub(self.sweep.swept);
        if elapsed < STEP_NS {
            return;
        }
        self.sweep.swept = now;
        let slots = self.table.slots();
        let share = u64::from(slots) * elapsed.min(1 << 32) / PERIOD.as_nanos() as u64 + SLOTS_MIN;
        for _ in 0..share.min(u64::from(slots)) {
            self.sweep.at = if self.sweep.at + 1 < slots { self.sweep.at + 1 } else { 0 };
            let slot = self.sweep.at;
            let Some((_, connection)) = self.table.in_slot(slot) else { continue };
            if is_late(connection, &self.options, now) {
                connection.gone |= connection.untold() > 0;
                self.close(slot);
            } else if watching::beat(connection, now, self.options.heartbeat_ms) {
                self.agenda.soil(slot, connection);
            }
        }
    }
}

fn is_late(connection: &Connection, options: &ShardOptions, now: u64) -> bool {
    let late = |since: u64, ms: u64| {
        since != 0 && ms != 0 && now.saturating_sub(since) > ms.saturating_mul(1_000_000)
    };
    if late(connection.stalled_since, options.write_stall_ms) {
        return true;
    }
    let ours = connection.in_flight > 0
        || connection.readable
        || connection.backlog
        || connection.untold() > 0;
    // Who watches an order waits for this house.
    let is_watching = connection.listens || connection.watches > 0;
    !ours
        && (late(connection.partial_since, options.request_ms)
            || !is_watching && late(connection.active_at, options.idle_ms))
}
