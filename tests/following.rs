//! The journal's cursor behind its writer: it gives what is durable and nothing else, every record
//! once and in order, across segments; and damage by name.

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use doorbuster::journal::{
    self, Cursor, Disk, Durability, Journal, JournalError, JournalOptions, Watermark,
};
use doorbuster::message::{Cell, Head, kind, messages};
use doorbuster::ring::{Writer, ring};

const SEGMENT_BYTES: u64 = 8192;

/// The cells of the record with this seq: some have tails.
fn record(seq: u64) -> Vec<Cell> {
    let tails = if seq.is_multiple_of(5) { seq as usize % 4 } else { 0 };
    let mut head = Head::new(kind::BUY);
    head.tails = (tails as u16).into();
    head.price = (seq * 31).into();
    let mut cells = vec![Cell::from(head)];
    cells.extend((0..tails).map(|_| Cell([b'x'; 64])));
    cells
}

/// A journal at work and the matcher's end of its ring.
struct Running {
    journal: Journal<Disk>,
    watermark: Watermark,
    writer: Writer<Cell>,
    next: u64,
}

impl Running {
    fn start(folder: &Path) -> Running {
        let options = JournalOptions::tiny(SEGMENT_BYTES, 2, Durability::Fsync, 40);
        let disk = Disk::new(folder);
        let recovered = journal::open(disk, &options, |_, _| Ok(())).expect("a good journal");
        let next = recovered.report().seq + 1;
        let (writer, reader) = ring(1024, Cell::ZERO);
        let started = recovered.start(Watermark::default(), reader, Vec::new(), Arc::default());
        let (journal, _room) = started.expect("it starts");
        let watermark = journal.watermark();
        Running { journal, watermark, writer, next }
    }

    /// Writes so many records; durable when this returns.
    fn write(&mut self, count: u64) {
        let last = self.next + count - 1;
        for seq in self.next..=last {
            let cells = record(seq);
            while self.writer.free(cells.len()) < cells.len() {
                self.writer.publish();
                self.journal.work().expect("the disk is good");
            }
            cells.into_iter().for_each(|cell| self.writer.push(cell));
        }
        self.writer.publish();
        self.next = last + 1;
        while self.watermark.seq() < last {
            if self.journal.work().expect("the disk is good") == 0 {
                std::thread::yield_now();
            }
        }
    }
}

/// Reads up to `durable`; each record must be the one with its seq. Returns how many.
fn follow(cursor: &mut Cursor<Disk>, durable: u64) -> u64 {
    let mut count = 0;
    while let Some(batch) = cursor.next(durable).expect("nothing is damaged") {
        assert!(batch.first_seq <= durable);
        for (seq, found) in (batch.first_seq..=batch.last_seq).zip(messages(batch.cells)) {
            assert_eq!(found, record(seq), "seq {seq}");
            count += 1;
        }
    }
    count
}

#[test]
fn a_cursor_gives_every_durable_record_once_and_waits_for_the_next() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut running = Running::start(folder.path());
    let mut cursor = Cursor::new(Disk::new(folder.path())).expect("a journal");
    assert_eq!(follow(&mut cursor, 0), 0);
    let (mut read, mut count) = (0, 1);
    for round in 0..300 {
        count = (count * 7 + round) % 97 + 1;
        running.write(count);
        // Now and then it comes late, and stands in an older segment.
        if round % 3 > 0 {
            read += follow(&mut cursor, running.watermark.seq());
            assert_eq!((read, cursor.seq()), (running.watermark.seq(), running.watermark.seq()));
            assert_eq!(follow(&mut cursor, running.watermark.seq()), 0);
        }
    }
    let segments = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert!(segments > 20, "{segments} segments");
    // A journal that was reopened goes on where it was, and so does who follows it.
    drop(running);
    let mut running = Running::start(folder.path());
    running.write(50);
    let mut late = Cursor::new(Disk::new(folder.path())).expect("a journal");
    let seq = running.watermark.seq();
    assert_eq!(follow(&mut late, seq), seq);
    follow(&mut cursor, seq);
    assert_eq!(cursor.seq(), seq);
}

#[test]
fn nothing_is_given_that_is_not_durable_yet() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut running = Running::start(folder.path());
    let mut cursor = Cursor::new(Disk::new(folder.path())).expect("a journal");
    running.write(10);
    running.write(10);
    assert!(follow(&mut cursor, 9) < 20);
    let stands = cursor.seq();
    assert!((9..20).contains(&stands), "whole batches, none that begins later: {stands}");
    follow(&mut cursor, 20);
    assert_eq!(cursor.seq(), 20);
}

#[test]
fn what_was_changed_on_the_disk_is_named_and_not_given() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut running = Running::start(folder.path());
    running.write(5);
    running.write(5);
    let mut cursor = Cursor::new(Disk::new(folder.path())).expect("a journal");
    let path = folder.path().join("00000001.seg");
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).expect("a segment");
    // In the last record that was written.
    let bytes = std::fs::read(folder.path().join("00000001.seg")).expect("a segment");
    let last = bytes.iter().rposition(|byte| *byte != 0).expect("it is written") as u64;
    let place = last - 64 - 20;
    let mut byte = [0];
    file.read_exact_at(&mut byte, place).expect("read");
    file.write_all_at(&[byte[0] ^ 1], place).expect("written");
    let mut found = None;
    for _ in 0..10 {
        match cursor.next(10) {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(why) => {
                found = Some(why);
                break;
            }
        }
    }
    let Some(JournalError::Damaged { seq, .. }) = found else { panic!("{found:?}") };
    assert!(seq > 1 && seq <= 10, "seq {seq}");
}
