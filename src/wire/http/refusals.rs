//! What HTTP makes of the matcher's refusals: a status, a sentence, and what else helps.
//!
//! Invariant: every refusal that an outcome can name has its row.

/// What is told of one refusal.
#[derive(Clone, Copy)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) detail: &'static str,
    /// What the number is that comes with the refusal; empty if none does.
    pub(super) value_name: &'static str,
    /// After which time it may have passed, ms; 0 if waiting would not help.
    pub(super) retry_ms: u64,
}

const RETRY_MS: u64 = 1_000;

/// The row of the refusal with this word.
pub(super) fn of(word: &str) -> Refused {
    let (status, detail, value_name, retry_ms) = match word {
        "sold_out" => (409, "fewer units are free than are wanted; holds may come back", "", 0),
        "limit_reached" => {
            (409, "with what it has already the buyer would pass its limit of units", "limit", 0)
        }
        "price_changed" => (409, "a unit costs more than max_price now", "price", 0),
        "unknown_sale" => (404, "there is no sale of this name", "", 0),
        "unknown_item" => (404, "the sale has no item of this name", "", 0),
        "key_reused" => (
            422,
            "this key stands for another order: the same key is for the same item, units, buyer, \
             max_price, fill and wait",
            "",
            0,
        ),
        "not_open" => (425, "the sale has not opened yet", "", RETRY_MS),
        "paused" => (503, "the sale is paused and goes on later", "", RETRY_MS),
        "closed" => (410, "the sale is over", "", 0),
        "unknown_order" => (404, "the sale has no such order", "", 0),
        "not_your_order" => (403, "the order is another buyer's", "", 0),
        "hold_expired" => (409, "the hold ran out; buy again under a new key", "", 0),
        "already_confirmed" => (409, "the order is confirmed already", "", 0),
        "already_released" => (409, "the order was given back; buy again under a new key", "", 0),
        "extend_refused" => (409, "the hold was extended already, or may not be", "", 0),
        "not_held" => (409, "the order still waits; nothing is held for it yet", "", 0),
        "not_confirmed" => (409, "only a confirmed order is cancelled; a hold is released", "", 0),
        "overloaded" => {
            (503, "too much is on its way; send the same again later", "retry_after_ms", RETRY_MS)
        }
        _ => (500, "the server does not know what it answered", "", 0),
    };
    Refused { status, detail, value_name, retry_ms }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::outcome;

    #[test]
    fn every_refusal_has_its_status() {
        let of_requests = |number: &u8| {
            outcome::is_refusal(*number)
                && !(outcome::NOT_CLOSED..=outcome::TOO_MUCH).contains(number)
                && !(outcome::MALFORMED..=outcome::TICKET_REFUSED).contains(number)
                && outcome::word(*number) != "unknown_outcome"
        };
        let words: Vec<&str> = (0..=u8::MAX).filter(of_requests).map(outcome::word).collect();
        assert!(words.len() >= 13, "{words:?}");
        for word in words {
            let row = of(word);
            assert_ne!(row.status, 500, "{word} has no row");
            assert_eq!(row.retry_ms > 0, matches!(row.status, 425 | 503), "{word}");
        }
        assert_eq!(of("no such word").status, 500);
    }
}
