//! kill -9 at random moments under load, a hundred times on the same folder: whatever was
//! acknowledged is there after each restart, in the state that was told or a later one, nothing is
//! there twice, and the audit passes.
//!
//! `DOORBUSTER_CRASH_ROUNDS` asks for a longer run, `DOORBUSTER_CRASH_SEED` for the same one again
//! (as far as threads allow).

use super::support::{peer, server};

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use doorbuster::client::State;
use peer::{Broken, Peer, Told};
use server::{House, PATIENCE, Server, Start};

/// Holds that outlive the test, and holds that end while the server is down.
const SALES: [&str; 2] = [
    "name = \"lasting\"\nhold_ms = 86400000\n\
     items = [{ sku = \"tee\", stock = 1000000000, price = 2500 }]\n",
    "name = \"brief\"\nhold_ms = 150\nitems = [{ sku = \"tee\", stock = 60, price = 900 }]\n",
];
const LASTING: (u16, &str) = (1, "lasting");
const BRIEF: (u16, &str) = (2, "brief");

const CONNECTIONS: usize = 6;
/// Purchases of one connection in one round.
const PURCHASES_MAX: usize = 500;
/// Orders of earlier rounds that are asked for again and again.
const REMEMBERED_MAX: usize = 4000;
const ASKED_AGAIN: usize = 150;
const AUDIT_EVERY: usize = 10;

/// A purchase as its buyer knows it.
#[derive(Clone, Debug)]
struct Purchase {
    sale: (u16, &'static str),
    key: String,
    units: u32,
    /// Its order and the newest state that was told; `None` if no answer came.
    told: Option<(u64, State)>,
    /// A change that was asked for and perhaps never answered.
    asked: Option<State>,
}

impl Purchase {
    /// Whether it may be found in this state.
    fn may_be(&self, state: State) -> bool {
        let told = self.told.map_or(State::Held, |(_, state)| state);
        state == told
            || told == State::Held
                && (self.asked == Some(state) || state == State::Expired && self.sale == BRIEF)
    }
}

/// xorshift64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|why| panic!("{name}={text}: {why}")))
}

/// One connection's load until it breaks.
struct Load<'a> {
    peer: Peer,
    dice: Dice,
    name: String,
    purchases: Vec<Purchase>,
    /// Requests on their way: whose, and whether it is a purchase.
    waiting: VecDeque<(usize, bool)>,
    acknowledged: &'a AtomicUsize,
}

impl Load<'_> {
    fn run(mut self) -> Vec<Purchase> {
        let window = 1 + self.dice.below(24) as usize;
        while self.step(window).is_ok() {}
        self.purchases
    }

    fn step(&mut self, window: usize) -> Result<(), Broken> {
        while self.waiting.len() < window && self.purchases.len() < PURCHASES_MAX {
            self.buy();
        }
        self.peer.flush();
        let told = self.peer.receive()?;
        let Some((index, is_purchase)) = self.waiting.pop_front() else {
            panic!("an answer that nobody asked for: {told:?}");
        };
        let purchase = &mut self.purchases[index];
        match told {
            Told::Order { state, order } if is_purchase => {
                assert_eq!((purchase.told, state), (None, State::Held), "{purchase:?}");
                purchase.told = Some((order, State::Held));
                self.think(index, order);
            }
            Told::Order { state, order } => {
                let held = Some((order, State::Held));
                assert_eq!((purchase.told, purchase.asked), (held, Some(state)), "{purchase:?}");
                purchase.told = Some((order, state));
            }
            Told::Refused(word) if word == "sold_out" && is_purchase => {
                assert_eq!(purchase.sale, BRIEF);
            }
            Told::Refused(word) if word == "hold_expired" && !is_purchase => {
                assert_eq!(purchase.sale, BRIEF);
                let (order, _) = purchase.told.expect("it was held");
                purchase.told = Some((order, State::Expired));
            }
            Told::Refused(word) => panic!("{word}: {purchase:?}"),
        }
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn buy(&mut self) {
        let sale = if self.dice.one_in(8) { BRIEF } else { LASTING };
        let long = if self.dice.one_in(8) { "a-key-that-needs-a-cell-more-" } else { "" };
        let key = format!("{long}{}-{}", self.name, self.purchases.len());
        let units = 1 + self.dice.below(3) as u32;
        self.peer.buy(sale, &key, units);
        self.waiting.push_back((self.purchases.len(), true));
        self.purchases.push(Purchase { sale, key, units, told: None, asked: None });
    }

    /// What a buyer does with a hold.
    fn think(&mut self, index: usize, order: u64) {
        let to = match self.dice.below(5) {
            0 | 1 => State::Confirmed,
            2 => State::Released,
            _ => return,
        };
        self.purchases[index].asked = Some(to);
        self.peer.change(self.purchases[index].sale, order, to);
        self.waiting.push_back((index, false));
    }
}

/// Asks for each purchase by its key, and for its order by its id. What was never answered becomes
/// an order now, or turns out to be one. Returns those that are orders, as they stand.
fn check(server: &Server, is_binary: bool, purchases: Vec<Purchase>) -> Vec<Purchase> {
    let mut peer = Peer::connect(server, is_binary).expect("a server that serves");
    let mut found = Vec::with_capacity(purchases.len());
    for some in purchases.chunks(200) {
        some.iter().for_each(|it| peer.buy(it.sale, &it.key, it.units));
        peer.flush();
        for purchase in some {
            match peer.receive().expect("an answer") {
                Told::Order { state, order } => {
                    let known = purchase.told.map(|(order, _)| order);
                    assert!(known.is_none_or(|id| id == order), "{purchase:?} is now {order}");
                    assert!(purchase.may_be(state), "{purchase:?} is now {state:?}");
                    let told = Some((order, state));
                    found.push(Purchase { told, ..purchase.clone() });
                }
                Told::Refused(word) => {
                    // One that was never told of, and now there is nothing left.
                    assert_eq!((word.as_str(), purchase.told), ("sold_out", None), "{purchase:?}");
                    assert_eq!(purchase.sale, BRIEF);
                }
            }
        }
    }
    for some in found.chunks(200) {
        let id = |purchase: &Purchase| purchase.told.expect("found above").0;
        some.iter().for_each(|it| peer.order(it.sale, id(it)));
        peer.flush();
        for purchase in some {
            let told = peer.receive().expect("an answer");
            let Told::Order { state, order } = told else { panic!("{purchase:?} {told:?}") };
            assert_eq!(order, id(purchase));
            assert!(purchase.may_be(state), "{purchase:?} is now {state:?}");
        }
    }
    let mut keys = HashMap::new();
    for purchase in &found {
        let (order, _) = purchase.told.expect("found above");
        let other = keys.insert(order, &purchase.key);
        assert!(other.is_none(), "order {order} is {} and {other:?}", purchase.key);
    }
    found
}

/// Loads the server and kills it in the middle.
fn load_and_kill(server: Server, round: usize, dice: &mut Dice) -> Vec<Purchase> {
    let acknowledged = AtomicUsize::new(0);
    let enough = dice.below(1500) as usize;
    let pause = Duration::from_micros(dice.below(3000));
    let is_drained_first = dice.one_in(8);
    std::thread::scope(|scope| {
        let (server_ref, acknowledged) = (&server, &acknowledged);
        let loads: Vec<_> = (0..CONNECTIONS)
            .map(|index| {
                let dice = Dice(dice.below(u64::MAX - 1) + 1);
                let name = format!("{round}-{index}");
                scope.spawn(move || {
                    let peer = Peer::connect(server_ref, index % 2 == 0);
                    // It may be dead before the greeting.
                    let Ok(peer) = peer else { return Vec::new() };
                    let (purchases, waiting) = (Vec::new(), VecDeque::new());
                    Load { peer, dice, name, purchases, waiting, acknowledged }.run()
                })
            })
            .collect();
        let deadline = Instant::now() + PATIENCE;
        while acknowledged.load(Ordering::Relaxed) < enough {
            assert!(Instant::now() < deadline, "no load");
            std::thread::sleep(Duration::from_micros(200));
        }
        if is_drained_first {
            server_ref.terminate();
        }
        std::thread::sleep(pause);
        server_ref.strike();
        loads.into_iter().flat_map(|load| load.join().expect("it says why")).collect()
    })
}

#[test]
fn what_was_acknowledged_survives_a_hundred_kills_under_load() {
    let rounds = number("DOORBUSTER_CRASH_ROUNDS").unwrap_or(100) as usize;
    let seed = number("DOORBUSTER_CRASH_SEED")
        .unwrap_or_else(|| RandomState::new().hash_one("doorbuster"))
        .max(1);
    println!("DOORBUSTER_CRASH_SEED={seed} DOORBUSTER_CRASH_ROUNDS={rounds}");
    let mut dice = Dice(seed);
    let house = House::new(&SALES);
    let orders_max = (rounds * CONNECTIONS * PURCHASES_MAX).to_string();
    let start = |dice: &mut Dice| -> Start {
        let threads: &[&str] = match dice.below(3) {
            0 => &["--threads", "shared"],
            1 => &["--threads", "apart"],
            _ => &["--threads", "apart", "--shards", "2"],
        };
        house.server().with(threads).with(&["--orders-max", &orders_max])
    };
    let mut remembered: Vec<Purchase> = Vec::new();
    let (mut fresh, mut tested) = (Vec::new(), 0);
    for round in 0..rounds {
        if dice.one_in(8) {
            // Killed while it remembers.
            let starting = start(&mut dice).spawn();
            std::thread::sleep(Duration::from_micros(dice.below(60_000)));
            starting.kill();
        }
        let server = start(&mut dice).run();
        for _ in 0..ASKED_AGAIN.min(remembered.len()) {
            let index = dice.below(remembered.len() as u64) as usize;
            fresh.push(remembered.swap_remove(index));
        }
        let found = check(&server, round % 2 == 0, std::mem::take(&mut fresh));
        tested += found.len();
        remembered.extend(found);
        while remembered.len() > REMEMBERED_MAX {
            let index = dice.below(remembered.len() as u64) as usize;
            remembered.swap_remove(index);
        }
        fresh = load_and_kill(server, round, &mut dice);
        if (round + 1) % AUDIT_EVERY == 0 {
            house.audit();
        }
    }
    let server = start(&mut dice).run();
    remembered.append(&mut fresh);
    let found = check(&server, true, remembered);
    tested += found.len();
    server.stop().expect_code(0);
    let verdict = house.audit();
    println!("{rounds} kills, {tested} orders asked for again, {} in all", verdict["orders"]);
    assert!(tested > rounds, "there was hardly any load: {tested}");
}
