//! What files hold, read back to be compared with the journal: those put aside, oldest first, and
//! then the one that is written.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};

use super::{FileTerms, Format, Mark};
use crate::sale::Seq;
use crate::sink::{Checkpoint, Found, Ledger, Told, Trouble};

/// The lines of all of them.
pub struct FileLedger {
    seq: Seq,
    files: VecDeque<PathBuf>,
    now: Option<(PathBuf, Lines<BufReader<File>>)>,
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
        if let Some(mark) = Mark::read(&checkpoint.mark) {
            let there = fs::metadata(path).map_err(|why| told(&why))?.len();
            if there < mark.bytes {
                return Err(told(&format_args!("{there} bytes, of {} written", mark.bytes)));
            }
        }
        let mut files = put_aside(path).map_err(|why| told(&why))?;
        files.push_back(path.clone());
        Ok(FileLedger { seq: checkpoint.seq, files, now: None })
    }

    fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some((_, lines)) = &mut self.now
                && let Some(line) = lines.next().transpose()?
            {
                return Ok(Some(line));
            }
            let Some(path) = self.files.pop_front() else { return Ok(None) };
            self.now = Some((path.clone(), BufReader::new(File::open(&path)?).lines()));
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
