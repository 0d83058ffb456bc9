//! What a sink reads while it delivers: nothing of it is passed over, whatever fails meanwhile.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use doorbuster::journal::{self, Disk, Durability, JournalOptions, Watermark};
use doorbuster::message::{Cell, Head, encode_terms, kind};
use doorbuster::metrics::Metrics;
use doorbuster::ring::ring;
use doorbuster::sale::{Form, Ident, ItemTerms, Name, Seq, Terms};
use doorbuster::sink::{
    Change, Checkpoint, FOLDER, Follower, FollowerParts, Kind, Ledge as _, Sink, Standing, Trouble,
    Wanted, path_of,
};
use doorbuster::taps::{SinkState, SinkView, Taps};
use parking_lot::Mutex;

const LAST: Seq = 300;
const AT_ONCE: usize = 64;

fn terms() -> Terms {
    let name = |text: &str| Name::parse(text.as_bytes()).expect("a good name");
    Terms {
        currency: *b"EUR",
        opens_at: 1,
        ..Terms::new(
            name("drop"),
            vec![ItemTerms { sku: name("tee"), stock: 1000, price: 2500, limit: 0 }],
        )
    }
}

fn sold(seq: Seq) -> Cell {
    let ident = Ident { form: Form::Decimal, bits: seq.into() };
    let mut head = Head::new(kind::BUY);
    (head.sale, head.item, head.units) = (1.into(), 1.into(), 1.into());
    (head.price, head.time) = (2500.into(), seq.into());
    head.set_buyer(ident);
    head.set_key(ident);
    head.into()
}

/// What follows from no record before it.
fn stray(seq: Seq) -> Cell {
    let mut head = Head::new(kind::CONFIRM);
    (head.sale, head.time) = (1.into(), seq.into());
    head.set_order(999);
    head.into()
}

/// Writes a journal of many batches: orders from seq 2 on, and a stray record.
fn write(disk: Disk, stray_seq: Seq) -> ([u8; 16], Watermark) {
    let options = JournalOptions::tiny(8192, 2, Durability::Fsync, 40);
    let recovered = journal::open(disk, &options, |_, _| Ok(())).expect("a new journal");
    let folder = recovered.report().folder;
    let (mut records, reader) = ring(1024, Cell::ZERO);
    let started = recovered.start(Watermark::default(), reader, Vec::new(), Arc::default());
    let (mut journal, _room) = started.expect("it starts");
    let watermark = journal.watermark();
    encode_terms(1, &terms(), 1).into_iter().for_each(|cell| records.push(cell));
    for seqs in [2..=90, 91..=200, 201..=LAST] {
        let last = *seqs.end();
        for seq in seqs {
            records.push(if seq == stray_seq { stray(seq) } else { sold(seq) });
        }
        records.publish();
        while watermark.seq() < last {
            journal.work().expect("the disk is good");
        }
    }
    journal.finish().expect("the disk is good");
    (folder, watermark)
}

/// Takes few at once, and at first nothing.
struct Slow {
    told: Arc<Mutex<Vec<Seq>>>,
    refusals: usize,
}

impl Sink for Slow {
    fn begin(&mut self, checkpoint: &Checkpoint) -> Result<Standing, Trouble> {
        Ok(Standing { seq: checkpoint.seq, mark: String::new() })
    }

    fn deliver(&mut self, changes: &[Change], _: Seq) -> Result<String, Trouble> {
        if self.refusals > 0 {
            self.refusals -= 1;
            return Err(Trouble::Again("it takes nothing".to_owned()));
        }
        self.told.lock().extend(changes.iter().map(|change| change.seq));
        Ok(String::new())
    }

    fn repeat(&mut self, _: &[Change]) -> Result<String, Trouble> {
        unreachable!("nobody asks for that")
    }

    fn changes_max(&self) -> usize {
        AT_ONCE
    }
}

/// A second later each time, so nobody waits.
fn clock() -> u64 {
    static NOW: AtomicU64 = AtomicU64::new(0);
    NOW.fetch_add(1_000_000_000, Ordering::Relaxed)
}

/// What a sink was told, how it does then, and what its checkpoint says.
fn follow(data: &Path, stray_seq: Seq, refusals: usize) -> (Vec<Seq>, SinkView, Seq) {
    let folder = data.join("journal");
    std::fs::create_dir_all(&folder).expect("made");
    std::fs::create_dir_all(data.join(FOLDER)).expect("made");
    let (id, watermark) = write(Disk::new(&folder), stray_seq);
    let (told, taps) = (Arc::default(), Taps::default());
    let view = SinkView { name: "slow".to_owned(), ..SinkView::default() };
    let mut follower = Follower::new(FollowerParts {
        tap: taps.add(view.clone()),
        view,
        sink: Box::new(Slow { told: Arc::clone(&told), refusals }),
        wanted: Wanted { kinds: Kind::ALL.to_vec(), sales: Vec::new() },
        from: 1,
        journal: Disk::new(&folder),
        folder: id,
        watermark,
        checkpoint: Box::new(path_of(data, "slow")),
        counters: Metrics::default().sinks.add("slow"),
        clock,
        unix: clock,
    });
    for _ in 0..1000 {
        follower.work();
    }
    let kept = path_of(data, "slow").read().expect("a checkpoint").expect("one was written");
    let told = told.lock().clone();
    (told, taps.views().remove(0), kept.seq)
}

#[test]
fn what_is_read_ahead_is_told_once_and_in_order() {
    for refusals in 0..12 {
        let data = tempfile::tempdir().expect("a temporary folder");
        let (told, view, kept) = follow(data.path(), 0, refusals);
        assert_eq!(told, (2..=LAST).collect::<Vec<_>>());
        assert_eq!((view.state, kept), (SinkState::Running, LAST));
    }
}

#[test]
fn a_record_that_makes_no_sense_was_passed_over_if_the_delivery_failed_meanwhile() {
    for refusals in 0..4 {
        let data = tempfile::tempdir().expect("a temporary folder");
        let (told, view, kept) = follow(data.path(), 100, refusals);
        // What was told before it was come upon is written down, and nothing is told behind it.
        assert_eq!((told, kept), ((2..66).collect(), 65));
        assert_eq!(view.state, SinkState::Stopped);
        let why = view.trouble.expect("it says why");
        assert!(why.contains("seq 100") && why.contains("999"), "{why}");
    }
}
