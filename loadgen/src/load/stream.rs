//! A connection's socket while it does not block: plain, or rustls around it.
//!
//! It never waits. The handshake is over before a stream comes to be. Invariants: after a
//! [`read`](Stream::read) no plaintext is left in rustls, for no more is read from the socket than
//! fits when it is opened; what [`write`](Stream::write) took and the kernel did not is counted as
//! written and leaves with the next `write` or [`flush`](Stream::flush).

use std::{
    cell::RefCell,
    io::{self, ErrorKind, Read, Write},
};

use mio::net::TcpStream;
use rustls::ClientConnection;

/// Bytes of TLS that are read at once.
const SEALED_BYTES: usize = 64 * 1024;
/// What rustls may hold of a record that is not all there, and more.
const RECORD_BYTES_MAX: usize = 17 * 1024;

thread_local! {
    /// What all connections of a thread read their TLS into.
    static SEALED: RefCell<Box<[u8]>> = RefCell::new(vec![0; SEALED_BYTES].into_boxed_slice());
}

pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<Tls>),
}

/// What came of one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Came {
    /// Bytes read.
    pub(crate) bytes: usize,
    /// Whether there may be more to read now.
    pub(crate) more: bool,
}

pub(crate) struct Tls {
    socket: TcpStream,
    inner: ClientConnection,
    /// The server has said that nothing more will come, or why it broke off.
    ended: Option<Ending>,
}

#[derive(Clone, Debug)]
enum Ending {
    Closed,
    Broken(String),
}

impl Stream {
    pub(crate) fn plain(socket: std::net::TcpStream) -> io::Result<Stream> {
        socket.set_nonblocking(true)?;
        Ok(Stream::Plain(TcpStream::from_std(socket)))
    }

    /// `inner` has its handshake behind it.
    pub(crate) fn tls(socket: std::net::TcpStream, inner: ClientConnection) -> io::Result<Stream> {
        socket.set_nonblocking(true)?;
        let socket = TcpStream::from_std(socket);
        Ok(Stream::Tls(Box::new(Tls { socket, inner, ended: None })))
    }

    /// What is registered with a poll.
    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(tls) => &mut tls.socket,
        }
    }

    /// Reads what there is, until `into` is full (for TLS: but for a record).
    ///
    /// # Errors
    /// `UnexpectedEof` at the end, and as the socket or rustls says; nothing is lost by it.
    #[inline]
    pub(crate) fn read(&mut self, into: &mut [u8]) -> io::Result<Came> {
        let socket = match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(tls) => {
                return SEALED.with_borrow_mut(|sealed| tls.read(sealed, into));
            }
        };
        match read(socket, into)? {
            Some(0) => Err(ErrorKind::UnexpectedEof.into()),
            Some(bytes) => Ok(Came { bytes, more: bytes == into.len() }),
            None => Ok(Came { bytes: 0, more: false }),
        }
    }

    /// Writes; 0 if nothing could be taken now.
    ///
    /// # Errors
    /// As the socket says.
    #[inline]
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let tls = match self {
            Stream::Plain(socket) => return write(socket, bytes),
            Stream::Tls(tls) => tls,
        };
        let mut taken = tls.inner.writer().write(bytes)?;
        if tls.flush()? && taken < bytes.len() {
            taken += tls.inner.writer().write(&bytes[taken..])?;
            tls.flush()?;
        }
        Ok(taken)
    }

    /// Writes what an earlier write left behind.
    ///
    /// # Errors
    /// As the socket says.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(_) => Ok(()),
            Stream::Tls(tls) => tls.flush().map(drop),
        }
    }
}

/// `None` if there is nothing to read now.
#[inline]
fn read(socket: &mut TcpStream, into: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match socket.read(into) {
            Ok(bytes) => return Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[inline]
fn write(socket: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match socket.write(bytes) {
            Ok(0) if !bytes.is_empty() => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl Tls {
    fn read(&mut self, sealed: &mut [u8], into: &mut [u8]) -> io::Result<Came> {
        let mut came = Came { bytes: 0, more: true };
        while self.ended.is_none() {
            let room = (into.len() - came.bytes).saturating_sub(RECORD_BYTES_MAX).min(sealed.len());
            if room == 0 {
                return Ok(came);
            }
            match read(&mut self.socket, &mut sealed[..room])? {
                // Without a farewell it may be cut short; every answer is whole or is not taken.
                Some(0) => self.ended = Some(Ending::Closed),
                Some(bytes) => {
                    came.bytes += self.open(&sealed[..bytes], &mut into[came.bytes..]);
                    came.more = bytes == room;
                }
                None => came.more = false,
            }
            if !came.more && self.ended.is_none() {
                return Ok(came);
            }
        }
        match &self.ended {
            // What came before the end is told first; the end when it is asked for again.
            _ if came.bytes > 0 => Ok(Came { more: true, ..came }),
            Some(Ending::Broken(why)) => Err(io::Error::new(ErrorKind::InvalidData, why.clone())),
            _ => Err(ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Opens all of `sealed` into `into`, which is larger than it by a record.
    fn open(&mut self, mut sealed: &[u8], into: &mut [u8]) -> usize {
        let mut opened = 0;
        while !sealed.is_empty() && self.ended.is_none() {
            let taken = self.inner.read_tls(&mut sealed);
            let state = self.inner.process_new_packets();
            // Also after a failure: what lies before it is genuine.
            if let Ok(plain) = self.inner.reader().read(&mut into[opened..]) {
                opened += plain;
            }
            self.ended = match (taken, state) {
                (_, Err(error)) => Some(Ending::Broken(format!("TLS: {error}"))),
                (Err(error), _) => Some(Ending::Broken(format!("TLS: {error}"))),
                (Ok(_), Ok(state)) => state.peer_has_closed().then_some(Ending::Closed),
            };
        }
        opened
    }

    /// Writes what rustls holds; whether the kernel took it all.
    fn flush(&mut self) -> io::Result<bool> {
        while self.inner.wants_write() {
            match self.inner.write_tls(&mut self.socket) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}
