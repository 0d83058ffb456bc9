//! The decision about a basket: the ladder of a purchase, each rung for all lines before the next,
//! and all lines are given or none.
//!
//! Invariant: lines of one item are one line before anything is asked of them.

use super::buyers::Place;
use super::command::{Basket, BasketRefusal, Given, Refusal, Stamp};
use super::entering::Hope;
use super::ident::Ident;
use super::lines::Joined;
use super::orders::{Order, State};
use super::pools::COMMON;
use super::shop::{Found, NS_PER_MS, Shop, given, within};
use super::stock::DrawState;
use super::{Fill, OrderLine};

impl Shop {
    /// Decides a basket; otherwise as [`apply`](Self::apply).
    ///
    /// # Errors
    /// The first [`Refusal`] that applies, and to which line.
    #[inline]
    pub fn basket(&mut self, now: Stamp, basket: &Basket) -> Result<Given, BasketRefusal> {
        self.tick(now);
        self.assert_settled(now);
        let sale_index = self.index(basket.sale)?;
        let sale = &self.sales[sale_index];
        let channel = basket.side.channel;
        let mut joined = Joined::NONE;
        joined.join(basket.lines);
        let Joined { lines, first: firsts, len } = &mut joined;
        let (lines, firsts) = (&mut lines[..*len], &*firsts);
        let in_line = |index: usize, why| BasketRefusal { why, line: Some(firsts[index]) };
        for (index, line) in lines.iter_mut().enumerate() {
            assert!(line.units > 0);
            let item = sale.items.get(usize::from(line.item).wrapping_sub(1));
            let item = item.ok_or(in_line(index, Refusal::UnknownItem))?;
            item.source(channel).map_err(|why| in_line(index, why))?;
            line.price = item.price;
        }
        let (key, lines) = (basket.key.ident, &*lines);
        let vacancy = match self.orders.find_key(basket.sale, key) {
            Ok(slot) => return self.basket_again(slot, basket, lines),
            Err(vacancy) => vacancy,
        };
        let undrawn = sale.undrawn(now);
        if now < sale.opens_at || undrawn.is_some_and(|draw| draw != DrawState::Entering) {
            return Err(Refusal::NotOpen.into());
        }
        if sale.is_paused {
            return Err(Refusal::Paused.into());
        }
        if sale.is_over(now) {
            return Err(Refusal::Closed.into());
        }
        if let Some(index) = lines.iter().position(|line| line.price > basket.max_price) {
            return Err(in_line(index, Refusal::PriceChanged(lines[index].price)));
        }
        let place = self.buyers.place(basket.sale, basket.buyer.ident);
        if undrawn.is_some() && self.buyers.sale_units(place) > 0 {
            return Err(Refusal::LimitReached(1).into());
        }
        let item_of = |line: &OrderLine| &sale.items[usize::from(line.item) - 1];
        for (index, line) in lines.iter().enumerate() {
            let limit = item_of(line).limit;
            if limit != 0 {
                let has = self.buyers.item_units(place, line.item);
                within(has, line.units, limit, Fill::All).map_err(|why| in_line(index, why))?;
            }
        }
        let units = lines.iter().fold(0_u32, |sum, line| sum.saturating_add(line.units));
        within(self.buyers.sale_units(place), units, sale.terms.limit, Fill::All)?;
        if basket.side.has_groups() {
            self.within_groups(sale, basket.sale, &basket.side, units, Fill::All)?;
        }
        let wanted = Wanted { basket, lines, units, found: (place, vacancy) };
        // Who waits for more than there is waits for nothing.
        let is_never = |line: &OrderLine| u64::from(line.units) > item_of(line).stock;
        if undrawn.is_some() {
            if let Some(index) = lines.iter().position(is_never) {
                return Err(in_line(index, Refusal::SoldOut));
            }
            return Ok(self.enter_basket(&wanted)?);
        }
        let is_short = |line: &OrderLine| {
            let source = item_of(line).source(channel).unwrap_or(COMMON);
            self.open_to(basket.sale, line.item, source) < u64::from(line.units)
        };
        if let Some(index) = lines.iter().position(is_short) {
            let is_common = |line: &OrderLine| item_of(line).source(channel) == Ok(COMMON);
            let may_wait = basket.waits
                && sale.has_place(true)
                && lines.iter().all(|line| is_common(line) && !is_never(line));
            return if may_wait {
                Ok(self.wait_basket(&wanted)?)
            } else {
                Err(in_line(index, Refusal::SoldOut))
            };
        }
        let (hold_ms, lane) = (sale.terms.hold_ms, sale.lane);
        let (place, vacancy) =
            self.with_room(basket.sale, lines.len(), basket.buyer, basket.key, wanted.found)?;

        // From here it succeeds.
        let state = if hold_ms == 0 { State::Confirmed } else { State::Held };
        self.remember_buyer(basket.buyer, place);
        self.remember(basket.key);
        let mut order = Order::new(self.change(), key, state);
        (order.sale, order.units, order.condition) = (basket.sale, units, basket.condition);
        order.channel = channel;
        order.buyer = self.count_lines(basket.sale, basket.buyer.ident, place, lines);
        for line in lines {
            let item = &mut self.sales[sale_index].items[usize::from(line.item) - 1];
            let source = item.source(channel).expect("asked for every line");
            item.give(source, u64::from(line.units), state);
        }
        (order.price, order.lines) = (self.lines.add(lines), lines.len() as u8);
        if state == State::Held {
            order.expires_at = now + u64::from(hold_ms) * NS_PER_MS;
            self.held += 1;
        }
        let slot = self.orders.add(vacancy, order);
        if basket.side.has_groups() {
            self.count_members(slot, &basket.side, units);
        }
        if state == State::Held {
            self.holds.add_newest(lane, &mut self.orders, slot, order.expires_at);
        }
        Ok(self.told(&order, self.seq, false))
    }

    /// Counts the units of all lines for the buyer, whose slot it returns.
    #[inline(always)]
    pub(super) fn count_lines(
        &mut self,
        sale: u16,
        buyer: Ident,
        place: Place,
        lines: &[OrderLine],
    ) -> u32 {
        if let [line] = lines {
            let is_limited = self.item_mut(sale, line.item).limit != 0;
            return self.buyers.give(place, sale, line.item, buyer, line.units, is_limited);
        }
        let items = &self.sales[usize::from(sale) - 1].items;
        let has_limit = |item: u16| items[usize::from(item) - 1].limit != 0;
        self.buyers.give_lines(place, sale, buyer, lines, has_limit)
    }

    /// The answer to a key that was used before.
    #[cold]
    fn basket_again(
        &self,
        slot: u32,
        basket: &Basket,
        lines: &[OrderLine],
    ) -> Result<Given, BasketRefusal> {
        let order = self.orders.at(slot);
        let known = self.lines.of(order);
        let is_same = |(known, line): (&OrderLine, &OrderLine)| {
            (known.item, known.units) == (line.item, line.units)
        };
        let same = known.len() == lines.len()
            && known.iter().zip(lines).all(is_same)
            && order.condition == basket.condition
            && self.buyers.ident(order.buyer) == basket.buyer.ident;
        if same { Ok(self.given(order, order.id, true)) } else { Err(Refusal::KeyReused.into()) }
    }

    /// What an answer tells of an order.
    #[inline(always)]
    pub(super) fn given(&self, order: &Order, seq: u64, replayed: bool) -> Given {
        let told = self.told(order, seq, replayed);
        if order.state() != State::Waiting {
            return told;
        }
        Given { position: self.position(order), ..told }
    }

    /// The same but for its place among those who wait.
    #[inline(always)]
    pub(super) fn told(&self, order: &Order, seq: u64, replayed: bool) -> Given {
        let told = given(order, seq, replayed);
        if order.lines == 0 {
            return told;
        }
        let sum = self.lines.of(order).iter().fold(0_u64, |sum, l| sum.saturating_add(l.sum()));
        Given { price: sum, ..told }
    }
}

/// A basket that could be taken, as far as its buyer is concerned.
pub(super) struct Wanted<'a> {
    basket: &'a Basket<'a>,
    /// Its lines, joined and priced.
    lines: &'a [OrderLine],
    units: u32,
    found: Found,
}

impl<'a> Wanted<'a> {
    /// Whether it rather waits than be sold out.
    pub(super) fn waits(&self) -> bool {
        self.basket.waits
    }

    /// What it is if it is to wait.
    pub(super) fn hope(&self) -> Hope<'a> {
        let Basket { sale, condition, buyer, key, ref side, .. } = *self.basket;
        let mut order = Order::new(0, key.ident, State::Waiting);
        (order.sale, order.units, order.condition) = (sale, self.units, condition);
        order.channel = side.channel;
        Hope { buyer, key, side, found: self.found, order, lines: self.lines }
    }
}
