//! The seam between the journal and the disk: files in one flat folder. The server uses [`Disk`];
//! tests put a disk in its place that loses power, tears writes and fails.
//!
//! It never caches, retries or interprets: an error is handed up as it came. Files are read and
//! written at explicit offsets, so that no handle has a position to keep.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::Arc,
};

/// A folder of files.
pub trait Storage: Send + Sync + 'static {
    /// An open file.
    type File: SegmentFile;

    /// Names of all files, in no order.
    ///
    /// # Errors
    /// What the disk says; likewise below.
    fn names(&self) -> io::Result<Vec<String>>;
    /// Makes a file that must not exist.
    fn create(&self, name: &str) -> io::Result<Self::File>;
    /// Opens for reading and writing.
    fn open(&self, name: &str) -> io::Result<Self::File>;
    /// Opens for reading.
    fn open_read(&self, name: &str) -> io::Result<Self::File>;
    /// Renames; an existing `to` is replaced.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes the names durable.
    fn sync_dir(&self) -> io::Result<()>;
    /// 16 bytes that no other folder has.
    fn fresh_id(&self) -> io::Result<[u8; 16]>;
}

/// An open file.
pub trait SegmentFile: Send + 'static {
    /// Its length.
    ///
    /// # Errors
    /// What the disk says; likewise below.
    fn bytes(&self) -> io::Result<u64>;
    /// Reads; may be short, 0 at the end.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes; may be short.
    fn write_at(&self, from: &[u8], offset: u64) -> io::Result<usize>;
    /// Makes the content durable.
    fn sync(&self) -> io::Result<()>;
    /// Drops what the system keeps of it in memory, so that the next read asks the disk: after a
    /// failed sync the system may hold content that the disk never got.
    fn forget_cache(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes all of `from`. A short write is continued; zero or an error is final.
pub(super) fn write_all(file: &impl SegmentFile, mut from: &[u8], mut at: u64) -> io::Result<()> {
    while !from.is_empty() {
        match file.write_at(from, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                assert!(count <= from.len(), "more written than given");
                from = &from[count..];
                at += count as u64;
            }
            // Nothing was written and nothing went wrong.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until `into` is full; the file must be that long.
pub(super) fn read_all(file: &impl SegmentFile, into: &mut [u8], at: u64) -> io::Result<()> {
    let mut done = 0;
    while done < into.len() {
        match file.read_at(&mut into[done..], at + done as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    assert!(done == into.len(), "more read than asked for");
    Ok(())
}

/// Whether the disk refuses for want of room: worth asking again later.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Whether a descriptor was lacking: nothing is wrong with the disk, and it passes.
pub(super) fn is_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// A folder on a real disk.
#[derive(Clone, Debug)]
pub struct Disk {
    folder: PathBuf,
    /// The folder itself, kept open to be synced: there may be no descriptor left later. `None` if
    /// it could not be opened.
    handle: Option<Arc<File>>,
}

impl Disk {
    /// The folder, which must exist (see [`FolderLock`](super::FolderLock)).
    pub fn new(folder: impl Into<PathBuf>) -> Disk {
        let folder = folder.into();
        let handle = File::open(&folder).ok().map(Arc::new);
        Disk { folder, handle }
    }
}

impl Storage for Disk {
    type File = File;

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            // A name that is no text is none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).open(self.folder.join(name))
    }

    fn open(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(self.folder.join(name))
    }

    fn open_read(&self, name: &str) -> io::Result<File> {
        File::open(self.folder.join(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.folder.join(from), self.folder.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.folder.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        match &self.handle {
            Some(handle) => handle.sync_all(),
            None => File::open(&self.folder)?.sync_all(),
        }
    }

    fn fresh_id(&self) -> io::Result<[u8; 16]> {
        let mut id = [0; 16];
        File::open("/dev/urandom")?.read_exact(&mut id)?;
        Ok(id)
    }
}

impl SegmentFile for File {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, into, offset)
    }

    fn write_at(&self, from: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, from, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn forget_cache(&self) -> io::Result<()> {
        Ok(rustix::fs::fadvise(self, 0, None, rustix::fs::Advice::DontNeed)?)
    }
}
