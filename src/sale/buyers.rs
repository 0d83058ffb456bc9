//! What each buyer has: units held and confirmed, per sale and per item; 32 bytes an entry and 13
//! to find it. Entries lie in the order in which buyers came, so a new buyer costs one cache miss,
//! that of the index; those of a removed sale are used again.
//!
//! A buyer's first entry in a sale counts the sale's units and those of the first item bought;
//! further items get entries of their own, and only where the item has a limit. A buyer who comes
//! with a basket takes a second place, most often the next, for the counts of four further items,
//! so that it costs no more cache misses than a purchase. Entries never move, so an order names its
//! buyer by slot.

use bytemuck::{Pod, Zeroable};

use super::hash::Seed;
use super::ident::{Form, Ident};
use super::index::{Index, Probe, Vacancy};
use super::lines::OrderLine;
use super::memory::{prefetch_behind, table};

/// One buyer in one sale; or, if `further` is 1, one further item of that buyer.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Entry {
    bits: [u64; 2],
    sale_units: u32,
    item_units: u32,
    /// 0 where no entry is: a place that is free, or a [`Beside`].
    sale: u16,
    item: u16,
    /// From the lowest bit: the form in 3, whether this is a further item in 1, one more than the
    /// place of this entry's [`Beside`] in 28, 0 for none.
    kind: u32,
}

const FORM_BITS: u32 = 0b111;
const FURTHER: u32 = 1 << 3;
const BESIDE_SHIFT: u32 = 4;
/// Where places have higher numbers than can be noted, no buyer has a [`Beside`].
const BESIDE_PLACES_MAX: usize = (1 << 28) - 1;

impl Entry {
    fn bits(&self) -> u128 {
        u128::from(self.bits[0]) | u128::from(self.bits[1]) << 64
    }

    #[inline(always)]
    fn beside(&self) -> Option<usize> {
        (self.kind >> BESIDE_SHIFT).checked_sub(1).map(|place| place as usize)
    }
}

/// Further items of a buyer.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Beside {
    units: [u32; BESIDE],
    /// 0 where there is none.
    items: [u16; BESIDE],
    /// Where an entry has its sale.
    zero: [u8; 8],
}

/// A place that is free again.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Free {
    next: u32,
    zero: [u32; 7],
}

/// No place: the end of the free ones.
const NONE: u32 = u32::MAX;

/// Items beside a buyer.
const BESIDE: usize = 4;

const _: () = assert!(size_of::<Entry>() == 32 && size_of::<Beside>() == 32);
const _: () = assert!(size_of::<Free>() == 32);

/// The table.
pub(super) struct Buyers {
    seed: Seed,
    entries: Box<[Entry]>,
    /// Places that were ever used.
    used: usize,
    /// Of these how many are free again, and the first of them.
    freed: usize,
    free: u32,
    index: Index,
}

/// A buyer looked up: there already, or not.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Known(u32),
    New(Vacancy),
}

impl Buyers {
    /// A table of up to `len_max` entries.
    pub(super) fn new(len_max: usize, seed: Seed) -> Buyers {
        assert!(u32::try_from(len_max).is_ok(), "slots are 32 bits");
        let (entries, index) = (table(len_max), Index::new(len_max));
        Buyers { seed, entries, used: 0, freed: 0, free: NONE, index }
    }

    /// Places taken, those of removed sales that are not cleared away yet among them.
    pub(super) fn len(&self) -> usize {
        self.used - self.freed
    }

    /// Places that were ever used.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.entries) + self.index.bytes()
    }

    /// Whether so many more entries fit: one order may need one and another for each item.
    #[inline]
    pub(super) fn has_room(&self, count: usize) -> bool {
        // Mostly there is room behind all that were ever used.
        let fits = |taken: usize| taken + count <= self.entries.len();
        fits(self.used) || fits(self.len())
    }

    /// Where to look for a buyer's entry in a sale (`further == 0`), or of a further item of it.
    #[inline(always)]
    fn probe(&self, sale: u16, further: u16, buyer: Ident) -> Probe {
        let context = u64::from(sale) | u64::from(further) << 16 | (buyer.form as u64) << 32;
        self.index.scattered(self.seed.hash(buyer.bits, context))
    }

    /// The probe under which an entry is in the index.
    fn probe_of(index: &Index, seed: &Seed, entry: &Entry) -> Probe {
        let further = if entry.kind & FURTHER != 0 { entry.item } else { 0 };
        let form = u64::from(entry.kind & FORM_BITS);
        let context = u64::from(entry.sale) | u64::from(further) << 16 | form << 32;
        index.scattered(seed.hash(entry.bits(), context))
    }

    #[inline(always)]
    pub(super) fn prefetch(&self, sale: u16, buyer: Ident) {
        self.index.prefetch(self.probe(sale, 0, buyer));
    }

    #[inline(always)]
    fn find(&self, sale: u16, further: u16, buyer: Ident) -> Place {
        let bits = [buyer.bits as u64, (buyer.bits >> 64) as u64];
        let form = buyer.form as u32 | if further == 0 { 0 } else { FURTHER };
        let probe = self.probe(sale, further, buyer);
        let is_it = |slot: u32| {
            let entry = &self.entries[slot as usize];
            entry.bits == bits
                && entry.kind & (FORM_BITS | FURTHER) == form
                && entry.sale == sale
                && (further == 0 || entry.item == further)
        };
        self.index.find(probe, is_it).map_or_else(Place::New, Place::Known)
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
        if let Some(place) = entry.beside() {
            let beside: &Beside = bytemuck::must_cast_ref(&self.entries[place]);
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
            Place::New(vacancy) => self.add(vacancy, sale, item, buyer, 0),
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
                Place::New(vacancy) => self.add(vacancy, sale, item, buyer, FURTHER),
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
        self.entries[slot as usize].bits()
    }

    /// Counts the lines of a basket as [`give`](Self::give) would one after another; a new buyer
    /// has room for further items beside.
    #[inline(always)]
    pub(super) fn give_lines(
        &mut self,
        mut place: Place,
        sale: u16,
        buyer: Ident,
        lines: &[OrderLine],
        has_limit: impl Fn(u16) -> bool,
    ) -> u32 {
        let [first, further @ ..] = lines else { unreachable!("a basket has lines") };
        let mut left = lines;
        if let Place::New(vacancy) = place
            && !further.is_empty()
            && self.entries.len() < BESIDE_PLACES_MAX
        {
            let (further, rest) = further.split_at(further.len().min(BESIDE));
            let slot = self.add(vacancy, sale, first.item, buyer, 0);
            let at = self.take_place();
            let entry = &mut self.entries[at as usize];
            *entry = Entry::zeroed();
            let beside: &mut Beside = bytemuck::must_cast_mut(entry);
            let (mut count, mut units) = (0, first.units);
            for line in further {
                units += line.units;
                if has_limit(line.item) {
                    (beside.items[count], beside.units[count]) = (line.item, line.units);
                    count += 1;
                }
            }
            let entry = &mut self.entries[slot as usize];
            (entry.sale_units, entry.item_units) = (units, first.units);
            entry.kind |= (at + 1) << BESIDE_SHIFT;
            (place, left) = (Place::Known(slot), rest);
        }
        for line in left {
            let limited = has_limit(line.item);
            place = Place::Known(self.give(place, sale, line.item, buyer, line.units, limited));
        }
        let Place::Known(slot) = place else { unreachable!("it has lines") };
        slot
    }

    /// The count of a further item that lies beside a buyer; if it `may_begin`, also a new one.
    #[inline(always)]
    fn beside(&mut self, slot: u32, item: u16, may_begin: bool) -> Option<&mut u32> {
        let place = self.entries[slot as usize].beside()?;
        let beside: &mut Beside = bytemuck::must_cast_mut(&mut self.entries[place]);
        let is_it = |known: &u16| *known == item || may_begin && *known == 0;
        let at = beside.items.iter().position(is_it)?;
        beside.items[at] = item;
        Some(&mut beside.units[at])
    }

    /// Adds an entry; `further` is [`FURTHER`] or 0.
    #[inline(always)]
    fn add(&mut self, vacancy: Vacancy, sale: u16, item: u16, buyer: Ident, further: u32) -> u32 {
        assert!(sale != 0);
        let slot = self.take_place();
        self.entries[slot as usize] = Entry {
            bits: [buyer.bits as u64, (buyer.bits >> 64) as u64],
            sale,
            item,
            kind: buyer.form as u32 | further,
            ..Entry::zeroed()
        };
        self.index.fill(vacancy, slot);
        slot
    }

    #[inline(always)]
    fn take_place(&mut self) -> u32 {
        if self.free == NONE {
            self.used += 1;
            prefetch_behind(&self.entries, self.used);
            return self.used as u32 - 1;
        }
        self.freed -= 1;
        let place = self.free;
        self.free = bytemuck::must_cast_ref::<_, Free>(&self.entries[place as usize]).next;
        place
    }

    fn free_place(&mut self, place: u32) {
        let free = Free { next: self.free, ..Free::zeroed() };
        self.entries[place as usize] = bytemuck::must_cast(free);
        (self.free, self.freed) = (place, self.freed + 1);
    }

    /// The sale of the entry in a place; 0 if none is there.
    #[inline]
    pub(super) fn sale(&self, place: u32) -> u16 {
        self.entries[place as usize].sale
    }

    /// Forgets the entry in a place, and what lies beside it; no order may name it any more.
    /// Returns whose it was if it was the buyer's first.
    pub(super) fn remove(&mut self, place: u32) -> Option<Ident> {
        let entry = self.entries[place as usize];
        assert!(entry.sale != 0, "an entry is removed once");
        let (entries, seed) = (&self.entries, &self.seed);
        let probe = Buyers::probe_of(&self.index, seed, &entry);
        self.index.remove(probe, place, |index, other| {
            Buyers::probe_of(index, seed, &entries[other as usize])
        });
        // What stands for the member of a limit group is no buyer.
        let form = Form::from_number((entry.kind & FORM_BITS) as u8);
        let form = form.filter(|_| entry.kind & FURTHER == 0);
        // So that the next to come finds the lower of the two first, as they were.
        if let Some(beside) = entry.beside() {
            self.free_place(beside as u32);
        }
        self.free_place(place);
        if self.freed == self.used {
            // The table is as it was at first.
            (self.used, self.freed, self.free) = (0, 0, NONE);
        }
        form.map(|form| Ident { form, bits: entry.bits() })
    }

    /// Asks the cache for what removing the entry in a place will touch.
    #[inline]
    pub(super) fn prefetch_removal(&self, place: u32) {
        let entry = &self.entries[place as usize];
        self.index.prefetch(Buyers::probe_of(&self.index, &self.seed, entry));
    }

    /// Who a slot belongs to.
    #[inline]
    pub(super) fn ident(&self, slot: u32) -> Ident {
        let entry = &self.entries[slot as usize];
        let form = Form::from_number((entry.kind & FORM_BITS) as u8);
        Ident { form: form.expect("written by `add` from a form"), bits: entry.bits() }
    }
}
