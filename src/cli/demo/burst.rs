//! The burst: how many orders a second become durable when clients do nothing but buy. Every order
//! is a new one of a new buyer under a new key, none may be refused, and each is counted when its
//! answer has come, which is after its disk sync.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use doorbuster::client::{Answer, Client, Error, Item, Request, State};

/// The sale's name.
pub(super) const SALE: &str = "everyday";
/// Its file: purchases at once, and no end of stock.
pub(super) const SALE_FILE: &str = "name = \"everyday\"\nhold_ms = 0\n\
    [[items]]\nsku = \"voucher\"\nstock = 1000000000\nprice = 1000\n";
/// Connections.
pub(super) const CONNECTIONS: u32 = 8;
/// Requests on their way over each.
pub(super) const IN_FLIGHT: u32 = 1_024;

const LENGTH: Duration = Duration::from_secs(2);
/// Keeps disk, memory and audit in bounds on a fast machine.
pub(super) const ORDERS_MAX: u64 = 1_900_000;

/// What came of it.
pub(super) struct Burst {
    pub(super) item: Item,
    /// Orders acknowledged.
    pub(super) orders: u64,
    /// From the first request to the last answer.
    pub(super) took: Duration,
}

impl Burst {
    /// Orders a second.
    pub(super) fn rate(&self) -> u64 {
        (self.orders as f64 / self.took.as_secs_f64()) as u64
    }
}

/// Buys for two seconds, or until there are [`ORDERS_MAX`] orders.
///
/// # Errors
/// A sentence if an answer is not the one that was due.
pub(super) fn run(address: SocketAddr, patience: Duration) -> Result<Burst, String> {
    let connect = || -> Result<(Client, Item), Error> {
        let mut client = Client::connect(address)?;
        client.set_timeout(Some(patience))?;
        let item = client.resolve(SALE, "voucher")?;
        Ok((client, item))
    };
    let clients: Result<Vec<_>, _> = (0..CONNECTIONS).map(|_| connect()).collect();
    let clients = clients.map_err(|why| format!("burst: {why}"))?;
    let item = clients[0].1;
    let start = Instant::now();
    let shooters: Vec<_> = (0..)
        .zip(clients)
        .map(|(number, (client, item))| thread::spawn(move || shoot(client, item, number, start)))
        .collect();
    let mut orders = 0;
    for shooter in shooters {
        let done = shooter.join().map_err(|_| "burst: a thread panicked".to_owned())?;
        orders += done.map_err(|why| format!("burst: {why}"))?;
    }
    Ok(Burst { item, orders, took: start.elapsed() })
}

fn shoot(mut client: Client, item: Item, number: u64, start: Instant) -> Result<u64, String> {
    let first = number * ORDERS_MAX;
    let (mut sent, mut answered) = (0, 0);
    loop {
        let is_over = start.elapsed() >= LENGTH;
        while !is_over
            && client.in_flight() < IN_FLIGHT
            && sent < ORDERS_MAX / u64::from(CONNECTIONS)
        {
            let who = (first + sent).to_string();
            let request = Request::Buy { item, buyer: &who, key: &who, units: 1, max_price: None };
            client.send(&request).map_err(|why| why.to_string())?;
            sent += 1;
        }
        if client.in_flight() == 0 {
            return Ok(answered);
        }
        // Half of them, so that both ends always have something to do.
        let rest = client.in_flight() / 2;
        while client.in_flight() > rest {
            let (_, answer) = client.receive().map_err(|why| why.to_string())?;
            match answer {
                Answer::Order(order) if order.state == State::Confirmed && !order.replayed => {
                    answered += 1;
                }
                other => return Err(format!("an order was answered with {other:?}")),
            }
        }
    }
}
