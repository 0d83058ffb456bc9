//! Tells the systems behind what has become of orders: each sink follows the journal on a thread of
//! its own, at its own pace, and remembers how far it has come.
//!
//! It is on no order's way: a sink that is slow, or whose other side is down, falls behind and
//! catches up, and the server goes on as if it were not there. Invariants: only what is durable is
//! told, in the order of seq; a checkpoint is written when what it speaks of has been taken, so
//! nothing is ever passed over. What is told twice after a crash is for each kind of sink to say:
//! files tell nothing twice.
//!
//! In the order in which a change meets it: `history` (records to changes), `reader` (which of them
//! are wanted), `follower` (the loop, the same for all), `checkpoint`, `told` (a change in JSON),
//! `terms` and the types of sinks that it names: `file`, `postgres`, `webhook`, `redis`, `nats`,
//! and `kafka` where the program was built with it; `event` is a change as CloudEvents name it.
//! Backwards: `ledger` (what the other side has) and `reconcile` (beside the journal).

mod change;
mod checkpoint;
mod event;
mod file;
mod follower;
mod history;
#[cfg(feature = "kafka")]
mod kafka;
mod ledger;
mod nats;
mod postgres;
mod proof;
mod reader;
mod reconcile;
mod redis;
mod secret;
mod terms;
mod told;
mod webhook;

pub use self::redis::{RedisLedger, RedisSink, RedisTerms};
pub use change::{Change, ChangedLine, Currency, Kind, OrderFacts};
pub use checkpoint::{Checkpoint, FOLDER, Ledge, path_of};
pub use event::Event;
pub use file::{FileLedger, FileSink, FileTerms, Format};
pub use follower::{Follower, FollowerParts};
pub use history::{History, OPEN_BYTES};
#[cfg(feature = "kafka")]
pub use kafka::{KafkaLedger, KafkaSink, KafkaTerms};
pub use ledger::{Found, Ledger};
pub use nats::{Login, NatsLedger, NatsSink, NatsTerms};
pub use postgres::{PostgresLedger, PostgresSink, PostgresTerms};
pub use proof::{ChangeAt, Proof};
pub use reader::{Reader, Wanted};
pub use reconcile::{Difference, Group, Sum, Sums, Verdict, reconcile};
pub use secret::Secret;
pub use terms::{Place, Terms};
pub use told::{Told, ToldFacts, ToldLine};
pub(crate) use webhook::is_public;
pub use webhook::{WebhookSink, WebhookTerms};

use std::time::Duration;

use crate::chains::ChainAt;
use crate::journal::JournalError;
use crate::limits::SINK_CHANGES_MAX;
use crate::sale::Seq;

/// Why a sink has not taken what it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It may later: a sentence.
    Again(String),
    /// It may when this time has passed, and asks not to be asked before: a sentence.
    After(String, Duration),
    /// It never will, and somebody has to look: a sentence.
    Stop(String),
}

impl Trouble {
    /// The same trouble in other words.
    fn map(self, told: impl FnOnce(String) -> String) -> Trouble {
        match self {
            Trouble::Again(why) => Trouble::Again(told(why)),
            Trouble::After(why, wait) => Trouble::After(told(why), wait),
            Trouble::Stop(why) => Trouble::Stop(told(why)),
        }
    }

    /// What is wrong.
    pub fn sentence(self) -> String {
        match self {
            Trouble::Again(why) | Trouble::After(why, _) | Trouble::Stop(why) => why,
        }
    }
}

/// The disk may have its reasons, and they may pass; what is damaged stays so.
fn of_journal(why: JournalError) -> Trouble {
    match why {
        JournalError::Disk { .. } => Trouble::Again(why.to_string()),
        _ => Trouble::Stop(why.to_string()),
    }
}

/// How far a sink's other side has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// It has everything up to here, and nothing after it.
    pub seq: Seq,
    /// What the checkpoint is to keep.
    pub mark: String,
}

/// Where changes go.
pub trait Sink: Send {
    /// Makes ready to go on. A sink whose other side cannot tell where it stands makes it stand
    /// where `checkpoint` says; another says where it stands, before or behind that. Asked once at
    /// first, with an empty mark if it never was before, and again after trouble.
    ///
    /// # Errors
    /// [`Trouble`].
    fn begin(&mut self, checkpoint: &Checkpoint) -> Result<Standing, Trouble>;

    /// Takes changes, of which the last seq is at most `seq`; it has them for good when this
    /// returns. Returns the mark for the checkpoint at `seq`.
    ///
    /// # Errors
    /// [`Trouble`].
    fn deliver(&mut self, changes: &[Change], seq: Seq) -> Result<String, Trouble>;

    /// Takes again changes that it had taken before. Returns the mark for the checkpoint, whose seq
    /// stays.
    ///
    /// # Errors
    /// [`Trouble`].
    fn repeat(&mut self, changes: &[Change]) -> Result<String, Trouble>;

    /// Says to which chain value of the journal the next delivery belongs: for a sink whose other
    /// side remembers it, so that another course of the same journal is known for what it is.
    fn prove(&mut self, _at: ChainAt) {}

    /// What its other side remembered when it began last.
    fn proof(&self) -> Option<Proof> {
        None
    }

    /// How many changes it wants at once, at most; 1 at least.
    fn changes_max(&self) -> usize {
        SINK_CHANGES_MAX
    }

    /// Does what is to be done beside, whether there are changes or not; asked again and again.
    /// Returns how much was done.
    ///
    /// # Errors
    /// [`Trouble`].
    fn tick(&mut self) -> Result<usize, Trouble> {
        Ok(0)
    }

    /// Whether it can take anything again at all.
    ///
    /// # Errors
    /// A sentence, if it cannot.
    fn can_repeat(&self) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
