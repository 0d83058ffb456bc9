//! What the host has planned: units that are to be added, and channels whose rest is to return.
//!
//! Invariant: in the order of (time, id), and no time in it has passed when a command is decided.

use super::command::{Seq, Stamp};

/// Waves of one sale that are to come.
pub const WAVES_PER_SALE_MAX: usize = 32;

/// Units that are to be added to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wave {
    /// The seq of its plan.
    pub id: Seq,
    /// Number of the item.
    pub item: u16,
    /// How many.
    pub units: u64,
    /// When.
    pub at: Stamp,
}
