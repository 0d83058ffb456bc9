//! One server per data folder. The lock is the system's own (`flock`), so it ends with the process
//! however that ends; the file that carries it says nothing and is never removed.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    path::Path,
    thread,
    time::Duration,
};

use super::JournalError;

/// Name of the file that carries the lock.
const LOCK_NAME: &str = "LOCK";
/// Name of the folder with the segments.
const JOURNAL_NAME: &str = "journal";
/// How often the lock is asked for, and how long it waits in between: [`is_served`] holds it for a
/// moment.
const TRIES: u32 = 5;
const TRY_PAUSE: Duration = Duration::from_millis(10);

/// Holds the data folder until it is dropped.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Makes the data folder and its `journal` folder if they are not there, and takes the lock
    /// without waiting.
    ///
    /// # Errors
    /// [`JournalError::Locked`] if another server has it; [`JournalError::CannotCreate`].
    pub fn take(folder: &Path) -> Result<FolderLock, JournalError> {
        let cannot = |path: &Path| {
            let path = path.to_owned();
            move |source| JournalError::CannotCreate { path, source }
        };
        let is_new = !folder.exists();
        fs::create_dir_all(folder).map_err(cannot(folder))?;
        let path = folder.join(LOCK_NAME);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(cannot(&path))?;
        match try_lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::Locked { path: folder.to_owned() });
            }
            Err(TryLockError::Error(source)) => {
                return Err(JournalError::CannotCreate { path, source });
            }
        }
        let journal = folder.join(JOURNAL_NAME);
        fs::create_dir_all(&journal).map_err(cannot(&journal))?;
        // The names must not vanish in a power cut once there are records behind them.
        let sync =
            |path: &Path| File::open(path).and_then(|it| it.sync_all()).map_err(cannot(path));
        sync(folder)?;
        if is_new
            && let Ok(whole) = folder.canonicalize()
            && let Some(parent) = whole.parent()
        {
            sync(parent)?;
        }
        Ok(FolderLock { _file: file })
    }
}

fn try_lock(file: &File) -> Result<(), TryLockError> {
    for _ in 1..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(TRY_PAUSE),
            other => return other,
        }
    }
    file.try_lock()
}

/// Whether a server holds the data folder just now. It makes nothing and waits for nothing; a
/// folder whose lock cannot be looked at is held by nobody, as far as it knows.
pub fn is_served(folder: &Path) -> bool {
    let Ok(file) = File::open(folder.join(LOCK_NAME)) else { return false };
    // Given back when the file is closed.
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_on_the_folder_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let folder = dir.path().join("data");
        let first = FolderLock::take(&folder).expect("nobody else is there");
        let refusal = FolderLock::take(&folder).expect_err("the first still holds it");
        assert!(refusal.to_string().starts_with("another server is using "), "{refusal}");
        assert!(is_served(&folder));
        drop(first);
        assert!(!is_served(&folder));
        assert!(!is_served(dir.path()) && !dir.path().join(LOCK_NAME).exists());
        FolderLock::take(&folder).expect("the first is gone");
        assert!(folder.join("journal").is_dir());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("file");
        fs::write(&file, "in the way").expect("a temporary file");
        let refusal = FolderLock::take(&file.join("data")).expect_err("a file is in the way");
        assert!(matches!(refusal, JournalError::CannotCreate { .. }), "{refusal}");
    }
}
