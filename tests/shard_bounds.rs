//! What a shard owes its peers when it stops, when buffers are scarce and when it is full.

#[path = "support/shard_house.rs"]
#[allow(dead_code, reason = "every test takes what it needs of it")]
mod shard_house;

use std::io::Write;
use std::net::TcpStream;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

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
