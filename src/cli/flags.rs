//! The flags of `serve`: one for each option, made from the same table as everything else about
//! options. It decides nothing about their values.

use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Command};
use doorbuster::options::{Layer, SETTINGS, Setting};

/// What the flags say, not yet understood: a bad value is refused like one in a file is.
pub(super) struct Flags(Vec<(&'static Setting, Vec<String>)>);

impl Flags {
    /// The layer that they make.
    ///
    /// # Errors
    /// A sentence with the flag and what is allowed.
    pub(super) fn layer(&self) -> Result<Layer, String> {
        let mut layer = Layer::default();
        for (setting, words) in &self.0 {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            layer.flag(setting, &words)?;
        }
        Ok(layer)
    }
}

/// What flags, environment and file say together.
///
/// # Errors
/// A sentence with where it was said and what is allowed.
pub(super) fn layer(flags: &Flags, config: Option<&Path>) -> Result<Layer, String> {
    Ok(flags.layer()?.over(below_flags(config)?))
}

/// What environment and file say together.
///
/// # Errors
/// As [`layer`].
pub(super) fn below_flags(config: Option<&Path>) -> Result<Layer, String> {
    // A variable that is no text cannot be one of ours.
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let environment = Layer::from_environment(variables)?;
    let file = config.map(Layer::from_file).transpose()?;
    Ok(environment.over(file.unwrap_or_default()))
}

fn flag(setting: &'static Setting) -> Arg {
    let help = setting.help.trim().trim_end_matches('.');
    let help = match setting.default_text() {
        text if text.is_empty() || setting.is_list => help.to_owned(),
        text => format!("{help} [default: {}]", text.trim_matches('"')),
    };
    let value_name = match setting.words {
        [] => setting.value_name.to_owned(),
        words => words.join("|"),
    };
    let arg = Arg::new(setting.name)
        .long(setting.name.replace('_', "-"))
        .value_name(value_name)
        .action(ArgAction::Append)
        .help(help);
    if setting.is_switch {
        arg.num_args(0..=1).require_equals(true).default_missing_value("true")
    } else {
        arg
    }
}

impl clap::Args for Flags {
    fn augment_args(command: Command) -> Command {
        command.args(SETTINGS.iter().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Flags::augment_args(command)
    }
}

impl clap::FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Flags, clap::Error> {
        let given = SETTINGS.iter().filter_map(|setting| {
            let words = matches.get_many::<String>(setting.name)?.cloned().collect();
            Some((setting, words))
        });
        Ok(Flags(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Flags::from_arg_matches(matches)?;
        Ok(())
    }
}
