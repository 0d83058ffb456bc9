//! What the other side of a sink should remember of the journal: of the delivery that it took last,
//! or of the one on whose answer the sink waited in vain.

use std::collections::VecDeque;

use crate::chains::ChainAt;
use crate::sale::{Seq, Stamp};
use crate::sink::{Change, Proof};

#[derive(Default)]
pub(super) struct Course {
    /// The ends of batches of which changes wait: a delivery may end in the midst of one.
    ends: VecDeque<ChainAt>,
    taken: Option<ChainAt>,
    tried: Option<ChainAt>,
    /// The last change that it took, and when that was made.
    last: Option<(Seq, Stamp)>,
}

impl Course {
    /// Batches with these ends were read, and so many changes wait now.
    pub(super) fn has_read(&mut self, ends: Vec<ChainAt>, pending: usize) {
        self.ends.extend(ends);
        // Each has a change that waits, but for the one before them.
        let passed = self.ends.len().saturating_sub(pending + 1);
        self.ends.drain(..passed);
    }

    /// Nothing waits any more.
    pub(super) fn begins_anew(&mut self) {
        self.ends.clear();
    }

    /// The last value that a delivery up to this seq reaches; `end` is where the reader stands.
    pub(super) fn reached(&self, seq: Seq, end: ChainAt) -> Option<ChainAt> {
        if seq == end.seq {
            return Some(end);
        }
        let count = self.ends.partition_point(|at| at.seq <= seq);
        count.checked_sub(1).map(|last| self.ends[last])
    }

    /// The next delivery belongs to this.
    pub(super) fn goes_on(&mut self, at: ChainAt) {
        (self.taken, self.tried) = (self.tried.or(self.taken), Some(at));
    }

    /// This change was taken, and all before it.
    pub(super) fn has_told(&mut self, change: &Change) {
        self.last = Some((change.seq, change.time));
    }

    /// Whether what the other side remembers came from here, where these changes wait; it is what
    /// counts from now on.
    pub(super) fn is_known(&mut self, proof: Option<&Proof>, pending: &[Change]) -> bool {
        match proof {
            None => true,
            Some(Proof::Chain(at)) => {
                let is_known = self.taken == Some(*at) || self.tried == Some(*at);
                (self.taken, self.tried) = (Some(*at), None);
                is_known
            }
            Some(proof @ Proof::Change { seq, .. }) => {
                let waits = pending.binary_search_by_key(seq, |change| change.seq);
                let waits = waits.ok().map(|at| (pending[at].seq, pending[at].time));
                [self.last, waits].into_iter().flatten().any(|(seq, time)| proof.is_of(seq, time))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seq: Seq) -> ChainAt {
        ChainAt { seq, chain: [seq as u8; 32] }
    }

    #[test]
    fn a_delivery_that_ends_amid_a_batch_proves_the_one_before_it() {
        let mut course = Course::default();
        course.has_read(vec![at(10), at(20), at(30)], 30);
        assert_eq!(course.reached(9, at(30)), None);
        assert_eq!(course.reached(10, at(30)), Some(at(10)));
        assert_eq!(course.reached(29, at(30)), Some(at(20)));
        // Where the reader stands, whether or not a change was there.
        assert_eq!(course.reached(31, at(31)), Some(at(31)));
        // What has passed is not kept.
        course.has_read(vec![at(40)], 1);
        assert_eq!((course.ends.len(), course.reached(35, at(41))), (2, Some(at(30))));
        course.begins_anew();
        assert_eq!(course.reached(35, at(41)), None);
    }
}
