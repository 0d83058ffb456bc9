//! What was told is there after any crash; what is damaged is refused by name, never repaired and
//! never passed over. The disk is [`CrashDisk`]; seeds are printed when a test fails.

use super::support::crash_disk;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use crash_disk::{CrashDisk, Cut};
use doorbuster::{
    bell::Bell,
    journal::{self, Durability, Journal, JournalError, JournalOptions, Report, Room, Watermark},
    message::{Cell, Head, kind},
    ring::{Writer, ring},
};

const SEGMENT_BYTES: u64 = 8192;
const BATCH_CELLS: usize = 40;

fn options(durability: Durability) -> JournalOptions {
    JournalOptions::tiny(SEGMENT_BYTES, 2, durability, BATCH_CELLS)
}

/// Small, seeded, good enough to choose places by.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// The cells of the record with this seq: some have tails.
fn record(seq: u64) -> Vec<Cell> {
    let tails = if seq.is_multiple_of(7) { seq as usize % 3 } else { 0 };
    let mut head = Head::new(kind::BUY);
    head.tails = (tails as u16).into();
    head.time = seq.into();
    head.price = (seq * 31).into();
    let mut cells = vec![Cell::from(head)];
    for number in 0..tails {
        let mut tail = Cell([b'x'; 64]);
        tail.0[0] = kind::TEXT;
        tail.0[1] = number as u8;
        cells.push(tail);
    }
    cells
}

fn records(from: u64, to: u64) -> Vec<Cell> {
    (from..=to).flat_map(record).collect()
}

/// A journal at work and the matcher's end of its ring.
struct Running {
    journal: Journal<CrashDisk>,
    room: Room,
    watermark: Watermark,
    writer: Writer<Cell>,
    next: u64,
}

/// Opens, checks that what comes back is `record(1)`, `record(2)` ... and starts.
fn start(disk: &CrashDisk, options: &JournalOptions) -> Result<(Running, Report), JournalError> {
    let (found, apply) = collect();
    let recovered = journal::open(disk.clone(), options, apply)?;
    let report = *recovered.report();
    found.check(report.seq);
    let (writer, reader) = ring(1024, Cell::ZERO);
    let (journal, room) =
        recovered.start(Watermark::default(), reader, Vec::new(), Arc::default())?;
    let watermark = journal.watermark();
    assert_eq!(watermark.seq(), report.seq);
    Ok((Running { journal, room, watermark, writer, next: report.seq + 1 }, report))
}

/// What was given to the state.
#[derive(Clone, Default)]
struct Found(Arc<std::sync::Mutex<Vec<Cell>>>);

impl Found {
    fn check(&self, seq: u64) {
        let cells = self.0.lock().expect("not poisoned");
        assert!(*cells == records(1, seq), "other records came back than were written");
    }
}

fn collect() -> (Found, impl FnMut(u64, &[Cell]) -> Result<(), String>) {
    let found = Found::default();
    let into = found.clone();
    let mut next = 1;
    (found, move |first_seq, cells: &[Cell]| {
        assert_eq!(first_seq, next);
        let mut at = 0;
        while at < cells.len() {
            at += 1 + usize::from(cells[at].head().tails.to_native());
            next += 1;
        }
        into.0.lock().expect("not poisoned").extend_from_slice(cells);
        Ok(())
    })
}

/// Reads without changing anything.
fn read(disk: &CrashDisk) -> Result<Report, JournalError> {
    let (found, apply) = collect();
    let report = journal::read(disk, apply)?;
    found.check(report.seq);
    Ok(report)
}

impl Running {
    fn push(&mut self, count: u64) {
        for seq in self.next..self.next + count {
            for cell in record(seq) {
                self.writer.push(cell);
            }
        }
        self.next += count;
        self.writer.publish();
    }

    /// One batch of `count` records.
    fn batch(&mut self, count: u64) -> Result<usize, JournalError> {
        self.push(count);
        self.journal.work()
    }

    fn batches(&mut self, batches: u64, dice: &mut Dice) {
        for _ in 0..batches {
            self.batch(1 + dice.below(12)).expect("the disk is well");
            while self.journal.has_work() {
                self.journal.work().expect("the disk is well");
            }
        }
        assert_eq!(self.watermark.seq(), self.next - 1);
    }
}

/// A disk with several segments of records, and where each batch lies.
fn written(seed: u64) -> (CrashDisk, Vec<Place>) {
    let disk = CrashDisk::new(0);
    let (mut running, _) = start(&disk, &options(Durability::Fsync)).expect("a new disk");
    running.batches(60, &mut Dice(seed));
    running.journal.finish().expect("the disk is well");
    let places = places(&disk);
    assert!(places.last().expect("there are batches").segment >= 4);
    (disk, places)
}

/// Where a batch lies.
#[derive(Clone, Copy, Debug)]
struct Place {
    segment: u32,
    offset: u64,
    bytes: u64,
    seq: u64,
}

fn name(segment: u32) -> String {
    format!("{segment:08}.seg")
}

fn places(disk: &CrashDisk) -> Vec<Place> {
    let mut places = Vec::new();
    for segment in 1.. {
        let Some(bytes) = disk.content(&name(segment)) else { break };
        let mut offset = 64;
        while offset + 192 <= bytes.len() && bytes[offset] == 0xDB {
            let number = |at: usize| {
                u64::from_le_bytes(bytes[offset + at..offset + at + 8].try_into().expect("eight"))
            };
            let extent = ((number(0) >> 32) + 2) * 64;
            places.push(Place { segment, offset: offset as u64, bytes: extent, seq: number(8) });
            offset += extent as usize;
        }
    }
    places
}

fn damaged_at(error: &JournalError) -> Option<(u32, u64, u64)> {
    match error {
        JournalError::Damaged { segment, offset, seq, .. } => Some((*segment, *offset, *seq)),
        _ => None,
    }
}

fn refused(disk: &CrashDisk) -> JournalError {
    let reading = read(disk).expect_err("reading must refuse it");
    let opening = start(disk, &options(Durability::Fsync)).map(|(_, report)| report);
    let opening = opening.expect_err("opening must refuse it");
    assert_eq!(reading.to_string(), opening.to_string());
    opening
}

#[test]
fn a_power_cut_after_any_batch_keeps_exactly_what_was_told() {
    for seed in 0..4 {
        println!("seed {seed}");
        let mut dice = Dice(seed);
        let disk = CrashDisk::new(0);
        let (mut running, _) = start(&disk, &options(Durability::Fsync)).expect("a new disk");
        for _ in 0..60 {
            running.batch(1 + dice.below(12)).expect("the disk is well");
            let told = running.watermark.seq();
            for cut in [Cut::Unsynced, Cut::Prefix(usize::MAX)] {
                let after = disk.power_cut(cut);
                let (_, report) = start(&after, &options(Durability::Fsync)).expect("no damage");
                assert_eq!((report.seq, report.torn), (told, None));
            }
        }
    }
}

#[test]
fn a_power_cut_at_any_byte_of_the_last_batch_keeps_exactly_what_was_told() {
    for batches in [0, 3, 20] {
        let disk = CrashDisk::new(0);
        let (mut running, _) = start(&disk, &options(Durability::Fsync)).expect("a new disk");
        running.batches(batches, &mut Dice(batches));
        disk.fail_syncs_after(0);
        running.batch(11).expect_err("the sync fails");
        let told = running.watermark.seq();
        let bytes = disk.unsynced_bytes();
        assert!(bytes > 13 * 64);
        for kept in 0..=bytes {
            let after = disk.power_cut(Cut::Prefix(kept));
            let seen = read(&after).expect("a tear is no damage");
            let (mut again, report) =
                start(&after, &options(Durability::Fsync)).expect("a tear is no damage");
            assert_eq!(seen, report);
            // A batch that is there in full is kept, told or not.
            let wanted = if kept == bytes { told + 11 } else { told };
            assert_eq!(report.seq, wanted, "{kept} bytes of {bytes}");
            assert_eq!(report.torn.is_some(), kept > 0 && kept < bytes, "{kept} bytes of {bytes}");
            if let Some(torn) = report.torn {
                assert_eq!(torn.seq, told + 1);
                assert!(torn.bytes >= kept as u64 && torn.bytes < kept as u64 + 64);
            }
            if kept % 97 == 0 {
                again.batch(5).expect("the disk is well");
                let report = read(&after.power_cut(Cut::Unsynced)).expect("it was cut");
                assert_eq!((report.seq, report.torn), (wanted + 5, None));
            }
        }
    }
}

#[test]
fn any_choice_of_sectors_of_the_last_batch_is_cut_or_kept_in_full() {
    for seed in 0..400 {
        let mut dice = Dice(seed);
        let disk = CrashDisk::new(0);
        let (mut running, _) = start(&disk, &options(Durability::Fsync)).expect("a new disk");
        running.batches(dice.below(12), &mut dice);
        disk.fail_syncs_after(0);
        let count = 20 + dice.below(10);
        running.batch(count).expect_err("the sync fails");
        let told = running.watermark.seq();
        let full = read(&disk.power_cut(Cut::Prefix(usize::MAX))).expect("all of it").seq;
        assert!(full > told && full <= told + count);
        let after = disk.power_cut(Cut::Sectors(&mut |_, _| dice.below(3) > 0));
        // The cut itself may lose power too.
        after.fail_syncs_after(1 + dice.below(4));
        if let Err(error) = start(&after, &options(Durability::Fsync)) {
            assert!(matches!(error, JournalError::Disk { .. }), "seed {seed}: {error}");
        }
        let after = after.power_cut(Cut::Sectors(&mut |_, _| dice.below(2) > 0));
        let (_, report) = start(&after, &options(Durability::Fsync))
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!(report.seq == told || report.seq == full, "seed {seed}");
        let again = read(&after).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!((again.seq, again.torn), (report.seq, None), "seed {seed}");
    }
}

#[test]
fn without_syncs_a_power_cut_keeps_a_beginning_and_never_looks_like_damage() {
    let mut torn = 0;
    for seed in 0..150 {
        for durability in [Durability::Os, Durability::None] {
            let mut dice = Dice(seed);
            let disk = CrashDisk::new(0);
            let (mut running, _) = start(&disk, &options(durability)).expect("a new disk");
            running.batches(10 + dice.below(60), &mut dice);
            let told = running.watermark.seq();
            let odds = 2 + dice.below(30);
            let after = disk.power_cut(Cut::Sectors(&mut |_, _| dice.below(odds) > 0));
            let (mut running, report) =
                start(&after, &options(durability)).unwrap_or_else(|error| {
                    panic!("seed {seed} {durability:?}: {error}");
                });
            assert!(report.seq <= told);
            torn += u64::from(report.torn.is_some());
            running.batches(5, &mut dice);
            running.journal.finish().expect("the disk is well");
            let after = after.power_cut(Cut::Unsynced);
            assert_eq!(read(&after).expect("it was synced at the end").torn, None, "seed {seed}");
        }
    }
    assert!(torn > 100, "only {torn} tears: the test looks at nothing");
}

#[test]
fn any_flipped_bit_in_a_synced_batch_is_refused_where_it_is() {
    let (disk, places) = written(7);
    let mut dice = Dice(99);
    for (number, place) in places.iter().enumerate() {
        // All of the last batch's bits, some of the others'.
        let is_last = number == places.len() - 1;
        let bits = place.bytes * 8;
        let count = if is_last { bits } else { 24 };
        for turn in 0..count {
            let bit = if is_last { turn } else { dice.below(bits) };
            let copy = disk.copy();
            copy.alter(&name(place.segment), |bytes| {
                bytes[(place.offset + bit / 8) as usize] ^= 1 << (bit % 8);
            });
            let error = read(&copy).expect_err("a flipped bit");
            let wanted = (place.segment, place.offset, place.seq);
            assert_eq!(damaged_at(&error), Some(wanted), "bit {bit} of {place:?}: {error}");
        }
    }
}

#[test]
fn any_flipped_bit_in_a_segment_header_is_refused() {
    let (disk, _) = written(3);
    for bit in 0..512 {
        let copy = disk.copy();
        copy.alter(&name(2), |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        let error = read(&copy).expect_err("a flipped bit");
        assert_eq!(damaged_at(&error).map(|(segment, offset, _)| (segment, offset)), Some((2, 0)));
    }
}

#[test]
fn a_synced_batch_that_was_wiped_out_is_damage_and_no_tear() {
    let (disk, places) = written(5);
    for place in &places[..places.len() - 1] {
        let copy = disk.copy();
        copy.alter(&name(place.segment), |bytes| {
            bytes[place.offset as usize..(place.offset + place.bytes) as usize].fill(0);
        });
        let (segment, offset, seq) = damaged_at(&refused(&copy)).expect("damage");
        assert_eq!(seq, place.seq);
        // The first of a segment may as well have been the last of the one before.
        assert!((segment, offset) == (place.segment, place.offset) || place.offset == 64);
    }
}

#[test]
fn swapped_missing_short_and_foreign_segments_are_refused() {
    let (disk, places) = written(11);
    let first_of =
        |segment| places.iter().find(|place| place.segment == segment).expect("it has batches").seq;

    let swapped = disk.copy();
    let (two, three) = (disk.content(&name(2)), disk.content(&name(3)));
    swapped.set_content(&name(3), two.expect("there"));
    swapped.set_content(&name(2), three.expect("there"));
    let error = refused(&swapped);
    assert_eq!(damaged_at(&error), Some((2, 0, first_of(2))), "{error}");

    for missing in 1..=4 {
        let copy = disk.copy();
        doorbuster::journal::Storage::remove(&copy, &name(missing)).expect("it is there");
        let error = refused(&copy);
        assert_eq!(damaged_at(&error), Some((missing, 0, first_of(missing))), "{error}");
        assert!(error.to_string().contains("missing"), "{error}");
    }

    let (other, _) = {
        let other = CrashDisk::new(100);
        let (mut running, _) = start(&other, &options(Durability::Fsync)).expect("a new disk");
        running.batches(60, &mut Dice(11));
        (other, running)
    };
    let foreign = disk.copy();
    foreign.set_content(&name(3), other.content(&name(3)).expect("there"));
    let error = refused(&foreign);
    assert_eq!(damaged_at(&error), Some((3, 0, first_of(3))), "{error}");
    assert!(error.to_string().contains("another journal"), "{error}");

    let short = disk.copy();
    short.alter(&name(2), |bytes| bytes.truncate(5000));
    let error = refused(&short);
    assert_eq!(damaged_at(&error), Some((2, 5000, first_of(2))), "{error}");
}

#[test]
fn a_segment_put_back_to_an_earlier_state_is_refused() {
    let disk = CrashDisk::new(0);
    let (mut running, _) = start(&disk, &options(Durability::Fsync)).expect("a new disk");
    running.batches(3, &mut Dice(1));
    let told = running.watermark.seq();
    let earlier = disk.content(&name(1)).expect("there");
    running.batches(40, &mut Dice(2));
    disk.set_content(&name(1), earlier);
    let (segment, _, seq) = damaged_at(&refused(&disk)).expect("damage");
    assert_eq!((segment, seq), (1, told + 1));
}

#[test]
fn another_version_of_the_format_is_refused_by_name() {
    let (disk, _) = written(1);
    disk.alter(&name(1), |bytes| {
        bytes[8] = 9;
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    });
    let error = refused(&disk);
    assert!(matches!(error, JournalError::Version { segment: 1, found: 9, ours: 1 }), "{error}");
}

#[test]
fn a_record_that_the_state_does_not_take_stops_the_start() {
    let (disk, places) = written(2);
    let place = places[30];
    let refuse = |first_seq: u64, _: &[Cell]| {
        if first_seq == place.seq { Err("no such sale".to_owned()) } else { Ok(()) }
    };
    let error = journal::read(&disk, refuse).expect_err("the state refuses");
    assert!(matches!(error, JournalError::Refused { seq, .. } if seq == place.seq), "{error}");
}

#[test]
fn after_a_failed_write_or_sync_nothing_is_written_or_told_ever_again() {
    for is_write in [true, false] {
        let disk = CrashDisk::new(0);
        let (mut running, _) = start(&disk, &options(Durability::Fsync)).expect("a new disk");
        running.batches(5, &mut Dice(5));
        let told = running.watermark.seq();
        if is_write {
            disk.fail_writes_after(0)
        } else {
            disk.fail_syncs_after(0)
        }
        let error = running.batch(3).expect_err("the disk fails");
        assert!(matches!(error, JournalError::Disk { .. }), "{error}");
        disk.fail_writes_after(u64::MAX);
        disk.fail_syncs_after(u64::MAX);
        let deeds = disk.deeds();
        for _ in 0..3 {
            let error = running.batch(1).expect_err("it has stopped");
            assert!(matches!(error, JournalError::Stopped), "{error}");
        }
        running.journal.finish().expect_err("it has stopped");
        assert_eq!((running.watermark.seq(), disk.deeds()), (told, deeds));
    }
}

#[test]
fn a_failed_write_ends_the_journal_without_syncs_too_and_costs_what_was_told_before_it() {
    for (durability, told_ahead) in [(Durability::Os, 0), (Durability::None, 3)] {
        let disk = CrashDisk::new(0);
        let (mut running, _) = start(&disk, &options(durability)).expect("a new disk");
        running.batches(5, &mut Dice(5));
        let written = running.watermark.seq();
        disk.fail_writes_after(0);
        running.batch(3).expect_err("the disk fails");
        disk.fail_writes_after(u64::MAX);
        for _ in 0..3 {
            let error = running.batch(1).expect_err("it has stopped");
            assert!(matches!(error, JournalError::Stopped), "{error}");
        }
        assert_eq!(running.watermark.seq(), written + told_ahead, "{durability:?}");
        assert_eq!(read(&disk).expect("no damage").seq, written, "{durability:?}");
    }
}

#[test]
fn a_flipped_bit_is_refused_without_syncs_too() {
    for durability in [Durability::Os, Durability::None] {
        let disk = CrashDisk::new(0);
        let (mut running, _) = start(&disk, &options(durability)).expect("a new disk");
        running.batches(60, &mut Dice(7));
        let mut dice = Dice(99);
        for place in places(&disk) {
            for _ in 0..8 {
                let bit = dice.below(place.bytes * 8);
                let copy = disk.copy();
                copy.alter(&name(place.segment), |bytes| {
                    bytes[(place.offset + bit / 8) as usize] ^= 1 << (bit % 8);
                });
                let error = read(&copy).expect_err("a flipped bit");
                let wanted = (place.segment, place.offset, place.seq);
                assert_eq!(damaged_at(&error), Some(wanted), "bit {bit} of {place:?}: {error}");
            }
        }
    }
}

#[test]
fn short_writes_are_continued() {
    let disk = CrashDisk::new(0);
    let (mut running, _) = start(&disk, &options(Durability::Fsync)).expect("a new disk");
    disk.set_write_bytes_max(100);
    running.batches(40, &mut Dice(5));
    let told = running.watermark.seq();
    assert_eq!(read(&disk.power_cut(Cut::Unsynced)).expect("no damage").seq, told);
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(10), "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_full_disk_lowers_the_room_and_gives_it_back_when_there_is_space_again() {
    let disk = CrashDisk::new(0);
    disk.set_capacity(Some(2 * SEGMENT_BYTES as usize + 1000));
    let (mut running, _) = start(&disk, &options(Durability::Fsync)).expect("room for two");
    wait_until("the disk refuses", || running.room.is_refused());
    wait_until("the second is ready", || running.room.bytes_left() == 2 * (SEGMENT_BYTES - 64));
    running.batch(3).expect("there is room");
    let batch = 64 * (2 + records(1, 3).len() as u64);
    assert_eq!(running.room.bytes_left(), 2 * (SEGMENT_BYTES - 64) - batch);
    disk.set_capacity(None);
    wait_until("there is space again", || running.room.bytes_left() == u64::MAX);
    running.batches(60, &mut Dice(1));
    assert_eq!(read(&disk).expect("no damage").seq, running.watermark.seq());
}

#[test]
fn a_full_disk_stops_the_journal_when_its_last_segment_is_used_up() {
    let disk = CrashDisk::new(0);
    disk.set_capacity(Some(2 * SEGMENT_BYTES as usize + 1000));
    let (mut running, _) = start(&disk, &options(Durability::Fsync)).expect("room for two");
    let error = loop {
        if let Err(error) = running.batch(10) {
            break error;
        }
    };
    assert!(matches!(error, JournalError::Full), "{error}");
    assert!(running.room.bytes_left() < 64 * 30);
    let told = running.watermark.seq();
    assert_eq!(read(&disk.power_cut(Cut::Unsynced)).expect("no damage").seq, told);
    // What was left of the third is cleared away, and the journal goes on once there is space.
    drop(running);
    disk.set_capacity(None);
    let (mut running, report) = start(&disk, &options(Durability::Fsync)).expect("no damage");
    assert_eq!(report.seq, told);
    running.batches(20, &mut Dice(1));
}

#[test]
fn a_lack_of_descriptors_is_waited_out_and_neither_ends_the_journal_nor_lowers_its_room() {
    // EMFILE while a segment was made was taken for a failing disk.
    let (mfile, nfile) = (24, 23);
    for code in [mfile, nfile] {
        let disk = CrashDisk::new(0);
        let (mut running, _) = start(&disk, &options(Durability::Fsync)).expect("a new disk");
        disk.fail_opens(Some(code));
        let lender = disk.clone();
        let lending = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(150));
            lender.fail_opens(None);
        });
        // More than the segments made so far hold.
        for _ in 0..60 {
            running.batch(10).expect("the disk is well");
            assert_eq!(running.room.bytes_left(), u64::MAX);
        }
        lending.join().expect("it only waits");
        let told = running.watermark.seq();
        running.journal.finish().expect("the disk is well");
        assert_eq!(read(&disk).expect("no damage").seq, told);
    }
    let disk = CrashDisk::new(0);
    disk.fail_opens(Some(mfile));
    let error = journal::open(disk, &options(Durability::Fsync), |_, _| Ok(())).map(|_| ());
    assert!(matches!(error, Err(JournalError::Disk { .. })), "not full: {error:?}");
}

#[test]
fn a_disk_with_no_room_at_all_is_told_at_once() {
    let disk = CrashDisk::new(0);
    disk.set_capacity(Some(1000));
    let error = journal::open(disk, &options(Durability::Fsync), |_, _| Ok(())).map(|_| ());
    assert!(matches!(error, Err(JournalError::Full)));
}

#[test]
fn a_copy_of_the_folder_reads_the_same_and_any_difference_changes_the_chain() {
    let (disk, places) = written(8);
    let report = read(&disk).expect("no damage");
    assert_eq!(read(&disk.copy()).expect("no damage"), report);
    assert_eq!(report.batches, places.len() as u64);
    let mut chains = std::collections::BTreeSet::from([report.chain]);
    // The same records in other batches, on another folder, and one fewer.
    for (id, seed, batches) in [(0, 9, 60), (50, 8, 60), (0, 8, 59)] {
        let other = CrashDisk::new(id);
        let (mut running, _) = start(&other, &options(Durability::Fsync)).expect("a new disk");
        running.batches(batches, &mut Dice(seed));
        assert!(chains.insert(read(&other).expect("no damage").chain));
    }
}

#[test]
fn restarts_and_changed_options_make_no_difference_to_what_is_read() {
    let disk = CrashDisk::new(0);
    let mut told = 0;
    for turn in 0..30 {
        let ahead = 1 + turn % 4;
        let bytes = SEGMENT_BYTES - 64 * turn as u64;
        let options = JournalOptions::tiny(bytes, ahead, Durability::Fsync, BATCH_CELLS);
        let (mut running, report) = start(&disk, &options).expect("no damage");
        assert_eq!((report.seq, report.torn), (told, None));
        running.batches(6, &mut Dice(turn as u64));
        told = running.watermark.seq();
    }
}

#[test]
fn the_bells_ring_when_the_watermark_was_raised_and_the_end_is_seen() {
    static RUNG: AtomicU64 = AtomicU64::new(0);
    let recovered = journal::open(CrashDisk::new(0), &options(Durability::Fsync), |_, _| Ok(()))
        .expect("a new disk");
    let bell = Arc::new(Bell::new(|| {
        RUNG.fetch_add(1, Relaxed);
    }));
    let (mut writer, reader) = ring(64, Cell::ZERO);
    let (mut journal, _) = recovered
        .start(Watermark::default(), reader, vec![Arc::clone(&bell)], Arc::default())
        .expect("a thread");
    assert_eq!(journal.work().expect("nothing to do"), 0);
    writer.push(record(1)[0]);
    writer.publish();
    drop(writer);
    assert!(!journal.is_drained());
    bell.doze(|| false, || assert_eq!(journal.work().expect("the disk is well"), 1));
    assert_eq!((RUNG.load(Relaxed), journal.watermark().seq()), (1, 1));
    assert!(journal.is_drained());
}

#[test]
fn any_garbage_anywhere_is_refused_or_leaves_a_true_beginning() {
    let (disk, places) = written(21);
    let last = places.last().expect("there are batches");
    let (mut refusals, mut beginnings) = (0, 0);
    for seed in 0..1500 {
        let mut dice = Dice(seed);
        let copy = disk.copy();
        let segment = 1 + dice.below(u64::from(last.segment)) as u32;
        let from = dice.below(SEGMENT_BYTES);
        let to = SEGMENT_BYTES.min(from + 1 + dice.below(700));
        let is_zero = dice.below(3) == 0;
        copy.alter(&name(segment), |bytes| {
            for byte in &mut bytes[from as usize..to as usize] {
                *byte = if is_zero { 0 } else { dice.below(256) as u8 };
            }
        });
        // `read` itself checks that what it gives is what was written.
        println!("seed {seed}");
        match read(&copy) {
            Ok(report) => {
                // What is gone lay at the end and was hit itself: nothing whole was passed over.
                for place in places.iter().filter(|place| place.seq > report.seq) {
                    assert!(place.segment == segment, "{place:?} was lost");
                    assert!(place.offset < to && place.offset + place.bytes > from, "{place:?}");
                }
                beginnings += 1;
            }
            Err(JournalError::Damaged { .. }) => refusals += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(
        refusals > 1000 && beginnings > 10 && refusals + beginnings == 1500,
        "{refusals} {beginnings}"
    );
}

#[test]
fn on_a_real_disk_the_journal_goes_on_where_it_ended() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = dir.path().join("data");
    let options = JournalOptions::new(2 << 20, 2, Durability::Fsync).expect("allowed values");
    let (mut told, mut chain) = (0, [0; 32]);
    for turn in 0..3 {
        let _lock = journal::FolderLock::take(&folder).expect("nobody else is there");
        let disk = journal::Disk::new(folder.join("journal"));
        let (found, apply) = collect();
        let recovered = journal::open(disk.clone(), &options, apply).expect("no damage");
        let report = *recovered.report();
        assert_eq!((report.seq, report.torn), (told, None));
        assert!(turn == 0 || report.chain == chain);
        found.check(told);
        let (mut writer, reader) = ring(65_536, Cell::ZERO);
        let (mut journal, room) = recovered
            .start(Watermark::default(), reader, Vec::new(), Arc::default())
            .expect("a thread");
        for seq in told + 1..=told + 25_000 {
            record(seq).into_iter().for_each(|cell| writer.push(cell));
        }
        writer.publish();
        drop(writer);
        while !journal.is_drained() {
            journal.work().expect("the disk is well");
        }
        told += 25_000;
        assert_eq!((journal.watermark().seq(), room.bytes_left()), (told, u64::MAX));
        journal.finish().expect("the disk is well");
        let (found, apply) = collect();
        chain = journal::read(&disk, apply).expect("no damage").chain;
        found.check(told);
    }
}

#[test]
fn what_a_killed_server_wrote_but_did_not_sync_is_synced_before_it_is_served_again() {
    for durability in [Durability::Fsync, Durability::Os, Durability::None] {
        let disk = CrashDisk::new(0);
        let (mut running, _) = start(&disk, &options(durability)).expect("a new disk");
        running.batches(if durability == Durability::Fsync { 9 } else { 50 }, &mut Dice(4));
        if durability == Durability::Fsync {
            disk.fail_syncs_after(0);
            running.batch(3).expect_err("the sync fails");
            disk.fail_syncs_after(u64::MAX);
        }
        // Killed: what was written is still in the system's memory.
        let (again, report) = start(&disk, &options(durability)).expect("no damage");
        assert_eq!(report.seq, running.next - 1);
        assert_eq!(again.watermark.seq(), report.seq);
        let after = read(&disk.power_cut(Cut::Unsynced)).expect("no damage");
        assert_eq!((after.seq, after.torn), (report.seq, None), "{durability:?}");
    }
}
