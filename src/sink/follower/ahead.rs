//! Reads what comes next while the last is delivered.

use std::thread;

use super::Follower;
use crate::chains::ChainAt;
use crate::journal::Storage;
use crate::mutant;
use crate::sale::Seq;
use crate::sink::Trouble;

/// Changes at once for which a thread is worth its while.
const WORTH: usize = 64;

impl<S: Storage + Clone> Follower<S> {
    /// Delivers the first of what is pending, and reads what comes next meanwhile, if that is as
    /// much again and there is a thread for it: it goes into `next`, behind what is pending beyond
    /// `count`.
    pub(super) fn deliver(
        &mut self,
        count: usize,
        seq: Seq,
        durable: Seq,
    ) -> (Result<String, Trouble>, Result<Vec<ChainAt>, Trouble>) {
        let most = self.parts.sink.changes_max();
        self.next.extend(self.pending.drain(count..));
        let (sink, reader) = (&mut self.parts.sink, self.reader.as_mut().expect("it has begun"));
        if most < WORTH || self.next.len() >= most || durable - reader.seq() < most as u64 {
            return (sink.deliver(&self.pending, seq), Ok(Vec::new()));
        }
        let (wanted, next) = (&self.parts.wanted, &mut self.next);
        let mutant = mutant::current();
        let read = move || {
            mutant::inherit(mutant);
            // All that is read is new: it lies behind what was.
            reader.gather(durable, 0, wanted, most, next)
        };
        thread::scope(|scope| {
            let reading =
                thread::Builder::new().name("sink-read".to_owned()).spawn_scoped(scope, read);
            let mark = sink.deliver(&self.pending, seq);
            // Where there is no thread to be had, it is read when its turn comes.
            let read = reading.map_or(Ok(Vec::new()), |reading| {
                reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            (mark, read)
        })
    }
}
