//! What an answer means for the books: proof, counts, latency, and what follows from it.

use doorbuster::message::outcome;

use super::connection::{Asked, Connection, FollowUp, Pending};
use super::content::{Content, Fate};
use super::proof::Proof;
use super::tally::{Class, Tally};
use crate::speech::{Command, ERROR, Parsed, Protocol};

/// All that a thread writes down.
pub(crate) struct Books {
    pub(crate) tally: Tally,
    pub(crate) proof: Proof,
    content: Content,
}

impl Books {
    pub(crate) fn new(content: &Content, stride: u64) -> Books {
        Books {
            tally: Tally::new(),
            proof: Proof::new(content.has_repeats(), stride),
            content: content.clone(),
        }
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
        if P::TAGGED && parsed.tag != pending.number as u32 {
            self.proof.found.out_of_order += 1;
        }
        let class = if parsed.outcome == ERROR {
            self.tally.note_error(text);
            self.tally.counts.errors += u64::from(pending.measured);
            Class::Failed
        } else {
            self.tally.counts.answers += u64::from(pending.measured);
            match pending.asked {
                Asked::Buy => self.bought::<P>(connection, &pending, parsed, now),
                Asked::Command(command) => self.followed(command, &pending, parsed),
            }
        };
        if pending.measured {
            self.tally.last_answer = now;
            self.tally.record(class, now - pending.intended, Some(now - pending.sent));
        }
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
        self.tally.given[outcome] += count;
        if parsed.outcome == outcome::HELD {
            let command = match self.content.fate(pending.number) {
                Fate::Confirm => Command::Confirm,
                Fate::Release => Command::Release,
                Fate::Leave => return Class::Given,
            };
            connection.follow_ups.push_back(FollowUp { command, order: parsed.order, due: now });
        }
        Class::Given
    }

    fn followed(&mut self, command: Command, pending: &Pending, parsed: &Parsed) -> Class {
        let (counts, wanted) = match command {
            Command::Confirm => (&mut self.tally.confirms, outcome::CONFIRMED),
            Command::Release => (&mut self.tally.releases, outcome::RELEASED),
        };
        counts[usize::from(parsed.outcome)] += u64::from(pending.measured);
        let right = parsed.outcome == wanted && parsed.order == pending.number;
        if !right && !outcome::is_refusal(parsed.outcome) {
            self.proof.found.wrong_order += 1;
        }
        Class::Followed
    }
}
