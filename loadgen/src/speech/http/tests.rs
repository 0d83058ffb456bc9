//! Requests as they leave and answers as they are understood, cut anywhere.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    target: Target,
}

fn http() -> Http {
    http_with("")
}

fn http_with(more: &str) -> Http {
    let words = "x --target localhost:7400 --protocol http --sale drop --item tee,cap".to_owned();
    let words = words + more;
    let line = Line::try_parse_from(words.split(' ')).expect("a good line");
    Http::new(&line.target, None, 5_000_000_000_000)
}

fn purchase(buyer: Buyer<'_>, wait: bool) -> Purchase<'_> {
    Purchase { number: 7, item: 1, units: 20, items: 2, wait, ..Purchase::one(buyer) }
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}").into_bytes()
}

fn order(state: &str, replayed: bool) -> String {
    format!(
        "{{\"order\":\"42\",\"seq\":43,\"sale\":\"drop\",\"state\":\"{state}\",\
         \"buyer\":\"a\\\"state\\\":\\\"x\",\"key\":\"k\",\
         \"lines\":[{{\"item\":\"tee\",\"units\":3,\"price\":2500}}],\
         \"expires_in_ms\":1,\"replayed\":{replayed},\"receipt\":null}}"
    )
}

fn problem(word: &str) -> String {
    format!("{{\"type\":\"urn:doorbuster:{word}\",\"title\":\"T\",\"detail\":\"d\"}}")
}

#[test]
fn a_channel_and_members_are_fields_of_the_body() {
    let mut purchase = purchase(Buyer::Number(30), true);
    (purchase.lines, purchase.members) = (2, [5, 6]);
    let mut out = Vec::new();
    http_with(" --channel tv --groups card=9,age=9").buy(&purchase, 0, &mut out);
    let text = String::from_utf8_lossy(&out).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(body["groups"], serde_json::json!({ "card": "5", "age": "6" }));
    assert_eq!((&body["channel"], &body["wait"]), (&"tv".into(), &true.into()));
    assert_eq!(body["lines"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_purchase_is_a_post_whose_length_is_right() {
    for (buyer, wait, body) in [
        (Buyer::New, false, r#"{"item":"cap","units":20,"buyer":"5000000000007"}"#),
        (Buyer::Number(30), true, r#"{"item":"cap","units":20,"buyer":"30","wait":true}"#),
        (Buyer::Named("a\"\\b"), false, r#"{"item":"cap","units":20,"buyer":"a\"\\b"}"#),
    ] {
        let mut out = Vec::new();
        http().buy(&purchase(buyer, wait), 0, &mut out);
        let wanted = format!(
            "POST /v1/sales/drop/orders HTTP/1.1\r\nHost: localhost:7400\r\n\
             Content-Type: application/json\r\nIdempotency-Key: 5000000000007\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(String::from_utf8_lossy(&out), wanted);
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
    let mut out = Vec::new();
    http().command(Command::Release, 42, 0, &mut out);
    let wanted = "POST /v1/sales/drop/orders/42/release HTTP/1.1\r\nHost: localhost:7400\r\n\
                  Content-Length: 0\r\n\r\n";
    assert_eq!(String::from_utf8_lossy(&out), wanted);
}

#[test]
fn answers_are_read_at_every_cut() {
    let held = answer("201 Created", "Date: now\r\n", &order("held", false));
    let again = answer("200 OK", "Idempotent-Replayed: true\r\n", &order("confirmed", true));
    let sold = answer("409 Conflict", "", &problem("sold_out"));
    let parsed = |outcome, replayed, given: bool| {
        let (order, units, expires_in_ms) = if given { (42, 3, 1) } else { (0, 0, 0) };
        Parsed { outcome, replayed, tag: 0, order, units, expires_in_ms, text: (0, 0) }
    };
    for (bytes, wanted) in [
        (&held, parsed(outcome::HELD, false, true)),
        (&again, parsed(outcome::CONFIRMED, true, true)),
        (&sold, parsed(outcome::SOLD_OUT, false, false)),
    ] {
        let mut answers = Vec::new();
        for cut in 0..bytes.len() {
            assert_eq!(http().parse(&bytes[..cut], &mut answers), Ok(0));
        }
        assert_eq!(answers, []);
        let all = [&b"HTTP/1.1 100 Continue\r\n\r\n"[..], bytes, &sold].concat();
        assert_eq!(http().parse(&all, &mut answers), Ok(all.len()));
        assert_eq!(answers.len(), 2);
        assert_eq!(Parsed { text: (0, 0), ..answers[0] }, wanted);
        assert_eq!(answers[1].outcome, outcome::SOLD_OUT);
        assert_eq!(answers[1].text.1 as usize, all.len());
    }
}

#[test]
fn refusals_have_their_numbers_and_the_rest_are_errors_that_can_be_shown() {
    for (status, body, wanted) in [
        ("503 Service Unavailable", problem("overloaded"), outcome::OVERLOADED),
        ("429 Too Many Requests", problem("rate_limited"), outcome::OVERLOADED),
        ("503 Service Unavailable", problem("paused"), outcome::PAUSED),
        ("403 Forbidden", problem("not_your_order"), outcome::NOT_YOUR_ORDER),
        ("403 Forbidden", problem("forbidden"), ERROR),
        ("401 Unauthorized", problem("unauthorized"), ERROR),
        ("403 Forbidden", problem("ticket_refused"), ERROR),
        ("500 Internal Server Error", problem("held"), ERROR),
        ("400 Bad Request", problem("unknown_outcome"), ERROR),
        ("502 Bad Gateway", "<html>".to_owned(), ERROR),
        ("200 OK", "{}".to_owned(), ERROR),
        ("200 OK", order("lost", false), ERROR),
        ("204 No Content", String::new(), ERROR),
    ] {
        let bytes = answer(status, "", &body);
        let mut answers = Vec::new();
        assert_eq!(http().parse(&bytes, &mut answers), Ok(bytes.len()), "{status} {body}");
        assert_eq!(answers[0].outcome, wanted, "{status} {body}");
        let shown = &bytes[answers[0].text.0 as usize..answers[0].text.1 as usize];
        let shown = String::from_utf8_lossy(shown);
        assert!(shown.contains(&body) && (body.contains("urn:") || shown.contains(status)));
    }
}

#[test]
fn what_does_not_say_where_it_ends_is_refused_with_a_reason() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(HEAD_BYTES_MAX));
    for (bytes, why) in [
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "in chunks"),
        ("HTTP/1.1 200 OK\r\n\r\n", "an answer 200 without Content-Length"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n", "no number"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", "an answer of 99999999 bytes"),
        ("-ERR unknown command\r\n", "no HTTP answer"),
        (&long, "a head of over"),
    ] {
        let mut answers = Vec::new();
        let error = http().parse(bytes.as_bytes(), &mut answers).expect_err("no answer");
        assert!(error.contains(why), "{error}");
        assert_eq!(answers, []);
    }
}
