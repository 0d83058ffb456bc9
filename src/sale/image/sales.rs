//! The sales of an image: terms, items, limit groups, draw, channels and agenda.
//!
//! Invariant: what is written is read again, in the same order.

use hashbrown::HashMap;

use super::super::agenda::{Entry, What};
use super::super::orders::{DRAWN, Order, State};
use super::super::pools::Pool;
use super::super::shop::Shop;
use super::super::stock::Sale;
use super::super::terms::{DrawTerms, GroupTerms, ItemTerms, Name, Terms};
use super::{BadImage, Line, LineSource, Reader, Writer, name, next};

/// What a sale has more of than its items: limit groups, channels, a draw, its seed, pools, and
/// lines of the agenda.
const COUNTS: usize = 6;

/// A sale as an image tells of it.
pub struct ImageSale {
    /// As it was created.
    pub terms: Terms,
    /// The channels that units were ever set aside for, in the order of their numbers.
    pub channels: Vec<Name>,
    /// Of each item: stock, free to all, held and confirmed.
    units: Vec<[u64; 4]>,
    /// Of each item, as it is now.
    prices: Vec<u64>,
    /// Item and pool.
    pools: Vec<(u16, Pool)>,
    /// Without the sale's number.
    agenda: Vec<Entry>,
    bits: u8,
    /// That of the draw, if it is revealed.
    seed: Option<[u8; 32]>,
}

impl Shop {
    pub(super) fn image_sale(&self, number: u16, sale: &Sale, out: &mut impl FnMut(&Line)) {
        let terms = &sale.terms;
        out(terms.name.as_bytes());
        let mut line = Writer::new();
        line.put(&terms.limit.to_le_bytes()).put(&terms.hold_ms.to_le_bytes());
        line.put(&terms.opens_at.to_le_bytes()).put(&terms.closes_at.to_le_bytes());
        line.put(&(sale.items.len() as u16).to_le_bytes()).put(&[sale.bits()]);
        line.put(&terms.currency).put(&terms.extend_ms.to_le_bytes());
        line.put(&terms.offer_ms.to_le_bytes()).put(&terms.waitlist.to_le_bytes());
        line.put(&[u8::from(terms.is_strict)]);
        line.put(&terms.draw.map_or(0, |draw| draw.at).to_le_bytes());
        out(line.put(&self.counts(number, sale)).line());
        for (item, names) in sale.items.iter().zip(&terms.items) {
            out(names.sku.as_bytes());
            let mut line = Writer::new();
            for count in [item.stock, item.free, item.held, item.confirmed, item.price] {
                line.put(&count.to_le_bytes());
            }
            line.put(&item.limit.to_le_bytes());
            line.put(&item.stock.wrapping_sub(names.stock).to_le_bytes());
            out(line.put(&item.price.wrapping_sub(names.price).to_le_bytes()).line());
        }
        for group in &terms.groups {
            out(group.name.as_bytes());
            out(Writer::new().put(&group.limit.to_le_bytes()).line());
        }
        if let (Some(terms), Some(draw)) = (&terms.draw, &sale.draw) {
            let seed = draw.seed().unwrap_or_default();
            out(Writer::new().put(&terms.commitment).put(&seed).line());
        }
        sale.channels.iter().for_each(|channel| out(channel.as_bytes()));
        for (item, place) in (1_u16..).zip(&sale.items) {
            for pool in &place.pools {
                let mut line = Writer::new();
                line.put(&item.to_le_bytes()).put(&[pool.channel, u8::from(pool.is_swept)]);
                line.put(&pool.set_aside.to_le_bytes()).put(&pool.free.to_le_bytes());
                out(line.put(&pool.until.to_le_bytes()).line());
            }
        }
        for entry in self.agenda.of(number) {
            let (channel, units) = match entry.what {
                What::Surge(units) => (0, units),
                What::Sweep(channel) => (channel, 0),
            };
            let mut line = Writer::new();
            line.put(&entry.at.to_le_bytes()).put(&entry.id.to_le_bytes());
            line.put(&entry.item.to_le_bytes()).put(&[channel]);
            out(line.put(&units.to_le_bytes()).line());
        }
    }

    fn counts(&self, number: u16, sale: &Sale) -> [u8; COUNTS] {
        let pools: usize = sale.items.iter().map(|item| item.pools.len()).sum();
        let seed = sale.draw.as_ref().and_then(|draw| draw.seed());
        let counts = [
            sale.terms.groups.len(),
            sale.channels.len(),
            usize::from(sale.draw.is_some()),
            usize::from(seed.is_some()),
            pools,
            self.agenda.of(number).count(),
        ];
        counts.map(|count| u8::try_from(count).expect("bounds of a sale fit"))
    }

    /// Takes the next sale. Returns the seed of its draw, if that is revealed.
    pub(super) fn restore_sale(&mut self, image: ImageSale) -> Result<Option<[u8; 32]>, BadImage> {
        self.create(0, &image.terms).map_err(BadImage::Wrong)?;
        let number = self.sales.len() as u16;
        let sale = self.sales.last_mut().expect("just created");
        let bad = || BadImage::Wrong(format!("sale {number}: a pool or plan of no item"));
        sale.channels = image.channels;
        for (item, pool) in image.pools {
            let item = sale.items.get_mut(usize::from(item).wrapping_sub(1)).ok_or_else(bad)?;
            item.pools.push(pool);
        }
        for entry in image.agenda {
            let item = sale.items.get(usize::from(entry.item).wrapping_sub(1)).ok_or_else(bad)?;
            if let What::Sweep(channel) = entry.what
                && item.pool(channel).is_none()
            {
                return Err(bad());
            }
            self.agenda.add(Entry { sale: number, ..entry });
        }
        for ((item, units), price) in sale.items.iter_mut().zip(image.units).zip(image.prices) {
            [item.stock, item.free, item.held, item.confirmed] = units;
            item.price = price;
            item.aside = item.pools.iter().map(|pool| pool.free).sum();
        }
        if sale.restore(image.bits) {
            Ok(image.seed)
        } else {
            let name = sale.terms.name;
            Err(BadImage::Wrong(format!("sale '{name}': no sale has the bits {}", image.bits)))
        }
    }

    /// Puts those who wait on the lists, in the order in which they stood there: who was drawn by
    /// turns, then who came later.
    pub(super) fn restore_lists(&mut self) {
        let mut turns = HashMap::new();
        for sale in &self.sales {
            let Some(mut draw) = sale.draw.clone() else { continue };
            while let Some(slot) = draw.next() {
                turns.insert(slot, draw.turns());
            }
        }
        let is_listed =
            |(_, order): &(u32, &Order)| order.state() == State::Waiting && !order.is_undrawn();
        let listed = self.orders.iter().filter(is_listed);
        let turn_of = |slot: u32, order: &Order| {
            (order.flags & DRAWN != 0).then(|| turns.get(&slot).copied().unwrap_or(0))
        };
        let mut listed: Vec<_> = listed
            .map(|(slot, order)| (turn_of(slot, order).unwrap_or(order.id), slot, order.flags))
            .collect();
        listed.sort_unstable();
        for (place, slot, flags) in listed {
            self.enqueue(slot, (flags & DRAWN != 0).then_some(place));
        }
    }

    /// Goes on with the draws whose seeds are revealed.
    pub(super) fn restore_draws(&mut self, seeds: Vec<(u16, [u8; 32])>) -> Result<(), BadImage> {
        for (number, seed) in seeds {
            let draw = self.sales[usize::from(number) - 1].draw.as_mut();
            let draw = draw.filter(|draw| draw.is_seed(&seed));
            let bad =
                || BadImage::Wrong(format!("sale {number}: a seed that was not committed to"));
            draw.ok_or_else(bad)?.reveal(seed);
            self.look_at_draw(number);
        }
        Ok(())
    }
}

impl ImageSale {
    pub(super) fn read(lines: &mut impl LineSource) -> Result<ImageSale, BadImage> {
        let name = name(next(lines)?)?;
        let mut line = Reader(next(lines)?);
        let (limit, hold_ms, opens_at, closes_at) =
            (line.u32(), line.u32(), line.u64(), line.u64());
        let (count, bits, currency) = (line.u16(), line.take::<1>()[0], line.take::<3>());
        let mut terms = Terms {
            name,
            items: Vec::new(),
            currency,
            limit,
            hold_ms,
            extend_ms: line.u32(),
            offer_ms: line.u32(),
            waitlist: line.u32(),
            is_strict: line.take::<1>()[0] != 0,
            groups: Vec::new(),
            draw: None,
            opens_at,
            closes_at,
        };
        let draw_at = line.u64();
        let [groups, channels, has_draw, has_seed, pools, entries]: [u8; COUNTS] = line.take();
        let (mut units, mut prices) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let sku = self::name(next(lines)?)?;
            let mut line = Reader(next(lines)?);
            let of_item = [(); 4].map(|()| line.u64());
            let (price, limit) = (line.u64(), line.u32());
            let stock = of_item[0].wrapping_sub(line.u64());
            let first_price = price.wrapping_sub(line.u64());
            terms.items.push(ItemTerms { sku, stock, price: first_price, limit });
            units.push(of_item);
            prices.push(price);
        }
        for _ in 0..groups {
            let name = self::name(next(lines)?)?;
            let limit = Reader(next(lines)?).u32();
            terms.groups.push(GroupTerms { name, limit });
        }
        let mut seed = None;
        if has_draw != 0 {
            let mut line = Reader(next(lines)?);
            terms.draw = Some(DrawTerms { at: draw_at, commitment: line.take() });
            let revealed = line.take();
            seed = (has_seed != 0).then_some(revealed);
        }
        let channels: Result<_, _> = (0..channels).map(|_| self::name(next(lines)?)).collect();
        let pools: Result<_, _> = (0..pools).map(|_| next(lines).map(pool)).collect();
        let agenda: Result<_, _> = (0..entries).map(|_| next(lines).map(entry)).collect();
        let (channels, pools, agenda) = (channels?, pools?, agenda?);
        Ok(ImageSale { terms, channels, units, prices, pools, agenda, bits, seed })
    }
}

fn pool(line: &Line) -> (u16, Pool) {
    let mut line = Reader(line);
    let (item, [channel, is_swept]) = (line.u16(), line.take());
    let (set_aside, free, until) = (line.u64(), line.u64(), line.u64());
    (item, Pool { channel, is_swept: is_swept != 0, set_aside, free, until })
}

fn entry(line: &Line) -> Entry {
    let mut line = Reader(line);
    let (at, id, item) = (line.u64(), line.u64(), line.u16());
    let ([channel], units) = (line.take(), line.u64());
    let what = if channel == 0 { What::Surge(units) } else { What::Sweep(channel) };
    Entry { at, id, sale: 0, item, what }
}
