//! The law, written down once more without any cleverness: maps, lists and loops.

use std::collections::{BTreeMap, HashMap};

use doorbuster::sale::{
    Basket, BasketRefusal, Buy, Command, Fill, Given, Ident, Outcome, PRICE_MAX, Refusal, Rule,
    Ruling, STOCK_MAX, State, Terms,
};

pub(super) const MS: u64 = 1_000_000;

/// What a key stands for: items and units, a basket or not, how they are filled, and the rest.
pub(super) type Wanted = (Vec<(u16, u64)>, bool, Fill, u32);

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

    /// Units of one item, or of all, in the orders that count.
    pub(super) fn sum(&self, item: Option<u16>, counts: impl Fn(&Order) -> bool) -> u64 {
        let orders = self.orders.values().filter(|order| counts(order));
        let lines = orders.flat_map(|order| &order.lines);
        let lines = lines.filter(|line| item.is_none_or(|item| line.0 == item));
        lines.map(|line| line.1).sum()
    }

    /// The seq of the change; 0 if there is none.
    pub(super) fn rule(&mut self, now: u64, ruling: &Ruling) -> Result<u64, Refusal> {
        let (number, index) = (ruling.sale, self.sale(ruling.sale)?);
        let (is_over, has_opened) =
            (self.sales[index].is_over(now), self.sales[index].has_opened(now));
        let held = self.sum(None, |order| order.sale == number && order.given.state == State::Held);
        let is_item = matches!(ruling.rule, Rule::Add(_) | Rule::Withdraw(_) | Rule::Price(_));
        if is_item && !self.free.contains_key(&(number, ruling.item)) {
            return Err(Refusal::UnknownItem);
        }
        if is_over && !matches!(ruling.rule, Rule::Close | Rule::Remove) {
            return Err(Refusal::Closed);
        }
        let sale = &mut self.sales[index];
        let free = self.free.get_mut(&(number, ruling.item));
        let changes = match ruling.rule {
            Rule::Open => {
                sale.is_open = true;
                !has_opened
            }
            Rule::Pause => !std::mem::replace(&mut sale.is_paused, true),
            Rule::Resume => std::mem::replace(&mut sale.is_paused, false),
            Rule::Close => {
                sale.is_closed |= !is_over;
                !is_over
            }
            Rule::Remove if !is_over => return Err(Refusal::NotClosed),
            Rule::Remove if held > 0 => return Err(Refusal::HoldsLive(held)),
            Rule::Remove => {
                sale.is_removed = true;
                true
            }
            Rule::Add(units) => {
                let taken = self.sum(Some(ruling.item), |order| {
                    order.sale == number
                        && [State::Held, State::Confirmed].contains(&order.given.state)
                });
                let free_now = self.free[&(number, ruling.item)];
                if free_now + taken + units > STOCK_MAX {
                    return Err(Refusal::TooMuch(STOCK_MAX - free_now - taken));
                }
                self.free.insert((number, ruling.item), free_now + units);
                units > 0
            }
            Rule::Withdraw(units) => {
                let free = free.expect("an item of the sale");
                if *free < units {
                    return Err(Refusal::NotFree(*free));
                }
                *free -= units;
                units > 0
            }
            Rule::Price(price) if price > PRICE_MAX => return Err(Refusal::TooMuch(PRICE_MAX)),
            Rule::Price(price) => {
                let item = &mut sale.terms.items[usize::from(ruling.item) - 1];
                std::mem::replace(&mut item.price, price) != price
            }
        };
        self.seq += u64::from(changes);
        Ok(if changes { self.seq } else { 0 })
    }

    pub(super) fn units(&self, sale: u16, item: Option<u16>, buyer: Ident) -> u64 {
        self.sum(item, |order| {
            order.sale == sale
                && order.buyer == buyer
                && [State::Held, State::Confirmed].contains(&order.given.state)
        })
    }

    pub(super) fn buy(&mut self, now: u64, buy: &Buy) -> Outcome {
        let wanted = (vec![(buy.item, u64::from(buy.units))], false, buy.fill, buy.condition);
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
        let wanted = (lines, true, Fill::All, basket.condition);
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
            let again = Given { seq: *id, replayed: true, ..order.given };
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
        for (index, line) in lines.iter_mut().enumerate() {
            let free = self.free[&(sale, line.0)];
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
            replayed: false,
        };
        self.orders
            .insert(self.seq, Order { given, sale, lines, buyer, wanted, is_extended: false });
        self.keys.insert((sale, key.form as u8, key.bits), self.seq);
        Ok(given)
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
            State::Held if is_cancel => return Err(Refusal::NotConfirmed),
            State::Held => {}
            State::Expired => return Err(Refusal::HoldExpired),
            State::Confirmed if is_cancel => {}
            State::Confirmed => return Err(Refusal::AlreadyConfirmed),
            State::Released | State::Cancelled => return Err(Refusal::AlreadyReleased),
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
        if ![State::Held, State::Confirmed].contains(&to) {
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
