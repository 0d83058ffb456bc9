//! The room beside a journal that is only pretended.

use std::fs::{self, OpenOptions};
use std::io::Write as _;

use super::*;
use crate::chains::{ChainWriter, chains};

const FOLDER_ID: [u8; 16] = [7; 16];

fn clock() -> u64 {
    1_795_809_600_123_456_789
}

struct House {
    dir: tempfile::TempDir,
    writer: ChainWriter,
    heads: Heads,
    shelf: Shelf,
}

fn open(dir: &Path, seq: u64) -> (ChainWriter, Heads, Shelf) {
    let (mut writer, chains) = chains(64);
    if seq > 0 {
        writer.push(seq, &[seq as u8; 32]);
        writer.sync(seq);
    }
    let shelf = Shelf::default();
    let heads = Heads::open(HeadsParts {
        data: dir,
        key_file: None,
        are_made: true,
        folder: FOLDER_ID,
        seq,
        chains,
        shelf: shelf.clone(),
        clock,
    });
    (writer, heads.expect("a good folder").expect("wanted"), shelf)
}

impl House {
    fn new() -> House {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (writer, heads, shelf) = open(dir.path(), 0);
        House { dir, writer, heads, shelf }
    }

    fn again(self, seq: u64) -> House {
        let (writer, heads, shelf) = open(self.dir.path(), seq);
        House { dir: self.dir, writer, heads, shelf }
    }

    fn batch(&mut self, seq: u64) {
        self.writer.push(seq, &[seq as u8; 32]);
        self.writer.sync(seq);
    }

    fn seqs(&self) -> Vec<u64> {
        let logged = read_log(&log_of(self.dir.path())).expect("a log");
        logged.map(|(_, head)| head.expect("a good head").seq).collect()
    }
}

fn seqs(page: &str) -> Vec<u64> {
    published(page).expect("good heads").iter().map(|head| head.seq).collect()
}

#[test]
fn what_is_synced_is_signed_once_and_shown_when_it_is_in_the_log() {
    let mut house = House::new();
    assert_eq!((house.heads.work(), seqs(&house.shelf.newest())), (0, vec![]));
    house.batch(3);
    house.writer.push(5, &[5; 32]);
    assert_eq!((house.heads.work(), house.heads.work()), (1, 0));
    house.batch(9);
    assert_eq!(house.heads.work(), 1);
    assert_eq!((house.seqs(), seqs(&house.shelf.newest())), (vec![3, 9], vec![3, 9]));
    let heads = published(&house.shelf.newest()).expect("good heads");
    let first = heads[0];
    assert_eq!((first.folder, first.chain, first.time), (FOLDER_ID, [3; 32], 1_795_809_600_123));
    assert_eq!(Head::read(&first.line()), Ok(first));
    assert!(first.line().len() < crate::limits::HEAD_LINE_BYTES_MAX);
    drop(house.writer);
    assert!(house.heads.is_over());
}

#[test]
fn a_change_of_any_field_is_seen() {
    let mut house = House::new();
    house.batch(3);
    house.heads.work();
    let line = house.heads.newest[0].clone();
    for (from, to) in [
        ("\"seq\":3", "\"seq\":4"),
        ("\"chain\":\"0303", "\"chain\":\"0304"),
        ("\"time\":1795", "\"time\":1796"),
        ("\"folder\":\"0707", "\"folder\":\"0708"),
    ] {
        assert!(line.contains(from), "{line}");
        assert_eq!(Head::read(&line.replace(from, to)), Err(BadHead::Signature), "{to}");
    }
    for bad in ["", "{}", "[]", &line.replace("0303", "03"), &line.replace("0303", "030X")] {
        assert!(matches!(Head::read(bad), Err(BadHead::Form(_))), "{bad}");
    }
}

#[test]
fn the_key_is_made_once_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let house = House::new();
    let key = house.dir.path().join("heads/key");
    assert_eq!(fs::metadata(&key).expect("made").permissions().mode() & 0o777, 0o600);
    let public = house.heads.signer.public();
    let house = house.again(0);
    assert_eq!(house.heads.signer.public(), public);
    fs::write(&key, "no key\n").expect("written");
    let why = Signer::load(&key).err().expect("no key");
    assert!(why.contains("64 hex digits"), "{why}");
}

#[test]
fn a_line_that_a_crash_left_unfinished_is_cut_and_the_rest_goes_on() {
    let mut house = House::new();
    house.batch(3);
    house.heads.work();
    let log = log_of(house.dir.path());
    let mut file = OpenOptions::new().append(true).open(&log).expect("a log");
    file.write_all(b"{\"folder\":\"07").expect("written");
    assert_eq!(house.seqs(), [3]);
    let mut house = house.again(3);
    assert_eq!((house.heads.work(), seqs(&house.shelf.newest())), (0, vec![3]));
    house.batch(4);
    assert_eq!((house.heads.work(), house.seqs()), (1, vec![3, 4]));
}

#[test]
fn older_heads_are_found_by_their_seq() {
    let mut house = House::new();
    for seq in 1..=700 {
        house.batch(2 * seq);
        assert_eq!(house.heads.work(), 1);
    }
    assert_eq!(seqs(&house.shelf.newest()), (669..=700).map(|seq| 2 * seq).collect::<Vec<_>>());
    for from in [0, 1, 2, 3, 399, 400, 777, 1399, 1400, 1401, u64::MAX] {
        let page = house.shelf.from(from).expect("a file");
        let wanted: Vec<u64> = (1..=700).map(|seq| 2 * seq).filter(|seq| *seq >= from).collect();
        assert_eq!(seqs(&page), wanted, "from {from}");
        assert!(page.ends_with("\"next\":null}"));
    }
    let (log, bytes) = (log_of(house.dir.path()), house.heads.log.bytes());
    assert_eq!(log::from(&log, bytes, 100, 3).expect("a file").len(), 3);
    let house = house.again(1400);
    assert_eq!(seqs(&house.shelf.newest()).len(), HEADS_SHOWN_MAX);
}
