//! How far the decided order departs from the order of sending.
//!
//! Two measures, over all orders given. *Places*: how far an order's place in the line of decisions
//! is from its place in the line of sending. *Overtaken*: by how much the latest sender that was
//! decided before an order was sent after it; who shares a moment of sending with another is not
//! overtaken by it. A server on the other side of sockets cannot reach zero: what is on the way at
//! the same moment may arrive in any order.

use super::document::{Departure, Fairness, Spread};
use crate::load::arrived::Arrived;

/// Points of the plot, evenly chosen.
const POINTS: usize = 1_900;
/// And those with the largest departures.
const EXTREMES: usize = 100;

/// Compares orders, in the order of decisions, `unchecked` more of which are not known any more;
/// `None` when no order was given.
pub(crate) fn fairness(decided: &[Arrived], unchecked: u64) -> Option<Fairness> {
    if decided.is_empty() {
        return None;
    }
    let (from_intended, _) = departure(decided, |arrived| arrived.intended);
    let (from_sent, places) = departure(decided, |arrived| arrived.sent);
    Some(Fairness {
        orders: decided.len() as u64,
        unchecked,
        from_intended,
        from_sent,
        points: points(&places),
        journal: None,
    })
}

/// The departure, and each decision's place in the line of `time`.
fn departure(decided: &[Arrived], time: impl Fn(&Arrived) -> u64) -> (Departure, Vec<u32>) {
    // Equal times keep the order of decisions: they claim nothing against it.
    let count = u32::try_from(decided.len()).expect("bounded far below");
    let mut line: Vec<u32> = (0..count).collect();
    line.sort_by_key(|index| time(&decided[*index as usize]));
    let mut places = vec![0; decided.len()];
    for (place, index) in (0..count).zip(line) {
        places[index as usize] = place;
    }
    let shifts = (0..count).zip(&places).map(|(at, place)| u64::from(at.abs_diff(*place)));
    let mut latest = 0;
    let overtaken: Vec<u64> = decided
        .iter()
        .map(|arrived| {
            let sent = time(arrived);
            latest = latest.max(sent);
            latest - sent
        })
        .collect();
    let share = overtaken.iter().filter(|ns| **ns > 0).count() as f64 / f64::from(count);
    let departure = Departure {
        overtaken_share: share,
        places: spread(shifts.collect()),
        overtaken_ns: spread(overtaken),
    };
    (departure, places)
}

/// Percentiles of plain numbers, by nearest rank.
fn spread(mut numbers: Vec<u64>) -> Spread {
    numbers.sort_unstable();
    let at = |quantile: f64| {
        let rank = (quantile * numbers.len() as f64).ceil().max(1.0) as usize;
        numbers[rank.min(numbers.len()) - 1]
    };
    Spread { p50: at(0.5), p90: at(0.9), p99: at(0.99), p99_9: at(0.999), max: at(1.0) }
}

/// (Place by sending, place by decision).
fn points(places: &[u32]) -> Vec<(u64, u64)> {
    let point = |at: usize| (u64::from(places[at]), at as u64);
    let step = places.len().div_ceil(POINTS).max(1);
    let mut extremes: Vec<usize> = (0..places.len()).collect();
    let shift = |at: &usize| std::cmp::Reverse((*at as u64).abs_diff(u64::from(places[*at])));
    let few = EXTREMES.min(places.len());
    if few < extremes.len() {
        extremes.select_nth_unstable_by_key(few, shift);
    }
    let even = (0..places.len()).step_by(step);
    let mut chosen: Vec<usize> = even.chain(extremes[..few].iter().copied()).collect();
    chosen.sort_unstable();
    chosen.dedup();
    chosen.into_iter().map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sent: &[u64]) -> Fairness {
        let arrived =
            |(order, sent): (u64, &u64)| Arrived { order, number: order, intended: 0, sent: *sent };
        let decided: Vec<Arrived> = (1..).zip(sent).map(arrived).collect();
        fairness(&decided, 0).expect("there are orders")
    }

    #[test]
    fn the_order_of_sending_is_no_departure() {
        let fair = of(&[1, 2, 2, 3, 9]);
        assert_eq!(fair.from_sent.overtaken_share, 0.0);
        assert_eq!(fair.from_sent.places, Spread::default());
        assert_eq!(fair.from_intended.overtaken_ns, Spread::default());
        assert_eq!(fair.points, [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]);
    }

    #[test]
    fn who_is_overtaken_is_told_in_places_and_time() {
        // The one sent at 5 is decided last: four were sent after it.
        let fair = of(&[10, 20, 30, 40, 5]);
        assert_eq!(fair.from_sent.overtaken_share, 0.2);
        assert_eq!((fair.from_sent.places.max, fair.from_sent.overtaken_ns.max), (4, 35));
        assert_eq!(fair.from_sent.places.p50, 1);
        assert!(fair.points.contains(&(0, 4)));
    }

    #[test]
    fn points_are_few_and_hold_the_worst() {
        let mut sent: Vec<u64> = (0..100_000).collect();
        sent.swap(41, 99_001);
        let fair = of(&sent);
        assert!(fair.points.len() <= POINTS + EXTREMES);
        assert!(fair.points.contains(&(99_001, 41)) && fair.points.contains(&(41, 99_001)));
    }
}
