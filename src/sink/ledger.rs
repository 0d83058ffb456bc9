//! What a sink's other side has, read back to be compared with the journal.

use super::{Told, Trouble};
use crate::sale::Seq;

/// A change as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The change.
    pub told: Told<'static>,
    /// Whether what is in the order was kept as it was then; else its facts mean nothing.
    pub has_facts: bool,
    /// What is wrong with it by itself, a sentence.
    pub fault: Option<String>,
}

/// Changes in the order of seq.
pub trait Ledger {
    /// What lies at or before this is not kept, and not to be missed.
    fn start(&self) -> Seq {
        0
    }

    /// Up to which seq it was told; what comes behind it is on its way.
    fn seq(&self) -> Seq;

    /// The next one.
    ///
    /// # Errors
    /// [`Trouble`].
    fn next(&mut self) -> Result<Option<Found>, Trouble>;
}
