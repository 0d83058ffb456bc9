//! The table of roles over HTTP, route by route, on both ports.

use std::net::TcpStream;

use doorbuster::access::{Role, Token};

use super::CROWD;
use super::peer::{Answer, Peer, request};
use super::reload::{add, remove};
use super::server::{House, Server};

/// What is heard with the tokens of the roles `buy`, `read` and `admin`; none, a wrong one and one
/// that was removed are told 401 wherever these are not told the same as all.
type Known = [u16; 3];

/// Method, path, what `buy`, `read` and `admin` hear, and whether anybody may ask.
type Row = (&'static str, &'static str, Known, bool);

const BUYERS: [Row; 18] = [
    ("POST", "/v1/sales/crowd/orders", [201, 403, 201], false),
    ("GET", "/v1/sales/crowd/orders?key=first", [200; 3], false),
    ("HEAD", "/v1/sales/crowd/orders?key=first", [200; 3], false),
    ("GET", "/v1/sales/crowd/orders/ORDER", [200; 3], false),
    ("POST", "/v1/sales/crowd/orders/999999/confirm", [404, 403, 404], false),
    ("POST", "/v1/sales/crowd/orders/999999/release", [404, 403, 404], false),
    ("POST", "/v1/sales/nope/orders", [404, 403, 404], false),
    ("GET", "/v1/sales/crowd", [200; 3], false),
    ("HEAD", "/v1/sales/crowd", [200; 3], false),
    ("GET", "/v1/sales/nope", [404; 3], false),
    // What makes no sense is not explained to strangers.
    ("GET", "/v1/sales", [404; 3], false),
    ("GET", "/nothing", [404; 3], false),
    ("GET", "/metrics", [404; 3], false),
    ("DELETE", "/v1/sales/crowd", [405; 3], false),
    ("PUT", "/v1/sales/crowd", [405; 3], false),
    ("GET", "/v1/sales/crowd/orders/x", [400; 3], false),
    ("GET", "/openapi.json", [200; 3], true),
    ("OPTIONS", "/v1/sales/crowd/orders", [204; 3], true),
];

const OPERATORS: [Row; 20] = [
    ("GET", "/livez", [200; 3], true),
    ("GET", "/readyz", [200; 3], true),
    ("GET", "/openapi.json", [200; 3], true),
    ("GET", "/", [200; 3], true),
    ("GET", "/metrics", [403, 200, 200], false),
    ("GET", "/v1/sales", [403, 200, 200], false),
    ("GET", "/v1/sales/crowd", [403, 200, 200], false),
    ("GET", "/v1/sales/nope/feed", [403, 404, 404], false),
    ("GET", "/nothing", [403, 404, 404], false),
    ("POST", "/livez", [403, 403, 405], false),
    ("PUT", "/v1/sales/crowd", [403, 403, 409], false),
    ("POST", "/v1/sales/nope/open", [403, 403, 404], false),
    ("POST", "/v1/sales/nope/pause", [403, 403, 404], false),
    ("POST", "/v1/sales/nope/resume", [403, 403, 404], false),
    ("POST", "/v1/sales/nope/close", [403, 403, 404], false),
    ("DELETE", "/v1/sales/crowd", [403, 403, 409], false),
    ("POST", "/v1/sales/crowd/items/tee/stock", [403, 403, 200], false),
    ("POST", "/v1/sales/crowd/items/nope/stock", [403, 403, 404], false),
    ("PUT", "/v1/sales/crowd/items/tee/price", [403, 403, 200], false),
    ("PUT", "/v1/sales/crowd/items/nope/price", [403, 403, 404], false),
];

/// A body that goes with the path, if it was for a change.
fn body(method: &str, path: &str) -> &'static str {
    match path.rsplit('/').next() {
        Some("orders") => r#"{"item":"tee","buyer":"u1"}"#,
        Some("stock") => r#"{"add":1}"#,
        Some("price") => r#"{"price":2500}"#,
        _ if method == "PUT" => r#"{"items":[{"sku":"cap","stock":1,"price":1}]}"#,
        _ => "",
    }
}

/// Asks on a connection that goes on.
fn ask(peer: &mut Peer, (method, path): (&str, &str), authorization: &str, key: usize) -> Answer {
    let body = if method == "POST" || method == "PUT" { body(method, path) } else { "" };
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    let lines = format!("{authorization}{kind}Idempotency-Key: key-{key}\r\n");
    peer.send(request(&format!("{method} {path}"), &lines, body));
    peer.hear(method != "HEAD").expect("an answer").expect("it goes on")
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// Whether it says how to be known, and only where that helps.
fn expect(answer: &Answer, expected: u16, row: &str) {
    assert_eq!(answer.status, expected, "{row}: {answer:?}");
    let scheme = answer.header("www-authenticate");
    assert_eq!(scheme.is_some_and(|scheme| scheme.starts_with("Bearer")), expected == 401, "{row}");
    if let 401 | 403 = expected
        && !answer.body.is_empty()
    {
        let word = if expected == 401 { "unauthorized" } else { "forbidden" };
        assert_eq!(answer.problem(), word, "{row}");
    }
}

fn walk(server: &Server, rows: &[Row], known: &[String], unknown: &[String], of_operator: bool) {
    let connect = || match of_operator {
        true => Peer::over(TcpStream::connect(server.admin).expect("it listens")),
        false => Peer::of(server),
    };
    // One connection each for all rows: no answer ends it, and none leaves a grant behind.
    let mut key = 0;
    let mut shared = connect();
    for (method, path, told, is_open) in rows {
        let path = path.replace("ORDER", "3");
        for (token, told) in known.iter().zip(told) {
            key += 1;
            let answer = ask(&mut shared, (method, &path), token, key);
            expect(&answer, *told, &format!("{method} {path} {token}"));
            for stranger in unknown {
                let expected = if *is_open { told } else { &401 };
                let answer = ask(&mut shared, (method, &path), stranger, key);
                expect(&answer, *expected, &format!("{method} {path} {stranger}"));
            }
        }
    }
}

#[test]
fn every_route_with_every_token_on_both_ports() {
    let house = House::new(&[CROWD]);
    let tokens = house.path("tokens.toml");
    let known = Role::ALL.map(|role| bearer(&add(&tokens, role.word(), role)));
    let removed = add(&tokens, "removed", Role::Admin);
    let mut server = house.server().option("TOKENS_FILE", tokens.display()).run();
    // It counts until it is removed. The order is the third record, behind the sale's two.
    let order = ("POST", "/v1/sales/crowd/orders");
    let made = ask(&mut Peer::of(&server), order, &bearer(&removed), 0);
    assert_eq!((made.status, &made.json()["order"]), (201, &"3".into()));
    let first = request(
        "POST /v1/sales/crowd/orders",
        &format!("{}Idempotency-Key: first\r\nContent-Type: application/json\r\n", known[0]),
        r#"{"item":"tee","buyer":"u1"}"#,
    );
    assert_eq!(Peer::of(&server).ask(first).status, 201);
    remove(&tokens, "removed");
    server.hang_up();
    server.says("options read again");
    let wrong = Token::new().expect("random");
    let unknown = [
        String::new(),
        bearer(wrong.reveal()),
        bearer(&removed),
        "Authorization: Basic dTpw\r\n".to_owned(),
    ];
    walk(&server, &BUYERS, &known, &unknown, false);
    walk(&server, &OPERATORS, &known, &unknown, true);
    server.stop().expect_code(0);
    assert_eq!(house.audit()["held"], 4, "two before, and two with a token that may buy");
}
