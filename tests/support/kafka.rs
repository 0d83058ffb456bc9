//! Clusters of Kafka brokers, and a client that looks into them.
//!
//! [`Mock`] is the client library's, in the test's own process: it speaks Kafka's protocol over
//! loopback. It gives up no transaction: what one that was never committed has told stays to be
//! read, so that telling it again shows. [`Broker`] is Kafka itself, alone, on ports that were
//! free, in a folder that goes with it; it is ended by its own process id and by nothing else.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::ops::Deref;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers as _, OwnedMessage};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _};
use rdkafka::{Message as _, Offset, TopicPartitionList};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tempfile::TempDir;

use super::server::{House, Start};
use super::sinks::{OF_ORDERS, assert_same, seqs, shop};

/// What the sink takes for its topic unless it is told.
pub(crate) const TOPIC: &str = "doorbuster-orders";
/// Brokers of the client library's cluster.
pub(crate) const BROKERS: i32 = 2;

/// For what a busy machine does in its own time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster as its clients see it.
pub(crate) struct Kafka {
    brokers: String,
}

/// The client library's.
pub(crate) struct Mock {
    pub(crate) cluster: MockCluster<'static, DefaultProducerContext>,
    seen: Kafka,
}

impl Mock {
    /// One that runs.
    pub(crate) fn run() -> Mock {
        let cluster = MockCluster::new(BROKERS).expect("a mock cluster");
        let seen = Kafka { brokers: cluster.bootstrap_servers() };
        Mock { cluster, seen }
    }

    /// With a topic.
    pub(crate) fn with(topic: &str, partitions: i32) -> Mock {
        let kafka = Mock::run();
        kafka.make(topic, partitions);
        kafka
    }

    /// Makes a topic.
    pub(crate) fn make(&self, topic: &str, partitions: i32) {
        self.cluster.create_topic(topic, partitions, BROKERS).expect("it is made");
    }

    /// All answer late from now on. (One that is shut and opened again may find its port taken.)
    pub(crate) fn answer_after(&self, delay: Duration) {
        for id in 1..=BROKERS {
            self.cluster.broker_round_trip_time(id, delay).expect("a broker of the cluster");
        }
    }
}

impl Deref for Mock {
    type Target = Kafka;

    fn deref(&self) -> &Kafka {
        &self.seen
    }
}

/// Kafka itself; it may be down.
pub(crate) struct Broker {
    home: PathBuf,
    folder: TempDir,
    port: u16,
    child: Option<Child>,
    seen: Kafka,
}

impl Broker {
    /// One that runs, with these settings besides: of the distribution that `KAFKA_HOME` names.
    /// Without one nothing is tested, and that is said past the harness.
    pub(crate) fn run(settings: &str) -> Option<Broker> {
        let Some(home) = std::env::var_os("KAFKA_HOME") else {
            let how = "KAFKA_HOME=FOLDER asks for it, of a Kafka from https://kafka.apache.org";
            let _ = writeln!(std::io::stderr(), "Kafka itself is not tested: {how}");
            return None;
        };
        let [port, control] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let [port, control] = [port, control].map(|at| at.local_addr().expect("it has one").port());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        let words = format!(
            "process.roles=broker,controller\nnode.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{control}\n\
             controller.listener.names=CONTROLLER\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{control}\n\
             log.dirs={}\nnum.partitions=7\noffsets.topic.replication.factor=1\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
             transaction.state.log.num.partitions=3\n{settings}\n",
            data.display()
        );
        std::fs::write(folder.path().join("server.properties"), words).expect("it is written");
        let seen = Kafka { brokers: format!("127.0.0.1:{port}") };
        let mut broker = Broker { home: home.into(), folder, port, child: None, seen };
        let mut format = broker.command("kafka-storage.sh");
        format.args(["format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", "server.properties"]);
        let formatted = format.output().expect("kafka-storage.sh runs");
        assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stderr));
        broker.start();
        Some(broker)
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new(self.home.join("bin").join(script));
        command.current_dir(self.folder.path()).env("LOG_DIR", self.folder.path());
        command.env("KAFKA_HEAP_OPTS", "-Xmx512m").stdin(Stdio::null());
        command
    }

    /// Starts it on what lies in its folder, and waits until it answers.
    pub(crate) fn start(&mut self) {
        let mut command = self.command("kafka-server-start.sh");
        command.arg("server.properties").stdout(Stdio::null()).stderr(Stdio::null());
        // The scripts put others in their place; should one not, all of the group are ended.
        self.child = Some(command.process_group(0).spawn().expect("kafka-server-start.sh runs"));
        let deadline = Instant::now() + PATIENCE;
        let client: BaseConsumer = self.seen.config().create().expect("a client");
        while TcpStream::connect(("127.0.0.1", self.port)).is_err()
            || client.fetch_metadata(None, Duration::from_secs(1)).is_err()
        {
            assert!(Instant::now() < deadline, "Kafka does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Kills it as `kill -9` does, if it runs.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            send(&child, Signal::KILL);
            child.wait().expect("our own child");
        }
    }

    /// Stands still, or goes on.
    pub(crate) fn freeze(&self, is_frozen: bool) {
        let signal = if is_frozen { Signal::STOP } else { Signal::CONT };
        self.child.iter().for_each(|child| send(child, signal));
    }

    /// Deletes all messages of a partition; what they told.
    pub(crate) fn emptied(&self, topic: &str, partition: usize) -> Vec<u64> {
        let told = self.lanes(topic)[partition].iter().map(|(seq, _)| *seq).collect();
        let list = self.folder.path().join("delete.json");
        let all = serde_json::json!({ "topic": topic, "partition": partition, "offset": -1 });
        let text = serde_json::json!({ "partitions": [all], "version": 1 }).to_string();
        std::fs::write(&list, text).expect("it is written");
        let list = list.to_str().expect("text");
        self.tool("kafka-delete-records.sh", &["--offset-json-file", list]);
        told
    }

    /// Lets a tool that comes with it do something; what that prints.
    pub(crate) fn tool(&self, script: &str, words: &[&str]) -> String {
        let mut command = self.command(script);
        let output = command.args(["--bootstrap-server", &self.brokers]).args(words).output();
        let output = output.expect("it runs");
        let said = [&output.stdout[..], &output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(output.status.success(), "{script}: {said}");
        said
    }
}

fn send(child: &Child, signal: Signal) {
    kill_process_group(Pid::from_child(child), signal).expect("our own child");
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Deref for Broker {
    type Target = Kafka;

    fn deref(&self) -> &Kafka {
        &self.seen
    }
}

impl Kafka {
    /// A sink of this name and these settings.
    pub(crate) fn sink(&self, more: &str) -> String {
        let urls: String = self.brokers.split(',').map(|url| format!("url={url} ")).collect();
        format!("name=orders type=kafka {urls}{more}")
    }

    /// A server that has it.
    pub(crate) fn told(&self, house: &House, more: &str) -> Start {
        house.server().with(&["--sink", &self.sink(more)])
    }

    /// A last start, and some more orders; then the topic has each change of an order once, in
    /// order, as the journal has it.
    pub(crate) fn ends_with_each_once(&self, house: &House, round: u64) {
        let server = self.told(house, "changes=all").run();
        shop(&server, round, 30).expect("it answers");
        server.stop().expect_code(0);
        assert_same(house, &self.sink("changes=all"));
        let (records, all) = (house.records(), self.in_order(TOPIC));
        let found: Vec<u64> = all.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(found, seqs(&records, &OF_ORDERS));
        assert!(found.len() > 100, "{} changes", found.len());
        let is_of_order =
            |record: &&Value| OF_ORDERS.contains(&record["kind"].as_str().unwrap_or(""));
        for (record, (seq, data)) in records.iter().filter(is_of_order).zip(&all) {
            for key in ["seq", "time", "sale", "order"] {
                assert_eq!(data[key], record[key], "seq {seq}");
            }
        }
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config
    }

    /// Publishes what is nobody's change.
    pub(crate) fn publish(&self, topic: &str, partition: i32) {
        let producer: BaseProducer = self.config().create().expect("a producer");
        let record = BaseRecord::<str, str>::to(topic).partition(partition).payload("theirs");
        assert!(producer.send(record).is_ok());
        producer.flush(PATIENCE).expect("it is taken");
    }

    /// What each partition of a topic has, committed: seqs and data.
    fn lanes(&self, topic: &str) -> Vec<Vec<(u64, Value)>> {
        self.messages(topic).iter().map(|lane| lane.iter().map(opened).collect()).collect()
    }

    /// The seqs of all messages, sorted.
    pub(crate) fn seqs(&self, topic: &str) -> Vec<u64> {
        let lanes = self.lanes(topic);
        let mut seqs: Vec<u64> = lanes.into_iter().flatten().map(|(seq, _)| seq).collect();
        seqs.sort_unstable();
        seqs
    }

    /// All messages of a topic, sorted by seq, with their data; each partition is seen to be in
    /// order, and each order to be in one of them.
    fn in_order(&self, topic: &str) -> Vec<(u64, Value)> {
        let mut lane_of = HashMap::new();
        let mut all = Vec::new();
        for (at, lane) in self.lanes(topic).into_iter().enumerate() {
            assert!(lane.is_sorted_by_key(|(seq, _)| *seq), "partition {at} is not in order");
            for (seq, data) in lane {
                let order = data["order"].as_str().expect("an order").to_owned();
                assert_eq!(*lane_of.entry(order).or_insert(at), at, "seq {seq}");
                all.push((seq, data));
            }
        }
        all.sort_by_key(|(seq, _)| *seq);
        all
    }

    fn messages(&self, topic: &str) -> Vec<Vec<OwnedMessage>> {
        let consumer: BaseConsumer = (self.config())
            .set("group.id", "the-test")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "10")
            .create()
            .expect("a consumer");
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("an answer");
        let count = metadata.topics()[0].partitions().len();
        let mut from = TopicPartitionList::new();
        for partition in 0..count {
            from.add_partition_offset(topic, partition as i32, Offset::Beginning).expect("added");
        }
        consumer.assign(&from).expect("assigned");
        let mut all = vec![Vec::new(); count];
        let (mut left, deadline) = (count, Instant::now() + PATIENCE);
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

/// A message: its seq, and its data; what envelops it is seen to be right.
fn opened(message: &OwnedMessage) -> (u64, Value) {
    let headers = message.headers().expect("headers");
    let head = |name: &str| {
        let found = headers.iter().find(|header| header.key == name).expect(name);
        String::from_utf8(found.value.expect(name).to_vec()).expect("text")
    };
    let data: Value = serde_json::from_slice(message.payload().expect("a body")).expect("JSON");
    let text = |key: &str| data[key].as_str().expect(key).to_owned();
    let seq = data["seq"].as_u64().expect("a seq");
    let id = head("ce_id");
    let (journal, told) = id.split_once('-').expect("two words");
    assert_eq!(told, seq.to_string());
    assert_eq!(head("ce_source"), format!("/doorbuster/{journal}/{}", text("sale")));
    assert_eq!(head("ce_type"), format!("doorbuster.order.{}", text("change")));
    assert_eq!((head("ce_subject"), head("ce_time")), (text("order"), text("time")));
    assert_eq!(head("ce_specversion"), "1.0");
    assert_eq!(head("content-type"), "application/json");
    assert_eq!(message.key().expect("a key"), text("order").as_bytes());
    (seq, data)
}
