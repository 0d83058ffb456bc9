//! `doorbuster serve`: a server until a signal comes.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use doorbuster::access::{Denied, Need};
use doorbuster::admin::{self, Admin, AdminParts, Reception};
use doorbuster::crew::Stop;
use doorbuster::options::{Change, Layer, Options};
use doorbuster::pipeline::Pipeline;
use doorbuster::sale_file;
use doorbuster::shared::Shared;
use rustix::process::{Resource, getrlimit, setrlimit};
use sd_notify::NotifyState;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use tracing::{error, info, warn};

use super::guard::{Guard, notify};
use super::words::{count, duration};
use super::{
    CANNOT_CREATE, CONFIGURATION, DISK, FINE, Serve, delivered, failed, journal_code, start_code,
    talk,
};
use super::{flags, logging};

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
    let layer = match flags::layer(&arguments.flags, arguments.config.as_deref()) {
        Ok(layer) => layer,
        Err(why) => return failed(CONFIGURATION, &why),
    };
    if arguments.print_config {
        return print_config(&layer);
    }
    let mut options = match layer.options() {
        Ok(options) => options,
        Err(why) => return failed(CONFIGURATION, &why),
    };
    if arguments.check {
        return check(&options);
    }
    // Before any thread starts, so that a signal that comes early is not lost.
    let mut signals = match Signals::new([SIGTERM, SIGINT, SIGHUP]) {
        Ok(signals) => signals,
        Err(why) => return failed(DISK, &format_args!("could not listen for signals: {why}")),
    };
    // Where files may not grow, a write is to be refused; without a handler it would be the end.
    if let Err(why) = signal_hook::flag::register(SIGXFSZ, Arc::default()) {
        return failed(DISK, &format_args!("could not listen for signals: {why}"));
    }
    let level = match logging::start(options.log, options.log_level) {
        Ok(level) => level,
        Err(why) => return failed(DISK, &format_args!("could not begin to log: {why}")),
    };
    share_descriptors(&mut options);
    let version = env!("CARGO_PKG_VERSION");
    info!(version, data = %options.data.display(), "doorbuster {version} starts");
    let start = Instant::now();
    // The journal's thread calls this: no answer leaves after it, so it ends the process at once.
    let on_failure = Arc::new(|why| {
        let code = ended(journal_code(&why), &format_args!("stopped without answering: {why}"));
        std::process::exit(code);
    });
    let shared = match Shared::load(&options) {
        Ok(shared) => shared,
        Err(why) => return ended(CONFIGURATION, &why),
    };
    let metrics = shared.metrics.clone();
    let guard = match Guard::start(metrics.clone()) {
        Ok(guard) => guard,
        Err(why) => return ended(DISK, &format_args!("could not start a thread: {why}")),
    };
    // Before the journal is read: whoever watches the process wants to know that it lives.
    let admin = match Admin::start(admin_parts(&options, &shared)) {
        Ok(admin) => admin,
        Err(why) => {
            let address = options.admin_listen;
            return ended(
                CANNOT_CREATE,
                &format_args!("admin_listen: could not listen on {address}: {why}"),
            );
        }
    };
    let mut pipeline = match Pipeline::start_with(&options, shared.clone(), on_failure) {
        Ok(pipeline) => pipeline,
        Err(why) => return ended(start_code(&why), &why),
    };
    for warning in shared.warnings() {
        warn!("{warning}");
    }
    let (names, heads) = (pipeline.directory(), pipeline.heads());
    let (counted, taps) = (metrics.clone(), shared.taps.clone());
    let reception = Reception::new(pipeline.operator(), names, heads, taps, counted.clone());
    admin.open(Arc::new(reception), Box::new(move || counted.render()));
    let operators = admin.address();
    info!(%operators, "operators connect to {operators}");
    greet(&pipeline, &options, start);
    guard.ready();
    let status = format!("listening on {}", pipeline.address());
    notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
    for signal in signals.forever() {
        if signal != SIGHUP {
            let signal = if signal == SIGTERM { "SIGTERM" } else { "SIGINT" };
            info!(signal, "{signal}: answering what was read, then stopping");
            break;
        }
        let reloading = NotifyState::monotonic_usec_now();
        notify(&[NotifyState::Reloading, reloading.unwrap_or(NotifyState::Status("reloading"))]);
        match reload(&arguments, &options, &mut pipeline) {
            Ok(newer) => {
                level.set(newer.log_level);
                options = newer;
            }
            Err(why) => error!("SIGHUP: nothing changed: {why}"),
        }
        notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
    }
    notify(&[NotifyState::Stopping, NotifyState::Status("answering what was read")]);
    hurry_at_the_next(signals, pipeline.stop_signal());
    admin.drain();
    pipeline.stop();
    admin.stop();
    drop(guard);
    let (decided, seq) = (metrics.matcher.decided.value(), metrics.journal.seq.value());
    let (decisions, end) = (count(decided), count(seq));
    info!(decided, seq, "stopped after {decisions} decisions; the journal ends at seq {end}");
    FINE
}

/// The operator's port asks for the same tokens and speaks TLS with the same certificate.
fn admin_parts(options: &Options, shared: &Shared) -> AdminParts {
    let access = shared.access.clone();
    let ask = move |token: Option<&str>| {
        let may = |need| access.require(token.map(str::as_bytes), need);
        match (may(Need::Operate), may(Need::Watch)) {
            (Ok(_), _) => admin::Access::Admin,
            (_, Ok(_)) => admin::Access::Read,
            (_, Err(Denied::WrongRole)) => admin::Access::Elsewhere,
            (_, Err(_)) => admin::Access::Unknown,
        }
    };
    let handshake = match &shared.certificates {
        Some(certificates) => admin::tls(Arc::clone(certificates), options.tls_required),
        None => admin::plain(),
    };
    AdminParts { listen: options.admin_listen, access: Arc::new(ask), handshake }
}

/// Says what ends the server. Returns the exit code.
fn ended(code: i32, what: &impl std::fmt::Display) -> i32 {
    error!(code, "{what}");
    code
}

/// Reads the options again and brings into force what can change. Returns what is in force now.
fn reload(arguments: &Serve, old: &Options, pipeline: &mut Pipeline) -> Result<Options, String> {
    let mut newer = flags::layer(&arguments.flags, arguments.config.as_deref())?.options()?;
    share_descriptors(&mut newer);
    let changes = old.changes(&newer);
    let in_force = old.reloaded(&newer);
    pipeline.reload().apply(&in_force)?;
    for changed in &changes {
        let (option, before, after) = (changed.name, &changed.before, &changed.after);
        match changed.change {
            Change::Reload => info!(option, before, after, "SIGHUP: {changed}"),
            Change::Restart => warn!(option, before, after, "SIGHUP: {changed}"),
        }
    }
    info!(changes = changes.len(), "SIGHUP: options read again");
    Ok(in_force)
}

/// A second signal ends the wait for peers that take no answers.
fn hurry_at_the_next(mut signals: Signals, stop: Arc<Stop>) {
    // Without the thread the wait ends by itself.
    let _ = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if signals.forever().any(|signal| signal != SIGHUP) {
            warn!("a second signal: no more waiting for peers that take no answers");
            stop.hurry();
        }
    });
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
        warn!(
            descriptors,
            "connections_max lowered from {} to {connections_max}: the system allows this process \
             {descriptors} descriptors (ulimit -n)",
            options.connections_max
        );
        options.connections_max = connections_max;
    }
}

/// Says what the options are. Returns the exit code.
fn print_config(layer: &Layer) -> i32 {
    match layer.print() {
        Ok(text) => delivered(std::io::stdout().write_all(text.as_bytes())),
        Err(why) => failed(CONFIGURATION, &why),
    }
}

/// Reads all that a start reads before it touches the data folder. Returns the exit code.
fn check(options: &Options) -> i32 {
    if let Err(why) = options.check_memory() {
        return failed(CONFIGURATION, &why);
    }
    for path in &options.sale {
        if let Err(why) = sale_file::read(path) {
            return failed(CONFIGURATION, &why);
        }
    }
    let warnings = match Shared::load(options) {
        Ok(shared) => shared.warnings(),
        Err(why) => return failed(CONFIGURATION, &why),
    };
    warnings.iter().for_each(talk);
    let sales = options.sale.len();
    talk(&format_args!("the options are good, and so are {sales} files of sales"));
    FINE
}

fn greet(pipeline: &Pipeline, options: &Options, start: Instant) {
    let report = pipeline.report();
    if let Some(torn) = &report.torn {
        let (segment, offset, bytes, seq) = (torn.segment, torn.offset, torn.bytes, torn.seq);
        warn!(
            segment,
            offset,
            bytes,
            seq,
            "cut a torn end: segment {segment}, offset {}, {} bytes from seq {} on; nothing of it \
             had been answered if it was written with durability fsync",
            count(offset),
            count(bytes),
            count(seq),
        );
    }
    let (records, took) = (report.seq, start.elapsed());
    info!(
        records,
        seconds = took.as_secs_f64(),
        "journal {} holds {} records, replayed in {}",
        options.data.display(),
        count(records),
        duration(took),
    );
    if options.tokens_file.is_none() && !options.listen.ip().to_canonical().is_loopback() {
        warn!("allow_open: no tokens: everybody may do everything");
    }
    let address = pipeline.address();
    info!(%address, "listening on {address}");
}
