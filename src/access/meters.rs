//! The accounts of the rate limits: one for each token, one for each address, shared by all shards.
//!
//! An account is one atomic number, its theoretical arrival time, so it is right however many
//! shards a peer's connections were dealt to; nobody waits for anybody. Addresses live in a table
//! of fixed size. A place whose account has run out is as good as empty and may be taken over; an
//! address that finds its row full of live ones uses the row's shared account, so that whoever
//! fills the table from many addresses slows down those that hash to full rows, and nobody else.
//!
//! Invariant: an account only rises, but for a place that is taken over while two shards reach for
//! it at the very same moment: then one request may be charged to the wrong one of two addresses.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crossbeam::utils::CachePadded;

use super::gcra::Pace;
use crate::limits::ADDRESS_ROWS;

/// One account.
#[derive(Default, Debug)]
pub(super) struct Meter(CachePadded<AtomicU64>);

impl Meter {
    /// Charges one request.
    ///
    /// # Errors
    /// The ns to wait.
    #[inline]
    pub(super) fn charge(&self, pace: &Pace, now: u64) -> Result<(), u64> {
        charge(&self.0, pace, now)
    }
}

// Relaxed everywhere: an account orders nothing but itself.
#[inline]
fn charge(account: &AtomicU64, pace: &Pace, now: u64) -> Result<(), u64> {
    let mut due = account.load(Relaxed);
    loop {
        let next = pace.ask(due, now)?;
        match account.compare_exchange_weak(due, next, Relaxed, Relaxed) {
            Ok(_) => return Ok(()),
            Err(seen) => due = seen,
        }
    }
}

const PLACES: usize = 7;

#[derive(Default)]
struct Place {
    /// The address's hash; 0 if the place was never taken.
    whose: AtomicU64,
    account: AtomicU64,
}

/// Two cache lines.
#[derive(Default)]
#[repr(align(128))]
struct Row {
    places: [Place; PLACES],
    shared: Place,
}

const _: () = assert!(size_of::<Row>() == 128 && ADDRESS_ROWS.is_power_of_two());

/// The accounts of addresses.
pub(super) struct AddressMeters {
    rows: Box<[Row]>,
    /// A new one for each start: which addresses share a row is nobody's to choose.
    hasher: RandomState,
}

impl AddressMeters {
    /// As many rows, a power of two.
    pub(super) fn new(rows: usize) -> AddressMeters {
        assert!(rows.is_power_of_two());
        AddressMeters {
            rows: (0..rows).map(|_| Row::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// What stands for an address: itself in IPv4, its /64 network in IPv6, for that is what one
    /// customer gets. Never 0.
    pub(super) fn number(&self, address: IpAddr) -> u64 {
        let hash = match address.to_canonical() {
            IpAddr::V4(address) => self.hasher.hash_one((4, u64::from(u32::from(address)))),
            IpAddr::V6(address) => self.hasher.hash_one((6, (u128::from(address) >> 64) as u64)),
        };
        hash.max(1)
    }

    /// Charges one request.
    ///
    /// # Errors
    /// The ns to wait.
    pub(super) fn charge(&self, number: u64, pace: &Pace, now: u64) -> Result<(), u64> {
        let row = &self.rows[(number >> 32) as usize & (self.rows.len() - 1)];
        if let Some(place) = row.places.iter().find(|place| place.whose.load(Relaxed) == number) {
            return charge(&place.account, pace, now);
        }
        for place in &row.places {
            let mut whose = place.whose.load(Relaxed);
            if whose != number && (whose == 0 || place.account.load(Relaxed) <= now) {
                whose = match place.whose.compare_exchange(whose, number, Relaxed, Relaxed) {
                    Ok(_) => number,
                    Err(seen) => seen,
                };
            }
            // Taken just now, by this shard or for the same address by another.
            if whose == number {
                return charge(&place.account, pace, now);
            }
        }
        charge(&row.shared.account, pace, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 7_000_000_000;

    #[test]
    fn shards_that_charge_at_once_let_no_more_pass_than_one() {
        let (pace, meter) = (Pace::new(1, 1000).expect("a limit"), Meter::default());
        let addresses = AddressMeters::new(4);
        let passed: (usize, usize) = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let tries = || (0..600).map(|_| NOW);
                        let token = tries().filter(|now| meter.charge(&pace, *now).is_ok()).count();
                        let address =
                            tries().filter(|now| addresses.charge(9, &pace, *now).is_ok()).count();
                        (token, address)
                    })
                })
                .collect();
            let join = |thread: std::thread::ScopedJoinHandle<_>| thread.join().expect("no panic");
            threads
                .into_iter()
                .map(join)
                .fold((0, 0), |a, b: (usize, usize)| (a.0 + b.0, a.1 + b.1))
        });
        assert_eq!(passed, (1000, 1000));
    }

    #[test]
    fn an_ipv6_network_is_one_address_and_a_mapped_one_is_ipv4() {
        let meters = AddressMeters::new(4);
        let number = |text: &str| meters.number(text.parse().expect("an address"));
        assert_eq!(number("2001:db8:1:2::1"), number("2001:db8:1:2:ffff::9"));
        assert_ne!(number("2001:db8:1:2::1"), number("2001:db8:1:3::1"));
        assert_eq!(number("::ffff:192.0.2.7"), number("192.0.2.7"));
        assert_ne!(number("192.0.2.7"), number("192.0.2.8"));
    }

    #[test]
    fn a_full_row_shares_one_account_until_places_run_out() {
        let (pace, meters) = (Pace::new(1, 1).expect("a limit"), AddressMeters::new(1));
        for number in 1..=7 {
            assert_eq!(meters.charge(number, &pace, NOW), Ok(()), "{number}");
            assert!(meters.charge(number, &pace, NOW).is_err(), "{number}");
        }
        assert_eq!(meters.charge(8, &pace, NOW), Ok(()));
        assert!(meters.charge(9, &pace, NOW).is_err(), "8 and 9 share");
        let later = NOW + 1_000_000_000;
        for number in 11..=17 {
            assert_eq!(meters.charge(number, &pace, later), Ok(()), "{number}");
        }
        assert!(meters.charge(17, &pace, later).is_err());
    }
}
