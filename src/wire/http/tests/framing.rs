//! Where a request ends, and what two readers could read differently.

use super::super::head;
use super::{Read, Scratch, asked, post, read, seen};
use crate::limits::{HTTP_BODY_BYTES_MAX, HTTP_HEAD_BYTES_MAX, HTTP_LINE_BYTES_MAX};
use crate::wire::http::Manner;

const ORDER: &str = r#"{"item":"tee","buyer":"u1"}"#;
const BUY: &str = "BUY drop/tee x1 for u1 key k";

/// A new order with these lines in place of its length, and this behind its head.
fn with(lines: &str, behind: &str) -> String {
    format!(
        "POST /v1/sales/drop/orders HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\n\
         {lines}\r\n{behind}"
    )
}

#[test]
fn a_head_that_can_be_read_in_two_ways_ends_the_connection() {
    let get = |lines: &str| format!("GET /v1/sales/drop HTTP/1.1\r\n{lines}\r\n");
    for (request, detail) in [
        (get(""), "HTTP/1.1 wants a Host header"),
        (get("Host: x\r\nHost: x\r\n"), "there is more than one Host"),
        (get("Host: a b\r\n"), "Host may not be 'a b'"),
        (get("Host: x/y\r\n"), "Host may not be 'x/y'"),
        (get("Host: x\nA: b\r\n"), "lines end with CRLF, got a bare line feed"),
        (get("Host: x\r\n\n"), "lines end with CRLF, got a bare line feed"),
        ("GET / HTTP/1.1\nHost: x\n\n".into(), "lines end with CRLF, got a bare line feed"),
        (get("Host: x\r\n folded\r\n"), "a header line is a name of token characters"),
        (get("Host : x\r\n"), "a header line is a name of token characters"),
        (get("Host: x\r\n: y\r\n"), "a header line is a name of token characters"),
        (get("Host: x\r\nno colon\r\n"), "a header line is a name of token characters"),
        (get("Host: x\r\nA: b\0c\r\n"), "a header's value may hold printable"),
        (get("Host: x\r\nA: b\rc\r\n"), "a header's value may hold printable"),
        (get("Host: x\r\nA: b\x7f\r\n"), "a header's value may hold printable"),
        ("GET  / HTTP/1.1\r\n".into(), "the request line is METHOD SP target SP HTTP/1.1"),
        ("GET /\r\n".into(), "the request line is METHOD SP target SP HTTP/1.1"),
        ("BUY drop tee u1 k1\r\n".into(), "the request line is METHOD SP target SP HTTP/1.1"),
        ("G\0T / HTTP/1.1\r\n".into(), "the request line is METHOD SP target SP HTTP/1.1"),
        ("GET / HTTQ/1.1\r\n".into(), "the request line is METHOD SP target SP HTTP/1.1"),
        (
            with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            "Content-Length and Transfer-Encoding exclude each other",
        ),
        (
            with("Content-Length: 5\r\nContent-Length: 5\r\n", "12345"),
            "there is more than one Content-Length",
        ),
        (
            with("Content-Length: 5\r\ncontent-length: 6\r\n", "12345"),
            "there is more than one Content-Length",
        ),
        (with("Content-Length: 5, 5\r\n", "12345"), "Content-Length is 1 to 19 digits, got '5, 5'"),
        (with("Content-Length: +5\r\n", "12345"), "Content-Length is 1 to 19 digits, got '+5'"),
        (with("Content-Length: -5\r\n", "12345"), "Content-Length is 1 to 19 digits, got '-5'"),
        (with("Content-Length: 5 5\r\n", "12345"), "Content-Length is 1 to 19 digits, got '5 5'"),
        (with("Content-Length: 0x5\r\n", "12345"), "Content-Length is 1 to 19 digits, got '0x5'"),
        (with("Content-Length:\r\n", "12345"), "Content-Length is 1 to 19 digits, got ''"),
        (
            with(&format!("Content-Length: {}\r\n", "0".repeat(20)), "12345"),
            "Content-Length is 1 to 19 digits",
        ),
        (
            with("Transfer-Encoding: gzip\r\n", ""),
            "Transfer-Encoding may be chunked only, got 'gzip'",
        ),
        (with("Transfer-Encoding: gzip, chunked\r\n", ""), "Transfer-Encoding may be chunked only"),
        (
            with("Transfer-Encoding: chunked, chunked\r\n", ""),
            "Transfer-Encoding may be chunked only",
        ),
        (with("Transfer-Encoding: xchunked\r\n", ""), "Transfer-Encoding may be chunked only"),
        (with("Transfer-Encoding:\r\n", ""), "Transfer-Encoding may be chunked only"),
        (
            with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", ""),
            "there is more than one Transfer-Encoding",
        ),
        (
            with("Transfer-Encoding: chunked\r\n", "").replace("HTTP/1.1", "HTTP/1.0"),
            "HTTP/1.0 knows no Transfer-Encoding",
        ),
    ] {
        let seen = seen(&request);
        let expected = format!("broken 400 bad_request: {detail}");
        assert!(seen.starts_with(&expected), "{request:?}: {seen}");
    }
    for version in ["2.0", "0.9", "1.2", "3.0"] {
        let seen = seen(format!("PRI * HTTP/{version}\r\n"));
        let expected = "broken 505 version_not_supported: HTTP/1.1 and HTTP/1.0 are spoken, got";
        assert_eq!(seen, format!("{expected} 'HTTP/{version}'"));
    }
}

#[test]
fn every_part_has_its_bound() {
    let line = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(HTTP_LINE_BYTES_MAX));
    for cut in [HTTP_LINE_BYTES_MAX, line.len()] {
        assert!(seen(&line[..cut]).starts_with("broken 414 uri_too_long"));
    }
    assert_eq!(seen(&line[..HTTP_LINE_BYTES_MAX - 1]), "partial");
    let get = "GET /v1/sales/drop HTTP/1.1\r\nHost: x\r\n";
    let pad = HTTP_HEAD_BYTES_MAX - get.len() - "A: \r\n\r\n".len();
    let fits = format!("{get}A: {}\r\n\r\n", "x".repeat(pad));
    assert_eq!((fits.len(), seen(&fits).as_str()), (HTTP_HEAD_BYTES_MAX, "SALE drop"));
    let large = format!("{get}A: {}\r\n\r\n", "x".repeat(pad + 1));
    for cut in [HTTP_HEAD_BYTES_MAX, large.len()] {
        assert!(seen(&large[..cut]).starts_with("broken 431 head_too_large: the head is longer"));
    }
    let many = |lines: usize| seen(format!("{get}{}\r\n", "A: b\r\n".repeat(lines)));
    assert_eq!(many(63), "SALE drop");
    assert_eq!(many(64), "broken 431 head_too_large: at most 64 header lines are taken");

    let blank = " ".repeat(HTTP_BODY_BYTES_MAX - ORDER.len());
    assert_eq!(seen(post(&format!("{ORDER}{blank}"))), BUY);
    let too_long = "broken 413 body_too_large: a body has at most 16384 bytes, got";
    assert_eq!(seen(post(&format!("{ORDER}{blank} "))), format!("{too_long} 16385"));
    let claimed = with("Content-Length: 9999999999999999999\r\nExpect: 100-continue\r\n", "");
    assert_eq!(seen(claimed), format!("{too_long} 9999999999999999999"));
    let chunked = |behind: &str| seen(with("Transfer-Encoding: chunked\r\n", behind));
    assert_eq!(chunked("4001\r\n"), format!("{too_long} more in chunks"));
    assert_eq!(
        chunked(&"1\r\n \r\n".repeat(6000)),
        format!("{too_long} more in chunks, their sizes and trailers counted")
    );
}

#[test]
fn chunks_are_put_together_and_trailers_dropped() {
    let chunked = |behind: &str| seen(with("Transfer-Encoding: Chunked\r\n", behind));
    let (front, back) = ORDER.split_at(10);
    let both = format!("a\r\n{front}\r\n{:X}\r\n{back}\r\n", back.len());
    assert_eq!(chunked(&format!("{both}0\r\n\r\n")), BUY);
    assert_eq!(chunked(&format!("{both}000\r\nA: b\r\nHost: evil\r\n\r\n")), BUY);
    assert_eq!(chunked(&format!("{both}0;a=\"b\"; c\r\n\r\n")), BUY);
    assert_eq!(chunked(&both), "partial");
    for (behind, detail) in [
        ("\r\n", "a chunk's size is 1 to 8 hex digits and a CRLF"),
        ("g\r\n", "a chunk's size is"),
        ("0x1\r\n", "a chunk's size is"),
        ("-1\r\n", "a chunk's size is"),
        (" 1\r\n", "a chunk's size is"),
        ("1 \r\n", "a chunk's size is"),
        ("1\n", "a chunk's size is"),
        ("1\rx", "a chunk's size is"),
        ("1;a\nb\r\n", "a chunk's size is"),
        ("000000001\r\n", "a chunk's size is"),
        ("1\r\nab\r\n", "a chunk does not end where its size said"),
        ("1\r\na\n0\r\n\r\n", "a chunk does not end where its size said"),
        ("0\r\n\n", "lines end with CRLF, got a bare line feed"),
        ("0\r\nno trailer\r\n\r\n", "what follows the last chunk are no header lines"),
        ("0\r\n a: b\r\n\r\n", "what follows the last chunk are no header lines"),
    ] {
        let seen = chunked(behind);
        let expected = format!("broken 400 bad_request: {detail}");
        assert!(seen.starts_with(&expected), "{behind:?}: {seen}");
    }
}

#[test]
fn a_peer_that_waits_to_be_told_is_seen_to_wait() {
    let lines = format!("Content-Length: {}\r\nExpect: 100-Continue\r\n", ORDER.len());
    assert_eq!(seen(with(&lines, "")), "partial, expects");
    assert_eq!(seen(with(&lines, "{")), "partial");
    assert_eq!(seen(with(&lines, ORDER)), BUY);
    assert_eq!(
        seen(with("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n", "")),
        "partial, expects"
    );
    assert_eq!(seen(with(&lines, "").replace("HTTP/1.1", "HTTP/1.0")), "partial");
    let other = seen(with("Expect: 200-ok\r\n", ""));
    assert!(other.starts_with("broken 417 expectation_failed"), "{other}");
}

#[test]
fn who_closes_and_who_asks_is_known() {
    let manner = |text: &str| match read(text.as_bytes(), &mut Scratch::new()) {
        Read::Whole(request) => request.manner,
        _ => panic!("whole: {text}"),
    };
    let get = |version: &str, lines: &str| {
        manner(&format!("GET / HTTP/{version}\r\nHost: x\r\n{lines}\r\n"))
    };
    for (version, lines, closes, keeps) in [
        ("1.1", "", false, false),
        ("1.1", "Connection: keep-alive\r\n", false, false),
        ("1.1", "Connection: CLOSE\r\n", true, false),
        ("1.1", "Connection: foo ,close\r\n", true, false),
        ("1.1", "Connection: foo\r\nConnection: close\r\n", true, false),
        ("1.1", "Connection: closed\r\n", false, false),
        ("1.0", "", true, false),
        ("1.0", "Connection: Keep-Alive\r\n", false, true),
        ("1.0", "Connection: keep-alive, close\r\n", true, false),
    ] {
        let manner = get(version, lines);
        let got = (manner.has(Manner::CLOSE), manner.has(Manner::KEEP));
        assert_eq!(got, (closes, keeps), "{version} {lines}");
    }
    assert!(manner("HEAD / HTTP/1.1\r\nHost:\r\n\r\n").has(Manner::HEAD));
    assert!(manner(&post(ORDER)).has(Manner::CREATE));
    assert!(!get("1.1", "").has(Manner::CREATE));
    assert_eq!(manner("GET / HTTP/1.0\r\n\r\n"), Manner::CLOSE);

    let access = "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: bearer  abc \r\n\
                  Doorbuster-Ticket: t.1\r\n\r\n";
    let mut scratch = Scratch::new();
    let Read::Whole(request) = read(access.as_bytes(), &mut scratch) else { panic!("whole") };
    assert_eq!((request.bearer, request.ticket), (Some(&b"abc"[..]), Some(&b"t.1"[..])));
    let basic = access.replace("bearer  abc", "Basic abc");
    let head = head::read(basic.as_bytes()).expect("good").expect("whole");
    assert_eq!(head.bearer, None);
    assert!(asked("GET /\r\nAuthorization: a\r\nX:").starts_with("broken"));
}

#[test]
fn an_empty_line_before_a_request_is_passed_over() {
    assert_eq!(seen("\r\nGET / HTTP/1.1\r\n"), "blank");
    assert_eq!(seen("\r"), "partial");
    assert_eq!(seen(""), "partial");
    assert!(seen("\n").starts_with("broken 400"));
    assert!(seen("\rG").starts_with("partial"));
}
