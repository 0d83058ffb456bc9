//! THE PAGE: makes every ring, every room and every thread, and says in which order they start and
//! stop. How threads wait is told by `crew`; a room only has `work()`.
//!
//! ```text
//! 1. Remember: newest snapshot + journal after it -> the sale's state.
//! 2. Doors: one ring per shard inward, one ring to the journal, one ring per shard home.
//! 3. Shards turn bytes into requests.      shard.work():   socket -> wire -> requests[i], stamped
//! 4. The matcher decides, in one order.    matcher.work(): requests[*] -> seq, time -> apply
//! 5. The journal makes it true.            journal.work(): records -> append -> sync -> watermark
//! 6. Shards answer.                        shard.work():   durable replies[i] -> socket
//! 7. Sinks tell the world, later.          sink.work():    journal -> outside -> checkpoint
//! 8. The keeper bounds start and disk.     keeper.work():  journal -> snapshot; old segments go
//! ```
//!
//! The operator's room has a door to the matcher as a shard has; its commands are requests too.
//!
//! Start: the port first (buyers hear that the server is loading), then 1, then the matcher, the
//! journal, operator, heads, sinks, keeper. Stop, each when the one before has ended: shards and
//! operator (answer what was read), matcher (seal), journal (sync), heads (the last one), sinks
//! (what is left). No state is shared by two pipelines of one process.

mod failure;
mod opening;
mod ports;

use std::net::SocketAddr;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::thread::JoinHandle;

use crossbeam::channel::bounded;
use crossbeam::sync::Parker;

pub use failure::StartError;
pub(crate) use opening::names_of;
use ports::{bell_of, listen, shard_options};

use crate::access::Access;
use crate::bell::Bell;
use crate::board::BoardWriter;
use crate::certificates::Certificates;
use crate::chains::chains;
use crate::clock;
use crate::crew::{Crew, OnFailure, Stop, end_sinks};
use crate::directory::{Directory, DirectoryWriter};
use crate::heads::{Heads, Shelf};
use crate::journal::{
    self, Disk, FolderLock, Gate, JournalError, JournalOptions, Report, Watermark,
};
use crate::limits::{
    OPERATOR_REPLY_RING_CELLS, OPERATOR_REQUEST_RING_CELLS, RECORD_RING_CELLS, REPLY_RING_CELLS,
    REQUEST_RING_CELLS,
};
use crate::live::Live;
use crate::matcher::{Door, Matcher, MatcherParts};
use crate::message::Cell;
use crate::metrics::Metrics;
use crate::news::NewsWriter;
use crate::operator::{Operator, OperatorHandle, OperatorParts};
use crate::options::Options;
use crate::record::Replay;
use crate::reload::{self, Reload};
use crate::ring::ring;
use crate::sale::{Seed, Terms};
use crate::shard::{Shard, ShardParts};
use crate::shared::Shared;

/// A running server.
pub struct Pipeline {
    address: SocketAddr,
    report: Report,
    metrics: Metrics,
    certificates: Option<Arc<Certificates>>,
    operator: OperatorHandle,
    directory: Directory,
    heads: Shelf,
    stop: Arc<Stop>,
    reload: Reload,
    access: Access,
    bells: Vec<Arc<Bell>>,
    /// In the order in which they end.
    threads: Vec<JoinHandle<()>>,
    sinks: Vec<JoinHandle<()>>,
    _lock: FolderLock,
}

impl Pipeline {
    /// Starts a server; it takes orders when this returns.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub fn start(options: &Options, on_failure: OnFailure) -> Result<Pipeline, StartError> {
        let shared = Shared::load(options).map_err(StartError::Options)?;
        Pipeline::start_with(options, shared, on_failure)
    }

    /// As [`start`](Self::start), with what the caller shares with it.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub fn start_with(
        options: &Options,
        shared: Shared,
        on_failure: OnFailure,
    ) -> Result<Pipeline, StartError> {
        let journal_options = JournalOptions::new(
            options.segment_bytes(),
            options.segments_ahead,
            options.durability,
        )
        .map_err(StartError::Options)?;
        options.check_memory().map_err(StartError::Options)?;
        // All of them before anything starts: a bad one leaves no sale behind.
        let sales: Result<Vec<Terms>, String> =
            options.sale.iter().map(|path| crate::sale_file::read(path)).collect();
        let sales = sales.map_err(StartError::Sale)?;
        let Shared { metrics, access, certificates, taps } = shared;
        let lock = FolderLock::take(&options.data)?;
        let listener = listen(options.listen)?;
        let address = listener.local_addr()?;

        // Doors.
        let shares = options.shares_thread();
        let live = Live::new(reload::live_values(options));
        let watermark = Watermark::default();
        let (mut chains_writer, chains) = chains(options.receipts_max);
        let shelf = Shelf::default();
        let loading = Arc::new(AtomicBool::new(true));
        let mut directory = DirectoryWriter::default();
        let board = BoardWriter::new(options.orders_max, seed());
        let news = NewsWriter::default();
        let matcher_parker = Parker::new();
        let mut matcher_bell = bell_of(&matcher_parker);
        let (mut doors, mut shards) = (Vec::new(), Vec::new());
        for index in 0..options.shards {
            let (requests, requests_reader) = ring(REQUEST_RING_CELLS, Cell::ZERO);
            let (replies_writer, replies) = ring(REPLY_RING_CELLS, Cell::ZERO);
            let mut shard = Shard::new(ShardParts {
                index,
                requests,
                replies,
                gate: Gate::new(watermark.clone()),
                chains: chains.clone(),
                heads: shelf.clone(),
                board: board.reader(),
                news: news.reader(index),
                matcher_bell: Arc::clone(&matcher_bell),
                directory: directory.reader(),
                metrics: metrics.clone(),
                clock: clock::monotonic,
                loading: Arc::clone(&loading),
                certificates: certificates.clone(),
                access: access.clone(),
                options: shard_options(options),
            })?;
            shard.follow(live.follow());
            doors.push(Door {
                requests: requests_reader,
                replies: replies_writer,
                bell: shard.bell(),
            });
            if shares && index == 0 {
                // From here on whoever wakes the matcher wakes the shard it lives with.
                matcher_bell = shard.bell();
            }
            shards.push(shard);
        }
        let (requests, requests_reader) = ring(OPERATOR_REQUEST_RING_CELLS, Cell::ZERO);
        let (replies_writer, replies) = ring(OPERATOR_REPLY_RING_CELLS, Cell::ZERO);
        let operator_parker = Parker::new();
        let operator_bell = bell_of(&operator_parker);
        doors.push(Door {
            requests: requests_reader,
            replies: replies_writer,
            bell: Arc::clone(&operator_bell),
        });

        // Shards open the port: whoever comes now hears that the server is loading.
        let shard_doors = shards.iter().map(Shard::door).collect();
        shards[0].open(mio::net::TcpListener::from_std(listener), shard_doors)?;
        let mut bells: Vec<Arc<Bell>> = shards.iter().map(Shard::bell).collect();
        bells.push(Arc::clone(&operator_bell));
        // The journal wakes it too: it may wait for room in their ring.
        bells.push(Arc::clone(&matcher_bell));
        let stop = Arc::new(Stop::default());
        let mut crew = Crew::new(options, Arc::clone(&stop), metrics.threads.clone());
        let (matcher_in, matcher_out) = bounded(1);
        let mut shards = shards.into_iter();
        if shares {
            let shard = shards.next().expect("there is at least one shard");
            for (index, shard) in shards.enumerate() {
                crew.shard(index + 1, shard)?;
            }
            crew.shard_with_matcher(shard, matcher_out)?;
        } else {
            for (index, shard) in shards.enumerate() {
                crew.shard(index, shard)?;
            }
            crew.matcher(matcher_out, matcher_parker, Arc::clone(&matcher_bell))?;
        }

        // Remember.
        let start = || -> Result<_, StartError> {
            let disk = Disk::new(options.data.join("journal"));
            let memory = opening::remember(&disk, options, &mut chains_writer)?;
            let (from, mut replay) = (memory.from, Replay::new(memory.shop, false));
            let mut behind = 0;
            let apply = |first, cells: &[Cell]| {
                metrics.journal.seq.set(first);
                behind += size_of_val(cells) as u64;
                replay.apply(first, cells)
            };
            let recovered = journal::open_from(disk, &journal_options, from, chains_writer, apply);
            let recovered = match recovered {
                Err(why) if replay.is_too_small() => {
                    return Err(StartError::Options(why.to_string()));
                }
                other => other?,
            };
            let seq = recovered.report().seq;
            let (shop, _) = replay.finish().map_err(|what| JournalError::Refused { seq, what })?;
            directory.publish(names_of(&shop));
            let parts = opening::heads(options, recovered.report(), &chains, &shelf);
            let heads = Heads::open(parts).map_err(StartError::Heads)?;

            // The matcher and the journal.
            let (records, records_reader) = ring(RECORD_RING_CELLS, Cell::ZERO);
            let report = *recovered.report();
            let counters = Arc::clone(&metrics.journal);
            let (journal, room) =
                recovered.start(watermark.clone(), records_reader, bells.clone(), counters)?;
            let journal_parker = Parker::new();
            let journal_bell = bell_of(&journal_parker);
            let mut matcher = Matcher::new(MatcherParts {
                board,
                news,
                shop,
                doors,
                records,
                journal_bell: Arc::clone(&journal_bell),
                room,
                clock: clock::unix,
                monotonic: clock::monotonic,
                shed_after_ns: options.shed_after_ms.saturating_mul(1_000_000),
                counters: Arc::clone(&metrics.matcher),
                journal_counters: Arc::clone(&metrics.journal),
            });
            matcher.follow(live.follow());
            let keeper = opening::keeper(options, from, behind, &watermark, &metrics, &taps)?;
            Ok((matcher, journal, journal_parker, journal_bell, report, heads, keeper))
        };
        let (matcher, journal, journal_parker, journal_bell, report, heads, keeper) = match start()
        {
            Ok(parts) => parts,
            Err(why) => {
                drop(matcher_in);
                end(&stop, &bells, crew.threads);
                return Err(why);
            }
        };
        crew.journal(journal, journal_parker, Arc::clone(&journal_bell), on_failure)?;
        bells.push(journal_bell);
        // The thread waits for it; if it ended for a stop, there is nothing to decide any more.
        let _ = matcher_in.send(matcher);
        loading.store(false, Ordering::Release);
        let names = directory.reader();
        let (operator, handle) = Operator::new(OperatorParts {
            requests,
            replies,
            gate: Gate::new(watermark.clone()),
            matcher_bell,
            directory,
            clock: clock::monotonic,
            bell: Arc::clone(&operator_bell),
        });
        crew.operator(operator, operator_parker, operator_bell)?;
        let mut parked = || {
            let parker = Parker::new();
            let bell = bell_of(&parker);
            bells.push(Arc::clone(&bell));
            (parker, bell)
        };
        if let Some(heads) = heads {
            let (parker, bell) = parked();
            crew.heads(heads, options.heads_ms, parker, bell)?;
        }
        // Before the keeper: what sinks need is known from the beginning.
        for follower in opening::sinks(options, &report, &watermark, &metrics, &taps)? {
            let (parker, bell) = parked();
            crew.sink(follower, chains.clone(), parker, bell)?;
        }
        if let Some(keeper) = keeper {
            let (parker, bell) = parked();
            crew.keeper(keeper, parker, bell)?;
        }
        bells.iter().for_each(|bell| bell.ring());

        let reload = opening::reload(live, certificates.as_ref(), &access);
        let pipeline = Pipeline {
            address,
            report,
            metrics,
            certificates,
            operator: handle,
            directory: names,
            heads: shelf,
            access,
            stop,
            reload,
            bells,
            threads: crew.threads,
            sinks: crew.sinks,
            _lock: lock,
        };
        match opening::create_sales(&pipeline.operator, sales) {
            Ok(()) => Ok(pipeline),
            Err(why) => {
                pipeline.stop();
                Err(why)
            }
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the journal held at the start.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What brings changed options into force; whoever else follows them adds itself there.
    pub fn reload(&mut self) -> &mut Reload {
        &mut self.reload
    }

    /// How the stop under way can be hurried.
    pub fn stop_signal(&self) -> Arc<Stop> {
        Arc::clone(&self.stop)
    }

    /// What TLS is spoken with; `None`: it is not. Reloaded through it while the server runs.
    pub fn certificates(&self) -> Option<&Arc<Certificates>> {
        self.certificates.as_ref()
    }

    /// The names of the sales, for whoever wants to read them.
    pub fn directory(&self) -> Directory {
        self.directory.clone()
    }

    /// The signed heads.
    pub fn heads(&self) -> Shelf {
        self.heads.clone()
    }

    /// The way in for operators' commands.
    pub fn operator(&self) -> OperatorHandle {
        self.operator.clone()
    }

    /// Who may do what; to be read anew when its files have changed.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Stops: accepts and reads no more, decides and syncs what was read, answers it, and ends all
    /// threads.
    pub fn stop(self) {
        end(&self.stop, &self.bells, self.threads);
        end_sinks(&self.stop, self.sinks);
    }
}

fn end(stop: &Stop, bells: &[Arc<Bell>], threads: Vec<JoinHandle<()>>) {
    stop.ask();
    for thread in threads {
        bells.iter().for_each(|bell| bell.ring());
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

/// Keys for the hash tables, new each time: the names in them are chosen by strangers.
pub fn seed() -> Seed {
    use std::hash::{BuildHasher, RandomState};
    Seed::new([1_u8, 2, 3, 4].map(|word| RandomState::new().hash_one(word)))
}
