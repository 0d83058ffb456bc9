//! A server that this program started, behind its keeper.
//!
//! Invariant: when the value is gone, so are the server and its folder.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::keeper::{ENDED, Plan, TALK};
use crate::Failure;

/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is asked.
const LOOK: Duration = Duration::from_millis(20);
/// What is shown of a server that did not come to be, in lines.
const SHOWN_LINES: usize = 3;

pub(super) struct Server {
    keeper: Child,
    folder: PathBuf,
    pub(super) process: u32,
}

/// A folder for a server, to be removed by its keeper.
pub(super) fn folder(dir: Option<&Path>) -> Result<PathBuf, Failure> {
    let dir = dir.map_or_else(std::env::temp_dir, Path::to_owned);
    let made = tempfile::Builder::new().prefix("loadgen-").tempdir_in(&dir);
    // In full, for servers that run elsewhere.
    let path = made.and_then(|folder| fs::canonicalize(folder.keep()));
    path.map_err(|error| Failure::new(Failure::DISK, format!("{}: {error}", dir.display())))
}

impl Server {
    pub(super) fn start(plan: &Plan) -> Result<Server, Failure> {
        let failed =
            |why: &dyn std::fmt::Display| Failure::new(Failure::UNAVAILABLE, format!("{why}"));
        let started = std::env::current_exe().and_then(|program| {
            let mut command = Command::new(program);
            command.arg("keep").stdin(Stdio::piped()).stdout(Stdio::piped());
            // A group of its own: Ctrl-C is for this program, which still needs the server then.
            command.process_group(0).spawn()
        });
        let mut keeper = started.map_err(|error| {
            let _ = fs::remove_dir_all(&plan.folder);
            failed(&error)
        })?;
        let line = serde_json::to_string(plan).expect("paths and words become JSON") + "\n";
        let stdin = keeper.stdin.as_mut().expect("it was piped");
        let sent = stdin.write_all(line.as_bytes());
        let mut answer = String::new();
        let stdout = keeper.stdout.as_mut().expect("it was piped");
        let read = BufReader::new(stdout).read_line(&mut answer);
        let mut server = Server { keeper, folder: plan.folder.clone(), process: 0 };
        sent.and(read).map_err(|error| failed(&error))?;
        match answer.trim().parse() {
            Ok(process) => server.process = process,
            Err(_) => return Err(server.no(answer.trim())),
        }
        Ok(server)
    }

    /// Waits until `ready` has something to say.
    pub(super) fn wait<T>(
        &self,
        mut ready: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let since = Instant::now();
        loop {
            match ready() {
                Ok(value) => return Ok(value),
                Err(_) if self.folder.join(ENDED).exists() => return Err(self.no("it ended")),
                Err(failure) if since.elapsed() > PATIENCE => {
                    return Err(self.no(&failure.sentence));
                }
                Err(_) => thread::sleep(LOOK),
            }
        }
    }

    /// What the server has said so far.
    pub(super) fn talk(&self) -> String {
        fs::read_to_string(self.folder.join(TALK)).unwrap_or_default()
    }

    /// The server did not come to be: why, with the last that it said.
    fn no(&self, why: &str) -> Failure {
        let talk = self.talk();
        let mut last: Vec<&str> = talk.lines().rev().take(SHOWN_LINES).collect();
        last.reverse();
        let said = if last.is_empty() { String::new() } else { format!(": {}", last.join(" | ")) };
        Failure::new(Failure::UNAVAILABLE, format!("the server does not start: {why}{said}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
