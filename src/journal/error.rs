//! What can go wrong in this room, each as one sentence for the person who runs the server.
//!
//! Nothing here is retried: `main` turns each kind into its exit code. A tear is not an error (it
//! is cut and reported as [`Torn`](super::Torn)); everything that could mean loss is.

use std::{io, path::PathBuf};

use thiserror::Error;

/// Why the journal cannot start or go on.
#[derive(Debug, Error)]
pub enum JournalError {
    /// What lies on the disk is not what was written.
    #[error("journal segment {segment} is damaged at offset {offset} (seq {seq}): {what}")]
    Damaged {
        /// Number of the segment.
        segment: u32,
        /// Where in the segment, in bytes.
        offset: u64,
        /// The first record that cannot be trusted any more.
        seq: u64,
        /// What is wrong there.
        what: String,
    },
    /// Written by another version of the format.
    #[error(
        "journal segment {segment} has format version {found}; this server reads version {ours}"
    )]
    Version {
        /// Number of the segment.
        segment: u32,
        /// Its format version.
        found: u32,
        /// The one that this server knows.
        ours: u32,
    },
    /// A snapshot cannot be used.
    #[error("the snapshot of seq {seq}: {what}")]
    Snapshot {
        /// The seq at which it was made.
        seq: u64,
        /// What is wrong with it.
        what: String,
    },
    /// What is asked for was removed, as a snapshot stands for it.
    #[error(
        "the journal has no records before seq {first} any more: what follows seq {seq} is gone"
    )]
    Removed {
        /// After which records are wanted.
        seq: u64,
        /// The first that is there.
        first: u64,
    },
    /// The state did not take a record that is whole and in its place.
    #[error("the state refuses the records from seq {seq} on: {what}")]
    Refused {
        /// First seq of the batch that was refused.
        seq: u64,
        /// What the state says.
        what: String,
    },
    /// The disk failed.
    #[error("could not {op} {name}: {source}")]
    Disk {
        /// What was tried.
        op: &'static str,
        /// On which file.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// No room for another segment, and the last one is used up.
    #[error("the disk is full: there is no room for another journal segment")]
    Full,
    /// The folder belongs to a running server.
    #[error("another server is using {}", path.display())]
    Locked {
        /// The data folder.
        path: PathBuf,
    },
    /// The folder cannot be made.
    #[error("could not create {}: {source}", path.display())]
    CannotCreate {
        /// What could not be made.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Asked to go on after a failure.
    #[error("the journal has stopped after an earlier failure")]
    Stopped,
}

impl JournalError {
    /// For `map_err`: names the deed and the file.
    pub(super) fn disk(op: &'static str, name: &str) -> impl FnOnce(io::Error) -> JournalError {
        move |source| JournalError::Disk { op, name: name.to_owned(), source }
    }
}
