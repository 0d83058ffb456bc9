//! RESP2, as any Redis client would speak it.
//!
//! Keys and new buyers are numbers of one length, so that a request is a prefix, a few digits and a
//! suffix. Answers are read by hand: arrays of bulk strings and integers, or an error line.

use std::io::Write;

use doorbuster::message::outcome;

use super::decimal::{self, Decimal};
use super::{Command, ERROR, Parsed, Protocol, outcome_of};
use crate::load::content::{Buyer, Purchase};
use crate::options::Target;

const IN_MEMORY: &str = "writing into memory cannot fail";
/// The longest answer that can be one of ours, in bytes.
const ANSWER_BYTES_MAX: usize = 1024;

/// Requests ready to be filled in.
pub(crate) struct Resp {
    /// A purchase of each item, from behind the number of words up to the buyer.
    buy: Vec<Vec<u8>>,
    /// The items as bulk strings.
    items: Vec<Vec<u8>>,
    sale: String,
    /// The option that names the channel; empty for none.
    channel: Vec<u8>,
    /// The option that names a member of each limit group, up to the member.
    groups: Vec<Vec<u8>>,
    run: u128,
}

impl Resp {
    pub(crate) fn new(target: &Target, run: u128) -> Resp {
        let Target { sale, item: items, .. } = target;
        let buy = items
            .iter()
            .map(|item| format!("\r\n$3\r\nBUY\r\n{}{}", bulk(sale), bulk(item)).into_bytes());
        let buy = buy.collect();
        let items = items.iter().map(|item| bulk(item).into_bytes()).collect();
        let channel = target.channel.as_ref().map(|name| bulk("CHANNEL") + &bulk(name));
        let channel = channel.unwrap_or_default().into_bytes();
        let group = |(name, _): &(String, u64)| (bulk("GROUP") + &bulk(name)).into_bytes();
        let groups = target.groups.iter().map(group).collect();
        Resp { buy, items, sale: sale.to_owned(), channel, groups, run }
    }
}

/// A bulk string.
pub(crate) fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// Appends a number as a bulk string.
pub(super) fn number(value: u128, out: &mut Vec<u8>) {
    let decimal = Decimal::new(value);
    let digits = decimal.text();
    let length = u8::try_from(digits.len()).expect("39 digits at most");
    out.push(b'$');
    if length >= 10 {
        out.push(b'0' + length / 10);
    }
    out.extend_from_slice(&[b'0' + length % 10, b'\r', b'\n']);
    out.extend_from_slice(digits);
    out.extend_from_slice(b"\r\n");
}

/// Appends both as bulk strings.
fn buyer_and_key(purchase: &Purchase<'_>, key: u128, out: &mut Vec<u8>) {
    match purchase.buyer {
        Buyer::New => number(key, out),
        Buyer::Number(buyer) => number(buyer.into(), out),
        Buyer::Named(buyer) => {
            write!(out, "${}\r\n{buyer}\r\n", buyer.len()).expect(IN_MEMORY);
        }
    }
    number(key, out);
}

impl Resp {
    fn basket(&self, purchase: &Purchase<'_>, key: u128, out: &mut Vec<u8>) {
        let words = 4 + 2 * usize::from(purchase.lines) + self.more_words(purchase);
        let sale = &self.sale;
        write!(out, "*{words}\r\n$6\r\nBASKET\r\n${}\r\n{sale}\r\n", sale.len()).expect(IN_MEMORY);
        buyer_and_key(purchase, key, out);
        for (item, units) in purchase.lines() {
            out.extend_from_slice(&self.items[item]);
            number(units.into(), out);
        }
        self.more(purchase, out);
    }

    /// Words of the options that a basket has too.
    fn more_words(&self, purchase: &Purchase<'_>) -> usize {
        let channel = if self.channel.is_empty() { 0 } else { 2 };
        usize::from(purchase.wait) + channel + 3 * self.groups.len()
    }

    /// Those options.
    fn more(&self, purchase: &Purchase<'_>, out: &mut Vec<u8>) {
        if purchase.wait {
            out.extend_from_slice(b"$4\r\nWAIT\r\n");
        }
        out.extend_from_slice(&self.channel);
        for (group, member) in self.groups.iter().zip(purchase.members) {
            out.extend_from_slice(group);
            number(member.into(), out);
        }
    }
}

impl Protocol for Resp {
    const TAGGED: bool = false;
    const SAYS_REPLAYED: bool = false;

    fn buy(&mut self, purchase: &Purchase<'_>, _: u32, out: &mut Vec<u8>) {
        let key = self.run + u128::from(purchase.number);
        if purchase.lines > 0 {
            return self.basket(purchase, key, out);
        }
        let words = 5 + 2 * usize::from(purchase.units > 1) + self.more_words(purchase);
        out.push(b'*');
        out.extend_from_slice(Decimal::new(words as u128).text());
        out.extend_from_slice(&self.buy[purchase.item]);
        buyer_and_key(purchase, key, out);
        if purchase.units > 1 {
            out.extend_from_slice(b"$5\r\nUNITS\r\n");
            number(purchase.units.into(), out);
        }
        self.more(purchase, out);
    }

    fn command(&mut self, command: Command, order: u64, _: u32, out: &mut Vec<u8>) {
        let word = match command {
            Command::Confirm => "CONFIRM",
            Command::Release => "RELEASE",
        };
        let sale = &self.sale;
        write!(out, "*3\r\n$7\r\n{word}\r\n${}\r\n{sale}\r\n", sale.len()).expect(IN_MEMORY);
        number(order.into(), out);
    }

    fn parse(&mut self, bytes: &[u8], answers: &mut Vec<Parsed>) -> Result<usize, String> {
        all_answers(bytes, answers)
    }
}

/// All whole answers; returns the bytes they took.
pub(super) fn all_answers(bytes: &[u8], answers: &mut Vec<Parsed>) -> Result<usize, String> {
    let mut at = 0;
    while let Some(answer) = first_answer(&bytes[at..])? {
        let (begin, length) = (at, answer.text.1);
        at += length as usize;
        answers.push(Parsed { text: (begin as u32, at as u32), ..answer });
    }
    Ok(at)
}

/// The first answer in `bytes`, if all of it is there.
fn first_answer(bytes: &[u8]) -> Result<Option<Parsed>, String> {
    let answer = match bytes.first() {
        None => return Ok(None),
        Some(b'*') => array(bytes)?,
        Some(b'-') => Lines { bytes, at: 0 }.next_line().map(|line| Parsed {
            outcome: if line.starts_with(b"-BUSY") { outcome::OVERLOADED } else { ERROR },
            replayed: false,
            tag: 0,
            order: 0,
            units: 0,
            expires_in_ms: 0,
            text: (0, line.len() as u32 + 2),
        }),
        Some(other) => return Err(format!("{:?} where an answer was due", char::from(*other))),
    };
    if answer.is_none() && bytes.len() >= ANSWER_BYTES_MAX {
        return Err("an answer that does not end".to_owned());
    }
    Ok(answer)
}

/// Walks over lines that end in CR LF.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    fn next_line(&mut self) -> Option<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\r')?;
        if rest.len() < length + 2 {
            return None;
        }
        self.at += length + 2;
        Some(&rest[..length])
    }
}

/// `[word]`, `[word, value]`, `[state, order, seq ...]`: all lines, for no word holds CR. The word
/// `replayed` is a script's, for what a doorbuster says as `held` again.
fn array(bytes: &[u8]) -> Result<Option<Parsed>, String> {
    let mut lines = Lines { bytes, at: 0 };
    let Some(count) = lines.next_line() else { return Ok(None) };
    let count = decimal::read(&count[1..]).filter(|count| (1..=16).contains(count));
    let count = count.ok_or("an array of a length that no answer has")?;
    let (mut outcome, mut order, mut units, mut expires) = (ERROR, 0, 0, 0);
    let mut replayed = false;
    for index in 0..count {
        let Some(line) = lines.next_line() else { return Ok(None) };
        match line.first() {
            Some(b'$') => {
                let Some(word) = lines.next_line() else { return Ok(None) };
                if index == 0 {
                    replayed = word == b"replayed";
                    outcome = if replayed { outcome::HELD } else { outcome_of(word) };
                }
            }
            Some(b':') if index == 1 => order = integer(line)?,
            Some(b':') if index == 3 => units = integer(line)?,
            Some(b':') if index == 5 => expires = integer(line)?,
            Some(b':' | b'+') => {}
            _ => return Err("an array that is no answer".to_owned()),
        }
    }
    if outcome::is_refusal(outcome) {
        (order, units, expires) = (0, 0, 0);
    }
    let [units, expires_in_ms] = [units, expires].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    let text = (0, lines.at as u32);
    Ok(Some(Parsed { outcome, replayed, tag: 0, order, units, expires_in_ms, text }))
}

fn integer(line: &[u8]) -> Result<u64, String> {
    decimal::read(&line[1..]).ok_or_else(|| "a number of an answer that is none".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        target: Target,
    }

    fn resp_with(more: &str) -> Resp {
        let words = format!("x --target localhost:7400 --sale drop --item tee{more}");
        let line: Line = clap::Parser::parse_from(words.split(' '));
        Resp::new(&line.target, 5_000_000_000_000)
    }

    fn resp() -> Resp {
        resp_with("")
    }

    #[test]
    fn a_purchase_is_spelt_out() {
        let mut out = Vec::new();
        let purchase = Purchase { number: 7, units: 2, ..Purchase::one(Buyer::Number(30)) };
        resp().buy(&purchase, 0, &mut out);
        let wanted = "*7\r\n$3\r\nBUY\r\n$4\r\ndrop\r\n$3\r\ntee\r\n$2\r\n30\r\n\
                      $13\r\n5000000000007\r\n$5\r\nUNITS\r\n$1\r\n2\r\n";
        assert_eq!(String::from_utf8_lossy(&out), wanted);
    }

    #[test]
    fn a_channel_and_members_stand_behind_all_else() {
        let mut out = Vec::new();
        let mut purchase = Purchase::one(Buyer::Number(30));
        (purchase.wait, purchase.members) = (true, [5, 6]);
        let mut resp = resp_with(" --channel tv --groups card=9,age=9");
        resp.buy(&purchase, 0, &mut out);
        let more = "$4\r\nWAIT\r\n$7\r\nCHANNEL\r\n$2\r\ntv\r\n\
                    $5\r\nGROUP\r\n$4\r\ncard\r\n$1\r\n5\r\n\
                    $5\r\nGROUP\r\n$3\r\nage\r\n$1\r\n6\r\n";
        let text = String::from_utf8_lossy(&out).into_owned();
        assert!(text.starts_with("*14\r\n") && text.ends_with(more), "{text}");
        out.clear();
        resp.buy(&Purchase { lines: 1, ..purchase }, 0, &mut out);
        let text = String::from_utf8_lossy(&out).into_owned();
        assert!(text.starts_with("*15\r\n") && text.ends_with(more), "{text}");
    }

    #[test]
    fn numbers_are_spelt_as_decimals() {
        for value in [0, 9, 10, 999_999_999_999, 1_000_000_000_000, u128::from(u64::MAX), u128::MAX]
        {
            let mut out = Vec::new();
            number(value, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), bulk(&value.to_string()));
        }
    }

    #[test]
    fn answers_are_read_at_every_cut() {
        let held = b"*6\r\n$4\r\nheld\r\n:42\r\n:43\r\n:1\r\n:2500\r\n:120000\r\n".as_slice();
        let price = b"*2\r\n$13\r\nprice_changed\r\n:1900\r\n".as_slice();
        let error = b"-ERR unknown command\r\n".as_slice();
        for (bytes, outcome, order, units, expires_in_ms) in [
            (held, outcome::HELD, 42, 1, 120_000),
            (price, outcome::PRICE_CHANGED, 0, 0, 0),
            (error, ERROR, 0, 0, 0),
        ] {
            let mut answers = Vec::new();
            for cut in 0..bytes.len() {
                assert_eq!(resp().parse(&bytes[..cut], &mut answers), Ok(0));
            }
            assert_eq!(answers, []);
            let both = [bytes, held].concat();
            assert_eq!(resp().parse(&both, &mut answers), Ok(both.len()));
            let text = (0, bytes.len() as u32);
            let (replayed, tag) = (false, 0);
            let wanted = Parsed { outcome, replayed, tag, order, units, expires_in_ms, text };
            assert_eq!((answers[0], answers.len()), (wanted, 2));
            assert_eq!(answers[1].text, (text.1, both.len() as u32));
        }
        let mut none = Vec::new();
        assert!(resp().parse(b"HTTP/1.1 400", &mut none).is_err());
        assert!(resp().parse(b"*99999\r\n", &mut none).is_err());
        assert!(resp().parse(b"*2\r\n$4\r\nheld\r\n:4x\r\n", &mut none).is_err());
    }
}
