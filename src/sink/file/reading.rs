//! What files hold, read back to be compared with the journal: those put aside, oldest first, and
//! then the one that is written.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Lines, Read as _, Take};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{FileTerms, Format, Mark};
use crate::sale::Seq;
use crate::sink::{Checkpoint, Found, Ledger, Told, Trouble};

/// The lines of all of them, up to where the checkpoint says.
pub struct FileLedger {
    seq: Seq,
    /// Put aside, and still to be read.
    files: VecDeque<PathBuf>,
    /// The one that was written last, held open: it may be put aside meanwhile.
    last: Option<(PathBuf, File)>,
    /// Which file the checkpoint speaks of, and how much of it.
    inode: u64,
    bytes: u64,
    now: Option<(PathBuf, Lines<BufReader<Take<File>>>)>,
}

impl FileLedger {
    /// Looks at what the checkpoint speaks of.
    ///
    /// # Errors
    /// [`Trouble`]: nothing that can be read back, or a file that is missing or was cut.
    pub fn open(terms: &FileTerms, checkpoint: &Checkpoint) -> Result<FileLedger, Trouble> {
        let Some(path) = &terms.path else {
            return Err(Trouble::Stop("standard output cannot be read back".to_owned()));
        };
        if terms.format == Format::Csv {
            return Err(Trouble::Stop("only files in ndjson are read back".to_owned()));
        }
        let told =
            |why: &dyn std::fmt::Display| Trouble::Stop(format!("{}: {why}", path.display()));
        let mut ledger = FileLedger {
            seq: checkpoint.seq,
            files: VecDeque::new(),
            last: None,
            inode: 0,
            bytes: 0,
            now: None,
        };
        let Some(mark) = Mark::read(&checkpoint.mark) else { return Ok(ledger) };
        (ledger.inode, ledger.bytes) = (mark.inode, mark.bytes);
        // First, so that one that is put aside right now is not missed.
        let current = File::open(path).map_err(|why| told(&why))?;
        let inode = current.metadata().map_err(|why| told(&why))?.ino();
        for aside in put_aside(path).map_err(|why| told(&why))? {
            let found = fs::metadata(&aside).map_err(|why| told(&why))?.ino();
            if found == inode {
                break;
            }
            ledger.files.push_back(aside);
            if found == mark.inode {
                // What is behind it was written after the checkpoint.
                return Ok(ledger);
            }
        }
        ledger.last = Some((path.clone(), current));
        Ok(ledger)
    }

    fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some((_, lines)) = &mut self.now
                && let Some(line) = lines.next().transpose()?
            {
                return Ok(Some(line));
            }
            let next = match self.files.pop_front() {
                Some(path) => Some((path.clone(), File::open(path)?)),
                None => self.last.take(),
            };
            let Some((path, file)) = next else { return Ok(None) };
            let there = file.metadata()?;
            // Behind it may be what is being written.
            let bytes = if there.ino() == self.inode { self.bytes } else { there.len() };
            if there.len() < bytes {
                let why = format!("{} bytes, of {bytes} written", there.len());
                self.now = Some((path, BufReader::new(file.take(0)).lines()));
                return Err(io::Error::other(why));
            }
            self.now = Some((path, BufReader::new(file.take(bytes)).lines()));
        }
    }
}

impl Ledger for FileLedger {
    fn seq(&self) -> Seq {
        self.seq
    }

    fn next(&mut self) -> Result<Option<Found>, Trouble> {
        let line = self.line();
        let path = self.now.as_ref().map_or(Path::new("").display(), |(path, _)| path.display());
        let line = line.map_err(|why| Trouble::Stop(format!("{path}: {why}")))?;
        let Some(line) = line else { return Ok(None) };
        let told: Told<'static> = serde_json::from_str(&line)
            .map_err(|why| Trouble::Stop(format!("{path}: {why}: `{line}`")))?;
        Ok(Some(Found { told, has_facts: true, fault: None }))
    }
}

/// The files put aside under this path, in the order of what they tell.
fn put_aside(path: &Path) -> io::Result<VecDeque<PathBuf>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder.unwrap_or(Path::new(".")))? {
        let other = entry?.path();
        // Its name holds the seq: what is put aside under that is it.
        let digits = other.file_stem().and_then(|stem| stem.to_str()?.rsplit_once('.'));
        let digits = digits.or(other.file_name().and_then(|name| name.to_str()?.rsplit_once('.')));
        let Some(seq) = digits.and_then(|(_, digits)| digits.parse().ok()) else { continue };
        if super::FileSink::aside(path, seq).file_name() == other.file_name() {
            found.push(other);
        }
    }
    found.sort();
    Ok(found.into())
}
