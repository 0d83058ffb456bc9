//! A shard between real sockets and a matcher that is only pretended, and every way a peer can
//! behave.

use super::support::shard_house;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use std::time::{Duration, Instant};

use doorbuster::message::{Cell, Head, kind, outcome};
use doorbuster::metrics::Metrics;
use doorbuster::shard::{Shard, ShardOptions};
use shard_house::{House, QUICK, ask, buy, cell, expect, last_words, make, resp, send, wait_until};

#[test]
fn each_command_gets_its_answer() {
    let house = House::open(QUICK);
    let peer = &mut house.connect();
    ask(peer, "BUY drop tee u1 k1", "*6 $4 held :1 :1 :1 :2500 :0 ");
    ask(peer, "BUY drop cap u1 a-key-of-more-than-16 UNITS 3", "*6 $4 held :2 :2 :3 :2500 :0 ");
    ask(peer, "CONFIRM drop 1", "*3 $9 confirmed :3 :3 ");
    ask(peer, "RELEASE drop 2", "*3 $8 released :4 :4 ");
    ask(peer, "STOCK drop tee", "*5 :10 :9 :1 :0 :0 ");
    ask(peer, "BUY drop shoe u1 k1", "*1 $12 unknown_item ");
    ask(peer, "BUY no tee u1 k1", "*1 $12 unknown_sale ");
    ask(peer, "STOCK no tee", "*1 $12 unknown_sale ");
    ask(peer, "ORDER no 7", "*1 $12 unknown_sale ");
    let order = "$5 order :7 $3 seq :5 $4 sale $4 drop $5 state $4 held $5 buyer $2 u1 $3 key $2 \
                 k1 $4 item $3 tee $5 units :2 $5 price :0 $13 expires_in_ms :0 $10 expires_at ";
    ask(peer, "ORDER drop 7", &format!("*26 {order}$-1 $8 position $-1 $7 receipt $-1 "));
    peer.write_all(&resp("HELLO 3")).expect("sent");
    expect(peer, "%7 $6 server $10 doorbuster $7 version ");
    peer.write_all(&resp("ECHO end")).expect("sent");
    let mut rest = Vec::new();
    while !rest.ends_with(b"$3\r\nend\r\n") {
        let mut byte = [0];
        peer.read_exact(&mut byte).expect("the rest of hello");
        rest.push(byte[0]);
    }
    let order = order.replace("seq :5", "seq :6");
    ask(peer, "ORDER drop 7", &format!("%13 {order}_ $8 position _ $7 receipt _ "));
}

#[test]
fn local_answers_wait_for_the_requests_before_them() {
    let house = House::open(QUICK);
    let peer = &mut house.connect();
    house.frozen.store(true, Ordering::Relaxed);
    let lines = ["BUY drop tee u1 k1", "PING", "BUY drop tee u1 k2", "BUY drop", "FOO", "PING"];
    let stream: Vec<u8> = lines.iter().flat_map(|line| resp(line)).collect();
    peer.write_all(&stream.repeat(50)).expect("sent");
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(house.metrics.shards[0].requests.value(), 1);
    house.frozen.store(false, Ordering::Relaxed);
    for round in 0..50 {
        let (first, second) = (2 * round + 1, 2 * round + 2);
        expect(peer, &format!("*6 $4 held :{first} :{first} :1 :2500 :0 +PONG "));
        expect(peer, &format!("*6 $4 held :{second} :{second} :1 :2500 :0 "));
        for error in [
            "-ERR wrong number of arguments for 'buy' command\r\n",
            "-ERR unknown command 'FOO', with args beginning with: \r\n",
        ] {
            let mut got = vec![0; error.len()];
            peer.read_exact(&mut got).expect("an error");
            assert_eq!(String::from_utf8_lossy(&got), error);
        }
        expect(peer, "+PONG ");
    }
}

#[test]
fn one_byte_at_a_time_is_as_good_as_all_at_once() {
    let house = House::open(QUICK);
    let peer = &mut house.connect();
    let stream: Vec<u8> =
        ["BUY drop tee u1 k1", "PING", "STOCK drop cap"].iter().flat_map(|l| resp(l)).collect();
    for byte in stream {
        peer.write_all(&[byte]).expect("sent");
        std::thread::sleep(Duration::from_micros(200));
    }
    expect(peer, "*6 $4 held :1 :1 :1 :2500 :0 +PONG *5 :10 :9 :1 :0 :0 ");
    let peer = &mut house.connect();
    let mut hello = Cell::ZERO;
    hello.0[..2].copy_from_slice(&[kind::HELLO, 1]);
    for byte in [hello.0, Cell::from(buy(9)).0].concat() {
        peer.write_all(&[byte]).expect("sent");
        std::thread::sleep(Duration::from_micros(200));
    }
    assert_eq!(cell(peer).kind(), kind::HELLO);
    assert_eq!(cell(peer).reply().tag.to_native(), 9);
}

#[test]
fn a_binary_pipeline_comes_back_in_order_with_its_tags() {
    const REQUESTS: u32 = 20_000;
    let house = House::open(QUICK);
    let mut peer = house.greet();
    let mut writer = peer.try_clone().expect("a socket");
    let sender = std::thread::spawn(move || {
        let heads = (0..REQUESTS).flat_map(|tag| match tag % 100 {
            98 => Cell::from(Head { units: 0.into(), ..buy(tag) }).0,
            99 => Cell::from(Head { tag: tag.into(), ..Head::new(kind::PING) }).0,
            _ => Cell::from(buy(tag)).0,
        });
        writer.write_all(&heads.collect::<Vec<u8>>()).expect("sent");
    });
    let mut order = 0;
    for tag in 0..REQUESTS {
        let answer = cell(&mut peer);
        let answer = answer.reply();
        assert_eq!((answer.tag.to_native(), answer.arrived.to_native()), (tag, 0));
        match tag % 100 {
            98 => assert_eq!(answer.outcome, outcome::MALFORMED),
            99 => assert_eq!(answer.outcome, outcome::OK),
            _ => {
                order += 1;
                assert_eq!((answer.outcome, answer.order.to_native()), (outcome::HELD, order));
            }
        }
    }
    sender.join().expect("sent");
}

#[test]
fn names_are_resolved_for_binary_peers() {
    let house = House::open(QUICK);
    let mut peer = house.greet();
    for (sale, item, expected) in [
        ("drop", Some("cap"), (outcome::OK, 1, 2)),
        ("drop", None, (outcome::OK, 1, 0)),
        ("drop", Some("shoe"), (outcome::UNKNOWN_ITEM, 1, 0)),
        ("no", Some("tee"), (outcome::UNKNOWN_SALE, 0, 0)),
        ("a b", None, (outcome::UNKNOWN_SALE, 0, 0)),
    ] {
        let mut head = Head::new(kind::RESOLVE);
        head.tails = (1 + u16::from(item.is_some())).into();
        send(&mut peer, head);
        for name in [Some(sale), item].into_iter().flatten() {
            let mut tail = Cell::ZERO;
            tail.0[..name.len()].copy_from_slice(name.as_bytes());
            peer.write_all(&tail.0).expect("sent");
        }
        let answer = cell(&mut peer);
        let answer = answer.reply();
        assert_eq!(
            (answer.outcome, answer.order.to_native(), answer.seq.to_native()),
            expected,
            "{sale} {item:?}"
        );
    }
    send(&mut peer, Head { tag: 5.into(), ..Head::new(200) });
    let answer = cell(&mut peer);
    assert_eq!((answer.reply().outcome, answer.reply().tag.to_native()), (outcome::MALFORMED, 5));
    assert_eq!(last_words(&mut peer), "");
}

#[test]
fn a_half_closed_peer_gets_what_it_asked_for() {
    let house = House::open(QUICK);
    let mut peer = house.connect();
    house.frozen.store(true, Ordering::Relaxed);
    let lines = ["BUY drop tee u1 k1", "PING", "BUY drop tee u1 k2", "BUY drop te"];
    let mut stream: Vec<u8> = lines.iter().flat_map(|line| resp(line)).collect();
    stream.truncate(stream.len() - 3);
    peer.write_all(&stream).expect("sent");
    peer.shutdown(Shutdown::Write).expect("half closed");
    std::thread::sleep(Duration::from_millis(20));
    house.frozen.store(false, Ordering::Relaxed);
    let answers = last_words(&mut peer);
    assert_eq!(answers.matches("held").count(), 2, "{answers:?}");
    assert_eq!(answers.matches("+PONG").count(), 1, "{answers:?}");
    assert!(answers.ends_with(":2\r\n:2\r\n:1\r\n:2500\r\n:0\r\n"), "{answers:?}");
}

#[test]
fn who_breaks_the_protocol_is_told_after_earlier_answers_and_shown_the_door() {
    let house = House::open(QUICK);
    let big = format!("*2\r\n$4\r\nECHO\r\n$16385\r\n{}", "x".repeat(16_385));
    for (bytes, error) in [
        ("*4294967295\r\n", "invalid multibulk length"),
        ("*1\r\n$-1\r\n", "invalid bulk length"),
        ("*1\r\n$99999999999999999999\r\n", "invalid bulk length"),
        ("*1\r\n*1\r\n$4\r\nPING\r\n", "expected '$', got '*'"),
        ("*1\r\n$4\r\nPINGPING\r\n", "expected CRLF after a bulk string"),
        (&big, "invalid bulk length"),
        ("ping\r\n", "expected '*', got 'p'"),
    ] {
        let mut peer = house.connect();
        let with_order = bytes.starts_with('*');
        if with_order {
            peer.write_all(&resp("BUY drop tee u1 k1")).expect("sent");
        }
        peer.write_all(bytes.as_bytes()).expect("sent");
        let words = last_words(&mut peer);
        let error = format!("-ERR Protocol error: {error}\r\n");
        assert!(words.ends_with(&error), "{bytes:?} {words:?}");
        assert_eq!(words.starts_with("*6\r\n$4\r\nheld"), with_order);
    }
    let mut peer = house.connect();
    peer.write_all(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n").expect("sent");
    let words = last_words(&mut peer);
    let (head, body) = words.split_once("\r\n\r\n").expect("a body");
    assert!(head.starts_with("HTTP/1.1 400 ") && head.contains("Connection: close\r\n"));
    assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{}", body.len());
    let mut peer = house.connect();
    peer.write_all(&[0x16, 3, 1]).expect("sent");
    assert_eq!(last_words(&mut peer), "");
    let mut peer = house.connect();
    peer.write_all(&[kind::HELLO; 64]).expect("sent");
    assert_eq!(cell(&mut peer).0[..3], [kind::HELLO, outcome::MALFORMED, 1]);
    assert_eq!(last_words(&mut peer), "");
    let mut peer = house.connect();
    peer.write_all(&[resp("QUIT"), resp("PING")].concat()).expect("sent");
    assert_eq!(last_words(&mut peer), "+OK\r\n");
    assert_eq!(house.metrics.shards[0].protocol_errors.value(), 9);
}

#[test]
fn a_peer_that_never_reads_stops_no_one_and_takes_no_more_than_its_share() {
    let options = ShardOptions { write_stall_ms: 400, ..QUICK };
    let house = House::open(options);
    let mut greedy = house.connect();
    greedy.set_write_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    let pipeline = resp(&format!("ECHO {}", "x".repeat(9000))).repeat(20);
    let mut sent = 0;
    // It stops taking: what is in the kernel's hands and a little more, never all.
    while let Ok(bytes) = greedy.write(&pipeline) {
        sent += bytes;
        assert!(sent < 64 << 20, "read without end");
    }
    let taken = house.metrics.shards[0].bytes_in.value();
    let told = house.metrics.shards[0].bytes_out.value();
    assert!(taken < told + (1 << 20), "holds {} bytes for it", taken - told);
    ask(&mut house.connect(), "BUY drop tee u1 k1", "*6 $4 held :1 :1 :1 :2500 :0 ");
    wait_until("the door", || house.metrics.shards[0].closed.value() >= 1);
}

#[test]
fn connections_above_the_limit_are_told_so() {
    let house = House::open(ShardOptions { connections_max: 2, ..QUICK });
    let (mut first, mut second) = (house.connect(), house.connect());
    ask(&mut first, "PING", "+PONG ");
    ask(&mut second, "PING", "+PONG ");
    let told = last_words(&mut house.connect());
    assert_eq!(told, "-ERR max number of clients reached\r\n");
    assert_eq!(house.metrics.shards[0].turned_away.value(), 1);
    drop(first);
    wait_until("a place", || house.metrics.shards[0].closed.value() == 1);
    ask(&mut house.connect(), "PING", "+PONG ");
}

#[test]
fn silence_and_endless_requests_end_at_the_door() {
    let house = House::open(ShardOptions { idle_ms: 300, request_ms: 150, ..QUICK });
    let mut silent = house.connect();
    let mut slow = house.connect();
    let mut lively = house.connect();
    slow.write_all(b"*2\r\n$4\r\nECHO\r\n$16000\r\n").expect("sent");
    let start = Instant::now();
    let mut slow_ended_after = None;
    while start.elapsed() < Duration::from_millis(900) {
        ask(&mut lively, "PING", "+PONG ");
        if slow_ended_after.is_none() {
            let sent = slow.write_all(b"x");
            if sent.is_err() || house.metrics.shards[0].closed.value() > 0 {
                slow_ended_after = Some(start.elapsed());
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let ended = slow_ended_after.expect("a byte now and then is not enough");
    assert!(ended > Duration::from_millis(140) && ended < Duration::from_millis(500), "{ended:?}");
    assert_eq!(last_words(&mut silent), "");
    assert_eq!(house.metrics.shards[0].closed.value(), 2);
    assert_eq!(house.metrics.shards[0].protocol_errors.value(), 0);
}

#[test]
fn while_the_journal_is_replayed_orders_are_asked_to_wait() {
    let house = House::open(QUICK);
    house.loading.store(true, Ordering::Relaxed);
    let mut peer = house.connect();
    peer.write_all(&[resp("BUY drop tee u1 k1"), resp("PING"), resp("QUIT")].concat())
        .expect("sent");
    let words = last_words(&mut peer);
    assert_eq!(words, "-LOADING doorbuster is replaying its journal\r\n+PONG\r\n+OK\r\n");
    let mut peer = house.greet();
    send(&mut peer, buy(3));
    let answer = cell(&mut peer);
    assert_eq!((answer.reply().outcome, answer.reply().tag.to_native()), (outcome::OVERLOADED, 3));
    house.loading.store(false, Ordering::Relaxed);
    send(&mut peer, buy(4));
    assert_eq!(cell(&mut peer).reply().outcome, outcome::HELD);
}

#[test]
fn what_is_not_durable_is_not_told() {
    let mut house = House::open_after(QUICK, 3);
    let mut peer = house.greet();
    for tag in 0..4 {
        send(&mut peer, buy(tag));
    }
    for tag in 0..2 {
        assert_eq!(cell(&mut peer).reply().tag.to_native(), tag);
    }
    peer.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
    assert!(peer.read(&mut [0]).is_err(), "told before it was durable");
    assert!(!house.shut(), "drained without the last answers");
}

#[test]
fn draining_answers_what_was_read_and_reads_no_more() {
    let mut house = House::open(QUICK);
    let (mut peer, mut late) = (house.greet(), house.connect());
    ask(&mut late, "PING", "+PONG ");
    house.frozen.store(true, Ordering::Relaxed);
    for tag in 0..100 {
        send(&mut peer, buy(tag));
    }
    wait_until("the requests", || house.metrics.shards[0].requests.value() == 100);
    house.stop.store(true, Ordering::Relaxed);
    std::thread::sleep(Duration::from_millis(50));
    late.write_all(&resp("PING")).expect("sent");
    house.frozen.store(false, Ordering::Relaxed);
    for tag in 0..100 {
        assert_eq!(cell(&mut peer).reply().tag.to_native(), tag);
    }
    assert!(house.shut(), "could not drain");
    assert_eq!(last_words(&mut late), "");
    assert!(TcpStream::connect(house.address).is_err(), "still listening");
}

#[test]
fn many_peers_on_both_protocols_each_get_their_own_answers() {
    const PEERS: u64 = 24;
    let house = House::open(QUICK);
    let orders = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for number in 0..PEERS {
            let (house, orders) = (&house, &orders);
            scope.spawn(move || {
                let mut peer = if number % 2 == 0 { house.connect() } else { house.greet() };
                for round in 0..200_u32 {
                    if number % 2 == 0 {
                        let units = number * 1000 + u64::from(round) + 1;
                        let line = format!("BUY drop tee u{number} k{round} UNITS {units}");
                        peer.write_all(&resp(&line)).expect("sent");
                        let mut answer = [0; 512];
                        let bytes = peer.read(&mut answer).expect("an answer");
                        let answer = String::from_utf8_lossy(&answer[..bytes]);
                        assert!(answer.contains(&format!("\r\n:{units}\r\n")), "{answer}");
                    } else {
                        let tag = number as u32 * 1000 + round;
                        send(&mut peer, buy(tag));
                        assert_eq!(cell(&mut peer).reply().tag.to_native(), tag);
                    }
                    orders.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(orders.load(Ordering::Relaxed), PEERS * 200);
    assert_eq!(house.metrics.shards[0].requests.value(), PEERS * 200);
}

#[test]
fn a_client_library_connects_and_buys() {
    let house = House::open(QUICK);
    for protocol in ["", "?protocol=resp3"] {
        let client = redis::Client::open(format!("redis://{}/{protocol}", house.address));
        let mut connection = client.and_then(|client| client.get_connection()).expect("connected");
        let words = ["drop", "tee", "u1", "k1"];
        let bought: redis::RedisResult<(String, u64, u64, u64, u64, u64)> =
            redis::cmd("BUY").arg(&words).query(&mut connection);
        assert_eq!(bought.expect("held").0, "held");
        let order: redis::RedisResult<std::collections::HashMap<String, redis::Value>> =
            redis::cmd("ORDER").arg("drop").arg(7).query(&mut connection);
        let order = order.expect("an order");
        assert_eq!(order["order"], redis::Value::Int(7));
        assert_eq!(order["expires_at"], redis::Value::Nil);
        let info: redis::RedisResult<String> = redis::cmd("INFO").query(&mut connection);
        assert!(info.expect("text").contains("server:doorbuster"));
        let wrong: redis::RedisResult<()> = redis::cmd("BUY").query(&mut connection);
        assert!(wrong.is_err());
    }
}

#[test]
fn the_acceptor_deals_evenly_to_all_shards() {
    const SHARDS: usize = 3;
    let metrics = Metrics::new(SHARDS);
    let loading = Arc::new(AtomicBool::new(false));
    let mut ends = Vec::new();
    let mut shards = Vec::new();
    for index in 0..SHARDS {
        let (shard, requests, replies) = make(index, QUICK, &metrics, &loading);
        shards.push(shard);
        ends.push((requests, replies));
    }
    let any = "127.0.0.1:0".parse().expect("an address");
    let listener = mio::net::TcpListener::bind(any).expect("a free port");
    let address = listener.local_addr().expect("bound");
    let doors = shards.iter().map(Shard::door).collect();
    shards[0].open(listener, doors).expect("a listener");
    let mut peers: Vec<TcpStream> = (0..SHARDS * 4)
        .map(|_| {
            let mut peer = TcpStream::connect(address).expect("the port is open");
            peer.set_nonblocking(true).expect("a socket");
            peer.write_all(&resp("PING")).expect("sent");
            peer
        })
        .collect();
    let mut answered = vec![false; peers.len()];
    wait_until("all answers", || {
        for shard in &mut shards {
            shard.work();
        }
        for (peer, answered) in peers.iter_mut().zip(&mut answered) {
            *answered |= peer.read(&mut [0; 16]).is_ok_and(|bytes| bytes == 7);
        }
        answered.iter().all(|answered| *answered)
    });
    assert!(shards.iter().all(|shard| shard.connections() == 4));
}

#[test]
fn http_is_told_to_come_back_while_the_journal_is_replayed() {
    let house = House::open(QUICK);
    house.loading.store(true, Ordering::Relaxed);
    let mut peer = house.connect();
    let order = "POST /v1/sales/drop/orders HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\n\
        Connection: close\r\nContent-Length: 27\r\n\r\n{\"item\":\"tee\",\"buyer\":\"u\"} ";
    peer.write_all(order.as_bytes()).expect("sent");
    let words = last_words(&mut peer);
    assert!(words.starts_with("HTTP/1.1 503 ") && words.contains("urn:doorbuster:loading"));
    assert!(words.contains("Retry-After: 1\r\n") || words.contains("Retry-After: 2\r\n"));
}
