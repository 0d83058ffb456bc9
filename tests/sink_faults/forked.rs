//! A data folder that was restored from an older copy, and went on in its own way.

use super::server::{House, Server};
use super::sinks::{
    AT_ONCE, OF_ORDERS, assert_same, at_least, seqs, shop_many, shop_some, sink as operate, until,
};
use super::{LEVEL, STOPPED, Side, line_with, run};

/// Nobody is told of these.
const OTHERS: &str =
    "name = \"others\"\nhold_ms = 0\nitems = [{ sku = \"pin\", stock = 100000, price = 100 }]\n";
const OLDER: &str = "this is an older copy of it";
const FORKED: &str = "a journal that took another course";

fn tell(house: &House, sink: &str, key: &str, count: u64) {
    let server = run(house, sink);
    shop_some(&server, key, count);
    until(&server, LEVEL);
    server.stop().expect_code(0);
}

/// The server does not tell what its copy has told in its own way.
#[track_caller]
fn is_refused(server: Server, side: &Side, says: &str) {
    until(&server, STOPPED);
    let line = line_with(server, "has stopped");
    assert!(line.contains(says), "{}: {line}", side.word());
}

#[test]
fn a_journal_that_took_another_course_is_refused_though_it_is_longer() {
    for side in [Side::postgres(), Side::nats(), Side::redis()].into_iter().flatten() {
        let house = House::new(&[AT_ONCE]);
        let sink = side.sink(&house, side.port(), "");
        tell(&house, &sink, "a", 3);
        let restored = house.twin();
        tell(&house, &sink, "b", 2);
        // The copy goes on without a sink: not at all, as far, and further.
        for (more, says) in [(0, OLDER), (2, FORKED), (9, FORKED)] {
            if more > 0 {
                let server = restored.serve();
                shop_some(&server, &format!("other{more}-"), more);
                server.stop().expect_code(0);
            }
            is_refused(run(&restored, &sink), &side, says);
        }
        // What was told stays, and the journal that told it goes on.
        tell(&house, &sink, "c", 1);
        side.has_all(&house, &sink, &seqs(&house.records(), &OF_ORDERS));
        // In a new place the copy is told whole: what was refused was not taken down as told.
        let new = side.sink(&restored, side.port(), side.elsewhere());
        tell(&restored, &new, "d", 1);
        assert_same(&restored, &new);
    }
}

#[test]
fn a_snapshot_behind_the_parting_of_two_courses_hid_it() {
    for side in [Side::postgres(), Side::nats(), Side::redis()].into_iter().flatten() {
        let house = House::new(&[AT_ONCE, OTHERS]);
        let sink = side.sink(&house, side.port(), "sales=once");
        tell(&house, &sink, "a", 3);
        let restored = house.twin();
        let server = house.serve();
        shop_some(&server, "b", 1);
        shop_many(&server, "others", "b", 20_000);
        server.stop().expect_code(0);
        // All in one: the other side is told that there was nothing more for long.
        tell(&house, &sink, "", 0);
        let server = restored.server().option("SNAPSHOT_MIB", 1).run();
        shop_some(&server, "other", 2);
        shop_many(&server, "others", "other", 18_000);
        at_least(&server, "doorbuster_snapshots_total", 1);
        shop_many(&server, "others", "more", 5_000);
        server.stop().expect_code(0);
        is_refused(run(&restored, &sink), &side, FORKED);
    }
}

#[test]
fn what_was_told_again_hid_another_course() {
    let Some(side) = Side::nats() else { return };
    let house = House::new(&[AT_ONCE]);
    let sink = side.sink(&house, side.port(), "");
    tell(&house, &sink, "a", 3);
    let restored = house.twin();
    let server = run(&house, &sink);
    shop_some(&server, "b", 2);
    until(&server, LEVEL);
    let to = seqs(&house.records(), &["buy"])[1].to_string();
    operate(&server, &["replay", "orders", "--from", "1", "--to", &to]).expect_code(0);
    at_least(&server, "doorbuster_sink_changes_total{sink=\"orders\"}", 4);
    server.stop().expect_code(0);
    let server = restored.serve();
    shop_some(&server, "other", 9);
    server.stop().expect_code(0);
    is_refused(run(&restored, &sink), &side, FORKED);
    // The one that told it goes on.
    tell(&house, &sink, "c", 1);
}
