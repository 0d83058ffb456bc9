//! What is asked for, by whom, and what becomes of it.

use std::{fmt, str::FromStr, time::Duration};

use clap::Args;
use doorbuster::limits::{BASKET_LINES_MAX, UNITS_MAX};

use super::duration;

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Mix")]
pub(crate) struct Mix {
    /// Skew of the items: the nth is wanted like 1 / n^zipf
    #[arg(long, default_value_t = 1.0)]
    pub(crate) zipf: f64,
    /// Units of a purchase: a number, or several with weights like 1:80,2:15,5:5
    #[arg(long, default_value = "1")]
    pub(crate) units: Units,
    /// Share of purchases that are baskets: --basket-lines items from the drawn one on, all or none
    #[arg(long, default_value_t = 0.0)]
    pub(crate) baskets: f64,
    /// Lines of a basket, each of as many units as drawn
    #[arg(long, default_value_t = 3)]
    pub(crate) basket_lines: u8,
    /// Buyers in the population, numbered from 1 [default: a new buyer for every purchase]
    #[arg(long)]
    pub(crate) buyers: Option<u64>,
    /// Share of purchases by bots: few buyers, a new key each time
    #[arg(long, default_value_t = 0.0)]
    pub(crate) bots: f64,
    /// How many bots share them
    #[arg(long, default_value_t = 10)]
    pub(crate) bot_buyers: u64,
    /// Share of purchases that repeat an earlier key with the same content
    #[arg(long, default_value_t = 0.0)]
    pub(crate) duplicates: f64,
    /// Share of purchases clicked twice: the same key once more, right behind, on top of the rate
    #[arg(long, default_value_t = 0.0)]
    pub(crate) clicks: f64,
    /// How often to try again, under the same key, when the server is overloaded
    #[arg(long, default_value_t = 0)]
    pub(crate) retries: u8,
    /// How long to wait before that
    #[arg(long, default_value = "100ms", value_parser = duration)]
    pub(crate) retry_after: Duration,
    /// Share of purchases that take a place on the waitlist where nothing is left
    #[arg(long, default_value_t = 0.0)]
    pub(crate) wait: f64,
    /// Share of holds to confirm, on top of the rate; what is left of them is abandoned
    #[arg(long, default_value_t = 0.0)]
    pub(crate) confirm: f64,
    /// Share of holds to release, on top of the rate
    #[arg(long, default_value_t = 0.0)]
    pub(crate) release: f64,
    /// How long buyers think before they confirm or release
    #[arg(long, default_value = "0s", value_parser = duration)]
    pub(crate) think: Duration,
    /// Seed of what is asked for, and of random arrivals
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

/// Units of purchases with their weights.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Units(pub(crate) Vec<(u32, f64)>);

impl FromStr for Units {
    type Err = String;

    fn from_str(text: &str) -> Result<Units, String> {
        let one = |part: &str| {
            let (units, weight) = part.split_once(':').unwrap_or((part, "1"));
            let units: u32 = units.parse().ok().filter(|n| (1..=UNITS_MAX).contains(n))?;
            let weight: f64 = weight.parse().ok().filter(|w: &f64| *w > 0.0 && w.is_finite())?;
            Some((units, weight))
        };
        let all: Option<Vec<(u32, f64)>> = text.split(',').map(one).collect();
        let wanted = || format!("1 to {UNITS_MAX}, or several with weights: 1:80,2:15,5:5");
        all.map(Units).ok_or_else(wanted)
    }
}

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [(units, _)] = self.0[..] {
            return write!(f, "{units}");
        }
        let parts: Vec<String> = self.0.iter().map(|(units, w)| format!("{units}:{w}")).collect();
        f.write_str(&parts.join(","))
    }
}

impl Mix {
    /// What makes no sense, if anything.
    pub(super) fn problem(&self) -> Option<String> {
        let bad = |share: f64| !(0.0..=1.0).contains(&share);
        if !(self.zipf >= 0.0 && self.zipf.is_finite()) {
            Some("--zipf: 0 or more".to_owned())
        } else if self.buyers == Some(0) || self.bot_buyers == 0 {
            Some("--buyers and --bot-buyers: 1 or more".to_owned())
        } else if !(0.0..=0.9).contains(&self.duplicates) {
            Some("--duplicates: a share from 0 to 0.9".to_owned())
        } else if [self.bots, self.clicks, self.wait, self.baskets].into_iter().any(bad) {
            Some("--bots, --clicks, --wait and --baskets: shares from 0 to 1".to_owned())
        } else if !(1..=BASKET_LINES_MAX).contains(&usize::from(self.basket_lines)) {
            Some(format!("--basket-lines: 1 to {BASKET_LINES_MAX}"))
        } else if [self.confirm, self.release, self.confirm + self.release].into_iter().any(bad) {
            Some("--confirm and --release: shares from 0 to 1, together too".to_owned())
        } else {
            None
        }
    }

    /// All that is not as it would be by itself, in words.
    pub(crate) fn words(&self) -> impl Iterator<Item = (&'static str, String)> {
        let share = |share: f64| (share > 0.0).then(|| share.to_string());
        let time = |time: Duration, on: bool| on.then(|| format!("{} ms", time.as_millis()));
        let decided = self.confirm + self.release > 0.0;
        [
            ("units", Some(self.units.to_string())),
            ("baskets", share(self.baskets)),
            ("basket_lines", (self.baskets > 0.0).then(|| self.basket_lines.to_string())),
            ("bots", share(self.bots)),
            ("bot_buyers", (self.bots > 0.0).then(|| self.bot_buyers.to_string())),
            ("duplicates", share(self.duplicates)),
            ("clicks", share(self.clicks)),
            ("retries", (self.retries > 0).then(|| self.retries.to_string())),
            ("retry_after", time(self.retry_after, self.retries > 0)),
            ("wait", share(self.wait)),
            ("confirm", share(self.confirm)),
            ("release", share(self.release)),
            ("think", time(self.think, decided && !self.think.is_zero())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}

#[cfg(test)]
impl Default for Mix {
    fn default() -> Mix {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            mix: Mix,
        }
        let line: Line = clap::Parser::parse_from(["loadgen"]);
        line.mix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_have_weights() {
        assert_eq!("3".parse(), Ok(Units(vec![(3, 1.0)])));
        let several: Units = "1:80,2:15,5:5".parse().expect("weights");
        assert_eq!(several.0, [(1, 80.0), (2, 15.0), (5, 5.0)]);
        assert_eq!(several.to_string(), "1:80,2:15,5:5");
        for bad in ["", "0", "1:0", "1:x", "1,,2", "99999999999"] {
            assert!(bad.parse::<Units>().is_err(), "{bad}");
        }
    }

    #[test]
    fn shares_that_cannot_be_are_refused() {
        assert_eq!(Mix::default().problem(), None);
        let over = Mix { confirm: 0.7, release: 0.4, ..Mix::default() };
        assert!(over.problem().is_some());
        assert!(Mix { bots: 1.1, ..Mix::default() }.problem().is_some());
    }
}
