//! Which orders have changed, told by the matcher to the shards whose buyers want to hear of it.
//!
//! The matcher writes ids, every shard reads them at its own pace, nobody locks or waits. What
//! became of an order is not told here: a shard that hears of one it watches asks for it like any
//! buyer, so what it then tells is decided in order and durable like any other answer. While no
//! shard watches anything the matcher pays one load for a change.
//!
//! Invariant: a reader hears of every change made after it began to watch, or that it was lapped:
//! then some were overwritten before it came, and it asks for all that it watches.

use std::sync::Arc;

use crossbeam::utils::CachePadded;

use super::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};
use crate::limits::{NEWS_MAX, SHARDS_MAX};

// Each reader has a bit of one word.
const _: () = assert!(SHARDS_MAX <= u64::BITS as usize);
const _: () = assert!(NEWS_MAX.is_power_of_two());

/// How far the writer is. Both numbers only grow.
#[derive(Default)]
struct Written {
    /// Entries begun: raised before the entry is written (Relaxed, with a Release fence behind),
    /// looked at after one was read (Relaxed, with an Acquire fence before).
    begun: AtomicU64,
    /// Entries shown (Release), read before they are looked at (Acquire).
    shown: AtomicU64,
}

struct Shared {
    written: CachePadded<Written>,
    /// A bit for each reader that watches anything. Set before its first question is put into a
    /// ring, so whoever has taken that question out sees it.
    watching: CachePadded<AtomicU64>,
    /// Ids of orders, the oldest overwritten first.
    entries: Box<[AtomicU64]>,
}

impl Shared {
    fn entry(&self, number: u64) -> &AtomicU64 {
        &self.entries[number as usize % NEWS_MAX]
    }
}

/// The matcher's side.
pub struct NewsWriter {
    shared: Arc<Shared>,
    written: u64,
    shown: u64,
    /// Readers that were watching when something was last told, a bit each.
    listeners: u64,
}

/// A shard's side.
pub struct News {
    shared: Arc<Shared>,
    bit: u64,
    /// Entries heard.
    heard: u64,
    is_watching: bool,
}

/// What a reader hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// This order has changed.
    Changed(u64),
    /// Any order may have changed: more was told than is kept.
    Lapped,
}

impl Default for NewsWriter {
    fn default() -> NewsWriter {
        let shared = Shared {
            written: CachePadded::default(),
            watching: CachePadded::default(),
            entries: (0..NEWS_MAX).map(|_| AtomicU64::new(0)).collect(),
        };
        NewsWriter { shared: Arc::new(shared), written: 0, shown: 0, listeners: 0 }
    }
}

impl NewsWriter {
    /// A reader, by its number among all of them, from 0.
    ///
    /// # Panics
    /// If there are not so many shards.
    pub fn reader(&self, index: usize) -> News {
        assert!(index < SHARDS_MAX, "there is no shard {index}");
        let shared = Arc::clone(&self.shared);
        News { shared, bit: 1 << index, heard: 0, is_watching: false }
    }

    /// Tells that an order has changed, if anybody wants to know.
    #[inline]
    pub fn tell(&mut self, order: u64) {
        let watching = self.shared.watching.load(Relaxed);
        if watching != 0 {
            self.listeners = watching;
            self.write(order);
        }
    }

    /// Apart from [`tell`](Self::tell), so that the usual way of it stays short.
    #[cold]
    fn write(&mut self, order: u64) {
        let entry = self.written;
        self.written += 1;
        self.shared.written.begun.store(self.written, Relaxed);
        fence(Release);
        self.shared.entry(entry).store(order, Relaxed);
    }

    /// Shows what was told. Returns whether there was anything.
    #[inline]
    pub fn publish(&mut self) -> bool {
        if self.shown == self.written {
            return false;
        }
        self.shown = self.written;
        self.shared.written.shown.store(self.shown, Release);
        true
    }

    /// Whether the reader of this number wanted to hear of what was last told.
    pub fn is_for(&self, index: usize) -> bool {
        index < SHARDS_MAX && self.listeners & 1 << index != 0
    }
}

impl News {
    /// Wants to hear of changes or not. From when it does, it hears of all that are decided after a
    /// question which it puts to the matcher after this.
    pub fn watch(&mut self, wanted: bool) {
        if wanted == self.is_watching {
            return;
        }
        self.is_watching = wanted;
        if wanted {
            self.heard = self.shared.written.shown.load(Acquire);
            self.shared.watching.fetch_or(self.bit, Relaxed);
        } else {
            self.shared.watching.fetch_and(!self.bit, Relaxed);
        }
    }

    /// Whether there is anything to hear.
    #[inline]
    pub fn is_there(&self) -> bool {
        self.is_watching && self.shared.written.shown.load(Acquire) != self.heard
    }

    /// The next piece of news; `None` if there is none, or none is wanted.
    pub fn hear(&mut self) -> Option<Heard> {
        if !self.is_there() {
            return None;
        }
        let shown = self.shared.written.shown.load(Acquire);
        if shown - self.heard <= NEWS_MAX as u64 {
            let order = self.shared.entry(self.heard).load(Relaxed);
            fence(Acquire);
            // If what was read is of a later lap, that lap's beginning is seen here.
            if self.shared.written.begun.load(Relaxed) - self.heard <= NEWS_MAX as u64 {
                self.heard += 1;
                return Some(Heard::Changed(order));
            }
        }
        self.heard = shown;
        Some(Heard::Lapped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(news: &mut News) -> Vec<Heard> {
        std::iter::from_fn(|| news.hear()).collect()
    }

    #[test]
    fn only_who_watches_hears_and_only_of_what_came_later() {
        let mut writer = NewsWriter::default();
        let (mut one, mut other) = (writer.reader(0), writer.reader(63));
        writer.tell(1);
        assert!(!writer.publish(), "nobody wants to know");
        one.watch(true);
        writer.tell(2);
        assert_eq!(all(&mut one), [], "not shown yet");
        assert!(writer.publish() && one.is_there() && !writer.publish());
        assert!(writer.is_for(0) && !writer.is_for(63) && !writer.is_for(64));
        other.watch(true);
        writer.tell(3);
        assert!(writer.publish() && writer.is_for(63));
        assert_eq!(all(&mut one), [Heard::Changed(2), Heard::Changed(3)]);
        assert_eq!(all(&mut other), [Heard::Changed(3)]);
        one.watch(false);
        other.watch(false);
        writer.tell(4);
        assert!(!writer.publish());
        one.watch(true);
        assert_eq!(all(&mut one), []);
    }

    #[test]
    fn who_comes_too_late_knows_it_and_hears_on_from_there() {
        let mut writer = NewsWriter::default();
        let mut news = writer.reader(0);
        news.watch(true);
        let most = NEWS_MAX as u64;
        (0..most).for_each(|order| writer.tell(order));
        writer.publish();
        assert_eq!(news.hear(), Some(Heard::Changed(0)));
        // Told, not shown, and yet written over what was shown.
        (0..2).for_each(|order| writer.tell(most + order));
        assert_eq!(news.hear(), Some(Heard::Lapped));
        assert_eq!(news.hear(), None);
        writer.publish();
        assert_eq!(all(&mut news), [Heard::Changed(most), Heard::Changed(most + 1)]);
        (0..=most).for_each(|order| writer.tell(order));
        writer.publish();
        assert_eq!(all(&mut news), [Heard::Lapped]);
    }

    #[test]
    fn a_reader_beside_the_writer_misses_nothing_without_knowing_it() {
        const ORDERS: u64 = 20 * NEWS_MAX as u64;
        let mut writer = NewsWriter::default();
        let mut news = writer.reader(5);
        news.watch(true);
        let reader = std::thread::spawn(move || {
            let (mut last, mut laps, mut heard) = (0, 0, 0_u64);
            let mut lapped = false;
            while last < ORDERS {
                match news.hear() {
                    None => std::thread::yield_now(),
                    Some(Heard::Lapped) => {
                        (laps, lapped) = (laps + 1, true);
                        std::thread::yield_now();
                    }
                    Some(Heard::Changed(order)) => {
                        assert!(
                            order == last + 1 || lapped && order > last,
                            "{order} after {last}"
                        );
                        (last, lapped, heard) = (order, false, heard + 1);
                    }
                }
            }
            (laps, heard)
        });
        for order in 1..=ORDERS {
            writer.tell(order);
            if order % 7 == 0 || order == ORDERS {
                writer.publish();
            }
        }
        // The last one is heard even if it was lapped just before.
        while !reader.is_finished() {
            writer.tell(ORDERS);
            writer.publish();
        }
        let (_, heard) = reader.join().expect("no gap that was not told");
        assert!(heard > 0);
    }
}
