//! What an operator says, to the naive sale.

use crate::sale::{Aside, PRICE_MAX, Refusal, Rule, Ruling, STOCK_MAX, State};

use super::naive::{Naive, Plan, Pool};

impl Naive {
    /// The seq of the change; 0 if there is none.
    pub fn rule(&mut self, now: u64, ruling: &Ruling) -> Result<u64, Refusal> {
        let (number, index) = (ruling.sale, self.sale(ruling.sale)?);
        let (is_over, has_opened) =
            (self.sales[index].is_over(now), self.sales[index].has_opened(now));
        let held = self.sum(None, |order| order.sale == number && order.given.state == State::Held);
        let is_item = !matches!(
            ruling.rule,
            Rule::Open
                | Rule::Pause
                | Rule::Resume
                | Rule::Close
                | Rule::Remove
                | Rule::CallOff(_)
                | Rule::Draw(_)
        );
        let place = (number, ruling.item, 0);
        if is_item && !self.free.contains_key(&place) {
            return Err(Refusal::UnknownItem);
        }
        let may_be_over = [Rule::Close, Rule::Remove].contains(&ruling.rule);
        if is_over && !may_be_over && !matches!(ruling.rule, Rule::CallOff(_) | Rule::Draw(_)) {
            return Err(Refusal::Closed);
        }
        let expectant = self
            .orders
            .values()
            .any(|order| order.sale == number && order.given.state == State::Waiting);
        let (free_now, stock) =
            (self.free.get(&place).copied().unwrap_or(0), self.stock(number, ruling.item));
        let is_sealed = self.is_sealed(number, now);
        let sale = &mut self.sales[index];
        let changes = match ruling.rule {
            Rule::Open => {
                sale.is_open = true;
                !has_opened
            }
            Rule::Pause => !std::mem::replace(&mut sale.is_paused, true),
            Rule::Resume => std::mem::replace(&mut sale.is_paused, false),
            Rule::Close => {
                sale.is_closed |= !is_over;
                if !is_over {
                    self.plans.retain(|plan| plan.2.0 != number || plan.2.2 != 0);
                }
                !is_over
            }
            Rule::Remove if !is_over => return Err(Refusal::NotClosed),
            Rule::Remove if held > 0 => return Err(Refusal::HoldsLive(held)),
            Rule::Remove if expectant => return Err(Refusal::HoldsLive(0)),
            Rule::Remove => {
                sale.is_removed = true;
                sale.entries.clear();
                self.plans.retain(|plan| plan.2.0 != number);
                self.orders.retain(|_, order| order.sale != number);
                self.keys.retain(|(sale, ..), _| *sale != number);
                self.free.retain(|(sale, ..), _| *sale != number);
                self.pools.retain(|(sale, ..), _| *sale != number);
                true
            }
            Rule::Add(units) => {
                if stock + units > STOCK_MAX {
                    return Err(Refusal::TooMuch(STOCK_MAX - stock));
                }
                self.free.insert(place, free_now + units);
                units > 0
            }
            Rule::Withdraw(units) => {
                if free_now < units {
                    return Err(Refusal::NotFree(free_now));
                }
                self.free.insert(place, free_now - units);
                units > 0
            }
            Rule::Plan { units, at } => {
                if at <= now || sale.terms.closes_at != 0 && at >= sale.terms.closes_at {
                    return Err(Refusal::BadTime);
                }
                if stock + units > STOCK_MAX {
                    return Err(Refusal::TooMuch(STOCK_MAX - stock));
                }
                if units > 0 {
                    self.plans.push((at, self.seq + 1, place, units));
                }
                units > 0
            }
            Rule::CallOff(wave) => {
                let is_it = |plan: &Plan| plan.1 == wave && plan.2.0 == number && plan.2.2 == 0;
                let before = self.plans.len();
                self.plans.retain(|plan| !is_it(plan));
                if self.plans.len() == before {
                    return Err(Refusal::UnknownWave);
                }
                true
            }
            Rule::Draw(seed) => {
                let draw = sale.terms.draw.ok_or(Refusal::NoDraw)?;
                if *blake3::hash(&seed).as_bytes() != draw.commitment {
                    return Err(Refusal::WrongSeed);
                }
                match sale.seed {
                    Some(_) => false,
                    None if is_over => return Err(Refusal::Closed),
                    None if !is_sealed => return Err(Refusal::NotOpen),
                    None => {
                        sale.seed = Some(seed);
                        true
                    }
                }
            }
            Rule::Aside(Aside { channel, units, until }) => {
                let known = sale.channels.iter().position(|name| *name == channel.to_string());
                let number_of = known.unwrap_or(sale.channels.len()) as u8 + 1;
                let pool_at = (number, ruling.item, number_of);
                let pool = self.pools.get(&pool_at).copied();
                if until != 0 && until <= now || pool.is_some_and(|pool| pool.is_swept) {
                    return Err(Refusal::BadTime);
                }
                if units > free_now {
                    return Err(Refusal::NotFree(free_now));
                }
                let before = pool.unwrap_or(Pool { set_aside: 0, until: 0, is_swept: false });
                let changes = units > 0 || pool.is_some() && before.until != until;
                if changes {
                    if known.is_none() {
                        sale.channels.push(channel.to_string());
                    }
                    let set_aside = before.set_aside + units;
                    self.pools.insert(pool_at, Pool { set_aside, until, is_swept: false });
                    *self.free.entry(pool_at).or_default() += units;
                    self.free.insert(place, free_now - units);
                    self.plans.retain(|plan| plan.2 != pool_at);
                    if until != 0 {
                        self.plans.push((until, self.seq + 1, pool_at, 0));
                    }
                }
                changes
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
}
