//! HTTP/1.1 requests, found where they lie, and what they mean; answers in [`answers`].
//!
//! [`read`] looks at what has come so far and either finds one whole request with its body, or
//! wants more, or says why nothing that follows can be understood. A request that is whole may
//! still make no sense: then its meaning is a [`Fault`] and the connection goes on behind it. For
//! an order nothing is allocated: what has to be copied together goes into a [`Scratch`] that the
//! caller keeps.
//!
//! Invariant: the verdict on a stream depends on its bytes from the front alone, so a longer prefix
//! never changes a verdict that a shorter one got.

pub mod answers;
mod chunks;
pub mod events;
mod fault;
mod head;
mod json;
mod opening;
mod order;
mod refusals;
mod routes;
mod sale;
mod target;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub use fault::Fault;
use fault::Shown;
pub use routes::OPENAPI;
pub use sale::SaleShown;

use super::commands::Ask;
use crate::limits::{BASKET_LINES_MAX, HTTP_BODY_BYTES_MAX, HTTP_LINE_BYTES_MAX};

/// How an answer is sent: a few bits of its request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner(u8);

impl Manner {
    /// Without its body.
    pub const HEAD: Manner = Manner(1);
    /// As the connection's last.
    pub const CLOSE: Manner = Manner(2);
    /// Saying that the connection stays open, to a peer that would not expect it.
    pub const KEEP: Manner = Manner(4);
    /// To a request that makes an order.
    pub const CREATE: Manner = Manner(8);
    /// As the events of a stream.
    pub const STREAM: Manner = Manner(16);

    /// The bits, to be carried along with the request.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// What [`bits`](Self::bits) were taken of.
    pub fn from_bits(bits: u8) -> Manner {
        Manner(bits)
    }

    /// Whether `bit` is set.
    #[inline]
    pub fn has(self, bit: Manner) -> bool {
        self.0 & bit.0 != 0
    }

    /// Whether it is answered with more than one event.
    #[inline]
    pub fn is_stream(self) -> bool {
        self.has(Manner::STREAM) && !self.has(Manner::HEAD)
    }

    #[inline]
    fn set(&mut self, bit: Manner, on: bool) {
        self.0 |= if on { bit.0 } else { 0 };
    }
}

/// What one look at the bytes gave.
#[expect(clippy::large_enum_variant, reason = "it is used up where it is made, and never kept")]
pub enum Read<'a> {
    /// More has to come.
    Partial {
        /// The head is whole and its peer waits to be told to send the body.
        expects: bool,
    },
    /// An empty line before a request, of two bytes: some clients send one behind a body.
    Blank,
    /// A request.
    Whole(Request<'a>),
    /// No request, and nothing behind it can be understood.
    Broken(Fault),
}

/// A whole request.
pub struct Request<'a> {
    /// Bytes of it, its body included.
    pub bytes: usize,
    /// How its answer is sent.
    pub manner: Manner,
    /// The token of `Authorization: Bearer`.
    pub bearer: Option<&'a [u8]>,
    /// The value of `Doorbuster-Ticket`.
    pub ticket: Option<&'a [u8]>,
    /// What it asks for.
    pub meaning: Meaning<'a>,
}

/// What a request asks for.
#[expect(clippy::large_enum_variant, reason = "it is used up where it is made, and never kept")]
pub enum Meaning<'a> {
    /// Something of the matcher.
    Ask(Ask<'a>),
    /// A text that never changes, in JSON.
    Document(&'static str),
    /// The newest signed heads.
    Heads,
    /// What the path's methods are.
    Options(&'static str),
    /// Nothing that can be done.
    Fault(Fault),
}

/// Where a piece of text lies: in what was sent, or decoded in a [`Text`].
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    end: u32,
    is_decoded: bool,
}

impl Span {
    #[inline]
    fn of<'a>(self, sent: &'a [u8], text: &'a Text) -> &'a [u8] {
        let bytes = if self.is_decoded { &text.0 } else { sent };
        &bytes[self.start as usize..self.end as usize]
    }
}

/// What had to be decoded of one request.
struct Text(Vec<u8>);

impl Text {
    #[inline]
    fn sent(range: Range<usize>) -> Span {
        Span { start: range.start as u32, end: range.end as u32, is_decoded: false }
    }

    /// The decoded text from `start` on.
    fn since(&self, start: usize) -> Span {
        Span { start: start as u32, end: self.0.len() as u32, is_decoded: true }
    }

    /// Undoes percent-encoding.
    #[inline]
    fn decoded(&mut self, sent: &[u8], range: Range<usize>) -> Result<Span, Fault> {
        if !sent[range.clone()].contains(&b'%') {
            return Ok(Text::sent(range));
        }
        let start = self.0.len();
        let mut rest = &sent[range];
        while let Some((&byte, behind)) = rest.split_first() {
            let hex = |at: usize| char::from(*behind.get(at)?).to_digit(16);
            let decoded = match byte {
                b'%' => hex(0).zip(hex(1)).map(|(high, low)| (high << 4 | low) as u8),
                plain => Some(plain),
            };
            let Some(decoded) = decoded else {
                let shown = Shown(&rest[..rest.len().min(3)]);
                let detail = format!("a % in the target goes before two hex digits, got {shown}");
                return Err(Fault::bad_request(detail));
            };
            self.0.push(decoded);
            rest = &behind[if byte == b'%' { 2 } else { 0 }..];
        }
        Ok(self.since(start))
    }
}

/// A line of a basket: where its item's name lies, and its units.
type SentLine = (Span, u32);

/// The lines of a basket in the body of a request.
#[derive(Clone, Copy)]
pub struct Sent<'a> {
    lines: &'a [SentLine],
    body: &'a [u8],
    text: &'a Text,
}

impl<'a> Sent<'a> {
    /// How many.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The name of a line's item, and its units.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn line(&self, index: usize) -> (&'a [u8], u32) {
        let (item, units) = self.lines[index];
        (item.of(self.body, self.text), units)
    }
}

/// Room for what has to be copied to be read. Made once, used again; it never grows.
pub struct Scratch {
    body: Vec<u8>,
    text: Text,
    lines: [SentLine; BASKET_LINES_MAX],
}

impl Scratch {
    /// Empty.
    #[expect(clippy::new_without_default, reason = "a place to read into, not a value")]
    pub fn new() -> Scratch {
        Scratch {
            body: Vec::with_capacity(HTTP_BODY_BYTES_MAX),
            text: Text(Vec::with_capacity(HTTP_LINE_BYTES_MAX + HTTP_BODY_BYTES_MAX)),
            lines: [(Span::default(), 0); BASKET_LINES_MAX],
        }
    }
}

/// Finds the request at the start of `input`, and what it means.
pub fn read<'a>(input: &'a [u8], scratch: &'a mut Scratch) -> Read<'a> {
    match input {
        [] | [b'\r'] => return Read::Partial { expects: false },
        [b'\r', b'\n', ..] => return Read::Blank,
        _ => {}
    }
    let mut head = match head::read(input) {
        Ok(Some(head)) => head,
        Ok(None) => return Read::Partial { expects: false },
        Err(fault) => return Read::Broken(fault),
    };
    let behind = &input[head.bytes..];
    let Scratch { body: chunks, text, lines } = scratch;
    let (body, body_bytes) = match head.body {
        head::Body::Bytes(bytes) => match behind.get(..bytes) {
            Some(body) => (body, bytes),
            None => return Read::Partial { expects: head.expects && behind.is_empty() },
        },
        head::Body::Chunked => match chunks::read(behind, chunks) {
            Ok(Some(bytes)) => (chunks.as_slice(), bytes),
            Ok(None) => return Read::Partial { expects: head.expects && behind.is_empty() },
            Err(fault) => return Read::Broken(fault),
        },
    };
    text.0.clear();
    let meaning = match head.fault.take() {
        Some(fault) => Meaning::Fault(fault),
        None => match routes::read(&mut head, body, text, lines) {
            Ok(meaning) => meaning,
            Err(fault) => Meaning::Fault(fault),
        },
    };
    Read::Whole(Request {
        bytes: head.bytes + body_bytes,
        manner: head.manner,
        bearer: head.bearer,
        ticket: head.ticket,
        meaning,
    })
}
