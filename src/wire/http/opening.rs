//! How every answer over HTTP begins: its status in words, and the date.

use crate::wire::scribe::{self, Scribe};

/// A date as HTTP writes it, in bytes.
pub(super) const DATE_BYTES: usize = 29;
const NS_PER_SECOND: u64 = 1_000_000_000;

/// The time as HTTP writes it: `Fri, 27 Nov 2026 20:02:00 GMT`.
pub(super) fn date(unix_ns: u64) -> [u8; DATE_BYTES] {
    // The epoch was a Thursday.
    const DAYS: [&[u8]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
    const MONTHS: [&[u8]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    let seconds = unix_ns / NS_PER_SECOND;
    let days = seconds / 86_400;
    let (year, month, day) = scribe::date(days);
    let mut line = Scribe::<DATE_BYTES>::new();
    line.text(DAYS[(days % 7) as usize]).text(b", ").pair(day).text(b" ");
    line.text(MONTHS[month as usize - 1]).text(b" ").decimal(year).text(b" ");
    line.pair(seconds / 3600 % 24).text(b":").pair(seconds / 60 % 60).text(b":");
    line.pair(seconds % 60).text(b" GMT");
    line.written().try_into().expect("years have four digits until 2554")
}

/// The first line of an answer with this status.
pub(super) fn status_line(status: u16) -> &'static [u8] {
    match status {
        200 => b"HTTP/1.1 200 OK\r\n",
        201 => b"HTTP/1.1 201 Created\r\n",
        202 => b"HTTP/1.1 202 Accepted\r\n",
        204 => b"HTTP/1.1 204 No Content\r\n",
        400 => b"HTTP/1.1 400 Bad Request\r\n",
        401 => b"HTTP/1.1 401 Unauthorized\r\n",
        403 => b"HTTP/1.1 403 Forbidden\r\n",
        404 => b"HTTP/1.1 404 Not Found\r\n",
        405 => b"HTTP/1.1 405 Method Not Allowed\r\n",
        409 => b"HTTP/1.1 409 Conflict\r\n",
        410 => b"HTTP/1.1 410 Gone\r\n",
        413 => b"HTTP/1.1 413 Content Too Large\r\n",
        414 => b"HTTP/1.1 414 URI Too Long\r\n",
        415 => b"HTTP/1.1 415 Unsupported Media Type\r\n",
        417 => b"HTTP/1.1 417 Expectation Failed\r\n",
        422 => b"HTTP/1.1 422 Unprocessable Content\r\n",
        425 => b"HTTP/1.1 425 Too Early\r\n",
        429 => b"HTTP/1.1 429 Too Many Requests\r\n",
        431 => b"HTTP/1.1 431 Request Header Fields Too Large\r\n",
        503 => b"HTTP/1.1 503 Service Unavailable\r\n",
        505 => b"HTTP/1.1 505 HTTP Version Not Supported\r\n",
        _ => b"HTTP/1.1 500 Internal Server Error\r\n",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_http_has_them() {
        let shown = |unix_ns| String::from_utf8(date(unix_ns).to_vec()).expect("ASCII");
        assert_eq!(shown(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(shown(784_111_777_000_000_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(shown(1_795_809_720_123_456_789), "Fri, 27 Nov 2026 20:02:00 GMT");
        assert_eq!(shown(u64::MAX), "Sun, 21 Jul 2554 23:34:33 GMT");
    }
}
