//! Who trusts whom: certificates at the door, and swapped behind it.

use std::io::{Read, Write};

use doorbuster::message::{kind, outcome};
use doorbuster::shard::ShardOptions;
use rustls::version;

use super::shard_house::{House, QUICK, ask, last_words, resp, wait_until};
use super::tls::{Authority, Files, VERSIONS, over};

#[test]
fn a_client_that_trusts_another_authority_does_not_come_in() {
    let (authority, other) = (Authority::new(), Authority::new());
    let house = House::open_tls(QUICK, &Files::new(&authority).load());
    for version in VERSIONS {
        let closed = house.metrics.shards[0].closed.value();
        let mut peer = over(house.connect(), &other.trusted(version));
        let why = peer.write_all(&resp("PING")).expect_err("not its authority");
        assert!(why.to_string().contains("certificate"), "{why}");
        // Its alert ends the connection.
        wait_until("the door", || house.metrics.shards[0].closed.value() == closed + 1);
    }
    assert_eq!(house.metrics.shards[0].protocol_errors.value(), 2);
}

#[test]
fn a_reload_is_for_new_connections_and_old_ones_go_on() {
    let (authority, next) = (Authority::new(), Authority::new());
    let files = Files::new(&authority);
    let certificates = files.load();
    let house = House::open_tls(QUICK, &certificates);
    let (before, after) = (authority.trusted(&version::TLS13), next.trusted(&version::TLS13));
    let mut old = over(house.connect(), &before);
    ask(&mut old, "PING", "+PONG ");
    std::fs::write(files.key(), "not a key").expect("written");
    assert!(certificates.reload().expect_err("no key").contains("no private key in it"));
    ask(&mut over(house.connect(), &before), "PING", "+PONG ");
    files.put(&next.issue());
    certificates.reload().expect("good files");
    ask(&mut old, "PING", "+PONG ");
    ask(&mut over(house.connect(), &after), "PING", "+PONG ");
    // It has tickets of the old certificate, which are worth nothing any more.
    let mut late = over(house.connect(), &before);
    assert!(late.write_all(&resp("PING")).and_then(|()| late.read(&mut [0])).is_err());
}

#[test]
fn where_tls_is_required_plain_peers_are_told_so_in_their_own_words() {
    let authority = Authority::new();
    let options = ShardOptions { tls_required: true, ..QUICK };
    let house = House::open_tls(options, &Files::new(&authority).load());
    let mut peer = house.connect();
    peer.write_all(&resp("PING")).expect("sent");
    assert_eq!(last_words(&mut peer), "-ERR this port speaks TLS only\r\n");
    let mut peer = house.connect();
    peer.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
    let words = last_words(&mut peer);
    let (head, body) = words.split_once("\r\n\r\n").expect("a body");
    assert!(head.starts_with("HTTP/1.1 400 ") && body.contains("TLS only"), "{words}");
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{}", body.len());
    let mut peer = house.connect();
    peer.write_all(&[kind::HELLO, 1]).expect("sent");
    let mut told = Vec::new();
    peer.read_to_end(&mut told).expect("a refusal, then the end");
    assert_eq!((told.len(), &told[..2]), (64, &[kind::HELLO, outcome::MALFORMED][..]));
    for version in VERSIONS {
        let mut peer = over(house.connect(), &authority.trusted(version));
        ask(&mut peer, "BUY no tee u k", "*1 $12 unknown_sale ");
    }
    assert_eq!(house.metrics.shards[0].protocol_errors.value(), 3);
}
