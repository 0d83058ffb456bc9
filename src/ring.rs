//! A corridor from one thread to one other: single writer, single reader, lock-free, bounded.
//!
//! Both sides work in batches. The writer stages values with [`Writer::push`] and shows all of them
//! at once with [`Writer::publish`]; the reader looks at what is there with [`Reader::get`] and
//! hands the places back at once with [`Reader::release`]. Each side keeps what it last saw of the
//! other's index, so that the shared cache lines move once a batch and not once a value.
//! It never blocks and never allocates after it was made.
//!
//! Invariant: `read <= written <= read + capacity`; a place belongs to the reader from the
//! publication of its index until its release, to the writer otherwise. Both indices only grow;
//! they would take centuries to wrap.

#![allow(unsafe_code)]

#[cfg(loom)]
use loom::{
    cell::UnsafeCell,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Acquire, Ordering::Release},
    },
};
#[cfg(not(loom))]
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::Acquire, Ordering::Release},
};

use crossbeam::utils::CachePadded;

/// std's cell with loom's interface.
#[cfg(not(loom))]
struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    fn new(value: T) -> UnsafeCell<T> {
        UnsafeCell(std::cell::UnsafeCell::new(value))
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    #[inline]
    fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

struct Shared<T> {
    places: Box<[UnsafeCell<T>]>,
    /// Values published so far. Written by the writer (Release), read by the reader (Acquire).
    written: CachePadded<AtomicUsize>,
    /// Values released so far. Written by the reader (Release), read by the writer (Acquire).
    read: CachePadded<AtomicUsize>,
    /// Set when the writer is dropped (Release), read by the reader (Acquire).
    closed: AtomicBool,
}

// SAFETY: a place is only ever touched by the side that owns it (the module's invariant), and
// ownership passes by a Release store that the other side reads with Acquire.
unsafe impl<T: Send> Sync for Shared<T> {}
// SAFETY: the values may move between threads, and nothing else in it is bound to one.
unsafe impl<T: Send> Send for Shared<T> {}

/// The writing end.
pub struct Writer<T> {
    shared: Arc<Shared<T>>,
    mask: usize,
    /// Values written, shown or not.
    staged: usize,
    /// Values shown.
    published: usize,
    /// What this side last saw of `read`.
    read_seen: usize,
}

/// The reading end.
pub struct Reader<T> {
    shared: Arc<Shared<T>>,
    mask: usize,
    /// Values released.
    released: usize,
    /// What this side last saw of `written`.
    written_seen: usize,
}

/// Makes a ring of `capacity` places, all touched, so that no page fault comes later.
///
/// # Panics
/// If the capacity is not a power of two.
pub fn ring<T: Copy + Send>(capacity: usize, filler: T) -> (Writer<T>, Reader<T>) {
    assert!(capacity.is_power_of_two(), "a ring's capacity must be a power of two");
    let shared = Arc::new(Shared {
        places: (0..capacity).map(|_| UnsafeCell::new(filler)).collect(),
        written: CachePadded::new(AtomicUsize::new(0)),
        read: CachePadded::new(AtomicUsize::new(0)),
        closed: AtomicBool::new(false),
    });
    let mask = capacity - 1;
    let writer =
        Writer { shared: Arc::clone(&shared), mask, staged: 0, published: 0, read_seen: 0 };
    (writer, Reader { shared, mask, released: 0, written_seen: 0 })
}

impl<T: Copy + Send> Writer<T> {
    /// Places that can be written now. Asks the reader's index only if fewer than `wanted` are
    /// known to be free.
    #[inline]
    pub fn free(&mut self, wanted: usize) -> usize {
        let capacity = self.mask + 1;
        let known = capacity - (self.staged - self.read_seen);
        if known >= wanted {
            return known;
        }
        self.read_seen = self.shared.read.load(Acquire);
        assert!(self.staged - self.read_seen <= capacity);
        capacity - (self.staged - self.read_seen)
    }

    /// Stages one value; the reader sees it after [`publish`](Self::publish).
    ///
    /// # Panics
    /// If the ring is full: ask [`free`](Self::free) first.
    #[inline]
    pub fn push(&mut self, value: T) {
        assert!(self.free(1) > 0, "push into a full ring");
        self.shared.places[self.staged & self.mask].with_mut(|place| {
            // SAFETY: `free` proved that the reader has released this place (Acquire of `read`),
            // and it will not look at it again before `written` passes it.
            unsafe { *place = value };
        });
        self.staged += 1;
    }

    /// Shows the reader everything staged. Returns whether there was anything.
    #[inline]
    pub fn publish(&mut self) -> bool {
        if self.published == self.staged {
            return false;
        }
        self.published = self.staged;
        self.shared.written.store(self.published, Release);
        true
    }

    /// Values staged and not yet published.
    #[inline]
    pub fn unpublished(&self) -> usize {
        self.staged - self.published
    }
}

impl<T> Drop for Writer<T> {
    /// Staged values that were not published are lost, as they were never sent.
    fn drop(&mut self) {
        self.shared.closed.store(true, Release);
    }
}

impl<T: Copy + Send> Reader<T> {
    /// Values that can be read now. Asks the writer's index only if fewer than `wanted` are known
    /// to be there.
    #[inline]
    pub fn available(&mut self, wanted: usize) -> usize {
        if self.written_seen - self.released < wanted {
            self.written_seen = self.shared.written.load(Acquire);
            assert!(self.written_seen - self.released <= self.mask + 1);
        }
        self.written_seen - self.released
    }

    /// Value `index`, counted from the oldest not yet released.
    ///
    /// # Panics
    /// If it is not among those that the last [`available`](Self::available) counted.
    #[inline]
    pub fn get(&self, index: usize) -> T {
        let at = self.released + index;
        assert!(at < self.written_seen, "read past what was published");
        self.shared.places[at & self.mask].with(|place| {
            // SAFETY: `written_seen` was read with Acquire and lies past this place, so it was
            // written before; the writer will not touch it before `read` passes it.
            unsafe { *place }
        })
    }

    /// Hands the oldest `count` places back to the writer.
    ///
    /// # Panics
    /// If that is more than are there.
    #[inline]
    pub fn release(&mut self, count: usize) {
        assert!(self.released + count <= self.written_seen, "released more than was there");
        self.released += count;
        self.shared.read.store(self.released, Release);
    }

    /// Whether the writer is gone and everything it published was released.
    pub fn is_finished(&mut self) -> bool {
        // `closed` first: whatever was published before it is then visible to `available`.
        self.shared.closed.load(Acquire) && {
            self.written_seen = self.shared.written.load(Acquire);
            self.written_seen == self.released
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn values_arrive_in_order_and_only_once_published() {
        let (mut writer, mut reader) = ring(4, 0_u32);
        writer.push(1);
        writer.push(2);
        assert_eq!(reader.available(1), 0);
        assert!(writer.publish());
        assert!(!writer.publish());
        assert_eq!(reader.available(1), 2);
        assert_eq!((reader.get(0), reader.get(1)), (1, 2));
        reader.release(1);
        assert_eq!(reader.get(0), 2);
    }

    #[test]
    fn a_full_ring_says_so_until_something_is_released() {
        let (mut writer, mut reader) = ring(2, 0_u32);
        writer.push(1);
        writer.push(2);
        writer.publish();
        assert_eq!(writer.free(1), 0);
        assert_eq!(reader.available(2), 2);
        reader.release(1);
        assert_eq!(writer.free(1), 1);
        writer.push(3);
        writer.publish();
        assert_eq!(reader.available(2), 2);
        assert_eq!((reader.get(0), reader.get(1)), (2, 3));
    }

    #[test]
    fn the_reader_learns_of_the_end_after_the_last_value() {
        let (mut writer, mut reader) = ring(2, 0_u32);
        writer.push(1);
        writer.publish();
        drop(writer);
        assert!(!reader.is_finished());
        assert_eq!(reader.available(1), 1);
        reader.release(1);
        assert!(reader.is_finished());
    }

    #[test]
    #[should_panic(expected = "full ring")]
    fn pushing_into_a_full_ring_is_a_bug() {
        let (mut writer, _reader) = ring(1, 0_u32);
        writer.push(1);
        writer.push(2);
    }

    #[test]
    fn a_million_values_cross_two_threads_unharmed() {
        let (mut writer, mut reader) = ring(64, 0_u64);
        let sender = std::thread::spawn(move || {
            let mut next = 0;
            while next < 1_000_000 {
                let batch = writer.free(1).min(17);
                for _ in 0..batch {
                    writer.push(next);
                    next += 1;
                }
                writer.publish();
                std::thread::yield_now();
            }
        });
        let mut expected = 0;
        while expected < 1_000_000 {
            let there = reader.available(1);
            for index in 0..there {
                assert_eq!(reader.get(index), expected);
                expected += 1;
            }
            reader.release(there);
            std::thread::yield_now();
        }
        sender.join().expect("the sender does not panic");
    }
}
