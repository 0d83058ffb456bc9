//! Much at once: long pipelines, peers that do not read, many who shake hands.

use std::io::{Read, Write};
use std::sync::atomic::Ordering;
use std::time::Duration;

use doorbuster::shard::ShardOptions;
use rustls::version;

use super::shard_house::{House, QUICK, ask, buy, cell, last_words, resp, send, wait_until};
use super::tls::{Authority, Files, VERSIONS, client, over};

#[test]
fn a_long_pipeline_is_answered_whole_however_slowly_it_is_read() {
    let authority = Authority::new();
    // So little that it is always tight.
    for buffers_bytes_max in [QUICK.buffers_bytes_max, 0] {
        let options = ShardOptions { buffers_bytes_max, ..QUICK };
        let house = House::open_tls(options, &Files::new(&authority).load());
        for version in VERSIONS {
            let mut peer = over(house.connect(), &authority.trusted(version));
            ask(&mut peer, "PING", "+PONG ");
            let word = "x".repeat(9000);
            let pipeline = resp(&format!("ECHO {word}")).repeat(400);
            let (mut sender, mut sealed) = (peer.sock.try_clone().expect("a socket"), Vec::new());
            for piece in pipeline.chunks(30_000) {
                peer.conn.writer().write_all(piece).expect("buffered");
                while peer.conn.wants_write() {
                    peer.conn.write_tls(&mut sealed).expect("a vector takes all");
                }
            }
            let reader = std::thread::spawn(move || {
                let (mut answers, mut bytes) = (0, vec![0; 70_000]);
                while answers < 400 * (9000 + 9) {
                    if answers % 7 == 0 {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    match peer.read(&mut bytes).expect("answers") {
                        0 => break,
                        read => answers += read,
                    }
                }
                answers
            });
            sender.write_all(&sealed).expect("sent");
            assert_eq!(reader.join().expect("no panic"), 400 * (9000 + 9));
        }
    }
}

#[test]
fn a_peer_that_never_reads_takes_no_more_than_its_share() {
    let authority = Authority::new();
    let options = ShardOptions { write_stall_ms: 400, ..QUICK };
    let house = House::open_tls(options, &Files::new(&authority).load());
    let config = authority.trusted(&version::TLS13);
    let mut greedy = over(house.connect(), &config);
    ask(&mut greedy, "PING", "+PONG ");
    greedy.sock.set_write_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    let pipeline = resp(&format!("ECHO {}", "x".repeat(9000)));
    let (mut sent, mut sealed) = (0, Vec::new());
    loop {
        sealed.clear();
        greedy.conn.writer().write_all(&pipeline).expect("buffered");
        greedy.conn.write_tls(&mut sealed).expect("a vector takes all");
        if greedy.sock.write_all(&sealed).is_err() {
            break;
        }
        sent += sealed.len();
        assert!(sent < 64 << 20, "read without end");
    }
    let taken = house.metrics.shards[0].bytes_in.value();
    let told = house.metrics.shards[0].bytes_out.value();
    assert!(taken < told + (1 << 20), "holds {} bytes for it", taken - told);
    ask(&mut over(house.connect(), &config), "BUY drop tee u k", "*6 $4 held :1 :1 :1 :2500 :0 ");
    wait_until("the door", || house.metrics.shards[0].closed.value() >= 1);
}

#[test]
fn many_hands_are_shaken_while_others_buy_and_sessions_are_resumed() {
    const HANDS: usize = 48;
    let authority = Authority::new();
    let house = House::open_tls(QUICK, &Files::new(&authority).load());
    std::thread::scope(|scope| {
        for version in VERSIONS {
            let (house, config) = (&house, authority.trusted(version));
            scope.spawn(move || {
                for round in 0..10 {
                    // All hellos lie there before the first one is answered.
                    let mut peers: Vec<_> =
                        (0..HANDS / 4).map(|_| over(house.connect(), &config)).collect();
                    for peer in &mut peers {
                        peer.conn.write_tls(&mut peer.sock).expect("a hello");
                    }
                    for peer in &mut peers {
                        ask(peer, "PING", "+PONG ");
                        let kind = peer.conn.handshake_kind().expect("shaken");
                        let resumed = kind == rustls::HandshakeKind::Resumed;
                        assert!(round > 0 || !resumed, "nothing to resume yet");
                        peer.conn.send_close_notify();
                    }
                    if round > 0 {
                        let mut peer = over(house.connect(), &config);
                        ask(&mut peer, "PING", "+PONG ");
                        let kind = peer.conn.handshake_kind();
                        assert_eq!(kind, Some(rustls::HandshakeKind::Resumed));
                    }
                }
            });
        }
        let mut plain = house.greet();
        for tag in 0..2000 {
            send(&mut plain, buy(tag));
            assert_eq!(cell(&mut plain).reply().tag.to_native(), tag);
        }
    });
    assert_eq!(house.metrics.shards[0].protocol_errors.value(), 0);
}

#[test]
fn draining_answers_what_was_read_and_says_farewell() {
    let authority = Authority::new();
    let mut house = House::open_tls(QUICK, &Files::new(&authority).load());
    let config = authority.trusted(&version::TLS13);
    let (mut busy, mut idle) = (over(house.connect(), &config), over(house.connect(), &config));
    let mut shaking = house.connect();
    let mut hello = Vec::new();
    client(&config).write_tls(&mut hello).expect("a vector takes all");
    shaking.write_all(&hello[..100]).expect("sent");
    ask(&mut idle, "PING", "+PONG ");
    ask(&mut busy, "PING", "+PONG ");
    house.frozen.store(true, Ordering::Relaxed);
    busy.write_all(&resp("STOCK drop tee").repeat(100)).expect("sent");
    wait_until("the requests", || house.metrics.shards[0].requests.value() == 100);
    house.stop.store(true, Ordering::Relaxed);
    std::thread::sleep(Duration::from_millis(20));
    house.frozen.store(false, Ordering::Relaxed);
    let answers = "*5\r\n:10\r\n:9\r\n:1\r\n:0\r\n:0\r\n".repeat(100);
    assert_eq!(last_words(&mut busy), answers);
    assert_eq!(last_words(&mut idle), "");
    assert!(house.shut(), "could not drain");
    // In the middle of a handshake there is only an alert to be heard.
    let mut told = Vec::new();
    shaking.read_to_end(&mut told).expect("an orderly end");
    assert_eq!(told[..3], [0x15, 3, 3]);
}
