//! The threads: each runs one room's `work()`, or two rooms' in turn, waits when there is nothing
//! to do, and ends in its place of the order of stopping. Waiting, pinning and names live here
//! alone; no room knows its thread.
//!
//! Waiting is the same everywhere: yield for a moment, then hang out the bell, look once more, and
//! sleep.

mod behind;
mod courtesy;

pub(crate) use behind::end_sinks;

use std::io;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::Receiver;
use crossbeam::sync::Parker;

use crate::bell::Bell;
use crate::heads::Heads;
use crate::journal::{Disk, Journal, JournalError};
use crate::matcher::Matcher;
use crate::metrics::{Pulse, Threads};
use crate::operator::Operator;
use crate::options::Options;
use crate::shard::Shard;

/// The longest sleep without a reason.
const NAP: Duration = Duration::from_millis(100);
/// How long a stop waits for peers to take their answers.
const DRAIN: Duration = Duration::from_secs(10);

/// What is called when the journal fails: it must end the process, and nothing is answered before.
pub type OnFailure = Arc<dyn Fn(JournalError) + Send + Sync>;

/// How a stop is asked for.
#[derive(Debug, Default)]
pub struct Stop {
    /// Set by whoever stops (Release), read by all threads (Acquire).
    is_asked: AtomicBool,
    /// Peers that take no answers are not waited for.
    is_urgent: AtomicBool,
}

impl Stop {
    pub(crate) fn ask(&self) {
        self.is_asked.store(true, Ordering::Release);
    }

    fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Acquire)
    }

    /// Ends the wait for peers that take their answers slowly. What others sent is still decided,
    /// synced and told; of those, only what was decided.
    pub fn hurry(&self) {
        self.is_urgent.store(true, Ordering::Relaxed);
    }
}

/// Starts threads, each with its name, its core if wanted, and its way of waiting.
pub(crate) struct Crew {
    stop: Arc<Stop>,
    cores: Vec<core_affinity::CoreId>,
    shown: Threads,
    pub(crate) threads: Vec<JoinHandle<()>>,
    /// Those of sinks, which may hang in what they write to.
    pub(crate) sinks: Vec<JoinHandle<()>>,
}

impl Crew {
    pub(crate) fn new(options: &Options, stop: Arc<Stop>, shown: Threads) -> Crew {
        let cores = if options.pin { core_affinity::get_core_ids() } else { None };
        Crew {
            stop,
            cores: cores.unwrap_or_default(),
            shown,
            threads: Vec::new(),
            sinks: Vec::new(),
        }
    }

    fn start(&mut self, name: &str, run: impl FnOnce(Pulse) + Send + 'static) -> io::Result<()> {
        let thread = self.spawn(name, run)?;
        self.threads.push(thread);
        Ok(())
    }

    fn spawn(
        &mut self,
        name: &str,
        run: impl FnOnce(Pulse) + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let pulse = self.shown.add(name);
        let core = match self.cores.len() {
            0 => None,
            count => Some(self.cores[self.threads.len() % count]),
        };
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            if let Some(core) = core {
                core_affinity::set_for_current(core);
            }
            run(pulse);
        })
    }

    pub(crate) fn shard(&mut self, index: usize, mut shard: Shard) -> io::Result<()> {
        let (stop, mut patience) = (Arc::clone(&self.stop), Patience::default());
        self.start(&format!("shard-{index}"), move |mut pulse| {
            let mut deadline = None;
            while !is_drained(&mut shard, &stop, &mut deadline) {
                pulse.before();
                let done = shard.work();
                pulse.after(done);
                patience.after(done, || shard.doze(NAP, || false));
            }
        })
    }

    /// The first shard and the matcher on one thread.
    pub(crate) fn shard_with_matcher(
        &mut self,
        mut shard: Shard,
        incoming: Receiver<Matcher>,
    ) -> io::Result<()> {
        let (stop, mut patience) = (Arc::clone(&self.stop), Patience::default());
        self.start("matcher", move |mut pulse| {
            let (mut matcher, mut deadline) = (None, None);
            while !is_drained(&mut shard, &stop, &mut deadline) {
                if matcher.is_none() {
                    matcher = incoming.try_recv().ok();
                }
                pulse.before();
                let mut done = shard.work();
                let mut nap = NAP;
                if let Some(matcher) = &mut matcher {
                    done += matcher.work();
                    nap = nap.min(Duration::from_nanos(matcher.sleep_ns_max()));
                }
                pulse.after(done);
                patience.after(done, || {
                    shard.doze(nap, || matcher.as_mut().is_some_and(Matcher::busy));
                });
            }
            drop(shard);
            // The stop may have come while it was still on its way here.
            if let Some(matcher) = matcher.or_else(|| incoming.recv().ok()) {
                last_decisions(matcher, || thread::sleep(Duration::from_millis(1)));
            }
        })
    }

    pub(crate) fn matcher(
        &mut self,
        incoming: Receiver<Matcher>,
        parker: Parker,
        bell: Arc<Bell>,
    ) -> io::Result<()> {
        let (stop, mut patience) = (Arc::clone(&self.stop), Patience::default());
        self.start("matcher", move |mut pulse| {
            // Without a matcher the start failed.
            let Ok(mut matcher) = incoming.recv() else { return };
            while !stop.is_asked() {
                pulse.before();
                let done = matcher.work();
                pulse.after(done);
                let nap = NAP.min(Duration::from_nanos(matcher.sleep_ns_max()));
                patience.after(done, || bell.doze(|| matcher.busy(), || parker.park_timeout(nap)));
            }
            last_decisions(matcher, || parker.park_timeout(Duration::from_millis(1)));
        })
    }

    pub(crate) fn journal(
        &mut self,
        mut journal: Journal<Disk>,
        parker: Parker,
        bell: Arc<Bell>,
        on_failure: OnFailure,
    ) -> io::Result<()> {
        let mut patience = Patience::default();
        self.start("journal", move |mut pulse| {
            let result = loop {
                pulse.before();
                let worked = journal.work();
                pulse.after(*worked.as_ref().unwrap_or(&0));
                match worked {
                    Err(why) => break Err(why),
                    Ok(0) if journal.is_drained() => break journal.finish(),
                    Ok(done) => patience.after(done, || {
                        bell.doze(|| journal.has_work(), || parker.park_timeout(NAP));
                    }),
                }
            };
            if let Err(why) = result {
                on_failure(why);
            }
        })
    }

    /// Signs a head now and then, and the last when the journal has ended.
    pub(crate) fn heads(
        &mut self,
        mut heads: Heads,
        every_ms: u64,
        parker: Parker,
        bell: Arc<Bell>,
    ) -> io::Result<()> {
        const LAST_LOOKS: Duration = Duration::from_millis(2);
        let (stop, every) = (Arc::clone(&self.stop), Duration::from_millis(every_ms));
        self.start("heads", move |mut pulse| {
            let (mut is_over, mut signed_at) = (false, None::<Instant>);
            while !is_over {
                is_over = heads.is_over();
                pulse.before();
                let mut done = 0;
                if is_over || signed_at.is_none_or(|at| at.elapsed() >= every) {
                    signed_at = Some(Instant::now());
                    done = heads.work();
                }
                pulse.after(done);
                if stop.is_asked() {
                    parker.park_timeout(LAST_LOOKS);
                } else {
                    bell.doze(|| stop.is_asked(), || parker.park_timeout(every.min(NAP)));
                }
            }
        })
    }

    pub(crate) fn operator(
        &mut self,
        mut operator: Operator,
        parker: Parker,
        bell: Arc<Bell>,
    ) -> io::Result<()> {
        let (stop, mut patience) = (Arc::clone(&self.stop), Patience::default());
        self.start("operator", move |mut pulse| {
            let mut deadline = None;
            loop {
                if stop.is_asked() {
                    let deadline = *deadline.get_or_insert_with(|| Instant::now() + DRAIN);
                    operator.drain();
                    if operator.is_drained() || Instant::now() >= deadline {
                        break;
                    }
                }
                pulse.before();
                let done = operator.work();
                pulse.after(done);
                patience.after(done, || {
                    bell.doze(|| operator.busy(), || parker.park_timeout(NAP));
                });
            }
        })
    }
}

/// Decides what is still on its way in until all doors are closed, and seals the state.
fn last_decisions(mut matcher: Matcher, mut rest: impl FnMut()) {
    while !matcher.is_finished() {
        if matcher.work() == 0 {
            rest();
        }
    }
    while !matcher.seal() {
        if matcher.work() == 0 {
            rest();
        }
    }
}

/// Tells the shard to drain when it is time to stop, and whether it has done so.
fn is_drained(shard: &mut Shard, stop: &Stop, deadline: &mut Option<Instant>) -> bool {
    if !stop.is_asked() {
        return false;
    }
    let deadline = *deadline.get_or_insert_with(|| {
        shard.drain();
        Instant::now() + DRAIN
    });
    shard.is_drained()
        || stop.is_urgent.load(Ordering::Relaxed) && shard.is_told()
        || Instant::now() >= deadline
}

/// How a thread waits: yields its core for a while, then sleeps. A yield costs nothing where others
/// want the core, and where nobody does it saves the wake-up of a halted one, which costs more than
/// most orders. The more there was to do just before, the more likely there is more at once: a busy
/// thread yields for up to half a millisecond, one that gets a request now and then leaves its core
/// to others soon.
#[derive(Clone, Copy, Default)]
struct Patience {
    yields: usize,
    yields_max: usize,
}

impl Patience {
    const YIELDS_LEAST: usize = 60;
    const YIELDS_MOST: usize = 500;
    /// For each piece of work done just before.
    const YIELDS_PER_WORK: usize = 10;

    fn after(&mut self, done: usize, sleep: impl FnOnce()) {
        if done > 0 {
            let earned = Patience::YIELDS_LEAST + Patience::YIELDS_PER_WORK * done.min(100);
            // What was earned lasts for some rounds: work comes in pieces.
            self.yields_max = earned.min(Patience::YIELDS_MOST).max(self.yields_max * 3 / 4);
            self.yields = 0;
        } else if self.yields < self.yields_max {
            self.yields += 1;
            thread::yield_now();
        } else {
            sleep();
        }
    }
}
