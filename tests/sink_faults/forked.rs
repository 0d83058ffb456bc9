//! A data folder that was restored from an older copy, and went on in its own way.

use super::server::House;
use super::sinks::{AT_ONCE, OF_ORDERS, seqs, shop_some, until};
use super::{LEVEL, STOPPED, Side, line_with, run};

#[test]
fn a_journal_that_took_another_course_is_refused_though_it_is_longer() {
    for side in [Side::postgres(), Side::nats(), Side::redis()].into_iter().flatten() {
        let house = House::new(&[AT_ONCE]);
        let sink = side.sink(&house, side.port(), "");
        let tell = |key: &str, count| {
            let server = run(&house, &sink);
            shop_some(&server, key, count);
            until(&server, LEVEL);
            server.stop().expect_code(0);
        };
        tell("a", 3);
        let restored = house.twin();
        tell("b", 2);
        // The copy goes on without a sink: not at all, as far, and further.
        for (more, says) in [
            (0, "this is an older copy of it"),
            (2, "a journal that took another course"),
            (9, "a journal that took another course"),
        ] {
            if more > 0 {
                let server = restored.serve();
                shop_some(&server, &format!("other{more}-"), more);
                server.stop().expect_code(0);
            }
            let server = run(&restored, &sink);
            until(&server, STOPPED);
            let line = line_with(server, "has stopped");
            assert!(line.contains(says), "{}, {more} more: {line}", side.word());
        }
        // What was told stays, and the journal that told it goes on.
        tell("c", 1);
        side.has_all(&house, &sink, &seqs(&house.records(), &OF_ORDERS));
    }
}
