//! `doorbuster log DIR`: the journal for people and scripts, one line a record.

mod records;

use std::io::{BufWriter, Write};
use std::path::Path;

use doorbuster::journal::{self, Disk, JournalError, Place, Reading, is_served};
use doorbuster::message::{Cell, messages};
use doorbuster::record::Known;
use doorbuster::sale::{BadImage, ImagePart, read_image};

pub(super) use records::{describe, sentence};

use super::{
    CANNOT_CREATE, Log, delivered, failed, journal_code, talk, tell_of_beginning, tell_of_server,
};

/// Prints the journal. Returns the exit code.
pub(super) fn run(arguments: &Log) -> i32 {
    if let Err(why) = is_data_folder(&arguments.dir) {
        return failed(CANNOT_CREATE, &why);
    }
    let mut printer = Printer {
        out: BufWriter::new(std::io::stdout().lock()),
        from: arguments.from,
        json: arguments.json,
        known: Known::default(),
        fault: None,
    };
    let disk = Disk::new(arguments.dir.join("journal"));
    let is_served = || is_served(&arguments.dir);
    let begins = || journal::earliest(&disk).ok().flatten().map_or(0, |place| place.seq());
    let before = begins();
    let from = match beginning(&disk, arguments.from.saturating_sub(1), &mut printer.known) {
        Ok(from) => from,
        Err(why) => return failed(journal_code(&why), &why),
    };
    let reading = Reading { from, last_seq: u64::MAX, is_served: &is_served };
    let result = journal::read_while(&disk, &reading, |first, cells| printer.batch(first, cells));
    if let Some(why) = printer.fault.take() {
        return delivered(Err(why));
    }
    let flushed = delivered(printer.out.flush());
    match result {
        Ok(report) => {
            tell_of_server(&report);
            if let Some(torn) = report.torn {
                talk(&format_args!(
                    "the journal has a torn end at segment {}, offset {}: seq {} was not \
                     acknowledged if it was written with durability fsync",
                    torn.segment, torn.offset, torn.seq
                ));
            }
            flushed
        }
        Err(why) => {
            let (seq, first) = (from.map_or(0, |place| place.seq()), begins() + 1);
            // What was being read a server has removed meanwhile: that is no damage.
            let is_gone = first > before + 1;
            let why = if is_gone { JournalError::Removed { seq, first } } else { why };
            failed(journal_code(&why), &why)
        }
    }
}

/// The nearest place before what follows a seq, or the first that is left; what was said before it
/// is made known.
fn beginning(disk: &Disk, seq: u64, known: &mut Known) -> Result<Option<Place>, JournalError> {
    let mut before = seq;
    loop {
        let place = match journal::origin(disk, before) {
            Err(JournalError::Removed { first, .. }) => {
                tell_of_beginning(first - 1);
                journal::earliest(disk)?
            }
            other => other?,
        };
        let Some(place) = place else { return Ok(None) };
        let why = match know(disk, &place, known) {
            Ok(()) => return Ok(Some(place)),
            Err(why @ JournalError::Snapshot { .. }) if place.seq() <= before => why,
            Err(why) => return Err(why),
        };
        talk(&format_args!("{why}; what lies before it is read"));
        before = place.seq() - 1;
    }
}

/// Makes known what was said before a snapshot.
fn know(disk: &Disk, place: &Place, known: &mut Known) -> Result<(), JournalError> {
    let what = |why: BadImage| JournalError::Snapshot { seq: place.seq(), what: why.to_string() };
    let (_, read) = journal::read_snapshot(disk, place.seq(), |lines| {
        drop(lines.chains());
        read_image(lines, |part| {
            if let ImagePart::Sale(sale) = part {
                known.know(sale);
            }
        })
    })?;
    read.map_err(what)
}

/// Checks that there is a journal to look at.
pub(super) fn is_data_folder(dir: &Path) -> Result<(), String> {
    let journal = dir.join("journal");
    if journal.is_dir() { Ok(()) } else { Err(format!("{} is no data folder", dir.display())) }
}

struct Printer<W: Write> {
    out: W,
    from: u64,
    json: bool,
    known: Known,
    /// Why nothing more can be written.
    fault: Option<std::io::Error>,
}

impl<W: Write> Printer<W> {
    fn batch(&mut self, first: u64, cells: &[Cell]) -> Result<(), String> {
        for (seq, record) in (first..).zip(messages(cells)) {
            if record.len() < record[0].head().cells() {
                return Err(format!("seq {seq}: cut short"));
            }
            self.known.note(record)?;
            if seq >= self.from {
                self.record(seq, record)?;
            }
        }
        Ok(())
    }

    fn record(&mut self, seq: u64, record: &[Cell]) -> Result<(), String> {
        let value = describe(&self.known, seq, record);
        let line = if self.json { value.to_string() } else { sentence(&value) };
        writeln!(self.out, "{line}").map_err(|why| {
            let what = why.to_string();
            self.fault = Some(why);
            what
        })
    }
}
