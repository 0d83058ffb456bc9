//! What the port does at its bounds and at its end.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use doorbuster::limits::{
    ADMIN_CONNECTIONS_MAX, ADMIN_FEEDS_MAX, ADMIN_HEAD_BYTES_MAX, ADMIN_SALE_BYTES_MAX,
};

use super::DROP;
use super::http::{Feed, ask, connect, receive, send};
use super::resp::Resp;
use super::server::{House, PATIENCE};

#[test]
fn idle_connections_do_not_hold_up_the_rest_and_health_is_always_told() {
    let house = House::new(&[]);
    let server = house.serve();
    let mut idle: Vec<_> = (0..ADMIN_CONNECTIONS_MAX).map(|_| connect(server.admin)).collect();
    for peer in &mut idle {
        // Half a request.
        peer.get_mut().write_all(b"GET /v1/sales HTTP/1.1\r\nHost:").expect("sent");
    }
    let ready = ask(server.admin, "GET", "/readyz", "");
    assert_eq!(ready.status, 200);
    let full = ask(server.admin, "GET", "/v1/sales", "");
    full.expect_problem(503, "overloaded");
    assert!(full.head.contains("retry-after: ") && full.head.contains("connection: close"));
    // One that leaves makes room.
    idle.truncate(ADMIN_CONNECTIONS_MAX / 2);
    let deadline = Instant::now() + PATIENCE;
    while ask(server.admin, "GET", "/v1/sales", "").status != 200 {
        assert!(Instant::now() < deadline, "no room again");
    }
    // And whoever never finishes is shown the door.
    let mut rest = Vec::new();
    let _ = idle[0].get_mut().read_to_end(&mut rest);
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{}", rest.escape_ascii());
}

#[test]
fn requests_too_large_are_refused_and_the_largest_sale_is_not() {
    let house = House::new(&[]);
    let server = house.serve();
    let items: Vec<String> = (0..1024)
        .map(|number| format!(r#"{{"sku":"{number:064}","stock":1000000,"price":9999999}}"#))
        .collect();
    let sale = format!(r#"{{"items":[{}]}}"#, items.join(","));
    let created = ask(server.admin, "PUT", "/v1/sales/large", &sale);
    assert_eq!(created.status, 201);
    assert_eq!(created.json()["items"].as_array().map(Vec::len), Some(1024));
    assert_eq!(Feed::of(server.admin, "large").next().expect("a snapshot").0, "snapshot");
    let more = sale.replacen(r#"{"sku"#, r#"{"sku":"one","stock":1,"price":1},{"sku"#, 1);
    ask(server.admin, "PUT", "/v1/sales/larger", &more).expect_problem(400, "bad_request");
    let mut peer = connect(server.admin);
    let length = ADMIN_SALE_BYTES_MAX + 1;
    let head = format!("PUT /v1/sales/x HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
    peer.get_mut().write_all(head.as_bytes()).expect("sent");
    receive(&mut peer).expect_problem(413, "too_large");
    let mut peer = connect(server.admin);
    let long = "x".repeat(2 * ADMIN_HEAD_BYTES_MAX);
    let _ = peer.get_mut().write_all(format!("GET / HTTP/1.1\r\nA: {long}\r\n\r\n").as_bytes());
    assert_eq!(receive(&mut peer).status, 431);
}

#[test]
fn feeds_have_a_bound_and_closed_ones_give_their_place_back() {
    let house = House::new(&[]);
    let server = house.serve();
    assert_eq!(ask(server.admin, "PUT", "/v1/sales/drop", DROP).status, 201);
    let mut feeds: Vec<Feed> =
        (0..ADMIN_FEEDS_MAX).map(|_| Feed::of(server.admin, "drop")).collect();
    for feed in &mut feeds {
        assert_eq!(feed.next().expect("a snapshot").0, "snapshot");
    }
    let refused = ask(server.admin, "GET", "/v1/sales/drop/feed", "");
    refused.expect_problem(503, "overloaded");
    drop(feeds);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut peer = connect(server.admin);
        send(&mut peer, "GET", "/v1/sales/drop/feed", "");
        if super::http::head(&mut peer).0 == 200 {
            break;
        }
        assert!(Instant::now() < deadline, "no place is given back");
    }
}

#[test]
fn a_server_that_drains_is_not_ready_and_still_alive() {
    let house = House::new(&[]);
    let mut server = house.serve();
    assert_eq!(ask(server.admin, "PUT", "/v1/sales/drop", DROP).status, 201);
    assert_eq!(ask(server.admin, "POST", "/v1/sales/drop/open", "").status, 200);
    // A buyer who does not take the answers: the stop waits for it, for a while.
    let mut buyer = Resp::over(server.connect());
    let mut requests = Vec::new();
    // More than the system keeps for both sides.
    let text = "x".repeat(8 * 1024);
    for _ in 0..4000 {
        super::resp::encode(&["ECHO", &text], &mut requests);
    }
    buyer.stream.set_write_timeout(Some(Duration::from_millis(300))).expect("a socket");
    let _ = buyer.raw(&requests);
    let mut peer = connect(server.admin);
    send(&mut peer, "GET", "/readyz", "");
    assert_eq!(receive(&mut peer).status, 200);
    server.terminate();
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline && !server.has_ended(), "it was never seen draining");
        send(&mut peer, "GET", "/readyz", "");
        let answer = receive(&mut peer);
        if answer.status == 503 {
            answer.expect_problem(503, "stopping");
            break;
        }
    }
    send(&mut peer, "GET", "/livez", "");
    assert_eq!(receive(&mut peer).status, 200);
    send(&mut peer, "POST", "/v1/sales/drop/close", "");
    receive(&mut peer).expect_problem(503, "stopping");
    drop(buyer);
    server.wait().expect_code(0);
}
