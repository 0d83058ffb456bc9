//! Paths, methods, queries and the headers that a route asks for.

use super::{OPENAPI, asked, post, seen};

#[test]
fn each_path_and_method_asks_for_its_own() {
    for (line, expected) in [
        ("GET /v1/sales/drop", "SALE drop"),
        ("HEAD /v1/sales/drop", "SALE drop"),
        ("GET /v1/sales/drop?", "SALE drop"),
        ("GET http://shop.example:7400/v1/sales/drop", "SALE drop"),
        ("GET HTTPS://shop.example/v1/sales/drop/orders/7", "ORDER drop order 7"),
        ("GET /v1/sales/drop/orders/18446744073709551615", "ORDER drop order 18446744073709551615"),
        ("GET /v1/sales/drop/orders?key=k1", "ORDER_BY_KEY drop key k1"),
        ("HEAD /v1/sales/drop/orders?&key=a%2Fb+c%3d&", "ORDER_BY_KEY drop key a/b+c="),
        (
            "GET /v1/sales/drop/orders?key=a-key-that-is-longer-than-%73ixteen",
            "ORDER_BY_KEY drop key a-key-that-is-longer-than-sixteen",
        ),
        ("GET /v1/sales/drop/orders/7/events", "ORDER drop order 7"),
        ("POST /v1/sales/drop/orders/7/confirm", "CONFIRM drop order 7"),
        ("POST /v1/sales/d%72op/orders/%37/release", "RELEASE drop order 7"),
        ("GET /v1/sales/a%2Fb", "SALE a/b"),
        ("GET /v1/sales/", "SALE "),
        ("OPTIONS /v1/sales/drop", "options GET, HEAD, OPTIONS"),
        ("OPTIONS /v1/sales/drop/orders", "options GET, HEAD, POST, OPTIONS"),
        ("OPTIONS /v1/sales/drop/orders/7", "options GET, HEAD, OPTIONS"),
        ("OPTIONS /v1/sales/drop/orders/7/events", "options GET, HEAD, OPTIONS"),
        ("OPTIONS /v1/sales/drop/orders/7/cancel", "options POST, OPTIONS"),
        ("OPTIONS *", "options GET, HEAD, POST, OPTIONS"),
    ] {
        assert_eq!(asked(line), expected, "{line}");
    }
}

#[test]
fn what_is_not_there_or_not_so_is_told_with_what_is() {
    let order = "order in the path must be an integer from 0 to 18446744073709551615, got";
    for (line, expected) in [
        ("GET /", "404 not_found: there is nothing at '/'; orders"),
        ("GET http://x", "404 not_found: there is nothing at 'http://x'; orders"),
        ("GET /v1/sales", "404 not_found: there is nothing at '/v1/sales'"),
        ("GET /v1/sales/drop/", "404 not_found"),
        ("GET /v1/sales/drop/orders/", &format!("400 bad_field: {order} ''")),
        ("GET /v2/sales/drop", "404 not_found"),
        ("GET //v1/sales/drop", "404 not_found"),
        ("POST /v1/sales/drop/orders/7/confirm/now", "404 not_found"),
        ("POST /v1/sales/drop/orders/7/pay", "404 not_found"),
        ("POST /a/b/c/d/e/f/g/h/i/j", "404 not_found"),
        (
            "POST /v1/sales/drop",
            "405 method_not_allowed: this path takes GET, HEAD, OPTIONS, got 'POST'",
        ),
        (
            "DELETE /v1/sales/drop/orders",
            "405 method_not_allowed: this path takes GET, HEAD, POST, OPTIONS",
        ),
        ("get /v1/sales/drop", "405 method_not_allowed"),
        (
            "GET /v1/sales/drop/orders/7/confirm",
            "405 method_not_allowed: this path takes POST, OPTIONS",
        ),
        ("POST /v1/sales/drop/orders/7/extend", "EXTEND drop order 7"),
        ("POST /v1/sales/drop/orders/7/cancel", "CANCEL drop order 7"),
        ("GET /v1/sales/drop/orders/x", &format!("400 bad_field: {order} 'x'")),
        ("GET /v1/sales/drop/orders/-1", &format!("400 bad_field: {order} '-1'")),
        ("GET /v1/sales/drop/orders/+1", &format!("400 bad_field: {order} '+1'")),
        (
            "GET /v1/sales/drop/orders/18446744073709551616",
            &format!("400 bad_field: {order} '18446744073709551616'"),
        ),
        ("GET /v1/sales/drop/orders", "400 bad_field: the parameter key is missing"),
        ("GET /v1/sales/drop/orders?key=", "400 bad_field: key is empty"),
        ("GET /v1/sales/drop/orders?key=a%20b", "400 bad_field: key may hold printable ASCII"),
        (
            "GET /v1/sales/drop/orders?key=a&key=b",
            "400 bad_field: the only parameter here is key, once, got 'key'",
        ),
        (
            "GET /v1/sales/drop/orders?key=a&x",
            "400 bad_field: the only parameter here is key, once, got 'x'",
        ),
        ("GET /v1/sales/drop?a=b", "400 bad_field: this request takes no parameters, got 'a'"),
        ("GET /v1/sales/drop?key=b", "400 bad_field: this request takes no parameters, got 'key'"),
        (
            "GET /v1/sales/%zz",
            "400 bad_request: a % in the target goes before two hex digits, got '%zz'",
        ),
        (
            "GET /v1/sales/drop%4",
            "400 bad_request: a % in the target goes before two hex digits, got '%4'",
        ),
        ("GET /v1/sales/drop/orders?key=%", "400 bad_request: a % in the target"),
        ("GET /v1/sales/drop#top", "400 bad_request: a target has no fragment"),
        ("GET v1/sales/drop", "400 bad_request: a target begins with '/', got 'v1/sales/drop'"),
        ("CONNECT x:443", "400 bad_request: a target begins with '/', got 'x:443'"),
        ("GET *", "400 bad_request: the target * goes with OPTIONS only"),
    ] {
        let seen = asked(line);
        assert!(seen.starts_with(expected), "{line}: {seen}");
    }
}

#[test]
fn a_new_order_wants_its_key_and_json() {
    let body = r#"{"item":"tee","buyer":"u1"}"#;
    let good = post(body);
    let with = |from: &str, to: &str| {
        assert!(good.contains(from));
        seen(good.replace(from, to))
    };
    let buy = "BUY drop/tee x1 for u1 key k";
    let key = "Idempotency-Key: k\r\n";
    assert!(with(key, "").starts_with("400 missing_idempotency_key: the header Idempotency-Key"));
    assert!(
        with(key, "Idempotency-Key:\r\n").starts_with("400 bad_field: Idempotency-Key is empty")
    );
    assert!(
        with(key, "Idempotency-Key: a b\r\n").starts_with("400 bad_field: Idempotency-Key may")
    );
    let long = format!("Idempotency-Key: {}\r\n", "k".repeat(65));
    assert!(with(key, &long).starts_with("400 bad_field: Idempotency-Key is longer"));
    let twice = with(key, "Idempotency-Key: k\r\nidempotency-key: k\r\n");
    assert_eq!(twice, "400 bad_request: there is more than one Idempotency-Key");
    assert_eq!(with(key, "IDEMPOTENCY-KEY: \t k \r\n"), buy);
    let content = "Content-Type: application/json\r\n";
    for right in ["", "content-type:Application/JSON ; charset=utf-8\r\n"] {
        assert_eq!(with(content, right), buy, "{right}");
    }
    for wrong in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx"] {
        let seen = with(content, &format!("Content-Type: {wrong}\r\n"));
        assert!(seen.starts_with("415 unsupported_media_type") && seen.contains(wrong), "{seen}");
    }
    let coded = with(content, "Content-Encoding: gzip\r\n");
    assert!(coded.starts_with("415 unsupported_media_type") && coded.contains("gzip"), "{coded}");
    assert_eq!(with(content, "Content-Encoding: identity\r\n"), buy);
}

#[test]
fn the_description_of_the_routes_is_served() {
    assert_eq!(asked("GET /openapi.json"), format!("document of {}", OPENAPI.len()));
    assert_eq!(asked("GET /v1/heads"), "heads");
    assert!(asked("GET /v1/heads?from=3").starts_with("400"));
}
