//! When holds end. All holds of one duration form a lane: a list through the orders themselves, in
//! the order in which they were given. Time never runs backwards, so a lane is sorted by its end
//! without any work, and the next hold to end is at the head of some lane.
//!
//! A hold that was confirmed or released stays in its lane until it comes to the head.

use super::Stamp;
use super::orders::{NO_SLOT, Orders, State};

/// Different hold times that may be in use at once.
pub const LANES_MAX: usize = 64;

#[derive(Clone, Copy)]
struct Lane {
    hold_ms: u32,
    head: u32,
    tail: u32,
}

/// All lanes.
pub(super) struct Holds {
    lanes: Vec<Lane>,
    /// No hold ends before this. May lie before the first end, never after it.
    due: Stamp,
}

impl Holds {
    pub(super) fn new() -> Holds {
        Holds { lanes: Vec::with_capacity(LANES_MAX), due: Stamp::MAX }
    }

    /// The lane for a duration; `None` if there are too many different ones.
    pub(super) fn lane(&mut self, hold_ms: u32) -> Option<u8> {
        let found = self.lanes.iter().position(|lane| lane.hold_ms == hold_ms);
        if found.is_none() && self.lanes.len() < LANES_MAX {
            self.lanes.push(Lane { hold_ms, head: NO_SLOT, tail: NO_SLOT });
        }
        let index = found.unwrap_or(self.lanes.len() - 1);
        (self.lanes[index].hold_ms == hold_ms).then_some(index as u8)
    }

    /// Puts an order at the end of its lane.
    #[inline(always)]
    pub(super) fn add(&mut self, lane: u8, orders: &mut Orders, slot: u32) {
        let lane = &mut self.lanes[usize::from(lane)];
        let expires_at = orders.at(slot).expires_at;
        if lane.tail == NO_SLOT {
            lane.head = slot;
            self.due = self.due.min(expires_at);
        } else {
            let last = orders.at_mut(lane.tail);
            assert!(last.expires_at <= expires_at, "a lane is sorted");
            last.next = slot;
        }
        lane.tail = slot;
    }

    /// A time before which no hold ends.
    #[inline]
    pub(super) fn due(&self) -> Stamp {
        self.due
    }

    /// The next hold that ends at or before `now`: the earliest by end, then by id. Lets go of
    /// holds at the heads of lanes that are held no more.
    pub(super) fn find_due(&mut self, now: Stamp, orders: &Orders) -> Option<u32> {
        let mut next: Option<(Stamp, u64, u32)> = None;
        for lane in &mut self.lanes {
            while lane.head != NO_SLOT && orders.at(lane.head).state() != State::Held {
                lane.head = orders.at(lane.head).next;
            }
            if lane.head == NO_SLOT {
                lane.tail = NO_SLOT;
                continue;
            }
            let order = orders.at(lane.head);
            let candidate = (order.expires_at, order.id, lane.head);
            next = Some(next.map_or(candidate, |best| best.min(candidate)));
        }
        self.due = next.map_or(Stamp::MAX, |(expires_at, ..)| expires_at);
        next.filter(|(expires_at, ..)| *expires_at <= now).map(|(.., slot)| slot)
    }

    /// Takes the next hold that ends at or before `now` out of its lane.
    pub(super) fn take_due(&mut self, now: Stamp, orders: &Orders) -> Option<u32> {
        let slot = self.find_due(now, orders)?;
        let lane = self.lanes.iter_mut().find(|lane| lane.head == slot);
        let lane = lane.expect("what is due is at the head of its lane");
        lane.head = orders.at(slot).next;
        if lane.head == NO_SLOT {
            lane.tail = NO_SLOT;
        }
        Some(slot)
    }
}
