//! The listening socket, and how accepted sockets come to their shards.
//!
//! One shard accepts for all and deals the sockets out in turn: connections then spread evenly
//! however few there are, which the kernel's own spreading does not promise. It never waits: a
//! shard that is full is passed over, and without descriptors it leaves the peers in the
//! backlog for a while.
//!
//! Invariant: a socket is in one inbox or among the farewells, and there not for long.

use std::io::ErrorKind;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use crossbeam::queue::ArrayQueue;
use mio::net::{TcpListener, TcpStream};
use rustix::io::Errno;

use super::farewell::Farewells;
use super::http::Http;
use crate::bell::Bell;
use crate::limits::INBOX_SOCKETS_MAX;

/// How long nothing is accepted after descriptors ran out, ns.
const PAUSE_NS: u64 = 100_000_000;
/// Sockets accepted before the shard looks around again.
const ACCEPT_BATCH_MAX: usize = 64;

/// The way into a shard for an accepted socket.
#[derive(Clone)]
pub struct Door {
    pub(super) inbox: Arc<ArrayQueue<TcpStream>>,
    pub(super) bell: Arc<Bell>,
    /// Its connections, those in the inbox included. Only the acceptor adds to it.
    pub(super) taken: Arc<AtomicUsize>,
    /// Written by its shard alone.
    pub(super) connections_max: Arc<AtomicUsize>,
}

impl Door {
    pub(super) fn new(bell: Arc<Bell>, connections_max: usize) -> Door {
        let inbox = Arc::new(ArrayQueue::new(INBOX_SOCKETS_MAX));
        let connections_max = Arc::new(AtomicUsize::new(connections_max));
        Door { inbox, bell, taken: Arc::default(), connections_max }
    }

    fn is_full(&self) -> bool {
        self.taken.load(Relaxed) >= self.connections_max.load(Relaxed)
    }
}

pub(super) struct Acceptor {
    pub(super) listener: TcpListener,
    pub(super) doors: Vec<Door>,
    next: usize,
    /// There may be peers in the backlog.
    waiting: bool,
    paused_until: u64,
    farewells: Farewells,
}

impl Acceptor {
    pub(super) fn new(listener: TcpListener, doors: Vec<Door>) -> Acceptor {
        assert!(!doors.is_empty(), "someone must take the sockets");
        let farewells = Farewells::default();
        Acceptor { listener, doors, next: 0, waiting: true, paused_until: 0, farewells }
    }

    /// The kernel says that someone knocks.
    pub(super) fn knock(&mut self) {
        self.waiting = true;
    }

    /// Whether [`accept`](Self::accept) has something to do.
    pub(super) fn is_ready(&self, now: u64) -> bool {
        self.waiting && now >= self.paused_until
    }

    /// Whether someone waits for it of whom the kernel will not tell.
    pub(super) fn is_waited_for(&self) -> bool {
        self.waiting || !self.farewells.is_empty()
    }

    /// Tells those for whom there was no room. Returns how many.
    pub(super) fn part(&mut self, now: u64, http: &mut Http) -> usize {
        if self.farewells.is_empty() { 0 } else { self.farewells.tell(now, http) }
    }

    /// Accepts some and deals them out. Returns how many, and how many found no room anywhere.
    pub(super) fn accept(&mut self, now: u64, http: &mut Http) -> (usize, usize) {
        let (mut accepted, mut turned_away) = (0, 0);
        while accepted < ACCEPT_BATCH_MAX {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    accepted += 1;
                    // Without it only latency suffers.
                    let _ = stream.set_nodelay(true);
                    if let Err(stream) = self.deal(stream) {
                        turned_away += 1;
                        self.farewells.add(stream, now, http);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.waiting = false;
                    break;
                }
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                        self.paused_until = now + PAUSE_NS;
                        break;
                    }
                    // That peer is gone already; the next one may not be.
                    _ => accepted += 1,
                },
            }
        }
        (accepted, turned_away)
    }

    /// Gives it to a shard; back if all are full.
    fn deal(&mut self, stream: TcpStream) -> Result<(), TcpStream> {
        let mut stream = stream;
        for _ in 0..self.doors.len() {
            let door = &self.doors[self.next];
            self.next = (self.next + 1) % self.doors.len();
            if door.is_full() {
                continue;
            }
            // Counted before the shard can see it, and close it.
            door.taken.fetch_add(1, Relaxed);
            match door.inbox.push(stream) {
                Ok(()) => {
                    door.bell.ring();
                    return Ok(());
                }
                Err(back) => {
                    door.taken.fetch_sub(1, Relaxed);
                    stream = back;
                }
            }
        }
        Err(stream)
    }
}
