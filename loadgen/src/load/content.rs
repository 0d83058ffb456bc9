//! What each request asks for: a pure function of the seed and the request's number.
//!
//! So a repeated request needs no memory of the first, and two runs with one seed ask for the same
//! in the same order. Keys differ from run to run: the run's id is in front of the number.

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
    /// Whether to take a place on the waitlist where the item is sold out.
    pub(crate) wait: bool,
    /// Whether it repeats an earlier key.
    pub(crate) repeat: bool,
}

/// What becomes of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Confirm,
    Release,
    Leave,
}

/// The recipe of a run.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    seed: u64,
    /// Share of the items up to each, of 2^64.
    items: Vec<u64>,
    buyers: Option<u64>,
    units: u32,
    repeat: u64,
    confirm: u64,
    release: u64,
}

impl Content {
    /// `items` are drawn with probabilities like 1 / rank^`zipf`; shares are of 1.
    pub(crate) fn new(seed: u64, items: usize, zipf: f64) -> Content {
        let weight = |rank: usize| 1.0 / (rank as f64).powf(zipf);
        let total: f64 = (1..=items).map(weight).sum();
        let mut sum = 0.0;
        let mut shares: Vec<u64> = (1..=items)
            .map(|rank| {
                sum += weight(rank);
                threshold(sum / total)
            })
            .collect();
        if let Some(last) = shares.last_mut() {
            *last = u64::MAX;
        }
        let [repeat, confirm, release] = [0; 3];
        Content { seed, items: shares, buyers: None, units: 1, repeat, confirm, release }
    }

    pub(crate) fn with_buyers(self, buyers: Option<u64>) -> Content {
        Content { buyers, ..self }
    }

    pub(crate) fn with_units(self, units: u32) -> Content {
        Content { units, ..self }
    }

    pub(crate) fn with_repeats(self, share: f64) -> Content {
        Content { repeat: threshold(share), ..self }
    }

    pub(crate) fn with_fates(self, confirm: f64, release: f64) -> Content {
        let confirm_below = threshold(confirm);
        let release_below = threshold(confirm + release);
        Content { confirm: confirm_below, release: release_below, ..self }
    }

    /// Request `number` of the run; its thread's requests are `stride` apart.
    pub(crate) fn purchase(&self, number: u64, stride: u64) -> Purchase<'_> {
        let mut origin = number;
        // Each step goes back, and a share below one of all requests repeats: it ends soon.
        while self.repeats(origin, stride) {
            let reach = (origin / stride).min(REPEAT_REACH);
            origin -= stride * (1 + mix(self.seed ^ 0xB4C, origin) % reach);
        }
        let item = if self.items.len() == 1 {
            0
        } else {
            let draw = mix(self.seed ^ 0x17E, origin);
            self.items.partition_point(|share| *share < draw)
        };
        let buyer = match self.buyers {
            None => Buyer::New,
            Some(count) => Buyer::Number(1 + mix(self.seed ^ 0xB0B, origin) % count),
        };
        let (units, repeat) = (self.units, origin != number);
        Purchase { number: origin, buyer, item, units, wait: false, repeat }
    }

    pub(crate) fn has_repeats(&self) -> bool {
        self.repeat > 0
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

/// A share of 1 as a share of 2^64.
fn threshold(share: f64) -> u64 {
    (share.clamp(0.0, 1.0) * u64::MAX as f64) as u64
}

/// Sebastiano Vigna's splitmix64, as a function of its counter.
fn mix(seed: u64, counter: u64) -> u64 {
    let mut z = seed.wrapping_add(counter.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_asks_for_what_its_original_asked() {
        let content = Content::new(7, 5, 1.0).with_buyers(Some(100)).with_repeats(0.3);
        let mut repeats = 0;
        for number in (1..100_000).step_by(2) {
            let purchase = content.purchase(number, 2);
            if purchase.repeat {
                repeats += 1;
                assert!(purchase.number < number && purchase.number % 2 == 1);
                let original = content.purchase(purchase.number, 2);
                assert_eq!(original, Purchase { repeat: false, ..purchase });
            }
        }
        assert!((14_000..16_000).contains(&repeats), "{repeats}");
    }

    #[test]
    fn items_and_fates_come_in_their_shares() {
        let content = Content::new(7, 3, 1.0).with_fates(0.3, 0.1);
        let (mut items, mut fates) = ([0_u32; 3], [0_u32; 3]);
        for number in 0..110_000 {
            items[content.purchase(number, 1).item] += 1;
            fates[content.fate(number) as usize] += 1;
        }
        // 1 : 1/2 : 1/3
        for (seen, wanted) in items.into_iter().zip([60_000, 30_000, 20_000]) {
            assert!(seen.abs_diff(wanted) < 1_000, "{items:?}");
        }
        for (seen, wanted) in fates.into_iter().zip([33_000, 11_000, 66_000]) {
            assert!(seen.abs_diff(wanted) < 1_000, "{fates:?}");
        }
    }
}
