//! How far a sink has come, as others see it.

use super::Follower;
use crate::journal::Storage;
use crate::sale::Seq;
use crate::sink::Checkpoint;
use crate::taps::SinkState;

impl<S: Storage + Clone> Follower<S> {
    /// Everything up to here is dealt with.
    pub(super) fn delivered(&self) -> Seq {
        let is_level = self.pending.is_empty() && self.claim.is_none();
        let read = self.reader.as_ref().filter(|_| is_level).map_or(0, |it| it.seq());
        self.kept.as_ref().map_or(0, Checkpoint::dealt_with).max(read)
    }

    /// Shows it to operators, to who removes what nobody needs, and in the figures.
    pub(super) fn show(&mut self) {
        let (durable, delivered) = (self.parts.watermark.seq(), self.delivered());
        self.view.seq = delivered;
        self.view.lag_seqs = durable.saturating_sub(delivered);
        self.view.replay = self.kept.as_ref().and_then(|kept| kept.replay);
        let since = self.behind_since(delivered < durable);
        let counters = &self.parts.counters;
        counters.seq.set(delivered);
        counters.stopped.set((self.view.state == SinkState::Stopped).into());
        counters.behind_since.set(since);
        self.parts.tap.show(&self.view);
        if let Some(kept) = self.kept.as_ref().filter(|_| self.is_kept) {
            self.parts.tap.settle(kept.settled());
        }
    }

    /// Since when it is behind, Unix ns; 0 if it is not.
    fn behind_since(&mut self, is_behind: bool) -> u64 {
        if !is_behind {
            self.behind_from = 0;
            return 0;
        }
        let (kept_time, dealt_with) =
            self.kept.as_ref().map_or((0, 0), |kept| (kept.time, kept.dealt_with()));
        // A reader that comes from far behind is still at what was told long ago.
        let reader = self.reader.as_ref().filter(|it| it.time() > 0 && it.seq() >= dealt_with);
        let read_time = reader.map_or(kept_time, |reader| reader.time());
        let since = self.pending.first().map_or(read_time, |change| change.time);
        if since > 0 {
            return since;
        }
        // What is told next was not read yet: its other side was never there.
        if self.behind_from == 0 {
            self.behind_from = (self.parts.unix)();
        }
        self.behind_from
    }
}
