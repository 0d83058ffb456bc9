//! Data folders of each format version, as they were written then: they are read as ever, or
//! refused by name. `DOORBUSTER_FOLDERS=rewrite` writes the newest anew; the diff is then looked
//! at.

use super::support::{keeper_house, server};

use std::fs;
use std::path::{Path, PathBuf};

use doorbuster::heads::hex;
use doorbuster::journal::Disk;
use doorbuster::keeper::Keep;
use doorbuster::taps::Taps;
use keeper_house::{House, started};

/// The newest format version, and the state hash of its folder.
const NEWEST: &str = "v1";
const HASH: &str = include_str!("folders/v1.hash");

fn folder(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/folders").join(version)
}

/// A copy that may be written to.
fn copy(version: &str) -> (tempfile::TempDir, PathBuf) {
    let there = tempfile::tempdir().expect("a temporary folder");
    let journal = there.path().join("journal");
    fs::create_dir(&journal).expect("it is empty");
    for entry in fs::read_dir(folder(version)).expect("a golden folder") {
        let path = entry.expect("it can be listed").path();
        fs::copy(&path, journal.join(path.file_name().expect("a name"))).expect("copied");
    }
    (there, journal)
}

fn rewrite() {
    let journal = folder(NEWEST);
    let _ = fs::remove_dir_all(&journal);
    fs::create_dir_all(&journal).expect("it can be made");
    let keep = Keep { bytes: 0, for_sinks_bytes: 0 };
    let disk = Disk::new(&journal);
    let mut house = House::open(&disk, 1, keep, &Taps::default()).expect("a new folder");
    while house.counters.snapshots.value() < 3 {
        house.batch();
        house.keep();
    }
    (0..5).for_each(|_| house.batch());
    drop(house);
    let hash = hex(&started(&disk).expect("it was just written").0.state_hash());
    fs::write(folder("v1.hash"), hash).expect("it can be written");
}

#[test]
fn a_folder_of_each_format_version_is_read_as_ever() {
    if std::env::var("DOORBUSTER_FOLDERS").is_ok_and(|word| word == "rewrite") {
        rewrite();
    }
    let (there, journal) = copy(NEWEST);
    let (shop, report) = started(&Disk::new(&journal)).expect("it is read as ever");
    assert_eq!(hex(&shop.state_hash()), HASH);
    assert!(report.since > 0 && report.seq > report.since);
    let audit = server::run(&["audit".as_ref(), there.path().as_os_str()]);
    audit.expect_code(0);
    assert!(audit.stdout.contains("PASS"), "{}", audit.stdout);
}

#[test]
fn a_folder_of_a_later_format_version_is_refused_by_name() {
    let (there, journal) = copy(NEWEST);
    for entry in fs::read_dir(&journal).expect("it can be listed") {
        let path = entry.expect("it can be listed").path();
        let mut bytes = fs::read(&path).expect("it can be read");
        let check = if path.extension().is_some_and(|it| it == "snap") { 252 } else { 60 };
        bytes[8] = 2;
        let crc = crc32c::crc32c(&bytes[..check]);
        bytes[check..check + 4].copy_from_slice(&crc.to_le_bytes());
        fs::write(&path, bytes).expect("it can be written");
    }
    started(&Disk::new(&journal)).err().expect("a later version");
    let served = server::run(&["serve".as_ref(), "--data".as_ref(), there.path().as_os_str()]);
    served.expect_code(65);
    let said = &served.stderr;
    assert!(said.contains("format version 2; this server reads"), "{said}");
}
