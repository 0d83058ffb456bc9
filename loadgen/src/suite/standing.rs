//! How contestants stand to each other and to the bare machine: ratios and shares.
//!
//! A rival is compared with only where its answers promise as much. Invariant: what was not
//! measured has no ratio.

use super::document::{Row, SuiteDocument};
use super::shape::Shape;
use crate::bare;

/// A contestant's row at a shape.
pub(super) fn row<'a>(suite: &'a SuiteDocument, name: &str, shape: Shape) -> Option<&'a Row> {
    suite.rows.iter().find(|row| row.contestant == name && row.shape == shape)
}

/// Every shape that there is, once.
pub(super) fn shapes(suite: &SuiteDocument) -> Vec<Shape> {
    let mut shapes = Vec::new();
    for row in &suite.rows {
        if !shapes.contains(&row.shape) {
            shapes.push(row.shape);
        }
    }
    shapes
}

/// Orders a second of a contestant, as a multiple of the best rival whose answers are as durable.
pub(super) fn to_best_rival(suite: &SuiteDocument, name: &str, shape: Shape) -> Option<f64> {
    let synced = &suite.contestants.iter().find(|entry| entry.name == name)?.synced;
    let orders = |name: &str| row(suite, name, shape)?.orders_per_second;
    let rivals = suite.contestants.iter().filter(|one| !one.ours && one.synced == *synced);
    let best = rivals.filter_map(|rival| orders(&rival.name)).max_by(f64::total_cmp)?;
    orders(name).filter(|_| best > 0.0).map(|orders| orders / best)
}

/// What a contestant makes of the machine.
pub(super) struct Share {
    /// The most orders a second of all closed loops.
    pub(super) orders_per_second: f64,
    /// As a share of the most frames that the loopback carries.
    pub(super) of_loopback: Option<f64>,
    /// Orders for each sync that the disk can do one after the other.
    pub(super) orders_a_sync: Option<f64>,
    /// The median at the lowest open rate, ns, and how many syncs of the disk fit into it.
    pub(super) calm_p50: Option<(u64, f64)>,
}

/// `None` if no closed loop was driven.
pub(super) fn share(suite: &SuiteDocument, name: &str) -> Option<Share> {
    let rows = || suite.rows.iter().filter(|row| row.contestant == name);
    let closed = rows().filter(|row| matches!(row.shape, Shape::Closed { .. }));
    let orders_per_second =
        closed.filter_map(|row| row.orders_per_second).max_by(f64::total_cmp)?;
    let sync = suite.bare.iter().find(|line| line.what.starts_with(bare::SYNC));
    let sync = sync.filter(|line| line.per_second > 0.0 && line.p50_ns > 0);
    let loopback = suite.bare.iter().filter(|line| line.what.starts_with(bare::LOOPBACK));
    let loopback = loopback.map(|line| line.per_second).max_by(f64::total_cmp);
    let calm = rows().filter_map(|row| match row.shape {
        Shape::Open { rate } if row.kept == Some(true) => Some((rate, row.p50_ns?)),
        _ => None,
    });
    let calm = calm.min_by(|left, right| left.0.total_cmp(&right.0));
    Some(Share {
        orders_per_second,
        of_loopback: loopback.filter(|most| *most > 0.0).map(|most| orders_per_second / most),
        orders_a_sync: sync.map(|line| orders_per_second / line.per_second),
        calm_p50: calm.zip(sync).map(|((_, p50), line)| (p50, p50 as f64 / line.p50_ns as f64)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::sample;

    #[test]
    fn a_rival_counts_where_its_answers_promise_as_much() {
        let suite = sample::suite();
        let one = Shape::Closed { pipeline: 1 };
        let ratio = |name: &str| to_best_rival(&suite, name, one);
        assert_eq!(ratio("doorbuster"), Some(5.0), "to the better of two that sync");
        assert_eq!(ratio("redis-always"), Some(0.5));
        assert_eq!(ratio("redis-everysec"), Some(1.0), "nobody else promises so little");
        assert_eq!(ratio("postgres-units"), None, "it was not there");
    }

    #[test]
    fn shares_are_of_the_bare_machine() {
        let suite = sample::suite();
        let share = share(&suite, "doorbuster").expect("it was driven");
        assert_eq!(share.orders_per_second, 500e3);
        assert_eq!(share.of_loopback, Some(0.25));
        assert_eq!(share.orders_a_sync, Some(100.0));
        assert_eq!(share.calm_p50, Some((300_000, 1.5)));
        assert!(super::share(&suite, "postgres-units").is_none());
    }
}
