//! Where a sink goes on: what its checkpoint says, what its other side says, and whether that was
//! told by this course of the journal.

use tracing::warn;

use super::Follower;
use crate::heads::hex;
use crate::journal::Storage;
use crate::limits::SINK_WAIT_MS_MIN;
use crate::sale::Seq;
use crate::sink::proof::{FORKED_ADVICE, Proof};
use crate::sink::{Checkpoint, Reader, Standing, Trouble};
use crate::taps::SinkState;

/// Where a sink's other side says that it stands.
pub(super) struct Claim {
    pub(super) standing: Standing,
    /// Nothing up to here is read as pending.
    pub(super) beyond: Seq,
}

impl<S: Storage + Clone> Follower<S> {
    /// Reads the checkpoint, and sees that it is of this journal.
    pub(super) fn remember(&mut self) -> Result<(), Trouble> {
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
    pub(super) fn begin(&mut self) -> Result<bool, Trouble> {
        self.remember()?;
        self.keep()?;
        if self.kept.as_ref().is_some_and(|kept| kept.paused) {
            self.view.state = SinkState::Paused;
            return Ok(false);
        }
        if !self.has_begun {
            self.ask()?;
        }
        if self.reader.is_none() {
            self.open()?;
        }
        if !self.reader.as_ref().is_some_and(Reader::is_in_doubt)
            && let Some(claim) = self.claim.take()
        {
            self.believe(claim.standing);
            if claim.beyond > self.kept.as_ref().map_or(0, |kept| kept.seq) {
                // Some of what comes next was passed over.
                self.open()?;
            }
        }
        Ok(true)
    }

    /// Asks the sink where it stands.
    fn ask(&mut self) -> Result<(), Trouble> {
        // It may be long until the other side says so.
        self.show();
        let kept = self.kept.as_ref().expect("it was read");
        let standing = self.parts.sink.begin(kept)?;
        let proof = self.parts.sink.proof();
        let told = standing.seq.max(proof.as_ref().map_or(0, Proof::seq));
        let durable = self.parts.watermark.seq();
        if told > durable.max(kept.start) {
            return Err(Trouble::Stop(format!(
                "its other side was told up to seq {told}, and the journal ends at {durable}: \
                 this is an older copy of it; {FORKED_ADVICE}"
            )));
        }
        let is_known = self.course.is_known(proof, &self.pending);
        let is_in_doubt = self.reader.as_ref().is_some_and(Reader::is_in_doubt);
        if standing.seq < kept.seq || !is_known || is_in_doubt {
            // What is in orders that changed since stands where they were made.
            self.reader = None;
        }
        (self.claim, self.has_begun) = (Some(Claim { standing, beyond: 0 }), true);
        Ok(())
    }

    /// Has the journal read from where all is known that comes next. What the other side says may
    /// be of another course: it is seen from before that whether it is.
    fn open(&mut self) -> Result<(), Trouble> {
        self.pending.clear();
        self.course.begins_anew();
        let own = self.kept.as_ref().map_or(0, Checkpoint::dealt_with);
        let told = self.claim.as_ref().map_or(own, |claim| claim.standing.seq);
        let journal = &self.parts.journal;
        let opened = Reader::new(journal, own.min(told));
        // What lies between may be removed.
        let opened =
            opened.or_else(|why| if told > own { Reader::new(journal, told) } else { Err(why) });
        let mut reader = opened?;
        if let (Some(claim), Some(proof)) = (&mut self.claim, self.parts.sink.proof()) {
            claim.beyond = proof.seq();
            reader.expect(proof)?;
        }
        self.reader = Some(reader);
        Ok(())
    }

    /// The other side was told by this journal, up to here.
    fn believe(&mut self, standing: Standing) {
        let kept = self.kept.as_mut().expect("it was read");
        if standing.seq < kept.seq {
            let (name, seq, lost) = (&self.view.name, standing.seq, kept.seq);
            warn!("sink {name}: its other side has seqs up to {seq} of {lost}: told again");
            (kept.read, kept.time) = (0, 0);
        }
        self.is_kept &= standing.mark == kept.mark && standing.seq == kept.seq;
        (kept.seq, kept.mark) = (standing.seq, standing.mark);
        let before = self.pending.len();
        self.pending.retain(|change| change.seq > kept.seq);
        // What was taken before the trouble: whoever gets on is not kept waiting longer.
        let taken = before - self.pending.len();
        if taken > 0 {
            self.wait_ms = SINK_WAIT_MS_MIN;
            self.count(taken);
        }
    }
}
