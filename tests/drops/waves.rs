//! Waves: units that were planned come at their time, unless they are called off.

use serde_json::json;

use super::peer::{Peer, request};
use super::server::House;
use super::{sale, shown, wait_until};

const DROP: &str = "name = \"drop\"\nhold_ms = 3600000\ncloses_at = 2126-01-01T00:00:00Z\n\
    items = [{ sku = \"tee\", stock = 1, price = 2500 }]\n";

#[test]
fn waves_come_when_they_were_planned_for_and_can_be_called_off() {
    let house = House::new(&[DROP]);
    let mut server = house.serve();
    let mut operator = Peer::of_operator(&server);
    let stock = "/v1/sales/drop/items/tee/stock";
    let planned = operator.post(stock, r#"{"add":500,"at":"2125-01-01T00:00:00Z"}"#).json();
    let wave = planned["seq"].as_u64().expect("a seq");
    let later = json!([
        { "wave": wave, "item": "tee", "units": 500, "at": "2125-01-01T00:00:00.000Z" }
    ]);
    assert_eq!(planned["waves"], later);
    for at in ["2001-01-01T00:00:00Z", "2127-01-01T00:00:00Z"] {
        let answer = operator.post(stock, &format!(r#"{{"add":1,"at":"{at}"}}"#));
        assert_eq!((answer.status, answer.problem().as_str()), (409, "bad_time"), "{at}");
    }
    // A server that does not run at the time makes up for it.
    let early = sale(&server, &["stock", "drop", "tee", "+3", "--in", "1s"]);
    early.expect_code(0);
    server.stop().expect_code(0);
    server = house.serve();
    let come = wait_until(&server, "drop", |sale| sale["items"][0]["stock"] == 4);
    assert_eq!(come["waves"], later);
    let shown_wave = sale(&server, &["show", "drop"]);
    assert!(shown_wave.expect_code(0).stdout.contains("500  2125-01-01 00:00:00 UTC"));
    let number = wave.to_string();
    sale(&server, &["call-off", "drop", &number]).expect_code(0);
    assert_eq!(shown(&server, "drop")["waves"], json!([]));
    let gone = sale(&server, &["call-off", "drop", &number]);
    assert!(gone.expect_code(1).stderr.contains("unknown_wave: "), "{gone:?}");
    let path = format!("DELETE /v1/sales/drop/waves/{number}");
    let answer = Peer::of_operator(&server).ask(request(&path, "", ""));
    assert_eq!((answer.status, answer.problem().as_str()), (404, "unknown_wave"));
    server.stop().expect_code(0);
    assert_eq!(house.audit()["verdict"], json!("pass"));
}

#[test]
fn who_waits_is_given_the_wave_first() {
    let queue = format!("waitlist = 9\n{DROP}");
    let house = House::new(&[&queue]);
    let server = house.serve();
    let mut peer = Peer::of(&server);
    assert_eq!(peer.order("drop", "k1", r#"{"item":"tee","buyer":"u"}"#).status, 201);
    assert_eq!(peer.order("drop", "k2", r#"{"item":"tee","buyer":"v","wait":true}"#).status, 202);
    sale(&server, &["stock", "drop", "tee", "+1", "--in", "1s"]).expect_code(0);
    wait_until(&server, "drop", |sale| sale["items"][0]["held"] == 2);
    let second = peer.get("/v1/sales/drop/orders?key=k2").json();
    assert_eq!((&second["state"], &second["position"]), (&json!("held"), &json!(null)));
    server.stop().expect_code(0);
    assert_eq!(house.audit()["verdict"], json!("pass"));
}
