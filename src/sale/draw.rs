//! The draw: purchases of a window are entries; a seed whose hash was told beforehand puts them in
//! an order that nobody could choose, and they are decided in that order.
//!
//! Anybody can work the order out again. `entries` are the ids of all entries in the order in which
//! they came, those that left again among them; `digest` is the BLAKE3 hash of the ids, 8 bytes
//! each, little-endian; `draws` is what BLAKE3's `derive_key` with the context below gives from the
//! 32 bytes of the seed and the 32 of the digest, read on and on as u64, little-endian. Then, for
//! each place `i` of `n` from 0 on, the entries at `i` and at `i + (draws[i] * (n - i)) >> 64`
//! change places (Fisher and Yates), and the one that is at `i` now has the turn.
//!
//! Invariant: it depends on ids and seed alone.

use super::command::Stamp;
use super::stock::DrawState;
use super::terms::DrawTerms;

const CONTEXT: &str = "doorbuster 2026 draw v1";

/// A sale's draw.
#[derive(Clone, Debug)]
pub(super) struct Draw {
    terms: DrawTerms,
    /// Slots of the entries: those before `next` in the order in which they had their turns.
    entries: Vec<u32>,
    next: usize,
    ids: Box<blake3::Hasher>,
    seed: Option<[u8; 32]>,
    /// What the seed gives, once it is revealed.
    draws: Option<Box<blake3::OutputReader>>,
    /// Entries that still wait for their turn.
    pub(super) live: u32,
}

impl Draw {
    pub(super) fn new(terms: DrawTerms) -> Draw {
        let ids = Box::new(blake3::Hasher::new());
        Draw { terms, entries: Vec::new(), next: 0, ids, seed: None, draws: None, live: 0 }
    }

    /// How far it has come.
    pub(super) fn state(&self, now: Stamp) -> DrawState {
        match self.seed {
            None if now < self.terms.at => DrawState::Entering,
            None => DrawState::Sealed,
            Some(_) if self.live > 0 => DrawState::Drawing,
            Some(_) => DrawState::Drawn,
        }
    }

    pub(super) fn seed(&self) -> Option<[u8; 32]> {
        self.seed
    }

    /// Entries so far, those that left again among them.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Turns so far.
    pub(super) fn turns(&self) -> u64 {
        self.next as u64
    }

    /// Whether this is the seed that was committed to.
    pub(super) fn is_seed(&self, seed: &[u8; 32]) -> bool {
        *blake3::hash(seed).as_bytes() == self.terms.commitment
    }

    pub(super) fn reveal(&mut self, seed: [u8; 32]) {
        assert!(self.is_seed(&seed) && self.next == 0);
        let mut draws = blake3::Hasher::new_derive_key(CONTEXT);
        draws.update(&seed).update(self.ids.finalize().as_bytes());
        (self.seed, self.draws) = (Some(seed), Some(Box::new(draws.finalize_xof())));
    }

    /// Takes an entry; `is_live` if it waits for its turn.
    pub(super) fn enter(&mut self, slot: u32, id: u64, is_live: bool) {
        self.ids.update(&id.to_le_bytes());
        self.entries.push(slot);
        self.live += u32::from(is_live);
    }

    /// The slot of the entry that has its turn now, which may have left; without a seed they come
    /// as they entered.
    pub(super) fn next(&mut self) -> Option<u32> {
        let left = self.entries.len().checked_sub(self.next).filter(|left| *left > 0)?;
        if let Some(draws) = &mut self.draws {
            let mut draw = [0; 8];
            draws.fill(&mut draw);
            let chosen = (u128::from(u64::from_le_bytes(draw)) * left as u128) >> 64;
            self.entries.swap(self.next, self.next + chosen as usize);
        }
        self.next += 1;
        Some(self.entries[self.next - 1])
    }
}
