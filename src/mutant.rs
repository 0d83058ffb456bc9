//! Deliberate faults, one at a time, for the tests that prove that the drill would find them.
//!
//! There are none in a program that serves: outside of this crate's own unit tests the question is
//! a constant, and what hangs on it is not compiled in. A fault is in force on the thread that
//! asked for it and on those that inherit it.

/// A deliberate fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// The journal reads what its checksums say was not written.
    ChecksumOff,
    /// The journal says that it synced.
    SyncSkipped,
    /// Answers may leave before what they tell is written.
    ReplyBeforeSync,
    /// A key that was used counts as new.
    DedupeDropped,
    /// A hold lasts one nanosecond longer.
    ExpiryLate,
    /// What is given back counts against the limit as before.
    LimitNotGivenBack,
    /// Who came last is decided first.
    ArrivalSwapped,
    /// What was sold out stays so on the board.
    StaleFlagKept,
    /// A torn batch counts as whole.
    TornTailAccepted,
}

/// Whether this fault is in force.
#[cfg(not(test))]
#[inline(always)]
pub(crate) const fn is(_: Mutant) -> bool {
    false
}

/// What [`inherit`] hands on: nothing.
#[cfg(not(test))]
#[inline(always)]
pub(crate) const fn current() -> Option<Mutant> {
    None
}

/// Has this thread inherit the fault of the one that starts it.
#[cfg(not(test))]
#[inline(always)]
pub(crate) const fn inherit(_: Option<Mutant>) {}

#[cfg(test)]
pub(crate) use switch::{ALL, current, inherit, is};

#[cfg(test)]
mod switch {
    use std::cell::Cell;

    use super::Mutant;

    thread_local! {
        static FORCE: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// All of them.
    pub(crate) const ALL: [Mutant; 9] = [
        Mutant::ChecksumOff,
        Mutant::SyncSkipped,
        Mutant::ReplyBeforeSync,
        Mutant::DedupeDropped,
        Mutant::ExpiryLate,
        Mutant::LimitNotGivenBack,
        Mutant::ArrivalSwapped,
        Mutant::StaleFlagKept,
        Mutant::TornTailAccepted,
    ];

    pub(crate) fn is(mutant: Mutant) -> bool {
        FORCE.get() == Some(mutant)
    }

    pub(crate) fn current() -> Option<Mutant> {
        FORCE.get()
    }

    pub(crate) fn inherit(mutant: Option<Mutant>) {
        FORCE.set(mutant);
    }
}
