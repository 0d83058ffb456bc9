//! The sinks that a server is told of: a table each, read as words first and understood when all
//! options are there, so that a refusal can name the sink, the key and what is allowed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::de::DeValue;

use super::Options;
use super::value::{Value, meant};
use crate::limits::SINKS_MAX;
use crate::sale::Name;
use crate::sink::{FileTerms, Format, Kind, Wanted};

/// A sink as it was said: keys, and one or more words for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkTable(BTreeMap<String, Vec<String>>);

/// A sink as it was meant.
#[derive(Clone, Debug)]
pub struct SinkOptions {
    /// What it is called: its checkpoint and its figures have this name.
    pub name: String,
    /// Which changes it wants.
    pub wanted: Wanted,
    /// The file.
    pub file: FileTerms,
}

const NAME_BYTES_MAX: usize = 32;
const ROTATE_MIB_MAX: u64 = 1 << 20;
const KEYS: [&str; 7] = ["name", "type", "path", "format", "rotate_mib", "changes", "sales"];
/// What is told if nothing else is said: what was sold, and what of that was given back.
const CHANGES_USUAL: [&str; 2] = ["confirmed", "cancelled"];

impl Value for SinkTable {
    const NAME: &'static str = "SINK";

    fn form() -> String {
        "a sink, as { name = \"orders\", type = \"file\", path = \"orders.ndjson\" } or \
         \"name=orders type=file path=orders.ndjson\""
            .to_owned()
    }

    fn from_word(word: &str) -> Option<SinkTable> {
        let mut table = BTreeMap::<String, Vec<String>>::new();
        for pair in word.split_ascii_whitespace() {
            let (key, value) = pair.split_once('=')?;
            table.entry(key.to_owned()).or_default().push(value.to_owned());
        }
        (!table.is_empty()).then_some(SinkTable(table))
    }

    fn from_toml(value: &DeValue<'_>) -> Option<SinkTable> {
        let word = |value: &DeValue<'_>| match value {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Integer(number) => Some(number.to_string()),
            _ => None,
        };
        let mut table = BTreeMap::new();
        for (key, value) in value.as_table()? {
            let words: Option<Vec<String>> = match value.get_ref() {
                DeValue::Array(list) => list.iter().map(|one| word(one.get_ref())).collect(),
                one => word(one).map(|word| vec![word]),
            };
            table.insert(key.get_ref().to_string(), words?);
        }
        Some(SinkTable(table))
    }

    fn to_toml(&self) -> Option<String> {
        let quoted = |word: &String| toml::Value::String(word.clone()).to_string();
        let pairs = self.0.iter().map(|(key, words)| {
            let words: Vec<String> = words.iter().map(quoted).collect();
            match &words[..] {
                [word] => format!("{key} = {word}"),
                words => format!("{key} = [{}]", words.join(", ")),
            }
        });
        Some(format!("{{ {} }}", pairs.collect::<Vec<String>>().join(", ")))
    }
}

impl SinkTable {
    /// What it is called in a refusal.
    fn shown(&self) -> String {
        self.0.get("name").and_then(|words| words.first()).cloned().unwrap_or("?".to_owned())
    }

    /// The one word of a key.
    fn one(&self, key: &str) -> Result<Option<&str>, String> {
        match self.0.get(key).map(Vec::as_slice) {
            None => Ok(None),
            Some([word]) => Ok(Some(word)),
            Some(_) => Err(format!("{key}: one is wanted")),
        }
    }

    fn many(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    fn understood(&self) -> Result<SinkOptions, String> {
        if let Some(key) = self.0.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let keys = KEYS.join("`, `");
            return Err(format!("there is no key `{key}`; there are `{keys}`{}", meant(key, KEYS)));
        }
        let name = self.one("name")?.ok_or("name: it wants one")?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if !(1..=NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(is_plain) {
            return Err(format!("name: it must be 1 to {NAME_BYTES_MAX} of A-Z a-z 0-9 _ -"));
        }
        match self.one("type")? {
            Some("file") => {}
            Some(other) => return Err(format!("type: `{other}` is not `file`")),
            None => return Err("type: it wants one: `file`".to_owned()),
        }
        let path = self.one("path")?.filter(|path| !path.is_empty());
        let path = path.ok_or("path: it wants one; - is standard output")?;
        let format = match self.one("format")? {
            None | Some("ndjson") => Format::Ndjson,
            Some("csv") => Format::Csv,
            Some(other) => return Err(format!("format: `{other}` is not `ndjson` or `csv`")),
        };
        let rotate_mib = self.one("rotate_mib")?.map_or(Some(0), |word| word.parse::<u64>().ok());
        let rotate_mib = rotate_mib.filter(|mib| *mib <= ROTATE_MIB_MAX);
        let rotate_mib = rotate_mib.ok_or(format!(
            "rotate_mib: it must be a whole number between 0, for never, and {ROTATE_MIB_MAX}"
        ))?;
        let path = (path != "-").then(|| PathBuf::from(path));
        if path.is_none() && rotate_mib > 0 {
            return Err("rotate_mib: standard output is not put aside".to_owned());
        }
        let file = FileTerms { path, format, rotate_bytes: rotate_mib << 20 };
        Ok(SinkOptions { name: name.to_owned(), wanted: self.wanted()?, file })
    }

    fn wanted(&self) -> Result<Wanted, String> {
        let kind = |word: &str| {
            let words = Kind::ALL.map(Kind::word);
            let allowed = || format!("`all`, `{}`", words.join("`, `"));
            Kind::from_word(word)
                .ok_or_else(|| format!("changes: `{word}` is none of {}", allowed()))
        };
        let said: Vec<&str> = match self.many("changes") {
            [] => CHANGES_USUAL.to_vec(),
            [all] if all == "all" => Kind::ALL.map(Kind::word).to_vec(),
            said => said.iter().map(String::as_str).collect(),
        };
        let kinds: Result<Vec<Kind>, String> = said.into_iter().map(kind).collect();
        let sale = |text: &String| {
            Name::parse(text.as_bytes()).map_err(|why| format!("sales: `{text}` {why}"))
        };
        let sales: Result<Vec<Name>, String> = self.many("sales").iter().map(sale).collect();
        Ok(Wanted { kinds: kinds?, sales: sales? })
    }
}

impl Options {
    /// The sinks.
    ///
    /// # Errors
    /// A sentence with the sink, the key, and what is allowed.
    pub fn sinks(&self) -> Result<Vec<SinkOptions>, String> {
        if self.sink.len() > SINKS_MAX {
            return Err(format!("sink: {} of them, of at most {SINKS_MAX}", self.sink.len()));
        }
        let mut sinks: Vec<SinkOptions> = Vec::new();
        for table in &self.sink {
            let told = |why| format!("sink `{}`: {why}", table.shown());
            let sink = table.understood().map_err(told)?;
            if sinks.iter().any(|other| other.name == sink.name) {
                return Err(told("name: another sink has it".to_owned()));
            }
            if sinks.iter().any(|other| other.file.path == sink.file.path) {
                return Err(told("path: another sink writes it".to_owned()));
            }
            sinks.push(sink);
        }
        Ok(sinks)
    }
}
