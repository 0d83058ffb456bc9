//! How the bytes of TLS may be cut, and what comes when they are wrong.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use doorbuster::message::{Cell, kind, outcome};
use doorbuster::shard::ShardOptions;
use rustls::{ContentType, version};

use super::shard_house::{
    House, QUICK, ask, buy, cell, expect, last_words, resp, send, wait_until,
};
use super::tls::{Authority, Files, VERSIONS, client, over};

/// Whole records that lie in `bytes`, by their types.
fn records(mut bytes: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    while let [kind, _, _, high, low, rest @ ..] = bytes {
        types.push(*kind);
        bytes = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
    }
    assert!(bytes.is_empty(), "a record that is not whole");
    types
}

#[test]
fn both_protocols_work_inside_both_versions_beside_plain_peers() {
    let authority = Authority::new();
    let house = House::open_tls(QUICK, &Files::new(&authority).load());
    for version in VERSIONS {
        let config = authority.trusted(version);
        let mut peer = over(house.connect(), &config);
        ask(&mut peer, "PING", "+PONG ");
        assert_eq!(peer.conn.protocol_version(), Some(version.version));
        let mut lines = Vec::new();
        (0..100).for_each(|_| lines.extend(resp("STOCK drop tee")));
        peer.write_all(&lines).expect("sent");
        (0..100).for_each(|_| expect(&mut peer, "*5 :10 :9 :1 :0 :0 "));

        let mut peer = over(house.connect(), &config);
        let mut hello = Cell::ZERO;
        hello.0[..2].copy_from_slice(&[kind::HELLO, 1]);
        peer.write_all(&hello.0).expect("sent");
        assert_eq!(cell(&mut peer).0[..3], [kind::HELLO, 0, 1]);
        for tag in 0..300 {
            send(&mut peer, buy(tag));
        }
        for tag in 0..300 {
            let answer = cell(&mut peer);
            let told = (answer.reply().outcome, answer.reply().tag.to_native());
            assert_eq!(told, (outcome::HELD, tag));
        }
    }
    ask(&mut house.connect(), "PING", "+PONG ");
    assert_eq!(house.metrics.shards[0].protocol_errors.value(), 0);
}

#[test]
fn a_stream_of_events_goes_on_and_ends_inside_tls() {
    let authority = Authority::new();
    let options = ShardOptions { heartbeat_ms: 30, ..QUICK };
    let mut house = House::open_tls(options, &Files::new(&authority).load());
    let mut peer = over(house.connect(), &authority.trusted(VERSIONS[0]));
    let ask = b"GET /v1/sales/drop/orders/7/events HTTP/1.1\r\nHost: x\r\n\r\n";
    peer.write_all(ask).expect("sent");
    let mut words = Vec::new();
    while !words.ends_with(b"\n\n:\n\n:\n\n") {
        let mut byte = [0];
        peer.read_exact(&mut byte).expect("a stream");
        words.push(byte[0]);
    }
    let words = String::from_utf8(words).expect("ASCII");
    assert!(words.contains("\r\n\r\nid: ") && words.contains("\"state\":\"held\""), "{words}");
    assert!(house.shut(), "a stream is not waited for");
    assert!(last_words(&mut peer).replace(":\n\n", "").is_empty());
}

#[test]
fn one_byte_at_a_time_is_enough_in_handshake_and_records() {
    let authority = Authority::new();
    let house = House::open_tls(QUICK, &Files::new(&authority).load());
    for version in VERSIONS {
        let mut stream = house.connect();
        let mut inner = client(&authority.trusted(version));
        inner.writer().write_all(&resp("PING")).expect("buffered");
        let mut answer = Vec::new();
        while answer != b"+PONG\r\n" {
            let mut bytes = Vec::new();
            while inner.wants_write() {
                inner.write_tls(&mut bytes).expect("a vector takes all");
            }
            for byte in bytes {
                stream.write_all(&[byte]).expect("sent");
                std::thread::yield_now();
            }
            inner.read_tls(&mut stream).expect("an answer");
            inner.process_new_packets().expect("good TLS");
            let _ = inner.reader().read_to_end(&mut answer);
        }
    }
}

#[test]
fn a_record_cut_anywhere_is_understood_when_it_is_whole() {
    let authority = Authority::new();
    let house = House::open_tls(QUICK, &Files::new(&authority).load());
    let mut peer = over(house.connect(), &authority.trusted(&version::TLS13));
    ask(&mut peer, "PING", "+PONG ");
    let word = "x".repeat(12_000);
    for cut in [1, 4, 5, 6, 4_095, 4_096, 4_097, 11_000] {
        let echo = resp(&format!("ECHO {word}"));
        peer.conn.writer().write_all(&echo).expect("buffered");
        let mut bytes = Vec::new();
        while peer.conn.wants_write() {
            peer.conn.write_tls(&mut bytes).expect("a vector takes all");
        }
        let before = house.metrics.shards[0].bytes_in.value();
        peer.sock.write_all(&bytes[..cut]).expect("sent");
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(house.metrics.shards[0].bytes_in.value(), before, "half a record was read");
        peer.sock.write_all(&bytes[cut..]).expect("sent");
        expect(&mut peer, &format!("$12000 {word} "));
    }
}

#[test]
fn garbage_in_place_of_tls_is_told_by_an_alert_and_closed() {
    let authority = Authority::new();
    let house = House::open_tls(QUICK, &Files::new(&authority).load());
    let long = [&[0x16, 3, 1][..], &[0xff; 40_000]].concat();
    let alert = [u8::from(ContentType::Alert)];
    for (garbage, expected) in [
        // A message of 6 MB is announced: rustls has no alert for that.
        (&b"\x16\x03\x01\x00\x05hello"[..], &[][..]),
        (b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", &alert),
        (b"\x16garbage, and no record", &alert),
        (&long, &alert),
    ] {
        let errors = house.metrics.shards[0].protocol_errors.value();
        let mut peer = house.connect();
        peer.write_all(garbage).expect("sent");
        let mut told = Vec::new();
        peer.read_to_end(&mut told).expect("an alert, then the end");
        let said = garbage[..garbage.len().min(20)].escape_ascii();
        assert_eq!(records(&told), expected, "{said}");
        assert!(expected.is_empty() || told[5] == 2, "fatal");
        wait_until("the error", || house.metrics.shards[0].protocol_errors.value() == errors + 1);
    }
    // In the middle of a connection, after answers.
    let mut peer = over(house.connect(), &authority.trusted(&version::TLS13));
    ask(&mut peer, "PING", "+PONG ");
    peer.sock.write_all(b"\x17\x03\x03\x00\x20 this was never sealed by anyone").expect("sent");
    let why = peer.read(&mut [0; 64]).expect_err("an alert");
    assert!(why.to_string().contains("alert"), "{why}");
    ask(&mut house.connect(), "PING", "+PONG ");
}

#[test]
fn tls_inside_tls_and_without_a_certificate_is_closed() {
    let authority = Authority::new();
    let house = House::open_tls(QUICK, &Files::new(&authority).load());
    for version in VERSIONS {
        let mut peer = over(house.connect(), &authority.trusted(version));
        let mut hello = Vec::new();
        client(&authority.trusted(version)).write_tls(&mut hello).expect("a vector takes all");
        peer.write_all(&hello).expect("sent");
        // An end without a farewell would be an error.
        assert_eq!(last_words(&mut peer), "");
    }
    let house = House::open(QUICK);
    let mut peer = house.connect();
    peer.write_all(&[0x16, 3, 1]).expect("sent");
    assert_eq!(last_words(&mut peer), "");
}

#[test]
fn half_a_hello_ends_at_its_deadline_and_disturbs_no_one() {
    let authority = Authority::new();
    let options = ShardOptions { request_ms: 300, ..QUICK };
    let house = House::open_tls(options, &Files::new(&authority).load());
    let config = authority.trusted(&version::TLS13);
    let mut hello = Vec::new();
    client(&config).write_tls(&mut hello).expect("a vector takes all");
    let mut halves: Vec<_> = (0..20).map(|_| house.connect()).collect();
    for (number, half) in halves.iter_mut().enumerate() {
        half.write_all(&hello[..1 + number * 10]).expect("sent");
    }
    // One goes on, byte by byte: that is no excuse.
    let mut slow = house.connect();
    slow.set_nonblocking(true).expect("a socket");
    let mut lively = over(house.connect(), &config);
    let start = Instant::now();
    let mut said = hello[..hello.len() - 1].iter().cycle();
    wait_until("the deadlines", || {
        ask(&mut lively, "PING", "+PONG ");
        let _ = slow.write(&[*said.next().expect("without end")]);
        house.metrics.shards[0].closed.value() >= 21
    });
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
    assert_eq!(house.metrics.shards[0].closed.value(), 21);
    ask(&mut lively, "PING", "+PONG ");
    // Half a record after a good handshake is the same.
    lively.sock.write_all(&[23, 3, 3, 1]).expect("sent");
    wait_until("the door", || house.metrics.shards[0].closed.value() == 22);
}

#[test]
fn an_end_with_or_without_a_farewell_is_an_end_after_all_answers() {
    let authority = Authority::new();
    let house = House::open_tls(QUICK, &Files::new(&authority).load());
    for version in VERSIONS {
        for with_farewell in [true, false] {
            let closed = house.metrics.shards[0].closed.value();
            let mut peer = over(house.connect(), &authority.trusted(version));
            ask(&mut peer, "PING", "+PONG ");
            peer.write_all(&resp("STOCK drop tee")).expect("sent");
            if with_farewell {
                peer.conn.send_close_notify();
                peer.conn.complete_io(&mut peer.sock).expect("sent");
            } else {
                peer.sock.shutdown(Shutdown::Write).expect("shut");
            }
            assert_eq!(last_words(&mut peer), "*5\r\n:10\r\n:9\r\n:1\r\n:0\r\n:0\r\n");
            wait_until("the door", || house.metrics.shards[0].closed.value() == closed + 1);
        }
    }
    let mut peer = over(house.connect(), &authority.trusted(&version::TLS13));
    peer.write_all(&resp("QUIT")).expect("sent");
    assert_eq!(last_words(&mut peer), "+OK\r\n");
    assert_eq!(house.metrics.shards[0].protocol_errors.value(), 0);
}
