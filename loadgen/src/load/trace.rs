//! Real input: a file of what was bought when, by whom, played again.
//!
//! CSV with the header `time,buyer,item,units` (any order; `units` may be missing and is 1 then),
//! or NDJSON with the same names. `time` is in seconds or RFC 3339; the first line's time is the
//! start. All of it is read and checked before the first request: a line that makes no sense ends
//! the program with file, line and reason, not a run half done.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader, Seek},
    path::Path,
};

use doorbuster::limits::GROUPS_MAX;
use doorbuster::sale::{Ident, Name};
use jiff::Timestamp;
use serde::Deserialize;

use super::content::{Buyer, Purchase};
use crate::Failure;

/// Lines at most: 20 bytes each in memory.
const LINES_MAX: usize = 50_000_000;
/// Its length at most, in seconds.
const LENGTH_MAX: f64 = 86_400.0;
/// Items at most: their names are asked for one by one.
const ITEMS_MAX: usize = 10_000;

/// A purchase of the file.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// ns since the first line's time.
    due: u64,
    buyer: u32,
    item: u16,
    units: u32,
}

/// A file, read and checked.
#[derive(Debug)]
pub(crate) struct Trace {
    rows: Vec<Row>,
    buyers: Vec<String>,
    /// Names, most wanted first come first.
    pub(crate) items: Vec<String>,
}

/// A line as it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    time: Time,
    buyer: Text,
    item: Text,
    units: Option<u32>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Time {
    Seconds(f64),
    Text(String),
}

/// CSV does not tell numbers from text, and buyers are often numbers in JSON, too.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Number(u64),
    Text(String),
}

impl Text {
    fn into_string(self) -> String {
        match self {
            Text::Number(number) => number.to_string(),
            Text::Text(text) => text,
        }
    }
}

impl Trace {
    /// Reads a file; `speed` 2 plays it twice as fast.
    ///
    /// # Errors
    /// Exit 2 with file, line and reason.
    pub(crate) fn read(path: &Path, speed: f64) -> Result<Trace, Failure> {
        let bad = |why: String| Failure::new(Failure::USAGE, format!("{}: {why}", path.display()));
        let mut file = BufReader::new(File::open(path).map_err(|error| bad(error.to_string()))?);
        let first = file.fill_buf().map_err(|error| bad(error.to_string()))?;
        let json = first.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        let mut builder = Builder::default();
        if json {
            for (number, line) in (1..).zip(file.lines()) {
                let line = line.map_err(|error| bad(format!("line {number}: {error}")))?;
                if line.trim().is_empty() {
                    continue;
                }
                let parsed = serde_json::from_str(&line).map_err(|error| error.to_string());
                parsed
                    .and_then(|line| builder.add(line))
                    .map_err(|why| bad(format!("line {number}: {why}")))?;
            }
        } else {
            file.rewind().map_err(|error| bad(error.to_string()))?;
            let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
            let header = reader.headers().map_err(|error| bad(error.to_string()))?.clone();
            for record in reader.records() {
                let record = record.map_err(|error| bad(error.to_string()))?;
                let number = record.position().map_or(0, csv::Position::line);
                let parsed =
                    record.deserialize(Some(&header)).map_err(|error| match error.kind() {
                        csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
                        _ => error.to_string(),
                    });
                parsed
                    .and_then(|line| builder.add(line))
                    .map_err(|why| bad(format!("line {number}: {why}")))?;
            }
        }
        builder.finish(speed).map_err(bad)
    }

    /// When purchase `number` is due; `None` past the last.
    pub(crate) fn due(&self, number: u64) -> Option<u64> {
        self.rows.get(usize::try_from(number).ok()?).map(|row| row.due)
    }

    pub(crate) fn purchase(&self, number: u64) -> Purchase<'_> {
        let row = &self.rows[number as usize];
        Purchase {
            number,
            buyer: Buyer::Named(&self.buyers[row.buyer as usize]),
            item: row.item.into(),
            units: row.units,
            lines: 0,
            items: self.items.len(),
            wait: false,
            members: [0; GROUPS_MAX],
            repeat: false,
        }
    }

    pub(crate) fn count_before(&self, time: u64) -> usize {
        self.rows.partition_point(|row| row.due < time)
    }

    /// Just behind the last purchase, ns since the start.
    pub(crate) fn end(&self) -> u64 {
        self.rows.last().map_or(0, |row| row.due + 1)
    }
}

#[derive(Default)]
struct Builder {
    /// Seconds and row.
    rows: Vec<(f64, Row)>,
    buyers: Names,
    items: Names,
}

#[derive(Default)]
struct Names {
    numbers: HashMap<String, u32>,
    names: Vec<String>,
}

impl Names {
    fn number(&mut self, name: String) -> u32 {
        if let Some(number) = self.numbers.get(&name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).expect("no more than lines");
        self.names.push(name.clone());
        self.numbers.insert(name, number);
        number
    }
}

impl Builder {
    fn add(&mut self, line: Line) -> Result<(), String> {
        if self.rows.len() >= LINES_MAX {
            return Err(format!("{LINES_MAX} lines at most"));
        }
        let seconds = match line.time {
            Time::Seconds(seconds) => seconds,
            Time::Text(text) => {
                let time: Timestamp = text
                    .parse()
                    .map_err(|_| format!("time '{text}': seconds or RFC 3339 are allowed"))?;
                time.as_nanosecond() as f64 / 1e9
            }
        };
        if !(seconds.is_finite() && seconds >= 0.0) {
            return Err(format!("time {seconds}: 0 or later"));
        }
        let (buyer, item) = (line.buyer.into_string(), line.item.into_string());
        Ident::parse(buyer.as_bytes()).map_err(|why| format!("buyer '{buyer}': {why}"))?;
        Name::parse(item.as_bytes()).map_err(|why| format!("item '{item}': {why}"))?;
        let units = line.units.unwrap_or(1);
        if !(1..=doorbuster::limits::UNITS_MAX).contains(&units) {
            return Err(format!("units {units}: 1 to {}", doorbuster::limits::UNITS_MAX));
        }
        let (buyer, item) = (self.buyers.number(buyer), self.items.number(item));
        if self.items.names.len() > ITEMS_MAX {
            return Err(format!("{ITEMS_MAX} items at most"));
        }
        let item = u16::try_from(item).expect("fewer items than that");
        self.rows.push((seconds, Row { due: 0, buyer, item, units }));
        Ok(())
    }

    fn finish(mut self, speed: f64) -> Result<Trace, String> {
        // Logs of several machines are rarely in order; equal times keep theirs.
        self.rows.sort_by(|(left, _), (right, _)| left.total_cmp(right));
        let Some((start, _)) = self.rows.first().copied() else {
            return Err("no purchase in it".to_owned());
        };
        let last = self.rows.last().map_or(start, |(last, _)| *last);
        if (last - start) / speed > LENGTH_MAX {
            let length = (last - start) / speed;
            return Err(format!("its last line is {length:e} s after the first: a day at most"));
        }
        let row = |(seconds, row): (f64, Row)| Row {
            due: ((seconds - start) / speed * 1e9) as u64,
            ..row
        };
        let rows = self.rows.into_iter().map(row).collect();
        Ok(Trace { rows, buyers: self.buyers.names, items: self.items.names })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(text: &str) -> Result<Trace, String> {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("it takes some bytes");
        Trace::read(file.path(), 2.0).map_err(|failure| {
            assert_eq!(failure.exit, Failure::USAGE);
            failure.sentence.split_once(": ").expect("a file's name").1.to_owned()
        })
    }

    #[test]
    fn both_forms_say_the_same() {
        let csv = "time,buyer,item,units\n10.5,ann,tee,2\n10,bob,mug,1\n12.5,7,tee,1\n";
        let json = r#"
            {"time": "1970-01-01T00:00:10.5Z", "buyer": "ann", "item": "tee", "units": 2}
            {"time": 10, "buyer": "bob", "item": "mug"}

            {"time": 12.5, "buyer": 7, "item": "tee"}"#;
        for text in [csv, json] {
            let trace = read(text).expect("it makes sense");
            assert_eq!((trace.rows.len(), trace.end()), (3, 1_250_000_001));
            assert_eq!(trace.items, ["tee", "mug"]);
            assert_eq!(
                (0..4).map(|n| trace.due(n)).collect::<Vec<_>>(),
                [Some(0), Some(250_000_000), Some(1_250_000_000), None]
            );
            let second = trace.purchase(1);
            assert_eq!((second.buyer, second.item, second.units), (Buyer::Named("ann"), 0, 2));
            assert_eq!(trace.purchase(2).buyer, Buyer::Named("7"));
            assert_eq!(trace.count_before(250_000_001), 2);
        }
    }

    #[test]
    fn what_makes_no_sense_is_told_with_its_line() {
        for (text, wanted) in [
            ("time,buyer,item\n1,ann,tee\nsoon,bob,tee\n", "line 3: time 'soon'"),
            ("time,buyer,item\n1,a b,tee\n", "line 2: buyer 'a b'"),
            ("time,buyer,item\n1,ann,tee,9\n", "line: 2"),
            ("time,buyer\n1,ann\n", "line 2: missing field `item`"),
            ("time,buyer,item,units\n1,ann,tee,0\n", "line 2: units 0"),
            ("time,buyer,item,units\n-1,ann,tee,1\n", "line 2: time -1"),
            ("{\"time\":1,\"buyer\":\"ann\",\"item\":\"tee\"}\n{\"time\":2}\n", "line 2: missing"),
            ("{\"time\":1,\"buyer\":\"ann\",\"item\":\"tee\",\"x\":1}\n", "line 1: unknown field"),
            ("time,buyer,item\n\n\n1,ann,tee\nx,bob,tee\n", "line 5: time 'x'"),
            ("time,buyer,item\n1,ann,tee\n1e300,bob,tee\n", "a day at most"),
            ("time,buyer,item\n", "no purchase in it"),
            ("", "no purchase in it"),
        ] {
            let why = read(text).expect_err(text);
            assert!(why.contains(wanted), "{why}");
        }
    }
}
