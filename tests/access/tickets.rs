//! The table of tickets, row by row, in both protocols, with and without tokens.

use doorbuster::access::{Role, TicketRule, sign};
use doorbuster::client::{Answer, Error, Refusal, Request};

use super::house::{House, SECRET, TEE, buy};
use super::resp::Value;

/// Far from now.
const LATER: u64 = 4_102_444_800;

fn ticket(sale: &str, buyer: &str, expiry: u64) -> String {
    sign(SECRET.as_bytes(), sale, buyer, expiry).to_string()
}

fn required(house: &mut doorbuster::options::Layer) {
    house.tickets = Some(TicketRule::Required);
    let tokens = house.tokens_file.clone().expect("given");
    house.ticket_secrets_file = Some(tokens.map(|path| path.with_file_name("secrets")));
}

#[test]
fn each_ticket_gets_what_it_deserves() {
    let house = House::open(required);
    let token = house.token("shop", &[Role::Buy]);
    let mut peer = house.resp_with(&token);
    let mut client = house.binary(&token);
    let forged = sign(b"a-secret-that-is-not-the-shop's-own", "drop", "alice", LATER).to_string();
    let long = "a.buyer.with.dots.and.of.more.than.sixteen@example.com";
    let good = ticket("drop", "alice", LATER);
    let wrong_signature = "NOPERM ticket for another sale, or its signature is wrong";
    let malformed = "NOPERM ticket malformed: it reads <buyer>.<expiry in Unix seconds>.<64 hex \
                     digits>";
    // Buyer, ticket, what RESP says, and the reason's number in binary (0: bought).
    for (key, (buyer, ticket, expected, reason)) in [
        ("alice", Some(good.clone()), "held", 0),
        ("alice", Some(good.clone()), "held", 0),
        (long, Some(ticket("drop", long, LATER)), "held", 0),
        ("42", Some(ticket("drop", "42", LATER)), "held", 0),
        ("alice", None, "NOPERM ticket missing: a purchase needs one", 1),
        ("alice", Some(String::new()), "NOPERM ticket missing: a purchase needs one", 1),
        ("alice", Some("alice".into()), malformed, 2),
        ("alice", Some(good[..good.len() - 2].into()), malformed, 2),
        ("bob", Some(good.clone()), "NOPERM ticket for another buyer", 3),
        ("alice", Some(ticket("next", "alice", LATER)), wrong_signature, 4),
        ("alice", Some(forged), wrong_signature, 4),
        ("alice", Some(good.replace("4102444800", "4102444801")), wrong_signature, 4),
        ("alice", Some(ticket("drop", "alice", 1_000_000_000)), "NOPERM ticket expired", 5),
    ]
    .into_iter()
    .enumerate()
    {
        let (resp_key, binary_key) = (format!("r{key}"), format!("b{key}"));
        let mut words = vec!["BUY", "drop", "tee", buyer, &resp_key];
        words.extend(ticket.iter().flat_map(|ticket| ["TICKET", ticket]));
        let answer = peer.ask(&words);
        assert_eq!(answer.word(), expected, "{words:?}: {answer:?}");
        // In binary the buyer is the ticket's.
        if reason == 3 {
            continue;
        }
        let request = match ticket.as_deref().filter(|ticket| !ticket.is_empty()) {
            Some(ticket) => {
                let (item, key) = (TEE, binary_key.as_str());
                Request::BuyWithTicket { item, ticket, key, units: 1, max_price: None }
            }
            None => buy(buyer, &binary_key),
        };
        if reason == 2 {
            let unsent = client.call(&request);
            assert!(matches!(unsent, Err(Error::BadText { field: "ticket", .. })), "{unsent:?}");
            continue;
        }
        match client.call(&request).expect("an answer") {
            Answer::Order(_) => assert_eq!(reason, 0, "{request:?}"),
            Answer::Refused(Refusal::TicketRefused { reason: told }) => assert_eq!(told, reason),
            other => panic!("{request:?}: {other:?}"),
        }
    }
    // The buyer that the matcher saw is the ticket's.
    let request = Request::BuyWithTicket {
        item: TEE,
        ticket: &ticket("drop", long, LATER),
        key: "last",
        units: 1,
        max_price: None,
    };
    let Answer::Order(order) = client.call(&request).expect("an answer") else { panic!("bought") };
    let shown = peer.ask(&["ORDER", "drop", &order.order.to_string()]);
    assert_eq!(shown.field("buyer"), &Value::Text(long.into()));
    // What is no purchase needs no ticket.
    assert_eq!(peer.ask(&["CONFIRM", "drop", &order.order.to_string()]).word(), "confirmed");
    let info = house.pipeline().metrics().info();
    // Nine rows in RESP, six of them in binary.
    assert!(info.contains("tickets_refused:15\r\n"), "{info}");
}

#[test]
fn the_role_is_asked_for_before_the_ticket() {
    let house = House::open(required);
    let reader = house.token("metrics", &[Role::Read]);
    let good = ticket("drop", "alice", LATER);
    let words = ["BUY", "drop", "tee", "alice", "k", "TICKET", &good];
    assert!(house.resp().ask(&words).word().starts_with("NOAUTH"));
    let answer = house.resp_with(&reader).ask(&words);
    assert!(answer.word().starts_with("NOPERM this token"), "{answer:?}");
}

#[test]
fn tickets_work_without_tokens_and_their_secret_can_be_changed() {
    let house = House::open(|layer| {
        required(layer);
        layer.tokens_file = None;
    });
    let mut peer = house.resp();
    let old = ticket("drop", "alice", LATER);
    let new_secret = "the-next-secret-of-the-shop-is-this";
    let new = sign(new_secret.as_bytes(), "drop", "alice", LATER).to_string();
    let mut buy = |key: &str, ticket: &str| {
        peer.ask(&["BUY", "drop", "tee", "alice", key, "ticket", ticket]).word().to_owned()
    };
    assert_eq!(buy("k1", &old), "held");
    assert!(buy("k2", &new).starts_with("NOPERM ticket for another sale"));
    let change = |secrets: String| {
        std::fs::write(house.secrets_file(), secrets).expect("written");
        house.pipeline().access().reload()
    };
    change(format!("{new_secret}\n{SECRET}\n")).expect("two live secrets");
    assert_eq!((buy("k2", &new), buy("k3", &old)), ("held".into(), "held".into()));
    change(new_secret.into()).expect("one live secret");
    assert_eq!(buy("k4", &new), "held");
    assert!(buy("k5", &old).starts_with("NOPERM ticket for another sale"));
    assert!(change("too-short".into()).expect_err("too short").contains("secrets:1: "));
    assert_eq!(buy("k6", &new), "held");
}

#[test]
fn a_ticket_that_nobody_asks_for_is_not_looked_at() {
    let house = House::open(|layer| layer.tokens_file = None);
    let words = ["BUY", "drop", "tee", "alice", "k", "TICKET", "anything"];
    assert_eq!(house.resp().ask(&words).word(), "held");
    let (item, ticket) = (TEE, &ticket("other", "bob", 1));
    let request = Request::BuyWithTicket { item, ticket, key: "b", units: 1, max_price: None };
    let token = format!("db_{}", "x".repeat(43));
    let answer = house.binary(&token).call(&request).expect("an answer");
    assert!(matches!(answer, Answer::Order(_)), "{answer:?}");
}
