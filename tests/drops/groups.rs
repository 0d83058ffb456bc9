//! Limit groups: every purchase names its member of each, and all purchases of a member together
//! keep the group's limit.

use doorbuster::client::{Answer, Client, Purchase, Refusal};
use serde_json::json;

use super::peer::Peer;
use super::resp::{Resp, Value};
use super::server::House;
use super::shown;

const DROP: &str = "name = \"drop\"\nhold_ms = 3600000\n\
    groups = [{ name = \"card\", limit = 2 }, { name = \"household\", limit = 3 }]\n\
    items = [{ sku = \"tee\", stock = 100, price = 2500 },\n\
    { sku = \"cap\", stock = 9, price = 1 }]\n";
const PLAIN: &str = "name = \"plain\"\nitems = [{ sku = \"tee\", stock = 9, price = 2500 }]\n";

#[test]
fn a_purchase_that_does_not_fit_the_groups_is_turned_away_by_every_protocol() {
    let house = House::new(&[DROP, PLAIN]);
    let server = house.serve();
    let mut peer = Peer::of(&server);
    let both = "every purchase in this sale names its card and household";
    for (sale, groups, detail) in [
        ("drop", "", format!("groups.card is missing: {both}")),
        ("drop", r#","groups":{"card":"c"}"#, format!("groups.household is missing: {both}")),
        (
            "drop",
            r#","groups":{"card":"c","age":"9"}"#,
            "groups.age is no limit group: the sale has card and household".to_owned(),
        ),
        (
            "plain",
            r#","groups":{"card":"c"}"#,
            "groups.card is no limit group: the sale has none".to_owned(),
        ),
    ] {
        for wanted in [r#""item":"tee""#, r#""lines":[{"item":"tee"},{"item":"tee"}]"#] {
            let answer = peer.order(sale, "k", &format!(r#"{{{wanted},"buyer":"u"{groups}}}"#));
            assert_eq!((answer.status, answer.problem().as_str()), (400, "bad_field"));
            assert_eq!(answer.json()["detail"], json!(detail), "{groups}");
        }
    }
    let mut resp = Resp::over(server.connect());
    let missing = format!("ERR GROUP 'household' is missing: {both}");
    let told = resp.ask(&["BUY", "drop", "tee", "u", "k", "GROUP", "card", "c"]);
    assert_eq!(told, Value::Error(missing.clone()));
    let told = resp.ask(&["BASKET", "drop", "u", "k", "tee", "1", "GROUP", "card", "c"]);
    assert_eq!(told, Value::Error(missing));
    let none = "ERR GROUP 'card' is no limit group: the sale has none";
    let told = resp.ask(&["BUY", "plain", "tee", "u", "k", "GROUP", "card", "c"]);
    assert_eq!(told, Value::Error(none.into()));
    // The connection lives, also when these come in a batch.
    resp.send(&["BUY", "plain", "tee", "u", "k1"]).expect("sent");
    resp.send(&["BUY", "drop", "tee", "u", "k"]).expect("sent");
    assert_eq!(resp.receive().expect("an answer").word(), "held");
    assert!(resp.receive().expect("an answer").word().starts_with("ERR GROUP 'card'"));
    let mut client = Client::over(server.connect()).expect("a greeting");
    let sale = client.resolve("drop", "tee").expect("it is sold").sale;
    for (number, lines) in [(sale, &[(1, 1)][..]), (sale, &[(1, 1), (2, 1)]), (sale + 1, &[(1, 1)])]
    {
        let mut purchase = Purchase::of(number, lines, "u", "k");
        purchase.groups[0] = Some("c");
        let told = client.purchase(&purchase).expect("an answer");
        assert_eq!(told, Answer::Refused(Refusal::Malformed), "{number} {lines:?}");
    }
    assert_eq!(shown(&server, "drop")["items"][0]["held"], 0);
}

#[test]
fn all_purchases_of_a_member_keep_the_groups_limit_together() {
    let house = House::new(&[DROP]);
    let mut server = house.serve();
    let body = |item: &str, card: &str, home: &str| {
        format!(r#"{{{item},"buyer":"u","groups":{{"card":"{card}","household":"{home}"}}}}"#)
    };
    let tee = r#""item":"tee""#;
    let mut peer = Peer::of(&server);
    assert_eq!(peer.order("drop", "k1", &body(tee, "c1", "h1")).status, 201);
    let mut resp = Resp::over(server.connect());
    let words = ["GROUP", "household", "h2", "GROUP", "card", "c1"];
    assert_eq!(resp.ask(&[&["BUY", "drop", "tee", "v", "k2"][..], &words].concat()).word(), "held");
    for round in 0..2 {
        let mut peer = Peer::of(&server);
        let answer = peer.order("drop", "k3", &body(tee, "c1", "h3"));
        assert_eq!((answer.status, answer.problem().as_str()), (409, "limit_reached"));
        let problem = answer.json();
        assert_eq!((&problem["limit"], &problem["group"]), (&json!(2), &json!("card")));
        let mut resp = Resp::over(server.connect());
        let told = resp.ask(&[&["BUY", "drop", "tee", "v", "k4"][..], &words].concat());
        let Value::List(told) = told else { panic!("no refusal: {told:?}") };
        let word = |text: &str| Value::Text(text.to_owned());
        assert_eq!(told, [word("limit_reached"), Value::Number(2), word("card")]);
        let mut client = Client::over(server.connect()).expect("a greeting");
        let sale = client.resolve("drop", "tee").expect("it is sold").sale;
        let mut purchase = Purchase::of(sale, &[(1, 1), (2, 2)], "w", "k5");
        purchase.groups = [Some("c2"), Some("h1")];
        let told = client.purchase(&purchase).expect("an answer");
        let refusal = match told {
            Answer::Refused(refusal) | Answer::RefusedLine { refusal, .. } => refusal,
            other => panic!("no refusal: {other:?}"),
        };
        assert_eq!(refusal.word(), "limit_reached", "{refusal}");
        if round == 0 {
            // From the journal it is the same.
            server.stop().expect_code(0);
            server = house.serve();
        }
    }
    // The same again is a repetition, other members are another purchase.
    let mut peer = Peer::of(&server);
    assert_eq!(peer.order("drop", "k1", &body(tee, "c1", "h1")).status, 200);
    let other = peer.order("drop", "k1", &body(tee, "c9", "h1"));
    assert_eq!((other.status, other.problem().as_str()), (422, "key_reused"));
    let groups = json!([{ "name": "card", "limit": 2 }, { "name": "household", "limit": 3 }]);
    assert_eq!(shown(&server, "drop")["groups"], groups);
    // What is given back may be bought again.
    let order = peer.get("/v1/sales/drop/orders?key=k1").json()["order"].clone();
    let path = format!("/v1/sales/drop/orders/{}/release", order.as_str().expect("an id"));
    assert_eq!(peer.post(&path, "").status, 200);
    assert_eq!(peer.order("drop", "k6", &body(tee, "c1", "h3")).status, 201);
    server.stop().expect_code(0);
    assert_eq!(house.audit()["verdict"], json!("pass"));
}
