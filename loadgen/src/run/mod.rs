//! `loadgen run`: drives a server over its own protocols and says what it did.
//!
//! Walk of a run: options -> connect -> one driver a thread (schedule and content say what to send
//! when; a protocol spells it; the books take the answers) -> report. The wait of a request counts
//! from when it was meant to be sent, and orders are never mixed with refusals.

mod alarm;
mod answered;
mod binary;
mod connect;
mod connection;
mod content;
mod driver;
mod options;
mod proof;
mod protocol;
mod report;
mod resp;
mod schedule;
mod table;
mod tally;

use std::{
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use mio::net::TcpStream;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::Failure;
use crate::clock::{Clock, cpu_seconds, nanos};
use answered::Books;
use content::Content;
use driver::{Driver, Pace, Plan};
pub(crate) use options::Arguments;
use options::{Spoken, duration};
use protocol::Protocol;
use schedule::Schedule;

/// From making the threads to the first request.
const START_DELAY: Duration = Duration::from_millis(20);
/// When a run that ends by its requests ends at the latest.
const FOR_EVER_NS: u64 = u64::MAX / 4;
/// A run's id is its start in us; its requests' numbers have the digits behind it.
const NUMBERS: u128 = 1_000_000_000_000;

pub(crate) use tally::histogram;

/// A duration on the command line.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    duration(text)
}

/// CPU time used in the measured part, in seconds.
struct Cpu {
    generator: Option<f64>,
    server: Option<f64>,
    /// The wall time it is a part of, in seconds.
    wall: f64,
}

/// All that a run left.
struct Outcome {
    books: Books,
    measured_from: u64,
    /// When sending ended, ns since the start.
    stopped_at: u64,
    partial: bool,
    cpu: Cpu,
}

/// Does the run and prints the report; returns the exit code.
pub(crate) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    arguments.check()?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal sets the flag, the second ends the program.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .map_err(|error| Failure::new(Failure::CHECK, format!("no signals: {error}")))?;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let run_id = now.as_micros() * NUMBERS;
    let (target, sale, items) = (arguments.target, &arguments.sale, &arguments.item);
    let outcome = match arguments.protocol {
        Spoken::Binary => {
            let items = connect::resolve(target, sale, items)?;
            drive(arguments, stop, true, || binary::Binary::new(&items, arguments.units, run_id))?
        }
        Spoken::Resp => {
            connect::look_up(target, sale, items)?;
            drive(arguments, stop, false, || resp::Resp::new(sale, items, arguments.units, run_id))?
        }
    };
    let report = report::Report::new(arguments, outcome);
    if arguments.json {
        crate::print_json(&report)?;
    } else {
        crate::print(&table::text(&report))?;
    }
    table::print_warnings(&report);
    Ok(report.exit_code())
}

/// Connects, runs the threads, adds up.
fn drive<P: Protocol + Send>(
    arguments: &Arguments,
    stop: Arc<AtomicBool>,
    greet: bool,
    protocol: impl Fn() -> P,
) -> Result<Outcome, Failure> {
    let (streams, server_bound) = connect::connect(arguments.target, arguments.connections, greet)?;
    let wanted = arguments.rate.map_or(arguments.pipeline, |_| arguments.outstanding);
    let bound = wanted.min(server_bound);
    if bound < wanted && arguments.rate.is_none() {
        eprintln!("loadgen: the server takes {bound} requests at once on a connection");
    }
    let measured_from = nanos(arguments.warmup);
    let clock = Clock::starting_in(START_DELAY);
    let mut drivers = Vec::new();
    for (offset, streams) in deal(streams, arguments.threads).into_iter().enumerate() {
        let plan = plan(arguments, clock, offset as u64, Arc::clone(&stop));
        drivers.push(Driver::new(plan, protocol(), streams, bound));
    }
    talk(arguments);
    let (cpu_before, began, results) = thread::scope(|scope| {
        let running: Vec<_> = drivers
            .into_iter()
            .map(|mut driver| {
                scope.spawn(move || driver.run().map(|()| (driver.books, driver.stopped_at)))
            })
            .collect();
        while clock.now() < measured_from && !stop.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_nanos(measured_from - clock.now()).min(START_DELAY));
        }
        let before = (cpu_seconds(None), arguments.server_pid.and_then(|id| cpu_seconds(Some(id))));
        let began = clock.now();
        let results: Vec<_> = running
            .into_iter()
            .map(|thread| thread.join().expect("a driver's panic ends the program"))
            .collect();
        (before, began, results)
    });
    let spent = |before: Option<f64>, after: Option<f64>| Some((after? - before?).max(0.0));
    let server_after = arguments.server_pid.and_then(|id| cpu_seconds(Some(id)));
    let cpu = Cpu {
        generator: spent(cpu_before.0, cpu_seconds(None)),
        server: spent(cpu_before.1, server_after),
        wall: clock.now().saturating_sub(began) as f64 / 1e9,
    };
    let mut all: Option<(Books, u64)> = None;
    for result in results {
        let (books, stopped) = result
            .map_err(|error| Failure::new(Failure::CHECK, format!("the poll failed: {error}")))?;
        let stopped = stopped.unwrap_or(0);
        all = Some(match all {
            None => (books, stopped),
            Some((mut sum, latest)) => {
                sum.tally.merge(books.tally);
                sum.proof.merge(books.proof);
                (sum, latest.max(stopped))
            }
        });
    }
    let (books, stopped_at) = all.expect("there is a thread at least");
    let partial = stop.load(Ordering::Relaxed);
    Ok(Outcome { books, measured_from, stopped_at, partial, cpu })
}

/// One thread's part of the run.
fn plan(arguments: &Arguments, clock: Clock, offset: u64, stop: Arc<AtomicBool>) -> Plan {
    let stride = arguments.threads as u64;
    let measured_from = nanos(arguments.warmup);
    let content = Content::new(arguments.seed, arguments.item.len(), arguments.zipf)
        .with_buyers(arguments.buyers)
        .with_repeats(arguments.duplicates)
        .with_fates(arguments.confirm, arguments.release);
    let share = |count: u64| (count + stride - 1 - offset) / stride;
    let (pace, length) = match (arguments.rate, arguments.requests) {
        (None, None) => (Pace::Closed { requests: None }, nanos(arguments.duration)),
        (None, Some(count)) => (Pace::Closed { requests: Some(share(count)) }, FOR_EVER_NS),
        (Some(rate), count) => {
            let length = count.map_or(nanos(arguments.duration), |count| {
                // The first is due at the start, so the last is due one period before the end.
                (count as f64 / rate * 1e9) as u64
            });
            (Pace::Open(Schedule::new(rate, stride, offset)), length)
        }
    };
    Plan {
        clock,
        pace,
        content,
        stride,
        offset,
        measured_from,
        end: measured_from + length,
        patience: nanos(arguments.timeout),
        stop,
    }
}

/// Deals connections to threads in turn.
fn deal(streams: Vec<TcpStream>, threads: usize) -> Vec<Vec<TcpStream>> {
    let mut hands: Vec<Vec<TcpStream>> = (0..threads).map(|_| Vec::new()).collect();
    for (index, stream) in streams.into_iter().enumerate() {
        hands[index % threads].push(stream);
    }
    hands
}

/// Says what is about to happen.
fn talk(arguments: &Arguments) {
    let loop_kind = arguments.rate.map_or_else(
        || format!("closed loop, pipeline {}", arguments.pipeline),
        |rate| format!("open loop, {} purchases/s", crate::figures::rate(rate)),
    );
    let connections = arguments.connections;
    eprintln!("loadgen: {connections} connections to {}, {loop_kind}", arguments.target);
}
