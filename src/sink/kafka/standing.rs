//! Where a topic stands, from the last message of each partition and what the checkpoint says.

use super::message::Word;
use crate::sale::Seq;
use crate::sink::{ChangeAt, Checkpoint, Trouble};

/// What a checkpoint remembers of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Where the sink stood before anything was told.
    pub(super) base: Seq,
    /// Behind the last message of each partition.
    pub(super) ends: Vec<i64>,
}

impl Mark {
    /// As the checkpoint keeps it.
    pub(super) fn written(&self) -> String {
        let ends = self.ends.iter().map(|end| format!(" {end}"));
        std::iter::once(self.base.to_string()).chain(ends).collect()
    }

    fn read(mark: &str) -> Option<Mark> {
        let mut words = mark.split(' ');
        let base = words.next()?.parse().ok()?;
        let ends: Option<Vec<i64>> = words.map(|word| word.parse().ok()).collect();
        Some(Mark { base, ends: ends.filter(|ends| !ends.is_empty())? })
    }
}

/// A partition as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    /// Its first message that is kept.
    pub(super) start: i64,
    /// Behind its last one.
    pub(super) end: i64,
    /// What the last one says; `None` if there is none, or none any more.
    pub(super) word: Option<Result<Word, NotOurs>>,
}

/// The last message is somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotOurs;

/// The newest change that these partitions were told.
pub(super) fn newest(partitions: &[Partition]) -> Option<ChangeAt> {
    let words = partitions.iter().filter_map(|partition| partition.word.as_ref()?.as_ref().ok());
    words.map(|word| word.newest.clone()).max_by_key(|newest| newest.seq)
}

/// How far a topic has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) base: Seq,
    /// It has everything up to here.
    pub(super) seq: Seq,
    /// Each partition that is used has everything of its own up to here.
    pub(super) told: Vec<Seq>,
    /// Behind the last message of each.
    pub(super) ends: Vec<i64>,
}

/// Where a topic with these partitions stands.
///
/// # Errors
/// [`Trouble::Stop`]: somebody else publishes into it, or it has become smaller.
pub(super) fn position(
    partitions: &[Partition],
    checkpoint: &Checkpoint,
) -> Result<Position, Trouble> {
    let words = words(partitions, checkpoint)?;
    let mark = Mark::read(&checkpoint.mark);
    let base = mark.as_ref().map_or(checkpoint.seq, |mark| mark.base);
    if partitions.iter().all(|partition| partition.end == 0) {
        // New, or made anew: then all is told again.
        let count = partitions.len();
        return Ok(Position { base, seq: base, told: vec![base; count], ends: vec![0; count] });
    }
    let counts = words.iter().flatten().map(|word| word.stage.count);
    let spread = mark.as_ref().map(|mark| mark.ends.len()).or(counts.max());
    let count = spread.unwrap_or(partitions.len());
    if count > partitions.len() {
        return Err(Trouble::Stop(format!(
            "it has {} partitions, and its orders are spread among {count}; make it anew, and it \
             is told from the beginning",
            partitions.len()
        )));
    }
    let floors = words.iter().flatten().map(|word| word.stage.floor);
    let floor = floors.fold(checkpoint.seq, Seq::max);
    let mut seq = floor;
    let mut told = Vec::new();
    for (at, partition) in partitions[..count].iter().enumerate() {
        let last = words[at].map(Word::told);
        let known = mark.as_ref().map_or(0, |mark| mark.ends[at]);
        if partition.end < known {
            // It has lost some.
            let stands = last.unwrap_or(base).min(floor);
            seq = seq.min(stands);
            told.push(stands);
        } else {
            told.push(last.map_or(floor, |last| last.max(floor)));
        }
    }
    let ends = partitions[..count].iter().map(|partition| partition.end).collect();
    Ok(Position { base, seq, told, ends })
}

/// What the last messages say, each of this journal.
fn words<'a>(
    partitions: &'a [Partition],
    checkpoint: &Checkpoint,
) -> Result<Vec<Option<&'a Word>>, Trouble> {
    let own = "give this sink a topic of its own";
    let read = |(at, partition): (usize, &'a Partition)| match &partition.word {
        None => Ok(None),
        Some(Ok(word)) if word.journal == checkpoint.journal => Ok(Some(word)),
        Some(Ok(word)) => {
            let journal = &word.journal;
            Err(Trouble::Stop(format!("it tells of another journal, {journal}; {own}")))
        }
        Some(Err(NotOurs)) => Err(Trouble::Stop(format!(
            "the last message of partition {at} is somebody else's; {own}"
        ))),
    };
    partitions.iter().enumerate().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::super::message::Stage;
    use super::*;

    fn word(journal: &str, seq: Seq, stage: Stage) -> Word {
        let newest = ChangeAt { seq, time: "then".to_owned() };
        Word { journal: journal.to_owned(), seq, newest, stage }
    }

    fn partition(end: i64, seq: Seq, floor: Seq) -> Partition {
        let stage = Stage { floor, count: 2, again: None };
        let word = word("j", seq, stage);
        Partition { start: 0, end, word: (end > 0).then_some(Ok(word)) }
    }

    fn expired(end: i64) -> Partition {
        Partition { start: end, end, word: None }
    }

    fn checkpoint(seq: u64, mark: &str) -> Checkpoint {
        let (journal, mark) = ("j".to_owned(), mark.to_owned());
        Checkpoint { journal, seq, mark, ..Checkpoint::default() }
    }

    #[test]
    fn a_topic_stands_where_the_last_messages_of_its_partitions_say() {
        let kept = checkpoint(50, "10 7 9");
        for (partitions, seq, told) in [
            // As it was written down.
            ([partition(7, 48, 40), partition(9, 49, 40)], 50, [50, 50]),
            // Killed in the midst of what came then, and behind it.
            ([partition(8, 52, 50), partition(9, 49, 40)], 50, [52, 50]),
            ([partition(8, 71, 60), partition(12, 80, 60)], 60, [71, 80]),
            // One was never used, and one's messages are too old.
            ([partition(0, 0, 0), partition(12, 80, 60)], 10, [10, 80]),
            ([expired(7), partition(12, 80, 60)], 60, [60, 80]),
            // It has lost some, or was made anew.
            ([partition(5, 30, 20), partition(9, 49, 40)], 30, [30, 50]),
            ([partition(0, 0, 0), partition(0, 0, 0)], 10, [10, 10]),
        ] {
            let found = position(&partitions, &kept).expect("it is ours");
            assert_eq!((found.seq, &found.told[..], found.base), (seq, &told[..], 10));
        }
        // Told again: the partition's last change of its own stands in the message.
        let mut again = partition(11, 12, 60);
        let stage = Stage { floor: 60, count: 2, again: Some(66) };
        again.word = Some(Ok(word("j", 12, stage)));
        let found = position(&[again, partition(9, 49, 40)], &kept).expect("it is ours");
        assert_eq!((found.seq, found.told), (60, vec![66, 60]));
    }

    #[test]
    fn a_topic_that_grows_is_spread_as_before_and_without_a_checkpoint_too() {
        let grown = [partition(8, 71, 60), partition(12, 80, 60), partition(0, 0, 0)];
        for kept in [checkpoint(50, "10 7 9"), checkpoint(9, "")] {
            let found = position(&grown, &kept).expect("it is ours");
            assert_eq!((found.seq, found.told, found.ends), (60, vec![71, 80], vec![8, 12]));
        }
        let fresh = [partition(0, 0, 0), partition(0, 0, 0), partition(0, 0, 0)];
        let found = position(&fresh, &checkpoint(9, "")).expect("nobody's yet");
        assert_eq!((found.seq, found.told.len(), found.base), (9, 3, 9));
        let mark = Mark { base: 9, ends: vec![3, 0] };
        assert_eq!(Mark::read(&mark.written()), Some(mark));
    }

    #[test]
    fn what_is_not_ours_stops_it() {
        let kept = checkpoint(50, "10 7 9");
        let theirs = Partition { word: Some(Err(NotOurs)), ..partition(8, 1, 0) };
        let mut other = partition(8, 1, 0);
        let stage = Stage { floor: 0, count: 2, again: None };
        other.word = Some(Ok(word("k", 1, stage)));
        for (partitions, says) in [
            (vec![partition(9, 49, 40), theirs], "of partition 1 is somebody else's"),
            (vec![other, partition(9, 49, 40)], "another journal, k"),
            (vec![partition(9, 49, 40)], "it has 1 partitions, and its orders are spread among 2"),
        ] {
            let refused = position(&partitions, &kept);
            let Err(Trouble::Stop(why)) = refused else { panic!("{refused:?}") };
            assert!(why.contains(says), "{why}");
        }
    }
}
