//! Options that change while a shard runs.
//!
//! It never closes a connection because of a change: deadlines are measured anew, and a lower limit
//! holds for those who come.

use std::sync::atomic::Ordering::Relaxed;

use super::Shard;
use crate::live::Follower;

impl Shard {
    /// Takes its changing options from here. When fewer connections are allowed than there are,
    /// those that are there stay.
    pub fn follow(&mut self, live: Follower) {
        self.live = live;
    }

    pub(super) fn hear_of_changes(&mut self) {
        let Some(values) = self.live.news() else { return };
        self.options.connections_max = values.shard_connections_max;
        self.options.idle_ms = values.idle_ms;
        self.options.request_ms = values.request_ms;
        self.options.write_stall_ms = values.write_stall_ms;
        self.door.connections_max.store(values.shard_connections_max, Relaxed);
        self.table.allow(values.shard_connections_max);
    }
}
