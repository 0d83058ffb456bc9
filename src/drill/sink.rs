//! The other side of a sink, and where its checkpoint lies: outside of the house, so they outlive
//! it; they refuse, forget, and lose answers.
//!
//! Invariant: it takes a change only behind the one before it, and says so if it was given another.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::disk::SimDisk;
use crate::journal::{SegmentFile, Storage};
use crate::message::{Cell, kind};
use crate::sale::State;
use crate::sink::{Change, Checkpoint, Kind, Ledge, Sink, Standing, Trouble};

/// A change as it was told: seq, order, what.
type Told = (u64, u64, Kind);

#[derive(Default)]
struct Side {
    told: Vec<Told>,
    /// It has everything up to here.
    seq: u64,
    /// It can say where it stands; otherwise it stands where it is told to.
    knows: bool,
    refusals: u64,
    loses_answer: bool,
    /// It has to be asked where it stands before it takes anything.
    is_apart: bool,
    wrong: Option<String>,
    happened: [u64; 3],
}

/// The other side; clones share it.
#[derive(Clone, Default)]
pub(super) struct Outlet(Arc<Mutex<Side>>);

impl Outlet {
    pub(super) fn new(knows: bool) -> Outlet {
        Outlet(Arc::new(Mutex::new(Side { knows, ..Side::default() })))
    }

    pub(super) fn refuse(&self, times: u64) {
        self.0.lock().refusals = times;
    }

    pub(super) fn lose_answer(&self) {
        self.0.lock().loses_answer = true;
    }

    /// Loses the last changes. Only one that can say so is asked to.
    pub(super) fn forget(&self, count: u64) {
        let side = &mut *self.0.lock();
        let kept = side.told.len().saturating_sub(count as usize);
        if side.knows && kept < side.told.len() {
            side.seq = side.told[kept].0 - 1;
            side.told.truncate(kept);
            side.is_apart = true;
            side.happened[2] += 1;
        }
    }

    /// Everything works from here on.
    pub(super) fn calm(&self) {
        let side = &mut *self.0.lock();
        (side.refusals, side.loses_answer) = (0, false);
    }

    /// It has everything up to here.
    pub(super) fn seq(&self) -> u64 {
        self.0.lock().seq
    }

    /// What it was given that it should not have been.
    pub(super) fn wrong(&self) -> Option<String> {
        self.0.lock().wrong.clone()
    }

    /// Refusals, lost answers and lost changes.
    pub(super) fn happened(&self) -> [u64; 3] {
        self.0.lock().happened
    }

    /// Whether it has been told all changes of these records once, in order.
    ///
    /// # Errors
    /// A sentence with the first difference.
    pub(super) fn compare(&self, records: &[Vec<Cell>]) -> Result<usize, String> {
        let side = self.0.lock();
        let mut told = side.told.iter();
        for (seq, record) in (1..).zip(records) {
            let head = record[0].head();
            let order = match head.kind {
                kind::BUY | kind::BASKET | kind::WAIT => seq,
                kind::CONFIRM..=kind::CANCEL | kind::EXPIRE | kind::OFFER | kind::LEAVE => {
                    head.order()
                }
                _ => continue,
            };
            let found = told.next();
            let is_it = found
                .is_some_and(|told| (told.0, told.1) == (seq, order) && may_be(head.kind, told.2));
            if !is_it {
                return Err(format!("the sink was told {found:?}, and seq {seq} is {head:?}"));
            }
        }
        match told.next() {
            Some(more) => Err(format!("the sink was told {more:?}, which is not in the journal")),
            None => Ok(side.told.len()),
        }
    }
}

/// Whether a record of this kind can make such a change.
fn may_be(record: u8, told: Kind) -> bool {
    let Kind::Now(state) = told else { return record == kind::EXTEND };
    match record {
        kind::BUY | kind::BASKET => matches!(state, State::Held | State::Confirmed),
        kind::WAIT => state == State::Waiting,
        kind::CONFIRM => state == State::Confirmed,
        kind::RELEASE => matches!(state, State::Released | State::Left),
        kind::CANCEL => state == State::Cancelled,
        kind::EXPIRE => state == State::Expired,
        kind::OFFER => state == State::Held,
        kind::LEAVE => state == State::Left,
        _ => false,
    }
}

fn lost(what: &str) -> Trouble {
    Trouble::Again(what.to_owned())
}

impl Sink for Outlet {
    fn begin(&mut self, checkpoint: &Checkpoint) -> Result<Standing, Trouble> {
        let side = &mut *self.0.lock();
        side.is_apart = false;
        if !side.knows {
            side.told.retain(|told| told.0 <= checkpoint.seq);
            side.seq = checkpoint.seq;
        }
        Ok(Standing { seq: side.seq, mark: String::new() })
    }

    fn deliver(&mut self, changes: &[Change], seq: u64) -> Result<String, Trouble> {
        let side = &mut *self.0.lock();
        if side.is_apart {
            return Err(lost("it has lost something"));
        }
        if side.refusals > 0 {
            (side.refusals, side.happened[0]) = (side.refusals - 1, side.happened[0] + 1);
            return Err(lost("it takes nothing"));
        }
        for change in changes {
            if change.seq <= side.seq || change.seq > seq {
                let (is, had) = (change.seq, side.seq);
                side.wrong = Some(format!("the sink has all up to {had}, and was told {is}"));
            }
            side.told.push((change.seq, change.order, change.kind));
        }
        side.seq = seq;
        if std::mem::take(&mut side.loses_answer) {
            side.happened[1] += 1;
            return Err(lost("its answer was lost"));
        }
        Ok(String::new())
    }

    fn repeat(&mut self, _: &[Change]) -> Result<String, Trouble> {
        Err(Trouble::Stop("nobody asks for that in a drill".to_owned()))
    }

    fn changes_max(&self) -> usize {
        7
    }
}

/// Where the checkpoint lies.
#[derive(Clone, Default)]
pub(super) struct Shelf(pub(super) SimDisk);

const NAME: &str = "checkpoint";
const UNFINISHED: &str = "checkpoint.tmp";

impl Ledge for Shelf {
    fn place(&self) -> String {
        NAME.to_owned()
    }

    fn read(&self) -> Result<Option<Checkpoint>, Trouble> {
        let Some((_, bytes)) = self.0.contents(NAME).pop() else { return Ok(None) };
        let read = serde_json::from_slice(&bytes);
        read.map(Some).map_err(|why| Trouble::Stop(format!("{NAME}: {why}")))
    }

    fn write(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        let _ = self.0.remove(UNFINISHED);
        let file = self.0.create(UNFINISHED)?;
        let (bytes, mut at) = (serde_json::to_vec(checkpoint)?, 0);
        while at < bytes.len() {
            at += file.write_at(&bytes[at..], at as u64)?;
        }
        file.sync()?;
        self.0.rename(UNFINISHED, NAME)?;
        self.0.sync_dir()
    }
}
