//! The shop, its twin and the naive one: all are told the same, and must answer the same.

use doorbuster::sale::{
    Basket, BasketRefusal, Bounds, Command, Given, Outcome, Refusal, Ruling, Seed, Shop, Terms,
    Turn,
};

use super::seen::{Seen, meet};
use super::twin::Twin;
use doorbuster::drill::model::Naive;

pub(super) struct Trio {
    pub(super) shop: Shop,
    pub(super) naive: Naive,
    pub(super) twin: Twin,
    /// What was asked last, for whoever reads why it failed.
    pub(super) context: String,
}

impl Trio {
    pub(super) fn new(bounds: Bounds, seed: u64) -> Trio {
        let shop = Shop::new(bounds, Seed::new([seed, 2, 3, 4]));
        let (naive, twin) = (Naive::default(), Twin::new(bounds));
        Trio { shop, naive, twin, context: String::new() }
    }

    /// Returns the number of the sale, if there was room for it.
    pub(super) fn create(&mut self, now: u64, terms: &Terms) -> Option<u16> {
        let (number, _) = self.shop.create(now, terms).ok()?;
        self.naive.create(terms);
        self.twin.create(now, terms);
        Some(number)
    }

    /// Does all that the clock does.
    pub(super) fn tick(&mut self, now: u64, seen: &mut Seen) {
        let context = &self.context;
        loop {
            let real = self.shop.expire(now).map(|(_, given)| given);
            assert_eq!(real, self.naive.expire(now), "{context}: expiry");
            self.twin.expire(now, real);
            if real.is_none() {
                break;
            }
        }
        loop {
            let real = self.shop.happen(now);
            assert_eq!(real, self.naive.happen(now), "{context}: what was planned");
            self.twin.happen(now, real);
            let Some((_, happened)) = real else { break };
            meet(seen, format!("{:?}", happened.event));
        }
    }

    /// Has the next who waits a turn.
    pub(super) fn promote(&mut self, now: u64, seen: &mut Seen) -> Option<Turn> {
        let real = self.shop.promote(now);
        assert_eq!(real, self.naive.promote(now), "{}: a turn", self.context);
        self.twin.promote(now, real);
        let turn = real?;
        let how = if turn.is_drawn { "drawn" } else { "turn" };
        meet(seen, format!("{how} {:?}", turn.given.state));
        if turn.given.item == 0 && turn.given.state == doorbuster::sale::State::Held {
            meet(seen, "basket's turn".to_owned());
        }
        real
    }

    /// Does all that the clock does, and gives all who wait their turns.
    pub(super) fn settle(&mut self, now: u64, seen: &mut Seen) {
        self.tick(now, seen);
        while self.promote(now, seen).is_some() {}
    }

    pub(super) fn rule(&mut self, now: u64, ruling: &Ruling) -> Result<u64, Refusal> {
        let real = self.shop.rule(now, ruling);
        assert_eq!(real, self.naive.rule(now, ruling), "{}: {ruling:?}", self.context);
        self.twin.rule(now, ruling, real.unwrap_or(0));
        real
    }

    pub(super) fn basket(&mut self, now: u64, basket: &Basket) -> Result<Given, BasketRefusal> {
        let real = self.shop.basket(now, basket);
        assert_eq!(real, self.naive.basket(now, basket), "{}: {basket:?}", self.context);
        if let Ok(given) = real {
            self.twin.basket(now, basket, given);
        }
        real
    }

    pub(super) fn apply(&mut self, now: u64, command: &Command) -> Outcome {
        let real = self.shop.apply(now, command);
        let model = match command {
            Command::Buy(buy) => self.naive.buy(now, buy),
            command => self.naive.change(command),
        };
        assert_eq!(real, model, "{}: {command:?}", self.context);
        assert_eq!(self.shop.seq(), self.naive.seq, "{}: seq", self.context);
        self.twin.apply(now, command, real);
        real
    }
}
