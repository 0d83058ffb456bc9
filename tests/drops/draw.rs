//! A draw: entries until a time, a seed that was committed to before, and who is given units.

use serde_json::json;

use super::peer::Peer;
use super::server::House;
use super::{sale, shown, wait_until};

#[test]
fn entries_are_drawn_with_the_seed_that_was_committed_to() {
    let house = House::new(&[]);
    let server = house.serve();
    let (seed, other) = (house.path("seed"), house.path("other"));
    let made = super::server::run(&["sale", "seed", "--out", seed.to_str().expect("text")]);
    let commitment =
        made.expect_code(0).stdout.trim().strip_prefix("commitment ").map(str::to_owned);
    let commitment = commitment.expect("a commitment");
    super::server::run(&["sale", "seed", "--out", other.to_str().expect("text")]).expect_code(0);
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(3);
    let file = format!(
        "name = \"drop\"\nhold_ms = 3600000\n\
         draw = {{ at = {at}, commitment = \"{commitment}\" }}\n\
         items = [{{ sku = \"tee\", stock = 2, price = 2500 }}]\n"
    );
    let path = house.path("drop.toml");
    std::fs::write(&path, file).expect("written");
    sale(&server, &["create", path.to_str().expect("text")]).expect_code(0);
    sale(&server, &["open", "drop"]).expect_code(0);
    let mut peer = Peer::of(&server);
    for number in 0..5 {
        let body = format!(r#"{{"item":"tee","buyer":"u{number}"}}"#);
        let entry = peer.order("drop", &format!("k{number}"), &body);
        assert_eq!((entry.status, &entry.json()["state"]), (202, &json!("waiting")), "{entry:?}");
    }
    let draw = &shown(&server, "drop")["draw"];
    assert_eq!((&draw["state"], &draw["entries"]), (&json!("entering"), &json!(5)));
    assert_eq!((&draw["commitment"], &draw["seed"]), (&json!(commitment), &json!(null)));
    let reveal = |file: &std::path::Path| {
        sale(&server, &["draw", "drop", "--seed-file", file.to_str().expect("text")])
    };
    let early = reveal(&seed);
    assert!(early.expect_code(1).stderr.contains("not_open: "), "{early:?}");
    wait_until(&server, "drop", |sale| sale["draw"]["state"] == "sealed");
    let wrong = reveal(&other);
    assert!(wrong.expect_code(1).stderr.contains("wrong_seed: "), "{wrong:?}");
    reveal(&seed).expect_code(0);
    let drawn = wait_until(&server, "drop", |sale| sale["draw"]["state"] == "drawn");
    assert_eq!((&drawn["items"][0]["held"], &drawn["items"][0]["free"]), (&json!(2), &json!(0)));
    let told = std::fs::read_to_string(&seed).expect("it is there");
    assert_eq!(drawn["draw"]["seed"], json!(told.trim()));
    let held = (0..5).filter(|number| {
        let target = format!("/v1/sales/drop/orders?key=k{number}");
        peer.get(&target).json()["state"] == "held"
    });
    assert_eq!(held.count(), 2);
    server.stop().expect_code(0);
    assert_eq!(house.audit()["verdict"], json!("pass"));
}

#[test]
fn a_sale_without_a_draw_has_none() {
    let plain = "name = \"plain\"\nitems = [{ sku = \"tee\", stock = 9, price = 2500 }]\n";
    let house = House::new(&[plain]);
    let server = house.serve();
    assert_eq!(shown(&server, "plain")["draw"], json!(null));
    let body = format!(r#"{{"seed":"{}"}}"#, "00".repeat(32));
    let answer = Peer::of_operator(&server).post("/v1/sales/plain/draw", &body);
    assert_eq!((answer.status, answer.problem().as_str()), (409, "no_draw"));
}
