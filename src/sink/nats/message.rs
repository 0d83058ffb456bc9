//! A change as a message, and what a message says of itself.

use async_nats::HeaderMap;
use async_nats::header::{HeaderName, NATS_EXPECTED_LAST_SEQUENCE, NATS_MESSAGE_ID};

use super::NatsTerms;
use crate::sale::Seq;
use crate::sink::event::{self, Event};
use crate::sink::{Change, ChangeAt};

const CE_ID: HeaderName = HeaderName::from_static("ce-id");
const CE_SOURCE: HeaderName = HeaderName::from_static("ce-source");
const CE_TYPE: HeaderName = HeaderName::from_static("ce-type");
const CE_SPEC: HeaderName = HeaderName::from_static("ce-specversion");
const CE_SUBJECT: HeaderName = HeaderName::from_static("ce-subject");
const CE_TIME: HeaderName = HeaderName::from_static("ce-time");
const CONTENT: HeaderName = HeaderName::from_static("content-type");
/// Which server has published it.
const WRITER: HeaderName = HeaderName::from_static("doorbuster-writer");
/// Up to which seq the stream had everything when this was told again, and its newest change then.
const UPTO: HeaderName = HeaderName::from_static("doorbuster-upto");

/// A message about to be published.
pub(super) struct Message {
    pub(super) subject: String,
    pub(super) headers: HeaderMap,
    pub(super) payload: Vec<u8>,
}

impl Message {
    /// A change that comes right after the message `after`. One that is told again says how far the
    /// stream has come, and has no `Nats-Msg-Id`, for within its duplicate window the server would
    /// drop it.
    pub(super) fn of(
        change: &Change,
        terms: &NatsTerms,
        (journal, writer): (&str, &str),
        after: u64,
        upto: Option<&str>,
    ) -> Message {
        let event = Event::of(journal, change);
        let mut headers = HeaderMap::new();
        headers.insert(NATS_EXPECTED_LAST_SEQUENCE, after.to_string());
        match upto {
            Some(upto) => headers.insert(UPTO, upto),
            None if terms.has_ids => headers.insert(NATS_MESSAGE_ID, event.id.clone()),
            None => {}
        }
        headers.insert(CE_ID, event.id);
        headers.insert(CE_SOURCE, event.source);
        headers.insert(CE_TYPE, event.kind);
        headers.insert(CE_SPEC, event::SPEC);
        headers.insert(CE_SUBJECT, event.subject);
        headers.insert(CE_TIME, event.time);
        headers.insert(CONTENT, "application/json");
        headers.insert(WRITER, writer);
        let mut payload = Vec::new();
        change.write_json(&mut payload);
        // A dot would begin another word of the subject.
        let sale = change.sale.as_str().replace('.', "%2E");
        Message {
            subject: format!("{}.{sale}.{}", terms.prefix, change.kind.word()),
            headers,
            payload,
        }
    }
}

/// What the last message of a stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LastWord {
    pub(super) journal: String,
    /// The newest change that the stream has.
    pub(super) newest: ChangeAt,
    /// The stream has everything up to here.
    pub(super) seq: Seq,
    pub(super) writer: String,
}

impl LastWord {
    /// Reads it; `None` if the message is none of ours.
    pub(super) fn read(headers: &HeaderMap) -> Option<LastWord> {
        let (journal, told) = event::read_id(headers.get(CE_ID)?.as_str())?;
        let writer = headers.get(WRITER)?.as_str().to_owned();
        let own = ChangeAt { seq: told, time: headers.get(CE_TIME)?.as_str().to_owned() };
        let (seq, newest) = match headers.get(UPTO) {
            Some(upto) => {
                let mut words = upto.as_str().split(' ');
                (words.next()?.parse().ok()?, ChangeAt::read(&mut words).unwrap_or(own))
            }
            None => (told, own),
        };
        Some(LastWord { journal: journal.to_owned(), newest, seq, writer })
    }
}
