//! TLS around one connection: rustls' buffers, filled from its socket and emptied into it.
//!
//! It never waits and knows nothing of requests. What goes wrong inside TLS is told to the peer by
//! the alert that rustls has for it, and after that nothing else is.
//!
//! Invariants: after [`Tls::receive`] no plaintext is left in rustls, for no more is read from the
//! socket than fits when it is opened; [`Tls::write`] returns when all is written or the kernel
//! takes no more.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection};

use super::socket::Socket;
use crate::limits::{OUT_BYTES_HIGH, TLS_HELLO_BYTES_MAX, TLS_RECORD_BYTES_MAX};

/// What a connection's state and its smallest buffers take in rustls, about.
const STATE_BYTES: usize = size_of::<ServerConnection>() + 8 * 1024;

pub(super) struct Tls {
    inner: ServerConnection,
    /// Read before it was known that this is TLS, and not yet looked at.
    first: Vec<u8>,
    records: Records,
    /// Bytes that came while the handshake was not over.
    hello_bytes: usize,
    /// The peer broke the protocol: only the alert is still sent.
    failed: bool,
}

/// What came of one read.
#[derive(Default)]
pub(super) struct Opened {
    /// Plaintext.
    pub(super) bytes: usize,
    /// As many bytes came as were asked for: the kernel may hold more.
    pub(super) more: bool,
    /// The peer sends no more.
    pub(super) ended: bool,
    /// The socket is broken.
    pub(super) gone: bool,
    /// The protocol is broken.
    pub(super) failed: bool,
}

/// What came of one write.
#[derive(Clone, Copy, Default)]
pub(super) struct Written {
    /// Bytes that need not be offered again.
    pub(super) taken: usize,
    /// Bytes that the kernel took.
    pub(super) sent: usize,
}

impl Tls {
    /// Begins with what was read already; nothing is looked at yet.
    pub(super) fn begin(config: Arc<ServerConfig>, first: &[u8]) -> Result<Tls, rustls::Error> {
        let mut inner = ServerConnection::new(config)?;
        inner.set_buffer_limit(Some(OUT_BYTES_HIGH));
        let (first, records) = (first.to_vec(), Records::default());
        Ok(Tls { inner, first, records, hello_bytes: 0, failed: false })
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.inner.is_handshaking()
    }

    /// Whether the peer owes us the rest of something.
    pub(super) fn is_amid(&self) -> bool {
        self.is_handshaking() || self.records.left() > 0
    }

    /// What it holds that came from the peer, and its own state, about.
    pub(super) fn bytes_held(&self) -> usize {
        STATE_BYTES + self.first.capacity() + self.hello_bytes + self.records.held()
    }

    /// What it holds for the peer, about; 0 only if there is nothing.
    pub(super) fn sealed(&mut self) -> usize {
        if !self.inner.wants_write() {
            return 0;
        }
        // Asking processes what came; a handshake's next step is not to be taken here.
        let state =
            if self.is_handshaking() { None } else { self.inner.process_new_packets().ok() };
        state.map_or(1, |state| state.tls_bytes_to_write().max(1))
    }

    /// Reads once, through `sealed`, and opens it all into `into`.
    ///
    /// # Panics
    /// If `into` is not larger than `sealed` by a record.
    pub(super) fn receive(
        &mut self,
        socket: &mut Socket,
        sealed: &mut [u8],
        into: &mut [u8],
    ) -> Opened {
        assert!(into.len() >= sealed.len() + TLS_RECORD_BYTES_MAX, "what is opened must fit");
        let mut opened = Opened::default();
        if !self.first.is_empty() {
            let first = std::mem::take(&mut self.first);
            opened.more = true;
            self.open(&first, into, &mut opened);
            return opened;
        }
        let read = loop {
            match socket.read(sealed) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        match read {
            // Without a farewell it may be cut short; every request is whole or is not taken.
            Ok(0) => opened.ended = true,
            Ok(bytes) => {
                opened.more = bytes == sealed.len();
                self.open(&sealed[..bytes], into, &mut opened);
            }
            Err(error) => opened.gone = error.kind() != ErrorKind::WouldBlock,
        }
        opened
    }

    fn open(&mut self, mut sealed: &[u8], into: &mut [u8], opened: &mut Opened) {
        self.records.pass(sealed);
        let bytes = sealed.len();
        while !sealed.is_empty() && !opened.failed && !opened.ended {
            let taken = self.inner.read_tls(&mut sealed);
            let state = self.inner.process_new_packets();
            // Also after a failure: what lies before it is genuine.
            if let Ok(plain) = self.inner.reader().read(&mut into[opened.bytes..]) {
                opened.bytes += plain;
            }
            opened.failed = taken.is_err() || state.is_err();
            opened.ended = state.is_ok_and(|state| state.peer_has_closed());
        }
        self.failed |= opened.failed;
        let hello_bytes = (self.hello_bytes + bytes).min(TLS_HELLO_BYTES_MAX);
        self.hello_bytes = if self.is_handshaking() { hello_bytes } else { 0 };
    }

    /// Writes what it holds and `bytes`, until all is written or the kernel takes no more.
    pub(super) fn write(&mut self, socket: &mut Socket, bytes: &[u8]) -> io::Result<Written> {
        let mut written = Written::default();
        if self.failed {
            // Nobody would read it.
            written.taken = bytes.len();
        }
        loop {
            if written.taken < bytes.len() {
                let taken = self.inner.writer().write(&bytes[written.taken..])?;
                if taken == 0 && !self.inner.wants_write() {
                    return Err(ErrorKind::WriteZero.into());
                }
                written.taken += taken;
            }
            while self.inner.wants_write() {
                match self.inner.write_tls(socket) {
                    Ok(0) => return Err(ErrorKind::WriteZero.into()),
                    Ok(sent) => written.sent += sent,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(written),
                    Err(error) => return Err(error),
                }
            }
            if written.taken == bytes.len() {
                return Ok(written);
            }
        }
    }

    /// Says that nothing more will come, if the kernel takes it at once.
    pub(super) fn part(&mut self, socket: &mut Socket) {
        if !self.failed {
            self.inner.send_close_notify();
        }
        // The connection ends here, whatever becomes of it.
        let _ = self.write(socket, &[]);
    }
}

/// Where in its records the peer's stream stands: what rustls waits for, it does not say.
#[derive(Default)]
struct Records {
    header: [u8; 5],
    header_bytes: usize,
    body_bytes: usize,
    body_left: usize,
}

impl Records {
    /// Follows bytes that came.
    fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let wanted = self.left().max(1);
            let came = wanted.min(bytes.len());
            if self.header_bytes < self.header.len() {
                let at = self.header_bytes;
                self.header[at..at + came].copy_from_slice(&bytes[..came]);
                self.header_bytes += came;
                if self.header_bytes == self.header.len() {
                    let body = u16::from_be_bytes([self.header[3], self.header[4]]);
                    (self.body_bytes, self.body_left) = (body.into(), body.into());
                }
            } else {
                self.body_left -= came;
            }
            if self.header_bytes == self.header.len() && self.body_left == 0 {
                self.header_bytes = 0;
            }
            bytes = &bytes[came..];
        }
    }

    /// Bytes that are surely still to come of a record that has begun.
    fn left(&self) -> usize {
        match self.header_bytes {
            0 => 0,
            bytes if bytes < self.header.len() => self.header.len() - bytes,
            _ => self.body_left,
        }
    }

    /// Bytes of a record that is not whole.
    fn held(&self) -> usize {
        let body = if self.body_left > 0 { self.body_bytes - self.body_left } else { 0 };
        (self.header_bytes + body).min(TLS_RECORD_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_followed_however_they_are_cut() {
        let mut stream = Vec::new();
        for bytes in [0_u16, 1, 300, 16_384] {
            stream.extend_from_slice(&[23, 3, 3]);
            stream.extend_from_slice(&bytes.to_be_bytes());
            stream.extend(std::iter::repeat_n(7, bytes.into()));
        }
        for cut in [1, 2, 3, 4, 5, 6, 7, 300, 4096, stream.len()] {
            let (mut records, mut passed) = (Records::default(), 0);
            for piece in stream.chunks(cut) {
                records.pass(piece);
                passed += piece.len();
                let ends = [5, 11, 316, stream.len()];
                let begun = ends.iter().rev().find(|end| **end <= passed).unwrap_or(&0);
                assert_eq!(records.held(), passed - begun, "cut by {cut}, after {passed}");
                assert_eq!(records.left() > 0, passed > *begun, "cut by {cut}, after {passed}");
            }
        }
    }
}
