//! Questions, and answers that show an order in full. Nothing here changes anything.
//!
//! An answer of several cells is pushed whole, its first cell saying how many follow; the shard has
//! seen to it that there is room.

use super::Matcher;
use crate::limits::REPLY_CELLS_MAX;
use crate::message::{
    Cell, Head, ItemReply, LINES_PER_CELL, PoolReply, Reply, SaleReply, StockReply, TermsReply,
    WaveReply, encode_lines, join_text, kind, outcome, text_tail,
};
use crate::sale::{
    About, Drawn, Form, Given, Ident, OrderView, PoolView, Refusal, Stamp, Stock, Terms, Text,
    Wave, text_len,
};

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
            tails: 0.into(),
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
        let items = (1..).zip(stocks).map(|(item, stock)| item_reply(item, &stock).into());
        let (more, seed) = terms_reply(terms, self.shop.draw(sale, now));
        let pools = self.shop.pools(sale).map(pool_reply);
        let waves = self.shop.waves(sale).map(wave_reply);
        let tails = items.chain([more]).chain(seed).chain(pools).chain(waves);
        let tails: Vec<Cell> = tails.collect();
        let count = u16::try_from(tails.len()).expect("SALE_CELLS_MAX fits");
        let replies = &mut self.doors[door].replies;
        replies.push(SaleReply { tails: count.into(), ..reply }.into());
        tails.into_iter().for_each(|cell| replies.push(cell));
    }
}

/// What else there is of the terms, and the seed of a draw that was revealed.
fn terms_reply(terms: &Terms, draw: Option<Drawn>) -> (Cell, Option<Cell>) {
    let limit = |index: usize| terms.groups.get(index).map_or(0, |group| group.limit).into();
    let more = TermsReply {
        kind: kind::TERMS,
        is_strict: u8::from(terms.is_strict),
        draw: draw.map_or(0, |draw| draw.state as u8),
        groups: terms.groups.len() as u8,
        offer_ms: terms.offer_ms.into(),
        waitlist: terms.waitlist.into(),
        group_limits: [limit(0), limit(1)],
        entries: draw.map_or(0, |draw| draw.entries).into(),
        draw_at: terms.draw.map_or(0, |draw| draw.at).into(),
        commitment: terms.draw.map_or([0; 32], |draw| draw.commitment),
    };
    let seed = draw.and_then(|draw| draw.seed).map(|seed| {
        let mut cell = Cell::ZERO;
        cell.0[0] = kind::SEED;
        cell.0[32..].copy_from_slice(&seed);
        cell
    });
    (more.into(), seed)
}

fn pool_reply(pool: PoolView) -> Cell {
    let PoolView { item, channel, set_aside, free, until, is_swept } = pool;
    let reply = PoolReply {
        kind: kind::POOL,
        channel,
        item: item.into(),
        is_swept: u8::from(is_swept),
        zero: [0; 3],
        set_aside: set_aside.into(),
        free: free.into(),
        until: until.into(),
        zeros: [0; 32],
    };
    reply.into()
}

fn wave_reply(wave: Wave) -> Cell {
    let reply = WaveReply {
        kind: kind::WAVE,
        zero: 0,
        item: wave.item.into(),
        zeros: [0; 4],
        wave: wave.id.into(),
        units: wave.units.into(),
        at: wave.at.into(),
        more_zeros: [0; 32],
    };
    reply.into()
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
