//! The connections of a shard in numbered slots, the lists of those with something to do, and the
//! buffers that they borrow.
//!
//! It decides nothing about a connection.
//!
//! Invariant: a slot's generation changes when its connection leaves, so an address never reaches
//! another connection than the one it was made for.

use std::collections::VecDeque;

use super::connection::{Connection, Wait};
use super::stream::Handshake;

/// Where an answer goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) slot: u32,
    generation: u32,
}

#[cfg(test)]
impl Address {
    /// The first connection of a slot.
    pub(super) fn test(slot: u32) -> Address {
        Address { slot, generation: 0 }
    }
}

struct Slot {
    generation: u32,
    connection: Option<Connection>,
}

pub(super) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
    max: usize,
}

impl Table {
    pub(super) fn new(max: usize) -> Table {
        Table { slots: Vec::new(), free: Vec::new(), max }
    }

    /// Allows so many connections from now on.
    pub(super) fn allow(&mut self, max: usize) {
        self.max = max;
    }

    /// Slots ever used.
    pub(super) fn slots(&self) -> u32 {
        self.slots.len() as u32
    }

    pub(super) fn connections(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// A free slot, to be filled by [`fill`](Self::fill); `None` if there are as many connections
    /// as may be.
    pub(super) fn vacancy(&mut self) -> Option<u32> {
        if let Some(slot) = self.free.last() {
            return Some(*slot);
        }
        if self.slots.len() >= self.max {
            return None;
        }
        let slot = u32::try_from(self.slots.len()).ok()?;
        self.slots.push(Slot { generation: 0, connection: None });
        self.free.push(slot);
        Some(slot)
    }

    /// Fills the slot that [`vacancy`](Self::vacancy) named.
    pub(super) fn fill(&mut self, slot: u32, connection: Connection) {
        assert_eq!(self.free.pop(), Some(slot), "only the vacant slot is filled");
        self.slots[slot as usize].connection = Some(connection);
    }

    #[inline]
    pub(super) fn in_slot(&mut self, slot: u32) -> Option<(Address, &mut Connection)> {
        let Slot { generation, connection } = self.slots.get_mut(slot as usize)?;
        let address = Address { slot, generation: *generation };
        connection.as_mut().map(|connection| (address, connection))
    }

    #[inline]
    pub(super) fn at(&mut self, address: Address) -> Option<&mut Connection> {
        let slot = &mut self.slots[address.slot as usize];
        slot.connection.as_mut().filter(|_| slot.generation == address.generation)
    }

    pub(super) fn remove(&mut self, slot: u32) -> Option<Connection> {
        let place = self.slots.get_mut(slot as usize)?;
        let connection = place.connection.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(slot);
        Some(connection)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.slots.iter().filter_map(|slot| slot.connection.as_ref())
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Connection> {
        self.slots.iter_mut().filter_map(|slot| slot.connection.take())
    }
}

/// Who has something to do. An entry may be stale; a turn in vain does no harm.
#[derive(Default)]
pub(super) struct Agenda {
    /// Those to be read, in turn.
    pub(super) ready: VecDeque<u32>,
    /// Those whose handshake has a next step, in turn.
    pub(super) handshakes: VecDeque<u32>,
    /// Those to be written to.
    pub(super) dirty: Vec<u32>,
}

impl Agenda {
    /// Gives a connection a turn at being read.
    #[inline]
    pub(super) fn wake(&mut self, slot: u32, connection: &mut Connection) {
        connection.wait = Wait::No;
        if !connection.queued {
            connection.queued = true;
            self.ready.push_back(slot);
        }
    }

    /// Gives a connection a turn among the handshakes, as it has no other.
    pub(super) fn wait_to_shake(&mut self, slot: u32, connection: &mut Connection, now: u64) {
        connection.handshake = Handshake::Waits(now);
        connection.queued = true;
        self.handshakes.push_back(slot);
    }

    /// Notes that there is something to write, or nothing left to wait for.
    #[inline]
    pub(super) fn soil(&mut self, slot: u32, connection: &mut Connection) {
        if !connection.dirty {
            connection.dirty = true;
            self.dirty.push(slot);
        }
    }
}

/// Buffers that no connection needs at the moment.
#[derive(Default)]
pub(super) struct Buffers {
    spare: Vec<Vec<u8>>,
}

impl Buffers {
    const SPARE_MAX: usize = 64;
    /// Smaller ones are sooner made than found.
    const SPARE_BYTES_MIN: usize = 4 * 1024;
    const SPARE_BYTES_MAX: usize = 256 * 1024;
    /// A buffer may be so many times larger than what it holds.
    const SLACK_MAX: usize = 4;

    /// Sees to it that `buffer` is more than an empty promise.
    #[inline]
    pub(super) fn lend(&mut self, buffer: &mut Vec<u8>) {
        if buffer.capacity() == 0
            && let Some(spare) = self.spare.pop()
        {
            *buffer = spare;
        }
    }

    /// Takes an empty buffer back.
    #[inline]
    pub(super) fn take_back(&mut self, buffer: &mut Vec<u8>) {
        assert!(buffer.is_empty(), "only what is used up is given back");
        let capacity = buffer.capacity();
        let buffer = std::mem::take(buffer);
        let kept = (Self::SPARE_BYTES_MIN..=Self::SPARE_BYTES_MAX).contains(&capacity);
        if kept && self.spare.len() < Self::SPARE_MAX {
            self.spare.push(buffer);
        }
    }

    /// Fills an empty buffer that may have to be kept for long: one of the right size.
    #[inline]
    pub(super) fn hold(&mut self, buffer: &mut Vec<u8>, left: &[u8]) {
        if !(left.len()..=Self::SLACK_MAX * left.len()).contains(&buffer.capacity()) {
            self.take_back(buffer);
            buffer.reserve_exact(left.len());
        }
        buffer.extend_from_slice(left);
    }

    /// Moves what `buffer` holds from `at` on into a smaller one if it is much too large for it.
    #[inline]
    pub(super) fn fit(&mut self, buffer: &mut Vec<u8>, at: &mut usize) {
        let left = buffer.len() - *at;
        if buffer.capacity() <= Self::SPARE_BYTES_MIN.max(Self::SLACK_MAX * left) {
            return;
        }
        let small = buffer[*at..].to_vec();
        buffer.clear();
        self.take_back(buffer);
        (*buffer, *at) = (small, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_bytes_of_a_request_were_lent_a_huge_spare() {
        let mut buffers = Buffers::default();
        buffers.take_back(&mut Vec::with_capacity(65_000));
        let mut rest = Vec::new();
        buffers.hold(&mut rest, b"*5\r\n$3\r\nBUY");
        assert!(rest.capacity() < 64, "{} for {}", rest.capacity(), rest.len());
        let (mut large, mut at) = (vec![b'x'; 100_000], 99_990);
        buffers.fit(&mut large, &mut at);
        assert_eq!((large.as_slice(), at), (&[b'x'; 10][..], 0));
        assert!(large.capacity() < 64, "{} for ten", large.capacity());
        assert_eq!(buffers.spare.len(), 2);
    }
}
