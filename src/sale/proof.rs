//! The proof that a state keeps the law, from the orders alone. It trusts no count that is kept
//! beside them, and changes nothing.

use hashbrown::{HashMap, HashSet};

use super::orders::State;
use super::shop::Shop;

/// What the orders of a shop add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Orders remembered.
    pub orders: u64,
    /// Of these held now.
    pub held: u64,
    /// Of these bought.
    pub confirmed: u64,
    /// Of these given back by their buyers.
    pub released: u64,
    /// Of these given back by the clock.
    pub expired: u64,
    /// Of these given back after they were bought.
    pub cancelled: u64,
    /// Of these waiting.
    pub waiting: u64,
    /// Of these that waited in vain.
    pub left: u64,
    /// Different buyers, counted once for each sale.
    pub buyers: u64,
}

impl Shop {
    /// Proves from the orders alone that the state keeps the law: units of each item add up, limits
    /// are kept, ids increase, no key stands for two orders. That no hold outlives its end the
    /// replay proves at every record; here one may have ended that the next record returns.
    ///
    /// # Errors
    /// The first breach, as a sentence.
    pub fn prove(&self) -> Result<Totals, String> {
        let mut totals = Totals::default();
        let mut units: HashMap<(u16, u16), (u64, u64)> = HashMap::new();
        let mut waiting: HashMap<(u16, u16), u64> = HashMap::new();
        let mut of_buyer: HashMap<(u32, u16), u64> = HashMap::new();
        let mut buyers: HashMap<u32, (u16, u64)> = HashMap::new();
        let mut members: HashMap<(u32, usize), (u16, u64)> = HashMap::new();
        let mut keys = HashSet::new();
        let mut last_id = 0;
        for (slot, order) in self.kept_orders() {
            let id = order.id;
            if id <= last_id || id > self.seq {
                return Err(format!("order {id} follows order {last_id}: ids must increase"));
            }
            last_id = id;
            let key = order.key();
            if !keys.insert((order.sale, key.form as u8, key.bits)) {
                return Err(format!("order {id}: its key stands for an earlier order too"));
            }
            totals.orders += 1;
            let buyer = buyers.entry(order.buyer).or_insert((order.sale, 0));
            for index in 0..order.line_count() {
                let line = self.lines.line(order, index);
                let count = u64::from(line.units);
                let sums = units.entry((order.sale, line.item)).or_default();
                match order.state() {
                    State::Held => sums.0 += count,
                    State::Confirmed => sums.1 += count,
                    State::Waiting => *waiting.entry((order.sale, line.item)).or_default() += count,
                    State::Released | State::Expired | State::Cancelled | State::Left => continue,
                }
                buyer.1 += count;
                *of_buyer.entry((order.buyer, line.item)).or_default() += count;
            }
            if matches!(order.state(), State::Held | State::Confirmed | State::Waiting) {
                for (index, member) in self.orders.members(slot).into_iter().enumerate() {
                    let Some(member) = member else { continue };
                    let has = members.entry((member, index)).or_insert((order.sale, 0));
                    has.1 += u64::from(order.units);
                }
            }
            *match order.state() {
                State::Held => &mut totals.held,
                State::Confirmed => &mut totals.confirmed,
                State::Released => &mut totals.released,
                State::Expired => &mut totals.expired,
                State::Cancelled => &mut totals.cancelled,
                State::Waiting => &mut totals.waiting,
                State::Left => &mut totals.left,
            } += 1;
        }
        totals.buyers = buyers.len() as u64;
        self.prove_stock(&units, &waiting)?;
        self.prove_limits(&buyers, &of_buyer)?;
        for ((_, index), (sale, has)) in members {
            let group = &self.sales[usize::from(sale) - 1].terms.groups[index];
            if has > u64::from(group.limit) {
                return Err(format!("a member of '{}' in sale {sale} has {has} units", group.name));
            }
        }
        Ok(totals)
    }

    fn prove_stock(
        &self,
        units: &HashMap<(u16, u16), (u64, u64)>,
        waiting: &HashMap<(u16, u16), u64>,
    ) -> Result<(), String> {
        for (sale_index, sale) in self.sales.iter().enumerate() {
            if sale.is_removed && (sale.held() > 0 || !sale.is_over(self.now)) {
                return Err(format!("sale '{}': removed before it was over", sale.terms.name));
            }
            for (index, item) in sale.items.iter().enumerate() {
                let numbers = (sale_index as u16 + 1, index as u16 + 1);
                let (held, confirmed) = units.get(&numbers).copied().unwrap_or_default();
                let sku = &sale.terms.items[index].sku;
                let name = format!("sale '{}', item '{sku}'", sale.terms.name);
                let waited_for = waiting.get(&numbers).copied().unwrap_or_default();
                let counted = (item.held, item.confirmed, item.queue.units + item.entered);
                if (held, confirmed, waited_for) != counted {
                    return Err(format!("{name}: the orders do not add up to what is counted"));
                }
                let aside: u64 = item.pools.iter().map(|pool| pool.free).sum();
                if held + confirmed + aside + item.free != item.stock {
                    return Err(format!("{name}: oversold"));
                }
            }
        }
        Ok(())
    }

    fn prove_limits(
        &self,
        buyers: &HashMap<u32, (u16, u64)>,
        of_buyer: &HashMap<(u32, u16), u64>,
    ) -> Result<(), String> {
        let passes = |has: u64, limit: u32| limit != 0 && has > u64::from(limit);
        for (slot, (sale, has)) in buyers {
            if passes(*has, self.sales[usize::from(*sale) - 1].terms.limit) {
                return Err(format!("buyer in slot {slot} of sale {sale} has {has} units"));
            }
        }
        for ((slot, item), has) in of_buyer {
            let sale = buyers[slot].0;
            let limit = self.sales[usize::from(sale) - 1].items[usize::from(*item) - 1].limit;
            if passes(*has, limit) {
                return Err(format!("buyer in slot {slot} has {has} units of item {item}"));
            }
        }
        Ok(())
    }
}
