//! `loadgen rival`: what people use for flash sales today, started in a temporary folder, driven
//! as `run` drives, and gone afterwards.
//!
//! All are treated alike, ours among them: a free port of the loopback, data on the disk that
//! `--dir` names, a new folder each time. Every setting that departs from a server's default is in
//! this room, and never to its disadvantage.

mod doorbuster;
pub(crate) mod keeper;
mod postgres;
mod redis;
mod server;

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};

use crate::Failure;
use crate::load::Trace;
use crate::options::{self, Output, Spoken};
use crate::report::{Document, Files};
use crate::run;
use server::Server;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Which one
    #[arg(value_enum)]
    name: Rival,
    /// Where its data goes: on the disk that is to be measured [default: the temporary folder]
    #[arg(long)]
    dir: Option<PathBuf>,
    #[command(flatten)]
    run: options::Arguments,
    #[command(flatten)]
    output: Output,
    /// Further arguments of the server itself
    #[arg(last = true)]
    more: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rival {
    /// Redis, every answer after its sync
    RedisAlways,
    /// Redis, synced once a second: the last second may be lost
    RedisEverysec,
    /// Redis, synced when the system likes
    RedisOff,
    /// PostgreSQL, one row for the free units of an item
    PostgresRow,
    /// PostgreSQL, one row for each unit
    PostgresUnits,
    /// PostgreSQL, one row for an item, many purchases in one call
    PostgresBatch,
    /// Ours
    Doorbuster,
}

impl Rival {
    /// As on the command line.
    pub(crate) fn word(self) -> String {
        self.to_possible_value().expect("no rival is skipped").get_name().to_owned()
    }

    /// How it is spoken with, if there is only one way.
    fn spoken(self) -> Option<Spoken> {
        match self {
            Rival::RedisAlways | Rival::RedisEverysec | Rival::RedisOff => Some(Spoken::RedisLua),
            Rival::PostgresRow => Some(Spoken::PostgresRow),
            Rival::PostgresUnits => Some(Spoken::PostgresUnits),
            Rival::PostgresBatch => Some(Spoken::PostgresBatch),
            Rival::Doorbuster => None,
        }
    }
}

/// A rival that runs, as long as this value lives.
pub(crate) struct Running {
    _server: Server,
    /// What the server says of itself, for the document's mix; beyond what any run can ask.
    conditions: Vec<(String, String)>,
}

impl Running {
    /// Starts it and points the run at it.
    pub(crate) fn start(
        rival: Rival,
        dir: Option<&Path>,
        run: &mut options::Arguments,
        more: &[String],
    ) -> Result<Running, Failure> {
        if let Some(spoken) = rival.spoken() {
            run.target.protocol = spoken;
        }
        run.check()?;
        if let Some(path) = &run.pace.trace {
            // What the trace sells is what there has to be on sale.
            run.target.item = Trace::read(path, run.pace.speed)?.items;
        }
        let target = &mut run.target;
        eprintln!("loadgen: starting {}", rival.word());
        let (server, conditions) = match rival {
            Rival::RedisAlways => redis::start("always", dir, target, more)?,
            Rival::RedisEverysec => redis::start("everysec", dir, target, more)?,
            Rival::RedisOff => redis::start("no", dir, target, more)?,
            Rival::PostgresRow | Rival::PostgresUnits | Rival::PostgresBatch => {
                postgres::start(dir, target, more)?
            }
            Rival::Doorbuster => doorbuster::start(dir, target, more)?,
        };
        target.server_pid = Some(server.process);
        Ok(Running { _server: server, conditions })
    }

    /// Says in the document what was driven.
    pub(crate) fn describe(&self, rival: Rival, document: &mut Document) {
        document.run.mix.insert("rival".to_owned(), rival.word());
        document.run.mix.extend(self.conditions.iter().cloned());
    }
}

/// Starts it, runs, prints the report; returns the exit code.
pub(crate) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let stop = run::stop_on_signal()?;
    let mut options = arguments.run.clone();
    let running =
        Running::start(arguments.name, arguments.dir.as_deref(), &mut options, &arguments.more)?;
    let mut files = Files::open(&arguments.output)?;
    let (mut document, latencies) = run::watched(&options, &stop, &mut files)?;
    running.describe(arguments.name, &mut document);
    drop(running);
    run::tell(document, &latencies, files, &arguments.output)
}

/// A port that is free now.
fn free_address() -> Result<SocketAddr, Failure> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    bound.map_err(|error| Failure::new(Failure::UNAVAILABLE, format!("no free port: {error}")))
}

/// A program by name: in `places`, then in PATH. `how` says how to get it.
fn find(program: &str, places: &[PathBuf], how: &str) -> Result<PathBuf, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = places.iter().cloned().chain(std::env::split_paths(&path));
    let found = folders.find_map(|folder| {
        let file = folder.join(program);
        file.is_file().then_some(file)
    });
    found.ok_or_else(|| {
        Failure::new(Failure::UNAVAILABLE, format!("{program} is not installed: {how}"))
    })
}

/// Random letters that nobody guesses while the server runs.
fn new_password() -> Result<options::Password, Failure> {
    use std::io::Read;
    let mut bytes = [0; 16];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|error| Failure::new(Failure::DISK, format!("/dev/urandom: {error}")))?;
    Ok(options::Password(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
}
