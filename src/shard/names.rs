//! From names to numbers, with a memory for the hot ones.
//!
//! A flash sale is a few pairs of names said over and over: the pair of the last request is
//! compared first, then its place in a small table, and only then the directory is asked. It
//! remembers no name that the directory does not know.
//!
//! Invariant: what is remembered was read from the page that the directory shows now.

use std::sync::Arc;

use crate::directory::{Directory, Page};
use crate::limits::{ORDER_CELLS_MAX, REPLY_CELLS_MAX, SALE_MORE_CELLS_MAX};
use crate::message::{Head, kind};
use crate::sale::{Name, TEXT_BYTES_MAX, Text};

const PLACES: usize = 64;

/// A pair that was looked up. An empty sale marks an empty place.
#[derive(Clone, Copy)]
struct Pair {
    sale_len: u8,
    item_len: u8,
    sale: Text,
    item: Text,
    numbers: (u16, u16),
}

const NO_PAIR: Pair = Pair {
    sale_len: 0,
    item_len: 0,
    sale: [0; TEXT_BYTES_MAX],
    item: [0; TEXT_BYTES_MAX],
    numbers: (0, 0),
};

impl Pair {
    #[inline]
    fn is(&self, sale: &[u8], item: &[u8]) -> bool {
        self.sale_len as usize == sale.len()
            && self.item_len as usize == item.len()
            && self.sale[..sale.len()] == *sale
            && self.item[..item.len()] == *item
    }
}

pub(super) struct Names {
    directory: Directory,
    pairs: Box<[Pair; PLACES]>,
    last: usize,
}

impl Names {
    pub(super) fn new(directory: Directory) -> Names {
        Names { directory, pairs: Box::new([NO_PAIR; PLACES]), last: 0 }
    }

    /// Looks whether there is a newer page. Once for each socket read.
    #[inline]
    pub(super) fn refresh(&mut self) {
        let before = Arc::as_ptr(self.directory.page());
        if Arc::as_ptr(self.directory.refresh()) != before {
            self.pairs.fill(NO_PAIR);
        }
    }

    pub(super) fn page(&self) -> &Page {
        self.directory.page()
    }

    /// The numbers of a sale and one of its items; 0 for what is not known.
    #[inline]
    pub(super) fn numbers(&mut self, sale: &[u8], item: &[u8]) -> (u16, u16) {
        if sale.is_empty() {
            return (0, 0);
        }
        if self.pairs[self.last].is(sale, item) {
            return self.pairs[self.last].numbers;
        }
        let place = place_of(sale, item);
        if self.pairs[place].is(sale, item) {
            self.last = place;
            return self.pairs[place].numbers;
        }
        self.look_up(place, sale, item)
    }

    /// Cells that the answer to a request about this sale may take.
    #[inline]
    pub(super) fn promise(&self, head: &Head, sale: u16) -> u16 {
        let cells = match head.kind {
            kind::BUY..=kind::BASKET if !head.is_full() => 1,
            kind::STOCK => 1,
            kind::BUY => ORDER_CELLS_MAX,
            kind::SALE => self
                .page()
                .names(sale)
                .map_or(1, |names| 1 + names.items.len() + SALE_MORE_CELLS_MAX),
            _ => REPLY_CELLS_MAX,
        };
        cells as u16
    }

    #[cold]
    fn look_up(&mut self, place: usize, sale: &[u8], item: &[u8]) -> (u16, u16) {
        let page = self.directory.page();
        let sale_number = Name::parse(sale).map_or(0, |name| page.sale(&name));
        let item_number = Name::parse(item).map_or(0, |name| page.item(sale_number, &name));
        let numbers = (sale_number, item_number);
        if sale_number != 0 && (item_number != 0 || item.is_empty()) {
            let mut pair = NO_PAIR;
            (pair.sale_len, pair.item_len) = (sale.len() as u8, item.len() as u8);
            pair.sale[..sale.len()].copy_from_slice(sale);
            pair.item[..item.len()].copy_from_slice(item);
            pair.numbers = numbers;
            self.pairs[place] = pair;
            self.last = place;
        }
        numbers
    }
}

/// FNV-1a. Whoever chooses names that collide only makes their own look-ups slower.
fn place_of(sale: &[u8], item: &[u8]) -> usize {
    let bytes = sale.iter().chain(item).take(2 * TEXT_BYTES_MAX);
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash >> 32) as usize % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::DirectoryWriter;

    #[test]
    fn names_are_found_again_and_new_pages_are_seen() {
        let name = |text: &str| Name::parse(text.as_bytes()).expect("a name");
        let mut writer = DirectoryWriter::default();
        writer.add(name("drop"), [name("tee"), name("cap")]);
        let mut names = Names::new(writer.reader());
        for _ in 0..2 {
            assert_eq!(names.numbers(b"drop", b"cap"), (1, 2));
            assert_eq!(names.numbers(b"drop", b"tee"), (1, 1));
            assert_eq!(names.numbers(b"drop", b""), (1, 0));
            assert_eq!(names.numbers(b"drop", &[b'x'; 300]), (1, 0));
            assert_eq!(names.numbers(b"next", b"tee"), (0, 0));
            assert_eq!(names.numbers(b"", b"tee"), (0, 0));
            assert_eq!(names.numbers(b"a b", b"tee"), (0, 0));
        }
        writer.add(name("next"), [name("cap"), name("tee")]);
        assert_eq!(names.numbers(b"next", b"tee"), (0, 0));
        names.refresh();
        assert_eq!(names.numbers(b"next", b"tee"), (2, 2));
        assert_eq!(names.numbers(b"drop", b"tee"), (1, 1));
    }
}
