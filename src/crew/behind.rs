//! The threads of those who follow the journal behind its writer, sinks and keeper: they leave the
//! cores to who decides, and nobody who decides ever waits for them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::sync::Parker;

use super::courtesy::Courtesy;
use super::{Crew, DRAIN, NAP, Stop};
use crate::bell::Bell;
use crate::chains::Chains;
use crate::journal::Disk;
use crate::keeper::Keeper;
use crate::sink::Follower;

impl Crew {
    /// Makes snapshots and removes what nobody needs, behind those who decide.
    pub(crate) fn keeper(
        &mut self,
        mut keeper: Keeper<Disk>,
        parker: Parker,
        bell: Arc<Bell>,
    ) -> io::Result<()> {
        let (stop, shown) = (Arc::clone(&self.stop), self.shown.clone());
        self.start("keeper", move |mut pulse| {
            let mut courtesy = Courtesy::begin(shown);
            while !stop.is_asked() {
                pulse.before();
                let start = Instant::now();
                let done = keeper.work(&|| stop.is_asked());
                pulse.after(done);
                let rest = courtesy.rest(start.elapsed());
                let nap = if done == 0 { NAP.max(rest) } else { rest };
                if nap > Duration::ZERO {
                    bell.doze(|| stop.is_asked(), || parker.park_timeout(nap));
                }
            }
        })
    }

    /// Tells a sink, and what the journal has at its end; of a sink in trouble no more is waited
    /// for, and what is left it is told after the next start.
    pub(crate) fn sink(
        &mut self,
        mut follower: Follower,
        chains: Chains,
        parker: Parker,
        bell: Arc<Bell>,
    ) -> io::Result<()> {
        let (stop, shown) = (Arc::clone(&self.stop), self.shown.clone());
        let thread = self.spawn(&format!("sink-{}", follower.name()), move |mut pulse| {
            let mut courtesy = Courtesy::begin(shown);
            let mut deadline = None;
            loop {
                let is_over = stop.is_asked() && chains.is_over();
                if is_over {
                    let deadline = *deadline.get_or_insert_with(|| Instant::now() + DRAIN);
                    let is_urgent = stop.is_urgent.load(Ordering::Relaxed);
                    let is_late = is_urgent || Instant::now() >= deadline;
                    if follower.is_level() || follower.is_in_trouble() || is_late {
                        break;
                    }
                }
                pulse.before();
                let start = Instant::now();
                let done = follower.work();
                pulse.after(done);
                // Who is waited for does not rest.
                let rest = if is_over { Duration::ZERO } else { courtesy.rest(start.elapsed()) };
                let nap = if done == 0 { Follower::NAP.max(rest) } else { rest };
                if nap > Duration::ZERO {
                    bell.doze(|| false, || parker.park_timeout(nap));
                }
            }
        })?;
        self.sinks.push(thread);
        Ok(())
    }
}

/// Waits for the threads of sinks to end, but not for one that hangs in what it writes to: it ends
/// with the process, and goes on after the next start where its checkpoint says.
pub(crate) fn end_sinks(stop: &Stop, threads: Vec<JoinHandle<()>>) {
    let deadline = Instant::now() + DRAIN + NAP;
    let is_late = || stop.is_urgent.load(Ordering::Relaxed) || Instant::now() >= deadline;
    for thread in threads {
        while !thread.is_finished() && !is_late() {
            thread::sleep(Duration::from_millis(2));
        }
        if !thread.is_finished() {
            tracing::warn!("a sink does not take what it is given; it is not waited for");
        } else if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}
