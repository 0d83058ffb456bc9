//! When holds end. All holds of one duration form a lane: a list through the orders themselves, in
//! the order in which they were given. Time never runs backwards, so a lane is sorted by its end
//! without any work, and the next hold to end is at the head of some lane. Of those that end at the
//! same instant the one with the lower id comes first.
//!
//! A hold that was confirmed or released stays in its lane until it comes to the head. One that was
//! extended is moved from there to the end of a lane of extended holds: holds that come from one
//! lane and were extended by the same time come there in the order of their ends, so such lanes are
//! sorted too if each goes to the lane whose last end is the latest before its own.
//!
//! Before the orders of a removed sale are cleared away, the lanes are swept: those orders are
//! taken out from wherever they stand, so no lane leads to a slot that another order has since.

use super::Stamp;
use super::orders::{NO_SLOT, Orders, State};
use crate::mutant::{self, Mutant};

/// Different hold times that may be in use at once.
pub const LANES_MAX: usize = 64;
/// Lanes of extended holds: one for each lane and time of extension, and one for those that an
/// image brought.
const EXTENDED_MAX: usize = LANES_MAX + 1;

#[derive(Clone, Copy)]
struct Lane {
    /// 0 where holds were extended.
    hold_ms: u32,
    head: u32,
    tail: u32,
    /// When the hold ends that was put in last; what was extended since ends later.
    last_end: Stamp,
    /// The hold before those that end then; [`NO_SLOT`] if it has left the lane.
    before_last: u32,
    /// The last order up to which it was swept; if that has left, all that were swept have.
    swept: u32,
}

impl Lane {
    fn new(hold_ms: u32) -> Lane {
        Lane {
            hold_ms,
            head: NO_SLOT,
            tail: NO_SLOT,
            last_end: 0,
            before_last: NO_SLOT,
            swept: NO_SLOT,
        }
    }

    /// Takes out orders that are cleared away, behind where it was swept; looks at `max` at most.
    /// Returns at how many it looked: fewer than `max` if it is swept.
    fn sweep(
        &mut self,
        orders: &mut Orders,
        max: usize,
        is_cleared: impl Fn(u16) -> bool,
    ) -> usize {
        for looked in 0..max {
            let before = self.swept;
            let slot = if before == NO_SLOT { self.head } else { orders.at(before).next };
            if slot == NO_SLOT {
                return looked;
            }
            if !is_cleared(orders.at(slot).sale) {
                self.swept = slot;
                continue;
            }
            assert!(orders.at(slot).state() != State::Held, "a removed sale has no holds");
            if before == NO_SLOT {
                self.pop(orders);
                continue;
            }
            orders.at_mut(before).next = orders.at(slot).next;
            if self.tail == slot {
                self.tail = before;
            }
            if self.before_last == slot {
                self.before_last = before;
            }
        }
        max
    }

    /// Puts an order at the end, or before those of the same end that were given later: who was
    /// drawn, or waited on, is not offered units in the order of ids.
    fn add(&mut self, orders: &mut Orders, slot: u32, end: Stamp) {
        let is_late = self.tail != NO_SLOT
            && self.last_end == end
            && orders.at(self.tail).id > orders.at(slot).id;
        if is_late { self.insert(orders, slot) } else { self.push(orders, slot, end) }
    }

    #[inline(always)]
    fn push(&mut self, orders: &mut Orders, slot: u32, end: Stamp) {
        if self.tail == NO_SLOT {
            self.head = slot;
        } else {
            assert!(self.last_end <= end, "a lane is sorted");
            orders.at_mut(self.tail).next = slot;
        }
        if self.last_end < end {
            self.before_last = self.tail;
        }
        (self.tail, self.last_end) = (slot, end);
    }

    #[cold]
    fn insert(&mut self, orders: &mut Orders, slot: u32) {
        let id = orders.at(slot).id;
        let mut before = self.before_last;
        loop {
            let next = if before == NO_SLOT { self.head } else { orders.at(before).next };
            // The last one is later; if it was swept out, this one is the last.
            if next == NO_SLOT || orders.at(next).id > id {
                if next == NO_SLOT {
                    self.tail = slot;
                }
                orders.at_mut(slot).next = next;
                match before {
                    NO_SLOT => self.head = slot,
                    before => orders.at_mut(before).next = slot,
                }
                return;
            }
            before = next;
        }
    }

    fn pop(&mut self, orders: &Orders) {
        if self.head == self.before_last {
            self.before_last = NO_SLOT;
        }
        if self.swept == self.head {
            self.swept = NO_SLOT;
        }
        self.head = orders.at(self.head).next;
        if self.head == NO_SLOT {
            (self.tail, self.last_end) = (NO_SLOT, 0);
        }
    }
}

/// All lanes.
pub(super) struct Holds {
    /// Those of holds as they were given.
    lanes: Vec<Lane>,
    /// Those of extended holds.
    extended: Vec<Lane>,
    /// From which lane holds may be extended by how many ms.
    extensions: Vec<(u8, u32)>,
    /// No hold ends before this. May lie before the first end, never after it.
    due: Stamp,
    /// The lane that is swept next, those of extended holds counted behind the others.
    sweeping: usize,
}

impl Holds {
    pub(super) fn new() -> Holds {
        Holds {
            lanes: Vec::with_capacity(LANES_MAX),
            extended: Vec::with_capacity(EXTENDED_MAX),
            extensions: Vec::with_capacity(LANES_MAX),
            due: Stamp::MAX,
            sweeping: 0,
        }
    }

    /// Begins to sweep all lanes.
    pub(super) fn begin_sweep(&mut self) {
        self.sweeping = 0;
        self.lanes.iter_mut().chain(&mut self.extended).for_each(|lane| lane.swept = NO_SLOT);
    }

    /// Takes the orders of sales that are cleared away out of their lanes; looks at about `max`.
    /// Returns at how many it looked: 0 if all lanes are swept.
    pub(super) fn sweep(
        &mut self,
        orders: &mut Orders,
        max: usize,
        is_cleared: impl Fn(u16) -> bool,
    ) -> usize {
        let mut looked = 0;
        let mut lanes = self.lanes.iter_mut().chain(&mut self.extended).skip(self.sweeping);
        while looked < max {
            let Some(lane) = lanes.next() else { break };
            let count = lane.sweep(orders, max - looked, &is_cleared);
            if count == max - looked {
                return max;
            }
            looked += count + 1;
            self.sweeping += 1;
        }
        looked
    }

    /// The lane for a duration whose holds may be extended by `extend_ms`, 0 for not at all;
    /// `None` if there are too many different ones.
    pub(super) fn lane(&mut self, hold_ms: u32, extend_ms: u32) -> Option<u8> {
        let found = self.lanes.iter().position(|lane| lane.hold_ms == hold_ms);
        let index = found.unwrap_or(self.lanes.len());
        let extension = (index as u8, extend_ms);
        let is_new = extend_ms != 0 && !self.extensions.contains(&extension);
        if index >= LANES_MAX || is_new && self.extensions.len() >= LANES_MAX {
            return None;
        }
        if found.is_none() {
            self.lanes.push(Lane::new(hold_ms));
        }
        if is_new {
            self.extensions.push(extension);
        }
        Some(index as u8)
    }

    /// Puts the newest of all orders at the end of its lane.
    #[inline(always)]
    pub(super) fn add_newest(&mut self, lane: u8, orders: &mut Orders, slot: u32, end: Stamp) {
        self.due = self.due.min(end);
        self.lanes[usize::from(lane)].push(orders, slot, end);
    }

    /// Puts an order that was given units into its lane.
    pub(super) fn add(&mut self, lane: u8, orders: &mut Orders, slot: u32) {
        let end = orders.at(slot).expires_at;
        self.due = self.due.min(end);
        self.lanes[usize::from(lane)].add(orders, slot, end);
    }

    /// Puts an order that was extended, and is in no lane, into one.
    pub(super) fn add_extended(&mut self, orders: &mut Orders, slot: u32) {
        let order = orders.at_mut(slot);
        order.next = NO_SLOT;
        let end = order.expires_at;
        self.due = self.due.min(end);
        let fitting = self.extended.iter_mut().filter(|lane| lane.last_end <= end);
        match fitting.max_by_key(|lane| lane.last_end) {
            Some(lane) => lane.add(orders, slot, end),
            None => {
                assert!(self.extended.len() < EXTENDED_MAX, "one for each extension is enough");
                self.extended.push(Lane::new(0));
                self.extended.last_mut().expect("just pushed").push(orders, slot, end);
            }
        }
    }

    /// A time before which no hold ends.
    #[inline]
    pub(super) fn due(&self) -> Stamp {
        self.due
    }

    /// The next hold that ends at or before `now`: the earliest by end, then by id. Lets go of
    /// holds at the heads of lanes that are held no more.
    pub(super) fn find_due(&mut self, now: Stamp, orders: &mut Orders) -> Option<u32> {
        for index in 0..self.lanes.len() {
            loop {
                let lane = &mut self.lanes[index];
                let slot = lane.head;
                if slot == NO_SLOT {
                    break;
                }
                let order = orders.at(slot);
                let is_held = order.state() == State::Held;
                if is_held && !order.is_extended() {
                    break;
                }
                lane.pop(orders);
                if is_held {
                    self.add_extended(orders, slot);
                }
            }
        }
        let mut next: Option<(Stamp, u64, u32)> = None;
        for lane in self.lanes.iter_mut().chain(&mut self.extended) {
            while lane.head != NO_SLOT && orders.at(lane.head).state() != State::Held {
                lane.pop(orders);
            }
            if lane.head == NO_SLOT {
                continue;
            }
            let order = orders.at(lane.head);
            let candidate = (order.expires_at, order.id, lane.head);
            next = Some(next.map_or(candidate, |best| best.min(candidate)));
        }
        self.due = next.map_or(Stamp::MAX, |(expires_at, ..)| expires_at);
        let now = now - u64::from(mutant::is(Mutant::ExpiryLate));
        next.filter(|(expires_at, ..)| *expires_at <= now).map(|(.., slot)| slot)
    }

    /// Takes the next hold that ends at or before `now` out of its lane.
    pub(super) fn take_due(&mut self, now: Stamp, orders: &mut Orders) -> Option<u32> {
        let slot = self.find_due(now, orders)?;
        let mut lanes = self.lanes.iter_mut().chain(&mut self.extended);
        let lane = lanes.find(|lane| lane.head == slot);
        lane.expect("what is due is at the head of its lane").pop(orders);
        Some(slot)
    }
}
