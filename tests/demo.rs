//! The demo runs through, says so in its last line, and leaves nothing behind.

use std::process::Command;

#[test]
fn the_demo_ends_well_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let demo = Command::new(env!("CARGO_BIN_EXE_doorbuster"))
        .arg("demo")
        .env("TMPDIR", folder.path())
        // What the user has set must not change what is shown.
        .env("DOORBUSTER_DURABILITY", "none")
        .env("DOORBUSTER_NO_SUCH_OPTION", "1")
        .output()
        .expect("the program starts");
    let said = String::from_utf8_lossy(&demo.stdout);
    let talk = String::from_utf8_lossy(&demo.stderr);
    assert!(demo.status.success(), "{}\n{said}\n{talk}", demo.status);
    assert_eq!(said.lines().last(), Some("nothing oversold, nothing lost"), "{said}");
    let widest = said.lines().map(str::len).max();
    assert!(widest <= Some(100), "a line is {widest:?} columns wide:\n{said}");
    let left = std::fs::read_dir(folder.path()).expect("the folder is there").count();
    assert_eq!(left, 0, "the demo's folder is still there");
}
