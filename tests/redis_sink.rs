//! Changes in a Redis stream, with the real program and a real Redis: what is in the stream beside
//! what `doorbuster log` says is in the journal, whatever was killed or lost in between.

use super::support::{redis as redis_server, server, sinks, tls};

use std::time::Duration;

use redis::streams::StreamRangeReply;
use redis_server::RedisServer;
use serde_json::Value;
use server::{House, Start};
use sinks::{
    AT_ONCE, DROP, OF_ORDERS, STOPPED, assert_same, rounds, seqs, shop, shop_one, shop_some,
    stop_line, until, until_changes,
};

const STREAM: &str = "doorbuster:orders";
const SLIP: &str = "{doorbuster:orders}:doorbuster";

fn told(house: &House, redis: &RedisServer, more: &str) -> Start {
    house.server().with(&["--sink", &sink(redis, more)])
}

fn sink(redis: &RedisServer, more: &str) -> String {
    format!("name=orders type=redis url={} {more}", redis.url())
}

/// What is in the stream: the seq of each entry, and its data.
fn entries(redis: &RedisServer) -> Vec<(u64, Value)> {
    let all: StreamRangeReply = redis.ask(&["XRANGE", STREAM, "-", "+"]);
    let entry = |entry: redis::streams::StreamId| {
        let seq = entry.id.strip_suffix("-0").expect("an id of ours").parse().expect("a seq");
        let field = |key| entry.get::<String>(key).expect(key);
        let data: Value = serde_json::from_str(&field("data")).expect("JSON");
        for key in ["change", "sale", "order"] {
            assert_eq!(data[key], field(key));
        }
        (seq, data)
    };
    all.ids.into_iter().map(entry).collect()
}

fn told_seqs(redis: &RedisServer) -> Vec<u64> {
    entries(redis).into_iter().map(|(seq, _)| seq).collect()
}

#[test]
fn a_stream_holds_each_change_once_and_in_order_whatever_was_killed() {
    let rounds = rounds();
    let house = House::new(&[DROP, AT_ONCE]);
    let Some(mut redis) = RedisServer::run(&[]) else { return };
    for round in 0..rounds {
        let server = told(&house, &redis, "changes=all").run();
        std::thread::scope(|scope| {
            let shopping = scope.spawn(|| shop(&server, round, 400));
            std::thread::sleep(Duration::from_millis(60 + 37 * (round % 8)));
            if round % 2 == 0 {
                redis.kill();
                std::thread::sleep(Duration::from_millis(20));
                redis.start();
                std::thread::sleep(Duration::from_millis(50 * (round % 3)));
            }
            server.strike();
            // It ends when nobody answers any more.
            shopping.join().expect("it only asks");
        });
        server.wait();
    }
    let server = told(&house, &redis, "changes=all").run();
    shop(&server, rounds, 30).expect("it answers");
    server.stop().expect_code(0);
    assert_same(&house, &sink(&redis, "changes=all"));
    let (records, told) = (house.records(), entries(&redis));
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
fn a_sink_waits_for_a_redis_that_is_down_or_wants_another_password_or_is_full() {
    let house = House::new(&[AT_ONCE]);
    let Some(mut redis) = RedisServer::down(&["--requirepass", "right-one"]) else { return };
    let password = house.path("password");
    std::fs::write(&password, "wrong-one\n").expect("written");
    let mut server = told(&house, &redis, &format!("password_file={}", password.display())).run();
    shop_one(&server, "k0");
    assert!(server.says("nothing is lost").contains("Connection refused"));
    redis.start();
    while !server.says("nothing is lost").contains("authentication failed") {}
    std::fs::write(&password, "right-one\n").expect("written");
    until_changes(&server, 1);
    let admin = |words: &[&str]| {
        let mut connection = redis::Client::open(redis.url().replace("//", "//:right-one@"))
            .and_then(|client| client.get_connection())
            .expect("it answers");
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query::<redis::Value>(&mut connection).expect("it obeys")
    };
    // It takes nothing as long as it is full.
    admin(&["CONFIG", "SET", "maxmemory", "1"]);
    shop_some(&server, "full", 3);
    assert!(server.says("nothing is lost").contains("OOM"));
    admin(&["CONFIG", "SET", "maxmemory", "0"]);
    until_changes(&server, 4);
    assert_eq!(admin(&["XLEN", STREAM]), redis::Value::Int(4));
    let ended = server.stop();
    let said = &ended.expect_code(0).stderr;
    assert!(said.contains(&redis.url()), "{said}");
    assert!(!said.contains("-one"), "no password is said: {said}");
}

#[test]
fn what_is_not_this_journals_stops_the_sink_alone_and_stays_as_it_is() {
    let house = House::new(&[AT_ONCE]);
    let Some(redis) = RedisServer::run(&[]) else { return };
    // Something else is there.
    let () = redis.ask(&["SET", STREAM, "somebody's"]);
    let server = told(&house, &redis, "").run();
    until(&server, STOPPED);
    shop_one(&server, "k0");
    let line = stop_line(server);
    assert!(line.contains("it is a string, and no stream") && line.contains(STREAM), "{line}");
    assert_eq!(redis.ask::<String>(&["GET", STREAM]), "somebody's");
    // It becomes something else while the sink is about.
    let () = redis.ask(&["DEL", STREAM]);
    let server = told(&house, &redis, "").run();
    until_changes(&server, 1);
    let () = redis.ask(&["SET", STREAM, "somebody's"]);
    shop_some(&server, "more", 1);
    until(&server, STOPPED);
    assert!(stop_line(server).contains("no longer what it was"));
    let () = redis.ask(&["DEL", STREAM]);
    let server = told(&house, &redis, "").run();
    until_changes(&server, 2);
    // Somebody else adds to it.
    let () = redis.ask(&["XADD", STREAM, "*", "a", "b"]);
    shop_some(&server, "again", 1);
    until(&server, STOPPED);
    assert!(stop_line(server).contains("somebody else has added"));
    // A stream that another journal has told.
    let () = redis.ask(&["DEL", STREAM, SLIP]);
    let server = told(&house, &redis, "").run();
    until_changes(&server, 3);
    server.stop().expect_code(0);
    let other = House::new(&[AT_ONCE]);
    let server = told(&other, &redis, "").run();
    until(&server, STOPPED);
    let line = stop_line(server);
    assert!(line.contains("it tells of another journal") && line.contains(STREAM), "{line}");
    assert_eq!(told_seqs(&redis).len(), 3);
}

#[test]
fn what_redis_has_lost_is_told_again_and_what_was_trimmed_is_not() {
    let house = House::new(&[AT_ONCE]);
    let Some(mut redis) = RedisServer::run(&[]) else { return };
    // Whoever reads it may be there first.
    let () = redis.ask(&["XGROUP", "CREATE", STREAM, "backend", "0", "MKSTREAM"]);
    let server = told(&house, &redis, "").run();
    shop_some(&server, "a", 5);
    until_changes(&server, 5);
    let read: redis::streams::StreamReadReply =
        redis.ask(&["XREADGROUP", "GROUP", "backend", "one", "STREAMS", STREAM, ">"]);
    assert_eq!(read.keys[0].ids.len(), 5);
    let () = redis.ask(&["XTRIM", STREAM, "MAXLEN", "0"]);
    shop_some(&server, "b", 2);
    until_changes(&server, 7);
    assert_eq!(told_seqs(&redis).len(), 2);
    server.stop().expect_code(0);
    // All is lost between two runs, and then while it runs.
    redis.kill();
    redis.forget();
    redis.start();
    let server = told(&house, &redis, "").run();
    until_changes(&server, 7);
    assert_eq!(told_seqs(&redis).len(), 7);
    let () = redis.ask(&["FLUSHALL"]);
    shop_some(&server, "c", 1);
    until_changes(&server, 15);
    let ended = server.stop();
    let said = &ended.expect_code(0).stderr;
    assert_eq!(said.matches("its other side has seqs up to 0 of").count(), 2, "{said}");
    assert_eq!(told_seqs(&redis), seqs(&house.records(), &["buy"]));
    // Without its checkpoint it goes on where Redis says it stands.
    std::fs::remove_file(house.data().join("sinks/orders")).expect("it was there");
    let server = told(&house, &redis, "maxlen=100").run();
    shop_some(&server, "d", 1);
    until_changes(&server, 1);
    server.stop().expect_code(0);
    assert_eq!(told_seqs(&redis), seqs(&house.records(), &["buy"]));
}

#[test]
fn of_two_servers_with_one_journal_the_one_that_came_first_stops() {
    let house = House::new(&[AT_ONCE]);
    let Some(redis) = RedisServer::run(&[]) else { return };
    let server = told(&house, &redis, "").run();
    shop_some(&server, "a", 3);
    until_changes(&server, 3);
    server.stop().expect_code(0);
    let copy = house.path("copy");
    let mut cp = std::process::Command::new("cp");
    let copied = cp.arg("-r").args([house.data(), copy.clone()]).status();
    assert!(copied.is_ok_and(|status| status.success()), "cp, of coreutils, is wanted");
    let (first, second) = (told(&house, &redis, "").run(), told(&house, &redis, "").data(copy));
    until(&first, "doorbuster_sink_lag_seqs{sink=\"orders\"} 0");
    let second = second.run();
    shop_some(&second, "b", 1);
    until_changes(&second, 1);
    shop_some(&first, "c", 1);
    until(&first, STOPPED);
    assert!(stop_line(first).contains("another server writes it now"));
    shop_some(&second, "d", 1);
    until_changes(&second, 2);
    let told: Vec<String> = (entries(&redis).into_iter())
        .map(|(_, data)| data["key"].as_str().expect("a key").to_owned())
        .collect();
    assert_eq!(told, ["a0", "a1", "a2", "b0", "d0"]);
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
    let port = redis_server::free_port().to_string();
    let (cert, key) = (cert_file.display().to_string(), key_file.display().to_string());
    let arguments = ["--tls-port", &port, "--tls-cert-file", &cert, "--tls-key-file", &key];
    let Some(redis) = RedisServer::run(&[&arguments[..], &["--tls-auth-clients", "no"]].concat())
    else {
        return;
    };
    let sink = format!(
        "name=orders type=redis url=rediss://localhost:{port} ca_file={}",
        ca_file.display()
    );
    let mut server = house.server().with(&["--sink", &sink]).run();
    shop_one(&server, "k0");
    // The authority of another.
    assert!(server.says("nothing is lost").contains("invalid peer certificate"));
    std::fs::write(&ca_file, authority.pem()).expect("written");
    until_changes(&server, 1);
    server.stop().expect_code(0);
    assert_eq!(told_seqs(&redis).len(), 1);
}
