//! The loop that is the same for all sinks: read what is durable, deliver, remember; after trouble
//! wait and try again, each time a little longer.

mod ahead;
mod asked;
mod course;
mod shown;

use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};

use self::course::Course;
use super::change::Change;
use super::checkpoint::{Checkpoint, Ledge};
use super::reader::{Reader, Wanted};
use super::{Proof, Sink, Trouble};
use crate::heads::hex;
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
    /// Whether the sink stands where `kept` says.
    has_begun: bool,
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
        // Nothing more is delivered before it is written down what was.
        self.keep()?;
        // First, for new ones may have to wait until something beside them is done.
        let count = self.parts.sink.tick()? + self.repeat()? + self.advance()?;
        self.keep()?;
        Ok(count)
    }

    /// Delivers what comes next.
    fn advance(&mut self) -> Result<usize, Trouble> {
        let kept = self.kept.as_mut().expect("it has begun");
        let reader = self.reader.as_mut().expect("it has begun");
        let (before, durable) = (reader.seq(), self.parts.watermark.seq());
        let wanted = &self.parts.wanted;
        let most = self.parts.sink.changes_max();
        let after = kept.seq.max(kept.start);
        let ends = reader.gather(durable, after, wanted, most, &mut self.pending)?;
        self.course.has_read(ends, self.pending.len());
        if self.pending.is_empty() {
            let seq = reader.seq();
            if seq >= kept.dealt_with() + SINK_SEQS_UNWRITTEN {
                (kept.read, kept.time, self.is_kept) = (seq, reader.time(), false);
            }
            return Ok((seq - before) as usize);
        }
        if reader.is_in_doubt() && self.pending.len() < most {
            // What the other side remembers lies ahead.
            return Ok((reader.seq() - before) as usize);
        }
        let (count, seq) = reader.part(&self.pending, most);
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

    /// Reads the checkpoint, and sees that it is of this journal.
    fn remember(&mut self) -> Result<(), Trouble> {
        if self.kept.is_some() {
            return Ok(());
        }
        let ledge = &self.parts.checkpoint;
        let path = ledge.place();
        let journal = hex(&self.parts.folder);
        let durable = self.parts.watermark.seq();
        let found = ledge.read()?;
        // Where it begins is settled before anything else: "now" is later at the next start.
        self.is_kept = found.is_some();
        let kept = found.unwrap_or_else(|| {
            let start = match self.parts.from {
                Seq::MAX => durable,
                from => from.saturating_sub(1),
            };
            let (journal, kind) = (journal.clone(), self.view.kind.clone());
            Checkpoint { journal, kind, start, seq: start, ..Checkpoint::default() }
        });
        if kept.journal != journal {
            return Err(Trouble::Stop(format!(
                "{} speaks of another journal, {}; remove it to begin anew",
                path, kept.journal
            )));
        }
        if !kept.kind.is_empty() && kept.kind != self.view.kind {
            return Err(Trouble::Stop(format!(
                "{} is of a {} sink, and this is a {}; take another name",
                path, kept.kind, self.view.kind
            )));
        }
        // Where it begins may be still to come.
        if kept.seq > durable.max(kept.start) {
            return Err(Trouble::Stop(format!(
                "{} says that seq {} was delivered, and the journal ends at {durable}",
                path, kept.seq
            )));
        }
        self.kept = Some(kept);
        Ok(())
    }

    /// Makes sink and reader stand where both know that everything was told. Returns whether it is
    /// to go on.
    fn begin(&mut self) -> Result<bool, Trouble> {
        self.remember()?;
        self.keep()?;
        let kept = self.kept.as_mut().expect("it was read");
        if kept.paused {
            self.view.state = SinkState::Paused;
            return Ok(false);
        }
        if !self.has_begun {
            // It may be long until the other side says where it stands.
            self.show();
            let kept = self.kept.as_mut().expect("it was read");
            let standing = self.parts.sink.begin(kept)?;
            let proof = self.parts.sink.proof();
            let told = standing.seq.max(proof.as_ref().map_or(0, Proof::seq));
            let durable = self.parts.watermark.seq();
            if told > durable.max(kept.start) {
                return Err(Trouble::Stop(format!(
                    "its other side was told up to seq {told}, and the journal ends at {durable}: \
                     this is an older copy of it"
                )));
            }
            let is_known = self.course.is_known(proof.as_ref(), &self.pending);
            if standing.seq < kept.seq || !is_known {
                // What is in orders that changed since stands where they were made.
                self.reader = None;
            }
            if standing.seq < kept.seq {
                let (name, seq, lost) = (&self.view.name, standing.seq, kept.seq);
                warn!("sink {name}: its other side has seqs up to {seq} of {lost}: told again");
                (kept.read, kept.time) = (0, 0);
            }
            self.is_kept &= standing.mark == kept.mark && standing.seq == kept.seq;
            (kept.seq, kept.mark) = (standing.seq, standing.mark);
            let before = self.pending.len();
            self.pending.retain(|change| change.seq > kept.seq);
            self.has_begun = true;
            // What was taken before the trouble: whoever gets on is not kept waiting longer.
            let taken = before - self.pending.len();
            if taken > 0 {
                self.wait_ms = SINK_WAIT_MS_MIN;
                self.count(taken);
            }
        }
        if self.reader.is_none() {
            self.pending.clear();
            self.course.begins_anew();
            let after = self.kept.as_ref().map_or(0, Checkpoint::dealt_with);
            let mut reader = Reader::new(&self.parts.journal, after)?;
            if let Some(proof) = self.parts.sink.proof() {
                reader.expect(proof)?;
            }
            self.reader = Some(reader);
        }
        Ok(true)
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
