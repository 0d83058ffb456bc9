//! What becomes of a removed sale: its orders, its buyers, their lines and long texts are cleared
//! away, and what they lay in is used again.
//!
//! From the moment it is removed nothing of a sale can be found or seen, nor is it in the image. So
//! clearing away decides nothing, and is not in the journal: it goes on in slices beside the
//! commands, and at once where a table is full. Two shops that decided the same may differ in how
//! far they have come, but in no answer: each has room for what the other had room for.
//!
//! A pass clears away the sales that were removed when it began. It sweeps the lanes of holds, and
//! then looks at every order and at every entry of a buyer, from the last to the first, so that the
//! lowest are used again first.

use super::buyers::Place;
use super::command::{Party, Refusal};
use super::ident::Form;
use super::orders::Order;
use super::shop::Shop;

/// What it costs to clear an order or an entry away, or to carry lines over, in looks at one that
/// stays where it is: it touches memory at random.
const LOOKS: usize = 16;
/// Looks at once where a table is full.
const LOOKS_AT_ONCE: usize = 4096;
/// How far ahead the memory is asked for.
const AHEAD: usize = 8;

/// How far it has come.
#[derive(Default)]
pub(super) struct Clearing {
    /// Whether a pass is under way.
    is_on: bool,
    /// Of each sale by its number, whether this pass clears it away.
    now: Vec<bool>,
    /// Sales that were removed since this pass began, by number.
    next: Vec<u16>,
    is_swept: bool,
    /// Orders and entries of buyers that were not looked at: those in slots below.
    orders: usize,
    buyers: usize,
}

impl Shop {
    /// Whether there is something to be cleared away.
    #[inline]
    pub fn is_clearing(&self) -> bool {
        self.clearing.is_on || !self.clearing.next.is_empty()
    }

    /// Clears away some of what removed sales have left, in about so many looks at an order or a
    /// buyer, of some nanoseconds each. Returns how many it took, 0 if nothing is left.
    pub fn clear_some(&mut self, looks_max: usize) -> usize {
        let mut looks = 0;
        while looks < looks_max && self.is_clearing() {
            if !self.clearing.is_on {
                self.begin_pass();
            } else if !self.clearing.is_swept {
                let is_cleared = |sale: u16| self.clearing.now[usize::from(sale)];
                let swept = self.holds.sweep(&mut self.orders, looks_max - looks, is_cleared);
                self.clearing.is_swept = swept == 0;
                looks += swept;
            } else if self.clearing.orders + self.clearing.buyers > 0 {
                looks += self.clear_order() + self.clear_buyer();
            } else {
                self.clearing.is_on = false;
            }
            looks += 1;
        }
        looks
    }

    /// Nothing is known to be in a sale that was just removed; its number is all that is needed.
    pub(super) fn removed(&mut self, number: u16) {
        let sale = &mut self.sales[usize::from(number) - 1];
        assert!(sale.is_removed && sale.expectant() == 0 && sale.held() == 0);
        (sale.items, sale.terms.items) = (Vec::new(), Vec::new());
        (sale.channels, sale.terms.groups) = (Vec::new(), Vec::new());
        (sale.draw, sale.terms.draw) = (None, None);
        // Nobody in it is to be looked at, whether or not that was found out.
        self.drawing.retain(|sale| *sale != number);
        self.pending.retain(|(sale, _)| *sale != number);
        self.clearing.next.push(number);
    }

    fn begin_pass(&mut self) {
        let clearing = &mut self.clearing;
        clearing.now.clear();
        clearing.now.resize(self.sales.len() + 1, false);
        clearing.next.drain(..).for_each(|number| clearing.now[usize::from(number)] = true);
        (clearing.is_on, clearing.is_swept) = (true, false);
        (clearing.orders, clearing.buyers) = (self.orders.used(), self.buyers.used());
        self.holds.begin_sweep();
        self.lines.turn();
    }

    /// Whether this pass clears away what is of a sale; 0 is none.
    #[inline]
    fn is_cleared(&self, sale: u16) -> bool {
        // Sales that were created since stay.
        self.clearing.now.get(usize::from(sale)).is_some_and(|is| *is)
    }

    fn clear_order(&mut self) -> usize {
        let Some(index) = self.clearing.orders.checked_sub(1) else { return 0 };
        self.clearing.orders = index;
        if let Some(later) = index.checked_sub(AHEAD)
            && self.is_cleared(self.orders.at(later as u32).sale)
        {
            self.orders.prefetch_removal(later as u32);
        }
        let slot = index as u32;
        let order = *self.orders.at(slot);
        if !self.is_cleared(order.sale) {
            if order.lines == 0 {
                return 1;
            }
            self.lines.carry(self.orders.at_mut(slot));
            return LOOKS;
        }
        self.lines.remove(&order);
        let key = order.key();
        if key.form == Form::Long {
            self.texts.forget(key.bits);
        }
        self.orders.remove(slot);
        LOOKS
    }

    fn clear_buyer(&mut self) -> usize {
        let Some(index) = self.clearing.buyers.checked_sub(1) else { return 0 };
        self.clearing.buyers = index;
        if let Some(later) = index.checked_sub(AHEAD)
            && self.is_cleared(self.buyers.sale(later as u32))
        {
            self.buyers.prefetch_removal(later as u32);
        }
        if !self.is_cleared(self.buyers.sale(index as u32)) {
            return 1;
        }
        let buyer = self.buyers.remove(index as u32);
        if let Some(buyer) = buyer.filter(|buyer| buyer.form == Form::Long) {
            self.texts.forget(buyer.bits);
        }
        LOOKS
    }

    /// Clears away until there is room for an order, as long as there is something to be cleared
    /// away.
    #[cold]
    pub(super) fn make_room(&mut self, lines: usize, has_long_text: bool) -> Result<(), Refusal> {
        while !self.has_room(lines, has_long_text) {
            if !self.admits || self.clear_some(LOOKS_AT_ONCE) == 0 {
                return Err(Refusal::Overloaded);
            }
        }
        Ok(())
    }

    /// Keeps the long text of a buyer who comes to a sale: one use for all its orders there.
    #[inline(always)]
    pub(super) fn remember_buyer(&mut self, buyer: Party, place: Place) {
        if let Place::New(_) = place {
            self.remember(buyer);
        }
    }

    /// The orders of all sales that are there, with their slots, in the order of ids.
    pub(super) fn kept_orders(&self) -> impl Iterator<Item = (u32, &Order)> {
        let is_kept =
            |(_, order): &(u32, &Order)| !self.sales[usize::from(order.sale) - 1].is_removed;
        self.orders.iter().filter(is_kept)
    }

    /// How many these are.
    pub(super) fn kept_orders_len(&self) -> usize {
        if self.is_clearing() { self.kept_orders().count() } else { self.orders.len() }
    }
}

#[cfg(test)]
mod tests;
