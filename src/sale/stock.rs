//! A sale as it stands: its terms, whether it is open, and the units of each item.

use super::terms::Terms;

#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) stock: u64,
    pub(super) free: u64,
    pub(super) held: u64,
    pub(super) confirmed: u64,
    pub(super) price: u64,
    pub(super) limit: u32,
}

impl Item {
    /// Every unit given into the sale is somewhere, and nowhere twice.
    #[inline(always)]
    pub(super) fn assert_balance(&self) {
        assert_eq!(self.stock, self.free + self.held + self.confirmed, "units came or went");
    }
}

#[derive(Clone, Debug)]
pub(super) struct Sale {
    pub(super) terms: Terms,
    pub(super) is_open: bool,
    /// The lane of its holds.
    pub(super) lane: u8,
    pub(super) items: Vec<Item>,
}
