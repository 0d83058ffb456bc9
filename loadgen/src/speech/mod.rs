//! What every protocol can do for a driver: put requests into a buffer, take answers out of one.
//!
//! Neither side touches a socket or allocates for a request. The driver is compiled once for each
//! protocol; `connect` in the load room prepares what a protocol needs before the first request.

pub(crate) mod binary;
mod decimal;
pub(crate) mod http;
pub(crate) mod postgres;
pub(crate) mod redis;
pub(crate) mod resp;

use doorbuster::message::outcome;

use crate::load::content::Purchase;

/// An `outcome` of no protocol: the server answered with an error.
pub(crate) const ERROR: u8 = 255;

/// The command about an order that follows a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Confirm,
    Release,
}

/// One answer, as far as a driver cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// One of [`doorbuster::message::outcome`], or [`ERROR`].
    pub(crate) outcome: u8,
    /// Whether the server says that it repeats an answer. RESP never says.
    pub(crate) replayed: bool,
    /// The tag, if the protocol has them.
    pub(crate) tag: u32,
    /// The order's id; 0 in a refusal.
    pub(crate) order: u64,
    /// Units given; 0 in a refusal, and where the protocol does not say.
    pub(crate) units: u32,
    /// What is left of the hold, ms; 0 if it does not run out, in a refusal, and where the protocol
    /// does not say.
    pub(crate) expires_in_ms: u32,
    /// Where the answer's text begins and ends, to be shown if it is an error.
    pub(crate) text: (u32, u32),
}

impl Parsed {
    /// Units that a purchase was given: what it asked for, where the protocol does not say.
    #[inline]
    pub(crate) fn units_of(&self, purchase: &Purchase<'_>) -> u32 {
        if self.units == 0 { purchase.units_in_all() } else { self.units }
    }
}

/// Speaks one protocol on all connections of a thread.
pub(crate) trait Protocol {
    /// Whether answers carry the request's tag.
    const TAGGED: bool;
    /// Whether answers say when they are replayed.
    const SAYS_REPLAYED: bool;

    /// Whether a connection is given nothing to send while it waits for answers: what comes due
    /// meanwhile is the next batch.
    const TAKES_TURNS: bool = false;

    /// Appends a purchase.
    fn buy(&mut self, purchase: &Purchase<'_>, tag: u32, out: &mut Vec<u8>);

    /// Appends a command about an order.
    fn command(&mut self, command: Command, order: u64, tag: u32, out: &mut Vec<u8>);

    /// Ends what was appended for one connection in this round: it is about to be written.
    fn flush(&mut self, _out: &mut Vec<u8>) {}

    /// Takes all whole answers from the beginning of `bytes`, in order; returns the bytes they
    /// took. The rest comes again, with more behind it.
    ///
    /// # Errors
    /// A sentence when no further byte can make the rest an answer.
    fn parse(&mut self, bytes: &[u8], answers: &mut Vec<Parsed>) -> Result<usize, String>;
}

/// The number of a state's or refusal's word; [`ERROR`] if it is none.
#[inline]
fn outcome_of(word: &[u8]) -> u8 {
    match word {
        b"held" => outcome::HELD,
        b"confirmed" => outcome::CONFIRMED,
        b"sold_out" => outcome::SOLD_OUT,
        b"limit_reached" => outcome::LIMIT_REACHED,
        b"unknown_outcome" => ERROR,
        _ => (0..ERROR).find(|n| outcome::word(*n).as_bytes() == word).unwrap_or(ERROR),
    }
}
