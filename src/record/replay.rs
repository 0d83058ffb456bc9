//! The replay of a journal: every record is decided again by the sale, and the answer must be the
//! one recorded.
//!
//! It trusts nothing: a journal that was written by another law is refused, not bent.

use super::{
    PREFETCH_AHEAD, asked, command, fill, hash_in, idents, party, prefetch, rule, ruling, side,
};
use crate::limits::{EXTEND_MS_MAX, HOLD_MS_MAX, OFFER_MS_MAX};
use crate::message::{Cell, Head, Lines, NO_MAX_PRICE, decode_terms, kind, lines_in, messages};
use crate::record;
use crate::sale::{
    About, Basket, Buy, Command, Fill, Given, Ident, Refusal, Seq, Shop, Stamp, State,
};

/// The latest time of a record, Unix ns: a hold that begins then, and is extended, can still end.
const TIME_MAX: Stamp =
    u64::MAX - 1_000_000 * (HOLD_MS_MAX as u64 + EXTEND_MS_MAX as u64 + OFFER_MS_MAX as u64);

/// Makes the changes of a journal again.
pub struct Replay {
    shop: Shop,
    proves_each_seal: bool,
    /// The last seal and the state hash in it.
    seal: Option<(Seq, [u8; 32])>,
    /// Records replayed, by kind.
    counts: [u64; 256],
    is_too_small: bool,
}

impl Replay {
    /// Replays into an empty shop. `proves_each_seal` makes the state hash at every seal, not only
    /// at a last one: an audit's thoroughness, in time the state's size for each seal.
    pub fn new(shop: Shop, proves_each_seal: bool) -> Replay {
        Replay { shop, proves_each_seal, seal: None, counts: [0; 256], is_too_small: false }
    }

    /// Replays the records in `cells`, the first of which is number `first`.
    ///
    /// # Errors
    /// A sentence with the seq of the first record that the law does not allow.
    pub fn apply(&mut self, first: Seq, cells: &[Cell]) -> Result<(), String> {
        assert_eq!(first, self.shop.seq() + 1, "the journal gives records in order");
        let mut ahead = messages(cells);
        ahead
            .by_ref()
            .take(PREFETCH_AHEAD)
            .for_each(|record| prefetch(&self.shop, record[0].head()));
        for record in messages(cells) {
            if let Some(later) = ahead.next() {
                prefetch(&self.shop, later[0].head());
            }
            let head = record[0].head();
            let seq = self.shop.seq() + 1;
            if record.len() < head.cells() {
                return Err(format!("seq {seq}: cut short"));
            }
            self.record(head, record).map_err(|what| format!("seq {seq}: {what}"))?;
            if self.shop.seq() != seq {
                return Err(format!("seq {seq}: it changes nothing"));
            }
            self.counts[usize::from(head.kind)] += 1;
        }
        Ok(())
    }

    fn record(&mut self, head: &Head, cells: &[Cell]) -> Result<(), String> {
        let now = head.time.to_native();
        if now < self.shop.now() {
            return Err("time goes backwards".to_owned());
        }
        if now > TIME_MAX {
            return Err("its time is after all time".to_owned());
        }
        // A seal decides nothing, so it may stand before the return of a hold that has ended.
        let is_due = matches!(head.kind, kind::EXPIRE | kind::SURGE | kind::SWEEP | kind::SEAL);
        if !is_due && self.shop.has_due(now) {
            return Err("a hold had ended, or something planned was due, before this".to_owned());
        }
        let tail = tails_of(cells);
        match head.kind {
            kind::WAIT if head.item.to_native() == 0 => self.basket(head, cells, now),
            kind::BUY | kind::WAIT => self.buy(head, cells, now),
            kind::BASKET => self.basket(head, cells, now),
            kind::CONFIRM..=kind::CANCEL => {
                let (sale, order) = (head.sale.to_native(), head.order());
                let about = About { sale, order, buyer: Ident::NONE };
                let command = command(head.kind, about).ok_or("no command of ours")?;
                let given = self.shop.apply(now, &command).map_err(|why| self.refused(why))?;
                same("units", given.units, head.units.to_native())
            }
            kind::EXPIRE => {
                let (_, given) = self.shop.expire(now).ok_or("no hold ends by then")?;
                same("order", given.order, head.order())
            }
            kind::OFFER | kind::LEAVE | kind::DRAWN => {
                let turn = self.shop.promote(now).ok_or("nobody waits for it")?;
                let replayed = record::turn(&turn, now);
                same("order", replayed.order(), head.order())?;
                if replayed != *head {
                    return Err(format!("replayed, the order is {:?}", turn.given.state));
                }
                Ok(())
            }
            kind::SURGE | kind::SWEEP => {
                let (_, happened) = self.shop.happen(now).ok_or("nothing was planned for then")?;
                if record::happened(&happened, now) != *head {
                    return Err(format!("something else was planned: {happened:?}"));
                }
                Ok(())
            }
            kind::CREATE => {
                let terms = decode_terms(cells)?;
                let (number, _) = self.shop.create(now, &terms)?;
                same("number of the sale", number, head.sale.to_native())
            }
            kind::OPEN..=kind::DRAW => {
                let ruling = ruling(head, tail).ok_or("no ruling of ours")?;
                if self.shop.is_promoting_in(ruling.sale, now) {
                    return Err("who waits should have been given what is free before".to_owned());
                }
                if !rule(&ruling, now).eq(cells[..head.cells()].iter().copied()) {
                    return Err("a ruling with something beside it".to_owned());
                }
                self.shop.rule(now, &ruling).map_err(|why| self.refused(why))?;
                Ok(())
            }
            kind::SEAL => {
                let hash = hash_in(head);
                if self.proves_each_seal && self.shop.state_hash() != hash {
                    return Err("the state is not the one that was sealed".to_owned());
                }
                self.seal = Some((self.shop.seal(now), hash));
                Ok(())
            }
            other => Err(format!("no record is of kind {other}")),
        }
    }

    fn buy(&mut self, head: &Head, cells: &[Cell], now: Stamp) -> Result<(), String> {
        let mut units = head.units.to_native();
        let mut texts = [[0; 64]; 2];
        let tail = tails_of(cells);
        let idents = idents(&self.shop, head, &mut texts, tail);
        let (buyer, key, mut tails) = idents.ok_or("no buyer or key of ours")?;
        let (side, rest) = side(head, tails, tail);
        tails = rest;
        let fill = fill(head);
        if fill == Fill::UpTo {
            let item = head.item.to_native();
            units = lines_in(&tail(tails)).next().map_or(0, |line| line.units);
            if tail(tails) != asked(item, units) {
                return Err("what it asked for is not told".to_owned());
            }
            tails += 1;
        }
        same("tails", usize::from(head.tails.to_native()), tails)?;
        if units == 0 {
            return Err("an order of no units".to_owned());
        }
        let buy = Buy {
            sale: head.sale.to_native(),
            item: head.item.to_native(),
            units,
            max_price: NO_MAX_PRICE,
            fill,
            waits: head.is_waiting(),
            side,
            condition: head.tag.to_native(),
            buyer: party(buyer, &texts[0]),
            key: party(key, &texts[1]),
        };
        let given = self.shop.apply(now, &Command::Buy(buy)).map_err(|why| self.refused(why))?;
        is_new(&given, head)?;
        same("units", given.units, head.units.to_native())?;
        same("price", given.price, head.price.to_native())
    }

    fn basket(&mut self, head: &Head, cells: &[Cell], now: Stamp) -> Result<(), String> {
        let mut texts = [[0; 64]; 2];
        let tail = tails_of(cells);
        let idents = idents(&self.shop, head, &mut texts, tail);
        let (buyer, key, tails) = idents.ok_or("no buyer or key of ours")?;
        let (side, tails) = side(head, tails, tail);
        let cells = usize::from(head.tails.to_native()).checked_sub(tails);
        let lines = cells.and_then(|cells| Lines::read(cells, |at| tail(tails + at)));
        let lines = lines.ok_or("no lines of ours")?;
        if lines.all().iter().any(|line| line.units == 0) {
            return Err("a line of no units".to_owned());
        }
        let basket = Basket {
            sale: head.sale.to_native(),
            lines: lines.all(),
            max_price: NO_MAX_PRICE,
            waits: head.is_waiting(),
            side,
            condition: head.tag.to_native(),
            buyer: party(buyer, &texts[0]),
            key: party(key, &texts[1]),
        };
        let given = self.shop.basket(now, &basket).map_err(|why| self.refused(why.why))?;
        is_new(&given, head)?;
        if self.shop.lines(given.order) != lines.all() {
            return Err("its lines or their prices are others".to_owned());
        }
        same("item", 0, head.item.to_native())?;
        same("units", given.units, head.units.to_native())?;
        same("price", given.price, head.price.to_native())
    }

    /// The state so far.
    pub fn shop(&self) -> &Shop {
        &self.shop
    }

    /// Whether a record was refused because the shop's tables are too small for the journal.
    pub fn is_too_small(&self) -> bool {
        self.is_too_small
    }

    fn refused(&mut self, refusal: Refusal) -> String {
        if refusal == Refusal::Overloaded {
            self.is_too_small = true;
            return "orders_max, buyers_max or long_texts_max is too small for this journal"
                .to_owned();
        }
        format!("the law refuses it: {refusal:?}")
    }

    /// The state that all records together make.
    ///
    /// # Errors
    /// If the journal ends in a seal that is not of this state.
    pub fn finish(self) -> Result<(Shop, RecordCounts), String> {
        if let Some((seq, hash)) = self.seal
            && seq == self.shop.seq()
            && !self.proves_each_seal
        {
            // The hash was taken just before the seal was counted.
            if self.shop.state_hash_before_seal() != hash {
                return Err(format!("seq {seq}: the state is not the one that was sealed"));
            }
        }
        Ok((self.shop, RecordCounts(self.counts)))
    }
}

/// How many records of each kind were replayed.
pub struct RecordCounts([u64; 256]);

impl RecordCounts {
    /// Those of one [`kind`].
    pub fn of(&self, kind: u8) -> u64 {
        self.0[usize::from(kind)]
    }
}

/// The cells behind the head of a record; nothing behind its end.
pub(super) fn tails_of(cells: &[Cell]) -> impl Fn(usize) -> Cell + Copy {
    |index| cells.get(1 + index).copied().unwrap_or(Cell::ZERO)
}

/// Whether a purchase made an order of its own, that waits if the record says so.
fn is_new(given: &Given, head: &Head) -> Result<(), String> {
    if given.replayed {
        return Err("its key stands for an earlier order".to_owned());
    }
    if (given.state == State::Waiting) != (head.kind == kind::WAIT) {
        return Err(format!("replayed, the order is {:?}", given.state));
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Display>(what: &str, now: T, then: T) -> Result<(), String> {
    if now == then { Ok(()) } else { Err(format!("{what}: recorded {then}, replayed {now}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{encode_lines, encode_terms};
    use crate::sale::{Bounds, Form, ItemTerms, Name, OrderLine, Seed, Terms};

    /// A replay of one sale, created at 5.
    fn created() -> Replay {
        let name = |text: &str| Name::parse(text.as_bytes()).expect("a name");
        let terms = Terms {
            currency: *b"EUR",
            hold_ms: 1000,
            opens_at: 1,
            ..Terms::new(
                name("drop"),
                vec![ItemTerms { sku: name("tee"), stock: 5, price: 25, limit: 0 }],
            )
        };
        let bounds = Bounds {
            orders_max: 9,
            buyers_max: 40,
            long_texts_max: 9,
            lines_max: 9,
            waiters_max: 9,
            sales_max: 2,
        };
        let mut replay = Replay::new(Shop::new(bounds, Seed::new([1, 2, 3, 4])), false);
        replay.apply(1, &encode_terms(1, &terms, 5)).expect("a good sale");
        replay
    }

    fn purchase(kind: u8, time: Stamp) -> Head {
        let mut head = Head::new(kind);
        (head.sale, head.time) = (1.into(), time.into());
        head.set_buyer(Ident { form: Form::Decimal, bits: 1 });
        head.set_key(Ident { form: Form::Decimal, bits: 2 });
        head
    }

    #[test]
    fn a_record_at_a_time_after_which_no_hold_could_end_is_refused() {
        let at = |time| {
            let (item, units, price) = (1.into(), 1.into(), 25.into());
            Head { item, units, price, ..purchase(kind::BUY, time) }
        };
        for time in [TIME_MAX + 1, u64::MAX] {
            let why = created().apply(2, &[at(time).into()]).expect_err("the end of time");
            assert_eq!(why, "seq 2: its time is after all time");
        }
        created().apply(2, &[at(TIME_MAX).into()]).expect("a hold that ends");
    }

    #[test]
    fn a_basket_with_a_line_of_no_units_is_refused() {
        let (mut replay, head) = (created(), purchase(kind::BASKET, 6));
        let head = Head { tails: 1.into(), ..head };
        let lines = encode_lines(&[OrderLine::new(1, 0, 25)]);
        let why = replay.apply(2, &[head.into(), lines]).expect_err("no units");
        assert_eq!(why, "seq 2: a line of no units");
    }
}
