//! Options as text: the effective ones as TOML that can be read back, each with the place it came
//! from; the commented example; the table for the documentation; and what a reload changed.
//!
//! No option is a secret: secrets lie in files, and options only name them.

use super::{Change, Layer, Options, SETTINGS, Setting};

impl Setting {
    /// The default, as TOML or in words; empty if it is to have none.
    pub fn default_text(&self) -> String {
        if let Some(words) = self.default_words {
            return words.to_owned();
        }
        let defaults = Layer::default().options().expect("the defaults are allowed");
        (self.to_toml)(&defaults).unwrap_or_default()
    }

    fn line(&self, options: &Options) -> String {
        match (self.to_toml)(options) {
            Some(value) => format!("{} = {value}", self.name),
            None => format!("# {} is not set", self.name),
        }
    }
}

/// One option that a reload found changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its name.
    pub name: &'static str,
    /// Whether it is in force now or waits for a restart.
    pub change: Change,
    /// Its value before, as TOML.
    pub before: String,
    /// Its value now.
    pub after: String,
}

impl std::fmt::Display for Changed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} -> {}", self.name, self.before, self.after)?;
        match self.change {
            Change::Reload => Ok(()),
            Change::Restart => write!(f, " needs a restart"),
        }
    }
}

impl Options {
    /// What `newer` has otherwise.
    pub fn changes(&self, newer: &Options) -> Vec<Changed> {
        let text = |setting: &Setting, options| {
            (setting.to_toml)(options).unwrap_or_else(|| "not set".to_owned())
        };
        let pairs = SETTINGS.iter().map(|setting| {
            let (before, after) = (text(setting, self), text(setting, newer));
            Changed { name: setting.name, change: setting.change, before, after }
        });
        let differ = pairs.filter(|changed| changed.before != changed.after);
        // This goes to the log, and where a sink's other side is may be half a secret.
        let hush = |changed: Changed| match changed.name {
            "sink" => Changed { before: self.sink_names(), after: newer.sink_names(), ..changed },
            _ => changed,
        };
        differ.map(hush).collect()
    }

    /// What is in force once these options have taken from `newer` what a reload may change.
    pub fn reloaded(&self, newer: &Options) -> Options {
        let mut options = self.clone();
        for setting in SETTINGS.iter().filter(|setting| setting.change == Change::Reload) {
            (setting.adopt)(&mut options, newer);
        }
        options
    }
}

impl Layer {
    /// The effective options as TOML, each with where its value came from.
    ///
    /// # Errors
    /// As [`Layer::options`].
    pub fn print(&self) -> Result<String, String> {
        let options = self.clone().options()?;
        let mut text = String::new();
        for setting in SETTINGS {
            let origin = match self.origins.get(setting.name) {
                Some(origin) => origin.as_str(),
                None if (setting.is_said)(self) => "given",
                None => "default",
            };
            text += &format!("{:<40} # {}\n", setting.line(&options), origin.escape_debug());
        }
        Ok(text)
    }
}

/// An example file: every option with its help and its default, commented out.
pub fn example() -> String {
    let mut text = String::from(
        "# doorbuster.toml: every option with its default. A flag (--orders-max) comes before a\n\
         # variable (DOORBUSTER_ORDERS_MAX), that before this file, that before the default.\n\
         # Options marked with SIGHUP come into force by a reload, the others at the next start.\n",
    );
    // The same on every machine.
    let defaults = Layer { shards: Some(1), ..Layer::default() };
    let defaults = defaults.options().expect("the defaults are allowed");
    for setting in SETTINGS {
        text += &format!("\n#{}", setting.help);
        text += &format!("\n# Allowed: {}.", (setting.allowed)());
        if setting.change == Change::Reload {
            text += "\n# SIGHUP.";
        }
        if let Some(words) = setting.default_words {
            text += &format!("\n# Default: {words}.");
        }
        match (setting.to_toml)(&defaults) {
            Some(value) => text += &format!("\n#{} = {value}\n", setting.name),
            None => text += &format!("\n# Default: none.\n#{} =\n", setting.name),
        }
    }
    text
}

/// All options as a Markdown table.
pub fn table() -> String {
    let mut text = String::from("| option | default | SIGHUP | what |\n|---|---|---|---|\n");
    for setting in SETTINGS {
        let default = match setting.default_words {
            Some(words) => words.to_owned(),
            None => match setting.default_text() {
                value if value.is_empty() => String::new(),
                value => format!("`{value}`"),
            },
        };
        let reload = if setting.change == Change::Reload { "yes" } else { "" };
        let help = setting.help.trim();
        text += &format!("| `{}` | {default} | {reload} | {help} |\n", setting.name);
    }
    text
}
