//! Who is given nothing yet: purchases that go on the waiting list, and entries of a draw.
//!
//! Invariant: what waits counts for limits as what is held does.

use super::OrderLine;
use super::basket::Wanted;
use super::command::{Buy, Fill, Given, Outcome, Party, Refusal, Side, Stamp};
use super::orders::{DRAWN, ENTERED, Order, State, UP_TO, WAITS};
use super::pools::COMMON;
use super::shop::{Found, Shop};
use super::waiting::Turn;

/// An order that is to wait.
pub(super) struct Hope<'a> {
    pub(super) buyer: Party<'a>,
    pub(super) key: Party<'a>,
    pub(super) side: &'a Side,
    pub(super) found: Found,
    /// All but what is set here.
    pub(super) order: Order,
    /// The lines of a basket; empty of any other order.
    pub(super) lines: &'a [OrderLine],
}

impl Shop {
    /// A purchase of so many units that would be sold out, and rather waits.
    #[cold]
    pub(super) fn wait(&mut self, buy: &Buy, units: u32, source: u8, found: Found) -> Outcome {
        let sale = self.sale(buy.sale)?;
        // Only common units are waited for: a channel's are its own until its time is over.
        if !buy.waits || source != COMMON || !sale.has_place(false) {
            return Err(Refusal::SoldOut);
        }
        let slot = self.hope(self.hope_of(buy, units, COMMON, found)?)?;
        self.enqueue(slot, None);
        Ok(self.last_in_line(slot))
    }

    /// A purchase of so many units that is an entry of the draw.
    #[cold]
    pub(super) fn enter(&mut self, buy: &Buy, units: u32, source: u8, found: Found) -> Outcome {
        let slot = self.hope(self.hope_of(buy, units, source, found)?)?;
        Ok(self.enter_draw(slot, buy.waits))
    }

    fn hope_of<'a>(
        &self,
        buy: &'a Buy<'a>,
        units: u32,
        source: u8,
        found: Found,
    ) -> Result<Hope<'a>, Refusal> {
        let item = &self.sale(buy.sale)?.items[usize::from(buy.item) - 1];
        let need = if buy.fill == Fill::UpTo { 1 } else { units };
        // Who waits for more than there is waits for nothing.
        if u64::from(need) > item.stock {
            return Err(Refusal::SoldOut);
        }
        let mut order = Order::new(0, buy.key.ident, State::Waiting);
        (order.sale, order.item, order.units, order.price) =
            (buy.sale, buy.item, units, item.price);
        (order.condition, order.channel) = (buy.condition, source);
        order.flags = if buy.fill == Fill::UpTo { UP_TO } else { 0 };
        let (buyer, key, side) = (buy.buyer, buy.key, &buy.side);
        Ok(Hope { buyer, key, side, found, order, lines: &[] })
    }

    /// A basket that would be sold out, and rather waits.
    #[cold]
    pub(super) fn wait_basket(&mut self, wanted: &Wanted) -> Result<Given, Refusal> {
        let slot = self.hope(wanted.hope())?;
        self.enqueue(slot, None);
        Ok(self.last_in_line(slot))
    }

    /// A basket that is an entry of the draw.
    #[cold]
    pub(super) fn enter_basket(&mut self, wanted: &Wanted) -> Result<Given, Refusal> {
        let slot = self.hope(wanted.hope())?;
        Ok(self.enter_draw(slot, wanted.waits()))
    }

    /// Remembers an order that is to wait. Returns its slot.
    fn hope(&mut self, hope: Hope) -> Result<u32, Refusal> {
        let Hope { buyer, key, side, found, mut order, lines } = hope;
        if !self.waiters.has_room(lines.len().max(1)) {
            return Err(Refusal::Overloaded);
        }
        let (place, vacancy) = self.with_room(order.sale, lines.len(), buyer, key, found)?;
        // From here it succeeds.
        self.remember_buyer(buyer, place);
        self.remember(key);
        order.id = self.change();
        if lines.is_empty() {
            let line = [OrderLine::new(order.item, order.units, order.price)];
            order.buyer = self.count_lines(order.sale, buyer.ident, place, &line);
        } else {
            order.buyer = self.count_lines(order.sale, buyer.ident, place, lines);
            (order.price, order.lines) = (self.lines.add(lines), lines.len() as u8);
        }
        let slot = self.orders.add(vacancy, order);
        if side.has_groups() {
            self.count_members(slot, side, order.units);
        }
        Ok(slot)
    }

    /// Makes an order that waits an entry of its sale's draw.
    fn enter_draw(&mut self, slot: u32, waits: bool) -> Given {
        self.orders.at_mut(slot).flags |= ENTERED | if waits { WAITS } else { 0 };
        self.count_entry(slot);
        self.given(self.orders.at(slot), self.seq, false)
    }

    /// Puts an order that is an entry behind those before it.
    pub(super) fn count_entry(&mut self, slot: u32) {
        let order = *self.orders.at(slot);
        let is_live = order.is_undrawn();
        let sale = &mut self.sales[usize::from(order.sale) - 1];
        let draw = sale.draw.as_mut().expect("only sales with a draw have entries");
        draw.enter(slot, order.id, is_live);
        if !is_live {
            return;
        }
        for index in 0..order.line_count() {
            let line = self.lines.line(&order, index);
            sale.items[usize::from(line.item) - 1].entered += u64::from(line.units);
        }
        self.waiting += 1;
        self.closing = self.closing.min(sale.closes_at);
    }

    /// The entries of a sale are to have their turns.
    pub(super) fn look_at_draw(&mut self, sale: u16) {
        if let Err(at) = self.drawing.binary_search(&sale) {
            self.drawing.insert(at, sale);
        }
    }

    /// Has the next entry its turn: it is given units, waits on, or leaves.
    pub(super) fn draw_next(&mut self, now: Stamp) -> Option<Turn> {
        let mut skips = 0;
        while let Some(&number) = self.drawing.first()
            && skips < self.skips_max
        {
            let sale = &mut self.sales[usize::from(number) - 1];
            let is_over = sale.is_over(now);
            let draw = sale.draw.as_mut().expect("only sales with a draw are drawn");
            if draw.live == 0 {
                self.drawing.remove(0);
                continue;
            }
            let slot = draw.next().expect("who lives among the entries has not had a turn");
            if !self.orders.at(slot).is_undrawn() {
                skips += 1;
                continue;
            }
            self.tick(now);
            let given = if is_over {
                self.leave(slot)
            } else if self.can_go(slot, false) {
                self.offer(slot, now)
            } else if self.may_wait_on(slot) {
                self.wait_on(slot)
            } else {
                self.leave(slot)
            };
            return Some(Turn { sale: number, given, is_drawn: true });
        }
        None
    }

    /// Whether an entry that was given nothing goes on the waiting list.
    fn may_wait_on(&self, slot: u32) -> bool {
        let order = self.orders.at(slot);
        let sale = &self.sales[usize::from(order.sale) - 1];
        let is_common = (0..order.line_count()).all(|index| {
            let item = &sale.items[usize::from(self.lines.line(order, index).item) - 1];
            item.source(order.channel) == Ok(COMMON)
        });
        // Whether there is room is not asked: it is made. What is journaled depends on no bound.
        order.flags & WAITS != 0 && is_common && sale.has_place(order.lines > 0)
    }

    /// Puts an entry whose turn it was on the waiting list.
    fn wait_on(&mut self, slot: u32) -> Given {
        let sale = self.dequeue(slot).sale;
        self.change();
        let turn = self.sales[usize::from(sale) - 1].draw.as_ref().expect("it was drawn").turns();
        let order = self.orders.at_mut(slot);
        order.flags |= DRAWN;
        order.channel = COMMON;
        self.enqueue(slot, Some(turn));
        self.last_in_line(slot)
    }
}
