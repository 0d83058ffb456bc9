//! Where an item's units come from and return to: the common ones, or those set aside for a
//! channel.
//!
//! Invariant: an order's units come from one place, and return there as long as it is there.

use super::command::{Refusal, Stamp};
use super::orders::State;
use super::stock::Item;

/// The common units, where a channel's number is asked for.
pub(super) const COMMON: u8 = 0;

/// Units of an item for those who name a channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pool {
    pub(super) channel: u8,
    /// Its rest has returned to the common units, and the channel buys from these.
    pub(super) is_swept: bool,
    pub(super) set_aside: u64,
    pub(super) free: u64,
    /// When its rest returns; 0 if it does not.
    pub(super) until: Stamp,
}

impl Item {
    pub(super) fn pool(&self, channel: u8) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.channel == channel)
    }

    pub(super) fn pool_mut(&mut self, channel: u8) -> Option<&mut Pool> {
        self.pools.iter_mut().find(|pool| pool.channel == channel)
    }

    /// Where the units of a purchase that names a channel come from now.
    #[inline(always)]
    pub(super) fn source(&self, channel: u8) -> Result<u8, Refusal> {
        if channel == COMMON {
            return Ok(COMMON);
        }
        let pool = self.pool(channel).ok_or(Refusal::UnknownChannel)?;
        Ok(if pool.is_swept { COMMON } else { channel })
    }

    /// Units that are free there.
    #[inline(always)]
    pub(super) fn free_in(&self, source: u8) -> u64 {
        if source == COMMON { self.free } else { self.pool(source).map_or(0, |pool| pool.free) }
    }

    /// Takes units from there for an order in this state.
    #[inline(always)]
    pub(super) fn give(&mut self, source: u8, units: u64, state: State) {
        if source == COMMON {
            self.free -= units;
        } else {
            self.pool_mut(source).expect("its channel is there").free -= units;
            self.aside -= units;
        }
        *(if state == State::Held { &mut self.held } else { &mut self.confirmed }) += units;
        self.assert_balance();
    }

    /// Takes back what [`give`](Self::give) gave. Returns whether it is free to all now.
    pub(super) fn take_back(&mut self, source: u8, units: u64, state: State) -> bool {
        *(if state == State::Held { &mut self.held } else { &mut self.confirmed }) -= units;
        let pool = self.pool_mut(source).filter(|pool| !pool.is_swept);
        let is_common = pool.is_none();
        match pool {
            Some(pool) => {
                pool.free += units;
                self.aside += units;
            }
            None => self.free += units,
        }
        self.assert_balance();
        is_common
    }

    /// Makes a channel known of which nothing is there yet; pools lie in the order of channels.
    pub(super) fn add_pool(&mut self, channel: u8) {
        let place = self.pools.partition_point(|pool| pool.channel < channel);
        let pool = Pool { channel, is_swept: false, set_aside: 0, free: 0, until: 0 };
        self.pools.insert(place, pool);
    }

    /// Sets free units aside for a channel, until then.
    pub(super) fn set_aside(&mut self, channel: u8, units: u64, until: Stamp) {
        self.free -= units;
        self.aside += units;
        let pool = self.pool_mut(channel).expect("its channel is there");
        pool.set_aside += units;
        pool.free += units;
        pool.until = until;
        self.assert_balance();
    }

    /// The rest of a channel's units returns to the common ones. Returns how many.
    pub(super) fn sweep(&mut self, channel: u8) -> u64 {
        let pool = self.pool_mut(channel).expect("only pools are planned to be swept");
        let units = std::mem::take(&mut pool.free);
        (pool.is_swept, pool.until) = (true, 0);
        self.aside -= units;
        self.free += units;
        self.assert_balance();
        units
    }
}
