//! Answers on their way out: from the ring through the gate into the out buffers, and from those to
//! the sockets, one write a connection and round.
//!
//! It never looks into an answer that the gate has not let pass.
//!
//! Invariant: a flight leaves the list exactly when its answer leaves the ring.

use super::Shard;
use super::connection::{Connection, Wait};
use super::intake::{Flight, Form, Intake, WITH_RECEIPT};
use super::siding::subject;
use super::table::Address;
use super::watching::{begin, is_stream, rested, way_of};
use crate::chains::Chains;
use crate::directory::Page;
use crate::limits::{OUT_BYTES_HIGH, REPLY_CELLS_MAX};
use crate::message::{Cell, RECEIPT_CHAIN_BYTES, Receipt, Reply, kind, outcome};
use crate::wire::answers::{self, Shown};
use crate::wire::binary;
use crate::wire::http::Manner;

/// Answers told before the shard writes them out.
const ANSWERS_MAX: usize = 4096;

/// The answers of a round.
pub(super) struct Told {
    pub(super) count: usize,
    /// Arrival stamp of the first, which is the oldest.
    arrived: u64,
}

impl Shard {
    /// Takes the answers that may be told.
    pub(super) fn tell(&mut self) -> Told {
        let mut there = self.replies.available(1);
        let (mut at, mut told, mut arrived) = (0, 0, 0);
        while at < there && told < ANSWERS_MAX {
            let Some(answer) = self.gate.pass(self.replies.get(at)) else { break };
            let answer = answer.into_inner();
            if told == 0 {
                arrived = answer.reply().arrived.to_native();
            }
            let tails = answer.reply_tails();
            if at + 1 + tails > there {
                there = self.replies.available(at + 1 + tails);
                assert!(at + 1 + tails <= there, "an answer is published with its tails");
            }
            let mut flight = self.intake.land();
            assert!(tails < usize::from(flight.promised), "an answer of {tails} tails");
            if flight.form == Form::Watch {
                self.tell_watcher(&flight, &answer, at);
                (at, told) = (at + 1 + tails, told + 1);
                continue;
            }
            let counters = &self.metrics.shards[self.index];
            counters.answers.count(flight.form.protocol(), answer.reply().outcome);
            if is_stream(&flight) {
                self.open_stream(&flight, &answer, at);
            } else if let Some(connection) = self.table.at(flight.address) {
                self.buffers.lend(&mut connection.out);
                let receipt = receipt(&mut self.chains, &flight, answer.reply());
                if flight.form == Form::Binary {
                    binary::answer(answer, flight.tag, receipt.as_ref(), &mut connection.out);
                    for tail in 1..=tails {
                        connection.out.extend_from_slice(&self.replies.get(at + tail).0);
                    }
                } else if flight.form == Form::Http {
                    if self.draining && connection.in_flight == 1 && !connection.backlog {
                        flight.tag |= u32::from(Manner::CLOSE.bits());
                    }
                    let out = &mut connection.out;
                    let told = (&answer, receipt);
                    self.intake.tell_http(&flight, told, &self.replies, at, out);
                } else if tails == 0 {
                    write_resp(&self.intake, &flight, (&answer, receipt), &[], connection);
                } else {
                    let mut cells = [Cell::ZERO; REPLY_CELLS_MAX - 1];
                    for (tail, cell) in cells[..tails].iter_mut().enumerate() {
                        *cell = self.replies.get(at + 1 + tail);
                    }
                    let told = (&answer, receipt);
                    write_resp(&self.intake, &flight, told, &cells[..tails], connection);
                }
                if answer.reply().outcome == outcome::WAITING
                    && !self.draining
                    && let Some(way) = way_of(&flight, connection)
                {
                    let what = (flight.waits_in, answer.reply());
                    begin(&mut self.watches, connection, (flight.address, way), what);
                }
                connection.in_flight -= 1;
                let max = self.options.connection_in_flight_max;
                let woken = match connection.wait {
                    Wait::Answers => connection.in_flight == 0,
                    Wait::Room => connection.in_flight <= max / 2,
                    Wait::No | Wait::Out => false,
                };
                if woken {
                    self.agenda.wake(flight.address.slot, connection);
                }
                self.agenda.soil(flight.address.slot, connection);
            }
            at += 1 + tails;
            told += 1;
        }
        if at > 0 {
            self.replies.release(at);
        }
        Told { count: told, arrived }
    }

    /// Shows how long those took whose answers are written now.
    pub(super) fn show(&self, told: &Told) {
        let (now, count) = ((self.clock)(), told.count as u64);
        let counters = self.counters();
        counters.answer_time.record(now.saturating_sub(told.arrived), count);
        let durable_at = self.metrics.journal.durable_at.value();
        // Answers that waited for no sync have nothing to say of the time since the last one.
        if durable_at > told.arrived {
            counters.written_time.record(now.saturating_sub(durable_at), count);
        }
    }

    /// Whether, after [`drain`](Self::drain), all that was read is answered as far as this house
    /// goes: only peers that take no answers may be left.
    pub fn is_told(&self) -> bool {
        self.draining
            && self.intake.flights.is_empty()
            && self.table.iter().all(|peer| !peer.backlog || peer.wait == Wait::Out)
    }

    /// Writes to every connection that has something to be told, and closes those that are over.
    pub(super) fn flush(&mut self, now: u64) {
        let mut written = 0;
        while let Some(slot) = self.agenda.dirty.pop() {
            let Some((Address { .. }, connection)) = self.table.in_slot(slot) else { continue };
            connection.dirty = false;
            if connection.untold() > 0 && !connection.write_blocked && !connection.gone {
                written += connection.flush(now);
            }
            if connection.out.is_empty() {
                self.buffers.take_back(&mut connection.out);
            }
            if connection.wait == Wait::Out && connection.untold() <= OUT_BYTES_HIGH / 2 {
                // In tight times the turn itself finds out that this is not little enough.
                self.agenda.wake(slot, connection);
            }
            rested(&mut self.watches, slot, connection);
            self.buffers.fit(&mut connection.out, &mut connection.out_at);
            let held = connection.bytes_held();
            self.held = self.held - connection.held + held;
            connection.held = held;
            if connection.is_over() || self.draining && connection.is_quiet() {
                self.close(slot);
            }
        }
        if written > 0 {
            self.counters().bytes_out.add(written as u64);
        }
    }
}

/// The receipt that goes with an answer; `None` if none does, or its chain value is not at hand.
#[inline]
pub(super) fn receipt(chains: &mut Chains, flight: &Flight, reply: &Reply) -> Option<Receipt> {
    let is_wanted = match flight.form {
        Form::Binary | Form::Http | Form::Order | Form::Watch => true,
        Form::Stock => false,
        Form::Buy | Form::Basket | Form::Change => flight.tag & WITH_RECEIPT != 0,
    };
    if !is_wanted || !Receipt::is_due(reply) {
        return None;
    }
    let seq = reply.seq.to_native();
    let chain = chains.of(seq)?.first_chunk::<RECEIPT_CHAIN_BYTES>()?;
    Some(Receipt { seq, chain: *chain })
}

#[inline]
fn write_resp(
    intake: &Intake,
    flight: &Flight,
    (answer, receipt): (&Cell, Option<Receipt>),
    tails: &[Cell],
    connection: &mut Connection,
) {
    let (out, resp3) = (&mut connection.out, connection.session.resp3);
    let start = out.len();
    let reply = answer.reply();
    match flight.form {
        Form::Stock if answer.kind() == kind::STOCK_REPLY => {
            answers::stock(answer.stock_reply(), out);
        }
        Form::Order if !outcome::is_refusal(reply.outcome) && !tails.is_empty() => {
            let shown = shown(intake.names.page(), reply, receipt, tails);
            return answers::order(&shown, resp3, out);
        }
        Form::Change => answers::change(reply, out),
        Form::Buy | Form::Basket => {
            let subject = subject(intake.names.page(), flight.tag as u16, reply);
            answers::purchase(reply, subject, out);
        }
        _ => answers::buy(reply, out),
    }
    if flight.tag & WITH_RECEIPT != 0 && Receipt::is_due(reply) {
        answers::add_receipt(start, receipt, resp3, out);
    }
}

/// An order with the names behind its numbers; `tails` begin with its own head.
pub(super) fn shown<'a>(
    page: &'a Page,
    reply: &'a Reply,
    receipt: Option<Receipt>,
    tails: &'a [Cell],
) -> Shown<'a> {
    let names = page.names(tails[0].head().sale.to_native());
    Shown {
        reply,
        receipt,
        tails,
        sale: names.map_or("", |names| names.name.as_str()),
        items: names.map_or(&[], |names| &names.items),
    }
}
