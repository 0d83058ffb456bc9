//! Keeps starts short and the disk bounded. It follows the journal behind its writer, as sinks do:
//! when enough has come since the newest snapshot, it makes the state of that again, decides what
//! came after it, and writes the next; then what snapshots and all sinks have left behind is
//! removed (`retention`). At start, `remember` makes the state from the newest snapshot.
//!
//! It is on no order's way and asks nothing of those who are. Invariants: a snapshot is of synced
//! records alone; no record is removed that a snapshot does not stand for twice. Whatever goes
//! wrong here, the server goes on: it keeps more of its journal, and says so.

mod remember;
mod retention;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use tracing::{info, warn};

pub use remember::{Memory, Unremembered, remember};
pub use retention::Keep;

use crate::chains::ChainAt;
use crate::journal::{
    self, Cursor, JournalError, Place, SnapshotHeader, SnapshotWriter, Storage, Watermark,
};
use crate::metrics::{JournalCounters, KeeperCounters};
use crate::record::Replay;
use crate::sale::{Bounds, Line, Seed, Seq};
use crate::taps::Taps;

/// Records decided again between two looks around.
const RECORDS_AT_ONCE: Seq = 50_000;
/// How long it waits after trouble, and how often it looks whether something can be removed, ns.
const AGAIN_NS: u64 = 10_000_000_000;
const LOOK_NS: u64 = 1_000_000_000;

/// What a keeper is made of.
pub struct KeeperParts<S> {
    /// The journal's folder.
    pub storage: S,
    /// What a shop of this server holds.
    pub bounds: Bounds,
    /// Makes the keys of a shop's hash tables.
    pub seed: fn() -> Seed,
    /// How far the journal is durable.
    pub watermark: Watermark,
    /// The snapshot that the server started from.
    pub newest: Option<Place>,
    /// Bytes of the journal behind it at the start.
    pub behind: u64,
    /// Journal after which a snapshot is made, bytes.
    pub snapshot_bytes: u64,
    /// Chain values that a snapshot carries.
    pub chains_max: usize,
    /// What is kept of the journal.
    pub keep: Keep,
    /// The sinks, which may need it.
    pub taps: Taps,
    /// What the journal counts.
    pub journal: Arc<crossbeam::utils::CachePadded<JournalCounters>>,
    /// Where it counts.
    pub counters: Arc<KeeperCounters>,
    /// Monotonic ns.
    pub clock: fn() -> u64,
}

/// The room.
pub struct Keeper<S: Storage + Clone> {
    parts: KeeperParts<S>,
    making: Option<Making<S>>,
    /// Bytes of the journal that this process had written at the newest snapshot.
    written: u64,
    /// Not before this is anything tried or looked at again.
    again_at: u64,
    /// Snapshots that were read to their end, by their seqs.
    whole: BTreeSet<Seq>,
}

/// A snapshot in the making.
struct Making<S: Storage> {
    replay: Replay,
    cursor: Cursor<S>,
    chains: Newest,
    /// It is made as soon as it has come this far.
    target: Seq,
    /// What the journal had written then, bytes.
    written: u64,
    /// The first segment that may not be synced.
    unsynced: u32,
}

/// The newest chain values, so many at most.
struct Newest {
    values: VecDeque<ChainAt>,
    most: usize,
}

impl Newest {
    fn new(most: usize) -> Newest {
        Newest { values: VecDeque::new(), most }
    }

    fn push(&mut self, at: ChainAt) {
        if self.values.len() == self.most {
            self.values.pop_front();
        }
        self.values.push_back(at);
    }
}

/// Why a snapshot is not made.
enum Trouble {
    /// A sentence, and the journal goes on.
    Failed(String),
    /// The server ends.
    Over,
}

impl<S: Storage + Clone> Keeper<S> {
    /// A keeper that has done nothing yet.
    pub fn new(parts: KeeperParts<S>) -> Keeper<S> {
        parts.counters.snapshot_seq.set(parts.newest.map_or(0, |place| place.seq()));
        Keeper { parts, making: None, written: 0, again_at: 0, whole: BTreeSet::new() }
    }

    /// Does some of what there is to do; `is_over` says whether the server ends. Returns how much
    /// was done.
    pub fn work(&mut self, is_over: &dyn Fn() -> bool) -> usize {
        let now = (self.parts.clock)();
        if self.making.is_none() && now < self.again_at {
            return 0;
        }
        match self.round(now, is_over) {
            Ok(done) => done,
            Err(Trouble::Over) => 0,
            Err(Trouble::Failed(why)) => {
                warn!("no snapshot: {why}; the journal is kept and it is tried again");
                self.parts.counters.failures.add(1);
                (self.making, self.again_at) = (None, now + AGAIN_NS);
                0
            }
        }
    }

    fn round(&mut self, now: u64, is_over: &dyn Fn() -> bool) -> Result<usize, Trouble> {
        if let Some(making) = &mut self.making {
            return match making.follow() {
                Ok(0) => self.write(is_over),
                other => other,
            };
        }
        // First: where the disk is full, a snapshot needs the room that this gives back.
        let parts = &self.parts;
        let removed =
            parts.keep.apply(&parts.storage, &parts.taps, &parts.counters, &mut self.whole)?;
        let behind = self.parts.behind + (self.parts.journal.bytes.value() - self.written);
        self.parts.counters.unsnapped_bytes.set(behind);
        if behind >= self.parts.snapshot_bytes {
            self.making = Some(self.begin()?);
            return Ok(1);
        }
        self.again_at = now + LOOK_NS;
        // To have looked is work too.
        Ok(1 + removed)
    }

    /// Makes the state of the newest snapshot again, or an empty one.
    fn begin(&self) -> Result<Making<S>, Trouble> {
        let KeeperParts { storage, bounds, seed, .. } = &self.parts;
        let (target, written) = (self.parts.watermark.seq(), self.parts.journal.bytes.value());
        let mut chains = Newest::new(self.parts.chains_max);
        let memory = remember(storage, *bounds, *seed, |at| chains.push(at));
        let memory = memory.map_err(|why| Trouble::Failed(why.to_string()))?;
        let cursor = match &memory.from {
            Some(place) => Cursor::at(storage.clone(), place),
            None => Cursor::new(storage.clone()),
        }?;
        let unsynced = cursor.place().segment();
        let replay = Replay::new(memory.shop, false);
        Ok(Making { replay, cursor, chains, target, written, unsynced })
    }

    /// Writes the snapshot, now that the state is made.
    fn write(&mut self, is_over: &dyn Fn() -> bool) -> Result<usize, Trouble> {
        let Some(making) = self.making.take() else { return Ok(0) };
        let KeeperParts { storage, clock, .. } = &self.parts;
        let (start, place) = ((clock)(), making.cursor.place());
        journal::settle(storage, making.unsynced, &place)?;
        let mut writer = SnapshotWriter::new(storage, place.seq())?;
        let header = match image(&making, place, &mut writer, is_over) {
            Ok(header) => header,
            Err(why) => {
                writer.give_up();
                return Err(why);
            }
        };
        writer.finish(&header)?;
        self.whole.insert(place.seq());
        let counters = &self.parts.counters;
        counters.snapshots.add(1);
        counters.snapshot_seq.set(place.seq());
        info!(
            seq = place.seq(),
            bytes = 64 * (header.chain_lines + header.image_lines),
            ms = ((clock)() - start) / 1_000_000,
            "a snapshot was made"
        );
        self.parts.newest = Some(place);
        (self.parts.behind, self.written, self.again_at) = (0, making.written, 0);
        Ok(1)
    }
}

impl<S: Storage> Making<S> {
    /// Decides again what comes next. Returns how many records; 0 when it has come far enough.
    fn follow(&mut self) -> Result<usize, Trouble> {
        let before = self.cursor.seq();
        while self.cursor.seq() < self.target && self.cursor.seq() - before < RECORDS_AT_ONCE {
            let Some(batch) = self.cursor.next(self.target)? else { break };
            let (first, cells) = (batch.first_seq, batch.cells);
            self.chains.push(ChainAt { seq: batch.last_seq, chain: *batch.chain });
            self.replay.apply(first, cells).map_err(Trouble::Failed)?;
        }
        Ok((self.cursor.seq() - before) as usize)
    }
}

/// Puts chain values and image into a snapshot.
fn image<S: Storage>(
    making: &Making<S>,
    place: Place,
    writer: &mut SnapshotWriter<'_, S>,
    is_over: &dyn Fn() -> bool,
) -> Result<SnapshotHeader, Trouble> {
    let mut chain_lines = 0;
    for at in &making.chains.values {
        writer.push_chain(at)?;
        chain_lines += 1;
    }
    let shop = making.replay.shop();
    assert_eq!(shop.seq(), place.seq(), "the state is that of the place");
    let (mut image_lines, mut trouble) = (0_u64, None);
    let mut hasher = blake3::Hasher::new();
    let mut put = |line: &Line| -> Result<(), Trouble> {
        hasher.update(line);
        image_lines += 1;
        if image_lines.is_multiple_of(1 << 14) && is_over() {
            return Err(Trouble::Over);
        }
        Ok(writer.push(line)?)
    };
    shop.image(|line| {
        if trouble.is_none() {
            trouble = put(line).err();
        }
    });
    if let Some(trouble) = trouble {
        return Err(trouble);
    }
    let state_hash = *hasher.finalize().as_bytes();
    Ok(SnapshotHeader { place, state_hash, chain_lines, image_lines })
}

impl From<JournalError> for Trouble {
    fn from(why: JournalError) -> Trouble {
        Trouble::Failed(why.to_string())
    }
}
