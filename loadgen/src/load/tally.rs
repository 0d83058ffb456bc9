//! Counts and latencies of one thread, added up at the end.
//!
//! Every latency is recorded twice, into two histograms that never mix: from the *intended* time of
//! sending, which is the wait of a buyer who came on schedule, and from the *actual* one. Nothing
//! is corrected after the fact, so nothing can be corrected twice.

use hdrhistogram::Histogram;

/// What an answer was, for its latency. Orders and refusals are never mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// A purchase that was given units.
    Given,
    /// A repeated key, answered as before.
    Replayed,
    /// A purchase that was given a place on the waiting list.
    Waiting,
    /// A purchase that was refused.
    Refused,
    /// A confirm or release.
    Followed,
    /// No answer, or an error: the time until that was clear.
    Failed,
}

pub(crate) const CLASSES: [(Class, &str); 6] = [
    (Class::Given, "given"),
    (Class::Replayed, "replayed"),
    (Class::Waiting, "waiting"),
    (Class::Refused, "refused"),
    (Class::Followed, "confirm_release"),
    (Class::Failed, "failed"),
];

/// Latencies up to an hour in ns, to three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000_000, 3).expect("bounds that the library takes")
}

/// A run of equal latencies that is yet to be recorded: answers of one batch mostly have the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    intended: u64,
    sent: u64,
    count: u64,
}

impl Run {
    #[inline]
    pub(crate) fn record(
        &mut self,
        intended: u64,
        sent: u64,
        to_intended: &mut Histogram<u64>,
        to_sent: &mut Histogram<u64>,
    ) {
        if (intended, sent) != (self.intended, self.sent) {
            self.settle(to_intended, to_sent);
            (self.intended, self.sent) = (intended, sent);
        }
        self.count += 1;
    }

    pub(crate) fn settle(
        &mut self,
        to_intended: &mut Histogram<u64>,
        to_sent: &mut Histogram<u64>,
    ) {
        if self.count > 0 {
            to_intended.saturating_record_n(self.intended, self.count);
            to_sent.saturating_record_n(self.sent, self.count);
        }
        self.count = 0;
    }
}

/// The two histograms of a class.
pub(crate) struct Latency {
    pub(crate) intended: Histogram<u64>,
    pub(crate) sent: Histogram<u64>,
    run: Run,
}

impl Latency {
    fn new() -> Latency {
        Latency { intended: histogram(), sent: histogram(), run: Run::default() }
    }

    #[inline]
    fn record(&mut self, intended: u64, sent: Option<u64>) {
        match sent {
            None => self.intended.saturating_record(intended),
            Some(sent) => self.run.record(intended, sent, &mut self.intended, &mut self.sent),
        }
    }

    fn settle(&mut self) {
        self.run.settle(&mut self.intended, &mut self.sent);
    }

    fn merge(&mut self, mut other: Latency) {
        self.settle();
        other.settle();
        self.intended.add(&other.intended).expect("the same bounds");
        self.sent.add(&other.sent).expect("the same bounds");
    }
}

/// Answers by outcome.
pub(crate) type ByOutcome = [u64; 256];

/// What one thread counted in the measured time.
pub(crate) struct Tally {
    latency: [Latency; CLASSES.len()],
    pub(crate) given: ByOutcome,
    pub(crate) replayed: ByOutcome,
    pub(crate) waiting: ByOutcome,
    pub(crate) refused: ByOutcome,
    pub(crate) confirms: ByOutcome,
    pub(crate) releases: ByOutcome,
    pub(crate) counts: Counts,
    /// When the last measured answer came, ns since the start.
    pub(crate) last_answer: u64,
    /// Lateness of the request that the generator itself was latest with, ns.
    pub(crate) latest: u64,
    /// The first error that a server told or a connection died of.
    pub(crate) first_error: Option<String>,
}

/// Plain numbers that add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Counts {
    /// Purchases that the schedule wanted sent (open loop) or that were sent (closed loop).
    pub(crate) scheduled: u64,
    /// Purchases sent, repeats among them.
    pub(crate) sent: u64,
    /// Those of them sent before the end of the measured time.
    pub(crate) sent_in_time: u64,
    /// Purchases that repeated an earlier key.
    pub(crate) repeats_sent: u64,
    /// Purchases sent again because the server was overloaded.
    pub(crate) retried: u64,
    /// Confirms and releases sent.
    pub(crate) followed: u64,
    /// Confirms and releases that were not due before the end.
    pub(crate) unfollowed: u64,
    /// Answers of any kind but errors.
    pub(crate) answers: u64,
    /// Requests answered with an error.
    pub(crate) errors: u64,
    /// Requests without an answer when the run ended.
    pub(crate) timeouts: u64,
    /// Requests whose connection died.
    pub(crate) lost: u64,
    /// Purchases that were due and never sent: their connection was full or dead to the end.
    pub(crate) unsent: u64,
    /// Sent more than 1 ms late because the generator was busy.
    pub(crate) late_generator: u64,
    /// Sent more than 1 ms late because the connection was full: the target's doing.
    pub(crate) late_connection: u64,
    /// Connections that died.
    pub(crate) connections_lost: u64,
}

impl Tally {
    pub(crate) fn new() -> Tally {
        Tally {
            latency: CLASSES.map(|_| Latency::new()),
            given: [0; 256],
            replayed: [0; 256],
            waiting: [0; 256],
            refused: [0; 256],
            confirms: [0; 256],
            releases: [0; 256],
            counts: Counts::default(),
            last_answer: 0,
            latest: 0,
            first_error: None,
        }
    }

    /// Records a latency in ns; `sent` is `None` for what was never sent.
    #[inline]
    pub(crate) fn record(&mut self, class: Class, intended: u64, sent: Option<u64>) {
        self.latency[class as usize].record(intended, sent);
    }

    pub(crate) fn latency(&self, class: Class) -> &Latency {
        &self.latency[class as usize]
    }

    /// All that belongs to purchases: every class but confirms and releases.
    pub(crate) fn purchases(&self) -> Latency {
        let mut all = Latency::new();
        for (class, _) in CLASSES.iter().filter(|(class, _)| *class != Class::Followed) {
            let latency = self.latency(*class);
            all.intended.add(&latency.intended).expect("the same bounds");
            all.sent.add(&latency.sent).expect("the same bounds");
        }
        all
    }

    pub(crate) fn note_error(&mut self, text: impl FnOnce() -> String) {
        self.first_error.get_or_insert_with(text);
    }

    /// Records what is still being collected.
    pub(crate) fn settle(&mut self) {
        self.latency.iter_mut().for_each(Latency::settle);
    }

    pub(crate) fn merge(&mut self, other: Tally) {
        for (own, other) in self.latency.iter_mut().zip(other.latency) {
            own.merge(other);
        }
        for (own, other) in [
            (&mut self.given, &other.given),
            (&mut self.replayed, &other.replayed),
            (&mut self.waiting, &other.waiting),
            (&mut self.refused, &other.refused),
            (&mut self.confirms, &other.confirms),
            (&mut self.releases, &other.releases),
        ] {
            own.iter_mut().zip(other).for_each(|(own, other)| *own += other);
        }
        self.counts.add(&other.counts);
        self.last_answer = self.last_answer.max(other.last_answer);
        self.latest = self.latest.max(other.latest);
        if self.first_error.is_none() {
            self.first_error = other.first_error;
        }
    }

    pub(crate) fn orders(&self) -> u64 {
        self.given.iter().sum()
    }
}

impl Counts {
    fn add(&mut self, other: &Counts) {
        self.scheduled += other.scheduled;
        self.sent += other.sent;
        self.sent_in_time += other.sent_in_time;
        self.repeats_sent += other.repeats_sent;
        self.retried += other.retried;
        self.followed += other.followed;
        self.unfollowed += other.unfollowed;
        self.answers += other.answers;
        self.errors += other.errors;
        self.timeouts += other.timeouts;
        self.lost += other.lost;
        self.unsent += other.unsent;
        self.late_generator += other.late_generator;
        self.late_connection += other.late_connection;
        self.connections_lost += other.connections_lost;
    }
}
