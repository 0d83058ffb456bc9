//! What repeated runs can tell: the difference of two means and how sure it is.
//!
//! Welch's t interval, at 95 % (B. L. Welch, "The generalization of Student's problem when several
//! different population variances are involved", Biometrika 34, 1947), as Georges, Buytaert and
//! Eeckhout advise for few runs ("Statistically rigorous Java performance evaluation", OOPSLA
//! 2007). Each run is one sample: requests within a run depend on each other and prove nothing. Why
//! not a bootstrap: resampling three values finds ten different means, none outside of what was
//! seen, and so it is too sure. Why not Mann-Whitney's U: with three runs each even the clearest
//! difference has p = 0.1. Runs are taken to scatter about normally; with fewer than three nothing
//! is claimed.

/// Runs on either side from which on a difference can be told from chance.
pub(crate) const RUNS_MIN: usize = 3;

/// Two-sided 95 % points of Student's t for 1 to 30 degrees of freedom; above, those of 30 are a
/// little too wide, which is the safe side.
const T_95: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Unbiased, of the values' mean rather than of the values.
fn variance_of_mean(values: &[f64]) -> f64 {
    let (mean, count) = (mean(values), values.len() as f64);
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0) / count
}

/// Low and high end of the 95 % interval of `mean(b) - mean(a)`; `None` for fewer than three runs
/// on a side.
pub(crate) fn interval(a: &[f64], b: &[f64]) -> Option<[f64; 2]> {
    if a.len().min(b.len()) < RUNS_MIN {
        return None;
    }
    let (of_a, of_b) = (variance_of_mean(a), variance_of_mean(b));
    let difference = mean(b) - mean(a);
    let together = of_a + of_b;
    if together == 0.0 {
        return Some([difference; 2]);
    }
    let least = of_a.powi(2) / (a.len() - 1) as f64 + of_b.powi(2) / (b.len() - 1) as f64;
    // Rounded down: fewer degrees of freedom make it wider. The least is that of the smaller side.
    let degrees = (together.powi(2) / least + 1e-9).floor().clamp(1.0, T_95.len() as f64);
    let half = T_95[degrees as usize - 1] * together.sqrt();
    Some([difference - half, difference + half])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_books() {
        // Equal variances of 1 and three values each: 4 degrees of freedom, so
        // 2.776 * sqrt(1/3 + 1/3) on both sides of the difference.
        let found = interval(&[1.0, 2.0, 3.0], &[11.0, 12.0, 13.0]).expect("enough runs");
        assert!((found[0] - (10.0 - 2.2666)).abs() < 1e-3, "{found:?}");
        assert!((found[1] - (10.0 + 2.2666)).abs() < 1e-3, "{found:?}");
        // One side scatters alone: its own two degrees of freedom remain.
        let found = interval(&[5.0; 3], &[11.0, 12.0, 13.0]).expect("enough runs");
        assert!((found[1] - (7.0 + 4.303 / 3_f64.sqrt())).abs() < 1e-3, "{found:?}");
    }

    #[test]
    fn what_does_not_scatter_is_certain_and_two_runs_are_nothing() {
        assert_eq!(interval(&[5.0; 3], &[7.0; 4]), Some([2.0, 2.0]));
        assert_eq!(interval(&[5.0; 2], &[7.0; 4]), None);
    }

    /// Of many pairs of samples that come from the same place, at most about 5 % look different.
    #[test]
    fn chance_is_seldom_taken_for_a_difference() {
        let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
        let mut uniform = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 11) as f64 / (1_u64 << 53) as f64
        };
        // A sum of twelve is normal enough.
        let mut normal = || (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
        let mut wrong = 0;
        for _ in 0..4000 {
            let a = [normal(), normal(), normal()];
            let b = [normal(), normal(), normal()];
            let [low, high] = interval(&a, &b).expect("enough runs");
            wrong += u32::from(low > 0.0 || high < 0.0);
        }
        assert!((20..=240).contains(&wrong), "{wrong} of 4000");
    }
}
