//! Makes decisions durable: the only room that syncs. Records come in through a ring, are grouped
//! into batches, written, synced, and only then told by raising the [`Watermark`].
//!
//! At start [`open`] reads what is there, gives it to the state and returns where to go on;
//! [`read`] does the same for those who only look. The rest, in the order in which a record meets
//! it: `writer` (group commit), `batch` and `segment` (what lies on the disk, byte by byte),
//! `maker` (segments ahead of need), `storage` (the seam to the disk), `verify` and `tear` (reading
//! again), `place` (where one may begin to), `snapshot` (the file in which the state at a place
//! lies, whatever is in it), `trim` (what is removed when a snapshot stands for it).
//!
//! It never looks into a record beyond how many cells it has, and never answers anyone.

mod batch;
mod cursor;
mod durable;
mod error;
mod lock;
mod maker;
mod options;
mod place;
mod recovery;
mod room;
mod segment;
mod snapshot;
mod storage;
mod tear;
mod trim;
mod verify;
mod watermark;
mod writer;

// The watermark's and the room's; loom puts its own in their place.
use std::sync::atomic;

pub use batch::Batch;
pub use cursor::Cursor;
pub use durable::{Durable, Gate};
pub use error::JournalError;
pub use lock::{FolderLock, is_served};
pub use options::{Durability, JournalOptions};
pub use place::Place;
pub use recovery::{Reading, Recovered, Report, open, open_from, read, read_batches, read_while};
pub use room::Room;
pub use snapshot::{
    SnapshotHeader, SnapshotLines, SnapshotReader, SnapshotWriter, read_snapshot, snapshots,
};
pub use storage::{Disk, SegmentFile, Storage};
pub use tear::Torn;
pub use trim::{earliest, has_beginning, id, origin, segments, settle, trim};
pub use watermark::Watermark;
pub use writer::Journal;
