//! What is kept of a journal and its snapshots, and what is removed.
//!
//! Snapshots stand along the journal. The two newest are kept, for the start; before them one at
//! each stretch that is as long as the journal must be kept, as beginnings. The journal begins at
//! one of these: the last that leaves enough behind it and that no sink still needs. A sink is
//! waited for only up to a bound.

use std::collections::BTreeMap;

use tracing::{error, info};

use crate::journal::{JournalError, Place, SnapshotReader, Storage, segments, snapshots, trim};
use crate::metrics::KeeperCounters;
use crate::taps::Taps;

/// How much of the journal is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// So many bytes at least, for audits.
    pub bytes: u64,
    /// For sinks that are behind, so many at most, of all together.
    pub for_sinks_bytes: u64,
}

/// A snapshot and where it stands, in bytes from the first segment that is there.
#[derive(Clone, Copy)]
struct Milestone {
    place: Place,
    at: u64,
}

impl Keep {
    /// Removes what need not be kept. Returns how many segments.
    ///
    /// # Errors
    /// The disk.
    pub(super) fn apply(
        &self,
        storage: &impl Storage,
        taps: &Taps,
        counters: &KeeperCounters,
    ) -> Result<usize, JournalError> {
        let there = segments(storage)?;
        counters.journal_bytes.set(there.values().sum());
        let milestones = milestones(storage, &there)?;
        let mut kept = self.thinned(&milestones);
        // One alone may be damaged: then all of the journal is needed.
        let begins = kept.len().saturating_sub(2);
        let Some(newest) = kept.last().copied() else { return Ok(0) };
        let slowest = taps.slowest();
        let needed = slowest.as_ref().map_or(u64::MAX, |(_, seq)| *seq);
        let mut begin = None;
        for (index, one) in kept.iter().enumerate().take(begins + 1) {
            let behind = newest.at - one.at;
            let is_waited_for = one.place.seq() > needed && behind <= self.for_sinks_bytes;
            if kept.len() >= 2 && behind >= self.bytes && !is_waited_for {
                begin = Some(index);
            }
        }
        if let Some(index) = begin {
            kept.drain(..index);
        }
        let is_kept = |seq| kept.iter().any(|one| one.place.seq() == seq);
        let first = match begin {
            Some(_) => kept[0].place.segment(),
            None => there.keys().next().copied().unwrap_or(1),
        };
        // What is damaged stands for nothing, so it is not kept either.
        let removed = trim(storage, first, is_kept)?;
        if let Some((name, seq)) = slowest
            && removed > 0
            && kept[0].place.seq() > seq
        {
            counters.lost_to_sinks.add(1);
            error!(
                "sink {name} has been told up to seq {seq} only, and the journal before seq {} is \
                 removed: it is behind by more than keep_for_sinks_mib allows",
                kept[0].place.seq() + 1
            );
        }
        if removed > 0 {
            let seq = kept[0].place.seq() + 1;
            info!("{removed} journal segments removed: it begins with seq {seq} now");
            counters.removed_segments.add(removed as u64);
            counters.first_seq.set(seq);
        }
        Ok(removed)
    }

    /// Without those that stand closer to the one before than need be.
    fn thinned(&self, milestones: &[Milestone]) -> Vec<Milestone> {
        let newest = milestones.len().saturating_sub(2);
        let mut kept: Vec<Milestone> = Vec::new();
        for (index, one) in milestones.iter().enumerate() {
            let is_far = kept.last().is_none_or(|last| one.at - last.at >= self.bytes.max(1));
            if is_far || index >= newest {
                kept.push(*one);
            }
        }
        kept
    }
}

/// The snapshots that are whole as far as their headers tell, and whose place is there.
fn milestones<S: Storage>(
    storage: &S,
    there: &BTreeMap<u32, u64>,
) -> Result<Vec<Milestone>, JournalError> {
    let mut found = Vec::new();
    for seq in snapshots(storage)? {
        let place = match SnapshotReader::open(storage, seq) {
            Ok(reader) => reader.header().place,
            Err(JournalError::Snapshot { .. }) => continue,
            Err(why) => return Err(why),
        };
        if there.contains_key(&place.segment()) {
            let before: u64 = there.range(..place.segment()).map(|(_, bytes)| bytes).sum();
            found.push(Milestone { place, at: before + place.offset() });
        }
    }
    Ok(found)
}
