//! What happened in one second, as one thread tells it while the run goes on.

use std::sync::mpsc::{SyncSender, TrySendError};

use hdrhistogram::Histogram;

use super::tally::{ByOutcome, Run, histogram};

/// Length of a slice, ns.
pub(crate) const SLICE_NS: u64 = 1_000_000_000;

/// Numbers of a second; latencies are those of purchases answered in it, measured or not.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    /// Which one, counted from the start.
    pub(crate) index: u64,
    /// When it ended, ns since the start.
    pub(crate) ended: u64,
    pub(crate) sent: u64,
    pub(crate) given: u64,
    pub(crate) replayed: u64,
    pub(crate) waiting: u64,
    pub(crate) refused: ByOutcome,
    pub(crate) failed: u64,
    pub(crate) followed: u64,
    pub(crate) outstanding: u64,
    pub(crate) intended: Histogram<u64>,
    pub(crate) from_sent: Histogram<u64>,
    run: Run,
}

impl Slice {
    pub(crate) fn new() -> Slice {
        Slice {
            index: 0,
            ended: 0,
            sent: 0,
            given: 0,
            replayed: 0,
            waiting: 0,
            refused: [0; 256],
            failed: 0,
            followed: 0,
            outstanding: 0,
            intended: histogram(),
            from_sent: histogram(),
            run: Run::default(),
        }
    }

    #[inline]
    pub(crate) fn record(&mut self, intended: u64, sent: u64) {
        self.run.record(intended, sent, &mut self.intended, &mut self.from_sent);
    }

    /// Takes what another thread saw in the same second.
    pub(crate) fn merge(&mut self, mut other: Slice) {
        other.settle();
        self.ended = self.ended.max(other.ended);
        self.sent += other.sent;
        self.given += other.given;
        self.replayed += other.replayed;
        self.waiting += other.waiting;
        self.refused.iter_mut().zip(other.refused).for_each(|(own, other)| *own += other);
        self.failed += other.failed;
        self.followed += other.followed;
        self.outstanding += other.outstanding;
        self.intended.add(&other.intended).expect("the same bounds");
        self.from_sent.add(&other.from_sent).expect("the same bounds");
    }

    pub(crate) fn settle(&mut self) {
        self.run.settle(&mut self.intended, &mut self.from_sent);
    }
}

/// Tells one slice after the other; never waits for who listens.
#[derive(Clone)]
pub(crate) struct Teller(pub(crate) SyncSender<Slice>);

impl Teller {
    /// Sends the slice and begins a new one. If nobody took the last ones yet, it goes on instead.
    pub(crate) fn tell(&self, slice: &mut Slice) {
        slice.settle();
        let told = std::mem::replace(slice, Slice::new());
        if let Err(TrySendError::Full(back)) = self.0.try_send(told) {
            *slice = back;
        }
    }
}
