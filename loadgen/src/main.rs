//! loadgen, the program: an honest load generator for flash sales.
//!
//! Each command is a room of its own; here is only what they share: the command line, and how a
//! program ends. Results go to stdout, talk to stderr. Exit codes: 0 fine, 1 a check failed, 2
//! usage, 69 the target cannot be reached or went away, 73 a file for the results cannot be made,
//! 74 the disk failed, 99 a threshold was missed.

mod bare;
mod clock;
mod compare;
mod figures;
mod knee;
mod load;
mod options;
mod prepare;
mod report;
mod rival;
mod run;
mod speech;
mod suite;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// How a command ends that could not do its work: an exit code and a sentence.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: u8,
    pub(crate) sentence: String,
}

impl Failure {
    /// A check failed, or the target refused what was asked.
    pub(crate) const CHECK: u8 = 1;
    /// The command line asks for what cannot be.
    pub(crate) const USAGE: u8 = 2;
    /// The target cannot be reached or went away.
    pub(crate) const UNAVAILABLE: u8 = 69;
    /// A file for the results cannot be made.
    pub(crate) const CANNOT_CREATE: u8 = 73;
    /// The disk failed.
    pub(crate) const DISK: u8 = 74;
    /// A threshold was missed.
    pub(crate) const THRESHOLD: u8 = 99;

    pub(crate) fn new(exit: u8, sentence: impl Into<String>) -> Failure {
        Failure { exit, sentence: sentence.into() }
    }
}

#[derive(Parser)]
#[command(version, about = "An honest load generator for flash sales")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Drive a server and say what it did
    Run(Box<run::Arguments>),
    /// Raise the rate until latency breaks
    Knee(Box<knee::Arguments>),
    /// Measure this machine's own limits: disk sync and loopback
    Bare(bare::Arguments),
    /// Put runs side by side, and say whether the second side is worse
    Compare(compare::Arguments),
    /// Start a server that is used for flash sales, drive it, and stop it again
    Rival(Box<rival::Arguments>),
    /// Drive all of them in turn and write one report
    Suite(suite::Arguments),
    /// Keep a rival for another of these programs
    #[command(hide = true)]
    Keep,
}

/// The command line. What a rival sells has a name of no matter, and where it listens is found out.
fn arguments() -> Arguments {
    let command = Arguments::command().mut_subcommand("rival", |rival| {
        let hidden = ["address", "server_pid", "database"];
        let rival = hidden.into_iter().fold(rival, |rival, id| rival.mut_arg(id, |a| a.hide(true)));
        rival
            .mut_arg("sale", |sale| sale.required(false).default_value("drop"))
            .mut_arg("item", |item| item.required(false).default_value("tee"))
    });
    let parsed = Arguments::from_arg_matches(&command.get_matches());
    parsed.unwrap_or_else(|error| error.exit())
}

fn main() -> ExitCode {
    let done = match arguments().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Knee(arguments) => knee::run(&arguments),
        Command::Bare(arguments) => bare::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Rival(arguments) => rival::run(&arguments),
        Command::Suite(arguments) => suite::run(&arguments),
        Command::Keep => rival::keeper::keep(),
    };
    match done {
        Ok(exit) => ExitCode::from(exit),
        Err(failure) => {
            eprintln!("loadgen: {}", failure.sentence);
            ExitCode::from(failure.exit)
        }
    }
}

/// Writes a result to stdout. That nobody reads on is no failure (`loadgen ... | head`).
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Failure::DISK, format!("stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes a result to stdout as JSON.
pub(crate) fn print_json(result: &impl serde::Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(result);
    print(&(json.expect("plain structs with text keys become JSON") + "\n"))
}
