//! A data folder that was restored from an older copy, and went on in its own way.

use super::server::House;
use super::sinks::{AT_ONCE, OF_ORDERS, seqs, shop_some, until};
use super::{LEVEL, STOPPED, Side, line_with, run};

#[test]
fn a_journal_that_took_another_course_is_refused_though_it_is_longer() {
    let house = House::new(&[AT_ONCE]);
    let Some(side) = Side::postgres() else { return };
    let Side::Postgres(postgres) = &side else { panic!("it is one") };
    let sink = side.sink(&house, postgres.port, "");
    let tell = |key: &str, count| {
        let server = run(&house, &sink);
        shop_some(&server, key, count);
        until(&server, LEVEL);
        server.stop().expect_code(0);
    };
    tell("a", 3);
    let copy = house.path("copy");
    let mut cp = std::process::Command::new("cp");
    let copied = cp.arg("-r").args([house.data(), copy.clone()]).status();
    assert!(copied.is_ok_and(|status| status.success()), "cp, of coreutils, is wanted");
    // The copy goes on without a sink, and further.
    tell("b", 2);
    let server = house.server().data(copy.clone()).run();
    shop_some(&server, "other", 9);
    server.stop().expect_code(0);
    let server = house.server().data(copy).with(&["--sink", &sink]).run();
    until(&server, STOPPED);
    let line = line_with(server, "has stopped");
    assert!(line.contains("a journal that took another course"), "{line}");
    // What was told stays, and the journal that told it goes on.
    tell("c", 1);
    side.has_all(&house, &sink, &seqs(&house.records(), &OF_ORDERS));
    let keys = postgres.ask("SELECT key FROM doorbuster.orders ORDER BY id");
    assert_eq!(keys, ["a0", "a1", "a2", "b0", "b1", "c0"]);
}
