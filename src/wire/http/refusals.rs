//! What HTTP makes of the matcher's refusals: a status, a sentence, and what else helps.
//!
//! Invariant: every refusal that an outcome can name has its row.

use super::Manner;
use super::answers::{Teller, end_problem, push, push_escaped, push_problem};
use crate::message::{Reply, outcome};
use crate::wire::answers::Subject;
use crate::wire::push_decimal;

/// What is told of one refusal.
#[derive(Clone, Copy)]
struct Refused {
    status: u16,
    detail: &'static str,
    /// What the number is that comes with the refusal; empty if none does.
    value_name: &'static str,
    /// After which time it may have passed, ms; 0 if waiting would not help.
    retry_ms: u64,
}

const RETRY_MS: u64 = 1_000;

impl Teller {
    /// Answers with a refusal and what it is about.
    pub fn refusal(
        &mut self,
        reply: &Reply,
        subject: Subject<'_>,
        manner: Manner,
        out: &mut Vec<u8>,
    ) {
        let word = outcome::word(reply.outcome);
        let value = reply.price.to_native();
        let Refused { status, detail, value_name, retry_ms } = of(word);
        let is_overloaded = value_name == "retry_after_ms";
        // The matcher has spread what it said itself.
        let retry_ms = match retry_ms {
            0 => 0,
            _ if is_overloaded && value > 0 => value,
            usual => self.spread(usual),
        };
        let begun = self.begin_problem(status, manner, retry_ms, "", out);
        let line = (reply.units.to_native() as usize).saturating_sub(1);
        match subject {
            Subject::All => push_problem(word, status, detail, out),
            Subject::Item(item) => push_problem_of_line(word, status, detail, (line, item), out),
            Subject::Group(group) => {
                let detail = format!("all purchases of this {group} would pass the limit of units");
                push_problem(word, status, &detail, out);
                push_name("group", group, out);
            }
        }
        if !value_name.is_empty() && !is_overloaded {
            push(out, b",\"");
            push(out, value_name.as_bytes());
            push(out, b"\":");
            push_decimal(value, out);
        }
        end_problem(&begun, manner, retry_ms, out);
    }

    /// Answers a basket of which a line, counted from 0, names an item that the sale does not have.
    pub fn unknown_line(&mut self, line: usize, item: &[u8], manner: Manner, out: &mut Vec<u8>) {
        let word = outcome::word(outcome::UNKNOWN_ITEM);
        let Refused { status, detail, .. } = of(word);
        let begun = self.begin_problem(status, manner, 0, "", out);
        // A body with another item's name was turned away before.
        let item = std::str::from_utf8(item).unwrap_or_default();
        push_problem_of_line(word, status, detail, (line, item), out);
        end_problem(&begun, manner, 0, out);
    }
}

/// The row of the refusal with this word.
fn of(word: &str) -> Refused {
    let (status, detail, value_name, retry_ms) = match word {
        "sold_out" => (409, "fewer units are free than are wanted; holds may come back", "", 0),
        "limit_reached" => {
            (409, "with what it has already the buyer would pass its limit of units", "limit", 0)
        }
        "price_changed" => (409, "a unit costs more than max_price now", "price", 0),
        "unknown_sale" => (404, "there is no sale of this name", "", 0),
        "unknown_item" => (404, "the sale has no item of this name", "", 0),
        "unknown_channel" => (404, "nothing of the item was set aside for this channel", "", 0),
        "key_reused" => (
            422,
            "this key stands for another order: the same key is for the same item, units, buyer, \
             max_price, fill, wait, channel and groups",
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
        "overloaded" => (
            503,
            "too much is on its way, or the server is full; send the same again later",
            "retry_after_ms",
            RETRY_MS,
        ),
        _ => (500, "the server does not know what it answered", "", 0),
    };
    Refused { status, detail, value_name, retry_ms }
}

/// The same of a line of a basket, by its place from 0 and its item.
fn push_problem_of_line(
    word: &str,
    status: u16,
    detail: &str,
    (line, item): (usize, &str),
    out: &mut Vec<u8>,
) {
    let field = format!("lines[{line}]");
    push_problem(word, status, &format!("{field}, {item}: {detail}"), out);
    push_name("field", &field, out);
    push_name("item", item, out);
}

/// One more field of a problem.
fn push_name(field: &str, name: &str, out: &mut Vec<u8>) {
    for part in [b",\"", field.as_bytes(), b"\":\""] {
        push(out, part);
    }
    push_escaped(name.as_bytes(), out);
    push(out, b"\"");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_status() {
        let of_requests = |number: &u8| {
            outcome::is_refusal(*number)
                && !(outcome::NOT_CLOSED..=outcome::BAD_TIME).contains(number)
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
