//! A mock cluster of Kafka brokers, of the client library, in the test's own process: it speaks
//! Kafka's protocol over loopback. It gives up no transaction: what one that was never committed
//! has told stays to be read, so that telling it again shows.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::OwnedMessage;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _};
use rdkafka::{Message as _, Offset, TopicPartitionList};

/// Brokers of the cluster.
pub(crate) const BROKERS: i32 = 2;

/// The cluster.
pub(crate) struct Kafka(pub(crate) MockCluster<'static, DefaultProducerContext>);

impl Kafka {
    /// One that runs.
    pub(crate) fn run() -> Kafka {
        Kafka(MockCluster::new(BROKERS).expect("a mock cluster"))
    }

    /// With a topic.
    pub(crate) fn with(topic: &str, partitions: i32) -> Kafka {
        let kafka = Kafka::run();
        kafka.make(topic, partitions);
        kafka
    }

    /// Makes a topic.
    pub(crate) fn make(&self, topic: &str, partitions: i32) {
        self.0.create_topic(topic, partitions, BROKERS).expect("it is made");
    }

    /// All answer late from now on. (One that is shut and opened again may find its port taken.)
    pub(crate) fn answer_after(&self, delay: Duration) {
        for id in 1..=BROKERS {
            self.0.broker_round_trip_time(id, delay).expect("a broker of the cluster");
        }
    }

    /// As a sink is told of it.
    pub(crate) fn urls(&self) -> String {
        let all = self.0.bootstrap_servers();
        all.split(',').map(|url| format!("url={url} ")).collect()
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.0.bootstrap_servers());
        config
    }

    /// Publishes what is nobody's change.
    pub(crate) fn publish(&self, topic: &str, partition: i32) {
        let producer: rdkafka::producer::BaseProducer = self.config().create().expect("a producer");
        let record = BaseRecord::<str, str>::to(topic).partition(partition).payload("theirs");
        assert!(producer.send(record).is_ok());
        producer.flush(Duration::from_secs(30)).expect("it is taken");
    }

    /// All messages of a topic, partition by partition.
    pub(crate) fn messages(&self, topic: &str) -> Vec<Vec<OwnedMessage>> {
        let consumer: BaseConsumer = (self.config())
            .set("group.id", "the-test")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "10")
            .create()
            .expect("a consumer");
        let patience = Duration::from_secs(30);
        let metadata = consumer.fetch_metadata(Some(topic), patience).expect("an answer");
        let count = metadata.topics()[0].partitions().len();
        let mut from = TopicPartitionList::new();
        for partition in 0..count {
            from.add_partition_offset(topic, partition as i32, Offset::Beginning).expect("added");
        }
        consumer.assign(&from).expect("assigned");
        let mut all = vec![Vec::new(); count];
        let (mut left, deadline) = (count, Instant::now() + patience);
        while left > 0 {
            assert!(Instant::now() < deadline, "{left} partitions do not end");
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => all[message.partition() as usize].push(message.detach()),
                Some(Err(KafkaError::PartitionEOF(_))) => left -= 1,
                Some(Err(why)) => panic!("{why}"),
                None => {}
            }
        }
        all
    }
}
