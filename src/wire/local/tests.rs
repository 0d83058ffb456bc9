//! What client libraries and strangers say, and what they get to hear.

use super::*;
use crate::wire::resp::{Args, parse};

/// Asks for the token `right` of the user `shop`, or for none.
enum Porter {
    Open,
    Asking { granted: bool },
}

impl Host for Porter {
    fn info(&self) -> String {
        "# Server\r\n".into()
    }

    fn admit(&mut self, name: Option<&[u8]>, token: &[u8]) -> Admission {
        let Porter::Asking { granted } = self else { return Admission::Open };
        let is_known = name.is_none_or(|name| name == b"shop" || name == b"default");
        if !is_known || token != b"right" {
            return Admission::Refused;
        }
        *granted = true;
        Admission::Granted
    }

    fn is_stranger(&mut self) -> bool {
        matches!(self, Porter::Asking { granted: false })
    }

    fn forget(&mut self) {
        if let Porter::Asking { granted } = self {
            *granted = false;
        }
    }
}

fn said(words: &[&str], session: &mut Session) -> (String, Then) {
    said_to(&mut Porter::Open, words, session)
}

fn said_to(host: &mut Porter, words: &[&str], session: &mut Session) -> (String, Then) {
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request += &format!("${}\r\n{word}\r\n", word.len());
    }
    let mut args = Args::new();
    parse(request.as_bytes(), &mut args).expect("well formed").expect("whole");
    let mut out = Vec::new();
    let then = answer(&args.of(request.as_bytes()), session, host, &mut out);
    (String::from_utf8(out).expect("ASCII").replace("\r\n", " "), then)
}

#[test]
fn client_libraries_find_what_they_ask_for() {
    let mut session = Session { id: 7, ..Session::default() };
    for (words, expected) in [
        (&["PING"][..], "+PONG "),
        (&["ping", "hi there"], "$8 hi there "),
        (&["ECHO", "x"], "$1 x "),
        (&["SELECT", "0"], "+OK "),
        (&["SELECT", "1"], "-ERR DB index is out of range "),
        (&["CLIENT", "GETNAME"], "$-1 "),
        (&["CLIENT", "SETNAME", "me"], "+OK "),
        (&["client", "getname"], "$2 me "),
        (&["CLIENT", "ID"], ":7 "),
        (&["CLIENT", "SETINFO", "LIB-NAME", "x"], "+OK "),
        (&["COMMAND"], "*0 "),
        (&["COMMAND", "DOCS"], "*0 "),
        (&["COMMAND", "COUNT"], ":0 "),
        (&["CONFIG", "GET", "save"], "*2 $4 save $0  "),
        (&["CONFIG", "GET", "a", "b"], "*4 $1 a $0  $1 b $0  "),
        (&["RESET"], "+RESET "),
        (&["CLIENT", "GETNAME"], "$-1 "),
        (&["RESET", "x"], "-ERR wrong number of arguments for 'reset' command "),
        (&["INFO"], "$10 # Server  "),
        (&["HELLO", "4"], "-NOPROTO unsupported protocol version "),
        (&["ECHO"], "-ERR wrong number of arguments for 'echo' command "),
    ] {
        assert_eq!(said(words, &mut session), (expected.into(), Then::Stay), "{words:?}");
    }
    assert_eq!(said(&["QUIT"], &mut session), ("+OK ".into(), Then::Close));
}

#[test]
fn hello_3_switches_to_maps() {
    let mut session = Session::default();
    let version = env!("CARGO_PKG_VERSION");
    let fields = format!(
        "$6 server $10 doorbuster $7 version ${} {version} $5 proto :3 $2 id :0 $4 mode \
         $10 standalone $4 role $6 master $7 modules *0 ",
        version.len()
    );
    let (reply, _) = said(&["HELLO", "3", "SETNAME", "me"], &mut session);
    assert_eq!(reply, format!("%7 {fields}"));
    assert!(session.resp3);
    assert_eq!(said(&["CONFIG", "GET", "x"], &mut session).0, "%1 $1 x $0  ");
    assert_eq!(said(&["INFO"], &mut session).0, "=14 txt:# Server  ");
    assert!(said(&["HELLO", "2"], &mut session).0.starts_with("*14 $6 server"));
    assert!(!session.resp3);
    let (reply, _) = said(&["HELLO", "3", "AUTH", "eve", "x"], &mut session);
    assert!(reply.starts_with("-WRONGPASS") && !session.resp3);
}

#[test]
fn a_token_is_shown_by_auth_or_with_hello_and_forgotten_on_reset() {
    let (mut porter, mut session) = (Porter::Asking { granted: false }, Session::default());
    let mut say = |words: &[&str]| said_to(&mut porter, words, &mut session).0;
    let wrong = format!("-{WRONG_PASSWORD} ");
    let needs = format!("-{HELLO_NEEDS_AUTH} ");
    assert_eq!(say(&["HELLO"]), needs);
    assert_eq!(say(&["HELLO", "3"]), needs);
    assert_eq!(say(&["HELLO", "3", "AUTH", "shop", "wrong"]), wrong);
    assert_eq!(say(&["AUTH", "wrong"]), wrong);
    let syntax = say(&["HELLO", "3", "AUTH", "shop", "right", "FOO"]);
    assert!(syntax.starts_with("-ERR Syntax error"), "{syntax}");
    assert_eq!(say(&["HELLO"]), needs, "what fails changes nothing");
    assert_eq!(say(&["AUTH", "eve", "right"]), wrong);
    assert_eq!(say(&["AUTH", "right"]), "+OK ");
    assert!(say(&["HELLO", "3"]).starts_with("%7 "));
    assert_eq!(say(&["RESET"]), "+RESET ");
    assert_eq!(say(&["HELLO", "2"]), needs);
    assert_eq!(say(&["AUTH", "shop", "right"]), "+OK ");
    assert_eq!(say(&["RESET"]), "+RESET ");
    assert!(say(&["HELLO", "3", "AUTH", "default", "right"]).starts_with("%7 "));
    // Without tokens it is as in a Redis without a password.
    let mut session = Session::default();
    let mut say = |words: &[&str]| said(words, &mut session).0;
    assert_eq!(say(&["AUTH", "x"]), format!("-{NO_PASSWORD} "));
    assert_eq!(say(&["AUTH", "default", "x"]), "+OK ");
    assert_eq!(say(&["AUTH", "shop", "x"]), wrong);
}

#[test]
fn unknown_commands_are_said_back_harmlessly() {
    let mut session = Session::default();
    assert_eq!(
        said(&["FOO", "a", "b'\r\n+OK"], &mut session).0,
        "-ERR unknown command 'FOO', with args beginning with: 'a' 'b\\'\\r\\n+OK'  "
    );
    let long = "x".repeat(9999);
    let (reply, _) = said(&[&long, &long, &long], &mut session);
    assert!(reply.len() < 400);
    assert!(!said(&["a-command-of-a-long-name"], &mut session).0.is_empty());
}
