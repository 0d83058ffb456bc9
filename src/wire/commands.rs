//! RESP words to requests: which command it is and what it asks of the matcher.
//!
//! It resolves no names: which numbers a sale and an item have is for the caller to fill in. It
//! writes nothing; what is wrong with a request comes back as a [`Fault`], to be told when it is
//! this request's turn to be answered.
//!
//! Invariant: an [`Ask`] holds units, prices and idents within the bounds of the house.

mod options;

pub use options::ticket;
use options::{options, options_at};

use super::http::Sent;
use super::resp::Words;
use super::side::{BadGroup, Misfit, Named};
use crate::limits::{BASKET_LINES_MAX, GROUPS_MAX, PRICE_MAX, UNITS_MAX};
use crate::message::{Head, NO_MAX_PRICE, kind, line_cells};
use crate::sale::{BadIdent, Form, Ident};

/// Where the options of `BUY` begin.
const OPTIONS_AT: usize = 5;
/// Where the lines of `BASKET` begin: pairs of an item and units.
const LINES_AT: usize = 4;

/// What a RESP request turned out to be.
pub enum Command {
    /// Something for the matcher: what was read is in the [`Ask`].
    Ask,
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
    /// What else a purchase names; no tail is counted for it yet.
    pub named: Named<'a>,
    /// The lines of a basket.
    pub lines: Lines<'a>,
    /// Whether the answer is to end with the receipt (RESP only; HTTP's always has it).
    pub receipt: bool,
}

impl Ask<'_> {
    /// A request of this kind, all else of which is to be filled in.
    #[inline]
    pub fn new(kind: u8) -> Self {
        Ask {
            head: Head::new(kind),
            sale: &[],
            item: &[],
            long_buyer: &[],
            long_key: &[],
            named: Named::default(),
            lines: Lines::None,
            receipt: false,
        }
    }
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
    /// The channel is no name.
    Channel,
    /// A limit group or the member of one.
    Group(BadGroup),
}

impl Fault {
    /// Appends the error reply.
    pub fn write(self, out: &mut Vec<u8>) {
        let text = match self {
            Fault::Arity(name) => format!("wrong number of arguments for '{name}' command"),
            Fault::Syntax => "syntax error".into(),
            Fault::Units => format!("UNITS must be an integer from 1 to {UNITS_MAX}"),
            Fault::Lines => format!("a basket has 1 to {BASKET_LINES_MAX} lines of item and units"),
            Fault::MaxPrice => format!("MAXPRICE must be an integer from 0 to {PRICE_MAX}"),
            Fault::Order => "order must be an integer from 0 to 18446744073709551615".into(),
            Fault::Buyer(why) => format!("buyer {why}"),
            Fault::Key(why) => format!("key {why}"),
            Fault::Channel => "CHANNEL must be a name of 1 to 64 of A-Z a-z 0-9 . _ -".into(),
            Fault::Group(BadGroup::Twice) => "GROUP names a limit group twice".into(),
            Fault::Group(BadGroup::TooMany) => {
                format!("GROUP is there more than {GROUPS_MAX} times, and no sale has more")
            }
            Fault::Group(BadGroup::Member(why)) => format!("GROUP member {why}"),
        };
        for part in ["-ERR ", &text, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

/// Appends the error reply to a purchase that does not fit its sale's limit groups.
#[cold]
pub fn misfit(misfit: &Misfit<'_>, out: &mut Vec<u8>) {
    const SHOWN_BYTES_MAX: usize = 64;
    let group = misfit.group();
    let group = group[..group.len().min(SHOWN_BYTES_MAX)].escape_ascii();
    out.extend_from_slice(format!("-ERR GROUP '{group}' {misfit}\r\n").as_bytes());
}

/// Reads one request into `ask`, which is to be new.
#[inline]
pub fn read<'a>(words: &Words<'a>, ask: &mut Ask<'a>) -> Command {
    let name = words.word(0);
    let read = match name.len() {
        3 if name.eq_ignore_ascii_case(b"buy") => buy(words, ask),
        5 if name.eq_ignore_ascii_case(b"stock") => stock(words, ask),
        5 if name.eq_ignore_ascii_case(b"order") => of_order(words, kind::ORDER, "order", ask),
        6 if name.eq_ignore_ascii_case(b"extend") => of_order(words, kind::EXTEND, "extend", ask),
        6 if name.eq_ignore_ascii_case(b"cancel") => of_order(words, kind::CANCEL, "cancel", ask),
        6 if name.eq_ignore_ascii_case(b"basket") => basket(words, ask),
        7 if name.eq_ignore_ascii_case(b"confirm") => {
            of_order(words, kind::CONFIRM, "confirm", ask)
        }
        7 if name.eq_ignore_ascii_case(b"release") => {
            of_order(words, kind::RELEASE, "release", ask)
        }
        _ => return Command::Local,
    };
    match read {
        Ok(()) => Command::Ask,
        Err(fault) => Command::Fault(fault),
    }
}

#[inline]
fn buy<'a>(words: &Words<'a>, ask: &mut Ask<'a>) -> Result<(), Fault> {
    if words.len() < OPTIONS_AT {
        return Err(Fault::Arity("buy"));
    }
    (ask.head.kind, ask.head.units, ask.head.price) = (kind::BUY, 1.into(), NO_MAX_PRICE.into());
    (ask.sale, ask.item) = (words.word(1), words.word(2));
    if words.len() > OPTIONS_AT {
        options(words, OPTIONS_AT, ask)?;
    }
    by_whom(words, 3, ask)
}

/// Makes it a purchase whose buyer and key are words `at` and the one behind.
#[inline]
fn by_whom<'a>(words: &Words<'a>, at: usize, ask: &mut Ask<'a>) -> Result<(), Fault> {
    let buyer = Ident::parse(words.word(at)).map_err(Fault::Buyer)?;
    let key = Ident::parse(words.word(at + 1)).map_err(Fault::Key)?;
    ask.head.set_buyer(buyer);
    ask.head.set_key(key);
    let mut tails: u16 = 0;
    if buyer.form == Form::Long {
        ask.long_buyer = words.word(at);
        tails += 1;
    }
    if key.form == Form::Long {
        ask.long_key = words.word(at + 1);
        tails += 1;
    }
    ask.head.tails = tails.into();
    Ok(())
}

/// `BASKET sale buyer key item units [item units ...] [WAIT] [CHANNEL c] [GROUP g m] [TICKET t]
/// [RECEIPT]`.
fn basket<'a>(words: &Words<'a>, ask: &mut Ask<'a>) -> Result<(), Fault> {
    if words.len() < LINES_AT + 2 {
        return Err(Fault::Arity("basket"));
    }
    let lines_end = options_at(words);
    let mut at = LINES_AT;
    while at < lines_end {
        (at + 1 < lines_end).then(|| words.word(at + 1)).and_then(units).ok_or(Fault::Units)?;
        at += 2;
    }
    let count = (lines_end - LINES_AT) / 2;
    if !(1..=BASKET_LINES_MAX).contains(&count) {
        return Err(Fault::Lines);
    }
    (ask.head.kind, ask.head.price) = (kind::BASKET, NO_MAX_PRICE.into());
    (ask.sale, ask.lines) = (words.word(1), Lines::Words(*words, count));
    options(words, lines_end, ask)?;
    by_whom(words, 2, ask)?;
    ask.head.tails = (ask.head.tails.to_native() + line_cells(count) as u16).into();
    Ok(())
}

fn is_buy(words: &Words<'_>) -> bool {
    words.word(0).len() == "BUY".len()
}

/// The buyer in a `BUY` or `BASKET` that was read without a fault.
pub fn buyer<'a>(words: &Words<'a>) -> &'a [u8] {
    words.word(if is_buy(words) { 3 } else { 2 })
}

/// Units within bounds.
fn units(text: &[u8]) -> Option<u32> {
    let units = integer(text).and_then(|number| u32::try_from(number).ok());
    units.filter(|units| (1..=UNITS_MAX).contains(units))
}

/// Whether a word wishes for a receipt.
fn is_receipt(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"receipt")
}

fn of_order<'a>(
    words: &Words<'a>,
    kind: u8,
    name: &'static str,
    ask: &mut Ask<'a>,
) -> Result<(), Fault> {
    // What shows an order shows its receipt too.
    ask.receipt = words.len() == 4 && kind != kind::ORDER && is_receipt(words.word(3));
    if words.len() != 3 && !ask.receipt {
        return Err(Fault::Arity(name));
    }
    (ask.head.kind, ask.sale) = (kind, words.word(1));
    ask.head.set_order(integer(words.word(2)).ok_or(Fault::Order)?);
    Ok(())
}

fn stock<'a>(words: &Words<'a>, ask: &mut Ask<'a>) -> Result<(), Fault> {
    if words.len() != 3 {
        return Err(Fault::Arity("stock"));
    }
    (ask.head.kind, ask.sale, ask.item) = (kind::STOCK, words.word(1), words.word(2));
    Ok(())
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
