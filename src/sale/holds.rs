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

    /// Takes the next hold that ends at or before `now` out of its lane: the earliest by end, then
    /// by id.
    #[inline]
    pub(super) fn take_due(&mut self, now: Stamp, orders: &Orders) -> Option<u32> {
        if now < self.due {
            return None;
        }
        let mut next: Option<(Stamp, u64, usize)> = None;
        let mut second = Stamp::MAX;
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            while lane.head != NO_SLOT && orders.at(lane.head).state() != State::Held {
                lane.head = orders.at(lane.head).next;
            }
            if lane.head == NO_SLOT {
                lane.tail = NO_SLOT;
                continue;
            }
            let order = orders.at(lane.head);
            let candidate = (order.expires_at, order.id, index);
            match next {
                Some(best) if best < candidate => second = second.min(candidate.0),
                _ => {
                    second = second.min(next.map_or(Stamp::MAX, |best| best.0));
                    next = Some(candidate);
                }
            }
        }
        let Some((expires_at, _, index)) = next else {
            self.due = Stamp::MAX;
            return None;
        };
        if expires_at > now {
            self.due = expires_at;
            return None;
        }
        let lane = &mut self.lanes[index];
        let slot = lane.head;
        lane.head = orders.at(slot).next;
        let rest = if lane.head == NO_SLOT {
            lane.tail = NO_SLOT;
            Stamp::MAX
        } else {
            orders.at(lane.head).expires_at
        };
        self.due = rest.min(second);
        Some(slot)
    }
}
