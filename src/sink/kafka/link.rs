//! The producer: takes a topic, and publishes into it, a transaction for each batch.

use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, PurgeConfig};

use super::KafkaTerms;
use super::client::{PATIENCE, SLICE, at, config, is_lost, partitions, trouble};
use super::ear::Ear;
use super::last::{look, unanswered};
use super::message::{Message, Stage};
use super::partition::of_order;
use super::standing::{Mark, Position, newest, position};
use crate::sale::Seq;
use crate::sink::{Change, ChangeAt, Checkpoint, Trouble};

/// How long giving up may take: whoever begins next does the same.
const GIVING_UP: Duration = Duration::from_secs(5);
/// Messages between two looks at what was delivered meanwhile.
const MESSAGES_UNHEARD: usize = 512;

/// A topic that was taken.
pub(super) struct Link {
    producer: BaseProducer<Ear>,
    ear: Ear,
    journal: String,
    position: Position,
    newest: Option<ChangeAt>,
}

impl Link {
    /// Shuts out whoever published under the same journal and sink, and sees where the topic
    /// stands then.
    pub(super) fn take(
        terms: &KafkaTerms,
        sink: &str,
        checkpoint: &Checkpoint,
    ) -> Result<Link, Trouble> {
        let ear = Ear::default();
        let journal = checkpoint.journal.clone();
        let made = config(terms)
            .set("transactional.id", format!("doorbuster-{journal}-{sink}"))
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("compression.type", terms.compression)
            .set("transaction.timeout.ms", "60000")
            .set("message.timeout.ms", "60000")
            // What waits to be sent is bounded by both.
            .set("queue.buffering.max.messages", "16384")
            .set("queue.buffering.max.kbytes", "32768")
            .create_with_context(ear.clone());
        let made: Result<BaseProducer<Ear>, KafkaError> = made;
        let producer = made.map_err(|why| at(terms, Trouble::Again(why.to_string())))?;
        let client = producer.client();
        let count = partitions(client, terms, || producer.poll(Duration::ZERO))?;
        producer.init_transactions(PATIENCE).map_err(|why| trouble(client, terms, &why))?;
        let found = look(terms, count)?;
        let position = position(&found, checkpoint).map_err(|why| at(terms, why))?;
        ear.0.lock().ends.clone_from(&position.ends);
        Ok(Link { producer, ear, journal, position, newest: newest(&found) })
    }

    /// The topic has everything up to here.
    pub(super) fn seq(&self) -> Seq {
        self.position.seq
    }

    /// The newest change that the topic has.
    pub(super) fn newest(&self) -> Option<&ChangeAt> {
        self.newest.as_ref()
    }

    /// What the checkpoint is to keep.
    pub(super) fn mark(&self) -> String {
        Mark { base: self.position.base, ends: self.ear.0.lock().ends.clone() }.written()
    }

    /// Hears what the library has to say.
    pub(super) fn listen(&self) {
        self.producer.poll(Duration::ZERO);
    }

    /// Publishes what the topic lacks of these changes; then everything up to `seq` is told. `None`
    /// for what is told again: that goes out all, and nothing else changes.
    pub(super) fn publish(
        &mut self,
        terms: &KafkaTerms,
        changes: &[Change],
        seq: Option<Seq>,
    ) -> Result<(), Trouble> {
        self.listen();
        let settled = self.ear.0.lock().settled;
        let told = match self.send(terms, changes, seq.is_some()) {
            Ok(None) => Ok(()),
            Ok(Some((told, sent))) => {
                self.commit(terms, settled + sent).map(|()| self.position.told = told)
            }
            Err(trouble) => Err(trouble),
        };
        if let Err(trouble) = told {
            return Err(self.give_up(terms, trouble));
        }
        if let Some(seq) = seq {
            self.position.seq = seq;
            self.newest = changes.last().map(ChangeAt::of).or(self.newest.take());
        }
        Ok(())
    }

    /// Sends, if there is anything to be sent, within a transaction. Returns where the partitions
    /// stand when that is committed, and how many messages are on their way.
    fn send(
        &self,
        terms: &KafkaTerms,
        changes: &[Change],
        is_new: bool,
    ) -> Result<Option<(Vec<Seq>, u64)>, Trouble> {
        let mut told = self.position.told.clone();
        let (count, floor) = (told.len(), self.position.seq);
        let mut sent = 0;
        for change in changes {
            let partition = of_order(change.order, count);
            if is_new && change.seq <= told[partition] {
                continue;
            }
            if sent == 0 {
                self.producer.begin_transaction().map_err(|why| self.told(terms, &why))?;
            }
            let again = (!is_new).then_some(told[partition]);
            let stage = Stage { floor, count, again };
            let message = Message::of(change, &self.journal, stage, self.newest());
            self.send_one(terms, message, partition)?;
            sent += 1;
            if sent % MESSAGES_UNHEARD as u64 == 0 {
                self.listen();
                self.is_well(terms)?;
            }
            if is_new {
                told[partition] = change.seq;
            }
        }
        Ok((sent > 0).then_some((told, sent)))
    }

    fn send_one(
        &self,
        terms: &KafkaTerms,
        message: Message,
        partition: usize,
    ) -> Result<(), Trouble> {
        let Message { key, headers, payload } = message;
        let mut record = BaseRecord::to(&terms.topic)
            .partition(partition as i32)
            .key(&key)
            .payload(&payload)
            .headers(headers);
        let mut wait = Wait::new(self);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((why, refused)) => {
                    if why.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                        return Err(self.told(terms, &why));
                    }
                    record = refused;
                }
            }
            self.producer.poll(Duration::from_millis(1));
            self.is_well(terms)?;
            wait.goes_on(self, terms)?;
        }
    }

    /// Waits until all is delivered, and commits it.
    fn commit(&self, terms: &KafkaTerms, settled: u64) -> Result<(), Trouble> {
        let mut wait = Wait::new(self);
        while self.ear.0.lock().settled < settled {
            match self.producer.flush(SLICE) {
                Ok(()) => self.listen(),
                Err(why) if !is_late(&why) => return Err(self.told(terms, &why)),
                Err(_) => {}
            }
            self.is_well(terms)?;
            wait.goes_on(self, terms)?;
        }
        self.is_well(terms)?;
        self.producer.commit_transaction(PATIENCE).map_err(|why| self.told(terms, &why))?;
        if self.ear.0.lock().is_purged {
            return Err(at(terms, Trouble::Again("a message was thrown away".to_owned())));
        }
        Ok(())
    }

    /// Whether nothing has failed so far.
    fn is_well(&self, terms: &KafkaTerms) -> Result<(), Trouble> {
        let failed = self.ear.0.lock().failed.clone();
        match failed {
            Some(why) => Err(self.told(terms, &why)),
            None => match self.producer.client().fatal_error() {
                Some((code, _)) => Err(self.told(terms, &KafkaError::Global(code))),
                None => Ok(()),
            },
        }
    }

    fn told(&self, terms: &KafkaTerms, why: &KafkaError) -> Trouble {
        trouble(self.producer.client(), terms, why)
    }

    /// Ends the transaction, so that readers need not wait until the brokers do: and sees whether
    /// it was another server that ended it.
    fn give_up(&self, terms: &KafkaTerms, trouble: Trouble) -> Trouble {
        self.producer.purge(PurgeConfig::default().queue().inflight());
        let _ = self.producer.flush(SLICE);
        let is_down = self.ear.0.lock().is_down;
        let aborted = if is_down { Ok(()) } else { self.producer.abort_transaction(GIVING_UP) };
        match (trouble, aborted, self.producer.client().fatal_error()) {
            (Trouble::Again(_), Err(why), Some(_)) => self.told(terms, &why),
            (trouble, ..) => trouble,
        }
    }
}

/// Waits for deliveries, as long as they come.
struct Wait {
    settled: u64,
    since: Instant,
}

impl Wait {
    fn new(link: &Link) -> Wait {
        Wait { settled: link.ear.0.lock().settled, since: Instant::now() }
    }

    fn goes_on(&mut self, link: &Link, terms: &KafkaTerms) -> Result<(), Trouble> {
        let heard = link.ear.0.lock();
        if heard.settled != self.settled {
            (self.settled, self.since) = (heard.settled, Instant::now());
        }
        if heard.is_down {
            let why = format!("the connection is lost: {}", heard.reason);
            return Err(at(terms, Trouble::Again(why)));
        }
        if self.since.elapsed() >= PATIENCE {
            return Err(unanswered(terms));
        }
        Ok(())
    }
}

/// Whether something has only taken its time.
fn is_late(why: &KafkaError) -> bool {
    is_lost(why) || matches!(why, KafkaError::Flush(_))
}
