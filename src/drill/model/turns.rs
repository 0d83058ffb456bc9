//! Who has a turn at last, and what was planned, to the naive sale.

use crate::sale::{DrawState, Event, Given, Happened, STOCK_MAX, State, Turn};

use super::naive::{MS, Naive, Order};

/// The ids in the order in which the seed puts them, as `src/sale/draw.rs` says it.
fn drawn(seed: &[u8; 32], mut ids: Vec<u64>) -> Vec<u64> {
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    let mut context = blake3::Hasher::new_derive_key("doorbuster 2026 draw v1");
    context.update(seed).update(blake3::hash(&bytes).as_bytes());
    let mut draws = vec![0; 8 * ids.len()];
    context.finalize_xof().fill(&mut draws);
    for (place, draw) in draws.chunks_exact(8).enumerate() {
        let draw = u128::from(u64::from_le_bytes(draw.try_into().expect("eight bytes")));
        let left = (ids.len() - place) as u128;
        ids.swap(place, place + ((draw * left) >> 64) as usize);
    }
    ids
}

impl Naive {
    pub fn draw_state(&self, sale: u16, now: u64) -> Option<DrawState> {
        let found = &self.sales[usize::from(sale) - 1];
        let draw = found.terms.draw?;
        let is_left = self.orders.values().any(|order| order.sale == sale && order.is_undrawn);
        Some(match found.seed {
            None if now < draw.at => DrawState::Entering,
            None => DrawState::Sealed,
            Some(_) if is_left => DrawState::Drawing,
            Some(_) => DrawState::Drawn,
        })
    }

    /// Who is on the waiting list of an item, in the order in which they came.
    pub fn queue(&self, sale: u16, item: u16) -> impl Iterator<Item = &Order> {
        // Entries come onto it in the order of their turns, so not in that of their ids.
        let mut queue: Vec<&Order> = self.orders.values().collect();
        queue.retain(|order| {
            order.sale == sale
                && order.given.state == State::Waiting
                && !order.is_undrawn
                && order.lines.iter().any(|line| line.0 == item)
        });
        queue.sort_by_key(|order| order.listed_at);
        queue.into_iter()
    }

    pub fn position(&self, id: u64) -> u32 {
        let order = &self.orders[&id];
        let place = |item: u16| {
            let mut queue = self.queue(order.sale, item);
            queue.position(|one| one.given.order == id).map_or(0, |at| at as u32 + 1)
        };
        order.lines.iter().map(|line| place(line.0)).max().unwrap_or(0)
    }

    /// The next who is given what is free, or has to leave.
    pub fn promote(&mut self, now: u64) -> Option<Turn> {
        self.draw(now).or_else(|| self.offer_next(now))
    }

    fn draw(&mut self, now: u64) -> Option<Turn> {
        for (sale, found) in (1..).zip(self.sales.clone()) {
            let is_over = found.is_over(now);
            let ids = match &found.seed {
                Some(seed) => drawn(seed, found.entries),
                None if is_over => found.entries,
                None => continue,
            };
            let Some(id) = ids.into_iter().find(|id| self.orders[id].is_undrawn) else { continue };
            let order = self.orders[&id].clone();
            let from = |item: u16| self.source(sale, item, order.wanted.side.channel);
            let from = |item: u16| from(item).expect("its channel was there");
            let fits = order.lines.iter().all(|line| self.open(from(line.0)) >= order.need(line));
            let is_common = order.lines.iter().all(|line| from(line.0).2 == 0);
            let listed = self.orders.values().filter(|o| o.sale == sale && !o.is_undrawn);
            let listed = listed.filter(|order| order.given.state == State::Waiting).count();
            let given = if is_over {
                self.set(id, State::Left)
            } else if fits {
                self.offer(id, now)
            } else if order.wanted.waits && is_common && listed < found.terms.waitlist as usize {
                let given = self.set(id, State::Waiting);
                self.orders.get_mut(&id).expect("it waits").listed_at = self.seq;
                Given { position: self.position(id), ..given }
            } else {
                self.set(id, State::Left)
            };
            return Some(Turn { sale, given, is_drawn: true });
        }
        None
    }

    /// Who is given what is free of an item next.
    pub fn first_to_go(&self, sale: u16, item: u16) -> Option<&Order> {
        let fits = |order: &&Order| {
            order.lines.iter().all(|l| order.need(l) <= self.free[&(sale, l.0, 0)])
        };
        let is_first = |order: &&Order| {
            let id = order.given.order;
            let first = |item: u16| self.queue(sale, item).next().map(|o| o.given.order);
            order.lines.iter().all(|line| first(line.0) == Some(id))
        };
        let mut queue = self.queue(sale, item);
        if self.sales[usize::from(sale) - 1].terms.is_strict {
            return queue.next().filter(fits).filter(is_first);
        }
        queue.find(fits)
    }

    fn offer_next(&mut self, now: u64) -> Option<Turn> {
        for (sale, found) in (1..).zip(self.sales.clone()) {
            let items = 1..=found.terms.items.len() as u16;
            let firsts = items.filter_map(|item| {
                let is_over = found.is_over(now);
                if is_over { self.queue(sale, item).next() } else { self.first_to_go(sale, item) }
            });
            let mut firsts: Vec<&Order> = firsts.collect();
            let has_baskets = self.orders.values().any(|order| {
                let state = order.given.state;
                order.sale == sale
                    && state == State::Waiting
                    && !order.is_undrawn
                    && order.wanted.is_basket
            });
            // A basket may be the first for one item while another is before it for the next.
            if !found.is_over(now) && !found.terms.is_strict && has_baskets {
                firsts.sort_by_key(|order| order.listed_at);
            }
            let Some(id) = firsts.first().map(|order| order.given.order) else { continue };
            let given =
                if found.is_over(now) { self.set(id, State::Left) } else { self.offer(id, now) };
            return Some(Turn { sale, given, is_drawn: false });
        }
        None
    }

    fn offer(&mut self, id: u64, now: u64) -> Given {
        let mut order = self.orders[&id].clone();
        for line in &mut order.lines {
            let place = self.source(order.sale, line.0, order.wanted.side.channel);
            let free = self.free.get_mut(&place.expect("it was there")).expect("a place");
            line.1 = line.1.min(*free);
            *free -= line.1;
        }
        order.given.units = order.lines.iter().map(|line| line.1 as u32).sum();
        let offer_ms = self.sales[usize::from(order.sale) - 1].terms.offer_ms;
        order.given.expires_at = now + u64::from(offer_ms) * MS;
        self.orders.insert(id, order);
        self.set(id, State::Held)
    }

    /// What was planned for now or before, one after another.
    pub fn happen(&mut self, now: u64) -> Option<(u64, Happened)> {
        self.plans.sort_unstable();
        let (at, id, place, units) = *self.plans.first()?;
        if at > now {
            return None;
        }
        self.plans.remove(0);
        self.seq += 1;
        let (sale, item, channel) = place;
        let event = if channel == 0 {
            let units = units.min(STOCK_MAX - self.stock(sale, item));
            *self.free.get_mut(&place).expect("an item") += units;
            Event::Surge { wave: id, units }
        } else {
            let units = self.free.insert(place, 0).expect("a pool");
            *self.free.get_mut(&(sale, item, 0)).expect("an item") += units;
            let pool = self.pools.get_mut(&place).expect("a pool");
            (pool.is_swept, pool.until) = (true, 0);
            Event::Sweep { channel, units }
        };
        Some((self.seq, Happened { sale, item, event }))
    }

    /// Whether the draw of a sale takes no more entries.
    pub fn is_sealed(&self, sale: u16, now: u64) -> bool {
        self.draw_state(sale, now).is_some_and(|state| state != DrawState::Entering)
    }
}
