//! A change as a message, and what a message says of itself.

use rdkafka::message::{Header, Headers as _, OwnedHeaders};

use crate::sale::Seq;
use crate::sink::event::{self, Event};
use crate::sink::{Change, ChangeAt, Told};

const CE_ID: &str = "ce_id";
const CE_TIME: &str = "ce_time";
/// What the sink wants to know of a message when it begins again; see [`Word`].
const STANDING: &str = "doorbuster";

/// A message about to be published.
pub(super) struct Message {
    pub(super) key: String,
    pub(super) headers: OwnedHeaders,
    pub(super) payload: Vec<u8>,
}

/// How far things were when a message was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stage {
    /// The topic had everything up to here.
    pub(super) floor: Seq,
    /// Among so many partitions orders are spread.
    pub(super) count: usize,
    /// Of what is told again: its partition has everything of its own up to here.
    pub(super) again: Option<Seq>,
}

impl Message {
    /// A change in the journal with this id, in the binary mode of CloudEvents for Kafka.
    /// One that is told again says which is the newest.
    pub(super) fn of(
        change: &Change,
        journal: &str,
        stage: Stage,
        newest: Option<&ChangeAt>,
    ) -> Message {
        let event = Event::of(journal, change);
        let Stage { floor, count, again } = stage;
        let standing = match (again, newest) {
            (None, _) => format!("{floor} {count}"),
            (Some(told), None) => format!("{floor} {count} {told}"),
            (Some(told), Some(newest)) => format!("{floor} {count} {told} {}", newest.written()),
        };
        let mut headers = OwnedHeaders::new_with_capacity(8);
        for (key, value) in [
            (CE_ID, event.id.as_str()),
            ("ce_source", &event.source),
            ("ce_type", &event.kind),
            ("ce_specversion", event::SPEC),
            (CE_TIME, &event.time),
            ("ce_subject", &event.subject),
            ("content-type", "application/json"),
            (STANDING, &standing),
        ] {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let mut payload = Vec::new();
        Told::of(change).write_json(&mut payload);
        Message { key: event.subject, headers, payload }
    }
}

/// What a message says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) journal: String,
    /// Of which change it tells.
    pub(super) seq: Seq,
    /// The newest change that the topic had with it.
    pub(super) newest: ChangeAt,
    pub(super) stage: Stage,
}

impl Word {
    /// Reads it; `None` if the message is none of ours.
    pub(super) fn read(message: &impl rdkafka::Message) -> Option<Word> {
        let headers = message.headers()?;
        let find = |key: &str| {
            let found = headers.iter().find(|header| header.key == key)?;
            std::str::from_utf8(found.value?).ok()
        };
        let (journal, seq) = event::read_id(find(CE_ID)?)?;
        let mut words = find(STANDING)?.split(' ');
        let (floor, count) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let again = match words.next() {
            None => None,
            Some(word) => Some(word.parse().ok()?),
        };
        let own = || Some(ChangeAt { seq, time: find(CE_TIME)?.to_owned() });
        let newest = ChangeAt::read(&mut words).or_else(own)?;
        let stage = Stage { floor, count, again };
        Some(Word { journal: journal.to_owned(), seq, newest, stage })
    }

    /// Its partition has everything of its own up to here.
    pub(super) fn told(&self) -> Seq {
        self.stage.again.unwrap_or(self.seq)
    }
}
