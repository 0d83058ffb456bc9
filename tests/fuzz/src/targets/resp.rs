//! RESP: however the stream is cut, the same requests come out; what came out is written again
//! byte by byte as it came; no word is read with any memory of its own; every refusal is one line.

use doorbuster::limits::{BASKET_LINES_MAX, PRICE_MAX, RESP_REQUEST_BYTES_MAX, UNITS_MAX};
use doorbuster::message::{NO_MAX_PRICE, kind};
use doorbuster::wire::commands::{self, Ask, Command};
use doorbuster::wire::resp::{self, Args};

use super::Target;
use super::shown::Asked;
use super::stream::{Look, cut};
use crate::meter;
use crate::seen::Seen;

/// What a refusal may take to be made, bytes: a sentence with 64 characters of a word, escaped.
const FAULT_BYTES_MAX: usize = 1024;

pub(super) const TARGET: Target = Target {
    name: "resp",
    words: &[
        "*1\r\n",
        "*3\r\n",
        "*5\r\n",
        "*-1\r\n",
        "$3\r\n",
        "$0\r\n",
        "\r\n",
        "$1\r\n1\r\n",
        "$3\r\nBUY\r\n",
        "$6\r\nBASKET\r\n",
        "$5\r\nSTOCK\r\n",
        "$5\r\nORDER\r\n",
        "$7\r\nCONFIRM\r\n",
        "$6\r\nEXTEND\r\n",
        "$4\r\ndrop\r\n",
        "$3\r\ntee\r\n",
        "$5\r\nUNITS\r\n",
        "$8\r\nMAXPRICE\r\n",
        "$4\r\nFILL\r\n",
        "$5\r\nUP_TO\r\n",
        "$4\r\nWAIT\r\n",
        "$7\r\nCHANNEL\r\n",
        "$5\r\nGROUP\r\n",
        "$6\r\nTICKET\r\n",
        "$7\r\nRECEIPT\r\n",
    ],
    max: 1200,
    make: || {
        let mut args = Args::new();
        Box::new(move |input, seen| read(input, seen, &mut args))
    },
};

/// The words of a request, or how the protocol was broken.
type Words = Vec<Vec<u8>>;

fn read(input: &[u8], seen: &mut Seen, args: &mut Args) {
    let (found, broken) =
        cut(input, |there| match meter::within(0, "a RESP request", || resp::parse(there, args)) {
            Ok(None) => Look::Partial,
            Ok(Some(bytes)) => {
                let words = args.of(&there[..bytes]);
                Look::Whole((0..words.len()).map(|at| words.word(at).to_vec()).collect(), bytes)
            }
            Err(why) => {
                let mut said = Vec::new();
                why.write(&mut said);
                is_one_line(&said);
                Look::Broken(vec![said])
            }
        });
    if let Some(why) = broken {
        seen.say(&String::from_utf8_lossy(&why[0]));
    }
    let mut at = 0;
    for (words, bytes) in found {
        assert!(bytes <= RESP_REQUEST_BYTES_MAX, "a request of {bytes} bytes");
        let sent = &input[at..at + bytes];
        at += bytes;
        seen.count("words", words.len());
        if sent != b"*-1\r\n" {
            assert_eq!(encode(&words), sent, "written again it is another");
        }
        if !words.is_empty() {
            understand(sent, args, seen);
        }
    }
}

fn encode(words: &Words) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fn understand(sent: &[u8], args: &mut Args, seen: &mut Seen) {
    assert_eq!(resp::parse(sent, args), Ok(Some(sent.len())));
    let words = args.of(sent);
    let mut ask = Ask::new(0);
    let (command, taken) = meter::taken(|| commands::read(&words, &mut ask));
    let may_take = if matches!(command, Command::Fault(_)) { FAULT_BYTES_MAX } else { 0 };
    assert!(taken <= may_take, "a command: {taken} bytes of memory, {may_take} are allowed");
    match command {
        Command::Local => seen.mark(&"local"),
        Command::Fault(fault) => {
            let mut said = Vec::new();
            fault.write(&mut said);
            is_one_line(&said);
            seen.say(&String::from_utf8_lossy(&said));
        }
        Command::Ask => {
            let asked = Asked::of(&ask);
            holds_bounds(&asked);
            let named = (asked.channel.is_empty(), asked.groups.len(), asked.lines.len());
            seen.mark(&(asked.head.kind(), asked.head.0[1], named, asked.receipt));
        }
    }
}

/// What the reader promises of a request.
pub(super) fn holds_bounds(asked: &Asked) {
    let head = asked.head.head();
    let (units, price) = (head.units.to_native(), head.price.to_native());
    let is_price = price <= PRICE_MAX || price == NO_MAX_PRICE;
    match head.kind {
        kind::BUY => {
            assert!((1..=UNITS_MAX).contains(&units) && is_price, "{asked:?}");
            assert!(asked.lines.is_empty());
        }
        kind::BASKET => {
            assert!((1..=BASKET_LINES_MAX).contains(&asked.lines.len()) && is_price, "{asked:?}");
            let is_good = |(_, units): &(Vec<u8>, u32)| (1..=UNITS_MAX).contains(units);
            assert!(asked.lines.iter().all(is_good), "{asked:?}");
        }
        _ => assert!(asked.lines.is_empty() && asked.groups.is_empty(), "{asked:?}"),
    }
}

fn is_one_line(said: &[u8]) {
    let text = String::from_utf8(said.to_vec()).expect("a refusal is text");
    let line = text.strip_suffix("\r\n").expect("a refusal ends with its line");
    assert!(line.starts_with('-') && !line.contains(['\r', '\n']), "{line:?}");
    assert!(line.len() < 400, "a refusal of {} bytes", line.len());
}
