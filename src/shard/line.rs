//! A connection without a kernel: bytes to and fro in memory, as far and as fast as whoever holds
//! the other end wants. Drills put one in a socket's place to decide where reads and writes are cut
//! and when a peer vanishes.
//!
//! It never waits. Invariant: whoever was told that there is nothing to read, or no room to write,
//! hears when that has changed, once.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use parking_lot::Mutex;

use super::socket::News;

#[derive(Default)]
struct Bytes {
    /// On their way to the shard, and there.
    inward: VecDeque<u8>,
    /// From the shard, not yet with the peer.
    outward: VecDeque<u8>,
    /// The most that `outward` takes.
    room: usize,
    is_ended: bool,
    is_broken: bool,
    /// The shard writes no more, or has let go.
    is_shut: bool,
    /// The shard was told that there is no more room.
    is_short: bool,
    news: News,
}

/// The shard's end.
pub struct Line(Arc<Mutex<Bytes>>);

/// The peer's end.
pub struct Peer(Arc<Mutex<Bytes>>);

impl Line {
    /// Both ends of a line that takes so many bytes of answers before the peer must take some.
    pub fn open(room: usize) -> (Line, Peer) {
        let news = News { is_writable: true, ..News::default() };
        let bytes = Arc::new(Mutex::new(Bytes { room, news, ..Bytes::default() }));
        (Line(Arc::clone(&bytes)), Peer(bytes))
    }

    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut bytes = self.0.lock();
        if bytes.is_broken {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if bytes.inward.is_empty() {
            return if bytes.is_ended { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        let count = into.len().min(bytes.inward.len());
        for (byte, into) in bytes.inward.drain(..count).zip(into) {
            *into = byte;
        }
        Ok(count)
    }

    pub(super) fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let mut bytes = self.0.lock();
        if bytes.is_broken {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let count = from.len().min(bytes.room.saturating_sub(bytes.outward.len()));
        bytes.is_short = count < from.len();
        if count == 0 && !from.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        bytes.outward.extend(&from[..count]);
        Ok(count)
    }

    pub(super) fn shut(&mut self) {
        self.0.lock().is_shut = true;
    }

    /// What has happened since it was last asked, if anything has.
    pub(super) fn news(&mut self) -> Option<News> {
        let news = std::mem::take(&mut self.0.lock().news);
        let is_any = news.is_broken || news.is_readable || news.is_read_closed || news.is_writable;
        is_any.then_some(news)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.shut();
    }
}

impl Peer {
    /// Lets bytes arrive.
    pub fn send(&self, sent: &[u8]) {
        let mut bytes = self.0.lock();
        bytes.inward.extend(sent);
        bytes.news.is_readable = true;
    }

    /// Bytes that the shard has not read yet.
    pub fn unread(&self) -> usize {
        self.0.lock().inward.len()
    }

    /// Takes up to so many bytes of what the shard has written.
    pub fn take(&self, most: usize, into: &mut Vec<u8>) -> usize {
        let mut bytes = self.0.lock();
        let count = most.min(bytes.outward.len());
        into.extend(bytes.outward.drain(..count));
        if count > 0 && bytes.is_short {
            bytes.is_short = false;
            bytes.news.is_writable = true;
        }
        count
    }

    /// Has room for more from here on.
    pub fn widen(&self, room: usize) {
        let mut bytes = self.0.lock();
        bytes.room = bytes.room.max(room);
        bytes.news.is_writable |= std::mem::take(&mut bytes.is_short);
    }

    /// Sends no more; what was sent is still heard.
    pub fn end(&self) {
        let mut bytes = self.0.lock();
        bytes.is_ended = true;
        bytes.news.is_read_closed = true;
    }

    /// Vanishes, and everything on its way with it.
    pub fn vanish(&self) {
        let mut bytes = self.0.lock();
        bytes.is_broken = true;
        bytes.news.is_broken = true;
    }

    /// Whether the shard has let go and everything it wrote was taken.
    pub fn is_over(&self) -> bool {
        let bytes = self.0.lock();
        bytes.is_shut && bytes.outward.is_empty()
    }
}
