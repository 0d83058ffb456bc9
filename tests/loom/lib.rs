//! The ring and the bell by themselves, with loom's atomics in place of std's.

#[path = "../../src/bell.rs"]
pub mod bell;
#[path = "../../src/ring.rs"]
pub mod ring;
