//! A body in chunks: sizes in hex before each, an empty one last, then trailers that are read and
//! dropped.
//!
//! It copies the chunks together and believes no size: a claim above the bound is refused at once.
//! Extensions of a size line mean nothing here and are passed over.
//!
//! Invariant: the verdict depends on the bytes from the front alone, never on how they were cut.

use super::fault::Fault;
use super::head::{lines_end, too_large};
use crate::limits::{HTTP_BODY_BYTES_MAX, HTTP_CHUNKED_BYTES_MAX, HTTP_HEADERS_MAX};

/// Digits of a size; no body that is taken needs so many.
const SIZE_DIGITS_MAX: usize = 8;

/// Reads the chunks at the start of `input` into `body`, which is emptied first. Returns the bytes
/// that they take; `None` if more has to come.
///
/// # Errors
/// When nothing that follows can be understood, or the body is too large.
pub(super) fn read(input: &[u8], body: &mut Vec<u8>) -> Result<Option<usize>, Fault> {
    body.clear();
    let window = &input[..input.len().min(HTTP_CHUNKED_BYTES_MAX)];
    match read_within(window, body)? {
        None if window.len() == HTTP_CHUNKED_BYTES_MAX => {
            Err(too_large("more in chunks, their sizes and trailers counted"))
        }
        found => Ok(found),
    }
}

fn read_within(window: &[u8], body: &mut Vec<u8>) -> Result<Option<usize>, Fault> {
    let mut at = 0;
    loop {
        let Some((size, start)) = size_line(window, at)? else { return Ok(None) };
        if size == 0 {
            return trailers(&window[start..]).map(|end| end.map(|end| start + end));
        }
        if body.len() + size > HTTP_BODY_BYTES_MAX {
            return Err(too_large("more in chunks"));
        }
        let end = start + size;
        let Some(chunk) = window.get(start..end) else { return Ok(None) };
        match window[end..] {
            [b'\r', b'\n', ..] => {}
            [] | [b'\r'] => return Ok(None),
            _ => return Err(Fault::bad_request("a chunk does not end where its size said")),
        }
        body.extend_from_slice(chunk);
        at = end + 2;
    }
}

/// The size in the line at `at`, and where the next line begins.
fn size_line(window: &[u8], at: usize) -> Result<Option<(usize, usize)>, Fault> {
    let bad = || {
        Fault::bad_request(format!(
            "a chunk's size is 1 to {SIZE_DIGITS_MAX} hex digits and a CRLF"
        ))
    };
    let (mut size, mut digits, mut next) = (0, 0, at);
    let mut byte = loop {
        let Some(&byte) = window.get(next) else { return Ok(None) };
        let Some(digit) = char::from(byte).to_digit(16) else { break byte };
        (size, digits, next) = (size << 4 | digit as usize, digits + 1, next + 1);
        if digits > SIZE_DIGITS_MAX {
            return Err(bad());
        }
    };
    if digits == 0 {
        return Err(bad());
    }
    if byte == b';' {
        while byte != b'\r' {
            if byte != b'\t' && (byte < b' ' || byte == 0x7f) {
                return Err(bad());
            }
            next += 1;
            let Some(&following) = window.get(next) else { return Ok(None) };
            byte = following;
        }
    }
    if byte != b'\r' {
        return Err(bad());
    }
    match window.get(next + 1) {
        None => Ok(None),
        Some(b'\n') => Ok(Some((size, next + 2))),
        Some(_) => Err(bad()),
    }
}

fn trailers(window: &[u8]) -> Result<Option<usize>, Fault> {
    let Some(end) = lines_end(window)? else { return Ok(None) };
    let mut headers = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
    match httparse::parse_headers(&window[..end], &mut headers) {
        Ok(httparse::Status::Complete((bytes, _))) if bytes == end => Ok(Some(end)),
        _ => Err(Fault::bad_request("what follows the last chunk are no header lines")),
    }
}
