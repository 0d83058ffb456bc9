//! Where inputs lie: the corpus that runs begin with, and what was found.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The inputs in a folder, with their paths, in the order of their names; none if it is not there.
///
/// # Panics
/// If they cannot be read.
pub fn inputs(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("listed").path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        (path, bytes)
    };
    paths.into_iter().map(read).collect()
}

/// The committed inputs of a target.
pub fn corpus(target: &str) -> PathBuf {
    home().join("corpus").join(target)
}

/// Where findings are put: the committed ones are read again by a test.
pub fn found() -> PathBuf {
    home().join("found")
}

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Puts an input into a folder, under a name that hangs on its content. Returns its path.
///
/// # Panics
/// If it cannot be written.
pub fn put(folder: &Path, target: &str, input: &[u8]) -> PathBuf {
    fs::create_dir_all(folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let hash = blake3::hash(input).to_hex();
    let path = folder.join(format!("{target}-{}.input", &hash[..12]));
    fs::write(&path, input).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    path
}

/// A temporary folder, in memory where there is one: some readers want a file for each input.
///
/// # Errors
/// The disk.
pub fn scratch() -> io::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
}

/// The target that a finding's name tells.
pub fn target_of(path: &Path) -> Option<&str> {
    path.file_stem()?.to_str()?.rsplit_once('-').map(|(target, _)| target)
}
