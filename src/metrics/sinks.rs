//! What each sink counts, under its name.

use std::sync::Arc;

use parking_lot::RwLock;

use super::Counter;

/// What one sink counts.
#[derive(Debug, Default)]
pub struct SinkCounters {
    /// Changes delivered.
    pub delivered: Counter,
    /// Attempts that failed, also those after which it has given up.
    pub failures: Counter,
    /// Messages given up, and written where somebody may look.
    pub dead: Counter,
    /// Messages that are not wanted, and are tried again later.
    pub postponed: Counter,
    /// Everything up to here is dealt with. How far that is behind is told by whoever looks: the
    /// sink itself may be waiting for an answer.
    pub seq: Counter,
    /// The time of the last record dealt with, Unix ns; 0 if none was left.
    pub behind_since: Counter,
    /// 1 if it has given up.
    pub stopped: Counter,
}

/// All sinks.
#[derive(Clone, Debug, Default)]
pub struct Sinks(Arc<RwLock<Vec<Named>>>);

/// A sink's name and what it counts.
type Named = (String, Arc<SinkCounters>);

impl Sinks {
    /// Adds a sink.
    pub fn add(&self, name: &str) -> Arc<SinkCounters> {
        let counters = Arc::<SinkCounters>::default();
        self.0.write().push((name.to_owned(), Arc::clone(&counters)));
        counters
    }

    /// Their names and counters, in the order in which they were added.
    pub fn all(&self) -> Vec<Named> {
        self.0.read().clone()
    }
}
