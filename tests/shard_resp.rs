//! RESP at a shard's door as the client libraries of Redis know it.

use super::support::shard_house;

use std::io::Write;

use shard_house::{House, QUICK, ask, expect, last_words, resp};

#[test]
fn empty_arrays_are_passed_over_and_reset_forgets_resp3() {
    let house = House::open(QUICK);
    let mut peer = house.connect();
    let lines = [b"*0\r\n".to_vec(), resp("BUY drop tee u1 k1"), b"*-1\r\n*0\r\n".to_vec()];
    peer.write_all(&lines.concat()).expect("sent");
    expect(&mut peer, "*6 $4 held :1 :1 :1 :2500 :0 ");
    ask(&mut peer, "RESET", "+RESET ");
    ask(&mut peer, "COMMAND COUNT", ":0 ");
    ask(&mut peer, "CONFIG GET a b", "*4 $1 a $0  $1 b $0  ");
    peer.write_all(&[resp("INFO"), resp("QUIT")].concat()).expect("sent");
    assert!(last_words(&mut peer).contains("\r\nredis_version:7.0.0\r\n"));
}
