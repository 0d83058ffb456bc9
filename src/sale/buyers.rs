//! What each buyer has: units held and confirmed, per sale and per item. Open addressing with the
//! entries in place, 32 bytes each, so that a new buyer costs one cache miss.
//!
//! A buyer's first entry in a sale counts the sale's units and those of the first item bought;
//! further items get entries of their own, and only where the item has a limit. Entries never move,
//! so an order names its buyer by slot.

use bytemuck::{Pod, Zeroable};

use super::hash::{Seed, reduce};
use super::ident::{Form, Ident};
use super::memory::{prefetch, table};

/// One buyer in one sale; or, if `further` is 1, one further item of that buyer.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Entry {
    bits: [u64; 2],
    sale_units: u32,
    item_units: u32,
    /// 0 in an empty entry.
    sale: u16,
    item: u16,
    form: u8,
    further: u8,
    zero: [u8; 2],
}

const _: () = assert!(size_of::<Entry>() == 32);

/// The table.
pub(super) struct Buyers {
    seed: Seed,
    entries: Box<[Entry]>,
    len: usize,
    len_max: usize,
}

/// A buyer looked up: there already, or where it would go.
#[derive(Clone, Copy)]
pub(super) struct Place {
    slot: u32,
    is_new: bool,
}

impl Buyers {
    /// A table of up to `len_max` entries.
    pub(super) fn new(len_max: usize, seed: Seed) -> Buyers {
        // The load stays at or below 7/10: 46 bytes a buyer.
        let entries = table(len_max * 10 / 7 + 8);
        assert!(u32::try_from(entries.len()).is_ok(), "slots are 32 bits");
        Buyers { seed, entries, len: 0, len_max }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.entries)
    }

    /// Whether two more entries fit: what one order may need.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.len + 2 <= self.len_max
    }

    #[inline(always)]
    fn hash(&self, sale: u16, item: u16, buyer: Ident) -> u64 {
        let context = u64::from(sale) | u64::from(item) << 16 | (buyer.form as u64) << 32;
        self.seed.hash(buyer.bits, context)
    }

    #[inline(always)]
    pub(super) fn prefetch(&self, sale: u16, buyer: Ident) {
        prefetch(&self.entries, reduce(self.hash(sale, 0, buyer), self.entries.len()));
    }

    /// Finds the entry of a buyer in a sale (`further == 0`), or of a further item of it.
    #[inline(always)]
    fn find(&self, sale: u16, further: u16, buyer: Ident) -> Place {
        let bits = [buyer.bits as u64, (buyer.bits >> 64) as u64];
        let mut at = reduce(self.hash(sale, further, buyer), self.entries.len());
        loop {
            let entry = &self.entries[at];
            if entry.sale == 0 {
                return Place { slot: at as u32, is_new: true };
            }
            let same_buyer = entry.bits == bits && entry.form == buyer.form as u8;
            let is_further = entry.further != 0;
            if same_buyer
                && entry.sale == sale
                && is_further == (further != 0)
                && (!is_further || entry.item == further)
            {
                return Place { slot: at as u32, is_new: false };
            }
            at += 1;
            if at == self.entries.len() {
                at = 0;
            }
        }
    }

    /// Looks a buyer up in a sale.
    #[inline(always)]
    pub(super) fn place(&self, sale: u16, buyer: Ident) -> Place {
        self.find(sale, 0, buyer)
    }

    /// Units the buyer has in the whole sale.
    #[inline(always)]
    pub(super) fn sale_units(&self, place: Place) -> u32 {
        if place.is_new { 0 } else { self.entries[place.slot as usize].sale_units }
    }

    /// Units the buyer has of an item that has a limit.
    #[inline(always)]
    pub(super) fn item_units(&self, place: Place, item: u16) -> u32 {
        if place.is_new {
            return 0;
        }
        let entry = &self.entries[place.slot as usize];
        if entry.item == item {
            return entry.item_units;
        }
        let further = self.find(entry.sale, item, self.ident(place.slot));
        if further.is_new { 0 } else { self.entries[further.slot as usize].item_units }
    }

    /// Counts units given; returns the buyer's slot.
    #[inline(always)]
    pub(super) fn give(
        &mut self,
        place: Place,
        sale: u16,
        item: u16,
        buyer: Ident,
        units: u32,
        item_has_limit: bool,
    ) -> u32 {
        if place.is_new {
            self.fill(place.slot, sale, item, buyer, 0);
        }
        let entry = &mut self.entries[place.slot as usize];
        entry.sale_units += units;
        if entry.item == item {
            entry.item_units += units;
        } else if item_has_limit {
            let further = self.find(sale, item, buyer);
            if further.is_new {
                self.fill(further.slot, sale, item, buyer, 1);
            }
            self.entries[further.slot as usize].item_units += units;
        }
        place.slot
    }

    /// Takes back units that [`give`](Self::give) counted.
    pub(super) fn take(&mut self, slot: u32, item: u16, units: u32, item_has_limit: bool) {
        let buyer = self.ident(slot);
        let entry = &mut self.entries[slot as usize];
        assert!(entry.sale_units >= units, "a limit given back twice");
        entry.sale_units -= units;
        if entry.item == item {
            assert!(entry.item_units >= units, "a limit given back twice");
            entry.item_units -= units;
        } else if item_has_limit {
            let sale = entry.sale;
            let further = self.find(sale, item, buyer);
            let entry = &mut self.entries[further.slot as usize];
            assert!(!further.is_new && entry.item_units >= units, "a limit given back twice");
            entry.item_units -= units;
        }
    }

    fn fill(&mut self, slot: u32, sale: u16, item: u16, buyer: Ident, further: u8) {
        assert!(self.len < self.len_max && sale != 0);
        self.entries[slot as usize] = Entry {
            bits: [buyer.bits as u64, (buyer.bits >> 64) as u64],
            sale,
            item,
            form: buyer.form as u8,
            further,
            ..Entry::zeroed()
        };
        self.len += 1;
    }

    /// Who a slot belongs to.
    #[inline]
    pub(super) fn ident(&self, slot: u32) -> Ident {
        let entry = &self.entries[slot as usize];
        let form = Form::from_number(entry.form).expect("written by `fill` from a form");
        Ident { form, bits: u128::from(entry.bits[0]) | u128::from(entry.bits[1]) << 64 }
    }
}
