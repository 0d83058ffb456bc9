//! A shop from an image. What is counted beside the orders is counted again, but what the image
//! says of items is believed: [`Shop::from_image`] proves it, [`Shop::from_trusted_image`] trusts
//! who made the image.

use super::super::command::{Party, Side};
use super::super::hash::Seed;
use super::super::lines::OrderLine;
use super::super::orders::{ENTERED, GROUPED, OFFERED, Order, State};
use super::super::shop::{Bounds, Shop};
use super::super::terms::GROUPS_MAX;
use super::super::{Refusal, Seq, Stamp};
use super::sales::ImageSale;
use super::{BadImage, ImageOrder, Line, MAGIC, Reader, VERSION, next};

/// Orders whose memory is asked for ahead.
const AHEAD: usize = 32;

/// The first line of an image.
pub(super) struct Head {
    pub(super) sales: u32,
    pub(super) orders: u64,
    seq: Seq,
    changed_at: Stamp,
}

impl Head {
    pub(super) fn read(lines: &mut impl Iterator<Item = Line>) -> Result<Head, BadImage> {
        let line = next(lines)?;
        let mut line = Reader(&line);
        if line.take::<8>() != MAGIC || line.u32() != VERSION {
            return Err(BadImage::Wrong(format!("not an image of version {VERSION}")));
        }
        let (sales, orders) = (line.u32(), line.u64());
        Ok(Head { sales, orders, seq: line.u64(), changed_at: line.u64() })
    }
}

impl Shop {
    /// A shop with the state of an image, proven.
    ///
    /// # Errors
    /// If the lines are no image, or one that does not fit the bounds, or of no lawful state.
    pub fn from_image(
        bounds: Bounds,
        seed: Seed,
        lines: impl IntoIterator<Item = Line>,
    ) -> Result<Shop, BadImage> {
        let shop = Shop::from_trusted_image(bounds, seed, lines)?;
        shop.prove().map_err(BadImage::Wrong)?;
        Ok(shop)
    }

    /// A shop with the state of an image made by who can be trusted: what it counts is believed.
    ///
    /// # Errors
    /// If the lines are no image, or one that does not fit the bounds.
    pub fn from_trusted_image(
        bounds: Bounds,
        seed: Seed,
        lines: impl IntoIterator<Item = Line>,
    ) -> Result<Shop, BadImage> {
        let mut lines = lines.into_iter();
        let mut shop = Shop::new(bounds, seed);
        let head = Head::read(&mut lines)?;
        let mut seeds = Vec::new();
        for _ in 0..head.sales {
            let seed = shop.restore_sale(ImageSale::read(&mut lines)?)?;
            seeds.extend(seed.map(|seed| (shop.sales.len() as u16, seed)));
        }
        // Orders that were read and whose memory was asked for, in a circle.
        let mut ahead: [ImageOrder; AHEAD] = std::array::from_fn(|_| ImageOrder::empty());
        for number in 0..head.orders + AHEAD as u64 {
            let order = &mut ahead[number as usize % AHEAD];
            if number >= AHEAD as u64 {
                shop.restore_order(order)?;
            }
            if number < head.orders {
                order.read(&mut lines)?;
                for (ident, text) in
                    [&mut order.buyer, &mut order.key].into_iter().zip(&order.texts)
                {
                    if let Some(text) = text {
                        *ident = shop.long(text);
                    }
                }
                shop.prefetch(order.sale, order.buyer, order.key);
                shop.prefetch_order(order.id);
            } else if number + 1 >= AHEAD as u64 && number + 1 - AHEAD as u64 >= head.orders {
                break;
            }
        }
        shop.restore_holds();
        shop.restore_draws(seeds)?;
        shop.restore_lists();
        (shop.seq, shop.now, shop.changed_at) = (head.seq, head.changed_at, head.changed_at);
        if lines.next().is_some() {
            return Err(BadImage::Wrong("lines after the last order".to_owned()));
        }
        Ok(shop)
    }

    fn restore_order(&mut self, image: &ImageOrder) -> Result<(), BadImage> {
        let ImageOrder { id, sale, state, flags, buyer, key, ref lines, .. } = *image;
        let bad = |what: &str| BadImage::Wrong(format!("order {id}: {what}"));
        let [buyer_text, key_text] = image.texts.each_ref().map(Option::as_ref);
        let lacks = !self.orders.has_room()
            || !self.buyers.has_room(1 + lines.len().max(1) + GROUPS_MAX)
            || !self.lines.has_room(lines.len())
            || !self.waiters.has_room(lines.len().max(1))
            || !self.texts.has_room() && (buyer_text.is_some() || key_text.is_some());
        if lacks {
            return Err(BadImage::TooMany(id));
        }
        let place = self.buyers.place(sale, buyer);
        self.remember_buyer(Party { ident: buyer, text: buyer_text }, place);
        self.remember(Party { ident: key, text: key_text });
        let mut order = Order::new(id, key, state);
        (order.flags, order.lines, order.channel) = (flags, lines.len() as u8, image.channel);
        (order.sale, order.item) = (sale, image.item);
        (order.units, order.price) = (image.units, image.price);
        (order.condition, order.expires_at) = (image.condition, image.expires_at);
        let counts = matches!(state, State::Held | State::Confirmed | State::Waiting);
        let counted = |line: &OrderLine| {
            OrderLine::new(line.item, if counts { line.units } else { 0 }, line.price)
        };
        // As when it was given, so that it takes no more places now.
        if lines.is_empty() {
            self.is_item(sale, image.item).map_err(|_| bad("unknown sale or item"))?;
            let line = counted(&OrderLine::new(image.item, image.units, image.price));
            order.buyer = self.count_lines(sale, buyer, place, &[line]);
        } else {
            order.price = self.lines.add(lines);
            for line in lines {
                self.is_item(sale, line.item).map_err(|_| bad("unknown sale or item"))?;
            }
            let counted: Vec<OrderLine> = lines.iter().map(counted).collect();
            order.buyer = self.count_lines(sale, buyer, place, &counted);
        }
        let Err(vacancy) = self.orders.find_key(sale, key) else {
            return Err(bad("two orders of one key"));
        };
        let slot = self.orders.add(vacancy, order);
        let side = Side { channel: image.channel, groups: image.groups };
        if flags & GROUPED != 0 && side.has_groups() {
            if self.sales[usize::from(sale) - 1].terms.groups.is_empty() {
                return Err(bad("a member of a limit group that is none"));
            }
            self.count_members(slot, &side, if counts { image.units } else { 0 });
        }
        if flags & ENTERED != 0 {
            if self.sales[usize::from(sale) - 1].draw.is_none() {
                return Err(bad("an entry of no draw"));
            }
            self.count_entry(slot);
        }
        Ok(())
    }

    /// Counts the restored holds and puts them into their lanes, in the order of their ends.
    fn restore_holds(&mut self) {
        let is_held = |slot: &u32| self.orders.at(*slot).state() == State::Held;
        let mut slots: Vec<u32> = (0..self.orders.len() as u32).filter(is_held).collect();
        slots.sort_by_key(|slot| (self.orders.at(*slot).expires_at, self.orders.at(*slot).id));
        self.held = slots.len() as u64;
        for slot in slots {
            let order = self.orders.at(slot);
            if order.is_extended() {
                self.holds.add_extended(&mut self.orders, slot);
            } else {
                let sale = &self.sales[usize::from(order.sale) - 1];
                let lane = if order.flags & OFFERED != 0 { sale.offer_lane } else { sale.lane };
                self.holds.add(lane, &mut self.orders, slot);
            }
        }
    }

    fn is_item(&self, sale: u16, item: u16) -> Result<(), Refusal> {
        let sale = self.sales.get(usize::from(sale).wrapping_sub(1)).ok_or(Refusal::UnknownSale)?;
        sale.items.get(usize::from(item).wrapping_sub(1)).ok_or(Refusal::UnknownItem)?;
        Ok(())
    }
}
