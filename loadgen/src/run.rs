//! `loadgen run`: drives a server over its own protocols and says what it did.
//!
//! The wait of a request counts from when it was meant to be sent, and orders are never mixed with
//! refusals.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

use clap::Args;
use hdrhistogram::Histogram;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::Failure;
use crate::load::Show;
use crate::options::{self, Output};
use crate::report::{Document, Files, Progress, make, table};

/// Some send a signal twice in a breath (`timeout` does): only one that comes later than this after
/// the first ends the program at once.
const SECOND_SIGNAL_AFTER: Duration = Duration::from_millis(500);

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(flatten)]
    run: options::Arguments,
    #[command(flatten)]
    output: Output,
}

/// Does the run and prints the report; returns the exit code.
pub(crate) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    arguments.run.check()?;
    let mut files = Files::open(&arguments.output)?;
    let stop = stop_on_signal()?;
    let (document, latencies) = watched(&arguments.run, &stop, &mut files)?;
    tell(document, &latencies, files, &arguments.output)
}

/// One run, as [`measure`] does it, with its seconds shown and kept while it goes on.
pub(crate) fn watched(
    arguments: &options::Arguments,
    stop: &Arc<AtomicBool>,
    files: &mut Files,
) -> Result<(Document, Histogram<u64>), Failure> {
    let mut progress = Progress::new();
    let measured = measure(arguments, stop, &mut |interval, latencies| {
        files.interval(interval, latencies);
        progress.interval(interval);
    });
    progress.finish();
    measured
}

/// Judges, writes and prints the report; returns the exit code.
pub(crate) fn tell(
    mut document: Document,
    latencies: &Histogram<u64>,
    files: Files,
    output: &Output,
) -> Result<u8, Failure> {
    document.thresholds = output.thresholds.iter().map(|rule| rule.judge(&document)).collect();
    // First, so that they are there even if nobody can be told.
    let complete = files.finish(&document, latencies);
    if output.json {
        crate::print_json(&document)?;
    } else {
        crate::print(&table::text(&document, table::Look::of_stdout()))?;
    }
    table::print_warnings(&document);
    Ok(match document.exit_code() {
        // What is missing from a file matters less than a failed check, and more than a threshold.
        0 | Failure::THRESHOLD if !complete => Failure::DISK,
        exit => exit,
    })
}

/// One run: its document, and the latencies of all purchases from their intended send.
pub(crate) fn measure(
    arguments: &options::Arguments,
    stop: &Arc<AtomicBool>,
    show: Show<'_>,
) -> Result<(Document, Histogram<u64>), Failure> {
    let conditions = crate::prepare::conditions(&arguments.target)?;
    let outcome = crate::load::run(arguments, stop, show)?;
    let latencies = outcome.books.tally.purchases().intended;
    let mut document = make(arguments, outcome);
    document.run.mix.extend(conditions);
    Ok((document, latencies))
}

/// A flag that the first SIGINT or SIGTERM sets; one that comes later ends the program.
pub(crate) fn stop_on_signal() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let armed = Arc::new(AtomicBool::new(false));
    let (first, second) = (Arc::clone(&stop), Arc::clone(&armed));
    std::thread::spawn(move || {
        while !first.load(Ordering::Relaxed) {
            std::thread::sleep(SECOND_SIGNAL_AFTER / 5);
        }
        std::thread::sleep(SECOND_SIGNAL_AFTER);
        second.store(true, Ordering::Relaxed);
    });
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&armed))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .map_err(|error| Failure::new(Failure::CHECK, format!("no signals: {error}")))?;
    }
    Ok(stop)
}
