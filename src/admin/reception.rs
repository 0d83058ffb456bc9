//! The desk of a running server: commands go to the operator's room, names come from the directory.
//! It only translates.

use parking_lot::Mutex;

use super::desk::{Desk, Done, Refusal, WhenDone, WhenSeen};
use crate::directory::Directory;
use crate::heads::Shelf;
use crate::message::outcome;
use crate::metrics::Metrics;
use crate::operator::{OperatorAnswer, OperatorCommand, OperatorHandle, Told};
use crate::sale::Name;
use crate::taps::{Ask, SinkView, Taps, Tell};

/// When to try again, if too many wait already, ms.
const RETRY_AFTER_MS: u64 = 1000;

/// See the page's header.
pub struct Reception {
    operator: OperatorHandle,
    /// Asked by the port's one thread only, so nobody waits for it.
    directory: Mutex<Directory>,
    heads: Shelf,
    taps: Taps,
    metrics: Metrics,
}

impl Reception {
    /// A desk for this server.
    pub fn new(
        operator: OperatorHandle,
        directory: Directory,
        heads: Shelf,
        taps: Taps,
        metrics: Metrics,
    ) -> Reception {
        Reception { operator, directory: Mutex::new(directory), heads, taps, metrics }
    }

    fn ask(
        &self,
        command: OperatorCommand,
        then: impl FnOnce(Result<OperatorAnswer, Refusal>) + Send + 'static,
    ) -> Result<(), Refusal> {
        let told = move |told: Told| match told {
            Ok(answer) if answer.outcome == outcome::OK => then(Ok(answer)),
            Ok(answer) => {
                let word = outcome::word(answer.outcome);
                then(Err(Refusal { word, amount: answer.value }));
            }
            // Uncalled: there is no answer.
            Err(_) => {}
        };
        let full = |_| Refusal { word: "overloaded", amount: RETRY_AFTER_MS };
        self.operator.ask(command, told).map_err(full)
    }
}

impl Desk for Reception {
    fn command(&self, command: OperatorCommand, then: WhenDone) -> Result<(), Refusal> {
        self.ask(command, |answer| {
            then(answer.map(|answer| Done { seq: answer.seq, replayed: answer.replayed }));
        })
    }

    fn look(&self, sale: Name, then: WhenSeen) -> Result<(), Refusal> {
        self.ask(OperatorCommand::Sale { sale }, |answer| {
            // Uncalled: a question that was answered without a view was not answered.
            if let Some(seen) = answer.map(|answer| answer.view).transpose() {
                then(seen);
            }
        })
    }

    fn heads(&self) -> Shelf {
        self.heads.clone()
    }

    fn sinks(&self) -> Vec<SinkView> {
        // A sink that waits for an answer does not see how far it falls behind.
        let durable = self.metrics.journal.seq.value();
        let now = |view: SinkView| SinkView { lag_seqs: durable.saturating_sub(view.seq), ..view };
        self.taps.views().into_iter().map(now).collect()
    }

    fn ask_sink(&self, name: &str, ask: Ask, tell: Tell) -> Option<Result<(), String>> {
        self.taps.ask(name, ask, tell)
    }

    fn names(&self) -> Vec<Name> {
        let mut directory = self.directory.lock();
        directory.refresh().sales().map(|sale| sale.name).collect()
    }
}
