//! The law, written down once more without any cleverness: maps, lists and loops.

use std::collections::{BTreeMap, HashMap};

use doorbuster::sale::{
    Basket, BasketRefusal, Buy, Command, Fill, Given, Ident, Outcome, Refusal, State, Terms,
};

pub(super) const MS: u64 = 1_000_000;

/// What a key stands for: items and units, a basket or not, how they are filled, the rest, and
/// whether it waits.
pub(super) type Wanted = (Vec<(u16, u64)>, bool, Fill, u32, bool);

#[derive(Clone)]
pub(super) struct Order {
    pub(super) given: Given,
    pub(super) sale: u16,
    /// Item, units and price.
    pub(super) lines: Vec<(u16, u64, u64)>,
    pub(super) buyer: Ident,
    pub(super) wanted: Wanted,
    pub(super) is_extended: bool,
}

/// A sale: its terms with the prices in force, and what the operator has said of it.
#[derive(Clone)]
pub(super) struct Sale {
    pub(super) terms: Terms,
    pub(super) is_open: bool,
    pub(super) is_paused: bool,
    pub(super) is_closed: bool,
    pub(super) is_removed: bool,
}

impl Sale {
    pub(super) fn is_over(&self, now: u64) -> bool {
        self.is_closed || self.terms.closes_at != 0 && now >= self.terms.closes_at
    }

    pub(super) fn has_opened(&self, now: u64) -> bool {
        self.is_open || self.terms.opens_at != 0 && now >= self.terms.opens_at
    }
}

/// The law, written down once more without any cleverness.
#[derive(Default)]
pub(super) struct Naive {
    pub(super) seq: u64,
    pub(super) sales: Vec<Sale>,
    pub(super) free: HashMap<(u16, u16), u64>,
    pub(super) orders: BTreeMap<u64, Order>,
    pub(super) keys: HashMap<(u16, u8, u128), u64>,
}

impl Naive {
    pub(super) fn create(&mut self, terms: &Terms) {
        self.seq += 1;
        let [is_open, is_paused, is_closed, is_removed] = [false; 4];
        self.sales.push(Sale { terms: terms.clone(), is_open, is_paused, is_closed, is_removed });
        let sale = self.sales.len() as u16;
        for (number, item) in (1..).zip(&terms.items) {
            self.free.insert((sale, number), item.stock);
        }
    }

    pub(super) fn sale(&self, sale: u16) -> Result<usize, Refusal> {
        let index = usize::from(sale).wrapping_sub(1);
        let found = self.sales.get(index).filter(|sale| !sale.is_removed);
        found.map(|_| index).ok_or(Refusal::UnknownSale)
    }

    /// The numbers of the sales that are there.
    pub(super) fn there(&self) -> impl Iterator<Item = u16> {
        (1..).zip(&self.sales).filter(|(_, sale)| !sale.is_removed).map(|(number, _)| number)
    }

    /// Units of one item, or of all, in the orders that count.
    pub(super) fn sum(&self, item: Option<u16>, counts: impl Fn(&Order) -> bool) -> u64 {
        let orders = self.orders.values().filter(|order| counts(order));
        let lines = orders.flat_map(|order| &order.lines);
        let lines = lines.filter(|line| item.is_none_or(|item| line.0 == item));
        lines.map(|line| line.1).sum()
    }

    pub(super) fn units(&self, sale: u16, item: Option<u16>, buyer: Ident) -> u64 {
        self.sum(item, |order| {
            order.sale == sale
                && order.buyer == buyer
                && [State::Held, State::Confirmed, State::Waiting].contains(&order.given.state)
        })
    }

    /// Who waits for an item, in the order in which they came.
    pub(super) fn queue(&self, sale: u16, item: u16) -> impl Iterator<Item = &Order> {
        self.orders.values().filter(move |order| {
            (order.sale, order.lines[0].0, order.given.state) == (sale, item, State::Waiting)
        })
    }

    pub(super) fn position(&self, id: u64) -> u32 {
        let order = &self.orders[&id];
        let mut queue = self.queue(order.sale, order.lines[0].0);
        queue.position(|one| one.given.order == id).map_or(0, |at| at as u32 + 1)
    }

    /// The first who may be given what is free, or has to leave.
    pub(super) fn promote(&mut self, now: u64) -> Option<Given> {
        let mut items: Vec<(u16, u16)> = self.free.keys().copied().collect();
        items.sort_unstable();
        for (sale, item) in items {
            let (free, found) = (self.free[&(sale, item)], &self.sales[usize::from(sale) - 1]);
            let (is_over, is_strict) = (found.is_over(now), found.terms.is_strict);
            let offer_ms = u64::from(found.terms.offer_ms);
            let fits = |order: &&Order| {
                let need = if order.wanted.2 == Fill::UpTo { 1 } else { order.lines[0].1 };
                is_over || need <= free
            };
            let mut queue: Vec<&Order> = self.queue(sale, item).collect();
            queue.truncate(if is_strict { 1 } else { usize::MAX });
            let next = queue.into_iter().find(fits).map(|order| order.given.order);
            let Some(id) = next else { continue };
            if is_over {
                return Some(self.set(id, State::Left));
            }
            let order = self.orders.get_mut(&id).expect("it waits");
            order.lines[0].1 = order.lines[0].1.min(free);
            order.given.units = order.lines[0].1 as u32;
            order.given.expires_at = now + offer_ms * MS;
            *self.free.get_mut(&(sale, item)).expect("an item of the sale") -= order.lines[0].1;
            return Some(self.set(id, State::Held));
        }
        None
    }

    pub(super) fn buy(&mut self, now: u64, buy: &Buy) -> Outcome {
        let wanted =
            (vec![(buy.item, u64::from(buy.units))], false, buy.fill, buy.condition, buy.waits);
        let who = (buy.sale, buy.buyer.ident, buy.key.ident);
        self.purchase(now, who, wanted, buy.max_price).map_err(|refused| refused.why)
    }

    pub(super) fn basket(&mut self, now: u64, basket: &Basket) -> Result<Given, BasketRefusal> {
        let mut lines: Vec<(u16, u64)> = Vec::new();
        let mut firsts = Vec::new();
        for (index, line) in basket.lines.iter().enumerate() {
            match lines.iter_mut().find(|known| known.0 == line.item) {
                Some(known) => known.1 += u64::from(line.units),
                None => {
                    lines.push((line.item, line.units.into()));
                    firsts.push(index as u8);
                }
            }
        }
        let who = (basket.sale, basket.buyer.ident, basket.key.ident);
        let wanted = (lines, true, Fill::All, basket.condition, false);
        self.purchase(now, who, wanted, basket.max_price).map_err(|refused| BasketRefusal {
            line: refused.line.map(|line| firsts[usize::from(line)]),
            ..refused
        })
    }

    fn purchase(
        &mut self,
        now: u64,
        (sale, buyer, key): (u16, Ident, Ident),
        wanted: Wanted,
        max_price: u64,
    ) -> Result<Given, BasketRefusal> {
        let found = self.sales[self.sale(sale)?].clone();
        let terms = &found.terms;
        let (mut lines, fill) = (Vec::new(), wanted.2);
        let of = |why: Refusal, line: usize| BasketRefusal { why, line: Some(line as u8) };
        for (line, (item, units)) in wanted.0.iter().enumerate() {
            let thing = terms.items.get(usize::from(*item).wrapping_sub(1));
            let thing = thing.ok_or(of(Refusal::UnknownItem, line))?;
            lines.push((*item, *units, thing.price));
        }
        if let Some(id) = self.keys.get(&(sale, key.form as u8, key.bits)) {
            let order = &self.orders[id];
            let same = order.buyer == buyer && order.wanted == wanted;
            let position = self.position(*id);
            let again = Given { seq: *id, replayed: true, position, ..order.given };
            return if same { Ok(again) } else { Err(Refusal::KeyReused.into()) };
        }
        // What the operator has closed is neither to be opened nor to go on.
        if !found.is_closed && !found.has_opened(now) {
            return Err(Refusal::NotOpen.into());
        }
        if !found.is_closed && found.is_paused {
            return Err(Refusal::Paused.into());
        }
        if found.is_over(now) {
            return Err(Refusal::Closed.into());
        }
        if let Some(line) = lines.iter().position(|line| line.2 > max_price) {
            return Err(of(Refusal::PriceChanged(lines[line].2), line));
        }
        let within = |has: u64, units: u64, limit: u32| {
            let left = u64::from(limit).saturating_sub(has);
            match limit {
                0 => Ok(units),
                _ if left == 0 || fill == Fill::All && units > left => {
                    Err(Refusal::LimitReached(limit))
                }
                _ => Ok(units.min(left)),
            }
        };
        for (index, line) in lines.iter_mut().enumerate() {
            let limit = terms.items[usize::from(line.0) - 1].limit;
            let has = self.units(sale, Some(line.0), buyer);
            line.1 = within(has, line.1, limit).map_err(|why| of(why, index))?;
        }
        let all = lines.iter().map(|line| line.1).sum();
        let all = within(self.units(sale, None, buyer), all, terms.limit)?;
        if fill == Fill::UpTo {
            lines[0].1 = all;
        }
        let waits = |line: &(u16, u64, u64)| self.queue(sale, line.0).next().is_some();
        let need = if fill == Fill::UpTo { 1 } else { lines[0].1 };
        if wanted.4 && (waits(&lines[0]) || self.free[&(sale, lines[0].0)] < need) {
            return Ok(self.wait((sale, buyer, key), lines, wanted, need)?);
        }
        for (index, line) in lines.iter_mut().enumerate() {
            let free = self.free[&(sale, line.0)];
            if waits(line) {
                return Err(of(Refusal::SoldOut, index));
            }
            if free == 0 || fill == Fill::All && free < line.1 {
                return Err(of(Refusal::SoldOut, index));
            }
            line.1 = line.1.min(free);
        }
        for line in &lines {
            *self.free.get_mut(&(sale, line.0)).expect("an item of the sale") -= line.1;
        }
        self.seq += 1;
        let held = terms.hold_ms > 0;
        let is_basket = wanted.1;
        let given = Given {
            item: if is_basket { 0 } else { lines[0].0 },
            order: self.seq,
            seq: self.seq,
            state: if held { State::Held } else { State::Confirmed },
            units: lines.iter().map(|line| line.1 as u32).sum(),
            price: if is_basket { lines.iter().map(|l| l.1 * l.2).sum() } else { lines[0].2 },
            expires_at: if held { now + u64::from(terms.hold_ms) * MS } else { 0 },
            position: 0,
            replayed: false,
        };
        self.orders
            .insert(self.seq, Order { given, sale, lines, buyer, wanted, is_extended: false });
        self.keys.insert((sale, key.form as u8, key.bits), self.seq);
        Ok(given)
    }

    fn wait(
        &mut self,
        (sale, buyer, key): (u16, Ident, Ident),
        lines: Vec<(u16, u64, u64)>,
        wanted: Wanted,
        need: u64,
    ) -> Result<Given, Refusal> {
        let (item, units, price) = lines[0];
        let taken = self.sum(Some(item), |order| {
            order.sale == sale && [State::Held, State::Confirmed].contains(&order.given.state)
        });
        let waiting = self.orders.values();
        let waiting = waiting.filter(|o| o.sale == sale && o.given.state == State::Waiting).count();
        let most = self.sales[usize::from(sale) - 1].terms.waitlist as usize;
        if waiting >= most || need > taken + self.free[&(sale, item)] {
            return Err(Refusal::SoldOut);
        }
        self.seq += 1;
        let given = Given {
            item,
            order: self.seq,
            seq: self.seq,
            state: State::Waiting,
            units: units as u32,
            price,
            expires_at: 0,
            position: 0,
            replayed: false,
        };
        let is_extended = false;
        self.orders.insert(self.seq, Order { given, sale, lines, buyer, wanted, is_extended });
        self.keys.insert((sale, key.form as u8, key.bits), self.seq);
        Ok(Given { position: self.position(self.seq), ..given })
    }

    /// A command about an order.
    pub(super) fn change(&mut self, command: &Command) -> Outcome {
        let (Command::Confirm(about)
        | Command::Release(about)
        | Command::Extend(about)
        | Command::Cancel(about)) = command
        else {
            unreachable!("a purchase");
        };
        let sale = self.sale(about.sale)?;
        let order = self.orders.get_mut(&about.order).filter(|order| order.sale == about.sale);
        let order = order.ok_or(Refusal::UnknownOrder)?;
        if about.buyer != Ident::NONE && about.buyer != order.buyer {
            return Err(Refusal::NotYourOrder);
        }
        let is_cancel = matches!(command, Command::Cancel(_));
        match order.given.state {
            State::Held | State::Waiting if is_cancel => return Err(Refusal::NotConfirmed),
            State::Waiting if matches!(command, Command::Release(_)) => {
                return Ok(self.set(about.order, State::Left));
            }
            State::Waiting => return Err(Refusal::NotHeld),
            State::Held => {}
            State::Expired => return Err(Refusal::HoldExpired),
            State::Confirmed if is_cancel => {}
            State::Confirmed => return Err(Refusal::AlreadyConfirmed),
            State::Released | State::Cancelled | State::Left => {
                return Err(Refusal::AlreadyReleased);
            }
        }
        let extend_ms = self.sales[sale].terms.extend_ms;
        Ok(match command {
            Command::Confirm(_) => self.set(about.order, State::Confirmed),
            Command::Release(_) => self.set(about.order, State::Released),
            Command::Cancel(_) => self.set(about.order, State::Cancelled),
            _ if order.is_extended || extend_ms == 0 => return Err(Refusal::ExtendRefused),
            _ => {
                order.is_extended = true;
                order.given.expires_at += u64::from(extend_ms) * MS;
                self.set(about.order, State::Held)
            }
        })
    }

    pub(super) fn set(&mut self, id: u64, to: State) -> Given {
        self.seq += 1;
        let order = self.orders.get_mut(&id).expect("it was found");
        order.given.state = to;
        if ![State::Held, State::Confirmed, State::Left].contains(&to) {
            for line in &order.lines {
                *self.free.get_mut(&(order.sale, line.0)).expect("an item of the sale") += line.1;
            }
        }
        Given { seq: self.seq, ..order.given }
    }

    pub(super) fn expire(&mut self, now: u64) -> Option<Given> {
        let held = self.orders.values().filter(|order| order.given.state == State::Held);
        let due = held.filter(|order| order.given.expires_at <= now);
        let id = due.map(|order| (order.given.expires_at, order.given.order)).min()?.1;
        Some(self.set(id, State::Expired))
    }
}
