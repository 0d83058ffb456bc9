//! Webhooks, with the real program: what a receiver is sent beside what is in the journal, and what
//! happens when it is away, refuses, or is in trouble.

#[path = "support/receiver.rs"]
#[allow(dead_code, reason = "every test takes what it needs of it")]
mod receiver;
#[path = "support/resp.rs"]
#[allow(dead_code, reason = "every test takes what it needs of it")]
mod resp;
#[path = "support/server.rs"]
#[allow(dead_code, reason = "every test takes what it needs of it")]
mod server;

use std::time::Instant;

use receiver::{Receiver, TAKEN};
use resp::Resp;
use server::{House, Server, Start};

const SALE: &str =
    "name = \"once\"\nhold_ms = 0\nitems = [{ sku = \"pin\", stock = 1000000, price = 100 }]\n";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A server with a webhook to this URL.
fn start(house: &House, url: &str, more: &str) -> Start {
    let secret = house.path("secret");
    if !secret.exists() {
        std::fs::write(&secret, SECRET).expect("written");
    }
    let sink = format!(
        "name=hook type=webhook url={url} allow_private=true secret_file={} {more}",
        secret.display()
    );
    house.server().with(&["--sink", &sink])
}

/// Buys so many pins, each for another buyer.
fn shop(server: &Server, from: usize, count: usize) {
    let mut resp = Resp::over(server.connect());
    for number in from..from + count {
        let (buyer, key) = (format!("b{number}"), format!("k{number}"));
        assert_eq!(resp.ask(&["BUY", "once", "pin", &buyer, &key]).word(), "confirmed");
    }
}

/// How fast: `DOORBUSTER_WEBHOOK_SPEED=50000 cargo test --release --test webhooks speed -- --nocapture`.
#[test]
fn speed_if_asked_for() {
    let Ok(count) = std::env::var("DOORBUSTER_WEBHOOK_SPEED") else { return };
    let count: usize = count.parse().expect("how many orders");
    let house = House::new(&[SALE]);
    let server = house.serve();
    shop(&server, 0, count);
    server.stop().expect_code(0);
    for more in ["", "in_flight=16", "in_flight=4", "batch_max=100"] {
        let receiver = Receiver::new(|_, _| TAKEN);
        let server = start(&house, &receiver.url(), &format!("changes=all {more}")).run();
        receiver.until(1);
        let begun = Instant::now();
        let mut seqs = 0;
        while seqs < count {
            std::thread::sleep(std::time::Duration::from_millis(20));
            seqs = if more.contains("batch") {
                receiver.posted().iter().map(|posted| posted.seqs().len()).sum()
            } else {
                receiver.count()
            };
        }
        let seconds = begun.elapsed().as_secs_f64();
        let requests = receiver.count() as f64 / seconds;
        println!(
            "{more}: {count} changes, {requests:.0} requests/s, {:.0} changes/s",
            seqs as f64 / seconds
        );
        server.stop().expect_code(0);
        std::fs::remove_file(house.data().join("sinks/hook")).expect("begun anew");
    }
}
