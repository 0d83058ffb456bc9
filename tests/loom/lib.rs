//! What threads share without a lock, by itself: the same files as in `src`, with loom's atomics in
//! place of std's.

#![cfg(doorbuster_loom)]
// That is how one file is tried with its fences and without.
#![allow(clippy::duplicate_mod)]

#[path = "../../src/bell.rs"]
pub mod bell;
#[path = "../../src/chains.rs"]
pub mod chains;
#[path = "../../src/news.rs"]
pub mod news;
#[path = "../../src/ring.rs"]
pub mod ring;
#[path = "../../src/journal/room.rs"]
pub mod room;
#[path = "../../src/board/slate.rs"]
pub mod slate;
#[path = "../../src/journal/watermark.rs"]
pub mod watermark;

pub mod owner;
pub mod unfenced;
pub mod unordered;

use loom::sync::atomic;

/// Bounds so small that they are reached in a model.
pub mod limits {
    /// News that are kept.
    pub const NEWS_MAX: usize = 2;
    /// Readers of them.
    pub const SHARDS_MAX: usize = 2;
}
