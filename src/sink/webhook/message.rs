//! Changes as events in JSON, after CloudEvents 1.0, and the messages that carry them.

use serde::{Deserialize, Serialize};

use crate::sink::event::{self, Event};
use crate::sink::{Change, Told};

/// What is posted at once. Invariant: the same id always means the same bytes, so a receiver may
/// drop what it has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    /// The `webhook-id`.
    pub(super) id: String,
    /// Whether it is a list of events.
    pub(super) is_batch: bool,
    /// The JSON.
    pub(super) body: String,
}

/// An event with what it is about, in the order of fields of the specification.
#[derive(Serialize)]
struct Whole<'a> {
    specversion: &'static str,
    #[serde(flatten)]
    event: Event,
    datacontenttype: &'static str,
    data: Told<'a>,
}

impl Message {
    /// The message with these changes of a journal, one at least; with exactly one if it is no
    /// batch.
    pub(super) fn of(changes: &[&Change], journal: &str, is_batch: bool) -> Message {
        let mut body = Vec::new();
        for change in changes {
            body.push(if body.is_empty() { b'[' } else { b',' });
            write_event(change, journal, &mut body);
        }
        body.push(b']');
        let (first, last) = (changes[0].seq, changes[changes.len() - 1].seq);
        let id = if first == last {
            event::id(journal, first)
        } else {
            // Between the same ends there may be other changes another time.
            format!("{journal}-{first}-{last}-{:08x}", crc32c::crc32c(&body))
        };
        if !is_batch {
            body.remove(0);
            body.pop();
        }
        let body = String::from_utf8(body).expect("JSON is UTF-8");
        Message { id, is_batch, body }
    }

    /// What the body is.
    pub(super) fn content_type(&self) -> &'static str {
        if self.is_batch {
            "application/cloudevents-batch+json"
        } else {
            "application/cloudevents+json"
        }
    }
}

fn write_event(change: &Change, journal: &str, out: &mut Vec<u8>) {
    let whole = Whole {
        specversion: event::SPEC,
        event: Event::of(journal, change),
        datacontenttype: "application/json",
        data: Told::of(change),
    };
    serde_json::to_writer(out, &whole).expect("memory takes everything");
}
