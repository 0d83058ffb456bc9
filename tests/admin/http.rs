//! HTTP by hand, for what a client library would not let out: one request, one answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::server::PATIENCE;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
}

impl Answer {
    /// The body, which must be JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|why| panic!("{why}: {}", self.text))
    }

    /// Asserts status and the word of the problem.
    #[track_caller]
    pub(crate) fn expect_problem(&self, status: u16, word: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.json()["type"], format!("urn:doorbuster:{word}"));
        assert!(self.head.contains("application/problem+json"), "{}", self.head);
    }
}

/// A connection on which every wait has an end.
pub(crate) fn connect(address: SocketAddr) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).expect("the port listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream.set_nodelay(true).expect("a socket");
    BufReader::new(stream)
}

/// Sends a request on a connection that goes on.
pub(crate) fn send(peer: &mut BufReader<TcpStream>, method: &str, path: &str, body: &str) {
    let length = body.len();
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n{body}");
    peer.get_mut().write_all(request.as_bytes()).expect("sent");
}

/// Reads the head of an answer.
pub(crate) fn head(peer: &mut BufReader<TcpStream>) -> (u16, String) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(peer.read_line(&mut head).expect("an answer") > 0, "it broke off: {head}");
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), head.to_ascii_lowercase())
}

/// Reads an answer with a length.
pub(crate) fn receive(peer: &mut BufReader<TcpStream>) -> Answer {
    let (status, head) = head(peer);
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().expect("a length"));
    let mut text = vec![0; length];
    peer.read_exact(&mut text).expect("a whole body");
    Answer { status, head, text: String::from_utf8(text).expect("text") }
}

/// Asks on a connection of its own.
pub(crate) fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    let mut peer = connect(address);
    send(&mut peer, method, path, body);
    receive(&mut peer)
}

/// The feed of a sale.
pub(crate) struct Feed(BufReader<TcpStream>);

impl Feed {
    pub(crate) fn of(address: SocketAddr, sale: &str) -> Feed {
        let mut peer = connect(address);
        send(&mut peer, "GET", &format!("/v1/sales/{sale}/feed"), "");
        let (status, head) = head(&mut peer);
        assert_eq!(status, 200, "{head}");
        assert!(head.contains("text/event-stream"), "{head}");
        Feed(peer)
    }

    /// The next event and its data; `None` at the end of the feed.
    pub(crate) fn next(&mut self) -> Option<(String, Value)> {
        let mut event = String::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).expect("a line") == 0 {
                return None;
            }
            if let Some(name) = line.strip_prefix("event: ") {
                event = name.trim().to_owned();
            }
            if let Some(data) = line.strip_prefix("data: ") {
                return Some((event, serde_json::from_str(data).expect("JSON")));
            }
            // The chunk that ends all chunks.
            if line == "0\r\n" {
                return None;
            }
        }
    }
}
