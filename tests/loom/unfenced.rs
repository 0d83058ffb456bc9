//! The same files without their fences: what loom must find fault with.

#[path = "../../src/chains.rs"]
pub mod chains;
#[path = "../../src/news.rs"]
pub mod news;
#[path = "../../src/board/slate.rs"]
pub mod slate;

mod atomic {
    pub(super) use crate::atomic::{AtomicBool, AtomicU64, Ordering};

    pub(super) fn fence(_: Ordering) {}
}
