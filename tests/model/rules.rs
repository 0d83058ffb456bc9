//! What an operator says, to the naive sale.

use doorbuster::sale::{PRICE_MAX, Refusal, Rule, Ruling, STOCK_MAX, State};

use super::naive::Naive;

impl Naive {
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
                self.orders.retain(|_, order| order.sale != number);
                self.keys.retain(|(sale, ..), _| *sale != number);
                self.free.retain(|(sale, _), _| *sale != number);
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
}
