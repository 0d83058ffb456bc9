//! Questions, and answers that show an order in full. Nothing here changes anything.
//!
//! An answer of several cells is pushed whole, its first cell saying how many follow; the shard has
//! seen to it that there is room.

use super::Matcher;
use crate::limits::REPLY_CELLS_MAX;
use crate::message::{
    Cell, Head, ItemReply, LINES_PER_CELL, Reply, SaleReply, StockReply, encode_lines, join_text,
    kind, outcome, text_tail,
};
use crate::sale::{About, Form, Given, Ident, OrderView, Refusal, Stamp, Stock, Text, text_len};

impl Matcher {
    pub(super) fn show_order(&mut self, door: usize, at: usize, head: &Head, now: Stamp) {
        let about = self.about(door, at, head);
        self.show_view(door, head, now, |matcher| matcher.shop.order(&about), None);
    }

    pub(super) fn show_order_of_key(&mut self, door: usize, at: usize, head: &Head, now: Stamp) {
        let mut key = head.key().expect("the shard lets only good idents through");
        if key.form == Form::Long {
            let tail = self.doors[door].requests.get(at + 1);
            key = self.shop.long(&join_text(key.bits, &tail));
        }
        let sale = head.sale.to_native();
        self.show_view(door, head, now, |matcher| matcher.shop.order_of_key(sale, key), None);
    }

    /// The answer to a command that asked for the order in full.
    #[cold]
    pub(super) fn show_given(&mut self, door: usize, head: &Head, given: &Given, now: Stamp) {
        let sale = head.sale.to_native();
        let about = About { sale, order: given.order, buyer: Ident::NONE };
        self.show_view(door, head, now, |matcher| matcher.shop.order(&about), Some(given));
    }

    /// The answer, the order's own head, and its long texts; `told` instead of what the order's
    /// first answer was.
    fn show_view(
        &mut self,
        door: usize,
        head: &Head,
        now: Stamp,
        find: impl FnOnce(&Matcher) -> Result<OrderView<'_>, Refusal>,
        told: Option<&Given>,
    ) {
        let mut cells = [Cell::ZERO; REPLY_CELLS_MAX];
        let len = match find(self) {
            Ok(view) => {
                let len = 1 + order_cells(&view, &mut cells[1..]);
                let reply = self.given(told.unwrap_or(&view.given), head, now);
                cells[0] = Reply { tails: len as u8 - 1, ..reply }.into();
                len
            }
            Err(refusal) => {
                cells[0] = self.refusal(&refusal, head).into();
                1
            }
        };
        for cell in &cells[..len] {
            self.doors[door].replies.push(*cell);
        }
    }

    pub(super) fn show_stock(&mut self, door: usize, head: &Head) {
        let cell = match self.shop.stock(head.sale.to_native(), head.item.to_native()) {
            Err(refusal) => self.refusal(&refusal, head).into(),
            Ok(stock) => StockReply {
                kind: kind::STOCK_REPLY,
                outcome: outcome::OK,
                tails: 0,
                zero: 0,
                tag: 0.into(),
                stock: stock.stock.into(),
                free: stock.free.into(),
                after: self.shop.seq().into(),
                held: stock.held.into(),
                confirmed: stock.confirmed.into(),
                waiting: stock.waiting.into(),
                arrived: head.time,
            }
            .into(),
        };
        self.doors[door].replies.push(cell);
    }

    pub(super) fn show_sale(&mut self, door: usize, head: &Head, now: Stamp) {
        let sale = head.sale.to_native();
        let (Some(terms), Ok(phase), Ok(stocks)) =
            (self.shop.terms(sale), self.shop.phase(sale, now), self.shop.stocks(sale))
        else {
            let reply = self.refusal(&Refusal::UnknownSale, head);
            return self.doors[door].replies.push(reply.into());
        };
        let reply = SaleReply {
            kind: kind::SALE_REPLY,
            outcome: outcome::OK,
            tails: u16::try_from(stocks.len()).expect("ITEMS_PER_SALE_MAX fits").into(),
            tag: 0.into(),
            opens_at: terms.opens_at.into(),
            closes_at: terms.closes_at.into(),
            after: self.shop.seq().into(),
            hold_ms: terms.hold_ms.into(),
            limit: terms.limit.into(),
            state: phase as u8,
            currency: terms.currency,
            extend_ms: terms.extend_ms.into(),
            zero: [0; 8],
            arrived: head.time,
        };
        let replies = &mut self.doors[door].replies;
        replies.push(reply.into());
        for (item, stock) in (1..).zip(stocks) {
            replies.push(item_reply(item, &stock).into());
        }
    }
}

/// An order as a record's head without its time, its long texts and lines. Returns how many cells.
fn order_cells(view: &OrderView<'_>, cells: &mut [Cell]) -> usize {
    let mut order = Head::new(if view.lines.is_empty() { kind::BUY } else { kind::BASKET });
    (order.sale, order.item) = (view.sale.into(), view.item.into());
    (order.units, order.price) = (view.given.units.into(), view.given.price.into());
    let mut len = 1;
    let mut spell = |ident: Ident, text: Option<&Text>| match text {
        None => ident,
        Some(text) => {
            cells[len] = text_tail(&text[..text_len(text)]);
            len += 1;
            let mut bits = [0; 16];
            bits.copy_from_slice(&text[..16]);
            Ident { form: Form::Long, bits: u128::from_le_bytes(bits) }
        }
    };
    order.set_buyer(spell(view.buyer.ident, view.buyer.text));
    order.set_key(spell(view.key.ident, view.key.text));
    for lines in view.lines.chunks(LINES_PER_CELL) {
        cells[len] = encode_lines(lines);
        len += 1;
    }
    order.tails = (len as u16 - 1).into();
    cells[0] = order.into();
    len
}

fn item_reply(item: u16, stock: &Stock) -> ItemReply {
    ItemReply {
        kind: kind::ITEM,
        zero: 0,
        item: item.into(),
        limit: stock.limit.into(),
        stock: stock.stock.into(),
        free: stock.free.into(),
        held: stock.held.into(),
        confirmed: stock.confirmed.into(),
        waiting: stock.waiting.into(),
        price: stock.price.into(),
        zeros: [0; 8],
    }
}
