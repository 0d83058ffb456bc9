//! The long texts among buyers and keys, found by the digest that stands for them in the tables.

use hashbrown::HashTable;

use super::ident::Text;

/// Bounded, and never smaller: a text stays as long as the orders that name it.
pub(super) struct Texts {
    table: HashTable<(u128, Text)>,
    len_max: usize,
}

impl Texts {
    pub(super) fn new(len_max: usize) -> Texts {
        Texts { table: HashTable::with_capacity(len_max), len_max }
    }

    /// Whether two more fit: what one order may need.
    pub(super) fn has_room(&self) -> bool {
        self.table.len() + 2 <= self.len_max
    }

    pub(super) fn remember(&mut self, digest: u128, text: &Text) {
        let hash = |digest: u128| digest as u64;
        let known = self.table.find(hash(digest), |entry| entry.0 == digest);
        if let Some(entry) = known {
            assert!(entry.1 == *text, "two texts with one 128-bit keyed digest");
            return;
        }
        assert!(self.table.len() < self.len_max, "the caller checks the bound first");
        self.table.insert_unique(hash(digest), (digest, *text), |entry| hash(entry.0));
    }

    pub(super) fn text(&self, digest: u128) -> &Text {
        let entry = self.table.find(digest as u64, |entry| entry.0 == digest);
        &entry.expect("a stored digest's text is remembered").1
    }
}
