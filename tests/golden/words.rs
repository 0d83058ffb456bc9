//! What a script's commands are answered, in words.

use doorbuster::sale::{Outcome, Refusal};

use super::{NS_PER_MS, START};

pub(super) fn told(outcome: Outcome) -> String {
    match outcome {
        Err(refusal) => word(refusal),
        Ok(given) => {
            let ends = given.expires_at.saturating_sub(START) as f64 / NS_PER_MS as f64;
            let ends = if given.expires_at == 0 { String::new() } else { format!(", ends {ends}") };
            let place = match given.position {
                0 => String::new(),
                place => format!(", place {place}"),
            };
            let again = if given.replayed { ", replayed" } else { "" };
            format!(
                "{:?} order {}, seq {}, {} x {}{ends}{place}{again}",
                given.state, given.order, given.seq, given.units, given.price
            )
        }
    }
}

pub(super) fn word(refusal: Refusal) -> String {
    match refusal {
        Refusal::PriceChanged(price) => format!("price_changed {price}"),
        Refusal::LimitReached(limit) => format!("limit_reached {limit}"),
        Refusal::NotFree(free) => format!("sold_out {free}"),
        Refusal::HoldsLive(units) => format!("holds_live {units}"),
        Refusal::GroupLimit(group, limit) => format!("limit_reached {limit}, group {group}"),
        Refusal::TooMuch(most) => format!("too_much {most}"),
        other => format!("{other:?}").chars().fold(String::new(), |mut word, letter| {
            if letter.is_uppercase() && !word.is_empty() {
                word.push('_');
            }
            word.push(letter.to_ascii_lowercase());
            word
        }),
    }
}
