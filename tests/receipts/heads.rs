//! Signed heads: shown on both ports, true after every crash, and fatal to whoever writes the
//! journal anew.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use doorbuster::client::{Answer, Client};

use super::forging::replace_buyer;
use super::server::{House, Server, run};
use super::{DROP, get, heads_up_to};

/// Buys tees under new keys. Returns the seq of the last.
fn buy(server: &Server, name: &str, count: usize) -> u64 {
    let mut client = Client::over(server.connect()).expect("a greeting");
    let tee = client.resolve("drop", "tee").expect("it is sold");
    let mut seq = 0;
    for number in 0..count {
        let key = format!("{name}-{number}");
        match client.buy(tee, "ann", &key, 1).expect("an answer") {
            Answer::Order(order) => seq = order.seq,
            other => panic!("no order: {other:?}"),
        }
    }
    seq
}

/// The heads that a server shows, kept elsewhere.
fn kept(house: &House, name: &str, page: &serde_json::Value) -> String {
    let path = house.path(name);
    fs::write(&path, page.to_string()).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

fn audit(data: &Path, options: &[&str]) -> super::server::Ended {
    let mut words = vec!["audit", data.to_str().expect("UTF-8")];
    words.extend(options);
    run(&words)
}

#[test]
fn heads_are_shown_on_both_ports_and_the_audit_accepts_them_with_their_key() {
    let house = House::new(&[DROP]);
    let server = house.server().option("HEADS_MS", 1).run();
    let mut seq = 0;
    for round in 0..40 {
        seq = buy(&server, &format!("round-{round}"), 1);
        heads_up_to(&server, seq);
    }
    let page = heads_up_to(&server, seq);
    let heads = page["heads"].as_array().expect("heads");
    assert_eq!((heads.len(), &page["next"]), (32, &serde_json::Value::Null));
    assert_eq!(get(server.admin, "/v1/heads"), (200, page.clone()));
    let (status, all) = get(server.admin, "/v1/heads?from=0");
    assert_eq!(status, 200);
    let all = all["heads"].as_array().expect("heads");
    assert!(all.len() >= 40 && all.ends_with(heads), "{}", all.len());
    let from = all[3]["seq"].as_u64().expect("a seq");
    let (_, some) = get(server.admin, &format!("/v1/heads?from={from}"));
    assert_eq!(some["heads"].as_array().expect("heads")[..], all[3..]);
    assert_eq!(get(server.admin, "/v1/heads?from=x").0, 400);
    assert_eq!(get(server.address, "/v1/heads?from=1").0, 400);

    let file = kept(&house, "heads.json", &page);
    let key = page["key"].as_str().expect("a key");
    // While the server runs, and after.
    house.look("audit", &["--heads", &file, "--heads-key", key]).expect_code(0);
    server.stop().expect_code(0);
    house.look("audit", &["--heads", &file, "--heads-key", key]).expect_code(0);
    let verdict = house.audit();
    let logged = &verdict["heads"][0];
    assert_eq!(logged["last"], verdict["seq"], "the last head is of the clean stop");
    assert_eq!(logged["keys"], serde_json::json!([key]));
    let other = house.look("audit", &["--heads-key", &"ab".repeat(32)]);
    other.expect_code(1);
    assert!(other.stderr.contains("not the one wanted"), "{}", other.stderr);
    house.look("audit", &["--heads-key", "ab"]).expect_code(2);
}

#[test]
fn no_head_names_what_a_crash_undid() {
    let house = House::new(&[DROP]);
    let mut files = Vec::new();
    for round in 0..12 {
        let server = house.server().option("HEADS_MS", 1).run();
        let seq = buy(&server, &format!("round-{round}"), 20);
        let page = if round % 2 == 0 {
            heads_up_to(&server, seq)
        } else {
            get(server.address, "/v1/heads").1
        };
        files.push(kept(&house, &format!("heads-{round}"), &page));
        buy(&server, &format!("more-{round}"), round);
        server.kill();
    }
    let mut options = Vec::new();
    for file in &files {
        options.extend(["--heads", file]);
    }
    let verdict = house.audit();
    assert!(verdict["heads"][0]["count"].as_u64() >= Some(6), "{verdict}");
    house.look("audit", &options).expect_code(0);
}

#[test]
fn a_journal_that_was_written_anew_is_caught_by_a_head_that_somebody_kept() {
    let house = House::new(&[DROP]);
    let server = house.server().option("HEADS_MS", 1).run();
    let seq = buy(&server, "early", 3);
    let file = kept(&house, "heads.json", &heads_up_to(&server, seq));
    let early = house.copy("early");
    let last = buy(&server, "late", 3);
    let late = kept(&house, "late.json", &heads_up_to(&server, last));
    server.kill();
    audit(&house.data(), &["--heads", &file, "--heads", &late]).expect_code(0);
    audit(&early, &["--heads", &file]).expect_code(0);

    // An older state, given out for the newest.
    let cut = audit(&early, &["--heads", &late]);
    cut.expect_code(1);
    assert!(cut.stderr.contains("what was there is gone"), "{}", cut.stderr);

    // Another buyer, sealed anew: the journal by itself is without fault.
    let forged = house.copy("forged");
    replace_buyer(&forged, "ann", "eve");
    let caught = audit(&forged, &[]);
    caught.expect_code(1);
    assert!(caught.stderr.contains("it was written anew"), "{}", caught.stderr);
    fs::remove_dir_all(forged.join("heads")).expect("removed");
    audit(&forged, &[]).expect_code(0);
    let caught = audit(&forged, &["--heads", &file]);
    caught.expect_code(1);
    assert!(caught.stderr.contains("it was written anew"), "{}", caught.stderr);

    // Another journal altogether.
    let other = House::new(&[DROP]);
    let server = other.serve();
    buy(&server, "other", 9);
    server.stop().expect_code(0);
    let caught = other.look("audit", &["--heads", &file]);
    caught.expect_code(1);
    assert!(caught.stderr.contains("it is of the journal"), "{}", caught.stderr);

    // A head that was changed.
    let text = fs::read_to_string(&file).expect("kept").replace("\"time\":1", "\"time\":2");
    fs::write(&file, text).expect("written");
    let caught = house.look("audit", &["--heads", &file]);
    caught.expect_code(1);
    assert!(caught.stderr.contains("the signature is wrong"), "{}", caught.stderr);
}

#[test]
fn the_key_may_lie_elsewhere_and_heads_may_be_left_out() {
    let house = House::new(&[DROP]);
    let key = house.path("signing.key");
    let server = house.server().option("HEADS_KEY_FILE", key.display()).run();
    let mode = fs::metadata(&key).expect("made").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!house.data().join("heads/key").exists());
    buy(&server, "a", 1);
    server.stop().expect_code(0);
    let count = house.audit()["heads"][0]["count"].as_u64();
    assert!(count >= Some(1));

    let server = house.server().option("HEADS_MS", 0).run();
    let (status, page) = get(server.address, "/v1/heads");
    assert_eq!((status, &page["key"]), (200, &serde_json::Value::Null));
    buy(&server, "b", 1);
    server.stop().expect_code(0);
    assert_eq!(house.audit()["heads"][0]["count"].as_u64(), count);

    fs::write(&key, "this is no key\n").expect("written");
    let ended = house.server().option("HEADS_KEY_FILE", key.display()).try_run();
    let ended = ended.err().expect("it does not start");
    ended.expect_code(73);
    assert!(ended.stderr.contains("64 hex digits"), "{}", ended.stderr);
}

#[test]
fn with_less_durability_only_what_is_synced_is_signed() {
    let house = House::new(&[DROP]);
    let server = house.server().option("DURABILITY", "os").option("HEADS_MS", 1).run();
    buy(&server, "a", 20);
    std::thread::sleep(std::time::Duration::from_millis(50));
    let (_, page) = get(server.address, "/v1/heads");
    assert_eq!(page["heads"].as_array().map(Vec::len), Some(0), "nothing is synced: {page}");
    server.stop().expect_code(0);
    let verdict = house.audit();
    assert_eq!(verdict["heads"][0]["last"], verdict["seq"]);
}
