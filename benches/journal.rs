//! What group commit costs beside a bare loop of write and fdatasync over the same bytes, and how
//! fast a journal is read back. On the real disk below `target/`; right results are asserted.

use std::{
    collections::BTreeMap,
    fs::File,
    hint::black_box,
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use doorbuster::{
    journal::{self, Disk, Durability, Journal, JournalOptions, SegmentFile, Storage, Watermark},
    limits::RECORD_RING_CELLS,
    message::{Cell, Head, kind},
    ring::{Writer, ring},
};

/// Cells around the records of a batch.
const FRAME_CELLS: usize = 2;
const SEGMENT_BYTES: u64 = 64 << 20;
const RECORDS: u64 = 2_000_000;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder")
}

fn options(durability: Durability) -> JournalOptions {
    JournalOptions::new(SEGMENT_BYTES, 2, durability).expect("allowed values")
}

fn start<S: Storage>(storage: S, durability: Durability) -> (Journal<S>, Writer<Cell>) {
    let recovered =
        journal::open(storage, &options(durability), |_, _| Ok(())).expect("an empty folder");
    let (writer, reader) = ring(RECORD_RING_CELLS, Cell::ZERO);
    let (journal, _) = recovered
        .start(Watermark::default(), reader, Vec::new(), Arc::default())
        .expect("a thread can be started");
    (journal, writer)
}

fn record(number: u64) -> Cell {
    let mut head = Head::new(kind::BUY);
    head.time = number.into();
    head.buyer = u128::from(number).to_le_bytes();
    head.into()
}

fn push(writer: &mut Writer<Cell>, count: u64) {
    assert!(writer.free(count as usize) >= count as usize);
    for number in 0..count {
        writer.push(record(number));
    }
    writer.publish();
}

/// Makes `records` durable: one batch, or two at the end of a segment.
fn append<S: Storage>(journal: &mut Journal<S>, writer: &mut Writer<Cell>, records: u64) {
    let before = journal.watermark().seq();
    push(writer, records);
    while journal.has_work() {
        journal.work().expect("the disk is well");
    }
    assert_eq!(journal.watermark().seq(), before + records);
}

/// Waits until the maker rests: what it syncs would be measured too.
fn wait_for_segments(folder: &Path, count: usize) {
    let whole = || {
        let entries = std::fs::read_dir(folder).expect("the folder is there");
        entries
            .filter(|it| {
                let path = it.as_ref().expect("the folder is readable").path();
                path.extension().is_some_and(|it| it == "seg")
            })
            .count()
    };
    while whole() < count {
        thread::sleep(Duration::from_millis(5));
    }
}

fn appending(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append and sync");
    for records in [1_u64, 16, 256, 4096] {
        group.throughput(Throughput::Elements(records));
        group.bench_function(BenchmarkId::new("journal", records), |bencher| {
            let folder = folder();
            let (mut journal, mut writer) = start(Disk::new(folder.path()), Durability::Fsync);
            wait_for_segments(folder.path(), 3);
            bencher.iter(|| append(&mut journal, &mut writer, records));
        });
        group.bench_function(BenchmarkId::new("bare write and fdatasync", records), |bencher| {
            let folder = folder();
            let file = File::create(folder.path().join("bare")).expect("a new file");
            file.write_all_at(&vec![0; SEGMENT_BYTES as usize], 0).expect("room on the disk");
            file.sync_all().expect("the disk is well");
            let bytes = vec![7; (records as usize + FRAME_CELLS) * 64];
            let mut at = 0;
            bencher.iter(|| {
                if at + bytes.len() as u64 > SEGMENT_BYTES {
                    at = 0;
                }
                file.write_all_at(black_box(&bytes), at).expect("the disk is well");
                file.sync_data().expect("the disk is well");
                at += bytes.len() as u64;
            });
        });
    }
    group.finish();
}

/// A disk that costs nothing and keeps segment headers only.
#[derive(Default)]
struct Nowhere(Mutex<BTreeMap<String, NoFile>>);

#[derive(Clone, Default)]
struct NoFile {
    header: Arc<Mutex<Vec<u8>>>,
    bytes: Arc<AtomicU64>,
}

impl Nowhere {
    fn files(&self) -> MutexGuard<'_, BTreeMap<String, NoFile>> {
        self.0.lock().expect("nobody panics with it")
    }
}

impl Storage for Nowhere {
    type File = NoFile;
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.files().keys().cloned().collect())
    }
    fn create(&self, name: &str) -> io::Result<NoFile> {
        Ok(self.files().entry(name.to_owned()).or_default().clone())
    }
    fn open(&self, name: &str) -> io::Result<NoFile> {
        Ok(self.files()[name].clone())
    }
    fn open_read(&self, name: &str) -> io::Result<NoFile> {
        self.open(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let file = self.files().remove(from).expect("it is there");
        self.files().insert(to.to_owned(), file);
        Ok(())
    }
    fn remove(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
    fn sync_dir(&self) -> io::Result<()> {
        Ok(())
    }
    fn fresh_id(&self) -> io::Result<[u8; 16]> {
        Ok([1; 16])
    }
}

impl SegmentFile for NoFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.bytes.load(Relaxed))
    }
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        into.fill(0);
        if offset == 0 {
            into[..64].copy_from_slice(&self.header.lock().expect("nobody panics with it"));
        }
        Ok(into.len())
    }
    fn write_at(&self, from: &[u8], offset: u64) -> io::Result<usize> {
        if offset == 0 {
            *self.header.lock().expect("nobody panics with it") = from.to_vec();
        }
        self.bytes.fetch_max(offset + black_box(from).len() as u64, Relaxed);
        Ok(from.len())
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The work without the disk's: ring, gather, seal, chain, watermark.
fn working(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append to nowhere");
    for records in [1_u64, 16, 256, 4096] {
        group.throughput(Throughput::Elements(records));
        group.bench_function(BenchmarkId::new("journal", records), |bencher| {
            let (mut journal, mut writer) = start(Nowhere::default(), Durability::Fsync);
            bencher.iter(|| append(&mut journal, &mut writer, records));
        });
    }
    group.finish();
}

fn recovery(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("recovery");
    group.sample_size(10).throughput(Throughput::Elements(RECORDS));
    for batch in [16, 256, 4096] {
        group.bench_function(BenchmarkId::new("records a batch", batch), |bencher| {
            // In here, so that nothing is written for a bench that was not asked for.
            let folder = folder();
            let (mut journal, mut writer) = start(Disk::new(folder.path()), Durability::Os);
            let mut left = RECORDS;
            while left > 0 {
                let count = left.min(batch);
                append(&mut journal, &mut writer, count);
                left -= count;
            }
            journal.finish().expect("the disk is well");
            bencher.iter(|| {
                let mut count = 0;
                let apply = |_: u64, cells: &[Cell]| {
                    count += cells.iter().filter(|cell| cell.kind() == kind::BUY).count() as u64;
                    Ok(())
                };
                let options = options(Durability::Fsync);
                let recovered = journal::open(Disk::new(folder.path()), &options, apply)
                    .expect("it was written right");
                assert_eq!((count, recovered.report().seq), (RECORDS, RECORDS));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, working, recovery, appending);
criterion_main!(benches);
