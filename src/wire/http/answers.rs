//! Answers over HTTP: orders, sales, refusals and faults, in JSON with their heads.
//!
//! Each answer is composed once, at the end of the out buffer that it leaves from: the head, room
//! for the length, the body, and then the length into its room. It decides nothing: what the
//! outcome is has been decided, and the caller has seen to it that it may be told.
//!
//! Invariant: one call, one whole answer, whose length is that of its body.

use super::Manner;
use super::fault::Fault;
use super::opening::{DATE_BYTES, date, status_line};
use crate::message::{Cell, join_text, kind, outcome};
use crate::sale::{Form, Ident, OrderLine, TEXT_BYTES_MAX, text_len};
use crate::wire::answers::{Shown, Subject};
use crate::wire::scribe::Scribe;
use crate::wire::{push_decimal, push_moment};

/// Tells a peer that waits for it to send its body.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

const NS_PER_SECOND: u64 = 1_000_000_000;
/// Room for the length of a body; most have so many digits.
const LENGTH_ROOM: &[u8] = b"000";
pub(super) const JSON: &[u8] = b"Content-Type: application/json\r\n";
const PROBLEM: &[u8] = b"Content-Type: application/problem+json\r\n";

/// What writes the answers of one thread: it keeps the date as text for as long as it is right, and
/// spreads the times after which peers shall come back.
pub struct Teller {
    date: [u8; DATE_BYTES],
    /// On the caller's clock, ns.
    date_until: u64,
    seed: u64,
}

/// Where in the out buffer the length and the body of an answer in the making begin.
pub(super) struct Begun {
    length_at: usize,
    body_at: usize,
}

impl Teller {
    /// One that has no date yet.
    pub fn new(seed: u64) -> Teller {
        // Xorshift stays at zero for ever.
        Teller { date: [b' '; DATE_BYTES], date_until: 0, seed: seed | 1 }
    }

    /// Sees to it that the date is right; `now` is any clock's that goes on, ns, and `unix` gives
    /// the time of day, ns. Call it often.
    #[inline]
    pub fn refresh(&mut self, now: u64, unix: impl FnOnce() -> u64) {
        if now >= self.date_until {
            let unix = unix();
            self.date = date(unix);
            self.date_until = now + NS_PER_SECOND - unix % NS_PER_SECOND;
        }
    }

    /// A time not shorter than this and half as long again at most, so that peers who were turned
    /// away together do not come back together.
    pub fn spread(&mut self, ms: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        ms + self.seed % (ms / 2 + 1)
    }

    /// Answers with an order, or with the refusal that the reply is.
    pub fn order(&mut self, shown: &Shown<'_>, manner: Manner, out: &mut Vec<u8>) {
        let reply = shown.reply;
        if shown.tails.is_empty() {
            return self.refusal(reply, Subject::All, manner, out);
        }
        const ANSWER_BYTES_USUAL: usize = 640;
        out.reserve(ANSWER_BYTES_USUAL);
        let is_replayed = reply.replayed != 0;
        let is_new = manner.has(Manner::CREATE) && !is_replayed;
        let replayed: &[u8] = if is_replayed { b"Idempotent-Replayed: true\r\n" } else { b"" };
        let status = match reply.outcome {
            _ if !is_new => 200,
            outcome::WAITING => 202,
            _ => 201,
        };
        let begun = self.begin(status, manner, &[JSON, replayed], out);
        Teller::push_order(shown, out);
        end(&begun, manner, out);
    }

    /// An order in JSON, on one line.
    #[inline]
    pub(super) fn push_order(shown: &Shown<'_>, out: &mut Vec<u8>) {
        let Shown { reply, tails, sale, .. } = shown;
        let Some((head, texts)) = tails.split_first() else { return };
        let (head, is_replayed) = (head.head(), reply.replayed != 0);
        let mut texts = texts.iter();
        push(out, b"{\"order\":\"");
        push_decimal(reply.order.to_native(), out);
        push(out, b"\",\"seq\":");
        push_decimal(reply.seq.to_native(), out);
        push(out, b",\"sale\":\"");
        push(out, sale.as_bytes());
        push(out, b"\",\"state\":\"");
        push(out, outcome::word(reply.outcome).as_bytes());
        push(out, b"\",\"buyer\":\"");
        push_ident(head.buyer(), &mut texts, out);
        push(out, b"\",\"key\":\"");
        push_ident(head.key(), &mut texts, out);
        push(out, b"\",\"lines\":[");
        if head.kind == kind::BASKET {
            for (index, line) in shown.lines().enumerate() {
                push(out, if index > 0 { b"," } else { b"" });
                push_line(&line, shown, out);
            }
        } else {
            let (item, units) = (head.item.to_native(), head.units.to_native());
            push_line(&OrderLine::new(item, units, head.price.to_native()), shown, out);
        }
        push(out, b"],\"expires_at\":");
        push_moment_or_null(reply.expires_at.to_native(), out);
        push(out, b",\"expires_in_ms\":");
        let (left_ms, position) = shown.times();
        push_decimal(left_ms, out);
        push(out, b",\"position\":");
        match position {
            0 => push(out, b"null"),
            position => push_decimal(position, out),
        }
        push(out, b",\"replayed\":");
        push(out, if is_replayed { b"true" } else { b"false" });
        push(out, b",\"receipt\":");
        match shown.receipt {
            Some(receipt) => {
                push(out, b"\"");
                push(out, &receipt.digits());
                push(out, b"\"}");
            }
            None => push(out, b"null}"),
        }
    }

    /// Answers a request that makes no sense.
    pub fn fault(&mut self, fault: &Fault, manner: Manner, out: &mut Vec<u8>) {
        let problem = fault.problem();
        let retry_ms = problem.retry_after_ms;
        let retry_ms = if retry_ms > 0 { self.spread(retry_ms) } else { 0 };
        let begun = self.begin_problem(problem.status, manner, retry_ms, problem.allow, out);
        push_problem(problem.word, problem.status, &problem.detail, out);
        end_problem(&begun, manner, retry_ms, out);
    }

    /// Answers with a JSON text.
    pub fn document(&mut self, document: &str, manner: Manner, out: &mut Vec<u8>) {
        let begun = self.begin(200, manner, &[JSON], out);
        push(out, document.as_bytes());
        end(&begun, manner, out);
    }

    /// Answers `OPTIONS`: nothing but the methods.
    pub fn options(&mut self, allow: &str, manner: Manner, out: &mut Vec<u8>) {
        self.begin_head(204, manner, out);
        for part in [b"Allow: ", allow.as_bytes(), b"\r\n\r\n"] {
            push(out, part);
        }
    }

    #[inline]
    pub(super) fn begin_head(&mut self, status: u16, manner: Manner, out: &mut Vec<u8>) {
        // Most answers fit, and none grows by small steps.
        out.reserve(1024);
        push(out, status_line(status));
        push(out, b"Date: ");
        push(out, &self.date);
        push(out, b"\r\nCache-Control: no-store\r\n");
        if manner.has(Manner::CLOSE) {
            push(out, b"Connection: close\r\n");
        } else if manner.has(Manner::KEEP) {
            push(out, b"Connection: keep-alive\r\n");
        }
    }

    #[inline]
    pub(super) fn begin(
        &mut self,
        status: u16,
        manner: Manner,
        lines: &[&[u8]],
        out: &mut Vec<u8>,
    ) -> Begun {
        self.begin_head(status, manner, out);
        for line in lines {
            push(out, line);
        }
        push(out, b"Content-Length: ");
        let length_at = out.len();
        push(out, LENGTH_ROOM);
        push(out, b"\r\n\r\n");
        Begun { length_at, body_at: out.len() }
    }

    pub(super) fn begin_problem(
        &mut self,
        status: u16,
        manner: Manner,
        retry_ms: u64,
        allow: &str,
        out: &mut Vec<u8>,
    ) -> Begun {
        const LINE_BYTES: usize = 96;
        let mut line = Scribe::<LINE_BYTES>::new();
        if retry_ms > 0 {
            line.text(b"Retry-After: ").decimal(retry_ms.div_ceil(1000)).text(b"\r\n");
        }
        if status == 401 {
            line.text(b"WWW-Authenticate: Bearer\r\n");
        }
        if !allow.is_empty() {
            line.text(b"Allow: ").text(allow.as_bytes()).text(b"\r\n");
        }
        self.begin(status, manner, &[PROBLEM, line.written()], out)
    }
}

/// Fills in the length, and takes the body back if it is not wanted.
#[inline]
pub(super) fn end(begun: &Begun, manner: Manner, out: &mut Vec<u8>) {
    let mut line = Scribe::<20>::new();
    line.decimal((out.len() - begun.body_at) as u64);
    let digits = line.written();
    if manner.has(Manner::HEAD) {
        out.truncate(begun.body_at);
    }
    let room = begun.length_at..begun.length_at + LENGTH_ROOM.len();
    if digits.len() == LENGTH_ROOM.len() {
        out[room].copy_from_slice(digits);
    } else {
        out.splice(room, digits.iter().copied());
    }
}

pub(super) fn end_problem(begun: &Begun, manner: Manner, retry_ms: u64, out: &mut Vec<u8>) {
    if retry_ms > 0 {
        push(out, b",\"retry_after_ms\":");
        push_decimal(retry_ms, out);
    }
    push(out, b"}");
    end(begun, manner, out);
}

/// Everything of a problem but its numbers and its end.
pub(super) fn push_problem(word: &str, status: u16, detail: &str, out: &mut Vec<u8>) {
    push(out, b"{\"type\":\"urn:doorbuster:");
    push(out, word.as_bytes());
    push(out, b"\",\"title\":\"");
    let title_at = out.len();
    push(out, word.as_bytes());
    out[title_at].make_ascii_uppercase();
    for byte in &mut out[title_at..] {
        *byte = if *byte == b'_' { b' ' } else { *byte };
    }
    push(out, b"\",\"status\":");
    push_decimal(u64::from(status), out);
    push(out, b",\"detail\":\"");
    push_escaped(detail.as_bytes(), out);
    push(out, b"\"");
}

#[inline]
fn push_line(line: &OrderLine, shown: &Shown<'_>, out: &mut Vec<u8>) {
    push(out, b"{\"item\":\"");
    push(out, shown.item(line.item).as_bytes());
    push(out, b"\",\"units\":");
    push_decimal(u64::from(line.units), out);
    push(out, b",\"price\":");
    push_decimal(line.price, out);
    push(out, b"}");
}

#[inline]
pub(super) fn push(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(text);
}

/// Printable ASCII within quotes.
#[inline]
pub(super) fn push_escaped(text: &[u8], out: &mut Vec<u8>) {
    if !text.iter().any(|byte| matches!(byte, b'"' | b'\\')) {
        return push(out, text);
    }
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
}

#[inline]
fn push_ident<'a>(
    ident: Option<Ident>,
    texts: &mut impl Iterator<Item = &'a Cell>,
    out: &mut Vec<u8>,
) {
    let ident = ident.unwrap_or(Ident::NONE);
    if ident.form == Form::Long
        && let Some(tail) = texts.next()
    {
        let text = join_text(ident.bits, tail);
        return push_escaped(&text[..text_len(&text)], out);
    }
    let mut text = [0; TEXT_BYTES_MAX];
    let len = ident.write_text(&mut text);
    push_escaped(&text[..len], out);
}

pub(super) fn push_moment_or_null(unix_ns: u64, out: &mut Vec<u8>) {
    if unix_ns == 0 {
        return push(out, b"null");
    }
    push(out, b"\"");
    push_moment(unix_ns, out);
    push(out, b"\"");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_kept_for_its_second_and_no_longer() {
        let mut teller = Teller::new(7);
        teller.refresh(5_000, || 1_400_000_000);
        assert!(teller.date.ends_with(b"00:00:01 GMT"));
        teller.refresh(600_004_999, || unreachable!("the second is not over"));
        teller.refresh(600_005_000, || 2_000_000_000);
        assert!(teller.date.ends_with(b"00:00:02 GMT"));
    }

    #[test]
    fn waits_are_spread_over_half_their_length() {
        let mut teller = Teller::new(0);
        let waits: Vec<u64> = (0..1000).map(|_| teller.spread(1000)).collect();
        assert!(waits.iter().all(|ms| (1000..=1500).contains(ms)));
        let mut different = waits;
        different.sort_unstable();
        different.dedup();
        assert!(different.len() > 300, "{}", different.len());
        assert!((1..=2).contains(&teller.spread(1)));
    }
}
