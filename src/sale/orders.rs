//! Every order that was ever given in a sale still remembered: one cache line each, in the order in
//! which they were given, found by id or by key. Nothing is forgotten before its sale is.

use bytemuck::{Pod, Zeroable};

use super::hash::Seed;
use super::ident::{Form, Ident};
use super::index::{Index, Probe};
use super::memory::{table, untouched_table};
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
        Ident { form, bits: u128::from(self.key[0]) | u128::from(self.key[1]) << 64 }
    }
}

/// All orders.
pub(super) struct Orders {
    seed: Seed,
    slots: Box<[Order]>,
    /// Of each order that is [`GROUPED`] the slots of its members among the buyers, plus one; 0 for
    /// none.
    members: Box<[[u32; GROUPS_MAX]]>,
    len: usize,
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
            len: 0,
            by_key: Index::new(len_max),
            by_id: Index::new(len_max),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.slots) + self.by_key.bytes() + self.by_id.bytes()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.len < self.slots.len()
    }

    /// The probe for a key within its sale.
    #[inline(always)]
    pub(super) fn key_probe(&self, sale: u16, key: Ident) -> Probe {
        // The top bit keeps a key apart from a buyer of the same text.
        let context = u64::from(sale) | (key.form as u64) << 32 | 1 << 63;
        self.by_key.scattered(self.seed.hash(key.bits, context))
    }

    #[inline(always)]
    pub(super) fn prefetch_key(&self, probe: Probe) {
        self.by_key.prefetch(probe);
    }

    #[inline(always)]
    pub(super) fn prefetch_id(&self, id: Seq) {
        self.by_id.prefetch(self.by_id.clustered(id));
    }

    #[inline(always)]
    pub(super) fn find_key(&self, probe: Probe, sale: u16, key: Ident) -> Option<u32> {
        let bits = [key.bits as u64, (key.bits >> 64) as u64];
        self.by_key.find(probe, |slot| {
            let order = &self.slots[slot as usize];
            order.key == bits
                && order.form_and_state & FORM_BITS == key.form as u8
                && order.sale == sale
        })
    }

    #[inline]
    pub(super) fn find_id(&self, id: Seq) -> Option<u32> {
        let probe = self.by_id.clustered(id);
        self.by_id.find(probe, |slot| self.slots[slot as usize].id == id)
    }

    /// Adds an order; `probe` is its key's.
    #[inline(always)]
    pub(super) fn add(&mut self, probe: Probe, order: Order) -> u32 {
        assert!(self.has_room());
        let slot = self.len as u32;
        self.slots[self.len] = order;
        self.len += 1;
        self.by_key.insert(probe, slot);
        self.by_id.insert(self.by_id.clustered(order.id), slot);
        if order.id.is_multiple_of(IDS_PER_LINE) {
            self.prefetch_id(order.id + IDS_AHEAD);
        }
        slot
    }

    /// The slots of the members that an order counts for.
    pub(super) fn members(&self, slot: u32) -> [Option<u32>; GROUPS_MAX] {
        if self.at(slot).flags & GROUPED == 0 {
            return [None; GROUPS_MAX];
        }
        self.members[slot as usize].map(|member| member.checked_sub(1))
    }

    /// Says which members an order counts for.
    pub(super) fn set_members(&mut self, slot: u32, members: [Option<u32>; GROUPS_MAX]) {
        self.at_mut(slot).flags |= GROUPED;
        self.members[slot as usize] = members.map(|member| member.map_or(0, |slot| slot + 1));
    }

    #[inline(always)]
    pub(super) fn at(&self, slot: u32) -> &Order {
        &self.slots[slot as usize]
    }

    #[inline(always)]
    pub(super) fn at_mut(&mut self, slot: u32) -> &mut Order {
        &mut self.slots[slot as usize]
    }

    /// In the order in which they were given, which is the order of ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Order> {
        self.slots[..self.len].iter()
    }
}
