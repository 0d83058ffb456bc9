//! The head of one request: where it ends, what its lines say, and how long its body is.
//!
//! `httparse` reads the lines; what it is lenient about, and what the lines mean together, is
//! judged here. A head that two readers could take for different requests is refused: bare line
//! feeds, two lengths, a length beside a transfer coding, any coding but `chunked`.
//!
//! Invariant: the verdict depends on the bytes from the front alone, never on how they were cut.

use std::mem::MaybeUninit;

use memchr::{memchr, memchr_iter};

use super::Manner;
use super::fault::{Fault, Shown};
use crate::limits::{
    HTTP_BODY_BYTES_MAX, HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX, HTTP_LINE_BYTES_MAX,
};

/// How the body is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Bytes(usize),
    Chunked,
}

/// What a head says. Values are as they were sent, blanks around them aside.
pub(super) struct Head<'a> {
    /// Bytes of it, the empty line included.
    pub(super) bytes: usize,
    pub(super) method: &'a [u8],
    pub(super) target: &'a [u8],
    pub(super) manner: Manner,
    pub(super) body: Body,
    /// Whether the peer waits to be told that it may send the body.
    pub(super) expects: bool,
    pub(super) content_type: &'a [u8],
    pub(super) idempotency_key: Option<&'a [u8]>,
    pub(super) bearer: Option<&'a [u8]>,
    pub(super) ticket: Option<&'a [u8]>,
    /// What is wrong with it, although it is clear where it ends.
    pub(super) fault: Option<Fault>,
}

/// Finds the head at the start of `input`; `None` if more has to come.
///
/// # Errors
/// When nothing that follows can be understood.
pub(super) fn read(input: &[u8]) -> Result<Option<Head<'_>>, Fault> {
    let window = &input[..input.len().min(HTTP_HEAD_BYTES_MAX)];
    let line = &window[..window.len().min(HTTP_LINE_BYTES_MAX)];
    let Some(line_end) = memchr(b'\n', line) else {
        if line.len() < HTTP_LINE_BYTES_MAX {
            return Ok(None);
        }
        let detail = format!("the request line is longer than {HTTP_LINE_BYTES_MAX} bytes");
        return Err(Fault::new(414, "uri_too_long", detail));
    };
    // Whatever else is wrong, what is wrong with the first line is said first.
    match lines_end(window) {
        Ok(Some(end)) => parse(&window[..end]),
        Ok(None) if window.len() < HTTP_HEAD_BYTES_MAX => {
            check_first_line(&window[..=line_end])?;
            Ok(None)
        }
        Ok(None) => {
            check_first_line(&window[..=line_end])?;
            let detail = format!("the head is longer than {HTTP_HEAD_BYTES_MAX} bytes");
            Err(Fault::new(431, "head_too_large", detail))
        }
        Err(bare) => {
            check_first_line(&window[..=line_end])?;
            Err(bare)
        }
    }
}

/// Where the lines end that end with an empty one; `None` if they do not.
///
/// # Errors
/// When a line ends with a bare line feed.
pub(super) fn lines_end(window: &[u8]) -> Result<Option<usize>, Fault> {
    let mut start = 0;
    for feed in memchr_iter(b'\n', window) {
        if feed == start || window[feed - 1] != b'\r' {
            return Err(Fault::bad_request("lines end with CRLF, got a bare line feed"));
        }
        if feed == start + 1 {
            return Ok(Some(feed + 1));
        }
        start = feed + 1;
    }
    Ok(None)
}

fn check_first_line(line: &[u8]) -> Result<(), Fault> {
    let mut none = [httparse::EMPTY_HEADER; 0];
    match httparse::Request::new(&mut none).parse(line) {
        Ok(_) => Ok(()),
        Err(error) => Err(unreadable(error, line)),
    }
}

fn unreadable(error: httparse::Error, head: &[u8]) -> Fault {
    use httparse::Error;
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or(head);
    match error {
        Error::Version => {
            let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or(line);
            if let Some([major, b'.', minor]) = version.strip_prefix(b"HTTP/")
                && major.is_ascii_digit()
                && minor.is_ascii_digit()
            {
                let detail = format!("HTTP/1.1 and HTTP/1.0 are spoken, got {}", Shown(version));
                return Fault::new(505, "version_not_supported", detail);
            }
            Fault::bad_request("the request line is METHOD SP target SP HTTP/1.1")
        }
        Error::TooManyHeaders => {
            let detail = format!("at most {HTTP_HEADERS_MAX} header lines are taken");
            Fault::new(431, "head_too_large", detail)
        }
        Error::HeaderName => Fault::bad_request(
            "a header line is a name of token characters, a colon right behind it, and a value; \
             lines are not folded",
        ),
        Error::HeaderValue | Error::NewLine | Error::Status => Fault::bad_request(
            "a header's value may hold printable characters, blanks and tabs only",
        ),
        Error::Token => {
            Fault::bad_request("the request line is METHOD SP target SP HTTP/1.1, one blank each")
        }
    }
}

/// What stands in the lines of one head, before it is judged.
#[derive(Default)]
struct Lines<'a> {
    hosts: u32,
    length: Option<&'a [u8]>,
    coding: Option<&'a [u8]>,
    expect: Option<&'a [u8]>,
    authorization: Option<&'a [u8]>,
    ticket: Option<&'a [u8]>,
    key: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    content_encoding: Option<&'a [u8]>,
    close: bool,
    keep_alive: bool,
    /// A header that may be there once only, and is not, although that is no danger.
    twice: Option<&'static str>,
}

fn parse(head: &[u8]) -> Result<Option<Head<'_>>, Fault> {
    let mut headers = [const { MaybeUninit::uninit() }; HTTP_HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(head, &mut headers);
    let status = parsed.map_err(|error| unreadable(error, head))?;
    let (Some(method), Some(target), Some(version), httparse::Status::Complete(bytes)) =
        (request.method, request.path, request.version, status)
    else {
        return Err(Fault::bad_request("the request line is METHOD SP target SP HTTP/1.1"));
    };
    if bytes != head.len() {
        return Err(Fault::bad_request("the head ends before its lines do"));
    }
    let mut lines = Lines::default();
    for header in &*request.headers {
        lines.take(header.name.as_bytes(), header.value)?;
    }
    let is_old = version == 0;
    if lines.hosts == 0 && !is_old {
        return Err(Fault::bad_request("HTTP/1.1 wants a Host header"));
    }
    let body = lines.body(is_old)?;
    let expects = match lines.expect {
        Some(expect) if expect.eq_ignore_ascii_case(b"100-continue") => !is_old,
        Some(other) if !is_old => {
            let detail = format!("Expect may be 100-continue only, got {}", Shown(other));
            return Err(Fault::new(417, "expectation_failed", detail));
        }
        _ => false,
    };
    let keeps = if is_old { lines.keep_alive && !lines.close } else { !lines.close };
    let mut manner = Manner::default();
    manner.set(Manner::HEAD, method == "HEAD");
    manner.set(Manner::CLOSE, !keeps);
    manner.set(Manner::KEEP, is_old && keeps);
    Ok(Some(Head {
        bytes,
        method: method.as_bytes(),
        target: target.as_bytes(),
        manner,
        body,
        expects,
        content_type: lines.content_type.unwrap_or_default(),
        idempotency_key: lines.key,
        bearer: lines.authorization.and_then(bearer),
        ticket: lines.ticket,
        fault: lines.fault(),
    }))
}

impl<'a> Lines<'a> {
    #[inline]
    fn take(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), Fault> {
        let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
        let (place, twice) = match name.len() {
            4 if is(b"host") => return self.host(value),
            10 if is(b"connection") => {
                self.connection(value);
                return Ok(());
            }
            6 if is(b"expect") => (&mut self.expect, "Expect"),
            12 if is(b"content-type") => (&mut self.content_type, "Content-Type"),
            13 if is(b"authorization") => (&mut self.authorization, "Authorization"),
            14 if is(b"content-length") => {
                let detail = "there is more than one Content-Length";
                return once(&mut self.length, value, detail);
            }
            15 if is(b"idempotency-key") => (&mut self.key, "Idempotency-Key"),
            16 if is(b"content-encoding") => (&mut self.content_encoding, "Content-Encoding"),
            17 if is(b"transfer-encoding") => {
                let detail = "there is more than one Transfer-Encoding";
                return once(&mut self.coding, value, detail);
            }
            17 if is(b"doorbuster-ticket") => (&mut self.ticket, "Doorbuster-Ticket"),
            _ => return Ok(()),
        };
        if place.replace(value).is_some() {
            self.twice = self.twice.or(Some(twice));
        }
        Ok(())
    }

    fn host(&mut self, value: &[u8]) -> Result<(), Fault> {
        self.hosts += 1;
        if self.hosts > 1 {
            return Err(Fault::bad_request("there is more than one Host"));
        }
        let good =
            |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte);
        if !value.iter().all(good) {
            return Err(Fault::bad_request(format!("Host may not be {}", Shown(value))));
        }
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',') {
            let option = option.trim_ascii();
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn body(&self, is_old: bool) -> Result<Body, Fault> {
        match (self.coding, self.length) {
            (Some(_), Some(_)) => {
                Err(Fault::bad_request("Content-Length and Transfer-Encoding exclude each other"))
            }
            (Some(_), None) if is_old => {
                Err(Fault::bad_request("HTTP/1.0 knows no Transfer-Encoding"))
            }
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Body::Chunked),
            (Some(coding), None) => Err(Fault::bad_request(format!(
                "Transfer-Encoding may be chunked only, got {}",
                Shown(coding)
            ))),
            (None, Some(length)) => length_of(length).map(Body::Bytes),
            (None, None) => Ok(Body::Bytes(0)),
        }
    }

    fn fault(&self) -> Option<Fault> {
        if let Some(name) = self.twice {
            return Some(Fault::bad_request(format!("there is more than one {name}")));
        }
        let coding =
            self.content_encoding.filter(|name| !name.eq_ignore_ascii_case(b"identity"))?;
        let detail = format!("a body is sent as it is, got Content-Encoding {}", Shown(coding));
        Some(Fault::new(415, "unsupported_media_type", detail))
    }
}

fn once<'a>(
    place: &mut Option<&'a [u8]>,
    value: &'a [u8],
    twice: &'static str,
) -> Result<(), Fault> {
    if place.replace(value).is_some() { Err(Fault::bad_request(twice)) } else { Ok(()) }
}

/// A length of digits only, and not too many of them.
fn length_of(text: &[u8]) -> Result<usize, Fault> {
    const DIGITS_MAX: usize = 19;
    if text.is_empty() || text.len() > DIGITS_MAX || !text.iter().all(u8::is_ascii_digit) {
        let detail = format!("Content-Length is 1 to {DIGITS_MAX} digits, got {}", Shown(text));
        return Err(Fault::bad_request(detail));
    }
    let length = text.iter().fold(0_u64, |length, digit| length * 10 + u64::from(digit - b'0'));
    match usize::try_from(length) {
        Ok(length) if length <= HTTP_BODY_BYTES_MAX => Ok(length),
        _ => Err(too_large(&format!("{length}"))),
    }
}

pub(super) fn too_large(got: &str) -> Fault {
    let detail = format!("a body has at most {HTTP_BODY_BYTES_MAX} bytes, got {got}");
    Fault::new(413, "body_too_large", detail)
}

/// The token of `Bearer token`.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    const SCHEME: usize = 6;
    let (scheme, token) = value.split_at_checked(SCHEME)?;
    let is_bearer = scheme.eq_ignore_ascii_case(b"bearer") && token.first() == Some(&b' ');
    is_bearer.then(|| token.trim_ascii())
}
