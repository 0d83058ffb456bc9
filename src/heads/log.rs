//! The file of heads: one line of JSON a head, appended and synced, oldest first.
//!
//! A crash can leave the last line unfinished; it was shown to nobody and is cut at the next start.
//! What was written before is never touched. Invariant: bytes that are shown are synced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::head::{BadHead, Head};
use crate::limits::HEAD_LINE_BYTES_MAX;

/// Less than this is read from its beginning to its end.
const STRETCH_BYTES: u64 = 64 * 1024;

/// Why a head was not appended.
pub(super) enum Trouble {
    /// It is not there, and may be tried again.
    Write(io::Error),
    /// Nobody knows what is there.
    Broken(io::Error),
}

/// The file, to be written on.
pub(super) struct Log {
    file: File,
    bytes: u64,
}

impl Log {
    /// Opens the file, or makes it with its folder, and cuts an unfinished line. Returns the last
    /// so many lines too.
    ///
    /// # Errors
    /// A sentence with the file and what is wrong.
    pub(super) fn open(path: &Path, lines: usize) -> Result<(Log, Vec<String>), String> {
        Log::try_open(path, lines).map_err(|why| format!("{}: {why}", path.display()))
    }

    fn try_open(path: &Path, lines: usize) -> io::Result<(Log, Vec<String>)> {
        let is_new = !path.exists();
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
        if is_new {
            File::open(folder)?.sync_all()?;
            if let Some(parent) = folder.parent() {
                File::open(parent)?.sync_all()?;
            }
        }
        let there = file.metadata()?.len();
        let wanted = ((lines + 2) * HEAD_LINE_BYTES_MAX) as u64;
        let from = there.saturating_sub(wanted);
        let mut end = vec![0; (there - from) as usize];
        file.read_exact_at(&mut end, from)?;
        let whole = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if whole == 0 && from > 0 {
            return Err(io::Error::other("its end is no line of heads"));
        }
        let bytes = from + whole as u64;
        if bytes < there {
            file.set_len(bytes)?;
            file.sync_all()?;
        }
        let text = String::from_utf8_lossy(&end[..whole]);
        // What was read may begin within a line.
        let skipped = usize::from(from > 0);
        let all: Vec<&str> = text.lines().skip(skipped).collect();
        let newest = all[all.len().saturating_sub(lines)..].iter().map(|line| (*line).to_owned());
        Ok((Log { file, bytes }, newest.collect()))
    }

    /// Bytes of it that are whole and synced.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends a line and syncs it.
    pub(super) fn append(&mut self, line: &str) -> Result<(), Trouble> {
        assert!(line.len() < HEAD_LINE_BYTES_MAX && !line.contains('\n'));
        let text = format!("{line}\n");
        if let Err(why) = self.file.write_all_at(text.as_bytes(), self.bytes) {
            // What came of it goes again, or the next line would follow half a line.
            return Err(match self.file.set_len(self.bytes) {
                Ok(()) => Trouble::Write(why),
                Err(why) => Trouble::Broken(why),
            });
        }
        self.file.sync_data().map_err(Trouble::Broken)?;
        self.bytes += text.len() as u64;
        Ok(())
    }
}

/// The seq in a line of the log.
pub(super) fn seq_of(line: &str) -> Option<u64> {
    let (_, behind) = line.split_once("\"seq\":")?;
    behind.split(',').next()?.parse().ok()
}

/// The first so many lines whose seq is not below `seq`, in the first `bytes` of the file.
pub(super) fn from(path: &Path, bytes: u64, seq: u64, lines: usize) -> io::Result<Vec<String>> {
    if bytes == 0 {
        return Ok(Vec::new());
    }
    let mut file = File::open(path)?;
    // A line begins at `low`, and the first that is wanted does not begin before it.
    let (mut low, mut high) = (0, bytes);
    while high - low > STRETCH_BYTES {
        let middle = low + (high - low) / 2;
        let mut part = [0; 2 * HEAD_LINE_BYTES_MAX];
        file.read_exact_at(&mut part, middle)?;
        let text = String::from_utf8_lossy(&part);
        let whole = text.split_once('\n').and_then(|(cut, behind)| {
            let line = behind.split_once('\n')?.0;
            Some((middle + cut.len() as u64 + 1, seq_of(line)?))
        });
        match whole {
            Some((at, found)) if found < seq => low = at,
            Some(_) => high = middle,
            None => break,
        }
    }
    file.seek(SeekFrom::Start(low))?;
    let mut found = Vec::new();
    for line in BufReader::new(file.take(bytes - low)).lines() {
        let line = line?;
        if seq_of(&line).is_none_or(|its| its >= seq) {
            found.push(line);
        }
        if found.len() == lines {
            break;
        }
    }
    Ok(found)
}

/// The heads of a log one after another, for those who check them.
pub struct LoggedHeads {
    /// `None` where there is no file.
    lines: Option<BufReader<io::Take<File>>>,
    line: u64,
}

/// Opens a log as it is now: what is appended later is not read, nor an unfinished last line.
///
/// # Errors
/// As the disk says.
pub fn read_log(path: &Path) -> io::Result<LoggedHeads> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            return Ok(LoggedHeads { lines: None, line: 0 });
        }
        Err(why) => return Err(why),
    };
    let bytes = file.metadata()?.len();
    Ok(LoggedHeads { lines: Some(BufReader::new(file.take(bytes))), line: 0 })
}

impl Iterator for LoggedHeads {
    /// The number of the line, from 1, and what it says.
    type Item = (u64, Result<Head, BadHead>);

    fn next(&mut self) -> Option<Self::Item> {
        let lines = self.lines.as_mut()?;
        let mut line = Vec::new();
        let read = lines.take(HEAD_LINE_BYTES_MAX as u64).read_until(b'\n', &mut line);
        self.line += 1;
        let bad = |why: String| Some((self.line, Err(BadHead::Form(why))));
        match read {
            Err(why) => {
                self.lines = None;
                return bad(why.to_string());
            }
            Ok(HEAD_LINE_BYTES_MAX) if line.last() != Some(&b'\n') => {
                self.lines = None;
                return bad(format!("the line is longer than {HEAD_LINE_BYTES_MAX} bytes"));
            }
            Ok(_) => {}
        }
        // Without its end it was never shown to anybody.
        line.pop_if(|byte| *byte == b'\n')?;
        match std::str::from_utf8(&line) {
            Ok(text) => Some((self.line, Head::read(text))),
            Err(_) => bad("the line is no text".to_owned()),
        }
    }
}
