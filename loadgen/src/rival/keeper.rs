//! `loadgen keep`: the process between this program and a server that it started.
//!
//! It starts the server, waits until nobody holds its stdin open any more, stops the server and
//! removes its folder. So nothing is left behind however the program ends: at the end, by a signal,
//! by a panic, killed. Invariant: only processes that it started are stopped, by their id.

use std::{
    fs,
    io::{self, BufRead, Read, Write},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::Failure;

/// How often it looks.
const LOOK: Duration = Duration::from_millis(10);
/// How long a server may take to stop before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);
/// Tries to remove a folder that somebody still writes into.
const REMOVALS: u32 = 50;
/// In the folder: what the server said, and that it has ended by itself.
pub(super) const TALK: &str = "talk";
pub(super) const ENDED: &str = "ended";

/// What is to be kept, as one line of JSON on stdin.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    /// Removed in the end.
    pub(super) folder: PathBuf,
    /// Run one after the other before the server; each must succeed.
    pub(super) before: Vec<Program>,
    pub(super) server: Program,
    /// Whether SIGQUIT is how the server stops at once, with its own processes.
    pub(super) quit: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<String>,
    /// Who runs it: user and group.
    pub(super) user: Option<(u32, u32)>,
}

/// Does all of it; returns the exit code.
pub(crate) fn keep() -> Result<u8, Failure> {
    let over = Arc::new(AtomicBool::new(false));
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&over))
            .map_err(|error| Failure::new(Failure::CHECK, format!("no signals: {error}")))?;
    }
    let mut line = String::new();
    let stdin = io::stdin().lock().read_line(&mut line);
    let bad = |why: &dyn std::fmt::Display| {
        let sentence = format!("keep is for loadgen itself, which tells it what to keep: {why}");
        Failure::new(Failure::USAGE, sentence)
    };
    stdin.map_err(|error| bad(&error))?;
    let plan: Plan = serde_json::from_str(&line).map_err(|error| bad(&error))?;
    let closed = Arc::clone(&over);
    thread::spawn(move || {
        // What comes does not matter, only when it ends.
        let _ = io::stdin().lock().read_to_end(&mut Vec::new());
        closed.store(true, Ordering::Relaxed);
    });
    let kept = run(&plan, &over);
    let told = match &kept {
        Ok(()) => Ok(0),
        Err(sentence) => crate::print(&format!("{sentence}\n")).map(|()| 1),
    };
    // Until the program has read why.
    while !over.load(Ordering::Relaxed) {
        thread::sleep(LOOK);
    }
    remove(&plan.folder);
    told
}

/// The error is a sentence for the program that waits on the other end.
fn run(plan: &Plan, over: &AtomicBool) -> Result<(), String> {
    for program in &plan.before {
        let mut child = start(plan, program)?;
        let status = loop {
            match child.try_wait().map_err(|error| error.to_string())? {
                Some(status) => break status,
                None if over.load(Ordering::Relaxed) => {
                    stop(&mut child, Signal::TERM);
                    return Ok(());
                }
                None => thread::sleep(LOOK),
            }
        };
        if !status.success() {
            return Err(format!("{}: {status}", program.path.display()));
        }
    }
    let mut server = start(plan, &plan.server)?;
    let told = writeln!(io::stdout().lock(), "{}", server.id());
    let mut ended = false;
    while told.is_ok() && !ended && !over.load(Ordering::Relaxed) {
        thread::sleep(LOOK);
        ended = !matches!(server.try_wait(), Ok(None));
    }
    if ended {
        let _ = fs::write(plan.folder.join(ENDED), "");
    } else {
        stop(&mut server, if plan.quit { Signal::QUIT } else { Signal::TERM });
    }
    Ok(())
}

fn start(plan: &Plan, program: &Program) -> Result<Child, String> {
    let failed = |error: io::Error| format!("{}: {error}", program.path.display());
    let talk = fs::OpenOptions::new().create(true).append(true).open(plan.folder.join(TALK));
    let talk = talk.map_err(failed)?;
    let mut command = Command::new(&program.path);
    command.args(&program.arguments).current_dir(&plan.folder).stdin(Stdio::null());
    command.stdout(talk.try_clone().map_err(failed)?).stderr(talk);
    if let Some((user, group)) = program.user {
        command.uid(user).gid(group);
    }
    command.spawn().map_err(failed)
}

/// Stops a child: kindly, and after a while not.
fn stop(child: &mut Child, signal: Signal) {
    let _ = kill_process(Pid::from_child(child), signal);
    let since = Instant::now();
    while matches!(child.try_wait(), Ok(None)) && since.elapsed() < PATIENCE {
        thread::sleep(LOOK);
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn remove(folder: &PathBuf) {
    for _ in 0..REMOVALS {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => thread::sleep(LOOK),
            _ => return,
        }
    }
    eprintln!("loadgen: {} could not be removed", folder.display());
}
