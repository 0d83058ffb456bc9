//! Changes in a topic of Kafka itself, with the real program: what a mock cluster does not do, and
//! what befalls brokers in service. Each test starts a broker of its own, if it is told of what:
//! `KAFKA_HOME=/opt/kafka cargo test --features kafka --test kafka_broker`. Of 3.3 or later.

#[path = "support/kafka.rs"]
#[allow(dead_code, reason = "every test takes what it needs of it")]
mod kafka;
#[path = "support/resp.rs"]
#[allow(dead_code, reason = "every test takes what it needs of it")]
mod resp;
#[path = "support/server.rs"]
#[allow(dead_code, reason = "every test takes what it needs of it")]
mod server;
#[path = "support/sinks.rs"]
#[allow(dead_code, reason = "every test takes what it needs of it")]
mod sinks;

use std::time::Duration;

use kafka::{Broker, TOPIC};
use server::House;
use sinks::{
    AT_ONCE, DROP, LEVEL, STOPPED, assert_same, at_least, rounds, seqs, shop, shop_one, shop_some,
    stop_line, until, until_changes,
};

#[test]
fn a_topic_holds_each_change_once_whichever_side_was_killed() {
    let rounds = rounds();
    let house = House::new(&[DROP, AT_ONCE]);
    let Some(mut broker) = Broker::run("") else { return };
    for round in 0..rounds {
        let server = broker.told(&house, "changes=all create=true").run();
        std::thread::scope(|scope| {
            let shopping = scope.spawn(|| shop(&server, round, 400));
            std::thread::sleep(Duration::from_millis(60 + 67 * (round % 16)));
            if round % 2 == 0 {
                broker.kill();
                std::thread::sleep(Duration::from_millis(100 * (round % 3)));
            }
            if round % 4 == 2 {
                broker.start();
                until(&server, LEVEL);
            }
            server.strike();
            // It ends when nobody answers any more.
            shopping.join().expect("it only asks");
        });
        server.wait();
        if round % 4 == 0 {
            broker.start();
        }
    }
    broker.ends_with_each_once(&house, rounds);
}

#[test]
fn a_sale_after_days_of_silence_is_told_though_the_brokers_have_forgotten_the_sink() {
    let house = House::new(&[AT_ONCE]);
    let Some(broker) = Broker::run(
        "transactional.id.expiration.ms=2000\n\
         transaction.remove.expired.transaction.cleanup.interval.ms=500\n\
         producer.id.expiration.ms=1000\nproducer.id.expiration.check.interval.ms=500",
    ) else {
        return;
    };
    let server = broker.told(&house, "create=true").run();
    for sale in 0..3 {
        shop_some(&server, &format!("sale{sale}-"), 5);
        until(&server, LEVEL);
        std::thread::sleep(Duration::from_secs(6));
    }
    // They have: it had to begin anew.
    at_least(&server, "doorbuster_sink_failures_total{sink=\"orders\"}", 1);
    server.stop().expect_code(0);
    assert_eq!(broker.seqs(TOPIC), seqs(&house.records(), &["buy"]));
}

#[test]
fn a_machine_that_slept_within_a_transaction_goes_on() {
    let house = House::new(&[AT_ONCE]);
    let Some(broker) =
        Broker::run("transaction.abort.timed.out.transaction.cleanup.interval.ms=1000")
    else {
        return;
    };
    let server = broker.told(&house, "create=true").run();
    shop_some(&server, "before", 5);
    until(&server, LEVEL);
    broker.freeze(true);
    shop_some(&server, "within", 5);
    std::thread::sleep(Duration::from_millis(500));
    server.freeze(true);
    broker.freeze(false);
    // The brokers give the transaction up after a minute.
    std::thread::sleep(Duration::from_secs(65));
    server.freeze(false);
    until(&server, LEVEL);
    at_least(&server, "doorbuster_sink_failures_total{sink=\"orders\"}", 1);
    shop_some(&server, "after", 5);
    until(&server, LEVEL);
    server.stop().expect_code(0);
    assert_eq!(broker.seqs(TOPIC), seqs(&house.records(), &["buy"]));
}

#[test]
fn a_second_server_with_the_same_journal_stops_the_sink_of_the_first() {
    let house = House::new(&[AT_ONCE]);
    let Some(broker) = Broker::run("") else { return };
    let first = broker.told(&house, "create=true").run();
    shop_some(&first, "a", 5);
    until(&first, LEVEL);
    let twin = house.twin();
    let second = broker.told(&twin, "").run();
    shop_some(&second, "b", 5);
    until(&second, LEVEL);
    shop_one(&first, "late");
    until(&first, STOPPED);
    assert!(stop_line(first).contains("another server publishes into it now"));
    shop_some(&second, "c", 5);
    until(&second, LEVEL);
    second.stop().expect_code(0);
    assert_eq!(broker.seqs(TOPIC), seqs(&twin.records(), &["buy"]));
}

#[test]
fn what_operators_do_to_a_topic_is_followed_or_said() {
    let house = House::new(&[AT_ONCE]);
    let Some(broker) = Broker::run("auto.create.topics.enable=false") else { return };
    let topic =
        |words: &[&str]| broker.tool("kafka-topics.sh", &[&["--topic", TOPIC], words].concat());
    // A topic that takes no message of ours.
    topic(&["--create", "--partitions", "2", "--config", "max.message.bytes=100"]);
    let mut server = broker.told(&house, "compression=lz4").run();
    shop_one(&server, "large");
    let line = server.says("sink orders has stopped");
    assert!(line.contains("a message is too large for it"), "{line}");
    let larger = ["--alter", "--entity-type", "topics", "--entity-name", TOPIC, "--add-config"];
    broker.tool("kafka-configs.sh", &[&larger[..], &["max.message.bytes=1000000"]].concat());
    sinks::sink(&server, &["resume", "orders"]).expect_code(0);
    until(&server, LEVEL);
    // It grows.
    topic(&["--alter", "--partitions", "5"]);
    shop_some(&server, "grown", 20);
    until(&server, LEVEL);
    server.kill();
    let server = broker.told(&house, "compression=lz4").run();
    shop_some(&server, "more", 20);
    until(&server, LEVEL);
    let sold = seqs(&house.records(), &["buy"]);
    assert_eq!(broker.seqs(TOPIC), sold);
    // One partition is emptied, as if its messages were too old.
    let emptied = broker.emptied(TOPIC, 0);
    server.kill();
    let server = broker.told(&house, "compression=lz4").run();
    shop_some(&server, "rest", 20);
    until(&server, LEVEL);
    let mut sold = seqs(&house.records(), &["buy"]);
    sold.retain(|seq| !emptied.contains(seq));
    assert_eq!((broker.seqs(TOPIC), emptied.is_empty()), (sold, false));
    // Deleted under the sink.
    topic(&["--delete"]);
    shop_one(&server, "nowhere");
    until(&server, STOPPED);
    assert!(stop_line(server).contains("there is none, or a partition of it is gone"));
    // Made anew, it is told from the beginning.
    topic(&["--create", "--partitions", "3"]);
    let server = broker.told(&house, "").run();
    until(&server, LEVEL);
    until_changes(&server, 62);
    server.stop().expect_code(0);
    assert_eq!(broker.seqs(TOPIC), seqs(&house.records(), &["buy"]));
    assert_same(&house, &broker.sink(""));
}
