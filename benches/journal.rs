//! What group commit costs beside a bare loop of write and fdatasync over the same bytes, and how
//! fast a journal is read back. On the real disk below `target/`; right results are asserted.

use std::{fs::File, hint::black_box, os::unix::fs::FileExt, path::Path, sync::Arc};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use doorbuster::{
    journal::{self, Disk, Durability, Journal, JournalOptions},
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

fn start(folder: &Path, durability: Durability) -> (Journal<Disk>, Writer<Cell>) {
    let recovered = journal::open(Disk::new(folder), &options(durability), |_, _| Ok(()))
        .expect("an empty folder");
    let (writer, reader) = ring(RECORD_RING_CELLS, Cell::ZERO);
    let (journal, _) =
        recovered.start(reader, Vec::new(), Arc::default()).expect("a thread can be started");
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

fn appending(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append and sync");
    for records in [1_u64, 16, 256, 4096] {
        group.throughput(Throughput::Elements(records));
        group.bench_function(BenchmarkId::new("journal", records), |bencher| {
            let folder = folder();
            let (mut journal, mut writer) = start(folder.path(), Durability::Fsync);
            let watermark = journal.watermark();
            bencher.iter(|| {
                let before = watermark.seq();
                push(&mut writer, records);
                assert_eq!(journal.work().expect("the disk is well") as u64, records);
                assert_eq!(watermark.seq(), before + records);
            });
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

/// The work without the disk's: gather, seal, chain, write into the page cache.
fn writing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append without sync");
    for records in [1_u64, 256, 4096] {
        group.throughput(Throughput::Elements(records));
        group.bench_function(BenchmarkId::new("journal", records), |bencher| {
            let folder = folder();
            let (mut journal, mut writer) = start(folder.path(), Durability::Os);
            bencher.iter(|| {
                push(&mut writer, records);
                assert_eq!(journal.work().expect("the disk is well") as u64, records);
            });
        });
    }
    group.finish();
}

fn recovery(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("recovery");
    group.sample_size(10).throughput(Throughput::Elements(RECORDS));
    for batch in [16, 256, 4096] {
        let folder = folder();
        let (mut journal, mut writer) = start(folder.path(), Durability::Os);
        let mut left = RECORDS;
        while left > 0 {
            let count = left.min(batch);
            push(&mut writer, count);
            while journal.has_work() {
                journal.work().expect("the disk is well");
            }
            left -= count;
        }
        journal.finish().expect("the disk is well");
        group.bench_function(BenchmarkId::new("records a batch", batch), |bencher| {
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

criterion_group!(benches, appending, writing, recovery);
criterion_main!(benches);
