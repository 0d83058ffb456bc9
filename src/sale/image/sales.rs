//! The sales of an image: terms, items, limit groups, draw, channels and agenda.
//!
//! Invariant: what is written is read again, in the same order.

use hashbrown::HashMap;

use super::super::agenda::{Entry, What};
use super::super::orders::{DRAWN, Order, State};
use super::super::pools::Pool;
use super::super::shop::Shop;
use super::super::stock::Sale;
use super::super::terms::{DrawTerms, GroupTerms, ItemTerms, Terms};
use super::{BadImage, Line, Reader, Writer, name, next};

/// What a sale has more of than its items: limit groups, channels, a draw, its seed, pools, and
/// lines of the agenda.
const COUNTS: usize = 6;

impl Shop {
    pub(super) fn image_sale(&self, number: u16, sale: &Sale, out: &mut impl FnMut(&Line)) {
        let terms = &sale.terms;
        out(terms.name.as_bytes());
        let line = Writer::default().put(&terms.limit.to_le_bytes());
        let line = line.put(&terms.hold_ms.to_le_bytes()).put(&terms.opens_at.to_le_bytes());
        let line = line.put(&terms.closes_at.to_le_bytes());
        let line = line.put(&(sale.items.len() as u16).to_le_bytes());
        let line = line.put(&[sale.bits()]).put(&terms.currency);
        let line = line.put(&terms.extend_ms.to_le_bytes()).put(&terms.offer_ms.to_le_bytes());
        let line = line.put(&terms.waitlist.to_le_bytes());
        let line = line.put(&[u8::from(terms.is_strict)]);
        let line = line.put(&terms.draw.map_or(0, |draw| draw.at).to_le_bytes());
        out(&line.put(&self.counts(number, sale)).line());
        for (item, names) in sale.items.iter().zip(&terms.items) {
            out(names.sku.as_bytes());
            let units = [item.stock, item.free, item.held, item.confirmed, item.price];
            let line = units.iter().fold(Writer::default(), |l, n| l.put(&n.to_le_bytes()));
            let line = line.put(&item.limit.to_le_bytes());
            let changes =
                [item.stock.wrapping_sub(names.stock), item.price.wrapping_sub(names.price)];
            out(&changes.iter().fold(line, |l, n| l.put(&n.to_le_bytes())).line());
        }
        for group in &terms.groups {
            out(group.name.as_bytes());
            out(&Writer::default().put(&group.limit.to_le_bytes()).line());
        }
        if let (Some(terms), Some(draw)) = (&terms.draw, &sale.draw) {
            let seed = draw.seed().unwrap_or_default();
            out(&Writer::default().put(&terms.commitment).put(&seed).line());
        }
        sale.channels.iter().for_each(|channel| out(channel.as_bytes()));
        for (item, place) in (1_u16..).zip(&sale.items) {
            for pool in &place.pools {
                let line = Writer::default().put(&item.to_le_bytes());
                let line = line.put(&[pool.channel, u8::from(pool.is_swept)]);
                let numbers = [pool.set_aside, pool.free, pool.until];
                out(&numbers.iter().fold(line, |l, n| l.put(&n.to_le_bytes())).line());
            }
        }
        for entry in self.agenda.of(number) {
            let (channel, units) = match entry.what {
                What::Surge(units) => (0, units),
                What::Sweep(channel) => (channel, 0),
            };
            let line = Writer::default().put(&entry.at.to_le_bytes()).put(&entry.id.to_le_bytes());
            let line = line.put(&entry.item.to_le_bytes()).put(&[channel]);
            out(&line.put(&units.to_le_bytes()).line());
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

    pub(super) fn restore_sale(
        &mut self,
        lines: &mut impl Iterator<Item = Line>,
    ) -> Result<Option<[u8; 32]>, BadImage> {
        let name = name(&next(lines)?)?;
        let line = next(lines)?;
        let mut line = Reader(&line);
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
        let counts: [u8; COUNTS] = line.take();
        let mut stocks = Vec::new();
        for _ in 0..count {
            let sku = self::name(&next(lines)?)?;
            let line = next(lines)?;
            let mut line = Reader(&line);
            let units = [(); 4].map(|()| line.u64());
            let (price, limit) = (line.u64(), line.u32());
            let (stock, first_price) =
                (units[0].wrapping_sub(line.u64()), price.wrapping_sub(line.u64()));
            terms.items.push(ItemTerms { sku, stock, price: first_price, limit });
            stocks.push((units, price));
        }
        let seed = restore_terms(&mut terms, draw_at, &counts, lines)?;
        self.create(0, &terms).map_err(BadImage)?;
        self.restore_more(&counts, lines)?;
        let sale = self.sales.last_mut().expect("just created");
        for (item, ([stock, free, held, confirmed], price)) in sale.items.iter_mut().zip(stocks) {
            (item.stock, item.free, item.price) = (stock, free, price);
            (item.held, item.confirmed) = (held, confirmed);
            item.aside = item.pools.iter().map(|pool| pool.free).sum();
        }
        if sale.restore(bits) {
            Ok(seed)
        } else {
            Err(BadImage(format!("sale '{name}': no sale has the bits {bits}")))
        }
    }

    /// Takes what a sale has more of than its items.
    fn restore_more(
        &mut self,
        counts: &[u8; COUNTS],
        lines: &mut impl Iterator<Item = Line>,
    ) -> Result<(), BadImage> {
        let number = self.sales.len() as u16;
        let sale = self.sales.last_mut().expect("just created");
        let bad = || BadImage(format!("sale {number}: a pool or plan of no item"));
        let [_, channels, _, _, pools, entries] = *counts;
        for _ in 0..channels {
            sale.channels.push(name(&next(lines)?)?);
        }
        for _ in 0..pools {
            let line = next(lines)?;
            let mut line = Reader(&line);
            let (item, [channel, is_swept]) = (line.u16(), line.take());
            let (set_aside, free, until) = (line.u64(), line.u64(), line.u64());
            let item = sale.items.get_mut(usize::from(item).wrapping_sub(1)).ok_or_else(bad)?;
            item.pools.push(Pool { channel, is_swept: is_swept != 0, set_aside, free, until });
        }
        for _ in 0..entries {
            let line = next(lines)?;
            let mut line = Reader(&line);
            let (at, id, item, [channel], units) =
                (line.u64(), line.u64(), line.u16(), line.take(), line.u64());
            let place = sale.items.get(usize::from(item).wrapping_sub(1)).ok_or_else(bad)?;
            if channel != 0 && place.pool(channel).is_none() {
                return Err(bad());
            }
            let what = if channel == 0 { What::Surge(units) } else { What::Sweep(channel) };
            self.agenda.add(Entry { at, id, sale: number, item, what });
        }
        Ok(())
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
            let bad = || BadImage(format!("sale {number}: a seed that was not committed to"));
            draw.ok_or_else(bad)?.reveal(seed);
            self.look_at_draw(number);
        }
        Ok(())
    }
}

/// Takes limit groups and draw. Returns the seed if it is revealed.
fn restore_terms(
    terms: &mut Terms,
    draw_at: u64,
    counts: &[u8; COUNTS],
    lines: &mut impl Iterator<Item = Line>,
) -> Result<Option<[u8; 32]>, BadImage> {
    let [groups, _, has_draw, has_seed, ..] = *counts;
    for _ in 0..groups {
        let name = name(&next(lines)?)?;
        let limit = Reader(&next(lines)?).u32();
        terms.groups.push(GroupTerms { name, limit });
    }
    if has_draw == 0 {
        return Ok(None);
    }
    let line = next(lines)?;
    let mut line = Reader(&line);
    terms.draw = Some(DrawTerms { at: draw_at, commitment: line.take() });
    let seed = line.take();
    Ok((has_seed != 0).then_some(seed))
}
