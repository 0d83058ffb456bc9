//! Readers with faults of our own: to be found, each by its part of the machinery.

use super::{Reader, Target};
use crate::meter;
use crate::seen::Seen;

const WORDS: &[&str] = &["one", "two", "three"];

const fn planted(name: &'static str, make: fn() -> Reader) -> Target {
    Target { name, words: WORDS, max: 64, make }
}

pub(super) static TARGETS: [Target; 3] = [
    planted("planted-panic", || {
        Box::new(|input, seen| assert!(!is_reached(input, seen), "this was planted"))
    }),
    planted("planted-memory", || {
        Box::new(|input, seen| {
            let bytes = if is_reached(input, seen) { 4097 } else { 4096 };
            meter::within(4096, "what was planted", || drop(vec![1_u8; bytes]));
        })
    }),
    planted("planted-abort", || {
        Box::new(|input, seen| {
            if is_reached(input, seen) {
                std::process::abort();
            }
        })
    }),
];

/// Three words one behind another, of which each is worth keeping.
fn is_reached(input: &[u8], seen: &mut Seen) -> bool {
    let mut rest = input;
    for (step, word) in WORDS.iter().enumerate() {
        let Some(behind) = rest.strip_prefix(word.as_bytes()) else { return false };
        seen.mark(&step);
        rest = behind;
    }
    true
}
