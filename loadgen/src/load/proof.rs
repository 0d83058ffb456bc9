//! What the replies alone prove: every key got one order, and every order one key.
//!
//! Memory does not grow with the run: repeats reach back a bounded way, so the last keys are enough
//! to judge them, and orders' ids are marked in a sparse bitmap of one bit each, with a bound. What
//! lies past a bound is counted as unchecked, never passed over in silence.

use std::collections::HashMap;

use super::content::REPEAT_REACH;

/// Keys remembered, a power of two; a few times the reach, for what is still in flight.
const KEYS: usize = 4 * REPEAT_REACH as usize;
/// Orders' ids on one page of the bitmap.
const PAGE_BITS: u64 = 32_768;
const PAGE_WORDS: usize = PAGE_BITS as usize / 64;
/// Pages at most: 128 MiB.
const PAGES_MAX: usize = 32_768;

type Page = Box<[u64; PAGE_WORDS]>;

/// The last order that a key was seen with.
#[derive(Clone, Copy, Default)]
struct Key {
    /// The request's number and one; 0 for none.
    number: u64,
    order: u64,
    /// Whether one answer said that the order is new.
    new: bool,
}

/// Watches the answers of one thread.
pub(crate) struct Proof {
    /// Empty when no request repeats another.
    keys: Vec<Key>,
    stride: u64,
    pages: HashMap<u64, Page>,
    pub(crate) found: Findings,
}

/// What was seen. All but `repeats` and `unchecked` are violations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Orders given to more than one key.
    pub(crate) order_given_twice: u64,
    /// Keys that got more than one order, or one order as new more than once.
    pub(crate) key_with_two_orders: u64,
    /// Confirms and releases answered with another order or state than asked.
    pub(crate) wrong_order: u64,
    /// Purchases given another number of units than asked for.
    pub(crate) wrong_units: u64,
    /// Answers that came out of order or to nothing.
    pub(crate) out_of_order: u64,
    /// Answers to a repeated key that were compared with another.
    pub(crate) repeats: u64,
    /// Answers past a bound of memory.
    pub(crate) unchecked: u64,
}

impl Findings {
    pub(crate) fn add(&mut self, other: &Findings) {
        self.order_given_twice += other.order_given_twice;
        self.key_with_two_orders += other.key_with_two_orders;
        self.wrong_order += other.wrong_order;
        self.wrong_units += other.wrong_units;
        self.out_of_order += other.out_of_order;
        self.repeats += other.repeats;
        self.unchecked += other.unchecked;
    }
}

impl Proof {
    pub(crate) fn new(has_repeats: bool, stride: u64) -> Proof {
        let keys = if has_repeats { vec![Key::default(); KEYS] } else { Vec::new() };
        Proof { keys, stride, pages: HashMap::new(), found: Findings::default() }
    }

    /// Takes the order that a purchase was answered with. `said_replayed` is `None` where the
    /// protocol does not tell. Returns whether the order is a repetition.
    pub(crate) fn order(&mut self, number: u64, order: u64, said_replayed: Option<bool>) -> bool {
        let known = self.know(number, order, said_replayed == Some(false));
        // Of a key past the bound of memory nobody knows: it counts as one that was there.
        let replayed = said_replayed.or(known).unwrap_or(true);
        if !replayed {
            self.mark(order);
        }
        replayed
    }

    /// Compares with what was seen of the key; whether anything was, if that is remembered.
    fn know(&mut self, number: u64, order: u64, new: bool) -> Option<bool> {
        if self.keys.is_empty() {
            return Some(false);
        }
        let slot = usize::try_from(number / self.stride).unwrap_or(usize::MAX) % KEYS;
        let key = &mut self.keys[slot];
        if key.number == number + 1 {
            self.found.repeats += 1;
            if key.order != order || key.new && new {
                self.found.key_with_two_orders += 1;
            }
            key.new |= new;
            return Some(true);
        }
        if key.number > number + 1 {
            self.found.unchecked += 1;
            return None;
        }
        *key = Key { number: number + 1, order, new };
        Some(false)
    }

    fn mark(&mut self, order: u64) {
        let full = self.pages.len() >= PAGES_MAX;
        let number = order / PAGE_BITS;
        if full && !self.pages.contains_key(&number) {
            self.found.unchecked += 1;
            return;
        }
        let page = self.pages.entry(number).or_insert_with(|| Box::new([0; PAGE_WORDS]));
        let bit = (order % PAGE_BITS) as usize;
        let (word, mask) = (bit / 64, 1_u64 << (bit % 64));
        if page[word] & mask != 0 {
            self.found.order_given_twice += 1;
        }
        page[word] |= mask;
    }

    /// Takes what another thread saw.
    pub(crate) fn merge(&mut self, other: Proof) {
        self.found.add(&other.found);
        for (number, page) in other.pages {
            let own = self.pages.entry(number).or_insert_with(|| Box::new([0; PAGE_WORDS]));
            for (own, other) in own.iter_mut().zip(page.iter()) {
                self.found.order_given_twice += u64::from((*own & other).count_ones());
                *own |= other;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_law_allows_passes() {
        let mut proof = Proof::new(true, 2);
        assert!(!proof.order(1, 10, Some(false)));
        assert!(!proof.order(3, 11, Some(false)));
        assert!(proof.order(1, 10, Some(true)));
        // The repetition is heard before the first answer.
        assert!(proof.order(5, 12, Some(true)));
        assert!(!proof.order(5, 12, Some(false)));
        // RESP does not tell.
        assert!(!proof.order(7, 13, None));
        assert!(proof.order(7, 13, None));
        assert_eq!(proof.found, Findings { repeats: 3, ..Findings::default() });
    }

    #[test]
    fn what_the_law_forbids_is_found() {
        let mut proof = Proof::new(true, 1);
        proof.order(1, 10, Some(false));
        proof.order(2, 10, Some(false));
        assert_eq!(proof.found.order_given_twice, 1);
        proof.order(1, 20, Some(true));
        assert_eq!(proof.found.key_with_two_orders, 1);
        proof.order(2, 10, Some(false));
        assert_eq!(proof.found.key_with_two_orders, 2);
        let mut other = Proof::new(false, 1);
        other.order(9, 10, Some(false));
        other.order(10, 11, Some(false));
        let before = proof.found.order_given_twice;
        proof.merge(other);
        assert_eq!(proof.found.order_given_twice, before + 1);
    }
}
