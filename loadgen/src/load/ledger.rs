//! Units, as the answers alone tell of them: what must be out there at the least.
//!
//! Confirmed units never come back by themselves; a hold that nobody decided is live until it runs
//! out. Their sum is a lower bound of what the server has given away at a moment, whatever it says:
//! above what there was to give, it has oversold. Counted in buckets of time: answers do not
//! come in the order of decisions; what falls between is left out: the bound only gets lower.

use std::collections::HashMap;

use super::content::{Buyer, Purchase, mix};

/// Items counted apart; the last one stands for all further ones.
const ITEMS_MAX: usize = 16;
/// Buckets of a run are as short as this many allow, from a quarter of a second to a second.
const BUCKETS_MAX: u64 = 4096;
const DAY_NS: u64 = 86_400_000_000_000;
/// Buyers and items watched for their limit at most.
const BUYERS_MAX: usize = 2_000_000;

/// Units in one bucket of time.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    given: u64,
    /// Of those given here: decided later.
    decided: u64,
    confirmed: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Units {
    /// Given and not on their way back.
    net: u32,
    confirmed: u32,
}

#[derive(Clone)]
pub(crate) struct Ledger {
    items: Vec<Vec<Bucket>>,
    bucket_ns: u64,
    /// The shortest hold that was told, ns; `u64::MAX` if none runs out.
    hold_ns: u64,
    first_given: u64,
    limit: Option<u32>,
    buyers: HashMap<(u64, usize), Units>,
    /// Units of the whole run.
    pub(crate) given: u64,
    pub(crate) confirmed: u64,
    pub(crate) released: u64,
    pub(crate) unheard: u64,
    /// Buyers seen above their limit.
    pub(crate) over_limit: u64,
    /// Purchases of buyers past the bound of memory.
    pub(crate) unwatched: u64,
}

impl Ledger {
    /// For a run of `length` ns (a day at most is believed) over `items` items; `limit` is that
    /// of a buyer, for each item.
    pub(crate) fn new(items: usize, length: u64, limit: Option<u32>) -> Ledger {
        Ledger {
            items: vec![Vec::new(); items.clamp(1, ITEMS_MAX)],
            bucket_ns: (length.min(DAY_NS) / BUCKETS_MAX).clamp(250_000_000, 1_000_000_000),
            hold_ns: u64::MAX,
            first_given: u64::MAX,
            limit,
            buyers: HashMap::new(),
            given: 0,
            confirmed: 0,
            released: 0,
            unheard: 0,
            over_limit: 0,
            unwatched: 0,
        }
    }

    /// A purchase was given units at `now`; its hold runs out after `hold_ns`, if ever.
    pub(crate) fn given(&mut self, purchase: &Purchase<'_>, hold_ns: u64, now: u64) {
        self.hold_ns = self.hold_ns.min(hold_ns);
        self.first_given = self.first_given.min(now);
        let safe = self.nothing_ran_out(now);
        for (item, units) in purchase.lines() {
            self.given += u64::from(units);
            self.bucket(item, now).given += u64::from(units);
            self.watch(purchase, item, |seen, limit| {
                seen.net = seen.net.saturating_add(units);
                safe && seen.net > limit
            });
        }
    }

    /// Units given at `given` are confirmed at `now`; at once, if the sale knows no holds.
    pub(crate) fn confirmed(&mut self, purchase: &Purchase<'_>, given: u64, now: u64) {
        for (item, units) in purchase.lines() {
            self.confirmed += u64::from(units);
            self.bucket(item, given).decided += u64::from(units);
            self.bucket(item, now).confirmed += u64::from(units);
            self.watch(purchase, item, |seen, limit| {
                seen.confirmed = seen.confirmed.saturating_add(units);
                seen.confirmed > limit
            });
        }
    }

    /// Units given at `given` are asked back: from now on they may be anybody's.
    pub(crate) fn asked_back(&mut self, purchase: &Purchase<'_>, given: u64) {
        for (item, units) in purchase.lines() {
            self.bucket(item, given).decided += u64::from(units);
            self.watch(purchase, item, |seen, _| {
                seen.net = seen.net.saturating_sub(units);
                false
            });
        }
    }

    /// Units that may have been given, or given back, without a word to us.
    pub(crate) fn unheard(&mut self, units: u32) {
        self.unheard += u64::from(units);
    }

    /// The server said that they are back.
    pub(crate) fn released(&mut self, units: u32) {
        self.released += u64::from(units);
    }

    /// The limit of a buyer, if it is known.
    pub(crate) fn limit(&self) -> Option<u32> {
        self.limit
    }

    /// Whether no hold can have run out until `now`.
    pub(crate) fn nothing_ran_out(&self, now: u64) -> bool {
        self.first_given == u64::MAX || now.saturating_sub(self.first_given) < self.hold_ns
    }

    /// The most units that an item must have had out at one moment; items past the bound as one.
    pub(crate) fn most_out(&self, item: usize) -> u64 {
        let Some(buckets) = self.items.get(item) else { return 0 };
        // A hold given somewhere in a bucket, answered in the next, lives through this many whole.
        let lived = usize::try_from(self.hold_ns / self.bucket_ns).unwrap_or(usize::MAX);
        let lived = if self.hold_ns == u64::MAX { usize::MAX } else { lived.saturating_sub(2) };
        let (mut confirmed, mut live, mut most) = (0, 0, 0);
        for (index, bucket) in buckets.iter().enumerate() {
            confirmed += bucket.confirmed;
            live += bucket.given.saturating_sub(bucket.decided);
            if let Some(ended) = index.checked_sub(lived) {
                live -= buckets[ended].given.saturating_sub(buckets[ended].decided);
            }
            most = most.max(confirmed + live);
        }
        most
    }

    /// Which items [`most_out`](Self::most_out) counts as number `item`.
    pub(crate) fn counted_as(item: usize) -> usize {
        item.min(ITEMS_MAX - 1)
    }

    pub(crate) fn merge(&mut self, other: Ledger) {
        self.hold_ns = self.hold_ns.min(other.hold_ns);
        self.first_given = self.first_given.min(other.first_given);
        for (own, other) in self.items.iter_mut().zip(other.items) {
            own.resize(own.len().max(other.len()), Bucket::default());
            for (own, other) in own.iter_mut().zip(other) {
                own.given += other.given;
                own.decided += other.decided;
                own.confirmed += other.confirmed;
            }
        }
        self.given += other.given;
        self.confirmed += other.confirmed;
        self.released += other.released;
        self.unheard += other.unheard;
        self.over_limit += other.over_limit;
        self.unwatched += other.unwatched;
        for (buyer, units) in other.buyers {
            let seen = self.buyers.entry(buyer).or_default();
            seen.confirmed = seen.confirmed.saturating_add(units.confirmed);
            self.over_limit += u64::from(self.limit.is_some_and(|limit| seen.confirmed > limit));
        }
    }

    fn bucket(&mut self, item: usize, time: u64) -> &mut Bucket {
        let buckets = &mut self.items[Ledger::counted_as(item)];
        let index = usize::try_from(time / self.bucket_ns).expect("a run has few buckets");
        if index >= buckets.len() {
            buckets.resize(index + 1, Bucket::default());
        }
        &mut buckets[index]
    }

    fn watch(
        &mut self,
        purchase: &Purchase<'_>,
        item: usize,
        change: impl FnOnce(&mut Units, u32) -> bool,
    ) {
        let Some(limit) = self.limit else { return };
        let buyer = match purchase.buyer {
            // Buys once.
            Buyer::New => return,
            Buyer::Number(number) => number,
            Buyer::Named(name) => name.bytes().fold(7, |hash, byte| mix(hash, byte.into())),
        };
        let key = (buyer, item);
        if self.buyers.len() >= BUYERS_MAX && !self.buyers.contains_key(&key) {
            self.unwatched += 1;
            return;
        }
        let seen = self.buyers.entry(key).or_default();
        self.over_limit += u64::from(change(seen, limit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn purchase(buyer: u64) -> Purchase<'static> {
        Purchase::one(Buyer::Number(buyer))
    }

    #[test]
    fn what_is_out_is_what_is_confirmed_and_what_nobody_decided() {
        let mut ledger = Ledger::new(1, 10 * SECOND, Some(2));
        for buyer in 0..10 {
            ledger.given(&purchase(buyer), 60 * SECOND, buyer * SECOND / 4);
        }
        assert_eq!(ledger.most_out(0), 10);
        ledger.asked_back(&purchase(3), 3 * SECOND / 4);
        ledger.confirmed(&purchase(4), SECOND, 5 * SECOND);
        assert_eq!((ledger.most_out(0), ledger.over_limit), (9, 0));
        assert!(ledger.nothing_ran_out(59 * SECOND) && !ledger.nothing_ran_out(60 * SECOND));
    }

    #[test]
    fn holds_that_may_have_run_out_are_not_held_against_the_server() {
        let mut ledger = Ledger::new(1, 100 * SECOND, Some(2));
        for second in 0..100 {
            ledger.given(&purchase(1), 10 * SECOND, second * SECOND);
        }
        assert!((8..=10).contains(&ledger.most_out(0)), "{}", ledger.most_out(0));
        // Within the first ten seconds the buyer had more than two; after that it cannot be told.
        assert_eq!(ledger.over_limit, 8);
    }

    #[test]
    fn a_limit_is_passed_by_confirmed_units_whatever_ran_out() {
        let mut ledger = Ledger::new(1, SECOND, Some(2));
        for _ in 0..3 {
            ledger.confirmed(&purchase(1), 0, 0);
        }
        assert_eq!(ledger.over_limit, 1);
        let mut other = Ledger::new(1, SECOND, Some(2));
        (0..2).for_each(|_| other.confirmed(&purchase(2), 0, 0));
        let mut third = Ledger::new(1, SECOND, Some(2));
        third.confirmed(&purchase(2), 0, 0);
        other.merge(third);
        assert_eq!(other.over_limit, 1);
    }
}
