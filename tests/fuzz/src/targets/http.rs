//! HTTP: however the stream is cut, the same requests come out; no request, nor its body, is larger
//! than the bounds; what goes to the matcher is read with no memory of its own; every refusal is a
//! whole answer with a problem in JSON.

use doorbuster::limits::{HTTP_CHUNKED_BYTES_MAX, HTTP_HEAD_BYTES_MAX};
use doorbuster::wire::http::answers::Teller;
use doorbuster::wire::http::{self, Fault, Manner, Meaning, Read, Scratch};

use super::Target;
use super::resp::holds_bounds;
use super::shown::Asked;
use super::stream::{Look, cut};
use crate::meter;
use crate::seen::Seen;

/// What a refusal may take to be made, bytes: a sentence with 80 bytes of the request in it.
const FAULT_BYTES_MAX: usize = 4096;

pub(super) const TARGET: Target = Target {
    name: "http",
    words: &[
        "GET ",
        "POST ",
        "HEAD ",
        "OPTIONS ",
        "DELETE ",
        " HTTP/1.1\r\n",
        " HTTP/1.0\r\n",
        "\r\n",
        "\r\n\r\n",
        "Host: a\r\n",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n",
        "Connection: keep-alive\r\n",
        "Expect: 100-continue\r\n",
        "Idempotency-Key: k1\r\n",
        "Content-Type: application/json\r\n",
        "Authorization: Bearer abc\r\n",
        "Doorbuster-Ticket: ann.1.ab\r\n",
        "/v1/sales/drop",
        "/orders",
        "/orders?key=k1",
        "/confirm",
        "/release",
        "/extend",
        "/cancel",
        "/events",
        "/v1/heads",
        "/openapi.json",
        "%41",
        "0\r\n\r\n",
        "5\r\nhello\r\n",
        ";a=b\r\n",
        "{\"item\":\"tee\",\"buyer\":\"ann\"}",
        "{\"buyer\":\"ann\"}",
        "{\"lines\":[{\"item\":\"tee\",\"units\":2},{\"item\":\"mug\"}],\"buyer\":\"ann\"}",
    ],
    max: 2000,
    make: || {
        let (mut scratch, mut teller) = (Scratch::new(), Teller::new(1));
        Box::new(move |input, seen| read(input, seen, &mut scratch, &mut teller))
    },
};

/// A request, as far as it can be compared.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shown {
    Blank,
    Ask(Box<Asked>, Common),
    Document(usize, Common),
    Heads(Common),
    Options(&'static str, Common),
    /// Status and problem.
    Fault(u16, String, Common),
    Broken(u16, String),
}

/// Manner, token and ticket.
pub(super) type Common = (u8, Option<Vec<u8>>, Option<Vec<u8>>);

/// Reads what is at the front of a stream.
pub(super) fn look(there: &[u8], scratch: &mut Scratch, teller: &mut Teller) -> Look<Shown> {
    let (read, taken) = meter::taken(|| http::read(there, scratch));
    match read {
        Read::Partial { .. } => {
            // What is wrong with its head is known, and told when the rest has come.
            assert!(taken <= FAULT_BYTES_MAX, "{taken} bytes for a request that is not whole");
            Look::Partial
        }
        Read::Blank => Look::Whole(Shown::Blank, 2),
        Read::Broken(fault) => {
            assert!(taken <= FAULT_BYTES_MAX, "{taken} bytes of memory for a refusal");
            Look::Broken(Shown::Broken(fault.status(), problem(&fault, Manner::CLOSE, teller)))
        }
        Read::Whole(request) => {
            let text = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
            let (bearer, ticket) = (text(request.bearer), text(request.ticket));
            let common = (request.manner.bits(), bearer, ticket);
            let may_take =
                if let Meaning::Fault(_) = request.meaning { FAULT_BYTES_MAX } else { 0 };
            assert!(taken <= may_take, "{taken} bytes of memory, {may_take} are allowed");
            let shown = match request.meaning {
                Meaning::Ask(ask) => Shown::Ask(Box::new(Asked::of(&ask)), common),
                Meaning::Document(text) => Shown::Document(text.len(), common),
                Meaning::Heads => Shown::Heads(common),
                Meaning::Options(allow) => Shown::Options(allow, common),
                Meaning::Fault(fault) => {
                    let told = problem(&fault, request.manner, teller);
                    Shown::Fault(fault.status(), told, common)
                }
            };
            Look::Whole(shown, request.bytes)
        }
    }
}

/// The body of a refusal's answer, which must be whole and JSON; empty if it has none.
fn problem(fault: &Fault, manner: Manner, teller: &mut Teller) -> String {
    let mut answer = Vec::new();
    teller.fault(fault, manner, &mut answer);
    let answer = String::from_utf8(answer).expect("an answer is text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head ends");
    assert!(head.starts_with(&format!("HTTP/1.1 {} ", fault.status())), "{head}");
    if manner.has(Manner::HEAD) {
        return body.to_owned();
    }
    let length = format!("Content-Length: {}", body.len());
    assert!(head.lines().any(|line| line.eq_ignore_ascii_case(&length)), "{head}\n\n{body}");
    let value: serde_json::Value = serde_json::from_str(body).expect("a problem is JSON");
    assert!(value["detail"].is_string() && value["type"].is_string(), "{body}");
    body.to_owned()
}

fn read(input: &[u8], seen: &mut Seen, scratch: &mut Scratch, teller: &mut Teller) {
    let (found, broken) = cut(input, |there| look(there, scratch, teller));
    for (shown, bytes) in &found {
        assert!(*bytes <= HTTP_HEAD_BYTES_MAX + HTTP_CHUNKED_BYTES_MAX, "{bytes} bytes");
        note(shown, seen);
    }
    seen.count("requests", found.len());
    broken.iter().for_each(|shown| note(shown, seen));
}

/// Notes what a request is, and checks what its reader promises.
pub(super) fn note(shown: &Shown, seen: &mut Seen) {
    match shown {
        Shown::Blank => seen.mark(&"blank"),
        Shown::Ask(asked, common) => {
            holds_bounds(asked);
            let named = (asked.channel.is_empty(), asked.groups.len(), asked.lines.len());
            seen.mark(&(asked.head.kind(), asked.head.0[1], named));
            note_common(common, seen);
        }
        Shown::Document(bytes, common) => {
            seen.mark(bytes);
            note_common(common, seen);
        }
        Shown::Heads(common) => note_common(common, seen),
        Shown::Options(allow, common) => {
            seen.mark(allow);
            note_common(common, seen);
        }
        Shown::Fault(status, body, common) => {
            note_problem(*status, body, seen);
            note_common(common, seen);
        }
        Shown::Broken(status, body) => note_problem(*status, body, seen),
    }
}

fn note_problem(status: u16, body: &str, seen: &mut Seen) {
    seen.mark(&status);
    let value: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    seen.say(value["detail"].as_str().unwrap_or_default());
}

fn note_common((manner, bearer, ticket): &Common, seen: &mut Seen) {
    seen.mark(&(manner, bearer.is_some(), ticket.is_some()));
}
