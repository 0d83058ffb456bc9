//! What the demo itself asks the server, apart from the crowd: to be let in, by which numbers the
//! items go, whether units are still held, and what `INFO` says about the order of arrival. The
//! last goes over RESP, as `redis-cli info` would ask it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use doorbuster::client::{Answer, Client, Item};

use super::hall::Hall;
use super::plan::{CONNECTIONS, SALE, WARES};

/// How long an answer may take on a machine that has much else to do.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Connects the whole crowd.
pub(super) fn connect(address: SocketAddr) -> Result<Vec<Client>, String> {
    let connect = |_| {
        let mut client = Client::connect(address)?;
        client.set_timeout(Some(PATIENCE))?;
        Ok(client)
    };
    let clients: Result<_, doorbuster::client::Error> = (0..CONNECTIONS).map(connect).collect();
    clients.map_err(|why| format!("could not connect: {why}"))
}

/// Asks for the items' numbers.
pub(super) fn resolve(client: &mut Client) -> Result<Vec<Item>, String> {
    let items: Result<_, _> = WARES.iter().map(|ware| client.resolve(SALE, ware.sku)).collect();
    items.map_err(|why| format!("the sale is not there: {why}"))
}

/// Waits for the first answer after the crash. Returns how long there was none.
pub(super) fn outage(hall: &Hall, killed: Instant) -> Result<Duration, String> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let back = hall.first_answer_back.load(Ordering::Relaxed);
        if back != u64::MAX {
            let back = hall.opened + Duration::from_nanos(back);
            return Ok(back.saturating_duration_since(killed));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Err("nobody was answered after the crash".to_owned())
}

/// Waits until no unit is held any more.
pub(super) fn wait_for_holds(hall: &Hall, address: SocketAddr) -> Result<(), String> {
    let mut client = Client::connect(address).map_err(|why| why.to_string())?;
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let mut held = 0;
        for item in &hall.items {
            match client.stock(*item) {
                Ok(Answer::Stock(stock)) => held += stock.held,
                other => return Err(format!("not an answer about stock: {other:?}")),
            }
        }
        if held == 0 {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err("a hold does not run out".to_owned())
}

/// What the server itself says about the order of arrival, asked as `redis-cli info` would.
pub(super) fn inversions(address: SocketAddr) -> Result<u64, String> {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"*1\r\n$4\r\nINFO\r\n*1\r\n$4\r\nQUIT\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    let text = ask().map_err(|why| format!("INFO: {why}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("arrival_inversions:"));
    line.and_then(|number| number.trim().parse().ok()).ok_or("INFO: no inversions".to_owned())
}
