//! Buyers who do what comes to their minds, each over one protocol, one thing at a time.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use doorbuster::client::{Answer, Client, Item, OrderAnswer, State};

use super::history::{Deed, Event, Said};
use super::http_peer::Peer;
use super::resp::{Resp, Value};
use super::server::Server;

/// Names that buyers share, as if one person had three telephones.
const NAMES: u64 = 5;
const PAUSE: Duration = Duration::from_millis(30);
const SKUS: [&str; 2] = ["tee", "mug"];
const STATES: [&str; 4] = ["held", "confirmed", "released", "expired"];

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

enum Line {
    Binary(Box<Client>),
    Resp(Resp),
    Http(Peer),
}

/// A buyer's life. `orders` are those that anybody has heard of.
pub(super) fn live(
    server: &Server,
    buyer: usize,
    deeds: usize,
    seed: u64,
    orders: &Mutex<Vec<u64>>,
) -> Vec<Event> {
    let mut dice = Dice(seed);
    let mut line = match buyer % 3 {
        0 => Line::Binary(Box::new(Client::over(server.connect()).expect("it serves"))),
        1 => Line::Resp(Resp::over(server.connect())),
        _ => Line::Http(Peer::of(server)),
    };
    let mut history = Vec::new();
    for number in 0..deeds {
        if dice.below(10) == 0 {
            // Holds end meanwhile.
            std::thread::sleep(PAUSE);
        }
        let deed = choose(&mut dice, number, orders);
        let asked = Instant::now();
        let said = line.ask(&deed);
        let told = Instant::now();
        if let (Deed::Buy { .. }, Said::Order(_, order)) = (&deed, &said) {
            orders.lock().expect("nobody panicked").push(*order);
        }
        history.push(Event { deed, said, asked, told });
    }
    history
}

fn choose(dice: &mut Dice, number: usize, orders: &Mutex<Vec<u64>>) -> Deed {
    // One of the newest, or one that there may not be yet.
    let order = {
        let known = orders.lock().expect("nobody panicked");
        let back = dice.below(12) as usize;
        let newest = known.last().copied().unwrap_or(2);
        known.len().checked_sub(1 + back).map_or(newest + 1 + dice.below(4), |at| known[at])
    };
    let item = 1 + dice.below(2) as u16;
    match dice.below(20) {
        0..=9 => {
            let name = dice.below(NAMES);
            // Others use the same key about now, sometimes for something else.
            let key = format!("k{name}-{}", number / 2);
            let units = 1 + u32::from(dice.below(6) == 0);
            let item = if dice.below(4) > 0 { 1 + (number / 2 % 2) as u16 } else { item };
            Deed::Buy { item, units, buyer: format!("b{name}"), key }
        }
        10 | 11 => Deed::Confirm(order),
        12..=14 => Deed::Release(order),
        15 | 16 => Deed::Look(order),
        _ => Deed::Stock(item),
    }
}

impl Line {
    fn ask(&mut self, deed: &Deed) -> Said {
        match self {
            Line::Binary(client) => binary(client, deed),
            Line::Resp(resp) => {
                let line = words(deed);
                text(&resp.ask(&line.split(' ').collect::<Vec<_>>()))
            }
            Line::Http(peer) => http(peer, deed),
        }
    }
}

fn binary(client: &mut Client, deed: &Deed) -> Said {
    let order = |order: &OrderAnswer| {
        let word = match order.state {
            State::Held => "held",
            State::Confirmed => "confirmed",
            State::Released => "released",
            State::Expired => "expired",
            other => panic!("nobody makes it {other:?}"),
        };
        Said::Order(word.to_owned(), order.order)
    };
    let answer = match deed {
        Deed::Buy { item, units, buyer, key } => {
            client.buy(Item { sale: 1, item: *item }, buyer, key, *units)
        }
        Deed::Confirm(order) => client.confirm(1, *order),
        Deed::Release(order) => client.release(1, *order),
        Deed::Look(order) => client.order(1, *order),
        Deed::Stock(item) => client.stock(Item { sale: 1, item: *item }),
    };
    match answer.expect("an answer") {
        Answer::Order(told) => order(&told),
        Answer::Shown(shown) => order(&shown.order),
        Answer::Stock(stock) => Said::Stock([stock.stock, stock.free, stock.held, stock.confirmed]),
        Answer::Refused(why) => Said::Refused(why.word().to_owned()),
        other => panic!("not asked for: {other:?}"),
    }
}

fn words(deed: &Deed) -> String {
    let sku = |item: &u16| SKUS[usize::from(*item) - 1];
    match deed {
        Deed::Buy { item, units, buyer, key } => {
            format!("BUY drop {} {buyer} {key} UNITS {units}", sku(item))
        }
        Deed::Confirm(order) => format!("CONFIRM drop {order}"),
        Deed::Release(order) => format!("RELEASE drop {order}"),
        Deed::Look(order) => format!("ORDER drop {order}"),
        Deed::Stock(item) => format!("STOCK drop {}", sku(item)),
    }
}

fn text(value: &Value) -> Said {
    match value {
        Value::List(values) if matches!(values[0], Value::Number(_)) => {
            Said::Stock([0, 1, 2, 3].map(|at| value.number(at)))
        }
        Value::List(_) if value.word() == "order" => {
            Said::Order(value.field("state").word().to_owned(), value.number(1))
        }
        Value::List(_) if STATES.contains(&value.word()) => {
            Said::Order(value.word().to_owned(), value.number(1))
        }
        _ => Said::Refused(value.word().to_owned()),
    }
}

fn http(peer: &mut Peer, deed: &Deed) -> Said {
    let of = |order: &u64| format!("/v1/sales/drop/orders/{order}");
    let answer = match deed {
        Deed::Buy { item, units, buyer, key } => {
            let sku = SKUS[usize::from(*item) - 1];
            let body = format!(r#"{{"item":"{sku}","units":{units},"buyer":"{buyer}"}}"#);
            peer.order("drop", key, &body)
        }
        Deed::Confirm(order) => peer.post(&format!("{}/confirm", of(order)), ""),
        Deed::Release(order) => peer.post(&format!("{}/release", of(order)), ""),
        Deed::Look(order) => peer.get(&of(order)),
        Deed::Stock(item) => {
            let shown = peer.get("/v1/sales/drop").json();
            let item = &shown["items"][usize::from(*item) - 1];
            let units = |name: &str| item[name].as_u64().expect("a number");
            return Said::Stock(["stock", "free", "held", "confirmed"].map(units));
        }
    };
    if answer.status >= 400 {
        return Said::Refused(answer.problem());
    }
    let told = answer.json();
    let word = |name: &str| told[name].as_str().expect("a text").to_owned();
    Said::Order(word("state"), word("order").parse().expect("an id"))
}
