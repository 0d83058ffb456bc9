//! The waiting list: who enters it, who is offered units that return, and who leaves.
//!
//! Units that are free while somebody waits belong to those who wait: a purchase is never given
//! any, and [`promote`](Shop::promote) offers them one after another, in order. It does one offer a
//! call, so that many can be made in slices with commands decided between: nobody overtakes
//! meanwhile.
//!
//! Invariant: an item whose queue somebody can be taken from is among those to be looked at.

use super::buyers::Place;
use super::command::{Buy, Fill, Given, Outcome, Refusal, Seq, Stamp};
use super::index::Probe;
use super::orders::{NO_SLOT, OFFERED, Order, State, UP_TO};
use super::shop::{NS_PER_MS, Shop};

impl Shop {
    /// A purchase of so many units that would be sold out, and rather waits.
    #[cold]
    pub(super) fn wait(&mut self, buy: &Buy, units: u32, place: Place, probe: Probe) -> Outcome {
        let index = self.index(buy.sale)?;
        let sale = &self.sales[index];
        let item = &sale.items[usize::from(buy.item) - 1];
        let need = if buy.fill == Fill::UpTo { 1 } else { units };
        if !buy.waits || sale.waiting >= sale.terms.waitlist || u64::from(need) > item.stock {
            return Err(Refusal::SoldOut);
        }
        if !self.admits
            || !self.orders.has_room()
            || !self.buyers.has_room(2)
            || !self.waiters.has_room()
            || !self.has_text_room(buy.buyer, buy.key)
        {
            return Err(Refusal::Overloaded);
        }
        // From here it succeeds.
        let (price, has_limit) = (item.price, item.limit != 0);
        self.remember_buyer(buy.buyer, place);
        self.remember(buy.key);
        let mut order = Order::new(self.change(), buy.key.ident, State::Waiting);
        (order.sale, order.item, order.units, order.price) = (buy.sale, buy.item, units, price);
        order.condition = buy.condition;
        order.flags = if buy.fill == Fill::UpTo { UP_TO } else { 0 };
        let buyer = buy.buyer.ident;
        order.buyer = self.buyers.give(place, buy.sale, buy.item, buyer, units, has_limit);
        let slot = self.orders.add(probe, order);
        self.enqueue(slot);
        Ok(self.given(self.orders.at(slot), self.seq, false))
    }

    /// Puts an order in state `waiting` at the end of the queue of its item.
    pub(super) fn enqueue(&mut self, slot: u32) {
        let order = self.orders.at_mut(slot);
        assert_eq!(order.state(), State::Waiting);
        let sale = &mut self.sales[usize::from(order.sale) - 1];
        sale.waiting += 1;
        self.waiting += 1;
        self.closing = self.closing.min(sale.closes_at);
        let item = &mut sale.items[usize::from(order.item) - 1];
        let need = if order.flags & UP_TO != 0 { 1 } else { order.units };
        order.next = self.waiters.push(&mut item.queue, slot, order.units, need);
        let (sale, item) = (order.sale, order.item);
        self.look_at(sale, item);
    }

    /// Takes an order out of the queue of its item.
    fn dequeue(&mut self, slot: u32) -> Order {
        let order = self.orders.at_mut(slot);
        assert_eq!(order.state(), State::Waiting);
        let chunk = std::mem::replace(&mut order.next, NO_SLOT);
        let order = *order;
        let sale = &mut self.sales[usize::from(order.sale) - 1];
        sale.waiting -= 1;
        self.waiting -= 1;
        let queue = &mut sale.items[usize::from(order.item) - 1].queue;
        self.waiters.remove(queue, chunk, slot, order.units);
        self.look_at(order.sale, order.item);
        order
    }

    /// Remembers that somebody who waits for an item may be given what is free of it.
    pub(super) fn look_at(&mut self, sale: u16, item: u16) {
        if self.sales[usize::from(sale) - 1].items[usize::from(item) - 1].queue.live == 0 {
            return;
        }
        if let Err(at) = self.pending.binary_search(&(sale, item)) {
            self.pending.insert(at, (sale, item));
        }
    }

    /// Units of an item have returned or were added.
    pub(super) fn returned(&mut self, sale: u16, item: u16) {
        let queue = &mut self.item_mut(sale, item).queue;
        if queue.live > 0 {
            queue.look_again();
            self.look_at(sale, item);
        }
    }

    /// Whether [`promote`](Self::promote) may have something to do at that time.
    #[inline]
    pub fn is_promoting(&self, now: Stamp) -> bool {
        !self.pending.is_empty() || now >= self.closing
    }

    /// Offers units that are free to the next who waits for them, or has the next leave who waits
    /// in a sale that is over. Returns the sale and what became of the order; `None` when there is
    /// nobody left of whom that can be said. All holds that end by `now` must have been taken out.
    pub fn promote(&mut self, now: Stamp) -> Option<(u16, Given)> {
        if !self.is_promoting(now) {
            return None;
        }
        assert!(now < self.holds.due(), "a hold that has ended is still held");
        self.look_at_closed(now);
        while let Some(&(number, item)) = self.pending.first() {
            let sale = &mut self.sales[usize::from(number) - 1];
            let is_over = sale.is_over(now);
            let is_strict = sale.terms.is_strict;
            let item = &mut sale.items[usize::from(item) - 1];
            let next = if is_over {
                self.waiters.first(&item.queue).map(|(slot, _)| slot)
            } else if is_strict {
                let first = self.waiters.first(&item.queue);
                first.filter(|(_, need)| u64::from(*need) <= item.free).map(|(slot, _)| slot)
            } else {
                self.waiters.first_fit(&mut item.queue, item.free)
            };
            match next {
                Some(slot) => {
                    self.tick(now);
                    let given = if is_over { self.leave(slot) } else { self.offer(slot, now) };
                    return Some((number, given));
                }
                None => _ = self.pending.remove(0),
            }
        }
        None
    }

    /// Those who wait in sales that are over are to leave.
    fn look_at_closed(&mut self, now: Stamp) {
        if now < self.closing {
            return;
        }
        self.closing = Stamp::MAX;
        for index in 0..self.sales.len() {
            let sale = &self.sales[index];
            if sale.waiting == 0 {
                continue;
            }
            if !sale.is_over(now) {
                self.closing = self.closing.min(sale.closes_at);
                continue;
            }
            for item in 0..sale.items.len() {
                self.look_at(index as u16 + 1, item as u16 + 1);
            }
        }
    }

    fn offer(&mut self, slot: u32, now: Stamp) -> Given {
        let order = self.dequeue(slot);
        let seq = self.change();
        let sale = &mut self.sales[usize::from(order.sale) - 1];
        let (offer_ms, lane) = (sale.terms.offer_ms, sale.offer_lane);
        let item = &mut sale.items[usize::from(order.item) - 1];
        let units = u64::from(order.units).min(item.free);
        assert!(units > 0 && (units == u64::from(order.units) || order.flags & UP_TO != 0));
        item.free -= units;
        item.held += units;
        item.assert_balance();
        let (has_limit, less) = (item.limit != 0, order.units - units as u32);
        if less > 0 {
            self.buyers.take(order.buyer, order.item, less, has_limit);
        }
        self.held += 1;
        let kept = self.orders.at_mut(slot);
        kept.set_state(State::Held);
        kept.units = units as u32;
        kept.flags |= OFFERED;
        kept.expires_at = now + u64::from(offer_ms) * NS_PER_MS;
        self.holds.add(lane, &mut self.orders, slot);
        self.given(self.orders.at(slot), seq, false)
    }

    pub(super) fn leave(&mut self, slot: u32) -> Given {
        let order = self.dequeue(slot);
        let seq: Seq = self.change();
        let has_limit = self.item_mut(order.sale, order.item).limit != 0;
        self.buyers.take(order.buyer, order.item, order.units, has_limit);
        self.orders.at_mut(slot).set_state(State::Left);
        self.given(self.orders.at(slot), seq, false)
    }

    /// The place of a waiting order in its queue, from 1.
    pub(super) fn position(&self, order: &Order) -> u32 {
        let slot = self.orders.find_id(order.id).expect("it is remembered");
        let item = &self.sales[usize::from(order.sale) - 1].items[usize::from(order.item) - 1];
        self.waiters.position(&item.queue, order.next, slot)
    }
}
