//! What a shard owes its peers when it stops, when buffers are scarce and when it is full.

use super::support::shard_house;

use std::io::Write;
use std::net::TcpStream;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use doorbuster::limits::CONNECTION_IN_FLIGHT_TIGHT;
use doorbuster::metrics::Metrics;
use doorbuster::shard::ShardOptions;

use shard_house::{House, QUICK, last_words, make, resp, wait_until};

#[test]
fn a_stop_answers_a_ping_behind_buys_and_a_pipeline_beyond_its_room() {
    let mut house = House::open(ShardOptions { connection_in_flight_max: 16, ..QUICK });
    let (mut behind, mut beyond) = (house.connect(), house.connect());
    house.frozen.store(true, Ordering::Relaxed);
    behind.write_all(&[resp("BUY drop tee u1 k1"), resp("PING")].concat()).expect("sent");
    let mut pipeline = resp("BUY drop tee u1 k1").repeat(100);
    pipeline.extend_from_slice(b"*2\r\n$4\r\nECHO\r\n");
    beyond.write_all(&pipeline).expect("sent");
    let all = (pipeline.len() + resp("BUY drop tee u1 k1").len() + resp("PING").len()) as u64;
    wait_until("the bytes", || house.metrics.shards[0].bytes_in.value() == all);
    house.stop.store(true, Ordering::Relaxed);
    std::thread::sleep(std::time::Duration::from_millis(30));
    house.frozen.store(false, Ordering::Relaxed);
    assert!(house.shut(), "could not drain");
    assert!(last_words(&mut behind).ends_with("+PONG\r\n"));
    assert_eq!(last_words(&mut beyond).matches("held").count(), 100);
}

#[test]
fn full_buffers_took_a_whole_pipeline_and_every_large_answer_of_peers_that_take_none() {
    let mut house = House::open(ShardOptions { buffers_bytes_max: 0, ..QUICK });
    // Half a request is held.
    let mut holder = house.connect();
    holder.write_all(b"*3\r\n$3\r\nBUY\r\n").expect("sent");
    let bytes_in = || house.metrics.shards[0].bytes_in.value();
    wait_until("the half", || bytes_in() > 0);

    house.frozen.store(true, Ordering::Relaxed);
    let mut pipeline = house.connect();
    let orders = 500;
    pipeline.write_all(&resp("BUY drop tee u1 k1").repeat(orders)).expect("sent");
    let taken = || house.metrics.shards[0].requests.value();
    wait_until("some requests", || taken() > 0);
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(taken() <= CONNECTION_IN_FLIGHT_TIGHT as u64, "{} on their way", taken());
    house.frozen.store(false, Ordering::Relaxed);
    wait_until("all of them", || taken() == orders as u64);

    let mut curious = house.connect();
    for path in ["/v1/sales/large", "/openapi.json"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        curious.write_all(request.as_bytes()).expect("sent");
    }
    curious.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
    let words = last_words(&mut curious);
    assert_eq!(words.matches("HTTP/1.1 503 ").count(), 2, "{words}");
    assert_eq!(words.matches("\r\nRetry-After: ").count(), 2, "{words}");
    assert_eq!(words.matches("HTTP/1.1 404 ").count(), 1, "{words}");
    drop(pipeline);
    assert!(house.shut(), "could not drain");
}

#[test]
fn a_peer_is_turned_away_only_when_every_shard_is_full() {
    let metrics = Metrics::new(2);
    let loading = Arc::new(AtomicBool::new(false));
    let options = ShardOptions { connections_max: 2, ..QUICK };
    let (mut first, _first_requests, _first_replies) = make(0, options, &metrics, &loading);
    let (mut second, _requests, _replies) = make(1, options, &metrics, &loading);
    let any = "127.0.0.1:0".parse().expect("an address");
    let listener = mio::net::TcpListener::bind(any).expect("a free port");
    let address = listener.local_addr().expect("bound");
    first.open(listener, vec![first.door(), second.door()]).expect("a listener");
    let mut work_until = |what: &str, connections: [usize; 2]| {
        wait_until(what, || {
            first.work();
            second.work();
            [first.connections(), second.connections()] == connections
        });
    };
    let connect = || TcpStream::connect(address).expect("the port is open");
    let mut peers: Vec<TcpStream> = (0..4).map(|_| connect()).collect();
    work_until("four places", [2, 2]);
    // Two leave the second shard; both who come now must find it, whoever's turn it is.
    drop((peers.remove(3), peers.remove(1)));
    work_until("two places", [2, 0]);
    peers.extend([connect(), connect()]);
    work_until("both places", [2, 2]);
    assert!(metrics.shards.iter().all(|shard| shard.turned_away.value() == 0));
    let mut late = connect();
    late.set_nonblocking(true).expect("a socket");
    wait_until("words at the door", || {
        first.work();
        late.peek(&mut [0]).is_ok()
    });
    late.set_nonblocking(false).expect("a socket");
    assert_eq!(metrics.shards[0].turned_away.value(), 1);
    assert_eq!(last_words(&mut late), "-ERR max number of clients reached\r\n");
}
