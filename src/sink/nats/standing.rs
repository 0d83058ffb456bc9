//! Where a stream stands, from its last message and what the checkpoint says.

use super::message::LastWord;
use crate::sale::Seq;
use crate::sink::{ChangeAt, Checkpoint, Trouble};

/// What a checkpoint remembers of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// When the stream was made, Unix ns: one that was made anew is another.
    pub(super) made: i128,
    /// Its last message.
    pub(super) last: u64,
    /// Where the sink stood before anything was told.
    pub(super) base: Seq,
}

impl Mark {
    /// As the checkpoint keeps it.
    pub(super) fn written(&self) -> String {
        format!("{} {} {}", self.made, self.last, self.base)
    }

    fn read(mark: &str) -> Option<Mark> {
        let mut words = mark.split(' ');
        let (made, last) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Mark { made, last, base: words.next()?.parse().ok()? })
    }
}

/// The stream as it is.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// When it was made, Unix ns.
    pub(super) made: i128,
    /// The number of its last message, 0 for none ever.
    pub(super) last: u64,
    /// What that says; `None` if it is gone: consumed, too old, or purged.
    pub(super) word: Option<Result<LastWord, NotOurs>>,
}

/// The last message is somebody else's; its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotOurs(pub(super) String);

impl Found {
    /// The newest change that it was told.
    pub(super) fn newest(&self) -> Option<ChangeAt> {
        self.word.as_ref()?.as_ref().ok().map(|word| word.newest.clone())
    }
}

/// How far a stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) base: Seq,
    /// It has everything up to here.
    pub(super) seq: Seq,
    /// And of what is told next it has so many already.
    pub(super) skip: u64,
}

impl Found {
    /// Where it stands. `writer` is who asks, and `known` the last message when that began last.
    ///
    /// # Errors
    /// [`Trouble::Stop`]: somebody else writes it.
    pub(super) fn position(
        &self,
        writer: &str,
        known: Option<u64>,
        checkpoint: &Checkpoint,
    ) -> Result<Position, Trouble> {
        let mark = Mark::read(&checkpoint.mark);
        let base = mark.as_ref().map_or(checkpoint.seq, |mark| mark.base);
        let at = |seq| Position { base, seq, skip: 0 };
        // Of the same stream, and from before the last message or at it.
        let mark = mark.filter(|mark| mark.made == self.made && mark.last <= self.last);
        let since = mark.as_ref().map(|mark| self.last - mark.last);
        match &self.word {
            Some(Ok(word)) => {
                is_ours(word, checkpoint)?;
                let is_newer = known.is_some_and(|known| self.last > known);
                if is_newer && word.writer != writer {
                    return Err(Trouble::Stop("another server publishes into it now".to_owned()));
                }
                // Behind the last one that was wanted nothing may have been.
                Ok(at(if since == Some(0) { word.seq.max(checkpoint.seq) } else { word.seq }))
            }
            Some(Err(NotOurs(subject))) => Err(Trouble::Stop(format!(
                "its last message, of {subject}, is somebody else's; give this sink a stream of \
                 its own"
            ))),
            None => Ok(match since {
                // Each message since then is the next change, unless some were told again.
                Some(since) => {
                    let skip = if checkpoint.replay.is_some() { 0 } else { since };
                    Position { skip, ..at(checkpoint.seq) }
                }
                None if checkpoint.mark.is_empty() => at(checkpoint.seq),
                // Told before, and lost: told again from where it began.
                None => at(base),
            }),
        }
    }
}

fn is_ours(word: &LastWord, checkpoint: &Checkpoint) -> Result<(), Trouble> {
    if word.journal == checkpoint.journal {
        return Ok(());
    }
    let journal = &word.journal;
    Err(Trouble::Stop(format!(
        "it tells of another journal, {journal}; give this sink a stream of its own"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::taps::Span;

    fn word(journal: &str, seq: Seq) -> LastWord {
        let newest = ChangeAt { seq, time: "then".to_owned() };
        LastWord { journal: journal.to_owned(), newest, seq, writer: "w".to_owned() }
    }

    fn found(made: i128, last: u64, seq: Option<u64>) -> Found {
        Found { made, last, word: seq.map(|seq| Ok(word("j", seq))) }
    }

    fn checkpoint(seq: u64, mark: &str) -> Checkpoint {
        let (journal, mark) = ("j".to_owned(), mark.to_owned());
        Checkpoint { journal, seq, mark, ..Checkpoint::default() }
    }

    #[test]
    fn a_stream_stands_where_its_last_message_says() {
        let kept = checkpoint(50, "7 30 10");
        for (found, seq, skip) in [
            (found(7, 30, Some(45)), 50, 0),
            (found(7, 33, Some(60)), 60, 0),
            // It has lost some, or was made anew.
            (found(7, 28, Some(40)), 40, 0),
            (found(8, 30, Some(45)), 45, 0),
            // Its last message is gone.
            (found(7, 30, None), 50, 0),
            (found(7, 33, None), 50, 3),
            (found(7, 28, None), 10, 0),
            (found(8, 30, None), 10, 0),
            (found(8, 0, None), 10, 0),
        ] {
            let position = found.position("w", None, &kept).expect("it is ours");
            assert_eq!((position.seq, position.skip, position.base), (seq, skip, 10), "{found:?}");
        }
        let replay = Some(Span { from: 1, to: 20 });
        let again = Checkpoint { replay, ..kept };
        let position = found(7, 33, None).position("w", None, &again).expect("it is ours");
        assert_eq!((position.seq, position.skip), (50, 0));
        let fresh = checkpoint(9, "");
        for (found, seq) in [(found(7, 0, None), 9), (found(7, 5, None), 9)] {
            assert_eq!(found.position("w", None, &fresh).map(|it| it.seq), Ok(seq));
        }
        // A checkpoint that was lost.
        assert_eq!(found(7, 5, Some(44)).position("w", None, &fresh).map(|it| it.seq), Ok(44));
    }

    #[test]
    fn what_is_not_ours_stops_it() {
        let kept = checkpoint(50, "7 30 10");
        let other = found(7, 33, Some(60));
        assert!(other.position("v", None, &kept).is_ok(), "an inheritance");
        assert!(other.position("v", Some(33), &kept).is_ok(), "nothing came since");
        for (found, says) in [
            (other.clone(), "another server publishes"),
            (Found { word: Some(Err(NotOurs("a.b".to_owned()))), ..other.clone() }, "of a.b"),
            (Found { word: Some(Ok(word("k", 1))), ..other }, "another journal, k"),
        ] {
            let refused = found.position("v", Some(30), &kept);
            let Err(Trouble::Stop(why)) = refused else { panic!("{refused:?}") };
            assert!(why.contains(says), "{why}");
        }
    }
}
