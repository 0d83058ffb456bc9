//! A second shop that is told what a journal would tell it and nothing else: no refusal, and no
//! turn that nobody had. It must answer the same, or a journal could not be replayed; and it goes
//! on from an image at any moment.

use doorbuster::sale::{
    Basket, Bounds, Command, Given, Happened, Outcome, Ruling, Seed, Shop, Terms, Turn,
};

/// See the page's header.
pub(super) struct Twin {
    shop: Shop,
    bounds: Bounds,
}

impl Twin {
    pub(super) fn new(bounds: Bounds) -> Twin {
        // However large the tables are, the answers are the same.
        let bounds = Bounds {
            orders_max: 2 * bounds.orders_max,
            buyers_max: 3 * bounds.buyers_max,
            lines_max: 2 * bounds.lines_max,
            waiters_max: 64 * bounds.waiters_max,
            ..bounds
        };
        Twin { shop: Shop::new(bounds, Seed::new([77, 3, 2, 1])), bounds }
    }

    pub(super) fn create(&mut self, now: u64, terms: &Terms) {
        self.shop.create(now, terms).expect("it was created");
    }

    pub(super) fn expire(&mut self, now: u64, given: Option<Given>) {
        if given.is_some() {
            assert_eq!(self.shop.expire(now).map(|(_, given)| given), given, "replayed: expiry");
        }
    }

    pub(super) fn happen(&mut self, now: u64, happened: Option<(u64, Happened)>) {
        if happened.is_some() {
            assert_eq!(self.shop.happen(now), happened, "replayed: what was planned");
        }
    }

    pub(super) fn promote(&mut self, now: u64, turn: Option<Turn>) {
        if turn.is_some() {
            assert!(!self.shop.has_due(now));
            assert_eq!(self.shop.promote(now), turn, "replayed: a turn");
        }
    }

    pub(super) fn rule(&mut self, now: u64, ruling: &Ruling, seq: u64) {
        if seq > 0 {
            assert!(!self.shop.has_due(now));
            assert!(!self.shop.is_promoting_in(ruling.sale, now), "replayed: {ruling:?}");
            assert_eq!(self.shop.rule(now, ruling), Ok(seq), "replayed: {ruling:?}");
        }
    }

    pub(super) fn basket(&mut self, now: u64, basket: &Basket, given: Given) {
        if !given.replayed {
            assert!(!self.shop.has_due(now));
            let basket = Basket { max_price: u64::MAX, ..*basket };
            assert_eq!(self.shop.basket(now, &basket), Ok(given), "replayed: {basket:?}");
        }
    }

    pub(super) fn apply(&mut self, now: u64, command: &Command, outcome: Outcome) {
        if outcome.is_ok_and(|given| !given.replayed) {
            assert!(!self.shop.has_due(now));
            assert_eq!(self.shop.apply(now, command), outcome, "replayed: {command:?}");
        }
    }

    /// Goes on from an image of the first shop.
    pub(super) fn restore(&mut self, shop: &Shop) {
        let lines = shop.image_lines();
        let seed = Seed::new([9, 9, 9, 9]);
        self.shop = Shop::from_image(self.bounds, seed, &lines[..]).expect("it is an image");
    }

    pub(super) fn compare(&self, shop: &Shop) {
        assert_eq!(self.shop.state_hash(), shop.state_hash(), "replayed, the state is another");
    }
}
