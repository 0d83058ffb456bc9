//! One connection of the driver: what it has to write, and what it waits for.
//!
//! Requests of a round leave in one write; answers are read through a buffer that all connections
//! share, and only the cut-off end of one is kept here. Invariant: `pending` holds what was encoded
//! and not yet answered, in order, and never more than the bound.

use std::{collections::VecDeque, io};

use mio::net::TcpStream;

use super::stream::Stream;
use crate::speech::Command;

/// Bytes that may wait for a full socket before no more are put behind them.
const OUT_BYTES: usize = 64 * 1024;

/// What a request was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Buy,
    Command(Command),
}

/// A request on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    pub(crate) asked: Asked,
    /// Whether it belongs to the measured time.
    pub(crate) measured: bool,
    /// The purchase's number or the order's id.
    pub(crate) number: u64,
    /// When it was due, ns since the start.
    pub(crate) intended: u64,
    /// When it was sent.
    pub(crate) sent: u64,
}

/// A command that is due because a hold was given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FollowUp {
    pub(crate) command: Command,
    pub(crate) order: u64,
    pub(crate) due: u64,
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
    pub(crate) follow_ups: VecDeque<FollowUp>,
    bound: usize,
    /// Open loop: index of the next purchase that its schedule has for it.
    pub(crate) next: u64,
    /// Open loop: it was full when something was due, and has been behind ever since.
    pub(crate) held_back: bool,
    /// Whether it waits in the list of those to be written.
    pub(crate) listed: bool,
}

impl Connection {
    pub(crate) fn new(stream: Stream, bound: usize, next: u64) -> Connection {
        Connection {
            stream: Some(stream),
            ends: false,
            out: Vec::with_capacity(4096),
            out_start: 0,
            partial: Vec::new(),
            pending: VecDeque::with_capacity(bound.min(1024)),
            follow_ups: VecDeque::new(),
            bound,
            next,
            held_back: false,
            listed: false,
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

    pub(crate) fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.follow_ups.is_empty()
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

    /// Keeps the beginning of an answer that is not all there.
    pub(crate) fn keep(&mut self, rest: &[u8]) {
        self.partial.extend_from_slice(rest);
    }
}
