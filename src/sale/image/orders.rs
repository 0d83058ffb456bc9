//! The orders of an image, as lines and as what they tell.
//!
//! Invariant: what is written is read again, in the same order.

use super::super::command::Party;
use super::super::ident::{Form, Ident, Text};
use super::super::lines::{BASKET_LINES_MAX, OrderLine};
use super::super::orders::{GROUPED, Order, State};
use super::super::shop::Shop;
use super::super::terms::GROUPS_MAX;
use super::super::{Seq, Stamp};
use super::{BadImage, Line, LineSource, Reader, Writer, next};

/// Lines of a basket in one line of an image.
const LINES_AT_ONCE: usize = 4;

/// An order as an image tells of it.
#[derive(Clone, Debug)]
pub struct ImageOrder {
    /// Its number.
    pub id: Seq,
    /// Number of its sale.
    pub sale: u16,
    /// Number of its item; 0 of a basket.
    pub item: u16,
    /// Of all its lines together.
    pub units: u32,
    /// Minor units each; 0 of a basket.
    pub price: u64,
    /// When its hold ends, Unix ns; 0 if there is none.
    pub expires_at: Stamp,
    /// Where it stands.
    pub state: State,
    /// Number of the channel whose units it has or waits for; 0 for the common ones.
    pub channel: u8,
    /// Who; the bits of a long ident are zero.
    pub buyer: Ident,
    /// The idempotency key, likewise.
    pub key: Ident,
    /// The long texts of buyer and key.
    pub texts: [Option<Text>; 2],
    /// The lines of a basket.
    pub lines: Vec<OrderLine>,
    pub(super) condition: u32,
    pub(super) flags: u8,
    pub(super) groups: [u128; GROUPS_MAX],
}

impl ImageOrder {
    /// None yet, to be [read](Self::read) into.
    pub(super) fn empty() -> ImageOrder {
        ImageOrder {
            id: 0,
            sale: 0,
            item: 0,
            units: 0,
            price: 0,
            expires_at: 0,
            state: State::Left,
            channel: 0,
            buyer: Ident::NONE,
            key: Ident::NONE,
            texts: [None; 2],
            lines: Vec::new(),
            condition: 0,
            flags: 0,
            groups: [0; GROUPS_MAX],
        }
    }

    /// Becomes the next order; what it was is forgotten and its memory used again.
    #[inline]
    pub(super) fn read(&mut self, lines: &mut impl LineSource) -> Result<(), BadImage> {
        let mut line = Reader(next(lines)?);
        (self.id, self.price, self.expires_at) = (line.u64(), line.u64(), line.u64());
        (self.units, self.condition) = (line.u32(), line.u32());
        (self.sale, self.item) = (line.u16(), line.u16());
        let id = self.id;
        let bad = |what: &str| BadImage::Wrong(format!("order {id}: {what}"));
        let state = State::from_number(line.take::<1>()[0]);
        self.state = state.ok_or_else(|| bad("no such state"))?;
        for ident in [&mut self.buyer, &mut self.key] {
            let form = Form::from_number(line.take::<1>()[0]);
            ident.form = form.ok_or_else(|| bad("no such form"))?;
        }
        let [flags, count, channel] = line.take();
        (self.flags, self.channel) = (flags, channel);
        let mut line = Reader(next(lines)?);
        (self.buyer.bits, self.key.bits) = (line.u128(), line.u128());
        for (ident, text) in [self.buyer, self.key].iter().zip(&mut self.texts) {
            *text = if ident.form == Form::Long { Some(*next(lines)?) } else { None };
        }
        self.groups = [0; GROUPS_MAX];
        if flags & GROUPED != 0 {
            let mut digests = Reader(next(lines)?);
            self.groups = self.groups.map(|_| digests.u128());
        }
        let count = usize::from(count);
        if count > BASKET_LINES_MAX {
            return Err(bad("more lines than a basket may have"));
        }
        self.lines.clear();
        while self.lines.len() < count {
            let mut four = Reader(next(lines)?);
            for _ in 0..(count - self.lines.len()).min(LINES_AT_ONCE) {
                let (price, units, item, _) = (four.u64(), four.u32(), four.u16(), four.u16());
                self.lines.push(OrderLine::new(item, units, price));
            }
        }
        Ok(())
    }
}

impl Shop {
    pub(super) fn image_order(&self, slot: u32, order: &Order, out: &mut impl FnMut(&Line)) {
        let (buyer, key) = (self.party(self.buyers.ident(order.buyer)), self.party(order.key()));
        let price = if order.lines == 0 { order.price } else { 0 };
        let mut line = Writer::new();
        line.put(&order.id.to_le_bytes()).put(&price.to_le_bytes());
        line.put(&order.expires_at.to_le_bytes()).put(&order.units.to_le_bytes());
        line.put(&order.condition.to_le_bytes()).put(&order.sale.to_le_bytes());
        line.put(&order.item.to_le_bytes()).put(&[order.state() as u8]);
        line.put(&[buyer.ident.form as u8, key.ident.form as u8]);
        out(line.put(&[order.flags, order.lines, order.channel]).line());
        // The bits of a long ident are keyed by the seed, so they stay out of the image.
        let bits = |party: &Party| if party.text.is_some() { 0 } else { party.ident.bits };
        let mut line = Writer::new();
        out(line.put(&bits(&buyer).to_le_bytes()).put(&bits(&key).to_le_bytes()).line());
        for text in [buyer.text, key.text].into_iter().flatten() {
            out(text);
        }
        if order.flags & GROUPED != 0 {
            let members = self.orders.members(slot);
            let digests = members.map(|member| member.map_or(0, |slot| self.buyers.digest(slot)));
            let mut line = Writer::new();
            digests.iter().for_each(|digest| _ = line.put(&digest.to_le_bytes()));
            out(line.line());
        }
        for four in self.lines.of(order).chunks(LINES_AT_ONCE) {
            let mut line = Writer::new();
            for one in four {
                line.put(&one.price.to_le_bytes()).put(&one.units.to_le_bytes());
                line.put(&one.item.to_le_bytes()).put(&[0; 2]);
            }
            out(line.line());
        }
    }
}
