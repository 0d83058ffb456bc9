//! What is wrong with a request, in words that whoever sent it can act on.
//!
//! A fault is made away from an order's hot way, so it may allocate; it is written by
//! [`answers`](super::answers) when it is this request's turn to be answered. What a peer sent is
//! shown escaped and cut.
//!
//! Invariant: the same bytes give the same fault, however they came in.

use std::borrow::Cow;
use std::fmt::Write;

use crate::access::{Denied, Refused as TurnedAway};
use crate::wire::side::Misfit;

/// How much of what a peer sent is said back, in bytes.
const SHOWN_BYTES_MAX: usize = 80;

/// A request that cannot be done, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault(Box<Problem>);

/// What is told of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: u16,
    pub(super) word: &'static str,
    pub(super) detail: Cow<'static, str>,
    /// The methods of the path, if the method was wrong.
    pub(super) allow: &'static str,
    /// How long to wait, 0 if waiting would not help.
    pub(super) retry_after_ms: u64,
}

impl Fault {
    pub(super) fn new(
        status: u16,
        word: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Fault {
        let detail = detail.into();
        Fault(Box::new(Problem { status, word, detail, allow: "", retry_after_ms: 0 }))
    }

    pub(super) fn problem(&self) -> &Problem {
        &self.0
    }

    /// The status that it is answered with.
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// The bytes are no HTTP request, or one that two readers could read differently.
    pub(super) fn bad_request(detail: impl Into<Cow<'static, str>>) -> Fault {
        Fault::new(400, "bad_request", detail)
    }

    /// A field, header or parameter has a value that it may not have.
    pub(super) fn bad_field(detail: impl Into<Cow<'static, str>>) -> Fault {
        Fault::new(400, "bad_field", detail)
    }

    /// The method is none of the path's.
    pub(super) fn method(method: &[u8], allow: &'static str) -> Fault {
        let shown = Shown(method);
        let detail = format!("this path takes {allow}, got {shown}");
        let mut fault = Fault::new(405, "method_not_allowed", detail);
        fault.0.allow = allow;
        fault
    }

    /// A purchase does not fit its sale's limit groups.
    #[cold]
    pub fn misfit(misfit: &Misfit<'_>) -> Fault {
        let group = Shown::field("groups", misfit.group());
        Fault::bad_field(format!("{group} {misfit}"))
    }

    /// Who asks may not, or not now.
    pub fn turned_away(refused: TurnedAway) -> Fault {
        match refused {
            TurnedAway::Denied(why @ (Denied::NoToken | Denied::WrongToken)) => {
                let detail = format!("{why}: send it as Authorization: Bearer <token>");
                Fault::new(401, "unauthorized", detail)
            }
            TurnedAway::Denied(why) => Fault::new(403, "forbidden", why.to_string()),
            TurnedAway::Ticket(why) => {
                let detail = format!("the ticket in Doorbuster-Ticket is {why}");
                Fault::new(403, "ticket_refused", detail)
            }
            TurnedAway::Busy { retry_after_ms } => {
                let detail = "more purchases than this token or address may send in a second";
                let mut fault = Fault::new(429, "rate_limited", detail);
                fault.0.retry_after_ms = retry_after_ms;
                fault
            }
        }
    }

    /// There are as many connections as there may be.
    pub fn crowded(retry_after_ms: u64) -> Fault {
        let mut fault = Fault::new(503, "overloaded", "there is no room for more connections");
        fault.0.retry_after_ms = retry_after_ms;
        fault
    }

    /// As many orders are watched as may be.
    pub fn watched_too_much(retry_after_ms: u64) -> Fault {
        let detail = "too many orders are watched already; ask for this one now and then instead";
        let mut fault = Fault::new(503, "overloaded", detail);
        fault.0.retry_after_ms = retry_after_ms;
        fault
    }

    /// The answer is large, and so many that others have not taken yet are held that it may not be.
    pub fn overfull(retry_after_ms: u64) -> Fault {
        let detail = "too many answers wait to be taken by their peers for one so large";
        let mut fault = Fault::new(503, "overloaded", detail);
        fault.0.retry_after_ms = retry_after_ms;
        fault
    }

    /// The journal is still being replayed.
    pub fn loading(retry_after_ms: u64) -> Fault {
        let detail = "the server replays its journal and answers soon; nothing is lost";
        let mut fault = Fault::new(503, "loading", detail);
        fault.0.retry_after_ms = retry_after_ms;
        fault
    }
}

/// What a peer sent, as it can be shown to it: printable ASCII, not too long, in quotes.
pub(super) struct Shown<'a>(pub(super) &'a [u8]);

impl Shown<'_> {
    /// The name of a field in another one: `groups.card`.
    pub(super) fn field(outer: &str, inner: &[u8]) -> String {
        let inner = Shown(inner).to_string();
        format!("{outer}.{}", &inner[1..inner.len() - 1])
    }
}

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cut = &self.0[..self.0.len().min(SHOWN_BYTES_MAX)];
        f.write_char('\'')?;
        for byte in cut {
            match byte {
                b' '..=b'~' => f.write_char(char::from(*byte))?,
                other => write!(f, "{}", other.escape_ascii())?,
            }
        }
        f.write_str(if cut.len() < self.0.len() { "...'" } else { "'" })
    }
}
