//! Limit groups: what the members that an order names have together counts against limits of their
//! own, among the buyers' counts.
//!
//! Invariant: what was counted for a member is counted back with what was counted for the buyer.

use super::OrderLine;
use super::buyers::Buyers;
use super::command::{Fill, Refusal, Side};
use super::orders::{Members, Order};
use super::shop::{Shop, within};
use super::stock::Sale;
use super::terms::GROUPS_MAX;

impl Shop {
    /// Units that the limits of its groups' members leave to a purchase.
    pub(super) fn within_groups(
        &self,
        sale: &Sale,
        number: u16,
        side: &Side,
        mut units: u32,
        fill: Fill,
    ) -> Result<u32, Refusal> {
        for (index, (group, digest)) in sale.terms.groups.iter().zip(side.groups).enumerate() {
            if digest == 0 {
                continue;
            }
            let place = self.buyers.place(number, Buyers::member(index, digest));
            units = within(self.buyers.sale_units(place), units, group.limit, fill)
                .map_err(|_| Refusal::GroupLimit(index as u8 + 1, group.limit))?;
        }
        Ok(units)
    }

    /// Counts so many units of an order for the members of its groups.
    #[cold]
    pub(super) fn count_members(&mut self, slot: u32, side: &Side, units: u32) {
        let sale = self.orders.at(slot).sale;
        if let Some(members) = self.give_members(sale, side, units) {
            self.orders.set_members(slot, members);
        }
    }

    /// Counts so many units for the members that an order names, if it names any: these.
    pub(super) fn give_members(&mut self, sale: u16, side: &Side, units: u32) -> Option<Members> {
        let groups = self.sales[usize::from(sale) - 1].terms.groups.len();
        let mut members = [None; GROUPS_MAX];
        for (index, digest) in side.groups.into_iter().enumerate().take(groups) {
            if digest != 0 {
                let member = Buyers::member(index, digest);
                let place = self.buyers.place(sale, member);
                members[index] = Some(self.buyers.give(place, sale, 0, member, units, false));
            }
        }
        (members != [None; GROUPS_MAX]).then_some(members)
    }

    /// Counts units of an order back: for its buyer, and for the members of its groups.
    pub(super) fn count_back(&mut self, slot: u32, line: OrderLine) {
        let Order { sale, buyer, .. } = *self.orders.at(slot);
        let has_limit = self.item_mut(sale, line.item).limit != 0;
        self.buyers.take(buyer, line.item, line.units, has_limit);
        for member in self.orders.members(slot).into_iter().flatten() {
            self.buyers.take(member, 0, line.units, false);
        }
    }
}
