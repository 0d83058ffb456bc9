//! What operators ask of a sink: to hold, to go on, and to deliver again.

use tracing::{error, info};

use super::Follower;
use crate::journal::{JournalError, Storage, origin};
use crate::limits::SINK_WAIT_MS_MIN;
use crate::sink::{Reader, Trouble};
use crate::taps::{Ask, SinkState, Span};

impl<S: Storage + Clone> Follower<S> {
    /// Answers what operators ask. Returns how much was done.
    pub(super) fn answer(&mut self) -> usize {
        let Some((ask, tell)) = self.parts.tap.next() else { return 0 };
        let answer = self.obey(ask);
        self.show();
        tell(answer.map(|()| self.view.clone()));
        1
    }

    fn obey(&mut self, ask: Ask) -> Result<(), String> {
        self.remember().and_then(|()| self.keep()).map_err(Trouble::sentence)?;
        let seq = self.delivered().min(self.parts.watermark.seq());
        let kept = self.kept.as_mut().expect("it was read");
        let before = kept.clone();
        match ask {
            Ask::Pause => kept.paused = true,
            Ask::Resume => kept.paused = false,
            Ask::Replay(span) => {
                if let Some(still) = kept.replay {
                    let (from, to) = (still.from, still.to);
                    return Err(format!("seqs {from} to {to} are still being delivered again"));
                }
                if span.from == 0 || span.from > span.to || span.to > seq {
                    return Err(format!("from and to must be within 1 and {seq}, in this order"));
                }
                self.parts.sink.can_repeat()?;
                origin(&self.parts.journal, span.from - 1).map_err(|why| why.to_string())?;
                kept.replay = Some(span);
            }
        }
        self.is_kept = *kept == before;
        if let Err(trouble) = self.keep() {
            // What could not be written down is not so.
            (self.kept, self.is_kept) = (Some(before), true);
            return Err(trouble.sentence());
        }
        match ask {
            Ask::Pause => (self.view.state, self.has_begun) = (SinkState::Paused, false),
            Ask::Resume => {
                (self.view.state, self.view.trouble) = (SinkState::Running, None);
                (self.again_at, self.wait_ms) = (0, SINK_WAIT_MS_MIN);
            }
            Ask::Replay(_) => self.again = None,
        }
        Ok(())
    }

    /// Delivers again some of what is to be.
    pub(super) fn repeat(&mut self) -> Result<usize, Trouble> {
        let kept = self.kept.as_mut().expect("it has begun");
        let Some(span) = kept.replay else { return Ok(0) };
        let (to, most) = (span.to.min(kept.seq), self.parts.sink.changes_max());
        let (journal, wanted) = (&self.parts.journal, &self.parts.wanted);
        let again = self.again.take();
        let read = || {
            let (mut reader, mut changes) = match again {
                Some(again) => again,
                None => (Reader::new(journal, span.from - 1)?, Vec::new()),
            };
            reader.gather(to, span.from - 1, wanted, most, &mut changes)?;
            Ok((reader, changes))
        };
        let (reader, mut changes) = match read() {
            Ok(again) => again,
            Err(trouble) => {
                let Err(why @ JournalError::Removed { .. }) = origin(journal, span.from - 1) else {
                    return Err(trouble);
                };
                // It never comes back, and what is new is not to wait for it.
                error!("sink {}: not delivered again up to seq {to}: {why}", self.view.name);
                (kept.replay, self.is_kept) = (None, false);
                return Ok(1);
            }
        };
        // The last batch may go beyond.
        changes.retain(|change| change.seq <= to);
        let (count, seq) = reader.part(&changes, most);
        if count > 0 {
            kept.mark = self.parts.sink.repeat(&changes[..count])?;
        }
        let is_over = seq >= to;
        kept.replay = (!is_over).then(|| Span { from: span.from.max(seq + 1), ..span });
        self.is_kept = false;
        if is_over {
            info!("sink {}: delivered again up to seq {to}", self.view.name);
        } else {
            changes.drain(..count);
            self.again = Some((reader, changes));
        }
        self.count(count);
        Ok(count.max(1))
    }
}
