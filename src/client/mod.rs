//! The Rust client of the binary protocol: one blocking connection, pipelined.
//!
//! A request is one call away ([`Client::buy`]); for throughput, [`Client::send`] many and
//! [`Client::receive`] their answers, which come in the order of sending, or [`Client::split`] the
//! connection between two threads. Never more requests are in flight than the server says it
//! takes. The client never repeats a request by itself: after an error connect again and repeat
//! what was unanswered *under the same key*, and nothing is bought twice.
//!
//! Whoever waits for units ([`Request::BuyOrWait`]) hears on the same connection what becomes of
//! it: [`Client::news`], [`Client::wait_for_news`], [`Receiver::hear`].
//!
//! ```no_run
//! use doorbuster::client::{Answer, Client, Request};
//!
//! # fn main() -> Result<(), doorbuster::client::Error> {
//! let mut client = Client::connect("127.0.0.1:7400")?;
//! let tee = client.resolve("drop", "tee")?;
//!
//! // One at a time.
//! match client.buy(tee, "buyer-1", "click-1", 1)? {
//!     Answer::Order(order) => {
//!         println!("order {} held for {} ms", order.order, order.expires_in_ms);
//!         client.confirm(tee.sale, order.order)?;
//!     }
//!     Answer::Refused(refusal) => println!("nothing for us: {refusal}"),
//!     other => println!("not an answer to a purchase: {other:?}"),
//! }
//!
//! // Pipelined: a hundred on their way before the first answer is read.
//! for number in 0..100 {
//!     let key = format!("crowd-{number}");
//!     let (buyer, units) = (key.as_str(), 1);
//!     client.send(&Request::Buy { item: tee, buyer, key: &key, units, max_price: None })?;
//! }
//! while client.in_flight() > 0 {
//!     let (tag, answer) = client.receive()?;
//!     println!("{}: {answer:?}", tag.0);
//! }
//! # Ok(())
//! # }
//! ```

mod answer;
mod error;
mod halves;
mod purchase;
mod request;
#[cfg(test)]
mod tests;

use std::{
    net::{TcpStream, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

pub use answer::{Answer, OrderAnswer, Refusal, ShownOrder, State, Stock};
pub use error::{Error, Result};
pub use halves::{Heard, Receiver, Sender, Tag};
pub use purchase::Purchase;
pub use request::{Item, Request};

pub use crate::message::{BadReceipt, Receipt};
use crate::message::{CELL_BYTES, kind, outcome};
use halves::Flow;

/// The version of the binary protocol that this client speaks.
pub const VERSION: u8 = 1;

/// A client's first cell.
pub const HELLO: [u8; CELL_BYTES] = {
    let mut cell = [0; CELL_BYTES];
    cell[0] = kind::HELLO;
    cell[1] = VERSION;
    cell
};

/// Where a token lies in it, and how long it is.
const TOKEN: std::ops::Range<usize> = 8..54;

/// Reads the server's first cell: how many requests it takes at once on this connection.
///
/// # Errors
/// [`Error::Refused`] if the server asks for a token and got none that counts, or has no room;
/// [`Error::Protocol`] if it is not a greeting in [`VERSION`], or bids us go.
pub fn read_hello(cell: &[u8; CELL_BYTES]) -> Result<u32> {
    if cell[0] != kind::HELLO {
        return Err(Error::Protocol("no greeting"));
    }
    if cell[1] == outcome::UNAUTHORIZED {
        return Err(Error::Refused(Refusal::Unauthorized));
    }
    let number = u32::from_le_bytes([cell[4], cell[5], cell[6], cell[7]]);
    if cell[1] == outcome::OVERLOADED {
        return Err(Error::Refused(Refusal::Overloaded { retry_after_ms: number.into() }));
    }
    if cell[1] != outcome::OK {
        return Err(Error::Protocol("the server refused the greeting"));
    }
    if cell[2] != VERSION {
        return Err(Error::Protocol("another version"));
    }
    if number == 0 {
        return Err(Error::Protocol("a server that takes no requests"));
    }
    Ok(number)
}

/// A connection to a server.
#[derive(Debug)]
pub struct Client {
    sender: Sender,
    receiver: Receiver,
}

impl Client {
    /// Connects and exchanges greetings.
    ///
    /// # Errors
    /// [`Error::Io`] if nobody listens there, [`Error::Closed`] or [`Error::Protocol`] if it is no
    /// doorbuster.
    pub fn connect(address: impl ToSocketAddrs) -> Result<Client> {
        Client::over(TcpStream::connect(address)?)
    }

    /// Exchanges greetings over a stream that is connected already (and has, say, its timeouts
    /// set).
    ///
    /// # Errors
    /// As [`connect`](Client::connect).
    pub fn over(stream: TcpStream) -> Result<Client> {
        Client::greet(stream, HELLO)
    }

    /// Connects and shows a token.
    ///
    /// # Errors
    /// [`Error::BadText`] if it does not read like a token, [`Error::Refused`] if it does not
    /// count, and those of [`connect`](Client::connect).
    pub fn connect_with_token(address: impl ToSocketAddrs, token: &str) -> Result<Client> {
        Client::over_with_token(TcpStream::connect(address)?, token)
    }

    /// As [`over`](Client::over), and shows a token.
    ///
    /// # Errors
    /// As [`connect_with_token`](Client::connect_with_token).
    pub fn over_with_token(stream: TcpStream, token: &str) -> Result<Client> {
        let is_token = token.len() == TOKEN.len() && token.bytes().all(|b| b.is_ascii_graphic());
        if !is_token {
            let reason = format!("is not {} characters: db_ and 43 more", TOKEN.len());
            return Err(Error::BadText { field: "token", reason });
        }
        let mut hello = HELLO;
        hello[TOKEN].copy_from_slice(token.as_bytes());
        Client::greet(stream, hello)
    }

    fn greet(mut stream: TcpStream, hello: [u8; CELL_BYTES]) -> Result<Client> {
        stream.set_nodelay(true)?;
        std::io::Write::write_all(&mut stream, &hello)?;
        let mut receiver = Receiver::new(stream.try_clone()?, Arc::new(Flow::new(0)));
        let flow = Arc::new(Flow::new(read_hello(&receiver.hello()?.0)?));
        receiver = receiver.with_flow(Arc::clone(&flow));
        Ok(Client { sender: Sender::new(stream, flow), receiver })
    }

    /// Bounds every wait for the server, from now on; `None` for no bound. When it runs out, the
    /// call fails with [`Error::Io`] and the connection is of no more use.
    ///
    /// # Errors
    /// [`Error::Io`] if the bound is zero.
    pub fn set_timeout(&mut self, bound: Option<Duration>) -> Result<()> {
        self.sender.stream.set_read_timeout(bound)?;
        Ok(self.sender.stream.set_write_timeout(bound)?)
    }

    /// Buffers a request: see [`Sender::send`].
    ///
    /// # Errors
    /// See [`Sender::send`].
    pub fn send(&mut self, request: &Request<'_>) -> Result<Tag> {
        self.sender.send(request)
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// [`Error::Io`] as the socket says.
    pub fn flush(&mut self) -> Result<()> {
        self.sender.flush()
    }

    /// Writes out what is buffered and waits for the next answer.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Closed`] or [`Error::Protocol`].
    pub fn receive(&mut self) -> Result<(Tag, Answer)> {
        self.sender.flush()?;
        self.receiver.receive()
    }

    /// What has become of an order that a purchase on this connection waits for, if that has come
    /// already; it waits for nothing. News come unasked, in their order, between the answers.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Closed`] or [`Error::Protocol`].
    pub fn news(&mut self) -> Result<Option<OrderAnswer>> {
        self.receiver.news_at_hand()
    }

    /// Waits for the next news.
    ///
    /// # Errors
    /// [`Error::Unanswered`] if requests are in flight: take their answers first, or
    /// [`split`](Client::split) and [`hear`](Receiver::hear) what comes; and those of
    /// [`news`](Client::news).
    pub fn wait_for_news(&mut self) -> Result<OrderAnswer> {
        if self.in_flight() > 0 {
            return Err(Error::Unanswered { in_flight: self.in_flight() });
        }
        match self.receiver.hear()? {
            Heard::News(news) => Ok(news),
            Heard::Answer(..) => Err(Error::Protocol("an answer that nobody asked for")),
        }
    }

    /// Requests sent and not yet received.
    pub fn in_flight(&self) -> u32 {
        self.sender.in_flight()
    }

    /// Requests that the server takes at once on this connection.
    pub fn in_flight_max(&self) -> u32 {
        self.sender.in_flight_max()
    }

    /// Two halves for two threads.
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }

    /// Sends one request and waits for its answer.
    ///
    /// # Errors
    /// [`Error::Unanswered`] if pipelined requests are in flight, and those of
    /// [`send`](Client::send) and [`receive`](Client::receive).
    pub fn call(&mut self, request: &Request<'_>) -> Result<Answer> {
        if self.in_flight() > 0 {
            return Err(Error::Unanswered { in_flight: self.in_flight() });
        }
        self.send(request)?;
        self.receive().map(|(_, answer)| answer)
    }

    /// Asks for the numbers of a sale's and an item's name.
    ///
    /// # Errors
    /// [`Error::Refused`] if the server does not know them, and those of [`call`](Client::call).
    pub fn resolve(&mut self, sale: &str, item: &str) -> Result<Item> {
        match self.call(&Request::Resolve { sale, item: Some(item) })? {
            Answer::Item(item) => Ok(item),
            Answer::Refused(refusal) => Err(Error::Refused(refusal)),
            _ => Err(Error::Protocol("no numbers for names")),
        }
    }

    /// Buys units at whatever price is in force.
    ///
    /// # Errors
    /// Those of [`call`](Client::call); a refusal is an answer.
    pub fn buy(&mut self, item: Item, buyer: &str, key: &str, units: u32) -> Result<Answer> {
        self.call(&Request::Buy { item, buyer, key, units, max_price: None })
    }

    /// Buys units of several items, given by their numbers, all or none.
    ///
    /// # Errors
    /// Those of [`call`](Client::call); a refusal is an answer.
    pub fn basket(
        &mut self,
        sale: u16,
        buyer: &str,
        key: &str,
        lines: &[(u16, u32)],
    ) -> Result<Answer> {
        self.call(&Request::Basket { sale, lines, buyer, key, max_price: None })
    }

    /// Asks for the number of a sale's channel.
    ///
    /// # Errors
    /// [`Error::Refused`] if the server does not know it, and those of [`call`](Client::call).
    pub fn channel(&mut self, sale: &str, channel: &str) -> Result<u8> {
        match self.call(&Request::ResolveChannel { sale, channel })? {
            Answer::Channel(number) => Ok(number),
            Answer::Refused(refusal) => Err(Error::Refused(refusal)),
            _ => Err(Error::Protocol("no number for a channel")),
        }
    }

    /// Buys with all that can be said of a purchase.
    ///
    /// # Errors
    /// Those of [`call`](Client::call); a refusal is an answer.
    pub fn purchase(&mut self, purchase: &Purchase<'_>) -> Result<Answer> {
        self.call(&Request::Purchase(*purchase))
    }

    /// Makes a hold a purchase.
    ///
    /// # Errors
    /// Those of [`call`](Client::call); a refusal is an answer.
    pub fn confirm(&mut self, sale: u16, order: u64) -> Result<Answer> {
        self.call(&Request::Confirm { sale, order, buyer: None })
    }

    /// Gives a hold back.
    ///
    /// # Errors
    /// Those of [`call`](Client::call); a refusal is an answer.
    pub fn release(&mut self, sale: u16, order: u64) -> Result<Answer> {
        self.call(&Request::Release { sale, order, buyer: None })
    }

    /// Has a hold last longer, once.
    ///
    /// # Errors
    /// Those of [`call`](Client::call); a refusal is an answer.
    pub fn extend(&mut self, sale: u16, order: u64) -> Result<Answer> {
        self.call(&Request::Extend { sale, order, buyer: None })
    }

    /// Gives a purchase back.
    ///
    /// # Errors
    /// Those of [`call`](Client::call); a refusal is an answer.
    pub fn cancel(&mut self, sale: u16, order: u64) -> Result<Answer> {
        self.call(&Request::Cancel { sale, order, buyer: None })
    }

    /// Shows an order.
    ///
    /// # Errors
    /// Those of [`call`](Client::call); a refusal is an answer.
    pub fn order(&mut self, sale: u16, order: u64) -> Result<Answer> {
        self.call(&Request::Order { sale, order })
    }

    /// Shows the units of an item.
    ///
    /// # Errors
    /// Those of [`call`](Client::call); a refusal is an answer.
    pub fn stock(&mut self, item: Item) -> Result<Answer> {
        self.call(&Request::Stock { item })
    }

    /// Waits for the server to say that it is there.
    ///
    /// # Errors
    /// Those of [`call`](Client::call).
    pub fn ping(&mut self) -> Result<()> {
        match self.call(&Request::Ping)? {
            Answer::Pong => Ok(()),
            _ => Err(Error::Protocol("no answer to a ping")),
        }
    }
}
