//! Tells the systems behind what has become of orders: each sink follows the journal on a thread of
//! its own, at its own pace, and remembers how far it has come.
//!
//! It is on no order's way: a sink that is slow, or whose other side is down, falls behind and
//! catches up, and the server goes on as if it were not there. Invariants: only what is durable is
//! told, in the order of seq; a checkpoint is written when what it speaks of has been taken, so
//! nothing is ever passed over. What is told twice after a crash is for each kind of sink to say:
//! files tell nothing twice.
//!
//! In the order in which a change meets it: `history` (records to changes), `follower` (the loop,
//! the same for all), `checkpoint`, and the kinds of sinks: `file`.

mod change;
mod checkpoint;
mod file;
mod follower;
mod history;

pub use change::{Change, ChangedLine, Kind, OrderFacts};
pub use checkpoint::{Checkpoint, FOLDER, path_of};
pub use file::{FileSink, FileTerms, Format};
pub use follower::{Follower, FollowerParts, Wanted};
pub use history::History;

use crate::sale::Seq;

/// Why a sink has not taken what it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It may later: a sentence.
    Again(String),
    /// It never will, and somebody has to look: a sentence.
    Stop(String),
}

/// Where changes go.
pub trait Sink: Send {
    /// Makes itself stand where `checkpoint` says: nothing after it has been taken. Asked once at
    /// first, with an empty mark if it never was before, and again after trouble. Returns the mark
    /// to be kept.
    ///
    /// # Errors
    /// [`Trouble`].
    fn begin(&mut self, checkpoint: &Checkpoint) -> Result<String, Trouble>;

    /// Takes changes, of which the last seq is at most `seq`; it has them for good when this
    /// returns. Returns the mark for the checkpoint at `seq`.
    ///
    /// # Errors
    /// [`Trouble`].
    fn deliver(&mut self, changes: &[Change], seq: Seq) -> Result<String, Trouble>;
}

#[cfg(test)]
mod tests;
