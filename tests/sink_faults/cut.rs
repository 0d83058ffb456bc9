//! Connections that are reset at many points of a stream of orders.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::proxy::Way;
use super::server::{House, PATIENCE};
use super::sinks::{AT_ONCE, DROP, OF_ORDERS, seqs, shop, sink as sink_command, until};
use super::{FAILURES, LEVEL, Side, figure, run};

/// Cuts of each connection; the variable `DOORBUSTER_CUTS` asks for more.
const CUTS: u64 = 16;

fn cuts() -> u64 {
    std::env::var("DOORBUSTER_CUTS").map_or(CUTS, |cuts| cuts.parse().expect("a number"))
}

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % bound
    }

    /// From a few bytes, within a greeting, to many, amid a batch; answers are shorter.
    fn bytes(&mut self, way: Way) -> usize {
        let doublings = if way == Way::ToServer { 15 } else { 9 };
        let most = 2 << self.below(doublings);
        self.below(most) as usize + 1
    }
}

fn all_is_there_once_wherever_the_connection_is_cut(side: &Side) {
    let house = House::new(&[DROP, AT_ONCE]);
    let proxy = side.proxy();
    let sink = side.sink(&house, proxy.port(), "changes=all");
    let server = run(&house, &sink);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // No longer than anybody waits for a cut.
            let deadline = Instant::now() + 2 * PATIENCE;
            for round in 0.. {
                if is_over.load(Ordering::Acquire) || Instant::now() > deadline {
                    break;
                }
                shop(&server, round, 20).expect("it sells");
            }
        });
        let mut dice = Dice(7);
        for cut in 0..cuts() {
            let way = if cut % 2 == 0 { Way::ToServer } else { Way::FromServer };
            proxy.cut_after(way, dice.bytes(way));
            // It waits no longer each time.
            sink_command(&server, &["resume", "orders"]).expect_code(0);
        }
        is_over.store(true, Ordering::Release);
    });
    until(&server, LEVEL);
    assert!(figure(&server, FAILURES) >= 1.0, "it was cut");
    server.stop().expect_code(0);
    let changes = seqs(&house.records(), &OF_ORDERS);
    assert!(changes.len() > 100, "{} changes", changes.len());
    side.has_all(&house, &sink, &changes);
}

#[test]
fn postgres_has_each_change_once_wherever_the_connection_is_cut() {
    let Some(side) = Side::postgres() else { return };
    all_is_there_once_wherever_the_connection_is_cut(&side);
}

#[test]
fn nats_has_each_change_once_wherever_the_connection_is_cut() {
    let Some(side) = Side::nats() else { return };
    all_is_there_once_wherever_the_connection_is_cut(&side);
}

#[test]
fn redis_has_each_change_once_wherever_the_connection_is_cut() {
    let Some(side) = Side::redis() else { return };
    all_is_there_once_wherever_the_connection_is_cut(&side);
}

#[test]
fn a_receiver_has_each_change_wherever_the_connection_is_cut() {
    all_is_there_once_wherever_the_connection_is_cut(&Side::webhook());
}
