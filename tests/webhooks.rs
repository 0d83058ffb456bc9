//! Webhooks, with the real program: what a receiver is sent beside what is in the journal, and what
//! happens when it is away, refuses, or is in trouble.

use super::support::{receiver, resp, server};

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use receiver::{Posted, Receiver, Reply, TAKEN};
use resp::Resp;
use server::{House, PATIENCE, Server, Start};
use sha2::Sha256;
use socket2::{Domain, Socket, Type};

const SALE: &str = r#"
name = "drop"
hold_ms = 60000
extend_ms = 60000
items = [{ sku = "pin", stock = 1000000, price = 100 }]
"#;
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

/// Buys so many pins, each for another buyer, and sends the questions all at once.
fn shop(server: &Server, from: usize, count: usize) {
    let mut resp = Resp::over(server.connect());
    for begin in (from..from + count).step_by(500) {
        let numbers = begin..(begin + 500).min(from + count);
        for number in numbers.clone() {
            let (buyer, key) = (format!("b{number}"), format!("k{number}"));
            resp.send(&["BUY", "drop", "pin", &buyer, &key]).expect("sent");
        }
        numbers.for_each(|_| assert_eq!(resp.receive().expect("an answer").word(), "held"));
    }
}

/// Orders with several changes each, as long as the server answers.
fn change(server: &Server, round: usize) -> Option<()> {
    let mut resp = Resp::over(server.try_connect().ok()?);
    let mut ask = |words: &[&str]| resp.send(words).and_then(|()| resp.receive()).ok();
    for number in 0..2000 {
        let (buyer, key) = (format!("b{round}"), format!("k{round}-{number}"));
        let order = ask(&["BUY", "drop", "pin", &buyer, &key])?.number(1).to_string();
        ask(&["EXTEND", "drop", &order])?;
        ask(&["CONFIRM", "drop", &order])?;
        ask(&["CANCEL", "drop", &order])?;
    }
    Some(())
}

/// Waits until the server shows a figure so.
#[track_caller]
fn until(server: &Server, line: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let url = format!("http://{}/metrics", server.admin);
        let mut answer = ureq::get(url).call().expect("an answer");
        let figures = answer.body_mut().read_to_string().expect("a body");
        if figures.lines().any(|shown| shown == line) {
            return;
        }
        assert!(Instant::now() < deadline, "no {line} in {figures}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a message is signed as the specification says, with the secret of these tests.
fn is_signed(posted: &Posted) -> bool {
    let key = STANDARD.decode(SECRET.strip_prefix("whsec_").expect("one")).expect("base64");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("keys of every length");
    let (id, time) = (posted.header("webhook-id"), posted.header("webhook-timestamp"));
    mac.update(format!("{id}.{time}.{}", posted.body).as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let now = doorbuster::clock::unix() / 1_000_000_000;
    let is_new = time.parse::<u64>().is_ok_and(|time| now.abs_diff(time) < 300);
    is_new && posted.header("webhook-signature") == format!("v1,{signature}")
}

#[test]
fn every_change_comes_signed_and_those_of_an_order_in_order_whatever_was_killed() {
    let house = House::new(&[SALE]);
    let receiver = Receiver::new(|_, _| TAKEN);
    let run = || start(&house, &receiver.url(), "changes=all in_flight=4").run();
    for round in 0..5 {
        let server = run();
        std::thread::scope(|scope| {
            let changing = scope.spawn(|| change(&server, round));
            std::thread::sleep(Duration::from_millis(60 + 37 * round as u64));
            server.strike();
            // It ends when nobody answers any more.
            changing.join().expect("it only asks");
        });
        server.wait();
    }
    let server = run();
    shop(&server, 0, 1000);
    server.stop().expect_code(0);
    let posted = receiver.posted();
    let mut bodies = BTreeMap::new();
    let mut orders: BTreeMap<String, u64> = BTreeMap::new();
    for one in &posted {
        assert!(is_signed(one), "{one:?}");
        assert_eq!(one.path, "/hooks/orders");
        assert_eq!(one.header("content-type"), "application/cloudevents+json");
        let event = one.json();
        assert_eq!(event["id"], one.header("webhook-id"));
        let seq = event["data"]["seq"].as_u64().expect("a seq");
        let is_new = match bodies.insert(one.header("webhook-id").to_owned(), &one.body) {
            // The same id, the same bytes.
            Some(before) => {
                assert_eq!(before, &one.body);
                false
            }
            None => true,
        };
        let order = event["subject"].as_str().expect("an order").to_owned();
        let last = orders.entry(order).or_default();
        assert!(!is_new || seq > *last, "seq {seq} after {last}");
        *last = seq.max(*last);
    }
    let told: BTreeSet<u64> = posted.iter().flat_map(Posted::seqs).collect();
    let kinds = ["hold", "extend", "confirm", "cancel"];
    let records = house.records();
    let is_told =
        |record: &&serde_json::Value| kinds.contains(&record["kind"].as_str().unwrap_or(""));
    let expected: BTreeSet<u64> =
        records.iter().filter(is_told).map(|r| r["seq"].as_u64().expect("a seq")).collect();
    assert_eq!(told, expected);
    assert!(told.len() > 1000, "{} changes", told.len());
}

#[test]
fn what_an_operator_wants_again_comes_again_under_the_same_ids() {
    let house = House::new(&[SALE]);
    let receiver = Receiver::new(|_, _| TAKEN);
    let run = || start(&house, &receiver.url(), "changes=held batch_max=7").run();
    let server = run();
    shop(&server, 0, 1500);
    server.stop().expect_code(0);
    let events = |posted: &[Posted]| {
        let of = |one: &Posted| match one.json() {
            serde_json::Value::Array(events) => events,
            other => panic!("no list: {other}"),
        };
        posted.iter().flat_map(of).map(|event| event["id"].to_string()).collect::<Vec<String>>()
    };
    let first = events(&receiver.posted());
    assert_eq!(BTreeSet::from_iter(&first).len(), 1500);
    assert_eq!(first.len(), 1500);
    // As it is written down when somebody asks.
    let path = house.data().join("sinks/hook");
    let text = std::fs::read_to_string(&path).expect("a checkpoint");
    let mut kept: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let seq = kept["seq"].as_u64().expect("a seq");
    kept["replay"] = serde_json::json!({ "from": 1, "to": seq });
    std::fs::write(&path, kept.to_string()).expect("written");
    let count = receiver.count();
    let server = run();
    until(&server, "doorbuster_sink_changes_total{sink=\"hook\"} 1500");
    let again = events(&receiver.posted()[count..]);
    assert_eq!(again.len(), 1500);
    assert_eq!(BTreeSet::from_iter(again), BTreeSet::from_iter(first));
    server.stop().expect_code(0);
    let text = std::fs::read_to_string(&path).expect("a checkpoint");
    assert!(!text.contains("replay"), "{text}");
}

#[test]
fn a_receiver_that_is_away_at_the_start_and_later_is_told_everything() {
    let house = House::new(&[SALE]);
    // A port that is ours, on which nobody listens yet.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port");
    let address = socket.local_addr().expect("bound").as_socket().expect("IPv4");
    let url = format!("http://{address}/");
    let server = start(&house, &url, "changes=held timeout_ms=5000").run();
    shop(&server, 0, 50);
    until(&server, "doorbuster_sink_failures_total{sink=\"hook\"} 2");
    socket.listen(64).expect("it listens");
    // Every seventh answer is lost with its connection.
    let judge = |_: &Posted, before: usize| if before % 7 == 6 { Reply::Cut } else { TAKEN };
    let receiver = Receiver::over(socket.into(), None, Box::new(judge));
    until(&server, "doorbuster_sink_changes_total{sink=\"hook\"} 50");
    let told: BTreeSet<u64> = receiver.posted().iter().flat_map(Posted::seqs).collect();
    assert_eq!(told.len(), 50);
    let said = server.stop();
    let said = &said.expect_code(0).stderr;
    assert!(said.contains(&format!("sink hook: http://{address}: ")), "{said}");
    assert!(said.contains("nothing is lost") && said.contains("goes on after"), "{said}");
    assert!(!said.contains(&SECRET[10..]), "{said}");
}

#[test]
fn a_wait_that_is_asked_for_is_kept() {
    let house = House::new(&[SALE]);
    let times = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&times);
    let receiver = Receiver::new(move |_, before| {
        noted.lock().expect("nobody panics with it").push(Instant::now());
        if before == 0 { Reply::Status(429, &["Retry-After: 1"]) } else { TAKEN }
    });
    let server = start(&house, &receiver.url(), "changes=held").run();
    shop(&server, 0, 1);
    receiver.until(2);
    let times = times.lock().expect("nobody panics with it").clone();
    assert!(times[1] - times[0] >= Duration::from_secs(1), "{:?}", times[1] - times[0]);
    let said = server.stop();
    let said = &said.expect_code(0).stderr;
    assert!(said.contains("429, not before 1 s have passed; again in 1000 ms"), "{said}");
}

#[test]
fn a_receiver_that_wants_no_more_stops_the_sink_alone() {
    let house = House::new(&[SALE]);
    let receiver = Receiver::new(|_, _| Reply::Status(410, &[]));
    let server = start(&house, &receiver.url(), "changes=held").run();
    shop(&server, 0, 1);
    until(&server, "doorbuster_sink_stopped{sink=\"hook\"} 1");
    shop(&server, 1, 1);
    let said = server.stop();
    let said = &said.expect_code(0).stderr;
    assert!(said.contains("sink hook has stopped") && said.contains("410: the receiver"), "{said}");
    assert_eq!(receiver.count(), 1);
}

#[test]
fn what_is_not_wanted_is_shown_in_the_figures() {
    let house = House::new(&[SALE]);
    let judge = |posted: &Posted, _: usize| match posted.json()["data"]["buyer"].as_str() {
        Some("b3" | "b4") => Reply::Says(422, "an unknown buyer"),
        _ => TAKEN,
    };
    let receiver = Receiver::new(judge);
    let server = start(&house, &receiver.url(), "changes=held retry_hours=0").run();
    shop(&server, 0, 10);
    until(&server, "doorbuster_sink_changes_total{sink=\"hook\"} 10");
    until(&server, "doorbuster_sink_dead_letters_total{sink=\"hook\"} 2");
    let said = server.stop();
    assert!(said.expect_code(0).stderr.contains("given up after 1 attempts"), "{said:?}");
    let letters = house.data().join("sinks/hook.dead.ndjson");
    let letters = std::fs::read_to_string(letters).expect("dead letters");
    let letter: serde_json::Value =
        serde_json::from_str(letters.lines().next().expect("one")).expect("JSON");
    assert_eq!(letter["why"], "422: an unknown buyer");
    // With patience they are put aside, and there after a restart.
    std::fs::remove_file(house.data().join("sinks/hook")).expect("begun anew");
    let server = start(&house, &receiver.url(), "changes=held").run();
    until(&server, "doorbuster_sink_postponed{sink=\"hook\"} 2");
    server.stop().expect_code(0);
    let server = start(&house, &receiver.url(), "changes=held").run();
    until(&server, "doorbuster_sink_postponed{sink=\"hook\"} 2");
    server.stop().expect_code(0);
}

#[test]
fn when_as_many_are_aside_as_may_be_the_others_wait_and_are_not_lost() {
    let house = House::new(&[SALE]);
    let receiver = Receiver::new(|_, _| Reply::Status(400, &[]));
    house.serve().stop().expect_code(0);
    let folder = house.data().join("sinks");
    std::fs::create_dir(&folder).expect("a folder");
    // Begun long ago, and next tried then.
    let fill = |next: u64| {
        let line = |number: usize| {
            let message =
                format!("{{\"id\":\"old-{number}\",\"is_batch\":false,\"body\":\"{{}}\"}}");
            let times = format!("\"first\":1,\"last\":1,\"next\":{next}");
            format!("{{\"message\":{message},\"why\":\"400\",\"attempts\":9,{times}}}\n")
        };
        let lines: String = (0..10_000).map(line).collect();
        std::fs::write(folder.join("hook.later"), lines).expect("written");
    };
    fill(u64::MAX);
    let mut server = start(&house, &receiver.url(), "changes=held").run();
    shop(&server, 0, 3);
    server.says("10000 are put aside already");
    until(&server, "doorbuster_sink_postponed{sink=\"hook\"} 10000");
    server.stop().expect_code(0);
    assert!(receiver.posted().iter().all(|one| !one.body.is_empty() && one.body != "{}"));
    fill(1);
    let server = start(&house, &receiver.url(), "changes=held").run();
    until(&server, "doorbuster_sink_dead_letters_total{sink=\"hook\"} 10000");
    until(&server, "doorbuster_sink_postponed{sink=\"hook\"} 3");
    until(&server, "doorbuster_sink_changes_total{sink=\"hook\"} 3");
    server.stop().expect_code(0);
    let letters = std::fs::read_to_string(folder.join("hook.dead.ndjson")).expect("letters");
    assert_eq!(letters.lines().count(), 10_000);
}

/// How fast: `DOORBUSTER_WEBHOOK_SPEED=50000 cargo test --test all webhooks::speed -- --nocapture`.
#[test]
fn speed_if_asked_for() {
    let Ok(count) = std::env::var("DOORBUSTER_WEBHOOK_SPEED") else { return };
    let count: usize = count.parse().expect("how many orders");
    let house = House::new(&[SALE]);
    let server = house.serve();
    shop(&server, 0, count);
    server.stop().expect_code(0);
    for more in ["", "in_flight=1", "in_flight=16", "in_flight=4", "batch_max=100"] {
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
