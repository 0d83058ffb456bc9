//! Appends to a file. Where there is much, whole pieces go to the disk past the page cache, on a
//! thread of their own: the next one is made meanwhile, and the system copies none. Who reads along
//! sees the file grow at its end only. After an error it is not used again, for what is in the file
//! then is not known.
//!
//! Invariant: a block of the disk is written in one of the two ways only. Pieces begin and end on
//! blocks, and one of which a part is in the file already is completed through the cache.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use bytemuck::{Pod, Zeroable};

/// What the disk writes at once at the least: a direct write begins and ends on one, in the file
/// and in memory.
const BLOCK_BYTES: usize = 4096;
/// Blocks of a piece: enough that a disk is not asked too often.
const PIECE_BLOCKS: usize = 256;
const PIECE_BYTES: usize = PIECE_BLOCKS * BLOCK_BYTES;
/// Pieces with the thread at most, beside the one that is being filled.
const PIECES: usize = 3;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(4096))]
struct Block([u8; BLOCK_BYTES]);

const _: () = assert!(size_of::<Block>() == BLOCK_BYTES);

/// A whole piece, and where it begins in the file.
struct Piece {
    blocks: Box<[Block]>,
    offset: u64,
}

impl Piece {
    fn new() -> Piece {
        Piece { blocks: bytemuck::zeroed_slice_box(PIECE_BLOCKS), offset: 0 }
    }

    fn bytes(&self) -> &[u8] {
        bytemuck::must_cast_slice(&self.blocks)
    }
}

/// See the page's header.
pub(super) struct Appender {
    file: Arc<File>,
    /// Bytes that were appended.
    bytes: u64,
    /// Is filled up to `bytes`.
    piece: Piece,
    /// Bytes of it that are in the file.
    written: usize,
    writer: Writer,
}

/// The thread that writes whole pieces; there is none before there is one to write.
struct Writer {
    /// The file once more, for writes past the page cache; `None` where that is not to be had, and
    /// when the thread has it.
    direct: Option<File>,
    begun: Option<Begun>,
    /// Pieces it has.
    under_way: usize,
}

struct Begun {
    pieces: SyncSender<Piece>,
    written: Receiver<(Piece, io::Result<()>)>,
    thread: JoinHandle<()>,
}

impl Appender {
    /// Appends to a file that holds so many bytes, and lies there.
    pub(super) fn new(file: File, path: &Path, bytes: u64) -> Appender {
        let direct = direct(&file, path);
        let inside = (bytes % BLOCK_BYTES as u64) as usize;
        let piece = Piece { offset: bytes - inside as u64, ..Piece::new() };
        let writer = Writer { direct, begun: None, under_way: 0 };
        Appender { file: Arc::new(file), bytes, piece, written: inside, writer }
    }

    /// The file.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Appends; what it says may be in the file at once or only when it is synced.
    ///
    /// # Errors
    /// The disk: how much was written then is not known.
    pub(super) fn append(&mut self, mut from: &[u8]) -> io::Result<()> {
        while !from.is_empty() {
            let filled = (self.bytes - self.piece.offset) as usize;
            let count = from.len().min(PIECE_BYTES - filled);
            let (now, later) = from.split_at(count);
            let bytes: &mut [u8] = bytemuck::must_cast_slice_mut(&mut self.piece.blocks);
            bytes[filled..filled + count].copy_from_slice(now);
            self.bytes += count as u64;
            from = later;
            if filled + count == PIECE_BYTES {
                self.turn()?;
            }
        }
        Ok(())
    }

    /// Makes what was appended durable.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub(super) fn sync(&mut self) -> io::Result<()> {
        // In this order, so that who reads along meets no hole.
        while self.writer.under_way > 0 {
            self.writer.take_back()?;
        }
        self.complete()?;
        self.file.sync_data()
    }

    /// Begins the next piece.
    fn turn(&mut self) -> io::Result<()> {
        if self.written > 0 {
            self.complete()?;
        } else {
            let next = match self.writer.under_way {
                0..PIECES => Piece::new(),
                _ => self.writer.take_back()?,
            };
            let whole = std::mem::replace(&mut self.piece, next);
            self.writer.give(whole, &self.file)?;
        }
        (self.piece.offset, self.written) = (self.bytes, 0);
        Ok(())
    }

    /// Writes the rest of what the piece was filled with.
    fn complete(&mut self) -> io::Result<()> {
        let filled = (self.bytes - self.piece.offset) as usize;
        let rest = &self.piece.bytes()[self.written..filled];
        self.file.write_all_at(rest, self.piece.offset + self.written as u64)?;
        self.written = filled;
        Ok(())
    }
}

impl Writer {
    /// Gives it a whole piece to write.
    fn give(&mut self, piece: Piece, file: &Arc<File>) -> io::Result<()> {
        let begun = match &self.begun {
            Some(begun) => begun,
            None => self.begun.insert(Begun::begin(Arc::clone(file), self.direct.take())?),
        };
        self.under_way += 1;
        begun.pieces.send(piece).map_err(|_| ended())
    }

    /// Waits until it has written the oldest piece that it was given.
    fn take_back(&mut self) -> io::Result<Piece> {
        let begun = self.begun.as_ref().expect("it was given something");
        let (piece, written) = begun.written.recv().map_err(|_| ended())?;
        self.under_way -= 1;
        written.map(|()| piece)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(Begun { pieces, written, thread }) = self.begun.take() {
            drop((pieces, written));
            let _ = thread.join();
        }
    }
}

impl Begun {
    fn begin(file: Arc<File>, mut direct: Option<File>) -> io::Result<Begun> {
        let (pieces, to_write) = sync_channel::<Piece>(PIECES);
        let (done, written) = sync_channel(PIECES);
        let write = move || {
            for piece in to_write {
                let result = write(&file, &mut direct, &piece);
                if done.send((piece, result)).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("sink-write".to_owned()).spawn(write)?;
        Ok(Begun { pieces, written, thread })
    }
}

fn ended() -> io::Error {
    io::Error::other("the thread that writes has ended")
}

fn write(file: &File, direct: &mut Option<File>, piece: &Piece) -> io::Result<()> {
    if let Some(past_cache) = direct {
        match past_cache.write_all_at(piece.bytes(), piece.offset) {
            // It was promised when it was opened; some systems say so only now.
            Err(why) if why.kind() == io::ErrorKind::InvalidInput => *direct = None,
            result => return result,
        }
    }
    file.write_all_at(piece.bytes(), piece.offset)
}

/// The same file, for writes past the page cache, where the system and the disk have them.
#[cfg(target_os = "linux")]
fn direct(file: &File, path: &Path) -> Option<File> {
    let flags = rustix::fs::OFlags::DIRECT.bits() as i32;
    let direct = OpenOptions::new().write(true).custom_flags(flags).open(path).ok()?;
    let id = |file: &File| file.metadata().map(|it| (it.dev(), it.ino())).ok();
    (id(&direct)? == id(file)?).then_some(direct)
}

#[cfg(not(target_os = "linux"))]
fn direct(_file: &File, _path: &Path) -> Option<File> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appends runs of chance lengths, with now and then a sync, and now and then begins anew.
    fn append_by_chance(path: &Path, named: &Path) {
        let mut expected = Vec::new();
        let open = || OpenOptions::new().write(true).open(path).expect("it is there");
        let mut appender = Appender::new(open(), named, 0);
        let mut chance = 1_u32;
        for round in 0..200_u32 {
            // Numerical Recipes' generator: its high bits are good enough here.
            chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let most = [3, BLOCK_BYTES, PIECE_BYTES / 3, 3 * PIECE_BYTES][chance as usize >> 30];
            let run = (chance >> 8) as usize % most;
            // No two pieces are alike.
            let run: Vec<u8> = (0..run).map(|at| (at % 251) as u8 ^ round as u8).collect();
            appender.append(&run).expect("appended");
            expected.extend_from_slice(&run);
            if round % 3 == 0 {
                appender.sync().expect("synced");
                assert!(std::fs::read(path).expect("read") == expected, "round {round}");
            }
            if round % 15 == 0 {
                appender = Appender::new(open(), named, expected.len() as u64);
            }
        }
        appender.sync().expect("synced");
        assert!(std::fs::read(path).expect("read") == expected);
    }

    #[test]
    fn what_is_appended_is_in_the_file_in_one_way_or_the_other() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("orders");
        File::create(&path).expect("created");
        append_by_chance(&path, &path);
        // A name that leads elsewhere by now: nothing goes past the cache.
        File::create(&path).expect("emptied");
        append_by_chance(&path, &folder.path().join("none"));
    }

    #[test]
    fn a_piece_that_cannot_be_written_is_told_of_before_anything_counts_as_synced() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("orders");
        std::fs::write(&path, "ours").expect("written");
        let only_read = File::open(&path).expect("it is there");
        let mut appender = Appender::new(only_read, &folder.path().join("none"), 0);
        let appended = appender.append(&vec![0; 6 * PIECE_BYTES]);
        assert!(appended.and_then(|()| appender.sync()).is_err());
        assert_eq!(std::fs::read(&path).expect("read"), b"ours");
    }
}
