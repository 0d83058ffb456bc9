//! Decides every request, one after another: takes the rings' requests in order of arrival, gives
//! them a seq and a time, asks the sale, and passes records to the journal and answers to shards.
//!
//! It is the only room that changes stock. It never waits for a shard (a reply always finds room,
//! see `limits`), never syncs and never answers: an answer leaves only behind the journal's proof.
//!
//! Invariant: at each moment all requests that it can see are decided oldest stamp first. A stamp
//! older than one already decided is an inversion: it was on its way between a socket and the ring.

use std::sync::Arc;

use crossbeam::utils::CachePadded;

use crate::bell::Bell;
use crate::directory::DirectoryWriter;
use crate::journal::Room;
use crate::limits::{MATCHER_BATCH_MAX, REPLY_CELLS_MAX, REQUEST_TAILS_MAX, TAILS_MAX};
use crate::message::{
    Cell, Head, Reply, StockReply, decode_terms, encode_terms, kind, outcome, text_tail,
};
use crate::metrics::MatcherCounters;
use crate::record;
use crate::ring::{Reader, Writer};
use crate::sale::{
    About, Buy, Command, Form, Given, Ident, Refusal, Shop, Stamp, Terms, Text, condition, text_len,
};

const NS_PER_MS: u64 = 1_000_000;
/// What a refused buyer is told to wait when a table or the disk is full.
const RETRY_AFTER_MS: u64 = 1_000;
/// Requests whose memory is asked for ahead of their decision.
const PREFETCH_AHEAD: usize = 32;
/// Journal bytes kept for each held order: its last record, alone in a batch.
const RESERVE_BYTES_PER_HOLD: u64 = 3 * 64;
/// And for what is decided before the room is looked at again.
const RESERVE_BYTES: u64 = 2 << 20;

/// One source of requests: a shard, or the operator.
pub struct Door {
    /// Its requests.
    pub requests: Reader<Cell>,
    /// Its answers, in the order of its requests.
    pub replies: Writer<Cell>,
    /// Wakes it.
    pub bell: Arc<Bell>,
}

/// The room.
pub struct Matcher {
    shop: Shop,
    doors: Vec<Door>,
    records: Writer<Cell>,
    journal_bell: Arc<Bell>,
    directory: DirectoryWriter,
    room: Room,
    clock: fn() -> Stamp,
    counters: Arc<CachePadded<MatcherCounters>>,
    /// The newest arrival stamp decided.
    newest_arrival: u64,
}

/// What a matcher is made of.
pub struct MatcherParts {
    /// The state to go on from.
    pub shop: Shop,
    /// Where requests come from.
    pub doors: Vec<Door>,
    /// Where records go.
    pub records: Writer<Cell>,
    /// Wakes the journal.
    pub journal_bell: Arc<Bell>,
    /// Where new names are published.
    pub directory: DirectoryWriter,
    /// How much the journal can still take.
    pub room: Room,
    /// Unix ns. May step back; the matcher's time does not.
    pub clock: fn() -> Stamp,
    /// Its counters.
    pub counters: Arc<CachePadded<MatcherCounters>>,
}

impl Matcher {
    /// A matcher that goes on from the state it is given.
    pub fn new(parts: MatcherParts) -> Matcher {
        let MatcherParts { shop, doors, records, journal_bell, directory, room, clock, counters } =
            parts;
        counters.seq.set(shop.seq());
        Matcher {
            shop,
            doors,
            records,
            journal_bell,
            directory,
            room,
            clock,
            counters,
            newest_arrival: 0,
        }
    }

    /// Decides what is there, up to a batch. Returns how much that was.
    pub fn work(&mut self) -> usize {
        let now = (self.clock)().max(self.shop.now());
        let mut done = self.expire(now);
        self.watch_room();
        while done < MATCHER_BATCH_MAX && self.records.free(TAILS_MAX + 1) > TAILS_MAX {
            let Some((door, until)) = self.oldest() else { break };
            // All holds that have ended are back before the next command is decided.
            if self.shop.has_due(now) {
                break;
            }
            done += self.run(door, until, now, MATCHER_BATCH_MAX - done);
        }
        self.pass_on();
        done
    }

    /// Whether there is something to decide.
    pub fn busy(&mut self) -> bool {
        self.doors.iter_mut().any(|door| door.requests.available(1) > 0)
            || self.shop.due() <= (self.clock)()
    }

    /// Whether every door is closed and all that came through was decided.
    pub fn is_finished(&mut self) -> bool {
        self.doors.iter_mut().all(|door| door.requests.is_finished())
    }

    /// How long it may sleep before the next hold ends, in ns from now.
    pub fn sleep_ns_max(&self) -> u64 {
        self.shop.due().saturating_sub((self.clock)())
    }

    /// Seals the state: the last record before a clean stop.
    pub fn seal(&mut self) {
        let now = (self.clock)().max(self.shop.now());
        if self.shop.seq() == 0 || self.records.free(1) == 0 {
            return;
        }
        let hash = self.shop.state_hash();
        self.shop.seal(now);
        self.records.push(record::seal(&hash, now).into());
        self.pass_on();
    }

    /// The state, for whoever proves something of it.
    pub fn shop(&self) -> &Shop {
        &self.shop
    }

    /// Returns the units of all holds that end by `now`, as far as the journal's ring has room.
    fn expire(&mut self, now: Stamp) -> usize {
        let mut count = 0;
        while self.records.free(1) > TAILS_MAX {
            let Some((sale, given)) = self.shop.expire(now) else { break };
            self.records.push(record::change(kind::EXPIRE, sale, &given, now).into());
            count += 1;
        }
        self.counters.expired.add(count as u64);
        count
    }

    /// Keeps journal room for what is already held: new orders are refused before it is gone.
    fn watch_room(&mut self) {
        let reserve = RESERVE_BYTES + RESERVE_BYTES_PER_HOLD * self.shop.held();
        self.shop.admit(self.room.bytes_left() > reserve);
    }

    /// The door whose head arrived first, and the stamp up to which it stays the first.
    #[inline]
    fn oldest(&mut self) -> Option<(usize, u64)> {
        let (mut first, mut until) = (None, u64::MAX);
        let mut oldest = u64::MAX;
        for (index, door) in self.doors.iter_mut().enumerate() {
            if door.requests.available(1) == 0 {
                continue;
            }
            let stamp = door.requests.get(0).head().time.to_native();
            if first.is_none() || stamp < oldest {
                until = oldest;
                (first, oldest) = (Some(index), stamp);
            } else {
                until = until.min(stamp);
            }
        }
        first.map(|index| (index, until))
    }

    /// Decides requests of one door while they are the oldest. Returns how many.
    fn run(&mut self, door: usize, until: u64, now: Stamp, count_max: usize) -> usize {
        let available = self.doors[door].requests.available(1);
        let (mut at, mut ahead, mut count) = (0, 0, 0);
        while at < available && count < count_max {
            while ahead < available && ahead < at + PREFETCH_AHEAD {
                ahead += self.prefetch(&self.doors[door].requests.get(ahead));
            }
            let cell = self.doors[door].requests.get(at);
            let head = cell.head();
            let stamp = head.time.to_native();
            let cells = 1 + usize::from(head.tails.to_native());
            assert!(at + cells <= available, "a message is published whole");
            if stamp > until || self.records.free(TAILS_MAX + 1) <= TAILS_MAX {
                break;
            }
            self.arrived(stamp);
            self.decide(door, at, head, now);
            at += cells;
            count += 1;
        }
        self.doors[door].requests.release(at);
        self.counters.decided.add(count as u64);
        count
    }

    #[inline(always)]
    fn prefetch(&self, cell: &Cell) -> usize {
        let head = cell.head();
        if head.kind == kind::BUY {
            if let (Some(buyer), Some(key)) = (head.buyer(), head.key()) {
                self.shop.prefetch(head.sale.to_native(), buyer, key);
            }
        } else {
            self.shop.prefetch_order(head.order());
        }
        1 + usize::from(head.tails.to_native())
    }

    #[inline(always)]
    fn arrived(&mut self, stamp: u64) {
        if stamp >= self.newest_arrival {
            self.newest_arrival = stamp;
        } else {
            self.counters.inversions.add(1);
            self.counters.inversion_ns_max.raise(self.newest_arrival - stamp);
        }
    }

    #[inline(always)]
    fn decide(&mut self, door: usize, at: usize, head: &Head, now: Stamp) {
        match head.kind {
            kind::BUY => self.buy(door, at, head, now),
            kind::CONFIRM | kind::RELEASE => self.change(door, at, head, now),
            kind::ORDER => self.show_order(door, at, head, now),
            kind::STOCK => self.show_stock(door, head),
            kind::CREATE => self.create(door, at, head, now),
            kind::OPEN => self.open(door, head, now),
            other => unreachable!("the wire lets no kind {other} through"),
        }
    }

    #[inline(always)]
    fn buy(&mut self, door: usize, at: usize, head: &Head, now: Stamp) {
        let mut texts = [[0; 64]; 2];
        let requests = &self.doors[door].requests;
        let idents =
            record::idents(&self.shop, head, &mut texts, |index| requests.get(at + 1 + index));
        let (buyer, key) = idents.expect("the wire lets only good idents through");
        let max_price = head.price.to_native();
        let buy = Buy {
            sale: head.sale.to_native(),
            item: head.item.to_native(),
            units: head.units.to_native(),
            max_price,
            condition: condition(max_price),
            buyer: record::party(buyer, &texts[0]),
            key: record::party(key, &texts[1]),
        };
        let answer = self.shop.apply(now, &Command::Buy(buy));
        if let Ok(given) = &answer
            && !given.replayed
        {
            self.records.push(record::buy(head, buy.condition, given, now).into());
            for index in 0..usize::from(head.tails.to_native()) {
                self.records.push(self.doors[door].requests.get(at + 1 + index));
            }
            self.counters.given.add(1);
        }
        self.answer(door, head, &answer, now);
    }

    fn change(&mut self, door: usize, at: usize, head: &Head, now: Stamp) {
        let about = self.about(door, at, head);
        let is_confirm = head.kind == kind::CONFIRM;
        let command = if is_confirm { Command::Confirm(about) } else { Command::Release(about) };
        let answer = self.shop.apply(now, &command);
        if let Ok(given) = &answer {
            self.records.push(record::change(head.kind, about.sale, given, now).into());
            let counter =
                if is_confirm { &self.counters.confirmed } else { &self.counters.released };
            counter.add(1);
        }
        self.answer(door, head, &answer, now);
    }

    fn about(&self, door: usize, at: usize, head: &Head) -> About {
        let mut buyer = head.buyer().expect("the wire lets only good idents through");
        if buyer.form == Form::Long {
            let tail = self.doors[door].requests.get(at + 1);
            buyer = self.shop.long(&crate::message::join_text(buyer.bits, &tail));
        }
        About { sale: head.sale.to_native(), order: head.order(), buyer }
    }

    #[inline(always)]
    fn answer(&mut self, door: usize, head: &Head, answer: &Result<Given, Refusal>, now: Stamp) {
        let reply = match answer {
            Ok(given) => self.given(given, head, now),
            Err(refusal) => self.refusal(refusal, head),
        };
        self.doors[door].replies.push(reply.into());
    }

    #[inline(always)]
    fn blank(&self, head: &Head) -> Reply {
        Reply {
            kind: kind::REPLY,
            after: self.shop.seq().into(),
            arrived: head.time,
            ..bytemuck::Zeroable::zeroed()
        }
    }

    #[inline(always)]
    fn given(&self, given: &Given, head: &Head, now: Stamp) -> Reply {
        let left_ms = given.expires_at.saturating_sub(now) / NS_PER_MS;
        let is_held = given.state == crate::sale::State::Held;
        Reply {
            outcome: given.state as u8,
            replayed: u8::from(given.replayed),
            order: given.order.into(),
            seq: given.seq.into(),
            price: given.price.into(),
            expires_at: given.expires_at.into(),
            units: given.units.into(),
            expires_in_ms: if is_held { left_ms as u32 } else { 0 }.into(),
            ..self.blank(head)
        }
    }

    fn refusal(&self, refusal: &Refusal, head: &Head) -> Reply {
        self.counters.refused.add(1);
        let (outcome, value) = match *refusal {
            Refusal::UnknownSale => (outcome::UNKNOWN_SALE, 0),
            Refusal::UnknownItem => (outcome::UNKNOWN_ITEM, 0),
            Refusal::KeyReused => (outcome::KEY_REUSED, 0),
            Refusal::NotOpen => (outcome::NOT_OPEN, 0),
            Refusal::Closed => (outcome::CLOSED, 0),
            Refusal::PriceChanged(price) => (outcome::PRICE_CHANGED, price),
            Refusal::LimitReached(limit) => (outcome::LIMIT_REACHED, u64::from(limit)),
            Refusal::SoldOut => (outcome::SOLD_OUT, 0),
            Refusal::UnknownOrder => (outcome::UNKNOWN_ORDER, 0),
            Refusal::NotYourOrder => (outcome::NOT_YOUR_ORDER, 0),
            Refusal::HoldExpired => (outcome::HOLD_EXPIRED, 0),
            Refusal::AlreadyConfirmed => (outcome::ALREADY_CONFIRMED, 0),
            Refusal::AlreadyReleased => (outcome::ALREADY_RELEASED, 0),
            Refusal::Overloaded => (outcome::OVERLOADED, RETRY_AFTER_MS),
        };
        Reply { outcome, price: value.into(), ..self.blank(head) }
    }

    /// The answer, the order's own head, and its long texts.
    fn show_order(&mut self, door: usize, at: usize, head: &Head, now: Stamp) {
        let about = self.about(door, at, head);
        let view = match self.shop.order(&about) {
            Ok(view) => view,
            Err(refusal) => {
                let reply = self.refusal(&refusal, head);
                return self.doors[door].replies.push(reply.into());
            }
        };
        let mut order = Head::new(kind::BUY);
        (order.sale, order.item) = (view.sale.into(), view.item.into());
        (order.units, order.price) = (view.given.units.into(), view.given.price.into());
        let mut cells = [Cell::ZERO; REPLY_CELLS_MAX];
        let mut len = 2;
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
        order.tails = (len as u16 - 2).into();
        let reply = self.given(&view.given, head, now);
        cells[0] = Reply { tails: len as u8 - 1, ..reply }.into();
        cells[1] = order.into();
        for cell in &cells[..len] {
            self.doors[door].replies.push(*cell);
        }
    }

    fn show_stock(&mut self, door: usize, head: &Head) {
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
                waiting: 0.into(),
                arrived: head.time,
            }
            .into(),
        };
        self.doors[door].replies.push(cell);
    }

    fn create(&mut self, door: usize, at: usize, head: &Head, now: Stamp) {
        let tails = usize::from(head.tails.to_native());
        let cells: Vec<Cell> =
            (0..=tails).map(|index| self.doors[door].requests.get(at + index)).collect();
        let terms = decode_terms(&cells).expect("the operator's terms were checked");
        let reply = match self.shop.create(now, &terms) {
            Ok((number, seq)) => {
                self.created(&terms, number, now);
                let blank = self.blank(head);
                Reply { order: u64::from(number).into(), seq: seq.into(), ..blank }
            }
            Err(_) if self.shop.sale_number(&terms.name).is_some() => {
                Reply { outcome: outcome::KEY_REUSED, ..self.blank(head) }
            }
            Err(_) => self.refusal(&Refusal::Overloaded, head),
        };
        self.doors[door].replies.push(reply.into());
    }

    fn created(&mut self, terms: &Terms, number: u16, now: Stamp) {
        for cell in encode_terms(number, terms, now) {
            self.records.push(cell);
        }
        self.directory.add(terms.name, terms.items.iter().map(|item| item.sku));
    }

    fn open(&mut self, door: usize, head: &Head, now: Stamp) {
        let sale = head.sale.to_native();
        let reply = match self.shop.open(now, sale) {
            Ok(seq) => {
                self.records.push(record::open(sale, now).into());
                Reply { seq: seq.into(), ..self.blank(head) }
            }
            Err(refusal) => self.refusal(&refusal, head),
        };
        self.doors[door].replies.push(reply.into());
    }

    /// Shows the journal its records first, then the shards their answers.
    fn pass_on(&mut self) {
        if self.records.publish() {
            self.counters.seq.set(self.shop.seq());
            self.journal_bell.ring();
        }
        for door in &mut self.doors {
            if door.replies.publish() {
                door.bell.ring();
            }
        }
    }
}

const _: () = assert!(REQUEST_TAILS_MAX < TAILS_MAX);
