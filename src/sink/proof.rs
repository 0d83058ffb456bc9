//! What the other side of a sink remembers of the journal that told it, so that another course of
//! the same journal is known for what it is: one that was restored from an older copy and went on.

use crate::chains::ChainAt;
use crate::clock;
use crate::heads::hex;
use crate::sale::{Seq, Stamp};
use crate::sink::Trouble;

/// What it remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The chain value where a delivery ended.
    Chain(ChainAt),
    /// Its last change. On another course that was made at another time, if at all: an operator
    /// needs longer for a copy than a microsecond.
    Change {
        /// Which record made it.
        seq: Seq,
        /// When, as it is told: RFC 3339 in UTC, to the microsecond.
        time: String,
    },
}

impl Proof {
    /// What it speaks of.
    pub fn seq(&self) -> Seq {
        match self {
            Proof::Chain(at) => at.seq,
            Proof::Change { seq, .. } => *seq,
        }
    }

    /// Whether it speaks of a change that was made here, then.
    pub(super) fn is_of(&self, made: Seq, at: Stamp) -> bool {
        matches!(self, Proof::Change { seq, time } if *seq == made && *time == clock::iso(at))
    }

    /// The other side was told by a server that went on from the same past in another way.
    pub(super) fn forked(&self) -> Trouble {
        let token = match self {
            Proof::Chain(at) => format!("chain {}", hex(&at.chain[..8])),
            Proof::Change { time, .. } => format!("made at {time}"),
        };
        Trouble::Stop(format!(
            "its other side was told up to seq {} of a journal that took another course ({token}): \
             one of the two was restored from an older copy and went on; set the other side right \
             before this goes on",
            self.seq()
        ))
    }
}
