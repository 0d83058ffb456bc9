//! Frames: what is one, and what it must be.

use super::*;
use crate::message::{encode_lines, encode_side, outcome, text_tail};
use proptest::prelude::*;

fn buy(buyer: &str, key: &str) -> (Head, Vec<Cell>) {
    let mut head = Head::new(kind::BUY);
    let mut tails = Vec::new();
    let idents = [buyer, key].map(|text| {
        let ident = Ident::parse(text.as_bytes()).expect("a good ident");
        if ident.form == Form::Long {
            tails.push(text_tail(text.as_bytes()));
        }
        ident
    });
    head.set_buyer(idents[0]);
    head.set_key(idents[1]);
    head.units = 1.into();
    head.price = NO_MAX_PRICE.into();
    head.tails = (tails.len() as u16).into();
    (head, tails)
}

fn bytes(head: Head, tails: &[Cell]) -> Vec<u8> {
    let mut bytes = Cell::from(head).0.to_vec();
    tails.iter().for_each(|tail| bytes.extend_from_slice(&tail.0));
    bytes
}

fn what(head: Head, tails: &[Cell]) -> What {
    parse(&bytes(head, tails)).expect("whole").what
}

#[test]
fn heads_out_of_bounds_are_malformed() {
    let (good, _) = buy("u1", "k1");
    assert_eq!(what(good, &[]), What::Ask);
    assert_eq!(what(Head { options: good.options | UP_TO, ..good }, &[]), What::Ask);
    assert_eq!(what(Head { options: good.options | WAITS, ..good }, &[]), What::Ask);
    let bad: [fn(&mut Head); 9] = [
        |head| head.units = 0.into(),
        |head| head.units = (UNITS_MAX + 1).into(),
        |head| head.price = (PRICE_MAX + 1).into(),
        |head| head.options |= 7,
        |head| head.options = 6,
        |head| head.set_buyer(Ident::NONE),
        |head| head.set_key(Ident::NONE),
        |head| head.buyer = *b"42\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        |head| head.key = *b"a\0b\0\0\0\0\0\0\0\0\0\0\0\0\0",
    ];
    for (index, spoil) in bad.iter().enumerate() {
        let mut head = good;
        spoil(&mut head);
        assert_eq!(what(head, &[]), What::Malformed, "{index}");
    }
    let mut confirm = Head::new(kind::CONFIRM);
    confirm.set_order(u64::MAX);
    assert_eq!(what(confirm, &[]), What::Ask);
    confirm.set_buyer(Ident::parse(b"u1").expect("good"));
    assert_eq!(what(confirm, &[]), What::Ask);
    assert_eq!(what(Head { options: confirm.options | UP_TO, ..confirm }, &[]), What::Malformed);
    confirm.key[8] = 1;
    assert_eq!(what(confirm, &[]), What::Malformed);
    assert_eq!(what(Head::new(kind::STOCK), &[]), What::Ask);
}

#[test]
fn tails_must_be_what_the_forms_say() {
    let text = "a-text-longer-than-sixteen";
    let (head, tails) = buy(text, text);
    assert_eq!(what(head, &tails), What::Ask);
    assert!(parse(&bytes(head, &tails[..1])).is_none());
    let mut short = head;
    short.tails = 1.into();
    assert_eq!(what(short, &tails), What::Lost);
    assert_eq!(what(Head::new(99), &[]), What::Lost);
    assert_eq!(what(Head::new(kind::RESOLVE), &[]), What::Lost);
    for (at, byte) in [(0, 0), (1, 1), (57, b'x'), (20, b'x'), (8, b' '), (8, 0)] {
        let mut spoilt = tails.clone();
        spoilt[1].0[at] = byte;
        assert_eq!(what(head, &spoilt), What::Malformed, "{at} {byte}");
    }
    // A UUID has a form of its own.
    let uuid = "6f1e0c4a-0000-4000-8000-0123456789ab";
    let mut head = head;
    head.buyer.copy_from_slice(&uuid.as_bytes()[..16]);
    assert_eq!(what(head, &[text_tail(uuid.as_bytes()), tails[1]]), What::Malformed);
}

#[test]
fn a_ticket_is_taken_off_a_purchase_and_nothing_else_may_carry_one() {
    let ticket = crate::message::ticket_tail(77, &[9; 32]);
    for (buyer, key) in [("u1", "k1"), ("a-buyer-longer-than-sixteen", "k1")] {
        let (mut head, mut cells) = buy(buyer, key);
        let longs = cells.len();
        cells.push(ticket);
        head.tails = (cells.len() as u16).into();
        let whole = bytes(head, &cells);
        assert!(parse(&whole[..whole.len() - 1]).is_none());
        let frame = parse(&whole).expect("whole");
        assert_eq!((frame.what, frame.bytes), (What::Ask, whole.len()));
        assert_eq!(usize::from(frame.head.head().tails.to_native()), longs);
        assert_eq!(frame.ticket(&whole), Some((77, [9; 32])));
        let (text, len) = frame.buyer_text();
        assert_eq!(&text[..len], buyer.as_bytes());
        cells[longs].0[63] = 1;
        assert_eq!(what(head, &cells), What::Malformed);
        head.tails = (longs as u16 + 2).into();
        cells.push(ticket);
        assert_eq!(what(head, &cells), What::Malformed);
        head.tails = (longs as u16 + 3).into();
        cells.push(ticket);
        assert_eq!(what(head, &cells), What::Lost);
    }
    let mut confirm = Head::new(kind::CONFIRM);
    confirm.tails = 1.into();
    assert_eq!(what(confirm, &[ticket]), What::Lost);
}

#[test]
fn answers_carry_the_tag_and_nothing_of_the_rings() {
    let reply = Reply { order: 42.into(), arrived: 7.into(), ..Reply::zeroed() };
    let mut out = Vec::new();
    answer(reply.into(), 0xABCD, None, &mut out);
    let told = cell_at(&out).expect("a cell");
    assert_eq!((told.reply().tag.to_native(), told.reply().arrived.to_native()), (0xABCD, 0));
    assert_eq!(told.reply().order.to_native(), 42);
}

#[test]
fn an_answer_about_an_order_carries_its_receipt_where_the_rings_had_theirs() {
    let order = Reply {
        kind: kind::REPLY,
        outcome: outcome::HELD,
        seq: 42.into(),
        after: 43.into(),
        arrived: 7.into(),
        ..Reply::zeroed()
    };
    let chain = std::array::from_fn(|at| at as u8 + 1);
    let receipt = Receipt { seq: 42, chain };
    let sold_out = Reply { outcome: outcome::SOLD_OUT, seq: 0.into(), ..order };
    for (reply, given, told) in
        [(order, Some(&receipt), Some(receipt)), (order, None, None), (sold_out, None, None)]
    {
        let mut out = Vec::new();
        answer(reply.into(), 5, given, &mut out);
        let cell = cell_at(&out).expect("a cell");
        assert_eq!((cell.reply().receipt(), cell.reply().tag.to_native()), (told, 5));
        let halves = told
            .map_or([[0; 8]; 2], |_| [[1, 2, 3, 4, 5, 6, 7, 8], [9, 10, 11, 12, 13, 14, 15, 16]]);
        if reply == order {
            assert_eq!((&cell.0[24..32], &cell.0[56..]), (&halves[0][..], &halves[1][..]));
        }
    }
}

proptest! {
    #[test]
    fn a_prefix_is_never_enough_and_the_whole_always_is(
        buyer in "[!-~]{1,64}", key in "[!-~]{1,64}", cut in 0_usize..192,
    ) {
        let (head, tails) = buy(&buyer, &key);
        let whole = bytes(head, &tails);
        let frame = parse(&whole).expect("whole");
        prop_assert_eq!((frame.what, frame.bytes), (What::Ask, whole.len()));
        prop_assert_eq!(&frame.tails[..tails.len()], &tails[..]);
        if cut < whole.len() {
            prop_assert!(parse(&whole[..cut]).is_none());
        }
    }

    #[test]
    fn garbage_never_panics(
        mut garbage in prop::collection::vec(any::<u8>(), 0..300),
        kind in prop::sample::select(vec![1_u8, 2, 4, 5, 6, 64, 65, 96, 97, 0xDB]),
        tails in 0_u8..10,
    ) {
        if garbage.len() > 4 {
            garbage[0] = kind;
            garbage[2..4].copy_from_slice(&[tails, 0]);
        }
        if let Some(frame) = parse(&garbage) {
            prop_assert!(frame.bytes <= garbage.len());
            frame.tails.iter().for_each(|tail| { name(tail); });
        }
        parse_hello(&garbage);
    }
}

fn basket(lines: usize, buyer: &str) -> (Head, Vec<Cell>) {
    let (mut head, mut tails) = buy(buyer, "k1");
    (head.kind, head.units) = (kind::BASKET, 0.into());
    let lines: Vec<OrderLine> = (0..lines).map(|item| OrderLine::new(item as u16, 1, 0)).collect();
    tails.extend(lines.chunks(3).map(encode_lines));
    head.tails = (tails.len() as u16).into();
    (head, tails)
}

#[test]
fn a_basket_has_its_lines_behind_its_texts() {
    for (lines, buyer) in [(1, "u1"), (3, "u1"), (4, "a-buyer-longer-than-sixteen"), (16, "u1")] {
        let (head, tails) = basket(lines, buyer);
        let whole = bytes(head, &tails);
        assert!(parse(&whole[..whole.len() - 1]).is_none());
        let frame = parse(&whole).expect("whole");
        assert_eq!((frame.what, frame.bytes), (What::Ask, whole.len()), "{lines}");
        for (index, tail) in tails.iter().enumerate() {
            assert_eq!(frame.tail(index, &whole), *tail);
        }
        let (text, len) = frame.buyer_text();
        assert_eq!(&text[..len], buyer.as_bytes());
        // With a ticket behind.
        let ticket = crate::message::ticket_tail(77, &[9; 32]);
        let more = Head { tails: (tails.len() as u16 + 1).into(), ..head };
        let whole = bytes(more, &[tails.clone(), vec![ticket]].concat());
        let frame = parse(&whole).expect("whole");
        assert_eq!((frame.what, frame.ticket(&whole)), (What::Ask, Some((77, [9; 32]))));
        assert_eq!(usize::from(frame.head.head().tails.to_native()), tails.len());
    }
    let (head, tails) = basket(5, "u1");
    let spoilt = |at: usize, byte: usize, value: u8| {
        let mut cells = tails.clone();
        cells[at].0[byte] = value;
        what(head, &cells)
    };
    for (at, byte, value) in
        [(0, 0, 0), (0, 1, 2), (1, 1, 3), (1, 1, 0), (1, 48, 1), (0, 2, 1), (0, 20, 0), (0, 24, 1)]
    {
        assert_eq!(spoilt(at, byte, value), What::Malformed, "{at} {byte} {value}");
    }
    assert_eq!(what(Head { units: 1.into(), ..head }, &tails), What::Malformed);
    assert_eq!(what(Head { item: 1.into(), ..head }, &tails), What::Malformed);
    assert_eq!(what(Head { options: head.options | UP_TO, ..head }, &tails), What::Malformed);
    assert_eq!(what(Head { options: head.options | WAITS, ..head }, &tails), What::Ask);
    assert_eq!(what(Head { tails: 0.into(), ..head }, &[]), What::Lost);
    let many = vec![encode_lines(&[OrderLine::new(1, 1, 0); 3]); 6];
    assert_eq!(what(Head { tails: 6.into(), ..head }, &many), What::Malformed);
    let many = vec![encode_lines(&[OrderLine::new(1, 1, 0); 3]); 11];
    assert_eq!(what(Head { tails: 11.into(), ..head }, &many), What::Lost);
}

#[test]
fn a_side_stands_between_the_texts_and_what_follows_and_says_something() {
    let side = Side { channel: 2, groups: [7, 0] };
    let ticket = crate::message::ticket_tail(77, &[9; 32]);
    for buyer in ["u1", "a-buyer-longer-than-sixteen"] {
        for (head, cells) in [buy(buyer, "k1"), basket(4, buyer)] {
            let longs = usize::from(buyer.len() > 16);
            let with = |mut cell: Cell, spoil: Option<usize>, ticketed: bool| {
                if let Some(at) = spoil {
                    cell.0[at] ^= 1;
                }
                let mut cells = cells.clone();
                cells.insert(longs, cell);
                cells.extend(ticketed.then_some(ticket));
                bytes(Head { tails: (cells.len() as u16).into(), ..head }, &cells)
            };
            for ticketed in [false, true] {
                let whole = with(encode_side(&side), None, ticketed);
                assert!(parse(&whole[..whole.len() - 1]).is_none());
                let frame = parse(&whole).expect("whole");
                assert_eq!((frame.what, frame.bytes, frame.side), (What::Ask, whole.len(), side));
                let tails = usize::from(frame.head.head().tails.to_native());
                assert_eq!(tails, cells.len() + 1, "a ticket is taken off, a side is not");
                assert_eq!(frame.tail(longs, &whole), encode_side(&side));
                if longs > 0 {
                    assert_eq!(frame.tail(0, &whole), cells[0]);
                }
            }
            for at in [2, 8, 48, 63] {
                let spoilt = with(encode_side(&side), Some(at), false);
                assert_eq!(parse(&spoilt).expect("whole").what, What::Malformed, "{at}");
            }
            let nothing = with(encode_side(&Side::NONE), None, false);
            assert_eq!(parse(&nothing).expect("whole").what, What::Malformed);
        }
    }
    // Where it does not belong: behind the lines, twice, or behind a command.
    let (head, mut cells) = basket(1, "u1");
    cells.push(encode_side(&side));
    assert_eq!(what(Head { tails: 2.into(), ..head }, &cells), What::Malformed);
    let twice = [encode_side(&side); 2];
    assert_eq!(what(Head { tails: 2.into(), ..buy("u1", "k1").0 }, &twice), What::Malformed);
    let confirm = Head { tails: 1.into(), ..Head::new(kind::CONFIRM) };
    assert_eq!(what(confirm, &twice[..1]), What::Lost);
}

#[test]
fn news_are_an_answer_without_what_is_of_the_question() {
    let reply = Reply { kind: kind::REPLY, outcome: 1, tails: 3, replayed: 1, ..Reply::zeroed() };
    let (seq, after) = (42.into(), 77.into());
    let reply = Reply { order: 42.into(), seq, after, tag: 9.into(), arrived: 5.into(), ..reply };
    let mut out = Vec::new();
    news(reply.into(), &mut out);
    let cell = Cell(*out.first_chunk().expect("a cell"));
    let news = Reply { kind: kind::NEWS, outcome: 1, order: 42.into(), ..Reply::zeroed() };
    assert_eq!((*cell.reply(), out.len()), (Reply { seq: after, after, ..news }, CELL_BYTES));
    assert_eq!(cell.0[..8], [195, 1, 0, 0, 0, 0, 0, 0]);
}
