//! What is asked for, by whom, and what becomes of it.

use clap::Args;

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Mix")]
pub(crate) struct Mix {
    /// Skew of the items: the nth is wanted like 1 / n^zipf
    #[arg(long, default_value_t = 1.0)]
    pub(crate) zipf: f64,
    /// Buyers in the population, numbered from 1 [default: a new buyer for every purchase]
    #[arg(long)]
    pub(crate) buyers: Option<u64>,
    /// Units of a purchase
    #[arg(long, default_value_t = 1)]
    pub(crate) units: u32,
    /// Share of purchases that repeat an earlier key with the same content
    #[arg(long, default_value_t = 0.0)]
    pub(crate) duplicates: f64,
    /// Share of holds to confirm; these come on top of the rate
    #[arg(long, default_value_t = 0.0)]
    pub(crate) confirm: f64,
    /// Share of holds to release; these come on top of the rate
    #[arg(long, default_value_t = 0.0)]
    pub(crate) release: f64,
    /// Seed of what is asked for
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

impl Mix {
    /// What makes no sense, if anything.
    pub(super) fn problem(&self) -> Option<String> {
        let bad_share = |share: f64| !(0.0..=1.0).contains(&share);
        if !(self.zipf >= 0.0 && self.zipf.is_finite()) {
            Some("--zipf: 0 or more".to_owned())
        } else if self.buyers == Some(0) {
            Some("--buyers: 1 or more".to_owned())
        } else if !(1..=doorbuster::limits::UNITS_MAX).contains(&self.units) {
            Some(format!("--units: 1 to {}", doorbuster::limits::UNITS_MAX))
        } else if !(0.0..=0.9).contains(&self.duplicates) {
            Some("--duplicates: a share from 0 to 0.9".to_owned())
        } else if [self.confirm, self.release, self.confirm + self.release].map(bad_share)
            != [false; 3]
        {
            Some("--confirm and --release: shares from 0 to 1, together too".to_owned())
        } else {
            None
        }
    }
}
