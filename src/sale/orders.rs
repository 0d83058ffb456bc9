//! Every order that was ever given in a sale still remembered: one cache line each, found by id or
//! by key. Nothing is forgotten before its sale is; what was is cleared away, and its slot is used
//! again. Until the first is, orders lie in the order in which they were given.

use bytemuck::{Pod, Zeroable};

use super::hash::Seed;
use super::ident::{Form, Ident};
use super::index::{Index, Probe, Vacancy};
use super::memory::{prefetch_behind, table, untouched_table};
use super::terms::GROUPS_MAX;
use super::{Seq, Stamp};

/// Where an order stands. The numbers are those of the formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Units are held until `expires_at`.
    Held = 1,
    /// The units are sold.
    Confirmed = 2,
    /// Given back by the buyer.
    Released = 3,
    /// Given back by the clock.
    Expired = 4,
    /// Given back after it was sold.
    Cancelled = 5,
    /// Units are waited for.
    Waiting = 6,
    /// The buyer waits no more and was given nothing.
    Left = 7,
}

impl State {
    /// The state with this number, if there is one.
    pub const fn from_number(number: u8) -> Option<State> {
        Some(match number {
            1 => State::Held,
            2 => State::Confirmed,
            3 => State::Released,
            4 => State::Expired,
            5 => State::Cancelled,
            6 => State::Waiting,
            7 => State::Left,
            _ => return None,
        })
    }
}

/// Neighbours in the index by id share a cache line; the next lines to be filled are known ahead.
const IDS_PER_LINE: Seq = 8;
const IDS_AHEAD: Seq = 4 * IDS_PER_LINE;

/// The slots of the members, among the buyers, that an order counts for.
pub(super) type Members = [Option<u32>; GROUPS_MAX];

/// No order: the end of a lane.
pub(super) const NO_SLOT: u32 = u32::MAX;

/// One order.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Order {
    pub(super) id: Seq,
    key: [u64; 2],
    /// Minor units each; of a basket where its lines begin.
    pub(super) price: u64,
    /// When the hold ends; 0 if it was a purchase at once.
    pub(super) expires_at: Stamp,
    /// The buyer's slot.
    pub(super) buyer: u32,
    /// The next order in the same lane of holds; of a waiting order its chunk of the waiting list.
    pub(super) next: u32,
    /// Of all its lines together.
    pub(super) units: u32,
    /// Digest of the `max_price` that the request named.
    pub(super) condition: u32,
    pub(super) sale: u16,
    /// 0 of a basket.
    pub(super) item: u16,
    /// The key's form in the low half, the state in the high one.
    form_and_state: u8,
    /// Number of the channel whose units it has, or is to have; 0 for the common ones.
    pub(super) channel: u8,
    /// Bits: [`EXTENDED`] and those below it.
    pub(super) flags: u8,
    /// How many lines it has in a table of their own; 0 for none.
    pub(super) lines: u8,
}

/// The bit of [`Order::flags`] that says that its hold was extended.
pub(super) const EXTENDED: u8 = 1;
/// The one that says that it was content with fewer units than it asked for.
pub(super) const UP_TO: u8 = 2;
/// The one that says that it waited, and its hold was an offer.
pub(super) const OFFERED: u8 = 4;

/// The one that says that it counts for members of limit groups.
pub(super) const GROUPED: u8 = 16;
/// The one that says that it is an entry of a draw.
pub(super) const ENTERED: u8 = 32;
/// The one that says that the entry has had its turn.
pub(super) const DRAWN: u8 = 64;
/// The one that says that it rather waits than be sold out.
pub(super) const WAITS: u8 = 128;

const STATE_SHIFT: u32 = 4;
const FORM_BITS: u8 = (1 << STATE_SHIFT) - 1;

const _: () = assert!(size_of::<Order>() == 64);

impl Order {
    pub(super) fn new(id: Seq, key: Ident, state: State) -> Order {
        Order {
            id,
            key: [key.bits as u64, (key.bits >> 64) as u64],
            form_and_state: key.form as u8 | (state as u8) << STATE_SHIFT,
            next: NO_SLOT,
            ..Order::zeroed()
        }
    }

    #[inline]
    pub(super) fn state(&self) -> State {
        State::from_number(self.form_and_state >> STATE_SHIFT).expect("only states are stored")
    }

    #[inline]
    pub(super) fn set_state(&mut self, state: State) {
        self.form_and_state = self.form_and_state & FORM_BITS | (state as u8) << STATE_SHIFT;
    }

    #[inline]
    pub(super) fn is_extended(&self) -> bool {
        self.flags & EXTENDED != 0
    }

    /// Whether it is an entry of a draw that has not had its turn.
    #[inline]
    pub(super) fn is_undrawn(&self) -> bool {
        self.state() == State::Waiting && self.flags & (ENTERED | DRAWN) == ENTERED
    }

    /// Lines it has, here or there.
    #[inline]
    pub(super) fn line_count(&self) -> usize {
        usize::from(self.lines).max(1)
    }

    pub(super) fn key(&self) -> Ident {
        let form =
            Form::from_number(self.form_and_state & FORM_BITS).expect("only forms are stored");
        Ident { form, bits: self.key_bits() }
    }

    #[inline]
    fn key_bits(&self) -> u128 {
        u128::from(self.key[0]) | u128::from(self.key[1]) << 64
    }
}

/// In which context a key is hashed.
#[inline(always)]
fn key_context(sale: u16, form: u8) -> u64 {
    // The top bit keeps a key apart from a buyer of the same text.
    u64::from(sale) | u64::from(form) << 32 | 1 << 63
}

/// All orders.
pub(super) struct Orders {
    seed: Seed,
    slots: Box<[Order]>,
    /// Of each order that is [`GROUPED`] the slots of its members among the buyers, plus one; 0 for
    /// none.
    members: Box<[[u32; GROUPS_MAX]]>,
    /// Slots that were ever used.
    used: usize,
    /// Of these how many are free again, and the first of them: each names the next. The sale of a
    /// free slot is 0.
    freed: usize,
    free: u32,
    /// A slot was used a second time, so slots are not in the order of ids any more.
    is_mixed: bool,
    /// Where the newest order lies.
    newest: u32,
    by_key: Index,
    by_id: Index,
}

impl Orders {
    /// Room for `len_max` orders.
    pub(super) fn new(len_max: usize, seed: Seed) -> Orders {
        assert!(len_max < NO_SLOT as usize, "slots are 32 bits");
        Orders {
            seed,
            slots: table(len_max),
            members: untouched_table(len_max),
            used: 0,
            freed: 0,
            free: NO_SLOT,
            is_mixed: false,
            newest: NO_SLOT,
            by_key: Index::new(len_max),
            by_id: Index::new(len_max),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.slots) + self.by_key.bytes() + self.by_id.bytes()
    }

    /// Orders in it, those of removed sales that are not cleared away yet among them.
    pub(super) fn len(&self) -> usize {
        self.used - self.freed
    }

    /// Slots that were ever used.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Where the newest order lies.
    #[inline]
    pub(super) fn newest(&self) -> usize {
        self.newest as usize
    }

    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.used < self.slots.len() || self.free != NO_SLOT
    }

    #[inline(always)]
    fn key_probe(&self, sale: u16, key: Ident) -> Probe {
        self.by_key.scattered(self.seed.hash(key.bits, key_context(sale, key.form as u8)))
    }

    /// The probe under which an order is in the index of keys.
    fn probe_of(by_key: &Index, seed: &Seed, order: &Order) -> Probe {
        let context = key_context(order.sale, order.form_and_state & FORM_BITS);
        by_key.scattered(seed.hash(order.key_bits(), context))
    }

    #[inline(always)]
    pub(super) fn prefetch_key(&self, sale: u16, key: Ident) {
        self.by_key.prefetch(self.key_probe(sale, key));
    }

    #[inline(always)]
    pub(super) fn prefetch_id(&self, id: Seq) {
        self.by_id.prefetch(self.by_id.clustered(id));
    }

    /// The order of a key within its sale, or where it would be.
    #[inline(always)]
    pub(super) fn find_key(&self, sale: u16, key: Ident) -> Result<u32, Vacancy> {
        let bits = [key.bits as u64, (key.bits >> 64) as u64];
        self.by_key.find(self.key_probe(sale, key), |slot| {
            let order = &self.slots[slot as usize];
            order.key == bits
                && order.form_and_state & FORM_BITS == key.form as u8
                && order.sale == sale
        })
    }

    #[inline]
    pub(super) fn find_id(&self, id: Seq) -> Option<u32> {
        let probe = self.by_id.clustered(id);
        self.by_id.find(probe, |slot| self.slots[slot as usize].id == id).ok()
    }

    /// Adds an order; `vacancy` is its key's.
    #[inline(always)]
    pub(super) fn add(&mut self, vacancy: Vacancy, order: Order) -> u32 {
        let mut slot = self.used as u32;
        if self.free == NO_SLOT {
            self.used += 1;
        } else {
            slot = self.used_again();
        }
        self.slots[slot as usize] = order;
        prefetch_behind(&self.slots, slot as usize);
        self.newest = slot;
        self.by_key.fill(vacancy, slot);
        self.by_id.insert(self.by_id.clustered(order.id), slot);
        if order.id.is_multiple_of(IDS_PER_LINE) {
            self.prefetch_id(order.id + IDS_AHEAD);
        }
        slot
    }

    /// The slots of the members that an order counts for.
    pub(super) fn members(&self, slot: u32) -> Members {
        if self.at(slot).flags & GROUPED == 0 {
            return [None; GROUPS_MAX];
        }
        self.members[slot as usize].map(|member| member.checked_sub(1))
    }

    /// Says which members an order counts for.
    pub(super) fn set_members(&mut self, slot: u32, members: Members) {
        self.at_mut(slot).flags |= GROUPED;
        self.members[slot as usize] = members.map(|member| member.map_or(0, |slot| slot + 1));
    }

    /// The first free slot.
    #[cold]
    fn used_again(&mut self) -> u32 {
        let slot = self.free;
        self.free = self.slots[slot as usize].next;
        self.freed -= 1;
        self.is_mixed = true;
        slot
    }

    /// Forgets the order in a slot, which nothing may name any more.
    pub(super) fn remove(&mut self, slot: u32) {
        let order = self.slots[slot as usize];
        assert!(order.sale != 0, "an order is removed once");
        let (slots, seed) = (&self.slots, &self.seed);
        let probe = Orders::probe_of(&self.by_key, seed, &order);
        self.by_key.remove(probe, slot, |index, other| {
            Orders::probe_of(index, seed, &slots[other as usize])
        });
        let probe = self.by_id.clustered(order.id);
        self.by_id.remove(probe, slot, |index, other| index.clustered(slots[other as usize].id));
        self.slots[slot as usize] = Order { next: self.free, ..Order::zeroed() };
        (self.free, self.freed) = (slot, self.freed + 1);
        if self.freed == self.used {
            // The table is as it was at first.
            (self.used, self.freed, self.free, self.is_mixed) = (0, 0, NO_SLOT, false);
        }
    }

    /// Asks the cache for what removing the order in a slot will touch.
    #[inline]
    pub(super) fn prefetch_removal(&self, slot: u32) {
        let order = &self.slots[slot as usize];
        self.by_key.prefetch(Orders::probe_of(&self.by_key, &self.seed, order));
        self.prefetch_id(order.id);
    }

    #[inline(always)]
    pub(super) fn at(&self, slot: u32) -> &Order {
        &self.slots[slot as usize]
    }

    #[inline(always)]
    pub(super) fn at_mut(&mut self, slot: u32) -> &mut Order {
        &mut self.slots[slot as usize]
    }

    /// With their slots, in the order of ids, which is that in which they were given.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Order)> {
        let sorted = self.is_mixed.then(|| self.sorted());
        let count = sorted.as_ref().map_or(self.used, Vec::len);
        let slots =
            (0..count).map(move |at| sorted.as_ref().map_or(at, |slots| slots[at] as usize));
        let orders = slots.map(|slot| (slot as u32, &self.slots[slot]));
        orders.filter(|(_, order)| order.sale != 0)
    }

    /// The slots that are not free, in the order of ids. It is made of few runs in that order, for
    /// which this sort is quick.
    fn sorted(&self) -> Vec<u32> {
        let is_there = |slot: &u32| self.slots[*slot as usize].sale != 0;
        let mut slots: Vec<u32> = (0..self.used as u32).filter(is_there).collect();
        slots.sort_by_key(|slot| self.slots[*slot as usize].id);
        slots
    }
}
