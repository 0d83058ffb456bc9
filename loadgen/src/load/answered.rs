//! What an answer means for the books: proof, units, counts, latency, and what follows from it.

use doorbuster::message::outcome;

use super::arrived::{Arrived, ArrivedOrders};
use super::connection::{Asked, Connection, FollowUp, Pending};
use super::content::{Content, Fate};
use super::ledger::Ledger;
use super::proof::Proof;
use super::slice::Slice;
use super::tally::{Class, Tally};
use crate::speech::{Command, ERROR, Parsed, Protocol};

/// How buyers behave, beyond what they ask for. Times in ns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    /// From a hold to its confirm or release.
    pub(crate) think: u64,
    /// From an overloaded server's answer to the next try.
    pub(crate) retry_after: u64,
}

/// All that a thread writes down.
pub(crate) struct Books {
    pub(crate) tally: Tally,
    pub(crate) proof: Proof,
    pub(crate) ledger: Ledger,
    pub(crate) arrived: ArrivedOrders,
    /// The second that is going on.
    pub(crate) slice: Slice,
    content: Content,
    /// See [`Content::purchase`].
    stride: u64,
    manners: Manners,
}

impl Books {
    pub(crate) fn new(content: &Content, stride: u64, manners: Manners, ledger: Ledger) -> Books {
        Books {
            tally: Tally::new(),
            proof: Proof::new(content.has_repeats(), stride),
            ledger,
            arrived: ArrivedOrders::default(),
            slice: Slice::new(),
            content: content.clone(),
            stride,
            manners,
        }
    }

    pub(crate) fn merge(&mut self, other: Books) {
        self.tally.merge(other.tally);
        self.proof.merge(other.proof);
        self.ledger.merge(other.ledger);
        self.arrived.merge(other.arrived);
    }

    /// Takes the next answer of a connection. `text` shows it, should it be an error.
    #[inline]
    pub(crate) fn answered<P: Protocol>(
        &mut self,
        connection: &mut Connection,
        parsed: &Parsed,
        now: u64,
        text: impl FnOnce() -> String,
    ) {
        let Some(pending) = connection.pending.pop_front() else {
            self.proof.found.out_of_order += 1;
            return;
        };
        if P::TAGGED && parsed.tag != pending.tag() {
            self.proof.found.out_of_order += 1;
        }
        if let Asked::Buy { tries: 1.. } = pending.asked
            && parsed.outcome == outcome::OVERLOADED
        {
            return self.try_again(connection, &pending, now);
        }
        let class = if parsed.outcome == ERROR {
            self.unheard(pending.number);
            self.tally.note_error(text);
            self.tally.counts.errors += u64::from(pending.measured);
            Class::Failed
        } else {
            self.tally.counts.answers += u64::from(pending.measured);
            match pending.asked {
                Asked::Buy { .. } => self.bought::<P>(connection, &pending, parsed, now),
                Asked::Command { command, order, given } => {
                    self.followed(command, order, given, &pending, parsed, now)
                }
            }
        };
        let (intended, sent) = (now - pending.intended, now - pending.sent);
        match class {
            Class::Given => self.slice.given += 1,
            Class::Waiting => self.slice.waiting += 1,
            Class::Replayed => self.slice.replayed += 1,
            Class::Refused => self.slice.refused[usize::from(parsed.outcome)] += 1,
            Class::Followed => self.slice.followed += 1,
            Class::Failed => self.slice.failed += 1,
        }
        if class != Class::Followed {
            self.slice.record(intended, sent);
        }
        if pending.measured {
            self.tally.last_answer = now;
            self.tally.record(class, intended, Some(sent));
        }
    }

    /// Writes off what a connection has outstanding; returns how many measured requests that are.
    pub(crate) fn abandon(&mut self, connection: &mut Connection, now: u64) -> u64 {
        let mut measured = 0;
        for pending in connection.pending.drain(..) {
            measured += u64::from(pending.measured);
            self.unheard(pending.number);
            let (intended, sent) = (now - pending.intended, now - pending.sent);
            self.slice.failed += 1;
            if !matches!(pending.asked, Asked::Command { .. }) {
                self.slice.record(intended, sent);
            }
            if pending.measured {
                self.tally.record(Class::Failed, intended, Some(sent));
            }
        }
        // They were answered, and would have been asked again.
        for retry in connection.retries.drain(..) {
            measured += u64::from(retry.measured);
            self.slice.failed += 1;
            if retry.measured {
                self.tally.record(Class::Failed, now.saturating_sub(retry.intended), None);
            }
        }
        let unfollowed = connection.decisions.drain(..).filter(|decision| decision.measured);
        self.tally.counts.unfollowed += unfollowed.count() as u64;
        measured
    }

    /// A purchase was due and never sent; who came for it waited so long.
    pub(crate) fn never_sent(&mut self, wait: u64) {
        self.tally.counts.unsent += 1;
        self.tally.record(Class::Failed, wait, None);
        self.slice.failed += 1;
        self.slice.intended.saturating_record(wait);
    }

    /// Nobody knows what the server did about a purchase.
    fn unheard(&mut self, number: u64) {
        let purchase = self.content.purchase(number, self.stride);
        self.ledger.unheard(purchase.units_in_all());
    }

    fn try_again(&mut self, connection: &mut Connection, pending: &Pending, now: u64) {
        let Asked::Buy { tries } = pending.asked else { return };
        self.tally.counts.retried += u64::from(pending.measured);
        connection.retries.push_back(FollowUp {
            asked: Asked::Buy { tries: tries - 1 },
            measured: pending.measured,
            number: pending.number,
            intended: pending.intended,
            at: now + self.manners.retry_after,
        });
    }

    #[inline]
    fn bought<P: Protocol>(
        &mut self,
        connection: &mut Connection,
        pending: &Pending,
        parsed: &Parsed,
        now: u64,
    ) -> Class {
        let count = u64::from(pending.measured);
        let outcome = usize::from(parsed.outcome);
        if outcome::is_refusal(parsed.outcome) {
            self.tally.refused[outcome] += count;
            return Class::Refused;
        }
        let said = P::SAYS_REPLAYED.then_some(parsed.replayed);
        if self.proof.order(pending.number, parsed.order, said) {
            self.tally.replayed[outcome] += count;
            return Class::Replayed;
        }
        if parsed.outcome == outcome::WAITING {
            self.tally.waiting[outcome] += count;
            // They may be given without a word to us.
            self.unheard(pending.number);
            return Class::Waiting;
        }
        self.tally.given[outcome] += count;
        if pending.measured {
            let Pending { number, intended, sent, .. } = *pending;
            self.arrived.push(Arrived { order: parsed.order, number, intended, sent });
        }
        let purchase = self.content.purchase(pending.number, self.stride);
        let units = parsed.units_of(&purchase);
        self.proof.found.wrong_units += u64::from(units != purchase.units_in_all());
        if parsed.outcome == outcome::CONFIRMED {
            self.ledger.given(&purchase, u64::MAX, now);
            self.ledger.confirmed(&purchase, now, now);
        } else if parsed.outcome == outcome::HELD {
            let hold_ns = match parsed.expires_in_ms {
                0 => u64::MAX,
                // It runs from the decision, which was after the sending.
                ms => (u64::from(ms) * 1_000_000).saturating_sub(now - pending.sent),
            };
            self.ledger.given(&purchase, hold_ns, now);
            let command = match self.content.fate(pending.number) {
                Fate::Confirm => Command::Confirm,
                Fate::Release => Command::Release,
                Fate::Leave => return Class::Given,
            };
            let at = now + self.manners.think;
            connection.decisions.push_back(FollowUp {
                asked: Asked::Command { command, order: parsed.order, given: now },
                measured: pending.measured,
                number: pending.number,
                intended: at,
                at,
            });
        }
        Class::Given
    }

    /// A release is about to be sent: its units may be anybody's from then on.
    pub(crate) fn asks_back(&mut self, number: u64, given: u64) {
        let purchase = self.content.purchase(number, self.stride);
        self.ledger.asked_back(&purchase, given);
    }

    fn followed(
        &mut self,
        command: Command,
        order: u64,
        given: u64,
        pending: &Pending,
        parsed: &Parsed,
        now: u64,
    ) -> Class {
        let (counts, wanted) = match command {
            Command::Confirm => (&mut self.tally.confirms, outcome::CONFIRMED),
            Command::Release => (&mut self.tally.releases, outcome::RELEASED),
        };
        counts[usize::from(parsed.outcome)] += u64::from(pending.measured);
        let right = parsed.outcome == wanted && parsed.order == order;
        if right {
            let purchase = self.content.purchase(pending.number, self.stride);
            match command {
                Command::Confirm => self.ledger.confirmed(&purchase, given, now),
                Command::Release => self.ledger.released(purchase.units_in_all()),
            }
        } else if !outcome::is_refusal(parsed.outcome) {
            self.proof.found.wrong_order += 1;
        }
        Class::Followed
    }
}

impl Pending {
    /// What the protocol was given to tag the request with.
    pub(crate) fn tag(&self) -> u32 {
        match self.asked {
            Asked::Buy { .. } => self.number as u32,
            Asked::Command { order, .. } => order as u32,
        }
    }
}
