//! Looks at the first item now and then while the load goes on, on a connection of its own.
//!
//! A look that fails or takes long tells nothing, and the next one connects again: it never holds
//! up whoever asks for longer than its patience.

use std::time::Duration;

use doorbuster::client::Item;

use super::talk::Talk;
use super::{Connector, ItemSight};
use crate::report::document::Stock;

/// The longest wait for one look, and for the connection that it may need.
const PATIENCE: Duration = Duration::from_millis(300);

pub(crate) struct Sampler {
    connector: Connector,
    /// The item's number, if the protocol has them.
    number: Option<Item>,
    talk: Option<Talk>,
}

impl Sampler {
    pub(super) fn new(connector: Connector, number: Option<Item>) -> Sampler {
        Sampler { connector, number, talk: None }
    }

    /// The first item's units now; `None` if the server did not say in time.
    pub(crate) fn sample(&mut self) -> Option<Stock> {
        let mut talk = match self.talk.take() {
            Some(talk) => talk,
            None => self.connector.greeted(PATIENCE).ok()?,
        };
        talk.allow(PATIENCE);
        let ItemSight { stock, free, held, confirmed, waiting, .. } =
            self.connector.sight(&mut talk, self.number).ok()?;
        self.talk = Some(talk);
        Some(Stock { stock, free, held, confirmed, waiting })
    }
}
