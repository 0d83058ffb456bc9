//! What may change while the server runs, on its way from whoever reloads to the rooms that follow.
//!
//! A reader pays one load a round while nothing changes, and takes a lock only when something did;
//! nothing is looked up for an order.
//!
//! Invariant: a reader that has seen a version has values at least as new.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use parking_lot::RwLock;

/// The values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Values {
    /// Connections of one shard.
    pub shard_connections_max: usize,
    /// See the options of these names.
    pub idle_ms: u64,
    /// Time to finish a request, ms.
    pub request_ms: u64,
    /// Time to take answers, ms.
    pub write_stall_ms: u64,
    /// The longest wait of a purchase for its decision, ms.
    pub shed_after_ms: u64,
}

#[derive(Debug, Default)]
struct Board {
    /// Raised after `values` changed (Release), read before them (Acquire).
    version: AtomicU64,
    values: RwLock<Values>,
}

/// The side that changes them.
#[derive(Debug, Default)]
pub struct Live(Arc<Board>);

impl Live {
    /// A board with these values on it.
    pub fn new(values: Values) -> Live {
        let live = Live::default();
        live.set(values);
        live
    }

    /// Puts up new values.
    pub fn set(&self, values: Values) {
        *self.0.values.write() = values;
        self.0.version.fetch_add(1, Ordering::Release);
    }

    /// A reader that has seen nothing yet.
    pub fn follow(&self) -> Follower {
        Follower { board: Arc::clone(&self.0), seen: 0 }
    }
}

/// One reader. The default follows a board that never has anything on it.
#[derive(Debug, Default)]
pub struct Follower {
    board: Arc<Board>,
    seen: u64,
}

impl Follower {
    /// The values, if they are newer than those seen before.
    #[inline]
    pub fn news(&mut self) -> Option<Values> {
        let version = self.board.version.load(Ordering::Acquire);
        if version == self.seen {
            return None;
        }
        self.seen = version;
        Some(*self.board.values.read())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_are_told_once_to_each_follower() {
        assert_eq!(Follower::default().news(), None);
        let first = Values { idle_ms: 1, ..Values::default() };
        let live = Live::new(first);
        let (mut one, mut other) = (live.follow(), live.follow());
        assert_eq!((one.news(), one.news()), (Some(first), None));
        let second = Values { idle_ms: 2, ..first };
        live.set(second);
        assert_eq!((one.news(), other.news()), (Some(second), Some(second)));
        assert_eq!((one.news(), other.news()), (None, None));
    }
}
