//! Peers that mean harm or are broken: each gets the contract's answer or a closed door, memory
//! stays bounded, and the others go on.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use doorbuster::client::{HELLO, read_hello};
use doorbuster::message::{Cell, Head, kind, outcome};

use super::resp::{Resp, Value, encode};
use super::server::{House, PATIENCE, Server};
use super::{CROWD, DROP};

/// Memory that buffers of a few dozen peers may take; far below what they try to fill.
const GROWTH_BYTES_MAX: u64 = 64 << 20;

fn resp(server: &Server) -> Resp {
    Resp::over(server.connect())
}

/// A good peer: the server still serves.
#[track_caller]
fn still_serves(server: &Server, key: &str) {
    let answer = resp(server).ask(&["BUY", "crowd", "tee", "good", key]);
    assert_eq!(answer.word(), "held", "{answer:?}");
}

/// Everything that comes until the door closes. A reset counts as closed.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let (mut all, mut bytes) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return all,
            Ok(read) => all.extend_from_slice(&bytes[..read]),
            Err(why) if why.kind() == ErrorKind::ConnectionReset => return all,
            Err(why) => panic!("the door stays open: {why}"),
        }
    }
}

#[test]
fn forged_lengths_and_nested_arrays_get_an_error_and_a_closed_door() {
    let house = House::new(&[CROWD]);
    let server = house.serve();
    let before = server.resident_bytes();
    let array = "invalid multibulk length";
    let bulk = "invalid bulk length";
    for (bytes, expected) in [
        ("*4294967295\r\n", array),
        ("*-2\r\n", array),
        ("*00\r\n", array),
        ("*9999999999999999999999999\r\n", array),
        ("*65\r\n", array),
        ("*1\r\n$4294967295\r\n", bulk),
        ("*1\r\n$-1\r\n", bulk),
        ("*1\r\n$16385\r\n", bulk),
        ("*1\r\n*1\r\n*1\r\n*1\r\n", "expected '$', got '*'"),
        ("*1\r\n:1\r\n", "expected '$', got ':'"),
        ("*1\r\n$4\r\nPINGxx", "expected CRLF after a bulk string"),
        ("$4\r\nPING\r\n", "expected '*', got '$'"),
    ] {
        let mut peer = resp(&server);
        peer.raw(bytes.as_bytes()).expect("sent");
        let told = peer.receive().expect("an error");
        assert_eq!(told, Value::Error(format!("ERR Protocol error: {expected}")), "{bytes:?}");
        assert!(peer.is_closed(), "{bytes:?}");
    }
    // A request that is answered first, then the error: replies keep their order.
    let mut peer = resp(&server);
    let mut bytes = Vec::new();
    encode(&["BUY", "crowd", "tee", "u", "before"], &mut bytes);
    bytes.extend_from_slice(b"*4294967295\r\n");
    peer.raw(&bytes).expect("sent");
    assert_eq!(peer.receive().expect("an answer").word(), "held");
    assert!(matches!(peer.receive(), Ok(Value::Error(_))));
    assert!(peer.is_closed());
    // Many claims at once reserve nothing.
    let claims: Vec<Resp> = (0..200)
        .map(|_| {
            let mut peer = resp(&server);
            peer.raw(b"*64\r\n$16384\r\n").expect("sent");
            peer
        })
        .collect();
    still_serves(&server, "after");
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < GROWTH_BYTES_MAX, "{grown} bytes for {} claims", claims.len());
}

#[test]
fn requests_that_make_no_sense_get_an_error_and_the_connection_stays() {
    let house = House::new(&[CROWD]);
    let server = house.serve();
    let mut peer = resp(&server);
    let arity = |name| format!("ERR wrong number of arguments for '{name}' command");
    let long = "x".repeat(65);
    let texts: [(&[&str], String); 14] = [
        (&["BUY"], arity("buy")),
        (&["BUY", "crowd", "tee", "u"], arity("buy")),
        (&["CONFIRM", "crowd"], arity("confirm")),
        (&["RELEASE", "crowd", "1", "2"], arity("release")),
        (&["STOCK", "crowd"], arity("stock")),
        (&["ORDER"], arity("order")),
        (&["ECHO"], arity("echo")),
        (&["BUY", "crowd", "tee", "u", "k", "UNITS"], "ERR syntax error".into()),
        (&["BUY", "crowd", "tee", "u", "k", "PLEASE"], "ERR syntax error".into()),
        (
            &["BUY", "crowd", "tee", "u", "k", "UNITS", "0"],
            "ERR UNITS must be an integer from 1 to 1000000".into(),
        ),
        (
            &["BUY", "crowd", "tee", "u", "k", "UNITS", "4294967297"],
            "ERR UNITS must be an integer from 1 to 1000000".into(),
        ),
        (
            &["BUY", "crowd", "tee", "u", "k", "MAXPRICE", "-1"],
            "ERR MAXPRICE must be an integer from 0 to 9007199254740992".into(),
        ),
        (
            &["CONFIRM", "crowd", "18446744073709551616"],
            "ERR order must be an integer from 0 to 18446744073709551615".into(),
        ),
        (
            &["FLUSHALL", "a"],
            "ERR unknown command 'FLUSHALL', with args beginning with: 'a' ".into(),
        ),
    ];
    for (words, expected) in &texts {
        assert_eq!(peer.ask(words), Value::Error(expected.clone()), "{words:?}");
    }
    for (buyer, key) in [("", "k"), ("u", ""), ("a b", "k"), ("u", "\u{e9}"), (&long, "k")] {
        let told = peer.ask(&["BUY", "crowd", "tee", buyer, key]);
        assert!(matches!(&told, Value::Error(_)), "{buyer:?} {key:?} {told:?}");
    }
    // A name that cannot be is one that is not there.
    assert_eq!(peer.ask(&["STOCK", "crowd", &long]).word(), "unknown_item");
    assert_eq!(peer.ask(&["STOCK", "", ""]).word(), "unknown_sale");
    assert_eq!(peer.ask(&["STOCK", "crowd", "tee"]).number(2), 0, "nothing was held");
    assert_eq!(peer.ask(&["PING"]), Value::Text("PONG".into()));
}

#[test]
fn truncated_and_half_closed_peers_are_heard_as_far_as_they_spoke() {
    let house = House::new(&[DROP]);
    let server = house.serve();
    let mut request = Vec::new();
    encode(&["BUY", "drop", "tee", "u1", "cut"], &mut request);
    for cut in 1..request.len() {
        let mut peer = resp(&server);
        peer.raw(&request[..cut]).expect("sent");
        peer.finish().expect("a socket");
        assert!(peer.is_closed(), "half a request is no request: {cut}");
    }
    let mut peer = resp(&server);
    peer.raw(&request).expect("sent");
    peer.raw(&request[..request.len() / 2]).expect("sent");
    peer.finish().expect("a socket");
    let held = peer.receive().expect("the whole request is answered");
    assert_eq!(held.word(), "held");
    assert!(peer.is_closed());
    // One that is gone without waiting has bought all the same: its key tells.
    let mut peer = resp(&server);
    peer.send(&["BUY", "drop", "cap", "u2", "gone"]).expect("sent");
    drop(peer);
    let mut asking = resp(&server);
    let deadline = Instant::now() + PATIENCE;
    while asking.ask(&["STOCK", "drop", "cap"]).number(2) == 0 {
        assert!(Instant::now() < deadline, "what was sent whole was never decided");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(asking.ask(&["BUY", "drop", "cap", "u2", "gone"]).word(), "held");
    assert_eq!(asking.ask(&["STOCK", "drop", "tee"]).number(2), 1);
}

#[test]
fn one_byte_at_a_time_is_understood_and_the_slowest_are_shown_the_door() {
    let house = House::new(&[CROWD]);
    let server = house.server().option("REQUEST_MS", 1000).run();
    let mut request = Vec::new();
    encode(&["BUY", "crowd", "tee", "u1", "a-key-of-more-than-sixteen"], &mut request);
    let mut peer = resp(&server);
    for byte in &request {
        peer.raw(&[*byte]).expect("sent");
    }
    assert_eq!(peer.receive().expect("an answer").word(), "held");
    let mut hello = server.connect();
    for byte in HELLO {
        hello.write_all(&[byte]).expect("sent");
    }
    let mut cell = [0; 64];
    hello.read_exact(&mut cell).expect("a greeting");
    assert!(read_hello(&cell).is_ok());
    // Half a request and then nothing.
    let mut slow = resp(&server);
    slow.raw(&request[..20]).expect("sent");
    assert!(slow.is_closed(), "it may not sit there for ever");
    still_serves(&server, "after");
}

#[test]
fn requests_far_past_the_limits_are_answered_in_order_one_by_one() {
    const REQUESTS: usize = 30_000;
    let house = House::new(&[CROWD]);
    let server = house.serve();
    let peer = server.connect();
    let mut sending = peer.try_clone().expect("a socket");
    let sender = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        for number in 0..REQUESTS {
            let number = number.to_string();
            match number.ends_with('0') {
                // Answered by the connection itself, after all before it.
                true => encode(&["ECHO", &number], &mut bytes),
                false => encode(&["BUY", "crowd", "tee", &number, &number], &mut bytes),
            }
        }
        sending.write_all(&bytes).expect("it takes everything in the end");
    });
    let mut peer = Resp::over(peer);
    let mut last = 0;
    for number in 0..REQUESTS {
        let answer = peer.receive().expect("an answer");
        if number % 10 == 0 {
            assert_eq!(answer, Value::Text(number.to_string()));
        } else {
            assert_eq!(answer.word(), "held", "{number}");
            assert!(answer.number(1) > last, "{number}");
            last = answer.number(1);
        }
    }
    sender.join().expect("sent");
}

/// Sends until the socket takes no more for a while. Returns the bytes taken.
fn stuff(stream: &TcpStream, request: &[u8]) -> usize {
    stream.set_nonblocking(true).expect("a socket");
    let bytes = request.repeat(64 * 1024 / request.len());
    let (mut sent, mut at) = (0, 0);
    let (mut moved, start) = (Instant::now(), Instant::now());
    // It could go on for ever only if the server read without bound.
    while moved.elapsed() < Duration::from_millis(300) && start.elapsed() < PATIENCE {
        match (&*stream).write(&bytes[at..]) {
            Ok(count) => {
                sent += count;
                at = (at + count) % bytes.len();
                moved = Instant::now();
            }
            Err(why) if why.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(why) => panic!("it is shown the door: {why}"),
        }
    }
    assert!(moved.elapsed() >= Duration::from_millis(300), "{sent} bytes and no end");
    sent
}

#[test]
fn peers_that_never_read_neither_grow_the_server_nor_stop_the_others() {
    let house = House::new(&[CROWD]);
    let server = house.serve();
    still_serves(&server, "before");
    let before = server.resident_bytes();
    let mut order = Vec::new();
    encode(&["ORDER", "crowd", "3"], &mut order);
    let mut echo = Vec::new();
    encode(&["ECHO", &"x".repeat(16_000)], &mut echo);
    let deaf: Vec<TcpStream> = (0..24).map(|_| server.connect()).collect();
    let sent: usize = std::thread::scope(|scope| {
        let stuffed: Vec<_> = deaf
            .iter()
            .zip([&order, &echo].into_iter().cycle())
            .map(|(peer, request)| scope.spawn(move || stuff(peer, request)))
            .collect();
        // The others go on meanwhile.
        let mut good = resp(&server);
        for number in 0..200 {
            let asked = Instant::now();
            let answer = good.ask(&["BUY", "crowd", "tee", "good", &format!("good-{number}")]);
            assert_eq!(answer.word(), "held");
            assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
        }
        stuffed.into_iter().map(|peer| peer.join().expect("no panic")).sum()
    });
    assert!(sent > 0);
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < GROWTH_BYTES_MAX, "{grown} bytes for {} peers", deaf.len());
    still_serves(&server, "after");
}

#[test]
fn binary_cells_that_make_no_sense_are_malformed_or_the_end() {
    let house = House::new(&[CROWD]);
    let server = house.serve();
    // No greeting.
    let mut peer = server.connect();
    let mut wrong = HELLO;
    wrong[1] = 99;
    peer.write_all(&wrong).expect("sent");
    let told = rest(&mut peer);
    assert_eq!((told.len(), told[0], told[1]), (64, kind::HELLO, outcome::MALFORMED));
    let greet = || {
        let mut peer = server.connect();
        peer.write_all(&HELLO).expect("sent");
        let mut cell = [0; 64];
        peer.read_exact(&mut cell).expect("a greeting");
        read_hello(&cell).expect("a good one");
        peer
    };
    // Values out of bounds: told so, and the connection stays.
    let mut peer = greet();
    for (tag, units) in [(7_u32, 0_u32), (8, u32::MAX)] {
        let head = Head { units: units.into(), tag: tag.into(), ..Head::new(kind::BUY) };
        peer.write_all(&Cell::from(head).0).expect("sent");
        let mut cell = Cell::ZERO;
        peer.read_exact(&mut cell.0).expect("an answer");
        assert_eq!(cell.reply().outcome, outcome::MALFORMED);
        assert_eq!(cell.reply().tag.to_native(), tag);
    }
    // A length that cannot be, a kind that is none: told so, and the end.
    let forged = Head { tails: u16::MAX.into(), ..Head::new(kind::BUY) };
    for head in [forged, Head::new(0), Head::new(kind::SEAL), Head::new(kind::CREATE)] {
        let mut peer = greet();
        peer.write_all(&Cell::from(head).0).expect("sent");
        let told = rest(&mut peer);
        assert_eq!((told.len(), told[0], told[1]), (64, kind::REPLY, outcome::MALFORMED));
    }
    still_serves(&server, "after");
}

#[test]
fn garbage_of_every_kind_leaves_the_server_standing() {
    let house = House::new(&[CROWD]);
    let server = house.serve();
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..300 {
        let mut peer = server.connect();
        let mut bytes: Vec<u8> = (0..random() % 2000).map(|_| random() as u8).collect();
        match round % 5 {
            0 => bytes.insert(0, b'*'),
            1 => bytes.splice(0..0, HELLO).for_each(drop),
            2 => bytes.splice(0..0, *b"*5\r\n$3\r\nBUY\r\n$").for_each(drop),
            3 => bytes.splice(0..0, *b"POST / HTTP/1.1\r\nHost: x\r\nA: ").for_each(drop),
            _ => {}
        }
        // It may close while we still speak.
        let _ = peer.write_all(&bytes);
        let _ = peer.shutdown(std::net::Shutdown::Write);
        rest(&mut peer);
    }
    let mut browser = server.connect();
    browser.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
    browser.shutdown(std::net::Shutdown::Write).expect("a socket");
    assert!(rest(&mut browser).starts_with(b"HTTP/1.1 404"));
    let mut tls = server.connect();
    tls.write_all(&[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]).expect("sent");
    assert!(rest(&mut tls).is_empty());
    still_serves(&server, "after");
    server.stop().expect_code(0);
    assert_eq!(house.audit()["held"], 1);
}

#[test]
fn connections_past_the_limit_are_told_so_and_a_place_that_falls_free_is_given() {
    let house = House::new(&[CROWD]);
    let server = house.server().option("CONNECTIONS_MAX", 4).run();
    let mut peers: Vec<Resp> = (0..4).map(|_| resp(&server)).collect();
    for peer in &mut peers {
        assert_eq!(peer.ask(&["PING"]), Value::Text("PONG".into()));
    }
    let mut fifth = resp(&server);
    let told = fifth.receive().expect("an error");
    assert_eq!(told, Value::Error("ERR max number of clients reached".into()));
    assert!(fifth.is_closed());
    peers.pop();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut next = resp(&server);
        if next.send(&["PING"]).and_then(|()| next.receive()).is_ok_and(|it| it.word() == "PONG") {
            break;
        }
        assert!(Instant::now() < deadline, "the place stays taken");
        std::thread::sleep(Duration::from_millis(10));
    }
}
