//! Changes as lines of a file, or on standard output: NDJSON, or CSV with one row for each line of
//! an order.
//!
//! What was written after the last checkpoint is cut off when it begins again, so a file holds each
//! change once, whatever crashed. A file that has grown enough is put aside under the seq up to
//! which it tells, and a new one is begun. Invariant: nothing is cut off a file but what a
//! checkpoint says was put there by this sink.

mod appender;
mod reading;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

pub use reading::FileLedger;

use self::appender::Appender;
use super::{Change, Checkpoint, Sink, Standing, Trouble};
use crate::clock;
use crate::limits::FILE_CHANGES_MAX;
use crate::sale::Seq;

/// How changes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON object a line.
    Ndjson,
    /// Comma-separated, as RFC 4180 says, with a head line.
    Csv,
}

/// What a file sink is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileTerms {
    /// The file; `None` for standard output, which is told again what a crash kept from being
    /// remembered.
    pub path: Option<PathBuf>,
    /// How changes are written.
    pub format: Format,
    /// Bytes above which it is put aside; 0 for never.
    pub rotate_bytes: u64,
}

impl Format {
    fn word(self) -> &'static str {
        match self {
            Format::Ndjson => "ndjson",
            Format::Csv => "csv",
        }
    }
}

/// Bytes that are gathered before they are put where they go: they stay in the nearest cache.
const OUT_BYTES: usize = 64 << 10;

const CSV_HEAD: &str = "seq,time,change,sale,order,buyer,key,channel,item,units,price,currency\r\n";

/// The sink.
pub struct FileSink {
    terms: FileTerms,
    /// `None` before it has begun, and for standard output.
    file: Option<Appender>,
    /// Bytes that were written to it.
    bytes: u64,
    /// The last seq in it.
    seq: Seq,
    /// What is not written yet.
    out: Vec<u8>,
}

impl FileSink {
    /// A sink that has done nothing yet.
    pub fn new(terms: FileTerms) -> FileSink {
        FileSink { terms, file: None, bytes: 0, seq: 0, out: Vec::new() }
    }

    /// Where a file is put aside whose last change has this seq.
    pub fn aside(path: &Path, seq: Seq) -> PathBuf {
        let mut name = path.file_stem().unwrap_or_default().to_owned();
        name.push(format!(".{seq:020}"));
        let mut aside = path.with_file_name(name);
        if let Some(extension) = path.extension() {
            let mut name = aside.file_name().unwrap_or_default().to_owned();
            name.push(".");
            name.push(extension);
            aside.set_file_name(name);
        }
        aside
    }

    /// Opens the file, and sees that it is the one of which the checkpoint speaks.
    fn open(&mut self, path: &Path, checkpoint: &Checkpoint) -> Result<(), Trouble> {
        let stop = |why: &str| Trouble::Stop(format!("{}: {why}", path.display()));
        let again = |why: io::Error| Trouble::Again(format!("{}: {why}", path.display()));
        let is_new = checkpoint.mark.is_empty();
        let mut written = 0;
        let mut is_aside = false;
        if !is_new {
            let mark = Mark::read(&checkpoint.mark).ok_or_else(|| stop("no mark of ours"))?;
            if mark.format != self.terms.format.word() {
                return Err(stop("it was begun in another format; begin anew under another name"));
            }
            let is_it = |path: &Path| fs::metadata(path).is_ok_and(|it| it.ino() == mark.inode);
            is_aside = !is_it(path) && is_it(&FileSink::aside(path, checkpoint.seq));
            if !is_it(path) && !is_aside {
                return Err(stop(
                    "it is not the file that was written: put that back, or begin anew under \
                     another name",
                ));
            }
            written = if is_aside { 0 } else { mark.bytes };
        }
        let mut options = OpenOptions::new();
        options.write(true).create(is_new || is_aside);
        let file = options.open(path).map_err(again)?;
        let there = file.metadata().map_err(again)?;
        if !there.is_file() {
            return Err(stop("it is no plain file"));
        }
        if is_new && there.len() > 0 {
            return Err(stop(
                "it is there already, and nothing in it is known to be ours; move it away",
            ));
        }
        if there.len() < written {
            let why = format!("{} bytes are there, of {written} that were written", there.len());
            return Err(stop(&format!("{why}: somebody has cut it")));
        }
        lock(&file).map_err(|_| stop("another program, or another sink, writes it"))?;
        file.set_len(written).map_err(again)?;
        sync_folder_of(path).map_err(again)?;
        let file = Appender::new(file, path, written);
        (self.file, self.bytes, self.seq) = (Some(file), written, checkpoint.seq);
        Ok(())
    }

    /// Puts the file aside if it has grown enough.
    fn rotate(&mut self, path: &Path) -> Result<(), Trouble> {
        if self.terms.rotate_bytes == 0 || self.bytes < self.terms.rotate_bytes {
            return Ok(());
        }
        let aside = FileSink::aside(path, self.seq);
        if aside.exists() {
            return Err(Trouble::Stop(format!("{}: it is there already", aside.display())));
        }
        let renewed = || {
            fs::rename(path, &aside)?;
            let file = OpenOptions::new().create_new(true).write(true).open(path)?;
            lock(&file)?;
            sync_folder_of(path)?;
            Ok(Appender::new(file, path, 0))
        };
        let again = |why: io::Error| Trouble::Again(format!("{}: {why}", path.display()));
        self.file = Some(renewed().map_err(again)?);
        self.bytes = 0;
        Ok(())
    }

    fn mark(&self) -> io::Result<String> {
        let Some(file) = &self.file else { return Ok("0".to_owned()) };
        let inode = file.file().metadata()?.ino();
        Ok(format!("{} {inode} {}", self.bytes, self.terms.format.word()))
    }

    /// Writes changes for good.
    fn write(&mut self, changes: &[Change]) -> io::Result<()> {
        self.out.clear();
        if self.bytes == 0 && self.terms.format == Format::Csv {
            self.out.extend_from_slice(CSV_HEAD.as_bytes());
        }
        for change in changes {
            match self.terms.format {
                Format::Ndjson => {
                    change.write_json(&mut self.out);
                    self.out.push(b'\n');
                }
                Format::Csv => csv(change, &mut self.out),
            }
            if self.out.len() >= OUT_BYTES {
                self.put()?;
            }
        }
        self.put()?;
        match &mut self.file {
            Some(file) => file.sync(),
            None => io::stdout().lock().flush(),
        }
    }

    fn put(&mut self) -> io::Result<()> {
        match &mut self.file {
            Some(file) => file.append(&self.out)?,
            None => io::stdout().lock().write_all(&self.out)?,
        }
        self.bytes += self.out.len() as u64;
        self.out.clear();
        Ok(())
    }
}

impl Sink for FileSink {
    fn begin(&mut self, checkpoint: &Checkpoint) -> Result<Standing, Trouble> {
        self.file = None;
        if let Some(path) = self.terms.path.clone() {
            self.open(&path, checkpoint)?;
        }
        let mark = self.mark().map_err(|why| Trouble::Again(why.to_string()))?;
        Ok(Standing { seq: checkpoint.seq, mark })
    }

    fn deliver(&mut self, changes: &[Change], seq: Seq) -> Result<String, Trouble> {
        if let Some(path) = self.terms.path.clone() {
            self.rotate(&path)?;
        }
        let again = |why: io::Error, terms: &FileTerms| {
            let path = terms.path.as_deref().unwrap_or(Path::new("standard output"));
            Trouble::Again(format!("{}: {why}", path.display()))
        };
        self.write(changes).map_err(|why| again(why, &self.terms))?;
        self.seq = seq;
        self.mark().map_err(|why| again(why, &self.terms))
    }

    fn changes_max(&self) -> usize {
        FILE_CHANGES_MAX
    }

    /// Only standard output gets here.
    fn repeat(&mut self, changes: &[Change]) -> Result<String, Trouble> {
        self.deliver(changes, self.seq)
    }

    fn can_repeat(&self) -> Result<(), String> {
        match self.terms.path {
            None => Ok(()),
            Some(_) => Err("a file holds each change once; begin another sink, from the seq that \
                            is wanted again"
                .to_owned()),
        }
    }
}

/// What a checkpoint says of a file: its length, its inode, and the format it was begun in.
struct Mark<'a> {
    bytes: u64,
    inode: u64,
    format: &'a str,
}

impl Mark<'_> {
    fn read(mark: &str) -> Option<Mark<'_>> {
        let mut words = mark.split(' ');
        let (bytes, inode) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Mark { bytes, inode, format: words.next()? })
    }
}

/// Keeps others who ask from writing it too; until it is closed.
fn lock(file: &File) -> io::Result<()> {
    Ok(rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?)
}

/// Makes the file's name durable.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// A text that buyers choose, as a cell that no spreadsheet takes for a formula, nor one that
/// splits rows at `;` or tabs.
/// <https://owasp.org/www-community/attacks/CSV_Injection>
fn plain(text: &str) -> String {
    let mut cell = String::with_capacity(text.len() + 1);
    let mut begins = true;
    for char in text.chars() {
        let is_formula = matches!(char, '=' | '+' | '-' | '@' | '\t' | '\r');
        // What is quoted there is taken as it is.
        if begins && (is_formula || char == '"' && !cell.is_empty()) {
            cell.push('\'');
        }
        cell.push(char);
        begins = matches!(char, ';' | '\t' | '\r' | '\n');
    }
    cell
}

/// A row for each line of the order; one without an item where what is in it was told before.
fn csv(change: &Change, out: &mut Vec<u8>) {
    let facts = change.facts.as_ref();
    let lines = facts.map_or(&[][..], |facts| &facts.lines);
    for index in 0..lines.len().max(1) {
        let line = lines.get(index);
        let number = |number: Option<u64>| number.map_or(String::new(), |n| n.to_string());
        let fields = [
            change.seq.to_string(),
            clock::iso(change.time),
            change.kind.word().to_owned(),
            change.sale.to_string(),
            change.order.to_string(),
            facts.map_or(String::new(), |facts| plain(&facts.buyer)),
            facts.map_or(String::new(), |facts| plain(&facts.key)),
            facts
                .and_then(|facts| facts.channel.as_ref())
                .map_or(String::new(), |name| name.to_string()),
            line.map_or(String::new(), |line| line.item.to_string()),
            number(line.map(|line| line.units.into())),
            number(line.map(|line| line.price)),
            change.currency.map_or(String::new(), |currency| currency.to_string()),
        ];
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            if field.contains([',', '"', '\r', '\n']) {
                out.extend_from_slice(format!("\"{}\"", field.replace('"', "\"\"")).as_bytes());
            } else {
                out.extend_from_slice(field.as_bytes());
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}
