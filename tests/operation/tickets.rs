//! The table of tickets over HTTP, row by row, and the rates.

use doorbuster::access::{Role, sign};

use super::peer::{Answer, Peer, order, request};
use super::reload::add;
use super::server::House;

/// Two tees for each buyer.
const SALES: [&str; 2] = [
    "name = \"drop\"\nhold_ms = 3600000\n\
     items = [{ sku = \"tee\", stock = 1000, price = 2500, limit = 2 }]\n",
    "name = \"next\"\nhold_ms = 3600000\nitems = [{ sku = \"tee\", stock = 9, price = 1 }]\n",
];
const SECRET: &str = "a-secret-of-the-shop-for-this-week";
/// Far from now, and long ago.
const LATER: u64 = 4_102_444_800;
const BEFORE: u64 = 1_000_000_000;
const REQUESTS: usize = 100;

fn ticket(sale: &str, buyer: &str, expiry: u64) -> String {
    sign(SECRET.as_bytes(), sale, buyer, expiry).to_string()
}

fn buy(peer: &mut Peer, buyer: &str, key: usize, lines: &str) -> Answer {
    let body = format!(r#"{{"item":"tee","buyer":"{buyer}"}}"#);
    let request = order("drop", &format!("k-{key}"), &body);
    peer.ask(request.replacen("Host:", &format!("{lines}Host:"), 1))
}

#[test]
fn each_ticket_gets_what_it_deserves() {
    let house = House::new(&SALES);
    let (tokens, secrets) = (house.path("tokens.toml"), house.path("secrets"));
    let [shop, reader] = [("shop", Role::Buy), ("metrics", Role::Read)]
        .map(|(name, role)| format!("Authorization: Bearer {}\r\n", add(&tokens, name, role)));
    std::fs::write(&secrets, SECRET).expect("written");
    let server = house
        .server()
        .option("TOKENS_FILE", tokens.display())
        .option("TICKET_SECRETS_FILE", secrets.display())
        .option("TICKETS", "required")
        .run();
    let mut peer = Peer::of(&server);
    let (good, other) = (ticket("drop", "alice", LATER), ticket("drop", "bob", LATER));
    let forged = sign(b"a-secret-that-is-not-the-shop's-own", "drop", "alice", LATER).to_string();
    let long = "a.buyer.with.dots.and.of.more.than.sixteen@example.com";
    let wrong_signature = "for another sale, or its signature is wrong";
    let malformed = "malformed";
    for (key, (buyer, ticket, expected, word, detail)) in [
        ("alice", Some(good.clone()), 201, "", ""),
        // Used twice it is the same buyer, and then its limit holds.
        ("alice", Some(good.clone()), 201, "", ""),
        ("alice", Some(good.clone()), 409, "limit_reached", ""),
        ("bob", Some(other), 201, "", ""),
        (long, Some(ticket("drop", long, LATER)), 201, "", ""),
        ("alice", None, 403, "ticket_refused", "missing"),
        ("alice", Some(String::new()), 403, "ticket_refused", "missing"),
        ("alice", Some("alice".into()), 403, "ticket_refused", malformed),
        ("alice", Some(good[..good.len() - 2].into()), 403, "ticket_refused", malformed),
        ("bob", Some(good.clone()), 403, "ticket_refused", "for another buyer"),
        ("alice", Some(ticket("next", "alice", LATER)), 403, "ticket_refused", wrong_signature),
        ("alice", Some(forged), 403, "ticket_refused", wrong_signature),
        ("alice", Some(ticket("drop", "alice", BEFORE)), 403, "ticket_refused", "expired"),
    ]
    .into_iter()
    .enumerate()
    {
        let line = ticket.map(|ticket| format!("Doorbuster-Ticket: {ticket}\r\n"));
        let answer = buy(&mut peer, buyer, key, &format!("{shop}{}", line.unwrap_or_default()));
        assert_eq!(answer.status, expected, "{key}: {answer:?}");
        if !word.is_empty() {
            assert_eq!(answer.problem(), word, "{key}");
        }
        let told = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
        assert!(told.contains(detail), "{key}: {told}");
        assert_eq!(answer.header("www-authenticate"), None, "another token would not help");
    }
    // The token is asked for before the ticket.
    let line = format!("Doorbuster-Ticket: {good}\r\n");
    for (token, expected, word) in [("", 401, "unauthorized"), (&reader, 403, "forbidden")] {
        let answer = buy(&mut peer, "alice", 99, &format!("{token}{line}"));
        assert_eq!((answer.status, answer.problem().as_str()), (expected, word));
    }
    // What is no purchase needs no ticket.
    let confirm = request("POST /v1/sales/drop/orders/ORDER/confirm", &shop, "");
    let look = request("GET /v1/sales/drop/orders?key=k-0", &shop, "");
    let found = peer.ask(look).json()["order"].as_str().expect("an id").to_owned();
    assert_eq!(peer.ask(confirm.replace("ORDER", &found)).status, 200);
    server.stop().expect_code(0);
    let verdict = house.audit();
    assert_eq!((&verdict["held"], &verdict["confirmed"]), (&3.into(), &1.into()));
}

#[test]
fn purchases_above_a_rate_are_told_when_to_come_again() {
    let house = House::new(&SALES);
    let tokens = house.path("tokens.toml");
    let [shop, other] = ["shop", "other"]
        .map(|name| format!("Authorization: Bearer {}\r\n", add(&tokens, name, Role::Buy)));
    let server = house
        .server()
        .option("TOKENS_FILE", tokens.display())
        .option("RATE_PER_TOKEN", 1)
        .option("BURST_PER_TOKEN", 5)
        .run();
    let mut peer = Peer::of(&server);
    let mut rush = |token: &str, who: &str| {
        let mut requests = String::new();
        for number in 0..REQUESTS {
            let body = format!(r#"{{"item":"tee","buyer":"{who}{number}"}}"#);
            let request = order("drop", &format!("{who}{number}"), &body);
            requests += &request.replacen("Host:", &format!("{token}Host:"), 1);
        }
        peer.send(requests + &request("GET /v1/sales/drop", token, ""));
        let mut made = 0;
        for _ in 0..REQUESTS {
            let answer = peer.receive();
            if answer.status == 201 {
                made += 1;
                continue;
            }
            assert_eq!((answer.status, answer.problem().as_str()), (429, "rate_limited"));
            let ms = answer.json()["retry_after_ms"].as_u64().expect("a time");
            let seconds = answer.header("retry-after").and_then(|text| text.parse().ok());
            assert_eq!(seconds, Some(ms.div_ceil(1000)), "{answer:?}");
            assert!((1..=3000).contains(&ms), "{answer:?}");
        }
        assert_eq!(peer.receive().status, 200, "a read is not limited");
        made
    };
    let made = rush(&shop, "a");
    assert!((5..REQUESTS / 2).contains(&made), "{made}");
    let again = rush(&shop, "b");
    assert!(again < REQUESTS / 2, "{again}");
    let others = rush(&other, "c");
    assert!((5..REQUESTS / 2).contains(&others), "another name has its own rate: {others}");
    server.stop().expect_code(0);
    assert_eq!(house.audit()["held"], made + again + others);
}
