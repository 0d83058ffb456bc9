//! How much can still be written when the disk has no more room for segments. The matcher reads it
//! to refuse new orders while what is held can still be confirmed and released.
//!
//! Two counters that only grow, each with one writer: what was made ready, and what was used up.

use std::sync::Arc;

use super::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// What the journal and the maker of segments tell each other, and the matcher.
#[derive(Debug, Default)]
struct Shared {
    /// The disk refuses another segment. Written by the maker.
    is_refused: AtomicBool,
    /// Bytes ever made ready. Written by the maker (Release); read in `bytes_left` (Acquire).
    made: AtomicU64,
    /// Of these, bytes used up or passed over. Written by the journal.
    used: AtomicU64,
}

/// Tells how many bytes are left for records.
#[derive(Clone, Debug, Default)]
pub struct Room(Arc<Shared>);

impl Room {
    /// With `bytes` in the segments that are there already.
    pub(super) fn with(bytes: u64) -> Room {
        let room = Room::default();
        room.add_made(bytes);
        room
    }

    /// Bytes of the segments that were made and not yet written, headers and seals of batches
    /// included (a batch takes 128 bytes more than its records, and the end of each segment may
    /// stay unused, by less than the largest record and these). `u64::MAX` while the disk has not
    /// refused another one.
    ///
    /// Records count once their batch is written, not before: what lies in the ring or in the
    /// batch under way is not subtracted. Whoever pushes must subtract what it pushed since, or
    /// the same bytes are promised twice. A lack of descriptors is no refusal: it ends by itself,
    /// and the journal waits.
    #[inline]
    pub fn bytes_left(&self) -> u64 {
        if !self.0.is_refused.load(Acquire) {
            return u64::MAX;
        }
        self.bytes_made()
    }

    /// Bytes of the segments that were made and not yet written, whether the disk refuses another
    /// one or not.
    pub fn bytes_made(&self) -> u64 {
        // `used` first: it never passes `made`, so the difference cannot be below zero.
        let used = self.0.used.load(Acquire);
        self.0.made.load(Acquire) - used
    }

    /// Whether the disk refuses another segment just now.
    pub fn is_refused(&self) -> bool {
        self.0.is_refused.load(Acquire)
    }

    pub(super) fn set_refused(&self, is_refused: bool) {
        self.0.is_refused.store(is_refused, Release);
    }

    /// By the maker only (and once before it starts).
    pub(super) fn add_made(&self, bytes: u64) {
        self.0.made.store(self.0.made.load(Relaxed) + bytes, Release);
    }

    /// By the journal only.
    pub(super) fn add_used(&self, bytes: u64) {
        self.0.used.store(self.0.used.load(Relaxed) + bytes, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_end_of_room_until_the_disk_refuses() {
        let room = Room::with(100);
        room.add_used(30);
        assert_eq!(room.bytes_left(), u64::MAX);
        room.set_refused(true);
        assert_eq!(room.bytes_left(), 70);
        room.add_made(50);
        assert_eq!(room.bytes_left(), 120);
        room.set_refused(false);
        assert_eq!(room.bytes_left(), u64::MAX);
    }
}
