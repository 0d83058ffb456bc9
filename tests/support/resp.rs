//! RESP by hand, for what no client library would say: requests as bytes, answers as values.
//!
//! It never waits longer than its socket's timeout.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Error(String),
    Number(i64),
    Nil,
    List(Vec<Value>),
}

impl Value {
    /// The word at the front of an array: a state or a refusal.
    pub(crate) fn word(&self) -> &str {
        match self {
            Value::List(values) => match values.first() {
                Some(Value::Text(text)) => text,
                _ => "",
            },
            Value::Text(text) | Value::Error(text) => text,
            _ => "",
        }
    }

    /// The number at a place of an array.
    #[track_caller]
    pub(crate) fn number(&self, at: usize) -> u64 {
        match self {
            Value::List(values) => match values.get(at) {
                Some(Value::Number(number)) => u64::try_from(*number).expect("not below zero"),
                other => panic!("no number at {at}: {other:?}"),
            },
            other => panic!("no array: {other:?}"),
        }
    }

    /// The value behind a field's name.
    pub(crate) fn field(&self, name: &str) -> &Value {
        let Value::List(values) = self else { panic!("no fields: {self:?}") };
        let found = values.chunks(2).find(|pair| pair[0] == Value::Text(name.to_owned()));
        &found.unwrap_or_else(|| panic!("no {name} in {self:?}"))[1]
    }
}

/// Appends a request.
pub(crate) fn encode(words: &[&str], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
}

/// Reads one value from the front; `None` if it is not all there.
pub(crate) fn parse(input: &[u8]) -> Option<(Value, usize)> {
    let end = input.windows(2).position(|pair| pair == b"\r\n")?;
    let line = std::str::from_utf8(&input[1..end]).expect("the server speaks ASCII");
    let at = end + 2;
    let count = || line.parse::<i64>().expect("a length");
    Some(match input[0] {
        b'+' => (Value::Text(line.to_owned()), at),
        b'-' => (Value::Error(line.to_owned()), at),
        b':' => (Value::Number(count()), at),
        b'_' => (Value::Nil, at),
        b'$' if count() < 0 => (Value::Nil, at),
        b'$' => {
            let bytes = usize::try_from(count()).expect("not below zero");
            let text = input.get(at..at + bytes)?;
            input.get(at + bytes..at + bytes + 2)?;
            (Value::Text(String::from_utf8_lossy(text).into_owned()), at + bytes + 2)
        }
        kind @ (b'*' | b'%' | b'>') => {
            let values = count() * if kind == b'%' { 2 } else { 1 };
            let (mut list, mut at) = (Vec::new(), at);
            for _ in 0..values {
                let (value, used) = parse(&input[at..])?;
                list.push(value);
                at += used;
            }
            (Value::List(list), at)
        }
        other => panic!("no RESP: {}", other.escape_ascii()),
    })
}

/// A connection.
pub(crate) struct Resp {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

impl Resp {
    /// Over a socket that is connected.
    pub(crate) fn over(stream: TcpStream) -> Resp {
        Resp { stream, buffer: Vec::new() }
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// As the socket says; likewise below.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends one request.
    pub(crate) fn send(&mut self, words: &[&str]) -> io::Result<()> {
        let mut request = Vec::new();
        encode(words, &mut request);
        self.raw(&request)
    }

    /// The next answer.
    pub(crate) fn receive(&mut self) -> io::Result<Value> {
        loop {
            if let Some((value, used)) = parse(&self.buffer) {
                self.buffer.drain(..used);
                return Ok(value);
            }
            let mut bytes = [0; 16 * 1024];
            match self.stream.read(&mut bytes)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.buffer.extend_from_slice(&bytes[..read]),
            }
        }
    }

    /// Asks and waits for the answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, words: &[&str]) -> Value {
        self.send(words).and_then(|()| self.receive()).expect("a server that answers")
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Whether the server has shut the door, without another word.
    pub(crate) fn is_closed(&mut self) -> bool {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, UnexpectedEof};
        let shut = [UnexpectedEof, ConnectionReset, ConnectionAborted];
        self.receive().is_err_and(|why| shut.contains(&why.kind())) && self.buffer.is_empty()
    }
}
