//! When each request is meant to be sent, one connection at a time: no clock, no memory.
//!
//! Purchases of an even schedule go to the connections in turn, so each has an even schedule of its
//! own, all out of phase, and no burst is ever planned. Poisson arrivals are drawn for each
//! connection apart: the sum of such processes is one again (superposition), and needs no table. A
//! connection that falls behind only keeps its place in its own sequence: memory stays flat.

use std::sync::Arc;

use super::content::mix;
use super::curve::Curve;
use super::trace::Trace;

/// What is due when, for all connections.
#[derive(Clone, Debug)]
pub(crate) enum Profile {
    Curve {
        curve: Arc<Curve>,
        /// The seed of random arrivals; `None` for even ones.
        poisson: Option<u64>,
    },
    Trace(Arc<Trace>),
}

impl Profile {
    /// Purchases due before `time`: the mean of it, where arrivals are random.
    pub(crate) fn count_before(&self, time: u64) -> f64 {
        match self {
            Profile::Curve { curve, .. } => curve.count_before(time),
            Profile::Trace(trace) => trace.count_before(time) as f64,
        }
    }

    /// Its end, ns since the start.
    pub(crate) fn end(&self) -> u64 {
        match self {
            Profile::Curve { curve, .. } => curve.end(),
            Profile::Trace(trace) => trace.end(),
        }
    }
}

/// The arrivals of one connection. Numbers are those of purchases in the whole run.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals {
    profile: Profile,
    /// From one of its numbers to the next.
    step: u64,
    number: u64,
    /// Area under the curve before the next one.
    area: f64,
    hint: usize,
    due: u64,
}

impl Arrivals {
    /// Nothing is due any more.
    pub(crate) const NEVER: u64 = u64::MAX;

    /// Of the connection whose first number is `first` among `step` that take turns.
    pub(crate) fn new(profile: Profile, first: u64, step: u64) -> Arrivals {
        let mut arrivals =
            Arrivals { profile, step, number: first, area: first as f64, hint: 0, due: 0 };
        if matches!(arrivals.profile, Profile::Curve { poisson: Some(_), .. }) {
            arrivals.area = 0.0;
            arrivals.draw();
        }
        arrivals.look();
        arrivals
    }

    /// The next purchase's number.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// When it is due, ns since the start; [`NEVER`](Self::NEVER) past the end.
    #[inline]
    pub(crate) fn due(&self) -> u64 {
        self.due
    }

    /// Goes on to the next.
    #[inline]
    pub(crate) fn advance(&mut self) {
        self.number += self.step;
        match self.profile {
            Profile::Curve { poisson: Some(_), .. } => self.draw(),
            _ => self.area += self.step as f64,
        }
        self.look();
    }

    /// Adds the time to the next arrival of a Poisson process: exponential, by inversion.
    fn draw(&mut self) {
        let Profile::Curve { poisson: Some(seed), .. } = self.profile else { return };
        // In (0, 1]: 53 bits, as many as the type keeps.
        let part = ((mix(seed ^ 0xA21, self.number) >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        self.area -= part.ln() * self.step as f64;
    }

    #[inline]
    fn look(&mut self) {
        let due = match &self.profile {
            Profile::Curve { curve, .. } => curve.time_of(self.area, &mut self.hint),
            Profile::Trace(trace) => trace.due(self.number),
        };
        self.due = due.unwrap_or(Self::NEVER);
    }
}

#[cfg(test)]
mod tests {
    use super::super::curve::{ramp, steady};
    use super::*;

    fn all(profile: &Profile, connections: u64) -> Vec<(u64, u64)> {
        let mut all = Vec::new();
        for first in 0..connections {
            let mut arrivals = Arrivals::new(profile.clone(), first, connections);
            while arrivals.due() != Arrivals::NEVER {
                all.push((arrivals.due(), arrivals.number()));
                arrivals.advance();
            }
        }
        all.sort_unstable();
        all
    }

    #[test]
    fn connections_share_one_even_schedule() {
        let curve = Arc::new(steady(1e6, 0.01));
        let all = all(&Profile::Curve { curve, poisson: None }, 7);
        let wanted: Vec<(u64, u64)> = (0..10_000).map(|number| (number * 1000, number)).collect();
        assert_eq!(all, wanted);
    }

    #[test]
    fn random_arrivals_have_the_rate_and_the_spread_of_a_poisson_process() {
        let curve = Arc::new(ramp(10_000.0, 30_000.0, 10.0));
        let profile = Profile::Curve { curve: Arc::clone(&curve), poisson: Some(7) };
        let all = all(&profile, 16);
        // 200,000 wanted; the standard deviation is the root of that, 447.
        assert!(all.len().abs_diff(200_000) < 2_000, "{}", all.len());
        // The gaps in area are exponential: mean 1, and 1/e of them above 1.
        let areas: Vec<f64> = all.iter().map(|(due, _)| curve.count_before(*due)).collect();
        let above = areas.windows(2).filter(|pair| pair[1] - pair[0] > 1.0).count();
        let share = above as f64 / areas.len() as f64;
        assert!((share - 0.368).abs() < 0.01, "{share}");
    }

    #[test]
    fn a_seed_repeats_its_arrivals() {
        let of = |seed| {
            let curve = Arc::new(steady(1000.0, 1.0));
            all(&Profile::Curve { curve, poisson: Some(seed) }, 3)
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
