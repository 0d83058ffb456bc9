//! The turns of the connections that have sent something: one bounded read each, round and round.
//!
//! Bytes are read into the shard's one input buffer and understood there; only what is left over is
//! copied into the connection. It writes to no socket.
//!
//! Invariant: arrival stamps never go down within a shard. Bytes that back-pressure left lying are
//! stamped when they are taken up again, as if they had lain in the kernel.

use super::Shard;
use super::connection::{Connection, Wait};
use super::intake::{Read, Stop};
use super::stream::{Handshake, receive};
use super::table::{Address, Agenda};
use crate::limits::{READ_BYTES_MAX, READ_BYTES_TIGHT, TLS_RECORD_BYTES_MAX};

/// Turns taken before the shard looks at the answers again.
const TURNS_MAX: usize = 64;
/// Requests that are shown to the matcher before the round is over.
const EARLY_PUBLISH: usize = 512;

/// What was read and not yet shown to the matcher.
#[derive(Default)]
pub(super) struct Unshown {
    /// Stamp of its first read; 0 if there is none.
    since: u64,
    /// Requests pushed before it.
    pushed: u64,
}

impl Unshown {
    #[inline]
    fn read(&mut self, stamp: u64) {
        if self.since == 0 {
            self.since = stamp;
        }
    }
}

impl Shard {
    /// Gives the connections that are ready their turns and shows the matcher what came of it.
    /// Returns the number of turns. While it drains, only what was read before is taken up.
    pub(super) fn read(&mut self) -> usize {
        let (pushed, broken) = (self.intake.pushed, self.intake.broken);
        let (mut turns, mut bytes) = self.shake_hands();
        for _ in 0..self.agenda.ready.len().min(TURNS_MAX) {
            if !self.intake.has_room() {
                break;
            }
            let Some(slot) = self.agenda.ready.pop_front() else { break };
            turns += 1;
            bytes += self.turn(slot);
            if self.intake.requests.unpublished() >= EARLY_PUBLISH {
                self.publish();
            }
        }
        if turns > 0 {
            self.publish();
            let counters = self.counters();
            counters.bytes_in.add(bytes as u64);
            counters.requests.add(self.intake.pushed - pushed);
            counters.protocol_errors.add(self.intake.broken - broken);
            let refused = self.intake.guard.counts;
            counters.denied.set(refused.denied);
            counters.ticket_refused.set(refused.tickets);
            counters.rate_limited.set(refused.limited);
        }
        turns
    }

    fn publish(&mut self) {
        if self.intake.requests.publish() {
            self.matcher_bell.ring();
            let took = (self.clock)().saturating_sub(self.unshown.since);
            let count = self.intake.pushed - self.unshown.pushed;
            self.counters().ring_time.record(took, count);
        }
        self.unshown = Unshown { since: 0, pushed: self.intake.pushed };
    }

    /// One connection's turn. Returns the bytes read.
    pub(super) fn turn(&mut self, slot: u32) -> usize {
        let Some((address, connection)) = self.table.in_slot(slot) else { return 0 };
        connection.queued = false;
        if connection.gone || connection.closing {
            self.agenda.soil(slot, connection);
            return 0;
        }
        let tight = self.held > self.options.buffers_bytes_max;
        let out_high = Read::out_high(tight);
        if connection.backlog {
            let mut rest = std::mem::take(&mut connection.rest);
            let stamp = (self.clock)();
            self.unshown.read(stamp);
            let read = Read { input: &rest[connection.rest_at..], stamp, is_tight: tight };
            let (used, stop) = self.intake.take(address, connection, &mut self.buffers, &read);
            connection.rest_at += used;
            connection.backlog = !matches!(stop, Stop::Incomplete | Stop::Close | Stop::Listen);
            if matches!(stop, Stop::Close | Stop::Listen) {
                rest.clear();
                connection.rest_at = 0;
            }
            connection.rest = rest;
            self.buffers.fit(&mut connection.rest, &mut connection.rest_at);
            if connection.rest_at == connection.rest.len() {
                keep(connection, &[], &mut self.buffers);
            }
            let partial = !connection.backlog && !connection.rest.is_empty();
            connection.partial_since = if partial { stamp } else { 0 };
            self.after(address, stop);
            return 0;
        }
        if self.draining {
            self.agenda.soil(slot, connection);
            return 0;
        }
        if connection.untold() > out_high {
            connection.wait = Wait::Out;
            return 0;
        }
        if connection.in_flight >= self.intake.in_flight_max(tight) {
            connection.wait = Wait::Room;
            return 0;
        }
        if !connection.readable || connection.ended {
            self.agenda.soil(slot, connection);
            return 0;
        }
        if let Handshake::Waits(_) = connection.handshake {
            self.agenda.wait_to_shake(slot, connection, (self.clock)());
            return 0;
        }
        let kept = connection.rest.len() - connection.rest_at;
        self.input[..kept].copy_from_slice(&connection.rest[connection.rest_at..]);
        let room = if tight { READ_BYTES_TIGHT } else { READ_BYTES_MAX };
        let into = &mut self.input[kept..kept + room + TLS_RECORD_BYTES_MAX];
        let received = receive(connection, &mut self.desk, into, room);
        self.intake.broken += u64::from(connection.closing);
        let stamp = (self.clock)();
        let Some(bytes) = received else {
            if connection.partial_since == 0
                && connection.tls.as_ref().is_some_and(|tls| tls.is_amid())
            {
                connection.partial_since = stamp;
            }
            return self.after(address, Stop::Incomplete);
        };
        self.unshown.read(stamp);
        if !connection.listens {
            connection.active_at = stamp;
        }
        if self.desk.refuses(connection, self.input[kept]) {
            self.intake.broken += 1;
            self.after(address, Stop::Close);
            return bytes;
        }
        let input = &self.input[..kept + bytes];
        let read = Read { input, stamp, is_tight: tight };
        let (used, stop) = self.intake.take(address, connection, &mut self.buffers, &read);
        let is_last = matches!(stop, Stop::Close | Stop::Listen);
        let used = if is_last { input.len() } else { used };
        keep(connection, &input[used..], &mut self.buffers);
        connection.backlog = !is_last && stop != Stop::Incomplete;
        if used == input.len() || connection.backlog {
            connection.partial_since = 0;
        } else if used > 0 || connection.partial_since == 0 {
            connection.partial_since = stamp;
        }
        self.after(address, stop);
        bytes
    }

    /// Draws the consequences of why no more was taken. Returns 0, the bytes read by it.
    fn after(&mut self, address: Address, stop: Stop) -> usize {
        let Some(connection) = self.table.at(address) else { return 0 };
        match stop {
            Stop::Incomplete | Stop::Listen => {
                connection.listens |= stop == Stop::Listen;
                if connection.readable && !connection.ended {
                    self.agenda.wake(address.slot, connection);
                }
            }
            Stop::Full => self.agenda.wake(address.slot, connection),
            Stop::Answers => connection.wait = Wait::Answers,
            Stop::Room => connection.wait = Wait::Room,
            Stop::Out => connection.wait = Wait::Out,
            Stop::Close => connection.closing = true,
        }
        soil_if_needed(&mut self.agenda, address.slot, connection);
        0
    }
}

/// Something to write, to account for, or to bury.
fn soil_if_needed(agenda: &mut Agenda, slot: u32, connection: &mut Connection) {
    if connection.bytes_held() != connection.held || connection.untold() > 0 || connection.is_over()
    {
        agenda.soil(slot, connection);
    }
}

/// Leaves what was not used with the connection.
fn keep(connection: &mut Connection, left: &[u8], buffers: &mut super::table::Buffers) {
    connection.rest.clear();
    connection.rest_at = 0;
    buffers.hold(&mut connection.rest, left);
}
