//! The law, written down once more without any cleverness: maps, lists and loops.

use std::collections::{BTreeMap, HashMap};

use doorbuster::sale::{
    Buy, Command, Fill, Given, Ident, Outcome, PRICE_MAX, Refusal, Rule, Ruling, STOCK_MAX, State,
    Terms,
};

pub(super) const MS: u64 = 1_000_000;

#[derive(Clone)]
pub(super) struct Order {
    pub(super) given: Given,
    pub(super) sale: u16,
    pub(super) item: u16,
    pub(super) buyer: Ident,
    pub(super) wanted: (u32, Fill, u32),
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

    pub(super) fn sum(&self, counts: impl Fn(&Order) -> bool) -> u64 {
        let orders = self.orders.values().filter(|order| counts(order));
        orders.map(|order| u64::from(order.given.units)).sum()
    }

    /// The seq of the change; 0 if there is none.
    pub(super) fn rule(&mut self, now: u64, ruling: &Ruling) -> Result<u64, Refusal> {
        let (number, index) = (ruling.sale, self.sale(ruling.sale)?);
        let (is_over, has_opened) =
            (self.sales[index].is_over(now), self.sales[index].has_opened(now));
        let held = self.sum(|order| order.sale == number && order.given.state == State::Held);
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
                let taken = self.sum(|order| {
                    (order.sale, order.item) == (number, ruling.item)
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
        self.sum(|order| {
            order.sale == sale
                && item.is_none_or(|item| order.item == item)
                && order.buyer == buyer
                && [State::Held, State::Confirmed].contains(&order.given.state)
        })
    }

    pub(super) fn buy(&mut self, now: u64, buy: &Buy) -> Outcome {
        let (sale, item) = (buy.sale, buy.item);
        let found = self.sales[self.sale(sale)?].clone();
        let terms = &found.terms;
        let thing = terms.items.get(usize::from(item).wrapping_sub(1));
        let thing = *thing.ok_or(Refusal::UnknownItem)?;
        let (key, buyer) = (buy.key.ident, buy.buyer.ident);
        if let Some(id) = self.keys.get(&(sale, key.form as u8, key.bits)) {
            let order = &self.orders[id];
            let same = order.item == item
                && order.buyer == buyer
                && order.wanted == (buy.units, buy.fill, buy.condition);
            let again = Given { seq: *id, replayed: true, ..order.given };
            return if same { Ok(again) } else { Err(Refusal::KeyReused) };
        }
        // What the operator has closed is neither to be opened nor to go on.
        if !found.is_closed && !found.has_opened(now) {
            return Err(Refusal::NotOpen);
        }
        if !found.is_closed && found.is_paused {
            return Err(Refusal::Paused);
        }
        if found.is_over(now) {
            return Err(Refusal::Closed);
        }
        if thing.price > buy.max_price {
            return Err(Refusal::PriceChanged(thing.price));
        }
        let limits = [
            (self.units(sale, Some(item), buyer), thing.limit),
            (self.units(sale, None, buyer), terms.limit),
        ];
        let mut units = u64::from(buy.units);
        for (has, limit) in limits.into_iter().filter(|(_, limit)| *limit != 0) {
            let left = u64::from(limit).saturating_sub(has);
            if left == 0 || buy.fill == Fill::All && units > left {
                return Err(Refusal::LimitReached(limit));
            }
            units = units.min(left);
        }
        let free = self.free.get_mut(&(sale, item)).expect("an item of the sale");
        if *free == 0 || buy.fill == Fill::All && *free < units {
            return Err(Refusal::SoldOut);
        }
        units = units.min(*free);
        *free -= units;
        self.seq += 1;
        let held = terms.hold_ms > 0;
        let given = Given {
            item: buy.item,
            order: self.seq,
            seq: self.seq,
            state: if held { State::Held } else { State::Confirmed },
            units: units as u32,
            price: thing.price,
            expires_at: if held { now + u64::from(terms.hold_ms) * MS } else { 0 },
            replayed: false,
        };
        let order = Order {
            given,
            sale,
            item,
            buyer,
            wanted: (buy.units, buy.fill, buy.condition),
            is_extended: false,
        };
        self.orders.insert(self.seq, order);
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
            let free = self.free.get_mut(&(order.sale, order.item)).expect("an item of the sale");
            *free += u64::from(order.given.units);
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
