//! RESP words to requests: which command it is and what it asks of the matcher.
//!
//! It resolves no names: which numbers a sale and an item have is for the caller to fill in. It
//! writes nothing; what is wrong with a request comes back as a [`Fault`], to be told when it is
//! this request's turn to be answered.
//!
//! Invariant: an [`Ask`] holds units, prices and idents within the bounds of the house.

use super::http::Sent;
use super::resp::Words;
use crate::limits::{BASKET_LINES_MAX, PRICE_MAX, UNITS_MAX};
use crate::message::{Head, NO_MAX_PRICE, UP_TO, WAITS, kind, line_cells};
use crate::sale::{BadIdent, Form, Ident};

/// Where the options of `BUY` begin: a word and its value, or a word alone.
const OPTIONS_AT: usize = 5;
/// Where the lines of `BASKET` begin: pairs of an item and units.
const LINES_AT: usize = 4;

/// What a RESP request turned out to be.
pub enum Command<'a> {
    /// Something for the matcher.
    Ask(Ask<'a>),
    /// Something that the connection answers itself; see [`local`](super::local).
    Local,
    /// A command for the matcher that makes no sense.
    Fault(Fault),
}

/// A request but for the numbers of its names.
pub struct Ask<'a> {
    /// The head; `sale`, `item` and `time` are still zero, `tails` counts the long texts.
    pub head: Head,
    /// The sale's name as the peer spells it; anything.
    pub sale: &'a [u8],
    /// The item's name alike; empty if the command names none.
    pub item: &'a [u8],
    /// The buyer if it is a long text, else empty.
    pub long_buyer: &'a [u8],
    /// The key if it is a long text, else empty.
    pub long_key: &'a [u8],
    /// The lines of a basket.
    pub lines: Lines<'a>,
    /// Whether the answer is to end with the receipt (RESP only; HTTP's always has it).
    pub receipt: bool,
}

/// The lines of a basket where they lie, as the peer spells them.
#[derive(Clone, Copy)]
pub enum Lines<'a> {
    /// It is no basket.
    None,
    /// So many pairs of an item's name and units, in the words of a request.
    Words(Words<'a>, usize),
    /// In the body of a request.
    Sent(Sent<'a>),
}

impl<'a> Lines<'a> {
    /// How many.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Lines::None => 0,
            Lines::Words(_, count) => *count,
            Lines::Sent(sent) => sent.len(),
        }
    }

    /// Whether it is no basket.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of a line's item, which may be anything, and its units.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn line(&self, index: usize) -> (&'a [u8], u32) {
        match self {
            Lines::None => panic!("no basket has no line"),
            Lines::Words(words, _) => {
                let at = LINES_AT + 2 * index;
                (words.word(at), units(words.word(at + 1)).expect("the reader has seen to it"))
            }
            Lines::Sent(sent) => sent.line(index),
        }
    }
}

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Too few or too many words for this command.
    Arity(&'static str),
    /// A word that the command does not know.
    Syntax,
    /// `UNITS`, or the units of a line, is no number within bounds.
    Units,
    /// A basket is to wait.
    BasketWaits,
    /// More lines than a basket may have, or none.
    Lines,
    /// `MAXPRICE` is no number within bounds.
    MaxPrice,
    /// An order's id is no number.
    Order,
    /// The buyer is no ident.
    Buyer(BadIdent),
    /// The key is no ident.
    Key(BadIdent),
}

impl Fault {
    /// Appends the error reply.
    pub fn write(self, out: &mut Vec<u8>) {
        let text = match self {
            Fault::Arity(name) => format!("wrong number of arguments for '{name}' command"),
            Fault::Syntax => "syntax error".into(),
            Fault::Units => format!("UNITS must be an integer from 1 to {UNITS_MAX}"),
            Fault::BasketWaits => "WAIT goes with BUY: a basket is given at once or not".into(),
            Fault::Lines => format!("a basket has 1 to {BASKET_LINES_MAX} lines of item and units"),
            Fault::MaxPrice => format!("MAXPRICE must be an integer from 0 to {PRICE_MAX}"),
            Fault::Order => "order must be an integer from 0 to 18446744073709551615".into(),
            Fault::Buyer(why) => format!("buyer {why}"),
            Fault::Key(why) => format!("key {why}"),
        };
        for part in ["-ERR ", &text, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

/// Reads one request.
#[inline]
pub fn read<'a>(words: &Words<'a>) -> Command<'a> {
    let name = words.word(0);
    let read = match name.len() {
        3 if name.eq_ignore_ascii_case(b"buy") => buy(words),
        5 if name.eq_ignore_ascii_case(b"stock") => stock(words),
        5 if name.eq_ignore_ascii_case(b"order") => of_order(words, kind::ORDER, "order"),
        6 if name.eq_ignore_ascii_case(b"extend") => of_order(words, kind::EXTEND, "extend"),
        6 if name.eq_ignore_ascii_case(b"cancel") => of_order(words, kind::CANCEL, "cancel"),
        6 if name.eq_ignore_ascii_case(b"basket") => basket(words),
        7 if name.eq_ignore_ascii_case(b"confirm") => of_order(words, kind::CONFIRM, "confirm"),
        7 if name.eq_ignore_ascii_case(b"release") => of_order(words, kind::RELEASE, "release"),
        _ => return Command::Local,
    };
    match read {
        Ok(ask) => Command::Ask(ask),
        Err(fault) => Command::Fault(fault),
    }
}

#[inline]
fn buy<'a>(words: &Words<'a>) -> Result<Ask<'a>, Fault> {
    if words.len() < 5 {
        return Err(Fault::Arity("buy"));
    }
    let mut head = Head::new(kind::BUY);
    head.units = 1.into();
    head.price = NO_MAX_PRICE.into();
    let receipt = words.len() > 5 && buy_options(words, &mut head)?;
    let mut ask = by_whom(head, words, 3)?;
    ask.receipt = receipt;
    ask.item = words.word(2);
    Ok(ask)
}

/// A purchase whose buyer and key are words `at` and the one behind.
#[inline]
fn by_whom<'a>(mut head: Head, words: &Words<'a>, at: usize) -> Result<Ask<'a>, Fault> {
    let buyer = Ident::parse(words.word(at)).map_err(Fault::Buyer)?;
    let key = Ident::parse(words.word(at + 1)).map_err(Fault::Key)?;
    head.set_buyer(buyer);
    head.set_key(key);
    let long_of = |ident: Ident, text| if ident.form == Form::Long { text } else { &[][..] };
    let long_buyer = long_of(buyer, words.word(at));
    let long_key = long_of(key, words.word(at + 1));
    let tails = u16::from(!long_buyer.is_empty()) + u16::from(!long_key.is_empty());
    head.tails = tails.into();
    let (sale, lines) = (words.word(1), Lines::None);
    Ok(Ask { head, sale, item: &[], long_buyer, long_key, lines, receipt: false })
}

/// `BASKET sale buyer key item units [item units ...] [TICKET t] [RECEIPT]`. What stands where an
/// item could is one if units stand behind it.
fn basket<'a>(words: &Words<'a>) -> Result<Ask<'a>, Fault> {
    if words.len() < LINES_AT + 2 {
        return Err(Fault::Arity("basket"));
    }
    let (mut count, mut ticket_seen, mut receipt, mut at) = (0, false, false, LINES_AT);
    while at < words.len() {
        let behind = (at + 1 < words.len()).then(|| words.word(at + 1));
        let is_number = behind.is_some_and(|word| integer(word).is_some());
        if !is_number && words.word(at).eq_ignore_ascii_case(b"ticket") {
            // What it is worth is not for this room to say.
            if behind.is_none() || std::mem::replace(&mut ticket_seen, true) {
                return Err(Fault::Syntax);
            }
        } else if !is_number && is_receipt(words.word(at)) {
            if std::mem::replace(&mut receipt, true) {
                return Err(Fault::Syntax);
            }
            at += 1;
            continue;
        } else if ticket_seen || receipt {
            return Err(Fault::Syntax);
        } else {
            if !is_number && words.word(at).eq_ignore_ascii_case(b"wait") {
                return Err(Fault::BasketWaits);
            }
            behind.and_then(units).ok_or(Fault::Units)?;
            count += 1;
        }
        at += 2;
    }
    if !(1..=BASKET_LINES_MAX).contains(&count) {
        return Err(Fault::Lines);
    }
    let head = Head { price: NO_MAX_PRICE.into(), ..Head::new(kind::BASKET) };
    let mut ask = by_whom(head, words, 2)?;
    ask.head.tails = (ask.head.tails.to_native() + line_cells(count) as u16).into();
    ask.lines = Lines::Words(*words, count);
    ask.receipt = receipt;
    Ok(ask)
}

/// The buyer in a `BUY` or `BASKET` that was read without a fault.
pub fn buyer<'a>(words: &Words<'a>) -> &'a [u8] {
    words.word(if words.word(0).len() == "BUY".len() { 3 } else { 2 })
}

/// Units within bounds.
fn units(text: &[u8]) -> Option<u32> {
    let units = integer(text).and_then(|number| u32::try_from(number).ok());
    units.filter(|units| (1..=UNITS_MAX).contains(units))
}

/// The buyer's ticket in a `BUY` or `BASKET` that was read without a fault; empty if it has none.
pub fn ticket<'a>(words: &Words<'a>) -> &'a [u8] {
    if words.word(0).len() != "BUY".len() {
        // It stands behind all lines, and no units stand behind it; behind it may be the wish for
        // a receipt.
        let value_at = |at: usize| {
            let is_ticket = words.word(at).eq_ignore_ascii_case(b"ticket");
            (is_ticket && integer(words.word(at + 1)).is_none()).then(|| words.word(at + 1))
        };
        let last = words.len() - 1;
        let value = value_at(last - 1);
        let value = value.or_else(|| value_at(last - 2).filter(|_| is_receipt(words.word(last))));
        return value.unwrap_or_default();
    }
    let mut at = OPTIONS_AT;
    while at + 1 < words.len() {
        let option = words.word(at);
        if option.eq_ignore_ascii_case(b"ticket") {
            return words.word(at + 1);
        }
        let is_alone = option.eq_ignore_ascii_case(b"upto")
            || option.eq_ignore_ascii_case(b"wait")
            || is_receipt(option);
        at += if is_alone { 1 } else { 2 };
    }
    &[]
}

/// Whether a word wishes for a receipt.
fn is_receipt(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"receipt")
}

/// Reads them into the head. Returns whether a receipt is wished for.
fn buy_options(words: &Words<'_>, head: &mut Head) -> Result<bool, Fault> {
    let mut receipt = false;
    let (mut units_seen, mut price_seen, mut ticket_seen) = (false, false, false);
    let mut at = OPTIONS_AT;
    while at < words.len() {
        let option = words.word(at);
        at += 1;
        if option.eq_ignore_ascii_case(b"upto") && !head.is_up_to() {
            head.options |= UP_TO;
            continue;
        }
        if option.eq_ignore_ascii_case(b"wait") && !head.is_waiting() {
            head.options |= WAITS;
            continue;
        }
        if is_receipt(option) && !receipt {
            receipt = true;
            continue;
        }
        let value = (at < words.len()).then(|| words.word(at));
        at += 1;
        if option.eq_ignore_ascii_case(b"units") && !units_seen {
            head.units = units(value.ok_or(Fault::Syntax)?).ok_or(Fault::Units)?.into();
            units_seen = true;
        } else if option.eq_ignore_ascii_case(b"maxprice") && !price_seen {
            let price = integer(value.ok_or(Fault::Syntax)?).filter(|price| *price <= PRICE_MAX);
            head.price = price.ok_or(Fault::MaxPrice)?.into();
            price_seen = true;
        } else if option.eq_ignore_ascii_case(b"ticket") && !ticket_seen {
            // What it is worth is not for this room to say.
            value.ok_or(Fault::Syntax)?;
            ticket_seen = true;
        } else {
            return Err(Fault::Syntax);
        }
    }
    Ok(receipt)
}

fn of_order<'a>(words: &Words<'a>, kind: u8, name: &'static str) -> Result<Ask<'a>, Fault> {
    // What shows an order shows its receipt too.
    let receipt = words.len() == 4 && kind != kind::ORDER && is_receipt(words.word(3));
    if words.len() != 3 && !receipt {
        return Err(Fault::Arity(name));
    }
    let mut head = Head::new(kind);
    head.set_order(integer(words.word(2)).ok_or(Fault::Order)?);
    let (sale, lines) = (words.word(1), Lines::None);
    Ok(Ask { head, sale, item: &[], long_buyer: &[], long_key: &[], lines, receipt })
}

fn stock<'a>(words: &Words<'a>) -> Result<Ask<'a>, Fault> {
    if words.len() != 3 {
        return Err(Fault::Arity("stock"));
    }
    let head = Head::new(kind::STOCK);
    let (sale, item, lines) = (words.word(1), words.word(2), Lines::None);
    Ok(Ask { head, sale, item, long_buyer: &[], long_key: &[], lines, receipt: false })
}

/// A decimal number without sign or blanks.
fn integer(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    text.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        let value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
        (digit <= 9).then_some(value)
    })
}

#[cfg(test)]
mod tests;
