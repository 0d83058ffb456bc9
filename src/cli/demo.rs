//! `doorbuster demo` (being built).
use super::{Demo, FAILED};

/// Runs it.
pub(super) fn run(arguments: &Demo) -> i32 {
    let _ = arguments.keep;
    FAILED
}
