//! One request, decided: from its cells to a command, from the sale's answer to a record for the
//! journal and a reply for the shard. What a kind of buyer's command needs stands here and nowhere
//! else; the operator's are decided next door in `rule`, questions answered in `show`.

use super::Matcher;
use crate::message::{Head, Reply, join_text, kind, outcome};
use crate::record;
use crate::sale::{About, Buy, Command, Fill, Form, Given, Refusal, Stamp, State, condition};

const NS_PER_MS: u64 = 1_000_000;
/// What a refused buyer is told to wait at least, when a table or the disk is full.
const RETRY_AFTER_MS: u64 = 1_000;

/// Up to half as long again, so that not all who were refused at once come back at once.
fn jitter_ms(head: &Head) -> u64 {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15; // 2^64 / golden ratio: Fibonacci hashing
    let mut low = [0; 8];
    low.copy_from_slice(&head.key[..8]);
    let draw = (u64::from_le_bytes(low) ^ head.time.to_native()).wrapping_mul(GOLDEN) >> 32;
    draw % (RETRY_AFTER_MS / 2)
}

impl Matcher {
    #[inline(always)]
    pub(super) fn decide(&mut self, door: usize, at: usize, head: &Head, now: Stamp) {
        match head.kind {
            kind::BUY => self.buy(door, at, head, now),
            kind::BASKET => self.basket(door, at, head, now),
            kind::CONFIRM..=kind::CANCEL => self.change(door, at, head, now),
            kind::ORDER => self.show_order(door, at, head, now),
            kind::STOCK => self.show_stock(door, head),
            kind::ORDER_BY_KEY => self.show_order_of_key(door, at, head, now),
            kind::SALE => self.show_sale(door, head, now),
            kind::CREATE => self.create(door, at, head, now),
            kind::OPEN..=kind::DRAW => self.rule(door, at, head, now),
            other => unreachable!("the wire lets no kind {other} through"),
        }
    }

    #[inline(always)]
    fn buy(&mut self, door: usize, at: usize, head: &Head, now: Stamp) {
        if self.is_late(head) {
            return self.answer(door, head, &Err(Refusal::Overloaded), now);
        }
        let mut texts = [[0; 64]; 2];
        let requests = &self.doors[door].requests;
        let tail = |index: usize| requests.get(at + 1 + index);
        let idents = record::idents(&self.shop, head, &mut texts, tail);
        let (buyer, key, longs) = idents.expect("the wire lets only good idents through");
        let (side, _) = record::side(head, longs, tail);
        let (max_price, fill) = (head.price.to_native(), record::fill(head));
        let buy = Buy {
            sale: head.sale.to_native(),
            item: head.item.to_native(),
            units: head.units.to_native(),
            max_price,
            fill,
            waits: head.is_waiting(),
            side,
            condition: condition(max_price, fill, head.units.to_native(), head.is_waiting(), &side),
            buyer: record::party(buyer, &texts[0]),
            key: record::party(key, &texts[1]),
        };
        let answer = self.shop.apply(now, &Command::Buy(buy));
        if let Ok(given) = &answer
            && !given.replayed
        {
            let tails = head.tails.to_native();
            let mut record = record::buy(head, buy.condition, given, now);
            record.tails = (tails + u16::from(fill == Fill::UpTo)).into();
            self.records.push(record.into());
            for index in 0..usize::from(tails) {
                self.records.push(self.doors[door].requests.get(at + 1 + index));
            }
            if fill == Fill::UpTo {
                self.records.push(record::asked(buy.item, buy.units));
            }
            let is_waiting = given.state == State::Waiting;
            let counters = &self.counters;
            if is_waiting { &counters.waited } else { &counters.given }.add(1);
            self.note_now();
        }
        if let Err(Refusal::SoldOut) = answer {
            self.put_up(buy.sale, buy.item, now);
        }
        self.answer(door, head, &answer, now);
    }

    /// Whoever waited so long has likely gone; deciding it would only make the next wait too.
    #[inline(always)]
    pub(super) fn is_late(&self, head: &Head) -> bool {
        let is_late = self.read_at.saturating_sub(head.time.to_native()) > self.shed_after_ns;
        if is_late {
            self.counters.shed.add(1);
        }
        is_late
    }

    fn change(&mut self, door: usize, at: usize, head: &Head, now: Stamp) {
        let about = self.about(door, at, head);
        let command = record::command(head.kind, about).expect("only such kinds come here");
        let answer = self.shop.apply(now, &command);
        if let Ok(given) = &answer {
            self.records.push(record::change(head.kind, about.sale, given, now).into());
            self.came_back(about.sale, given);
            self.news.tell(given.order);
            let counters = &self.counters;
            let counter = match head.kind {
                kind::CONFIRM => &counters.confirmed,
                kind::RELEASE => &counters.released,
                kind::EXTEND => &counters.extended,
                _ => &counters.cancelled,
            };
            counter.add(1);
        }
        self.answer(door, head, &answer, now);
    }

    pub(super) fn about(&self, door: usize, at: usize, head: &Head) -> About {
        let mut buyer = head.buyer().expect("the wire lets only good idents through");
        if buyer.form == Form::Long {
            let tail = self.doors[door].requests.get(at + 1);
            buyer = self.shop.long(&join_text(buyer.bits, &tail));
        }
        About { sale: head.sale.to_native(), order: head.order(), buyer }
    }

    #[inline(always)]
    pub(super) fn answer(
        &mut self,
        door: usize,
        head: &Head,
        answer: &Result<Given, Refusal>,
        now: Stamp,
    ) {
        let reply = match answer {
            Ok(given) if head.is_full() => return self.show_given(door, head, given, now),
            Ok(given) => self.given(given, head, now),
            Err(refusal) => self.refusal(refusal, head),
        };
        self.doors[door].replies.push(reply.into());
    }

    #[inline(always)]
    pub(super) fn blank(&self, head: &Head) -> Reply {
        Reply {
            kind: kind::REPLY,
            after: self.shop.seq().into(),
            arrived: head.time,
            ..bytemuck::Zeroable::zeroed()
        }
    }

    #[inline(always)]
    pub(super) fn given(&self, given: &Given, head: &Head, now: Stamp) -> Reply {
        let left_ms = given.expires_at.saturating_sub(now) / NS_PER_MS;
        let is_held = given.state == State::Held;
        Reply {
            outcome: given.state as u8,
            replayed: u8::from(given.replayed),
            order: given.order.into(),
            seq: given.seq.into(),
            price: given.price.into(),
            expires_at: given.expires_at.into(),
            units: given.units.into(),
            // Of one who waits the place.
            expires_in_ms: if is_held { left_ms as u32 } else { given.position }.into(),
            ..self.blank(head)
        }
    }

    pub(super) fn refusal(&self, refusal: &Refusal, head: &Head) -> Reply {
        self.counters.refused.add(1);
        let (outcome, value) = match *refusal {
            Refusal::UnknownSale => (outcome::UNKNOWN_SALE, 0),
            Refusal::UnknownItem => (outcome::UNKNOWN_ITEM, 0),
            Refusal::KeyReused => (outcome::KEY_REUSED, 0),
            Refusal::NotOpen => (outcome::NOT_OPEN, 0),
            Refusal::Paused => (outcome::PAUSED, 0),
            Refusal::Closed => (outcome::CLOSED, 0),
            Refusal::PriceChanged(price) => (outcome::PRICE_CHANGED, price),
            Refusal::LimitReached(limit) => (outcome::LIMIT_REACHED, u64::from(limit)),
            Refusal::UnknownChannel => (outcome::UNKNOWN_CHANNEL, 0),
            Refusal::GroupLimit(_, limit) => (outcome::LIMIT_REACHED, u64::from(limit)),
            Refusal::SoldOut => (outcome::SOLD_OUT, 0),
            Refusal::UnknownOrder => (outcome::UNKNOWN_ORDER, 0),
            Refusal::NotYourOrder => (outcome::NOT_YOUR_ORDER, 0),
            Refusal::HoldExpired => (outcome::HOLD_EXPIRED, 0),
            Refusal::AlreadyConfirmed => (outcome::ALREADY_CONFIRMED, 0),
            Refusal::AlreadyReleased => (outcome::ALREADY_RELEASED, 0),
            Refusal::ExtendRefused => (outcome::EXTEND_REFUSED, 0),
            Refusal::NotHeld => (outcome::NOT_HELD, 0),
            Refusal::NotConfirmed => (outcome::NOT_CONFIRMED, 0),
            Refusal::NotFree(free) => (outcome::SOLD_OUT, free),
            Refusal::NotClosed => (outcome::NOT_CLOSED, 0),
            Refusal::HoldsLive(units) => (outcome::HOLDS_LIVE, units),
            Refusal::TooMuch(most) => (outcome::TOO_MUCH, most),
            Refusal::UnknownWave => (outcome::UNKNOWN_WAVE, 0),
            Refusal::NoDraw => (outcome::NO_DRAW, 0),
            Refusal::WrongSeed => (outcome::WRONG_SEED, 0),
            Refusal::BadTime => (outcome::BAD_TIME, 0),
            Refusal::Overloaded => (outcome::OVERLOADED, RETRY_AFTER_MS + jitter_ms(head)),
        };
        // Whose limit it is stands where an order's id does.
        let group = if let Refusal::GroupLimit(group, _) = refusal { *group } else { 0 };
        let order = u64::from(group).into();
        Reply { outcome, price: value.into(), order, ..self.blank(head) }
    }
}
