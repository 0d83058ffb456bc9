//! How requests may be sent and answers wanted: pipelined, in pieces, in chunks, waiting to be told
//! to go on, without bodies, for the last time.

use std::io::Write;
use std::net::Shutdown;

use serde_json::json;

use super::CROWD;
use super::peer::{Peer, order, request};
use super::server::House;

fn tee(number: usize) -> String {
    order("crowd", &format!("k{number}"), &format!(r#"{{"item":"tee","buyer":"u{number}"}}"#))
}

#[test]
fn ten_thousand_requests_in_one_go_are_answered_in_their_order() {
    const REQUESTS: usize = 10_000;
    let house = House::new(&[CROWD]);
    let server = house.serve();
    let mut shop = Peer::of(&server);
    let mut writer = shop.writer();
    let writing = std::thread::spawn(move || {
        let mut all = String::new();
        for number in 0..REQUESTS {
            // Every hundredth is answered by the shard itself, and may not overtake.
            all += &match number % 100 {
                99 => request("GET /nothing", "", ""),
                _ => tee(number),
            };
        }
        writer.write_all(all.as_bytes()).expect("sent");
    });
    let mut last = 0;
    for number in 0..REQUESTS {
        let answer = shop.receive();
        if number % 100 == 99 {
            assert_eq!((answer.status, answer.problem().as_str()), (404, "not_found"));
            continue;
        }
        let order = answer.json();
        assert_eq!((answer.status, &order["key"]), (201, &json!(format!("k{number}"))));
        let seq = order["seq"].as_u64().expect("a number");
        assert!(seq > last, "{seq} after {last}");
        last = seq;
    }
    writing.join().expect("all was sent");
    assert_eq!(shop.get("/v1/sales/crowd").json()["items"][0]["held"], REQUESTS * 99 / 100);
}

#[test]
fn a_conversation_one_byte_at_a_time_is_the_same_conversation() {
    let house = House::new(&[CROWD]);
    let server = house.serve();
    let mut shop = Peer::of(&server);
    let chunked = "POST /v1/sales/crowd/orders HTTP/1.1\r\nHost: x\r\nIdempotency-Key: c\r\n\
        Transfer-Encoding: chunked\r\n\r\n5\r\n{\"ite\r\n\
        16;x=y\r\nm\":\"tee\",\"buyer\":\"u1\"}\r\n\
        0\r\nChecksum: none\r\n\r\n";
    let all = [
        tee(1),
        chunked.to_owned(),
        "\r\n".to_owned(),
        request("GET /nothing", "", "a body that nobody wants"),
        request("GET /v1/sales/crowd/orders?key=c", "", ""),
    ];
    for byte in all.concat().bytes() {
        shop.send([byte]);
    }
    assert_eq!(shop.receive().json()["key"], "k1");
    assert_eq!(shop.receive().json()["key"], "c");
    assert_eq!(shop.receive().problem(), "not_found");
    let found = shop.receive();
    assert_eq!((found.status, &found.json()["buyer"]), (200, &json!("u1")));
}

#[test]
fn a_body_comes_when_its_peer_is_told_to_go_on() {
    let house = House::new(&[CROWD]);
    let server = house.serve();
    let mut shop = Peer::of(&server);
    let patient = |number: usize| {
        let whole = tee(number).replace("Host:", "Expect: 100-continue\r\nHost:");
        let (head, body) = whole.split_once("\r\n\r\n").expect("a body");
        (format!("{head}\r\n\r\n"), body.to_owned())
    };
    for number in 0..3 {
        let (head, body) = patient(number);
        // The answer to what was sent before comes first.
        shop.send(tee(100 + number) + &head);
        assert_eq!(shop.receive().status, 201);
        assert_eq!(shop.receive().status, 100);
        let (front, back) = body.split_at(7);
        shop.send(front);
        shop.send(back);
        assert_eq!(shop.receive().json()["key"], format!("k{number}"));
    }
    // A peer that did not wait is not told.
    let (head, body) = patient(7);
    assert_eq!(shop.ask(head + &body).status, 201);
    // Nor one whose body is too large: it is told that instead.
    let (head, _) = patient(8);
    let length = head.lines().find(|line| line.starts_with("Content-Length")).expect("a length");
    assert_eq!(shop.ask(head.replace(length, "Content-Length: 100000")).status, 413);
    assert!(shop.is_closed());
}

#[test]
fn head_is_get_without_the_body() {
    let house = House::new(&[CROWD]);
    let server = house.serve();
    let mut shop = Peer::of(&server);
    shop.ask(tee(1));
    let targets =
        ["/v1/sales/crowd", "/v1/sales/crowd/orders?key=k1", "/nothing", "/v1/sales/nope"];
    for target in targets {
        let get = shop.get(target);
        // What is behind it would be taken for its body.
        shop.send(request(&format!("HEAD {target}"), "", "") + &request("OPTIONS *", "", ""));
        let head = shop.receive_without_body();
        assert_eq!(head.status, get.status, "{target}");
        assert_eq!(head.header("content-type"), get.header("content-type"));
        let length: usize =
            head.header("content-length").expect("a length").parse().expect("digits");
        // What is left of a hold may have a digit less by now.
        assert!(length.abs_diff(get.body.len()) <= 1, "{target}: {length}");
        assert_eq!(shop.receive().status, 204, "{target}");
    }
}

#[test]
fn a_connection_ends_when_either_side_says_so() {
    let house = House::new(&[CROWD]);
    let server = house.serve();
    let close = |request: String| request.replace("Host:", "Connection: close\r\nHost:");
    for last in [close(tee(1)), close(request("GET /nothing", "", ""))] {
        let mut shop = Peer::of(&server);
        shop.send([tee(0), last, tee(2)].concat());
        assert_eq!(shop.receive().header("connection"), None);
        assert_eq!(shop.receive().header("connection"), Some("close"));
        assert!(shop.is_closed(), "what came after the last one is not answered");
    }
    let old = request("GET /v1/sales/crowd", "", "").replace("HTTP/1.1", "HTTP/1.0");
    let mut shop = Peer::of(&server);
    let kept = shop.ask(old.replace("Host:", "Connection: keep-alive\r\nHost:"));
    assert_eq!((kept.status, kept.header("connection")), (200, Some("keep-alive")));
    let last = shop.ask(old.replace("Host: shop.example\r\n", ""));
    assert_eq!((last.status, last.header("connection")), (200, Some("close")));
    assert!(shop.is_closed());
    // Half a request and then no more: there is nothing to answer.
    let mut shop = Peer::of(&server);
    shop.send(tee(3) + &tee(4)[..40]);
    shop.stream.shutdown(Shutdown::Write).expect("a socket");
    assert_eq!(shop.receive().status, 201);
    assert!(shop.is_closed());
    let orders = Peer::of(&server).get("/v1/sales/crowd").json()["items"][0]["held"].clone();
    assert_eq!(orders, 3);
}

#[test]
fn large_answers_to_a_peer_that_does_not_read_are_made_one_at_a_time() {
    const LOOKS: usize = 300;
    let items: Vec<String> = (0..1000)
        .map(|number| format!("{{ sku = \"item-{number}\", stock = 1000000, price = 2500 }}"))
        .collect();
    let large = format!("name = \"large\"\nitems = [\n{}\n]\n", items.join(",\n"));
    let house = House::new(&[&large]);
    let server = house.serve();
    let look = request("GET /v1/sales/large", "", "");
    let mut reader = Peer::of(&server);
    // The rings have been all around before it counts.
    for _ in 0..150 {
        reader.ask(&look);
    }
    let before = server.resident_bytes();
    let mut shop = Peer::of(&server);
    shop.send(look.repeat(LOOKS));
    let whole = reader.ask(&look);
    assert!(whole.body.len() > 100_000, "{}", whole.body.len());
    assert_eq!(whole.json()["items"][999]["sku"], "item-999");
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes for one peer");
    for _ in 0..LOOKS {
        assert_eq!(shop.receive().body.len(), whole.body.len());
    }
}

#[test]
fn many_connections_stay_open_and_each_gets_its_own_answers() {
    let house = House::new(&[CROWD]);
    let server = house.serve();
    let mut shops: Vec<Peer> = (0..64).map(|_| Peer::of(&server)).collect();
    for round in 0..20 {
        for (index, shop) in shops.iter_mut().enumerate() {
            shop.send(tee(round * 64 + index));
        }
        for (index, shop) in shops.iter_mut().enumerate() {
            let answer = shop.receive();
            let key = format!("k{}", round * 64 + index);
            assert_eq!((answer.status, &answer.json()["key"]), (201, &json!(key)));
        }
    }
    drop(shops);
    server.stop().expect_code(0);
    assert_eq!(house.audit()["held"], 1280);
}
