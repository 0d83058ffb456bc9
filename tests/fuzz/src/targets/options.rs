//! The file of options: refused with file, line, option and what is allowed, in one line of text;
//! accepted, it says the same when it is printed and read again.

use std::fs;
use std::path::{Path, PathBuf};

use doorbuster::options::{Layer, SETTINGS};

use super::{Reader, Target};
use crate::files;
use crate::meter;
use crate::seen::Seen;

/// Beside what hangs on the file's length: the names of all options in a refusal, bytes.
const BYTES_AT_LEAST: usize = 64 << 10;
/// For each byte of the file: what a parser of TOML keeps for the shortest key, a dot.
const BYTES_A_BYTE: usize = 2048;

pub(super) const TARGET: Target = Target {
    name: "options",
    words: &[
        "=",
        "\n",
        "\"",
        "[",
        "]",
        "[[sink]]\n",
        "{",
        "}",
        ",",
        "true",
        "false",
        "0",
        "1",
        "-1",
        "listen",
        "admin_listen",
        "\"127.0.0.1:0\"",
        "\"[::1]:7400\"",
        "durability",
        "\"fsync\"",
        "\"os\"",
        "\"none\"",
        "sale",
        "[\"drop.toml\"]",
        "orders_max",
        "buyers_max",
        "segment_mib",
        "snapshot_mib",
        "heads_ms",
        "tls_cert",
        "tls_key",
        "tls_required",
        "tickets",
        "ticket_secrets_file",
        "tokens_file",
        "allow_open",
        "log",
        "\"json\"",
        "log_level",
        "\"debug\"",
        "threads",
        "\"shared\"",
        "shards",
        "pin",
        "name=\"a\"\n",
        "type=\"file\"\n",
        "path=\"orders.ndjson\"\n",
        "changes=[\"all\"]\n",
        "from=\"now\"\n",
        "\\u0007",
        "1_000",
        "0x10",
        "2026-11-27T20:00:00Z",
        "1.5",
        "'''",
        "\"\"\"",
        "#",
    ],
    max: 1500,
    make,
};

fn make() -> Reader {
    let folder = files::scratch().expect("a temporary folder");
    Box::new(move |input, seen| {
        let path = folder.path().join("options.toml");
        fs::write(&path, input).expect("it can be written");
        let bound = BYTES_AT_LEAST + BYTES_A_BYTE * input.len();
        if let Some(layer) = read(&path, bound, seen) {
            comes_back(&layer, &folder.path().join("printed.toml"), bound, seen);
        }
    })
}

fn read(path: &Path, bound: usize, seen: &mut Seen) -> Option<Layer> {
    match meter::within(bound, "a file of options", || Layer::from_file(path)) {
        Ok(layer) => Some(layer),
        Err(why) => {
            let rest = why.strip_prefix(&format!("{}:", path.display())).expect("the file");
            let (line, what) = rest.split_once(": ").expect("a line");
            assert!(line.parse::<usize>().is_ok_and(|line| line > 0), "{why}");
            is_one_line(what);
            seen.say(what);
            None
        }
    }
}

fn comes_back(layer: &Layer, printed: &PathBuf, bound: usize, seen: &mut Seen) {
    let options = match meter::within(bound, "options", || layer.clone().options()) {
        Ok(options) => options,
        Err(why) => {
            is_one_line(&why);
            // What is about a sink begins with its name.
            let name = why.split([':', ' ']).next().unwrap_or_default();
            assert!(SETTINGS.iter().any(|setting| setting.name == name), "which option? {why}");
            return seen.say(&why);
        }
    };
    layer.origins.keys().for_each(|name| seen.mark(name));
    fs::write(printed, layer.print().expect("they are good")).expect("it can be written");
    let again = Layer::from_file(printed).expect("what is printed is a file of options");
    assert_eq!(again.options().as_ref(), Ok(&options), "printed and read they are others");
}

/// What is said goes into a log: nobody may write lines of his own there.
pub(super) fn is_one_line(said: &str) {
    assert!(!said.is_empty(), "refused without a word");
    assert!(!said.contains(char::is_control), "a sign that controls: {said:?}");
}
