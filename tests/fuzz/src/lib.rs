//! Readers of what strangers and disks give, fed with what nobody would write: each target has an
//! oracle that says more than "it does not panic", and a bound on the memory that it may take.
//!
//! A run goes on from the files of a target's corpus: it changes one, reads it, and keeps it if
//! something was seen that no input before has shown (another refusal, another kind of request,
//! another size). That is guidance by behaviour instead of by branches, and needs no compiler of
//! its own. Each target runs in a process of its own, so an abort or a hang is a finding as well.

mod book;
#[path = "../../support/crash_disk.rs"]
mod crash_disk;
pub mod dice;
pub mod edits;
pub mod files;
pub mod folder;
pub mod inside;
pub mod meter;
pub mod mutate;
pub mod outside;
pub mod seen;
pub mod table;
pub mod targets;
