//! The engine: drives a target as the options say and returns what was seen.
//!
//! Walk of a run: connect -> one driver a thread (schedule and content say what to send when; a
//! protocol spells it; the books take the answers) -> outcome. It prints nothing but talk.

mod alarm;
mod answered;
pub(crate) mod arrivals;
pub(crate) mod arrived;
pub(crate) mod connect;
mod connection;
pub(crate) mod content;
mod curve;
mod driver;
pub(crate) mod ledger;
mod plan;
pub(crate) mod proof;
mod scrape;
mod slice;
pub(crate) mod stream;
pub(crate) mod tally;
mod trace;
mod watch;

use std::{
    sync::{Arc, atomic::AtomicBool, atomic::Ordering, mpsc},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hdrhistogram::Histogram;

use crate::Failure;
use crate::clock::{Clock, nanos};
use crate::options::{Arguments, Arrival, Pair, Spoken, Target};
use crate::prepare;
use crate::report::document::{Interval, Server};
use crate::speech::{
    Protocol,
    binary::Binary,
    http::Http,
    postgres::{Batch, Postgres},
    redis::Redis,
    resp::Resp,
};
pub(crate) use answered::Books;
use answered::Manners;
use arrivals::Profile;
use connect::{Connector, Sampler, Shop};
use content::Content;
use driver::Driver;
use plan::{Pace, Plan};
use slice::Teller;
use stream::Stream;
pub(crate) use trace::Trace;
use watch::Watch;

/// From making the threads to the first request.
const START_DELAY: Duration = Duration::from_millis(20);
/// When a run that ends by its requests ends at the latest.
const FOR_EVER_NS: u64 = u64::MAX / 4;
/// A run's id is its start in us; its requests' numbers have the digits behind it.
const NUMBERS: u128 = 1_000_000_000_000;
/// Slices that may wait for the thread that shows them.
const SLICES_WAITING: usize = 64;

/// CPU time used in the measured part, in seconds.
pub(crate) struct Cpu {
    pub(crate) generator: Option<f64>,
    pub(crate) server: Option<f64>,
    /// The wall time it is a part of, in seconds.
    pub(crate) wall: f64,
}

/// All that a run left. Times are ns since the start.
pub(crate) struct Outcome {
    pub(crate) books: Books,
    pub(crate) measured_from: u64,
    /// When sending ended.
    pub(crate) stopped_at: u64,
    pub(crate) partial: bool,
    pub(crate) cpu: Cpu,
    pub(crate) server: Option<Server>,
    /// Open loop: the mean rate wanted in the measured time.
    pub(crate) offered: Option<f64>,
    /// Names of the items: those of the trace, if there is one.
    pub(crate) items: Vec<String>,
    /// Whether the protocol's answers say what they answer.
    pub(crate) tagged: bool,
    /// A key is this and the purchase's number.
    pub(crate) run_id: u128,
    /// RFC 3339.
    pub(crate) started_at: String,
    pub(crate) intervals: Vec<Interval>,
    /// What the server said of the sale before the first request, and after the last answer.
    pub(crate) before: Shop,
    pub(crate) after: Option<Shop>,
}

/// What is shown of each second while the run goes on: its figures, and the latencies of its
/// purchases from the intended time of sending.
pub(crate) type Show<'a> = &'a mut dyn FnMut(&Interval, &Histogram<u64>);

/// Does one run.
pub(crate) fn run(
    arguments: &Arguments,
    stop: &Arc<AtomicBool>,
    show: Show<'_>,
) -> Result<Outcome, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let run_id = now.as_micros() * NUMBERS;
    let mut arguments = arguments.clone();
    let trace = match &arguments.pace.trace {
        None => None,
        Some(path) => Some(Arc::new(Trace::read(path, arguments.pace.speed)?)),
    };
    if let Some(trace) = &trace {
        arguments.target.item.clone_from(&trace.items);
    }
    let target = &arguments.target;
    let scene = |way, shop| Scene { arguments: &arguments, trace: trace.clone(), stop, way, shop };
    let limit = target.setup.limit;
    let mut outcome = match target.protocol {
        Spoken::Binary | Spoken::Resp | Spoken::Http | Spoken::Https => {
            let connector = Connector::new(target)?;
            let shop = connector.look_up()?;
            let scene = scene(Way::Doorbuster(&connector), &shop);
            match target.protocol {
                Spoken::Binary => drive(&scene, show, || Binary::new(&shop, run_id)),
                Spoken::Resp => drive(&scene, show, || Resp::new(target, run_id)),
                _ => drive(&scene, show, || Http::new(target, connector.token(), run_id)),
            }
        }
        Spoken::RedisLua => {
            let scripts = prepare::redis::stage(target)?;
            let (greet, shop) = (prepare::redis::greet, prepare::shop(target));
            let redis = || Redis::new(&target.sale, &target.item, limit, &scripts, run_id);
            drive(&scene(Way::Rival(target, &greet), &shop), show, redis)
        }
        Spoken::PostgresRow | Spoken::PostgresUnits | Spoken::PostgresBatch => {
            prepare::postgres::stage(target)?;
            let (greet, shop) = (prepare::postgres::greet, prepare::shop(target));
            let scene = scene(Way::Rival(target, &greet), &shop);
            match target.protocol {
                Spoken::PostgresBatch => drive(&scene, show, || Batch::new(limit, run_id)),
                _ => drive(&scene, show, || Postgres::new(limit, run_id)),
            }
        }
    }?;
    outcome.items = arguments.target.item;
    outcome.run_id = run_id;
    Ok(outcome)
}

/// What a run has found before it begins.
struct Scene<'a> {
    arguments: &'a Arguments,
    trace: Option<Arc<Trace>>,
    stop: &'a Arc<AtomicBool>,
    way: Way<'a>,
    shop: &'a Shop,
}

/// How to come to a target.
enum Way<'a> {
    Doorbuster(&'a Connector),
    /// With what each of its connections begins with.
    Rival(&'a Target, &'a dyn Fn(std::net::TcpStream, &Target) -> Result<(), Failure>),
}

impl Way<'_> {
    /// Opens all connections; returns them with the number of requests that the target takes at
    /// once on one of them.
    fn connect(&self) -> Result<(Vec<Stream>, usize), Failure> {
        match self {
            Way::Doorbuster(connector) => connector.connect(),
            Way::Rival(target, greet) => Ok((prepare::connect(target, greet)?, usize::MAX)),
        }
    }

    /// Only a doorbuster is asked while and after it is driven.
    fn sampler(&self, shop: &Shop) -> Option<Sampler> {
        match self {
            Way::Doorbuster(connector) => Some(connector.sampler(shop)),
            Way::Rival(..) => None,
        }
    }

    fn look_again(&self) -> Option<Shop> {
        match self {
            Way::Doorbuster(connector) => connector.look_up().ok(),
            Way::Rival(..) => None,
        }
    }
}

/// Connects, runs the threads, adds up.
fn drive<P: Protocol + Send>(
    scene: &Scene<'_>,
    show: Show<'_>,
    protocol: impl Fn() -> P,
) -> Result<Outcome, Failure> {
    let Arguments { target, pace, mix } = scene.arguments;
    let (streams, server_bound) = scene.way.connect()?;
    let wanted = pace.closed().unwrap_or(pace.outstanding);
    let bound = wanted.min(server_bound);
    if bound < wanted && !pace.is_open() {
        eprintln!("loadgen: the server takes {bound} requests at once on a connection");
    }
    // A click's second request goes where its first went.
    let bound = if mix.clicks > 0.0 { bound.saturating_sub(1).max(1) } else { bound };
    let profile = profile(scene)?;
    let started_at = jiff::Timestamp::now().to_string();
    let (tell, slices) = mpsc::sync_channel(SLICES_WAITING);
    let clock = Clock::starting_in(START_DELAY);
    let whole = plan(scene, profile.clone(), clock, Teller(tell));
    let (measured_from, end) = (whole.measured_from, whole.end);
    let mut drivers = Vec::new();
    for (offset, streams) in (0..).zip(deal(streams, pace.threads)) {
        drivers.push(Driver::new(whole.part(offset), protocol(), streams, bound));
    }
    drop(whole);
    talk(scene.arguments);
    let sampler = scene.way.sampler(scene.shop);
    let mut watch = Watch::new(slices, clock, profile.clone(), measured_from, target, sampler);
    let results = thread::scope(|scope| {
        let running: Vec<_> = drivers
            .into_iter()
            .map(|mut driver| {
                scope.spawn(move || {
                    driver.run().map(|()| (driver.books, driver.stopped_at, driver.cut_short))
                })
            })
            .collect();
        watch.watch(pace.threads, show);
        let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join();
        let results = running.into_iter().map(join);
        results.map(|result| result.expect("a driver's panic ends the program")).collect::<Vec<_>>()
    });
    let cpu = watch.cpu();
    let mut all: Option<(Books, u64, bool)> = None;
    for result in results {
        let (books, stopped, cut_short) = result
            .map_err(|error| Failure::new(Failure::CHECK, format!("the poll failed: {error}")))?;
        let stopped = stopped.unwrap_or(0);
        all = Some(match all {
            None => (books, stopped, cut_short),
            Some((mut sum, latest, others)) => {
                sum.merge(books);
                (sum, latest.max(stopped), others || cut_short)
            }
        });
    }
    let (books, stopped_at, cut_short) = all.expect("there is a thread at least");
    let offered = profile.map(|profile| {
        let due = profile.count_before(end.min(stopped_at)) - profile.count_before(measured_from);
        due / (stopped_at.saturating_sub(measured_from) as f64 / 1e9).max(1e-9)
    });
    Ok(Outcome {
        books,
        measured_from,
        stopped_at,
        partial: cut_short || scene.stop.load(Ordering::Relaxed),
        cpu,
        server: watch.server(),
        offered,
        items: Vec::new(),
        tagged: P::TAGGED,
        run_id: 0,
        started_at,
        intervals: watch.intervals,
        before: scene.shop.clone(),
        after: scene.way.look_again(),
    })
}

/// What is due when, in an open loop.
fn profile(scene: &Scene<'_>) -> Result<Option<Profile>, Failure> {
    let Arguments { pace, mix, .. } = scene.arguments;
    let seconds = pace.duration.as_secs_f64();
    let curve = if let Some(rate) = pace.steady() {
        // The first is due at the start, so the last is due one period before the end.
        curve::steady(rate, pace.requests.map_or(seconds, |count| count as f64 / rate))
    } else if let Some(Pair(from, to)) = pace.ramp {
        curve::ramp(from, to, seconds)
    } else if let Some(Pair(calm, peak)) = pace.spike {
        curve::spike(calm, peak, seconds)
    } else if let Some(factor) = pace.flash {
        let free: u64 = scene.shop.items.iter().map(|item| item.free).sum();
        if free == 0 {
            return Err(Failure::new(Failure::USAGE, "--flash: nothing of the stock is left"));
        }
        curve::flash((free as f64 * factor).ceil(), seconds)
    } else {
        return Ok(scene.trace.clone().map(Profile::Trace));
    };
    let curve = Arc::new(curve.after_warmup(pace.warmup().as_secs_f64()));
    let poisson = (pace.arrivals == Arrival::Poisson).then_some(mix.seed);
    Ok(Some(Profile::Curve { curve, poisson }))
}

/// The run as its first thread sees it.
fn plan(scene: &Scene<'_>, profile: Option<Profile>, clock: Clock, teller: Teller) -> Plan {
    let Arguments { target, pace, mix } = scene.arguments;
    let measured_from = nanos(pace.warmup());
    let (pace_of_all, end) = match profile {
        Some(profile) => {
            let end = profile.end();
            (Pace::Open(profile), end)
        }
        None if pace.requests.is_some() => (Pace::Closed { requests: pace.requests }, FOR_EVER_NS),
        None => (Pace::Closed { requests: None }, measured_from + nanos(pace.duration)),
    };
    Plan {
        clock,
        pace: pace_of_all,
        content: Content::new(mix, target.item.len(), &target.groups, scene.trace.clone()),
        manners: Manners { think: nanos(mix.think), retry_after: nanos(mix.retry_after) },
        retries: mix.retries,
        limit: limit(scene.shop),
        items: target.item.len(),
        stride: pace.threads as u64,
        offset: 0,
        measured_from,
        end,
        patience: nanos(pace.timeout),
        stop: Arc::clone(scene.stop),
        teller,
    }
}

/// The limit of a buyer to be watched: the highest of all items, for a lower one would find fault
/// with the buyers of another; none if an item has none.
fn limit(shop: &Shop) -> Option<u32> {
    shop.items.iter().map(|item| item.limit).collect::<Option<Vec<u32>>>()?.into_iter().max()
}

/// Deals connections to threads in turn.
fn deal(streams: Vec<Stream>, threads: usize) -> Vec<Vec<Stream>> {
    let mut hands: Vec<Vec<Stream>> = (0..threads).map(|_| Vec::new()).collect();
    for (index, stream) in streams.into_iter().enumerate() {
        hands[index % threads].push(stream);
    }
    hands
}

/// Says what is about to happen.
fn talk(arguments: &Arguments) {
    let Arguments { target, pace, .. } = arguments;
    let closed = || format!("closed loop, pipeline {}", pace.closed().unwrap_or_default());
    let pace = pace.profile().map_or_else(closed, |profile| format!("open loop, {profile}"));
    let connections = target.connections;
    eprintln!("loadgen: {connections} connections to {}, {pace}", target.address);
}
