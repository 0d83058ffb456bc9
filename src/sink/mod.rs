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
//! and the kinds of sinks: `file`, `redis`, `nats`; `event` is a change as CloudEvents name it.

mod change;
mod checkpoint;
mod event;
mod file;
mod follower;
mod history;
mod nats;
mod reader;
mod redis;
mod secret;
mod told;

pub use self::redis::{RedisSink, RedisTerms};
pub use change::{Change, ChangedLine, Kind, OrderFacts};
pub use checkpoint::{Checkpoint, FOLDER, path_of};
pub use event::Event;
pub use file::{FileSink, FileTerms, Format};
pub use follower::{Follower, FollowerParts};
pub use history::History;
pub use nats::{Login, NatsSink, NatsTerms};
pub use reader::{Reader, Wanted};
pub use secret::Secret;
pub use told::{Told, ToldFacts, ToldLine};

use crate::journal::JournalError;
use crate::sale::Seq;

/// Why a sink has not taken what it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It may later: a sentence.
    Again(String),
    /// It never will, and somebody has to look: a sentence.
    Stop(String),
}

impl Trouble {
    /// What is wrong.
    pub fn sentence(self) -> String {
        match self {
            Trouble::Again(why) | Trouble::Stop(why) => why,
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

    /// Whether it can take anything again at all.
    ///
    /// # Errors
    /// A sentence, if it cannot.
    fn can_repeat(&self) -> Result<(), String> {
        Ok(())
    }
}

/// What kind of sink it is, and what that is told.
#[derive(Clone, Debug)]
pub enum Terms {
    /// A file, or standard output.
    File(FileTerms),
    /// A Redis stream.
    Redis(RedisTerms),
    /// A NATS JetStream stream.
    Nats(NatsTerms),
}

impl Terms {
    /// The word of the type.
    pub fn word(&self) -> &'static str {
        match self {
            Terms::File(_) => "file",
            Terms::Redis(_) => "redis",
            Terms::Nats(_) => "nats",
        }
    }

    /// Whose other side is the same, so that not both can be.
    pub fn is_same_place(&self, other: &Terms) -> bool {
        match (self, other) {
            (Terms::File(one), Terms::File(other)) => one.path == other.path,
            (Terms::Redis(one), Terms::Redis(other)) => {
                (&one.url, &one.stream) == (&other.url, &other.stream)
            }
            (Terms::Nats(one), Terms::Nats(other)) => {
                (&one.urls, &one.stream) == (&other.urls, &other.stream)
            }
            _ => false,
        }
    }

    /// The sink of this name.
    pub fn sink(self, name: &str) -> Box<dyn Sink> {
        match self {
            Terms::File(terms) => Box::new(FileSink::new(terms)),
            Terms::Redis(terms) => Box::new(RedisSink::new(name, terms)),
            Terms::Nats(terms) => Box::new(NatsSink::new(terms)),
        }
    }
}

#[cfg(test)]
mod tests;
