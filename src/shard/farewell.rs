//! Peers for whom there is no room: each is told so in the words of the protocol that it speaks,
//! and the door is shut.
//!
//! A peer that has not said anything yet is given a moment, for what it speaks is known by its
//! first byte only. It never takes a request, and never keeps more peers than [`TURNED_AWAY_MAX`]:
//! when there are more, the oldest is told at once.
//!
//! Invariant: who waits here is no connection of any shard and counts for none.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown;

use mio::net::TcpStream;

use super::http::Http;
use crate::limits::TURNED_AWAY_MAX;
use crate::message::{kind, outcome};
use crate::wire::answers::TOO_MANY_CLIENTS;
use crate::wire::binary;

/// How long a peer is given to begin to speak, ns.
const PATIENCE_NS: u64 = 100_000_000;
/// How long nobody is looked at, ns: those inside come first.
const PAUSE_NS: u64 = 5_000_000;
/// Reads of what such a peer has sent: unread bytes would make the kernel reset the connection, and
/// the peer might not read the words before.
const READS_MAX: usize = 4;

/// Peers that have not yet been told.
#[derive(Default)]
pub(super) struct Farewells {
    /// With the end of the time that each has to begin.
    waiting: VecDeque<(TcpStream, u64)>,
    looked_at: u64,
}

impl Farewells {
    /// Whether there is nobody.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes a peer in.
    pub(super) fn add(&mut self, stream: TcpStream, now: u64, http: &mut Http) {
        if self.waiting.len() >= TURNED_AWAY_MAX
            && let Some((oldest, _)) = self.waiting.pop_front()
        {
            let _ = take_leave(oldest, true, http);
        }
        self.waiting.push_back((stream, now + PATIENCE_NS));
    }

    /// Tells those who have begun to speak, and those who had the time to. Returns how many.
    pub(super) fn tell(&mut self, now: u64, http: &mut Http) -> usize {
        if now.saturating_sub(self.looked_at) < PAUSE_NS {
            return 0;
        }
        self.looked_at = now;
        let mut told = 0;
        for _ in 0..self.waiting.len() {
            let Some((stream, until)) = self.waiting.pop_front() else { break };
            match take_leave(stream, now >= until, http) {
                Some(stream) => self.waiting.push_back((stream, until)),
                None => told += 1,
            }
        }
        told
    }
}

/// Tells a peer, if it has begun to speak or is `late`; gives it back if not.
fn take_leave(stream: TcpStream, late: bool, http: &mut Http) -> Option<TcpStream> {
    let mut first = [0];
    match stream.peek(&mut first) {
        Ok(1) => part(stream, Some(first[0]), http),
        Err(why) if why.kind() == ErrorKind::WouldBlock && !late => return Some(stream),
        Err(why) if why.kind() == ErrorKind::WouldBlock => part(stream, None, http),
        // It is gone.
        _ => {}
    }
    None
}

fn part(mut stream: TcpStream, first: Option<u8>, http: &mut Http) {
    let mut words = Vec::new();
    match first {
        Some(b'A'..=b'Z') => http.turn_away(&mut words),
        Some(kind::HELLO) => {
            binary::hello(outcome::OVERLOADED, http.crowded_ms() as u32, &mut words);
        }
        // In TLS nothing can be said before the handshake.
        Some(0x16) => {}
        _ => words.extend_from_slice(TOO_MANY_CLIENTS),
    }
    // A courtesy; the peer may be gone already.
    let _ = stream.write(&words);
    let _ = stream.shutdown(Shutdown::Write);
    let mut unheard = [0; 2048];
    for _ in 0..READS_MAX {
        if !stream.read(&mut unheard).is_ok_and(|read| read > 0) {
            break;
        }
    }
}
