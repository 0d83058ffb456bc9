//! Where operators and sinks meet: what is asked of a sink, and how each one does.
//!
//! Whoever asks leaves a question and a way to tell the answer; the sink's thread looks here
//! between two deliveries. At most [`ASKS_MAX`] questions wait for one sink.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::limits::{SINK_ASKS_MAX as ASKS_MAX, SINK_NAME_BYTES_MAX};

/// Whether a sink may be called so: 1 to [`SINK_NAME_BYTES_MAX`] of A-Z a-z 0-9 _ -, which are good
/// in a path, in a file's name and in a label.
pub fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    (1..=SINK_NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_plain)
}

/// What can be asked of a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Deliver nothing more, also after a restart.
    Pause,
    /// Go on, also if it has stopped over trouble.
    Resume,
    /// Deliver again what was delivered.
    Replay(Span),
}

/// Seqs from one to another, both of them too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
}

/// What a sink does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SinkState {
    /// It delivers what comes, and there is nothing else to say.
    #[default]
    Running,
    /// It tries again after trouble.
    Waiting,
    /// An operator has paused it.
    Paused,
    /// It has given up until an operator resumes it, or the next start.
    Stopped,
}

/// How a sink does.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SinkView {
    /// What it is called.
    pub name: String,
    /// Of which type it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it does.
    pub state: SinkState,
    /// Everything up to here is delivered.
    pub seq: u64,
    /// Records that are durable and not dealt with.
    pub lag_seqs: u64,
    /// Changes delivered since the start.
    pub delivered: u64,
    /// What is delivered again and is still to do, if something is.
    pub replay: Option<Span>,
    /// What its last trouble was, while that lasts.
    pub trouble: Option<String>,
}

/// What is called with the answer.
pub type Tell = Box<dyn FnOnce(Result<SinkView, String>) + Send>;

/// How one sink is reached.
#[derive(Default)]
pub struct Tap {
    asked: Mutex<VecDeque<(Ask, Tell)>>,
    view: Mutex<SinkView>,
    /// Nothing up to here is needed any more, whatever happens. Written by the sink (Release), read
    /// by who removes (Acquire).
    settled: AtomicU64,
}

impl Tap {
    /// The oldest question that waits.
    pub fn next(&self) -> Option<(Ask, Tell)> {
        self.asked.lock().pop_front()
    }

    /// Says that the sink needs nothing of the journal up to a seq any more.
    pub fn settle(&self, seq: u64) {
        self.settled.store(seq, Ordering::Release);
    }

    /// Shows how the sink does.
    pub fn show(&self, view: &SinkView) {
        let mut shown = self.view.lock();
        if *shown != *view {
            shown.clone_from(view);
        }
    }
}

/// All sinks.
#[derive(Clone, Default)]
pub struct Taps(Arc<RwLock<Vec<Arc<Tap>>>>);

impl Taps {
    /// Makes the tap of a sink, in the order in which they are shown.
    pub fn add(&self, view: SinkView) -> Arc<Tap> {
        let tap = Arc::new(Tap { view: Mutex::new(view), ..Tap::default() });
        self.0.write().push(Arc::clone(&tap));
        tap
    }

    /// How all of them do.
    pub fn views(&self) -> Vec<SinkView> {
        self.0.read().iter().map(|tap| tap.view.lock().clone()).collect()
    }

    /// The sink that needs most of the journal, and up to where it needs nothing.
    pub fn slowest(&self) -> Option<(String, u64)> {
        let taps = self.0.read();
        let needs = taps.iter().map(|tap| (tap.settled.load(Ordering::Acquire), tap));
        let (seq, tap) = needs.min_by_key(|(seq, _)| *seq)?;
        Some((tap.view.lock().name.clone(), seq))
    }

    /// Asks a sink; `tell` is called from its thread. `None` if there is none of this name.
    ///
    /// # Errors
    /// A sentence, if too many questions wait.
    pub fn ask(&self, name: &str, ask: Ask, tell: Tell) -> Option<Result<(), String>> {
        let places = self.0.read();
        let tap = places.iter().find(|tap| tap.view.lock().name == name)?;
        let mut asked = tap.asked.lock();
        if asked.len() >= ASKS_MAX {
            return Some(Err(format!("{ASKS_MAX} questions wait for sink {name} already")));
        }
        asked.push_back((ask, tell));
        Some(Ok(()))
    }
}
