//! Orders that are watched: hears which have changed, asks the matcher for those like any buyer,
//! and tells their peers what came of it. A stream of events over HTTP begins and ends here.
//!
//! It tells nothing that did not come as an answer, behind the gate and in its turn; between two
//! whole answers, never within one. A peer that does not read is asked for no more until it has
//! taken what it was told, and then hears how its orders stand, not all that they went through.
//!
//! Invariant: a question for a watched order is a flight like others, with its promise, but no
//! request of its connection's.

use super::Shard;
use super::connection::Connection;
use super::intake::{Flight, Form, Read};
use super::table::Address;
use super::telling::{receipt, shown};
use super::watches::{Watches, Way};
use crate::limits::{
    CONNECTION_WATCHES_MAX, NEWS_AT_ONCE, OUT_BYTES_HIGH, REPLY_CELLS_MAX, WATCHES_ASKED_MAX,
};
use crate::message::{Cell, Head, Reply, kind, outcome};
use crate::metrics::Protocol;
use crate::news::Heard;
use crate::wire::http::{Fault, Manner, events};
use crate::wire::{answers, binary};

/// How long a peer is asked to wait that wants to watch an order while too many do.
const FULL_RETRY_MS: u64 = 5_000;

/// Whether nothing more becomes of an order that somebody waited for. (A purchase can still be
/// cancelled, but not by the one who waits at the door.)
fn is_final(outcome: u8) -> bool {
    !matches!(outcome, outcome::HELD | outcome::WAITING)
}

/// What of an answer is compared with what was told before.
fn told(reply: &Reply) -> (u8, u64) {
    (reply.outcome, reply.expires_at.to_native())
}

/// Lets a connection watch an order, if there is room for it; whether it does.
pub(super) fn begin(
    watches: &mut Watches,
    connection: &mut Connection,
    (address, way): (Address, Way),
    (sale, reply): (u16, &Reply),
) -> bool {
    let order = reply.order.to_native();
    if watches.has(address.slot, order) {
        return true;
    }
    if !watches.has_room() || connection.watches >= CONNECTION_WATCHES_MAX {
        return false;
    }
    connection.watches += 1;
    watches.begin((sale, order), (address, way), told(reply));
    true
}

impl Shard {
    /// Hears what has changed and asks for what is watched of it. Returns how much that was.
    pub(super) fn watch(&mut self) -> usize {
        // Before any question: what changes after its answer will be heard of.
        self.news.watch(self.watches.len() > 0);
        let mut heard = 0;
        while heard < NEWS_AT_ONCE
            && let Some(news) = self.news.hear()
        {
            heard += 1;
            match news {
                Heard::Changed(order) => self.watches.changed(order),
                Heard::Lapped => self.watches.missed(),
            }
        }
        self.watches.catch_up(NEWS_AT_ONCE);
        self.counters().watches.set(self.watches.len() as u64);
        heard + self.ask_for_watched()
    }

    /// Whether [`watch`](Self::watch) would find something to do.
    pub(super) fn has_news(&mut self) -> bool {
        self.news.is_there() || self.watches.is_due() && self.may_ask()
    }

    fn may_ask(&mut self) -> bool {
        !self.draining && self.watches.asked() < WATCHES_ASKED_MAX && self.intake.has_room()
    }

    fn ask_for_watched(&mut self) -> usize {
        if !self.watches.is_due() {
            return 0;
        }
        self.intake.guard.refresh();
        let out_high = Read::out_high(self.held > self.options.buffers_bytes_max);
        let (stamp, mut asked) = ((self.clock)(), 0);
        while self.may_ask()
            && let Some((place, watch)) = self.watches.next_due()
        {
            let (address, sale, order, way) = (watch.address, watch.sale, watch.order, watch.way);
            let Some(connection) = self.table.at(address) else { continue };
            if connection.untold() > out_high {
                connection.rests = true;
                self.watches.rest(place);
                continue;
            }
            // What a token granted ends with it.
            if self.intake.guard.is_stranger(&mut connection.visitor) {
                self.end_watch(place, address, way);
                continue;
            }
            let mut head = Head::new(kind::ORDER);
            (head.sale, head.time) = (sale.into(), stamp.into());
            head.set_order(order);
            self.intake.requests.push(head.into());
            let (promised, waits_in) = (REPLY_CELLS_MAX as u16, 0);
            let flight = Flight { address, tag: place, form: Form::Watch, promised, waits_in };
            self.intake.see_off(flight);
            self.watches.ask(place);
            asked += 1;
        }
        if self.intake.requests.publish() {
            self.matcher_bell.ring();
        }
        asked
    }

    /// Tells a watching peer what its order has become, if that is not what it was told last. The
    /// answer lies in the ring at `at` with its tails.
    pub(super) fn tell_watcher(&mut self, flight: &Flight, answer: &Cell, at: usize) {
        let (place, address) = (flight.tag, flight.address);
        let Some(watch) = self.watches.land(place, address) else { return };
        let Some(connection) = self.table.at(address) else { return };
        let reply = answer.reply();
        let (way, sale, is_known) = (watch.way, watch.sale, !outcome::is_refusal(reply.outcome));
        let is_new = is_known && watch.told != told(reply);
        watch.told = told(reply);
        // It may have gone back to RESP2, which knows no pushes, or have been told its last.
        let is_deaf = connection.closing || way == Way::Resp3 && !connection.session.resp3;
        if is_new && !is_deaf {
            self.buffers.lend(&mut connection.out);
            let (page, out) = (self.intake.names.page(), &mut connection.out);
            match way {
                Way::Resp3 => {
                    let name = page.names(sale).map_or("", |names| names.name.as_str());
                    answers::news(reply, name, out);
                }
                Way::Binary => binary::news(*answer, out),
                Way::Events => {
                    let mut cells = [Cell::ZERO; REPLY_CELLS_MAX - 1];
                    let tails = tails(&mut cells, answer, |tail| self.replies.get(at + tail));
                    let receipt = receipt(&mut self.chains, flight, reply);
                    events::event(&shown(page, reply, receipt, tails), out);
                }
            }
            self.agenda.soil(address.slot, connection);
            self.counters().pushes.add(1);
        }
        if is_deaf || !is_known || is_final(answer.reply().outcome) {
            self.end_watch(place, address, way);
        }
    }

    fn end_watch(&mut self, place: u32, address: Address, way: Way) {
        let was_there = self.watches.end(place);
        let Some(connection) = self.table.at(address) else { return };
        connection.watches -= u32::from(was_there);
        if way == Way::Events {
            connection.closing = true;
            self.agenda.soil(address.slot, connection);
        }
    }

    /// Answers a request for an order's events: with a refusal, or with the first event of a stream
    /// that goes on while anything can become of the order.
    pub(super) fn open_stream(&mut self, flight: &Flight, answer: &Cell, at: usize) {
        let address = flight.address;
        let Some(connection) = self.table.at(address) else { return };
        connection.in_flight -= 1;
        self.buffers.lend(&mut connection.out);
        let reply = answer.reply();
        let mut cells = [Cell::ZERO; REPLY_CELLS_MAX - 1];
        let tails = tails(&mut cells, answer, |tail| self.replies.get(at + tail));
        let stays = !self.draining && !is_final(reply.outcome);
        if tails.is_empty() {
            let told = (answer, None);
            self.intake.tell_http(flight, told, &self.replies, at, &mut connection.out);
            connection.closing = true;
        } else {
            let sale = tails[0].head().sale.to_native();
            let to = (address, Way::Events);
            let is_watched = stays && begin(&mut self.watches, connection, to, (sale, reply));
            connection.closing = !is_watched;
            let (http, out) = (&mut self.intake.http, &mut connection.out);
            if is_watched || !stays {
                http.stream(Manner::from_bits(flight.tag as u8), out);
                let receipt = receipt(&mut self.chains, flight, reply);
                events::event(&shown(self.intake.names.page(), reply, receipt, tails), out);
            } else {
                http.fault(&Fault::watched_too_much(FULL_RETRY_MS), Manner::CLOSE, out);
            }
        }
        self.agenda.soil(address.slot, connection);
    }

    /// A connection has left.
    pub(super) fn forget_watches(&mut self, slot: u32, count: u32) {
        if count > 0 {
            self.watches.end_of(slot);
        }
    }

    /// Ends all streams and all watches: nobody waits for what comes after the end.
    pub(super) fn end_watches(&mut self) {
        self.watches.end_all();
        for slot in 0..self.table.slots() {
            if let Some((_, connection)) = self.table.in_slot(slot) {
                connection.watches = 0;
                // One whose answer is still to come is ended by that.
                connection.closing |= connection.listens && connection.in_flight == 0;
            }
        }
    }
}

/// The cells behind an answer, from where they lie.
fn tails<'a>(
    cells: &'a mut [Cell; REPLY_CELLS_MAX - 1],
    answer: &Cell,
    tail: impl Fn(usize) -> Cell,
) -> &'a [Cell] {
    let count = answer.reply_tails();
    for (index, cell) in cells[..count].iter_mut().enumerate() {
        *cell = tail(1 + index);
    }
    &cells[..count]
}

/// Lets go on what waited for its peer to take what it was told.
pub(super) fn rested(watches: &mut Watches, slot: u32, connection: &mut Connection) {
    if connection.rests && connection.untold() <= OUT_BYTES_HIGH / 2 {
        connection.rests = false;
        watches.rested(slot);
    }
}

/// Gives a sign of life to a stream that has told nothing for `heartbeat_ms`; whether it was due.
pub(super) fn beat(connection: &mut Connection, now: u64, heartbeat_ms: u64) -> bool {
    let silent_ns = now.saturating_sub(connection.active_at);
    let is_due = connection.listens
        && !connection.closing
        && connection.in_flight == 0
        && connection.untold() == 0
        && silent_ns > heartbeat_ms.saturating_mul(1_000_000);
    if is_due {
        connection.out.extend_from_slice(events::HEARTBEAT);
    }
    is_due
}

/// Whether a flight is the beginning of a stream.
pub(super) fn is_stream(flight: &Flight) -> bool {
    flight.form == Form::Http && Manner::from_bits(flight.tag as u8).is_stream()
}

/// How a purchase that waits is told what becomes of it; `None` if it has to ask.
pub(super) fn way_of(flight: &Flight, connection: &Connection) -> Option<Way> {
    match flight.form.protocol() {
        _ if flight.waits_in == 0 => None,
        Protocol::Binary => Some(Way::Binary),
        Protocol::Resp if connection.session.resp3 => Some(Way::Resp3),
        _ => None,
    }
}
