//! Changes as entries of a Redis stream, each under the id `SEQ-0`.
//!
//! Redis itself says where it stands: beside the stream lies a small hash, the slip, which says
//! whose stream it is and how far it was told. Both change in one script, so neither is ever ahead
//! of the other, also on a replica or after a restart from the append-only file. Invariants: an
//! entry is added only if what came before it is there, and only by the server that took the stream
//! last; so the stream holds each change once and in order, whatever was killed. What Redis itself
//! has lost is told again.

mod link;
mod reading;
mod standing;

use std::path::PathBuf;
use std::time::Duration;

pub use reading::RedisLedger;

use self::link::Link;
use super::{Change, Checkpoint, Proof, Secret, Sink, Standing, Trouble};
use crate::sale::Seq;

/// What a Redis sink is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisTerms {
    /// `redis://` or `rediss://`, a host, a port and the number of a database; no secrets.
    pub url: String,
    /// As whom; `None` for the default user.
    pub user: Option<String>,
    /// With which password.
    pub password: Option<Secret>,
    /// Whom to trust (PEM); `None` for the system's authorities.
    pub ca: Option<PathBuf>,
    /// The stream's key.
    pub stream: String,
    /// About how many entries are kept; 0 for all.
    pub entries_max: u64,
    /// How long a connection, or an answer, may take.
    pub timeout: Duration,
}

impl RedisTerms {
    /// The key of the slip: in a cluster in the same slot as the stream.
    pub fn slip(&self) -> String {
        let stream = &self.stream;
        let tagged = stream.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
        match tagged {
            Some((tag, _)) if !tag.is_empty() => format!("{stream}:doorbuster"),
            _ => format!("{{{stream}}}:doorbuster"),
        }
    }
}

/// The sink.
pub struct RedisSink {
    name: String,
    terms: RedisTerms,
    /// `None` before it has begun, and after trouble.
    link: Option<Link>,
}

impl RedisSink {
    /// A sink that has done nothing yet.
    pub fn new(name: &str, terms: RedisTerms) -> RedisSink {
        RedisSink { name: name.to_owned(), terms, link: None }
    }
}

impl Sink for RedisSink {
    fn begin(&mut self, checkpoint: &Checkpoint) -> Result<Standing, Trouble> {
        self.link = None;
        let (link, standing) = Link::take(&self.terms, &self.name, checkpoint)?;
        self.link = Some(link);
        Ok(standing)
    }

    fn proof(&self) -> Option<Proof> {
        self.link.as_ref().and_then(Link::proof)
    }

    fn deliver(&mut self, changes: &[Change], seq: Seq) -> Result<String, Trouble> {
        // What has failed once is not used again: answers to it may still be on their way.
        let mut link = self.link.take().expect("it has begun");
        link.rouse(&self.terms)?;
        link.add(&self.terms, changes, seq)?;
        let mark = link.mark();
        self.link = Some(link);
        Ok(mark)
    }

    fn repeat(&mut self, _changes: &[Change]) -> Result<String, Trouble> {
        Err(Trouble::Stop(NO_REPEAT.to_owned()))
    }

    fn can_repeat(&self) -> Result<(), String> {
        Err(NO_REPEAT.to_owned())
    }
}

const NO_REPEAT: &str = "a Redis stream takes no id twice, and keeps what it was told: read it \
                         again from there, with XRANGE or XGROUP SETID";
