//! What there is to sell when a server starts: the names of the sales that the journal remembers,
//! and the sales of its files, created and opened by the operator's commands like any other.

use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::{RecvTimeoutError, bounded};
use tracing::warn;

use super::StartError;
use crate::access::Access;
use crate::certificates::Certificates;
use crate::chains::{ChainWriter, Chains};
use crate::clock;
use crate::directory::News;
use crate::heads::{HeadsParts, Shelf};
use crate::journal::{self, Disk, JournalError, Place, Report, Watermark};
use crate::keeper::{self, Keep, Keeper, KeeperParts, Memory, Unremembered};
use crate::limits::OPERATOR_INBOX_MAX;
use crate::live::Live;
use crate::message::outcome;
use crate::metrics::Metrics;
use crate::operator::{OperatorAnswer, OperatorCommand, OperatorHandle};
use crate::options::{Options, SinkOptions};
use crate::reload::Reload;
use crate::sale::{Name, Shop, Terms};
use crate::sink::{self, Follower, FollowerParts};
use crate::taps::{SinkView, Taps};

/// How long an answer at the start may take before something must be wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// The state of the newest snapshot; its chain values are made known.
///
/// # Errors
/// As [`keeper::remember`].
pub(super) fn remember(
    disk: &Disk,
    options: &Options,
    chains: &mut ChainWriter,
) -> Result<Memory, Unremembered> {
    let mut batches = 0;
    let memory = keeper::remember(disk, options.bounds(), super::seed, |at| {
        chains.push(at.seq, &at.chain);
        batches += 1;
    })?;
    if memory.from.is_some_and(|place| place.batches() > batches) {
        chains.cut();
    }
    Ok(memory)
}

/// What the room that signs heads is made of.
pub(super) fn heads<'a>(
    options: &'a Options,
    report: &Report,
    chains: &Chains,
    shelf: &Shelf,
) -> HeadsParts<'a> {
    HeadsParts {
        data: &options.data,
        key_file: options.heads_key_file.as_deref(),
        are_made: options.heads_ms > 0,
        folder: report.folder,
        seq: report.seq,
        chains: chains.clone(),
        shelf: shelf.clone(),
        clock: clock::unix,
    }
}

/// The rooms of the sinks.
///
/// # Errors
/// As [`Options::sinks`].
pub(super) fn sinks(
    options: &Options,
    report: &Report,
    watermark: &Watermark,
    metrics: &Metrics,
    taps: &Taps,
) -> Result<Vec<Follower>, StartError> {
    let sinks = options.sinks().map_err(StartError::Options)?;
    let folder = options.data.join(sink::FOLDER);
    if !sinks.is_empty() {
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::File::open(&options.data)?.sync_all())
            .map_err(|source| JournalError::CannotCreate { path: folder.clone(), source })?;
    }
    let follower = |sink: SinkOptions| {
        let (name, kind) = (sink.name, sink.terms.word().to_owned());
        let view = SinkView { name: name.clone(), kind, ..SinkView::default() };
        let (folder, counters) = (&folder, &metrics.sinks.add(&name));
        let wanted = &sink.wanted;
        let place = sink::Place { name: &name, folder, wanted, counters, clock: clock::unix };
        Follower::new(FollowerParts {
            tap: taps.add(view.clone()),
            view,
            sink: sink.terms.sink(&place),
            wanted: wanted.clone(),
            from: sink.from,
            journal: Disk::new(options.data.join("journal")),
            folder: report.folder,
            watermark: watermark.clone(),
            checkpoint: Box::new(sink::path_of(&options.data, &name)),
            counters: Arc::clone(counters),
            clock: clock::monotonic,
            unix: clock::unix,
        })
    };
    Ok(sinks.into_iter().map(follower).collect())
}

/// The room that makes snapshots, if any are wanted.
///
/// # Errors
/// The disk.
pub(super) fn keeper(
    options: &Options,
    newest: Option<Place>,
    behind: u64,
    watermark: &Watermark,
    metrics: &Metrics,
    taps: &Taps,
) -> Result<Option<Keeper<Disk>>, StartError> {
    let storage = Disk::new(options.data.join("journal"));
    let first = journal::earliest(&storage)?.map_or(0, |place| place.seq());
    metrics.keeper.first_seq.set(first + 1);
    let is_wanted = options.snapshot_mib > 0;
    Ok(is_wanted.then(|| {
        Keeper::new(KeeperParts {
            storage,
            bounds: options.bounds(),
            seed: super::seed,
            watermark: watermark.clone(),
            newest,
            behind,
            snapshot_bytes: options.snapshot_mib << 20,
            chains_max: options.receipts_max,
            keep: Keep {
                bytes: options.keep_mib << 20,
                for_sinks_bytes: options.keep_for_sinks_mib << 20,
            },
            taps: taps.clone(),
            journal: Arc::clone(&metrics.journal),
            counters: Arc::clone(&metrics.keeper),
            clock: clock::monotonic,
        })
    }))
}

/// What brings changed options into force: certificates and access follow them.
pub(super) fn reload(
    live: Live,
    certificates: Option<&Arc<Certificates>>,
    access: &Access,
) -> Reload {
    let mut reload = Reload::new(live);
    if let Some(certificates) = certificates {
        let certificates = Arc::clone(certificates);
        reload.follow(Box::new(move |_| {
            let apply = certificates.prepare()?;
            Ok(Box::new(apply))
        }));
    }
    let access = access.clone();
    reload.follow(Box::new(move |_| {
        let apply = access.prepare()?;
        Ok(Box::new(apply))
    }));
    reload
}

/// The names of all sales ever, whose numbers go on from there, and of their channels.
pub(crate) fn names_of(shop: &Shop) -> Vec<News> {
    let created = shop.kept().map(|kept| crate::operator::created(kept.terms));
    let channels = shop.kept().flat_map(|kept| {
        let of_sale = shop.channels(kept.number).iter();
        of_sale.map(move |name| News::Channel(kept.number, *name))
    });
    let removed = shop.kept().filter(|kept| kept.is_removed);
    created.chain(channels).chain(removed.map(|kept| News::Removed(kept.number))).collect()
}

/// Creates sales that are not there yet, and opens those that have no opening time: also one that
/// was created before a crash and never opened. One that the operator has closed stays closed, and
/// one that was created with other terms keeps those, and it is said.
pub(super) fn create_sales(operator: &OperatorHandle, sales: Vec<Terms>) -> Result<(), StartError> {
    let opened: Vec<_> = sales.iter().filter(|terms| terms.opens_at == 0).collect();
    let opened = opened.into_iter().map(|terms| OperatorCommand::Open { sale: terms.name });
    let opened: Vec<_> = opened.collect();
    let created = sales.into_iter().map(OperatorCommand::Create).collect();
    for name in ask_all(operator, created, outcome::KEY_REUSED)? {
        warn!(
            "sale '{name}' was created with other terms than its file has now: those stand, and \
             the file changes nothing; `doorbuster sale` changes stock and prices"
        );
    }
    ask_all(operator, opened, outcome::CLOSED)?;
    Ok(())
}

/// Asks and waits for all answers. Returns the sales of which this outcome was told; others than it
/// and `ok` are errors.
fn ask_all(
    operator: &OperatorHandle,
    commands: Vec<OperatorCommand>,
    tolerated: u8,
) -> Result<Vec<Name>, StartError> {
    let mut different = Vec::new();
    let mut commands = commands.into_iter().peekable();
    while commands.peek().is_some() {
        let (sender, answers) = bounded(OPERATOR_INBOX_MAX);
        for command in commands.by_ref().take(OPERATOR_INBOX_MAX) {
            let (sender, name) = (sender.clone(), *command.sale());
            let tell = move |told: Result<OperatorAnswer, _>| {
                // Whoever asked may have given up.
                let _ = sender.try_send((name, told));
            };
            operator.ask(command, tell).map_err(|why| StartError::Sale(why.to_string()))?;
        }
        drop(sender);
        loop {
            let (name, told) = match answers.recv_timeout(PATIENCE) {
                Ok(answer) => answer,
                // All that were asked have been answered.
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let seconds = PATIENCE.as_secs();
                    let why = format!("no answer from the matcher within {seconds} s");
                    return Err(StartError::Sale(why));
                }
            };
            let told = told.map_err(|why| StartError::Sale(format!("sale '{name}': {why}")))?;
            match told.outcome {
                outcome::OK => {}
                other if other == tolerated => different.push(name),
                other => {
                    let word = outcome::word(other);
                    return Err(StartError::Sale(format!("sale '{name}': {word}")));
                }
            }
        }
    }
    Ok(different)
}
