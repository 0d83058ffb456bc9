//! Before a run at a rival: its keys or tables are made anew, and it is asked what it is.
//!
//! A doorbuster needs none of this: its operator makes the sales. All here blocks, with a bound on
//! every wait, and is over before the first request. Invariant: nothing is touched whose name does
//! not begin with `loadgen` and hold the sale's.

pub(crate) mod postgres;
pub(crate) mod redis;

use std::{
    collections::BTreeMap,
    io,
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::Failure;
use crate::load::connect::{ItemSight, Shop, raise_descriptor_limit};
use crate::load::stream::Stream;
use crate::options::{Spoken, Target};

/// The longest wait for an answer while tables of many rows are made.
const LONG_PATIENCE: Duration = Duration::from_secs(60);
/// The longest wait for a connection, and for being let in.
const SHORT_PATIENCE: Duration = Duration::from_secs(5);

/// What a rival says of itself: words for the document's mix. Empty for a doorbuster.
pub(crate) fn conditions(target: &Target) -> Result<BTreeMap<String, String>, Failure> {
    let (server, durability) = match target.protocol {
        Spoken::Binary | Spoken::Resp | Spoken::Http | Spoken::Https => return Ok(BTreeMap::new()),
        Spoken::RedisLua => redis::conditions(target)?,
        Spoken::PostgresRow | Spoken::PostgresUnits | Spoken::PostgresBatch => {
            postgres::conditions(target)?
        }
    };
    let setup = &target.setup;
    let words = [
        ("server", server),
        ("durability", durability),
        ("stock", setup.stock(target.protocol).to_string()),
        ("limit", setup.limit.to_string()),
    ];
    Ok(words.map(|(name, value)| (name.to_owned(), value)).into())
}

/// What it has to sell, as it was told.
pub(crate) fn shop(target: &Target) -> Shop {
    let stock = target.setup.stock(target.protocol);
    let limit = Some(target.setup.limit);
    let item = ItemSight { stock, free: stock, limit, ..ItemSight::default() };
    Shop {
        hold_ms: None,
        limit: None,
        items: vec![item; target.item.len()],
        numbers: Vec::new(),
        channel: 0,
        tells_terms: true,
    }
}

/// Opens all connections; each is greeted on a second handle.
pub(crate) fn connect(
    target: &Target,
    greet: &dyn Fn(TcpStream, &Target) -> Result<(), Failure>,
) -> Result<Vec<Stream>, Failure> {
    raise_descriptor_limit();
    let address = target.address.socket;
    let connect = |_| {
        let stream = open(address)?;
        greet(stream.try_clone().map_err(|error| gone(address, &error))?, target)?;
        Stream::plain(stream).map_err(|error| gone(address, &error))
    };
    (0..target.connections).map(connect).collect()
}

fn open(address: SocketAddr) -> Result<TcpStream, Failure> {
    let open = || {
        let stream = TcpStream::connect_timeout(&address, SHORT_PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SHORT_PATIENCE))?;
        stream.set_write_timeout(Some(SHORT_PATIENCE))?;
        Ok::<_, io::Error>(stream)
    };
    open().map_err(|error| gone(address, &error))
}

/// What a failed read or write means.
fn broken(address: SocketAddr, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => gone(address, &"no answer"),
        _ => gone(address, error),
    }
}

fn gone(address: SocketAddr, why: &dyn std::fmt::Display) -> Failure {
    Failure::new(Failure::UNAVAILABLE, format!("{address}: {why}"))
}

/// The server is there, and says no.
fn refused(address: SocketAddr, what: &str, text: &str) -> Failure {
    Failure::new(Failure::CHECK, format!("{address}: {what}: {text}"))
}
