//! HTTP/1.1, kept alive and pipelined: a POST for each purchase, confirm and release.
//!
//! Requests are put together from parts that are ready before the run, so nothing is allocated for
//! one. Of an answer the head is read in full, for it says where the answer ends; of the body,
//! which is known and small, only the fields that count are looked for. A quotation mark within a
//! JSON string is escaped, so no buyer's name can look like a field.

use std::mem::MaybeUninit;

use doorbuster::message::outcome;
use httparse::{ParserConfig, Response, Status};
use memchr::{memchr, memmem::Finder};

use super::decimal::{self, Decimal};
use super::{Command, ERROR, Parsed, Protocol, outcome_of};
use crate::load::connect::Token;
use crate::load::content::{Buyer, Purchase};
use crate::options::{Address, Target};

/// The longest head of an answer, in bytes.
pub(crate) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The most lines in it: proxies add some.
const HEADERS_MAX: usize = 64;
/// The longest body that an answer to a purchase may have, in bytes.
const BODY_BYTES_MAX: usize = 32 * 1024;

/// What the head of an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    /// Bytes of the head, the empty line included.
    pub(crate) bytes: usize,
    /// Bytes of the body.
    pub(crate) length: usize,
}

/// Reads the head at the start of `bytes`; `None` if more has to come.
///
/// # Errors
/// A sentence when it is no head, or does not say how long the body is.
#[inline]
pub(crate) fn read_head(bytes: &[u8]) -> Result<Option<ResponseHead>, String> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut response = Response::new(&mut []);
    let window = &bytes[..bytes.len().min(HEAD_BYTES_MAX)];
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        window,
        &mut headers,
    );
    let bytes = match parsed {
        Ok(Status::Complete(bytes)) => bytes,
        Ok(Status::Partial) if window.len() < HEAD_BYTES_MAX => return Ok(None),
        Ok(Status::Partial) => return Err(format!("a head of over {HEAD_BYTES_MAX} bytes")),
        Err(error) => return Err(format!("no HTTP answer: {error}")),
    };
    let status = response.code.unwrap_or_default();
    let mut length = None;
    for header in &*response.headers {
        match header.name.len() {
            14 if header.name.eq_ignore_ascii_case("content-length") => {
                let value = decimal::read(header.value.trim_ascii());
                let value = value.and_then(|value| usize::try_from(value).ok());
                length = Some(value.ok_or("a Content-Length that is no number")?);
            }
            17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                return Err("an answer in chunks (Transfer-Encoding); only answers with a \
                            Content-Length can be read here"
                    .to_owned());
            }
            _ => {}
        }
    }
    // These have no body, whatever else they say.
    if status < 200 || status == 204 || status == 304 {
        length = Some(0);
    }
    match length {
        Some(length) => Ok(Some(ResponseHead { status, bytes, length })),
        None => Err(format!("an answer {status} without Content-Length")),
    }
}

/// The lines of every request that say whom it is for and from.
pub(crate) fn authority(address: &Address, token: Option<&Token>) -> String {
    let token = token.map(|token| format!("Authorization: Bearer {}\r\n", token.reveal()));
    format!("Host: {address}\r\n{}", token.unwrap_or_default())
}

/// Requests ready to be filled in.
pub(crate) struct Http {
    /// A purchase, up to its key.
    buy: Vec<u8>,
    /// The body for each item, up to the units.
    items: Vec<Vec<u8>>,
    /// A command about an order, up to the order, and behind it for confirm and release.
    order: Vec<u8>,
    confirm: Vec<u8>,
    release: Vec<u8>,
    run: u128,
    /// The body of a basket.
    body: Vec<u8>,
    /// What is behind a buyer.
    end: Vec<u8>,
    /// The field that names the channel, behind another field; empty for none.
    channel: Vec<u8>,
    /// The names of limit groups.
    groups: Vec<String>,
    /// A buyer's name as it stands in JSON.
    escaped: Vec<u8>,
    fields: Fields,
}

/// What is looked for in bodies.
struct Fields {
    state: Finder<'static>,
    order: Finder<'static>,
    units: Finder<'static>,
    expires_in_ms: Finder<'static>,
    replayed: Finder<'static>,
    problem: Finder<'static>,
}

const BEHIND_KEY: &[u8] = b"\r\nContent-Length: ";
const BEHIND_UNITS: &[u8] = b",\"buyer\":\"";
const BEHIND_LINES: &[u8] = b"}],\"buyer\":\"";
const WAIT: &[u8] = b",\"wait\":true";

impl Http {
    pub(crate) fn new(target: &Target, token: Option<&Token>, run: u128) -> Http {
        let authority = authority(&target.address, token);
        let orders = format!("POST /v1/sales/{}/orders", target.sale);
        let buy = format!(
            "{orders} HTTP/1.1\r\n{authority}Content-Type: application/json\r\nIdempotency-Key: "
        );
        let command = |word| format!("/{word} HTTP/1.1\r\n{authority}Content-Length: 0\r\n\r\n");
        let body = |item| format!("{{\"item\":\"{item}\",\"units\":").into_bytes();
        let channel = target.channel.as_ref().map(|name| format!(",\"channel\":\"{name}\""));
        Http {
            buy: buy.into_bytes(),
            items: target.item.iter().map(body).collect(),
            order: format!("{orders}/").into_bytes(),
            confirm: command("confirm").into_bytes(),
            release: command("release").into_bytes(),
            run,
            body: Vec::new(),
            end: Vec::new(),
            channel: channel.unwrap_or_default().into_bytes(),
            groups: target.groups.iter().map(|(name, _)| name.clone()).collect(),
            escaped: Vec::new(),
            fields: Fields {
                state: Finder::new(b"\"state\":\""),
                order: Finder::new(b"\"order\":\""),
                units: Finder::new(b"\"units\":"),
                expires_in_ms: Finder::new(b"\"expires_in_ms\":"),
                replayed: Finder::new(b"\"replayed\":true"),
                problem: Finder::new(b"\"type\":\"urn:doorbuster:"),
            },
        }
    }
}

fn escape(text: &str, into: &mut Vec<u8>) {
    into.clear();
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            into.push(b'\\');
        }
        into.push(byte);
    }
}

impl Protocol for Http {
    const TAGGED: bool = false;
    const SAYS_REPLAYED: bool = true;

    fn buy(&mut self, purchase: &Purchase<'_>, _: u32, out: &mut Vec<u8>) {
        let key = Decimal::new(self.run + u128::from(purchase.number));
        let units = Decimal::new(purchase.units.into());
        let number;
        let buyer = match purchase.buyer {
            Buyer::New => key.text(),
            Buyer::Number(buyer) => {
                number = Decimal::new(buyer.into());
                number.text()
            }
            Buyer::Named(name) => {
                escape(name, &mut self.escaped);
                &self.escaped
            }
        };
        let end = &mut self.end;
        end.clear();
        end.push(b'"');
        end.extend_from_slice(if purchase.wait { WAIT } else { b"" });
        end.extend_from_slice(&self.channel);
        for (index, (name, member)) in self.groups.iter().zip(purchase.members).enumerate() {
            end.extend_from_slice(if index == 0 { b",\"groups\":{\"" } else { b",\"" });
            end.extend_from_slice(name.as_bytes());
            end.extend_from_slice(b"\":\"");
            end.extend_from_slice(Decimal::new(member.into()).text());
            end.push(b'"');
        }
        end.extend_from_slice(if self.groups.is_empty() { b"}" } else { b"}}" });
        let (begin, behind): (&[u8], &[u8]) = if purchase.lines == 0 {
            (&self.items[purchase.item], BEHIND_UNITS)
        } else {
            self.body.clear();
            self.body.extend_from_slice(b"{\"lines\":[");
            for (index, (item, _)) in purchase.lines().enumerate() {
                let between: &[u8] = if index == 0 { b"" } else { b"}," };
                let units: &[u8] = if index == 0 { b"" } else { units.text() };
                self.body.extend_from_slice(units);
                self.body.extend_from_slice(between);
                self.body.extend_from_slice(&self.items[item]);
            }
            (&self.body, BEHIND_LINES)
        };
        let body = [begin, units.text(), behind, buyer, end];
        let length = body.iter().map(|part| part.len()).sum::<usize>();
        let length = Decimal::new(length as u128);
        let head = [&self.buy, key.text(), BEHIND_KEY, length.text(), b"\r\n\r\n"];
        for part in head.into_iter().chain(body) {
            out.extend_from_slice(part);
        }
    }

    fn command(&mut self, command: Command, order: u64, _: u32, out: &mut Vec<u8>) {
        let behind = match command {
            Command::Confirm => &self.confirm,
            Command::Release => &self.release,
        };
        for part in [&self.order, Decimal::new(order.into()).text(), behind] {
            out.extend_from_slice(part);
        }
    }

    fn parse(&mut self, bytes: &[u8], answers: &mut Vec<Parsed>) -> Result<usize, String> {
        let mut at = 0;
        while let Some(head) = read_head(&bytes[at..])? {
            if head.length > BODY_BYTES_MAX {
                let length = head.length;
                return Err(format!("an answer of {length} bytes; {BODY_BYTES_MAX} at most"));
            }
            let (body, end) = (at + head.bytes, at + head.bytes + head.length);
            if bytes.len() < end {
                break;
            }
            // 100 and its like come before an answer.
            if head.status >= 200 {
                answers.push(self.fields.answer(head.status, &bytes[..end], (at, body)));
            }
            at = end;
        }
        Ok(at)
    }
}

impl Fields {
    /// Reads the answer at the end of `bytes`, whose head and body begin there.
    #[inline]
    fn answer(&self, status: u16, bytes: &[u8], (at, body_at): (usize, usize)) -> Parsed {
        let body = &bytes[body_at..];
        let mut parsed = Parsed {
            outcome: ERROR,
            replayed: false,
            tag: 0,
            order: 0,
            units: 0,
            expires_in_ms: 0,
            text: (at as u32, bytes.len() as u32),
        };
        if status >= 300 {
            let Some(word) = text_behind(&self.problem, body) else { return parsed };
            parsed.outcome = refusal_of(word);
            parsed.text.0 = body_at as u32;
            return parsed;
        }
        let (Some(order), Some(state)) =
            (text_behind(&self.order, body), text_behind(&self.state, body))
        else {
            return parsed;
        };
        let Some(order) = decimal::read(order) else { return parsed };
        (parsed.order, parsed.outcome) = (order, outcome_of(state));
        // One for each line.
        for found in self.units.find_iter(body) {
            let units = number_at(body, found + self.units.needle().len());
            parsed.units = parsed.units.saturating_add(units);
        }
        parsed.expires_in_ms = number_behind(&self.expires_in_ms, body);
        parsed.replayed = self.replayed.find(body).is_some();
        parsed
    }
}

/// What stands behind the opening quotation mark that the finder ends with.
#[inline]
fn text_behind<'a>(finder: &Finder<'_>, body: &'a [u8]) -> Option<&'a [u8]> {
    let text = &body[finder.find(body)? + finder.needle().len()..];
    memchr(b'"', text).map(|end| &text[..end])
}

/// The number that stands behind what the finder looks for; 0 if none does.
#[inline]
fn number_behind(finder: &Finder<'_>, body: &[u8]) -> u32 {
    finder.find(body).map_or(0, |found| number_at(body, found + finder.needle().len()))
}

/// The number whose digits begin there; 0 if there are none.
#[inline]
fn number_at(body: &[u8], at: usize) -> u32 {
    let digits = &body[at..];
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    u32::try_from(decimal::read(&digits[..count]).unwrap_or(0)).unwrap_or(u32::MAX)
}

/// What a problem is: a refusal, or an error of whoever asked so.
fn refusal_of(word: &[u8]) -> u8 {
    match outcome_of(word) {
        ERROR if word == b"rate_limited" => outcome::OVERLOADED,
        outcome::MALFORMED..=outcome::TICKET_REFUSED => ERROR,
        refusal if outcome::is_refusal(refusal) => refusal,
        _ => ERROR,
    }
}

#[cfg(test)]
mod tests;
