//! Changes in a NATS JetStream stream, with the real program and a real server: what is in the
//! stream beside what `doorbuster log` says is in the journal, whatever was killed or lost in
//! between.

use super::support::{nats, server, sinks, tls};

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy};
use nats::NatsServer;
use serde_json::Value;
use server::{House, Start};
use sinks::{
    AT_ONCE, DROP, OF_ORDERS, STOPPED, assert_same, reconcile, rounds, seqs, shop, shop_one,
    shop_some, stop_line, until, until_changes,
};

const STREAM: &str = "DOORBUSTER";

fn told(house: &House, nats: &NatsServer, more: &str) -> Start {
    house.server().with(&["--sink", &sink(nats, more)])
}

fn sink(nats: &NatsServer, more: &str) -> String {
    format!("name=orders type=nats url={} {more}", nats.url())
}

/// What is in the stream: the seq of each message, and its data.
fn messages(nats: &NatsServer) -> Vec<(u64, Value)> {
    let message = |message: async_nats::jetstream::message::StreamMessage| {
        let head = |name: &str| message.headers.get(name).expect(name).as_str().to_owned();
        let data: Value = serde_json::from_slice(&message.payload).expect("JSON");
        let text = |key: &str| data[key].as_str().expect(key).to_owned();
        let (sale, change) = (text("sale"), text("change"));
        let seq = data["seq"].as_u64().expect("a seq");
        let (journal, id) = head("ce-id")
            .split_once('-')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .expect("two words");
        assert_eq!(id, seq.to_string());
        assert_eq!(head("ce-source"), format!("/doorbuster/{journal}/{sale}"));
        assert_eq!(head("ce-type"), format!("doorbuster.order.{change}"));
        assert_eq!((head("ce-subject"), head("ce-time")), (text("order"), text("time")));
        assert_eq!(message.subject.as_str(), format!("doorbuster.{sale}.{change}"));
        (seq, data)
    };
    nats.messages(STREAM).into_iter().map(message).collect()
}

fn told_seqs(nats: &NatsServer) -> Vec<u64> {
    messages(nats).into_iter().map(|(seq, _)| seq).collect()
}

fn make(nats: &NatsServer, subjects: &str, retention: RetentionPolicy) {
    let subjects = vec![subjects.to_owned()];
    let config = Config { name: STREAM.to_owned(), subjects, retention, ..Config::default() };
    nats.with(|context| async move { context.create_stream(config).await.expect("made") });
}

fn purge(nats: &NatsServer) {
    nats.with(|context| async move {
        let stream = context.get_stream(STREAM).await.expect("the stream");
        stream.purge().await.expect("purged");
    });
}

fn remove(nats: &NatsServer) {
    nats.with(|context| async move { context.delete_stream(STREAM).await.expect("removed") });
}

#[test]
fn a_stream_holds_each_change_once_and_in_order_whatever_was_killed() {
    let rounds = rounds();
    let house = House::new(&[DROP, AT_ONCE]);
    let Some(mut nats) = NatsServer::run() else { return };
    for round in 0..rounds {
        let server = told(&house, &nats, "changes=all create=true").run();
        std::thread::scope(|scope| {
            let shopping = scope.spawn(|| shop(&server, round, 400));
            std::thread::sleep(Duration::from_millis(60 + 37 * (round % 8)));
            if round % 2 == 0 {
                nats.kill();
                std::thread::sleep(Duration::from_millis(20));
                nats.start();
                std::thread::sleep(Duration::from_millis(50 * (round % 3)));
            }
            server.strike();
            // It ends when nobody answers any more.
            shopping.join().expect("it only asks");
        });
        server.wait();
    }
    let server = told(&house, &nats, "changes=all").run();
    shop(&server, rounds, 30).expect("it answers");
    server.stop().expect_code(0);
    assert_same(&house, &sink(&nats, "changes=all"));
    let (records, told) = (house.records(), messages(&nats));
    let found: Vec<u64> = told.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(found, seqs(&records, &OF_ORDERS));
    assert!(found.len() > 100, "{} changes", found.len());
    let of_orders =
        records.iter().filter(|record| OF_ORDERS.contains(&record["kind"].as_str().unwrap_or("")));
    for (record, (seq, data)) in of_orders.zip(&told) {
        for key in ["seq", "time", "sale", "order"] {
            assert_eq!(data[key], record[key], "seq {seq}");
        }
    }
}

#[test]
fn a_sink_waits_for_a_server_that_is_down_or_wants_another_password_or_has_no_stream() {
    let house = House::new(&[AT_ONCE]);
    let Some(mut nats) = NatsServer::down(Some(("shop", "right-one"))) else { return };
    let password = house.path("password");
    std::fs::write(&password, "wrong-one\n").expect("written");
    let more = format!("user=shop password_file={}", password.display());
    let mut server = told(&house, &nats, &more).run();
    shop_one(&server, "k0");
    assert!(server.says("nothing is lost").contains("Connection refused"));
    nats.start();
    while !server.says("nothing is lost").contains("authorization violation") {}
    std::fs::write(&password, "right-one\n").expect("written");
    while !server.says("nothing is lost").contains("make it, with the subjects doorbuster.>") {}
    make(&nats, "doorbuster.>", RetentionPolicy::Limits);
    until_changes(&server, 1);
    let ended = server.stop();
    let said = &ended.expect_code(0).stderr;
    assert!(said.contains(&nats.url()), "{said}");
    assert!(!said.contains("-one"), "no password is said: {said}");
    assert!(!said.contains("event: "), "the client speaks for itself: {said}");
    assert_eq!(told_seqs(&nats).len(), 1);
}

#[test]
fn what_is_not_this_journals_stops_the_sink_alone_and_stays_as_it_is() {
    let house = House::new(&[AT_ONCE]);
    let Some(nats) = NatsServer::run() else { return };
    make(&nats, "doorbuster.drop.*", RetentionPolicy::Limits);
    let server = told(&house, &nats, "create=true").run();
    until(&server, STOPPED);
    shop_one(&server, "k0");
    let line = stop_line(server);
    let says = "stream DOORBUSTER: it takes doorbuster.drop.*, and not all of doorbuster.>";
    assert!(line.contains(says), "{line}");
    remove(&nats);
    let server = told(&house, &nats, "create=true").run();
    until_changes(&server, 1);
    // Somebody else publishes into it.
    nats.with(|context| async move {
        let ack = context.publish("doorbuster.a.b", "theirs".into()).await.expect("sent");
        ack.await.expect("taken");
    });
    shop_some(&server, "more", 1);
    until(&server, STOPPED);
    assert!(stop_line(server).contains("its last message, of doorbuster.a.b, is somebody else's"));
    // A stream that another journal has told.
    remove(&nats);
    let server = told(&house, &nats, "create=true").run();
    until_changes(&server, 2);
    server.stop().expect_code(0);
    let other = House::new(&[AT_ONCE]);
    let server = told(&other, &nats, "create=true").run();
    until(&server, STOPPED);
    assert!(stop_line(server).contains("it tells of another journal"));
    assert_eq!(told_seqs(&nats).len(), 2);
}

#[test]
fn what_was_consumed_is_not_told_again_and_what_the_stream_has_lost_is() {
    let house = House::new(&[AT_ONCE]);
    let Some(nats) = NatsServer::run() else { return };
    make(&nats, "doorbuster.>", RetentionPolicy::WorkQueue);
    let server = told(&house, &nats, "create=true").run();
    shop_some(&server, "a", 3);
    until_changes(&server, 3);
    server.stop().expect_code(0);
    let (checkpoint, early) = (house.data().join("sinks/orders"), house.path("early"));
    std::fs::copy(&checkpoint, &early).expect("a checkpoint");
    let server = told(&house, &nats, "create=true").run();
    shop_some(&server, "b", 2);
    until_changes(&server, 2);
    server.stop().expect_code(0);
    // Killed between the last messages and the checkpoint, and all is consumed meanwhile.
    std::fs::copy(&early, &checkpoint).expect("as it was");
    let compared = reconcile(&house, &sink(&nats, ""));
    assert!(compared.expect_code(1).stderr.contains("it is a work queue"), "{compared:?}");
    purge(&nats);
    let server = told(&house, &nats, "create=true").run();
    until(&server, "doorbuster_sink_lag_seqs{sink=\"orders\"} 0");
    shop_some(&server, "c", 1);
    until_changes(&server, 3);
    let sold = seqs(&house.records(), &["buy"]);
    assert_eq!(told_seqs(&nats), sold[5..]);
    // It is removed and made anew.
    remove(&nats);
    shop_some(&server, "d", 1);
    until_changes(&server, 3 + 7);
    server.stop().expect_code(0);
    assert_eq!(told_seqs(&nats), seqs(&house.records(), &["buy"]));
    // Without its checkpoint it goes on where the stream says it stands.
    std::fs::remove_file(&checkpoint).expect("it was there");
    let server = told(&house, &nats, "").run();
    shop_some(&server, "e", 1);
    until_changes(&server, 1);
    server.stop().expect_code(0);
    assert_eq!(told_seqs(&nats), seqs(&house.records(), &["buy"]));
}

#[test]
fn what_is_told_again_on_request_stands_at_the_end_and_does_not_set_the_stream_back() {
    let house = House::new(&[AT_ONCE]);
    let Some(nats) = NatsServer::run() else { return };
    let server = told(&house, &nats, "create=true").run();
    shop_some(&server, "a", 4);
    until_changes(&server, 4);
    server.stop().expect_code(0);
    let (sold, checkpoint) = (seqs(&house.records(), &["buy"]), house.data().join("sinks/orders"));
    let text = std::fs::read_to_string(&checkpoint).expect("a checkpoint");
    let mut kept: Value = serde_json::from_str(&text).expect("JSON");
    kept["replay"] = serde_json::json!({ "from": sold[0], "to": sold[1] });
    std::fs::write(&checkpoint, kept.to_string()).expect("written");
    let server = told(&house, &nats, "").run();
    until_changes(&server, 2);
    assert_eq!(told_seqs(&nats), [&sold[..], &sold[..2]].concat());
    server.kill();
    // The stream alone knows how far it has come.
    std::fs::remove_file(&checkpoint).expect("it was there");
    let server = told(&house, &nats, "").run();
    shop_some(&server, "b", 1);
    until_changes(&server, 1);
    server.stop().expect_code(0);
    let all = seqs(&house.records(), &["buy"]);
    assert_eq!(told_seqs(&nats), [&sold[..], &sold[..2], &all[4..]].concat());
}

#[test]
fn of_two_servers_with_one_journal_the_one_that_came_first_stops() {
    let house = House::new(&[AT_ONCE]);
    let Some(nats) = NatsServer::run() else { return };
    let server = told(&house, &nats, "create=true").run();
    shop_some(&server, "a", 3);
    until_changes(&server, 3);
    server.stop().expect_code(0);
    let copy = house.path("copy");
    let mut cp = std::process::Command::new("cp");
    let copied = cp.arg("-r").args([house.data(), copy.clone()]).status();
    assert!(copied.is_ok_and(|status| status.success()), "cp, of coreutils, is wanted");
    let (first, second) = (told(&house, &nats, "").run(), told(&house, &nats, "").data(copy));
    until(&first, "doorbuster_sink_lag_seqs{sink=\"orders\"} 0");
    let second = second.run();
    shop_some(&second, "b", 1);
    until_changes(&second, 1);
    shop_some(&first, "c", 1);
    until(&first, STOPPED);
    assert!(stop_line(first).contains("another server publishes into it now"));
    shop_some(&second, "d", 1);
    until_changes(&second, 2);
    let told: Vec<String> = (messages(&nats).into_iter())
        .map(|(_, data)| data["key"].as_str().expect("a key").to_owned())
        .collect();
    assert_eq!(told, ["a0", "a1", "a2", "b0", "d0"]);
}

#[test]
fn a_stream_that_is_full_is_waited_for_and_takes_the_rest_once() {
    let house = House::new(&[AT_ONCE]);
    let Some(nats) = NatsServer::run() else { return };
    let full = |max| Config {
        name: STREAM.to_owned(),
        subjects: vec!["doorbuster.>".to_owned()],
        discard: DiscardPolicy::New,
        max_messages: max,
        ..Config::default()
    };
    let small = full(3);
    nats.with(|context| async move { context.create_stream(small).await.expect("made") });
    let mut server = told(&house, &nats, "").run();
    shop_some(&server, "a", 8);
    while !server.says("nothing is lost").contains("maximum messages exceeded") {}
    let large = full(100);
    nats.with(|context| async move { context.update_stream(large).await.expect("changed") });
    until(&server, "doorbuster_sink_lag_seqs{sink=\"orders\"} 0");
    server.stop().expect_code(0);
    assert_eq!(told_seqs(&nats), seqs(&house.records(), &["buy"]));
}

#[test]
fn tls_is_spoken_with_a_server_that_is_trusted_and_with_no_other() {
    let house = House::new(&[AT_ONCE]);
    let authority = tls::Authority::new();
    let (cert, key) = authority.issue();
    let [cert_file, key_file, ca_file] = ["cert.pem", "key.pem", "ca.pem"].map(|n| house.path(n));
    std::fs::write(&cert_file, cert).expect("written");
    std::fs::write(&key_file, key).expect("written");
    std::fs::write(&ca_file, tls::Authority::new().pem()).expect("written");
    let (cert, key) = (cert_file.display().to_string(), key_file.display().to_string());
    let arguments = ["--tls", "--tlscert", &cert, "--tlskey", &key];
    let Some(nats) = NatsServer::down(None) else { return };
    let mut nats = nats.arguments(&arguments);
    nats.start();
    let (url, ca) = (format!("tls://localhost:{}", nats.port()), ca_file.display());
    let sink = format!("name=orders type=nats url={url} ca_file={ca} create=true");
    let mut server = house.server().with(&["--sink", &sink]).run();
    shop_one(&server, "k0");
    // The authority of another.
    assert!(server.says("nothing is lost").contains("invalid peer certificate"));
    std::fs::write(&ca_file, authority.pem()).expect("written");
    until_changes(&server, 1);
    server.stop().expect_code(0);
}
