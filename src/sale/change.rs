//! What becomes of an order: a hold is paid, given back, prolonged or runs out, a purchase is given
//! back. Ladders of refusals like that of a purchase.
//!
//! Invariant: what was counted when units were given is counted back exactly once, when an order
//! leaves the states `held` and `confirmed`.

use super::agenda::{Entry, Event, Happened, What};
use super::command::{About, Given, Outcome, Refusal, Seq, Stamp};
use super::orders::{EXTENDED, State};
use super::shop::{NS_PER_MS, Shop};
use super::terms::STOCK_MAX;
use crate::mutant::{self, Mutant};

impl Shop {
    pub(super) fn confirm(&mut self, about: &About) -> Outcome {
        let slot = self.held_order(about)?;
        // From here it succeeds.
        self.change();
        self.held -= 1;
        let order = self.orders.at_mut(slot);
        assert!(self.now < order.expires_at, "expired holds were taken out before");
        order.set_state(State::Confirmed);
        let order = *order;
        for index in 0..order.line_count() {
            let line = self.lines.line(&order, index);
            let item = self.item_mut(order.sale, line.item);
            item.held -= u64::from(line.units);
            item.confirmed += u64::from(line.units);
            item.assert_balance();
        }
        Ok(self.given(&order, self.seq, false))
    }

    pub(super) fn release(&mut self, about: &About) -> Outcome {
        let slot = match self.held_order(about) {
            // Who waits may leave.
            Err(Refusal::NotHeld) => return Ok(self.leave(self.find(about)?)),
            found => found?,
        };
        // From here it succeeds.
        Ok(self.give_back(slot, State::Released))
    }

    /// Moves the end of a hold, once, by what the sale's terms allow.
    pub(super) fn extend(&mut self, about: &About) -> Outcome {
        let slot = self.held_order(about)?;
        let extend_ms = self.sale(about.sale)?.terms.extend_ms;
        let order = self.orders.at_mut(slot);
        if extend_ms == 0 || order.is_extended() {
            return Err(Refusal::ExtendRefused);
        }
        if !self.admits {
            return Err(Refusal::Overloaded);
        }
        // From here it succeeds.
        assert!(self.now < order.expires_at, "expired holds were taken out before");
        // Its lane finds out when the hold comes to its head.
        order.flags |= EXTENDED;
        order.expires_at += u64::from(extend_ms) * NS_PER_MS;
        self.change();
        Ok(self.given(self.orders.at(slot), self.seq, false))
    }

    pub(super) fn cancel(&mut self, about: &About) -> Outcome {
        let slot = self.find(about)?;
        match self.orders.at(slot).state() {
            State::Confirmed => {}
            State::Expired => return Err(Refusal::HoldExpired),
            State::Released | State::Cancelled | State::Left => {
                return Err(Refusal::AlreadyReleased);
            }
            State::Held | State::Waiting => return Err(Refusal::NotConfirmed),
        }
        if !self.admits {
            return Err(Refusal::Overloaded);
        }
        // From here it succeeds.
        Ok(self.give_back(slot, State::Cancelled))
    }

    /// Takes out the next hold that ends at or before `now`, in the order of (end, id): its units
    /// are free again. Returns its sale and what became of it; `None` when no such hold is left.
    #[inline]
    pub fn expire(&mut self, now: Stamp) -> Option<(u16, Given)> {
        if now < self.holds.due() {
            return None;
        }
        let slot = self.holds.take_due(now, &mut self.orders)?;
        self.tick(now);
        assert!(self.orders.at(slot).expires_at <= now);
        Some((self.orders.at(slot).sale, self.give_back(slot, State::Expired)))
    }

    /// Whether a hold ends, or something planned happens, at or before `now`.
    #[inline]
    pub fn has_due(&mut self, now: Stamp) -> bool {
        now >= self.agenda.due() || self.has_hold_due(now)
    }

    fn has_hold_due(&mut self, now: Stamp) -> bool {
        now >= self.holds.due() && self.holds.find_due(now, &mut self.orders).is_some()
    }

    /// Has the next happen that was planned for `now` or before, in the order of (time, id).
    /// Returns the seq and what; `None` when nothing is left, or a hold has to end first.
    #[inline]
    pub fn happen(&mut self, now: Stamp) -> Option<(Seq, Happened)> {
        if now < self.agenda.due() || self.has_hold_due(now) {
            return None;
        }
        let Entry { id, sale, item, what, .. } = self.agenda.take_due(now)?;
        self.tick(now);
        let seq = self.change();
        let place = self.item_mut(sale, item);
        let event = match what {
            What::Surge(units) => {
                let units = units.min(STOCK_MAX - place.stock);
                place.stock += units;
                place.free += units;
                place.assert_balance();
                Event::Surge { wave: id, units }
            }
            What::Sweep(channel) => Event::Sweep { channel, units: place.sweep(channel) },
        };
        self.returned(sale, item);
        Some((seq, Happened { sale, item, event }))
    }

    fn give_back(&mut self, slot: u32, to: State) -> Given {
        self.change();
        let order = self.orders.at_mut(slot);
        let from = order.state();
        assert_eq!(from == State::Confirmed, to == State::Cancelled, "{from:?} to {to:?}");
        order.set_state(to);
        let order = *order;
        for index in 0..order.line_count() {
            let line = self.lines.line(&order, index);
            let item = self.item_mut(order.sale, line.item);
            let is_common = item.take_back(order.channel, u64::from(line.units), from);
            if !mutant::is(Mutant::LimitNotGivenBack) {
                self.count_back(slot, line);
            }
            if is_common {
                self.returned(order.sale, line.item);
            }
        }
        self.held -= u64::from(from == State::Held);
        self.given(&order, self.seq, false)
    }

    /// The ladder that the commands about a hold share.
    fn held_order(&self, about: &About) -> Result<u32, Refusal> {
        let slot = self.find(about)?;
        match self.orders.at(slot).state() {
            State::Held => Ok(slot),
            State::Expired => Err(Refusal::HoldExpired),
            State::Confirmed => Err(Refusal::AlreadyConfirmed),
            State::Released | State::Cancelled | State::Left => Err(Refusal::AlreadyReleased),
            State::Waiting => Err(Refusal::NotHeld),
        }
    }
}
