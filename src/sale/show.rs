//! What can be read from a shop. Nothing here changes anything.

use super::agenda::Wave;
use super::command::{About, OrderView, Party, Refusal, Seq, Stamp, Stock};
use super::ident::{Form, Ident};
use super::lines::OrderLine;
use super::orders::Order;
use super::pools::Pool;
use super::shop::{Bounds, Shop, number};
use super::stock::{DrawState, Item, Phase, PoolView, Sale};
use super::terms::{Name, Terms};

/// What is kept of a sale, also after it was removed.
#[derive(Clone, Debug)]
pub struct Kept<'a> {
    /// Its number.
    pub number: u16,
    /// As it was created, but for its items once it was removed.
    pub terms: &'a Terms,
    /// Whether nothing is known to be in it any more, and its name is free.
    pub is_removed: bool,
    /// Units of its items, in the order of their numbers; none once it was removed.
    pub stocks: Vec<Stock>,
}

/// A draw as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// How far it has come.
    pub state: DrawState,
    /// Entries so far, those that left it again among them.
    pub entries: u32,
    /// The seed, once it is revealed.
    pub seed: Option<[u8; 32]>,
}

/// What a purchase is up against when nothing is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoldOut {
    /// When that may change without a command: a hold or the sale ends.
    pub until: Stamp,
    /// The price in force, minor units each.
    pub price: u64,
    /// Units above which a buyer who has none is refused for the limit.
    pub limit: u32,
}

impl Shop {
    /// The newest seq.
    #[inline]
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// The newest stamp.
    #[inline]
    pub fn now(&self) -> Stamp {
        self.now
    }

    /// Orders in state `held`.
    #[inline]
    pub fn held(&self) -> u64 {
        self.held
    }

    /// Orders in state `waiting`.
    pub fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Orders in the table, those of removed sales that are not cleared away yet among them.
    pub fn orders_len(&self) -> usize {
        self.orders.len()
    }

    /// Entries in the table of buyers: one for a buyer and sale, one more for each limited item.
    pub fn buyers_len(&self) -> usize {
        self.buyers.len()
    }

    /// Bytes that the tables of orders, buyers and lines of a shop with these bounds take.
    pub fn bytes_needed(bounds: &Bounds) -> u128 {
        bounds.orders_max as u128 * 90
            + bounds.buyers_max as u128 * 45
            + bounds.lines_max as u128 * 16
    }

    /// Bytes of the tables of orders and of buyers.
    pub fn table_bytes(&self) -> (usize, usize) {
        (self.orders.bytes(), self.buyers.bytes())
    }

    /// The number of the sale that has this name now.
    pub fn sale_number(&self, name: &Name) -> Option<u16> {
        let is_named = |sale: &Sale| !sale.is_removed && sale.terms.name == *name;
        let index = self.sales.iter().position(is_named)?;
        Some(number(index))
    }

    /// The terms under which a sale was created; stock and prices may have changed since.
    pub fn terms(&self, sale: u16) -> Option<&Terms> {
        self.sale(sale).ok().map(|sale| &sale.terms)
    }

    /// All sales ever created, in the order of their numbers, which are dense from 1.
    pub fn kept(&self) -> impl ExactSizeIterator<Item = Kept<'_>> {
        self.sales.iter().enumerate().map(|(index, sale)| Kept {
            number: number(index),
            terms: &sale.terms,
            is_removed: sale.is_removed,
            stocks: sale.items.iter().map(Item::shown).collect(),
        })
    }

    /// An order as it now stands.
    ///
    /// # Errors
    /// [`Refusal::UnknownSale`], [`Refusal::UnknownOrder`] or [`Refusal::NotYourOrder`].
    pub fn order(&self, about: &About) -> Result<OrderView<'_>, Refusal> {
        let order = self.orders.at(self.find(about)?);
        Ok(self.view(order))
    }

    pub(super) fn view(&self, order: &Order) -> OrderView<'_> {
        OrderView {
            given: self.given(order, order.id, false),
            sale: order.sale,
            item: order.item,
            lines: self.lines.of(order),
            buyer: self.party(self.buyers.ident(order.buyer)),
            key: self.party(order.key()),
        }
    }

    /// The lines of an order that is a basket; empty of any other.
    pub fn lines(&self, order: Seq) -> &[OrderLine] {
        let slot = self.orders.find_id(order);
        slot.map_or(&[], |slot| self.lines.of(self.orders.at(slot)))
    }

    /// Units of an item as they now stand.
    ///
    /// # Errors
    /// [`Refusal::UnknownSale`] or [`Refusal::UnknownItem`].
    pub fn stock(&self, sale: u16, item: u16) -> Result<Stock, Refusal> {
        let items = &self.sale(sale)?.items;
        let item = items.get(usize::from(item).wrapping_sub(1)).ok_or(Refusal::UnknownItem)?;
        Ok(item.shown())
    }

    /// Units of all items of a sale, in the order of their numbers.
    ///
    /// # Errors
    /// [`Refusal::UnknownSale`].
    pub fn stocks(&self, sale: u16) -> Result<impl ExactSizeIterator<Item = Stock>, Refusal> {
        Ok(self.sale(sale)?.items.iter().map(Item::shown))
    }

    /// The channels of a sale, in the order of their numbers, which are dense from 1.
    pub fn channels(&self, sale: u16) -> &[Name] {
        self.sale(sale).map_or(&[], |sale| &sale.channels)
    }

    /// What was set aside in a sale, in the order of items and then of channels.
    pub fn pools(&self, sale: u16) -> impl Iterator<Item = PoolView> {
        let items = self.sale(sale).map_or(&[][..], |sale| &sale.items);
        (1..).zip(items).flat_map(|(item, place)| {
            place.pools.iter().map(move |pool| {
                let Pool { channel, is_swept, set_aside, free, until } = *pool;
                PoolView { item, channel, set_aside, free, until, is_swept }
            })
        })
    }

    /// Records that are needed for what is to come by itself in all sales.
    pub fn planned(&self) -> usize {
        self.agenda.len()
    }

    /// What is to come in a sale, in the order of time.
    pub fn waves(&self, sale: u16) -> impl Iterator<Item = Wave> {
        self.agenda.waves(sale)
    }

    /// The draw of a sale at a time; `None` if it has none.
    pub fn draw(&self, sale: u16, now: Stamp) -> Option<Drawn> {
        let draw = self.sale(sale).ok()?.draw.as_ref()?;
        Some(Drawn { state: draw.state(now), entries: draw.len() as u32, seed: draw.seed() })
    }

    /// Where a sale stands at a time.
    ///
    /// # Errors
    /// [`Refusal::UnknownSale`].
    pub fn phase(&self, sale: u16, now: Stamp) -> Result<Phase, Refusal> {
        Ok(self.sale(sale)?.phase(now))
    }

    /// The order that a key stands for, as it now stands.
    ///
    /// # Errors
    /// [`Refusal::UnknownSale`] or [`Refusal::UnknownOrder`].
    pub fn order_of_key(&self, sale: u16, key: Ident) -> Result<OrderView<'_>, Refusal> {
        self.sale(sale)?;
        let slot = self.orders.find_key(sale, key).map_err(|_| Refusal::UnknownOrder)?;
        Ok(self.view(self.orders.at(slot)))
    }

    /// That nothing of an item is free, and what a purchase is up against, as long as nobody
    /// commands anything; `None` if something is free, or a purchase would hear something else.
    pub fn sold_out(&self, sale: u16, item: u16) -> Option<SoldOut> {
        let sale = self.sale(sale).ok()?;
        let item = sale.items.get(usize::from(item).wrapping_sub(1))?;
        let sells = sale.phase(self.now) == Phase::Open && sale.undrawn(self.now).is_none();
        if item.free > 0 || !sells {
            return None;
        }
        let limits = [item.limit, sale.terms.limit].into_iter().filter(|limit| *limit != 0);
        let limit = limits.min().unwrap_or(u32::MAX);
        let until = self.holds.due().min(self.agenda.due()).min(sale.closes_at);
        Some(SoldOut { until, price: item.price, limit })
    }

    /// Slots in which orders lie or lay: those below this.
    #[inline]
    pub fn slots_used(&self) -> usize {
        self.orders.used()
    }

    /// The slot of the newest order. It is above those of all others unless it is used again.
    #[inline]
    pub fn newest_slot(&self) -> usize {
        self.orders.newest()
    }

    /// Sale, buyer and key of the order in a slot; `None` if there is none, or its sale is gone.
    pub fn whose(&self, slot: usize) -> Option<(u16, Ident, Ident)> {
        let order = self.orders.at(u32::try_from(slot).expect("as many as slots"));
        self.sale(order.sale).ok()?;
        Some((order.sale, self.buyers.ident(order.buyer), order.key()))
    }

    pub(super) fn party(&self, ident: Ident) -> Party<'_> {
        let text = (ident.form == Form::Long).then(|| self.texts.text(ident.bits));
        Party { ident, text }
    }
}
