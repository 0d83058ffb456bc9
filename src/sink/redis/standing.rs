//! Where a stream stands, from what lies in Redis and what the checkpoint says.

use std::collections::HashMap;

use crate::sale::Seq;
use crate::sink::{ChangeAt, Checkpoint, Proof, Told, Trouble};

/// What lies in Redis.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// The stream's type, `none` if nothing is there.
    pub(super) kind: String,
    /// The last id that the stream has given, `0-0` if none.
    pub(super) last_id: String,
    /// What the last entry that is there tells, in JSON.
    pub(super) data: Option<String>,
    /// The slip: who writes the stream, and how far it has come.
    pub(super) slip: HashMap<String, String>,
}

/// How far a stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Where it stood before anything was told.
    pub(super) base: Seq,
    /// It has everything up to here.
    pub(super) seq: Seq,
    /// The seq of its last entry, or of one that never came to be; 0 for none.
    pub(super) last: Seq,
    /// How often it was taken.
    pub(super) epoch: u64,
}

impl Found {
    /// Where it stands.
    ///
    /// # Errors
    /// [`Trouble::Stop`]: it is not this sink's.
    pub(super) fn position(
        &self,
        sink: &str,
        checkpoint: &Checkpoint,
    ) -> Result<Position, Trouble> {
        if !matches!(self.kind.as_str(), "none" | "stream") {
            return Err(Trouble::Stop(format!("it is a {}, and no stream", self.kind)));
        }
        let id = self.last_id.split_once('-').and_then(|(time, number)| {
            Some((time.parse::<u64>().ok()?, number.parse::<u64>().ok()?))
        });
        let (there, number) = id.ok_or_else(|| Trouble::Stop("its last id is none".to_owned()))?;
        if self.slip.is_empty() {
            if (there, number) != (0, 0) {
                return Err(Trouble::Stop(
                    "it is there already, and nothing says that it is ours; name another stream"
                        .to_owned(),
                ));
            }
            // Told before, and gone: told again from where it began.
            let base = checkpoint.mark.parse().unwrap_or(checkpoint.seq);
            return Ok(Position { base, seq: base, last: 0, epoch: 0 });
        }
        self.is_ours(sink, checkpoint)?;
        let (base, told, last) = (self.number("base")?, self.number("seq")?, self.number("last")?);
        if there > last || number > 0 {
            return Err(Trouble::Stop(format!(
                "somebody else has added {} to it, and a stream takes nothing below that; name \
                 another stream",
                self.last_id
            )));
        }
        // A script that failed half-way has said which entry would be the last, and Redis may have
        // lost entries: what is there counts.
        let seq = if there == last { told.max(last) } else { there.max(base) };
        Ok(Position { base, seq, last: there, epoch: self.number("epoch")? })
    }

    /// The last change that it was told.
    pub(super) fn proof(&self) -> Option<Proof> {
        let told: Told<'_> = serde_json::from_str(self.data.as_deref()?).ok()?;
        Some(Proof::Change(ChangeAt { seq: told.seq, time: told.time }))
    }

    fn is_ours(&self, sink: &str, checkpoint: &Checkpoint) -> Result<(), Trouble> {
        let field = |key: &str| self.slip.get(key).map_or("", String::as_str);
        let (journal, writer) = (field("journal"), field("sink"));
        if journal != checkpoint.journal {
            return Err(Trouble::Stop(format!(
                "it tells of another journal, {journal}; name another stream"
            )));
        }
        if writer != sink {
            return Err(Trouble::Stop(format!(
                "the sink {writer} of the same journal has written it; name another stream"
            )));
        }
        Ok(())
    }

    fn number(&self, key: &str) -> Result<u64, Trouble> {
        let word = self.slip.get(key).map_or("", String::as_str);
        let why = || Trouble::Stop(format!("beside it stands {key} `{word}`, which is no number"));
        word.parse().map_err(|_| why())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(last_id: &str, slip: &[(&str, &str)]) -> Found {
        let pairs = slip.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let (kind, last_id) = ("stream".to_owned(), last_id.to_owned());
        Found { kind, last_id, data: None, slip: pairs.collect() }
    }

    fn ours(last_id: &str, seq: &str, last: &str) -> Found {
        let slip = [("journal", "j"), ("sink", "s"), ("base", "10"), ("epoch", "4")];
        found(last_id, &[&slip[..], &[("seq", seq), ("last", last)]].concat())
    }

    fn checkpoint(seq: u64, mark: &str) -> Checkpoint {
        let (journal, mark) = ("j".to_owned(), mark.to_owned());
        Checkpoint { journal, seq, mark, ..Checkpoint::default() }
    }

    #[test]
    fn a_stream_stands_where_what_is_in_it_says() {
        let kept = checkpoint(50, "10");
        for (last_id, told, last, stands) in [
            ("40-0", "45", "40", 45),
            // The script failed half-way, or after its last entry.
            ("42-0", "40", "60", 42),
            ("60-0", "40", "60", 60),
            // Redis lost entries, or all of them, or somebody has removed the stream.
            ("20-0", "45", "40", 20),
            ("0-0", "45", "40", 10),
            // Nothing that is wanted came yet.
            ("0-0", "10", "0", 10),
        ] {
            let position = ours(last_id, told, last).position("s", &kept).expect("it is ours");
            assert_eq!((position.seq, position.base, position.epoch), (stands, 10, 4), "{last_id}");
        }
        // No trace of it: at first, and after everything was lost.
        let none = Found { kind: "none".to_owned(), ..found("0-0", &[]) };
        assert_eq!(none.position("s", &checkpoint(10, "")).map(|it| it.seq), Ok(10));
        assert_eq!(none.position("s", &checkpoint(50, "10")).map(|it| it.seq), Ok(10));
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let list = Found { kind: "list".to_owned(), ..found("0-0", &[]) };
        let mut other_journal = ours("40-0", "45", "40");
        other_journal.slip.insert("journal".to_owned(), "k".to_owned());
        let mut other_sink = ours("40-0", "45", "40");
        other_sink.slip.insert("sink".to_owned(), "t".to_owned());
        let mut odd = ours("40-0", "45", "40");
        odd.slip.remove("base");
        for (found, says) in [
            (list, "it is a list"),
            (found("5-0", &[]), "nothing says that it is ours"),
            (other_journal, "another journal, k"),
            (other_sink, "the sink t of the same journal"),
            (odd, "base ``, which is no number"),
            (ours("1700000000000-0", "45", "40"), "somebody else has added 1700000000000-0"),
            (ours("40-1", "45", "40"), "somebody else has added 40-1"),
        ] {
            let refused = found.position("s", &checkpoint(50, "10"));
            let Err(Trouble::Stop(why)) = refused else { panic!("{refused:?}") };
            assert!(why.contains(says), "{why}");
        }
    }
}
