//! What a topic holds, read back to be compared with the journal: the partitions beside each
//! other, so that changes come in the order of seq.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::OwnedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};

use super::KafkaTerms;
use super::client::{PATIENCE, SLICE, at, config, is_lost, partitions, trouble};
use super::ear::Ear;
use super::last::{open, unanswered};
use super::message::Word;
use crate::sale::Seq;
use crate::sink::{Checkpoint, Found, Ledger, Told, Trouble};

/// What is fetched ahead of all partitions together, KiB.
const QUEUES_KIB: usize = 65_536;

/// One partition.
struct Lane {
    /// What came before the partition had a queue of its own.
    early: VecDeque<OwnedMessage>,
    queue: PartitionQueue<Ear>,
    end: i64,
    /// Its next change.
    next: Option<Found>,
    is_over: bool,
}

/// The messages that the topic had when it was looked at.
pub struct KafkaLedger {
    consumer: Arc<BaseConsumer<Ear>>,
    lanes: Vec<Lane>,
    terms: KafkaTerms,
    journal: String,
    seq: Seq,
    start: Seq,
}

impl KafkaLedger {
    /// Looks at the topic.
    ///
    /// # Errors
    /// [`Trouble`]: it cannot be read, or is not this journal's.
    pub fn open(terms: &KafkaTerms, checkpoint: &Checkpoint) -> Result<KafkaLedger, Trouble> {
        let terms = KafkaTerms { is_made: false, ..terms.clone() };
        let told = |why: KafkaError| at(&terms, Trouble::Again(why.to_string()));
        let asking: BaseConsumer<Ear> =
            config(&terms).create_with_context(Ear::default()).map_err(told)?;
        let count = partitions(asking.client(), &terms, || drop(asking.poll(Duration::ZERO)))?;
        let (consumer, found) = open(&terms, count, (QUEUES_KIB / count).max(64))?;
        let consumer = Arc::new(consumer);
        let mut all = TopicPartitionList::new();
        for (partition, found) in found.iter().enumerate() {
            let from = Offset::Offset(found.start);
            all.add_partition_offset(&terms.topic, partition as i32, from).map_err(told)?;
        }
        consumer.assign(&all).map_err(told)?;
        let mut lanes = Vec::new();
        for (partition, found) in found.iter().enumerate() {
            let queue = consumer.split_partition_queue(&terms.topic, partition as i32);
            let gone = || at(&terms, Trouble::Again(format!("partition {partition} is gone")));
            let queue = queue.ok_or_else(gone)?;
            let is_over = found.end <= found.start;
            let early = VecDeque::new();
            lanes.push(Lane { early, queue, end: found.end, next: None, is_over });
        }
        let (journal, seq) = (checkpoint.journal.clone(), checkpoint.seq);
        let mut ledger = KafkaLedger { consumer, lanes, terms, journal, seq, start: 0 };
        ledger.hear()?;
        for (lane, found) in found.iter().enumerate() {
            ledger.fill(lane)?;
            if found.start > 0 {
                // What came before its first message is too old; without one, all is.
                let first = ledger.lanes[lane].next.as_ref();
                let start = first.map_or(seq, |first| first.told.seq - 1);
                ledger.start = ledger.start.max(start);
            }
        }
        Ok(ledger)
    }

    /// Reads the next message of a partition that does not tell again what was told.
    fn fill(&mut self, lane: usize) -> Result<(), Trouble> {
        let heard = Instant::now();
        loop {
            let KafkaLedger { consumer, lanes, terms, journal, .. } = self;
            let (lane, partition) = (&mut lanes[lane], lane);
            if lane.next.is_some() || lane.is_over {
                return Ok(());
            }
            let message = match lane.early.pop_front() {
                Some(message) => Some(message),
                None => match lane.queue.poll(SLICE) {
                    Some(Ok(message)) => Some(message.detach()),
                    Some(Err(KafkaError::PartitionEOF(_))) => {
                        lane.ends();
                        None
                    }
                    Some(Err(why)) if !is_lost(&why) => {
                        return Err(trouble(consumer.client(), terms, &why));
                    }
                    _ => None,
                },
            };
            if let Some(message) = message {
                let stop = |why| at(terms, Trouble::Stop(format!("partition {partition}: {why}")));
                lane.take(&message, journal).map_err(stop)?;
            } else if !lane.is_over {
                self.hear()?;
                if heard.elapsed() >= PATIENCE {
                    return Err(unanswered(&self.terms));
                }
            }
        }
    }

    /// Takes what comes to all partitions together: troubles, and what was fetched before each had
    /// a queue of its own.
    fn hear(&mut self) -> Result<(), Trouble> {
        let KafkaLedger { consumer, lanes, terms, .. } = self;
        while let Some(heard) = consumer.poll(Duration::ZERO) {
            match heard {
                Ok(message) => {
                    if let Some(lane) = lanes.get_mut(message.partition() as usize) {
                        lane.early.push_back(message.detach());
                    }
                }
                Err(KafkaError::PartitionEOF(partition)) => {
                    if let Some(lane) = lanes.get_mut(partition as usize) {
                        lane.ends();
                    }
                }
                Err(why) if is_lost(&why) => break,
                Err(why) => return Err(trouble(consumer.client(), terms, &why)),
            }
        }
        Ok(())
    }
}

impl Lane {
    /// There is nothing behind what came early.
    fn ends(&mut self) {
        match self.early.back() {
            Some(last) => self.end = last.offset() + 1,
            None => self.is_over = true,
        }
    }

    /// Takes a message: it is the next, unless it tells again what was told.
    fn take(&mut self, message: &OwnedMessage, journal: &str) -> Result<(), String> {
        self.is_over = message.offset() + 1 >= self.end;
        let word = Word::read(message).filter(|word| word.journal == journal);
        let word = word.ok_or("a message is not ours")?;
        if word.stage.again.is_none() {
            let told: Told<'static> = serde_json::from_slice(message.payload().unwrap_or_default())
                .map_err(|why| why.to_string())?;
            let is_other = word.seq != told.seq;
            let fault = is_other.then(|| format!("its ce_id is of seq {}", word.seq));
            self.next = Some(Found { told, has_facts: true, fault });
        }
        Ok(())
    }
}

impl Ledger for KafkaLedger {
    fn start(&self) -> Seq {
        self.start
    }

    fn seq(&self) -> Seq {
        self.seq
    }

    fn next(&mut self) -> Result<Option<Found>, Trouble> {
        let seq_of = |lane: &Lane| lane.next.as_ref().map(|found| found.told.seq);
        let first =
            (0..self.lanes.len()).filter_map(|lane| Some((seq_of(&self.lanes[lane])?, lane))).min();
        let Some((_, lane)) = first else { return Ok(None) };
        let found = self.lanes[lane].next.take();
        self.fill(lane)?;
        Ok(found)
    }
}
