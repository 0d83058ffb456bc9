//! Makes a snapshot. It never takes the room of the journal's syncs for long, and a snapshot that
//! was not read again gets no name.

use super::super::{
    JournalError,
    storage::{SegmentFile, Storage, write_all},
};
use super::{
    CHUNK_LINES, HEADER_BYTES, Line, SUFFIX, SnapshotHeader, SnapshotReader, UNFINISHED_SUFFIX,
    chain_line, check, name_of,
};
use crate::chains::ChainAt;

/// Chunks between two syncs: small enough not to stall those of the journal.
const SYNC_EVERY_CHUNKS: u32 = 8;

/// Makes a snapshot: nothing of its name is there before it is whole.
pub struct SnapshotWriter<'a, S: Storage> {
    storage: &'a S,
    file: S::File,
    name: String,
    unfinished: String,
    seq: u64,
    /// Of the chunk in the making.
    lines: Vec<Line>,
    chunk: u32,
    offset: u64,
}

impl<'a, S: Storage> SnapshotWriter<'a, S> {
    /// Begins the snapshot of a seq. What was left of other attempts is removed.
    ///
    /// # Errors
    /// [`JournalError::Disk`]; likewise below.
    pub fn new(storage: &'a S, seq: u64) -> Result<SnapshotWriter<'a, S>, JournalError> {
        let name = name_of(seq);
        let unfinished = format!("{}{UNFINISHED_SUFFIX}", name.trim_end_matches(SUFFIX));
        let names = storage.names().map_err(JournalError::disk("list", "the journal's folder"))?;
        for left in names.iter().filter(|name| name.ends_with(UNFINISHED_SUFFIX)) {
            storage.remove(left).map_err(JournalError::disk("remove", left))?;
        }
        let file =
            storage.create(&unfinished).map_err(JournalError::disk("create", &unfinished))?;
        let lines = Vec::with_capacity(CHUNK_LINES + 1);
        let offset = HEADER_BYTES as u64;
        Ok(SnapshotWriter { storage, file, name, unfinished, seq, lines, chunk: 0, offset })
    }

    /// Adds a chain value of the journal; all of them before the image.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn push_chain(&mut self, at: &ChainAt) -> Result<(), JournalError> {
        self.push(&chain_line(at))
    }

    /// Adds a line of the image.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[inline]
    pub fn push(&mut self, line: &Line) -> Result<(), JournalError> {
        self.lines.push(*line);
        if self.lines.len() == CHUNK_LINES { self.put_chunk() } else { Ok(()) }
    }

    fn put_chunk(&mut self) -> Result<(), JournalError> {
        self.lines.push(check(&self.lines, self.chunk, self.seq));
        let bytes = self.lines.as_flattened();
        write_all(&self.file, bytes, self.offset)
            .map_err(JournalError::disk("write", &self.unfinished))?;
        self.offset += bytes.len() as u64;
        self.chunk += 1;
        self.lines.clear();
        if self.chunk.is_multiple_of(SYNC_EVERY_CHUNKS) { self.sync() } else { Ok(()) }
    }

    fn sync(&self) -> Result<(), JournalError> {
        self.file.sync().map_err(JournalError::disk("sync", &self.unfinished))
    }

    /// Makes it whole, durable and read again; then it has its name.
    ///
    /// # Errors
    /// As [`new`](Self::new), or the disk gives back something else.
    pub fn finish(mut self, header: &SnapshotHeader) -> Result<(), JournalError> {
        assert!(header.place.seq == self.seq);
        if !self.lines.is_empty() {
            self.put_chunk()?;
        }
        write_all(&self.file, &header.encode(), 0)
            .map_err(JournalError::disk("write", &self.unfinished))?;
        self.sync()?;
        // What cannot be read again is no snapshot: segments will be removed that it stands for.
        self.file.forget_cache().map_err(JournalError::disk("read", &self.unfinished))?;
        let file = self.storage.open_read(&self.unfinished);
        let file = file.map_err(JournalError::disk("open", &self.unfinished))?;
        SnapshotReader::<S>::from_file(file, self.seq)?.check_all()?;
        self.storage
            .rename(&self.unfinished, &self.name)
            .map_err(JournalError::disk("rename", &self.unfinished))?;
        self.storage.sync_dir().map_err(JournalError::disk("sync the folder of", &self.name))
    }

    /// Gives it up, and the room that it takes.
    pub fn give_up(self) {
        // The next attempt removes it otherwise.
        let _ = self.storage.remove(&self.unfinished);
    }
}
