//! A corridor from one thread to one other: single writer, single reader, lock-free, bounded.
//!
//! Both sides work in batches. The writer stages values with [`Writer::push`] or, cheaper by the
//! value, [`Writer::push_all`], and shows all of them at once with [`Writer::publish`]; the reader
//! looks at what is there with [`Reader::get`] and hands the places back at once with
//! [`Reader::release`]. Each side keeps what it last saw of the other's index, so that the shared
//! cache lines move once a batch and not once a value.
//! It never blocks and never allocates after it was made.
//!
//! Invariant: `read <= written <= read + capacity`; a place belongs to the reader from the
//! publication of its index until its release, to the writer otherwise. Both indices only grow;
//! they would take centuries to wrap.

#![allow(unsafe_code)]

#[cfg(doorbuster_loom)]
use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Acquire, Ordering::Release},
};
use std::sync::Arc;
#[cfg(not(doorbuster_loom))]
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Acquire, Ordering::Release};

use crossbeam::utils::CachePadded;

/// std's cell with loom's interface.
#[cfg(not(doorbuster_loom))]
struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(doorbuster_loom))]
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

/// Room for one value.
struct Place<T>(UnsafeCell<T>);

// SAFETY: a place is only ever touched by the side that owns it (the module's invariant), and
// ownership passes by a Release store that the other side reads with Acquire.
unsafe impl<T: Send> Sync for Place<T> {}

struct Indices {
    /// Values published so far. Written by the writer (Release), read by the reader (Acquire).
    written: CachePadded<AtomicUsize>,
    /// Values released so far. Written by the reader (Release), read by the writer (Acquire).
    read: CachePadded<AtomicUsize>,
    /// Set when the writer is dropped (Release), read by the reader (Acquire).
    closed: AtomicBool,
}

/// The writing end.
pub struct Writer<T> {
    indices: Arc<Indices>,
    /// Held by each side itself, so that a value costs no detour through `indices`.
    places: Arc<[Place<T>]>,
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
    indices: Arc<Indices>,
    places: Arc<[Place<T>]>,
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
    let places: Arc<[Place<T>]> = (0..capacity).map(|_| Place(UnsafeCell::new(filler))).collect();
    let indices = Arc::new(Indices {
        written: CachePadded::new(AtomicUsize::new(0)),
        read: CachePadded::new(AtomicUsize::new(0)),
        closed: AtomicBool::new(false),
    });
    let mask = capacity - 1;
    let writer = Writer {
        indices: Arc::clone(&indices),
        places: Arc::clone(&places),
        mask,
        staged: 0,
        published: 0,
        read_seen: 0,
    };
    (writer, Reader { indices, places, mask, released: 0, written_seen: 0 })
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
        self.read_seen = self.indices.read.load(Acquire);
        assert!(self.staged - self.read_seen <= capacity);
        capacity - (self.staged - self.read_seen)
    }

    /// Whether the reader has released everything that was staged.
    #[inline]
    pub fn is_read(&mut self) -> bool {
        self.free(self.mask + 1) > self.mask
    }

    /// Stages one value; the reader sees it after [`publish`](Self::publish).
    ///
    /// # Panics
    /// If the ring is full: ask [`free`](Self::free) first.
    #[inline]
    pub fn push(&mut self, value: T) {
        assert!(self.free(1) > 0, "push into a full ring");
        self.places[self.staged & self.mask].0.with_mut(|place| {
            // SAFETY: `free` proved that the reader has released this place (Acquire of `read`),
            // and it will not look at it again before `written` passes it.
            unsafe { *place = value };
        });
        self.staged += 1;
    }

    /// Stages all of `values`, as [`push`](Self::push) would one by one, but looks for room once.
    ///
    /// # Panics
    /// If there is no room for all of them.
    #[inline]
    pub fn push_all(&mut self, values: impl ExactSizeIterator<Item = T>) {
        let count = values.len();
        assert!(self.free(count) >= count, "push into a full ring");
        // The length may be a lie: no more than `count` are taken, and fewer may come. The count
        // is kept apart from `self`, so that it need not be stored for each value.
        let mut staged = self.staged;
        for value in values.take(count) {
            self.places[staged & self.mask].0.with_mut(|place| {
                // SAFETY: as in `push`: this is one of the `count` places that `free` counted.
                unsafe { *place = value };
            });
            staged += 1;
        }
        self.staged = staged;
    }

    /// Shows the reader everything staged. Returns whether there was anything.
    #[inline]
    pub fn publish(&mut self) -> bool {
        if self.published == self.staged {
            return false;
        }
        self.published = self.staged;
        self.indices.written.store(self.published, Release);
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
        self.indices.closed.store(true, Release);
    }
}

impl<T: Copy + Send> Reader<T> {
    /// Values that can be read now. Asks the writer's index only if fewer than `wanted` are known
    /// to be there.
    #[inline]
    pub fn available(&mut self, wanted: usize) -> usize {
        if self.written_seen - self.released < wanted {
            self.written_seen = self.indices.written.load(Acquire);
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
        self.places[at & self.mask].0.with(|place| {
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
        self.indices.read.store(self.released, Release);
    }

    /// Whether the writer is gone and everything it published was released.
    pub fn is_finished(&mut self) -> bool {
        // `closed` first: whatever was published before it is then visible to `available`.
        self.indices.closed.load(Acquire) && {
            self.written_seen = self.indices.written.load(Acquire);
            self.written_seen == self.released
        }
    }
}

#[cfg(all(test, not(doorbuster_loom)))]
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
    fn values_pushed_together_arrive_as_if_pushed_one_by_one() {
        let (mut writer, mut reader) = ring(4, 0_u32);
        for first in [1, 4, 7] {
            writer.push_all([first, first + 1, first + 2].into_iter());
            assert_eq!(writer.unpublished(), 3);
            writer.publish();
            assert_eq!(reader.available(3), 3);
            assert_eq!(
                [reader.get(0), reader.get(1), reader.get(2)],
                [first, first + 1, first + 2]
            );
            reader.release(3);
        }
    }

    #[test]
    #[should_panic(expected = "full ring")]
    fn pushing_more_together_than_there_is_room_for_is_a_bug() {
        let (mut writer, _reader) = ring(2, 0_u32);
        writer.push_all([1, 2, 3].into_iter());
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
