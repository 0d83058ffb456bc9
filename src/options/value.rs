//! What an option can be: the few forms of values, each read from a word (a flag, a variable) or
//! from TOML, and written as TOML. It never knows which option it reads.
//!
//! Invariant: what `to_toml` writes, `from_toml` reads as the same value.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use toml::de::DeValue;

use super::{LogForm, LogLevel, Threads};
use crate::access::TicketRule;
use crate::journal::Durability;

/// One form of values.
pub(super) trait Value: Sized {
    /// What a value must be, to follow "is not ".
    fn form() -> String;

    /// Names the value in `--help`.
    const NAME: &'static str;

    /// The words it can be, if it is one of some.
    const WORDS: &'static [&'static str] = &[];

    /// Whether a flag may be given several times, and a variable hold several with commas.
    const IS_LIST: bool = false;

    /// Whether a flag without a value means yes.
    const IS_SWITCH: bool = false;

    fn from_word(word: &str) -> Option<Self>;

    fn from_words(words: &[&str]) -> Option<Self> {
        Self::from_word(words.last()?)
    }

    fn from_toml(value: &DeValue<'_>) -> Option<Self>;

    /// `None` for a value that is said by saying nothing.
    fn to_toml(&self) -> Option<String>;
}

/// Refusals say again what was written, and go into a log: nobody writes lines of his own there.
pub(super) fn in_one_line(text: &str) -> String {
    let shown = |char: char| match char.is_control() {
        true => char.escape_default().to_string(),
        false => char.to_string(),
    };
    text.chars().map(shown).collect()
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

impl Value for PathBuf {
    const NAME: &'static str = "PATH";

    fn form() -> String {
        "a path".to_owned()
    }

    fn from_word(word: &str) -> Option<PathBuf> {
        (!word.is_empty()).then(|| PathBuf::from(word))
    }

    fn from_toml(value: &DeValue<'_>) -> Option<PathBuf> {
        PathBuf::from_word(value.as_str()?)
    }

    fn to_toml(&self) -> Option<String> {
        Some(quoted(&self.to_string_lossy()))
    }
}

impl Value for SocketAddr {
    const NAME: &'static str = "ADDRESS";

    fn form() -> String {
        "a socket address, as 127.0.0.1:7400 or [::1]:7400".to_owned()
    }

    fn from_word(word: &str) -> Option<SocketAddr> {
        word.parse().ok()
    }

    fn from_toml(value: &DeValue<'_>) -> Option<SocketAddr> {
        SocketAddr::from_word(value.as_str()?)
    }

    fn to_toml(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

impl Value for bool {
    const NAME: &'static str = "true|false";
    const IS_SWITCH: bool = true;

    fn form() -> String {
        "true or false".to_owned()
    }

    fn from_word(word: &str) -> Option<bool> {
        word.parse().ok()
    }

    fn from_toml(value: &DeValue<'_>) -> Option<bool> {
        value.as_bool()
    }

    fn to_toml(&self) -> Option<String> {
        Some(self.to_string())
    }
}

macro_rules! whole_numbers {
    ($($number:ty),*) => {$(
        impl Value for $number {
            const NAME: &'static str = "N";

            fn form() -> String {
                "a whole number".to_owned()
            }

            fn from_word(word: &str) -> Option<$number> {
                // As TOML writes them, so that a line of a file can become a variable.
                word.replace('_', "").parse().ok()
            }

            fn from_toml(value: &DeValue<'_>) -> Option<$number> {
                let number = value.as_integer()?;
                <$number>::from_str_radix(number.as_str(), number.radix()).ok()
            }

            fn to_toml(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    )*};
}
whole_numbers!(usize, u64, u32);

/// Something that may also not be there.
impl<T: Value> Value for Option<T> {
    const NAME: &'static str = T::NAME;
    const WORDS: &'static [&'static str] = T::WORDS;

    fn form() -> String {
        T::form()
    }

    fn from_word(word: &str) -> Option<Option<T>> {
        T::from_word(word).map(Some)
    }

    fn from_toml(value: &DeValue<'_>) -> Option<Option<T>> {
        T::from_toml(value).map(Some)
    }

    fn to_toml(&self) -> Option<String> {
        self.as_ref()?.to_toml()
    }
}

impl<T: Value> Value for Vec<T> {
    const NAME: &'static str = T::NAME;
    const IS_LIST: bool = true;

    fn form() -> String {
        format!("a list, each {}", T::form())
    }

    fn from_word(word: &str) -> Option<Vec<T>> {
        Vec::from_words(&[word])
    }

    fn from_words(words: &[&str]) -> Option<Vec<T>> {
        words.iter().map(|word| T::from_word(word)).collect()
    }

    fn from_toml(value: &DeValue<'_>) -> Option<Vec<T>> {
        match value.as_array() {
            Some(list) => list.iter().map(|one| T::from_toml(one.get_ref())).collect(),
            None => T::from_toml(value).map(|one| vec![one]),
        }
    }

    fn to_toml(&self) -> Option<String> {
        let list: Vec<String> = self.iter().filter_map(Value::to_toml).collect();
        Some(format!("[{}]", list.join(", ")))
    }
}

/// Something that is one of some words.
pub(super) trait Word: Copy + PartialEq + 'static {
    const WORDS: &'static [&'static str];
    /// What they mean, in the same order.
    const MEANINGS: &'static [Self];
}

impl<T: Word> Value for T {
    const NAME: &'static str = "WORD";
    const WORDS: &'static [&'static str] = <T as Word>::WORDS;

    fn form() -> String {
        format!("one of `{}`", <T as Word>::WORDS.join("`, `"))
    }

    fn from_word(word: &str) -> Option<T> {
        let at = <T as Word>::WORDS.iter().position(|one| *one == word)?;
        T::MEANINGS.get(at).copied()
    }

    fn from_toml(value: &DeValue<'_>) -> Option<T> {
        T::from_word(value.as_str()?)
    }

    fn to_toml(&self) -> Option<String> {
        let at = T::MEANINGS.iter().position(|one| one == self)?;
        Some(quoted(<T as Word>::WORDS.get(at)?))
    }
}

macro_rules! words {
    ($($name:ty { $($word:literal => $meaning:ident),* })*) => {$(
        impl Word for $name {
            const WORDS: &'static [&'static str] = &[$($word),*];
            const MEANINGS: &'static [$name] = &[$(<$name>::$meaning),*];
        }
    )*};
}
words! {
    TicketRule { "off" => Off, "required" => Required }
    Threads { "auto" => Auto, "shared" => Shared, "apart" => Apart }
    Durability { "fsync" => Fsync, "os" => Os, "none" => None }
    LogForm { "text" => Text, "json" => Json }
    LogLevel { "error" => Error, "warn" => Warn, "info" => Info, "debug" => Debug }
}

/// Refuses what lies outside of `range`.
pub(super) fn within<T: PartialOrd + Display>(
    value: &T,
    range: &RangeInclusive<T>,
) -> Result<(), String> {
    if range.contains(value) {
        return Ok(());
    }
    Err(format!("{value} is not between {} and {}", range.start(), range.end()))
}

/// What is allowed, if besides its form it must lie within `range`.
pub(super) fn and_within<T: Display>(form: &str, range: &RangeInclusive<T>) -> String {
    format!("{form} between {} and {}", range.start(), range.end())
}

/// The word among `known` that was likely meant, to be appended to a refusal.
pub(super) fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let likeness = |one: &str| strsim::jaro_winkler(word, one);
    let best = known.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match best.filter(|best| likeness(best) > 0.8) {
        Some(best) => format!("; did you mean `{best}`?"),
        None => String::new(),
    }
}
