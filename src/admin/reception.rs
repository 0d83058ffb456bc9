//! The desk of a running server: wishes go to the operator's room, names come from the directory.
//! It only translates.

use parking_lot::Mutex;

use super::desk::{Desk, Done, ItemView, Refusal, SaleState, SaleView, WhenDone, WhenSeen, Wish};
use crate::directory::Directory;
use crate::message::outcome;
use crate::operator::{self, OperatorAnswer, OperatorCommand, OperatorHandle, Told};
use crate::sale::{Name, Phase};

/// When to try again, if too many wait already, ms.
const RETRY_AFTER_MS: u64 = 1000;

/// See the page's header.
pub struct Reception {
    operator: OperatorHandle,
    /// Asked by the port's one thread only, so nobody waits for it.
    directory: Mutex<Directory>,
}

impl Reception {
    /// A desk for this server.
    pub fn new(operator: OperatorHandle, directory: Directory) -> Reception {
        Reception { operator, directory: Mutex::new(directory) }
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
    fn wish(&self, wish: Wish, then: WhenDone) -> Result<(), Refusal> {
        self.ask(command(wish), |answer| {
            then(answer.map(|answer| Done { seq: answer.seq, replayed: answer.replayed }));
        })
    }

    fn look(&self, sale: Name, then: WhenSeen) -> Result<(), Refusal> {
        self.ask(OperatorCommand::Sale { sale }, |answer| {
            let view = answer.map(|answer| answer.view.as_ref().map(view));
            match view {
                Ok(Some(view)) => then(Ok(view)),
                Ok(None) => {}
                Err(refusal) => then(Err(refusal)),
            }
        })
    }

    fn names(&self) -> Vec<Name> {
        let mut directory = self.directory.lock();
        directory.refresh().sales().map(|sale| sale.name).collect()
    }
}

fn command(wish: Wish) -> OperatorCommand {
    match wish {
        Wish::Create(terms) => OperatorCommand::Create(terms),
        Wish::Open(sale) => OperatorCommand::Open { sale },
        Wish::Pause(sale) => OperatorCommand::Pause { sale },
        Wish::Resume(sale) => OperatorCommand::Resume { sale },
        Wish::Close(sale) => OperatorCommand::Close { sale },
        Wish::Remove(sale) => OperatorCommand::Remove { sale },
        Wish::Add(sale, item, units) => OperatorCommand::Add { sale, item, units },
        Wish::Withdraw(sale, item, units) => OperatorCommand::Withdraw { sale, item, units },
        Wish::Price(sale, item, price) => OperatorCommand::Price { sale, item, price },
    }
}

fn view(view: &operator::SaleView) -> SaleView {
    let item = |item: &operator::ItemView| ItemView {
        sku: item.name,
        stock: item.stock,
        free: item.free,
        held: item.held,
        confirmed: item.confirmed,
        waiting: item.waiting,
        price: item.price,
        limit: item.limit,
    };
    SaleView {
        seq: view.after,
        name: view.name,
        state: match view.state {
            Phase::Scheduled => SaleState::Scheduled,
            Phase::Open => SaleState::Open,
            Phase::Paused => SaleState::Paused,
            Phase::Closed => SaleState::Closed,
        },
        opens_at: view.opens_at,
        closes_at: view.closes_at,
        hold_ms: view.hold_ms,
        limit: view.limit,
        currency: view.currency,
        items: view.items.iter().map(item).collect(),
    }
}
