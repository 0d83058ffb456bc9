//! Changes in a Kafka topic, with the real program and a mock cluster: what is in the topic beside
//! what `doorbuster log` says is in the journal, whatever was killed or lost in between.

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

use std::net::TcpListener;
use std::time::Duration;

use kafka::{Mock, TOPIC};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use server::House;
use sinks::{
    AT_ONCE, DROP, LEVEL, STOPPED, assert_same, reconcile, rounds, seqs, shop, shop_one, shop_some,
    stop_line, until, until_changes,
};

#[test]
fn a_topic_holds_each_change_once_and_those_of_an_order_in_order_whatever_was_killed() {
    let rounds = rounds();
    let house = House::new(&[DROP, AT_ONCE]);
    let kafka = Mock::with(TOPIC, 7);
    for round in 0..rounds {
        let server = kafka.told(&house, "changes=all").run();
        std::thread::scope(|scope| {
            let shopping = scope.spawn(|| shop(&server, round, 400));
            std::thread::sleep(Duration::from_millis(60 + 67 * (round % 8)));
            if round % 3 == 1 {
                kafka.answer_after(Duration::from_millis(300));
                std::thread::sleep(Duration::from_millis(20));
                kafka.answer_after(Duration::ZERO);
                std::thread::sleep(Duration::from_millis(200 * (round % 4)));
            }
            server.strike();
            // It ends when nobody answers any more.
            shopping.join().expect("it only asks");
        });
        server.wait();
    }
    kafka.ends_with_each_once(&house, rounds);
}

#[test]
fn a_sink_waits_for_brokers_that_are_down_and_stops_without_a_topic() {
    let house = House::new(&[AT_ONCE]);
    let shut = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it has one");
    let nobody = format!("name=orders type=kafka url={shut}");
    let mut server = house.server().with(&["--sink", &nobody]).run();
    shop_one(&server, "k0");
    let line = server.says("nothing is lost");
    assert!(line.contains(TOPIC) && line.contains("Connection refused"), "{line}");
    server.kill();
    let kafka = Mock::run();
    let mut server = kafka.told(&house, "").run();
    until(&server, STOPPED);
    let line = server.says("sink orders has stopped");
    assert!(line.contains("there is none") && line.contains("create = true"), "{line}");
    // The server goes on without it.
    shop_one(&server, "k1");
    kafka.make(TOPIC, 3);
    sinks::sink(&server, &["resume", "orders"]).expect_code(0);
    until_changes(&server, 2);
    let ended = server.stop();
    let said = &ended.expect_code(0).stderr;
    assert!(!said.contains("%3|"), "the client library speaks for itself: {said}");
    assert_eq!(kafka.seqs(TOPIC), seqs(&house.records(), &["buy"]));
}

#[test]
fn a_topic_is_made_if_that_is_said_and_compressed_messages_read_back() {
    for compression in ["lz4", "snappy"] {
        let (house, kafka) = (House::new(&[AT_ONCE]), Mock::run());
        let more = format!("create=true compression={compression}");
        let server = kafka.told(&house, &more).run();
        shop_some(&server, "a", 30);
        until_changes(&server, 30);
        server.stop().expect_code(0);
        assert_eq!(kafka.seqs(TOPIC), seqs(&house.records(), &["buy"]));
        assert_same(&house, &kafka.sink(""));
    }
}

#[test]
fn what_is_not_this_journals_stops_the_sink_alone_and_stays_as_it_is() {
    let house = House::new(&[AT_ONCE]);
    let kafka = Mock::with(TOPIC, 2);
    let server = kafka.told(&house, "").run();
    shop_some(&server, "a", 3);
    until_changes(&server, 3);
    server.stop().expect_code(0);
    let other = House::new(&[AT_ONCE]);
    let server = kafka.told(&other, "").run();
    until(&server, STOPPED);
    assert!(stop_line(server).contains("it tells of another journal"));
    assert_eq!(kafka.seqs(TOPIC).len(), 3);
    kafka.publish(TOPIC, 1);
    let server = kafka.told(&house, "").run();
    until(&server, STOPPED);
    assert!(stop_line(server).contains("the last message of partition 1 is somebody else's"));
    let compared = reconcile(&house, &kafka.sink(""));
    assert!(compared.stderr.contains("partition 1: a message is not ours"), "{compared:?}");
}

#[test]
fn a_journal_that_took_another_course_is_refused_though_it_is_longer() {
    let house = House::new(&[AT_ONCE]);
    let kafka = Mock::with(TOPIC, 3);
    let tell = |key: &str, count| {
        let server = kafka.told(&house, "").run();
        shop_some(&server, key, count);
        until(&server, LEVEL);
        server.stop().expect_code(0);
    };
    tell("a", 3);
    let restored = house.twin();
    let server = kafka.told(&house, "").run();
    shop_some(&server, "b", 2);
    until(&server, LEVEL);
    // What is told again is no sign of which course it was.
    let sold = seqs(&house.records(), &["buy"]);
    let to = sold[2].to_string();
    sinks::sink(&server, &["replay", "orders", "--from", "1", "--to", &to]).expect_code(0);
    until_changes(&server, 5);
    server.stop().expect_code(0);
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
        let server = kafka.told(&restored, "").run();
        until(&server, STOPPED);
        let line = stop_line(server);
        assert!(line.contains(says), "{more} more: {line}");
    }
    tell("c", 1);
    let mut all = [&seqs(&house.records(), &["buy"])[..], &sold[..3]].concat();
    all.sort_unstable();
    assert_eq!(kafka.seqs(TOPIC), all);
}

#[test]
fn what_brokers_refuse_for_good_stops_the_sink_alone_and_what_passes_is_waited_for() {
    use RDKafkaRespErr as Code;
    let house = House::new(&[AT_ONCE]);
    let kafka = Mock::with(TOPIC, 3);
    let mut count = 0;
    for (api, code, says) in [
        (
            RDKafkaApiKey::Produce,
            Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
            "a message is too large for it; raise max.message.bytes",
        ),
        (
            RDKafkaApiKey::EndTxn,
            Code::RD_KAFKA_RESP_ERR_PRODUCER_FENCED,
            "another server publishes into it now",
        ),
    ] {
        let mut server = kafka.told(&house, "").run();
        // It has begun: what it is refused now is what it tells.
        shop_one(&server, &format!("{api:?}"));
        until_changes(&server, 1);
        kafka.cluster.request_errors(api, &[code]);
        shop_some(&server, &format!("{api:?}"), 2);
        let line = server.says("sink orders has stopped");
        assert!(line.contains(says), "{line}");
        until(&server, STOPPED);
        kafka.cluster.clear_request_errors(api);
        sinks::sink(&server, &["resume", "orders"]).expect_code(0);
        until(&server, LEVEL);
        count += 3;
        server.stop().expect_code(0);
        assert_eq!(kafka.seqs(TOPIC), seqs(&house.records(), &["buy"]));
    }
    let (gone, none) =
        (Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, Code::RD_KAFKA_RESP_ERR_NO_ERROR);
    kafka.cluster.topic_error(TOPIC, gone).expect("it is known");
    let server = kafka.told(&house, "").run();
    until(&server, STOPPED);
    assert!(stop_line(server).contains("there is none, or a partition of it is gone"));
    kafka.cluster.topic_error(TOPIC, none).expect("it is known");
    for (api, code) in [
        (RDKafkaApiKey::Produce, Code::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION),
        (RDKafkaApiKey::Produce, Code::RD_KAFKA_RESP_ERR__TRANSPORT),
        (RDKafkaApiKey::Produce, Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED),
        (RDKafkaApiKey::EndTxn, Code::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS),
        (RDKafkaApiKey::AddPartitionsToTxn, Code::RD_KAFKA_RESP_ERR_INVALID_TXN_STATE),
        (RDKafkaApiKey::InitProducerId, Code::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE),
        (RDKafkaApiKey::ListOffsets, Code::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE),
    ] {
        kafka.cluster.request_errors(api, &[code, code]);
        let server = kafka.told(&house, "").run();
        shop_some(&server, &format!("{api:?}{code:?}"), 3);
        count += 3;
        until(&server, LEVEL);
        kafka.cluster.clear_request_errors(api);
        server.stop().expect_code(0);
        let sold = seqs(&house.records(), &["buy"]);
        assert_eq!((kafka.seqs(TOPIC), sold.len()), (sold, count), "{api:?} {code:?}");
    }
}

#[test]
fn what_is_told_again_on_request_stands_at_the_end_and_does_not_set_the_topic_back() {
    let house = House::new(&[AT_ONCE]);
    let kafka = Mock::with(TOPIC, 2);
    let server = kafka.told(&house, "").run();
    shop_some(&server, "a", 8);
    until_changes(&server, 8);
    let sold = seqs(&house.records(), &["buy"]);
    let to = sold[3].to_string();
    sinks::sink(&server, &["replay", "orders", "--from", "1", "--to", &to]).expect_code(0);
    until_changes(&server, 12);
    let mut twice = [&sold[..], &sold[..4]].concat();
    twice.sort_unstable();
    assert_eq!(kafka.seqs(TOPIC), twice);
    server.kill();
    // The topic alone knows how far it has come.
    let checkpoint = house.data().join("sinks/orders");
    std::fs::remove_file(&checkpoint).expect("it was there");
    let server = kafka.told(&house, "").run();
    shop_some(&server, "b", 2);
    until(&server, LEVEL);
    server.stop().expect_code(0);
    let all = seqs(&house.records(), &["buy"]);
    let mut twice = [&all[..], &sold[..4]].concat();
    twice.sort_unstable();
    assert_eq!(kafka.seqs(TOPIC), twice);
    assert_same(&house, &kafka.sink(""));
}

#[test]
fn wrong_settings_are_refused_with_what_is_allowed() {
    let house = House::new(&[AT_ONCE]);
    for (bad, says) in [
        ("url=kafka://h:1", "url: `kafka://h:1` is not HOST:PORT"),
        ("url=h", "url: `h` is not HOST:PORT"),
        ("url=h:70000", "url: `h:70000` is not HOST:PORT"),
        ("topic=a/b", "topic: `a/b` is not 1 to 249 of A-Z a-z 0-9 . _ -"),
        ("topic=..", "topic: `..` is not"),
        ("create=maybe", "create: `maybe` is not true or false"),
        ("compression=zip", "compression: `zip` is none of `none`, `lz4`, `snappy`"),
        ("user=u", "user: a kafka sink speaks neither SASL nor TLS"),
        ("password_file=x", "password_file: a kafka sink speaks neither SASL nor TLS"),
        ("ca_file=x", "ca_file: a kafka sink speaks neither SASL nor TLS"),
        ("colour=red", "a kafka has no key `colour`"),
    ] {
        let start = house.server().with(&["--sink", &format!("name=orders type=kafka {bad}")]);
        let Err(refused) = start.try_run() else { panic!("{bad} is not refused") };
        assert!(refused.stderr.contains(says), "{bad}: {}", refused.stderr);
    }
}
