//! RESP2, as any Redis client would speak it.
//!
//! Keys and new buyers are numbers of one length, so that a request is a prefix, a few digits and a
//! suffix. Answers are read by hand: arrays of bulk strings and integers, or an error line.

use std::io::Write;

use doorbuster::message::outcome;

use super::content::Purchase;
use super::protocol::{Command, ERROR, Parsed, Protocol};

/// The longest answer that can be one of ours, in bytes.
const ANSWER_BYTES_MAX: usize = 1024;

/// Requests ready to be filled in.
pub(crate) struct Resp {
    /// A purchase of each item, up to the buyer.
    buy: Vec<Vec<u8>>,
    /// What comes after the key.
    units: Vec<u8>,
    sale: String,
    run: u128,
}

impl Resp {
    pub(crate) fn new(sale: &str, items: &[String], units: u32, run: u128) -> Resp {
        let count = if units == 1 { 5 } else { 7 };
        let buy = items.iter().map(|item| {
            format!("*{count}\r\n$3\r\nBUY\r\n{}{}", bulk(sale), bulk(item)).into_bytes()
        });
        let units = match units {
            1 => String::new(),
            more => bulk("UNITS") + &bulk(&more.to_string()),
        };
        Resp { buy: buy.collect(), units: units.into_bytes(), sale: sale.to_owned(), run }
    }
}

/// A bulk string.
pub(crate) fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// Appends a number as a bulk string.
fn number(value: u128, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 39];
    let mut at = digits.len();
    let mut high = value;
    // One division of 128 bits, then halves of 64.
    const CHUNK: u128 = 1_000_000_000_000;
    while high > 0 || at == digits.len() {
        let mut low = u64::try_from(high % CHUNK).expect("below 10^12");
        high /= CHUNK;
        for _ in 0..12 {
            if high == 0 && low == 0 && at < digits.len() || at == 0 {
                break;
            }
            at -= 1;
            digits[at] = b'0' + u8::try_from(low % 10).expect("a remainder of ten");
            low /= 10;
        }
    }
    let length = u8::try_from(digits.len() - at).expect("39 digits at most");
    out.push(b'$');
    if length >= 10 {
        out.push(b'0' + length / 10);
    }
    out.extend_from_slice(&[b'0' + length % 10, b'\r', b'\n']);
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

impl Protocol for Resp {
    const TAGGED: bool = false;

    fn buy(&mut self, purchase: &Purchase, _: u32, out: &mut Vec<u8>) {
        let key = self.run + u128::from(purchase.number);
        out.extend_from_slice(&self.buy[purchase.item]);
        number(purchase.buyer.map_or(key, u128::from), out);
        number(key, out);
        out.extend_from_slice(&self.units);
    }

    fn command(&mut self, command: Command, order: u64, _: u32, out: &mut Vec<u8>) {
        let word = match command {
            Command::Confirm => "CONFIRM",
            Command::Release => "RELEASE",
        };
        let sale = &self.sale;
        write!(out, "*3\r\n$7\r\n{word}\r\n${}\r\n{sale}\r\n", sale.len())
            .expect("writing into memory cannot fail");
        number(order.into(), out);
    }

    fn parse(&self, bytes: &[u8]) -> Result<Option<Parsed>, String> {
        let Some(parsed) = (match bytes.first() {
            None => return Ok(None),
            Some(b'*') => array(bytes)?,
            Some(b'-') => Lines { bytes, at: 0 }.next_line().map(|line| Parsed {
                outcome: if line.starts_with(b"-BUSY") { outcome::OVERLOADED } else { ERROR },
                replayed: false,
                tag: 0,
                order: 0,
                bytes: line.len() + 2,
            }),
            Some(other) => {
                return Err(format!("{:?} where an answer was due", char::from(*other)));
            }
        }) else {
            if bytes.len() >= ANSWER_BYTES_MAX {
                return Err("an answer that does not end".to_owned());
            }
            return Ok(None);
        };
        Ok(Some(parsed))
    }
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

/// `[word]`, `[word, value]`, `[state, order, seq ...]`: all lines, for no word holds CR.
fn array(bytes: &[u8]) -> Result<Option<Parsed>, String> {
    let mut lines = Lines { bytes, at: 0 };
    let Some(count) = lines.next_line() else { return Ok(None) };
    let count = decimal(&count[1..]).filter(|count| (1..=16).contains(count));
    let count = count.ok_or("an array of a length that no answer has")?;
    let (mut outcome, mut order) = (ERROR, 0);
    for index in 0..count {
        let Some(line) = lines.next_line() else { return Ok(None) };
        match line.first() {
            Some(b'$') => {
                let Some(word) = lines.next_line() else { return Ok(None) };
                if index == 0 {
                    outcome = number_of(word);
                }
            }
            Some(b':') if index == 1 => order = decimal(&line[1..]).unwrap_or(0),
            Some(b':' | b'+') => {}
            _ => return Err("an array that is no answer".to_owned()),
        }
    }
    let order = if outcome::is_refusal(outcome) { 0 } else { order };
    Ok(Some(Parsed { outcome, replayed: false, tag: 0, order, bytes: lines.at }))
}

fn decimal(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn number_of(word: &[u8]) -> u8 {
    match word {
        b"held" => outcome::HELD,
        b"sold_out" => outcome::SOLD_OUT,
        _ => (0..ERROR).find(|n| outcome::word(*n).as_bytes() == word).unwrap_or(ERROR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resp() -> Resp {
        Resp::new("drop", &["tee".to_owned()], 2, 5_000_000_000_000)
    }

    #[test]
    fn a_purchase_is_spelt_out() {
        let mut out = Vec::new();
        let purchase = Purchase { number: 7, buyer: Some(30), item: 0, repeat: false };
        resp().buy(&purchase, 0, &mut out);
        let wanted = "*7\r\n$3\r\nBUY\r\n$4\r\ndrop\r\n$3\r\ntee\r\n$2\r\n30\r\n\
                      $13\r\n5000000000007\r\n$5\r\nUNITS\r\n$1\r\n2\r\n";
        assert_eq!(String::from_utf8_lossy(&out), wanted);
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
        for (bytes, outcome, order) in
            [(held, outcome::HELD, 42), (price, outcome::PRICE_CHANGED, 0), (error, ERROR, 0)]
        {
            for cut in 0..bytes.len() {
                assert_eq!(resp().parse(&bytes[..cut]), Ok(None));
            }
            let parsed = resp().parse(&[bytes, held].concat()).expect("an answer");
            let length = bytes.len();
            let wanted = Parsed { outcome, replayed: false, tag: 0, order, bytes: length };
            assert_eq!(parsed, Some(wanted));
        }
        assert!(resp().parse(b"HTTP/1.1 400").is_err());
        assert!(resp().parse(b"*99999\r\n").is_err());
    }
}
