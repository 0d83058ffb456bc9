//! The commands. Results go to stdout, talk to stderr; each command returns its exit code.

mod audit;
mod demo;
mod drill;
mod flags;
mod guard;
mod log;
mod logging;
mod port;
mod reconcile;
mod sale;
mod serve;
mod sink;
mod token;
mod words;

use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};
use doorbuster::heads::PublicKey;
use doorbuster::journal::{JournalError, Report};
use doorbuster::message::Receipt;
use doorbuster::pipeline::StartError;
use flags::Flags;

/// All is well.
const FINE: i32 = 0;
/// The check failed.
const FAILED: i32 = 1;
/// The journal is damaged.
const DAMAGED: i32 = 65;
/// Nobody answers, or cannot now.
const UNAVAILABLE: i32 = 69;
/// Something cannot be created.
const CANNOT_CREATE: i32 = 73;
/// A read, write or sync failed.
const DISK: i32 = 74;
/// An option or a sale file is wrong.
const CONFIGURATION: i32 = 78;

/// A flash-sale order matcher: first come, first served, durable before told.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 fine, 1 the check failed, 2 usage, 65 damaged journal, \
    69 peer unavailable, 73 cannot create, 74 disk error, 78 bad configuration";

#[derive(Subcommand)]
enum Command {
    /// Serve buyers until SIGTERM or SIGINT.
    Serve(Serve),
    /// Create, open, watch, change and end sales of a server that runs.
    Sale(Box<sale::Sale>),
    /// A flash sale from start to audited end, in a temporary folder; takes about ten seconds.
    Demo(Demo),
    /// Run whole servers on one thread, each under a seed, with disks, sockets, clocks and sinks
    /// that fail, and prove that they keep their word.
    Drill(Drill),
    /// Print the journal, one line a record.
    Log(Log),
    /// Replay the journal and prove that it keeps the law.
    Audit(Audit),
    /// List, pause and resume the sinks of a server that runs, and have them told again.
    Sink(sink::Arguments),
    /// Compare the journal with what a sink has told its other side.
    Reconcile(reconcile::Arguments),
    /// Make, list and remove tokens.
    Token(token::Arguments),
    /// Print what completes these commands in a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// A flag comes before its variable DOORBUSTER_<NAME>, that before the file, that before the
/// default. SIGHUP reads variables and file again, SIGTERM and SIGINT stop the server.
#[derive(Args)]
struct Serve {
    /// Read options from this TOML file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
    /// Print the options as TOML, with where each comes from, and end
    #[arg(long)]
    print_config: bool,
    /// Read the options and the files of sales, say whether they are good, and end
    #[arg(long)]
    check: bool,
    /// End when the process that started this one ends, however that ends.
    #[arg(long, hide = true)]
    with_parent: bool,
}

#[derive(Args)]
struct Demo {
    /// Keep the data folder and say where it is.
    #[arg(long)]
    keep: bool,
}

/// A round is one small server from first start to last stop. Its seed decides who works when, what
/// goes wrong and when it crashes; the same seed gives the same round. Without --rounds and
/// --seconds a thousand rounds are run.
#[derive(Args)]
struct Drill {
    /// The seed of the first round; each next one has the next.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// How many rounds, at most
    #[arg(long, value_name = "M")]
    rounds: Option<u64>,
    /// Begin no further round after so many seconds
    #[arg(long, value_name = "S")]
    seconds: Option<u64>,
    /// Print what is to go wrong in every round, not only in those that fail
    #[arg(long)]
    plans: bool,
    /// The result as one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Log {
    /// The data folder.
    dir: PathBuf,
    /// Begin with this seq.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Audit {
    /// The data folder.
    dir: PathBuf,
    /// Say whether this receipt is of this journal, and which place the buyer has
    #[arg(long, value_name = "HEX")]
    receipt: Option<Receipt>,
    /// Hold the signed heads in this file, as /v1/heads showed them, against the journal too
    #[arg(long, value_name = "FILE")]
    heads: Vec<PathBuf>,
    /// Take no head that was not signed with this public key (or one of several)
    #[arg(long, value_name = "HEX", value_parser = public_key)]
    heads_key: Vec<PublicKey>,
    /// The result as one JSON object.
    #[arg(long)]
    json: bool,
}

fn public_key(text: &str) -> Result<PublicKey, String> {
    let digit = |at: usize| text.get(at..=at).and_then(|digit| u8::from_str_radix(digit, 16).ok());
    let bytes: Option<Vec<u8>> =
        (0..text.len()).step_by(2).map(|at| Some(digit(at)? << 4 | digit(at + 1)?)).collect();
    let key = bytes.and_then(|bytes| bytes.try_into().ok());
    key.ok_or_else(|| "a public key is 64 hex digits".to_owned())
}

/// Runs the command. Returns the exit code.
pub(crate) fn run(arguments: Arguments) -> i32 {
    match arguments.command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Sale(arguments) => sale::run(*arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Drill(arguments) => drill::run(&arguments),
        Command::Log(arguments) => log::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Sink(arguments) => sink::run(&arguments),
        Command::Reconcile(arguments) => reconcile::run(&arguments),
        Command::Token(arguments) => token::run(&arguments),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "doorbuster", &mut script);
            delivered(std::io::stdout().lock().write_all(&script))
        }
    }
}

/// Says what went wrong and passes the code on.
fn failed(code: i32, what: &impl std::fmt::Display) -> i32 {
    talk(what);
    code
}

/// Says something on stderr. That nobody listens there is no reason to stop.
fn talk(what: &impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "doorbuster: {what}");
}

/// The exit code after the result was written to stdout. A reader that has seen enough
/// (`| head`) is no error; a result that is not all there is one.
fn delivered(written: std::io::Result<()>) -> i32 {
    match written {
        Ok(()) => FINE,
        Err(why) if why.kind() == ErrorKind::BrokenPipe => FINE,
        Err(why) => failed(DISK, &format_args!("could not write the result: {why}")),
    }
}

/// Says that there may be more than what is shown.
fn tell_of_server(report: &Report) {
    if report.is_live {
        let seq = report.seq;
        talk(&format_args!("a server is writing to this folder: this shows it up to seq {seq}"));
    }
}

/// Says that the journal does not begin at its beginning.
fn tell_of_beginning(since: u64) {
    if since > 0 {
        talk(&format_args!(
            "the journal begins with seq {}: what was before it is removed, and a snapshot stands \
             for it",
            since + 1
        ));
    }
}

fn journal_code(why: &JournalError) -> i32 {
    match why {
        JournalError::Damaged { .. }
        | JournalError::Snapshot { .. }
        | JournalError::Removed { .. }
        | JournalError::Version { .. }
        | JournalError::Refused { .. } => DAMAGED,
        JournalError::Locked { .. } | JournalError::CannotCreate { .. } => CANNOT_CREATE,
        JournalError::Disk { .. } | JournalError::Full | JournalError::Stopped => DISK,
    }
}

fn start_code(why: &StartError) -> i32 {
    match why {
        StartError::Journal(why) => journal_code(why),
        StartError::Listen { .. } | StartError::Thread(_) | StartError::Heads(_) => CANNOT_CREATE,
        StartError::Sale(_) | StartError::Options(_) => CONFIGURATION,
    }
}
