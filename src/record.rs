//! Decisions as records, and records as decisions again: the form in which a change lies in the
//! journal, and the replay that makes the same change from it.
//!
//! Replay trusts nothing: every record is decided again by the sale, and the answer must be the one
//! recorded. A journal that was written by another law is refused, not bent.

use crate::message::{
    Cell, Head, LINES_PER_CELL, Lines, NO_MAX_PRICE, decode_terms, encode_lines, join_text, kind,
    lines_in, messages,
};
use crate::sale::{
    About, Basket, Buy, Command, Fill, Form, Given, Ident, OrderLine, Party, Refusal, Rule, Ruling,
    Seq, Shop, Stamp, Text,
};

/// The record of a purchase, made from its request.
#[inline(always)]
pub fn buy(request: &Head, condition: u32, given: &Given, now: Stamp) -> Head {
    Head {
        tag: condition.into(),
        price: given.price.into(),
        units: given.units.into(),
        time: now.into(),
        ..*request
    }
}

/// The command about an order that a request or record of this kind is; `None` if it is none.
pub fn command(kind: u8, about: About) -> Option<Command<'static>> {
    Some(match kind {
        kind::CONFIRM => Command::Confirm(about),
        kind::RELEASE => Command::Release(about),
        kind::EXTEND => Command::Extend(about),
        kind::CANCEL => Command::Cancel(about),
        _ => return None,
    })
}

/// The last tail of a record of a purchase that was content with fewer units: what it asked for.
pub fn asked(item: u16, units: u32) -> Cell {
    encode_lines(&[OrderLine::new(item, units, 0)])
}

/// Whether a purchase is content with fewer units.
#[inline(always)]
pub fn fill(head: &Head) -> Fill {
    if head.is_up_to() { Fill::UpTo } else { Fill::All }
}

/// The record of a basket, made from its request of which `texts` tails are long texts: its lines
/// go behind those.
pub fn basket(
    request: &Head,
    texts: usize,
    lines: &[OrderLine],
    condition: u32,
    given: &Given,
    now: Stamp,
) -> Head {
    let tails = texts + lines.chunks(LINES_PER_CELL).len();
    Head { tails: (tails as u16).into(), ..buy(request, condition, given, now) }
}

/// The record of a change to an order: of a kind of [`command`], or [`kind::EXPIRE`].
pub fn change(kind: u8, sale: u16, given: &Given, now: Stamp) -> Head {
    let mut head = Head::new(kind);
    head.sale = sale.into();
    head.units = given.units.into();
    head.price = given.price.into();
    head.time = now.into();
    head.set_order(given.order);
    head
}

/// The request for a ruling and its record: kinds [`kind::OPEN`] to [`kind::PRICE`]. The item stays
/// zero where it is the whole sale that is ruled.
pub fn rule(ruling: &Ruling, time: u64) -> Head {
    let (kind, item, value) = match ruling.rule {
        Rule::Open => (kind::OPEN, 0, 0),
        Rule::Pause => (kind::PAUSE, 0, 0),
        Rule::Resume => (kind::RESUME, 0, 0),
        Rule::Close => (kind::CLOSE, 0, 0),
        Rule::Remove => (kind::REMOVE, 0, 0),
        Rule::Add(units) => (kind::ADD, ruling.item, units),
        Rule::Withdraw(units) => (kind::WITHDRAW, ruling.item, units),
        Rule::Price(price) => (kind::PRICE, ruling.item, price),
    };
    let (sale, item, price) = (ruling.sale.into(), item.into(), value.into());
    Head { sale, item, price, time: time.into(), ..Head::new(kind) }
}

/// The ruling in a request or record; `None` if it is of another kind.
pub fn ruling(head: &Head) -> Option<Ruling> {
    let value = head.price.to_native();
    let rule = match head.kind {
        kind::OPEN => Rule::Open,
        kind::PAUSE => Rule::Pause,
        kind::RESUME => Rule::Resume,
        kind::CLOSE => Rule::Close,
        kind::REMOVE => Rule::Remove,
        kind::ADD => Rule::Add(value),
        kind::WITHDRAW => Rule::Withdraw(value),
        kind::PRICE => Rule::Price(value),
        _ => return None,
    };
    Some(Ruling { sale: head.sale.to_native(), item: head.item.to_native(), rule })
}

/// The record of a clean stop in the state with this hash.
pub fn seal(state_hash: &[u8; 32], now: Stamp) -> Head {
    let mut head = Head::new(kind::SEAL);
    head.buyer.copy_from_slice(&state_hash[..16]);
    head.key.copy_from_slice(&state_hash[16..]);
    head.time = now.into();
    head
}

/// The state hash in a seal.
pub fn sealed_hash(head: &Head) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(&head.buyer);
    hash[16..].copy_from_slice(&head.key);
    hash
}

/// The buyer and key of a purchase with their whole texts, and in how many tails those lie. `tail`
/// gives the cells behind the head.
///
/// `None` if a form is unknown or an ident is missing.
#[inline(always)]
pub fn idents(
    shop: &Shop,
    head: &Head,
    texts: &mut [Text; 2],
    tail: impl Fn(usize) -> Cell,
) -> Option<(Ident, Ident, usize)> {
    let (mut buyer, mut key) = (head.buyer()?, head.key()?);
    if buyer.form == Form::None || key.form == Form::None {
        return None;
    }
    let mut tails = 0;
    if buyer.form == Form::Long {
        texts[0] = join_text(buyer.bits, &tail(tails));
        buyer = shop.long(&texts[0]);
        tails += 1;
    }
    if key.form == Form::Long {
        texts[1] = join_text(key.bits, &tail(tails));
        key = shop.long(&texts[1]);
        tails += 1;
    }
    (usize::from(head.tails.to_native()) >= tails).then_some((buyer, key, tails))
}

/// An ident and the text it needs if it is long.
#[inline(always)]
pub fn party(ident: Ident, text: &Text) -> Party<'_> {
    Party { ident, text: (ident.form == Form::Long).then_some(text) }
}

/// Asks the cache for what a request or record will touch first.
#[inline(always)]
pub fn prefetch(shop: &Shop, head: &Head) {
    match (head.kind, head.buyer(), head.key()) {
        (kind::BUY | kind::BASKET, Some(buyer), Some(key)) => {
            shop.prefetch(head.sale.to_native(), buyer, key);
        }
        (kind::BUY | kind::BASKET, ..) => {}
        _ => shop.prefetch_order(head.order()),
    }
}

/// Requests or records whose memory is asked for ahead of their decision.
pub const PREFETCH_AHEAD: usize = 32;

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
        // A seal decides nothing, so it may stand before the return of a hold that has ended.
        let decides = !matches!(head.kind, kind::EXPIRE | kind::SEAL);
        if decides && self.shop.has_due(now) {
            return Err("a hold that had ended was not returned before".to_owned());
        }
        match head.kind {
            kind::BUY => self.buy(head, cells, now),
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
            kind::CREATE => {
                let terms = decode_terms(cells)?;
                let (number, _) = self.shop.create(now, &terms)?;
                same("number of the sale", number, head.sale.to_native())
            }
            kind::OPEN..=kind::PRICE => {
                let ruling = ruling(head).ok_or("no ruling of ours")?;
                if rule(&ruling, now) != *head {
                    return Err("a ruling with something beside it".to_owned());
                }
                self.shop.rule(now, &ruling).map_err(|why| self.refused(why))?;
                Ok(())
            }
            kind::SEAL => {
                let hash = sealed_hash(head);
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
        let tail = |index: usize| cells.get(1 + index).copied().unwrap_or(Cell::ZERO);
        let idents = idents(&self.shop, head, &mut texts, tail);
        let (buyer, key, mut tails) = idents.ok_or("no buyer or key of ours")?;
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
            condition: head.tag.to_native(),
            buyer: party(buyer, &texts[0]),
            key: party(key, &texts[1]),
        };
        let given = self.shop.apply(now, &Command::Buy(buy)).map_err(|why| self.refused(why))?;
        if given.replayed {
            return Err("its key stands for an earlier order".to_owned());
        }
        same("units", given.units, head.units.to_native())?;
        same("price", given.price, head.price.to_native())
    }

    fn basket(&mut self, head: &Head, cells: &[Cell], now: Stamp) -> Result<(), String> {
        let mut texts = [[0; 64]; 2];
        let tail = |index: usize| cells.get(1 + index).copied().unwrap_or(Cell::ZERO);
        let idents = idents(&self.shop, head, &mut texts, tail);
        let (buyer, key, tails) = idents.ok_or("no buyer or key of ours")?;
        let lines = Lines::read(usize::from(head.tails.to_native()) - tails, |at| tail(tails + at));
        let lines = lines.ok_or("no lines of ours")?;
        let basket = Basket {
            sale: head.sale.to_native(),
            lines: lines.all(),
            max_price: NO_MAX_PRICE,
            condition: head.tag.to_native(),
            buyer: party(buyer, &texts[0]),
            key: party(key, &texts[1]),
        };
        let given = self.shop.basket(now, &basket).map_err(|why| self.refused(why.why))?;
        if given.replayed {
            return Err("its key stands for an earlier order".to_owned());
        }
        if self.shop.lines(given.order) != lines.all() {
            return Err("its lines or their prices are others".to_owned());
        }
        same("item", 0, head.item.to_native())?;
        same("units", given.units, head.units.to_native())?;
        same("price", given.price, head.price.to_native())
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

fn same<T: PartialEq + std::fmt::Display>(what: &str, now: T, then: T) -> Result<(), String> {
    if now == then { Ok(()) } else { Err(format!("{what}: recorded {then}, replayed {now}")) }
}
