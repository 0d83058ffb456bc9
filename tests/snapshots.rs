//! Snapshots and what is removed behind them, on a disk that loses power after any change: a start
//! always finds the state that all records together make, and what is damaged is passed over or
//! refused by name.

use super::support::{crash_disk, keeper_house};

use crash_disk::{CrashDisk, Cut};
use doorbuster::journal::{
    JournalError, SnapshotReader, SnapshotWriter, Storage, earliest, origin, segments, snapshots,
};
use doorbuster::keeper::{Keep, Unremembered};
use doorbuster::sink::Reader;
use doorbuster::taps::{SinkView, Taps};
use keeper_house::{Dice, House, Lost, started};

/// Nothing is kept but what a start needs.
const NOTHING: Keep = Keep { bytes: 0, for_sinks_bytes: u64::MAX };

fn snapshot_name(seq: u64) -> String {
    format!("{seq:020}.snap")
}

/// A disk with two snapshots, whose beginning has been removed.
fn kept(seed: u64) -> (CrashDisk, House<CrashDisk>) {
    let disk = CrashDisk::new(0);
    let mut house = House::open(&disk, seed, NOTHING, &Taps::default()).expect("a new disk");
    while house.counters.snapshots.value() < 4 {
        house.batch();
        house.keep();
    }
    house.keep();
    let seqs = snapshots(&disk).expect("the disk is well");
    assert_eq!(seqs.len(), 2, "two are kept: {seqs:?}");
    assert!(!segments(&disk).expect("the disk is well").contains_key(&1));
    (disk, house)
}

#[test]
fn a_power_cut_after_any_change_of_the_disk_loses_nothing_that_was_told() {
    let (mut photos, mut removed) = (0, 0);
    for seed in 0..12 {
        println!("seed {seed}");
        let mut dice = Dice(seed);
        let disk = CrashDisk::new(0);
        let mut house = House::open(&disk, seed, NOTHING, &Taps::default()).expect("a new disk");
        while house.counters.snapshots.value() < 3 {
            house.batch();
            // All that is told from here on is told before the photo is taken.
            let told = house.watermark.seq();
            disk.take_photos();
            house.keep();
            for photo in disk.photos() {
                photos += 1;
                let after = match dice.below(3) {
                    0 => photo.power_cut(Cut::Unsynced),
                    1 => photo.copy(),
                    _ => photo.power_cut(Cut::Sectors(&mut |_, _| dice.below(2) > 0)),
                };
                let (shop, report) = started(&after).expect("nothing is lost");
                assert!(report.seq >= told, "seed {seed}: told {told}, found {}", report.seq);
                assert_eq!(shop.state_hash(), house.hash_at(report.seq), "seed {seed}");
            }
        }
        removed += house.counters.removed_segments.value();
    }
    // How many there are hangs on when the maker of segments gets its turn.
    assert!(photos > 200 && removed > 20, "{photos} photos, {removed} segments removed");
}

#[test]
fn a_server_goes_on_from_each_start_and_keeps_two_snapshots_and_few_segments() {
    let mut disk = CrashDisk::new(0);
    let mut dice = Dice(5);
    let mut hashes = Vec::new();
    for _ in 0..30 {
        let opened = House::open(&disk, 5, NOTHING, &Taps::default());
        let mut house = opened.expect("nothing is lost");
        house.hashes_so_far(hashes);
        for _ in 0..dice.below(40) {
            house.batch();
            if dice.below(2) == 0 {
                house.keep();
            }
        }
        let told = house.watermark.seq();
        let after = disk.power_cut(Cut::Unsynced);
        let (shop, report) = started(&after).expect("nothing is lost");
        assert_eq!((report.seq, shop.state_hash()), (told, house.hash_at(told)));
        let seqs = snapshots(&after).expect("the disk is well");
        assert!(seqs.len() <= 3, "{seqs:?}");
        hashes = house.into_hashes();
        disk = after;
    }
    assert!(earliest(&disk).expect("the disk is well").is_some());
    let left = segments(&disk).expect("the disk is well").len();
    assert!(left < 12, "{left} segments are left");
}

#[test]
fn a_damaged_snapshot_is_passed_over_for_the_one_before() {
    let (disk, house) = kept(3);
    let newest = *snapshots(&disk).expect("the disk is well").last().expect("there are two");
    let bytes = disk.content(&snapshot_name(newest)).expect("it is there").len() as u64;
    let mut dice = Dice(17);
    for turn in 0..400 {
        let copy = disk.copy();
        // All of the header's bits of a kind, then any.
        let bit = if turn < 32 { turn * 61 } else { dice.below(8 * bytes) };
        copy.alter(&snapshot_name(newest), |bytes| bytes[bit as usize / 8] ^= 1 << (bit % 8));
        let (shop, report) = started(&copy).expect("the one before stands for it");
        assert_eq!(shop.state_hash(), house.hash_at(report.seq), "bit {bit}");
        assert_eq!(report.seq, house.watermark.seq(), "bit {bit}");
        assert!(report.since < newest, "bit {bit} was not seen");
    }
    for bytes in [0, 100, bytes as usize - 64, bytes as usize - 1] {
        let copy = disk.copy();
        copy.alter(&snapshot_name(newest), |content| content.truncate(bytes));
        let (_, report) = started(&copy).expect("the one before stands for it");
        assert!(report.since < newest && report.seq == house.watermark.seq());
    }
}

#[test]
fn a_snapshot_whose_chain_values_are_no_chain_is_passed_over_for_the_one_before() {
    let (disk, house) = kept(5);
    let newest = *snapshots(&disk).expect("the disk is well").last().expect("there are two");
    type Lines = [[u8; 64]];
    let changes: [fn(&mut Lines); 4] = [
        |chains| chains.swap(0, 1),
        |chains| chains[1] = chains[0],
        |chains| chains[0][..8].fill(0),
        |chains| chains[chains.len() - 1][20] ^= 1,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let copy = disk.copy();
        copy.alter(&snapshot_name(newest), |bytes| {
            let (header, rest) = bytes.split_at_mut(256);
            let chains = u64::from_le_bytes(header[120..128].try_into().expect("eight")) as usize;
            let lines = rest.as_chunks_mut::<64>().0;
            change(&mut lines[..chains]);
            // One part holds it all; what checks it is made anew.
            let (check, lines) = lines.split_last_mut().expect("there are lines");
            let crc = crc32c::crc32c(lines.as_flattened());
            let crc = crc32c::crc32c_append(crc, &check[..16]);
            check[16..20].copy_from_slice(&crc.to_le_bytes());
        });
        let (shop, report) = started(&copy).expect("the one before stands for it");
        assert!(report.since < newest, "change {number} was not seen");
        assert_eq!(shop.state_hash(), house.hash_at(report.seq), "change {number}");
    }
}

#[test]
fn without_any_good_snapshot_a_journal_without_beginning_is_refused() {
    let (disk, _) = kept(4);
    for seq in snapshots(&disk).expect("the disk is well") {
        disk.alter(&snapshot_name(seq), |bytes| bytes[300] ^= 1);
    }
    let why = started(&disk).err().expect("nothing stands for what was removed");
    let Lost::Memory(Unremembered::Journal(JournalError::Snapshot { what, .. })) = why else {
        panic!("another reason: {why:?}");
    };
    assert!(what.contains("checksum"), "{what}");
}

#[test]
fn a_snapshot_of_another_format_version_is_passed_over_by_name() {
    let (disk, house) = kept(6);
    let newest = *snapshots(&disk).expect("the disk is well").last().expect("there are two");
    disk.alter(&snapshot_name(newest), |bytes| {
        bytes[8] = 9;
        let crc = crc32c::crc32c(&bytes[..252]);
        bytes[252..256].copy_from_slice(&crc.to_le_bytes());
    });
    let why = SnapshotReader::open(&disk, newest).err().expect("another version").to_string();
    assert!(why.contains("format version 9; this server reads 1"), "{why}");
    let (shop, report) = started(&disk).expect("the one before stands for it");
    assert_eq!(shop.state_hash(), house.hash_at(report.seq));
}

#[test]
fn a_snapshot_that_does_not_fit_the_options_is_refused_with_their_names() {
    let (disk, _) = kept(7);
    let bounds = doorbuster::sale::Bounds { orders_max: 3, ..keeper_house::BOUNDS };
    let seed = || doorbuster::sale::Seed::new([1; 4]);
    let why = doorbuster::keeper::remember(&disk, bounds, seed, |_| ()).err().expect("too small");
    assert!(matches!(why, Unremembered::TooSmall { .. }), "{why}");
    assert!(why.to_string().contains("orders_max"), "{why}");
}

#[test]
fn the_journal_is_kept_for_a_sink_that_is_behind_up_to_a_bound_and_then_it_is_said() {
    let taps = Taps::default();
    let tap = taps.add(SinkView { name: "orders".to_owned(), ..SinkView::default() });
    tap.settle(100);
    let disk = CrashDisk::new(0);
    let keep = Keep { bytes: 0, for_sinks_bytes: 100_000 };
    let mut house = House::open(&disk, 8, keep, &taps).expect("a new disk");
    while segments(&disk).expect("the disk is well").values().sum::<u64>() < 90_000 {
        house.batch();
        house.keep();
    }
    let begins = origin(&disk, 100).expect("it is kept").map_or(0, |place| place.seq());
    assert!(begins <= 100, "it begins behind seq {begins}");
    assert_eq!(house.counters.lost_to_sinks.value(), 0);
    // The sink gets on, and the journal goes behind it.
    let settled = house.watermark.seq() - 50;
    tap.settle(settled);
    house.keep();
    assert!(house.counters.removed_segments.value() > 0);
    assert!(origin(&disk, settled).is_ok());
    // It stands still for too long.
    while house.counters.lost_to_sinks.value() == 0 {
        house.batch();
        house.keep();
    }
    let why = origin(&disk, settled).expect_err("it is gone").to_string();
    assert!(why.contains("no records before seq"), "{why}");
    let bytes: u64 = segments(&disk).expect("the disk is well").values().sum();
    assert!(bytes > 90_000 && bytes < 200_000, "{bytes} bytes are kept");
}

#[test]
fn so_much_of_the_journal_is_kept_for_audits() {
    let keep = Keep { bytes: 60_000, for_sinks_bytes: 0 };
    let disk = CrashDisk::new(0);
    let mut house = House::open(&disk, 9, keep, &Taps::default()).expect("a new disk");
    for _ in 0..900 {
        house.batch();
        house.keep();
    }
    house.keep();
    let bytes: u64 = segments(&disk).expect("the disk is well").values().sum();
    assert!(house.counters.removed_segments.value() > 5);
    assert!(bytes > 60_000 && bytes < 200_000, "{bytes} bytes are kept");
    let seqs = snapshots(&disk).expect("the disk is well");
    assert!(seqs.len() <= 6, "{} snapshots are kept", seqs.len());
}

#[test]
fn a_damaged_snapshot_counted_as_one_of_the_two_that_are_kept() {
    let (disk, house) = kept(10);
    let hashes = house.into_hashes();
    let damaged = *snapshots(&disk).expect("the disk is well").last().expect("there are two");
    disk.alter(&snapshot_name(damaged), |bytes| bytes[400] ^= 1);
    let mut house = House::open(&disk, 10, NOTHING, &Taps::default()).expect("it is passed over");
    house.hashes_so_far(hashes);
    while house.counters.snapshots.value() == 0 {
        house.batch();
        house.keep();
    }
    house.keep();
    // The newest is damaged as well: what is before the first that was must still be there.
    let newest = *snapshots(&disk).expect("the disk is well").last().expect("one was made");
    disk.alter(&snapshot_name(newest), |bytes| bytes[400] ^= 1);
    let (_, report) = started(&disk).expect("an older one stands for it");
    assert_eq!(report.seq, house.watermark.seq());
}

#[test]
fn a_sink_stopped_at_a_damaged_snapshot_although_an_older_one_was_there() {
    let (disk, house) = kept(11);
    let newest = *snapshots(&disk).expect("the disk is well").last().expect("there are two");
    disk.alter(&snapshot_name(newest), |bytes| bytes[400] ^= 1);
    let reader = Reader::new(&disk, house.watermark.seq()).expect("it begins at the one before");
    assert!(reader.seq() < newest);
}

#[test]
fn what_was_removable_stayed_while_a_full_disk_let_no_snapshot_be_made() {
    let taps = Taps::default();
    let tap = taps.add(SinkView::default());
    let disk = CrashDisk::new(0);
    let mut house = House::open(&disk, 12, NOTHING, &taps).expect("a new disk");
    while house.counters.snapshots.value() < 4 {
        house.batch();
        house.keep();
    }
    let before = segments(&disk).expect("the disk is well").len();
    // Another snapshot is due.
    while segments(&disk).expect("the disk is well").len() < before + 4 {
        house.batch();
    }
    disk.set_capacity(Some(0));
    tap.settle(house.watermark.seq());
    house.keep();
    assert!(house.counters.removed_segments.value() > 0);
}

#[test]
fn what_was_left_of_attempts_stayed_until_the_next_start() {
    let disk = CrashDisk::new(0);
    for seq in [5, 9] {
        drop(SnapshotWriter::new(&disk, seq).expect("the disk is well"));
        assert_eq!(disk.names().expect("it can be listed"), [format!("{seq:020}.snap.tmp")]);
    }
}

#[test]
fn a_folder_without_segments_was_begun_anew_beside_its_snapshots() {
    for is_damaged in [false, true] {
        let (disk, _) = kept(13);
        for name in disk.names().expect("it can be listed") {
            if name.ends_with(".seg") {
                disk.remove(&name).expect("it is there");
            } else if is_damaged {
                disk.alter(&name, |bytes| bytes[400] ^= 1);
            }
        }
        let why = started(&disk).err().expect("it is no journal");
        assert!(matches!(why, Lost::Journal(JournalError::Damaged { .. })), "{why:?}");
    }
}
