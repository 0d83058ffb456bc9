//! Hears what the client library has to say: its log, its errors, and what became of messages.
//! It is asked in one thread and heard in others.

use std::sync::Arc;

use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::ProducerContext;
use tracing::{debug, warn};

/// What was heard.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Whether no broker could be reached when something was said last.
    pub(super) is_down: bool,
    /// What was wrong last, in the library's words.
    pub(super) reason: String,
    /// Why the first message that failed did.
    pub(super) failed: Option<KafkaError>,
    /// Whether a message was thrown away.
    pub(super) is_purged: bool,
    /// Behind the last message of each partition that was delivered.
    pub(super) ends: Vec<i64>,
    /// How many were delivered or failed.
    pub(super) settled: u64,
}

/// Hears it.
#[derive(Clone, Debug, Default)]
pub(super) struct Ear(pub(super) Arc<Mutex<Heard>>);

impl ClientContext for Ear {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                warn!("librdkafka: {facility}: {line}");
            }
            // Brokers come and go; what that means for the sink, it says itself.
            _ => debug!("librdkafka: {facility}: {line}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!("librdkafka: {error}: {reason}");
        let mut heard = self.0.lock();
        match error.rdkafka_error_code() {
            // "3/3 brokers are down" is less than what was said before.
            Some(RDKafkaErrorCode::AllBrokersDown) => heard.is_down = true,
            Some(RDKafkaErrorCode::PartitionEOF) => {}
            _ => reason.clone_into(&mut heard.reason),
        }
    }
}

fn is_purged(why: &KafkaError) -> bool {
    use RDKafkaErrorCode::{PurgeInflight, PurgeQueue};
    why.rdkafka_error_code().is_some_and(|code| [PurgeQueue, PurgeInflight].contains(&code))
}

impl ConsumerContext for Ear {}

impl ProducerContext for Ear {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let mut heard = self.0.lock();
        heard.settled += 1;
        match result {
            Ok(message) => {
                let end = message.offset() + 1;
                let partition = usize::try_from(message.partition()).unwrap_or(usize::MAX);
                if let Some(known) = heard.ends.get_mut(partition) {
                    *known = end.max(*known);
                }
            }
            // It goes because another has failed, and may be heard of before that one.
            Err((why, _)) if is_purged(why) => heard.is_purged = true,
            Err((why, _)) => _ = heard.failed.get_or_insert_with(|| why.clone()),
        }
    }
}
