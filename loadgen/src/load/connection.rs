//! One connection of the driver: what it has to send and when, and what it waits for.
//!
//! Requests of a round leave in one write; answers are read through a buffer that all connections
//! share, and only the cut-off end of one is kept here. Invariant: `pending` holds what was encoded
//! and not yet answered, in order, and never more than the bound.

use std::{collections::VecDeque, io};

use mio::net::TcpStream;

use super::arrivals::Arrivals;
use super::stream::Stream;
use crate::speech::Command;

/// Bytes that may wait for a full socket before no more are put behind them.
const OUT_BYTES: usize = 64 * 1024;

/// What all read into may grow to, in bytes.
const READ_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a request was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Buy {
        /// Tries that are left, should the server be overloaded.
        tries: u8,
    },
    Command {
        command: Command,
        order: u64,
        /// When the hold was given.
        given: u64,
    },
}

/// A request on its way. Times are ns since the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    pub(crate) asked: Asked,
    /// Whether it belongs to the measured time.
    pub(crate) measured: bool,
    /// The purchase's number: its own, or that of the purchase which it is about.
    pub(crate) number: u64,
    /// When it was due.
    pub(crate) intended: u64,
    /// When it was sent.
    pub(crate) sent: u64,
}

/// A request that is due because of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FollowUp {
    pub(crate) asked: Asked,
    pub(crate) measured: bool,
    pub(crate) number: u64,
    /// From when its wait counts: that of the first try, for another one.
    pub(crate) intended: u64,
    /// When to send it.
    pub(crate) at: u64,
}

pub(crate) struct Connection {
    /// `None` once it died.
    stream: Option<Stream>,
    /// The poll said that the peer sends no more, and does not say so again.
    ends: bool,
    pub(crate) out: Vec<u8>,
    out_start: usize,
    partial: Vec<u8>,
    pub(crate) pending: VecDeque<Pending>,
    /// Confirms and releases: buyers think equally long, so they are due in this order.
    pub(crate) decisions: VecDeque<FollowUp>,
    /// Purchases to try again: they wait equally long, too.
    pub(crate) retries: VecDeque<FollowUp>,
    bound: usize,
    /// See [`Protocol::TAKES_TURNS`](crate::speech::Protocol::TAKES_TURNS).
    takes_turns: bool,
    /// Open loop: what its schedule has for it.
    pub(crate) arrivals: Option<Arrivals>,
    /// Open loop: it was full when something was due, and has been behind ever since.
    pub(crate) held_back: bool,
    /// For when it stands in the driver's queue.
    pub(crate) queued_for: u64,
}

/// Why nothing more can be read.
pub(crate) fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the server closed it".to_owned(),
        _ => format!("reading failed: {error}"),
    }
}

impl Connection {
    pub(crate) fn new(
        stream: Stream,
        bound: usize,
        takes_turns: bool,
        arrivals: Option<Arrivals>,
    ) -> Connection {
        Connection {
            stream: Some(stream),
            ends: false,
            out: Vec::with_capacity(4096),
            out_start: 0,
            partial: Vec::new(),
            pending: VecDeque::with_capacity(bound.min(1024)),
            decisions: VecDeque::new(),
            retries: VecDeque::new(),
            bound,
            takes_turns,
            arrivals,
            held_back: false,
            queued_for: Arrivals::NEVER,
        }
    }

    pub(crate) fn stream(&mut self) -> Option<&mut TcpStream> {
        self.stream.as_mut().map(Stream::socket)
    }

    /// The peer sends no more: from now on reading goes on until that has been read.
    pub(crate) fn expect_end(&mut self) {
        self.ends = true;
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.stream.is_some()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.is_alive() && self.pending.len() < self.bound && self.out.len() < OUT_BYTES
    }

    /// Whether it may begin to send.
    pub(crate) fn has_turn(&self) -> bool {
        !self.takes_turns || self.pending.is_empty()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.decisions.is_empty() && self.retries.is_empty()
    }

    /// Takes the next follow-up that is due at `now`.
    pub(crate) fn follow_up(&mut self, now: u64) -> Option<FollowUp> {
        for queue in [&mut self.decisions, &mut self.retries] {
            if queue.front().is_some_and(|first| first.at <= now) {
                return queue.pop_front();
            }
        }
        None
    }

    /// When the next purchase is due; [`NEVER`](Arrivals::NEVER) in a closed loop.
    pub(crate) fn arrival_due(&self) -> u64 {
        self.arrivals.as_ref().map_or(Arrivals::NEVER, Arrivals::due)
    }

    /// When there is something to send again: nothing before an answer, if it is full.
    pub(crate) fn next_due(&self, cut: u64) -> u64 {
        if !self.has_room() || !self.has_turn() {
            return Arrivals::NEVER;
        }
        let first = |queue: &VecDeque<FollowUp>| queue.front().map(|first| first.at);
        let arrival = Some(self.arrival_due()).filter(|due| *due < cut);
        let all = [first(&self.decisions), first(&self.retries), arrival];
        all.into_iter().flatten().min().unwrap_or(Arrivals::NEVER)
    }

    pub(crate) fn close(&mut self) {
        self.stream = None;
    }

    /// Writes what the socket takes.
    pub(crate) fn write(&mut self) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        while self.out_start < self.out.len() {
            match stream.write(&self.out[self.out_start..])? {
                0 => return Ok(()),
                count => self.out_start += count,
            }
        }
        self.out.clear();
        self.out_start = 0;
        stream.flush()
    }

    /// Reads once into `buffer`, behind what was cut off before. Returns the bytes there and
    /// whether there may be more.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
        let Some(stream) = &mut self.stream else { return Ok((0, false)) };
        let kept = self.partial.len();
        buffer[..kept].copy_from_slice(&self.partial);
        let came = stream.read(&mut buffer[kept..])?;
        let more = came.more || self.ends;
        if came.bytes == 0 {
            return Ok((0, more));
        }
        self.partial.clear();
        Ok((kept + came.bytes, more))
    }

    /// Lets the buffer grow if what is kept fills half of it: a batch is answered as a whole.
    pub(crate) fn make_room(&self, buffer: &mut Vec<u8>) {
        if self.partial.len() >= buffer.len() / 2 && buffer.len() < READ_BYTES_MAX {
            buffer.resize(buffer.len() * 2, 0);
        }
    }

    /// Keeps the beginning of an answer that is not all there.
    pub(crate) fn keep(&mut self, rest: &[u8]) {
        self.partial.extend_from_slice(rest);
    }
}
