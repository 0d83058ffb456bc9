//! What a shard owes its peers when it stops, when buffers are scarce and when it is full.

#[path = "support/shard_house.rs"]
#[allow(dead_code, reason = "every test takes what it needs of it")]
mod shard_house;

use std::io::Write;
use std::sync::atomic::Ordering;

use shard_house::{House, QUICK, last_words, resp, wait_until};

#[test]
fn a_stop_answers_a_ping_behind_buys_and_a_pipeline_beyond_its_room() {
    let mut house =
        House::open(doorbuster::shard::ShardOptions { connection_in_flight_max: 16, ..QUICK });
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
