//! The lines of baskets: what an order of several items is made of, one after another, 16 bytes
//! each. An order of one item has its line in itself and nothing here.
//!
//! There are two halves, and one is written. When orders are cleared away, the lines of those that
//! stay are carried over into the other: no gaps are left, whatever came and went, so lines fit if
//! there are as many free. The second half takes no memory before that.
//!
//! Invariant: the lines of one order are of different items.

use bytemuck::{Pod, Zeroable};

use super::memory::{prefetch_behind, table_with_spare};
use super::orders::Order;

/// Lines that a basket may have.
pub const BASKET_LINES_MAX: usize = 16;

/// Units of one item in an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct OrderLine {
    /// Minor units each.
    pub price: u64,
    /// How many.
    pub units: u32,
    /// The item's number in the sale.
    pub item: u16,
    zero: u16,
}

impl OrderLine {
    /// So many units of an item at a price each.
    pub const fn new(item: u16, units: u32, price: u64) -> OrderLine {
        OrderLine { price, units, item, zero: 0 }
    }

    /// What its units cost together.
    pub fn sum(&self) -> u64 {
        self.price.saturating_mul(u64::from(self.units))
    }
}

/// The lines of a basket with those of one item joined.
pub(super) struct Joined {
    pub(super) lines: [OrderLine; BASKET_LINES_MAX],
    /// Of each line, which of the basket's was the first of its item.
    pub(super) first: [u8; BASKET_LINES_MAX],
    pub(super) len: usize,
}

impl Joined {
    pub(super) const NONE: Joined = Joined {
        lines: [OrderLine::new(0, 0, 0); BASKET_LINES_MAX],
        first: [0; BASKET_LINES_MAX],
        len: 0,
    };

    /// Joins the lines of a basket where there are none yet.
    #[inline(always)]
    pub(super) fn join(&mut self, wanted: &[OrderLine]) {
        assert!((1..=BASKET_LINES_MAX).contains(&wanted.len()) && self.len == 0);
        let mut len = 0;
        for (index, line) in wanted.iter().enumerate() {
            let known = self.lines[..len].iter_mut().find(|known| known.item == line.item);
            match known {
                Some(known) => known.units = known.units.saturating_add(line.units),
                None => {
                    self.lines[len] = OrderLine::new(line.item, line.units, 0);
                    self.first[len] = index as u8;
                    len += 1;
                }
            }
        }
        self.len = len;
    }
}

/// The table.
pub(super) struct Lines {
    table: Box<[OrderLine]>,
    /// Where the half begins that is written, and where in it the next lines go.
    half: usize,
    at: usize,
    /// Lines in both halves of orders that are not cleared away.
    len: usize,
    len_max: usize,
}

impl Lines {
    pub(super) fn new(len_max: usize) -> Lines {
        let table = table_with_spare(len_max, len_max);
        Lines { table, half: 0, at: 0, len: 0, len_max }
    }

    pub(super) fn has_room(&self, count: usize) -> bool {
        self.len + count <= self.len_max
    }

    /// Adds the lines of an order; returns where they begin.
    #[inline(always)]
    pub(super) fn add(&mut self, lines: &[OrderLine]) -> u64 {
        assert!(self.has_room(lines.len()));
        let at = self.at;
        self.table[at..at + lines.len()].copy_from_slice(lines);
        prefetch_behind(&self.table, at);
        self.at += lines.len();
        self.len += lines.len();
        at as u64
    }

    /// Writes the other half from now on. All that stay were carried over from it before.
    pub(super) fn turn(&mut self) {
        self.half = self.len_max - self.half;
        self.at = self.half;
    }

    /// Carries the lines of an order that stays over into the half that is written.
    #[inline]
    pub(super) fn carry(&mut self, order: &mut Order) {
        let (from, count) = (order.price as usize, usize::from(order.lines));
        if count == 0 || (self.half..self.half + self.len_max).contains(&from) {
            return;
        }
        self.table.copy_within(from..from + count, self.at);
        order.price = self.at as u64;
        self.at += count;
        assert!(self.at <= self.half + self.len_max, "what stays fits");
    }

    /// Forgets the lines of an order that is cleared away.
    pub(super) fn remove(&mut self, order: &Order) {
        self.len -= usize::from(order.lines);
    }

    /// The lines of a basket; none of an order of one item.
    #[inline]
    pub(super) fn of(&self, order: &Order) -> &[OrderLine] {
        let at = if order.lines == 0 { 0 } else { order.price as usize };
        &self.table[at..at + usize::from(order.lines)]
    }

    /// Line `index` of an order, be it a basket or not.
    #[inline(always)]
    pub(super) fn line(&self, order: &Order, index: usize) -> OrderLine {
        if order.lines == 0 {
            return OrderLine::new(order.item, order.units, order.price);
        }
        self.of(order)[index]
    }
}
