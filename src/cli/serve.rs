//! `doorbuster serve`: a server until a signal comes.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use doorbuster::admin::{Admin, AdminParts, Reception, open_to_all, plain};
use doorbuster::metrics::Metrics;
use doorbuster::options::{Layer, Options};
use doorbuster::pipeline::Pipeline;
use rustix::process::{Resource, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::words::{count, duration};
use super::{
    CANNOT_CREATE, CONFIGURATION, DISK, FINE, Serve, failed, journal_code, start_code, talk,
};

/// Descriptors for everything but buyers: the journal, the shards, and sockets about to be turned
/// away.
const DESCRIPTORS_KEPT: u64 = 256;

/// Serves. Returns the exit code.
pub(super) fn run(arguments: Serve) -> i32 {
    #[cfg(target_os = "linux")]
    if arguments.with_parent {
        let signal = Some(rustix::process::Signal::KILL);
        if let Err(why) = rustix::process::set_parent_process_death_signal(signal) {
            return failed(DISK, &format_args!("could not bind to the parent's life: {why}"));
        }
    }
    let mut options = match options(arguments) {
        Ok(options) => options,
        Err(why) => return failed(CONFIGURATION, &why),
    };
    // Before any thread starts, so that a signal that comes early is not lost.
    let mut signals = match Signals::new([SIGTERM, SIGINT]) {
        Ok(signals) => signals,
        Err(why) => return failed(DISK, &format_args!("could not listen for signals: {why}")),
    };
    share_descriptors(&mut options);
    let start = Instant::now();
    // The journal's thread calls this: no answer leaves after it, so it ends the process at once.
    let on_failure = Arc::new(|why| {
        let code = failed(journal_code(&why), &format_args!("stopped without answering: {why}"));
        std::process::exit(code);
    });
    // Before the journal is read: whoever watches the process wants to know that it lives.
    let parts =
        AdminParts { listen: options.admin_listen, access: open_to_all(), handshake: plain() };
    let admin = match Admin::start(parts) {
        Ok(admin) => admin,
        Err(why) => {
            let address = options.admin_listen;
            return failed(CANNOT_CREATE, &format_args!("could not listen on {address}: {why}"));
        }
    };
    let pipeline = match Pipeline::start(&options, on_failure) {
        Ok(pipeline) => pipeline,
        Err(why) => return failed(start_code(&why), &why),
    };
    let reception = Reception::new(pipeline.operator(), pipeline.directory());
    let metrics = pipeline.metrics().clone();
    admin.open(Arc::new(reception), Box::new(move || exposition(&metrics)));
    talk(&format_args!("operators connect to {}", admin.address()));
    greet(&pipeline, &options, start);
    if let Some(signal) = signals.forever().next() {
        let name = if signal == SIGTERM { "SIGTERM" } else { "SIGINT" };
        talk(&format_args!("{name}: answering what was read, then stopping"));
    }
    admin.drain();
    let metrics = pipeline.metrics().clone();
    pipeline.stop();
    admin.stop();
    let decided = count(metrics.matcher.decided.value());
    let seq = count(metrics.journal.seq.value());
    talk(&format_args!("stopped after {decided} decisions; the journal ends at seq {seq}"));
    FINE
}

/// The counters as Prometheus reads them.
fn exposition(metrics: &Metrics) -> String {
    let info = metrics.info();
    let figures = info.lines().filter_map(|line| line.trim_end().split_once(':'));
    let is_number = |value: &str| value.bytes().all(|byte| byte.is_ascii_digit());
    let figures = figures.filter(|(_, value)| is_number(value));
    figures.map(|(name, value)| format!("doorbuster_{name} {value}\n")).collect()
}

/// Lets the process have as many descriptors as the system allows it, for the soft limit of most
/// systems is far below `connections_max`; and keeps some from the buyers, whatever is allowed: the
/// journal must find one for each new segment.
fn share_descriptors(options: &mut Options) {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If it is refused, the server works with what it has.
    let _ = setrlimit(Resource::Nofile, limit);
    let Some(descriptors) = getrlimit(Resource::Nofile).current else { return };
    let for_buyers = descriptors - DESCRIPTORS_KEPT.min(descriptors / 2);
    let connections_max = usize::try_from(for_buyers).unwrap_or(usize::MAX).max(1);
    if connections_max < options.connections_max {
        eprintln!(
            "doorbuster: connections_max lowered from {} to {connections_max}: the system allows \
             this process {descriptors} descriptors (ulimit -n)",
            options.connections_max
        );
        options.connections_max = connections_max;
    }
}

fn options(arguments: Serve) -> Result<Options, String> {
    let file = match &arguments.config {
        Some(path) => Layer::from_file(path)?,
        None => Layer::default(),
    };
    // A variable that is no text cannot be one of ours.
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let environment = Layer::from_environment(variables)?;
    arguments.layer().over(environment).over(file).options()
}

fn greet(pipeline: &Pipeline, options: &Options, start: Instant) {
    let report = pipeline.report();
    let mut talk = std::io::stderr().lock();
    if let Some(torn) = &report.torn {
        let _ = writeln!(
            talk,
            "doorbuster: cut a torn end: segment {}, offset {}, {} bytes from seq {} on; \
             nothing of it had been answered if it was written with durability fsync",
            torn.segment,
            count(torn.offset),
            count(torn.bytes),
            count(torn.seq),
        );
    }
    let _ = writeln!(
        talk,
        "doorbuster: journal {} holds {} records, replayed in {}",
        options.data.display(),
        count(report.seq),
        duration(start.elapsed()),
    );
    let _ = writeln!(talk, "doorbuster: listening on {}", pipeline.address());
}
