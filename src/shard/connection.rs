//! One connection: its socket, what it has said and not yet been heard, what it has not yet been
//! told, and why it waits.
//!
//! It never reads and never parses by itself. An idle connection holds no buffers.
//!
//! Invariant: `rest[rest_at..]` is unheard and `out[out_at..]` untold; both vectors are empty, not
//! merely used up, when nothing is.

use super::socket::Socket;
use super::stream::{self, Handshake};
use super::tls::Tls;
use crate::access::Visitor;
use crate::wire::local::Session;

/// What a connection speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// It has not said anything yet.
    Fresh,
    Resp,
    Http,
    /// Binary before the greeting.
    Greeting,
    Binary,
}

/// Why nothing is read from a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// It is read.
    No,
    /// Its next request is answered here, after all that are on their way.
    Answers,
    /// It has as many requests on their way as it may.
    Room,
    /// It has to take what it was told first.
    Out,
}

pub(super) struct Connection {
    pub(super) stream: Socket,
    /// What lies around the stream, if the peer wanted it.
    pub(super) tls: Option<Box<Tls>>,
    pub(super) handshake: Handshake,
    pub(super) protocol: Protocol,
    pub(super) session: Session,
    /// Its HTTP request that is not whole yet was told to go on.
    pub(super) told_to_continue: bool,
    /// What it may do, and where it comes from.
    pub(super) visitor: Visitor,
    pub(super) rest: Vec<u8>,
    pub(super) rest_at: usize,
    /// The rest may hold whole requests: parsing stopped for another reason than their end.
    pub(super) backlog: bool,
    pub(super) out: Vec<u8>,
    pub(super) out_at: usize,
    /// Bytes for the peer that only TLS still holds; 0 without it.
    pub(super) sealed: usize,
    /// What TLS takes of the memory besides; 0 without it.
    pub(super) veiled: usize,
    pub(super) in_flight: u32,
    /// Orders that it watches.
    pub(super) watches: u32,
    /// Watches of its rest until it has taken what it was told.
    pub(super) rests: bool,
    /// It asked for a stream of events, and says nothing more that is heard.
    pub(super) listens: bool,
    pub(super) wait: Wait,
    /// The kernel may hold more bytes from the peer.
    pub(super) readable: bool,
    /// The kernel said that the peer will send no more: read on until the end is seen.
    pub(super) read_closed: bool,
    /// The end was seen.
    pub(super) ended: bool,
    /// The kernel takes no more bytes for the peer.
    pub(super) write_blocked: bool,
    /// To be closed once it has been told everything.
    pub(super) closing: bool,
    /// The socket is broken.
    pub(super) gone: bool,
    /// It stands in the list of those to read.
    pub(super) queued: bool,
    /// It stands in the list of those to write to.
    pub(super) dirty: bool,
    /// When it last sent or took a byte, ns.
    pub(super) active_at: u64,
    /// When the request began that is not whole yet; 0 if there is none.
    pub(super) partial_since: u64,
    /// Since when it has taken no byte of those that wait; 0 if none wait.
    pub(super) stalled_since: u64,
    /// What it counts for in the shard's sum of buffered bytes.
    pub(super) held: usize,
}

impl Connection {
    pub(super) fn new(stream: Socket, id: u64, now: u64) -> Connection {
        Connection {
            stream,
            tls: None,
            handshake: Handshake::No,
            protocol: Protocol::Fresh,
            session: Session::new(id),
            told_to_continue: false,
            visitor: Visitor::default(),
            rest: Vec::new(),
            rest_at: 0,
            backlog: false,
            out: Vec::new(),
            out_at: 0,
            sealed: 0,
            veiled: 0,
            in_flight: 0,
            watches: 0,
            rests: false,
            listens: false,
            wait: Wait::No,
            readable: false,
            read_closed: false,
            ended: false,
            write_blocked: false,
            closing: false,
            gone: false,
            queued: false,
            dirty: false,
            active_at: now,
            partial_since: 0,
            stalled_since: 0,
            held: 0,
        }
    }

    /// What its buffers take of the memory, used or not.
    #[inline]
    pub(super) fn bytes_held(&self) -> usize {
        self.rest.capacity() + self.out.capacity() + self.sealed + self.veiled
    }

    /// Bytes that it has not yet been told.
    #[inline]
    pub(super) fn untold(&self) -> usize {
        self.out.len() - self.out_at + self.sealed
    }

    /// Writes once. Returns the bytes written.
    pub(super) fn flush(&mut self, now: u64) -> usize {
        let Ok(written) = stream::write(self) else {
            self.gone = true;
            return 0;
        };
        self.out_at += written.taken;
        let written = written.sent;
        if written > 0 {
            self.active_at = now;
        }
        if self.untold() == 0 {
            (self.write_blocked, self.stalled_since) = (false, 0);
            self.out.clear();
            self.out_at = 0;
            return written;
        }
        self.write_blocked = true;
        if written > 0 || self.stalled_since == 0 {
            self.stalled_since = now;
        }
        if self.out_at >= self.out.len() / 2 {
            self.out.drain(..self.out_at);
            self.out_at = 0;
        }
        written
    }

    /// Whether it has got all that it asked for with whole requests.
    pub(super) fn is_quiet(&self) -> bool {
        self.in_flight == 0 && self.untold() == 0 && !self.backlog
    }

    /// Whether nothing more will happen on it.
    pub(super) fn is_over(&self) -> bool {
        self.gone
            || (self.closing || self.ended && !self.backlog)
                && self.in_flight == 0
                && self.untold() == 0
    }

    /// Shuts the door so that what was written last can still be read: bytes left unread would make
    /// the kernel reset the connection.
    pub(super) fn part(mut self, scratch: &mut [u8]) {
        const READS_MAX: usize = 16;
        if self.gone {
            return;
        }
        if let Some(tls) = &mut self.tls {
            tls.part(&mut self.stream);
        }
        if self.stream.shutdown_write().is_err() {
            return;
        }
        for _ in 0..READS_MAX {
            match std::io::Read::read(&mut self.stream, scratch) {
                Ok(read) if read > 0 => {}
                _ => break,
            }
        }
    }
}
