//! The loop, in a process of its own: take an input, change it, read it, keep it if it showed
//! something new. Each input is written down before it is read, so that whoever watches has it
//! whatever becomes of this process.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::files;
use crate::mutate::mutate;
use crate::seen::Seen;
use crate::targets::Target;

/// Of the newest inputs half are taken: what was just found is where more may be.
const NEWEST: usize = 24;

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Inputs read, that of now included.
    pub executions: u64,
    /// Inputs kept.
    pub kept: u64,
    /// Since the first, us.
    pub micros: u64,
}

/// Where progress and the input of now are written down.
pub struct Slip(File);

impl Slip {
    /// Makes it.
    ///
    /// # Errors
    /// The disk; likewise below.
    pub fn create(path: &Path) -> io::Result<Slip> {
        Ok(Slip(File::create(path)?))
    }

    fn write(&self, progress: &Progress, input: &[u8], room: &mut Vec<u8>) -> io::Result<()> {
        room.clear();
        let Progress { executions, kept, micros } = progress;
        let numbers = [*executions, *kept, *micros, input.len() as u64];
        numbers.iter().for_each(|number| room.extend_from_slice(&number.to_le_bytes()));
        room.extend_from_slice(input);
        self.0.write_all_at(room, 0)
    }

    /// Reads what was written down; nothing yet if it is empty.
    ///
    /// # Errors
    /// The disk.
    pub fn read(path: &Path) -> io::Result<(Progress, Vec<u8>)> {
        let bytes = std::fs::read(path)?;
        let Some((numbers, rest)) = bytes.split_at_checked(32) else {
            return Ok(Default::default());
        };
        let number = |at: usize| {
            u64::from_le_bytes(*numbers[8 * at..].first_chunk().expect("four numbers of eight"))
        };
        let progress = Progress { executions: number(0), kept: number(1), micros: number(2) };
        // A longer one may have stood there before.
        Ok((progress, rest[..rest.len().min(number(3) as usize)].to_vec()))
    }
}

/// Runs a target for some time.
///
/// # Errors
/// The disk. What the target finds ends the process.
pub fn run(
    target: &Target,
    seed: u64,
    time: Duration,
    slip: &Slip,
    keep: Option<&Path>,
) -> io::Result<()> {
    let mut read = (target.make)();
    let (mut dice, mut seen, mut all) = (Dice(seed), Seen::default(), HashSet::new());
    let mut pool: Vec<Vec<u8>> = vec![Vec::new()];
    pool.extend(files::inputs(&files::corpus(target.name)).into_iter().map(|(_, bytes)| bytes));
    let (mut progress, mut room, mut input) = (Progress::default(), Vec::new(), Vec::new());
    let (start, first) = (Instant::now(), pool.len() as u64);
    while progress.executions < first || start.elapsed() < time {
        let given = (progress.executions < first).then_some(progress.executions as usize);
        match given {
            Some(at) => input.clone_from(&pool[at]),
            None => {
                let from = if dice.below(2) == 0 { pool.len().saturating_sub(NEWEST) } else { 0 };
                input.clone_from(&pool[from + dice.below(pool.len() - from)]);
                let other = dice.below(pool.len());
                mutate(&mut dice, &mut input, &pool[other], target.words, target.max);
            }
        }
        progress.executions += 1;
        progress.micros = start.elapsed().as_micros() as u64;
        slip.write(&progress, &input, &mut room)?;
        read(&input, &mut seen);
        if seen.join(&mut all) && given.is_none() {
            progress.kept += 1;
            if let Some(folder) = keep {
                files::put(&folder.join(target.name), target.name, &input);
            }
            pool.push(input.clone());
        }
    }
    progress.micros = start.elapsed().as_micros() as u64;
    slip.write(&progress, &input, &mut room)
}
