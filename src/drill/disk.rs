//! A disk in memory that does what disks do at the worst moment: it forgets what was not synced, or
//! keeps any part of it in any order, writes less than it was given, fails, is full, is slow.
//!
//! Every file has live bytes (what a reader sees) and durable ones, and the writes in between; so
//! have the names. Invariant: what was synced without an error survives every power cut.

mod cut;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use cut::survivors;
use parking_lot::{Mutex, MutexGuard};

pub(super) use cut::Cut;

use super::clock;
use super::random::Random;
use crate::journal::{SegmentFile, Storage};

const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;
const EIO: i32 = 5;

/// What can be asked of a disk and fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Write,
    Sync,
    Create,
    Rename,
    SyncNames,
}

/// What goes wrong.
#[derive(Clone, Debug, Default)]
pub(super) struct Troubles {
    /// This deed fails when it is asked for the so-manieth time from now.
    pub(super) fails: Option<(Deed, u64)>,
    /// The power goes in the midst of this deed, at the so-manieth time from now.
    pub(super) dies: Option<(Deed, u64)>,
    /// It is gone: nothing can be done any more.
    is_dead: bool,
    /// So many files cannot be opened for want of a descriptor.
    pub(super) shortages: u64,
    /// All files together hold at most so many bytes.
    pub(super) capacity: Option<usize>,
    /// A write takes at most so many bytes, when its turn comes.
    pub(super) short: Option<usize>,
    /// A sync takes so long, ns.
    pub(super) sync_ns: u64,
}

/// What really went wrong, by kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Happened {
    pub(super) failures: u64,
    pub(super) shortages: u64,
    pub(super) full: u64,
    pub(super) short: u64,
    pub(super) slow: u64,
}

#[derive(Clone, Default)]
struct Content {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Written since the last sync, in order.
    unsynced: Vec<(usize, Vec<u8>)>,
}

#[derive(Clone, Default)]
struct State {
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    files: Vec<Content>,
    troubles: Troubles,
    happened: Happened,
    writes: u64,
    ids: u8,
}

/// The disk; clones share it.
#[derive(Clone, Default)]
pub(super) struct SimDisk(Arc<Mutex<State>>);

/// An open file on it.
pub(super) struct SimFile {
    disk: SimDisk,
    file: usize,
}

impl SimDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// Changes what goes wrong from here on.
    pub(super) fn trouble(&self, change: impl FnOnce(&mut Troubles)) {
        change(&mut self.state().troubles);
    }

    /// What went wrong so far.
    pub(super) fn happened(&self) -> Happened {
        self.state().happened
    }

    /// Bytes of all files together.
    pub(super) fn bytes(&self) -> usize {
        used(&self.state())
    }

    /// Takes the power away, and gives it back. Returns the bytes of which it is chance that they
    /// are there.
    pub(super) fn cut(&self, cut: Cut, random: &mut Random) -> usize {
        let state = &mut *self.state();
        state.troubles = Troubles::default();
        if cut == Cut::Lost || random.once_in(2) {
            state.names = state.durable_names.clone();
        } else {
            state.durable_names = state.names.clone();
        }
        let mut survived = 0;
        for file in &mut state.files {
            let unsynced = std::mem::take(&mut file.unsynced);
            let left = survivors(cut, unsynced, &file.live, random);
            for (at, bytes) in left {
                survived += bytes.len();
                put(&mut file.durable, at, &bytes);
            }
            file.live.clone_from(&file.durable);
        }
        survived
    }

    /// Whether the power went in the midst of something.
    pub(super) fn is_dead(&self) -> bool {
        self.state().troubles.is_dead
    }

    /// Ends the process only: what was written stays.
    pub(super) fn let_go(&self) {
        self.state().troubles = Troubles::default();
    }

    /// A copy of what a reader sees, all of it durable, without troubles.
    pub(super) fn copy(&self) -> SimDisk {
        let state = self.state();
        let mut copy = State { names: state.names.clone(), ids: state.ids, ..State::default() };
        (copy.durable_names, copy.happened) = (copy.names.clone(), state.happened);
        let settle = |file: &Content| Content {
            live: file.live.clone(),
            durable: file.live.clone(),
            unsynced: Vec::new(),
        };
        copy.files = state.files.iter().map(settle).collect();
        SimDisk(Arc::new(Mutex::new(copy)))
    }

    /// Names and contents of the files that end so, in order.
    pub(super) fn contents(&self, end: &str) -> Vec<(String, Vec<u8>)> {
        let state = self.state();
        let named = state.names.iter().filter(|(name, _)| name.ends_with(end));
        named.map(|(name, file)| (name.clone(), state.files[*file].live.clone())).collect()
    }

    /// Changes a file behind everybody's back.
    pub(super) fn alter(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let state = &mut *self.state();
        let file = &mut state.files[state.names[name]];
        change(&mut file.live);
        file.durable.clone_from(&file.live);
        file.unsynced.clear();
    }

    /// Loses a file.
    pub(super) fn lose(&self, name: &str) {
        let state = &mut *self.state();
        state.names.remove(name);
        state.durable_names.remove(name);
    }

    fn find(&self, name: &str) -> io::Result<SimFile> {
        let found = self.state().names.get(name).copied();
        let file = found.ok_or(io::ErrorKind::NotFound)?;
        Ok(SimFile { disk: self.clone(), file })
    }
}

fn used(state: &State) -> usize {
    state.names.values().map(|file| state.files[*file].live.len()).sum()
}

fn put(into: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if into.len() < at + bytes.len() {
        into.resize(at + bytes.len(), 0);
    }
    into[at..at + bytes.len()].copy_from_slice(bytes);
}

impl State {
    /// Fails if it is this deed's turn to.
    fn attempt(&mut self, deed: Deed) -> io::Result<()> {
        if self.troubles.is_dead {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        if let Some((fails, left)) = &mut self.troubles.fails
            && *fails == deed
        {
            if *left == 0 {
                self.troubles.fails = None;
                self.happened.failures += 1;
                return Err(io::Error::from_raw_os_error(EIO));
            }
            *left -= 1;
        }
        Ok(())
    }

    /// The power goes if it is this deed's turn: what was done of it is neither safe nor lost.
    fn survive(&mut self, deed: Deed) -> io::Result<()> {
        if let Some((dies, left)) = &mut self.troubles.dies
            && *dies == deed
        {
            if *left == 0 {
                self.troubles.is_dead = true;
                return Err(io::Error::from_raw_os_error(EIO));
            }
            *left -= 1;
        }
        Ok(())
    }

    fn open(&mut self) -> io::Result<()> {
        if self.troubles.shortages > 0 {
            self.troubles.shortages -= 1;
            self.happened.shortages += 1;
            return Err(io::Error::from_raw_os_error(EMFILE));
        }
        Ok(())
    }
}

impl Storage for SimDisk {
    type File = SimFile;

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<SimFile> {
        let mut state = self.state();
        state.open()?;
        state.attempt(Deed::Create)?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.files.push(Content::default());
        let file = state.files.len() - 1;
        state.names.insert(name.to_owned(), file);
        Ok(SimFile { disk: self.clone(), file })
    }

    fn open(&self, name: &str) -> io::Result<SimFile> {
        self.state().open()?;
        self.find(name)
    }

    fn open_read(&self, name: &str) -> io::Result<SimFile> {
        self.find(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.attempt(Deed::Rename)?;
        state.survive(Deed::Rename)?;
        let file = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let removed = self.state().names.remove(name);
        removed.map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.state();
        state.attempt(Deed::SyncNames)?;
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn fresh_id(&self) -> io::Result<[u8; 16]> {
        let mut state = self.state();
        state.ids += 1;
        Ok([state.ids; 16])
    }
}

impl SegmentFile for SimFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[self.file].live.len() as u64)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.state();
        let live = &state.files[self.file].live;
        let from = live.len().min(offset as usize);
        let count = into.len().min(live.len() - from);
        into[..count].copy_from_slice(&live[from..from + count]);
        Ok(count)
    }

    fn write_at(&self, from: &[u8], offset: u64) -> io::Result<usize> {
        let state = &mut *self.disk.state();
        state.attempt(Deed::Write)?;
        state.writes += 1;
        let (at, mut count) = (offset as usize, from.len());
        if let Some(short) = state.troubles.short.filter(|_| state.writes.is_multiple_of(3)) {
            state.happened.short += u64::from(short < count);
            count = count.min(short);
        }
        if let Some(capacity) = state.troubles.capacity {
            let free = capacity.saturating_sub(used(state));
            let room = (state.files[self.file].live.len() + free).saturating_sub(at);
            if room == 0 {
                state.happened.full += 1;
                return Err(io::Error::from_raw_os_error(ENOSPC));
            }
            count = count.min(room);
        }
        let file = &mut state.files[self.file];
        put(&mut file.live, at, &from[..count]);
        file.unsynced.push((at, from[..count].to_vec()));
        state.survive(Deed::Write)?;
        Ok(count)
    }

    fn sync(&self) -> io::Result<()> {
        let state = &mut *self.disk.state();
        if state.troubles.sync_ns > 0 {
            state.happened.slow += 1;
            clock::pass(state.troubles.sync_ns);
        }
        if !state.troubles.is_dead {
            state.survive(Deed::Sync)?;
        }
        let attempt = state.attempt(Deed::Sync);
        if state.troubles.is_dead {
            return attempt;
        }
        let file = &mut state.files[self.file];
        let unsynced = std::mem::take(&mut file.unsynced);
        // After a failed one the system takes for written what the disk never got.
        attempt?;
        for (at, bytes) in unsynced {
            put(&mut file.durable, at, &bytes);
        }
        Ok(())
    }

    fn forget_cache(&self) -> io::Result<()> {
        let state = &mut *self.disk.state();
        let file = &mut state.files[self.file];
        file.live.clone_from(&file.durable);
        for (at, bytes) in &file.unsynced {
            put(&mut file.live, *at, bytes);
        }
        Ok(())
    }
}
