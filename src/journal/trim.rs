//! Removes the beginning of a journal for which a snapshot stands, and the snapshots that stand for
//! nothing any more; and tells from where what is left can be read.
//!
//! It never removes a segment that lies behind a snapshot that stays. Invariant: whatever a crash
//! leaves of a removal, the newest snapshots and all segments from theirs on are there.

use std::collections::BTreeMap;

use super::{
    JournalError, Place, SnapshotReader,
    recovery::indices,
    segment::name_of,
    snapshot, snapshots,
    storage::{SegmentFile, Storage},
    verify::open_segment,
};

/// The segments that are there with their bytes, by number.
///
/// # Errors
/// [`JournalError::Disk`]; likewise below.
pub fn segments(storage: &impl Storage) -> Result<BTreeMap<u32, u64>, JournalError> {
    let mut found = BTreeMap::new();
    for index in indices(storage)? {
        let name = name_of(index);
        let file = storage.open_read(&name).map_err(JournalError::disk("open", &name))?;
        let bytes = file.bytes().map_err(JournalError::disk("measure", &name))?;
        found.insert(index, bytes);
    }
    Ok(found)
}

/// Removes the snapshots for which `is_kept` is false, then the segments before number `first`,
/// the oldest first. Returns how many segments.
///
/// # Errors
/// As [`segments`].
pub fn trim(
    storage: &impl Storage,
    first: u32,
    is_kept: impl Fn(u64) -> bool,
) -> Result<usize, JournalError> {
    let sync = || storage.sync_dir().map_err(JournalError::disk("sync", "the journal folder"));
    let stale: Vec<u64> = snapshots(storage)?.into_iter().filter(|seq| !is_kept(*seq)).collect();
    for seq in &stale {
        snapshot::remove(storage, *seq)?;
    }
    if !stale.is_empty() {
        // Before the segments that they need.
        sync()?;
    }
    let behind: Vec<u32> = indices(storage)?.range(..first).copied().collect();
    for index in &behind {
        let name = name_of(*index);
        storage.remove(&name).map_err(JournalError::disk("remove", &name))?;
    }
    if !behind.is_empty() {
        sync()?;
    }
    Ok(behind.len())
}

/// Makes the segments from number `from` to a place durable, whatever the journal's durability is.
///
/// # Errors
/// As [`segments`].
pub fn settle(storage: &impl Storage, from: u32, place: &Place) -> Result<(), JournalError> {
    for index in from..=place.segment {
        let name = name_of(index);
        let file = storage.open(&name).map_err(JournalError::disk("open", &name))?;
        file.sync().map_err(JournalError::disk("sync", &name))?;
    }
    Ok(())
}

/// From where the journal can be read to its end: the newest snapshot at or before `seq`, or the
/// beginning (`Ok(None)`) if that is nearer, or all there is.
///
/// # Errors
/// [`JournalError::Removed`] if all of these begin later; or the disk.
pub fn origin<S: Storage>(storage: &S, seq: u64) -> Result<Option<Place>, JournalError> {
    let present = indices(storage)?;
    let last = present.last().copied().unwrap_or(0);
    let is_whole = |from: u32| (from..=last).all(|index| present.contains(&index));
    let mut first = None;
    for at in snapshots(storage)?.into_iter().rev() {
        // One that is damaged is passed over: there may be another.
        let Ok(reader) = SnapshotReader::open(storage, at) else { continue };
        let place = reader.header().place;
        if !is_whole(place.segment) {
            break;
        }
        first = Some(at);
        if at <= seq {
            return Ok(Some(place));
        }
    }
    match first {
        Some(first) if !is_whole(1) => Err(JournalError::Removed { seq, first: first + 1 }),
        _ => Ok(None),
    }
}

/// The id of the journal that is there.
///
/// # Errors
/// [`JournalError`]: no segment of ours is there, or the disk.
pub fn id(storage: &impl Storage) -> Result<[u8; 16], JournalError> {
    let present = indices(storage)?;
    let first = present.first().copied().unwrap_or(1);
    Ok(open_segment(storage, &present, first, None, 1)?.1)
}

/// Whether the first segment is there, or none.
///
/// # Errors
/// As [`segments`].
pub fn has_beginning(storage: &impl Storage) -> Result<bool, JournalError> {
    let present = indices(storage)?;
    Ok(present.is_empty() || present.contains(&1))
}

/// From where all that is left of a journal can be read: the beginning (`Ok(None)`), or the first
/// snapshot.
///
/// # Errors
/// As [`segments`].
pub fn earliest<S: Storage>(storage: &S) -> Result<Option<Place>, JournalError> {
    match origin(storage, 0) {
        Err(JournalError::Removed { first, .. }) => origin(storage, first - 1),
        other => other,
    }
}
