//! How often each kind of fault happened, and each kind of outcome.
//!
//! Invariant: what is counted has happened; a fault that was only planned is not.

use std::collections::BTreeMap;

/// Counts by kind, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counts: BTreeMap<(Sort, &'static str), u64>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// Something went wrong.
    Fault,
    /// Something came of it.
    Outcome,
}

impl Tally {
    pub(super) fn fault(&mut self, what: &'static str, count: u64) {
        self.add(Sort::Fault, what, count);
    }

    pub(super) fn outcome(&mut self, what: &'static str, count: u64) {
        self.add(Sort::Outcome, what, count);
    }

    fn add(&mut self, sort: Sort, what: &'static str, count: u64) {
        if count > 0 {
            *self.counts.entry((sort, what)).or_default() += count;
        }
    }

    /// Adds what another round has counted.
    pub fn merge(&mut self, other: &Tally) {
        for (kind, count) in &other.counts {
            *self.counts.entry(*kind).or_default() += count;
        }
    }

    /// How often something happened.
    pub fn of(&self, what: &str) -> u64 {
        self.counts.iter().filter(|((_, kind), _)| *kind == what).map(|(_, count)| count).sum()
    }

    /// All of a sort, in the order of their names.
    pub fn all(&self, sort: Sort) -> impl Iterator<Item = (&'static str, u64)> {
        let of_sort = self.counts.iter().filter(move |((other, _), _)| *other == sort);
        of_sort.map(|((_, what), count)| (*what, *count))
    }
}
