//! Who on this shard wants to hear of which orders, and what each was told last.
//!
//! It asks nobody and writes to nobody; it only knows whose turn it is.
//!
//! Invariants: a watch ends with its connection; a watch whose order may have changed since it was
//! last asked for is due, or on its way and to be asked for again, or rests until its peer has
//! taken what it was told. The queue of those that are due holds each place at most once, so it is
//! no longer than the list of watches.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};

use super::table::Address;
use crate::limits::WATCHES_MAX;

/// How a watching peer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Resp3,
    Binary,
    /// By the events of a stream over HTTP.
    Events,
}

/// An order that a connection watches.
pub(super) struct Watch {
    pub(super) order: u64,
    /// The sale's number.
    pub(super) sale: u16,
    pub(super) address: Address,
    pub(super) way: Way,
    /// The state that was told last, and until when it was said to be held.
    pub(super) told: (u8, u64),
    stage: Stage,
}

/// Where a watch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// What was told is right as far as is known.
    Quiet,
    /// To be asked for.
    Due,
    /// Asked for; the answer is on its way.
    Asked,
    /// Asked for, and it has changed since.
    AskedAndDue,
    /// To be asked for when its peer has taken what it was told.
    Resting,
}

#[derive(Default)]
struct Place {
    watch: Option<Watch>,
    /// It stands in the queue, perhaps for a watch that has left.
    queued: bool,
}

/// All of a shard's watches, in numbered places.
#[derive(Default)]
pub(super) struct Watches {
    places: Vec<Place>,
    free: Vec<u32>,
    /// Order and place.
    by_order: BTreeSet<(u64, u32)>,
    /// Connection's slot and place.
    by_slot: BTreeSet<(u32, u32)>,
    due: VecDeque<u32>,
    /// Questions on their way.
    asked: usize,
    /// The place from which on all watches are still to be made due, after news were missed.
    missed_from: Option<usize>,
}

impl Watches {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_slot.len()
    }

    /// Questions on their way.
    pub(super) fn asked(&self) -> usize {
        self.asked
    }

    /// Whether another one may begin.
    pub(super) fn has_room(&self) -> bool {
        self.len() < WATCHES_MAX
    }

    /// Whether any is to be asked for or made due.
    pub(super) fn is_due(&self) -> bool {
        !self.due.is_empty() || self.missed_from.is_some()
    }

    /// Whether this connection watches this order already.
    pub(super) fn has(&self, slot: u32, order: u64) -> bool {
        self.of_order(order).any(|place| {
            self.places[place as usize].watch.as_ref().is_some_and(|it| it.address.slot == slot)
        })
    }

    fn of_order(&self, order: u64) -> impl Iterator<Item = u32> + use<'_> {
        self.by_order.range((order, 0)..=(order, u32::MAX)).map(|(_, place)| *place)
    }

    /// Begins a watch, due at once: its order may have changed since `told` was decided.
    ///
    /// # Panics
    /// If there is no room for it.
    pub(super) fn begin(
        &mut self,
        (sale, order): (u16, u64),
        (address, way): (Address, Way),
        told: (u8, u64),
    ) {
        assert!(self.has_room(), "more watches than may be");
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            u32::try_from(self.places.len() - 1).expect("WATCHES_MAX fits")
        });
        let watch = Watch { order, sale, address, way, told, stage: Stage::Quiet };
        self.places[place as usize].watch = Some(watch);
        self.by_order.insert((order, place));
        self.by_slot.insert((address.slot, place));
        self.wake(place);
    }

    /// Ends one. Returns whether it was there.
    pub(super) fn end(&mut self, place: u32) -> bool {
        let Some(watch) = self.places[place as usize].watch.take() else { return false };
        self.by_order.remove(&(watch.order, place));
        self.by_slot.remove(&(watch.address.slot, place));
        self.free.push(place);
        true
    }

    /// Ends all of a connection.
    pub(super) fn end_of(&mut self, slot: u32) {
        let places: Vec<u32> = self.of_slot(slot).collect();
        for place in places {
            self.end(place);
        }
    }

    /// Ends all. Answers that are on their way will find nobody.
    pub(super) fn end_all(&mut self) {
        *self = Watches { asked: self.asked, ..Watches::default() };
    }

    fn of_slot(&self, slot: u32) -> impl Iterator<Item = u32> + use<'_> {
        self.by_slot.range((slot, 0)..=(slot, u32::MAX)).map(|(_, place)| *place)
    }

    /// An order has changed.
    #[inline]
    pub(super) fn changed(&mut self, order: u64) {
        let mut next = self.by_order.range((order, 0)..).next();
        while let Some((at, place)) = next.copied()
            && at == order
        {
            self.wake(place);
            next = self.by_order.range((Excluded((order, place)), Unbounded)).next();
        }
    }

    /// News were missed: any order may have changed.
    pub(super) fn missed(&mut self) {
        self.missed_from = Some(0);
    }

    /// Makes up to so many watches due that may have missed news.
    pub(super) fn catch_up(&mut self, count_max: usize) {
        let Some(from) = self.missed_from else { return };
        let until = self.places.len().min(from.saturating_add(count_max));
        for place in from..until {
            self.wake(place as u32);
        }
        self.missed_from = (until < self.places.len()).then_some(until);
    }

    /// A connection has taken what it was told.
    pub(super) fn rested(&mut self, slot: u32) {
        let places: Vec<u32> = self.of_slot(slot).collect();
        for place in places {
            if let Some(watch) = &mut self.places[place as usize].watch
                && watch.stage == Stage::Resting
            {
                watch.stage = Stage::Quiet;
                self.wake(place);
            }
        }
    }

    fn wake(&mut self, place: u32) {
        let Place { watch, queued } = &mut self.places[place as usize];
        let Some(watch) = watch else { return };
        match watch.stage {
            Stage::Quiet => {
                watch.stage = Stage::Due;
                if !*queued {
                    *queued = true;
                    self.due.push_back(place);
                }
            }
            Stage::Asked => watch.stage = Stage::AskedAndDue,
            Stage::Due | Stage::AskedAndDue | Stage::Resting => {}
        }
    }

    /// The next one that is due, as it stands in the queue. It is to be asked for or laid to rest,
    /// or it ends.
    pub(super) fn next_due(&mut self) -> Option<(u32, &Watch)> {
        while let Some(place) = self.due.pop_front() {
            self.places[place as usize].queued = false;
            let is_due = |watch: &&Watch| watch.stage == Stage::Due;
            if self.places[place as usize].watch.as_ref().filter(is_due).is_some() {
                // Looked up anew, for the borrow above may not leave the loop.
                return self.places[place as usize].watch.as_ref().map(|watch| (place, watch));
            }
        }
        None
    }

    /// It was asked for.
    pub(super) fn ask(&mut self, place: u32) {
        if let Some(watch) = &mut self.places[place as usize].watch {
            watch.stage = Stage::Asked;
            self.asked += 1;
        }
    }

    /// It waits until its peer has taken what it was told.
    pub(super) fn rest(&mut self, place: u32) {
        if let Some(watch) = &mut self.places[place as usize].watch {
            watch.stage = Stage::Resting;
        }
    }

    /// An answer came for the watch of this place and address, if it is still there: it is to be
    /// told, and may be due again.
    pub(super) fn land(&mut self, place: u32, address: Address) -> Option<&mut Watch> {
        self.asked -= 1;
        let watch = self.places.get_mut(place as usize)?.watch.as_mut()?;
        if watch.address != address {
            return None;
        }
        let again = watch.stage == Stage::AskedAndDue;
        watch.stage = Stage::Quiet;
        if again {
            self.wake(place);
        }
        self.places[place as usize].watch.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: (u8, u64) = (1, 0);

    fn watches(of: &[(u64, u32)]) -> Watches {
        let mut watches = Watches::default();
        for (order, slot) in of {
            watches.begin((1, *order), (Address::test(*slot), Way::Resp3), HELD);
        }
        watches
    }

    fn all_due(watches: &mut Watches) -> Vec<u64> {
        std::iter::from_fn(|| watches.next_due().map(|(_, watch)| watch.order)).collect()
    }

    #[test]
    fn a_watch_is_asked_for_at_once_and_then_once_for_each_change_however_many() {
        let mut watches = watches(&[(7, 0), (8, 0), (7, 1)]);
        assert_eq!(watches.len(), 3);
        assert!(watches.has(0, 7) && watches.has(1, 7) && !watches.has(1, 8));
        let mut places = Vec::new();
        while let Some((place, _)) = watches.next_due() {
            watches.ask(place);
            places.push(place);
        }
        assert_eq!((places.len(), watches.asked(), watches.is_due()), (3, 3, false));
        // It changes while it is asked for: it is asked for again, once.
        (0..5).for_each(|_| watches.changed(7));
        assert!(!watches.is_due());
        for place in places {
            let slot = if place == 2 { 1 } else { 0 };
            assert!(watches.land(place, Address::test(slot)).is_some());
        }
        assert_eq!(watches.asked(), 0);
        assert_eq!(all_due(&mut watches), [7, 7]);
    }

    #[test]
    fn a_watch_ends_with_its_connection_and_its_place_is_given_away_without_its_turns() {
        let mut watches = watches(&[(7, 0), (8, 0), (9, 1)]);
        watches.end_of(0);
        assert_eq!(watches.len(), 1);
        watches.begin((1, 10), (Address::test(2), Way::Binary), HELD);
        for _ in 0..10 {
            let place = watches.free.first().copied();
            watches.begin((1, 11), (Address::test(3), Way::Binary), HELD);
            watches.end_of(3);
            assert_eq!(watches.free.first().copied(), place);
        }
        assert!(watches.due.len() <= watches.places.len(), "{} turns", watches.due.len());
        let mut due = all_due(&mut watches);
        due.sort_unstable();
        assert_eq!(due, [9, 10]);
    }

    #[test]
    fn who_does_not_read_rests_and_who_missed_news_is_asked_for_in_slices() {
        let mut watches = watches(&[(7, 0), (8, 1), (9, 2)]);
        let place = watches.next_due().expect("it is due").0;
        watches.rest(place);
        watches.changed(7);
        assert_eq!(all_due(&mut watches), [8, 9]);
        watches.rested(0);
        assert_eq!(all_due(&mut watches), [7]);
        for place in 0..3 {
            watches.ask(place);
            assert!(watches.land(place, Address::test(place)).is_some());
        }
        watches.missed();
        assert!(watches.is_due());
        watches.catch_up(2);
        assert_eq!(all_due(&mut watches), [7, 8]);
        assert!(watches.is_due());
        watches.catch_up(2);
        assert_eq!(all_due(&mut watches), [9]);
        assert!(!watches.is_due());
    }

    #[test]
    fn an_answer_for_one_who_has_left_finds_nobody() {
        let mut watches = watches(&[(7, 0)]);
        let place = watches.next_due().expect("it is due").0;
        watches.ask(place);
        watches.end_of(0);
        watches.begin((1, 7), (Address::test(1), Way::Events), HELD);
        assert!(watches.land(place, Address::test(0)).is_none());
        assert_eq!(watches.asked(), 0);
        assert_eq!(all_due(&mut watches), [7], "the new one is still due");
    }
}
