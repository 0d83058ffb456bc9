//! What is damaged behind a house's back: on a copy of its disk, which the next start must refuse.

use super::*;
use crate::chains::chains;
use crate::journal::Place;

impl World {
    /// The power went, and a bit of what was being written is another: that may be cut, or refused,
    /// and nothing in between. The next house finds it without.
    pub(super) fn flipped(&mut self, damage: Damage) -> Result<(), String> {
        let before = self.disk.copy();
        self.disk.cut(Cut::Flipped, &mut self.random);
        self.shelf.0.cut(Cut::Lost, &mut self.random);
        let flipped = self.disk.copy();
        match self.read(&flipped) {
            Err(JournalError::Damaged { .. }) => {
                self.tally.outcome("flipped tail refused", 1);
                // What was written is there after all.
                self.disk = before;
            }
            Err(why) => return Err(format!("a flipped bit in the tail: {why}")),
            Ok(_) => self.tally.outcome("flipped tail cut, or whole", 1),
        }
        self.damage(damage)
    }

    /// Reads a disk of its own, as a start does. Returns the state's hash, and what was found.
    fn read(&self, disk: &SimDisk) -> Result<([u8; 32], Found), JournalError> {
        // One place that nobody reads.
        let (shop, _, found) = recover(&self.make, disk, chains(1).0)?;
        Ok((shop.state_hash(), found))
    }

    /// Damages a copy of what is left where it was synced: it must be refused by name, or, if it is
    /// a snapshot, be passed over.
    pub(super) fn damage(&mut self, damage: Damage) -> Result<(), String> {
        let settled = self.disk.copy();
        let Ok((hash, found)) = self.read(&settled) else {
            // The next start will say so.
            return Ok(());
        };
        // What is cut is cut, and what is left is synced.
        let copy = settled.copy();
        let Some(what) = self.harm(&copy, damage, found.from) else { return Ok(()) };
        self.tally.fault(damage.word(), 1);
        let (seq, since) = (found.report.seq, found.report.since);
        match self.read(&copy) {
            Ok((again, other)) if damage == Damage::Snapshot => {
                let report = other.report;
                if (again, report.seq) != (hash, seq) || report.since >= since {
                    return Err(format!("{what}: read from seq {} as {report:?}", report.since));
                }
                self.tally.outcome("damaged snapshot passed over", 1);
                Ok(())
            }
            Err(JournalError::Damaged { .. } | JournalError::Version { .. })
                if damage != Damage::Snapshot =>
            {
                self.tally.outcome("damage refused by name", 1);
                Ok(())
            }
            Err(why) => Err(format!("{}, {what}: refused as: {why}", damage.word())),
            Ok((_, read)) => Err(format!(
                "{}, {what}: read up to seq {} as if nothing were, of {seq}",
                damage.word(),
                read.report.seq
            )),
        }
    }

    /// Returns what was harmed, if there was anything to.
    fn harm(&mut self, copy: &SimDisk, damage: Damage, from: Option<Place>) -> Option<String> {
        // What a snapshot stands for is not read.
        let mut segments = copy.contents(".seg");
        let first = from.map_or(String::new(), |place| format!("{:08}.seg", place.segment()));
        segments.retain(|(name, _)| *name >= first);
        let begin = from.map_or(0, |place| place.offset() as usize);
        // How far each is written.
        let cell = |bytes: &[u8], at: usize| bytes[64 * at..64 * at + 64].iter().any(|it| *it != 0);
        let written = |bytes: &[u8]| (0..bytes.len() / 64).rev().find(|at| cell(bytes, *at));
        let used: Vec<(usize, usize)> = segments
            .iter()
            .enumerate()
            .filter_map(|(at, (_, bytes))| written(bytes).map(|last| (at, last)))
            .filter(|(at, last)| *last > 0 && (*at > 0 || 64 * (last + 1) > begin))
            .collect();
        let random = &mut self.random;
        match damage {
            Damage::Bit => {
                let (at, last) = *used.get(random.place(used.len().max(1)))?;
                let begin = if at == 0 { begin } else { 0 };
                let bit = 8 * begin + random.place(512 * (last + 1) - 8 * begin);
                let name = &segments[at].0;
                copy.alter(name, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
                Some(format!("bit {bit} of {name}"))
            }
            Damage::Snapshot => {
                let (name, bytes) = copy.contents(".snap").pop()?;
                let bit = random.place(8 * bytes.len());
                copy.alter(&name, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
                Some(format!("bit {bit} of {name}"))
            }
            _ if used.len() < 2 => None,
            Damage::Stale => {
                let (at, _) = used[random.place(used.len() - 1)];
                let name = &segments[at].0;
                copy.alter(name, |bytes| bytes[64..].fill(0));
                Some(name.clone())
            }
            Damage::Swapped => {
                let first = random.place(used.len() - 1);
                let second = first + 1 + random.place(used.len() - 1 - first);
                let (first, second) = (&segments[used[first].0], &segments[used[second].0]);
                copy.alter(&first.0, |bytes| bytes.clone_from(&second.1));
                copy.alter(&second.0, |bytes| bytes.clone_from(&first.1));
                Some(format!("{} and {}", first.0, second.0))
            }
            Damage::Missing => {
                let (at, _) = used[random.place(used.len() - 1)];
                copy.lose(&segments[at].0);
                Some(segments[at].0.clone())
            }
        }
    }
}
