//! How far a sink has come: a small file of its own, `DIR/sinks/NAME`, replaced whole and synced.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Trouble;
use crate::sale::{Seq, Stamp};
use crate::taps::Span;

/// The folder of checkpoints in a data folder.
pub const FOLDER: &str = "sinks";

/// How far a sink has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The journal's id, in hexadecimal: what comes from another journal means nothing here.
    pub journal: String,
    /// The type of the sink: what another keeps here means nothing to it.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// It began behind this.
    #[serde(default)]
    pub start: Seq,
    /// Everything up to here is delivered.
    pub seq: Seq,
    /// From there up to here nothing is wanted.
    #[serde(default, skip_serializing_if = "is_none")]
    pub read: Seq,
    /// When the last of it was made, Unix ns; 0 if that is not known.
    #[serde(default, skip_serializing_if = "is_none")]
    pub time: Stamp,
    /// What the sink wants to know of it when it begins again.
    pub mark: String,
    /// Whether an operator has paused it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// What is still to be delivered again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Span>,
}

fn is_none(seq: &Seq) -> bool {
    *seq == 0
}

/// Where a sink's checkpoint lies.
pub fn path_of(data: &Path, name: &str) -> PathBuf {
    data.join(FOLDER).join(name)
}

/// Where a checkpoint is kept: a file, or what a drill has in its place.
pub trait Ledge: Send {
    /// What people call it.
    fn place(&self) -> String;
    /// Reads it; `None` if there is none yet.
    ///
    /// # Errors
    /// [`Trouble`] with the place and what is wrong.
    fn read(&self) -> Result<Option<Checkpoint>, Trouble>;
    /// Replaces it whole; durable when this returns.
    ///
    /// # Errors
    /// As the disk says.
    fn write(&self, checkpoint: &Checkpoint) -> io::Result<()>;
}

impl Ledge for PathBuf {
    fn place(&self) -> String {
        self.display().to_string()
    }

    fn read(&self) -> Result<Option<Checkpoint>, Trouble> {
        Checkpoint::read(self)
    }

    fn write(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        checkpoint.write(self)
    }
}

impl Checkpoint {
    /// Everything up to here is dealt with.
    pub fn dealt_with(&self) -> Seq {
        self.seq.max(self.read)
    }

    /// Nothing up to here is needed any more.
    pub fn settled(&self) -> Seq {
        self.replay.map_or(Seq::MAX, |span| span.from - 1).min(self.dealt_with())
    }

    /// Reads it; `None` if there is none yet.
    ///
    /// # Errors
    /// [`Trouble`] with the file and what is wrong.
    pub fn read(path: &Path) -> Result<Option<Checkpoint>, Trouble> {
        let told = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        match fs::read(path) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(Trouble::Again(told(&why))),
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map(Some).map_err(|why| Trouble::Stop(told(&why)))
            }
        }
    }

    /// Writes it into its folder, which must be there; durable when this returns.
    ///
    /// # Errors
    /// As the disk says.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        replace(path, &serde_json::to_vec(self)?)
    }
}

/// Replaces a small file whole; durable when this returns.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().expect("it lies in a folder");
    let unfinished = path.with_extension("tmp");
    let mut file = File::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()
}
