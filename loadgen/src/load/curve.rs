//! A rate over time, as straight lines between knots: what every profile but a trace comes to.
//!
//! Pure arithmetic. `time_of` is the inverse of the area under the curve: purchase number `n` is
//! due when `n` purchases' worth of area lies before it, so that ramps and decays have intended
//! times as exact as a steady rate has, and nothing is planned in bursts.

/// A knot: from here on the rate runs in a straight line to the next one.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Knot {
    /// ns since the start.
    at: f64,
    /// Purchases a ns.
    rate: f64,
    /// Purchases due before it.
    before: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Curve {
    knots: Vec<Knot>,
}

impl Curve {
    /// Goes through points of (seconds, purchases a second), the first at 0. Two points at one time
    /// are a jump. After the last point nothing is due.
    pub(crate) fn through(points: &[(f64, f64)]) -> Curve {
        assert!(points.len() >= 2 && points[0].0 == 0.0);
        let mut knots: Vec<Knot> = Vec::with_capacity(points.len());
        for (seconds, per_second) in points {
            let (at, rate) = (seconds * 1e9, per_second / 1e9);
            let before = knots.last().map_or(0.0, |last| {
                assert!(at >= last.at && rate >= 0.0);
                last.before + (at - last.at) * (last.rate + rate) / 2.0
            });
            knots.push(Knot { at, rate, before });
        }
        Curve { knots }
    }

    /// The same from `warmup` seconds on; until then its first rate.
    pub(crate) fn after_warmup(&self, warmup: f64) -> Curve {
        let mut points = vec![(0.0, self.knots[0].rate * 1e9)];
        points.extend(self.knots.iter().map(|knot| (knot.at / 1e9 + warmup, knot.rate * 1e9)));
        Curve::through(&points)
    }

    /// Purchases in all.
    pub(crate) fn total(&self) -> f64 {
        self.last().before
    }

    /// Its end, ns since the start.
    pub(crate) fn end(&self) -> u64 {
        self.last().at as u64
    }

    /// Purchases due before `time`, in ns since the start.
    pub(crate) fn count_before(&self, time: u64) -> f64 {
        let time = time as f64;
        let next = self.knots.partition_point(|knot| knot.at <= time);
        let from = self.knots[next - 1];
        let Some(to) = self.knots.get(next) else { return from.before };
        let (past, slope) = (time - from.at, (to.rate - from.rate) / (to.at - from.at));
        from.before + past * (from.rate + slope * past / 2.0)
    }

    /// When `count` purchases lie before; `None` from the total on. `hint` is where the last
    /// answer lay: counts that only rise find theirs at once.
    #[inline]
    pub(crate) fn time_of(&self, count: f64, hint: &mut usize) -> Option<u64> {
        // What rounding leaves of the last purchase is no purchase.
        if count > self.total() - 1e-6 {
            return None;
        }
        while self.knots[*hint + 1].before <= count {
            *hint += 1;
        }
        let (from, to) = (self.knots[*hint], self.knots[*hint + 1]);
        let slope = (to.rate - from.rate) / (to.at - from.at);
        let area = count - from.before;
        // The root of rate x + slope x^2 / 2 = area that does not cancel out when slope is small.
        let root = (from.rate * from.rate + 2.0 * slope * area).max(0.0).sqrt();
        let time = (from.at + 2.0 * area / (from.rate + root)).round() as u64;
        Some(time.min(self.end() - 1))
    }

    fn last(&self) -> &Knot {
        self.knots.last().expect("there are two at least")
    }
}

/// The same rate all the time.
pub(crate) fn steady(rate: f64, seconds: f64) -> Curve {
    Curve::through(&[(0.0, rate), (seconds, rate)])
}

/// From one rate to another in a straight line.
pub(crate) fn ramp(from: f64, to: f64, seconds: f64) -> Curve {
    Curve::through(&[(0.0, from), (seconds, to)])
}

/// Points of a decay by `powers` e-foldings, from `from` on for `length` seconds, onto `floor`.
fn decay(from: f64, length: f64, peak: f64, floor: f64, powers: f64) -> Vec<(f64, f64)> {
    const POINTS: u32 = 40;
    let point = |index: u32| {
        let part = f64::from(index) / f64::from(POINTS);
        (from + length * part, floor + (peak - floor) * (-powers * part).exp())
    };
    (0..=POINTS).map(point).collect()
}

/// A live stream's "now!": calm for 3/10 of the time, a wall, a long tail back to calm.
pub(crate) fn spike(calm: f64, peak: f64, seconds: f64) -> Curve {
    let wall = seconds * 0.3;
    let mut points = vec![(0.0, calm), (wall, calm)];
    points.extend(decay(wall, seconds - wall, peak, calm, 6.0));
    Curve::through(&points)
}

/// A crowd that has waited for the moment: all of it within some seconds, most at once.
pub(crate) fn flash(crowd: f64, seconds: f64) -> Curve {
    let shape = Curve::through(&decay(0.0, seconds, 1.0, 0.0, 4.0));
    let peak = crowd / shape.total();
    Curve::through(&decay(0.0, seconds, peak, 0.0, 4.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(curve: &Curve) -> Vec<u64> {
        let mut hint = 0;
        (0..).map_while(|number| curve.time_of(f64::from(number), &mut hint)).collect()
    }

    #[test]
    fn a_steady_rate_is_even_and_ends_in_time() {
        assert_eq!(times(&steady(4.0, 1.0)), [0, 250_000_000, 500_000_000, 750_000_000]);
        for rate in [1.0, 3.0, 777.7, 1e5 / 3.0] {
            let times = times(&steady(rate, 3.0));
            assert_eq!(times.len(), (rate * 3.0).ceil() as usize, "{rate}");
            assert!(times.last() < Some(&3_000_000_000));
        }
    }

    #[test]
    fn time_and_count_are_inverse_on_every_shape() {
        let shapes = [
            steady(1234.5, 7.0),
            ramp(0.0, 1000.0, 5.0),
            ramp(1000.0, 10.0, 5.0),
            spike(10.0, 5000.0, 10.0),
            flash(20_000.0, 3.0),
            ramp(10.0, 1000.0, 5.0).after_warmup(2.0),
        ];
        for curve in shapes {
            let mut before = 0;
            for (number, time) in times(&curve).into_iter().enumerate() {
                assert!(time >= before && time <= curve.end());
                let count = curve.count_before(time);
                // A time is in whole ns: the area of one is what it may be off by.
                assert!((count - number as f64).abs() < 0.01, "{count} {number} {time}");
                before = time;
            }
            assert!((curve.count_before(curve.end()) - curve.total()).abs() < 1e-6);
        }
    }

    #[test]
    fn shapes_are_what_they_are_called() {
        assert_eq!(ramp(0.0, 1000.0, 10.0).total(), 5000.0);
        let flash = flash(1000.0, 4.0);
        assert!((flash.total() - 1000.0).abs() < 1e-6);
        assert!(flash.count_before(1_000_000_000) > 600.0);
        let spike = spike(100.0, 10_000.0, 10.0);
        assert!((spike.count_before(3_000_000_000) - 300.0).abs() < 1e-6);
        assert!(spike.count_before(4_000_000_000) > 5_000.0);
        let warm = steady(100.0, 5.0).after_warmup(2.0);
        assert_eq!((warm.total(), warm.end()), (700.0, 7_000_000_000));
    }
}
