//! Signed heads of the journal's chain: at intervals, what the chain was after the newest synced
//! batch, signed, so that an operator cannot write history anew unseen by those who kept one.
//!
//! The room looks at [`Chains`], signs, appends to `DIR/heads/log`, syncs, and only then shows the
//! head to others. It is on no order's way: without it, or with its disk in trouble, the server
//! goes on. It never signs what a crash could still undo, and never says what a record is.
//!
//! `head` is one head and its signature, `key` the private key, `log` the file.

mod head;
mod key;
mod log;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use tracing::{error, warn};

pub use head::{BadHead, Head, PublicKey, hex, published};
pub use log::{LoggedHeads, read_log};

use crate::chains::Chains;
use crate::limits::{HEADS_PAGE_MAX, HEADS_SHOWN_MAX};
use key::Signer;
use log::{Log, Trouble};

/// The folder of heads in a data folder.
pub const FOLDER: &str = "heads";
const LOG_NAME: &str = "log";
const KEY_NAME: &str = "key";

/// Where the heads of a data folder lie.
pub fn log_of(data: &Path) -> PathBuf {
    data.join(FOLDER).join(LOG_NAME)
}

/// What others see of the heads: the newest as a page that is made once a head, and all of them in
/// the file.
#[derive(Clone, Default)]
pub struct Shelf(Arc<RwLock<Shown>>);

struct Shown {
    /// The newest, ready to be sent.
    newest: Arc<str>,
    log: PathBuf,
    /// Bytes of the file that are synced.
    bytes: u64,
    folder: [u8; 16],
    key: Option<PublicKey>,
}

impl Default for Shown {
    fn default() -> Shown {
        let (folder, key) = ([0; 16], None);
        let newest = head::page(&folder, key, &[], None).into();
        Shown { newest, log: PathBuf::new(), bytes: 0, folder, key: None }
    }
}

impl Shelf {
    /// The newest heads, oldest first, as JSON. Taken from a lock that is held for a moment once a
    /// head.
    pub fn newest(&self) -> Arc<str> {
        Arc::clone(&self.0.read().newest)
    }

    /// A page of the heads from a seq on, as JSON; reads the file.
    ///
    /// # Errors
    /// As the disk says.
    pub fn from(&self, seq: u64) -> std::io::Result<String> {
        let (log, bytes, folder, key) = {
            let shown = self.0.read();
            (shown.log.clone(), shown.bytes, shown.folder, shown.key)
        };
        let mut lines = log::from(&log, bytes, seq, HEADS_PAGE_MAX + 1)?;
        let next = lines.get(HEADS_PAGE_MAX).and_then(|line| log::seq_of(line));
        lines.truncate(HEADS_PAGE_MAX);
        Ok(head::page(&folder, key.as_ref(), &lines, next))
    }
}

/// What the room is made of.
pub struct HeadsParts<'a> {
    /// The data folder.
    pub data: &'a Path,
    /// Where the key lies, if not in the data folder.
    pub key_file: Option<&'a Path>,
    /// Whether heads are made at all.
    pub are_made: bool,
    /// The journal's id.
    pub folder: [u8; 16],
    /// The journal's newest seq at the start.
    pub seq: u64,
    /// What is signed.
    pub chains: Chains,
    /// Where heads are shown.
    pub shelf: Shelf,
    /// Unix ns.
    pub clock: fn() -> u64,
}

/// The room.
pub struct Heads {
    signer: Signer,
    log: Log,
    folder: [u8; 16],
    chains: Chains,
    shelf: Shelf,
    clock: fn() -> u64,
    /// The newest lines, oldest first.
    newest: Vec<String>,
    /// The seq of the newest head.
    seq: u64,
    /// Nothing more is written: a sync failed, and nobody knows what the file holds.
    is_broken: bool,
    /// The last attempt failed, and that was said.
    is_told: bool,
}

impl Heads {
    /// Reads the key and the end of the log, makes what is not there, and shows what is. `None` if
    /// no heads are to be made.
    ///
    /// # Errors
    /// A sentence with the file and what is wrong.
    pub fn open(parts: HeadsParts<'_>) -> Result<Option<Heads>, String> {
        let HeadsParts { data, key_file, folder, chains, shelf, clock, .. } = parts;
        if !parts.are_made {
            *shelf.0.write() = Shown {
                newest: head::page(&folder, None, &[], None).into(),
                folder,
                ..Shown::default()
            };
            return Ok(None);
        }
        let log_path = log_of(data);
        let (log, newest) = Log::open(&log_path, HEADS_SHOWN_MAX)?;
        let in_folder = data.join(FOLDER).join(KEY_NAME);
        let signer = Signer::load(key_file.unwrap_or(&in_folder))?;
        let last = newest.last().and_then(|line| log::seq_of(line)).unwrap_or(0);
        if last > parts.seq {
            warn!(
                head = last,
                seq = parts.seq,
                "a signed head names seq {last}, but the journal ends at seq {}: records that were \
                 signed are gone, and an audit will say so",
                parts.seq
            );
        }
        // Then the heads begin anew behind what was lost.
        let seq = if last > parts.seq { 0 } else { last };
        let (is_broken, is_told) = (false, false);
        let heads =
            Heads { signer, log, folder, chains, shelf, clock, newest, seq, is_broken, is_told };
        heads.show(log_path);
        Ok(Some(heads))
    }

    /// Signs what was synced since the last head, if anything was. Returns the heads made.
    pub fn work(&mut self) -> usize {
        let Some(at) = self.chains.synced().filter(|at| at.seq > self.seq) else { return 0 };
        if self.is_broken {
            return 0;
        }
        let time = (self.clock)() / 1_000_000;
        let head = self.signer.sign(&self.folder, &at, time);
        let line = head.line();
        match self.log.append(&line) {
            Ok(()) => {}
            Err(Trouble::Write(why)) => {
                if !self.is_told {
                    warn!("a signed head could not be written, and is tried again: {why}");
                }
                self.is_told = true;
                return 0;
            }
            Err(Trouble::Broken(why)) => {
                self.is_broken = true;
                error!("no more heads are signed until the next start: {why}");
                return 0;
            }
        }
        self.is_told = false;
        self.seq = at.seq;
        if self.newest.len() == HEADS_SHOWN_MAX {
            self.newest.remove(0);
        }
        self.newest.push(line);
        let log = self.shelf.0.read().log.clone();
        self.show(log);
        1
    }

    /// Whether the journal has ended, so that a head made from now on is the last.
    pub fn is_over(&self) -> bool {
        self.chains.is_over()
    }

    fn show(&self, log: PathBuf) {
        let key = Some(self.signer.public());
        let newest = head::page(&self.folder, key.as_ref(), &self.newest, None).into();
        let (bytes, folder) = (self.log.bytes(), self.folder);
        *self.shelf.0.write() = Shown { newest, log, bytes, folder, key };
    }
}

#[cfg(test)]
mod tests;
