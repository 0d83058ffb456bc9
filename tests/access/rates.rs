//! Rate limits over sockets. One purchase a second and bursts of a few: what is sent at once is far
//! more than the seconds that it takes could earn.

use doorbuster::access::Role;
use doorbuster::client::{Answer, Refusal};

use super::house::{House, buy};
use super::resp::{Resp, Value, encode};

const REQUESTS: u64 = 400;

/// Sends purchases at once, each of its own key, and a read behind them. Returns how many were
/// given; every other one must have been told when to come again.
fn rush(peer: &mut Resp, who: &str) -> u64 {
    let mut bytes = Vec::new();
    for number in 0..REQUESTS {
        encode(&["BUY", "drop", "tee", who, &format!("{who}-{number}")], &mut bytes);
    }
    encode(&["STOCK", "drop", "tee"], &mut bytes);
    peer.raw(&bytes).expect("sent");
    let mut held = 0;
    for _ in 0..REQUESTS {
        match peer.receive().expect("an answer") {
            Value::Error(text) => {
                let ms = text.strip_prefix("BUSY retry after ").and_then(|t| t.strip_suffix(" ms"));
                let ms: u64 = ms.and_then(|ms| ms.parse().ok()).expect("when to come again");
                assert!((1..=1500).contains(&ms), "{text}");
            }
            value => {
                assert_eq!(value.word(), "held");
                held += 1;
            }
        }
    }
    assert_eq!(peer.receive().expect("an answer").number(0), 100_000, "a read is not limited");
    held
}

#[test]
fn a_token_has_one_rate_over_all_connections_and_protocols() {
    let house = House::open(|layer| {
        (layer.rate_per_token, layer.burst_per_token) = (Some(1), Some(5));
    });
    let [shop, other] = ["shop", "other"].map(|name| house.token(name, &[Role::Buy]));
    let held = rush(&mut house.resp_with(&shop), "u1");
    assert!((5..REQUESTS / 2).contains(&held), "{held}");
    // Another connection, on the other shard, and the other protocol: the burst is used up.
    let again = rush(&mut house.resp_with(&shop), "u2");
    assert!(again < REQUESTS / 2, "{again}");
    // Each refusal is counted once, however long it had to wait for the answers before it.
    let limited = house.pipeline().metrics().over_shards(|shard| &shard.rate_limited);
    assert_eq!(limited, 2 * REQUESTS - held - again);
    let figures = house.pipeline().metrics().render();
    assert!(figures.contains(&format!("\ndoorbuster_rate_limited_total {limited}\n")), "{figures}");
    let mut client = house.binary(&shop);
    let keys: Vec<String> = (0..REQUESTS).map(|number| format!("b-{number}")).collect();
    let answers = keys.iter().map(|key| client.call(&buy("u3", key)).expect("an answer"));
    let waits: Vec<u64> = answers
        .filter_map(|answer| match answer {
            Answer::Refused(Refusal::Overloaded { retry_after_ms }) => Some(retry_after_ms),
            _ => None,
        })
        .collect();
    assert!(waits.len() as u64 > REQUESTS / 2 && waits.iter().all(|ms| *ms >= 1));
    let held = rush(&mut house.resp_with(&other), "u4");
    assert!(held >= 5, "another name has its own rate: {held}");
}

#[test]
fn an_address_has_one_rate_over_all_its_connections() {
    let house = House::open(|layer| {
        layer.tokens_file = None;
        (layer.rate_per_address, layer.burst_per_address) = (Some(1), Some(7));
    });
    let held = rush(&mut house.resp(), "u1");
    assert!((7..REQUESTS / 2).contains(&held), "{held}");
    for who in ["u2", "u3", "u4"] {
        let again = rush(&mut house.resp(), who);
        assert!(again < REQUESTS / 2, "{again}");
    }
}
