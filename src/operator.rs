//! The operator's way in: a door of its own to the matcher, so that a new sale takes its place in
//! the order of arrival like everything else, and is answered when it is durable.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::sync::Parker;

use crate::bell::Bell;
use crate::clock;
use crate::directory::DirectoryWriter;
use crate::journal::Gate;
use crate::message::{Cell, Head, Reply, encode_terms, kind, outcome};
use crate::ring::{Reader, Writer};
use crate::sale::Terms;

/// How long an answer may take before something must be wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks the matcher, one command after another.
pub struct Operator {
    /// To the matcher.
    pub requests: Writer<Cell>,
    /// From the matcher.
    pub replies: Reader<Cell>,
    /// What lets answers out.
    pub gate: Gate,
    /// Wakes the matcher.
    pub matcher_bell: Arc<Bell>,
    /// Where the names of a new sale are published once it is durable.
    pub directory: DirectoryWriter,
    /// What this side waits on; its bell is rung by matcher and journal.
    pub parker: Parker,
    /// Wakes this side.
    pub bell: Arc<Bell>,
}

impl Operator {
    /// Creates a sale. Returns its number, and whether it is new: a sale of that name that is there
    /// already stays as it is.
    ///
    /// # Errors
    /// A sentence, if no more sales fit or no answer came.
    pub fn create(&mut self, terms: &Terms) -> Result<(u16, bool), String> {
        let reply = self.ask(&encode_terms(0, terms, clock::monotonic()))?;
        let number = u16::try_from(reply.order.to_native()).expect("a sale's number");
        match reply.outcome {
            outcome::OK => {
                self.directory.add(terms.name, terms.items.iter().map(|item| item.sku));
                Ok((number, true))
            }
            outcome::KEY_REUSED => Ok((number, false)),
            other => Err(format!("sale '{}': {}", terms.name, outcome::word(other))),
        }
    }

    /// Opens a sale; if it is open, nothing happens.
    ///
    /// # Errors
    /// A sentence, if there is no such sale or no answer came.
    pub fn open(&mut self, sale: u16) -> Result<(), String> {
        let mut head = Head::new(kind::OPEN);
        head.sale = sale.into();
        head.time = clock::monotonic().into();
        match self.ask(&[head.into()])?.outcome {
            outcome::OK => Ok(()),
            other => Err(format!("sale {sale}: {}", outcome::word(other))),
        }
    }

    fn ask(&mut self, cells: &[Cell]) -> Result<Reply, String> {
        assert!(self.requests.free(cells.len()) >= cells.len(), "one command at a time");
        for cell in cells {
            self.requests.push(*cell);
        }
        self.requests.publish();
        self.matcher_bell.ring();
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if self.replies.available(1) > 0
                && let Some(answer) = self.gate.pass(self.replies.get(0))
            {
                self.replies.release(1);
                return Ok(*answer.into_inner().reply());
            }
            let (replies, gate) = (&mut self.replies, &mut self.gate);
            let came = || replies.available(1) > 0 && gate.pass(replies.get(0)).is_some();
            self.bell.doze(came, || self.parker.park_timeout(Duration::from_millis(100)));
        }
        Err(format!("no answer from the matcher within {} s", PATIENCE.as_secs()))
    }
}
