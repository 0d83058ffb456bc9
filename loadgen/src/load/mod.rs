//! The engine: drives a target as the options say and returns what was seen.
//!
//! Walk of a run: connect -> one driver a thread (schedule and content say what to send when; a
//! protocol spells it; the books take the answers) -> outcome. It prints nothing but talk.

mod alarm;
mod answered;
mod connect;
mod connection;
pub(crate) mod content;
mod driver;
pub(crate) mod proof;
mod schedule;
pub(crate) mod tally;

use std::{
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use mio::net::TcpStream;

use crate::Failure;
use crate::clock::{Clock, cpu_seconds, nanos};
use crate::options::{Arguments, Spoken};
use crate::prepare;
use crate::report::document::Interval;
use crate::speech::{
    Protocol,
    binary::Binary,
    postgres::{Batch, Postgres},
    redis::Redis,
    resp::Resp,
};
use answered::Books;
use connect::Greeting;
use content::Content;
use driver::{Driver, Pace, Plan};
use schedule::Schedule;

/// From making the threads to the first request.
const START_DELAY: Duration = Duration::from_millis(20);
/// When a run that ends by its requests ends at the latest.
const FOR_EVER_NS: u64 = u64::MAX / 4;
/// A run's id is its start in us; its requests' numbers have the digits behind it.
const NUMBERS: u128 = 1_000_000_000_000;

/// CPU time used in the measured part, in seconds.
pub(crate) struct Cpu {
    pub(crate) generator: Option<f64>,
    pub(crate) server: Option<f64>,
    /// The wall time it is a part of, in seconds.
    pub(crate) wall: f64,
}

/// All that a run left.
pub(crate) struct Outcome {
    pub(crate) books: Books,
    /// ns since the start.
    pub(crate) measured_from: u64,
    /// When sending ended, ns since the start.
    pub(crate) stopped_at: u64,
    pub(crate) partial: bool,
    pub(crate) cpu: Cpu,
    /// Open loop: the mean rate wanted in the measured time.
    pub(crate) offered: Option<f64>,
    /// RFC 3339.
    pub(crate) started_at: String,
    pub(crate) intervals: Vec<Interval>,
}

/// Does one run.
pub(crate) fn run(arguments: &Arguments, stop: &Arc<AtomicBool>) -> Result<Outcome, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let run_id = now.as_micros() * NUMBERS;
    let target = &arguments.target;
    match target.protocol {
        Spoken::Binary => {
            let items = connect::resolve(target.address, &target.sale, &target.item)?;
            drive(arguments, stop, &Greeting::Hello, || Binary::new(&items, run_id))
        }
        Spoken::Resp => {
            connect::look_up(target.address, &target.sale, &target.item)?;
            let resp = || Resp::new(&target.sale, &target.item, run_id);
            drive(arguments, stop, &Greeting::Nothing, resp)
        }
        Spoken::RedisLua => {
            let scripts = prepare::redis::stage(target)?;
            let limit = target.setup.limit;
            let greet = |stream| prepare::redis::greet(stream, target);
            let redis = || Redis::new(&target.sale, &target.item, limit, &scripts, run_id);
            drive(arguments, stop, &Greeting::Rival(&greet), redis)
        }
        spoken @ (Spoken::PostgresRow | Spoken::PostgresUnits | Spoken::PostgresBatch) => {
            prepare::postgres::stage(target)?;
            let limit = target.setup.limit;
            let greet = |stream| prepare::postgres::greet(stream, target);
            let greeting = Greeting::Rival(&greet);
            if spoken == Spoken::PostgresBatch {
                drive(arguments, stop, &greeting, || Batch::new(limit, run_id))
            } else {
                drive(arguments, stop, &greeting, || Postgres::new(limit, run_id))
            }
        }
    }
}

/// Connects, runs the threads, adds up.
fn drive<P: Protocol + Send>(
    arguments: &Arguments,
    stop: &Arc<AtomicBool>,
    greeting: &Greeting<'_>,
    protocol: impl Fn() -> P,
) -> Result<Outcome, Failure> {
    let Arguments { target, pace, .. } = arguments;
    let (streams, server_bound) = connect::connect(target.address, target.connections, greeting)?;
    let wanted = pace.rate.map_or(pace.pipeline, |_| pace.outstanding);
    let bound = wanted.min(server_bound);
    if bound < wanted && pace.rate.is_none() {
        eprintln!("loadgen: the server takes {bound} requests at once on a connection");
    }
    let measured_from = nanos(pace.warmup);
    let clock = Clock::starting_in(START_DELAY);
    let mut drivers = Vec::new();
    for (offset, streams) in deal(streams, pace.threads).into_iter().enumerate() {
        let plan = plan(arguments, clock, offset as u64, Arc::clone(stop));
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
        let before = (cpu_seconds(None), target.server_pid.and_then(|id| cpu_seconds(Some(id))));
        let began = clock.now();
        let results: Vec<_> = running
            .into_iter()
            .map(|thread| thread.join().expect("a driver's panic ends the program"))
            .collect();
        (before, began, results)
    });
    let spent = |before: Option<f64>, after: Option<f64>| Some((after? - before?).max(0.0));
    let server_after = target.server_pid.and_then(|id| cpu_seconds(Some(id)));
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
    let (offered, intervals) = (pace.rate, Vec::new());
    let started_at = String::new();
    Ok(Outcome { books, measured_from, stopped_at, partial, cpu, offered, started_at, intervals })
}

/// One thread's part of the run.
fn plan(arguments: &Arguments, clock: Clock, offset: u64, stop: Arc<AtomicBool>) -> Plan {
    let Arguments { target, pace, mix } = arguments;
    let stride = pace.threads as u64;
    let measured_from = nanos(pace.warmup);
    let content = Content::new(mix.seed, target.item.len(), mix.zipf)
        .with_buyers(mix.buyers)
        .with_units(mix.units)
        .with_repeats(mix.duplicates)
        .with_fates(mix.confirm, mix.release);
    let share = |count: u64| (count + stride - 1 - offset) / stride;
    let (loop_kind, length) = match (pace.rate, pace.requests) {
        (None, None) => (Pace::Closed { requests: None }, nanos(pace.duration)),
        (None, Some(count)) => (Pace::Closed { requests: Some(share(count)) }, FOR_EVER_NS),
        (Some(rate), count) => {
            let length = count.map_or(nanos(pace.duration), |count| {
                // The first is due at the start, so the last is due one period before the end.
                (count as f64 / rate * 1e9) as u64
            });
            (Pace::Open(Schedule::new(rate, stride, offset)), length)
        }
    };
    Plan {
        clock,
        pace: loop_kind,
        content,
        stride,
        offset,
        measured_from,
        end: measured_from + length,
        patience: nanos(pace.timeout),
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
    let Arguments { target, pace, .. } = arguments;
    let loop_kind = pace.rate.map_or_else(
        || format!("closed loop, pipeline {}", pace.pipeline),
        |rate| format!("open loop, {} purchases/s", crate::figures::rate(rate)),
    );
    let connections = target.connections;
    eprintln!("loadgen: {connections} connections to {}, {loop_kind}", target.address);
}
