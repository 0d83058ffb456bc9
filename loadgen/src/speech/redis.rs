//! Redis as flash sales use it: one Lua script decides a purchase, atomically, in one round trip.
//!
//! The script (`lua/buy.lua`) does what the operation asks and no more: a key that was seen gets
//! its order again, the buyer's limit and the stock are looked at, and an order is written to a
//! stream, under an id that counts up in the order of decisions. Scripts are loaded before the run
//! and called by their digest; a purchase names all keys it touches. How durable an answer is, is
//! the server's business (`appendfsync`); with `always` it comes after the sync.

use doorbuster::sale::Name;

use super::resp::{all_answers, bulk, number};
use super::{Command, Parsed, Protocol};
use crate::load::content::{Buyer, Purchase};

pub(crate) const BUY: &str = include_str!("lua/buy.lua");
pub(crate) const CONFIRM: &str = include_str!("lua/confirm.lua");
pub(crate) const RELEASE: &str = include_str!("lua/release.lua");

/// Digests of the loaded scripts.
#[derive(Clone, Debug)]
pub(crate) struct Scripts {
    pub(crate) buy: String,
    pub(crate) confirm: String,
    pub(crate) release: String,
}

/// The names of a sale's keys. All begin alike, and with nothing that others would use.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    /// In front of an item's name.
    pub(crate) prefix: String,
    /// Key -> order.
    pub(crate) keys: String,
    /// Stream of orders.
    pub(crate) orders: String,
    /// Order -> `confirmed` or `released`.
    pub(crate) states: String,
    /// The last order's id.
    pub(crate) last: String,
}

impl Keys {
    pub(crate) fn new(sale: &str) -> Keys {
        debug_assert!(Name::parse(sale.as_bytes()).is_ok(), "names are checked before the run");
        let of_sale = |what: &str| format!("loadgen:{sale}:{what}");
        Keys {
            prefix: of_sale("item:"),
            keys: of_sale("keys"),
            orders: of_sale("orders"),
            states: of_sale("states"),
            last: of_sale("last"),
        }
    }

    /// The item's free units, and its units by buyer.
    pub(crate) fn item(&self, item: &str) -> [String; 2] {
        ["free", "bought"].map(|what| format!("{}{item}:{what}", self.prefix))
    }
}

/// Requests ready to be filled in.
pub(crate) struct Redis {
    /// A purchase of each item up to the buyer.
    buy: Vec<Vec<u8>>,
    confirm: Vec<u8>,
    release: Vec<u8>,
    /// What comes behind the order of a release.
    release_end: Vec<u8>,
    run: u128,
}

impl Redis {
    pub(crate) fn new(
        sale: &str,
        items: &[String],
        limit: u32,
        scripts: &Scripts,
        run: u128,
    ) -> Redis {
        let keys = Keys::new(sale);
        let buy = items.iter().map(|item| {
            let [free, bought] = keys.item(item);
            let limit = limit.to_string();
            let [seen, orders, last] = [&keys.keys, &keys.orders, &keys.last];
            let words = [&scripts.buy, "5", &free, &bought, seen, orders, last, item, &limit];
            call(&words, 3)
        });
        let about = |script: &str, more: usize| {
            call(&[script, "2", &keys.orders, &keys.states], 1 + more).into_bytes()
        };
        Redis {
            buy: buy.map(String::into_bytes).collect(),
            confirm: about(&scripts.confirm, 0),
            release: about(&scripts.release, 1),
            release_end: bulk(&keys.prefix).into_bytes(),
            run,
        }
    }
}

/// A call of a script with `more` words to come.
fn call(words: &[&str], more: usize) -> String {
    let head = format!("*{}\r\n{}", 1 + words.len() + more, bulk("EVALSHA"));
    words.iter().fold(head, |call, word| call + &bulk(word))
}

impl Protocol for Redis {
    const TAGGED: bool = false;
    const SAYS_REPLAYED: bool = true;

    fn buy(&mut self, purchase: &Purchase<'_>, _: u32, out: &mut Vec<u8>) {
        let key = self.run + u128::from(purchase.number);
        out.extend_from_slice(&self.buy[purchase.item]);
        match purchase.buyer {
            Buyer::New => number(key, out),
            Buyer::Number(buyer) => number(buyer.into(), out),
            Buyer::Named(buyer) => out.extend_from_slice(bulk(buyer).as_bytes()),
        }
        number(key, out);
        number(purchase.units.into(), out);
    }

    fn command(&mut self, command: Command, order: u64, _: u32, out: &mut Vec<u8>) {
        match command {
            Command::Confirm => {
                out.extend_from_slice(&self.confirm);
                number(order.into(), out);
            }
            Command::Release => {
                out.extend_from_slice(&self.release);
                number(order.into(), out);
                out.extend_from_slice(&self.release_end);
            }
        }
    }

    fn parse(&mut self, bytes: &[u8], answers: &mut Vec<Parsed>) -> Result<usize, String> {
        all_answers(bytes, answers)
    }
}

#[cfg(test)]
mod tests {
    use doorbuster::message::outcome;

    use super::*;

    fn redis() -> Redis {
        let scripts = Scripts { buy: "b5".into(), confirm: "c0".into(), release: "4e".into() };
        Redis::new("drop", &["tee".to_owned()], 4, &scripts, 7_000)
    }

    #[test]
    fn a_call_has_as_many_words_as_it_says() {
        let purchase = Purchase { number: 8, units: 2, ..Purchase::one(Buyer::Number(30)) };
        let (mut redis, mut out) = (redis(), Vec::new());
        redis.buy(&purchase, 0, &mut out);
        redis.command(Command::Confirm, 9, 0, &mut out);
        redis.command(Command::Release, 9, 0, &mut out);
        let wanted: String = [
            "*13 EVALSHA b5 5 loadgen:drop:item:tee:free loadgen:drop:item:tee:bought \
             loadgen:drop:keys loadgen:drop:orders loadgen:drop:last tee 4 30 7008 2",
            "*6 EVALSHA c0 2 loadgen:drop:orders loadgen:drop:states 9",
            "*7 EVALSHA 4e 2 loadgen:drop:orders loadgen:drop:states 9 loadgen:drop:item:",
        ]
        .iter()
        .flat_map(|call| call.split(' '))
        .map(|word| if word.starts_with('*') { format!("{word}\r\n") } else { bulk(word) })
        .collect();
        assert_eq!(String::from_utf8_lossy(&out), wanted);
    }

    #[test]
    fn the_scripts_answers_are_read() {
        let bytes = b"*2\r\n$4\r\nheld\r\n:42\r\n*2\r\n$8\r\nreplayed\r\n:42\r\n\
                      *1\r\n$8\r\nsold_out\r\n*1\r\n$13\r\nlimit_reached\r\n\
                      *2\r\n$8\r\nreleased\r\n:42\r\n*1\r\n$17\r\nalready_confirmed\r\n";
        let mut answers = Vec::new();
        assert_eq!(redis().parse(bytes, &mut answers), Ok(bytes.len()));
        let seen: Vec<_> = answers.iter().map(|a| (a.outcome, a.replayed, a.order)).collect();
        let wanted = [
            (outcome::HELD, false, 42),
            (outcome::HELD, true, 42),
            (outcome::SOLD_OUT, false, 0),
            (outcome::LIMIT_REACHED, false, 0),
            (outcome::RELEASED, false, 42),
            (outcome::ALREADY_CONFIRMED, false, 0),
        ];
        assert_eq!(seen, wanted);
    }
}
