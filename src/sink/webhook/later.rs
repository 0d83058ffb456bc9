//! Messages that the receiver does not want: kept beside the checkpoint, tried again at growing
//! intervals, and in the end written among the dead letters. Invariant: a message is in one of the
//! two files before its change counts as delivered.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::message::Message;
use crate::clock;
use crate::limits::WEBHOOK_LATER_MAX;
use crate::sink::{Trouble, checkpoint};

const NS: u64 = 1_000_000_000;
/// Between the attempts, s, as the Standard Webhooks specification has them; the last one again and
/// again.
const PAUSES: [u64; 9] =
    [5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600];

/// A message put aside. Times are Unix ns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Postponed {
    message: Message,
    /// Why it was not taken the last time.
    why: String,
    attempts: u64,
    first: u64,
    last: u64,
    next: u64,
    /// How many messages the receiver had taken at the last attempt.
    #[serde(skip)]
    taken: u64,
}

/// All of them.
pub(super) struct Later {
    path: PathBuf,
    dead_letters: PathBuf,
    /// How long a message is tried.
    patience: u64,
    list: Vec<Postponed>,
    /// Given up and not written yet.
    dead: Vec<Postponed>,
    is_kept: bool,
    /// When the first of them is tried again.
    soonest: u64,
}

impl Later {
    /// Reads what is there.
    ///
    /// # Errors
    /// [`Trouble`] with the file and what is wrong.
    pub(super) fn open(
        path: PathBuf,
        dead_letters: PathBuf,
        patience: Duration,
    ) -> Result<Later, Trouble> {
        let told = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(why) if why.kind() == io::ErrorKind::NotFound => String::new(),
            Err(why) => return Err(Trouble::Again(told(&why))),
        };
        let list: Result<Vec<Postponed>, _> = text.lines().map(serde_json::from_str).collect();
        let list = list.map_err(|why| Trouble::Stop(told(&why)))?;
        let patience = u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);
        let (dead, is_kept, soonest) = (Vec::new(), true, soonest(&list));
        Ok(Later { path, dead_letters, patience, list, dead, is_kept, soonest })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// How many more there may be.
    pub(super) fn room(&self) -> usize {
        WEBHOOK_LATER_MAX.saturating_sub(self.list.len())
    }

    /// Takes a message that was not wanted, after the receiver has taken so many.
    pub(super) fn add(&mut self, message: Message, why: String, now: u64, taken: u64) {
        // One that is told again is here already.
        self.list.retain(|other| other.message.id != message.id);
        let postponed =
            Postponed { message, why, attempts: 1, first: now, last: now, next: now, taken };
        self.decide(postponed, now);
        self.is_kept = false;
    }

    /// Those that are to be tried now, `max` at most.
    pub(super) fn due(&self, now: u64, max: usize) -> Vec<Message> {
        if now < self.soonest {
            return Vec::new();
        }
        let due = self.list.iter().filter(|one| one.next <= now);
        due.take(max).map(|one| one.message.clone()).collect()
    }

    /// One was taken.
    pub(super) fn taken(&mut self, id: &str) {
        self.list.retain(|one| one.message.id != id);
        self.is_kept = false;
    }

    /// One was not taken again. If the receiver takes nothing at all, that says nothing of this
    /// message, and it is no attempt.
    pub(super) fn failed(&mut self, id: &str, why: String, now: u64, taken: u64, is_own: bool) {
        let Some(at) = self.list.iter().position(|one| one.message.id == id) else { return };
        let mut one = self.list.remove(at);
        let was_tried = is_own || taken > one.taken;
        (one.last, one.taken, one.why) = (now, taken, why);
        if was_tried {
            one.attempts += 1;
            self.decide(one, now);
        } else {
            one.next = now + pause(one.attempts);
            self.list.push(one);
        }
        self.is_kept = false;
    }

    /// Gives a message its next time, or gives it up.
    fn decide(&mut self, mut one: Postponed, now: u64) {
        let end = one.first.saturating_add(self.patience);
        if now >= end {
            self.dead.push(one);
        } else {
            one.next = (now + pause(one.attempts)).min(end);
            self.list.push(one);
        }
    }

    /// Makes durable what has changed. Returns how many were given up.
    ///
    /// # Errors
    /// [`Trouble`]: the disk. Nothing is forgotten then.
    pub(super) fn keep(&mut self) -> Result<u64, Trouble> {
        if self.is_kept {
            return Ok(0);
        }
        let told = |path: &Path, why| Trouble::Again(format!("{}: {why}", path.display()));
        // First, so that a crash between leaves one in both files and not in none.
        if !self.dead.is_empty() {
            self.bury().map_err(|why: io::Error| told(&self.dead_letters, why))?;
        }
        let dead = self.dead.len() as u64;
        for one in self.dead.drain(..) {
            let (id, attempts) = (&one.message.id, one.attempts);
            let place = self.dead_letters.display();
            tracing::warn!("webhook {id} given up after {attempts} attempts, see {place}");
        }
        let mut out = Vec::new();
        for one in &self.list {
            serde_json::to_writer(&mut out, one).expect("memory takes everything");
            out.push(b'\n');
        }
        checkpoint::replace(&self.path, &out).map_err(|why| told(&self.path, why))?;
        self.soonest = soonest(&self.list);
        self.is_kept = true;
        Ok(dead)
    }

    fn bury(&self) -> io::Result<()> {
        let mut out = Vec::new();
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).open(&self.dead_letters)?;
        // A crash may have cut the last line.
        if file.seek(SeekFrom::End(0))? > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                out.push(b'\n');
            }
        }
        for one in &self.dead {
            let body: Value = serde_json::from_str(&one.message.body)?;
            let line = json!({
                "id": one.message.id,
                "why": one.why,
                "attempts": one.attempts,
                "first": clock::iso(one.first),
                "last": clock::iso(one.last),
                "event": body,
            });
            serde_json::to_writer(&mut out, &line)?;
            out.push(b'\n');
        }
        file.write_all(&out)?;
        file.sync_all()?;
        let folder = self.dead_letters.parent().filter(|path| !path.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

fn soonest(list: &[Postponed]) -> u64 {
    list.iter().map(|one| one.next).min().unwrap_or(u64::MAX)
}

fn pause(attempts: u64) -> u64 {
    let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    PAUSES.get(index).unwrap_or(&PAUSES[PAUSES.len() - 1]) * NS
}
