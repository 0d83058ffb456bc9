//! The whole state as lines of 64 bytes, back again, and its hash.
//!
//! The image depends on the commands alone, never on the hash seed or the bounds: two shops that
//! decided the same have the same image. It holds what cannot be worked out from the rest; limits
//! used, lanes and indexes are made anew from the orders.
//!
//! Integers are little-endian, in this order:
//!
//! - 1 line: magic 8 bytes, version u32, sales u32, orders u64, seq u64, stamp of the newest change
//!   u64;
//! - 2 lines a sale: its name; limit u32, hold_ms u32, opens_at u64, closes_at u64, items u16, bits
//!   u8, currency 3 bytes, extend_ms, offer_ms, waitlist u32, 1 if it is strict u8, the draw's time
//!   u64, limit groups, channels, 1 if there is a draw, 1 if its seed is revealed, pools, lines of
//!   the agenda u8;
//! - 2 lines an item: its name; stock, free to all, held, confirmed, price u64, limit u32, change
//!   of stock and of price since the sale was created, u64 (wrapping);
//! - 2 lines a limit group: its name; limit u32;
//! - 1 line of a draw: its commitment, its seed or zero, 32 bytes each;
//! - 1 line a channel: its name;
//! - 1 line a pool: item u16, channel u8, 1 if it is swept u8, set aside, free, until u64;
//! - 1 line of the agenda: time, id u64, item u16, channel u8 (0 for a wave), units u64;
//! - 2 to 9 lines an order: id, price, expires_at u64, units, condition u32, sale, item u16, state,
//!   buyer's form, key's form, flags, lines, channel u8; buyer's bits, key's bits u128; each long
//!   text; if it counts for members of limit groups what stands for these, u128; the lines of a
//!   basket, which has no item and no price of its own, four to a line: price u64,
//!   units u32, item u16, zero u16.
//!
//! A removed sale has no items and no orders any more.
//!
//! What was added later lies where there were zeros, and zeros mean that it is not used: the hash
//! of a state that old commands made stays what it was.

mod sales;

use super::command::{Party, Side};
use super::ident::{Form, Ident, Text, text_len};
use super::lines::{BASKET_LINES_MAX, OrderLine};
use super::orders::{ENTERED, GROUPED, OFFERED, Order, State};
use super::shop::{Bounds, Shop};
use super::terms::{GROUPS_MAX, Name};
use super::{Refusal, Seed, Seq};

const MAGIC: [u8; 8] = *b"dbimage\x01";
const VERSION: u32 = 1;

/// One line of an image.
pub type Line = [u8; 64];

/// Why an image cannot be taken: a sentence.
#[derive(Debug, PartialEq, Eq)]
pub struct BadImage(pub String);

/// Writes integers one after another into a line.
#[derive(Default)]
struct Writer {
    line: Vec<u8>,
}

impl Writer {
    fn put(mut self, bytes: &[u8]) -> Writer {
        self.line.extend_from_slice(bytes);
        self
    }

    fn line(self) -> Line {
        let mut line = [0; 64];
        line[..self.line.len()].copy_from_slice(&self.line);
        line
    }
}

/// Reads them again.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (bytes, rest) = self.0.split_at(N);
        self.0 = rest;
        bytes.try_into().expect("split at that length")
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    fn u128(&mut self) -> u128 {
        u128::from_le_bytes(self.take())
    }
}

impl Shop {
    /// Gives the image to `out`, line by line.
    pub fn image(&self, out: impl FnMut(&Line)) {
        self.image_at(self.seq, out);
    }

    fn image_at(&self, seq: Seq, mut out: impl FnMut(&Line)) {
        let head = Writer::default().put(&MAGIC).put(&VERSION.to_le_bytes());
        let head = head.put(&(self.sales.len() as u32).to_le_bytes());
        let head = head.put(&(self.kept_orders_len() as u64).to_le_bytes());
        out(&head.put(&seq.to_le_bytes()).put(&self.changed_at.to_le_bytes()).line());
        for (number, sale) in (1..).zip(&self.sales) {
            self.image_sale(number, sale, &mut out);
        }
        for (slot, order) in self.kept_orders() {
            self.image_order(slot, order, &mut out);
        }
    }

    fn image_order(&self, slot: u32, order: &Order, out: &mut impl FnMut(&Line)) {
        let view = self.view(order);
        let price = if order.lines == 0 { order.price } else { 0 };
        let line = Writer::default().put(&order.id.to_le_bytes()).put(&price.to_le_bytes());
        let line = line.put(&order.expires_at.to_le_bytes()).put(&order.units.to_le_bytes());
        let line = line.put(&order.condition.to_le_bytes()).put(&order.sale.to_le_bytes());
        let line = line.put(&order.item.to_le_bytes()).put(&[order.state() as u8]);
        let forms = [view.buyer.ident.form as u8, view.key.ident.form as u8];
        out(&line.put(&forms).put(&[order.flags, order.lines, order.channel]).line());
        // The bits of a long ident are keyed by the seed, so they stay out of the image.
        let bits = |party: &Party| if party.text.is_some() { 0 } else { party.ident.bits };
        let line = Writer::default().put(&bits(&view.buyer).to_le_bytes());
        out(&line.put(&bits(&view.key).to_le_bytes()).line());
        for text in [view.buyer.text, view.key.text].into_iter().flatten() {
            out(text);
        }
        if order.flags & GROUPED != 0 {
            let members = self.orders.members(slot);
            let digests = members.map(|member| member.map_or(0, |slot| self.buyers.digest(slot)));
            let line = digests.iter().fold(Writer::default(), |l, d| l.put(&d.to_le_bytes()));
            out(&line.line());
        }
        for four in view.lines.chunks(4) {
            let line = four.iter().fold(Writer::default(), |line, one| {
                let line = line.put(&one.price.to_le_bytes()).put(&one.units.to_le_bytes());
                line.put(&one.item.to_le_bytes()).put(&[0; 2])
            });
            out(&line.line());
        }
    }

    /// The BLAKE3 hash of the image.
    pub fn state_hash(&self) -> [u8; 32] {
        self.hash_at(self.seq)
    }

    /// The hash that a seal which is the newest change must carry: that of the state before it.
    pub fn state_hash_before_seal(&self) -> [u8; 32] {
        self.hash_at(self.seq - 1)
    }

    fn hash_at(&self, seq: Seq) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = Vec::with_capacity(1 << 16);
        self.image_at(seq, |line| {
            buffer.extend_from_slice(line);
            if buffer.len() + line.len() > 1 << 16 {
                hasher.update(&buffer);
                buffer.clear();
            }
        });
        hasher.update(&buffer);
        *hasher.finalize().as_bytes()
    }

    /// A shop with the state of an image.
    ///
    /// # Errors
    /// If the lines are no image, or one that does not fit the bounds.
    pub fn from_image(
        bounds: Bounds,
        seed: Seed,
        lines: impl IntoIterator<Item = Line>,
    ) -> Result<Shop, BadImage> {
        let mut lines = lines.into_iter();
        let mut shop = Shop::new(bounds, seed);
        let head = next(&mut lines)?;
        let mut head = Reader(&head);
        if head.take::<8>() != MAGIC || head.u32() != VERSION {
            return Err(BadImage("not an image of version 1".to_owned()));
        }
        let (sales, orders, seq, now) = (head.u32(), head.u64(), head.u64(), head.u64());
        let mut seeds = Vec::new();
        for _ in 0..sales {
            let seed = shop.restore_sale(&mut lines)?;
            seeds.extend(seed.map(|seed| (shop.sales.len() as u16, seed)));
        }
        for _ in 0..orders {
            shop.restore_order(&mut lines)?;
        }
        shop.restore_holds();
        shop.restore_draws(seeds)?;
        shop.restore_lists();
        (shop.seq, shop.now, shop.changed_at) = (seq, now, now);
        if lines.next().is_some() {
            return Err(BadImage("lines after the last order".to_owned()));
        }
        shop.prove().map_err(BadImage)?;
        Ok(shop)
    }

    fn restore_order(&mut self, lines: &mut impl Iterator<Item = Line>) -> Result<(), BadImage> {
        let (first, second) = (next(lines)?, next(lines)?);
        let (mut line, mut bits) = (Reader(&first), Reader(&second));
        let (id, price, expires_at) = (line.u64(), line.u64(), line.u64());
        let (units, condition, sale, item) = (line.u32(), line.u32(), line.u16(), line.u16());
        let bad = |what: &str| BadImage(format!("order {id}: {what}"));
        let state = State::from_number(line.take::<1>()[0]).ok_or(bad("no such state"))?;
        let (mut idents, mut texts) = ([Ident::NONE; 2], [None; 2]);
        for (ident, kept) in idents.iter_mut().zip(&mut texts) {
            let form = Form::from_number(line.take::<1>()[0]).ok_or(bad("no such form"))?;
            *ident = Ident { form, bits: bits.u128() };
            if form == Form::Long {
                let text: Text = next(lines)?;
                *ident = self.long(&text);
                *kept = Some(text);
            }
        }
        let [buyer, key] = idents;
        let [flags, count, channel] = line.take();
        let mut side = Side { channel, groups: [0; GROUPS_MAX] };
        if flags & GROUPED != 0 {
            let digests = next(lines)?;
            let mut digests = Reader(&digests);
            side.groups = side.groups.map(|_| digests.u128());
        }
        if usize::from(count) > BASKET_LINES_MAX {
            return Err(bad("more lines than a basket may have"));
        }
        let mut basket = Vec::new();
        for _ in 0..count.div_ceil(4) {
            let four = next(lines)?;
            let mut four = Reader(&four);
            for _ in 0..(usize::from(count) - basket.len()).min(4) {
                let (price, units, item, _) = (four.u64(), four.u32(), four.u16(), four.u16());
                basket.push(OrderLine::new(item, units, price));
            }
        }
        let lacks = !self.orders.has_room()
            || !self.buyers.has_room(1 + basket.len().max(1) + GROUPS_MAX)
            || !self.lines.has_room(basket.len())
            || !self.waiters.has_room(basket.len().max(1))
            || !self.texts.has_room() && texts != [None; 2];
        if lacks {
            return Err(bad("more orders, buyers, lines or long texts than fit"));
        }
        let [buyer_text, key_text] = texts.each_ref().map(Option::as_ref);
        self.remember_buyer(
            Party { ident: buyer, text: buyer_text },
            self.buyers.place(sale, buyer),
        );
        self.remember(Party { ident: key, text: key_text });
        let mut order = Order::new(id, key, state);
        (order.flags, order.lines, order.channel) = (flags, count, channel);
        (order.sale, order.item, order.units, order.price) = (sale, item, units, price);
        (order.condition, order.expires_at) = (condition, expires_at);
        let counts = matches!(state, State::Held | State::Confirmed | State::Waiting);
        if !basket.is_empty() {
            order.price = self.lines.add(&basket);
        }
        let mut counted = Vec::with_capacity(order.line_count());
        for index in 0..order.line_count() {
            let line = self.lines.line(&order, index);
            self.item_limit(sale, line.item).map_err(|_| bad("unknown sale or item"))?;
            let units = if counts { line.units } else { 0 };
            counted.push(OrderLine::new(line.item, units, line.price));
        }
        // As when it was given, so that it takes no more places now.
        order.buyer = self.count_lines(sale, buyer, self.buyers.place(sale, buyer), &counted);
        let Err(vacancy) = self.orders.find_key(sale, key) else {
            return Err(bad("two orders of one key"));
        };
        let slot = self.orders.add(vacancy, order);
        if side.has_groups() {
            let known = usize::from(sale).checked_sub(1).and_then(|at| self.sales.get(at));
            if known.is_none_or(|sale| sale.terms.groups.is_empty()) {
                return Err(bad("a member of a limit group that is none"));
            }
            self.count_members(slot, &side, if counts { units } else { 0 });
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

    fn item_limit(&self, sale: u16, item: u16) -> Result<bool, Refusal> {
        let sale = self.sales.get(usize::from(sale).wrapping_sub(1)).ok_or(Refusal::UnknownSale)?;
        let item = sale.items.get(usize::from(item).wrapping_sub(1)).ok_or(Refusal::UnknownItem)?;
        Ok(item.limit != 0)
    }
}

fn next(lines: &mut impl Iterator<Item = Line>) -> Result<Line, BadImage> {
    lines.next().ok_or_else(|| BadImage("it ends too early".to_owned()))
}

fn name(line: &Line) -> Result<Name, BadImage> {
    Name::parse(&line[..text_len(line)]).map_err(BadImage)
}
