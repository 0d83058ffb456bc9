//! Who waits for an item, in the order in which they came: chunks of 30 entries, each chunk in the
//! queue of one item. A chunk knows how many of its entries still wait and what the least of them
//! needs, so that places are counted and fits are found by the chunk and not by the entry.
//!
//! A basket stands in the queue of each of its items.
//!
//! Invariant: a chunk in a queue has an entry that waits; one that has none is free for any queue.

use bytemuck::{Pod, Zeroable};

use hashbrown::HashMap;

use super::lines::BASKET_LINES_MAX;
use super::memory::untouched_table;

/// No chunk, and in an entry no order.
const NONE: u32 = u32::MAX;
const ENTRIES: usize = 30;
/// Chunks for so many who wait: half full, as leaving may leave them.
const PER_CHUNK: usize = ENTRIES / 2;
/// Chunks beside those.
const CHUNKS_SPARE: usize = 64;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Entry {
    /// The order's slot.
    slot: u32,
    /// Units without which it waits on.
    need: u32,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Chunk {
    next: u32,
    previous: u32,
    /// Entries used, those that wait no more among them.
    len: u16,
    /// Entries that wait.
    live: u16,
    /// No entry that waits needs less.
    least: u32,
    entries: [Entry; ENTRIES],
}

const _: () = assert!(size_of::<Chunk>() == 256);

/// Who waits for one item.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    head: u32,
    tail: u32,
    /// Nobody in the chunks before this one can be given what is free.
    cursor: u32,
    /// How many wait.
    pub(super) live: u32,
    /// Of these, baskets.
    pub(super) baskets: u32,
    /// Units they wait for.
    pub(super) units: u64,
}

impl Queue {
    pub(super) const EMPTY: Queue =
        Queue { head: NONE, tail: NONE, cursor: NONE, live: 0, baskets: 0, units: 0 };

    /// More is free than before.
    pub(super) fn look_again(&mut self) {
        self.cursor = self.head;
    }
}

/// All chunks.
pub(super) struct Waiters {
    chunks: Vec<Chunk>,
    /// Of those who were drawn, by their slots, their turns.
    turns: HashMap<u32, u64>,
    /// Of each basket that waits, by its slot, the chunk in the queue of each of its lines.
    baskets: HashMap<u32, [u32; BASKET_LINES_MAX]>,
    /// Chunks that purchases may take; who was drawn may take more.
    most: usize,
    /// Chunks that were ever used.
    used: usize,
    /// The first of those that are free again, and how many these are.
    free: u32,
    freed: usize,
}

impl Waiters {
    pub(super) fn new(len_max: usize) -> Waiters {
        let chunks = len_max.div_ceil(PER_CHUNK) + CHUNKS_SPARE;
        Waiters {
            chunks: untouched_table(chunks).into_vec(),
            turns: HashMap::new(),
            baskets: HashMap::new(),
            most: chunks,
            used: 0,
            free: NONE,
            freed: 0,
        }
    }

    /// Whether an order of so many lines can wait.
    pub(super) fn has_room(&self, lines: usize) -> bool {
        // Not what the drawn have added: a shop made from an image has not got that.
        self.used - self.freed + lines <= self.most
    }

    /// Notes by which turn in a draw an order came here.
    pub(super) fn note_turn(&mut self, slot: u32, turn: u64) {
        assert!(self.turns.insert(slot, turn).is_none(), "it is drawn once");
    }

    /// Forgets that of an order that waits no more.
    pub(super) fn forget_turn(&mut self, slot: u32) {
        self.turns.remove(&slot).expect("it was noted");
    }

    /// The turn in a draw by which an order came here.
    pub(super) fn turn(&self, slot: u32) -> u64 {
        self.turns[&slot]
    }

    /// Notes in which chunks a basket waits.
    pub(super) fn note_basket(&mut self, slot: u32, chunks: [u32; BASKET_LINES_MAX]) {
        assert!(self.baskets.insert(slot, chunks).is_none(), "it waits once");
    }

    /// Forgets a basket that waits no more; returns its chunks.
    pub(super) fn forget_basket(&mut self, slot: u32) -> [u32; BASKET_LINES_MAX] {
        self.baskets.remove(&slot).expect("it waits in its chunks")
    }

    /// The chunks in which a basket waits.
    pub(super) fn basket(&self, slot: u32) -> &[u32; BASKET_LINES_MAX] {
        &self.baskets[&slot]
    }

    fn at(&mut self, chunk: u32) -> &mut Chunk {
        &mut self.chunks[chunk as usize]
    }

    /// Puts an order at the end of a queue; returns the chunk that it is in.
    pub(super) fn push(&mut self, queue: &mut Queue, slot: u32, units: u32, need: u32) -> u32 {
        let is_full = |chunk: &Chunk| usize::from(chunk.len) == ENTRIES;
        if queue.tail == NONE || is_full(&self.chunks[queue.tail as usize]) {
            self.lengthen(queue);
        }
        let tail = self.at(queue.tail);
        tail.entries[usize::from(tail.len)] = Entry { slot, need };
        (tail.len, tail.live) = (tail.len + 1, tail.live + 1);
        tail.least = tail.least.min(need);
        queue.live += 1;
        queue.units += u64::from(units);
        if queue.cursor == NONE {
            queue.cursor = queue.tail;
        }
        queue.tail
    }

    fn lengthen(&mut self, queue: &mut Queue) {
        if self.free == NONE && self.used == self.chunks.len() {
            // Purchases were refused before; who was drawn is not.
            self.chunks.push(Chunk::zeroed());
        }
        let chunk = if self.free == NONE {
            self.used += 1;
            self.used as u32 - 1
        } else {
            let chunk = self.free;
            self.free = self.chunks[chunk as usize].next;
            self.freed -= 1;
            chunk
        };
        let previous = std::mem::replace(&mut queue.tail, chunk);
        *self.at(chunk) = Chunk { next: NONE, previous, least: u32::MAX, ..Chunk::zeroed() };
        match previous {
            NONE => queue.head = chunk,
            previous => self.at(previous).next = chunk,
        }
    }

    /// Takes an order that waits for so many units out of its chunk.
    pub(super) fn remove(&mut self, queue: &mut Queue, chunk: u32, slot: u32, units: u32) {
        let freed = self.free;
        let here = self.at(chunk);
        let entries = &mut here.entries[..usize::from(here.len)];
        let entry = entries.iter_mut().find(|entry| entry.slot == slot);
        entry.expect("it waits in its chunk").slot = NONE;
        here.live -= 1;
        queue.live -= 1;
        queue.units -= u64::from(units);
        if here.live > 0 {
            return;
        }
        let (next, previous) = (here.next, here.previous);
        here.next = freed;
        self.free = chunk;
        self.freed += 1;
        match previous {
            NONE => queue.head = next,
            previous => self.at(previous).next = next,
        }
        match next {
            NONE => queue.tail = previous,
            next => self.at(next).previous = previous,
        }
        if queue.cursor == chunk {
            queue.cursor = next;
        }
    }

    /// The first in a queue; whether it can be given what is free is not asked.
    pub(super) fn first(&self, queue: &Queue) -> Option<(u32, u32)> {
        let chunk = self.chunks.get(queue.head as usize)?;
        let mut entries = chunk.entries[..usize::from(chunk.len)].iter();
        let entry = entries.find(|entry| entry.slot != NONE);
        entry.map(|entry| (entry.slot, entry.need))
    }

    /// The first in a queue who needs no more than what is free of it and also `fits` otherwise.
    pub(super) fn first_fit(
        &mut self,
        queue: &mut Queue,
        free: u64,
        fits: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        while queue.cursor != NONE {
            let chunk = self.at(queue.cursor);
            if u64::from(chunk.least) <= free {
                chunk.least = u32::MAX;
                for entry in &chunk.entries[..usize::from(chunk.len)] {
                    if entry.slot == NONE {
                        continue;
                    }
                    if u64::from(entry.need) <= free && fits(entry.slot) {
                        // What was not looked at may need less.
                        chunk.least = 0;
                        return Some(entry.slot);
                    }
                    chunk.least = chunk.least.min(entry.need);
                }
            }
            queue.cursor = chunk.next;
        }
        None
    }

    /// Whether there is one that [`first_fit`](Self::first_fit) would find.
    pub(super) fn has_fit(&self, queue: &Queue, free: u64, fits: impl Fn(u32) -> bool) -> bool {
        let mut at = queue.cursor;
        while let Some(chunk) = self.chunks.get(at as usize) {
            let entries = &chunk.entries[..usize::from(chunk.len)];
            let mut those = entries.iter().filter(|entry| entry.slot != NONE);
            let is_fit = |entry: &Entry| u64::from(entry.need) <= free && fits(entry.slot);
            if u64::from(chunk.least) <= free && those.any(is_fit) {
                return true;
            }
            at = chunk.next;
        }
        false
    }

    /// The place of an order in its queue, from 1.
    pub(super) fn position(&self, queue: &Queue, chunk: u32, slot: u32) -> u32 {
        let (mut before, mut at) = (0, queue.head);
        while at != chunk {
            let chunk = &self.chunks[at as usize];
            before += u32::from(chunk.live);
            at = chunk.next;
        }
        let entries = self.chunks[chunk as usize].entries.iter();
        let here = entries.take_while(|entry| entry.slot != slot);
        before + 1 + here.filter(|entry| entry.slot != NONE).count() as u32
    }
}
