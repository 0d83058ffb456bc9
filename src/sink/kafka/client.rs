//! Clients of Kafka: how they are set, what a topic has, and what their troubles mean.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::Client;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::KafkaTerms;
use super::ear::Ear;
use crate::sink::Trouble;

/// A broker may be as long about anything.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long it is waited for something before it is seen what was heard meanwhile.
pub(super) const SLICE: Duration = Duration::from_millis(100);
/// Partitions that a sink knows its way about.
pub(super) const PARTITIONS_MAX: usize = 1024;

/// What all clients are told.
pub(super) fn config(terms: &KafkaTerms) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", terms.brokers.join(","))
        .set("client.id", "doorbuster")
        .set("socket.timeout.ms", "10000")
        .set("reconnect.backoff.max.ms", "1000")
        .set("log.connection.close", "false")
        .set("allow.auto.create.topics", terms.is_made.to_string());
    config
}

/// What a consumer is told besides: it reads what is committed, from where it is told to, and
/// belongs to no group, though the library wants one named.
pub(super) fn consumer_config(terms: &KafkaTerms, queue_kib: usize) -> ClientConfig {
    let terms = KafkaTerms { is_made: false, ..terms.clone() };
    let mut config = config(&terms);
    config
        .set("group.id", "doorbuster")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "10")
        .set("queued.max.messages.kbytes", queue_kib.to_string());
    config
}

/// How many partitions the topic has; it is made if it is to be and the brokers do so.
pub(super) fn partitions(
    client: &Client<Ear>,
    terms: &KafkaTerms,
    poll: impl Fn(),
) -> Result<usize, Trouble> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = client.fetch_metadata(Some(&terms.topic), SLICE * 5);
        let why = match told {
            Ok(told) => match told.topics().first() {
                Some(topic) => match topic.error().map(RDKafkaErrorCode::from) {
                    None if topic.partitions().len() > PARTITIONS_MAX => {
                        let count = topic.partitions().len();
                        let why = format!("it has {count} partitions, of at most {PARTITIONS_MAX}");
                        return Err(at(terms, Trouble::Stop(why)));
                    }
                    None if !topic.partitions().is_empty() => return Ok(topic.partitions().len()),
                    None => KafkaError::MetadataFetch(RDKafkaErrorCode::LeaderNotAvailable),
                    Some(code) => KafkaError::MetadataFetch(code),
                },
                None => KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopic),
            },
            Err(why) => why,
        };
        poll();
        let is_down = client.context().0.lock().is_down;
        // While they make it, some brokers say that there is none.
        let is_new = match why.rdkafka_error_code() {
            Some(RDKafkaErrorCode::LeaderNotAvailable) => true,
            Some(RDKafkaErrorCode::UnknownTopicOrPartition) => terms.is_made,
            _ => false,
        };
        let may_come = is_new || is_lost(&why);
        if is_down || !may_come || Instant::now() >= deadline {
            return Err(match why.rdkafka_error_code() {
                Some(code) if is_missing(code) => at(terms, Trouble::Stop(missing(terms))),
                _ => trouble(client, terms, &why),
            });
        }
        if is_new {
            std::thread::sleep(SLICE);
        }
    }
}

/// Whether nobody has answered.
pub(super) fn is_lost(why: &KafkaError) -> bool {
    matches!(
        why.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::Resolve
        )
    )
}

/// What has befallen a client: most of it passes.
pub(super) fn trouble(client: &Client<Ear>, terms: &KafkaTerms, why: &KafkaError) -> Trouble {
    use RDKafkaErrorCode as Code;
    let fatal = client.fatal_error();
    let code = fatal.as_ref().map(|(code, _)| *code).or(why.rdkafka_error_code());
    let stop = |why: &str| at(terms, Trouble::Stop(why.to_owned()));
    match code {
        Some(Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch) => {
            stop("another server publishes into it now, under the same journal and sink")
        }
        // Where one is made it comes, or comes back.
        Some(code) if is_missing(code) && !terms.is_made => stop(&missing(terms)),
        Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize) => {
            stop("a message is too large for it; raise max.message.bytes of the topic, and resume")
        }
        Some(Code::InvalidTopic) => stop("that is no name of a topic"),
        _ => {
            let heard = client.context().0.lock();
            let said =
                fatal.map_or_else(|| sentence(why), |(code, said)| format!("{code}: {said}"));
            let reason = &heard.reason;
            let more = if is_lost(why) && !reason.is_empty() { reason } else { "" };
            let parted = if more.is_empty() { "" } else { ": " };
            at(terms, Trouble::Again(format!("{said}{parted}{more}")))
        }
    }
}

fn is_missing(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    [Code::UnknownTopicOrPartition, Code::UnknownTopic, Code::UnknownPartition].contains(&code)
}

fn missing(terms: &KafkaTerms) -> String {
    if terms.is_made {
        "there is none, and the brokers make none when asked (auto.create.topics.enable); make it, \
         and resume the sink"
            .to_owned()
    } else {
        "there is none, or a partition of it is gone; make it and resume the sink, or say \
         create = true"
            .to_owned()
    }
}

fn sentence(why: &KafkaError) -> String {
    match (why, why.rdkafka_error_code()) {
        (KafkaError::Transaction(why), _) => why.string(),
        (_, Some(code)) => code.to_string(),
        _ => why.to_string(),
    }
}

/// A trouble with the topic, which it names.
pub(super) fn at(terms: &KafkaTerms, why: Trouble) -> Trouble {
    why.map(|why| format!("{}, topic {}: {why}", terms.brokers.join(" "), terms.topic))
}
