//! What is kept of a journal and its snapshots, and what is removed.
//!
//! Snapshots stand along the journal. The two newest are kept, for the start; before them one at
//! each stretch that is as long as the journal must be kept, as beginnings. The journal begins at
//! one of these: the last that leaves enough behind it and that no sink still needs. A sink is
//! waited for only up to a bound.

use std::collections::{BTreeMap, BTreeSet};

use tracing::{error, info, warn};

use crate::journal::{JournalError, Place, SnapshotReader, Storage, segments, snapshots, trim};
use crate::metrics::KeeperCounters;
use crate::sale::Seq;
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
        whole: &mut BTreeSet<Seq>,
    ) -> Result<usize, JournalError> {
        let there = segments(storage)?;
        counters.journal_bytes.set(there.values().sum());
        let mut milestones = milestones(storage, &there)?;
        let slowest = taps.slowest();
        let needed = slowest.as_ref().map_or(u64::MAX, |(_, seq)| *seq);
        let (mut kept, begin) = loop {
            let kept = self.thinned(&milestones);
            let begin = self.beginning(&kept, needed);
            if begin.is_none() && kept.len() == milestones.len() {
                break (kept, begin);
            }
            // A start may need the two newest, so they must be more than a good header.
            let newest = kept.iter().rev().take(2);
            let Some(damaged) = first_damaged(storage, newest, whole)? else { break (kept, begin) };
            warn!("the snapshot of seq {damaged} cannot be read: it stands for nothing and goes");
            milestones.retain(|one| one.place.seq() != damaged);
        };
        if kept.is_empty() {
            return Ok(0);
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

    /// Which of the milestones the journal is to begin at, if at one.
    fn beginning(&self, kept: &[Milestone], needed: Seq) -> Option<usize> {
        let newest = kept.last()?;
        // One alone may be damaged later: then all of the journal is needed.
        let may_begin = |(index, one): &(usize, &Milestone)| {
            let behind = newest.at - one.at;
            let is_waited_for = one.place.seq() > needed && behind <= self.for_sinks_bytes;
            index + 2 <= kept.len() && behind >= self.bytes && !is_waited_for
        };
        kept.iter().enumerate().rfind(may_begin).map(|(index, _)| index)
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

/// The first of these that cannot be read to its end.
fn first_damaged<'a, S: Storage>(
    storage: &S,
    snapshots: impl Iterator<Item = &'a Milestone>,
    whole: &mut BTreeSet<Seq>,
) -> Result<Option<Seq>, JournalError> {
    for seq in snapshots.map(|one| one.place.seq()) {
        if whole.contains(&seq) {
            continue;
        }
        match SnapshotReader::open(storage, seq).and_then(SnapshotReader::check_all) {
            Ok(()) => drop(whole.insert(seq)),
            Err(JournalError::Snapshot { .. }) => return Ok(Some(seq)),
            Err(why) => return Err(why),
        }
    }
    Ok(None)
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
