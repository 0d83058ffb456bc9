//! What a stream holds, read back to be compared with the journal.

use std::time::Duration;

use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::{Ordered, OrderedConfig};
use async_nats::jetstream::stream::RetentionPolicy;
use futures_util::StreamExt as _;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::NatsTerms;
use super::link::{connect, find};
use super::message::LastWord;
use crate::sale::Seq;
use crate::sink::{Checkpoint, Found, Ledger, Told, Trouble};

/// How long the next message may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The messages that the stream had when it was looked at.
pub struct NatsLedger {
    runtime: Runtime,
    messages: Ordered,
    stream: String,
    journal: String,
    seq: Seq,
    /// The first that is there tells of this.
    first: Seq,
    /// How many of the stream's messages are still to be read.
    left: u64,
    /// The first, that was read already.
    ahead: Option<Found>,
}

impl NatsLedger {
    /// Looks at the stream.
    ///
    /// # Errors
    /// [`Trouble`]: it cannot be read, or is not this journal's.
    pub fn open(terms: &NatsTerms, checkpoint: &Checkpoint) -> Result<NatsLedger, Trouble> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|why| Trouble::Again(format!("no runtime: {why}")))?;
        let terms = NatsTerms { is_made: false, ..terms.clone() };
        let (messages, left) = runtime.block_on(async {
            let again = |why: &dyn std::fmt::Display| Trouble::Again(why.to_string());
            let (context, _) = connect(&terms).await?;
            let stream = find(&context, &terms).await?;
            if stream.cached_info().config.retention == RetentionPolicy::WorkQueue {
                let name = &terms.stream;
                return Err(Trouble::Stop(format!(
                    "stream {name}: it is a work queue, in which each message has one reader: \
                     that cannot be compared with the journal"
                )));
            }
            let left = stream.cached_info().state.messages;
            let config = OrderedConfig { deliver_policy: DeliverPolicy::All, ..Default::default() };
            let consumer = stream.create_consumer(config).await.map_err(|why| again(&why))?;
            Ok((consumer.messages().await.map_err(|why| again(&why))?, left))
        })?;
        let (stream, journal) = (terms.stream, checkpoint.journal.clone());
        let seq = checkpoint.seq;
        let mut ledger =
            NatsLedger { runtime, messages, stream, journal, seq, first: 0, left, ahead: None };
        ledger.ahead = ledger.read()?;
        ledger.first = ledger.ahead.as_ref().map_or(0, |found| found.told.seq);
        Ok(ledger)
    }

    /// The next message that does not tell again what was told.
    fn read(&mut self) -> Result<Option<Found>, Trouble> {
        while self.left > 0 {
            self.left -= 1;
            let next = self.messages.next();
            let next = self.runtime.block_on(async { timeout(PATIENCE, next).await });
            let again = |why: &str| Trouble::Again(format!("stream {}: {why}", self.stream));
            let message = next.map_err(|_| again("the next message does not come"))?;
            let message = message.ok_or_else(|| again("it ended before its last message"))?;
            let message = message.map_err(|why| again(&why.to_string()))?;
            let word = message.headers.as_ref().and_then(LastWord::read);
            let word = word.filter(|word| word.journal == self.journal).ok_or_else(|| {
                let subject = &message.subject;
                Trouble::Stop(format!("stream {}: a message of {subject} is not ours", self.stream))
            })?;
            let told: Told<'static> = serde_json::from_slice(&message.payload)
                .map_err(|why| Trouble::Stop(format!("stream {}: {why}", self.stream)))?;
            if word.seq == told.seq {
                return Ok(Some(Found { told, has_facts: true, fault: None }));
            }
        }
        Ok(None)
    }
}

impl Ledger for NatsLedger {
    fn start(&self) -> Seq {
        self.first.saturating_sub(1)
    }

    fn seq(&self) -> Seq {
        self.seq
    }

    fn next(&mut self) -> Result<Option<Found>, Trouble> {
        match self.ahead.take() {
            Some(found) => Ok(Some(found)),
            None => self.read(),
        }
    }
}
