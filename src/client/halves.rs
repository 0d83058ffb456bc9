//! The two halves of a connection: one sends, the other receives.
//!
//! They share nothing but the count of requests in flight, which never passes the server's bound;
//! so the server always has room for all that was sent and neither half can lock the other out.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::TcpStream,
    sync::Arc,
    sync::atomic::{AtomicU32, Ordering},
};

use super::answer::{decode, decode_news};
use super::{Answer, Error, OrderAnswer, Request, Result};
use crate::limits::{CLIENT_NEWS_MAX, REPLY_CELLS_MAX};
use crate::message::{CELL_BYTES, Cell, kind};

/// Bytes that pile up before `send` writes them out by itself.
const SEND_BYTES: usize = 32 * 1024;
/// Bytes read at once.
const RECEIVE_BYTES: usize = 64 * 1024;

/// Names a request of one connection: its number since the connection began, from 0, wrapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag(pub u32);

/// What a server says, as it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Heard {
    /// The next answer.
    Answer(Tag, Answer),
    /// What has become of an order that a purchase on this connection waits for, unasked: it is
    /// offered (`Held`), and then how that ends; or it has `Left`. Its `seq` is the newest that
    /// this was decided from; the change lies there or before.
    News(OrderAnswer),
}

/// Requests on their way.
#[derive(Debug)]
pub(super) struct Flow {
    count: AtomicU32,
    pub(super) max: u32,
}

impl Flow {
    pub(super) fn new(max: u32) -> Flow {
        Flow { count: AtomicU32::new(0), max }
    }

    // Relaxed everywhere: the count orders nothing but itself. The sender alone adds after looking,
    // the receiver alone takes away, so what the sender sees can only be too high.
    pub(super) fn in_flight(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }
}

/// Sends requests. Made by [`Client::split`](super::Client::split).
#[derive(Debug)]
pub struct Sender {
    pub(super) stream: TcpStream,
    pub(super) flow: Arc<Flow>,
    buffer: Vec<u8>,
    next_tag: u32,
}

impl Sender {
    pub(super) fn new(stream: TcpStream, flow: Arc<Flow>) -> Sender {
        Sender { stream, flow, buffer: Vec::with_capacity(SEND_BYTES + 1024), next_tag: 0 }
    }

    /// Puts a request into the buffer, which is written out when it is full and by
    /// [`flush`](Sender::flush). Answers come in the order of sending.
    ///
    /// # Errors
    /// [`Error::InFlightFull`] and [`Error::BadText`] send nothing and break nothing;
    /// [`Error::Io`] as the socket says.
    pub fn send(&mut self, request: &Request<'_>) -> Result<Tag> {
        if self.flow.in_flight() >= self.flow.max {
            return Err(Error::InFlightFull { max: self.flow.max });
        }
        let tag = self.next_tag;
        request.encode(tag, &mut self.buffer)?;
        self.next_tag = tag.wrapping_add(1);
        self.flow.count.fetch_add(1, Ordering::Relaxed);
        if self.buffer.len() >= SEND_BYTES {
            self.flush()?;
        }
        Ok(Tag(tag))
    }

    /// Writes out what `send` left in the buffer.
    ///
    /// # Errors
    /// [`Error::Io`] as the socket says.
    pub fn flush(&mut self) -> Result<()> {
        if !self.buffer.is_empty() {
            self.stream.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Requests sent and not yet received.
    pub fn in_flight(&self) -> u32 {
        self.flow.in_flight()
    }

    /// Requests that the server takes at once on this connection.
    pub fn in_flight_max(&self) -> u32 {
        self.flow.max
    }
}

/// Receives answers. Made by [`Client::split`](super::Client::split).
#[derive(Debug)]
pub struct Receiver {
    stream: TcpStream,
    flow: Arc<Flow>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    next_tag: u32,
    /// Came before an answer that was waited for; the newest [`CLIENT_NEWS_MAX`] are kept.
    news: VecDeque<OrderAnswer>,
}

impl Receiver {
    pub(super) fn new(stream: TcpStream, flow: Arc<Flow>) -> Receiver {
        let (buffer, news) = (vec![0; RECEIVE_BYTES], VecDeque::new());
        Receiver { stream, flow, buffer, start: 0, end: 0, next_tag: 0, news }
    }

    /// Waits for the next answer, with the tag that `send` gave its request. News that come before
    /// it are kept for [`hear`](Receiver::hear).
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Closed`] or [`Error::Protocol`].
    pub fn receive(&mut self) -> Result<(Tag, Answer)> {
        loop {
            self.fill(CELL_BYTES)?;
            match self.take_news()? {
                None => return self.take_answer(),
                Some(news) => {
                    if self.news.len() >= CLIENT_NEWS_MAX {
                        self.news.pop_front();
                    }
                    self.news.push_back(news);
                }
            }
        }
    }

    /// Waits for whatever comes next, an answer or news. News that were kept come first.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Closed`] or [`Error::Protocol`].
    pub fn hear(&mut self) -> Result<Heard> {
        if let Some(news) = self.news.pop_front() {
            return Ok(Heard::News(news));
        }
        self.fill(CELL_BYTES)?;
        match self.take_news()? {
            Some(news) => Ok(Heard::News(news)),
            None => self.take_answer().map(|(tag, answer)| Heard::Answer(tag, answer)),
        }
    }

    /// News that are here already, and lie before any answer.
    pub(super) fn news_at_hand(&mut self) -> Result<Option<OrderAnswer>> {
        if let Some(news) = self.news.pop_front() {
            return Ok(Some(news));
        }
        if self.end - self.start < CELL_BYTES {
            self.stream.set_nonblocking(true)?;
            let filled = self.fill(CELL_BYTES);
            self.stream.set_nonblocking(false)?;
            match filled {
                Err(Error::Io(why)) if why.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                filled => filled?,
            }
        }
        self.take_news()
    }

    /// The news at the front of what came, if it is that.
    fn take_news(&mut self) -> Result<Option<OrderAnswer>> {
        let cell = self.cell(0);
        if cell.kind() != kind::NEWS {
            return Ok(None);
        }
        self.start += CELL_BYTES;
        decode_news(&cell).map(Some)
    }

    /// The answer whose first cell has come.
    fn take_answer(&mut self) -> Result<(Tag, Answer)> {
        let head = self.cell(0);
        let tails = usize::from(head.reply().tails);
        if tails >= REPLY_CELLS_MAX {
            return Err(Error::Protocol("an answer longer than any"));
        }
        self.fill((1 + tails) * CELL_BYTES)?;
        let mut cells = [Cell::ZERO; REPLY_CELLS_MAX];
        for (index, cell) in cells[..tails].iter_mut().enumerate() {
            *cell = self.cell(1 + index);
        }
        let answer = decode(&head, &cells[..tails])?;
        if head.reply().tag.to_native() != self.next_tag {
            return Err(Error::Protocol("an answer that is not in order"));
        }
        if self.flow.in_flight() == 0 {
            return Err(Error::Protocol("an answer that nobody asked for"));
        }
        let tag = Tag(self.next_tag);
        self.next_tag = self.next_tag.wrapping_add(1);
        self.start += (1 + tails) * CELL_BYTES;
        self.flow.count.fetch_sub(1, Ordering::Relaxed);
        Ok((tag, answer))
    }

    /// Requests sent and not yet received.
    pub fn in_flight(&self) -> u32 {
        self.flow.in_flight()
    }

    /// Reads one whole cell that belongs to no request: the server's hello.
    pub(super) fn hello(&mut self) -> Result<Cell> {
        self.fill(CELL_BYTES)?;
        let cell = self.cell(0);
        self.start += CELL_BYTES;
        Ok(cell)
    }

    pub(super) fn with_flow(self, flow: Arc<Flow>) -> Receiver {
        Receiver { flow, ..self }
    }

    fn cell(&self, index: usize) -> Cell {
        let at = self.start + index * CELL_BYTES;
        let mut cell = Cell::ZERO;
        cell.0.copy_from_slice(&self.buffer[at..at + CELL_BYTES]);
        cell
    }

    /// Reads until `wanted` bytes lie at `start`.
    fn fill(&mut self, wanted: usize) -> Result<()> {
        while self.end - self.start < wanted {
            if self.start == self.end {
                (self.start, self.end) = (0, 0);
            } else if self.start + wanted > self.buffer.len() {
                self.buffer.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            }
            match self.stream.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Err(Error::Closed { in_flight: self.flow.in_flight() }),
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
