//! HTTP by hand: requests as bytes, answers taken apart and checked for what every answer has.
//!
//! It never waits longer than its socket's timeout.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::server::{PATIENCE, Server};

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// An answer that came over no socket.
    pub(crate) fn of(text: &str) -> Answer {
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest[..3].parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status in {head:?}"));
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// The value of a header that is there at most once.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|line| line.0.eq_ignore_ascii_case(name));
        let value = values.next().map(|line| line.1);
        assert!(values.next().is_none(), "{name} twice in {self:?}");
        value
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    /// The word of a problem, which says what its head says.
    #[track_caller]
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{self:?}");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{self:?}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{self:?}");
        let kind = problem["type"].as_str().and_then(|kind| kind.strip_prefix("urn:doorbuster:"));
        kind.unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

/// Whether an error is one of those by which a connection ends.
fn is_end(why: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    [BrokenPipe, ConnectionAborted, ConnectionReset].contains(&why.kind())
}

fn cut(unread: &[u8]) -> io::Error {
    let text = format!("closed after {}", unread.escape_ascii());
    io::Error::new(io::ErrorKind::UnexpectedEof, text)
}

/// One connection.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

/// A request with a body or none, and these further lines.
pub(crate) fn request(line: &str, lines: &str, body: &str) -> String {
    let length = if body.is_empty() && !line.starts_with("POST") {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    format!("{line} HTTP/1.1\r\nHost: shop.example\r\n{lines}{length}\r\n{body}")
}

/// A request for a new order.
pub(crate) fn order(sale: &str, key: &str, body: &str) -> String {
    let lines = format!("Content-Type: application/json\r\nIdempotency-Key: {key}\r\n");
    request(&format!("POST /v1/sales/{sale}/orders"), &lines, body)
}

impl Peer {
    pub(crate) fn of(server: &Server) -> Peer {
        Peer::over(server.connect())
    }

    /// Over a socket that is connected.
    pub(crate) fn over(stream: TcpStream) -> Peer {
        Peer { stream, unread: Vec::new() }
    }

    /// One with the operator's port.
    pub(crate) fn of_operator(server: &Server) -> Peer {
        let stream = TcpStream::connect(server.admin).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        Peer { stream, unread: Vec::new() }
    }

    pub(crate) fn send(&mut self, request: impl AsRef<[u8]>) {
        self.stream.write_all(request.as_ref()).expect("sent");
    }

    /// Another writer on the same connection.
    pub(crate) fn writer(&self) -> TcpStream {
        self.stream.try_clone().expect("a socket")
    }

    fn read(&mut self) -> io::Result<usize> {
        let mut bytes = [0; 16 * 1024];
        let read = self.stream.read(&mut bytes)?;
        self.unread.extend_from_slice(&bytes[..read]);
        Ok(read)
    }

    /// The next answer's head; `None` if the connection ends before its first byte.
    fn hear_head(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.unread.drain(..end + 4).collect();
                return Ok(Some(String::from_utf8(head).expect("ASCII")));
            }
            match self.read() {
                Ok(0) if self.unread.is_empty() => return Ok(None),
                Err(why) if self.unread.is_empty() && is_end(&why) => return Ok(None),
                Ok(0) => return Err(cut(&self.unread)),
                Ok(_) => {}
                Err(why) => return Err(why),
            }
        }
    }

    /// The next answer, which has a body unless it may not have one.
    #[track_caller]
    pub(crate) fn receive(&mut self) -> Answer {
        self.receive_answer(true)
    }

    /// The next answer, to a request that wants no body.
    #[track_caller]
    pub(crate) fn receive_without_body(&mut self) -> Answer {
        self.receive_answer(false)
    }

    #[track_caller]
    fn receive_answer(&mut self, with_body: bool) -> Answer {
        self.hear(with_body).expect("an answer").expect("not closed")
    }

    /// The next answer; `None` if the connection ends before its first byte.
    ///
    /// # Errors
    /// When it ends within the answer, or says nothing for too long.
    #[track_caller]
    pub(crate) fn hear(&mut self, with_body: bool) -> io::Result<Option<Answer>> {
        let Some(head) = self.hear_head()? else { return Ok(None) };
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest[..3].parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status in {head:?}"));
        let mut answer = Answer { status, head, body: String::new() };
        if status == 100 {
            return Ok(Some(answer));
        }
        let date = answer.header("date").expect("a date");
        assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        if status == 204 {
            assert_eq!(answer.header("content-length"), None);
            return Ok(Some(answer));
        }
        if answer.header("content-type") == Some("text/event-stream") {
            answer.body = if with_body { self.event()? } else { String::new() };
            return Ok(Some(answer));
        }
        let length: usize =
            answer.header("content-length").and_then(|text| text.parse().ok()).expect("a length");
        if with_body {
            while self.unread.len() < length {
                if self.read()? == 0 {
                    return Err(cut(&self.unread));
                }
            }
            let body = self.unread.drain(..length).collect();
            answer.body = String::from_utf8(body).expect("JSON is UTF-8");
        }
        Ok(Some(answer))
    }

    /// The next event of a stream, or the next comment, without the blank line behind it.
    ///
    /// # Errors
    /// When the stream ends, or says nothing for too long.
    pub(crate) fn event(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|two| two == b"\n\n") {
                let event = self.unread.drain(..end + 2).take(end).collect();
                return Ok(String::from_utf8(event).expect("JSON is UTF-8"));
            }
            if self.read()? == 0 {
                return Err(cut(&self.unread));
            }
        }
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, request: impl AsRef<[u8]>) -> Answer {
        self.send(request);
        self.receive()
    }

    #[track_caller]
    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.ask(request(&format!("GET {target}"), "", ""))
    }

    #[track_caller]
    pub(crate) fn post(&mut self, target: &str, body: &str) -> Answer {
        self.ask(request(&format!("POST {target}"), "", body))
    }

    #[track_caller]
    pub(crate) fn order(&mut self, sale: &str, key: &str, body: &str) -> Answer {
        self.ask(order(sale, key, body))
    }

    /// As [`is_closed`](Self::is_closed), when it may have been sent more than it wanted to read.
    pub(crate) fn is_over(&mut self) -> bool {
        self.unread.is_empty()
            && match self.read() {
                Ok(read) => read == 0,
                Err(why) => is_end(&why),
            }
    }

    /// Whether the server closes, with nothing more to say.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.unread.is_empty() && matches!(self.read(), Ok(0))
    }
}
