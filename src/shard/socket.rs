//! What a connection reads from and writes to: a socket of the kernel's or, in a drill, a
//! [`Line`](super::Line).
//!
//! It adds nothing and holds nothing back. Invariant: both kinds behave alike: a write that was
//! short is followed by news once there is room again, and bytes that come by news.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown};

use mio::net::TcpStream;

use super::Shard;
use super::connection::{Connection, Wait};
use super::line::Line;
use super::table::Agenda;

/// The two kinds.
pub(super) enum Socket {
    Kernel(TcpStream),
    Line(Line),
}

/// What has happened to a socket since it was last asked.
#[derive(Default)]
pub(super) struct News {
    /// It can be neither read nor written any more.
    pub(super) is_broken: bool,
    pub(super) is_readable: bool,
    pub(super) is_read_closed: bool,
    pub(super) is_writable: bool,
}

impl From<&mio::event::Event> for News {
    #[inline]
    fn from(event: &mio::event::Event) -> News {
        News {
            is_broken: event.is_error() || event.is_read_closed() && event.is_write_closed(),
            is_readable: event.is_readable(),
            is_read_closed: event.is_read_closed(),
            is_writable: event.is_writable(),
        }
    }
}

impl Socket {
    /// Where its peer is, if that is anywhere.
    pub(super) fn peer(&self) -> Option<IpAddr> {
        match self {
            Socket::Kernel(stream) => stream.peer_addr().ok().map(|peer| peer.ip()),
            Socket::Line(_) => None,
        }
    }

    /// Says that nothing more is written.
    pub(super) fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Socket::Kernel(stream) => stream.shutdown(Shutdown::Write),
            Socket::Line(line) => {
                line.shut();
                Ok(())
            }
        }
    }
}

impl Read for Socket {
    #[inline]
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Kernel(stream) => stream.read(into),
            Socket::Line(line) => line.read(into),
        }
    }
}

impl Write for Socket {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Kernel(stream) => stream.write(bytes),
            Socket::Line(line) => line.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shard {
    /// Takes in a peer on a line, as if it had been accepted. Returns whether there was room.
    pub fn connect(&mut self, line: Line) -> bool {
        let now = (self.clock)();
        let is_in = self.take_in(Socket::Line(line), now);
        if is_in {
            self.door.taken.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        is_in
    }

    /// Asks the lines for news. Returns how many had any.
    pub(super) fn listen(&mut self) -> usize {
        let (table, agenda) = (&mut self.table, &mut self.agenda);
        let mut count = 0;
        self.lines.retain(|slot| {
            let Some((_, connection)) = table.in_slot(*slot) else { return false };
            let Socket::Line(line) = &mut connection.stream else { return false };
            if let Some(news) = line.news() {
                count += 1;
                notice(&news, *slot, connection, agenda);
            }
            true
        });
        count
    }
}

/// What is said of one connection's socket.
pub(super) fn notice(news: &News, slot: u32, connection: &mut Connection, agenda: &mut Agenda) {
    if news.is_broken {
        connection.gone = true;
        agenda.soil(slot, connection);
        return;
    }
    if news.is_writable && connection.write_blocked {
        connection.write_blocked = false;
        agenda.soil(slot, connection);
    }
    if news.is_readable || news.is_read_closed {
        connection.readable = true;
        connection.read_closed |= news.is_read_closed;
        if connection.wait == Wait::No {
            agenda.wake(slot, connection);
        }
    }
}
