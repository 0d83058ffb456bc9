//! The options of `BUY` and `BASKET`: words with none to two words of their own behind them, in any
//! order, each once but for `GROUP`.

use super::{Ask, Fault, LINES_AT, OPTIONS_AT, integer, is_buy, units};
use crate::limits::PRICE_MAX;
use crate::message::{UP_TO, WAITS, kind};
use crate::sale::Name;
use crate::wire::resp::Words;

/// Where the options of a `BUY` or `BASKET` begin. What stands where an item of a basket could is
/// one if units stand behind it, and an option if it reads like one otherwise.
pub(super) fn options_at(words: &Words<'_>) -> usize {
    if is_buy(words) {
        return OPTIONS_AT;
    }
    let mut at = LINES_AT;
    while at < words.len() {
        let behind = (at + 1 < words.len()).then(|| words.word(at + 1));
        let is_number = behind.is_some_and(|word| integer(word).is_some());
        if !is_number && option(words.word(at)).is_some() {
            break;
        }
        at += 2;
    }
    at.min(words.len())
}

/// The buyer's ticket in a `BUY` or `BASKET` that was read without a fault; empty if it has none.
pub fn ticket<'a>(words: &Words<'a>) -> &'a [u8] {
    let mut at = options_at(words);
    while at < words.len() {
        match option(words.word(at)) {
            Some(Word::Ticket) => return words.word(at + 1),
            Some(word) => at += 1 + word.arguments(),
            None => break,
        }
    }
    &[]
}

/// The options of a purchase.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    UpTo,
    Wait,
    Units,
    MaxPrice,
    Ticket,
    Channel,
    Group,
    Receipt,
}

impl Word {
    /// Words of its own behind it.
    fn arguments(self) -> usize {
        match self {
            Word::UpTo | Word::Wait | Word::Receipt => 0,
            Word::Units | Word::MaxPrice | Word::Ticket | Word::Channel => 1,
            Word::Group => 2,
        }
    }
}

fn option(text: &[u8]) -> Option<Word> {
    const WORDS: [(&[u8], Word); 8] = [
        (b"units", Word::Units),
        (b"maxprice", Word::MaxPrice),
        (b"upto", Word::UpTo),
        (b"wait", Word::Wait),
        (b"ticket", Word::Ticket),
        (b"channel", Word::Channel),
        (b"group", Word::Group),
        (b"receipt", Word::Receipt),
    ];
    let found = WORDS.iter().find(|(name, _)| text.eq_ignore_ascii_case(name));
    found.map(|(_, word)| *word)
}

/// Reads the options from word `at` on.
pub(super) fn options<'a>(
    words: &Words<'a>,
    mut at: usize,
    ask: &mut Ask<'a>,
) -> Result<(), Fault> {
    let Ask { head, named, receipt, .. } = ask;
    let is_basket = head.kind == kind::BASKET;
    let (mut units_seen, mut price_seen, mut ticket_seen) = (is_basket, is_basket, false);
    while at < words.len() {
        let word = option(words.word(at)).ok_or(Fault::Syntax)?;
        let values = at + 1;
        at = values + word.arguments();
        if at > words.len() {
            return Err(Fault::Syntax);
        }
        match word {
            Word::UpTo if !head.is_up_to() && !is_basket => head.options |= UP_TO,
            Word::Wait if !head.is_waiting() => head.options |= WAITS,
            Word::Receipt if !*receipt => *receipt = true,
            Word::Units if !units_seen => {
                head.units = units(words.word(values)).ok_or(Fault::Units)?.into();
                units_seen = true;
            }
            Word::MaxPrice if !price_seen => {
                let price = integer(words.word(values)).filter(|price| *price <= PRICE_MAX);
                head.price = price.ok_or(Fault::MaxPrice)?.into();
                price_seen = true;
            }
            // What it is worth is not for this room to say.
            Word::Ticket if !ticket_seen => ticket_seen = true,
            Word::Channel if named.channel.is_empty() => {
                named.channel = words.word(values);
                Name::parse(named.channel).map_err(|_| Fault::Channel)?;
            }
            Word::Group => {
                let (group, member) = (words.word(values), words.word(values + 1));
                named.add(group, member).map_err(Fault::Group)?;
            }
            _ => return Err(Fault::Syntax),
        }
    }
    Ok(())
}
