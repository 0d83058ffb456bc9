//! All sales of a server, and the decision about a purchase: a ladder of refusals in the contract's
//! order of precedence; what comes after the comment "From here it succeeds" cannot fail. What
//! becomes of an order afterwards is decided next door in `change`.
//!
//! It never does I/O, reads a clock, draws a random number or allocates for an order: the same
//! commands at the same stamps give the same answers for ever.
//!
//! Invariants, asserted on every change: for each item `stock = free + held + confirmed`; stamps
//! never go backwards; no hold that has ended is still held when a command is decided.

use super::agenda::Agenda;
use super::buyers::{Buyers, Place};
use super::clearing::Clearing;
use super::command::{About, Buy, Command, Fill, Given, Outcome, Party, Refusal, Seq, Stamp};
use super::hash::Seed;
use super::holds::Holds;
use super::ident::{Form, Ident, Text};
use super::index::Vacancy;
use super::lines::Lines;
use super::orders::{Order, Orders, State, UP_TO};
use super::stock::{DrawState, Item, Sale};
use super::terms::GROUPS_MAX;
use super::texts::Texts;
use super::waiters::Waiters;
use crate::mutant::{self, Mutant};

/// Where a buyer is counted and a key is to be found, as long as nothing else is added or removed.
pub(super) type Found = (Place, Vacancy);

pub(super) const NS_PER_MS: u64 = 1_000_000;
/// Items to be looked at for which there is room from the beginning.
const PENDING_USUAL: usize = 1024;

/// How much a shop can hold; all of it is allocated when the shop is made and, where nothing else
/// is said, touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Orders remembered, of all sales and states together; about 90 bytes each.
    pub orders_max: usize,
    /// Buyers remembered, once for each sale and for each further limited item; 46 bytes each.
    pub buyers_max: usize,
    /// Buyers and keys of more than 16 characters that are neither numbers nor UUIDs.
    pub long_texts_max: usize,
    /// Lines of baskets remembered, 16 bytes each; as much again is taken once a sale with baskets
    /// stays when another is removed.
    pub lines_max: usize,
    /// Orders that wait at once, of all sales together; about 17 bytes each, taken when they are
    /// first used.
    pub waiters_max: usize,
    /// Sales that may ever be created.
    pub sales_max: usize,
}

/// All sales, their items, orders and buyers.
pub struct Shop {
    pub(super) seed: Seed,
    pub(super) seq: Seq,
    pub(super) now: Stamp,
    /// The stamp of the newest change; refusals move `now` alone.
    pub(super) changed_at: Stamp,
    pub(super) sales: Vec<Sale>,
    pub(super) orders: Orders,
    pub(super) buyers: Buyers,
    pub(super) lines: Lines,
    pub(super) waiters: Waiters,
    /// Items whose waiting lists are to be looked at, by numbers of sale and item, sorted.
    pub(super) pending: Vec<(u16, u16)>,
    /// No sale in which somebody waits ends before this.
    pub(super) closing: Stamp,
    /// Sales whose entries have their turns, or are to leave; sorted.
    pub(super) drawing: Vec<u16>,
    /// Entries that have left, passed over in one call.
    pub(super) skips_max: usize,
    pub(super) agenda: Agenda,
    pub(super) holds: Holds,
    pub(super) texts: Texts,
    pub(super) clearing: Clearing,
    /// Orders in state `held`.
    pub(super) held: u64,
    /// Orders in state `waiting`.
    pub(super) waiting: u64,
    pub(super) admits: bool,
    pub(super) bounds: Bounds,
}

/// Places that must be free among the buyers for a purchase, lines of a basket not counted: its
/// buyer, an item with a limit, and a member of each limit group.
pub const BUYERS_SPARE: usize = 2 + GROUPS_MAX;

impl Shop {
    /// An empty shop. The seed keys the hash tables and shows in no answer and no image.
    pub fn new(bounds: Bounds, seed: Seed) -> Shop {
        Shop::with(Orders::new(bounds.orders_max, seed), bounds, seed)
    }

    pub(super) fn with(orders: Orders, bounds: Bounds, seed: Seed) -> Shop {
        Shop {
            seed,
            seq: 0,
            now: 0,
            changed_at: 0,
            sales: Vec::with_capacity(bounds.sales_max.min(64)),
            orders,
            buyers: Buyers::new(bounds.buyers_max, seed),
            lines: Lines::new(bounds.lines_max),
            waiters: Waiters::new(bounds.waiters_max),
            pending: Vec::with_capacity(PENDING_USUAL),
            closing: Stamp::MAX,
            drawing: Vec::new(),
            skips_max: usize::MAX,
            agenda: Agenda::new(),
            holds: Holds::new(),
            texts: Texts::new(bounds.long_texts_max),
            clearing: Clearing::default(),
            held: 0,
            waiting: 0,
            admits: true,
            bounds,
        }
    }

    /// A time before which no hold ends, no sale in which somebody waits, and nothing planned
    /// happens.
    #[inline]
    pub fn due(&self) -> Stamp {
        self.holds.due().min(self.closing).min(self.agenda.due())
    }

    /// The ident of a long text: bits that stand for all 64 bytes.
    pub fn long(&self, text: &Text) -> Ident {
        Ident { form: Form::Long, bits: self.seed.digest(text) }
    }

    /// Asks the cache for what a purchase will touch.
    #[inline(always)]
    pub fn prefetch(&self, sale: u16, buyer: Ident, key: Ident) {
        self.orders.prefetch_key(sale, key);
        self.buyers.prefetch(sale, buyer);
    }

    /// Asks the cache for what a command about an order will touch first.
    #[inline(always)]
    pub fn prefetch_order(&self, order: Seq) {
        self.orders.prefetch_id(order);
    }

    /// Says whether new orders are taken; if not, they are refused as overloaded, and so is what
    /// need not be: that a hold lasts longer, or that a purchase is given back.
    #[inline]
    pub fn admit(&mut self, new_orders: bool) {
        self.admits = new_orders;
    }

    /// Counts a seal, which changes nothing but the seq and decides nothing.
    pub fn seal(&mut self, now: Stamp) -> Seq {
        self.tick(now);
        self.seq += 1;
        self.seq
    }

    /// Decides one command at a time that is not before the last one's. All holds that end by then
    /// must have been taken out by [`expire`](Self::expire), and all that is planned have happened
    /// by [`happen`](Self::happen).
    #[inline]
    pub fn apply(&mut self, now: Stamp, command: &Command) -> Outcome {
        self.tick(now);
        self.assert_settled(now);
        match command {
            Command::Buy(buy) => self.buy(now, buy),
            Command::Confirm(about) => self.confirm(about),
            Command::Release(about) => self.release(about),
            Command::Extend(about) => self.extend(about),
            Command::Cancel(about) => self.cancel(about),
        }
    }

    /// What the clock does is done before anything is decided.
    #[inline(always)]
    pub(super) fn assert_settled(&self, now: Stamp) {
        assert!(now < self.holds.due(), "a hold that has ended is still held");
        assert!(now < self.agenda.due(), "what was planned has not happened");
    }

    #[inline(always)]
    fn buy(&mut self, now: Stamp, buy: &Buy) -> Outcome {
        assert!(buy.units > 0);
        let sale_index = self.index(buy.sale)?;
        let sale = &self.sales[sale_index];
        let item_index = usize::from(buy.item).wrapping_sub(1);
        let item = sale.items.get(item_index).ok_or(Refusal::UnknownItem)?;
        let source = item.source(buy.side.channel)?;
        let mut key = buy.key.ident;
        if mutant::is(Mutant::DedupeDropped) {
            key.bits ^= u128::from(self.seq) << 64;
        }
        let vacancy = match self.orders.find_key(buy.sale, key) {
            Ok(slot) => return self.again(slot, buy),
            Err(vacancy) => vacancy,
        };
        let undrawn = sale.undrawn(now);
        if now < sale.opens_at || undrawn.is_some_and(|draw| draw != DrawState::Entering) {
            return Err(Refusal::NotOpen);
        }
        if sale.is_paused {
            return Err(Refusal::Paused);
        }
        if sale.is_over(now) {
            return Err(Refusal::Closed);
        }
        if item.price > buy.max_price {
            return Err(Refusal::PriceChanged(item.price));
        }
        let place = self.buyers.place(buy.sale, buy.buyer.ident);
        if undrawn.is_some() && self.buyers.sale_units(place) > 0 {
            return Err(Refusal::LimitReached(1));
        }
        let mut units = buy.units;
        if item.limit != 0 {
            units = within(self.buyers.item_units(place, buy.item), units, item.limit, buy.fill)?;
        }
        units = within(self.buyers.sale_units(place), units, sale.terms.limit, buy.fill)?;
        if buy.side.has_groups() {
            units = self.within_groups(sale, buy.sale, &buy.side, units, buy.fill)?;
        }
        if undrawn.is_some() {
            return self.enter(buy, units, source, (place, vacancy));
        }
        let open = self.open_to(buy.sale, buy.item, source);
        if open < u64::from(units) {
            if buy.fill == Fill::All || open == 0 {
                return self.wait(buy, units, source, (place, vacancy));
            }
            units = open as u32;
        }
        let (hold_ms, lane) = (sale.terms.hold_ms, sale.lane);
        let (price, has_limit) = (item.price, item.limit != 0);
        let found = (place, vacancy);
        let (place, vacancy) = self.with_room(buy.sale, 0, buy.buyer, buy.key, found)?;

        // From here it succeeds.
        assert!(units > 0 && units <= buy.units);
        let state = if hold_ms == 0 { State::Confirmed } else { State::Held };
        let Buy { sale, item, ref side, .. } = *buy;
        self.remember_buyer(buy.buyer, place);
        self.remember(buy.key);
        let mut order = Order::new(self.change(), key, state);
        (order.sale, order.item, order.units, order.price) = (sale, item, units, price);
        (order.condition, order.channel) = (buy.condition, source);
        order.flags = if buy.fill == Fill::UpTo { UP_TO } else { 0 };
        let buyer = buy.buyer.ident;
        order.buyer = self.buyers.give(place, sale, item, buyer, units, has_limit);
        self.sales[sale_index].items[item_index].give(source, u64::from(units), state);
        if state == State::Held {
            order.expires_at = now + u64::from(hold_ms) * NS_PER_MS;
            self.held += 1;
        }
        let slot = self.orders.add(vacancy, order);
        if side.has_groups() {
            self.count_members(slot, side, units);
        }
        if state == State::Held {
            self.holds.add_newest(lane, &mut self.orders, slot, order.expires_at);
        }
        // Not from the table: what was just stored in parts is slow to load as a whole.
        Ok(given(&order, self.seq, false))
    }

    /// The answer to a key that was used before.
    #[cold]
    fn again(&self, slot: u32, buy: &Buy) -> Outcome {
        let order = self.orders.at(slot);
        let same = order.lines == 0
            && order.item == buy.item
            && (order.units == buy.units || buy.fill == Fill::UpTo)
            && (order.flags & UP_TO != 0) == (buy.fill == Fill::UpTo)
            && order.condition == buy.condition
            && self.buyers.ident(order.buyer) == buy.buyer.ident;
        if same { Ok(self.given(order, order.id, true)) } else { Err(Refusal::KeyReused) }
    }

    pub(super) fn find(&self, about: &About) -> Result<u32, Refusal> {
        self.index(about.sale)?;
        let slot = self.orders.find_id(about.order).ok_or(Refusal::UnknownOrder)?;
        let order = self.orders.at(slot);
        if order.sale != about.sale {
            return Err(Refusal::UnknownOrder);
        }
        if about.buyer != Ident::NONE && self.buyers.ident(order.buyer) != about.buyer {
            return Err(Refusal::NotYourOrder);
        }
        Ok(slot)
    }

    pub(super) fn tick(&mut self, now: Stamp) {
        assert!(now >= self.now, "time goes backwards");
        self.now = now;
    }

    #[inline(always)]
    pub(super) fn change(&mut self) -> Seq {
        self.seq += 1;
        self.changed_at = self.now;
        self.seq
    }

    #[inline(always)]
    pub(super) fn index(&self, sale: u16) -> Result<usize, Refusal> {
        let index = usize::from(sale).wrapping_sub(1);
        let is_there = self.sales.get(index).is_some_and(|sale| !sale.is_removed);
        if is_there { Ok(index) } else { Err(Refusal::UnknownSale) }
    }

    pub(super) fn sale(&self, sale: u16) -> Result<&Sale, Refusal> {
        Ok(&self.sales[self.index(sale)?])
    }

    pub(super) fn item_mut(&mut self, sale: u16, item: u16) -> &mut Item {
        &mut self.sales[usize::from(sale) - 1].items[usize::from(item) - 1]
    }

    /// Where a buyer and a key were found, once there is room for an order of theirs, which has so
    /// many lines if it is a basket.
    #[inline(always)]
    pub(super) fn with_room(
        &mut self,
        sale: u16,
        lines: usize,
        buyer: Party,
        key: Party,
        found: Found,
    ) -> Result<Found, Refusal> {
        let has_long_text = buyer.text.is_some() || key.text.is_some();
        if self.has_room(lines, has_long_text) {
            return Ok(found);
        }
        self.make_room(lines, has_long_text)?;
        let vacancy = self.orders.find_key(sale, key.ident).expect_err("it was not found before");
        Ok((self.buyers.place(sale, buyer.ident), vacancy))
    }

    #[inline(always)]
    pub(super) fn has_room(&self, lines: usize, has_long_text: bool) -> bool {
        self.admits
            && self.orders.has_room()
            && self.lines.has_room(lines)
            && self.buyers.has_room(BUYERS_SPARE + lines)
            && (!has_long_text || self.texts.has_room())
    }

    #[inline(always)]
    pub(super) fn remember(&mut self, party: Party) {
        if let Some(text) = party.text {
            self.texts.remember(party.ident.bits, text);
        }
    }
}

/// Units that a buyer may be given who has some and wants more; 0 for no limit, which is the
/// largest that can be counted.
#[inline(always)]
pub(super) fn within(has: u32, wanted: u32, limit: u32, fill: Fill) -> Result<u32, Refusal> {
    let limit = if limit == 0 { u32::MAX } else { limit };
    let left = limit.saturating_sub(has);
    match fill {
        _ if wanted <= left => Ok(wanted),
        Fill::UpTo if left > 0 => Ok(left),
        _ => Err(Refusal::LimitReached(limit)),
    }
}

pub(super) fn number(index: usize) -> u16 {
    u16::try_from(index + 1).expect("SALES_MAX fits")
}

#[inline(always)]
pub(super) fn given(order: &Order, seq: Seq, replayed: bool) -> Given {
    Given {
        item: order.item,
        order: order.id,
        seq,
        state: order.state(),
        units: order.units,
        price: order.price,
        expires_at: order.expires_at,
        position: 0,
        replayed,
    }
}
