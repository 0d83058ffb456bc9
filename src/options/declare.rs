//! The macro that makes of one table of rows all that an option needs: a field in [`Options`], one
//! in [`Layer`], and a [`Setting`] from which come its flag, its variable, its TOML key, its checks
//! and its line in every listing.
//!
//! It knows no option by name.
//!
//! [`Options`]: super::Options
//! [`Layer`]: super::Layer

use toml::de::DeValue;

use super::{Layer, Options};

/// Whether an option can change while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// SIGHUP brings it into force.
    Reload,
    /// It waits for the next start.
    Restart,
}

/// What was said about an option, not yet understood.
#[derive(Clone, Copy)]
pub enum Said<'a> {
    /// Flags, or the parts of a variable.
    Words(&'a [&'a str]),
    /// A line of a file.
    Toml(&'a DeValue<'a>),
}

/// One option, as everything that handles options in general sees it.
pub struct Setting {
    /// Its TOML key; the flag has dashes, the variable is in capitals.
    pub name: &'static str,
    /// What it is, in a line.
    pub help: &'static str,
    /// Whether SIGHUP may change it.
    pub change: Change,
    /// Names its value in `--help`.
    pub value_name: &'static str,
    /// The words it can be, if it is one of some.
    pub words: &'static [&'static str],
    /// Whether it holds several values.
    pub is_list: bool,
    /// Whether its flag without a value means yes.
    pub is_switch: bool,
    /// The default in words, where it depends on the machine or on another option.
    pub(super) default_words: Option<&'static str>,
    /// What is allowed, to follow "is not ".
    pub allowed: fn() -> String,
    pub(super) set: fn(&mut Layer, Said<'_>) -> Result<(), String>,
    pub(super) is_said: fn(&Layer) -> bool,
    pub(super) to_toml: fn(&Options) -> Option<String>,
    pub(super) adopt: fn(&mut Options, &Options),
}

impl Setting {
    /// `--orders-max`.
    pub fn flag(&self) -> String {
        format!("--{}", self.name.replace('_', "-"))
    }

    /// `DOORBUSTER_ORDERS_MAX`.
    pub fn variable(&self) -> String {
        format!("{}{}", super::VARIABLE_PREFIX, self.name.to_ascii_uppercase())
    }
}

/// What `said` means.
pub(super) fn read<T: super::value::Value>(said: Said<'_>) -> Result<T, String> {
    let value = match said {
        Said::Words(words) => T::from_words(words),
        Said::Toml(value) => T::from_toml(value),
    };
    value.ok_or_else(|| {
        let (shown, word) = match said {
            Said::Words(words) => (format!("\"{}\"", words.join(",").escape_debug()), words.last()),
            Said::Toml(value) => (shown(value), None),
        };
        let word = match said {
            Said::Toml(DeValue::String(word)) => Some(&**word),
            _ => word.copied(),
        };
        let meant = super::value::meant(word.unwrap_or_default(), T::WORDS.iter().copied());
        format!("{shown} is not {}{meant}", T::form())
    })
}

fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{}\"", text.escape_debug()),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Array(_) => "this list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
        other => format!("a {}", other.type_str()),
    }
}

/// Rows of `/// help`, `[Reload]` or `[Restart]`, `name: Type = default`, then if wanted
/// `said "default in words"` and `within least..=most`. A default may use the options above it.
macro_rules! options {
    ($(
        $(#[doc = $help:literal])+
        [$change:ident] $name:ident: $type:ty = $default:expr
            $(, said $words:literal)? $(, within $range:expr)?;
    )*) => {
        /// What a server is told. Every bound that depends on the user's machine is here.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Options {
            $($(#[doc = $help])+ pub $name: $type,)*
        }

        /// One layer: what the file, the environment or the flags say.
        #[derive(Clone, Debug, Default)]
        pub struct Layer {
            $($(#[doc = $help])+ pub $name: Option<$type>,)*
            /// Where each of these was said, by name. What is not in it was said in code.
            pub origins: std::collections::BTreeMap<&'static str, String>,
        }

        impl Layer {
            /// This layer laid over another.
            pub fn over(self, below: Layer) -> Layer {
                let mut origins = below.origins;
                $(
                    if self.$name.is_some() {
                        origins.remove(stringify!($name));
                    }
                )*
                origins.extend(self.origins);
                Layer { $($name: self.$name.or(below.$name),)* origins }
            }

            /// Fills the gaps with defaults and checks the whole.
            ///
            /// # Errors
            /// A sentence that names the option and what is allowed.
            pub fn options(self) -> Result<Options, String> {
                $(
                    let $name: $type = match self.$name {
                        Some(value) => value,
                        None => $default,
                    };
                    $(
                        $crate::options::value::within(&$name, &$range)
                            .map_err(|why| format!("{}: {why}", stringify!($name)))?;
                    )?
                )*
                Options { $($name,)* }.agree()
            }
        }

        /// All options.
        pub static SETTINGS: &[Setting] = &[$(
            Setting {
                name: stringify!($name),
                help: concat!($($help),+),
                change: Change::$change,
                value_name: <$type as $crate::options::value::Value>::NAME,
                words: <$type as $crate::options::value::Value>::WORDS,
                is_list: <$type as $crate::options::value::Value>::IS_LIST,
                is_switch: <$type as $crate::options::value::Value>::IS_SWITCH,
                default_words: { let words: &[&str] = &[$($words)?]; words.first().copied() },
                allowed: || {
                    let form = <$type as $crate::options::value::Value>::form();
                    $(let form = $crate::options::value::and_within::<$type>(&form, &$range);)?
                    form
                },
                set: |layer, said| {
                    let value: $type = $crate::options::declare::read(said)?;
                    $($crate::options::value::within::<$type>(&value, &$range)?;)?
                    layer.$name = Some(value);
                    Ok(())
                },
                is_said: |layer| layer.$name.is_some(),
                adopt: |options, newer| options.$name = newer.$name.clone(),
                to_toml: |options| $crate::options::value::Value::to_toml(&options.$name),
            },
        )*];
    };
}
pub(super) use options;
