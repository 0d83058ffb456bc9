//! The loop that is the same for all sinks: read what is durable, deliver, remember; after trouble
//! wait and try again, each time a little longer.

mod ahead;
mod asked;
mod beginning;
mod course;
mod shown;

use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};

use self::beginning::Claim;
use self::course::Course;
use super::change::Change;
use super::checkpoint::{Checkpoint, Ledge};
use super::reader::{Reader, Wanted};
use super::{Sink, Trouble};
use crate::journal::{Disk, Storage, Watermark};
use crate::limits::{SINK_AFTER_S_MAX, SINK_SEQS_UNWRITTEN, SINK_WAIT_MS_MAX, SINK_WAIT_MS_MIN};
use crate::metrics::SinkCounters;
use crate::sale::Seq;
use crate::taps::{SinkState, SinkView, Tap};

/// What a follower is made of.
pub struct FollowerParts<S: Storage = Disk> {
    /// How it is shown before it has done anything: its name and type.
    pub view: SinkView,
    /// Where changes go.
    pub sink: Box<dyn Sink>,
    /// Which.
    pub wanted: Wanted,
    /// The seq with which a sink begins that was never told anything.
    pub from: Seq,
    /// The journal's folder.
    pub journal: S,
    /// Its id.
    pub folder: [u8; 16],
    /// How far it is durable.
    pub watermark: Watermark,
    /// Where the checkpoint lies.
    pub checkpoint: Box<dyn Ledge>,
    /// Where it counts.
    pub counters: Arc<SinkCounters>,
    /// Where operators ask.
    pub tap: Arc<Tap>,
    /// Monotonic ns.
    pub clock: fn() -> u64,
    /// Unix ns.
    pub unix: fn() -> u64,
}

/// The room of one sink.
pub struct Follower<S: Storage = Disk> {
    parts: FollowerParts<S>,
    /// What is to be written down; `None` before it was read.
    kept: Option<Checkpoint>,
    is_kept: bool,
    /// Stands behind what is pending.
    reader: Option<Reader<S>>,
    /// Read and not delivered yet.
    pending: Vec<Change>,
    /// Empty; takes what is read while `pending` is delivered.
    next: Vec<Change>,
    /// Whether the sink was asked where it stands, and nothing has failed since.
    has_begun: bool,
    /// What it said, until the reader has seen that it was told by this course of the journal.
    claim: Option<Claim>,
    /// What its other side should know of the journal.
    course: Course,
    /// Reads again what is delivered again, and what of that is not delivered yet.
    again: Option<(Reader<S>, Vec<Change>)>,
    /// After trouble: when it is tried again, and how long it is waited then.
    again_at: u64,
    wait_ms: u64,
    /// When it was first seen to be behind, Unix ns; 0 if it is not.
    behind_from: u64,
    view: SinkView,
}

impl Follower {
    /// How long it sleeps when there is nothing to do: nobody wakes it, so that it costs those on
    /// an order's way nothing.
    pub const NAP: Duration = Duration::from_millis(5);
}

impl<S: Storage + Clone> Follower<S> {
    /// A follower that has done nothing yet.
    pub fn new(mut parts: FollowerParts<S>) -> Follower<S> {
        // So that nobody takes it for one that has told nothing, until its thread has its turn.
        if let Ok(Some(kept)) = parts.checkpoint.read() {
            parts.view.seq = kept.dealt_with();
            parts.counters.seq.set(parts.view.seq);
            parts.tap.show(&parts.view);
        }
        Follower {
            view: parts.view.clone(),
            parts,
            kept: None,
            is_kept: true,
            reader: None,
            pending: Vec::new(),
            next: Vec::new(),
            has_begun: false,
            claim: None,
            course: Course::default(),
            again: None,
            again_at: 0,
            wait_ms: SINK_WAIT_MS_MIN,
            behind_from: 0,
        }
    }

    /// The sink's name.
    pub fn name(&self) -> &str {
        &self.view.name
    }

    /// Whether everything that is durable now has been delivered.
    pub fn is_level(&self) -> bool {
        self.has_begun && self.delivered() >= self.parts.watermark.seq()
    }

    /// Whether it waits for better times, or for nothing any more: nobody needs to wait for it.
    pub fn is_in_trouble(&self) -> bool {
        self.view.state != SinkState::Running
    }

    /// Reads and delivers what there is, some of it. Returns how much was done.
    pub fn work(&mut self) -> usize {
        let mut done = self.answer();
        let is_off = matches!(self.view.state, SinkState::Stopped | SinkState::Paused);
        if !is_off && (self.parts.clock)() >= self.again_at {
            match self.round() {
                Ok(count) => {
                    done += count;
                    self.recovered();
                }
                Err(trouble) => self.trouble(trouble),
            }
        }
        self.show();
        done
    }

    fn round(&mut self) -> Result<usize, Trouble> {
        if !self.begin()? {
            return Ok(0);
        }
        if self.claim.is_some() {
            return self.read();
        }
        // Nothing more is delivered before it is written down what was.
        self.keep()?;
        // First, for new ones may have to wait until something beside them is done.
        let count = self.parts.sink.tick()? + self.repeat()? + self.advance()?;
        self.keep()?;
        Ok(count)
    }

    /// Delivers what comes next.
    fn advance(&mut self) -> Result<usize, Trouble> {
        let durable = self.parts.watermark.seq();
        let count = self.read()?;
        let kept = self.kept.as_mut().expect("it has begun");
        let reader = self.reader.as_mut().expect("it has begun");
        if self.pending.is_empty() {
            let seq = reader.seq();
            if seq >= kept.dealt_with() + SINK_SEQS_UNWRITTEN {
                (kept.read, kept.time, self.is_kept) = (seq, reader.time(), false);
            }
            return Ok(count);
        }
        let (count, seq) = reader.part(&self.pending, self.parts.sink.changes_max());
        if let Some(at) = self.course.reached(seq, reader.end()) {
            self.course.goes_on(at);
            self.parts.sink.prove(at);
        }
        // It may be long until the other side answers.
        self.show();
        let (mark, read) = self.deliver(count, seq, durable);
        let failed = match mark {
            Ok(mark) => {
                let kept = self.kept.as_mut().expect("it has begun");
                let last = &self.pending[count - 1];
                (kept.seq, kept.read, kept.mark, kept.time) = (seq, 0, mark, last.time);
                self.course.has_told(last);
                self.is_kept = false;
                std::mem::swap(&mut self.pending, &mut self.next);
                self.next.clear();
                self.count(count);
                None
            }
            Err(trouble) => {
                self.pending.append(&mut self.next);
                Some(trouble)
            }
        };
        match (read, failed) {
            (Ok(ends), failed) => {
                self.course.has_read(ends, self.pending.len());
                failed.map_or(Ok(count), Err)
            }
            (Err(trouble), None) => {
                // What was delivered is written down first.
                self.keep()?;
                Err(trouble)
            }
            (Err(_), Some(trouble)) => {
                // It may stand in the midst of a batch: all is read anew, and this met again.
                self.reader = None;
                Err(trouble)
            }
        }
    }

    /// Reads what comes next, if there is room for it. Returns how many records.
    fn read(&mut self) -> Result<usize, Trouble> {
        let kept = self.kept.as_ref().expect("it has begun");
        let reader = self.reader.as_mut().expect("it has begun");
        let (before, durable) = (reader.seq(), self.parts.watermark.seq());
        let told = match &self.claim {
            Some(Claim { standing, beyond }) => standing.seq.max(*beyond),
            None => kept.seq,
        };
        let (wanted, most) = (&self.parts.wanted, self.parts.sink.changes_max());
        let after = told.max(kept.start);
        let ends = reader.gather(durable, after, wanted, most, &mut self.pending)?;
        let count = (reader.seq() - before) as usize;
        self.course.has_read(ends, self.pending.len());
        Ok(count)
    }

    fn count(&mut self, changes: usize) {
        self.parts.counters.delivered.add(changes as u64);
        self.view.delivered += changes as u64;
    }

    fn recovered(&mut self) {
        if self.view.state == SinkState::Waiting {
            info!("sink {}: goes on after seq {}", self.view.name, self.delivered());
            self.view.state = SinkState::Running;
            self.view.trouble = None;
        }
        self.wait_ms = SINK_WAIT_MS_MIN;
    }

    /// Writes the checkpoint, if there is anything new in it.
    fn keep(&mut self) -> Result<(), Trouble> {
        if let Some(kept) = self.kept.as_ref().filter(|_| !self.is_kept) {
            let ledge = &self.parts.checkpoint;
            let written = ledge.write(kept);
            written.map_err(|why| Trouble::Again(format!("{}: {why}", ledge.place())))?;
            self.is_kept = true;
        }
        Ok(())
    }

    fn trouble(&mut self, trouble: Trouble) {
        let name = &self.view.name;
        self.has_begun = false;
        self.parts.counters.failures.add(1);
        let asked_ms = match &trouble {
            Trouble::After(_, wait) => wait.as_millis().min(1000 * SINK_AFTER_S_MAX as u128) as u64,
            _ => 0,
        };
        let (why, state) = match trouble {
            Trouble::Again(why) | Trouble::After(why, _) => {
                // Half of it by chance, so that many that failed together do not come together.
                let chance = (self.parts.clock)().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
                let wait_ms = (self.wait_ms / 2 + chance % (self.wait_ms / 2 + 1)).max(asked_ms);
                self.again_at = (self.parts.clock)() + wait_ms * 1_000_000;
                self.wait_ms = (2 * self.wait_ms).min(SINK_WAIT_MS_MAX);
                warn!("sink {name}: {why}; again in {wait_ms} ms, nothing is lost");
                (why, SinkState::Waiting)
            }
            Trouble::Stop(why) => {
                error!("sink {name} has stopped: {why}; the server goes on without it");
                // It may stand in the midst of a batch; whoever is resumed reads all anew.
                self.reader = None;
                (why, SinkState::Stopped)
            }
        };
        (self.view.state, self.view.trouble) = (state, Some(why));
    }
}
