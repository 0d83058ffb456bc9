//! Before the first request: names become numbers, and connections come to be.
//!
//! All of it blocks, with a bound on every wait; the run itself never blocks on a socket.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use doorbuster::client::{Client, Error, HELLO, Item, read_hello};
use doorbuster::message::CELL_BYTES;

use crate::Failure;
use crate::speech::resp::bulk;

/// The longest wait for a server that is asked something.
const PATIENCE: Duration = Duration::from_secs(5);

fn gone(target: SocketAddr, why: &dyn std::fmt::Display) -> Failure {
    Failure::new(Failure::UNAVAILABLE, format!("{target}: {why}"))
}

/// Opens a connection with a bound on all waits.
fn open(target: SocketAddr) -> Result<TcpStream, Failure> {
    let open = || {
        let stream = TcpStream::connect_timeout(&target, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok::<_, std::io::Error>(stream)
    };
    open().map_err(|error| gone(target, &error))
}

/// Asks for the numbers of the names, over the binary protocol.
pub(crate) fn resolve(
    target: SocketAddr,
    sale: &str,
    items: &[String],
) -> Result<Vec<Item>, Failure> {
    let mut client = Client::over(open(target)?).map_err(|error| gone(target, &error))?;
    let resolve = |item: &String| match client.resolve(sale, item) {
        Ok(item) => Ok(item),
        Err(Error::Refused(refusal)) => Err(unknown(refusal.word(), sale, item)),
        Err(error) => Err(gone(target, &error)),
    };
    items.iter().map(resolve).collect()
}

/// Looks whether the names are known, over RESP.
pub(crate) fn look_up(target: SocketAddr, sale: &str, items: &[String]) -> Result<(), Failure> {
    let mut stream = open(target)?;
    for item in items {
        let request = format!("*3\r\n$5\r\nSTOCK\r\n{}{}", bulk(sale), bulk(item));
        let mut answer = [0; 1024];
        let mut length = 0;
        stream.write_all(request.as_bytes()).map_err(|error| gone(target, &error))?;
        // An array of a known number of lines: five integers, or one bulk string.
        let complete = |answer: &[u8]| {
            let wanted = match answer.first_chunk() {
                Some(b"*5") => 6,
                Some(b"*1") => 3,
                _ => 1,
            };
            answer.len() > 2 && answer.iter().filter(|byte| **byte == b'\n').count() >= wanted
        };
        while !complete(&answer[..length]) {
            match stream.read(&mut answer[length..]) {
                Ok(0) => return Err(gone(target, &"closed, or no RESP")),
                Ok(count) => length += count,
                Err(error) => return Err(gone(target, &error)),
            }
        }
        let answer = String::from_utf8_lossy(&answer[..length]);
        let mut lines = answer.lines();
        match lines.next() {
            Some("*5") => {}
            Some("*1") => return Err(unknown(lines.nth(1).unwrap_or("refused"), sale, item)),
            first => return Err(Failure::new(Failure::CHECK, first.unwrap_or("no answer"))),
        }
    }
    Ok(())
}

fn unknown(word: &str, sale: &str, item: &str) -> Failure {
    Failure::new(Failure::CHECK, format!("{word}: sale '{sale}', item '{item}'"))
}

/// What comes before the first request of a connection.
pub(crate) enum Greeting<'a> {
    Nothing,
    /// The binary protocol's.
    Hello,
    /// Whatever a rival wants, on a second handle of the connection.
    Rival(&'a dyn Fn(TcpStream) -> Result<(), Failure>),
}

/// Opens all connections, with greetings exchanged. Returns them with the least number of requests
/// that the server takes at once on one of them.
pub(crate) fn connect(
    target: SocketAddr,
    count: usize,
    greeting: &Greeting<'_>,
) -> Result<(Vec<mio::net::TcpStream>, usize), Failure> {
    raise_descriptor_limit();
    let mut streams = Vec::with_capacity(count);
    for _ in 0..count {
        let stream = open(target)?;
        if let Greeting::Rival(greet) = greeting {
            greet(stream.try_clone().map_err(|error| gone(target, &error))?)?;
        }
        streams.push(stream);
    }
    let mut bound = usize::MAX;
    if let Greeting::Hello = greeting {
        for stream in &mut streams {
            stream.write_all(&HELLO).map_err(|error| gone(target, &error))?;
        }
        for stream in &mut streams {
            let mut cell = [0; CELL_BYTES];
            stream.read_exact(&mut cell).map_err(|error| gone(target, &error))?;
            let max = read_hello(&cell).map_err(|error| gone(target, &error))?;
            bound = bound.min(usize::try_from(max).unwrap_or(usize::MAX));
        }
    }
    let ready = |stream: TcpStream| {
        stream.set_nonblocking(true).map_err(|error| gone(target, &error))?;
        Ok(mio::net::TcpStream::from_std(stream))
    };
    Ok((streams.into_iter().map(ready).collect::<Result<_, Failure>>()?, bound))
}

/// As many descriptors as the system lets us have; if it refuses, connecting will say so.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}
