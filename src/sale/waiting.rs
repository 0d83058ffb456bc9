//! The waiting list: who is offered units that return, and who leaves.
//!
//! Units that are free to all while somebody waits belong to those who wait: a purchase is never
//! given any, and [`promote`](Shop::promote) offers them one after another, in order. It does one
//! offer a call, so that many can be made in slices with commands decided between: nobody overtakes
//! meanwhile. Entries of a draw have their turns in the same way.
//!
//! Invariant: an item whose queue somebody can be taken from is among those to be looked at.

use super::command::{Given, Seq, Stamp};
use super::lines::{BASKET_LINES_MAX, Lines};
use super::orders::{DRAWN, NO_SLOT, OFFERED, Order, Orders, State, UP_TO};
use super::pools::COMMON;
use super::shop::{NS_PER_MS, Shop};
use super::stock::{Item, Sale};

/// What became of an order that waited, without its buyer's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Number of the sale.
    pub sale: u16,
    /// The order: held, if units were offered; left; or waiting, as an entry of a draw that was
    /// given nothing and is on the list now.
    pub given: Given,
    /// Whether it was its turn in a draw.
    pub is_drawn: bool,
}

impl Shop {
    /// Puts an order in state `waiting` at the end of the queue of each of its items; one that was
    /// drawn with its turn.
    pub(super) fn enqueue(&mut self, slot: u32, turn: Option<u64>) {
        if let Some(turn) = turn {
            self.waiters.note_turn(slot, turn);
        }
        let order = *self.orders.at(slot);
        assert_eq!(order.state(), State::Waiting);
        let sale = &mut self.sales[usize::from(order.sale) - 1];
        sale.waiting += 1;
        sale.baskets += u32::from(order.lines > 0);
        self.waiting += 1;
        self.closing = self.closing.min(sale.closes_at);
        let mut chunks = [NO_SLOT; BASKET_LINES_MAX];
        for (index, chunk) in chunks.iter_mut().enumerate().take(order.line_count()) {
            let line = self.lines.line(&order, index);
            let need = if order.flags & UP_TO != 0 { 1 } else { line.units };
            let item = &mut self.sales[usize::from(order.sale) - 1].items;
            let queue = &mut item[usize::from(line.item) - 1].queue;
            queue.baskets += u32::from(order.lines > 0);
            *chunk = self.waiters.push(queue, slot, line.units, need);
            self.look_at(order.sale, line.item);
        }
        if order.lines > 0 {
            self.waiters.note_basket(slot, chunks);
        } else {
            self.orders.at_mut(slot).next = chunks[0];
        }
    }

    /// Takes an order out of the queue of each of its items, or of the entries of the draw.
    pub(super) fn dequeue(&mut self, slot: u32) -> Order {
        let order = *self.orders.at(slot);
        assert_eq!(order.state(), State::Waiting);
        self.waiting -= 1;
        let sale = &mut self.sales[usize::from(order.sale) - 1];
        if order.is_undrawn() {
            sale.draw.as_mut().expect("it has entries").live -= 1;
            for index in 0..order.line_count() {
                let line = self.lines.line(&order, index);
                sale.items[usize::from(line.item) - 1].entered -= u64::from(line.units);
            }
            return order;
        }
        sale.waiting -= 1;
        sale.baskets -= u32::from(order.lines > 0);
        if order.flags & DRAWN != 0 {
            self.waiters.forget_turn(slot);
        }
        let chunks = if order.lines > 0 {
            self.waiters.forget_basket(slot)
        } else {
            let next = &mut self.orders.at_mut(slot).next;
            [std::mem::replace(next, NO_SLOT); BASKET_LINES_MAX]
        };
        for (index, chunk) in chunks.into_iter().enumerate().take(order.line_count()) {
            let line = self.lines.line(&order, index);
            let items = &mut self.sales[usize::from(order.sale) - 1].items;
            let queue = &mut items[usize::from(line.item) - 1].queue;
            queue.baskets -= u32::from(order.lines > 0);
            self.waiters.remove(queue, chunk, slot, line.units);
            self.look_at(order.sale, line.item);
        }
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
    ///
    /// A cursor is only right if nobody before it can be given what is free at any moment, whether
    /// or not a turn was tried: so where a basket may wait for this item and for others, these are
    /// looked at as well.
    pub(super) fn returned(&mut self, sale: u16, item: u16) {
        if self.item_mut(sale, item).queue.baskets > 0 {
            self.returned_to_baskets(sale, item);
        }
        let queue = &mut self.item_mut(sale, item).queue;
        if queue.live > 0 {
            queue.look_again();
            self.look_at(sale, item);
        }
    }

    #[cold]
    fn returned_to_baskets(&mut self, number: u16, returned: u16) {
        let count = self.sales[usize::from(number) - 1].items.len() as u16;
        for item in (1..=count).filter(|item| *item != returned) {
            let queue = &mut self.item_mut(number, item).queue;
            if queue.baskets > 0 {
                queue.look_again();
                self.look_at(number, item);
            }
        }
    }

    /// Whether [`promote`](Self::promote) may have something to do at that time.
    #[inline]
    pub fn is_promoting(&self, now: Stamp) -> bool {
        !self.pending.is_empty() || !self.drawing.is_empty() || now >= self.closing
    }

    /// Bounds how many entries of a draw that have left are passed over in one call of
    /// [`promote`](Self::promote), which then may say that there is nobody though there is: for
    /// those who come back as long as [`is_promoting`](Self::is_promoting).
    pub fn pass_over(&mut self, skips_max: usize) {
        self.skips_max = skips_max;
    }

    /// Whether somebody in a sale is to have a turn before an operator can say anything of it.
    pub fn is_promoting_in(&mut self, number: u16, now: Stamp) -> bool {
        let Ok(sale) = self.sale(number) else { return false };
        let has_entries = sale.draw.as_ref().is_some_and(|draw| draw.live > 0);
        let is_drawing = has_entries && self.drawing.contains(&number);
        if sale.is_over(now) && sale.expectant() > 0 || is_drawing {
            return true;
        }
        while let Some(&(_, item)) = self.pending.iter().find(|(sale, _)| *sale == number) {
            if self.first_to_go(number, item, now).is_some() {
                return true;
            }
            self.pending.retain(|pending| *pending != (number, item));
        }
        false
    }

    /// Has the next entry of a draw its turn, offers units that are free to the next who waits for
    /// them, or has the next leave who waits in a sale that is over; `None` when there is nobody
    /// left of whom that can be said. All holds that end by `now` must have been taken out, and all
    /// that was planned have happened.
    pub fn promote(&mut self, now: Stamp) -> Option<Turn> {
        if !self.is_promoting(now) {
            return None;
        }
        self.assert_settled(now);
        self.look_at_closed(now);
        if let Some(turn) = self.draw_next(now) {
            return Some(turn);
        }
        while let Some(&(sale, item)) = self.pending.first() {
            match self.first_to_go(sale, item, now) {
                Some(slot) => {
                    self.tick(now);
                    let is_over = self.sales[usize::from(sale) - 1].is_over(now);
                    let given = if is_over { self.leave(slot) } else { self.offer(slot, now) };
                    return Some(Turn { sale, given, is_drawn: false });
                }
                None => _ = self.pending.remove(0),
            }
        }
        None
    }

    /// The slot of the first that waits for an item, among those to be looked at, who can be given
    /// what is free, or has to leave.
    fn first_to_go(&mut self, number: u16, item: u16, now: Stamp) -> Option<u32> {
        let sale = &self.sales[usize::from(number) - 1];
        let place = &sale.items[usize::from(item) - 1];
        if sale.is_over(now) {
            return self.waiters.first(&place.queue).map(|(slot, _)| slot);
        }
        if sale.terms.is_strict {
            return self.head_to_go(place);
        }
        if sale.baskets == 0 {
            return self.first_fit(number, item);
        }
        // A basket may be the first for one item while another order is before it for the next.
        let mut first: Option<u32> = None;
        for index in 0..self.pending.len() {
            let (sale, item) = self.pending[index];
            let fit = if sale == number { self.first_fit(number, item) } else { None };
            first = first.into_iter().chain(fit).min_by_key(|slot| self.listed(*slot));
        }
        first
    }

    /// The slot of the head of an item's queue, where the head blocks, if it can go.
    fn head_to_go(&self, place: &Item) -> Option<u32> {
        let head = self.waiters.first(&place.queue).map(|(slot, _)| slot);
        head.filter(|slot| self.can_go(*slot, true))
    }

    /// By what orders stand on the waiting list: entries of a draw by their turns in it, which are
    /// fewer than the ids of all who came later.
    fn listed(&self, slot: u32) -> u64 {
        let order = self.orders.at(slot);
        if order.flags & DRAWN != 0 { self.waiters.turn(slot) } else { order.id }
    }

    fn first_fit(&mut self, sale: u16, item: u16) -> Option<u32> {
        let place = &self.sales[usize::from(sale) - 1].items[usize::from(item) - 1];
        let (mut queue, free) = (place.queue, place.free);
        let (orders, lines, sales) = (&self.orders, &self.lines, &self.sales);
        let fits = |slot: u32| fits(orders, lines, sales, slot);
        let found = self.waiters.first_fit(&mut queue, free, fits);
        self.item_mut(sale, item).queue = queue;
        found
    }

    /// Units that a newcomer can be given from there. What is free in common while somebody waits
    /// is theirs; but a basket that waits for another of its items does not keep this one from all.
    #[inline(always)]
    pub(super) fn open_to(&self, number: u16, item: u16, source: u8) -> u64 {
        let sale = &self.sales[usize::from(number) - 1];
        let place = &sale.items[usize::from(item) - 1];
        if source == COMMON && place.queue.live > 0 && self.is_kept(sale, place) {
            return 0;
        }
        place.free_in(source)
    }

    /// Whether what is free of an item that somebody waits for is theirs.
    #[cold]
    fn is_kept(&self, sale: &Sale, place: &Item) -> bool {
        if place.queue.live > place.queue.baskets {
            return true;
        }
        if sale.terms.is_strict {
            return self.head_to_go(place).is_some();
        }
        let fits = |slot: u32| fits(&self.orders, &self.lines, &self.sales, slot);
        self.waiters.has_fit(&place.queue, place.free, fits)
    }

    /// Whether an order can be given all that it needs of what is free to all: as the first in the
    /// queue of each of its items, or before all queues.
    pub(super) fn can_go(&self, slot: u32, is_queued: bool) -> bool {
        let order = self.orders.at(slot);
        (0..order.line_count()).all(|index| {
            let line = self.lines.line(order, index);
            let item = &self.sales[usize::from(order.sale) - 1].items[usize::from(line.item) - 1];
            let need = if order.flags & UP_TO != 0 { 1 } else { line.units };
            let source = item.source(order.channel).expect("its channel was there");
            let is_first = !is_queued
                || self.waiters.first(&item.queue).is_some_and(|(first, _)| first == slot);
            let open =
                if is_queued { item.free } else { self.open_to(order.sale, line.item, source) };
            is_first && u64::from(need) <= open
        })
    }

    /// Those who wait in sales that are over are to leave.
    fn look_at_closed(&mut self, now: Stamp) {
        if now < self.closing {
            return;
        }
        self.closing = Stamp::MAX;
        for index in 0..self.sales.len() {
            let (number, sale) = (index as u16 + 1, &self.sales[index]);
            if sale.expectant() == 0 {
                continue;
            }
            if !sale.is_over(now) {
                self.closing = self.closing.min(sale.closes_at);
                continue;
            }
            if sale.draw.as_ref().is_some_and(|draw| draw.live > 0) {
                self.look_at_draw(number);
            }
            for item in 0..self.sales[index].items.len() {
                self.look_at(number, item as u16 + 1);
            }
        }
    }

    /// Gives an order that waits what it can be given of where its units come from.
    pub(super) fn offer(&mut self, slot: u32, now: Stamp) -> Given {
        let order = self.dequeue(slot);
        let seq = self.change();
        let sale = &self.sales[usize::from(order.sale) - 1];
        let (offer_ms, lane) = (sale.terms.offer_ms, sale.offer_lane);
        let mut given = order.units;
        for index in 0..order.line_count() {
            let mut line = self.lines.line(&order, index);
            let item = self.item_mut(order.sale, line.item);
            let source = item.source(order.channel).expect("its channel was there");
            let units = u64::from(line.units).min(item.free_in(source));
            let is_whole = units == u64::from(line.units);
            assert!(units > 0 && (is_whole || order.flags & UP_TO != 0));
            item.give(source, units, State::Held);
            if !is_whole {
                given = units as u32;
                line.units -= given;
                self.count_back(slot, line);
            }
        }
        self.held += 1;
        let kept = self.orders.at_mut(slot);
        kept.set_state(State::Held);
        kept.units = given;
        kept.flags |= OFFERED;
        kept.expires_at = now + u64::from(offer_ms) * NS_PER_MS;
        self.holds.add(lane, &mut self.orders, slot);
        self.given(self.orders.at(slot), seq, false)
    }

    pub(super) fn leave(&mut self, slot: u32) -> Given {
        let order = self.dequeue(slot);
        let seq: Seq = self.change();
        for index in 0..order.line_count() {
            self.count_back(slot, self.lines.line(&order, index));
        }
        self.orders.at_mut(slot).set_state(State::Left);
        self.given(self.orders.at(slot), seq, false)
    }

    /// What an answer tells of an order that was just put on the waiting list.
    pub(super) fn last_in_line(&self, slot: u32) -> Given {
        let order = self.orders.at(slot);
        let items = &self.sales[usize::from(order.sale) - 1].items;
        let place = |index| items[usize::from(self.lines.line(order, index).item) - 1].queue.live;
        let position = (0..order.line_count()).map(place).max().unwrap_or(0);
        Given { position, ..self.told(order, self.seq, false) }
    }

    /// The place of a waiting order in its queue, from 1; of a basket the furthest. 0 before its
    /// turn in a draw.
    pub(super) fn position(&self, order: &Order) -> u32 {
        if order.is_undrawn() {
            return 0;
        }
        let slot = self.orders.find_id(order.id).expect("it is remembered");
        let place = |index: usize| {
            let item = self.lines.line(order, index).item;
            let item = &self.sales[usize::from(order.sale) - 1].items[usize::from(item) - 1];
            let chunk =
                if order.lines == 0 { order.next } else { self.waiters.basket(slot)[index] };
            self.waiters.position(&item.queue, chunk, slot)
        };
        (0..order.line_count()).map(place).max().unwrap_or(0)
    }
}

/// Whether all items of a basket that waits have enough that is free; of other orders the queue
/// itself says that.
fn fits(orders: &Orders, lines: &Lines, sales: &[Sale], slot: u32) -> bool {
    let order = orders.at(slot);
    order.lines == 0
        || lines.of(order).iter().all(|line| {
            let items = &sales[usize::from(order.sale) - 1].items;
            u64::from(line.units) <= items[usize::from(line.item) - 1].free
        })
}
