//! Who watches: gives each target a process and its share of the time, and makes a finding of
//! whatever ends that process, or stops it from going on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::files;
use crate::inside::{Progress, Slip};
use crate::targets::Target;

/// A reader that takes so long for one input hangs.
const HANG: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

/// What to run.
pub struct Plan<'a> {
    /// This program.
    pub program: &'a Path,
    /// Time of one target.
    pub time: Duration,
    /// Where the dice begin.
    pub seed: u64,
    /// Where inputs that were kept are put too.
    pub keep: Option<&'a Path>,
    /// Where findings are put.
    pub found: &'a Path,
}

/// What became of one target.
pub struct Outcome {
    /// Its name.
    pub target: &'static str,
    /// How far it came.
    pub progress: Progress,
    /// The input at which it ended, and what was said.
    pub finding: Option<(PathBuf, String)>,
}

/// Runs one target.
///
/// # Errors
/// The system.
pub fn run(plan: &Plan<'_>, target: &Target) -> io::Result<Outcome> {
    let folder = files::scratch()?;
    let (slip, said) = (folder.path().join("slip"), folder.path().join("said"));
    let mut command = Command::new(plan.program);
    command.arg(target.name).arg("--inside").arg(&slip);
    command.args(["--seed", &plan.seed.to_string()]);
    command.args(["--seconds", &plan.time.as_secs_f64().to_string()]);
    if let Some(keep) = plan.keep {
        command.arg("--keep").arg(keep);
    }
    command.env("RUST_BACKTRACE", "0");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&said)?);
    let mut child = command.spawn()?;
    let (mut last, mut since) = (0, Instant::now());
    let end = loop {
        if let Some(status) = child.try_wait()? {
            break (!status.success()).then(|| status.to_string());
        }
        let now = Slip::read(&slip).map_or(0, |(progress, _)| progress.executions);
        if now != last {
            (last, since) = (now, Instant::now());
        } else if since.elapsed() > HANG {
            child.kill()?;
            child.wait()?;
            break Some(format!("one input took longer than {} s", HANG.as_secs()));
        }
        std::thread::sleep(LOOK);
    };
    let (progress, input) = Slip::read(&slip)?;
    let finding = end.map(|end| {
        let said = fs::read_to_string(&said).unwrap_or_default();
        let why = format!("{end}\n{}", said.trim_end());
        (files::put(plan.found, target.name, &input), why)
    });
    Ok(Outcome { target: target.name, progress, finding })
}
