//! A strict reader of JSON as RFC 8259 has it, for bodies whose fields are known beforehand.
//!
//! Values are read where the caller expects them, so nesting that nobody expects is refused at its
//! first bracket and nothing recurses. The caller has checked that the text is UTF-8. It never
//! allocates but for faults: strings with escapes are decoded into the [`Text`] that it is given.
//!
//! Invariant: [`Json::at`] never passes the end of the text.

use super::fault::{Fault, Shown};
use super::{Span, Text};

/// What a value is, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    Text,
    Number,
    True,
    False,
    Null,
}

impl Kind {
    /// As a peer is told what it sent.
    pub(super) fn word(self) -> &'static str {
        match self {
            Kind::Object => "an object",
            Kind::Array => "an array",
            Kind::Text => "a string",
            Kind::Number => "a number",
            Kind::True => "true",
            Kind::False => "false",
            Kind::Null => "null",
        }
    }
}

/// A place in a JSON text.
pub(super) struct Json<'a, 't> {
    sent: &'a [u8],
    at: usize,
    pub(super) text: &'t mut Text,
}

/// A number as it was written.
pub(super) enum Number {
    /// A whole one that fits.
    Whole(u64),
    /// A negative one, one with a fraction or an exponent, or one that does not fit.
    Other(Span),
}

impl<'a, 't> Json<'a, 't> {
    pub(super) fn new(sent: &'a [u8], text: &'t mut Text) -> Json<'a, 't> {
        Json { sent, at: 0, text }
    }

    /// The bytes of a span that this reader gave.
    #[inline]
    pub(super) fn bytes(&self, span: Span) -> &[u8] {
        span.of(self.sent, self.text)
    }

    #[cold]
    pub(super) fn malformed(&self, wanted: &str) -> Fault {
        let at = self.at;
        let detail = match self.sent.get(at) {
            None => format!("the body is no JSON: it ends where {wanted} should stand"),
            Some(got) => {
                let got = Shown(std::slice::from_ref(got));
                format!("the body is no JSON: at byte {at} {wanted} should stand, got {got}")
            }
        };
        Fault::new(400, "malformed_json", detail)
    }

    #[inline]
    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.sent.get(self.at) {
            self.at += 1;
        }
    }

    /// Passes over `byte` and the blanks before it, if it is what comes next.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        let is_there = self.sent.get(self.at) == Some(&byte);
        self.at += usize::from(is_there);
        is_there
    }

    /// What the next value is.
    #[inline]
    pub(super) fn kind(&mut self) -> Result<Kind, Fault> {
        self.skip_blanks();
        Ok(match self.sent.get(self.at) {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::Text,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            Some(b't') => Kind::True,
            Some(b'f') => Kind::False,
            Some(b'n') => Kind::Null,
            _ => return Err(self.malformed("a value")),
        })
    }

    /// The end of the text.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        self.skip_blanks();
        if self.at == self.sent.len() { Ok(()) } else { Err(self.malformed("its end")) }
    }

    /// Reads the fields of an object; `field` is given each one's name and reads its value.
    #[inline]
    pub(super) fn object(
        &mut self,
        mut field: impl FnMut(&mut Self, Span) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if !self.take(b'{') {
            return Err(self.malformed("'{'"));
        }
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            self.skip_blanks();
            if self.sent.get(self.at) != Some(&b'"') {
                return Err(self.malformed("a name in quotes"));
            }
            let name = self.string()?;
            if !self.take(b':') {
                return Err(self.malformed("':'"));
            }
            field(self, name)?;
            if self.take(b'}') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err(self.malformed("',' or '}'"));
            }
        }
    }

    /// Reads an array; `element` reads each of its values. Returns how many there were.
    pub(super) fn array(
        &mut self,
        mut element: impl FnMut(&mut Self, usize) -> Result<(), Fault>,
    ) -> Result<usize, Fault> {
        if !self.take(b'[') {
            return Err(self.malformed("'['"));
        }
        if self.take(b']') {
            return Ok(0);
        }
        let mut count = 0;
        loop {
            element(self, count)?;
            count += 1;
            if self.take(b']') {
                return Ok(count);
            }
            if !self.take(b',') {
                return Err(self.malformed("',' or ']'"));
            }
        }
    }

    /// Reads `true` or `false`, of which [`kind`](Self::kind) has seen the first letter.
    pub(super) fn boolean(&mut self) -> Result<bool, Fault> {
        for (word, value) in [(&b"true"[..], true), (b"false", false)] {
            if self.sent[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.malformed("true or false"))
    }

    /// Reads a string.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Span, Fault> {
        let start = self.at + 1;
        self.at = start;
        loop {
            match self.sent.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Text::sent(start..self.at - 1));
                }
                Some(b'\\') => return self.escaped(start),
                Some(..0x20) | None => return Err(self.malformed("the rest of a string")),
                Some(_) => self.at += 1,
            }
        }
    }

    /// The rest of a string that has escapes, of which this is the first.
    #[cold]
    fn escaped(&mut self, start: usize) -> Result<Span, Fault> {
        let decoded_at = self.text.0.len();
        self.text.0.extend_from_slice(&self.sent[start..self.at]);
        loop {
            match self.sent.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(self.text.since(decoded_at));
                }
                Some(b'\\') => {
                    self.at += 1;
                    let char = self.escape()?;
                    self.text.0.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Some(..0x20) | None => return Err(self.malformed("the rest of a string")),
                Some(byte) => {
                    self.text.0.push(*byte);
                    self.at += 1;
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let char = match self.sent.get(self.at) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.malformed("one of \" \\ / b f n r t u")),
        };
        self.at += 1;
        Ok(char)
    }

    fn unicode(&mut self) -> Result<char, Fault> {
        let first = self.four_digits()?;
        if !(0xd800..0xe000).contains(&first) {
            return char::from_u32(first).ok_or_else(|| self.malformed("a character"));
        }
        let is_pair = first < 0xdc00 && self.sent[self.at..].starts_with(b"\\u");
        if is_pair {
            self.at += 2;
            let second = self.four_digits()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10 | (second - 0xdc00));
                return char::from_u32(code).ok_or_else(|| self.malformed("a character"));
            }
        }
        Err(self.malformed("a whole pair of surrogates"))
    }

    fn four_digits(&mut self) -> Result<u32, Fault> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.sent.get(self.at).and_then(|byte| char::from(*byte).to_digit(16));
            code = code << 4 | digit.ok_or_else(|| self.malformed("a hex digit"))?;
            self.at += 1;
        }
        Ok(code)
    }

    /// Reads a number.
    #[inline]
    pub(super) fn number(&mut self) -> Result<Number, Fault> {
        let start = self.at;
        let is_negative = self.sent.get(self.at) == Some(&b'-');
        self.at += usize::from(is_negative);
        let digits = self.at;
        let mut value = Some(0_u64);
        while let Some(&digit @ b'0'..=b'9') = self.sent.get(self.at) {
            value = value
                .and_then(|value| value.checked_mul(10))
                .and_then(|value| value.checked_add(u64::from(digit - b'0')));
            self.at += 1;
        }
        let len = self.at - digits;
        if len == 0 || (len > 1 && self.sent[digits] == b'0') {
            self.at = digits + len.min(1);
            return Err(self.malformed("a digit that a number can have there"));
        }
        let is_whole = !matches!(self.sent.get(self.at), Some(b'.' | b'e' | b'E'));
        match value {
            Some(value) if is_whole && !is_negative => Ok(Number::Whole(value)),
            _ => {
                self.fraction()?;
                Ok(Number::Other(Text::sent(start..self.at)))
            }
        }
    }

    fn fraction(&mut self) -> Result<(), Fault> {
        if self.sent.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.sent.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.sent.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.sent.get(self.at) {
            self.at += 1;
        }
        if self.at == start { Err(self.malformed("a digit")) } else { Ok(()) }
    }
}
