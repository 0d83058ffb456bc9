//! Changes posted to a receiver over HTTP, signed: events after CloudEvents, in messages after
//! Standard Webhooks.
//!
//! Invariants: changes of one order are posted one after the other; a change counts as delivered
//! when the receiver took it, or when it did not want it and it is durable among those that are put
//! aside or given up. What was taken before a crash kept it from being remembered is posted again,
//! under the id that it had.
//!
//! In the order in which a change meets it: `lanes` (what is posted when), `message`, `endpoint`
//! with `rate`, `guard` and `signer`, and `later` for what is not wanted.

mod endpoint;
mod guard;
mod lanes;
mod later;
mod message;
mod rate;
mod signer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::warn;
use ureq::http::Uri;

use super::{Change, Checkpoint, Place, Secret, Sink, Standing, Trouble};
use crate::limits::SINK_CHANGES_MAX;
use crate::metrics::SinkCounters;
use crate::sale::Seq;
use endpoint::{Answer, Credentials, Endpoint};
pub(crate) use guard::is_public;
use lanes::{Desk, Lanes, Round, graver, side_by_side};
use later::Later;
use message::Message;

/// What a webhook sink is told.
#[derive(Clone, Debug)]
pub struct WebhookTerms {
    /// Where messages are posted.
    pub url: String,
    /// The secrets that they are signed with: one or two, one a line.
    pub secret: Secret,
    /// What `Authorization: Bearer` says, if anything.
    pub token: Option<Secret>,
    /// Requests at once.
    pub in_flight: usize,
    /// Events in one message; 1 for single events, not in a list.
    pub batch_max: usize,
    /// Requests a second; 0 for no bound.
    pub rate_per_second: u64,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How long a message is tried that the receiver does not want.
    pub patience: Duration,
    /// Where it is written then; `None` for beside the checkpoint.
    pub dead_letters: Option<PathBuf>,
    /// Whether the receiver may be at an address inside.
    pub is_private_allowed: bool,
    /// Whose certificates are trusted; `None` for those whom browsers trust.
    pub ca_file: Option<PathBuf>,
}

/// Secrets are read again when they were read so long ago.
const CREDENTIALS_AGE: Duration = Duration::from_secs(1);
/// How long a round should take: whoever pauses the sink, or stops the server, waits for it.
const ROUND: (Duration, Duration) = (Duration::from_millis(125), Duration::from_millis(500));
/// How long, ns, it is waited before anything that was put aside is posted again, if the receiver
/// answered to none of it.
const REST: (u64, u64) = (1_000_000_000, 30_000_000_000);
/// With how many changes a round begins.
const PACE: usize = 256;

/// The sink.
pub struct WebhookSink {
    terms: WebhookTerms,
    counters: Arc<SinkCounters>,
    /// Unix ns.
    clock: fn() -> u64,
    /// Where messages lie that are put aside, and where those that were given up.
    paths: (PathBuf, PathBuf),
    /// The journal's id.
    journal: String,
    /// `None` before it has begun.
    endpoint: Option<Endpoint>,
    /// When its secrets were read, and whether that still works.
    read_at: Instant,
    is_readable: bool,
    lanes: Lanes,
    /// For what is posted again.
    lanes_again: Lanes,
    later: Option<Later>,
    /// While the receiver answers to none of them: when it is asked again, Unix ns, and how long
    /// it is waited then, ns.
    later_at: u64,
    later_wait: u64,
    /// Everything up to here is dealt with, if trouble has kept a round from its end.
    standing: Seq,
    /// Messages that the receiver has taken.
    taken: u64,
    /// Changes of a round.
    pace: usize,
}

/// What may be said of a URL: scheme, host and port, for there may be secrets in the rest.
pub(crate) fn shown(url: &str) -> String {
    let uri: Option<Uri> = url.parse().ok();
    let said = uri.and_then(|uri| {
        let authority = uri.authority()?;
        let port = authority.port().map_or(String::new(), |port| format!(":{port}"));
        Some(format!("{}://{}{port}", uri.scheme_str()?, authority.host()))
    });
    said.unwrap_or_else(|| "the URL".to_owned())
}

impl WebhookSink {
    /// A sink that has done nothing yet.
    pub fn new(terms: WebhookTerms, place: &Place<'_>) -> WebhookSink {
        let beside = |ending: &str| place.folder.join(format!("{}.{ending}", place.name));
        let dead_letters = terms.dead_letters.clone();
        let dead_letters = dead_letters.unwrap_or_else(|| beside("dead.ndjson"));
        WebhookSink {
            counters: Arc::clone(place.counters),
            clock: place.clock,
            paths: (beside("later"), dead_letters),
            journal: String::new(),
            endpoint: None,
            read_at: Instant::now(),
            is_readable: true,
            lanes: Lanes::new(terms.in_flight),
            lanes_again: Lanes::new(terms.in_flight),
            later: None,
            later_at: 0,
            later_wait: 0,
            standing: 0,
            taken: 0,
            pace: terms.in_flight.min(PACE),
            terms,
        }
    }

    /// Reads the secrets again, now and then. What cannot be read changes nothing.
    fn refresh(&mut self) {
        let Some(endpoint) = self.endpoint.as_mut() else { return };
        if self.read_at.elapsed() < CREDENTIALS_AGE {
            return;
        }
        self.read_at = Instant::now();
        match Credentials::read(&self.terms) {
            Ok(credentials) => {
                endpoint.credentials = credentials;
                self.is_readable = true;
            }
            Err(trouble) => {
                if self.is_readable {
                    warn!("{}; the old secrets stay in force", trouble.sentence());
                }
                self.is_readable = false;
            }
        }
    }

    /// Posts changes in the lanes for new ones, or in those for what is told again.
    fn round(&mut self, changes: &[Change], is_again: bool) -> Result<(), Trouble> {
        self.refresh();
        self.keep()?;
        let endpoint = self.endpoint.as_ref().expect("it has begun");
        let later = self.later.as_mut().expect("it has begun");
        let lanes = if is_again { &mut self.lanes_again } else { &mut self.lanes };
        let (journal, batch_max) = (self.journal.as_str(), self.terms.batch_max);
        let desk = Desk { endpoint, journal, batch_max, room: later.room() };
        let begun = Instant::now();
        let Round { taken, aside, trouble } = lanes.run(changes, &desk);
        let left = changes.iter().find(|change| !lanes.has(change));
        self.taken += taken;
        let now = (self.clock)();
        if let Some((message, _)) = aside.first() {
            let (count, id, place) = (aside.len(), &message.id, self.paths.0.display());
            warn!("webhook: {count} not wanted and put aside, {id} the first; why: see {place}");
        }
        for (message, why) in aside {
            later.add(message, why, now, self.taken);
        }
        self.keep()?;
        if !is_again {
            self.standing = left.map_or(0, |change| change.seq - 1);
        }
        if let Some(trouble) = trouble {
            return Err(trouble);
        }
        self.set_pace(changes.len(), begun.elapsed());
        Ok(())
    }

    /// Makes durable what was put aside or given up.
    fn keep(&mut self) -> Result<(), Trouble> {
        let later = self.later.as_mut().expect("it has begun");
        self.counters.dead.add(later.keep()?);
        self.counters.postponed.set(later.len() as u64);
        Ok(())
    }

    fn set_pace(&mut self, changes: usize, took: Duration) {
        let least = match usize::try_from(self.terms.rate_per_second) {
            Ok(rate @ 1..) => rate.min(self.terms.in_flight),
            _ => self.terms.in_flight,
        };
        if took > ROUND.1 {
            self.pace = (self.pace / 2).max(least);
        } else if took < ROUND.0 && changes >= self.pace {
            self.pace = (2 * self.pace).min(SINK_CHANGES_MAX);
        }
    }

    /// Posts messages that were put aside, as many at once as there are lanes. After trouble a lane
    /// goes no further, nor when the round has taken long enough.
    fn post_again(&self, due: &[Message]) -> Vec<(String, Answer)> {
        let endpoint = self.endpoint.as_ref().expect("it has begun");
        let begun = Instant::now();
        let parts: Vec<&[Message]> = due.chunks(due.len().div_ceil(self.terms.in_flight)).collect();
        let answers = side_by_side(parts.clone(), |part: &[Message]| {
            let mut answers = Vec::new();
            for message in part {
                let answer = endpoint.post(message);
                let is_over = matches!(answer, Answer::Trouble(_)) || begun.elapsed() > ROUND.0;
                answers.push((message.id.clone(), answer));
                if is_over {
                    break;
                }
            }
            answers
        });
        // A part that had no thread has failed with its first.
        let failed = |part: &[Message], why| vec![(part[0].id.clone(), Answer::Trouble(why))];
        let answers = answers.into_iter().zip(parts);
        answers.flat_map(|(done, part)| done.unwrap_or_else(|why| failed(part, why))).collect()
    }
}

impl Sink for WebhookSink {
    fn begin(&mut self, checkpoint: &Checkpoint) -> Result<Standing, Trouble> {
        self.journal.clone_from(&checkpoint.journal);
        if self.later.is_none() {
            let (path, dead_letters) = self.paths.clone();
            self.later = Some(Later::open(path, dead_letters, self.terms.patience)?);
        }
        // Connections that were in trouble are not used again.
        self.endpoint = Some(Endpoint::new(&self.terms)?);
        (self.read_at, self.is_readable) = (Instant::now(), true);
        self.keep()?;
        Ok(Standing { seq: checkpoint.seq.max(self.standing), mark: String::new() })
    }

    fn deliver(&mut self, changes: &[Change], _seq: Seq) -> Result<String, Trouble> {
        self.round(changes, false)?;
        Ok(String::new())
    }

    fn repeat(&mut self, changes: &[Change]) -> Result<String, Trouble> {
        self.round(changes, true)?;
        self.lanes_again.reset();
        Ok(String::new())
    }

    fn changes_max(&self) -> usize {
        self.pace
    }

    fn tick(&mut self) -> Result<usize, Trouble> {
        let later = self.later.as_ref().expect("it has begun");
        let most = match usize::try_from(self.terms.rate_per_second) {
            // No more than in a second: it is waited for each.
            Ok(rate @ 1..) => rate.min(self.terms.in_flight),
            _ => 16 * self.terms.in_flight,
        };
        let now = (self.clock)();
        if now < self.later_at {
            return Ok(0);
        }
        let due = later.due(now, most);
        if due.is_empty() {
            return Ok(0);
        }
        self.refresh();
        let answers = self.post_again(&due);
        let (count, now) = (answers.len(), (self.clock)());
        let is_answered = answers.iter().any(|(_, it)| !matches!(it, Answer::Trouble(_)));
        let is_taken = |(_, answer): &&(String, Answer)| *answer == Answer::Taken;
        self.taken += answers.iter().filter(is_taken).count() as u64;
        let later = self.later.as_mut().expect("it has begun");
        let (mut whole, mut unheard) = (None, None);
        for (id, answer) in answers {
            match answer {
                Answer::Taken => later.taken(&id),
                Answer::Refused(why) => later.failed(&id, why, now, self.taken, true),
                Answer::Trouble(Trouble::Again(why)) => {
                    later.failed(&id, why.clone(), now, self.taken, false);
                    unheard = Some(why);
                }
                Answer::Trouble(trouble) => {
                    if let Trouble::After(why, _) = &trouble {
                        later.failed(&id, why.clone(), now, self.taken, false);
                    }
                    whole = graver(whole, Some(trouble));
                }
            }
        }
        (self.later_at, self.later_wait) = match unheard.filter(|_| !is_answered) {
            None => (0, 0),
            // It is down, or breaks on these; the new ones will see. Each try costs a sync.
            Some(why) => {
                let wait = (2 * self.later_wait).clamp(REST.0, REST.1);
                self.counters.failures.add(1);
                let seconds = wait / 1_000_000_000;
                warn!("webhook: {why}; what was put aside is tried again in {seconds} s");
                (now + wait, wait)
            }
        };
        self.keep()?;
        whole.map_or(Ok(count), Err)
    }
}

#[cfg(test)]
mod tests;
