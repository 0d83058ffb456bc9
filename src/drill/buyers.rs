//! Scripted buyers: each has a line to a shard, says what the seed tells it to, in pieces, reads
//! its answers in pieces, and after a lost connection says again what was not answered.
//!
//! Invariant: answers on a line come in the order of its requests; what was not answered when the
//! line was lost is asked again, with the same key.

use std::collections::VecDeque;

use super::random::Random;
use super::speech::{Ask, HELLO, Protocol, Told, Who};
use crate::message::{CELL_BYTES, NO_MAX_PRICE, kind, outcome};
use crate::shard::{Line, Peer, Shard};

/// Requests of one buyer on their way at once, at most.
const AT_ONCE_MAX: usize = 4;

/// What is sold, as far as buyers know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    pub(super) sales: u16,
    pub(super) items: u16,
    pub(super) price: u64,
}

/// A request on its way.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) ask: Ask,
    /// The step at which it was first said.
    pub(super) since: u64,
}

pub(super) struct Buyer {
    number: usize,
    name: String,
    pub(super) protocol: Protocol,
    random: Random,
    shard: usize,
    peer: Option<Peer>,
    /// Said and not yet sent; heard and not yet understood.
    saying: VecDeque<u8>,
    hearing: Vec<u8>,
    asked: VecDeque<Asked>,
    /// To be asked again.
    again: VecDeque<Asked>,
    /// Purchases and commands still to come.
    left: u64,
    keys: u64,
    /// Orders it has been given.
    orders: Vec<(u16, u64)>,
    has_ended: bool,
    at_once: usize,
}

impl Buyer {
    pub(super) fn new(number: usize, shards: usize, random: &mut Random) -> Buyer {
        let mut random = random.fork();
        let protocol = random.pick(&[Protocol::Binary, Protocol::Resp, Protocol::Http]);
        // A third have names that take a cell of their own.
        let name = match random.below(3) {
            0 => format!("buyer-{number}-of-those-with-a-long-name"),
            1 => format!("{}", 1000 + number),
            _ => format!("buyer-{number}"),
        };
        Buyer {
            number,
            name,
            protocol,
            shard: random.place(shards),
            peer: None,
            saying: VecDeque::new(),
            hearing: Vec::new(),
            asked: VecDeque::new(),
            again: VecDeque::new(),
            left: 2 + random.below(40),
            keys: 0,
            orders: Vec::new(),
            has_ended: false,
            at_once: 1 + random.place(AT_ONCE_MAX),
            random,
        }
    }

    /// Whether it has asked everything and been answered.
    pub(super) fn is_done(&self) -> bool {
        self.left == 0 && self.asked.is_empty() && self.again.is_empty()
    }

    /// What it waits for.
    pub(super) fn waits_for(&self) -> Option<&Ask> {
        self.asked.front().or(self.again.front()).map(|asked| &asked.ask)
    }

    /// Calls in, if it must, and says something. Returns the bytes said.
    pub(super) fn say(&mut self, shards: &mut [Shard], offer: Offer, step: u64) -> usize {
        if self.peer.is_none() && !self.call(&mut shards[self.shard]) {
            return 0;
        }
        if self.asked.len() >= self.at_once || self.has_ended {
            return 0;
        }
        let asked = match self.again.pop_front() {
            Some(asked) => asked,
            None if self.left == 0 => return 0,
            None => {
                self.left -= 1;
                Asked { ask: self.think(offer), since: step }
            }
        };
        let mut said = Vec::new();
        self.protocol.say(&asked.ask, &mut said);
        self.asked.push_back(asked);
        self.saying.extend(&said);
        said.len()
    }

    fn call(&mut self, shard: &mut Shard) -> bool {
        let room = self.random.pick(&[1, 16, 64, 100, 400, 4000]);
        let (line, peer) = Line::open(room);
        if !shard.connect(line) {
            return false;
        }
        self.saying.clear();
        self.hearing.clear();
        if self.protocol == Protocol::Binary {
            let mut hello = [0; CELL_BYTES];
            hello[..2].copy_from_slice(&HELLO);
            self.saying.extend(hello);
        }
        (self.peer, self.has_ended) = (Some(peer), false);
        true
    }

    fn think(&mut self, offer: Offer) -> Ask {
        let random = &mut self.random;
        let sale = 1 + random.below(offer.sales.into()) as u16;
        let item = 1 + random.below(offer.items.into()) as u16;
        let known = (!self.orders.is_empty()).then(|| random.place(self.orders.len()));
        if let Some(known) = known.filter(|_| random.below(2) == 0) {
            let (sale, order) = self.orders[known];
            let kind = match random.below(10) {
                0..=3 => kind::CONFIRM,
                4..=6 => kind::RELEASE,
                7 => kind::EXTEND,
                8 => kind::CANCEL,
                _ => return Ask::Order { sale, order },
            };
            return Ask::Change { sale, kind, order };
        }
        if random.once_in(12) {
            return Ask::Stock { sale, item };
        }
        let waits = random.once_in(3);
        // Sometimes a key that it had before, with other content or the same.
        let number = if random.once_in(10) { random.below(self.keys + 1) } else { self.keys };
        self.keys = self.keys.max(number + 1);
        let long = if random.once_in(4) { "-with-a-key-that-is-long" } else { "" };
        let key = format!("{number}{long}");
        let key = format!("{}/{key}", self.number);
        // Half of all purchases are for somebody who was never here.
        let guest = format!("guest-{}-{number}", self.number);
        let buyer = if random.once_in(2) { guest } else { self.name.clone() };
        let of = Who { buyer, key };
        if random.once_in(5) {
            let count = 1 + random.below(3);
            let line = |random: &mut Random| {
                (1 + random.below(offer.items.into()) as u16, 1 + random.below(2) as u32)
            };
            let lines = (0..count).map(|_| line(random)).collect();
            return Ask::Basket { of, sale, lines, waits };
        }
        let max = random.pick(&[NO_MAX_PRICE, NO_MAX_PRICE, offer.price, offer.price - 1]);
        let units = 1 + random.pick(&[0, 0, 0, 1, 2]);
        Ask::Buy { of, sale, item, units, max, up_to: random.once_in(6), waits }
    }

    /// Lets some bytes go to and fro. Returns how many.
    pub(super) fn carry(&mut self, all: bool) -> usize {
        let Some(peer) = &self.peer else { return 0 };
        if all {
            peer.widen(4000);
        }
        let most = if all { usize::MAX } else { self.random.pick(&[1, 3, 60, 64, 200, 4000]) };
        let said = most.min(self.saying.len());
        if said > 0 {
            let bytes: Vec<u8> = self.saying.drain(..said).collect();
            peer.send(&bytes);
        }
        let most = if all { usize::MAX } else { self.random.pick(&[0, 1, 3, 64, 200, 4000]) };
        said + peer.take(most, &mut self.hearing)
    }

    /// The next answer that has come, with what it answers.
    ///
    /// # Errors
    /// If it cannot be understood, or nobody asked.
    pub(super) fn hear(&mut self) -> Result<Option<(Asked, Told)>, String> {
        while let Some((bytes, told)) = self.protocol.hear(&self.hearing)? {
            self.hearing.drain(..bytes);
            // A greeting, or news.
            let Some(told) = told else { continue };
            let asked = self.asked.pop_front().ok_or("an answer to nobody")?;
            self.learn(&asked.ask, &told);
            return Ok(Some((asked, told)));
        }
        if self.peer.as_ref().is_some_and(Peer::is_over) {
            self.lose();
        }
        Ok(None)
    }

    fn learn(&mut self, ask: &Ask, told: &Told) {
        let (Ask::Buy { sale, .. } | Ask::Basket { sale, .. }) = ask else { return };
        let is_given = !outcome::is_refusal(told.outcome) && told.order > 0;
        if is_given && !self.orders.contains(&(*sale, told.order)) {
            self.orders.push((*sale, told.order));
        }
    }

    /// Its line is gone. Returns whether it had one.
    pub(super) fn lose(&mut self) -> bool {
        while let Some(asked) = self.asked.pop_back() {
            self.again.push_front(asked);
        }
        self.saying.clear();
        self.hearing.clear();
        self.has_ended = false;
        self.peer.take().is_some()
    }

    /// Its line breaks. Returns whether it had one.
    pub(super) fn reset(&mut self) -> bool {
        if let Some(peer) = &self.peer {
            peer.vanish();
        }
        self.lose()
    }

    /// Sends no more on this line, and waits for its answers. Returns whether it could.
    pub(super) fn end(&mut self) -> bool {
        let Some(peer) = self.peer.as_ref().filter(|_| !self.has_ended) else { return false };
        // What is not sent by now is not asked.
        let rest: Vec<u8> = self.saying.drain(..).collect();
        peer.send(&rest);
        peer.end();
        self.has_ended = true;
        true
    }
}
