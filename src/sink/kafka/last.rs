//! The last message of each partition, found from behind: what ends a transaction takes a place
//! in a partition too, and so does what was told in one that was given up.

use std::time::Instant;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Message as _, Offset, TopicPartitionList};

use super::KafkaTerms;
use super::client::{PATIENCE, SLICE, at, consumer_config, is_lost, trouble};
use super::ear::Ear;
use super::message::Word;
use super::standing::{NotOurs, Partition};
use crate::sink::Trouble;

/// How far back is looked, step by step; at last at all there is.
const STEPS: [i64; 5] = [2, 64, 4_096, 262_144, i64::MAX];
/// What a consumer fetches ahead, KiB.
const QUEUE_KIB: usize = 16_384;

/// What the topic has in each of its partitions.
pub(super) fn look(terms: &KafkaTerms, count: usize) -> Result<Vec<Partition>, Trouble> {
    let (consumer, mut found) = open(terms, count, QUEUE_KIB)?;
    let mut open: Vec<usize> = (0..count).filter(|at| found[*at].end > found[*at].start).collect();
    for step in STEPS {
        if open.is_empty() {
            break;
        }
        let mut from = TopicPartitionList::new();
        for at in &open {
            let Partition { start, end, .. } = found[*at];
            let offset = Offset::Offset(start.max(end.saturating_sub(step)));
            let added = from.add_partition_offset(&terms.topic, *at as i32, offset);
            added.map_err(|why| trouble(consumer.client(), terms, &why))?;
        }
        read(&consumer, terms, &from, &mut found)?;
        open.retain(|at| {
            let Partition { start, end, ref word } = found[*at];
            word.is_none() && end.saturating_sub(step) > start
        });
    }
    Ok(found)
}

/// A consumer, and where each partition begins and ends.
pub(super) fn open(
    terms: &KafkaTerms,
    count: usize,
    queue_kib: usize,
) -> Result<(BaseConsumer<Ear>, Vec<Partition>), Trouble> {
    let made = consumer_config(terms, queue_kib).create_with_context(Ear::default());
    let made: Result<BaseConsumer<Ear>, KafkaError> = made;
    let consumer = made.map_err(|why| at(terms, Trouble::Again(why.to_string())))?;
    let mut found = Vec::new();
    for partition in 0..count {
        let marks = consumer.fetch_watermarks(&terms.topic, partition as i32, PATIENCE);
        let (start, end) = marks.map_err(|why| trouble(consumer.client(), terms, &why))?;
        found.push(Partition { start, end, word: None });
    }
    Ok((consumer, found))
}

/// Reads these partitions to their ends; of each the last message stays.
fn read(
    consumer: &BaseConsumer<Ear>,
    terms: &KafkaTerms,
    from: &TopicPartitionList,
    found: &mut [Partition],
) -> Result<(), Trouble> {
    let told = |why: KafkaError| trouble(consumer.client(), terms, &why);
    consumer.assign(from).map_err(told)?;
    let mut left = from.count();
    let mut is_over = vec![false; found.len()];
    let mut heard = Instant::now();
    while left > 0 {
        let (at, offset) = match consumer.poll(SLICE) {
            Some(Ok(message)) => {
                let at = message.partition() as usize;
                found[at].word = Some(Word::read(&message).ok_or(NotOurs));
                (at, message.offset())
            }
            Some(Err(KafkaError::PartitionEOF(at))) => (at as usize, i64::MAX),
            Some(Err(why)) if !is_lost(&why) => return Err(told(why)),
            _ if heard.elapsed() < PATIENCE => continue,
            _ => return Err(unanswered(terms)),
        };
        heard = Instant::now();
        if !is_over[at] && offset.saturating_add(1) >= found[at].end {
            is_over[at] = true;
            left -= 1;
        }
    }
    Ok(())
}

/// Nobody answers.
pub(super) fn unanswered(terms: &KafkaTerms) -> Trouble {
    at(terms, Trouble::Again(format!("no answer in {} s", PATIENCE.as_secs())))
}
