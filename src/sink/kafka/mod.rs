//! Changes as messages of a Kafka topic, keyed by their order, as CloudEvents.
//!
//! A batch is a transaction, under a transactional id of the journal's and the sink's own: whoever
//! begins ends what its forerunner left open, and shuts that out. Then the last message of each
//! partition says what the partition has, and only what it lacks is told. Invariants: an order
//! stays in its partition, also when the topic is given more of them; whoever reads what is
//! committed finds each change once, and those of an order in their order, whatever was killed.
//! What the topic has lost is told again, and so is what operators want told again.

mod client;
mod ear;
mod last;
mod link;
mod message;
mod partition;
mod reading;
mod standing;

pub use reading::KafkaLedger;

use self::link::Link;
use super::{Change, Checkpoint, Proof, Sink, Standing, Trouble};
use crate::sale::Seq;

/// What a Kafka sink is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaTerms {
    /// Brokers of one cluster, `HOST:PORT`.
    pub brokers: Vec<String>,
    /// The topic's name.
    pub topic: String,
    /// Whether the brokers are asked to make the topic if it is not there.
    pub is_made: bool,
    /// How batches are compressed, as the client library calls it.
    pub compression: &'static str,
}

/// The sink.
pub struct KafkaSink {
    name: String,
    terms: KafkaTerms,
    /// `None` before it has begun, and after trouble.
    link: Option<Link>,
}

impl KafkaSink {
    /// A sink that has done nothing yet.
    pub fn new(name: &str, terms: KafkaTerms) -> KafkaSink {
        KafkaSink { name: name.to_owned(), terms, link: None }
    }

    fn publish(&mut self, changes: &[Change], seq: Option<Seq>) -> Result<String, Trouble> {
        // What has failed once is not used again: whether it was told shows when it begins anew.
        let mut link = self.link.take().expect("it has begun");
        link.publish(&self.terms, changes, seq)?;
        let mark = link.mark();
        self.link = Some(link);
        Ok(mark)
    }
}

impl Sink for KafkaSink {
    fn begin(&mut self, checkpoint: &Checkpoint) -> Result<Standing, Trouble> {
        self.link = None;
        let link = Link::take(&self.terms, &self.name, checkpoint)?;
        let standing = Standing { seq: link.seq(), mark: link.mark() };
        self.link = Some(link);
        Ok(standing)
    }

    fn proof(&self) -> Option<Proof> {
        self.link.as_ref().and_then(Link::newest).cloned().map(Proof::Change)
    }

    fn deliver(&mut self, changes: &[Change], seq: Seq) -> Result<String, Trouble> {
        self.publish(changes, Some(seq))
    }

    fn repeat(&mut self, changes: &[Change]) -> Result<String, Trouble> {
        self.publish(changes, None)
    }

    fn tick(&mut self) -> Result<usize, Trouble> {
        // What the client has to say meanwhile is not to pile up.
        if let Some(link) = &self.link {
            link.listen();
        }
        Ok(0)
    }
}
