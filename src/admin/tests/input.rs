//! Bad input, field by field: its named status, and a detail that says what to do.

use super::super::health::{Phase, advance};
use super::{DEAF, Desk, Port, Relaxed, SALE};

#[tokio::test]
async fn what_is_wrong_in_a_request_is_named() {
    let port = Port::open();
    assert_eq!(port.ask("PUT", "/v1/sales/drop", SALE).await.status, 201);
    let (stock, price) = ("/v1/sales/drop/items/tee/stock", "/v1/sales/drop/items/tee/price");
    let channel = "/v1/sales/drop/items/tee/channels/tv";
    let deep = format!("{{\"items\":{}", "[".repeat(3000));
    let long = format!("/v1/sales/{}", "x".repeat(65));
    for (method, path, body, expected) in [
        ("GET", "/v1/sales/a%2Fb", "", "sale: 'a/b' is no name"),
        ("GET", "/v1/sales/%FF", "", "path: "),
        ("GET", &long, "", "1 to 64 characters"),
        ("GET", "/v1/sales?limit=101", "", "limit: 101 is not between 1 and 100"),
        ("GET", "/v1/sales?limit=many", "", "query: "),
        ("GET", "/v1/sales?colour=red", "", "colour"),
        ("GET", "/v1/sales?after=%0A", "", "after: "),
        ("PUT", "/v1/sales/new", "", "EOF"),
        ("PUT", "/v1/sales/new", "{}", "missing field `items`"),
        ("PUT", "/v1/sales/new", "{\"items\":[]}", "items: 0 of them; a sale has 1 to 1024"),
        ("PUT", "/v1/sales/new", &SALE.replace("tee", "t e"), "items: sku: 't e' is no name"),
        ("PUT", "/v1/sales/new", &SALE.replace("2500", "2.5"), "items[0].price: "),
        ("PUT", "/v1/sales/new", &SALE.replace("2500", "9007199254740993"), "price of 'tee'"),
        ("PUT", "/v1/sales/new", &SALE.replace("10,", "-1,"), "items[0].stock: "),
        ("PUT", "/v1/sales/new", &SALE.replace(":2}", ":0}"), "items: limit: 0"),
        ("PUT", "/v1/sales/new", &SALE.replace("{\"items", "{\"name\":\"old\",\"items"), "'old'"),
        ("PUT", "/v1/sales/new", &deep, "items[0]"),
        ("PUT", "/v1/sales/new", "[]", "a list is no sale"),
        ("PUT", price, "[5]", "body: is a list"),
        ("POST", stock, "", "body: EOF"),
        ("POST", stock, "{}", r#"none or too much of it; send {"add":100}, {"withdraw":50} or"#),
        ("POST", stock, r#"{"ad":1}"#, "unknown field `ad`, expected one of `add`, `withdraw`"),
        ("POST", stock, r#"{"withdraw":1,"at":"2126-01-01T00:00:00Z"}"#, "none or too much"),
        ("POST", stock, r#"{"add":1,"at":"soon"}"#, "at: 'soon' is no time"),
        ("POST", channel, r#"{"set_aside":-1}"#, "set_aside: invalid value"),
        ("POST", channel, r#"{"set_aside":1099511627777}"#, "is not between 0 and"),
        ("POST", channel, r#"{"set_aside":1,"until":"soon"}"#, "until: 'soon' is no time"),
        ("POST", "/v1/sales/drop/items/tee/channels/a%20b", r#"{"set_aside":1}"#, "channel: 'a b'"),
        ("DELETE", "/v1/sales/drop/waves/x", "", "wave: 'x' is no number"),
        ("DELETE", "/v1/sales/drop/waves/+1", "", "wave: '+1' is no number"),
        ("POST", "/v1/sales/drop/draw", r#"{"seed":"00"}"#, "seed: '00' is not 64 hex digits"),
        ("POST", stock, r#"{"add":"1"}"#, "add: invalid type: string"),
        ("POST", stock, r#"{"add":1,"withdraw":1}"#, "send"),
        ("POST", stock, r#"{"add":0}"#, "units: 0 is not between 1 and"),
        ("POST", stock, r#"{"add":1} {}"#, "trailing characters"),
        ("PUT", price, r#"{"price":-1}"#, "price: invalid value"),
        ("PUT", price, r#"{"price":9007199254740993}"#, "price: 9007199254740993 is above"),
        ("PUT", price, r#"{"price":1,"price":2}"#, "duplicate field `price`"),
        ("PUT", price, r#"{"price":1,"colour":2}"#, "unknown field `colour`"),
    ] {
        let detail = port.ask(method, path, body).await.expect_problem(400, "bad_request");
        assert!(detail.contains(expected), "{method} {path} {body}: {detail}");
        assert!(detail.len() < 600, "{} bytes of detail", detail.len());
    }
    let big = format!("{{\"add\":1{}}}", " ".repeat(4096));
    let detail = port.ask("POST", stock, &big).await.expect_problem(413, "too_large");
    assert!(detail.contains("4096"), "{detail}");
    for path in ["/v1", "/v1/sales/", "/v1/sales/drop/items", "/favicon.ico"] {
        let detail = port.ask("GET", path, "").await.expect_problem(404, "not_found");
        assert!(detail.contains(path) && detail.contains("/openapi.json"), "{detail}");
    }
    assert_eq!(port.desk.names().len(), 1, "nothing of this has made a sale");
}

#[tokio::test]
async fn refusals_of_the_house_are_told_with_their_words() {
    let port = Port::open();
    assert_eq!(port.ask("PUT", "/v1/sales/drop", SALE).await.status, 201);
    let other = SALE.replace("2500", "1");
    port.ask("PUT", "/v1/sales/drop", &other).await.expect_problem(409, "key_reused");
    let stock = "/v1/sales/drop/items/tee/stock";
    let answer = port.ask("POST", stock, r#"{"withdraw":11}"#).await;
    let detail = answer.expect_problem(409, "sold_out");
    assert!(detail.contains("10 of item 'tee' are free"), "{detail}");
    assert_eq!(answer.json()["free"], 10);
    port.ask("DELETE", "/v1/sales/drop", "").await.expect_problem(409, "not_closed");
    let path = "/v1/sales/drop/items/cap/price";
    port.ask("PUT", path, r#"{"price":1}"#).await.expect_problem(404, "unknown_item");
    port.ask("POST", "/v1/sales/no/open", "").await.expect_problem(404, "unknown_sale");
    let channel = "/v1/sales/drop/items/tee/channels/tv";
    let answer = port.ask("POST", channel, r#"{"set_aside":11}"#).await;
    answer.expect_problem(409, "sold_out");
    assert_eq!(answer.json()["free"], 10);
    let sale = port.ask("POST", channel, r#"{"set_aside":4}"#).await.json();
    assert_eq!(sale["items"][0]["channels"][0]["set_aside"], 4);
    port.ask("DELETE", "/v1/sales/drop/waves/99", "").await.expect_problem(404, "unknown_wave");
    let seed = format!(r#"{{"seed":"{}"}}"#, "00".repeat(32));
    port.ask("POST", "/v1/sales/drop/draw", &seed).await.expect_problem(409, "no_draw");
}

#[tokio::test(start_paused = true)]
async fn a_house_that_cannot_answer_is_503_and_the_port_goes_on() {
    let port = Port::loading();
    port.ask("GET", "/v1/sales", "").await.expect_problem(503, "loading");
    port.ask("GET", "/readyz", "").await.expect_problem(503, "loading");
    assert_eq!(port.ask("GET", "/livez", "").await.status, 200);
    let port = Port::open();
    assert_eq!(port.ask("PUT", "/v1/sales/drop", SALE).await.status, 201);
    port.desk.mood.store(DEAF, Relaxed);
    port.ask("GET", "/v1/sales/drop", "").await.expect_problem(503, "stopping");
    port.ask("GET", "/v1/sales/drop/feed", "").await.expect_problem(503, "overloaded");
    port.desk.mood.store(super::WELL, Relaxed);
    assert_eq!(port.ask("GET", "/v1/sales/drop", "").await.status, 200);
    advance(&port.office.phase, Phase::Draining);
    port.ask("GET", "/v1/sales/drop", "").await.expect_problem(503, "stopping");
    port.ask("GET", "/readyz", "").await.expect_problem(503, "stopping");
    assert_eq!(port.ask("GET", "/metrics", "").await.status, 200);
}

#[tokio::test]
async fn a_long_list_comes_in_pages_by_name() {
    let port = Port::open();
    for number in 0..7 {
        assert_eq!(port.ask("PUT", &format!("/v1/sales/s{number}"), SALE).await.status, 201);
    }
    let (mut path, mut seen) = ("/v1/sales?limit=3".to_owned(), Vec::new());
    for expected in [3, 3, 1] {
        let page = port.ask("GET", &path, "").await.json();
        let sales = page["sales"].as_array().expect("sales");
        assert_eq!(sales.len(), expected);
        seen.extend(sales.iter().map(|sale| sale["name"].to_string()));
        path = format!("/v1/sales?limit=3&after={}", page["next"].as_str().unwrap_or("-"));
    }
    assert!(path.ends_with("after=-"), "the last page has no next");
    assert!(seen.is_sorted() && seen.len() == 7, "{seen:?}");
}

#[tokio::test]
async fn the_first_page_runs_nothing_but_itself() {
    let port = Port::open();
    let page = port.ask("GET", "/", "").await;
    let policy = page.headers["content-security-policy"].to_str().expect("ASCII");
    let nonce = policy.split("script-src 'nonce-").nth(1).and_then(|rest| rest.split('\'').next());
    let nonce = nonce.expect("a nonce");
    assert_eq!(page.text.matches(&format!("nonce=\"{nonce}\"")).count(), 2, "style and script");
    assert!(!port.ask("GET", "/", "").await.text.contains(nonce), "a new one each time");
    for word in
        ["http://", "https://", " onclick=", " onload=", "innerHTML", " style=\"", "{nonce}"]
    {
        assert!(!page.text.contains(word), "the page has {word}");
    }
}
