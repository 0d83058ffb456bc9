//! What a host may want of a drop beyond stock and price, through the whole program and over every
//! protocol: limit groups, channels, waves, a draw, baskets that wait.

use super::support::{http_peer as peer, resp, server};

#[path = "drops/baskets.rs"]
mod baskets;
#[path = "drops/channels.rs"]
mod channels;
#[path = "drops/draw.rs"]
mod draw;
#[path = "drops/groups.rs"]
mod groups;
#[path = "drops/waves.rs"]
mod waves;

use std::time::{Duration, Instant};

use serde_json::Value;

use peer::Peer;
use server::{Ended, PATIENCE, Server, run};

/// `doorbuster sale` with these words.
fn sale(server: &Server, words: &[&str]) -> Ended {
    let admin = format!("http://{}", server.admin);
    run(&[&["sale", "--admin", &admin], words].concat())
}

/// The sale on both ports, which show the same of it but for what happened in between.
#[track_caller]
fn shown(server: &Server, name: &str) -> Value {
    let path = format!("/v1/sales/{name}");
    let shown = Peer::of(server).get(&path).json();
    let of_operator = Peer::of_operator(server).get(&path);
    let names =
        |sale: &Value| sale.as_object().expect("a sale").keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&shown), names(&of_operator.json()));
    shown
}

/// Waits until the sale is as it should be.
#[track_caller]
fn wait_until(server: &Server, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let sale = shown(server, name);
        if is_so(&sale) {
            return sale;
        }
        assert!(Instant::now() < deadline, "it does not come to that: {sale}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
