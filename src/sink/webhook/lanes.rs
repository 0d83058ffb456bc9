//! Messages on their way: several at once, those of one order always in the same lane, one after
//! the other. What was taken is remembered, so that trouble in one lane repeats nothing of another.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Builder, ScopedJoinHandle};

use super::endpoint::{Answer, Endpoint};
use super::message::Message;
use crate::limits::WEBHOOK_LATER_MAX;
use crate::sale::Seq;
use crate::sink::{Change, Trouble};

/// After so many failures of the same message its lane goes on behind it: if the receiver answers
/// to another, the trouble is the message's own.
const STUCK: u32 = 5;

/// How far a lane has come.
#[derive(Clone, Debug, Default)]
struct Lane {
    /// Everything up to here is taken, or put aside.
    upto: Seq,
    /// What failed last, and how often.
    failed: Seq,
    failures: u32,
}

/// All lanes.
pub(super) struct Lanes(Vec<Lane>);

/// What a round of all lanes needs.
pub(super) struct Desk<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) journal: &'a str,
    pub(super) batch_max: usize,
    /// How many messages may still be put aside.
    pub(super) room: usize,
}

/// What has become of a round.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// Messages that the receiver took.
    pub(super) taken: u64,
    /// Messages that it does not want, and why: they count as dealt with, and must be kept.
    pub(super) aside: Vec<(Message, String)>,
    /// Why not all changes are dealt with.
    pub(super) trouble: Option<Trouble>,
}

/// A round of one lane.
#[derive(Default)]
struct Run {
    round: Round,
    upto: Seq,
    /// Messages to which there was an answer.
    answered: u64,
    /// What was left behind to see whether others fare better, and where the lane stood then.
    suspect: Option<(Message, Trouble, Seq)>,
}

impl Lanes {
    pub(super) fn new(count: usize) -> Lanes {
        Lanes(vec![Lane::default(); count])
    }

    /// Forgets how far they have come.
    pub(super) fn reset(&mut self) {
        self.0.fill(Lane::default());
    }

    /// Where changes of its order go. Ids of orders are seqs: mixed, so that those of one kind do
    /// not meet in one lane.
    fn lane_of(&self, change: &Change) -> usize {
        let mixed = change.order.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        (mixed % self.0.len() as u64) as usize
    }

    /// Whether a change is dealt with.
    pub(super) fn has(&self, change: &Change) -> bool {
        change.seq <= self.0[self.lane_of(change)].upto
    }

    /// Posts changes, but for those that were dealt with in an earlier round.
    pub(super) fn run(&mut self, changes: &[Change], desk: &Desk<'_>) -> Round {
        let mut parts: Vec<Vec<&Change>> = vec![Vec::new(); self.0.len()];
        for change in changes {
            if !self.has(change) {
                parts[self.lane_of(change)].push(change);
            }
        }
        let shared = Shared { is_over: AtomicBool::new(false), room: AtomicUsize::new(desk.room) };
        let work: Vec<(&mut Lane, Vec<&Change>)> =
            self.0.iter_mut().zip(parts).filter(|(_, part)| !part.is_empty()).collect();
        let runs = side_by_side(work, |(lane, part)| {
            let run = lane.run(&part, desk, &shared);
            (lane, run)
        });
        let answered: u64 = runs.iter().flatten().map(|(_, run)| run.answered).sum();
        let mut whole = Round::default();
        for run in runs {
            match run {
                Ok((lane, run)) => lane.settle(run, answered, &mut whole),
                // Its lane stands where it did.
                Err(trouble) => whole.trouble = graver(whole.trouble.take(), Some(trouble)),
            }
        }
        whole
    }
}

/// What the lanes of a round have in common.
struct Shared {
    is_over: AtomicBool,
    room: AtomicUsize,
}

impl Shared {
    /// Takes a place among what is put aside, if there is one.
    fn take_place(&self) -> bool {
        let less = |room: usize| room.checked_sub(1);
        self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

/// Why a message is not dealt with.
enum Halt {
    /// The receiver takes none now.
    Receiver(Trouble),
    /// It does not want it, and there is no place to put it aside: no fault of the message.
    Full(Trouble),
}

impl Lane {
    fn run(&mut self, changes: &[&Change], desk: &Desk<'_>, shared: &Shared) -> Run {
        let mut run = Run { upto: self.upto, ..Run::default() };
        let mut rest = changes;
        // Relaxed: it only saves requests that would fail.
        while !rest.is_empty() && !shared.is_over.load(Ordering::Relaxed) {
            let is_stuck = self.failed == rest[0].seq && self.failures >= STUCK;
            let count = if is_stuck { 1 } else { desk.batch_max.min(rest.len()) };
            match offer(&rest[..count], desk, shared, &mut run) {
                Ok(()) => rest = &rest[count..],
                Err(Halt::Receiver(trouble @ (Trouble::Again(_) | Trouble::After(..))))
                    if is_stuck && shared.take_place() =>
                {
                    let message = Message::of(&rest[..1], desk.journal, desk.batch_max > 1);
                    run.suspect = Some((message, trouble, run.upto));
                    self.failures += 1;
                    rest = &rest[1..];
                }
                Err(Halt::Full(trouble)) => {
                    shared.is_over.store(true, Ordering::Relaxed);
                    run.round.trouble = Some(trouble);
                    break;
                }
                Err(Halt::Receiver(trouble)) => {
                    shared.is_over.store(true, Ordering::Relaxed);
                    if run.suspect.is_none() {
                        let failed = rest.iter().find(|change| change.seq > run.upto);
                        let failed = failed.map_or(0, |change| change.seq);
                        let before = if failed == self.failed { self.failures } else { 0 };
                        (self.failed, self.failures) = (failed, before + 1);
                    }
                    run.round.trouble = Some(trouble);
                    break;
                }
            }
        }
        run
    }

    /// Notes where the lane stands, if so many messages of all lanes were answered.
    fn settle(&mut self, run: Run, answered: u64, whole: &mut Round) {
        let Run { round, upto, suspect, .. } = run;
        self.upto = upto;
        whole.taken += round.taken;
        whole.aside.extend(round.aside);
        let mut trouble = round.trouble;
        if let Some((message, why, before)) = suspect {
            if answered > 0 {
                self.upto = upto.max(self.failed);
                whole.aside.push((message, why.sentence()));
            } else {
                self.upto = before;
                trouble = Some(why);
            }
        }
        whole.trouble = graver(whole.trouble.take(), trouble);
    }
}

/// Posts changes as one message; if the receiver does not want that, each alone.
fn offer(changes: &[&Change], desk: &Desk<'_>, shared: &Shared, run: &mut Run) -> Result<(), Halt> {
    let message = Message::of(changes, desk.journal, desk.batch_max > 1);
    let answer = desk.endpoint.post(&message);
    run.answered += u64::from(!matches!(answer, Answer::Trouble(_)));
    match answer {
        Answer::Trouble(trouble) => return Err(Halt::Receiver(trouble)),
        Answer::Taken => run.round.taken += 1,
        Answer::Refused(_) if changes.len() > 1 => {
            return changes.chunks(1).try_for_each(|change| offer(change, desk, shared, run));
        }
        Answer::Refused(why) => {
            if !shared.take_place() {
                let why = format!(
                    "{why}; and {WEBHOOK_LATER_MAX} are put aside already, which \
                     is all that may be"
                );
                return Err(Halt::Full(Trouble::Again(why)));
            }
            run.round.aside.push((message, why));
        }
    }
    run.upto = last_of(changes);
    Ok(())
}

fn last_of(changes: &[&Change]) -> Seq {
    changes.last().map_or(0, |change| change.seq)
}

/// The one that keeps it longer.
pub(super) fn graver(one: Option<Trouble>, other: Option<Trouble>) -> Option<Trouble> {
    let wait = |trouble: &Option<Trouble>| match trouble {
        None => (0, None),
        Some(Trouble::Again(_)) => (1, None),
        Some(Trouble::After(_, wait)) => (2, Some(*wait)),
        Some(Trouble::Stop(_)) => (3, None),
    };
    if wait(&other) > wait(&one) { other } else { one }
}

/// Does pieces of work at once, on a thread each; one alone on this one. A piece for which the
/// system gives no thread is not done.
pub(super) fn side_by_side<W: Send, D: Send>(
    work: Vec<W>,
    act: impl Fn(W) -> D + Sync,
) -> Vec<Result<D, Trouble>> {
    if work.len() <= 1 {
        return work.into_iter().map(|piece| Ok(act(piece))).collect();
    }
    let act = &act;
    thread::scope(|scope| {
        let begin = |piece| Builder::new().spawn_scoped(scope, move || act(piece));
        let threads: Vec<_> = work.into_iter().map(begin).collect();
        let joined = |thread: ScopedJoinHandle<'_, D>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        let no_thread = |why| Trouble::Again(format!("no thread to post from: {why}"));
        threads.into_iter().map(|thread| thread.map(joined).map_err(no_thread)).collect()
    })
}
