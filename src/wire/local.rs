//! What a RESP connection answers by itself: the commands by which client libraries connect.
//!
//! Nothing here touches a sale or tells of one. What a peer said comes back escaped and cut.
//!
//! Invariant: one call appends one reply.

use super::answers::push_bulk;
use super::push_decimal;
use super::resp::Words;
use crate::access::Admission;

/// The longest name that a client may give itself, in bytes.
const CLIENT_NAME_BYTES_MAX: usize = 64;
/// How much of an unknown command and its arguments is said back, as in Redis.
const ECHO_BYTES_MAX: usize = 128;
const NO_PASSWORD: &str = "ERR AUTH <password> called without any password configured for the \
                           default user. Are you sure your configuration is correct?";

const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";
const HELLO_NEEDS_AUTH: &str = "NOAUTH HELLO must be called with the client already \
                                authenticated, otherwise the HELLO <proto> AUTH <user> <pass> \
                                option can be used to authenticate the client and select the RESP \
                                protocol version at the same time";

/// What a RESP connection remembers of itself.
#[derive(Default)]
pub struct Session {
    /// Whether it asked for RESP3.
    pub resp3: bool,
    /// Its number, for `CLIENT ID`.
    pub id: u64,
    name: Option<Box<[u8]>>,
}

impl Session {
    /// A session that has said nothing yet.
    pub fn new(id: u64) -> Session {
        Session { id, ..Session::default() }
    }
}

/// Commands that a connection may send before it has shown a token, as in Redis.
pub fn is_for_strangers(command: &[u8]) -> bool {
    let names: [&[u8]; 4] = [b"auth", b"hello", b"quit", b"reset"];
    names.iter().any(|name| command.eq_ignore_ascii_case(name))
}

/// What a connection is asked for that is not its own to know.
pub trait Host {
    /// The text of `INFO`.
    fn info(&self) -> String;
    /// A token is shown, perhaps with whose it is said to be.
    fn admit(&mut self, name: Option<&[u8]>, token: &[u8]) -> Admission;
    /// Whether a token must be shown first.
    fn is_stranger(&mut self) -> bool;
    /// The connection is to be as if it were new.
    fn forget(&mut self);
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It stays.
    Stay,
    /// It closes once this answer is written.
    Close,
}

/// Answers a command that is none of the matcher's.
pub fn answer(
    words: &Words<'_>,
    session: &mut Session,
    host: &mut impl Host,
    out: &mut Vec<u8>,
) -> Then {
    let mut name = [0; 8];
    let given = words.word(0);
    let name = match name.get_mut(..given.len()) {
        Some(name) => {
            name.copy_from_slice(given);
            name.make_ascii_lowercase();
            &*name
        }
        None => b"",
    };
    match (name, words.len()) {
        (b"ping", 1) => out.extend_from_slice(b"+PONG\r\n"),
        (b"ping", 2) | (b"echo", 2) => push_bulk(words.word(1), out),
        (b"hello", _) => hello(words, session, host, out),
        (b"auth", 2) => match host.admit(None, words.word(1)) {
            Admission::Open => error(NO_PASSWORD, out),
            Admission::Granted => ok(out),
            Admission::Refused => error(WRONG_PASSWORD, out),
        },
        (b"auth", 3) if admit(words.word(1), words.word(2), host) => ok(out),
        (b"auth", 3) => error(WRONG_PASSWORD, out),
        (b"select", 2) => match words.word(1) {
            b"0" => ok(out),
            index if index.iter().all(u8::is_ascii_digit) && !index.is_empty() => {
                error("ERR DB index is out of range", out);
            }
            _ => error("ERR value is not an integer or out of range", out),
        },
        (b"client", 2..) => client(words, session, out),
        (b"command", 2..) if words.word(1).eq_ignore_ascii_case(b"count") => {
            out.extend_from_slice(b":0\r\n");
        }
        (b"command", 2..) if words.word(1).eq_ignore_ascii_case(b"docs") => {
            out.extend_from_slice(if session.resp3 { b"%0\r\n" } else { b"*0\r\n" });
        }
        (b"command", _) => out.extend_from_slice(b"*0\r\n"),
        (b"config", 3..) if words.word(1).eq_ignore_ascii_case(b"get") => {
            config(words, session.resp3, out);
        }
        (b"config", 2..) => error("ERR options are given at start; see --help", out),
        (b"info", _) => verbatim(&host.info(), session.resp3, out),
        (b"reset", 1) => {
            *session = Session::new(session.id);
            host.forget();
            out.extend_from_slice(b"+RESET\r\n");
        }
        (b"quit", _) => {
            ok(out);
            return Then::Close;
        }
        (b"ping" | b"echo" | b"auth" | b"select" | b"client" | b"config" | b"reset", _) => {
            arity(name, out);
        }
        _ => unknown(words, out),
    }
    Then::Stay
}

/// Every setting that is asked for is there, and empty.
fn config(words: &Words<'_>, resp3: bool, out: &mut Vec<u8>) {
    let settings = words.len() as u64 - 2;
    out.push(if resp3 { b'%' } else { b'*' });
    push_decimal(if resp3 { settings } else { 2 * settings }, out);
    out.extend_from_slice(b"\r\n");
    for index in 2..words.len() {
        push_bulk(words.word(index), out);
        push_bulk(b"", out);
    }
}

fn ok(out: &mut Vec<u8>) {
    out.extend_from_slice(b"+OK\r\n");
}

fn error(text: &str, out: &mut Vec<u8>) {
    for part in ["-", text, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn arity(name: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"-ERR wrong number of arguments for '");
    out.extend_from_slice(name);
    out.extend_from_slice(b"' command\r\n");
}

fn verbatim(text: &str, resp3: bool, out: &mut Vec<u8>) {
    if !resp3 {
        return push_bulk(text.as_bytes(), out);
    }
    out.push(b'=');
    push_decimal(text.len() as u64 + 4, out);
    for part in ["\r\ntxt:", text, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Where nobody asks for tokens there is no user but `default`, who needs no password.
fn admit(user: &[u8], token: &[u8], host: &mut impl Host) -> bool {
    match host.admit(Some(user), token) {
        Admission::Open => user == b"default",
        admission => admission == Admission::Granted,
    }
}

fn hello(words: &Words<'_>, session: &mut Session, host: &mut impl Host, out: &mut Vec<u8>) {
    let mut resp3 = session.resp3;
    if words.len() > 1 {
        resp3 = match words.word(1) {
            b"2" => false,
            b"3" => true,
            text if !text.is_empty() && text.iter().all(u8::is_ascii_digit) => {
                return error("NOPROTO unsupported protocol version", out);
            }
            _ => return error("ERR Protocol version is not an integer or out of range", out),
        };
    }
    let (mut name, mut shown) = (None, None);
    let mut at = 2;
    while at < words.len() {
        let (option, left) = (words.word(at), words.len() - at - 1);
        if option.eq_ignore_ascii_case(b"auth") && left >= 2 {
            shown = Some((words.word(at + 1), words.word(at + 2)));
            at += 3;
        } else if option.eq_ignore_ascii_case(b"setname") && left >= 1 {
            match client_name(words.word(at + 1)) {
                Ok(given) => name = Some(given),
                Err(text) => return error(text, out),
            }
            at += 2;
        } else {
            out.extend_from_slice(b"-ERR Syntax error in HELLO option '");
            push_escaped(option, ECHO_BYTES_MAX, out);
            out.extend_from_slice(b"'\r\n");
            return;
        }
    }
    // Only once the rest makes sense: a request that fails changes nothing.
    if shown.is_some_and(|(user, token)| !admit(user, token, host)) {
        return error(WRONG_PASSWORD, out);
    }
    if host.is_stranger() {
        return error(HELLO_NEEDS_AUTH, out);
    }
    session.resp3 = resp3;
    if let Some(name) = name {
        session.name = name;
    }
    out.extend_from_slice(if resp3 { b"%7\r\n" } else { b"*14\r\n" });
    let version = env!("CARGO_PKG_VERSION");
    for (field, value) in [("server", "doorbuster"), ("version", version)] {
        push_bulk(field.as_bytes(), out);
        push_bulk(value.as_bytes(), out);
    }
    for (field, value) in [("proto", 2 + u64::from(resp3)), ("id", session.id)] {
        push_bulk(field.as_bytes(), out);
        push_integer(value, out);
    }
    for (field, value) in [("mode", "standalone"), ("role", "master")] {
        push_bulk(field.as_bytes(), out);
        push_bulk(value.as_bytes(), out);
    }
    push_bulk(b"modules", out);
    out.extend_from_slice(b"*0\r\n");
}

fn push_integer(value: u64, out: &mut Vec<u8>) {
    out.push(b':');
    push_decimal(value, out);
    out.extend_from_slice(b"\r\n");
}

/// A name that a client gives itself; the empty one takes it back.
fn client_name(text: &[u8]) -> Result<Option<Box<[u8]>>, &'static str> {
    if text.len() > CLIENT_NAME_BYTES_MAX {
        return Err("ERR Client names cannot be longer than 64 characters.");
    }
    if !text.iter().all(u8::is_ascii_graphic) {
        return Err("ERR Client names cannot contain spaces, newlines or special characters.");
    }
    Ok((!text.is_empty()).then(|| text.into()))
}

fn client(words: &Words<'_>, session: &mut Session, out: &mut Vec<u8>) {
    let what = words.word(1);
    let is = |name: &[u8], len| what.eq_ignore_ascii_case(name) && words.len() == len;
    if is(b"setname", 3) {
        match client_name(words.word(2)) {
            Ok(name) => {
                session.name = name;
                ok(out);
            }
            Err(text) => error(text, out),
        }
    } else if is(b"setinfo", 4) {
        ok(out);
    } else if is(b"id", 2) {
        push_integer(session.id, out);
    } else if is(b"getname", 2) {
        match &session.name {
            Some(name) => push_bulk(name, out),
            None => out.extend_from_slice(if session.resp3 { b"_\r\n" } else { b"$-1\r\n" }),
        }
    } else {
        out.extend_from_slice(b"-ERR unknown subcommand or wrong number of arguments for '");
        push_escaped(what, ECHO_BYTES_MAX, out);
        out.extend_from_slice(b"'. Try CLIENT HELP.\r\n");
    }
}

/// As Redis 7 words it.
fn unknown(words: &Words<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"-ERR unknown command '");
    push_escaped(words.word(0), ECHO_BYTES_MAX, out);
    out.extend_from_slice(b"', with args beginning with: ");
    let mut left = ECHO_BYTES_MAX;
    for index in 1..words.len() {
        if left == 0 {
            break;
        }
        let before = out.len();
        out.push(b'\'');
        push_escaped(words.word(index), left, out);
        out.extend_from_slice(b"' ");
        left = left.saturating_sub(out.len() - before);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends at most `max` bytes of what a peer said, so that it stays on its line and in its quotes.
fn push_escaped(text: &[u8], max: usize, out: &mut Vec<u8>) {
    let end = out.len() + max;
    for byte in &text[..text.len().min(max)] {
        out.extend(byte.escape_ascii());
    }
    out.truncate(end);
}

#[cfg(test)]
mod tests;
