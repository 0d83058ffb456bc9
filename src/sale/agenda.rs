//! What the host has planned: units that are to be added, and channels whose rest is to return.
//!
//! Invariant: it is in the order of (time, id), and nothing in it is due when a command is decided.

use std::collections::{BTreeMap, BTreeSet};

use super::command::{Seq, Stamp};

/// Waves of one sale that are to come.
pub const WAVES_PER_SALE_MAX: usize = 32;

/// Units that are to be added to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wave {
    /// The seq of its plan.
    pub id: Seq,
    /// Number of the item.
    pub item: u16,
    /// How many.
    pub units: u64,
    /// When.
    pub at: Stamp,
}

/// What happens by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// So many units are added, as the wave with this id says.
    Surge {
        /// The wave.
        wave: Seq,
        /// How many.
        units: u64,
    },
    /// The channel's units of the item return to the common ones.
    Sweep {
        /// Number of the channel.
        channel: u8,
        /// How many were left.
        units: u64,
    },
}

/// That something of the plan has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Happened {
    /// Number of the sale.
    pub sale: u16,
    /// Number of the item.
    pub item: u16,
    /// What.
    pub event: Event,
}

/// A line of the agenda.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) at: Stamp,
    /// The seq by which it was entered.
    pub(super) id: Seq,
    pub(super) sale: u16,
    pub(super) item: u16,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// So many units.
    Surge(u64),
    /// Of this channel.
    Sweep(u8),
}

/// All that is planned.
pub(super) struct Agenda {
    /// By sale, time and id.
    entries: BTreeMap<(u16, Stamp, Seq), Entry>,
    /// Time, id and sale of each.
    times: BTreeSet<(Stamp, Seq, u16)>,
    due: Stamp,
}

impl Agenda {
    pub(super) fn new() -> Agenda {
        Agenda { entries: BTreeMap::new(), times: BTreeSet::new(), due: Stamp::MAX }
    }

    /// How much is planned.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// A time before which nothing is due.
    #[inline]
    pub(super) fn due(&self) -> Stamp {
        self.due
    }

    pub(super) fn add(&mut self, entry: Entry) {
        self.entries.insert((entry.sale, entry.at, entry.id), entry);
        self.times.insert((entry.at, entry.id, entry.sale));
        self.look();
    }

    /// Takes out what is due next.
    pub(super) fn take_due(&mut self, now: Stamp) -> Option<Entry> {
        let (at, id, sale) = *self.times.first().filter(|(at, ..)| *at <= now)?;
        self.take(sale, at, id)
    }

    fn take(&mut self, sale: u16, at: Stamp, id: Seq) -> Option<Entry> {
        self.times.remove(&(at, id, sale));
        self.look();
        self.entries.remove(&(sale, at, id))
    }

    fn look(&mut self) {
        self.due = self.times.first().map_or(Stamp::MAX, |(at, ..)| *at);
    }

    /// Drops what is no more to happen in a sale.
    pub(super) fn drop_if(&mut self, sale: u16, is_off: impl Fn(&Entry) -> bool) {
        let off: Vec<Entry> = self.of(sale).filter(|entry| is_off(entry)).copied().collect();
        for Entry { at, id, .. } in off {
            self.take(sale, at, id);
        }
    }

    /// What is planned for a sale, in the order of (time, id).
    pub(super) fn of(&self, sale: u16) -> impl Iterator<Item = &Entry> {
        let all = (sale, 0, 0)..=(sale, Stamp::MAX, Seq::MAX);
        self.entries.range(all).map(|(_, entry)| entry)
    }

    /// The waves of a sale.
    pub(super) fn waves(&self, sale: u16) -> impl Iterator<Item = Wave> {
        self.of(sale).filter_map(|entry| {
            let Entry { at, id, item, what, .. } = *entry;
            let What::Surge(units) = what else { return None };
            Some(Wave { id, item, units, at })
        })
    }
}
