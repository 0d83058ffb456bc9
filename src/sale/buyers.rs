//! What each buyer has: units held and confirmed, per sale and per item; 32 bytes an entry and 13
//! to find it. Entries lie in the order in which buyers came, so a new buyer costs one cache miss,
//! that of the index.
//!
//! A buyer's first entry in a sale counts the sale's units and those of the first item bought;
//! further items get entries of their own, and only where the item has a limit. Behind the entry of
//! a buyer who comes with a basket lie the counts of four further items, so that it costs no more
//! cache misses than a purchase. Entries never move, so an order names its buyer by slot.

use bytemuck::{Pod, Zeroable};

use super::hash::Seed;
use super::ident::{Form, Ident};
use super::index::{Index, Probe};
use super::memory::table;

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
    /// 1 if the next entry is this one's [`Beside`].
    has_beside: u8,
    zero: u8,
}

/// Further items of the buyer whose entry lies before.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Beside {
    units: [u32; BESIDE],
    /// 0 where there is none.
    items: [u16; BESIDE],
    zero: [u8; 8],
}

/// Items beside a buyer.
const BESIDE: usize = 4;

const _: () = assert!(size_of::<Entry>() == 32 && size_of::<Beside>() == 32);

/// The table.
pub(super) struct Buyers {
    seed: Seed,
    entries: Box<[Entry]>,
    len: usize,
    index: Index,
}

/// A buyer looked up: there already, or not.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Known(u32),
    New(Probe),
}

impl Buyers {
    /// A table of up to `len_max` entries.
    pub(super) fn new(len_max: usize, seed: Seed) -> Buyers {
        assert!(u32::try_from(len_max).is_ok(), "slots are 32 bits");
        Buyers { seed, entries: table(len_max), len: 0, index: Index::new(len_max) }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.entries) + self.index.bytes()
    }

    /// Whether so many more entries fit: one order may need one and another for each item.
    #[inline]
    pub(super) fn has_room(&self, count: usize) -> bool {
        self.len + count <= self.entries.len()
    }

    /// Where to look for a buyer's entry in a sale (`further == 0`), or of a further item of it.
    #[inline(always)]
    fn probe(&self, sale: u16, further: u16, buyer: Ident) -> Probe {
        let context = u64::from(sale) | u64::from(further) << 16 | (buyer.form as u64) << 32;
        self.index.scattered(self.seed.hash(buyer.bits, context))
    }

    #[inline(always)]
    pub(super) fn prefetch(&self, sale: u16, buyer: Ident) {
        self.index.prefetch(self.probe(sale, 0, buyer));
    }

    #[inline(always)]
    fn find(&self, sale: u16, further: u16, buyer: Ident) -> Place {
        let bits = [buyer.bits as u64, (buyer.bits >> 64) as u64];
        let probe = self.probe(sale, further, buyer);
        let found = self.index.find(probe, |slot| {
            let entry = &self.entries[slot as usize];
            entry.bits == bits
                && entry.form == buyer.form as u8
                && entry.sale == sale
                && (entry.further != 0) == (further != 0)
                && (further == 0 || entry.item == further)
        });
        found.map_or(Place::New(probe), Place::Known)
    }

    /// Looks a buyer up in a sale.
    #[inline(always)]
    pub(super) fn place(&self, sale: u16, buyer: Ident) -> Place {
        self.find(sale, 0, buyer)
    }

    /// Units the buyer has in the whole sale.
    #[inline(always)]
    pub(super) fn sale_units(&self, place: Place) -> u32 {
        match place {
            Place::New(_) => 0,
            Place::Known(slot) => self.entries[slot as usize].sale_units,
        }
    }

    /// Units the buyer has of an item that has a limit.
    #[inline(always)]
    pub(super) fn item_units(&self, place: Place, item: u16) -> u32 {
        let Place::Known(slot) = place else { return 0 };
        let entry = &self.entries[slot as usize];
        if entry.item == item {
            return entry.item_units;
        }
        if entry.has_beside != 0 {
            let beside: &Beside = bytemuck::must_cast_ref(&self.entries[slot as usize + 1]);
            if let Some(at) = beside.items.iter().position(|known| *known == item) {
                return beside.units[at];
            }
        }
        match self.find(entry.sale, item, self.ident(slot)) {
            Place::New(_) => 0,
            Place::Known(further) => self.entries[further as usize].item_units,
        }
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
        let slot = match place {
            Place::Known(slot) => slot,
            Place::New(probe) => self.add(probe, sale, item, buyer, 0),
        };
        let entry = &mut self.entries[slot as usize];
        entry.sale_units += units;
        if entry.item == item {
            entry.item_units += units;
        } else if item_has_limit {
            if let Some(count) = self.beside(slot, item, true) {
                *count += units;
                return slot;
            }
            let further = match self.find(sale, item, buyer) {
                Place::Known(further) => further,
                Place::New(probe) => self.add(probe, sale, item, buyer, 1),
            };
            self.entries[further as usize].item_units += units;
        }
        slot
    }

    /// Takes back units that [`give`](Self::give) counted.
    pub(super) fn take(&mut self, slot: u32, item: u16, units: u32, item_has_limit: bool) {
        let entry = &mut self.entries[slot as usize];
        assert!(entry.sale_units >= units, "a limit given back twice");
        entry.sale_units -= units;
        let counted = if entry.item == item {
            Place::Known(slot)
        } else if item_has_limit {
            let sale = entry.sale;
            if let Some(count) = self.beside(slot, item, false) {
                assert!(*count >= units, "a limit given back twice");
                *count -= units;
                return;
            }
            self.find(sale, item, self.ident(slot))
        } else {
            return;
        };
        let Place::Known(slot) = counted else { panic!("a limit given back that was never used") };
        let entry = &mut self.entries[slot as usize];
        assert!(entry.item_units >= units, "a limit given back twice");
        entry.item_units -= units;
    }

    /// The ident that stands for a member of limit group `index`, counted from 0.
    pub(super) fn member(index: usize, digest: u128) -> Ident {
        Ident { form: [Form::FirstGroup, Form::SecondGroup][index], bits: digest }
    }

    /// Which member of which limit group, counted from 0, a slot counts for.
    pub(super) fn digest(&self, slot: u32) -> u128 {
        let entry = &self.entries[slot as usize];
        u128::from(entry.bits[0]) | u128::from(entry.bits[1]) << 64
    }

    /// Adds a buyer who comes with a basket, nothing counted yet, with room for further items
    /// beside.
    #[inline(always)]
    pub(super) fn add_with_room(
        &mut self,
        probe: Probe,
        sale: u16,
        item: u16,
        buyer: Ident,
    ) -> Place {
        let slot = self.add(probe, sale, item, buyer, 0);
        self.entries[slot as usize].has_beside = 1;
        self.entries[self.len] = Entry::zeroed();
        self.len += 1;
        Place::Known(slot)
    }

    /// The count of a further item that lies beside a buyer; if it `may_begin`, also a new one.
    #[inline(always)]
    fn beside(&mut self, slot: u32, item: u16, may_begin: bool) -> Option<&mut u32> {
        if self.entries[slot as usize].has_beside == 0 {
            return None;
        }
        let beside: &mut Beside = bytemuck::must_cast_mut(&mut self.entries[slot as usize + 1]);
        let is_it = |known: &u16| *known == item || may_begin && *known == 0;
        let at = beside.items.iter().position(is_it)?;
        beside.items[at] = item;
        Some(&mut beside.units[at])
    }

    #[inline(always)]
    fn add(&mut self, probe: Probe, sale: u16, item: u16, buyer: Ident, further: u8) -> u32 {
        assert!(sale != 0);
        let slot = self.len as u32;
        self.entries[self.len] = Entry {
            bits: [buyer.bits as u64, (buyer.bits >> 64) as u64],
            sale,
            item,
            form: buyer.form as u8,
            further,
            ..Entry::zeroed()
        };
        self.len += 1;
        self.index.insert(probe, slot);
        slot
    }

    /// Who a slot belongs to.
    #[inline]
    pub(super) fn ident(&self, slot: u32) -> Ident {
        let entry = &self.entries[slot as usize];
        let form = Form::from_number(entry.form).expect("written by `add` from a form");
        Ident { form, bits: u128::from(entry.bits[0]) | u128::from(entry.bits[1]) << 64 }
    }
}
