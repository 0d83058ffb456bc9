//! Reads a snapshot: part by part, each only after its checksum was right; on a thread of its own,
//! so that what is done with the lines is done meanwhile.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::super::{
    JournalError,
    storage::{SegmentFile, Storage, read_all},
};
use super::{CHUNK_LINES, HEADER_BYTES, Line, SnapshotHeader, bad, chain_of, check, name_of};
use crate::chains::ChainAt;
use crate::sale::LineSource;

/// Parts that travel between the two threads.
const PARTS: usize = 4;

/// Reads a snapshot.
pub struct SnapshotReader<S: Storage> {
    file: S::File,
    header: SnapshotHeader,
    chunk: u32,
    left: u64,
    offset: u64,
}

impl<S: Storage> SnapshotReader<S> {
    /// Opens the snapshot of a seq and reads its header.
    ///
    /// # Errors
    /// [`JournalError::Snapshot`]: what lies there is not what was written; or the disk.
    pub fn open(storage: &S, seq: u64) -> Result<SnapshotReader<S>, JournalError> {
        let name = name_of(seq);
        let file = storage.open_read(&name).map_err(JournalError::disk("open", &name))?;
        SnapshotReader::from_file(file, seq)
    }

    pub(super) fn from_file(file: S::File, seq: u64) -> Result<SnapshotReader<S>, JournalError> {
        let disk = || JournalError::disk("read", "a snapshot");
        let bytes = file.bytes().map_err(disk())?;
        if bytes < HEADER_BYTES as u64 {
            return Err(bad(seq, "it is cut short"));
        }
        let mut header = [0; HEADER_BYTES];
        read_all(&file, &mut header, 0).map_err(disk())?;
        let header = SnapshotHeader::decode(&header).map_err(|what| bad(seq, what))?;
        if header.place.seq != seq {
            return Err(bad(seq, format!("the file holds that of seq {}", header.place.seq)));
        }
        let left = header.chain_lines.checked_add(header.image_lines);
        let whole = left.and_then(|left| {
            let chunks = left.div_ceil(CHUNK_LINES as u64);
            left.checked_add(chunks)?.checked_mul(64)?.checked_add(HEADER_BYTES as u64)
        });
        let left = left.filter(|_| whole == Some(bytes));
        let left = left.ok_or_else(|| bad(seq, format!("{bytes} bytes are not its length")))?;
        Ok(SnapshotReader { file, header, chunk: 0, left, offset: HEADER_BYTES as u64 })
    }

    /// What its header says.
    pub fn header(&self) -> &SnapshotHeader {
        &self.header
    }

    /// Reads the next lines, up to a MiB, in the place of those in `lines`. Returns whether there
    /// were any.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn read(&mut self, lines: &mut Vec<Line>) -> Result<bool, JournalError> {
        let count = self.left.min(CHUNK_LINES as u64) as usize;
        if count == 0 {
            lines.clear();
            return Ok(false);
        }
        lines.resize(count + 1, [0; 64]);
        read_all(&self.file, lines.as_flattened_mut(), self.offset)
            .map_err(JournalError::disk("read", "a snapshot"))?;
        let (chunk, seq) = (self.chunk, self.header.place.seq);
        let told = lines.pop().expect("one more was read");
        if told != check(lines, chunk, seq) {
            return Err(bad(seq, format!("the checksum of its part {} is wrong", chunk + 1)));
        }
        self.chunk += 1;
        self.left -= count as u64;
        self.offset += ((count + 1) * 64) as u64;
        Ok(true)
    }

    /// Reads it to its end.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn check_all(mut self) -> Result<(), JournalError> {
        let mut lines = Vec::new();
        while self.read(&mut lines)? {}
        Ok(())
    }
}

/// The lines of a snapshot, one after another, those of the image when [`chains`](Self::chains) has
/// taken what comes before. They end early if the snapshot is damaged, which [`read_snapshot`] then
/// says.
pub struct SnapshotLines {
    header: SnapshotHeader,
    parts: Receiver<Vec<Line>>,
    spare: SyncSender<Vec<Line>>,
    now: Vec<Line>,
    at: usize,
    /// What is wrong with what was taken.
    flaw: Option<&'static str>,
}

impl SnapshotLines {
    /// What the header says.
    pub fn header(&self) -> &SnapshotHeader {
        &self.header
    }

    /// The chain values of the newest batches; to be taken before the image. If they are no chain
    /// that ends where the snapshot was made, [`read_snapshot`] says so.
    pub fn chains(&mut self) -> Vec<ChainAt> {
        let count = self.header.chain_lines;
        let chains: Vec<ChainAt> =
            (0..count).map_while(|_| self.next_line().map(chain_of)).collect();
        let place = &self.header.place;
        let end = ChainAt { seq: place.seq, chain: place.chain };
        let ascends = chains.is_sorted_by(|one, next| one.seq < next.seq);
        let begins = chains.first().is_none_or(|first| first.seq > 0);
        if !ascends || !begins || chains.last().is_some_and(|last| *last != end) {
            self.flaw = Some("its chain values are no chain up to its place");
        }
        chains
    }

    #[cold]
    fn turn(&mut self) -> bool {
        let Ok(next) = self.parts.recv() else { return false };
        // Refused only at the end, when nobody waits for it.
        let _ = self.spare.send(std::mem::replace(&mut self.now, next));
        self.at = 0;
        true
    }
}

impl LineSource for SnapshotLines {
    #[inline]
    fn next_line(&mut self) -> Option<&Line> {
        if self.at == self.now.len() && !self.turn() {
            return None;
        }
        self.at += 1;
        self.now.get(self.at - 1)
    }
}

/// Reads the snapshot of a seq: gives `take` its lines. What it makes of them counts only if all of
/// it was read and the image has the hash that it had.
///
/// # Errors
/// [`JournalError::Snapshot`]: what lies there is not what was written; or the disk.
pub fn read_snapshot<S: Storage, T>(
    storage: &S,
    seq: u64,
    take: impl FnOnce(&mut SnapshotLines) -> T,
) -> Result<(SnapshotHeader, T), JournalError> {
    let reader = SnapshotReader::open(storage, seq)?;
    let header = *reader.header();
    let (to_take, parts) = sync_channel(PARTS);
    let (spare, to_fill) = sync_channel(PARTS);
    thread::scope(|scope| {
        let reading = thread::Builder::new()
            .name("snapshot-read".to_owned())
            .spawn_scoped(scope, move || send(reader, &to_take, &to_fill))
            .map_err(JournalError::disk("start the thread that reads", "a snapshot"))?;
        let mut lines = SnapshotLines { header, parts, spare, now: Vec::new(), at: 0, flaw: None };
        let taken = take(&mut lines);
        // What was not taken is read all the same: it may be damaged.
        while lines.next_line().is_some() {}
        let flaw = lines.flaw;
        drop(lines);
        reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        flaw.map_or(Ok((header, taken)), |what| Err(bad(seq, what)))
    })
}

fn send<S: Storage>(
    mut reader: SnapshotReader<S>,
    parts: &SyncSender<Vec<Line>>,
    spare: &Receiver<Vec<Line>>,
) -> Result<(), JournalError> {
    let header = *reader.header();
    let (mut skipped, mut hasher) = (header.chain_lines, blake3::Hasher::new());
    let mut made = 0;
    loop {
        let mut part = match spare.try_recv() {
            Err(_) if made < PARTS => {
                made += 1;
                Vec::new()
            }
            Err(_) => match spare.recv() {
                Ok(part) => part,
                Err(_) => return Err(JournalError::Stopped),
            },
            Ok(part) => part,
        };
        if !reader.read(&mut part)? {
            break;
        }
        let of_image = part.len() - skipped.min(part.len() as u64) as usize;
        skipped -= (part.len() - of_image) as u64;
        hasher.update(part[part.len() - of_image..].as_flattened());
        parts.send(part).map_err(|_| JournalError::Stopped)?;
    }
    if hasher.finalize().as_bytes() != &header.state_hash {
        return Err(bad(header.place.seq, "its image has another hash than it had"));
    }
    Ok(())
}
