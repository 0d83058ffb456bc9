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
    /// What the other side remembered when it was asked last.
    begun: Option<Proof>,
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
    pub(super) fn is_known(&mut self, proof: Option<Proof>, pending: &[Change]) -> bool {
        let is_known = proof == self.begun
            || match &proof {
                None => true,
                Some(Proof::Chain(at)) => [self.taken, self.tried].contains(&Some(*at)),
                Some(Proof::Change(told)) => {
                    let waits = pending.binary_search_by_key(&told.seq, |change| change.seq);
                    let waits = waits.ok().map(|at| (pending[at].seq, pending[at].time));
                    let mut known = [self.last, waits].into_iter().flatten();
                    known.any(|(seq, time)| told.is(seq, time))
                }
            };
        (self.begun, self.taken, self.tried) = (proof, None, None);
        is_known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::sale::{Name, State};
    use crate::sink::{ChangeAt, Kind};

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

    #[test]
    fn what_came_from_here_is_not_read_again() {
        let change = |seq| Change {
            seq,
            time: 1_000 * seq,
            kind: Kind::Now(State::Confirmed),
            sale: Name::parse(b"drop").expect("a name"),
            currency: None,
            order: seq,
            facts: None,
        };
        let told = |seq, time| Some(Proof::Change(ChangeAt { seq, time: clock::iso(time) }));
        let mut course = Course::default();
        assert!(course.is_known(None, &[]), "nothing is remembered");
        assert!(!course.is_known(told(4, 4_000), &[]), "who has told it?");
        assert!(course.is_known(told(4, 4_000), &[]), "as it was before");
        course.has_told(&change(9));
        assert!(course.is_known(told(9, 9_000), &[]));
        assert!(course.is_known(told(11, 11_000), &[change(10), change(11), change(12)]));
        assert!(!course.is_known(told(11, 19_000), &[change(10), change(11)]), "another course");
        let chain = |seq| Some(Proof::Chain(at(seq)));
        assert!(!course.is_known(chain(10), &[]));
        course.goes_on(at(20));
        course.goes_on(at(30));
        assert!(course.is_known(chain(20), &[]), "the answer was lost");
        course.goes_on(at(30));
        assert!(course.is_known(chain(20), &[]), "it was not taken");
    }
}
