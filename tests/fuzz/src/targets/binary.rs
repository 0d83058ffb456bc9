//! The binary protocol: however the stream is cut, the same frames come out, read with no memory of
//! their own; what is a request is spelt in one way only, so made again of its parts it is the same
//! bytes; and its buyer is an ident.

use doorbuster::limits::{REQUEST_TAILS_MAX, UNITS_MAX};
use doorbuster::message::{
    CELL_BYTES, Cell, Head, LINES_PER_CELL, Lines, encode_lines, encode_side, kind, ticket_tail,
};
use doorbuster::sale::{Form, Ident, Side};
use doorbuster::wire::binary::{self, Frame, What};

use super::Target;
use super::stream::{Look, cut};
use crate::meter;
use crate::seen::Seen;

pub(super) const TARGET: Target = Target {
    name: "binary",
    words: &["\u{1}", "\u{6}", "\u{2}", "ann", "drop", "\0\0\0\0\0\0\0\0"],
    max: 64 * 40,
    make: || Box::new(read),
};

/// What can be compared of a frame.
#[derive(Clone, Debug, PartialEq)]
struct Seemed {
    what: What,
    head: Cell,
    side: Side,
    is_ticketed: bool,
}

fn read(input: &[u8], seen: &mut Seen) {
    let hello = meter::within(0, "a greeting", || binary::parse_hello(input));
    seen.mark(&match hello {
        None => 0,
        Some(binary::Greeting::Bad) => 1,
        Some(binary::Greeting::Good(token)) => {
            assert!(token.iter().all(u8::is_ascii_graphic));
            2 + usize::from(token.is_empty())
        }
    });
    let (found, _) = cut(input, |there| {
        let Some(frame) = meter::within(0, "a frame", || binary::parse(there)) else {
            return Look::Partial;
        };
        let Frame { what, head, side, ticketed, .. } = frame;
        let seemed = Seemed { what, head, side, is_ticketed: ticketed };
        if what == What::Lost { Look::Broken(seemed) } else { Look::Whole(seemed, frame.bytes) }
    });
    let mut at = 0;
    for (seemed, bytes) in found {
        let sent = &input[at..at + bytes];
        at += bytes;
        assert!(bytes <= CELL_BYTES * (REQUEST_TAILS_MAX + 2), "a frame of {bytes} bytes");
        let (head, has) = (seemed.head.head(), (seemed.is_ticketed, bytes / CELL_BYTES));
        seen.mark(&(seemed.what as u8, head.kind, has));
        if seemed.what == What::Ask {
            let named = (seemed.side.channel > 0, seemed.side.groups.map(|group| group > 0));
            seen.mark(&(head.kind, head.options, named));
            is_spelt_in_one_way(&binary::parse(sent).expect("it was whole"), sent);
        }
    }
}

fn is_spelt_in_one_way(frame: &Frame, sent: &[u8]) {
    let head = frame.head.head();
    let (text, len) = frame.buyer_text();
    let buyer = head.buyer().expect("a form");
    if buyer.form != Form::None {
        assert_eq!(Ident::parse(&text[..len]), Ok(buyer), "its buyer is spelt otherwise");
    }
    let is_long = |ident: Option<Ident>| ident.is_some_and(|it| it.form == Form::Long);
    let longs = usize::from(is_long(head.buyer())) + usize::from(is_long(head.key()));
    let mut cells: Vec<Cell> = frame.tails[..longs].to_vec();
    if frame.side != Side::NONE {
        cells.push(encode_side(&frame.side));
    }
    if head.kind == kind::BASKET {
        let tails = usize::from(head.tails.to_native());
        let from = cells.len();
        let lines = Lines::read(tails - from, |at| frame.tail(from + at, sent)).expect("lines");
        assert!(lines.all().iter().all(|line| (1..=UNITS_MAX).contains(&line.units)));
        cells.extend(lines.all().chunks(LINES_PER_CELL).map(encode_lines));
    }
    if let Some((expiry, mac)) = frame.ticket(sent) {
        cells.push(ticket_tail(expiry, &mac));
    }
    let tails = u16::try_from(cells.len()).expect("few");
    cells.insert(0, Head { tails: tails.into(), ..*head }.into());
    let again: Vec<u8> = cells.iter().flat_map(|cell| cell.0).collect();
    assert_eq!(again, sent, "made again it is another");
}
