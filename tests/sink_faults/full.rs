//! Other sides, and machines, that have no room: it is tried again, and the rest is told when
//! there is some.

use async_nats::jetstream::stream::{Config, DiscardPolicy};

use super::postgres::give;
use super::server::House;
use super::sinks::{AT_ONCE, at_least, seqs, shop_many, shop_some, sink as sink_command, until};
use super::small_disk::SmallDisk;
use super::{FAILURES, LEVEL, Side, line_with, run, strace};

#[test]
fn a_postgres_whose_disk_is_full_is_waited_for() {
    let house = House::new(&[AT_ONCE]);
    let Some(side) = Side::postgres() else { return };
    let Side::Postgres(postgres) = &side else { panic!("it is one") };
    // Where it puts its tables: its log of transactions has room, or it would end itself.
    let place = postgres.data().with_file_name("tables");
    let what = "a database whose disk is full";
    let Some(disk) = SmallDisk::mount(what, place.clone(), "4m") else { return };
    give(&place, 0o700);
    postgres.ask(&format!("CREATE TABLESPACE small LOCATION '{}'", place.display()));
    postgres.ask("ALTER ROLE shop SET default_tablespace = small");
    let sink = side.sink(&house, postgres.port, "");
    let server = run(&house, &sink);
    shop_some(&server, "a", 1);
    until(&server, LEVEL);
    let ballast = disk.fill();
    // Until its pages are full too.
    shop_many(&server, "once", "b", 2_000);
    at_least(&server, FAILURES, 2);
    let told = side.told().len();
    std::fs::remove_file(ballast).expect("it was there");
    until(&server, LEVEL);
    assert!(told < 2_001, "nothing was refused");
    let line = line_with(server, "nothing is lost");
    assert!(line.contains("No space left on device (53100)"), "{line}");
    side.has_all(&house, &sink, &seqs(&house.records(), &["buy"]));
}

#[test]
fn a_stream_without_room_for_more_bytes_is_waited_for() {
    let house = House::new(&[AT_ONCE]);
    let Some(side) = Side::nats() else { return };
    let Side::Nats(nats) = &side else { panic!("it is one") };
    let of_bytes = |max_bytes| Config {
        name: "DOORBUSTER".to_owned(),
        subjects: vec!["doorbuster.>".to_owned()],
        discard: DiscardPolicy::New,
        max_bytes,
        ..Config::default()
    };
    let small = of_bytes(2000);
    nats.with(|context| async move { context.create_stream(small).await.expect("made") });
    let sink = side.sink(&house, nats.port(), "");
    let server = run(&house, &sink);
    shop_some(&server, "a", 8);
    at_least(&server, FAILURES, 3);
    let large = of_bytes(1 << 20);
    nats.with(|context| async move { context.update_stream(large).await.expect("changed") });
    until(&server, LEVEL);
    let line = line_with(server, "maximum bytes exceeded");
    assert!(line.contains("stream DOORBUSTER") && line.contains("nothing is lost"), "{line}");
    side.has_all(&house, &sink, &seqs(&house.records(), &["buy"]));
}

#[test]
fn a_machine_without_threads_to_spare_keeps_messages_waiting_and_ends_nothing() {
    if !strace::is_there("a machine without threads to spare") {
        return;
    }
    let house = House::new(&[AT_ONCE]);
    let side = Side::webhook();
    let Side::Webhook(receiver) = &side else { panic!("it is one") };
    let sink = side.sink(&house, receiver.address.port(), "in_flight=32");
    // Fewer than so many threads are begun at the start, by any one.
    let fault = ["clone3:error=EAGAIN:when=60..75"];
    let server = strace::with_faults(house.server().with(&["--sink", &sink]), None, &fault).run();
    // What comes at once is posted at once.
    sink_command(&server, &["pause", "orders"]).expect_code(0);
    shop_some(&server, "a", 300);
    sink_command(&server, &["resume", "orders"]).expect_code(0);
    until(&server, LEVEL);
    let line = line_with(server, "no thread to post from");
    assert!(line.contains("nothing is lost"), "{line}");
    side.has_all(&house, &sink, &seqs(&house.records(), &["buy"]));
}

#[test]
fn a_file_on_a_full_disk_is_waited_for() {
    if !strace::is_there("a file on a full disk") {
        return;
    }
    let house = House::new(&[AT_ONCE]);
    let path = house.path("orders.ndjson");
    let sink = format!("name=orders type=file path={}", path.display());
    let start = house.server().with(&["--sink", &sink]);
    // Then there is room.
    let fault = ["pwrite64:error=ENOSPC:when=1..4"];
    let server = strace::with_faults(start, path.to_str(), &fault).run();
    shop_some(&server, "a", 3);
    at_least(&server, FAILURES, 4);
    until(&server, LEVEL);
    let line = line_with(server, "nothing is lost");
    assert!(line.contains("orders.ndjson: No space left on device"), "{line}");
    let text = std::fs::read_to_string(&path).expect("a file");
    let told: Vec<u64> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .map(|line| line["seq"].as_u64().expect("a seq"))
        .collect();
    assert_eq!(told, seqs(&house.records(), &["buy"]));
}
