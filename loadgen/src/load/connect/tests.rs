//! Looks at a shop, before a run and during it.

use std::net::TcpListener;

use clap::Parser;

use self::support::{Habits, start};
use super::*;
use crate::report::document::Stock;

#[path = "../../../tests/support/mod.rs"]
mod support;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    target: Target,
}

fn connector(address: SocketAddr, protocol: &str) -> Connector {
    let words = format!("x --target {address} --protocol {protocol} --sale drop --item tee");
    let line = Line::try_parse_from(words.split(' ')).expect("a good line");
    Connector::new(&line.target).expect("no files to read")
}

const SEEN: Stock = Stock { stock: 9, free: 9, held: 0, confirmed: 0, waiting: 0 };

#[test]
fn a_shop_tells_its_stock_and_over_http_its_terms() {
    let address = start(Habits { stock: Some(9), ..Habits::default() });
    for protocol in ["binary", "resp", "http"] {
        let connector = connector(address, protocol);
        let shop = connector.look_up().expect("it is there");
        let (limit, price, hold_ms) = match protocol {
            "http" => (Some(2), Some(2500), Some(60_000)),
            _ => (None, None, None),
        };
        let item = ItemSight { limit, price, ..ItemSight::of([9, 9, 0, 0, 0]) };
        assert_eq!((shop.items[0], shop.items.len()), (item, 1), "{protocol}");
        assert_eq!((shop.hold_ms, shop.limit), (hold_ms, None), "{protocol}");
        assert_eq!(shop.tells_terms, protocol == "http");
        assert_eq!(shop.numbers.len(), usize::from(protocol == "binary"));
        let mut sampler = connector.sampler(&shop);
        let seen = (0..20).filter(|_| sampler.sample() == Some(SEEN)).count();
        // A busy machine may miss some.
        assert!(seen > 1, "{protocol}: {seen}");
    }
}

#[test]
fn a_look_that_fails_is_none_and_the_next_one_connects_again() {
    for protocol in ["resp", "http"] {
        let address = start(Habits { die: Some((1, 1)), stock: Some(9), ..Habits::default() });
        let mut sampler = Sampler::new(connector(address, protocol), None);
        assert_eq!(sampler.sample(), None, "{protocol}");
        // A busy machine may miss one more.
        assert!((0..20).any(|_| sampler.sample() == Some(SEEN)), "{protocol}");
    }
}

#[test]
fn a_look_at_who_says_nothing_ends() {
    let mute = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = mute.local_addr().expect("a bound listener has an address");
    for protocol in ["binary", "resp", "http"] {
        assert_eq!(Sampler::new(connector(address, protocol), None).sample(), None);
    }
}
