//! A change that the other side never takes, for what is in it: its sink alone stops, and says
//! which it is.

use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::Config;

use super::server::House;
use super::sinks::{AT_ONCE, OF_ORDERS, seqs, shop_one, shop_some, sink as sink_command, until};
use super::{LEVEL, STOPPED, Side, line_with, run};

/// Bytes of a message as servers count them, the heads with it.
fn bytes_of(message: &StreamMessage) -> usize {
    let heads = message.headers.iter().flat_map(|(name, values)| {
        values.iter().map(move |value| format!("{name}: {value}\r\n").len())
    });
    "NATS/1.0\r\n\r\n".len() + heads.sum::<usize>() + message.payload.len()
}

#[test]
fn a_message_that_is_too_large_for_its_stream_stops_the_sink_and_is_named() {
    let house = House::new(&[AT_ONCE]);
    let Some(side) = Side::nats() else { return };
    let Side::Nats(nats) = &side else { panic!("it is one") };
    let of_size = |max_message_size| Config {
        name: "DOORBUSTER".to_owned(),
        subjects: vec!["doorbuster.>".to_owned()],
        max_message_size,
        ..Config::default()
    };
    let sink = side.sink(&house, nats.port(), "");
    let server = run(&house, &sink);
    shop_some(&server, "a", 3);
    until(&server, "doorbuster_sink_changes_total{sink=\"orders\"} 3");
    // A little more than these have, and less than one with a long key.
    let usual = nats.messages("DOORBUSTER").iter().map(bytes_of).max().expect("some");
    let small = of_size(usual as i32 + 30);
    nats.with(|context| async move { context.update_stream(small).await.expect("changed") });
    shop_one(&server, &"long".repeat(16));
    shop_some(&server, "b", 3);
    until(&server, STOPPED);
    let seq = seqs(&house.records(), &OF_ORDERS)[3];
    // The server goes on.
    shop_some(&server, "c", 1);
    assert_eq!(side.told(), seqs(&house.records(), &OF_ORDERS)[..3]);
    let large = of_size(1 << 20);
    nats.with(|context| async move { context.update_stream(large).await.expect("changed") });
    sink_command(&server, &["resume", "orders"]).expect_code(0);
    until(&server, LEVEL);
    let line = line_with(server, "has stopped");
    assert!(line.contains(&format!("the message of seq {seq}: ")), "{line}");
    side.has_all(&house, &sink, &seqs(&house.records(), &OF_ORDERS));
}

#[test]
fn a_row_that_a_trigger_refuses_stops_the_sink_and_is_named() {
    let house = House::new(&[AT_ONCE]);
    let Some(side) = Side::postgres() else { return };
    let Side::Postgres(postgres) = &side else { panic!("it is one") };
    let sink = side.sink(&house, postgres.port, "");
    let server = run(&house, &sink);
    shop_some(&server, "a", 1);
    until(&server, "doorbuster_sink_changes_total{sink=\"orders\"} 1");
    postgres.ask(
        "CREATE FUNCTION short() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF length(NEW.key) > 60 THEN RAISE EXCEPTION 'a long key'; END IF; RETURN NEW;
         END $$;
         CREATE TRIGGER short BEFORE INSERT ON doorbuster.orders
             FOR EACH ROW EXECUTE FUNCTION short();",
    );
    shop_one(&server, &"long".repeat(16));
    until(&server, STOPPED);
    shop_some(&server, "b", 2);
    let seq = seqs(&house.records(), &OF_ORDERS)[1];
    assert_eq!(side.told().len(), 1);
    postgres.ask("DROP TRIGGER short ON doorbuster.orders");
    sink_command(&server, &["resume", "orders"]).expect_code(0);
    until(&server, LEVEL);
    let line = line_with(server, "has stopped");
    let says = format!("a long key (P0001); within seqs {seq} to {seq}");
    assert!(line.contains(&says), "{line}");
    side.has_all(&house, &sink, &seqs(&house.records(), &OF_ORDERS));
}
