//! The law, written down once more without any cleverness: maps, lists and loops.

use std::collections::{BTreeMap, HashMap};

use crate::sale::{
    Basket, BasketRefusal, Buy, Command, DrawState, Fill, Given, Ident, Outcome, Refusal, Side,
    State, Terms,
};

pub const MS: u64 = 1_000_000;
/// What a key stands for.
#[derive(Clone, PartialEq)]
pub struct Wanted {
    /// Items and units.
    pub lines: Vec<(u16, u64)>,
    pub is_basket: bool,
    pub fill: Fill,
    pub waits: bool,
    pub side: Side,
    pub condition: u32,
}

#[derive(Clone)]
pub struct Order {
    pub given: Given,
    pub sale: u16,
    /// Item, units and price.
    pub lines: Vec<(u16, u64, u64)>,
    pub buyer: Ident,
    pub wanted: Wanted,
    pub is_extended: bool,
    /// It is an entry of a draw that has not had its turn.
    pub is_undrawn: bool,
    /// The seq by which it came onto the waiting list.
    pub listed_at: u64,
}

impl Order {
    /// Units of a line without which it waits on.
    pub fn need(&self, line: &(u16, u64, u64)) -> u64 {
        if self.wanted.fill == Fill::UpTo { 1 } else { line.1 }
    }
}

/// A sale: its terms with the prices in force, and what the operator has said of it.
#[derive(Clone)]
pub struct Sale {
    pub terms: Terms,
    pub is_open: bool,
    pub is_paused: bool,
    pub is_closed: bool,
    pub is_removed: bool,
    /// Names of channels in the order of their numbers.
    pub channels: Vec<String>,
    pub seed: Option<[u8; 32]>,
    /// Ids of all who ever entered the draw.
    pub entries: Vec<u64>,
}

impl Sale {
    pub fn is_over(&self, now: u64) -> bool {
        self.is_closed || self.terms.closes_at != 0 && now >= self.terms.closes_at
    }

    pub fn has_opened(&self, now: u64) -> bool {
        self.is_open || self.terms.opens_at != 0 && now >= self.terms.opens_at
    }
}

/// Where units lie: sale, item, channel (0: the common ones).
pub type Place = (u16, u16, u8);

#[derive(Clone, Copy)]
pub struct Pool {
    pub set_aside: u64,
    pub until: u64,
    pub is_swept: bool,
}

/// What was planned: time, id, where, how many units.
pub type Plan = (u64, u64, Place, u64);

#[derive(Default)]
pub struct Naive {
    pub seq: u64,
    pub sales: Vec<Sale>,
    pub free: BTreeMap<Place, u64>,
    pub pools: BTreeMap<Place, Pool>,
    pub plans: Vec<Plan>,
    pub orders: BTreeMap<u64, Order>,
    pub keys: HashMap<(u16, u8, u128), u64>,
}

impl Naive {
    pub fn create(&mut self, terms: &Terms) {
        self.seq += 1;
        let [is_open, is_paused, is_closed, is_removed] = [false; 4];
        let (terms, channels, entries) = (terms.clone(), Vec::new(), Vec::new());
        let sale = self.sales.len() as u16 + 1;
        for (number, item) in (1..).zip(&terms.items) {
            self.free.insert((sale, number, 0), item.stock);
        }
        let seed = None;
        self.sales.push(Sale {
            terms,
            is_open,
            is_paused,
            is_closed,
            is_removed,
            channels,
            seed,
            entries,
        });
    }

    pub fn sale(&self, sale: u16) -> Result<usize, Refusal> {
        let index = usize::from(sale).wrapping_sub(1);
        let found = self.sales.get(index).filter(|sale| !sale.is_removed);
        found.map(|_| index).ok_or(Refusal::UnknownSale)
    }

    /// The numbers of the sales that are there.
    pub fn there(&self) -> impl Iterator<Item = u16> {
        (1..).zip(&self.sales).filter(|(_, sale)| !sale.is_removed).map(|(number, _)| number)
    }

    /// Units of one item, or of all, in the orders that count.
    pub fn sum(&self, item: Option<u16>, counts: impl Fn(&Order) -> bool) -> u64 {
        let orders = self.orders.values().filter(|order| counts(order));
        let lines = orders.flat_map(|order| &order.lines);
        let lines = lines.filter(|line| item.is_none_or(|item| line.0 == item));
        lines.map(|line| line.1).sum()
    }

    /// Units of a sale, or of one of its items, in orders that are alive and of somebody.
    fn units(&self, sale: u16, item: Option<u16>, is_of: impl Fn(&Order) -> bool) -> u64 {
        self.sum(item, |order| {
            order.sale == sale
                && is_of(order)
                && [State::Held, State::Confirmed, State::Waiting].contains(&order.given.state)
        })
    }

    /// All units that there are of an item.
    pub fn stock(&self, sale: u16, item: u16) -> u64 {
        let taken = self.sum(Some(item), |order| {
            order.sale == sale && [State::Held, State::Confirmed].contains(&order.given.state)
        });
        let there = self.free.iter().filter(|(place, _)| (place.0, place.1) == (sale, item));
        taken + there.map(|(_, units)| units).sum::<u64>()
    }

    /// Where the units of a purchase come from, and go back to.
    pub fn source(&self, sale: u16, item: u16, channel: u8) -> Result<Place, Refusal> {
        let common = (sale, item, 0);
        if channel == 0 {
            return Ok(common);
        }
        let place = (sale, item, channel);
        let pool = self.pools.get(&place).ok_or(Refusal::UnknownChannel)?;
        Ok(if pool.is_swept { common } else { place })
    }

    /// What a newcomer can have of it.
    pub fn open(&self, place: Place) -> u64 {
        let mut queue = self.queue(place.0, place.1);
        let is_kept = queue.any(|order| !order.wanted.is_basket)
            || self.first_to_go(place.0, place.1).is_some();
        if place.2 == 0 && is_kept { 0 } else { self.free[&place] }
    }

    pub fn buy(&mut self, now: u64, buy: &Buy) -> Outcome {
        let wanted = Wanted {
            lines: vec![(buy.item, u64::from(buy.units))],
            is_basket: false,
            fill: buy.fill,
            waits: buy.waits,
            side: buy.side,
            condition: buy.condition,
        };
        let who = (buy.sale, buy.buyer.ident, buy.key.ident);
        self.purchase(now, who, wanted, buy.max_price).map_err(|refused| refused.why)
    }

    pub fn basket(&mut self, now: u64, basket: &Basket) -> Result<Given, BasketRefusal> {
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
        let Basket { waits, side, condition, .. } = *basket;
        let wanted = Wanted { lines, is_basket: true, fill: Fill::All, waits, side, condition };
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
        let (mut lines, fill, side) = (Vec::new(), wanted.fill, wanted.side);
        let of = |why: Refusal, line: usize| BasketRefusal { why, line: Some(line as u8) };
        for (line, (item, units)) in wanted.lines.iter().enumerate() {
            let thing = terms.items.get(usize::from(*item).wrapping_sub(1));
            let thing = thing.ok_or(of(Refusal::UnknownItem, line))?;
            self.source(sale, *item, side.channel).map_err(|why| of(why, line))?;
            lines.push((*item, *units, thing.price));
        }
        if let Some(id) = self.keys.get(&(sale, key.form as u8, key.bits)) {
            let order = &self.orders[id];
            let same = order.buyer == buyer && order.wanted == wanted;
            let position = self.position(*id);
            let again = Given { seq: *id, replayed: true, position, ..order.given };
            return if same { Ok(again) } else { Err(Refusal::KeyReused.into()) };
        }
        let is_done = |state: &DrawState| *state == DrawState::Drawn || found.is_over(now);
        let draw = self.draw_state(sale, now).filter(|state| !is_done(state));
        let is_entry = draw == Some(DrawState::Entering);
        // What the operator has closed is neither to be opened nor to go on.
        if draw.is_some() && !is_entry || !found.is_closed && !found.has_opened(now) {
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
        let is_theirs = |order: &Order| order.buyer == buyer;
        if is_entry && self.units(sale, None, is_theirs) > 0 {
            return Err(Refusal::LimitReached(1).into());
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
            let has = self.units(sale, Some(line.0), is_theirs);
            line.1 = within(has, line.1, limit).map_err(|why| of(why, index))?;
        }
        let all = lines.iter().map(|line| line.1).sum();
        let mut all = within(self.units(sale, None, is_theirs), all, terms.limit)?;
        for (at, group) in terms.groups.iter().enumerate().filter(|(at, _)| side.groups[*at] != 0) {
            let is_theirs = |order: &Order| order.wanted.side.groups[at] == side.groups[at];
            all = within(self.units(sale, None, is_theirs), all, group.limit)
                .map_err(|_| Refusal::GroupLimit(at as u8 + 1, group.limit))?;
        }
        if fill == Fill::UpTo {
            lines[0].1 = all;
        }
        let needs = |line: &(u16, u64, u64)| if fill == Fill::UpTo { 1 } else { line.1 };
        let never = lines.iter().position(|line| needs(line) > self.stock(sale, line.0));
        let from = |line: &(u16, u64, u64)| {
            self.source(sale, line.0, side.channel).expect("asked for every line")
        };
        let short = lines.iter().position(|line| self.open(from(line)) < needs(line));
        let is_common = lines.iter().all(|line| from(line).2 == 0);
        if let Some(line) = never.filter(|_| is_entry) {
            return Err(of(Refusal::SoldOut, line));
        }
        let listed = self.orders.values().filter(|o| o.sale == sale && !o.is_undrawn);
        let listed = listed.filter(|order| order.given.state == State::Waiting).count();
        let state = match short {
            _ if is_entry => State::Waiting,
            Some(_)
                if wanted.waits
                    && is_common
                    && never.is_none()
                    && listed < terms.waitlist as usize =>
            {
                State::Waiting
            }
            Some(line) => return Err(of(Refusal::SoldOut, line)),
            None if terms.hold_ms > 0 => State::Held,
            None => State::Confirmed,
        };
        if state != State::Waiting {
            for line in &mut lines {
                let place = self.source(sale, line.0, side.channel).expect("asked before");
                let free = self.free.get_mut(&place).expect("a place");
                line.1 = line.1.min(*free);
                *free -= line.1;
            }
        }
        self.seq += 1;
        let is_basket = wanted.is_basket;
        let held = state == State::Held;
        let given = Given {
            item: if is_basket { 0 } else { lines[0].0 },
            order: self.seq,
            seq: self.seq,
            state,
            units: lines.iter().map(|line| line.1 as u32).sum(),
            price: if is_basket { lines.iter().map(|l| l.1 * l.2).sum() } else { lines[0].2 },
            expires_at: if held { now + u64::from(terms.hold_ms) * MS } else { 0 },
            position: 0,
            replayed: false,
        };
        let (is_extended, is_undrawn) = (false, is_entry);
        let listed_at = self.seq;
        let order = Order { given, sale, lines, buyer, wanted, is_extended, is_undrawn, listed_at };
        self.orders.insert(self.seq, order);
        self.keys.insert((sale, key.form as u8, key.bits), self.seq);
        if is_entry {
            self.sales[usize::from(sale) - 1].entries.push(self.seq);
        }
        Ok(Given { position: self.position(self.seq), ..given })
    }

    /// A command about an order.
    pub fn change(&mut self, command: &Command) -> Outcome {
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

    pub fn set(&mut self, id: u64, to: State) -> Given {
        self.seq += 1;
        let order = self.orders.get_mut(&id).expect("it was found");
        order.given.state = to;
        order.is_undrawn = false;
        let order = order.clone();
        if [State::Released, State::Expired, State::Cancelled].contains(&to) {
            for line in &order.lines {
                let channel = order.wanted.side.channel;
                let place = self.source(order.sale, line.0, channel).expect("it was there");
                *self.free.get_mut(&place).expect("a place") += line.1;
            }
        }
        Given { seq: self.seq, ..order.given }
    }

    pub fn expire(&mut self, now: u64) -> Option<Given> {
        let held = self.orders.values().filter(|order| order.given.state == State::Held);
        let due = held.filter(|order| order.given.expires_at <= now);
        let id = due.map(|order| (order.given.expires_at, order.given.order)).min()?.1;
        Some(self.set(id, State::Expired))
    }
}
