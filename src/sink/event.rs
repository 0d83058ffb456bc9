//! A change as a CloudEvents 1.0 event: what an envelope says of it, whatever carries that.

use serde::Serialize;

use super::Change;
use crate::clock;

/// The version of CloudEvents.
pub(super) const SPEC: &str = "1.0";

/// The attributes of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// `JOURNAL-SEQ`: whoever is told a change twice knows it by this. No dot is in it, for those
    /// who sign it with dots around.
    pub id: String,
    /// `/doorbuster/JOURNAL/SALE`.
    pub source: String,
    /// `doorbuster.order.CHANGE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The order's id.
    pub subject: String,
    /// When, RFC 3339 in UTC.
    pub time: String,
}

impl Event {
    /// What an envelope says of a change in the journal with this id.
    pub fn of(journal: &str, change: &Change) -> Event {
        Event {
            id: id(journal, change.seq),
            source: format!("/doorbuster/{journal}/{}", change.sale),
            kind: format!("doorbuster.order.{}", change.kind.word()),
            subject: change.order.to_string(),
            time: clock::iso_label(change.time).to_string(),
        }
    }
}

/// The id of the change that this record made.
pub(super) fn id(journal: &str, seq: u64) -> String {
    format!("{journal}-{seq}")
}

/// The journal and the seq of an id.
pub(super) fn read_id(id: &str) -> Option<(&str, u64)> {
    let (journal, seq) = id.rsplit_once('-')?;
    Some((journal, seq.parse().ok()?))
}
