//! The long texts among buyers and keys, found by the digest that stands for them in the tables.
//!
//! Invariant: a text stays as long as an order has it for its key, or an entry of a buyer for its
//! name; each is one use.

use bytemuck::{Pod, Zeroable};

use super::ident::Text;
use super::index::{Index, Probe, Vacancy};
use super::memory::untouched_table;

/// No text: the end of the free ones.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Entry {
    digest: [u64; 2],
    text: Text,
    /// Keys and buyers; of a free entry which is the next.
    uses: u64,
}

/// Bounded, and never smaller.
pub(super) struct Texts {
    entries: Box<[Entry]>,
    /// Entries that were ever used.
    used: usize,
    /// Texts in it.
    len: usize,
    /// The first of the entries that are free again.
    free: u32,
    index: Index,
}

fn halves(digest: u128) -> [u64; 2] {
    [digest as u64, (digest >> 64) as u64]
}

impl Texts {
    pub(super) fn new(len_max: usize) -> Texts {
        assert!(len_max < NONE as usize, "slots are 32 bits");
        let (entries, index) = (untouched_table(len_max), Index::untouched(len_max));
        Texts { entries, used: 0, len: 0, free: NONE, index }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether two more fit: what one order may need.
    pub(super) fn has_room(&self) -> bool {
        self.len + 2 <= self.entries.len()
    }

    fn find(&self, digest: u128) -> Result<u32, Vacancy> {
        let digest = halves(digest);
        let probe = Texts::probe(&self.index, digest);
        self.index.find(probe, |slot| self.entries[slot as usize].digest == digest)
    }

    fn probe(index: &Index, digest: [u64; 2]) -> Probe {
        // A keyed digest is as good as a hash; the fingerprint is its lower half.
        index.scattered(digest[0])
    }

    /// Keeps a text, for one use more.
    #[inline(never)]
    pub(super) fn remember(&mut self, digest: u128, text: &Text) {
        let vacancy = match self.find(digest) {
            Ok(slot) => {
                let entry = &mut self.entries[slot as usize];
                assert!(entry.text == *text, "two texts with one 128-bit keyed digest");
                entry.uses += 1;
                return;
            }
            Err(vacancy) => vacancy,
        };
        assert!(self.len < self.entries.len(), "the caller checks the bound first");
        let slot = if self.free == NONE {
            self.used += 1;
            self.used as u32 - 1
        } else {
            let slot = self.free;
            self.free = self.entries[slot as usize].uses as u32;
            slot
        };
        self.entries[slot as usize] = Entry { digest: halves(digest), text: *text, uses: 1 };
        self.len += 1;
        self.index.fill(vacancy, slot);
    }

    /// Ends one use of a text.
    pub(super) fn forget(&mut self, digest: u128) {
        let slot = self.find(digest).expect("a stored digest's text is remembered");
        let entry = &mut self.entries[slot as usize];
        entry.uses -= 1;
        if entry.uses > 0 {
            return;
        }
        let entries = &self.entries;
        let probe = Texts::probe(&self.index, halves(digest));
        self.index.remove(probe, slot, |index, other| {
            Texts::probe(index, entries[other as usize].digest)
        });
        self.entries[slot as usize] = Entry { uses: u64::from(self.free), ..Entry::zeroed() };
        (self.free, self.len) = (slot, self.len - 1);
    }

    pub(super) fn text(&self, digest: u128) -> &Text {
        let slot = self.find(digest).expect("a stored digest's text is remembered");
        &self.entries[slot as usize].text
    }
}
