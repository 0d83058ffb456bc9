//! The sinks that a server is told of: a table each, read as words first and understood when all
//! options are there, so that a refusal can name the sink, the key and what is allowed.

mod file;
mod kafka;
mod nats;
mod postgres;
mod redis;
mod webhook;

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::de::DeValue;

use super::Options;
use super::value::{Value, in_one_line, meant};
use crate::limits::{SINK_NAME_BYTES_MAX as NAME_BYTES_MAX, SINKS_MAX};
use crate::sale::Name;
use crate::sink::{Kind, Secret, Terms, Wanted};
use crate::taps::is_name;

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
    /// The seq with which it begins; `u64::MAX` for what comes after the start.
    pub from: u64,
    /// Of which type it is, and what that is told.
    pub terms: Terms,
}

/// The keys that sinks of all types have.
const KEYS: [&str; 5] = ["name", "type", "changes", "sales", "from"];

/// A type of sinks: its word, the keys it has beside those of all, and how they are understood.
type Type = (&'static str, &'static [&'static str], fn(&SinkTable) -> Result<Terms, String>);

const TYPES: [Type; 6] = [
    ("file", file::KEYS, file::understood),
    ("postgres", postgres::KEYS, postgres::understood),
    ("webhook", webhook::KEYS, webhook::understood),
    ("redis", redis::KEYS, redis::understood),
    ("nats", nats::KEYS, nats::understood),
    ("kafka", kafka::KEYS, kafka::understood),
];

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
            DeValue::Boolean(is_so) => Some(is_so.to_string()),
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

    /// A whole number within bounds, if it is there.
    fn number(
        &self,
        key: &str,
        within: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, String> {
        let Some(word) = self.one(key)? else { return Ok(None) };
        let number = word.parse().ok().filter(|number| within.contains(number));
        let (min, max) = (within.start(), within.end());
        let why = || format!("{key}: `{word}` is not a whole number between {min} and {max}");
        number.map(Some).ok_or_else(why)
    }

    /// Yes or no, if it is there.
    fn flag(&self, key: &str) -> Result<Option<bool>, String> {
        let Some(word) = self.one(key)? else { return Ok(None) };
        word.parse().map(Some).map_err(|_| format!("{key}: `{word}` is not true or false"))
    }

    /// Where a secret stands, by `KEY_file` or `KEY_env`; in the table itself it may not be.
    fn secret(&self, key: &str) -> Result<Option<Secret>, String> {
        let (in_file, in_variable) = (format!("{key}_file"), format!("{key}_env"));
        match (self.one(&in_file)?, self.one(&in_variable)?) {
            (None, None) => Ok(None),
            (Some(path), None) => Ok(Some(Secret::File(PathBuf::from(path)))),
            (None, Some(name)) => Ok(Some(Secret::Variable(name.to_owned()))),
            (Some(_), Some(_)) => Err(format!("{in_file}: either this or {in_variable}")),
        }
    }

    fn understood(&self) -> Result<SinkOptions, String> {
        let words = TYPES.map(|(word, ..)| word).join("`, `");
        let word = self.one("type")?.ok_or_else(|| format!("type: it wants one of `{words}`"))?;
        let of_type = TYPES.iter().find(|(known, ..)| *known == word);
        let (_, keys, understand) =
            of_type.ok_or_else(|| format!("type: `{word}` is none of `{words}`"))?;
        let keys: Vec<&str> = KEYS.iter().chain(*keys).copied().collect();
        if let Some(key) = self.0.keys().find(|key| !keys.contains(&key.as_str())) {
            if word == "kafka" && kafka::ABSENT.contains(&key.as_str()) {
                return Err(format!("{key}: {}", kafka::WHY_ABSENT));
            }
            let near = meant(key, keys.iter().copied());
            let keys = keys.join("`, `");
            return Err(format!("a {word} has no key `{key}`; it has `{keys}`{near}"));
        }
        let name = self.one("name")?.ok_or("name: it wants one")?;
        if !is_name(name) {
            return Err(format!("name: it must be 1 to {NAME_BYTES_MAX} of A-Z a-z 0-9 _ -"));
        }
        let from = match self.one("from")? {
            None => 1,
            Some("now") => u64::MAX,
            Some(word) => word
                .parse()
                .ok()
                .filter(|seq| (1..=i64::MAX as u64).contains(seq))
                .ok_or_else(|| format!("from: `{word}` is not a seq, 1 or more, or `now`"))?,
        };
        let (name, wanted) = (name.to_owned(), self.wanted()?);
        Ok(SinkOptions { name, wanted, from, terms: understand(self)? })
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
    /// What the sinks are called.
    pub(super) fn sink_names(&self) -> String {
        let names: Vec<String> = self.sink.iter().map(SinkTable::shown).collect();
        format!("[{}]", names.join(", "))
    }

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
            let told = |why| in_one_line(&format!("sink `{}`: {why}", table.shown()));
            let sink = table.understood().map_err(told)?;
            if sinks.iter().any(|other| other.name == sink.name) {
                return Err(told("name: another sink has it".to_owned()));
            }
            if sinks.iter().any(|other| other.terms.is_same_place(&sink.terms)) {
                return Err(told("another sink writes there".to_owned()));
            }
            sinks.push(sink);
        }
        Ok(sinks)
    }
}
