//! All committed inputs once more, of the corpus and of what was found; and that the machinery
//! finds what it is there to find. Without the usual harness: the memory of other threads would be
//! counted.

use std::panic::catch_unwind;
use std::path::Path;
use std::process::Command;

use fuzz::seen::Seen;
use fuzz::{files, targets};

fn main() {
    every_committed_input_holds();
    what_is_planted_is_found("panic");
    what_is_planted_is_found("memory");
    what_is_planted_is_found("abort");
}

fn every_committed_input_holds() {
    for target in targets::chosen(None).expect("all of them") {
        let mut read = (target.make)();
        let corpus = files::inputs(&files::corpus(target.name));
        assert!(!corpus.is_empty(), "{} has no corpus", target.name);
        let count = corpus.len();
        let found = files::inputs(&files::found());
        let found = found.into_iter().filter(|it| files::target_of(&it.0) == Some(target.name));
        for (path, input) in corpus.into_iter().chain(found) {
            let holds = std::panic::AssertUnwindSafe(|| read(&input, &mut Seen::default()));
            assert!(catch_unwind(holds).is_ok(), "{} ends it", path.display());
        }
        println!("{}: {count} inputs of its corpus hold", target.name);
    }
}

/// A target with faults of our own: the run must end with 1, name the input and how to read it
/// again, and that must end in the same way.
fn what_is_planted_is_found(fault: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let fuzz = || Command::new(env!("CARGO_BIN_EXE_fuzz"));
    let target = format!("planted-{fault}");
    let ran = fuzz()
        .args([target.as_str(), "--seconds", "60", "--seed", "1", "--found"])
        .arg(folder.path())
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&ran.stdout);
    assert_eq!(ran.status.code(), Some(1), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    let inputs = files::inputs(folder.path());
    let [(path, _)] = &inputs[..] else { panic!("{} findings: {said}", inputs.len()) };
    assert!(said.contains(&format!("-- --input {}", path.display())), "{said}");
    assert_eq!(files::target_of(Path::new(path)), Some(target.as_str()));
    let again = fuzz().arg("--input").arg(path).output().expect("it runs");
    assert!(!again.status.success(), "{fault}: it is not found again");
    println!("planted {fault}: found");
}
