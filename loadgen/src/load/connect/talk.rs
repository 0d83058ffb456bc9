//! A connection while it blocks, plain or through TLS: one question and its answer at a time.
//!
//! Invariant: no call returns later than the time it was allowed, however slowly the peer speaks.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use super::{Failure, gone};
use crate::load::stream::Stream;

/// A socket whose waits end all at one moment.
pub(super) struct Bounded {
    socket: TcpStream,
    until: Instant,
}

impl Bounded {
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(too_late()) } else { Ok(left) }
    }
}

fn too_late() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "no answer in time; is it the right port and --protocol?")
}

/// A wait that ran out comes as `WouldBlock`.
fn in_time<T>(done: io::Result<T>) -> io::Result<T> {
    done.map_err(|error| if error.kind() == ErrorKind::WouldBlock { too_late() } else { error })
}

impl Read for Bounded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(self.left()?))?;
        in_time(self.socket.read(into))
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(self.left()?))?;
        in_time(self.socket.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) enum Talk {
    Plain(Bounded),
    Tls(Box<StreamOwned<ClientConnection, Bounded>>),
}

impl Talk {
    /// Connects, with the handshake made.
    pub(super) fn open(
        target: SocketAddr,
        tls: Option<&(Arc<ClientConfig>, ServerName<'static>)>,
        patience: Duration,
    ) -> Result<Talk, Failure> {
        let until = Instant::now() + patience;
        let socket = TcpStream::connect_timeout(&target, patience).map_err(gone)?;
        socket.set_nodelay(true).map_err(gone)?;
        let mut socket = Bounded { socket, until };
        let Some((config, name)) = tls else { return Ok(Talk::Plain(socket)) };
        let in_tls =
            |why: &dyn std::fmt::Display| Failure::new(Failure::UNAVAILABLE, format!("TLS: {why}"));
        let mut inner = ClientConnection::new(Arc::clone(config), name.clone())
            .map_err(|error| in_tls(&error))?;
        while inner.is_handshaking() {
            inner.complete_io(&mut socket).map_err(|error| in_tls(&error))?;
        }
        Ok(Talk::Tls(Box::new(StreamOwned::new(inner, socket))))
    }

    /// From now on it may take so long.
    pub(super) fn allow(&mut self, patience: Duration) {
        let socket = match self {
            Talk::Plain(socket) => socket,
            Talk::Tls(tls) => &mut tls.sock,
        };
        socket.until = Instant::now() + patience;
    }

    pub(super) fn say(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let said = match self {
            Talk::Plain(socket) => socket.write_all(bytes),
            Talk::Tls(tls) => tls.write_all(bytes).and_then(|()| tls.flush()),
        };
        said.map_err(gone)
    }

    /// Hears at least a byte; 0 if the peer sends no more.
    pub(super) fn hear(&mut self, into: &mut [u8]) -> Result<usize, Failure> {
        loop {
            let heard = match self {
                Talk::Plain(socket) => socket.read(into),
                Talk::Tls(tls) => tls.read(into),
            };
            match heard {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Without a farewell, or with no more than a reset: it is gone all the same.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
                    ) =>
                {
                    return Ok(0);
                }
                heard => return heard.map_err(gone),
            }
        }
    }

    /// Lets go of it: from now on it does not block.
    pub(super) fn release(self) -> io::Result<Stream> {
        match self {
            Talk::Plain(socket) => Stream::plain(socket.socket),
            Talk::Tls(tls) => {
                let (inner, socket) = tls.into_parts();
                Stream::tls(socket.socket, inner)
            }
        }
    }
}
