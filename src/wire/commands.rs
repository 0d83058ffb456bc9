//! RESP words to requests: which command it is and what it asks of the matcher.
//!
//! It resolves no names: which numbers a sale and an item have is for the caller to fill in. It
//! writes nothing; what is wrong with a request comes back as a [`Fault`], to be told when it is
//! this request's turn to be answered.
//!
//! Invariant: an [`Ask`] holds units, prices and idents within the bounds of the house.

use super::resp::Words;
use crate::limits::{PRICE_MAX, UNITS_MAX};
use crate::message::{Head, NO_MAX_PRICE, UP_TO, kind};
use crate::sale::{BadIdent, Form, Ident};

/// Where the options of `BUY` begin: a word and its value, or a word alone.
const OPTIONS_AT: usize = 5;

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
}

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Too few or too many words for this command.
    Arity(&'static str),
    /// A word that the command does not know.
    Syntax,
    /// `UNITS` is no number within bounds.
    Units,
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
    if words.len() > 5 {
        buy_options(words, &mut head)?;
    }
    let buyer = Ident::parse(words.word(3)).map_err(Fault::Buyer)?;
    let key = Ident::parse(words.word(4)).map_err(Fault::Key)?;
    head.set_buyer(buyer);
    head.set_key(key);
    let long_of = |ident: Ident, text| if ident.form == Form::Long { text } else { &[][..] };
    let long_buyer = long_of(buyer, words.word(3));
    let long_key = long_of(key, words.word(4));
    let tails = u16::from(!long_buyer.is_empty()) + u16::from(!long_key.is_empty());
    head.tails = tails.into();
    Ok(Ask { head, sale: words.word(1), item: words.word(2), long_buyer, long_key })
}

/// The buyer's ticket in a `BUY` that was read without a fault; empty if it has none.
pub fn ticket<'a>(words: &Words<'a>) -> &'a [u8] {
    let mut at = OPTIONS_AT;
    while at + 1 < words.len() {
        let option = words.word(at);
        if option.eq_ignore_ascii_case(b"ticket") {
            return words.word(at + 1);
        }
        at += if option.eq_ignore_ascii_case(b"upto") { 1 } else { 2 };
    }
    &[]
}

fn buy_options(words: &Words<'_>, head: &mut Head) -> Result<(), Fault> {
    let (mut units_seen, mut price_seen, mut ticket_seen) = (false, false, false);
    let mut at = OPTIONS_AT;
    while at < words.len() {
        let option = words.word(at);
        at += 1;
        if option.eq_ignore_ascii_case(b"upto") && !head.is_up_to() {
            head.options |= UP_TO;
            continue;
        }
        let value = (at < words.len()).then(|| words.word(at));
        at += 1;
        if option.eq_ignore_ascii_case(b"units") && !units_seen {
            let units = integer(value.ok_or(Fault::Syntax)?).and_then(|n| u32::try_from(n).ok());
            let units = units.filter(|units| (1..=UNITS_MAX).contains(units));
            head.units = units.ok_or(Fault::Units)?.into();
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
    Ok(())
}

fn of_order<'a>(words: &Words<'a>, kind: u8, name: &'static str) -> Result<Ask<'a>, Fault> {
    if words.len() != 3 {
        return Err(Fault::Arity(name));
    }
    let mut head = Head::new(kind);
    head.set_order(integer(words.word(2)).ok_or(Fault::Order)?);
    Ok(Ask { head, sale: words.word(1), item: &[], long_buyer: &[], long_key: &[] })
}

fn stock<'a>(words: &Words<'a>) -> Result<Ask<'a>, Fault> {
    if words.len() != 3 {
        return Err(Fault::Arity("stock"));
    }
    let head = Head::new(kind::STOCK);
    Ok(Ask { head, sale: words.word(1), item: words.word(2), long_buyer: &[], long_key: &[] })
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
mod tests {
    use super::*;
    use crate::wire::resp::{Args, parse};

    /// The head's fields of a request, or the error as the peer sees it.
    fn shown(line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request += &format!("${}\r\n{word}\r\n", word.len());
        }
        let mut args = Args::new();
        parse(request.as_bytes(), &mut args).expect("well formed").expect("whole");
        match read(&args.of(request.as_bytes())) {
            Command::Ask(ask) => format!(
                "{} {}/{} units {}{} price {} tails {} order {}",
                ask.head.kind,
                ask.sale.escape_ascii(),
                ask.item.escape_ascii(),
                ask.head.units,
                if ask.head.is_up_to() { " up to" } else { "" },
                ask.head.price,
                ask.head.tails,
                if ask.head.kind == kind::BUY { 0 } else { ask.head.order() },
            ),
            Command::Local => "local".into(),
            Command::Fault(fault) => {
                let mut out = Vec::new();
                fault.write(&mut out);
                String::from_utf8(out).expect("ASCII").trim_end().into()
            }
        }
    }

    #[test]
    fn commands_become_heads() {
        let any = u64::MAX;
        assert_eq!(
            shown("BUY drop tee u1 k1"),
            format!("1 drop/tee units 1 price {any} tails 0 order 0")
        );
        assert_eq!(
            shown("buy drop tee u1 k1 maxprice 0 Units 3"),
            "1 drop/tee units 3 price 0 tails 0 order 0"
        );
        assert_eq!(
            shown("buy drop tee u1 k1 maxprice 0 upto Units 3"),
            "1 drop/tee units 3 up to price 0 tails 0 order 0"
        );
        assert_eq!(
            shown("BUY d t a-buyer-of-a-long-name a-key-of-a-long-name"),
            format!("1 d/t units 1 price {any} tails 2 order 0")
        );
        assert_eq!(shown("CONFIRM drop 42"), "2 drop/ units 0 price 0 tails 0 order 42");
        assert_eq!(shown("release drop 0"), "3 drop/ units 0 price 0 tails 0 order 0");
        assert_eq!(
            shown("ORDER d 18446744073709551615"),
            format!("64 d/ units 0 price 0 tails 0 order {any}")
        );
        assert_eq!(shown("STOCK d t"), "65 d/t units 0 price 0 tails 0 order 0");
        assert_eq!(shown("extend d 1"), "4 d/ units 0 price 0 tails 0 order 1");
        assert_eq!(shown("Cancel d 1"), "5 d/ units 0 price 0 tails 0 order 1");
        assert_eq!(shown("EXPAND d 1"), "local");
        assert_eq!(
            shown("BUY drop tee u1 k1 ticket u1.5.00 UNITS 3"),
            format!("1 drop/tee units 3 price {any} tails 0 order 0")
        );
    }

    #[test]
    fn a_ticket_is_found_where_it_stands_and_nowhere_else() {
        for (line, expected) in [
            ("BUY drop tee u1 k1", ""),
            ("BUY drop ticket ticket ticket", ""),
            ("BUY drop tee u1 k1 UNITS 3", ""),
            ("BUY drop tee u1 k1 Ticket u1.5.00 UNITS 3", "u1.5.00"),
            ("BUY drop tee u1 k1 UNITS 3 TICKET u1.5.00", "u1.5.00"),
            ("BUY drop tee u1 k1 UPTO TICKET u1.5.00 UNITS 3", "u1.5.00"),
            ("BUY drop tee u1 k1 TICKET ticket UPTO", "ticket"),
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            let mut request = format!("*{}\r\n", words.len());
            for word in words {
                request += &format!("${}\r\n{word}\r\n", word.len());
            }
            let mut args = Args::new();
            parse(request.as_bytes(), &mut args).expect("well formed").expect("whole");
            let found = ticket(&args.of(request.as_bytes()));
            assert_eq!(found, expected.as_bytes(), "{line}");
        }
    }

    #[test]
    fn faults_are_told_as_redis_tells_them() {
        let arity = |name| format!("-ERR wrong number of arguments for '{name}' command");
        assert_eq!(shown("BUY drop tee u1"), arity("buy"));
        assert_eq!(shown("CONFIRM drop"), arity("confirm"));
        assert_eq!(shown("EXTEND drop"), arity("extend"));
        assert_eq!(shown("CANCEL drop 1 u1"), arity("cancel"));
        assert_eq!(shown("ORDER drop 1 2"), arity("order"));
        assert_eq!(shown("STOCK drop"), arity("stock"));
        let units = "-ERR UNITS must be an integer from 1 to 1000000";
        for bad in ["0", "1000001", "-1", "1x", "99999999999999999999999", ""] {
            assert_eq!(shown(&format!("BUY d t u k UNITS {bad}")), units);
        }
        let price = "-ERR MAXPRICE must be an integer from 0 to 9007199254740992";
        assert_eq!(shown("BUY d t u k MAXPRICE 9007199254740993"), price);
        for bad in [
            "UPTO UPTO",
            "WAIT",
            "UNITS",
            "UNITS 1 UNITS 1",
            "UNITS 1 x",
            "TICKET",
            "TICKET a TICKET b",
        ] {
            assert_eq!(shown(&format!("BUY d t u k {bad}")), "-ERR syntax error");
        }
        assert!(shown("CONFIRM d x").starts_with("-ERR order must be"));
        assert!(shown("BUY d t  k").starts_with("-ERR buyer is empty"));
        assert!(shown("BUY d t u \u{e9}").starts_with("-ERR key may hold"));
    }
}
