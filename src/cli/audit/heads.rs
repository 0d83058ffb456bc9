//! Signed heads held against the journal while it is read: each must name the end of a batch, with
//! the chain value that the journal has there.
//!
//! It changes nothing. Invariant: heads come in the order of their seqs, as the batches do.

use std::iter::Peekable;
use std::path::Path;

use doorbuster::heads::{self, BadHead, Head, PublicKey, hex};
use doorbuster::journal::Batch;
use doorbuster::limits::HEADS_FILE_BYTES_MAX;

use super::super::words::time_ms;

type Numbered = (u64, Result<Head, BadHead>);

/// The heads of one place.
pub(super) struct Check {
    /// Where they lie, for people.
    place: String,
    heads: Peekable<Box<dyn Iterator<Item = Numbered>>>,
    keys_wanted: Vec<PublicKey>,
    pub(super) found: Found,
    /// The first that is wrong, and why.
    fault: Option<String>,
}

/// What was found to be true.
#[derive(Clone, Default)]
pub(super) struct Found {
    /// Of records that have been removed.
    pub(super) passed_over: u64,
    pub(super) count: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    /// When the last was signed, Unix ms.
    pub(super) time: u64,
    pub(super) keys: Vec<PublicKey>,
}

impl Check {
    /// The heads in the log of a data folder, as far as it is written now.
    pub(super) fn of_log(folder: &Path, keys: &[PublicKey]) -> Result<Check, String> {
        let path = heads::log_of(folder);
        let log = heads::read_log(&path).map_err(|why| format!("{}: {why}", path.display()))?;
        Ok(Check::new(path.display().to_string(), Box::new(log), keys))
    }

    /// The heads in a file that was published elsewhere.
    pub(super) fn of_file(path: &Path, keys: &[PublicKey]) -> Result<Check, String> {
        let place = path.display().to_string();
        let at = |why: &dyn std::fmt::Display| format!("{place}: {why}");
        let bytes = std::fs::metadata(path).map_err(|why| at(&why))?.len();
        if bytes > HEADS_FILE_BYTES_MAX {
            return Err(at(&format_args!("has more than {HEADS_FILE_BYTES_MAX} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|why| at(&why))?;
        let heads = heads::published(&text).map_err(|why| at(&why))?;
        if heads.is_empty() {
            return Err(at(&"there is no head in it"));
        }
        let heads = (1..).zip(heads.into_iter().map(Ok));
        Ok(Check::new(place, Box::new(heads), keys))
    }

    fn new(place: String, heads: Box<dyn Iterator<Item = Numbered>>, keys: &[PublicKey]) -> Check {
        let (keys_wanted, found, heads) = (keys.to_vec(), Found::default(), heads.peekable());
        Check { place, heads, keys_wanted, found, fault: None }
    }

    /// Passes over the heads of seqs before this one, which there is nothing to hold against.
    pub(super) fn pass_over(&mut self, seq: u64) {
        let is_before = |(_, head): &Numbered| head.as_ref().is_ok_and(|head| head.seq < seq);
        while self.heads.next_if(is_before).is_some() {
            self.found.passed_over += 1;
        }
    }

    /// Holds the heads that name records of this batch against it.
    pub(super) fn batch(&mut self, folder: &[u8; 16], batch: &Batch<'_>) {
        let is_due =
            |(_, head): &Numbered| head.as_ref().map_or(true, |head| head.seq <= batch.last_seq);
        while self.fault.is_none()
            && let Some((number, head)) = self.heads.next_if(is_due)
        {
            let judged = head
                .map_err(|why| why.to_string())
                .and_then(|head| self.judge(&head, folder, batch).map(|()| head));
            match judged {
                Ok(head) => self.count(&head),
                Err(why) => self.fault = Some(format!("{}, head {number}: {why}", self.place)),
            }
        }
    }

    fn judge(&self, head: &Head, folder: &[u8; 16], batch: &Batch<'_>) -> Result<(), String> {
        let (seq, signed) = (head.seq, time_ms(head.time));
        if !self.keys_wanted.is_empty() && !self.keys_wanted.contains(&head.key) {
            let key = hex(&head.key);
            return Err(format!("it was signed with the key {key}, which is not the one wanted"));
        }
        if head.folder != *folder {
            let (its, ours) = (hex(&head.folder), hex(folder));
            return Err(format!("it is of the journal {its}, and this is the journal {ours}"));
        }
        if self.found.count > 0 && seq <= self.found.last {
            let last = self.found.last;
            return Err(format!("signed at {signed}, it names seq {seq} after one of seq {last}"));
        }
        if seq != batch.last_seq {
            return Err(format!(
                "signed at {signed}, it names the end of a batch at seq {seq}, where this journal \
                 has none: it was written anew"
            ));
        }
        if head.chain != *batch.chain {
            let (its, ours) = (hex(&head.chain[..16]), hex(&batch.chain[..16]));
            return Err(format!(
                "signed at {signed}, it names the chain value {its} at seq {seq}, where this \
                 journal has {ours}: it was written anew"
            ));
        }
        Ok(())
    }

    fn count(&mut self, head: &Head) {
        let Found { count, first, last, time, keys, .. } = &mut self.found;
        if *count == 0 {
            *first = head.seq;
        }
        *count += 1;
        (*last, *time) = (head.seq, head.time);
        if !keys.contains(&head.key) {
            keys.push(head.key);
        }
    }

    /// What was found after the whole journal, which ends at `seq`.
    pub(super) fn finish(mut self, seq: u64) -> Result<Found, String> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        match self.heads.next() {
            None => Ok(self.found),
            Some((number, Err(why))) => Err(format!("{}, head {number}: {why}", self.place)),
            Some((number, Ok(head))) => Err(format!(
                "{}, head {number}: signed at {}, it names seq {}, but this journal ends at seq \
                 {seq}: what was there is gone",
                self.place,
                time_ms(head.time),
                head.seq
            )),
        }
    }
}
