//! Finds orders by key and by id: open addressing, linear probing, 8 bytes a place. An entry is a
//! fingerprint and the order's slot, so that a probe looks at an order only when it is very likely
//! the one. It never grows, and moves entries only to close the gap that a removed one leaves: no
//! tombstones, so it is as fast after a thousand sales as in the first.
//!
//! Invariants: at least three places in eight are empty, so every probe ends; between an entry and
//! its home no place is empty.

use super::memory::{prefetch, table, untouched_table};

/// Where to begin looking, and what tells neighbours apart.
#[derive(Clone, Copy)]
pub(super) struct Probe {
    home: usize,
    fingerprint: u32,
}

/// Where what was not found would be, as long as nothing is added or removed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vacancy {
    at: usize,
    fingerprint: u32,
}

/// The index. A place holds `fingerprint << 32 | slot + 1`; 0 is empty.
pub(super) struct Index {
    places: Box<[u64]>,
    /// Entries for which there is room.
    left: usize,
}

impl Index {
    /// An index of up to `len_max` entries.
    pub(super) fn new(len_max: usize) -> Index {
        Index { places: table(Index::places(len_max)), left: len_max }
    }

    /// The same, taking no memory before it is used.
    pub(super) fn untouched(len_max: usize) -> Index {
        Index { places: untouched_table(Index::places(len_max)), left: len_max }
    }

    /// A whole number of cache lines; the load stays at or below 5/8.
    fn places(len_max: usize) -> usize {
        (len_max * 8 / 5 + 8).next_multiple_of(8)
    }

    /// A probe for something hashed: any place may be its home.
    #[inline(always)]
    pub(super) fn scattered(&self, hash: u64) -> Probe {
        Probe { home: super::hash::reduce(hash, self.places.len()), fingerprint: hash as u32 }
    }

    /// A probe for an increasing number: eight neighbours share a cache line, lines are scattered.
    #[inline(always)]
    pub(super) fn clustered(&self, number: u64) -> Probe {
        const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15; // 2^64 / golden ratio: Fibonacci hashing
        let line = super::hash::reduce((number >> 3).wrapping_mul(GOLDEN), self.places.len() / 8);
        Probe { home: line * 8 + (number & 7) as usize, fingerprint: number as u32 }
    }

    #[inline(always)]
    pub(super) fn prefetch(&self, probe: Probe) {
        prefetch(&self.places, probe.home);
    }

    /// The slot whose fingerprint fits and that `is_it` accepts, or where it would be.
    #[inline(always)]
    pub(super) fn find(
        &self,
        probe: Probe,
        mut is_it: impl FnMut(u32) -> bool,
    ) -> Result<u32, Vacancy> {
        let mut at = probe.home;
        loop {
            let place = self.places[at];
            if place == 0 {
                return Err(Vacancy { at, fingerprint: probe.fingerprint });
            }
            if (place >> 32) as u32 == probe.fingerprint && is_it(place as u32 - 1) {
                return Ok(place as u32 - 1);
            }
            at += 1;
            if at == self.places.len() {
                at = 0;
            }
        }
    }

    /// Adds a slot that [`find`](Self::find) did not find.
    #[inline(always)]
    pub(super) fn fill(&mut self, vacancy: Vacancy, slot: u32) {
        self.left = self.left.checked_sub(1).expect("the caller checks that there is room");
        let place = &mut self.places[vacancy.at];
        assert!(*place == 0, "nothing was added since it was looked for");
        *place = u64::from(vacancy.fingerprint) << 32 | u64::from(slot + 1);
    }

    /// Adds a slot that is not there.
    #[inline(always)]
    pub(super) fn insert(&mut self, probe: Probe, slot: u32) {
        let vacancy = self.find(probe, |_| false).expect_err("it is none of those there");
        self.fill(vacancy, slot);
    }

    /// Removes a slot that was inserted with this probe. `probe_of` tells the probe of any other
    /// slot in the index.
    pub(super) fn remove(
        &mut self,
        probe: Probe,
        slot: u32,
        probe_of: impl Fn(&Index, u32) -> Probe,
    ) {
        let places = self.places.len();
        let after = |at: usize| if at + 1 == places { 0 } else { at + 1 };
        let distance = |from: usize, to: usize| to + if to < from { places } else { 0 } - from;
        let mut gap = probe.home;
        while self.places[gap] as u32 != slot + 1 {
            assert!(self.places[gap] != 0, "what is removed was inserted");
            gap = after(gap);
        }
        let mut at = after(gap);
        while self.places[at] != 0 {
            let home = probe_of(self, self.places[at] as u32 - 1).home;
            if distance(home, at) >= distance(gap, at) {
                self.places[gap] = self.places[at];
                gap = at;
            }
            at = after(at);
        }
        self.places[gap] = 0;
        self.left += 1;
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_is_gone_and_all_else_is_found() {
        // Few homes for many, so that runs are long and pass the end of the places.
        let mut index = Index::new(40);
        let probe_of = |index: &Index, slot: u32| Probe {
            home: index.places.len() - 1 - (slot as usize * 7) % 5,
            fingerprint: slot / 3,
        };
        let (mut there, mut state) = ([false; 60], 1_u32);
        for round in 0..20_000 {
            // Numerical Recipes' generator: its high bits are good enough here.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let slot = (state >> 8) % 60;
            let probe = probe_of(&index, slot);
            if there[slot as usize] {
                index.remove(probe, slot, probe_of);
            } else if index.left > 0 {
                index.insert(probe, slot);
            } else {
                continue;
            }
            there[slot as usize] ^= true;
            for (slot, is_there) in (0..).zip(there) {
                let found = index.find(probe_of(&index, slot), |other| other == slot);
                assert_eq!(found.is_ok(), is_there, "round {round}, slot {slot}");
            }
        }
        assert_eq!(index.places.iter().filter(|place| **place != 0).count(), 40 - index.left);
    }
}
