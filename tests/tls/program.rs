//! The whole program behind TLS, from flags to disk.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use doorbuster::message::{Cell, Head, kind, outcome};
use rustls::version;

use super::server::{House, Server, Start};
use super::shard_house::{ask, buy, cell, expect, last_words, resp, send};
use super::tls::{Authority, Files, Peer, VERSIONS, over};

const DROP: &str = r#"
name = "drop"
hold_ms = 0
items = [{ sku = "tee", stock = 100000, price = 2500 }]
"#;

fn start(house: &House, files: &Files) -> Start {
    let option = |path: std::path::PathBuf| path.display().to_string();
    house
        .server()
        .with(&["--tls-cert", &option(files.cert())])
        .option("TLS_KEY", option(files.key()))
}

fn connect(
    server: &Server,
    authority: &Authority,
    version: &'static rustls::SupportedProtocolVersion,
) -> Peer {
    over(server.connect(), &authority.trusted(version))
}

#[test]
fn an_order_lives_its_life_inside_tls() {
    let (authority, house) = (Authority::new(), House::new(&[&DROP.replace("= 0", "= 3600000")]));
    let server = start(&house, &Files::new(&authority)).with(&["--tls-required"]).run();
    for (round, version) in VERSIONS.into_iter().enumerate() {
        let mut peer = connect(&server, &authority, version);
        peer.write_all(&resp(&format!("BUY drop tee u1 k{round} UNITS 2"))).expect("sent");
        expect(&mut peer, "*6 $4 held :");
        let mut id = String::new();
        while !id.ends_with('\r') {
            let mut byte = [0];
            peer.read_exact(&mut byte).expect("a number");
            id.push(char::from(byte[0]));
        }
        let id: u64 = id.trim().parse().expect("a number");
        expect(&mut peer, &format!("\n:{id} :2 :2500 :"));
        peer.write_all(&resp("QUIT")).expect("sent");
        let words = last_words(&mut peer);
        assert!(words.ends_with("+OK\r\n"), "{words}");

        let mut peer = connect(&server, &authority, version);
        let mut hello = Cell::ZERO;
        hello.0[..2].copy_from_slice(&[kind::HELLO, 1]);
        peer.write_all(&hello.0).expect("sent");
        assert_eq!(cell(&mut peer).0[..3], [kind::HELLO, 0, 1]);
        let mut confirm = Head::new(kind::CONFIRM);
        confirm.sale = 1.into();
        confirm.set_order(id);
        send(&mut peer, confirm);
        assert_eq!(cell(&mut peer).reply().outcome, outcome::CONFIRMED);
        ask(&mut connect(&server, &authority, version), "PING", "+PONG ");
    }
    let mut plain = server.connect();
    plain.write_all(&resp("PING")).expect("sent");
    assert_eq!(last_words(&mut plain), "-ERR this port speaks TLS only\r\n");
    server.stop().expect_code(0);
    assert_eq!(house.audit()["confirmed"], 2);
}

#[test]
fn a_server_does_not_start_with_a_key_to_another_door() {
    let (authority, house) = (Authority::new(), House::new(&[DROP]));
    let files = Files::new(&authority);
    let (cert, _) = authority.issue();
    std::fs::write(files.cert(), cert).expect("written");
    let ended = start(&house, &files).try_run().map(drop).expect_err("not its key");
    ended.expect_code(78);
    let wanted = ["tls_key: ", "key.pem: not the key to the certificate in ", "cert.pem"];
    assert!(wanted.iter().all(|part| ended.stderr.contains(part)), "{}", ended.stderr);
    let ended = house.server().with(&["--tls-required"]).try_run().map(drop).expect_err("no cert");
    ended.expect_code(78);
    assert!(ended.stderr.contains("tls_required: wants tls_cert and tls_key"), "{}", ended.stderr);
    assert!(!house.data().join("journal").exists(), "nothing was begun");
}

/// Reads without writing, for the other side may take nothing any more. `false`: it said farewell
/// instead, after whole answers; anything else is an error.
fn hear(peer: &mut Peer, into: &mut [u8]) -> bool {
    let mut at = 0;
    while at < into.len() {
        match peer.conn.reader().read(&mut into[at..]) {
            Ok(0) if at == 0 => return false,
            Ok(read) if read > 0 => at += read,
            Err(why) if why.kind() == ErrorKind::WouldBlock => {
                peer.conn.read_tls(&mut peer.sock).expect("answers or a farewell");
                peer.conn.process_new_packets().expect("good TLS");
            }
            other => panic!("{other:?} after {at} bytes"),
        }
    }
    true
}

#[test]
fn a_stop_answers_what_was_read_and_says_farewell() {
    let (authority, house) = (Authority::new(), House::new(&[DROP]));
    let server = start(&house, &Files::new(&authority)).run();
    let mut answered = 0;
    std::thread::scope(|scope| {
        let buyers: Vec<_> = VERSIONS
            .into_iter()
            .map(|version| {
                let mut peer = connect(&server, &authority, version);
                let mut hello = Cell::ZERO;
                hello.0[..2].copy_from_slice(&[kind::HELLO, 1]);
                peer.write_all(&hello.0).expect("sent");
                cell(&mut peer);
                let first = if version.version == version::TLS12.version { 0 } else { 1 << 20 };
                scope.spawn(move || {
                    let (mut sent, mut next, mut answer) = (first, first, Cell::ZERO);
                    loop {
                        while sent < next + 64 {
                            // It may be over: what was answered before it is still heard.
                            let _ = peer.write_all(&Cell::from(buy(sent)).0);
                            sent += 1;
                        }
                        if !hear(&mut peer, &mut answer.0) {
                            return next - first;
                        }
                        assert_eq!(answer.reply().tag.to_native(), next);
                        next += 1;
                    }
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(300));
        server.terminate();
        for buyer in buyers {
            answered += buyer.join().expect("no panic");
        }
    });
    server.wait().expect_code(0);
    assert!(answered > 0, "nobody bought");
    assert_eq!(house.audit()["confirmed"], answered);
}
