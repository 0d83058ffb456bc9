//! The client against servers of a few lines each.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use super::*;
use crate::message::{Cell, Head, Lines, Reply, StockReply, decode_side, member_digest, text_tail};
use crate::sale::{Form, Ident, Side};
use bytemuck::Zeroable;

const IN_FLIGHT_MAX: u32 = 64;

/// A server that greets one client and then does as it is told.
fn server(then: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the test connects");
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a time above zero");
        assert_eq!(read_cell(&mut stream).expect("a greeting").0, HELLO);
        let mut cell = HELLO;
        (cell[1], cell[2]) = (outcome::OK, VERSION);
        cell[4..8].copy_from_slice(&IN_FLIGHT_MAX.to_le_bytes());
        stream.write_all(&cell).expect("the client reads");
        then(stream);
    });
    address
}

fn client(address: SocketAddr) -> Client {
    let mut client = Client::connect(address).expect("the server greets");
    client.set_timeout(Some(Duration::from_secs(5))).expect("a time above zero");
    client
}

fn read_cell(stream: &mut TcpStream) -> Option<Cell> {
    let mut cell = Cell::ZERO;
    stream.read_exact(&mut cell.0).ok().map(|()| cell)
}

fn reply(outcome: u8, request: &Head) -> Reply {
    Reply { kind: kind::REPLY, outcome, tag: request.tag, ..Reply::zeroed() }
}

/// Answers as a server would that knows order 42 with long texts, and refuses the key `none`.
fn answer(stream: &mut TcpStream, cell: &Cell) -> Vec<Cell> {
    let head = cell.head();
    let tails: Vec<Cell> = (0..head.tails.to_native())
        .map(|_| read_cell(stream).expect("the tails that were announced"))
        .collect();
    match head.kind {
        kind::RESOLVE if tails.len() == 3 => {
            assert_eq!((tails[1], &tails[2].0[..3]), (Cell::ZERO, &b"tv\0"[..]));
            let mut reply = reply(outcome::OK, head);
            (reply.order, reply.price) = (3.into(), 2.into());
            vec![reply.into()]
        }
        kind::BUY | kind::BASKET if tails.iter().any(|tail| tail.kind() == kind::SIDE) => {
            let longs = tails.iter().take_while(|tail| tail.kind() == kind::TEXT).count();
            let side = decode_side(&tails[longs]).expect("it stands behind the long texts");
            assert_eq!(side, Side { channel: 2, groups: [member_digest(b"c-77"), 0] });
            let lines = Lines::read(tails.len() - longs - 1, |index| tails[longs + 1 + index]);
            let lines = lines.map_or(0, |lines| lines.all().len());
            assert_eq!(lines, if head.kind == kind::BUY { 0 } else { 2 });
            assert!(head.is_waiting() && !head.is_up_to());
            let mut reply = reply(outcome::LIMIT_REACHED, head);
            (reply.price, reply.order) = (4.into(), 1.into());
            vec![reply.into()]
        }
        kind::RESOLVE if tails[0].0.starts_with(b"drop\0") => {
            let mut reply = reply(outcome::OK, head);
            (reply.order, reply.seq) = (3.into(), 7.into());
            vec![reply.into()]
        }
        kind::RESOLVE => vec![reply(outcome::UNKNOWN_SALE, head).into()],
        kind::BUY if head.key() == Ident::parse(b"none").ok() => {
            let mut reply = reply(outcome::LIMIT_REACHED, head);
            reply.price = 2.into();
            vec![reply.into()]
        }
        kind::BUY..=kind::CANCEL | kind::ORDER => {
            let state = match head.kind {
                kind::CONFIRM => outcome::CONFIRMED,
                kind::RELEASE => outcome::RELEASED,
                kind::CANCEL => outcome::CANCELLED,
                _ => outcome::HELD,
            };
            let mut reply = reply(state, head);
            (reply.order, reply.units, reply.price) = (42.into(), head.units, 2500.into());
            (reply.expires_in_ms, reply.replayed) = (120_000.into(), 1);
            if head.kind != kind::ORDER {
                return vec![reply.into()];
            }
            reply.tails = 2;
            let mut record = Head::new(kind::BUY);
            (record.sale, record.item) = (head.sale, 7.into());
            record.set_buyer(Ident::parse(b"17").expect("a good ident"));
            let key = Ident::parse(LONG.as_bytes()).expect("a good ident");
            assert_eq!(key.form, Form::Long);
            record.set_key(key);
            vec![reply.into(), record.into(), text_tail(LONG.as_bytes())]
        }
        kind::STOCK => {
            let mut reply = StockReply { kind: kind::STOCK_REPLY, ..StockReply::zeroed() };
            (reply.tag, reply.stock, reply.free) = (head.tag, 100.into(), 99.into());
            vec![reply.into()]
        }
        _ => vec![reply(outcome::OK, head).into()],
    }
}

const LONG: &str = "a-key-that-is-longer-than-sixteen-bytes";

fn answer_all(mut stream: TcpStream) {
    while let Some(cell) = read_cell(&mut stream) {
        for cell in answer(&mut stream, &cell) {
            stream.write_all(&cell.0).expect("the client reads");
        }
    }
}

#[test]
fn each_call_gets_its_answer() {
    let mut client = client(server(answer_all));
    client.ping().expect("a pong");
    let tee = client.resolve("drop", "tee").expect("known names");
    assert_eq!(tee, Item { sale: 3, item: 7 });
    let unknown = client.resolve("shop", "tee").expect_err("no such sale");
    assert!(matches!(unknown, Error::Refused(Refusal::UnknownSale)), "{unknown}");
    let Ok(Answer::Order(order)) = client.buy(tee, "17", LONG, 2) else { panic!("no order") };
    assert_eq!((order.state, order.order, order.units, order.price), (State::Held, 42, 2, 2500));
    assert!(order.replayed && order.expires_in_ms == 120_000);
    let channel = client.channel("drop", "tv").expect("a known channel");
    for lines in [&[(7, 1)][..], &[(7, 1), (8, 2)]] {
        let mut purchase = Purchase::of(tee.sale, lines, "17", LONG);
        (purchase.waits, purchase.channel, purchase.groups[0]) = (true, channel, Some("c-77"));
        let refused = client.purchase(&purchase).expect("an answer");
        let refusal = Refusal::GroupLimitReached { group: 1, limit: 4 };
        assert_eq!(refused, Answer::Refused(refusal));
        assert_eq!(refusal.to_string(), "limit_reached: 4 units in limit group 1");
        purchase.groups[0] = Some("a b");
        assert!(matches!(client.purchase(&purchase), Err(Error::BadText { field: "group", .. })));
    }
    let refused = client.buy(tee, "17", "none", 1).expect("an answer");
    assert_eq!(refused, Answer::Refused(Refusal::LimitReached { limit: 2 }));
    for (answer, state) in [
        (client.confirm(3, 42), State::Confirmed),
        (client.release(3, 42), State::Released),
        (client.extend(3, 42), State::Held),
        (client.cancel(3, 42), State::Cancelled),
    ] {
        assert!(matches!(answer, Ok(Answer::Order(order)) if order.state == state));
    }
    let Ok(Answer::Shown(shown)) = client.order(3, 42) else { panic!("no order shown") };
    assert_eq!((shown.buyer.as_str(), shown.key.as_str(), shown.item), ("17", LONG, tee));
    let stock = client.stock(tee).expect("an answer");
    assert!(matches!(stock, Answer::Stock(Stock { stock: 100, free: 99, .. })));
    let bad = client.buy(tee, "two words", "k", 1).expect_err("a space");
    assert!(bad.to_string().starts_with("buyer may hold"), "{bad}");
    client.ping().expect("a bad text breaks nothing");
}

#[test]
fn many_are_in_flight_but_never_more_than_the_server_takes() {
    let mut client = client(server(answer_all));
    for number in 0..IN_FLIGHT_MAX {
        assert_eq!(client.send(&Request::Ping).expect("room"), Tag(number));
    }
    assert!(matches!(client.send(&Request::Ping), Err(Error::InFlightFull { max: 64 })));
    assert!(matches!(client.ping(), Err(Error::Unanswered { in_flight: 64 })));
    for number in 0..IN_FLIGHT_MAX {
        assert_eq!(client.receive().expect("an answer"), (Tag(number), Answer::Pong));
    }
    client.ping().expect("room again");
}

#[test]
fn two_threads_share_a_connection() {
    const REQUESTS: u32 = 5_000;
    let (mut sender, mut receiver) = client(server(answer_all)).split();
    let receiving = thread::spawn(move || {
        (0..REQUESTS).map(|_| receiver.receive().expect("an answer").0.0).collect::<Vec<u32>>()
    });
    let mut sent = 0;
    while sent < REQUESTS {
        match sender.send(&Request::Ping) {
            Ok(_) => sent += 1,
            Err(Error::InFlightFull { .. }) => {
                sender.flush().expect("the server reads");
                thread::yield_now();
            }
            Err(error) => panic!("{error}"),
        }
    }
    sender.flush().expect("the server reads");
    let tags = receiving.join().expect("the receiver ends");
    assert!(tags.iter().copied().eq(0..REQUESTS));
}

#[test]
fn a_server_that_goes_or_babbles_is_an_error() {
    let mut gone = client(server(|mut stream| {
        read_cell(&mut stream).expect("the request");
    }));
    gone.send(&Request::Ping).expect("room");
    assert!(matches!(gone.receive(), Err(Error::Closed { in_flight: 1 } | Error::Io(_))));

    for (first, second) in [(kind::BUY, 0), (kind::REPLY, 10), (200, 0), (kind::REPLY, 5)] {
        let mut babble = client(server(move |mut stream| {
            let mut cell = Cell::ZERO;
            (cell.0[0], cell.0[1], cell.0[2]) = (first, outcome::HELD, second);
            if second == 5 {
                (cell.0[2], cell.0[4]) = (0, 9);
            }
            stream.write_all(&cell.0).expect("the client reads");
            read_cell(&mut stream);
            read_cell(&mut stream);
        }));
        assert!(matches!(babble.ping(), Err(Error::Protocol(_))));
    }
}

#[test]
fn a_refused_greeting_is_an_error() {
    let mut cell = HELLO;
    (cell[1], cell[2]) = (outcome::MALFORMED, VERSION);
    assert!(matches!(read_hello(&cell), Err(Error::Protocol(_))));
    (cell[1], cell[2]) = (outcome::OK, 9);
    assert!(matches!(read_hello(&cell), Err(Error::Protocol(_))));
    assert!(matches!(read_hello(&[b'-'; CELL_BYTES]), Err(Error::Protocol(_))));
}

#[test]
fn news_come_between_answers_and_confuse_none_of_them() {
    let address = server(|mut stream| {
        let news = |state: u8, order: u64| {
            let reply = Reply { kind: kind::NEWS, outcome: state, ..Reply::zeroed() };
            Cell::from(Reply { order: order.into(), units: 1.into(), ..reply })
        };
        while let Some(cell) = read_cell(&mut stream) {
            stream.write_all(&news(outcome::HELD, 7).0).expect("the client reads");
            for cell in answer(&mut stream, &cell) {
                stream.write_all(&cell.0).expect("the client reads");
            }
            // In two pieces.
            let last = news(outcome::EXPIRED, 8).0;
            stream.write_all(&last[..9]).expect("the client reads");
            thread::sleep(Duration::from_millis(20));
            stream.write_all(&last[9..]).expect("the client reads");
        }
    });
    let mut client = client(address);
    assert_eq!(client.news().expect("a server"), None);
    client.ping().expect("a pong");
    let first = client.news().expect("a server").expect("it came before the pong");
    assert_eq!((first.state, first.order, first.units), (State::Held, 7, 1));
    let second = client.wait_for_news().expect("news");
    assert_eq!((second.state, second.order), (State::Expired, 8));
    assert_eq!(client.news().expect("a server"), None);

    client.send(&Request::Ping).expect("room");
    client.flush().expect("a server");
    assert!(matches!(client.wait_for_news(), Err(Error::Unanswered { in_flight: 1 })));
    let (_sender, mut receiver) = client.split();
    assert!(matches!(receiver.hear(), Ok(Heard::News(_))));
    assert!(matches!(receiver.hear(), Ok(Heard::Answer(Tag(1), Answer::Pong))));
    assert!(matches!(receiver.hear(), Ok(Heard::News(_))));
}
