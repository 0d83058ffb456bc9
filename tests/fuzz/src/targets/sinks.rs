//! The addresses of sinks, whose readers are partly those of other crates: refused with the option,
//! in one line of text; accepted, no password is in what is printed.
//!
//! The first byte of an input chooses the type, the rest is the address.

use doorbuster::options::{Layer, SETTINGS, Setting};

use super::options::is_one_line;
use super::{Reader, Target};
use crate::meter;
use crate::seen::Seen;

/// The type, and what it wants beside its address.
const TYPES: [(&str, &str); 4] = [
    ("postgres", ""),
    ("redis", ""),
    ("nats", ""),
    ("webhook", " secret_env=SECRET allow_private=true"),
];

/// Beside what hangs on the address's length, bytes: the options themselves, in several copies.
const BYTES_AT_LEAST: usize = 64 << 10;
/// For each byte of the address.
const BYTES_A_BYTE: usize = 256;

pub(super) const TARGET: Target = Target {
    name: "sinks",
    words: &[
        "postgres://",
        "postgresql://",
        "redis://",
        "rediss://",
        "redis+unix://",
        "unix://",
        "nats://",
        "tls://",
        "ws://",
        "http://",
        "https://",
        "shop@",
        ":secret@",
        "db.example",
        "127.0.0.1",
        "[::1]",
        "localhost",
        ":5432",
        ":6379",
        ":4222",
        ":99999",
        "/shop",
        "/0",
        "?sslmode=require",
        "?password=x",
        "&host=b",
        "?connect_timeout=1",
        "host=a user=b",
        "#insecure",
        "%41",
        "%00",
        ",",
        "@",
        "\u{e9}",
        "?db=1",
        "?user=a&pass=b",
        "?protocol=resp3",
    ],
    max: 300,
    make,
};

fn make() -> Reader {
    let setting = SETTINGS.iter().find(|setting| setting.name == "sink").expect("an option");
    Box::new(move |input, seen| {
        let (first, rest) = input.split_first().unwrap_or((&0, &[]));
        let (word, more) = TYPES[usize::from(*first) % TYPES.len()];
        let url = String::from_utf8_lossy(rest);
        read(setting, word, &format!("name=a type={word} url={url}{more}"), seen);
        read(setting, "?", &url, seen);
    })
}

fn read(setting: &'static Setting, word: &str, table: &str, seen: &mut Seen) {
    seen.mark(&word);
    let bound = BYTES_AT_LEAST + BYTES_A_BYTE * table.len();
    let layer = meter::within(bound, "a sink", || {
        let mut layer = Layer::default();
        layer.flag(setting, &[table]).map(|()| layer)
    });
    let options =
        layer.clone().and_then(|layer| meter::within(bound, "the sinks", || layer.options()));
    let options = match options {
        Ok(options) => options,
        Err(why) => {
            is_one_line(&why);
            assert!(why.starts_with("sink") || why.starts_with("--sink"), "which option? {why}");
            return seen.say(&why);
        }
    };
    let sinks = options.sinks().expect("they were read");
    seen.mark(&(word, sinks[0].terms.word()));
    let printed = layer.expect("there are options").print().expect("they are good");
    let line = printed.lines().find(|line| line.starts_with("sink")).expect("a line of sinks");
    assert!(!has_password(table), "a password: {line}");
}

/// Whether the address has a password before its host.
fn has_password(table: &str) -> bool {
    let Some((_, rest)) = table.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#', ' ']).next().unwrap_or_default();
    let Some((credentials, _)) = authority.rsplit_once('@') else { return false };
    credentials.split_once(':').is_some_and(|(_, password)| !password.is_empty())
}
