//! The types of sinks, and what each is told.

use std::path::Path;
use std::sync::Arc;

use super::file::{FileLedger, FileSink, FileTerms};
#[cfg(feature = "kafka")]
use super::kafka::{KafkaLedger, KafkaSink, KafkaTerms};
use super::nats::{NatsLedger, NatsSink, NatsTerms};
use super::postgres::{PostgresLedger, PostgresSink, PostgresTerms};
use super::redis::{RedisLedger, RedisSink, RedisTerms};
use super::webhook::{WebhookSink, WebhookTerms};
use super::{Checkpoint, Ledger, Sink, Trouble, Wanted};
use crate::metrics::SinkCounters;

/// What kind of sink it is, and what that is told.
#[derive(Clone, Debug)]
pub enum Terms {
    /// A file, or standard output.
    File(FileTerms),
    /// Tables of PostgreSQL.
    Postgres(Box<PostgresTerms>),
    /// A receiver of HTTP requests.
    Webhook(WebhookTerms),
    /// A Redis stream.
    Redis(RedisTerms),
    /// A NATS JetStream stream.
    Nats(NatsTerms),
    /// A Kafka topic.
    #[cfg(feature = "kafka")]
    Kafka(KafkaTerms),
}

/// Where a sink lives.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Where its checkpoint lies, and all else that it keeps.
    pub folder: &'a Path,
    /// What it is told.
    pub wanted: &'a Wanted,
    /// Where it counts.
    pub counters: &'a Arc<SinkCounters>,
    /// Unix ns.
    pub clock: fn() -> u64,
}

impl Terms {
    /// The word of the type.
    pub fn word(&self) -> &'static str {
        match self {
            Terms::File(_) => "file",
            Terms::Postgres(_) => "postgres",
            Terms::Webhook(_) => "webhook",
            Terms::Redis(_) => "redis",
            Terms::Nats(_) => "nats",
            #[cfg(feature = "kafka")]
            Terms::Kafka(_) => "kafka",
        }
    }

    /// Whose other side is the same, so that not both can be.
    pub fn is_same_place(&self, other: &Terms) -> bool {
        match (self, other) {
            (Terms::File(one), Terms::File(other)) => one.path == other.path,
            (Terms::Postgres(one), Terms::Postgres(other)) => {
                one.server == other.server && one.schema == other.schema
            }
            (Terms::Redis(one), Terms::Redis(other)) => {
                (&one.url, &one.stream) == (&other.url, &other.stream)
            }
            (Terms::Nats(one), Terms::Nats(other)) => {
                (&one.urls, &one.stream) == (&other.urls, &other.stream)
            }
            #[cfg(feature = "kafka")]
            (Terms::Kafka(one), Terms::Kafka(other)) => {
                (&one.brokers, &one.topic) == (&other.brokers, &other.topic)
            }
            _ => false,
        }
    }

    /// What a sink of this name has told its other side.
    ///
    /// # Errors
    /// [`Trouble`], also if its other side cannot be read at all.
    pub fn ledger(self, name: &str, checkpoint: &Checkpoint) -> Result<Box<dyn Ledger>, Trouble> {
        let journal = checkpoint.journal.as_str();
        Ok(match self {
            Terms::File(terms) => Box::new(FileLedger::open(&terms, checkpoint)?),
            Terms::Postgres(terms) => Box::new(PostgresLedger::open(&terms, (journal, name))?),
            Terms::Redis(terms) => Box::new(RedisLedger::open(&terms, checkpoint)?),
            Terms::Nats(terms) => Box::new(NatsLedger::open(&terms, checkpoint)?),
            #[cfg(feature = "kafka")]
            Terms::Kafka(terms) => Box::new(KafkaLedger::open(&terms, checkpoint)?),
            Terms::Webhook(_) => {
                let why = "what a receiver of webhooks has taken cannot be read back from it";
                return Err(Trouble::Stop(why.to_owned()));
            }
        })
    }

    /// The sink that lives there.
    pub fn sink(self, place: &Place<'_>) -> Box<dyn Sink> {
        match self {
            Terms::File(terms) => Box::new(FileSink::new(terms)),
            Terms::Postgres(terms) => Box::new(PostgresSink::new(*terms, place)),
            Terms::Webhook(terms) => Box::new(WebhookSink::new(terms, place)),
            Terms::Redis(terms) => Box::new(RedisSink::new(place.name, terms)),
            Terms::Nats(terms) => Box::new(NatsSink::new(terms)),
            #[cfg(feature = "kafka")]
            Terms::Kafka(terms) => Box::new(KafkaSink::new(place.name, terms)),
        }
    }
}
