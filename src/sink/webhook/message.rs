//! Changes as events in JSON, after CloudEvents 1.0, and the messages that carry them.

use serde::{Deserialize, Serialize};

use crate::sale::Seq;
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

/// An event, in the order of fields of the specification.
#[derive(Serialize)]
struct Event<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    subject: &'a str,
    time: &'a str,
    datacontenttype: &'static str,
    data: &'a Told<'a>,
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
            event_id(journal, first)
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

/// No dot in it: the text that is signed is divided by dots.
fn event_id(journal: &str, seq: Seq) -> String {
    format!("{journal}-{seq}")
}

fn write_event(change: &Change, journal: &str, out: &mut Vec<u8>) {
    let told = Told::of(change);
    let event = Event {
        specversion: "1.0",
        id: event_id(journal, told.seq),
        source: format!("/doorbuster/{journal}/{}", told.sale),
        kind: format!("doorbuster.order.{}", told.change),
        subject: &told.order,
        time: &told.time,
        datacontenttype: "application/json",
        data: &told,
    };
    serde_json::to_writer(out, &event).expect("memory takes everything");
}
