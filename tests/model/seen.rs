//! What a run of the model has met: commands that nobody gives prove nothing.

use std::collections::BTreeMap;

/// What has been met, and how often.
pub(super) type Seen = BTreeMap<String, u64>;

/// What must be met in a run of the usual length.
pub(super) const MET: [&str; 21] = [
    "Held",
    "Confirmed",
    "Waiting",
    "basket Held",
    "basket Waiting",
    "basket SoldOut",
    "entry",
    "drawn Held",
    "drawn Waiting",
    "drawn Left",
    "turn Held",
    "turn Left",
    "basket's turn",
    "GroupLimit",
    "UnknownChannel",
    "from a channel",
    "Surge",
    "Sweep",
    "Draw",
    "CallOff",
    "Aside",
];

pub(super) fn meet(seen: &mut Seen, what: String) {
    // Without what stands behind the word.
    let word = what.split(['(', '{']).next().unwrap_or_default().trim();
    *seen.entry(word.to_owned()).or_default() += 1;
}
