//! A shop from an image. What is counted beside the orders is counted again, but what the image
//! says of items is believed: [`Shop::from_image`] proves it, [`Shop::from_trusted_image`] trusts
//! who made the image; [`Unfiled`] is the same in two parts, for two threads.

use super::super::command::{Party, Side};
use super::super::hash::Seed;
use super::super::lines::OrderLine;
use super::super::orders::{ENTERED, GROUPED, Members, OFFERED, Order, Orders, State};
use super::super::shop::{Bounds, Shop};
use super::super::terms::GROUPS_MAX;
use super::super::{Refusal, Seq, Stamp};
use super::filing::{Filing, Pile};
use super::sales::ImageSale;
use super::{BadImage, ImageOrder, LineSource, MAGIC, Reader, VERSION, next};

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
    pub(super) fn read(lines: &mut impl LineSource) -> Result<Head, BadImage> {
        let mut line = Reader(next(lines)?);
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
        lines: impl LineSource,
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
        lines: impl LineSource,
    ) -> Result<Shop, BadImage> {
        let mut filing = Filing::new(bounds, seed);
        let unfiled = Unfiled::read(bounds, seed, lines, |pile| filing.file(&pile))?;
        unfiled.filed(filing)
    }
}

/// A shop whose orders are still to be put away.
pub struct Unfiled {
    shop: Shop,
    /// How many orders it has.
    orders: usize,
    /// Where the entries of draws will lie.
    entries: Vec<u32>,
    /// By the numbers of their sales, the seeds of draws that are revealed.
    seeds: Vec<(u16, [u8; 32])>,
}

impl Unfiled {
    /// Reads an image and gives its orders to `give`, piled up.
    ///
    /// # Errors
    /// If the lines are no image, or one that does not fit the bounds; and what `give` returns.
    pub fn read(
        bounds: Bounds,
        seed: Seed,
        mut lines: impl LineSource,
        mut give: impl FnMut(Pile) -> Result<(), BadImage>,
    ) -> Result<Unfiled, BadImage> {
        let shop = Shop::with(Orders::new(0, seed), bounds, seed);
        let mut unfiled = Unfiled { shop, orders: 0, entries: Vec::new(), seeds: Vec::new() };
        let head = Head::read(&mut lines)?;
        for _ in 0..head.sales {
            let shop = &mut unfiled.shop;
            let seed = shop.restore_sale(ImageSale::read(&mut lines)?)?;
            unfiled.seeds.extend(seed.map(|seed| (shop.sales.len() as u16, seed)));
        }
        // Orders that were read and whose memory was asked for, in a circle.
        let mut ahead: [ImageOrder; AHEAD] = std::array::from_fn(|_| ImageOrder::empty());
        let mut pile = Pile::default();
        for number in 0..head.orders + AHEAD as u64 {
            let order = &mut ahead[number as usize % AHEAD];
            if number >= AHEAD as u64 {
                unfiled.take(order, &mut pile)?;
                if pile.orders.len() == Pile::ORDERS {
                    give(std::mem::take(&mut pile))?;
                }
            }
            if number < head.orders {
                order.read(&mut lines)?;
                unfiled.shop.identify(order);
            } else if number + 1 >= AHEAD as u64 && number + 1 - AHEAD as u64 >= head.orders {
                break;
            }
        }
        give(pile)?;
        if lines.next_line().is_some() {
            return Err(BadImage::Wrong("lines after the last order".to_owned()));
        }
        let shop = &mut unfiled.shop;
        (shop.seq, shop.now, shop.changed_at) = (head.seq, head.changed_at, head.changed_at);
        Ok(unfiled)
    }

    /// Takes an order, and puts what is to be put away onto the pile.
    fn take(&mut self, image: &ImageOrder, pile: &mut Pile) -> Result<(), BadImage> {
        if self.orders == self.shop.bounds.orders_max {
            return Err(BadImage::TooMany(image.id));
        }
        let (order, members) = self.shop.restore_order(image)?;
        if let Some(members) = members {
            pile.members.push((self.orders as u32, members));
        }
        if order.flags & ENTERED != 0 {
            self.entries.push(self.orders as u32);
        }
        pile.orders.push(order);
        self.orders += 1;
        Ok(())
    }

    /// The shop, when all its orders were put away.
    ///
    /// # Errors
    /// If the image was of no lawful state.
    ///
    /// # Panics
    /// If they were not.
    pub fn filed(self, filing: Filing) -> Result<Shop, BadImage> {
        let Unfiled { mut shop, orders, entries, seeds } = self;
        shop.orders = filing.orders;
        assert_eq!(shop.orders.len(), orders, "all that were given were put away");
        entries.into_iter().for_each(|slot| shop.count_entry(slot));
        shop.restore_holds();
        shop.restore_draws(seeds)?;
        shop.restore_lists();
        Ok(shop)
    }
}

impl Shop {
    /// Completes what was read of an order, and asks the cache for what it will touch.
    #[inline]
    fn identify(&self, order: &mut ImageOrder) {
        for (ident, text) in [&mut order.buyer, &mut order.key].into_iter().zip(&order.texts) {
            if let Some(text) = text {
                *ident = self.long(text);
            }
        }
        self.buyers.prefetch(order.sale, order.buyer);
    }

    fn restore_order(&mut self, image: &ImageOrder) -> Result<(Order, Option<Members>), BadImage> {
        let ImageOrder { id, sale, state, flags, buyer, key, ref lines, .. } = *image;
        let bad = |what: &str| BadImage::Wrong(format!("order {id}: {what}"));
        let [buyer_text, key_text] = image.texts.each_ref().map(Option::as_ref);
        let lacks = !self.buyers.has_room(1 + lines.len().max(1) + GROUPS_MAX)
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
        if flags & ENTERED != 0 && self.sales[usize::from(sale) - 1].draw.is_none() {
            return Err(bad("an entry of no draw"));
        }
        let side = Side { channel: image.channel, groups: image.groups };
        if flags & GROUPED == 0 || !side.has_groups() {
            return Ok((order, None));
        }
        if self.sales[usize::from(sale) - 1].terms.groups.is_empty() {
            return Err(bad("a member of a limit group that is none"));
        }
        let units = if counts { image.units } else { 0 };
        Ok((order, self.give_members(sale, &side, units)))
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
