//! From bytes to requests on their way to the matcher.
//!
//! It takes whole requests from a connection's bytes as long as there is room, pushes those for the
//! matcher into the ring, and answers the others into the connection's out buffer. A request that
//! is answered here waits until all the connection's requests before it are answered. It reads no
//! socket and does not publish: one read, however many requests, is published once.
//!
//! Invariant: for every request in the ring there is one flight, in the same order; and the ring of
//! answers has room for all that they promise.

use std::collections::VecDeque;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Acquire},
};

use super::basket::push_basket;
use super::connection::{Connection, Protocol};
use super::guarding::{self, Porter};
use super::http::Http;
use super::names::Names;
use super::refusing::Refusing;
use super::siding;
use super::table::{Address, Buffers};
use crate::access::Guard;
use crate::limits::{
    CONNECTION_IN_FLIGHT_TIGHT, OUT_BYTES_HIGH, REPLY_RING_CELLS, REQUEST_TAILS_MAX,
    SALE_CELLS_MAX, SHARD_IN_FLIGHT_MAX,
};
use crate::message::{Cell, encode_side, kind, outcome, text_tail};
use crate::metrics::{self, Metrics};
use crate::ring::Writer;
use crate::sale::Side;
use crate::wire::answers;
use crate::wire::commands::{self, Ask, Command};
use crate::wire::local::{self, Then};
use crate::wire::resp::{self, Args};

/// How long a peer is asked to wait while the journal is replayed.
pub(super) const LOADING_RETRY_MS: u64 = 1000;
const REQUEST_CELLS_MAX: usize = 1 + REQUEST_TAILS_MAX;

/// In the tag of a RESP flight, above the number of a basket's sale: its answer ends with the
/// receipt.
pub(super) const WITH_RECEIPT: u32 = 1 << 16;

/// Why no more requests are taken from a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The last one is not whole, or there is none.
    Incomplete,
    /// The ring or the shard's list of flights is full.
    Full,
    /// See [`Wait::Answers`](super::connection::Wait).
    Answers,
    /// See [`Wait::Room`](super::connection::Wait).
    Room,
    /// See [`Wait::Out`](super::connection::Wait).
    Out,
    /// The connection ends here.
    Close,
    /// It listens from here on: what else it says is heard by nobody.
    Listen,
}

/// How an answer is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Binary,
    Buy,
    Basket,
    Change,
    Order,
    Stock,
    Http,
    /// Not at all, or as news: it is asked for by a watch of this house's.
    Watch,
}

impl Form {
    #[inline]
    pub(super) fn protocol(self) -> metrics::Protocol {
        match self {
            Form::Binary => metrics::Protocol::Binary,
            Form::Http => metrics::Protocol::Http,
            _ => metrics::Protocol::Resp,
        }
    }
}

/// A request on its way.
pub(super) struct Flight {
    pub(super) address: Address,
    /// The peer's, or what its form wants to know; of a watch its place.
    pub(super) tag: u32,
    pub(super) form: Form,
    /// The sale whose waiting list it may be put on; 0 if none.
    pub(super) waits_in: u16,
    /// Cells that its answer may take.
    pub(super) promised: u16,
}

/// A connection's bytes, and when they were read.
pub(super) struct Read<'a> {
    pub(super) input: &'a [u8],
    pub(super) stamp: u64,
    /// The shard's buffers hold as much as they may.
    pub(super) is_tight: bool,
}

impl Read<'_> {
    /// Bytes untold above which no request is taken.
    #[inline]
    pub(super) fn out_high(is_tight: bool) -> usize {
        if is_tight { 0 } else { OUT_BYTES_HIGH }
    }
}

pub(super) struct Intake {
    pub(super) requests: Writer<Cell>,
    pub(super) flights: VecDeque<Flight>,
    /// Cells that the answers of all flights may take.
    pub(super) promised: usize,
    pub(super) names: Names,
    pub(super) connection_in_flight_max: u32,
    pub(super) metrics: Metrics,
    pub(super) loading: Arc<AtomicBool>,
    pub(super) args: Args,
    pub(super) http: Http,
    /// Who may do what.
    pub(super) guard: Guard,
    /// What need not be asked of the matcher.
    pub(super) refusing: Refusing,
    /// Requests pushed since the start.
    pub(super) pushed: u64,
    /// Peers that broke their protocol since the start.
    pub(super) broken: u64,
}

impl Intake {
    /// Whether any connection could hand in a request.
    #[inline]
    pub(super) fn has_room(&mut self) -> bool {
        self.requests.free(REQUEST_CELLS_MAX) >= REQUEST_CELLS_MAX
            && self.flights.len() < SHARD_IN_FLIGHT_MAX
            && self.promised + SALE_CELLS_MAX <= REPLY_RING_CELLS
    }

    /// Requests that one connection may have on their way now.
    #[inline]
    pub(super) fn in_flight_max(&self, is_tight: bool) -> u32 {
        let most = if is_tight { CONNECTION_IN_FLIGHT_TIGHT as u32 } else { u32::MAX };
        self.connection_in_flight_max.min(most)
    }

    /// Takes requests from what a connection sent. Returns the bytes used.
    pub(super) fn take(
        &mut self,
        address: Address,
        connection: &mut Connection,
        buffers: &mut Buffers,
        read: &Read<'_>,
    ) -> (usize, Stop) {
        // Whoever sees the end of loading sees the names that were loaded.
        let loading = self.loading.load(Acquire);
        self.names.refresh();
        self.guard.refresh();
        let Some(first) = read.input.first() else { return (0, Stop::Incomplete) };
        if connection.protocol == Protocol::Fresh {
            connection.protocol = match first {
                &kind::HELLO => Protocol::Greeting,
                b'A'..=b'Z' => Protocol::Http,
                // TLS.
                0x16 => return (read.input.len(), Stop::Close),
                _ => Protocol::Resp,
            };
        }
        let out_high = Read::out_high(read.is_tight);
        let in_flight_max = self.in_flight_max(read.is_tight);
        if connection.listens {
            return (read.input.len(), Stop::Listen);
        }
        buffers.lend(&mut connection.out);
        let mut used = 0;
        let stop = loop {
            let input = &read.input[used..];
            if input.is_empty() {
                break Stop::Incomplete;
            }
            if !self.has_room() {
                break Stop::Full;
            }
            if connection.in_flight >= in_flight_max {
                break Stop::Room;
            }
            if connection.untold() > out_high {
                break Stop::Out;
            }
            let step = match connection.protocol {
                Protocol::Binary => self.binary(address, connection, input, read.stamp, loading),
                Protocol::Greeting => self.greeting(connection, input),
                Protocol::Http => {
                    let read = Read { input, ..*read };
                    self.http(address, connection, &read, loading)
                }
                _ => self.resp(address, connection, input, read.stamp, loading),
            };
            match step {
                Ok(bytes) => used += bytes,
                Err(stop) => break stop,
            }
        };
        if connection.out.is_empty() {
            buffers.take_back(&mut connection.out);
        }
        (used, stop)
    }

    #[inline]
    fn resp(
        &mut self,
        address: Address,
        connection: &mut Connection,
        input: &[u8],
        stamp: u64,
        loading: bool,
    ) -> Result<usize, Stop> {
        let watched = self.guard.watches();
        if watched {
            self.args.allow(guarding::words_max(&self.guard, &mut connection.visitor));
        }
        let bytes = match resp::parse(input, &mut self.args) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(Stop::Incomplete),
            Err(_) if connection.in_flight > 0 => return Err(Stop::Answers),
            Err(broken) => {
                self.broken += 1;
                broken.write(&mut connection.out);
                return Err(Stop::Close);
            }
        };
        let words = self.args.of(&input[..bytes]);
        if words.is_empty() {
            return Ok(bytes);
        }
        let mut ask = Ask::new(0);
        let command = commands::read(&words, &mut ask);
        if watched {
            let counts = self.guard.counts;
            let (guard, visitor) = (&mut self.guard, &mut connection.visitor);
            if let Some(refused) = guarding::resp(guard, visitor, (&command, &ask), &words, stamp) {
                if connection.in_flight > 0 {
                    // It will be asked again, and counted then.
                    self.guard.counts = counts;
                    return Err(Stop::Answers);
                }
                answers::turned_away(refused, words.word(0), &mut connection.out);
                return Ok(bytes);
            }
        }
        match command {
            Command::Ask if !loading => {
                let numbers = self.names.numbers(ask.sale, ask.item);
                let side = match siding::side(&self.names, &ask, numbers.0) {
                    Ok(side) => side,
                    Err(_) if connection.in_flight > 0 => return Err(Stop::Answers),
                    Err(misfit) => {
                        commands::misfit(&misfit, &mut connection.out);
                        return Ok(bytes);
                    }
                };
                let (resp, in_flight) = (metrics::Protocol::Resp, connection.in_flight);
                let (requests, wanted) = (&mut self.requests, (numbers, &ask.head, &side));
                let told = self.refusing.sold_out(requests, resp, in_flight, wanted, stamp);
                if let Some(told) = told {
                    answers::refusal(told.reply(), &mut connection.out);
                    return Ok(bytes);
                }
                let promised = self.names.promise(&ask.head, numbers.0);
                if ask.head.kind == kind::BASKET {
                    let rooms = (&mut self.requests, &mut self.names);
                    if let Err(line) = push_basket(rooms, &ask, (numbers, &side), stamp) {
                        if in_flight > 0 {
                            return Err(Stop::Answers);
                        }
                        self.metrics.shards[self.refusing.index]
                            .answers
                            .count(resp, outcome::UNKNOWN_ITEM);
                        answers::unknown_item(ask.lines.line(line).0, &mut connection.out);
                        return Ok(bytes);
                    }
                } else {
                    push_ask(&mut self.requests, &ask, (numbers, &side), stamp);
                }
                // A refusal does not name its sale.
                let receipt = if ask.receipt { WITH_RECEIPT } else { 0 };
                let tag = u32::from(numbers.0) | receipt;
                let form = match ask.head.kind {
                    kind::BUY => Form::Buy,
                    kind::BASKET => Form::Basket,
                    kind::ORDER => Form::Order,
                    kind::STOCK => Form::Stock,
                    _ => Form::Change,
                };
                let is_purchase = matches!(ask.head.kind, kind::BUY | kind::BASKET);
                let waits_in = if is_purchase { numbers.0 } else { 0 };
                self.take_off(connection, Flight { address, tag, form, waits_in, promised });
            }
            _ if connection.in_flight > 0 => return Err(Stop::Answers),
            Command::Ask => connection.out.extend_from_slice(answers::LOADING),
            Command::Fault(fault) => fault.write(&mut connection.out),
            Command::Local => {
                let visitor = &mut connection.visitor;
                let mut porter = Porter { guard: &mut self.guard, visitor, metrics: &self.metrics };
                let (session, out) = (&mut connection.session, &mut connection.out);
                if local::answer(&words, session, &mut porter, out) == Then::Close {
                    return Err(Stop::Close);
                }
            }
        }
        Ok(bytes)
    }

    #[inline]
    pub(super) fn take_off(&mut self, connection: &mut Connection, flight: Flight) {
        connection.in_flight += 1;
        self.pushed += 1;
        self.see_off(flight);
    }

    /// As [`take_off`](Self::take_off), with a request that no connection has made.
    #[inline]
    pub(super) fn see_off(&mut self, flight: Flight) {
        self.promised += usize::from(flight.promised);
        self.flights.push_back(flight);
    }

    /// Whether no request is on its way.
    pub(super) fn is_idle(&self) -> bool {
        assert!(!self.flights.is_empty() || self.promised == 0, "a promise without a flight");
        self.flights.is_empty()
    }

    /// Takes out the flight whose answer is there.
    #[inline]
    pub(super) fn land(&mut self) -> Flight {
        let flight = self.flights.pop_front().expect("an answer has a request");
        self.promised -= usize::from(flight.promised);
        flight
    }
}

#[inline]
pub(super) fn push_ask(
    requests: &mut Writer<Cell>,
    ask: &Ask<'_>,
    (numbers, side): ((u16, u16), &Side),
    stamp: u64,
) {
    let mut head = ask.head;
    head.sale = numbers.0.into();
    head.item = numbers.1.into();
    head.time = stamp.into();
    let is_plain = *side == Side::NONE;
    if !is_plain {
        head.tails = (head.tails.to_native() + 1).into();
    }
    requests.push(head.into());
    for text in [ask.long_buyer, ask.long_key] {
        if !text.is_empty() {
            requests.push(text_tail(text));
        }
    }
    if !is_plain {
        requests.push(encode_side(side));
    }
}
