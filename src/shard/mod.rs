//! Turns bytes into requests and answers into bytes: the sockets of the buyers' port.
//!
//! A shard owns its connections alone; it shares nothing with other shards but the doors that the
//! acceptor deals sockets through. It never decides anything about a sale, never tells an answer
//! without the [`Gate`]'s proof that it is durable, and never blocks but in [`Shard::wait`]. What
//! it keeps is bounded: when it can take no more it stops reading, and the peers' own sockets fill.
//!
//! Invariant: answers come out of the ring in the order in which requests went in, so the list of
//! flights says whose each is; on a connection every answer stands in the order of its requests.

mod acceptor;
mod basket;
mod cells;
mod connection;
mod farewell;
mod guarding;
mod http;
mod intake;
mod line;
mod names;
mod parts;
mod reading;
mod refusing;
mod siding;
mod socket;
mod stream;
mod sweep;
mod table;
mod telling;
mod tls;
mod tuning;
mod watches;
mod watching;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, atomic::Ordering::Relaxed};
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};

use acceptor::Acceptor;
pub use acceptor::Door;
use connection::Connection;
use http::Http;
use intake::Intake;
pub use line::{Line, Peer};
use names::Names;
pub use parts::{ShardOptions, ShardParts};
use reading::Unshown;
use refusing::Refusing;
use socket::{Socket, notice};
use stream::Desk;
use sweep::Sweep;
use table::{Agenda, Buffers, Table};
use watches::Watches;

use crate::bell::Bell;
use crate::chains::Chains;
use crate::journal::Gate;
use crate::limits::{
    READ_BYTES_MAX, RESP_REQUEST_BYTES_MAX, SHARD_IN_FLIGHT_MAX, SHARDS_MAX, TLS_RECORD_BYTES_MAX,
};
use crate::live::Follower;
use crate::message::Cell;
use crate::metrics::{Metrics, ShardCounters};
use crate::news::News;
use crate::ring::Reader;
use crate::wire::resp::Args;

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
const EVENTS_MAX: usize = 1024;
const INPUT_BYTES: usize = READ_BYTES_MAX + 2 * RESP_REQUEST_BYTES_MAX + TLS_RECORD_BYTES_MAX;
/// While connections wait for their turn, the kernel is asked for news in every so many rounds.
const ROUNDS_PER_POLL: u64 = 4;

/// One thread's share of the connections.
pub struct Shard {
    poll: Poll,
    events: Events,
    door: Door,
    acceptor: Option<Acceptor>,
    table: Table,
    /// Slots of connections that the kernel knows nothing of; none in a server.
    lines: Vec<u32>,
    agenda: Agenda,
    buffers: Buffers,
    /// What every read goes into: the unheard rest of its connection, then the new bytes.
    input: Box<[u8]>,
    desk: Desk,
    intake: Intake,
    watches: Watches,
    news: News,
    replies: Reader<Cell>,
    gate: Gate,
    chains: Chains,
    matcher_bell: Arc<Bell>,
    clock: fn() -> u64,
    options: ShardOptions,
    index: usize,
    metrics: Metrics,
    sweep: Sweep,
    unshown: Unshown,
    live: Follower,
    /// Bytes in the connections' buffers.
    held: usize,
    rounds: u64,
    /// Connections since the start.
    connections: u64,
    draining: bool,
}

impl Shard {
    /// Makes a shard without connections.
    ///
    /// # Errors
    /// When the kernel gives no epoll instance or waker.
    ///
    /// # Panics
    /// If the options allow no request on its way, or more than a shard may have, or if they
    /// require TLS and there is no certificate.
    pub fn new(parts: ShardParts) -> io::Result<Shard> {
        let options = parts.options;
        assert!((1..=SHARD_IN_FLIGHT_MAX).contains(&(options.connection_in_flight_max as usize)));
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        // A wake-up can only fail for want of kernel memory, and then the wait still has its end.
        let bell = Arc::new(Bell::new(move || drop(waker.wake())));
        let intake = Intake {
            requests: parts.requests,
            flights: VecDeque::with_capacity(SHARD_IN_FLIGHT_MAX),
            promised: 0,
            names: Names::new(parts.directory),
            connection_in_flight_max: options.connection_in_flight_max,
            metrics: parts.metrics.clone(),
            loading: parts.loading,
            args: Args::new(),
            http: Http::new((parts.clock)() ^ (parts.index as u64) << 32, parts.heads),
            guard: parts.access.guard(),
            refusing: Refusing {
                board: parts.board,
                gate: parts.gate.clone(),
                metrics: parts.metrics.clone(),
                index: parts.index,
            },
            pushed: 0,
            broken: 0,
        };
        Ok(Shard {
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            door: Door::new(bell, options.connections_max),
            acceptor: None,
            table: Table::new(options.connections_max),
            lines: Vec::new(),
            agenda: Agenda::default(),
            buffers: Buffers::default(),
            input: vec![0; INPUT_BYTES].into_boxed_slice(),
            desk: Desk::new(parts.certificates, options.tls_required),
            intake,
            watches: Watches::default(),
            news: parts.news,
            replies: parts.replies,
            gate: parts.gate,
            chains: parts.chains,
            matcher_bell: parts.matcher_bell,
            clock: parts.clock,
            options,
            index: parts.index,
            metrics: parts.metrics,
            sweep: Sweep::new((parts.clock)()),
            unshown: Unshown::default(),
            live: Follower::default(),
            held: 0,
            rounds: 0,
            connections: 0,
            draining: false,
        })
    }

    /// Makes this shard the one that accepts, for itself and for others: one door for each shard.
    ///
    /// # Errors
    /// When the kernel will not watch the listener.
    pub fn open(&mut self, mut listener: TcpListener, doors: Vec<Door>) -> io::Result<()> {
        self.poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        self.acceptor = Some(Acceptor::new(listener, doors));
        Ok(())
    }

    /// The way in for accepted sockets.
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// What wakes it from [`wait`](Self::wait).
    pub fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.door.bell)
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.table.connections()
    }

    /// Does what can be done without waiting. Returns how much that was.
    pub fn work(&mut self) -> usize {
        let mut done = 0;
        self.hear_of_changes();
        self.rounds += 1;
        if self.agenda.ready.is_empty() || self.rounds.is_multiple_of(ROUNDS_PER_POLL) {
            done += self.look(Duration::ZERO);
        }
        let now = (self.clock)();
        self.intake.http.refresh(now);
        done += self.admit(now);
        let told = self.tell();
        self.flush(now);
        if told.count > 0 {
            self.show(&told);
        }
        done += told.count + self.watch() + self.read();
        self.flush(now);
        self.sweep(now);
        done
    }

    /// Waits for the kernel or the bell, at most so long.
    pub fn wait(&mut self, timeout: Duration) {
        let watched = self.table.connections() > 0
            || self.acceptor.as_ref().is_some_and(Acceptor::is_waited_for);
        let timeout = if watched { timeout.min(sweep::PERIOD) } else { timeout };
        self.look(timeout);
    }

    /// Whether [`work`](Self::work) would find something to do, news from the kernel aside.
    pub fn busy(&mut self) -> bool {
        let answers =
            self.replies.available(1) > 0 && self.gate.pass(self.replies.get(0)).is_some();
        let has_news = self.has_news();
        let acceptor = self.acceptor.as_ref();
        answers
            || !self.door.inbox.is_empty()
            || !self.agenda.dirty.is_empty()
            || !self.agenda.handshakes.is_empty()
            || (!self.agenda.ready.is_empty() && self.intake.has_room())
            || has_news
            || acceptor.is_some_and(|acceptor| acceptor.is_ready((self.clock)()))
    }

    /// Waits as [`wait`](Self::wait) unless it or `others`, who run on the same thread, are busy.
    /// Whoever leaves work for any of them rings this shard's bell.
    pub fn doze(&mut self, timeout: Duration, others: impl FnOnce() -> bool) {
        let bell = self.bell();
        let shard = RefCell::new(self);
        bell.doze(|| shard.borrow_mut().busy() || others(), || shard.borrow_mut().wait(timeout));
    }

    /// Stops accepting and reading. Whole requests that were read go their way, and each connection
    /// is closed when it has none left.
    pub fn drain(&mut self) {
        self.draining = true;
        if let Some(mut acceptor) = self.acceptor.take() {
            // Closing it has the same effect.
            let _ = self.poll.registry().deregister(&mut acceptor.listener);
        }
        while self.door.inbox.pop().is_some() {}
        self.end_watches();
        // Those who wait for nothing are let go at once, not when the last of the others is told.
        for slot in 0..self.table.slots() {
            if let Some((_, connection)) = self.table.in_slot(slot) {
                self.agenda.soil(slot, connection);
            }
        }
    }

    /// Whether, after [`drain`](Self::drain), all that was read is answered or its peer gone.
    pub fn is_drained(&self) -> bool {
        self.draining
            && self.intake.is_idle()
            && self.table.iter().all(|peer| peer.untold() == 0 && !peer.backlog)
    }

    fn counters(&self) -> &ShardCounters {
        &self.metrics.shards[self.index]
    }

    /// Asks the kernel for news. Returns how many there were.
    fn look(&mut self, timeout: Duration) -> usize {
        if let Err(error) = self.poll.poll(&mut self.events, Some(timeout)) {
            assert!(error.kind() == io::ErrorKind::Interrupted, "epoll failed: {error}");
            return 0;
        }
        let mut news = if self.lines.is_empty() { 0 } else { self.listen() };
        for event in &self.events {
            match event.token() {
                WAKER => {}
                LISTENER => {
                    if let Some(acceptor) = &mut self.acceptor {
                        acceptor.knock();
                    }
                }
                Token(slot) => {
                    let slot = slot as u32;
                    let Some((_, connection)) = self.table.in_slot(slot) else { continue };
                    news += 1;
                    notice(&event.into(), slot, connection, &mut self.agenda);
                }
            }
        }
        news
    }

    /// Accepts, and takes in what the acceptor dealt to this shard.
    fn admit(&mut self, now: u64) -> usize {
        let mut done = 0;
        if let Some(acceptor) = &mut self.acceptor {
            done += acceptor.part(now, &mut self.intake.http);
            if acceptor.is_ready(now) {
                let (accepted, turned_away) = acceptor.accept(now, &mut self.intake.http);
                done += accepted;
                self.counters().turned_away.add(turned_away as u64);
            }
        }
        while !self.draining
            && let Some(stream) = self.door.inbox.pop()
        {
            done += 1;
            if !self.take_in(Socket::Kernel(stream), now) {
                self.door.taken.fetch_sub(1, Relaxed);
                self.counters().turned_away.add(1);
            }
        }
        done
    }

    /// Whether there was room for it; the acceptor has seen to that.
    fn take_in(&mut self, mut socket: Socket, now: u64) -> bool {
        let Some(slot) = self.table.vacancy() else { return false };
        match &mut socket {
            Socket::Kernel(stream) => {
                let interest = Interest::READABLE | Interest::WRITABLE;
                let token = Token(slot as usize);
                if self.poll.registry().register(stream, token, interest).is_err() {
                    return false;
                }
            }
            Socket::Line(_) => self.lines.push(slot),
        }
        self.connections += 1;
        let id = self.connections * SHARDS_MAX as u64 + self.index as u64;
        let visitor = self.intake.guard.visitor(|| socket.peer());
        let mut connection = Connection::new(socket, id, now);
        connection.visitor = visitor;
        self.table.fill(slot, connection);
        self.counters().accepted.add(1);
        true
    }

    fn close(&mut self, slot: u32) {
        let Some(mut connection) = self.table.remove(slot) else { return };
        self.held -= connection.held;
        self.forget_watches(slot, connection.watches);
        if !connection.gone && connection.untold() == 0 {
            connection.out.clear();
            self.buffers.take_back(&mut connection.out);
        }
        connection.part(&mut self.input);
        self.door.taken.fetch_sub(1, Relaxed);
        self.counters().closed.add(1);
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        for connection in self.table.drain() {
            connection.part(&mut self.input);
        }
    }
}
