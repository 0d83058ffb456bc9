//! Reading and writing a buyer's socket, plain or through TLS, and whose handshake goes on when.
//!
//! A handshake costs as much as hundreds of orders, so its steps have a queue of their own, and a
//! round of the shard spends a bounded time on it. It never parses a request.
//!
//! Invariant: what rustls holds for the peer is counted in [`Connection::sealed`], so that it is
//! waited for and written like any other answer.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::sync::Arc;

use super::Shard;
use super::connection::{Connection, Protocol};
use super::tls::{Tls, Written};
use crate::certificates::Certificates;
use crate::limits::{READ_BYTES_MAX, TLS_RECORD_BYTES_MAX};
use crate::message::{kind, outcome};
use crate::wire::binary;

/// The first byte of a peer that wants TLS.
const TLS: u8 = 0x16;
/// Time for handshakes in one round, ns; one step is always taken.
const HANDSHAKES_NS_MAX: u64 = 250_000;
const TLS_ONLY_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\
    Content-Length: 27\r\nConnection: close\r\n\r\nThis port speaks TLS only.\n";
const TLS_ONLY_RESP: &[u8] = b"-ERR this port speaks TLS only\r\n";

/// Where a connection stands with its handshake.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Handshake {
    /// It has none, or it is over.
    No,
    /// Its next step waits for its turn among the handshakes, since then (ns; 0 if not yet).
    Waits(u64),
    /// It is its turn.
    Goes,
}

/// What a shard needs for TLS.
pub(super) struct Desk {
    certificates: Option<Arc<Certificates>>,
    /// Whether a peer without TLS is turned away.
    required: bool,
    /// What is read from sockets in TLS, before it is opened.
    sealed: Box<[u8]>,
}

impl Desk {
    pub(super) fn new(certificates: Option<Arc<Certificates>>, required: bool) -> Desk {
        assert!(!required || certificates.is_some(), "without a certificate nobody could come in");
        let bytes = if certificates.is_some() { READ_BYTES_MAX } else { 0 };
        Desk { certificates, required, sealed: vec![0; bytes].into_boxed_slice() }
    }

    /// Tells a new peer off that does not speak TLS where it must; whether it did.
    pub(super) fn refuses(&self, connection: &mut Connection, first: u8) -> bool {
        if !(self.required && connection.tls.is_none() && connection.protocol == Protocol::Fresh) {
            return false;
        }
        match first {
            kind::HELLO => binary::hello(outcome::MALFORMED, 0, &mut connection.out),
            b'A'..=b'Z' => connection.out.extend_from_slice(TLS_ONLY_HTTP),
            _ => connection.out.extend_from_slice(TLS_ONLY_RESP),
        }
        true
    }
}

/// Writes once, or in TLS until the kernel takes no more.
#[inline]
pub(super) fn write(connection: &mut Connection) -> io::Result<Written> {
    let (socket, bytes) = (&mut connection.stream, &connection.out[connection.out_at..]);
    if let Some(tls) = &mut connection.tls {
        let written = tls.write(socket, bytes)?;
        connection.sealed = tls.sealed();
        return Ok(written);
    }
    loop {
        match socket.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(taken) => return Ok(Written { taken, sent: taken }),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Written::default()),
            Err(error) => return Err(error),
        }
    }
}

/// Reads once, of plain bytes at most `room`; `into` is larger than that by a TLS record. `None` if
/// nothing came that can be understood; then the connection knows why.
#[inline]
pub(super) fn receive(
    connection: &mut Connection,
    desk: &mut Desk,
    into: &mut [u8],
    room: usize,
) -> Option<usize> {
    if connection.tls.is_some() {
        return open(connection, desk, into);
    }
    let into = &mut into[..room];
    loop {
        match connection.stream.read(into) {
            Ok(0) => {
                (connection.ended, connection.readable) = (true, false);
                return None;
            }
            Ok(bytes) => {
                // A short read means that the kernel has no more, unless the end is still to come.
                connection.readable = bytes == into.len() || connection.read_closed;
                if connection.protocol == Protocol::Fresh && into[0] == TLS {
                    return begin(connection, desk, &into[..bytes]);
                }
                return Some(bytes);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                connection.readable = false;
                return None;
            }
            Err(_) => {
                connection.gone = true;
                return None;
            }
        }
    }
}

/// Puts TLS around a socket whose peer began to speak it. Without a certificate its bytes are
/// passed on, to be refused like other bytes.
#[cold]
fn begin(connection: &mut Connection, desk: &Desk, first: &[u8]) -> Option<usize> {
    let Some(certificates) = &desk.certificates else { return Some(first.len()) };
    match Tls::begin(certificates.current(), first) {
        Ok(tls) => {
            connection.veiled = tls.bytes_held();
            connection.tls = Some(Box::new(tls));
            connection.handshake = Handshake::Waits(0);
            // What came is still to be looked at.
            connection.readable = true;
        }
        Err(_) => connection.closing = true,
    }
    None
}

fn open(connection: &mut Connection, desk: &mut Desk, into: &mut [u8]) -> Option<usize> {
    let tls = connection.tls.as_mut()?;
    let room = (into.len() - TLS_RECORD_BYTES_MAX).min(desk.sealed.len());
    let opened = tls.receive(&mut connection.stream, &mut desk.sealed[..room], into);
    connection.gone |= opened.gone;
    connection.ended |= opened.ended;
    // The alert still goes out; answers under way are of no use any more.
    connection.closing |= opened.failed;
    connection.readable =
        !connection.ended && !opened.failed && (opened.more || connection.read_closed);
    connection.sealed = tls.sealed();
    connection.veiled = tls.bytes_held();
    if tls.is_handshaking() {
        connection.handshake = Handshake::Waits(0);
    } else if connection.handshake != Handshake::No {
        connection.handshake = Handshake::No;
        connection.partial_since = 0;
    }
    (opened.bytes > 0).then_some(opened.bytes)
}

impl Shard {
    /// Takes steps of handshakes, in turn, for as long as a round may spend on them. Returns the
    /// number of turns and the bytes read.
    pub(super) fn shake_hands(&mut self) -> (usize, usize) {
        let (mut turns, mut bytes) = (0, 0);
        if self.agenda.handshakes.is_empty() {
            return (turns, bytes);
        }
        let start = (self.clock)();
        let mut now = start;
        while now - start < HANDSHAKES_NS_MAX
            && let Some(slot) = self.agenda.handshakes.pop_front()
        {
            turns += 1;
            if let Some((_, connection)) = self.table.in_slot(slot)
                && let Handshake::Waits(since) = connection.handshake
            {
                connection.handshake = Handshake::Goes;
                if since != 0 && connection.partial_since != 0 {
                    // The time in the queue is not the peer's fault.
                    connection.partial_since += now.saturating_sub(since);
                }
            }
            bytes += self.turn(slot);
            if let Some((_, connection)) = self.table.in_slot(slot)
                && connection.handshake == Handshake::Goes
            {
                connection.handshake = Handshake::Waits(0);
            }
            now = (self.clock)();
        }
        (turns, bytes)
    }
}
