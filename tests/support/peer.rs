//! A buyer's connection in either protocol, pipelined, that may break at any moment.
//!
//! After a break it still hands out the answers that came before; it never repeats a request.

use std::io::Write;

use doorbuster::client::{Answer, Client, Item, Receiver, Request, Sender, State};

use super::resp::{Resp, Value, encode};
use super::server::Server;

/// The connection is no more.
#[derive(Debug)]
pub(crate) struct Broken;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Order { state: State, order: u64 },
    Refused(String),
}

/// A connection.
pub(crate) enum Peer {
    Binary { sender: Sender, receiver: Receiver },
    Text { resp: Resp, out: Vec<u8> },
}

fn state(word: &str) -> Option<State> {
    Some(match word {
        "held" => State::Held,
        "confirmed" => State::Confirmed,
        "released" => State::Released,
        "expired" => State::Expired,
        _ => return None,
    })
}

impl Peer {
    /// Connects; the sales' numbers are their places in `sales`, from 1, and each has one item.
    pub(crate) fn connect(server: &Server, is_binary: bool) -> Result<Peer, Broken> {
        let stream = server.try_connect().map_err(|_| Broken)?;
        if !is_binary {
            return Ok(Peer::Text { resp: Resp::over(stream), out: Vec::new() });
        }
        let client = Client::over(stream).map_err(|_| Broken)?;
        let (sender, receiver) = client.split();
        Ok(Peer::Binary { sender, receiver })
    }

    /// Puts a purchase of `tee` into the buffer; the buyer is named like the key.
    pub(crate) fn buy(&mut self, sale: (u16, &str), key: &str, units: u32) {
        match self {
            Peer::Binary { sender, .. } => {
                let item = Item { sale: sale.0, item: 1 };
                let buy = Request::Buy { item, buyer: key, key, units, max_price: None };
                // A broken socket shows itself when the answer is awaited.
                let _ = sender.send(&buy);
            }
            Peer::Text { out, .. } => {
                encode(&["BUY", sale.1, "tee", key, key, "UNITS", &units.to_string()], out);
            }
        }
    }

    /// Puts a confirmation or a release into the buffer.
    pub(crate) fn change(&mut self, sale: (u16, &str), order: u64, to: State) {
        let is_confirm = to == State::Confirmed;
        match self {
            Peer::Binary { sender, .. } => {
                let (sale, buyer) = (sale.0, None);
                let _ = sender.send(&match is_confirm {
                    true => Request::Confirm { sale, order, buyer },
                    false => Request::Release { sale, order, buyer },
                });
            }
            Peer::Text { out, .. } => {
                let word = if is_confirm { "CONFIRM" } else { "RELEASE" };
                encode(&[word, sale.1, &order.to_string()], out);
            }
        }
    }

    /// Puts a question for an order into the buffer.
    pub(crate) fn order(&mut self, sale: (u16, &str), order: u64) {
        match self {
            Peer::Binary { sender, .. } => {
                let _ = sender.send(&Request::Order { sale: sale.0, order });
            }
            Peer::Text { out, .. } => encode(&["ORDER", sale.1, &order.to_string()], out),
        }
    }

    /// Sends what is in the buffer.
    pub(crate) fn flush(&mut self) {
        // As above.
        let _ = match self {
            Peer::Binary { sender, .. } => sender.flush().is_ok(),
            Peer::Text { resp, out } => resp.stream.write_all(&std::mem::take(out)).is_ok(),
        };
    }

    /// The next answer.
    ///
    /// # Errors
    /// When the connection is gone; any other failure is a failure of the test.
    pub(crate) fn receive(&mut self) -> Result<Told, Broken> {
        use doorbuster::client::Error;
        use std::io::ErrorKind::{TimedOut, WouldBlock};
        let is_late = |why: &std::io::Error| matches!(why.kind(), TimedOut | WouldBlock);
        match self {
            Peer::Binary { receiver, .. } => match receiver.receive() {
                Ok((_, Answer::Order(order))) => {
                    Ok(Told::Order { state: order.state, order: order.order })
                }
                Ok((_, Answer::Shown(shown))) => {
                    Ok(Told::Order { state: shown.order.state, order: shown.order.order })
                }
                Ok((_, Answer::Refused(refusal))) => Ok(Told::Refused(refusal.word().to_owned())),
                Ok((_, other)) => panic!("not asked for: {other:?}"),
                Err(Error::Io(why)) if is_late(&why) => panic!("no answer: {why}"),
                Err(Error::Io(_) | Error::Closed { .. }) => Err(Broken),
                Err(other) => panic!("{other}"),
            },
            Peer::Text { resp, .. } => match resp.receive() {
                Ok(Value::Error(text)) => Ok(Told::Refused(text)),
                Ok(value) => Ok(told(&value)),
                Err(why) if is_late(&why) => panic!("no answer: {why}"),
                Err(_) => Err(Broken),
            },
        }
    }
}

fn told(value: &Value) -> Told {
    match (value.word(), state(value.word())) {
        (_, Some(state)) => Told::Order { state, order: value.number(1) },
        ("order", None) => {
            let state = state(value.field("state").word()).expect("a state");
            Told::Order { state, order: value.number(1) }
        }
        (word, None) => Told::Refused(word.to_owned()),
    }
}
