//! Where results are kept: the files of `--out`, `--html`, `--hgrm`, `--hlog` and `--series`.
//!
//! All are opened before a run starts, so that a wrong path costs nothing, and none is emptied
//! before there is something to put into it. Intervals are written while the run goes. A file that
//! fails (a full disk) is given up with a line on stderr, and never stops the run or the others.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use hdrhistogram::Histogram;

use super::document::{Document, Interval};
use super::{hdr, html};
use crate::Failure;
use crate::options::Output;

/// An open file; `None` once it failed.
pub(crate) struct KeptFile {
    path: PathBuf,
    file: Option<File>,
    begun: bool,
    /// Whether it was not there before.
    made: bool,
}

impl KeptFile {
    /// Opens it for writing, and leaves what is in it; exit 73 if it cannot be.
    pub(crate) fn open(path: &Path) -> Result<KeptFile, Failure> {
        let made = !path.exists();
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| {
            Failure::new(Failure::CANNOT_CREATE, format!("{}: {error}", path.display()))
        })?;
        Ok(KeptFile { path: path.to_owned(), file: Some(file), begun: false, made })
    }

    /// Adds to it; what was there before the run goes with the first write.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let Some(file) = &mut self.file else { return };
        let first = !std::mem::replace(&mut self.begun, true);
        let done = match first && is_regular(file) {
            true => file.set_len(0).and_then(|()| file.write_all(bytes)),
            false => file.write_all(bytes),
        };
        self.give_up_on(done);
    }

    /// Makes sure that it is on its disk: some tell only now that they are full.
    /// Returns whether it is complete.
    pub(crate) fn finish(&mut self) -> bool {
        if let Some(file) = self.file.as_ref().filter(|file| is_regular(file)) {
            let done = file.sync_all();
            self.give_up_on(done);
        }
        self.file.is_some()
    }

    fn give_up_on(&mut self, done: io::Result<()>) {
        if let Err(error) = done {
            self.file = None;
            eprintln!("loadgen: {}: {error}; it is not complete", self.path.display());
        }
    }
}

impl Drop for KeptFile {
    /// A run that never came to write leaves no empty file behind.
    fn drop(&mut self) {
        if self.made && !self.begun {
            // If it cannot be removed, an empty file does no harm.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Devices and pipes are neither emptied nor synced.
fn is_regular(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file())
}

/// All files of one run.
pub(crate) struct Files {
    out: Option<KeptFile>,
    html: Option<KeptFile>,
    hgrm: Option<KeptFile>,
    hlog: Option<KeptFile>,
    series: Option<KeptFile>,
}

impl Files {
    /// Opens what is asked for; exit 73 if one cannot be, 2 if two are the same.
    pub(crate) fn open(output: &Output) -> Result<Files, Failure> {
        let paths = [&output.out, &output.html, &output.hgrm, &output.hlog, &output.series];
        let named: Vec<&PathBuf> = paths.into_iter().flatten().collect();
        let twice = named.iter().enumerate().find(|(index, path)| named[..*index].contains(path));
        if let Some((_, path)) = twice {
            let sentence = format!("{}: one file cannot hold two kinds of results", path.display());
            return Err(Failure::new(Failure::USAGE, sentence));
        }
        let open = |path: &Option<PathBuf>| path.as_deref().map(KeptFile::open).transpose();
        Ok(Files {
            out: open(&output.out)?,
            html: open(&output.html)?,
            hgrm: open(&output.hgrm)?,
            hlog: open(&output.hlog)?,
            series: open(&output.series)?,
        })
    }

    /// Writes an interval while the run goes on; `latencies` are those of all purchases answered
    /// in it, from their intended send, in ns.
    pub(crate) fn interval(&mut self, interval: &Interval, latencies: &Histogram<u64>) {
        self.begin_log(interval.at_seconds);
        if let Some(hlog) = &mut self.hlog {
            let start = interval.at_seconds - interval.seconds;
            hlog.write(&hdr::log_line(start, interval.seconds, latencies));
        }
        if let Some(series) = &mut self.series {
            series.write(&json(interval, serde_json::to_vec));
        }
    }

    /// The head of the log, once; the first request left `ago` seconds ago.
    fn begin_log(&mut self, ago: f64) {
        if let Some(hlog) = self.hlog.as_mut().filter(|hlog| !hlog.begun) {
            let ago = Duration::try_from_secs_f64(ago).unwrap_or_default();
            hlog.write(hdr::log_head(SystemTime::now() - ago).as_bytes());
        }
    }

    /// Writes what is known only in the end; `latencies` are those of all purchases of the measured
    /// time, from their intended send, in ns. Returns whether every file is complete.
    pub(crate) fn finish(mut self, document: &Document, latencies: &Histogram<u64>) -> bool {
        // A run too short for an interval leaves a log and a series without any.
        self.begin_log(document.seconds);
        if let Some(series) = &mut self.series {
            series.write(b"");
        }
        if let Some(out) = &mut self.out {
            out.write(&json(document, serde_json::to_vec_pretty));
        }
        if let Some(html) = &mut self.html {
            html.write(html::page(document).as_bytes());
        }
        if let Some(hgrm) = &mut self.hgrm {
            hgrm.write(hdr::percentile_text(latencies).as_bytes());
        }
        let all = [&mut self.out, &mut self.html, &mut self.hgrm, &mut self.hlog, &mut self.series];
        // Every one is finished, also behind one that failed.
        let complete: Vec<bool> = all.into_iter().flatten().map(KeptFile::finish).collect();
        complete.into_iter().all(|complete| complete)
    }
}

/// As JSON, a line feed at the end.
fn json<T>(value: &T, form: impl Fn(&T) -> serde_json::Result<Vec<u8>>) -> Vec<u8> {
    let mut bytes = form(value).expect("plain structs with text keys become JSON");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::tally::histogram;
    use crate::report::sample;

    #[test]
    fn a_run_that_writes_nothing_leaves_what_was_there() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (old, new) = (folder.path().join("old.json"), folder.path().join("new.json"));
        std::fs::write(&old, "kept").expect("written");
        let output =
            Output { out: Some(old.clone()), html: Some(new.clone()), ..Output::default() };
        drop(Files::open(&output).expect("both can be opened"));
        assert_eq!(std::fs::read_to_string(old).expect("still there"), "kept");
        assert!(!new.exists());
    }

    #[test]
    fn intervals_are_in_the_files_while_the_run_goes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (series, hlog) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&series, "an older and much longer series\n".repeat(99)).expect("written");
        let output =
            Output { series: Some(series.clone()), hlog: Some(hlog.clone()), ..Output::default() };
        let mut files = Files::open(&output).expect("both can be opened");
        let run = sample::flash();
        for (index, interval) in run.intervals.iter().enumerate() {
            files.interval(interval, &histogram());
            let text = std::fs::read_to_string(&series).expect("it is there");
            let read: Vec<Interval> = text
                .lines()
                .map(|line| serde_json::from_str(line).expect("an interval a line"))
                .collect();
            assert_eq!(read.len(), index + 1);
            assert_eq!(read[index].at_seconds, interval.at_seconds);
            let log = std::fs::read_to_string(&hlog).expect("it is there");
            assert_eq!(log.lines().filter(|line| line.contains("HISTFAAA")).count(), index + 1);
        }
        assert!(files.finish(&run, &histogram()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_stops_neither_the_run_nor_the_other_files() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let out = folder.path().join("out.json");
        let full = Some(PathBuf::from("/dev/full"));
        let output = Output { out: Some(out.clone()), series: full, ..Output::default() };
        let mut files = Files::open(&output).expect("both can be opened");
        let run = sample::flash();
        run.intervals.iter().for_each(|interval| files.interval(interval, &histogram()));
        assert!(!files.finish(&run, &histogram()));
        let read: Document =
            serde_json::from_slice(&std::fs::read(out).expect("written")).expect("complete");
        assert_eq!(read.orders, run.orders);
    }

    #[test]
    fn one_file_is_for_one_kind_of_results() {
        let path = Some(PathBuf::from("same"));
        let output = Output { out: path.clone(), html: path, ..Output::default() };
        let failure = Files::open(&output).err().expect("refused");
        assert_eq!(failure.exit, Failure::USAGE);
    }
}
