//! What the other side of a sink remembers of the journal that told it, so that another course of
//! the same journal is known for what it is: one that was restored from an older copy and went on.

use crate::chains::ChainAt;
use crate::clock;
use crate::heads::hex;
use crate::sale::{Seq, Stamp};
use crate::sink::{Change, Trouble};

/// What to do about two courses of one journal.
pub(super) const FORKED_ADVICE: &str = "serve the other one, or name a new place for this sink, \
                                        which is told from the beginning";

/// What it remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The chain value where a delivery ended.
    Chain(ChainAt),
    /// Its newest change. On another course that was made at another time, if at all: an operator
    /// needs longer for a copy than a microsecond.
    Change(ChangeAt),
}

/// A change by the record that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeAt {
    /// Which record.
    pub seq: Seq,
    /// When, as it is told: RFC 3339 in UTC, to the microsecond.
    pub time: String,
}

impl ChangeAt {
    /// This one.
    pub fn of(change: &Change) -> ChangeAt {
        ChangeAt { seq: change.seq, time: clock::iso(change.time) }
    }

    /// In two words, for what is told again and stands behind newer ones.
    pub(super) fn written(&self) -> String {
        format!("{} {}", self.seq, self.time)
    }

    /// Reads these two words.
    pub(super) fn read<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<ChangeAt> {
        Some(ChangeAt { seq: words.next()?.parse().ok()?, time: words.next()?.to_owned() })
    }

    /// Whether it is the one of this record.
    pub(super) fn is(&self, seq: Seq, at: Stamp) -> bool {
        self.seq == seq && self.time == clock::iso(at)
    }
}

impl Proof {
    /// What it speaks of.
    pub fn seq(&self) -> Seq {
        match self {
            Proof::Chain(at) => at.seq,
            Proof::Change(at) => at.seq,
        }
    }

    /// The other side was told by a server that went on from the same past in another way.
    pub(super) fn forked(&self) -> Trouble {
        let token = match self {
            Proof::Chain(at) => format!("chain {}", hex(&at.chain[..8])),
            Proof::Change(at) => format!("made at {}", at.time),
        };
        Trouble::Stop(format!(
            "its other side was told up to seq {} of a journal that took another course ({token}): \
             one of the two was restored from an older copy and went on; {FORKED_ADVICE}",
            self.seq()
        ))
    }
}
