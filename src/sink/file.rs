//! Changes as lines of a file, or on standard output: NDJSON, or CSV with one row for each line of
//! an order.
//!
//! What was written after the last checkpoint is cut off when it begins again, so a file holds each
//! change once, whatever crashed. A file that has grown enough is put aside under the seq up to which
//! it tells, and a new one is begun.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::{Change, Checkpoint, Sink, Trouble};
use crate::clock;
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

const CSV_HEAD: &str = "seq,time,change,sale,order,buyer,key,channel,item,units,price,currency\r\n";

/// The sink.
pub struct FileSink {
    terms: FileTerms,
    /// `None` before it has begun, and for standard output.
    file: Option<File>,
    /// Bytes of it.
    bytes: u64,
    /// The last seq in it.
    seq: Seq,
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

    fn open(&mut self, path: &Path, checkpoint: &Checkpoint) -> Result<(), Trouble> {
        let stop = |why: String| Trouble::Stop(format!("{}: {why}", path.display()));
        let written: u64 = match &*checkpoint.mark {
            "" => 0,
            mark => mark.parse().map_err(|_| stop(format!("no length of ours: {mark}")))?,
        };
        // Put aside, and not remembered yet: the file at hand holds nothing that counts.
        let is_aside = checkpoint.seq > 0 && FileSink::aside(path, checkpoint.seq).exists();
        let written = if is_aside { 0 } else { written };
        let again = |why: io::Error| Trouble::Again(format!("{}: {why}", path.display()));
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let mut file = file.map_err(again)?;
        let there = file.metadata().map_err(again)?.len();
        if there < written {
            return Err(stop(format!(
                "{there} bytes are there, of {written} that were written: somebody has cut it"
            )));
        }
        if checkpoint.mark.is_empty() && there > 0 {
            return Err(stop(
                "it is there already, and nothing in it is known to be ours; move it away".into(),
            ));
        }
        file.set_len(written).map_err(again)?;
        sync_folder_of(path).map_err(again)?;
        io::Seek::seek(&mut file, io::SeekFrom::Start(written)).map_err(again)?;
        (self.file, self.bytes, self.seq) = (Some(file), written, checkpoint.seq);
        Ok(())
    }

    /// Puts the file aside if it has grown enough.
    fn rotate(&mut self, path: &Path) -> io::Result<()> {
        if self.terms.rotate_bytes == 0 || self.bytes < self.terms.rotate_bytes {
            return Ok(());
        }
        fs::rename(path, FileSink::aside(path, self.seq))?;
        self.file = Some(OpenOptions::new().create_new(true).write(true).open(path)?);
        self.bytes = 0;
        sync_folder_of(path)
    }

    fn write(&mut self, changes: &[Change]) -> io::Result<()> {
        if let Some(path) = self.terms.path.clone() {
            self.rotate(&path)?;
        }
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
        }
        match &mut self.file {
            Some(file) => {
                file.write_all(&self.out)?;
                file.sync_data()?;
            }
            None => {
                let mut out = io::stdout().lock();
                out.write_all(&self.out)?;
                out.flush()?;
            }
        }
        self.bytes += self.out.len() as u64;
        Ok(())
    }
}

impl Sink for FileSink {
    fn begin(&mut self, checkpoint: &Checkpoint) -> Result<String, Trouble> {
        if let Some(path) = self.terms.path.clone() {
            self.open(&path, checkpoint)?;
        }
        Ok(self.bytes.to_string())
    }

    fn deliver(&mut self, changes: &[Change], seq: Seq) -> Result<String, Trouble> {
        self.write(changes).map_err(|why| {
            let path = self.terms.path.as_deref().unwrap_or(Path::new("standard output"));
            Trouble::Again(format!("{}: {why}", path.display()))
        })?;
        self.seq = seq;
        Ok(self.bytes.to_string())
    }
}

/// Makes the file's name durable.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
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
            facts.map_or(String::new(), |facts| facts.buyer.clone()),
            facts.map_or(String::new(), |facts| facts.key.clone()),
            facts.and_then(|facts| facts.channel).map_or(String::new(), |name| name.to_string()),
            line.map_or(String::new(), |line| line.item.to_string()),
            number(line.map(|line| line.units.into())),
            number(line.map(|line| line.price)),
            change.currency.clone().unwrap_or_default(),
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
