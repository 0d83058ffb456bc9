//! Reads the journal as changes that are wanted, in the order of seq.

use tracing::warn;

use super::change::{Change, Kind};
use super::history::History;
use super::proof::Proof;
use super::{Trouble, of_journal};
use crate::chains::ChainAt;
use crate::heads::hex;
use crate::journal::{Cursor, Disk, JournalError, Storage, origin, read_snapshot};
use crate::message::messages;
use crate::sale::{Name, Seq, Stamp};

/// Which changes a sink wants.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Of these kinds.
    pub kinds: Vec<Kind>,
    /// Of these sales; empty for all.
    pub sales: Vec<Name>,
}

impl Wanted {
    /// Whether a change of this kind, in this sale, is one of them.
    pub fn has(&self, kind: Kind, sale: &Name) -> bool {
        self.kinds.contains(&kind) && (self.sales.is_empty() || self.sales.contains(sale))
    }
}

/// Stands between two batches of a journal. It begins at a snapshot, or the first, whatever is
/// wanted: what is in an order stands where that was made.
pub struct Reader<S: Storage = Disk> {
    cursor: Cursor<S>,
    history: History,
    /// The time of the last record that was read.
    time: Stamp,
    /// What the other side says of the journal, not come upon yet.
    expected: Option<Proof>,
}

impl<S: Storage + Clone> Reader<S> {
    /// Stands somewhere before what follows a seq, and knows all that was said until there.
    ///
    /// # Errors
    /// [`Trouble`]: what follows it is not there any more, or the disk.
    pub fn new(journal: &S, after: Seq) -> Result<Reader<S>, Trouble> {
        let mut before = after;
        while let Some(place) = origin(journal, before).map_err(of_journal)? {
            let seq = place.seq();
            let read = read_snapshot(journal, seq, |lines| {
                drop(lines.chains());
                History::from_image(lines)
            });
            let why = match read {
                Ok((_, Ok(history))) => {
                    let cursor = Cursor::at(journal.clone(), &place).map_err(of_journal)?;
                    return Ok(Reader { cursor, history, time: 0, expected: None });
                }
                Ok((_, Err(why))) => why.to_string(),
                Err(JournalError::Snapshot { what, .. }) => what,
                Err(why) => return Err(of_journal(why)),
            };
            warn!("the snapshot of seq {seq} is not used: {why}; what lies before it is");
            before = seq - 1;
        }
        let cursor = Cursor::new(journal.clone()).map_err(of_journal)?;
        Ok(Reader { cursor, history: History::default(), time: 0, expected: None })
    }

    /// The journal's id, in hexadecimal.
    pub fn journal(&self) -> String {
        hex(&self.cursor.folder())
    }

    /// The last record that was read.
    pub fn seq(&self) -> Seq {
        self.cursor.seq()
    }

    /// When that was made, Unix ns; 0 before the first.
    pub fn time(&self) -> Stamp {
        self.time
    }

    /// The chain value where it stands.
    pub fn end(&self) -> ChainAt {
        let place = self.cursor.place();
        ChainAt { seq: place.seq(), chain: place.chain() }
    }

    /// Takes nothing of a journal of which this is not true, if what it speaks of is not behind it.
    ///
    /// # Errors
    /// [`Trouble`]: it is not.
    pub fn expect(&mut self, proof: Proof) -> Result<(), Trouble> {
        if matches!(proof, Proof::Chain(at) if at.seq == self.seq() && at != self.end()) {
            return Err(proof.forked());
        }
        self.expected = (proof.seq() > self.seq()).then_some(proof);
        Ok(())
    }

    /// Whether it expects what it has not come upon yet.
    pub fn is_in_doubt(&self) -> bool {
        self.expected.is_some()
    }

    /// Reads until `pending` holds `changes_max`, or nothing more is durable, or it has read about
    /// four times as many records. Appended is what is wanted of seqs above `after`; returned are
    /// the ends of the batches that had some.
    ///
    /// # Errors
    /// [`Trouble`]: the disk, or what lies there is not what was written. What was appended before
    /// is good.
    pub fn gather(
        &mut self,
        durable: Seq,
        after: Seq,
        wanted: &Wanted,
        changes_max: usize,
        pending: &mut Vec<Change>,
    ) -> Result<Vec<ChainAt>, Trouble> {
        let (mut looked, mut ends) = (0, Vec::new());
        while pending.len() < changes_max && looked < 4 * changes_max {
            let Some(batch) = self.cursor.next(durable).map_err(of_journal)? else { break };
            let before = pending.len();
            for (seq, record) in (batch.first_seq..).zip(messages(batch.cells)) {
                let is_wanted = |kind, sale: &Name| seq > after && wanted.has(kind, sale);
                self.history.note(seq, record, is_wanted, pending).map_err(Trouble::Stop)?;
                self.time = record[0].head().time.to_native();
                looked += 1;
            }
            let end = ChainAt { seq: batch.last_seq, chain: *batch.chain };
            if let Some(proof) = self.expected.take_if(|proof| end.seq >= proof.seq()) {
                let is_so = match &proof {
                    Proof::Chain(at) => *at == end,
                    Proof::Change(at) => {
                        let record = messages(batch.cells).nth((at.seq - batch.first_seq) as usize);
                        record.is_some_and(|it| at.is(at.seq, it[0].head().time.to_native()))
                    }
                };
                if !is_so {
                    return Err(proof.forked());
                }
            }
            if pending.len() > before {
                ends.push(end);
            }
        }
        Ok(ends)
    }

    /// How many of these changes, the last that it read, are delivered at once, and the seq up to
    /// which that is then.
    pub fn part(&self, changes: &[Change], most: usize) -> (usize, Seq) {
        if changes.len() <= most {
            return (changes.len(), self.seq());
        }
        (most, changes[most - 1].seq)
    }
}
