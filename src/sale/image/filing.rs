//! The orders of an image put away: under their keys and under their ids. That touches no memory
//! which the rest of a restoring touches, so it may be done meanwhile.

use super::super::hash::Seed;
use super::super::orders::{Members, Order, Orders};
use super::super::shop::Bounds;
use super::BadImage;

/// Orders whose memory is asked for ahead.
const AHEAD: usize = 32;

/// Orders that were read and not put away yet, in the order in which they are.
#[derive(Default)]
pub struct Pile {
    pub(super) orders: Vec<Order>,
    /// Which of them count for members of limit groups, by slot, and for which.
    pub(super) members: Vec<(u32, Members)>,
}

impl Pile {
    /// Orders of a full one.
    pub(super) const ORDERS: usize = 1024;
}

/// Puts orders away.
pub struct Filing {
    pub(super) orders: Orders,
}

impl Filing {
    /// Room for as many as a shop of these bounds has; its seed is the shop's.
    pub fn new(bounds: Bounds, seed: Seed) -> Filing {
        Filing { orders: Orders::new(bounds.orders_max, seed) }
    }

    /// Puts the next ones away.
    ///
    /// # Errors
    /// If two are of one key.
    ///
    /// # Panics
    /// If there are more than the bounds allow.
    pub fn file(&mut self, pile: &Pile) -> Result<(), BadImage> {
        let prefetch = |orders: &Orders, order: &Order| {
            orders.prefetch_key(order.sale, order.key());
            orders.prefetch_id(order.id);
        };
        pile.orders.iter().take(AHEAD).for_each(|order| prefetch(&self.orders, order));
        for (index, order) in pile.orders.iter().enumerate() {
            if let Some(later) = pile.orders.get(index + AHEAD) {
                prefetch(&self.orders, later);
            }
            let Err(vacancy) = self.orders.find_key(order.sale, order.key()) else {
                return Err(BadImage::Wrong(format!("order {}: two orders of one key", order.id)));
            };
            self.orders.add(vacancy, *order);
        }
        for (slot, members) in &pile.members {
            self.orders.set_members(*slot, *members);
        }
        Ok(())
    }
}
