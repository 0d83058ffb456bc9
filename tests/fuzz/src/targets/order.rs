//! The JSON of a purchase: what is accepted means the same to another reader of JSON (serde_json),
//! also when it is written again by that one; what is refused as no JSON is none to it either; and
//! whether the body comes whole or in chunks makes no difference.

use doorbuster::message::{NO_MAX_PRICE, kind};
use doorbuster::sale::{Form, text_len};
use doorbuster::wire::http::Scratch;
use doorbuster::wire::http::answers::Teller;
use serde_json::Value;

use super::Target;
use super::http::{Shown, look, note};
use super::shown::Asked;
use super::stream::Look;
use crate::dice::Dice;
use crate::seen::Seen;

pub(super) const TARGET: Target = Target {
    name: "order",
    words: &[
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\\u0041",
        "\\ud83d\\ude00",
        "\\ud800",
        "\\n",
        "true",
        "false",
        "null",
        "1",
        "0",
        "-1",
        "1.5",
        "1e2",
        "\"item\":",
        "\"units\":",
        "\"lines\":",
        "\"buyer\":",
        "\"max_price\":",
        "\"fill\":",
        "\"wait\":",
        "\"channel\":",
        "\"groups\":",
        "\"all\"",
        "\"up_to\"",
        "\"tee\"",
        "\"ann\"",
        "{\"card\":\"c1\"}",
        "{\"item\":\"mug\",\"units\":2}",
        "123e4567-e89b-12d3-a456-426614174000",
        "a-buyer-of-many-letters-1",
        " ",
        "\t",
        "\n",
    ],
    max: 1500,
    make: || {
        let mut desk = Desk { scratch: Scratch::new(), teller: Teller::new(1) };
        Box::new(move |input, seen| desk.read(input, seen))
    },
};

const PURCHASE: &str = "/v1/sales/drop/orders";
const COMMAND: &str = "/v1/sales/drop/orders/7/confirm";

struct Desk {
    scratch: Scratch,
    teller: Teller,
}

impl Desk {
    /// What a body is taken for, sent whole and in chunks.
    fn ask(&mut self, path: &str, body: &[u8]) -> Shown {
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k-1\r\n");
        let mut whole = format!("{head}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
        whole.extend_from_slice(body);
        let mut chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
        let (mut dice, mut rest) = (Dice::of(body), body);
        while !rest.is_empty() {
            let (chunk, behind) = rest.split_at(1 + dice.below(rest.len()));
            chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            chunked.extend_from_slice(chunk);
            chunked.extend_from_slice(b"\r\n");
            rest = behind;
        }
        chunked.extend_from_slice(b"0\r\n\r\n");
        let [one, other] = [whole, chunked].map(|sent| self.look(&sent));
        assert_eq!(one, other, "in chunks it is another body");
        one
    }

    fn look(&mut self, sent: &[u8]) -> Shown {
        match look(sent, &mut self.scratch, &mut self.teller) {
            Look::Whole(shown, bytes) => {
                assert_eq!(bytes, sent.len(), "a request of another length");
                shown
            }
            other => panic!("a whole request gave {other:?}"),
        }
    }

    fn read(&mut self, body: &[u8], seen: &mut Seen) {
        let command = self.ask(COMMAND, body);
        note(&command, seen);
        if let Shown::Ask(asked, _) = &command
            && !body.is_empty()
        {
            let value: Value = serde_json::from_slice(body).expect("what is accepted is JSON");
            let fields = value.as_object().expect("an object");
            assert!(fields.keys().all(|key| key == "buyer"), "{value}");
            let buyer = fields.get("buyer").map_or("", |buyer| buyer.as_str().expect("a text"));
            assert_eq!(buyer_of(asked), buyer.as_bytes());
        }
        let shown = self.ask(PURCHASE, body);
        note(&shown, seen);
        match &shown {
            Shown::Ask(asked, _) => {
                let value: Value = serde_json::from_slice(body).expect("what is accepted is JSON");
                is_meant(asked, &value);
                let again = serde_json::to_vec(&value).expect("it can be written");
                assert_eq!(self.ask(PURCHASE, &again), shown, "written again it is another");
            }
            Shown::Fault(_, problem, _) if problem.contains("malformed_json") => {
                let other = serde_json::from_slice::<Value>(body);
                assert!(other.is_err(), "it is JSON, and refused as none: {problem}");
            }
            _ => {}
        }
    }
}

fn buyer_of(asked: &Asked) -> Vec<u8> {
    let ident = asked.head.head().buyer().expect("a form");
    if ident.form == Form::Long {
        return asked.long_buyer.clone();
    }
    let mut text = [0; 64];
    let len = ident.write_text(&mut text);
    assert_eq!(len, text_len(&text));
    text[..len].to_vec()
}

/// Whether each field was understood as the other reader understands it.
fn is_meant(asked: &Asked, value: &Value) {
    let head = asked.head.head();
    let text = |name: &str| value[name].as_str().unwrap_or_default().as_bytes().to_vec();
    assert_eq!(buyer_of(asked), text("buyer"));
    assert_eq!(asked.channel, text("channel"));
    assert_eq!(head.price.to_native(), value["max_price"].as_u64().unwrap_or(NO_MAX_PRICE));
    assert_eq!(head.is_waiting(), value["wait"].as_bool().unwrap_or(false));
    assert_eq!(head.is_up_to(), value["fill"] == "up_to");
    let units = |of: &Value| of.get("units").map_or(1, |units| units.as_u64().expect("a number"));
    let line = |of: &Value| {
        let item = of["item"].as_str().expect("a text").as_bytes().to_vec();
        (item, u32::try_from(units(of)).expect("it was accepted"))
    };
    match value["lines"].as_array().map(Vec::as_slice) {
        None => assert_eq!((asked.item.clone(), head.units.to_native()), line(value)),
        Some([one]) => assert_eq!((asked.item.clone(), head.units.to_native()), line(one)),
        Some(lines) => {
            assert_eq!(head.kind, kind::BASKET);
            assert_eq!(asked.lines, lines.iter().map(line).collect::<Vec<_>>());
        }
    }
    let told = value["groups"].as_object().into_iter().flatten();
    let mut told: Vec<_> = told
        .map(|(group, member)| {
            let member = member.as_str().expect("a text");
            (group.clone().into_bytes(), member.as_bytes().to_vec())
        })
        .collect();
    told.sort();
    assert_eq!(asked.groups, told);
}
