//! A journal whose segments were changed: it is refused by name, or what comes out is what was
//! written, up to a record; and then the server that goes on finds the same once more.

use doorbuster::chains::chains;
use doorbuster::journal::{
    self, Durability, JournalError, JournalOptions, Place, Reading, SnapshotReader,
};
use doorbuster::message::Cell;

use super::{Reader, Target};
use crate::crash_disk::CrashDisk;
use crate::edits::edits;
use crate::folder;
use crate::meter;

/// What reading may take beside the journal itself, bytes: a batch, and the disk's own copies.
const BYTES_AT_LEAST: usize = 512 << 10;

pub(super) const TARGET: Target = Target { name: "journal", words: &[], max: 160, make };

fn options() -> JournalOptions {
    JournalOptions::tiny(8192, 2, Durability::Fsync, 40)
}

fn make() -> Reader {
    let disk = folder::disk();
    let first = folder::SNAPSHOTS[0].0;
    let place = SnapshotReader::open(&disk, first).expect("it is whole").header().place;
    // Copied for each input: without them twice as many are read.
    folder::SNAPSHOTS.iter().for_each(|(seq, _)| disk.lose(&folder::snapshot_name(*seq)));
    let mut written = Vec::new();
    let seq = read(&disk, place, &mut written).expect("it is whole");
    assert!(seq > first && written.len() > 100, "there is something to lose");
    Box::new(move |input, seen| {
        let disk = changed(&disk, input);
        let bound = BYTES_AT_LEAST + 4 * disk.bytes();
        let (mut found, mut next) = (Vec::with_capacity(written.len()), first + 1);
        let (chains, _reader) = chains(64);
        let copy = disk.clone();
        let opened = meter::within(bound, "a journal", || {
            journal::open_from(copy, &options(), Some(place), chains, |seq, cells: &[Cell]| {
                assert_eq!(seq, next, "records in another order");
                next += doorbuster::message::messages(cells).count() as u64;
                found.extend_from_slice(cells);
                Ok(())
            })
        });
        assert!(written.starts_with(&found), "records that nobody wrote");
        let recovered = match opened {
            Ok(recovered) => recovered,
            Err(why) => {
                if let JournalError::Damaged { segment, .. } = &why {
                    seen.mark(segment);
                }
                return seen.say(&why.to_string());
            }
        };
        let report = *recovered.report();
        assert_eq!(report.seq + 1, next, "another seq than there are records");
        seen.count("records", found.len());
        seen.mark(&report.torn.is_some());
        drop(recovered);
        let mut again = Vec::new();
        let seq = read(&disk, place, &mut again).expect("what was opened can be read");
        assert_eq!((seq, again), (report.seq, found), "read again it is another");
    })
}

/// The newest seq, and the cells of all records.
fn read(disk: &CrashDisk, place: Place, into: &mut Vec<Cell>) -> Result<u64, JournalError> {
    let from = Some(place);
    let reading = Reading { from, last_seq: u64::MAX, is_served: &|| false };
    let report = journal::read_while(disk, &reading, |_, cells| {
        into.extend_from_slice(cells);
        Ok(())
    })?;
    assert_eq!(report.torn, None);
    Ok(report.seq)
}

/// The disk after the edits, of which some take whole files away or change two of them.
fn changed(disk: &CrashDisk, input: &[u8]) -> CrashDisk {
    let changed = disk.copy();
    for edit in edits(input) {
        let of = |number: u8| folder::SEGMENTS[usize::from(number) % folder::SEGMENTS.len()].0;
        let (name, other) = (of(edit.file), of(edit.deed));
        let Some(content) = changed.content(name) else { continue };
        match edit.deed {
            0..=240 => changed.alter(name, |bytes| edit.apply(bytes, 0)),
            241..=247 => changed.lose(name),
            _ => {
                let there = changed.content(other).unwrap_or_default();
                changed.set_content(name, there);
                changed.set_content(other, content);
            }
        }
    }
    changed
}
