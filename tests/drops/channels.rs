//! Channels: units that were set aside are for those who name the channel, until they return.

use doorbuster::client::{Answer, Client, Purchase, Refusal};
use serde_json::json;

use super::peer::Peer;
use super::resp::Resp;
use super::server::House;
use super::{sale, shown, wait_until};

const DROP: &str = "name = \"drop\"\nhold_ms = 3600000\n\
    items = [{ sku = \"tee\", stock = 4, price = 2500 },\n\
    { sku = \"cap\", stock = 9, price = 1 }]\n";

fn channels(server: &super::server::Server) -> serde_json::Value {
    shown(server, "drop")["items"][0]["channels"].clone()
}

#[test]
fn units_of_a_channel_are_for_those_who_name_it() {
    let house = House::new(&[DROP]);
    let mut server = house.serve();
    let mut peer = Peer::of(&server);
    let tee = r#"{"item":"tee","buyer":"u"}"#;
    let by = |channel: &str| tee.replace('}', &format!(r#","channel":"{channel}"}}"#));
    let unknown = peer.order("drop", "k", &by("tv"));
    assert_eq!((unknown.status, unknown.problem().as_str()), (404, "unknown_channel"));
    let told = sale(&server, &["channel", "drop", "tee", "tv", "+3"]);
    assert!(told.expect_code(0).stdout.contains("at seq"), "{told:?}");
    sale(&server, &["channel", "drop", "tee", "radio", "+1"]).expect_code(0);
    let much = sale(&server, &["channel", "drop", "tee", "tv", "+2"]);
    assert!(much.expect_code(1).stderr.contains("sold_out: "), "{much:?}");
    for round in 0..2 {
        let mut peer = Peer::of(&server);
        // All of it is set aside, and the board must not speak for those who name a channel.
        for _ in 0..3 {
            assert_eq!(peer.order("drop", "no", tee).problem(), "sold_out");
        }
        assert_eq!(peer.order("drop", &format!("k{round}"), &by("tv")).status, 201);
        let none = peer.order("drop", "no", &by("web"));
        assert_eq!((none.status, none.problem().as_str()), (404, "unknown_channel"));
        if round == 0 {
            let free = json!([
                { "channel": "tv", "set_aside": 3, "free": 2, "until": null, "swept": false },
                { "channel": "radio", "set_aside": 1, "free": 1, "until": null, "swept": false },
            ]);
            assert_eq!(channels(&server), free);
            // After a restart the names are known again.
            server.stop().expect_code(0);
            server = house.serve();
        }
    }
    let mut resp = Resp::over(server.connect());
    let radio = ["BUY", "drop", "tee", "v", "r1", "CHANNEL", "radio"];
    assert_eq!(resp.ask(&radio).word(), "held");
    let again = ["BUY", "drop", "tee", "v", "r2", "CHANNEL", "radio"];
    assert_eq!(resp.ask(&again).word(), "sold_out");
    let web = ["BASKET", "drop", "v", "r3", "tee", "1", "cap", "1", "CHANNEL", "web"];
    assert_eq!(resp.ask(&web).word(), "unknown_channel");
    let mut client = Client::over(server.connect()).expect("a greeting");
    let item = client.resolve("drop", "tee").expect("it is sold");
    assert!(client.channel("drop", "web").is_err() && client.channel("nope", "tv").is_err());
    let lines = [(item.item, 1)];
    let mut purchase = Purchase::of(item.sale, &lines, "w", "b1");
    purchase.channel = client.channel("drop", "tv").expect("it is known");
    assert!(matches!(client.purchase(&purchase), Ok(Answer::Order(_))));
    purchase.key = "b2";
    assert_eq!(client.purchase(&purchase).ok(), Some(Answer::Refused(Refusal::SoldOut)));
    let table = sale(&server, &["show", "drop"]);
    assert!(table.expect_code(0).stdout.contains("radio"), "{}", table.stdout);
    server.stop().expect_code(0);
    assert_eq!(house.audit()["verdict"], json!("pass"));
}

#[test]
fn what_is_left_of_a_channel_returns_when_its_time_is_over() {
    let house = House::new(&[DROP]);
    let server = house.serve();
    sale(&server, &["channel", "drop", "tee", "tv", "+4", "--in", "1s"]).expect_code(0);
    assert_eq!(Peer::of(&server).order("drop", "k", r#"{"item":"tee","buyer":"u"}"#).status, 409);
    wait_until(&server, "drop", |sale| sale["items"][0]["channels"][0]["swept"] == true);
    let mut peer = Peer::of(&server);
    assert_eq!(peer.order("drop", "k", r#"{"item":"tee","units":4,"buyer":"u"}"#).status, 201);
    let past = r#"{"set_aside":1,"until":"2001-01-01T00:00:00Z"}"#;
    let answer = Peer::of_operator(&server).post("/v1/sales/drop/items/cap/channels/tv", past);
    assert_eq!((answer.status, answer.problem().as_str()), (409, "bad_time"));
    server.stop().expect_code(0);
    assert_eq!(house.audit()["verdict"], json!("pass"));
}
