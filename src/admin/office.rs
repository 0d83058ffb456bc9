//! What all requests of the port share: the house behind it once that is ready, the phase of its
//! life, and the sights of sales that feeds watch. Asking waits for an answer, but never for ever.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::timeout;

use super::desk::{Desk, Done, Refusal};
use super::feed::Sight;
use super::health::Phase;
use super::problem::Problem;
use crate::limits::ADMIN_FEEDS_MAX;
use crate::operator::{OperatorCommand, SaleView};
use crate::sale::Name;

/// How long an answer of the house may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Gives the metrics as Prometheus reads them.
pub type RenderMetrics = Box<dyn Fn() -> String + Send + Sync>;

/// The house, once it is ready.
pub(super) struct House {
    pub(super) desk: Arc<dyn Desk>,
    pub(super) metrics: RenderMetrics,
}

/// See the page's header.
pub(super) struct Office {
    pub(super) house: OnceLock<House>,
    pub(super) phase: watch::Sender<Phase>,
    /// A place for each feed.
    pub(super) feeds: Arc<Semaphore>,
    /// A sight for each sale that is watched; its poller is the only one to take it away.
    pub(super) sights: Mutex<HashMap<Name, watch::Sender<Sight>>>,
}

impl Office {
    pub(super) fn new() -> Arc<Office> {
        Arc::new(Office {
            house: OnceLock::new(),
            phase: watch::Sender::new(Phase::Loading),
            feeds: Arc::new(Semaphore::new(ADMIN_FEEDS_MAX)),
            sights: Mutex::default(),
        })
    }

    /// The house, if it can be asked.
    pub(super) fn house(&self) -> Result<&House, Problem> {
        if *self.phase.borrow() >= Phase::Draining {
            return Err(Problem::new("stopping", "the server is stopping; ask the next one"));
        }
        let loading = || Problem::new("loading", "the journal is being read; try again soon");
        self.house.get().ok_or_else(loading)
    }

    /// How a sale stands.
    pub(super) async fn look(&self, sale: Name) -> Result<SaleView, Problem> {
        let (sender, answer) = oneshot::channel();
        let desk = &self.house()?.desk;
        let refused = |why| Problem::refused(why, sale.as_str(), None);
        desk.look(sale, Box::new(move |seen| _ = sender.send(seen))).map_err(refused)?;
        self.wait(answer).await?.map_err(refused)
    }

    /// Makes a change, of this sale (and item).
    pub(super) async fn command(
        &self,
        command: OperatorCommand,
        sale: &Name,
        item: Option<&Name>,
    ) -> Result<Done, Problem> {
        let (sender, answer) = oneshot::channel::<Result<Done, Refusal>>();
        let refused = |why| Problem::refused(why, sale.as_str(), item.map(Name::as_str));
        let desk = &self.house()?.desk;
        desk.command(command, Box::new(move |done| _ = sender.send(done))).map_err(refused)?;
        self.wait(answer).await?.map_err(refused)
    }

    /// Waits for an answer, but not for ever.
    pub(super) async fn wait<T>(&self, answer: oneshot::Receiver<T>) -> Result<T, Problem> {
        match timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => {
                let detail = "the server stopped before it answered: look whether it was done";
                Err(Problem::new("stopping", detail))
            }
            Err(_) => {
                let seconds = PATIENCE.as_secs();
                let detail = format!(
                    "no answer within {seconds} s; it may still be done: look before trying again"
                );
                Err(Problem::new("overloaded", detail))
            }
        }
    }
}
