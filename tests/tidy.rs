//! The house rules that a compiler does not check, over every file that is ours. Each rule is a
//! function from a file to its faults, run over the repository and over a bad sample.

use std::fs;
use std::path::{Path, PathBuf};

/// A file as the rules see it: its path from the root of the repository, and its text.
struct File {
    path: String,
    text: String,
}

/// `path:line: what is wrong, and what is allowed`.
type Fault = String;

/// Rooms may only import rooms further down, or exceptions; those in one row do not see each other.
const ROWS: [&[&str]; 12] = [
    &["main"],
    &["cli", "demo"],
    &["drill"],
    &["pipeline"],
    &["crew", "reload", "shared"],
    &["shard", "matcher", "journal", "sink", "keeper", "admin", "operator", "options", "client"],
    &["wire", "ring", "metrics", "live", "bell", "board", "directory", "record", "sale_file"],
    &["access", "heads", "news", "taps"],
    &["message", "clock", "certificates", "chains"],
    &["limits"],
    &["sale"],
    &["mutant"],
];

/// What proves that something is durable; only the journal can make it.
const PROOF_TOKENS: &[&str] = &["journal::Durable", "journal::Gate", "journal::Watermark"];

/// What a sink takes of the journal.
const FOLLOWED: &[&str] =
    &["journal::Cursor", "journal::Disk", "journal::JournalError", "journal::Watermark"];

const BEGINNINGS: &[&str] =
    &["journal::earliest", "journal::origin", "journal::read_snapshot", "journal::Storage"];

/// Room, what it imports although its row forbids it, and why.
const IMPORT_EXCEPTIONS: [(&str, &[&str], &str); 11] = [
    ("admin", &["operator"], "it hands the operator's room what people ask for"),
    ("shard", PROOF_TOKENS, "it answers nothing without the proof"),
    ("matcher", PROOF_TOKENS, "it answers nothing without the proof"),
    ("operator", PROOF_TOKENS, "it answers nothing without the proof"),
    ("matcher", &["journal::Room"], "it refuses orders before the disk is full"),
    ("options", &["journal::Durability"], "an option means what the journal says it means"),
    ("options", &["sink"], "an option means what the sink says it means"),
    ("sink", FOLLOWED, "it follows the journal, and tells nothing without the proof"),
    ("sink", BEGINNINGS, "it begins at a snapshot"),
    ("keeper", &["journal"], "it follows the journal and removes what nobody needs of it"),
    ("demo", &["cli"], "it runs the program"),
];

/// Rooms that may import these and nothing else of ours, however far down the rest lies.
const NARROW_ROOMS: [(&str, &[&str]); 3] =
    [("client", &["message", "sale", "limits"]), ("limits", &["sale"]), ("sale", &["mutant"])];

/// Files longer than 400 lines, and why.
const LONG_FILES: [(&str, &str); 3] = [
    ("benches/ring.rs", "ten rivals on one page"),
    ("tests/recovery.rs", "one disk, every way to lose power or be damaged"),
    ("tests/shard.rs", "one fake matcher, every way a peer can behave"),
];

/// Where `unsafe` was measured to be worth it.
const UNSAFE_FILES: [&str; 2] = ["src/ring.rs", "src/sale/memory.rs"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(folder: &Path, keep: &dyn Fn(&Path) -> bool, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("the folder can be listed").path()) {
        if path.is_dir() {
            if !path.ends_with("target") && !path.ends_with(".git") {
                collect(&path, keep, files);
            }
        } else if keep(&path) {
            files.push(path);
        }
    }
}

fn load(paths: Vec<PathBuf>) -> Vec<File> {
    let texts = paths.iter().filter_map(|path| Some((path, fs::read_to_string(path).ok()?)));
    let file = |(path, text): (&PathBuf, String)| {
        let path = path.strip_prefix(root()).expect("it was found below the root");
        File { path: path.to_string_lossy().replace('\\', "/"), text }
    };
    let mut files: Vec<File> = texts.map(file).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// Our Rust files.
fn rust_files() -> Vec<File> {
    let mut paths = Vec::new();
    for folder in ["src", "loadgen/src", "benches", "tests", "examples"] {
        let is_rust = |path: &Path| path.extension().is_some_and(|extension| extension == "rs");
        collect(&root().join(folder), &is_rust, &mut paths);
    }
    load(paths)
}

/// Runs a rule over the repository and over a bad sample, in which it must find `faults` faults.
fn check(
    rule: impl Fn(&File) -> Vec<Fault>,
    files: &[File],
    (path, text): (&str, &str),
    faults: usize,
) {
    assert!(!files.is_empty(), "the rule looks at nothing");
    let found = rule(&File { path: path.into(), text: text.into() });
    assert_eq!(found.len(), faults, "the rule is blind, or sees ghosts, in its sample: {found:#?}");
    let found: Vec<Fault> = files.iter().flat_map(rule).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

fn fault(file: &File, line: usize, what: &str) -> Fault {
    format!("{}:{}: {what}", file.path, line + 1)
}

/// The line without its comment and without what stands in string literals.
fn code(line: &str) -> String {
    let (mut code, mut in_string, mut escaped, mut last) = (String::new(), false, false, ' ');
    for char in line.chars() {
        if in_string {
            in_string = escaped || char != '"';
            escaped = !escaped && char == '\\';
        } else if char == '"' && last != '\'' {
            in_string = true;
        } else if char == '/' && last == '/' {
            code.pop();
            break;
        } else {
            code.push(char);
        }
        last = char;
    }
    code
}

/// Line number and code of every line before the file's unit tests.
fn code_lines(file: &File) -> impl Iterator<Item = (usize, String)> {
    let in_tests = file.path.starts_with("tests/") || file.path.contains("/tests");
    let tests = |line: &str| line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test");
    let lines = file.text.lines().take_while(move |line| !in_tests && !tests(line));
    lines.map(code).enumerate()
}

/// The room a file of src/ belongs to.
fn room(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let room = inside.split('/').next().unwrap_or(inside);
    Some(room.strip_suffix(".rs").unwrap_or(room))
}

fn row(room: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&room))
}

/// The names behind every `crate::` in `code`, braces opened: `crate::{a::B, c}` gives `a::B`, `c`.
fn crate_paths(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (start, _) in code.match_indices("crate::") {
        let before = code[..start].chars().next_back();
        if before.is_some_and(|char| char == '$' || char == '_' || char.is_alphanumeric()) {
            continue;
        }
        open_braces("", &code[start + "crate::".len()..], &mut paths);
    }
    paths
}

/// Reads one path from the front of `text`; returns how many bytes it took.
fn open_braces(before: &str, text: &str, paths: &mut Vec<String>) -> usize {
    let plain = |char: char| char.is_alphanumeric() || char == '_' || char == ':';
    let end = text.find(|char| !plain(char)).unwrap_or(text.len());
    let path = format!("{before}{}", &text[..end]);
    if !(path.ends_with("::") || path.is_empty()) || !text[end..].starts_with('{') {
        paths.push(path);
        return end;
    }
    let mut at = end + 1;
    while at < text.len() && !text[at..].starts_with('}') {
        let skip = text[at..].find(|char: char| plain(char) || char == '{' || char == '}');
        at += skip.unwrap_or(text.len() - at);
        if at < text.len() && !text[at..].starts_with('}') {
            // A star or an odd sign takes no bytes: step over it.
            at += open_braces(&path, &text[at..], paths).max(1);
        }
    }
    at + 1
}

/// Whether `path` is `start`, or something in it.
fn begins_with(path: &str, start: &str) -> bool {
    path.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn may_import(room: &str, path: &str) -> bool {
    let target = path.split("::").next().unwrap_or(path);
    if target == room || target.chars().next().is_none_or(char::is_uppercase) {
        return true;
    }
    if let Some((_, allowed)) = NARROW_ROOMS.iter().find(|narrow| narrow.0 == room) {
        return allowed.contains(&target);
    }
    let named = IMPORT_EXCEPTIONS.iter().filter(|exception| exception.0 == room);
    if named.flat_map(|exception| exception.1).any(|allowed| begins_with(path, allowed)) {
        return true;
    }
    matches!((row(room), row(target)), (Some(from), Some(to)) if from < to)
}

fn import_faults(file: &File) -> Vec<Fault> {
    let Some(room) = room(&file.path).filter(|room| *room != "lib") else { return Vec::new() };
    if row(room).is_none() {
        return vec![fault(file, 0, &format!("give the room `{room}` a row in {ROWS:?}"))];
    }
    // A `use` may run over several lines: join them, and remember where it began.
    let (mut faults, mut begun) = (Vec::new(), None::<(usize, String)>);
    for (number, line) in code_lines(file) {
        let (start, text) = match begun.take() {
            Some((start, text)) => (start, text + line.trim()),
            None => (number, line.trim().to_string()),
        };
        let is_use = text.starts_with("use ") || text.starts_with("pub use ");
        if is_use && !text.contains(';') {
            begun = Some((start, text));
            continue;
        }
        for path in crate_paths(&text) {
            if !may_import(room, &path) {
                let what = format!("`{room}` imports `{path}`; only downwards in {ROWS:?}");
                faults.push(fault(file, start, &what));
            }
        }
    }
    faults
}

#[test]
fn rooms_import_only_what_lies_below_them() {
    let sample = "use crate::{\n    limits::A,\n    shard::{B, C},\n};\n\
                  fn f() { crate::journal::Durable::g(); crate::journal::Other::h() }\n";
    check(import_faults, &rust_files(), ("src/matcher.rs", sample), 3);
    for (room, path, allowed) in [
        ("shard", "journal::Durable", true),
        ("shard", "journal::Segment", false),
        ("shard", "journal::DurableDisk", false),
        ("shard", "matcher", false),
        ("sale", "limits::X", false),
        ("limits", "sale::X", true),
        ("client", "ring::Ring", false),
        ("sink", "journal::Cursor", true),
        ("wire", "ring", false),
    ] {
        assert_eq!(may_import(room, path), allowed, "{room} imports {path}");
    }
}

#[test]
fn no_line_is_longer_than_100_columns() {
    let rule = |file: &File| {
        let lines = file.text.lines().enumerate().filter(|(_, line)| line.chars().count() > 100);
        lines.map(|(number, _)| fault(file, number, "longer than 100 columns")).collect()
    };
    check(rule, &rust_files(), ("src/a.rs", &format!("short\n{}\n", "x".repeat(101))), 1);
}

#[test]
fn no_file_is_longer_than_400_lines_without_a_reason() {
    let rule = |file: &File| {
        let excused = LONG_FILES.iter().any(|(path, _)| *path == file.path);
        let lines = file.text.lines().count();
        let what = format!("{lines} lines; at most 400, or a reason in LONG_FILES");
        if lines > 400 && !excused { vec![fault(file, lines - 1, &what)] } else { Vec::new() }
    };
    check(rule, &rust_files(), ("src/a.rs", &"\n".repeat(401)), 1);
    for (path, _) in LONG_FILES {
        let files = rust_files();
        let file = files.iter().find(|file| file.path == path);
        let lines = file.map_or(0, |file| file.text.lines().count());
        assert!(lines > 400, "{path} needs no excuse any more: strike it from LONG_FILES");
    }
}

#[test]
fn every_source_file_begins_with_a_header() {
    let rule = |file: &File| {
        let what = "begins without a `//!` header that says what it is";
        if file.text.starts_with("//! ") { Vec::new() } else { vec![fault(file, 0, what)] }
    };
    check(rule, &rust_files(), ("src/a.rs", "use std::fs;\n//! Late.\n"), 1);
}

fn unsafe_faults(file: &File) -> Vec<Fault> {
    let lines: Vec<&str> = file.text.lines().collect();
    let mut faults = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let code = code(line);
        let mut words = code.split(|char: char| !(char.is_alphanumeric() || char == '_'));
        if !words.any(|word| word == "unsafe") {
            continue;
        }
        if !UNSAFE_FILES.contains(&file.path.as_str()) {
            faults.push(fault(file, number, &format!("`unsafe` is allowed in {UNSAFE_FILES:?}")));
        }
        // The comment that ends right above the line, however long it is.
        let above = lines[..number].iter().rev().map(|line| line.trim_start());
        let comment: Vec<&str> = above.take_while(|line| line.starts_with("//")).collect();
        let declares = code.contains("unsafe fn ") || code.contains("unsafe trait ");
        let wanted = if declares { "# Safety" } else { "// SAFETY: " };
        if !comment.iter().any(|line| line.contains(wanted)) {
            faults.push(fault(file, number, &format!("`unsafe` without `{wanted}` right above")));
        }
    }
    faults
}

#[test]
fn unsafe_stands_where_it_is_allowed_and_says_why_it_is_sound() {
    let bad = "fn f() {\n    unsafe { g() }\n}\n";
    check(unsafe_faults, &rust_files(), ("src/sale/mod.rs", bad), 2);
    let good = "// SAFETY: because\n// of that.\nunsafe { g() }\n";
    check(unsafe_faults, &rust_files(), ("src/ring.rs", good), 0);
}

/// Every line with one of `words` in its text (in its code before the tests, if `code_only`).
fn word_faults(file: &File, words: &[&str], code_only: bool, what: &str) -> Vec<Fault> {
    let all = || file.text.lines().map(String::from).enumerate().collect();
    let lines: Vec<_> = if code_only { code_lines(file).collect() } else { all() };
    let bad = lines.into_iter().filter(|(_, line)| words.iter().any(|word| line.contains(word)));
    bad.map(|(number, _)| fault(file, number, what)).collect()
}

#[test]
fn nothing_is_left_for_later() {
    let words = ["TO\u{44}O", "FIX\u{4d}E", "to\u{64}o!", "unimpl\u{65}mented!", "#[ign\u{6f}re"];
    let what = "finish it now, or open an issue; a long test is asked for by an env variable";
    // This file writes the words with escapes, so that it may look at itself.
    let rule = |file: &File| word_faults(file, &words, false, what);
    check(rule, &rust_files(), ("src/a.rs", &words.join("\n")), words.len());
}

#[test]
fn nothing_is_unwrapped_outside_tests() {
    let what = "`expect(\"why this cannot fail\")` beside a visible proof";
    let rule = |file: &File| word_faults(file, &[".unwrap()"], true, what);
    let sample = "a.unwrap();\n// b.unwrap()\n\"c.unwrap()\";\n#[cfg(test)]\nd.unwrap();\n";
    check(rule, &rust_files(), ("src/a.rs", sample), 1);
}

#[test]
fn only_the_programs_print_and_exit() {
    let words = ["println!", "print!", "process::exit"];
    let speaks = ["src/main.rs", "src/cli", "src/demo", "loadgen/src/", "examples/", "benches/"];
    let rule = |file: &File| {
        if speaks.iter().any(|path| file.path.starts_with(path)) {
            return Vec::new();
        }
        word_faults(file, &words, true, &format!("prints or exits; only {speaks:?} may"))
    };
    let sample = "println!();\neprintln!();\nstd::process::exit(1);\n";
    check(rule, &rust_files(), ("src/journal/mod.rs", sample), 3);
    check(rule, &rust_files(), ("src/cli/mod.rs", sample), 0);
}

#[test]
fn no_room_is_named_after_nothing() {
    let rule = |file: &File| {
        let names = file.path.split('/').map(|name| name.strip_suffix(".rs").unwrap_or(name));
        let empty = ["util", "utils", "common", "helper", "helpers", "manager", "misc"];
        let bad = names.filter(|name| empty.contains(name));
        bad.map(|name| fault(file, 0, &format!("`{name}` says nothing: name what it is"))).collect()
    };
    check(rule, &rust_files(), ("src/util/helpers.rs", ""), 2);
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let places = ["/wo\u{72}k/", "/ro\u{6f}t/", "/ho\u{6d}e/"];
    let what = "a path of one machine; say it from the root of the repository";
    let rule = |file: &File| word_faults(file, &places, false, what);
    let mut paths = Vec::new();
    let is_text = |path: &Path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, None | Some("rs" | "md" | "toml" | "txt" | "yml" | "sh" | "json"))
    };
    collect(root(), &is_text, &mut paths);
    // In a worktree `.git` is a file, and names the repository it belongs to.
    paths.retain(|path| path.file_name().is_some_and(|name| name != ".git"));
    check(rule, &load(paths), ("README.md", &format!("cd {}x\n", places[0])), 1);
}
