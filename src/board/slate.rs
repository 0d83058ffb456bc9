//! What the board is written on: places for notices, and bits of what was given. Atomics and
//! nothing else, so that loom can try every interleaving of it (`tests/loom`).
//!
//! One thread writes, any number read, nobody locks. A notice is four words and a version, which
//! is odd while they are written: what a reader is given was written together. Invariants: who
//! reads a notice sees all bits that were set before it was put up; who misses a bit that was wiped
//! is told that its notice is up no more.

// Loom's models see it from outside.
#![allow(unreachable_pub)]

use super::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

/// Words of a notice. The first is 0 while there is none; its low half says what it is about.
pub type Words = [u64; 4];

/// Room for one notice.
struct Place {
    version: AtomicU64,
    words: [AtomicU64; 4],
}

/// The slate.
pub struct Slate {
    places: Box<[Place]>,
    /// Bits of the buyers and keys that were given something.
    given: Box<[AtomicU64]>,
}

impl Slate {
    /// An empty one.
    pub fn new(places: usize, given: usize) -> Slate {
        let word = |_| AtomicU64::new(0);
        let place = |_| Place { version: AtomicU64::new(0), words: [0; 4].map(word) };
        Slate {
            places: (0..places).map(place).collect(),
            given: (0..given).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Words of bits.
    #[inline]
    pub fn given(&self) -> usize {
        self.given.len()
    }

    /// The first word of the notice at a place, for the writer.
    #[inline]
    pub fn first(&self, place: usize) -> u64 {
        self.places[place].words[0].load(Relaxed)
    }

    /// Puts a notice up; by the writer only, as all that follows. Partner: the two loads of the
    /// version, in `read` and `is_up`.
    pub fn put_up(&self, place: usize, words: Words) {
        let place = &self.places[place];
        let version = place.version.load(Relaxed);
        place.version.store(version + 1, Relaxed);
        fence(Release);
        for (word, value) in place.words.iter().zip(words) {
            word.store(value, Relaxed);
        }
        place.version.store(version + 2, Release);
    }

    /// Takes down what stands at a place.
    #[inline]
    pub fn take_down(&self, place: usize) {
        let place = &self.places[place];
        let version = place.version.load(Relaxed);
        place.version.store(version + 1, Relaxed);
        fence(Release);
        place.words[0].store(0, Relaxed);
        place.version.store(version + 2, Release);
    }

    /// Sets bits of a word.
    #[inline]
    pub fn give(&self, word: usize, bits: u64) {
        let word = &self.given[word];
        // The only writer: no locked instruction.
        word.store(word.load(Relaxed) | bits, Relaxed);
    }

    /// Clears these words. No notice may be up.
    ///
    /// Partner: the load of the version in `is_up`, which tells a reader that the notice it goes by
    /// was taken down before anything was wiped.
    pub fn wipe(&self, words: std::ops::Range<usize>) {
        self.given[words].iter().for_each(|word| word.store(0, Relaxed));
    }

    /// The notice at a place and its version, if it is about this. A reader that meets the writer
    /// has none.
    #[inline]
    pub fn read(&self, place: usize, about: u32) -> Option<(Words, u64)> {
        let place = &self.places[place];
        if place.words[0].load(Relaxed) as u32 != about {
            return None;
        }
        let version = place.version.load(Acquire);
        let words = [0, 1, 2, 3].map(|index: usize| place.words[index].load(Relaxed));
        fence(Acquire);
        let is_whole = version.is_multiple_of(2) && place.version.load(Relaxed) == version;
        (is_whole && words[0] as u32 == about).then_some((words, version))
    }

    /// Whether all these bits of a word are set.
    #[inline]
    pub fn has(&self, word: usize, bits: u64) -> bool {
        self.given[word].load(Relaxed) & bits == bits
    }

    /// Whether the notice that was read with this version is still up, so that no bit which
    /// [`has`](Self::has) missed since then had been wiped.
    #[inline]
    pub fn is_up(&self, place: usize, version: u64) -> bool {
        fence(Acquire);
        self.places[place].version.load(Relaxed) == version
    }
}
