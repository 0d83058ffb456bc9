//! Whole streams, cut anywhere: the same requests come out, and nothing that comes in is a panic.

use proptest::prelude::*;

use super::{Read, Scratch, post, read, shown};

const STREAM: &str = "GET /v1/sales/drop HTTP/1.1\r\nHost: x\r\n\r\n\
    POST /v1/sales/drop/orders HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\n\
    Transfer-Encoding: chunked\r\n\r\n5\r\n{\"ite\r\n16\r\nm\":\"tee\",\"buyer\":\"u1\"}\r\n\
    0\r\nA: b\r\n\r\n\
    \r\nPOST /v1/sales/drop/orders/7/confirm HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n\
    {\"buyer\":\"u1\"}GET /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc\
    GET /v1/sales/drop/orders?key=%6b HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\n";

/// Bodies that are JSON, or nearly.
const BODY: &str = concat!(
    r#"\{("(item|units|buyer|wait)" ?: ?("#,
    r#""[a-z\\"u0-9]{0,5}"|-?[0-9.e]{1,4}|true|false|null|\[\]"#,
    r#"),?){0,4}\}"#
);

/// Takes requests from `pending` as long as there are whole ones; `false` after a broken one.
fn take(pending: &mut Vec<u8>, scratch: &mut Scratch, found: &mut Vec<String>) -> bool {
    loop {
        let read = read(pending, scratch);
        let line = shown(&read);
        let used = match read {
            Read::Partial { .. } => return true,
            Read::Blank => 2,
            Read::Whole(request) => request.bytes,
            Read::Broken(_) => {
                found.push(line);
                return false;
            }
        };
        if line != "blank" {
            found.push(line);
        }
        pending.drain(..used);
    }
}

/// What comes out if the bytes come in with these cuts.
fn cut(bytes: &[u8], cuts: &[usize]) -> Vec<String> {
    let (mut scratch, mut pending, mut found) = (Scratch::new(), Vec::new(), Vec::new());
    let mut start = 0;
    for end in cuts.iter().copied().chain([bytes.len()]) {
        let end = end.clamp(start, bytes.len());
        pending.extend_from_slice(&bytes[start..end]);
        start = end;
        if !take(&mut pending, &mut scratch, &mut found) {
            break;
        }
    }
    found
}

#[test]
fn one_byte_at_a_time_says_the_same_as_all_at_once() {
    let whole = cut(STREAM.as_bytes(), &[]);
    assert_eq!(whole.len(), 6, "{whole:#?}");
    assert_eq!(
        whole[..3],
        ["SALE drop", "BUY drop/tee x1 for u1 key k", "CONFIRM drop for u1 order 7"]
    );
    assert!(whole[3].starts_with("404") && whole[5].starts_with("broken 400"), "{whole:#?}");
    assert_eq!(whole[4], "ORDER_BY_KEY drop key k");
    let cuts: Vec<usize> = (1..STREAM.len()).collect();
    assert_eq!(cut(STREAM.as_bytes(), &cuts), whole);
}

/// A stream of good requests with a few bytes changed.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let stream = prop_oneof![
        Just(STREAM.to_owned()),
        Just(post(r#"{"item":"tee","units":2,"buyer":"u1","max_price":5}"#).repeat(3)),
        Just(post(r#"{"lines":[{"item":"\u0074","units":2}],"buyer":"u1"}"#).repeat(2)),
    ];
    let bytes = prop_oneof![
        Just(b'\r'),
        Just(b'\n'),
        Just(b' '),
        Just(b':'),
        Just(b'0'),
        Just(b'\0'),
        Just(b'"'),
        Just(b'\\'),
        Just(b'%'),
        any::<u8>(),
    ];
    let changes = prop::collection::vec((any::<prop::sample::Index>(), bytes, 0..3), 0..6);
    (stream, changes).prop_map(|(stream, changes)| {
        let mut stream = stream.into_bytes();
        for (index, byte, how) in changes {
            let at = index.index(stream.len());
            match how {
                0 => stream[at] = byte,
                1 => stream.insert(at, byte),
                _ => drop(stream.remove(at)),
            }
        }
        stream
    })
}

proptest! {
    #[test]
    fn cuts_change_nothing(
        stream in damaged(),
        mut cuts in prop::collection::vec(0_usize..900, 0..12),
    ) {
        cuts.sort_unstable();
        prop_assert_eq!(cut(&stream, &cuts), cut(&stream, &[]));
    }

    #[test]
    fn nothing_that_comes_in_is_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        cut(&bytes, &[]);
        let order = [b"POST /v1/sales/drop/orders HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\n\
            Content-Length: ", bytes.len().to_string().as_bytes(), b"\r\n\r\n", &bytes].concat();
        prop_assert_eq!(cut(&order, &[]).len(), 1);
    }

    #[test]
    fn json_is_refused_unless_serde_takes_it_too(text in BODY) {
        let seen = cut(post(&text).as_bytes(), &[]);
        if serde_json::from_str::<serde_json::Value>(&text).is_err() {
            prop_assert!(seen[0].starts_with("400 "), "{} of {}", seen[0], text);
        } else {
            prop_assert!(!seen[0].starts_with("400 malformed_json"), "{} of {}", seen[0], text);
        }
    }
}
