//! One thread of load: a poll, its connections, and the loop that keeps them fed.
//!
//! In a *closed* loop each connection keeps its pipeline full, so a slow server slows the load. In
//! an *open* loop requests leave when they are due, whatever is outstanding; one that cannot (its
//! connection is full) keeps its intended time, from which its wait is counted. One clock reading
//! serves all answers of one read. Nothing is allocated for a request.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};

use super::alarm::Alarm;
use super::answered::Books;
use super::connection::{Asked, Connection, Pending};
use super::content::Content;
use super::schedule::Schedule;
use super::tally::Class;
use crate::clock::Clock;
use crate::speech::{Parsed, Protocol};

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
/// From when on a request counts as late, in ns.
const LATE_NS: u64 = 1_000_000;

/// What decides when a request is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Whenever there is room in the pipeline.
    Closed {
        /// Measured requests of this thread, if they are what ends the run.
        requests: Option<u64>,
    },
    /// When it is due.
    Open(Schedule),
}

/// A thread's part of the run. Times are ns since the start.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) clock: Clock,
    pub(crate) pace: Pace,
    pub(crate) content: Content,
    /// Threads, and which of them this is.
    pub(crate) stride: u64,
    pub(crate) offset: u64,
    /// Requests before this are sent but not measured.
    pub(crate) measured_from: u64,
    /// Nothing is due from here on.
    pub(crate) end: u64,
    /// How long to wait for answers after the end.
    pub(crate) patience: u64,
    /// Set by a signal: come to an end.
    pub(crate) stop: Arc<AtomicBool>,
}

/// Drives some connections over one protocol.
pub(crate) struct Driver<P> {
    plan: Plan,
    protocol: P,
    connections: Vec<Connection>,
    pub(crate) books: Books,
    /// Closed loop: purchases issued, and how many measured ones may yet be.
    issued: u64,
    left: u64,
    /// Open loop: requests that have come due, and where they end.
    due: u64,
    end_index: u64,
    /// When sending ended.
    pub(crate) stopped_at: Option<u64>,
    listed: Vec<usize>,
    buffer: Vec<u8>,
    answers: Vec<Parsed>,
}

impl<P: Protocol> Driver<P> {
    pub(crate) fn new(plan: Plan, protocol: P, streams: Vec<TcpStream>, bound: usize) -> Driver<P> {
        let connections = (0_u64..).zip(streams);
        let connections: Vec<Connection> =
            connections.map(|(index, stream)| Connection::new(stream, bound, index)).collect();
        let (left, end_index) = match plan.pace {
            Pace::Closed { requests } => (requests.unwrap_or(u64::MAX), 0),
            Pace::Open(schedule) => (0, schedule.due_before(plan.end)),
        };
        Driver {
            books: Books::new(&plan.content, plan.stride),
            plan,
            protocol,
            connections,
            issued: 0,
            left,
            due: 0,
            end_index,
            stopped_at: None,
            listed: Vec::new(),
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
            self.push(index, self.plan.clock.now());
        }
        loop {
            let now = self.plan.clock.now();
            self.steer(now);
            self.push_due(now);
            if self.is_over(now) {
                self.settle(now);
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
                let now = self.receive(index);
                self.push(index, now);
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
        if now >= self.plan.end || self.left == 0 && self.end_index == 0 || stop || all_lost {
            if let Pace::Open(schedule) = self.plan.pace {
                self.end_index = self.end_index.min(schedule.due_before(now));
            }
            self.stopped_at = Some(now.min(self.plan.end));
        }
    }

    /// Sends what came due since the last look.
    fn push_due(&mut self, now: u64) {
        let Pace::Open(schedule) = self.plan.pace else { return };
        let due = schedule.due_before(now).min(self.end_index);
        let count = self.connections.len() as u64;
        // After a long absence every connection has something due: one turn serves them all.
        for index in due.saturating_sub(count).max(self.due)..due {
            let index = (index % count) as usize;
            if self.fill(index, now) > 0 && !self.connections[index].listed {
                self.connections[index].listed = true;
                self.listed.push(index);
            }
        }
        self.due = due;
        let mut listed = std::mem::take(&mut self.listed);
        for index in listed.drain(..) {
            self.connections[index].listed = false;
            self.push(index, now);
        }
        self.listed = listed;
    }

    /// How long to sleep at most.
    fn wait(&self, now: u64, alarm: &mut Alarm) -> io::Result<Duration> {
        if self.stopped_at.is_some() {
            return Ok(Duration::from_millis(1));
        }
        let longest = NAP.min(Duration::from_nanos(self.plan.end - now));
        match self.plan.pace {
            Pace::Open(schedule) if self.due < self.end_index => {
                alarm.set(now, schedule.due_at(self.due).max(now + ROUND_NS), longest)
            }
            _ => Ok(longest),
        }
    }

    /// Puts what may be sent into the connection's buffer and writes it.
    fn push(&mut self, index: usize, now: u64) {
        loop {
            let added = self.fill(index, now);
            let connection = &mut self.connections[index];
            if let Err(error) = connection.write() {
                return self.lose(index, now, &format!("writing failed: {error}"));
            }
            if added == 0 || !connection.out.is_empty() {
                return;
            }
        }
    }

    /// Puts what may be sent into the connection's buffer; returns how many requests that were.
    fn fill(&mut self, index: usize, now: u64) -> usize {
        let mut added = 0;
        let turn = !P::TAKES_TURNS || self.connections[index].pending.is_empty();
        while turn && self.connections[index].has_room() {
            let connection = &mut self.connections[index];
            if let Some(follow_up) = connection.follow_ups.pop_front() {
                let tag = follow_up.order as u32;
                self.protocol.command(follow_up.command, follow_up.order, tag, &mut connection.out);
                let measured = follow_up.due >= self.plan.measured_from;
                self.books.tally.counts.followed += u64::from(measured);
                connection.pending.push_back(Pending {
                    asked: Asked::Command(follow_up.command),
                    measured,
                    number: follow_up.order,
                    intended: follow_up.due,
                    sent: now,
                });
            } else if let Some((local, intended)) = self.next_purchase(index, now) {
                self.buy(index, local, intended, now);
            } else {
                break;
            }
            added += 1;
        }
        if added > 0 {
            self.protocol.flush(&mut self.connections[index].out);
        }
        if let (Pace::Open(schedule), true) = (self.plan.pace, turn) {
            let connection = &mut self.connections[index];
            connection.held_back =
                connection.next < self.end_index && schedule.due_at(connection.next) <= now;
        }
        added
    }

    /// The next purchase that this connection may send: its index in this thread and when it was
    /// due.
    fn next_purchase(&mut self, index: usize, now: u64) -> Option<(u64, u64)> {
        match self.plan.pace {
            Pace::Closed { .. } if self.stopped_at.is_some() || self.left == 0 => None,
            Pace::Closed { requests } => {
                if requests.is_some() && now >= self.plan.measured_from {
                    self.left -= 1;
                }
                self.issued += 1;
                Some((self.issued - 1, now))
            }
            Pace::Open(schedule) => {
                let next = self.connections[index].next;
                let due = schedule.due_at(next);
                if next >= self.end_index || due > now {
                    return None;
                }
                self.connections[index].next += self.connections.len() as u64;
                Some((next, due))
            }
        }
    }

    fn buy(&mut self, index: usize, local: u64, intended: u64, now: u64) {
        let connection = &mut self.connections[index];
        let number = local * self.plan.stride + self.plan.offset;
        let purchase = self.plan.content.purchase(number, self.plan.stride);
        self.protocol.buy(&purchase, purchase.number as u32, &mut connection.out);
        let measured = intended >= self.plan.measured_from;
        let pending =
            Pending { asked: Asked::Buy, measured, number: purchase.number, intended, sent: now };
        connection.pending.push_back(pending);
        if !measured {
            return;
        }
        let tally = &mut self.books.tally;
        tally.counts.sent += 1;
        tally.counts.repeats_sent += u64::from(purchase.repeat);
        let late = now - intended;
        if connection.held_back {
            tally.counts.late_connection += u64::from(late > LATE_NS);
        } else if !P::TAKES_TURNS {
            tally.counts.late_generator += u64::from(late > LATE_NS);
            tally.latest = tally.latest.max(late);
        }
    }

    /// Takes all answers that have come; returns the time of the last read.
    fn receive(&mut self, index: usize) -> u64 {
        let mut buffer = std::mem::take(&mut self.buffer);
        let now = loop {
            let read = self.connections[index].read(&mut buffer);
            let now = self.plan.clock.now();
            let (length, more) = match read {
                Ok(read) => read,
                Err(error) => {
                    let what = match error.kind() {
                        io::ErrorKind::UnexpectedEof => "the server closed it".to_owned(),
                        _ => format!("reading failed: {error}"),
                    };
                    self.lose(index, now, &what);
                    break now;
                }
            };
            self.answers.clear();
            let parsed = self.protocol.parse(&buffer[..length], &mut self.answers);
            for answer in &self.answers {
                let connection = &mut self.connections[index];
                self.books.answered::<P>(connection, answer, now, || {
                    let (from, to) = (answer.text.0 as usize, answer.text.1 as usize);
                    let text = &buffer[from..to.min(from + SHOWN_BYTES)];
                    String::from_utf8_lossy(text).trim_end().to_owned()
                });
            }
            let (at, problem) = match parsed {
                Ok(at) => (at, None),
                Err(sentence) => (length, Some(sentence)),
            };
            if let Some(sentence) = problem {
                self.lose(index, now, &sentence);
                break now;
            }
            if length > 0 {
                self.connections[index].keep(&buffer[at..length]);
            }
            if !more {
                break now;
            }
        };
        self.buffer = buffer;
        now
    }

    /// Counts a connection and all that it had outstanding as lost.
    fn lose(&mut self, index: usize, now: u64, why: &str) {
        let connection = &mut self.connections[index];
        if !connection.is_alive() {
            return;
        }
        connection.close();
        connection.follow_ups.clear();
        let tally = &mut self.books.tally;
        tally.counts.connections_lost += 1;
        tally.note_error(|| format!("a connection died: {why}"));
        for pending in connection.pending.drain(..).filter(|pending| pending.measured) {
            tally.counts.lost += 1;
            tally.record(Class::Failed, now - pending.intended, Some(now - pending.sent));
        }
    }

    fn is_over(&self, now: u64) -> bool {
        let Some(stopped_at) = self.stopped_at else { return false };
        let done = |connection: &Connection| {
            !connection.is_alive() || connection.is_idle() && connection.next >= self.end_index
        };
        now >= stopped_at + self.plan.patience || self.connections.iter().all(done)
    }

    /// Counts what never came to be.
    fn settle(&mut self, now: u64) {
        let step = self.connections.len();
        let tally = &mut self.books.tally;
        for connection in &mut self.connections {
            for pending in connection.pending.drain(..).filter(|pending| pending.measured) {
                tally.counts.timeouts += 1;
                tally.record(Class::Failed, now - pending.intended, Some(now - pending.sent));
            }
            let Pace::Open(schedule) = self.plan.pace else { continue };
            for local in (connection.next..self.end_index).step_by(step) {
                let due = schedule.due_at(local);
                if due >= self.plan.measured_from {
                    tally.counts.unsent += 1;
                    tally.record(Class::Failed, now.saturating_sub(due), None);
                }
            }
        }
        tally.counts.scheduled = tally.counts.sent + tally.counts.unsent;
        tally.settle();
    }
}
