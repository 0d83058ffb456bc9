//! One thread of load: a poll, its connections, and the loop that keeps them fed.
//!
//! In a *closed* loop each connection keeps its pipeline full, so a slow server slows the load. In
//! an *open* loop requests leave when they are due, whatever is outstanding; one that cannot (its
//! connection is full) keeps its intended time, from which its wait is counted. A queue knows when
//! each connection has something to send next. One clock reading serves all answers of one read.
//! Nothing is allocated for a request.

use std::{cmp::Reverse, collections::BinaryHeap, io, sync::atomic::Ordering, time::Duration};

use mio::{Events, Interest, Poll, Token};

use super::alarm::Alarm;
use super::answered::Books;
use super::arrivals::Arrivals;
use super::connection::{Asked, Connection, FollowUp, Pending, unreadable};
use super::ledger::Ledger;
use super::plan::{Pace, Plan};
use super::slice::SLICE_NS;
use super::stream::Stream;
use crate::speech::{Command, Parsed, Protocol};

/// The alarm's token; connections have their indexes.
const ALARM: Token = Token(usize::MAX);
/// Bytes that all connections read into.
const READ_BYTES: usize = 256 * 1024;
/// What is shown of an answer that is an error.
const SHOWN_BYTES: usize = 200;
/// The shortest time between two looks at the schedule, in ns: finer would only cost the server
/// its processor. What it delays is counted as latency.
const ROUND_NS: u64 = 50_000;
/// The longest sleep, so that a signal is seen.
const NAP: Duration = Duration::from_millis(20);
/// Purchases never sent after which a signal is looked for.
const STOP_EVERY: u64 = 1 << 20;
/// From when on a request counts as late, in ns.
const LATE_NS: u64 = 1_000_000;

/// Drives some connections over one protocol.
pub(crate) struct Driver<P> {
    plan: Plan,
    protocol: P,
    connections: Vec<Connection>,
    pub(crate) books: Books,
    /// Closed loop: purchases issued, and how many measured ones may yet be.
    issued: u64,
    left: u64,
    /// Open loop: what is due from here on is not sent.
    cut: u64,
    /// When connections have something to send; entries that a connection no longer stands for
    /// are passed over.
    queue: BinaryHeap<Reverse<(u64, usize)>>,
    /// When sending ended, and whether that was before it should.
    pub(crate) stopped_at: Option<u64>,
    pub(crate) cut_short: bool,
    /// When the last answer came.
    heard: u64,
    buffer: Vec<u8>,
    answers: Vec<Parsed>,
}

impl<P: Protocol> Driver<P> {
    pub(crate) fn new(plan: Plan, protocol: P, streams: Vec<Stream>, bound: usize) -> Driver<P> {
        let count = streams.len() as u64;
        let connection = |(index, stream)| {
            Connection::new(stream, bound, P::TAKES_TURNS, plan.arrivals(index, count))
        };
        let connections: Vec<Connection> = (0_u64..).zip(streams).map(connection).collect();
        let left = match plan.pace {
            Pace::Closed { requests } => requests.unwrap_or(u64::MAX),
            Pace::Open(_) => 0,
        };
        let ledger = Ledger::new(plan.items, plan.end.saturating_add(plan.patience), plan.limit);
        Driver {
            books: Books::new(&plan.content, plan.stride, plan.manners, ledger),
            cut: plan.end,
            plan,
            protocol,
            connections,
            issued: 0,
            left,
            queue: BinaryHeap::new(),
            stopped_at: None,
            cut_short: false,
            heard: 0,
            buffer: vec![0; READ_BYTES],
            answers: Vec::new(),
        }
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// When the system refuses a poll or a timer; what connections suffer is counted instead.
    pub(crate) fn run(&mut self) -> io::Result<()> {
        let mut poll = Poll::new()?;
        let mut events = Events::with_capacity(1024);
        let mut alarm = Alarm::new(poll.registry(), ALARM)?;
        for (index, connection) in self.connections.iter_mut().enumerate() {
            if let Some(stream) = connection.stream() {
                let both = Interest::READABLE | Interest::WRITABLE;
                poll.registry().register(stream, Token(index), both)?;
            }
        }
        while self.plan.clock.now() == 0 {
            std::thread::sleep(Duration::from_micros(200));
        }
        for index in 0..self.connections.len() {
            self.push(index);
        }
        loop {
            let now = self.plan.clock.now();
            self.steer(now);
            self.push_due(now);
            self.tell(now, false);
            if self.is_over(now) {
                self.settle(now);
                self.tell(now, true);
                return Ok(());
            }
            let bound = self.wait(now, &mut alarm)?;
            match poll.poll(&mut events, Some(bound)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            for event in events.iter().filter(|event| event.token() != ALARM) {
                let Token(index) = event.token();
                if event.is_read_closed() {
                    self.connections[index].expect_end();
                }
                self.receive(index);
                self.push(index);
            }
        }
    }

    /// Ends the sending when it is time.
    fn steer(&mut self, now: u64) {
        if self.stopped_at.is_some() {
            return;
        }
        let all_lost = !self.connections.iter().any(Connection::is_alive);
        let stop = self.plan.stop.load(Ordering::Relaxed);
        let done = matches!(self.plan.pace, Pace::Closed { .. }) && self.left == 0;
        // Whoever is asked for a number of answers must not wait for ever for one that hangs.
        let hangs = matches!(self.plan.pace, Pace::Closed { requests: Some(_) })
            && now.saturating_sub(self.heard) > self.plan.patience;
        if now >= self.plan.end || done || stop || all_lost || hangs {
            self.cut_short = !(done || now >= self.plan.end);
            if stop {
                self.cut = self.cut.min(now);
            }
            self.stopped_at = Some(now.min(self.plan.end));
        }
    }

    /// Sends what came due since the last look.
    fn push_due(&mut self, now: u64) {
        while let Some(Reverse((due, index))) = self.queue.peek().copied() {
            if due > now {
                return;
            }
            self.queue.pop();
            let connection = &mut self.connections[index];
            if connection.queued_for == due {
                connection.queued_for = Arrivals::NEVER;
                self.push(index);
            }
        }
    }

    /// Tells the second that is over.
    fn tell(&mut self, now: u64, last: bool) {
        let going_on = now / SLICE_NS;
        let slice = &mut self.books.slice;
        if going_on > slice.index || last {
            slice.ended = if last { now } else { going_on * SLICE_NS };
            slice.outstanding = self.connections.iter().map(|c| c.pending.len() as u64).sum();
            self.plan.teller.tell(slice);
            slice.index = going_on;
        }
    }

    /// How long to sleep at most.
    fn wait(&self, now: u64, alarm: &mut Alarm) -> io::Result<Duration> {
        if self.stopped_at.is_some() {
            return Ok(Duration::from_millis(1));
        }
        let longest = NAP.min(Duration::from_nanos(self.plan.end - now));
        match self.queue.peek() {
            Some(Reverse((due, _))) => alarm.set(now, (*due).max(now + ROUND_NS), longest),
            None => Ok(longest),
        }
    }

    /// Sends what may be sent on a connection, and queues it for what comes later.
    fn push(&mut self, index: usize) {
        loop {
            let now = self.plan.clock.now();
            let added = self.fill(index, now);
            let connection = &mut self.connections[index];
            if added > 0 {
                self.protocol.flush(&mut connection.out);
            }
            if let Err(error) = connection.write() {
                return self.lose(index, now, &format!("writing failed: {error}"));
            }
            if added == 0 || !connection.out.is_empty() {
                break;
            }
        }
        let connection = &mut self.connections[index];
        let due = connection.next_due(self.cut);
        if due < connection.queued_for {
            connection.queued_for = due;
            self.queue.push(Reverse((due, index)));
        }
    }

    /// Puts what may be sent into the connection's buffer; returns how many requests that were.
    fn fill(&mut self, index: usize, now: u64) -> usize {
        let mut added = 0;
        let turn = self.connections[index].has_turn();
        while turn && self.connections[index].has_room() {
            if let Some(follow_up) = self.connections[index].follow_up(now) {
                self.follow(index, &follow_up, now);
            } else if let Some((number, intended)) = self.next_purchase(index, now) {
                self.buy(index, number, intended, now);
            } else {
                break;
            }
            added += 1;
        }
        let connection = &mut self.connections[index];
        let due = connection.arrival_due();
        connection.held_back = turn && (!connection.has_room() || due < self.cut && due <= now);
        added
    }

    /// Sends what an answer led to.
    fn follow(&mut self, index: usize, follow_up: &FollowUp, now: u64) {
        let FollowUp { asked, measured, number, intended, .. } = *follow_up;
        let pending = Pending { asked, measured, number, intended, sent: now };
        let out = &mut self.connections[index].out;
        match asked {
            Asked::Command { command, order, given } => {
                if command == Command::Release {
                    self.books.asks_back(number, given);
                }
                self.protocol.command(command, order, pending.tag(), out);
                self.books.tally.counts.followed += u64::from(measured);
            }
            Asked::Buy { .. } => {
                let purchase = self.plan.content.purchase(number, self.plan.stride);
                self.protocol.buy(&purchase, pending.tag(), out);
            }
        }
        self.connections[index].pending.push_back(pending);
    }

    /// The next purchase that this connection may send: its number and when it was due.
    fn next_purchase(&mut self, index: usize, now: u64) -> Option<(u64, u64)> {
        match self.plan.pace {
            Pace::Closed { .. } if self.stopped_at.is_some() || self.left == 0 => None,
            Pace::Closed { requests } => {
                if requests.is_some() && now >= self.plan.measured_from {
                    self.left -= 1;
                }
                self.issued += 1;
                Some(((self.issued - 1) * self.plan.stride + self.plan.offset, now))
            }
            Pace::Open(_) => {
                let arrivals = self.connections[index].arrivals.as_mut()?;
                let next = (arrivals.number(), arrivals.due());
                if next.1 > now || next.1 >= self.cut {
                    return None;
                }
                arrivals.advance();
                Some(next)
            }
        }
    }

    fn buy(&mut self, index: usize, number: u64, intended: u64, now: u64) {
        let connection = &mut self.connections[index];
        let purchase = self.plan.content.purchase(number, self.plan.stride);
        let measured = intended >= self.plan.measured_from;
        let asked = Asked::Buy { tries: self.plan.retries };
        let pending = Pending { asked, measured, number: purchase.number, intended, sent: now };
        let clicks = 1 + u64::from(self.plan.content.clicks_twice(number));
        for _ in 0..clicks {
            self.protocol.buy(&purchase, pending.tag(), &mut connection.out);
            connection.pending.push_back(pending);
        }
        self.books.slice.sent += clicks;
        if !measured {
            return;
        }
        let tally = &mut self.books.tally;
        tally.counts.sent += 1;
        tally.counts.sent_in_time += u64::from(now < self.plan.end);
        tally.counts.repeats_sent += u64::from(purchase.repeat) + clicks - 1;
        let late = now - intended;
        if connection.held_back {
            tally.counts.late_connection += u64::from(late > LATE_NS);
        } else if !P::TAKES_TURNS {
            tally.counts.late_generator += u64::from(late > LATE_NS);
            tally.latest = tally.latest.max(late);
        }
    }

    /// Takes all answers that have come.
    fn receive(&mut self, index: usize) {
        let mut buffer = std::mem::take(&mut self.buffer);
        loop {
            self.connections[index].make_room(&mut buffer);
            let read = self.connections[index].read(&mut buffer);
            let now = self.plan.clock.now();
            let (length, more) = match read {
                Ok(read) => read,
                Err(error) => {
                    self.lose(index, now, &unreadable(&error));
                    break;
                }
            };
            self.answers.clear();
            let parsed = self.protocol.parse(&buffer[..length], &mut self.answers);
            if !self.answers.is_empty() {
                self.heard = now;
            }
            for answer in &self.answers {
                let connection = &mut self.connections[index];
                self.books.answered::<P>(connection, answer, now, || {
                    let (from, to) = (answer.text.0 as usize, answer.text.1 as usize);
                    let text = &buffer[from..to.min(from + SHOWN_BYTES)];
                    String::from_utf8_lossy(text).trim_end().to_owned()
                });
            }
            match parsed {
                Ok(taken) => self.connections[index].keep(&buffer[taken..length]),
                Err(sentence) => {
                    self.lose(index, now, &sentence);
                    break;
                }
            }
            if !more {
                break;
            }
        }
        self.buffer = buffer;
    }

    /// Counts a connection and all that it had outstanding as lost.
    fn lose(&mut self, index: usize, now: u64, why: &str) {
        let connection = &mut self.connections[index];
        if !connection.is_alive() {
            return;
        }
        connection.close();
        self.books.tally.counts.connections_lost += 1;
        self.books.tally.note_error(|| format!("a connection died: {why}"));
        self.books.tally.counts.lost += self.books.abandon(connection, now);
    }

    fn is_over(&self, now: u64) -> bool {
        let Some(stopped_at) = self.stopped_at else { return false };
        let done = |connection: &Connection| {
            !connection.is_alive() || connection.is_idle() && connection.arrival_due() >= self.cut
        };
        now >= stopped_at + self.plan.patience || self.connections.iter().all(done)
    }

    /// Counts what never came to be.
    fn settle(&mut self, now: u64) {
        for connection in &mut self.connections {
            self.books.tally.counts.timeouts += self.books.abandon(connection, now);
            let Some(arrivals) = &mut connection.arrivals else { continue };
            while arrivals.due() < self.cut {
                let due = arrivals.due();
                if due >= self.plan.measured_from {
                    // What would have been due later, had its connection lived, waits as long as
                    // anybody does.
                    let wait = if due < now { now - due } else { self.plan.patience };
                    self.books.never_sent(wait);
                }
                arrivals.advance();
                if self.books.tally.counts.unsent % STOP_EVERY == 1
                    && self.plan.stop.load(Ordering::Relaxed)
                {
                    break;
                }
            }
        }
        let tally = &mut self.books.tally;
        tally.counts.scheduled = tally.counts.sent + tally.counts.unsent;
        tally.settle();
    }
}
