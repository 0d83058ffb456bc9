//! What a stream holds, read back to be compared with the journal.

use std::collections::{HashMap, VecDeque};

use redis::streams::StreamRangeReply;
use redis::{Connection, cmd};

use super::RedisTerms;
use super::link::{connect, trouble};
use crate::sale::Seq;
use crate::sink::{Checkpoint, Found, Ledger, Told, Trouble};

/// Entries that are fetched at once.
const PAGE_ENTRIES: usize = 2_000;

/// The entries from the first that is kept to where the stream stood when it was looked at.
pub struct RedisLedger {
    connection: Connection,
    terms: RedisTerms,
    seq: Seq,
    first: Seq,
    /// Where the next page begins, as XRANGE has it.
    next: String,
    page: VecDeque<Found>,
    is_over: bool,
}

impl RedisLedger {
    /// Looks at the stream.
    ///
    /// # Errors
    /// [`Trouble`]: it cannot be read, or is not this journal's.
    pub fn open(terms: &RedisTerms, checkpoint: &Checkpoint) -> Result<RedisLedger, Trouble> {
        let mut connection = connect(terms)?;
        let slip: HashMap<String, String> = cmd("HGETALL")
            .arg(terms.slip())
            .query(&mut connection)
            .map_err(|why| trouble(terms, &why))?;
        let stop = |why: &str| Trouble::Stop(format!("stream {}: {why}", terms.stream));
        let number = |field: &str| slip.get(field).and_then(|text| text.parse().ok());
        let seq = match slip.get("journal") {
            None => 0,
            Some(journal) if *journal == checkpoint.journal => {
                number("seq").ok_or_else(|| stop("its slip says no seq"))?
            }
            Some(journal) => return Err(stop(&format!("it tells of another journal, {journal}"))),
        };
        let mut ledger = RedisLedger {
            connection,
            terms: terms.clone(),
            seq,
            first: 0,
            next: "-".to_owned(),
            page: VecDeque::new(),
            is_over: false,
        };
        ledger.fetch()?;
        // What was trimmed is nowhere.
        let is_trimmed = terms.entries_max > 0;
        ledger.first = ledger.page.front().filter(|_| is_trimmed).map_or(0, |it| it.told.seq);
        Ok(ledger)
    }

    fn fetch(&mut self) -> Result<(), Trouble> {
        let range: StreamRangeReply = cmd("XRANGE")
            .arg(&self.terms.stream)
            .arg(&self.next)
            .arg("+")
            .arg("COUNT")
            .arg(PAGE_ENTRIES)
            .query(&mut self.connection)
            .map_err(|why| trouble(&self.terms, &why))?;
        self.is_over = range.ids.len() < PAGE_ENTRIES;
        for entry in range.ids {
            let stop = |why: &str| {
                Trouble::Stop(format!("stream {}, entry {}: {why}", self.terms.stream, entry.id))
            };
            let data: String = entry.get("data").ok_or_else(|| stop("it has no data"))?;
            let told: Told<'static> =
                serde_json::from_str(&data).map_err(|why| stop(&why.to_string()))?;
            let fault =
                (entry.id != format!("{}-0", told.seq)).then(|| format!("its id is {}", entry.id));
            self.next = format!("({}", entry.id);
            self.page.push_back(Found { told, has_facts: true, fault });
        }
        Ok(())
    }
}

impl Ledger for RedisLedger {
    fn start(&self) -> Seq {
        self.first.saturating_sub(1)
    }

    fn seq(&self) -> Seq {
        self.seq
    }

    fn next(&mut self) -> Result<Option<Found>, Trouble> {
        if self.page.is_empty() && !self.is_over {
            self.fetch()?;
        }
        Ok(self.page.pop_front())
    }
}
