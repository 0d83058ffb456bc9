//! What the guard asks of each request before it may go to the matcher, in the terms of the
//! protocols. Nothing here is called on a server that has nothing to ask.
//!
//! It writes no answer: one that is due must wait for those before it.
//!
//! Invariant: every command but those by which a peer gets in is checked.

use super::names::Names;
use crate::access::{Admission, Guard, Need, Purchase, Refused, Shown, Visitor};
use crate::limits::{RESP_ARGS_MAX, STRANGER_ARGS_MAX};
use crate::message::{kind, outcome};
use crate::metrics::Metrics;
use crate::sale::{Form, Ident, TEXT_BYTES_MAX};
use crate::wire::binary::{Frame, Greeting, What};
use crate::wire::commands::{self, Ask, Command};
use crate::wire::http::{self, Meaning};
use crate::wire::local::{self, Host};
use crate::wire::resp::Words;

/// Words that the next request of a connection may have.
pub(super) fn words_max(guard: &Guard, visitor: &mut Visitor) -> usize {
    if guard.is_stranger(visitor) { STRANGER_ARGS_MAX } else { RESP_ARGS_MAX }
}

/// Why a RESP request is answered here and now; `None` if it may go on.
#[cold]
pub(super) fn resp(
    guard: &mut Guard,
    visitor: &mut Visitor,
    (command, ask): (&Command, &Ask<'_>),
    words: &Words<'_>,
    stamp: u64,
) -> Option<Refused> {
    let need = match command {
        Command::Ask if is_purchase(ask.head.kind) => {
            let ticket = Shown::Text(commands::ticket(words));
            let buyer = commands::buyer(words);
            let purchase = Purchase { sale: ask.sale, buyer, ticket, stamp };
            return guard.buy(visitor, &purchase).err();
        }
        Command::Ask => need_of(ask.head.kind),
        Command::Local if local::is_for_strangers(words.word(0)) => return None,
        Command::Local | Command::Fault(_) => Need::Any,
    };
    guard.check(visitor, need).err().map(Refused::Denied)
}

/// Why a binary request is answered here and now; `None` if it may go on.
#[cold]
pub(super) fn binary(
    guard: &mut Guard,
    visitor: &mut Visitor,
    names: &Names,
    (frame, input): (&Frame, &[u8]),
    stamp: u64,
) -> Option<Refused> {
    let head = frame.head.head();
    let need = match frame.what {
        What::Ask if is_purchase(head.kind) => {
            let (buyer, len) = frame.buyer_text();
            let parts = frame.ticket(input);
            let ticket = match &parts {
                Some((expiry, mac)) => Shown::Parts { expiry: *expiry, mac },
                None => Shown::Nothing,
            };
            // A number that has no name yet has no ticket either.
            let sale = names.page().names(head.sale.to_native());
            let sale = sale.map_or(&[][..], |names| names.name.as_str().as_bytes());
            let purchase = Purchase { sale, buyer: &buyer[..len], ticket, stamp };
            return guard.buy(visitor, &purchase).err();
        }
        What::Ask => need_of(head.kind),
        What::Ping => Need::Any,
        What::Resolve => Need::Read,
        What::Malformed | What::Lost => return None,
    };
    guard.check(visitor, need).err().map(Refused::Denied)
}

/// Why an HTTP request is answered here and now; `None` if it may go on.
#[cold]
pub(super) fn http(
    guard: &mut Guard,
    visitor: &mut Visitor,
    request: &http::Request<'_>,
    stamp: u64,
) -> Option<Refused> {
    let need = match &request.meaning {
        Meaning::Ask(ask) => need_of(ask.head.kind),
        Meaning::Heads => Need::Read,
        Meaning::Fault(_) => Need::Any,
        // Nothing in them is anybody's.
        Meaning::Document(_) | Meaning::Options(_) => return None,
    };
    if let Err(denied) = guard.enter(visitor, request.bearer, need) {
        return Some(Refused::Denied(denied));
    }
    let Meaning::Ask(ask) = &request.meaning else { return None };
    if !is_purchase(ask.head.kind) {
        return None;
    }
    let mut text = [0; TEXT_BYTES_MAX];
    let buyer = match ask.head.buyer() {
        Some(Ident { form: Form::Long, .. }) | None => ask.long_buyer,
        Some(ident) => {
            let len = ident.write_text(&mut text);
            &text[..len]
        }
    };
    let ticket = Shown::Text(request.ticket.unwrap_or_default());
    guard.buy(visitor, &Purchase { sale: ask.sale, buyer, ticket, stamp }).err()
}

fn is_purchase(kind: u8) -> bool {
    matches!(kind, kind::BUY | kind::BASKET)
}

/// Requests change something, or they are reads; those have the higher numbers.
fn need_of(kind: u8) -> Need {
    if kind >= kind::ORDER { Need::Read } else { Need::Buy }
}

/// What a greeting is told: an outcome.
pub(super) fn greet(guard: &mut Guard, visitor: &mut Visitor, greeting: Greeting<'_>) -> u8 {
    match greeting {
        Greeting::Bad => outcome::MALFORMED,
        Greeting::Good(token) => match guard.admit(visitor, None, token) {
            Admission::Granted | Admission::Open => outcome::OK,
            Admission::Refused => outcome::UNAUTHORIZED,
        },
    }
}

/// A connection's way to the guard and the counters.
pub(super) struct Porter<'a> {
    pub(super) guard: &'a mut Guard,
    pub(super) visitor: &'a mut Visitor,
    pub(super) metrics: &'a Metrics,
}

impl Host for Porter<'_> {
    fn info(&self) -> String {
        self.metrics.info()
    }

    fn admit(&mut self, name: Option<&[u8]>, token: &[u8]) -> Admission {
        self.guard.admit(self.visitor, name, token)
    }

    fn is_stranger(&mut self) -> bool {
        self.guard.is_stranger(self.visitor)
    }

    fn forget(&mut self) {
        self.visitor.forget();
    }
}
