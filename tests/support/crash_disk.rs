//! A disk that can lose power: every file has live bytes (what a reader sees) and durable bytes
//! (what is left without power), every name likewise. A sync carries one over to the other.
//!
//! Faults count only what happens to whole segments (`*.seg`), so that the thread that makes new
//! ones (`*.seg.tmp`) does not disturb the count.

// Each test uses some of it, as its own module.
#![allow(dead_code, unreachable_pub)]

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use doorbuster::journal::{SegmentFile, Storage};

const SECTOR_BYTES: usize = 512;

#[derive(Clone, Default)]
struct FileBytes {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Written and not yet synced, in order.
    unsynced: Vec<(usize, Vec<u8>)>,
}

#[derive(Clone, Default)]
struct Faults {
    /// Let so many writes to segments pass, then fail all.
    writes_left: Option<u64>,
    /// Let so many syncs of segments pass, then fail all.
    syncs_left: Option<u64>,
    /// All files together may hold so many bytes.
    capacity: Option<usize>,
    /// Error with which every file is refused to whoever would create or open it for writing.
    opens_fail: Option<i32>,
    /// The most that one write takes.
    write_bytes_max: Option<usize>,
}

#[derive(Clone, Default)]
struct State {
    live_names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    files: Vec<FileBytes>,
    faults: Faults,
    /// File of the last write to a segment.
    last_written: usize,
    writes: u64,
    syncs: u64,
    ids: u8,
    /// What it was after each change, if that is asked for.
    photos: Option<Vec<State>>,
}

impl State {
    fn photo(&mut self) {
        if let Some(mut photos) = self.photos.take() {
            photos.push(self.clone());
            self.photos = Some(photos);
        }
    }
}

/// What a power cut leaves of what was not synced.
pub enum Cut<'a> {
    /// Nothing.
    Unsynced,
    /// The first bytes of what was last written to a segment since its last sync.
    Prefix(usize),
    /// The sectors for which this is true; given the file's number and the sector's.
    Sectors(&'a mut dyn FnMut(usize, usize) -> bool),
}

/// The disk; clones share it.
#[derive(Clone, Default)]
pub struct CrashDisk(Arc<Mutex<State>>);

/// An open file on it.
pub struct CrashFile {
    disk: CrashDisk,
    file: usize,
}

impl CrashDisk {
    /// An empty disk whose next journal gets `id`.
    pub fn new(id: u8) -> CrashDisk {
        let disk = CrashDisk::default();
        disk.state().ids = id;
        disk
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds the disk")
    }

    /// Lets `count` writes to segments pass and fails all later ones.
    pub fn fail_writes_after(&self, count: u64) {
        self.state().faults.writes_left = Some(count);
    }

    /// Lets `count` syncs of segments pass and fails all later ones.
    pub fn fail_syncs_after(&self, count: u64) {
        self.state().faults.syncs_left = Some(count);
    }

    /// Bounds the bytes of all files together; `None`: no bound.
    pub fn set_capacity(&self, bytes: Option<usize>) {
        self.state().faults.capacity = bytes;
    }

    /// Fails every attempt to create a file, or to open one for writing, with this error.
    pub fn fail_opens(&self, code: Option<i32>) {
        self.state().faults.opens_fail = code;
    }

    /// Makes writes short.
    pub fn set_write_bytes_max(&self, bytes: usize) {
        self.state().faults.write_bytes_max = Some(bytes);
    }

    /// Writes and syncs of segments so far.
    pub fn deeds(&self) -> (u64, u64) {
        let state = self.state();
        (state.writes, state.syncs)
    }

    /// From now on keeps what it is after each change.
    pub fn take_photos(&self) {
        self.state().photos = Some(Vec::new());
    }

    /// What it was after each change since then.
    pub fn photos(&self) -> Vec<CrashDisk> {
        let photos = self.state().photos.take().unwrap_or_default();
        photos.into_iter().map(|state| CrashDisk(Arc::new(Mutex::new(state)))).collect()
    }

    /// Bytes of all files together.
    pub fn bytes(&self) -> usize {
        used(&self.state())
    }

    /// Bytes written to segments since their last sync.
    pub fn unsynced_bytes(&self) -> usize {
        let state = self.state();
        state.files[state.last_written].unsynced.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// The disk as it is after the power came back, without faults.
    pub fn power_cut(&self, cut: Cut<'_>) -> CrashDisk {
        let mut state = self.state().clone();
        state.faults = Faults::default();
        state.live_names.clone_from(&state.durable_names);
        let last_written = state.last_written;
        match cut {
            Cut::Unsynced => {}
            Cut::Prefix(mut left) => {
                let file = &mut state.files[last_written];
                for (at, bytes) in std::mem::take(&mut file.unsynced) {
                    let kept = bytes.len().min(left);
                    left -= kept;
                    put(&mut file.durable, at, &bytes[..kept]);
                }
            }
            Cut::Sectors(keep) => {
                for (number, file) in state.files.iter_mut().enumerate() {
                    let mut sectors: Vec<usize> = (file.unsynced.iter())
                        .flat_map(|(at, bytes)| {
                            at / SECTOR_BYTES..(at + bytes.len()).div_ceil(SECTOR_BYTES)
                        })
                        .collect();
                    sectors.sort_unstable();
                    sectors.dedup();
                    for sector in sectors {
                        if keep(number, sector) {
                            let from = sector * SECTOR_BYTES;
                            let to = (from + SECTOR_BYTES).min(file.live.len());
                            let bytes = file.live[from..to].to_vec();
                            put(&mut file.durable, from, &bytes);
                        }
                    }
                }
            }
        }
        for file in &mut state.files {
            file.live.clone_from(&file.durable);
            file.unsynced.clear();
        }
        CrashDisk(Arc::new(Mutex::new(state)))
    }

    /// A copy of what a reader sees now, all of it durable.
    pub fn copy(&self) -> CrashDisk {
        let mut state = self.state().clone();
        state.faults = Faults::default();
        state.durable_names.clone_from(&state.live_names);
        for file in &mut state.files {
            file.durable.clone_from(&file.live);
            file.unsynced.clear();
        }
        CrashDisk(Arc::new(Mutex::new(state)))
    }

    /// What a reader sees of a file.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.live_names.get(name).map(|file| state.files[*file].live.clone())
    }

    /// Puts a file there, durably.
    pub fn set_content(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.state();
        state.files.push(FileBytes { durable: bytes.clone(), live: bytes, unsynced: Vec::new() });
        let file = state.files.len() - 1;
        state.live_names.insert(name.to_owned(), file);
        state.durable_names.insert(name.to_owned(), file);
    }

    /// Takes a file away behind everybody's back.
    pub fn lose(&self, name: &str) {
        let mut state = self.state();
        state.live_names.remove(name);
        state.durable_names.remove(name);
    }

    /// Changes a file behind everybody's back.
    pub fn alter(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let file = state.live_names[name];
        let file = &mut state.files[file];
        change(&mut file.live);
        file.durable.clone_from(&file.live);
    }

    fn file(&self, name: &str) -> io::Result<CrashFile> {
        let found = self.state().live_names.get(name).copied();
        let file = found.ok_or(io::ErrorKind::NotFound)?;
        Ok(CrashFile { disk: self.clone(), file })
    }
}

fn used(state: &State) -> usize {
    state.live_names.values().map(|file| state.files[*file].live.len()).sum()
}

fn put(into: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if into.len() < at + bytes.len() {
        into.resize(at + bytes.len(), 0);
    }
    into[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Counts one deed; `true` if it must fail.
fn fails(left: &mut Option<u64>) -> bool {
    match left {
        None => false,
        Some(0) => true,
        Some(count) => {
            *count -= 1;
            false
        }
    }
}

fn is_segment(state: &State, file: usize) -> bool {
    state.live_names.iter().any(|(name, it)| *it == file && name.ends_with(".seg"))
}

fn refuse_open(state: &State) -> io::Result<()> {
    state.faults.opens_fail.map_or(Ok(()), |code| Err(io::Error::from_raw_os_error(code)))
}

fn broken() -> io::Error {
    io::Error::other("injected fault")
}

impl Storage for CrashDisk {
    type File = CrashFile;

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.state().live_names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<CrashFile> {
        let mut state = self.state();
        refuse_open(&state)?;
        if state.live_names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.files.push(FileBytes::default());
        let file = state.files.len() - 1;
        state.live_names.insert(name.to_owned(), file);
        state.photo();
        Ok(CrashFile { disk: self.clone(), file })
    }

    fn open(&self, name: &str) -> io::Result<CrashFile> {
        refuse_open(&self.state())?;
        self.file(name)
    }

    fn open_read(&self, name: &str) -> io::Result<CrashFile> {
        self.file(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let file = state.live_names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.live_names.insert(to.to_owned(), file);
        state.photo();
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        let removed = state.live_names.remove(name);
        state.photo();
        removed.map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.state();
        state.durable_names = state.live_names.clone();
        state.photo();
        Ok(())
    }

    fn fresh_id(&self) -> io::Result<[u8; 16]> {
        let mut state = self.state();
        state.ids += 1;
        Ok([state.ids; 16])
    }
}

impl SegmentFile for CrashFile {
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
        let mut state = self.disk.state();
        let is_segment = is_segment(&state, self.file);
        if is_segment {
            if fails(&mut state.faults.writes_left) {
                return Err(broken());
            }
            state.writes += 1;
            state.last_written = self.file;
        }
        let at = offset as usize;
        let mut count = from.len().min(state.faults.write_bytes_max.unwrap_or(usize::MAX));
        let there = state.files[self.file].live.len();
        if let Some(capacity) = state.faults.capacity {
            let free = capacity.saturating_sub(used(&state));
            count = count.min((there + free).saturating_sub(at));
            if count == 0 {
                return Err(io::Error::from_raw_os_error(28));
            }
        }
        let file = &mut state.files[self.file];
        put(&mut file.live, at, &from[..count]);
        file.unsynced.push((at, from[..count].to_vec()));
        state.photo();
        Ok(count)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        if is_segment(&state, self.file) {
            if fails(&mut state.faults.syncs_left) {
                return Err(broken());
            }
            state.syncs += 1;
        }
        let file = &mut state.files[self.file];
        for (at, bytes) in std::mem::take(&mut file.unsynced) {
            put(&mut file.durable, at, &bytes);
        }
        state.photo();
        Ok(())
    }
}
