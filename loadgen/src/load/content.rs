//! What each request asks for: a pure function of the seed and the request's number.
//!
//! So a repeated request needs no memory of the first, and two runs with one seed ask for the same
//! in the same order. Keys differ from run to run: the run's id is in front of the number.

use std::sync::Arc;

use doorbuster::limits::GROUPS_MAX;

use super::trace::Trace;
use crate::options::Mix;

/// How far back a repeated request may reach, in requests of its thread.
pub(crate) const REPEAT_REACH: u64 = 16_384;

/// Who buys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Buyer<'a> {
    /// One that nobody saw before: named like the key.
    New,
    /// By number, from 1, as decimals.
    Number(u64),
    /// By name: 1-64 printable ASCII characters without spaces.
    Named(&'a str),
}

/// A purchase to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Purchase<'a> {
    /// Names the key: the request's own number, or that of the request which it repeats.
    pub(crate) number: u64,
    pub(crate) buyer: Buyer<'a>,
    /// Index of the item.
    pub(crate) item: usize,
    pub(crate) units: u32,
    /// Lines of a basket, from `item` on, each of `units`; 0 if it is none.
    pub(crate) lines: u8,
    /// How many items there are.
    pub(crate) items: usize,
    /// Whether to take a place on the waitlist where the item is sold out.
    pub(crate) wait: bool,
    /// Its member of each limit group, from 1; 0 where there is none.
    pub(crate) members: [u64; GROUPS_MAX],
    /// Whether it repeats an earlier key.
    pub(crate) repeat: bool,
}

#[cfg(test)]
impl<'a> Purchase<'a> {
    /// One unit of the only item, under key 0.
    pub(crate) fn one(buyer: Buyer<'a>) -> Purchase<'a> {
        Purchase {
            number: 0,
            buyer,
            item: 0,
            units: 1,
            lines: 0,
            items: 1,
            wait: false,
            members: [0; GROUPS_MAX],
            repeat: false,
        }
    }
}

impl Purchase<'_> {
    /// Its items with their units, one a line; an item may come more than once.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, u32)> {
        let line = |index: u8| ((self.item + usize::from(index)) % self.items, self.units);
        (0..self.lines.max(1)).map(line)
    }

    /// Units in all.
    pub(crate) fn units_in_all(&self) -> u32 {
        self.units * u32::from(self.lines.max(1))
    }
}

/// What becomes of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Confirm,
    Release,
    Leave,
}

/// The first number of bots: above any population.
const FIRST_BOT: u64 = 9_000_000_000_000;

/// The recipe of a run. Shares are of 2^64; lists of shares are sums up to each entry.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    seed: u64,
    items: Vec<u64>,
    units: Vec<(u32, u64)>,
    buyers: Option<u64>,
    bots: (u64, u64),
    repeat: u64,
    click: u64,
    wait: u64,
    /// Share, and lines of each.
    baskets: (u64, u8),
    confirm: u64,
    release: u64,
    /// Members of each limit group; 0 for no such group.
    groups: [u64; GROUPS_MAX],
    trace: Option<Arc<Trace>>,
}

impl Content {
    /// As the mix says, over `items` items or those of a trace, with members of these limit groups.
    pub(crate) fn new(
        mix: &Mix,
        items: usize,
        groups: &[(String, u64)],
        trace: Option<Arc<Trace>>,
    ) -> Content {
        let mut members = [0; GROUPS_MAX];
        for (members, (_, count)) in members.iter_mut().zip(groups) {
            *members = *count;
        }
        let weight = |rank: usize| 1.0 / (rank as f64).powf(mix.zipf);
        let shares = sums((1..=items).map(weight));
        let units = mix.units.0.iter().map(|(units, _)| *units);
        let unit_shares = sums(mix.units.0.iter().map(|(_, weight)| *weight));
        Content {
            seed: mix.seed,
            items: shares,
            units: units.zip(unit_shares).collect(),
            buyers: mix.buyers,
            bots: (threshold(mix.bots), mix.bot_buyers),
            repeat: threshold(mix.duplicates),
            click: threshold(mix.clicks),
            wait: threshold(mix.wait),
            baskets: (threshold(mix.baskets), mix.basket_lines),
            confirm: threshold(mix.confirm),
            release: threshold(mix.confirm + mix.release),
            groups: members,
            trace,
        }
    }

    /// Request `number` of the run; its thread's requests are `stride` apart.
    pub(crate) fn purchase(&self, number: u64, stride: u64) -> Purchase<'_> {
        if let Some(trace) = &self.trace {
            return Purchase { members: self.members(number), ..trace.purchase(number) };
        }
        let mut origin = number;
        // Each step goes back, and a share below one of all requests repeats: it ends soon.
        while self.repeats(origin, stride) {
            let reach = (origin / stride).min(REPEAT_REACH);
            origin -= stride * (1 + mix(self.seed ^ 0xB4C, origin) % reach);
        }
        let draw = |salt: u64| mix(self.seed ^ salt, origin);
        let item = match self.items.len() {
            1 => 0,
            _ => self.items.partition_point(|share| *share < draw(0x17E)),
        };
        let units = match self.units.len() {
            1 => self.units[0].0,
            _ => {
                let share = draw(0x0217);
                self.units[self.units.partition_point(|(_, upto)| *upto < share)].0
            }
        };
        let buyer = if self.bots.0 > 0 && draw(0xB07) < self.bots.0 {
            Buyer::Number(FIRST_BOT + draw(0xB08) % self.bots.1)
        } else {
            match self.buyers {
                None => Buyer::New,
                Some(count) => Buyer::Number(1 + draw(0xB0B) % count),
            }
        };
        let wait = self.wait > 0 && draw(0x3A1) < self.wait;
        let basket = self.baskets.0 > 0 && draw(0xBA5) < self.baskets.0;
        let lines = if basket { self.baskets.1 } else { 0 };
        let (items, repeat) = (self.items.len(), origin != number);
        let members = self.members(origin);
        Purchase { number: origin, buyer, item, units, lines, items, wait, members, repeat }
    }

    fn members(&self, number: u64) -> [u64; GROUPS_MAX] {
        let mut salt = 0x6409;
        self.groups.map(|count| {
            salt += 1;
            if count > 0 { 1 + mix(self.seed ^ salt, number) % count } else { 0 }
        })
    }

    /// Whether any key is sent more than once.
    pub(crate) fn has_repeats(&self) -> bool {
        self.repeat > 0 || self.click > 0
    }

    /// Whether the buyer of request `number` clicks twice.
    #[inline]
    pub(crate) fn clicks_twice(&self, number: u64) -> bool {
        self.click > 0 && mix(self.seed ^ 0xC11C, number) < self.click
    }

    /// What becomes of the hold that request `number` was given.
    pub(crate) fn fate(&self, number: u64) -> Fate {
        if self.release == 0 {
            return Fate::Leave;
        }
        let draw = mix(self.seed ^ 0xFA7E, number);
        if draw < self.confirm {
            Fate::Confirm
        } else if draw < self.release {
            Fate::Release
        } else {
            Fate::Leave
        }
    }

    fn repeats(&self, number: u64, stride: u64) -> bool {
        self.repeat > 0 && number >= stride && mix(self.seed ^ 0xD0B, number) < self.repeat
    }
}

/// Sums of weights as shares; the last is all.
fn sums(weights: impl Iterator<Item = f64>) -> Vec<u64> {
    let weights: Vec<f64> = weights.collect();
    let total: f64 = weights.iter().sum();
    let mut sum = 0.0;
    let share = |weight: &f64| {
        sum += weight;
        threshold(sum / total)
    };
    let mut shares: Vec<u64> = weights.iter().map(share).collect();
    if let Some(last) = shares.last_mut() {
        *last = u64::MAX;
    }
    shares
}

/// A share of 1 as a share of 2^64.
fn threshold(share: f64) -> u64 {
    (share.clamp(0.0, 1.0) * u64::MAX as f64) as u64
}

/// Sebastiano Vigna's splitmix64, as a function of its counter.
pub(crate) fn mix(seed: u64, counter: u64) -> u64 {
    let mut z = seed.wrapping_add(counter.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed() -> Mix {
        Mix { seed: 7, zipf: 1.0, ..Mix::default() }
    }

    #[test]
    fn a_repeat_asks_for_what_its_original_asked() {
        let mix = Mix { buyers: Some(100), duplicates: 0.3, bots: 0.1, bot_buyers: 3, ..mixed() };
        let groups = [("card".to_owned(), 9)];
        let content = Content::new(&mix, 5, &groups, None);
        let mut repeats = 0;
        for number in (1..100_000).step_by(2) {
            let purchase = content.purchase(number, 2);
            if purchase.repeat {
                repeats += 1;
                assert!(purchase.number < number && purchase.number % 2 == 1);
                assert!((1..=9).contains(&purchase.members[0]) && purchase.members[1] == 0);
                let original = content.purchase(purchase.number, 2);
                assert_eq!(original, Purchase { repeat: false, ..purchase });
            }
        }
        assert!((14_000..16_000).contains(&repeats), "{repeats}");
    }

    #[test]
    fn items_units_bots_and_fates_come_in_their_shares() {
        let units = "1:6,2:3,3:2".parse().expect("weights");
        let mix = Mix { confirm: 0.3, release: 0.1, bots: 0.5, bot_buyers: 4, units, ..mixed() };
        let content = Content::new(&mix, 3, &[], None);
        let (mut items, mut fates, mut units) = ([0_u32; 3], [0_u32; 3], [0_u32; 3]);
        let mut bots = [0_u32; 4];
        for number in 0..110_000 {
            let purchase = content.purchase(number, 1);
            items[purchase.item] += 1;
            units[purchase.units as usize - 1] += 1;
            fates[content.fate(number) as usize] += 1;
            if let Buyer::Number(bot) = purchase.buyer {
                bots[(bot - FIRST_BOT) as usize] += 1;
            }
        }
        let near = |seen: &[u32], wanted: &[u32]| {
            for (count, wanted) in seen.iter().zip(wanted) {
                assert!(count.abs_diff(*wanted) < 1_000, "{seen:?}");
            }
        };
        // 1 : 1/2 : 1/3
        near(&items, &[60_000, 30_000, 20_000]);
        near(&units, &[60_000, 30_000, 20_000]);
        near(&fates, &[33_000, 11_000, 66_000]);
        near(&bots, &[13_750; 4]);
    }
}
