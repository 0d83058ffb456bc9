//! HTTP on a shard: from a request on its way to the matcher, or answered here, to the answer that
//! came back.
//!
//! What an answer has to know of its request travels in its flight's tag: the [`Manner`] in the
//! lowest byte, and the sale's number in the upper half, because an answer about a sale does not
//! name it.
//!
//! Invariant: a request is answered here only when all the connection's requests before it are.

use super::basket::{numbered, push_lines};
use super::connection::Connection;
use super::guarding;
use super::intake::{self, Flight, Form, Intake, LOADING_RETRY_MS, Stop, push_ask};
use super::siding::{self, subject};
use super::table::Address;
use super::telling::shown;
use crate::clock;
use crate::heads::Shelf;
use crate::limits::{REPLY_CELLS_MAX, SALE_MORE_CELLS_MAX};
use crate::message::{Cell, Receipt, kind, outcome};
use crate::metrics::Protocol;
use crate::ring::Reader;
use crate::wire::answers::Subject;
use crate::wire::http::answers::{CONTINUE, Teller};
use crate::wire::http::{self, Fault, Manner, Meaning, Read, SaleShown, Scratch};

/// How long a peer is asked to wait for whom there is no room.
const CROWDED_RETRY_MS: u64 = 1000;
/// How long a peer is asked to wait that wants much while the buffers are full.
const TIGHT_RETRY_MS: u64 = 1000;
const SALE_SHIFT: u32 = 16;
/// An answer of more cells is asked for only when nothing else of its connection is on its way:
/// many of them for a short request each would fill the memory of a peer that does not read.
const CELLS_AMONG_OTHERS_MAX: u16 = REPLY_CELLS_MAX as u16;

/// What a shard keeps to speak HTTP.
pub(super) struct Http {
    scratch: Scratch,
    teller: Teller,
    heads: Shelf,
    /// What stands behind the items of a sale that is told, for once.
    more: Vec<Cell>,
}

impl Http {
    pub(super) fn new(seed: u64, heads: Shelf) -> Http {
        let more = Vec::with_capacity(SALE_MORE_CELLS_MAX);
        Http { scratch: Scratch::new(), teller: Teller::new(seed), heads, more }
    }

    /// Once a round.
    #[inline]
    pub(super) fn refresh(&mut self, now: u64) {
        self.teller.refresh(now, clock::unix);
    }

    /// How long a peer is asked to wait for whom there is no room, ms.
    pub(super) fn crowded_ms(&mut self) -> u64 {
        self.teller.spread(CROWDED_RETRY_MS)
    }

    /// Begins a stream of events.
    pub(super) fn stream(&mut self, manner: Manner, out: &mut Vec<u8>) {
        self.teller.stream(manner, out);
    }

    /// Answers what makes no sense, or not now.
    pub(super) fn fault(&mut self, fault: &Fault, manner: Manner, out: &mut Vec<u8>) {
        self.teller.fault(fault, manner, out);
    }

    /// What a peer is told for whom there is no room.
    pub(super) fn turn_away(&mut self, out: &mut Vec<u8>) {
        self.teller.fault(&Fault::crowded(CROWDED_RETRY_MS), Manner::CLOSE, out);
    }
}

impl Intake {
    pub(super) fn http(
        &mut self,
        address: Address,
        connection: &mut Connection,
        read: &intake::Read<'_>,
        loading: bool,
    ) -> Result<usize, Stop> {
        let (input, stamp) = (read.input, read.stamp);
        let Http { scratch, teller, heads, .. } = &mut self.http;
        let request = match http::read(input, scratch) {
            Read::Whole(request) => request,
            Read::Blank => return Ok(b"\r\n".len()),
            Read::Partial { expects } if !expects || connection.told_to_continue => {
                return Err(Stop::Incomplete);
            }
            Read::Partial { .. } | Read::Broken(_) if connection.in_flight > 0 => {
                return Err(Stop::Answers);
            }
            Read::Partial { .. } => {
                connection.told_to_continue = true;
                connection.out.extend_from_slice(CONTINUE);
                return Err(Stop::Incomplete);
            }
            Read::Broken(fault) => {
                self.broken += 1;
                teller.fault(&fault, Manner::CLOSE, &mut connection.out);
                return Err(Stop::Close);
            }
        };
        let (bytes, manner) = (request.bytes, request.manner);
        if self.guard.watches() {
            let counts = self.guard.counts;
            let refused = guarding::http(&mut self.guard, &mut connection.visitor, &request, stamp);
            if let Some(refused) = refused {
                if connection.in_flight > 0 {
                    // It will be asked again, and counted then.
                    self.guard.counts = counts;
                    return Err(Stop::Answers);
                }
                teller.fault(&Fault::turned_away(refused), manner, &mut connection.out);
                connection.told_to_continue = false;
                return if manner.has(Manner::CLOSE) { Err(Stop::Close) } else { Ok(bytes) };
            }
        }
        let out = &mut connection.out;
        match request.meaning {
            Meaning::Ask(ask) if !loading => {
                let numbers = self.names.numbers(ask.sale, ask.item);
                let (http, in_flight) = (Protocol::Http, connection.in_flight);
                let side = match siding::side(&self.names, &ask, numbers.0) {
                    Ok(side) => side,
                    Err(_) if in_flight > 0 => return Err(Stop::Answers),
                    Err(misfit) => {
                        teller.fault(&Fault::misfit(&misfit), manner, out);
                        connection.told_to_continue = false;
                        return if manner.has(Manner::CLOSE) {
                            Err(Stop::Close)
                        } else {
                            Ok(bytes)
                        };
                    }
                };
                let (requests, wanted) = (&mut self.requests, (numbers, &ask.head, &side));
                let told = self.refusing.sold_out(requests, http, in_flight, wanted, stamp);
                if let Some(told) = told {
                    teller.refusal(told.reply(), Subject::All, manner, out);
                    connection.told_to_continue = false;
                    return if manner.has(Manner::CLOSE) { Err(Stop::Close) } else { Ok(bytes) };
                }
                let promised = self.names.promise(&ask.head, numbers.0);
                let is_large = promised > CELLS_AMONG_OTHERS_MAX;
                if is_large && connection.in_flight > 0 {
                    return Err(Stop::Answers);
                }
                let is_basket = ask.head.kind == kind::BASKET;
                let lines = is_basket.then(|| numbered(&mut self.names, &ask, numbers.0));
                if is_large && read.is_tight {
                    teller.fault(&Fault::overfull(TIGHT_RETRY_MS), manner, out);
                } else if let Some(Err(line)) = lines {
                    if connection.in_flight > 0 {
                        return Err(Stop::Answers);
                    }
                    let counters = &self.metrics.shards[self.refusing.index];
                    counters.answers.count(Protocol::Http, outcome::UNKNOWN_ITEM);
                    teller.unknown_line(line, ask.lines.line(line).0, manner, out);
                } else {
                    push_ask(&mut self.requests, &ask, (numbers, &side), stamp);
                    if let Some(Ok(lines)) = lines {
                        push_lines(&mut self.requests, &lines);
                    }
                    let tag = u32::from(numbers.0) << SALE_SHIFT | u32::from(manner.bits());
                    let (form, waits_in) = (Form::Http, 0);
                    self.take_off(connection, Flight { address, tag, form, waits_in, promised });
                    if manner.is_stream() {
                        return Err(Stop::Listen);
                    }
                }
            }
            _ if connection.in_flight > 0 => return Err(Stop::Answers),
            Meaning::Ask(_) => teller.fault(&Fault::loading(LOADING_RETRY_MS), manner, out),
            Meaning::Heads if loading => {
                teller.fault(&Fault::loading(LOADING_RETRY_MS), manner, out);
            }
            Meaning::Document(_) | Meaning::Heads if read.is_tight => {
                teller.fault(&Fault::overfull(TIGHT_RETRY_MS), manner, out);
            }
            Meaning::Document(text) => teller.document(text, manner, out),
            Meaning::Heads => teller.document(&heads.newest(), manner, out),
            Meaning::Options(allow) => teller.options(allow, manner, out),
            Meaning::Fault(fault) => teller.fault(&fault, manner, out),
        }
        connection.told_to_continue = false;
        if manner.has(Manner::CLOSE) { Err(Stop::Close) } else { Ok(bytes) }
    }

    /// Writes the answer that lies in the ring at `at` with its tails.
    pub(super) fn tell_http(
        &mut self,
        flight: &Flight,
        (answer, receipt): (&Cell, Option<Receipt>),
        replies: &Reader<Cell>,
        at: usize,
        out: &mut Vec<u8>,
    ) {
        let manner = Manner::from_bits(flight.tag as u8);
        let (page, teller) = (self.names.page(), &mut self.http.teller);
        let tails = answer.reply_tails();
        let names = page.names((flight.tag >> SALE_SHIFT) as u16);
        if answer.kind() == kind::SALE_REPLY {
            let Some(names) = names else { unreachable!("a sale that is shown has names") };
            let (count, more) = (names.items.len(), &mut self.http.more);
            more.clear();
            more.extend((count..tails).map(|tail| replies.get(at + 1 + tail)));
            let shown = SaleShown {
                reply: answer.sale_reply(),
                name: names.name.as_str(),
                items: &names.items,
                groups: &names.groups,
                channels: &names.channels,
                more,
            };
            let items = (1..=count).map(|tail| replies.get(at + tail));
            return teller.sale(&shown, items, manner, out);
        }
        let mut cells = [Cell::ZERO; REPLY_CELLS_MAX - 1];
        for (tail, cell) in cells[..tails].iter_mut().enumerate() {
            *cell = replies.get(at + 1 + tail);
        }
        match &cells[..tails] {
            [] => {
                let subject = subject(page, (flight.tag >> SALE_SHIFT) as u16, answer.reply());
                teller.refusal(answer.reply(), subject, manner, out);
            }
            // The head of a stream and nothing of the order.
            _ if manner.has(Manner::STREAM) => teller.stream(manner, out),
            tails => {
                teller.order(&shown(page, answer.reply(), receipt, tails), manner, out);
            }
        }
    }
}
