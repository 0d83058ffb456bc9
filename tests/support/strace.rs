//! Faults of the disk, made by strace: it runs the real server and lets chosen system calls fail,
//! fail to come back in time, or find the disk full.
//!
//! Without strace such a test is skipped with one line; under `CI=true` it fails instead.

use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::is_to_be_had;
use super::server::{Server, Start};

/// Whether faults can be made here. Says so if not.
pub(crate) fn is_there(test: &str) -> bool {
    let mut probe = Command::new("strace");
    probe.args(["-D", "-qq", "-o", "/dev/null", "-e", "trace=none", "true"]);
    let runs = probe.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if runs.is_ok_and(|status| status.success()) {
        return true;
    }
    is_to_be_had(false, &format!("{test} wants strace, which may trace: apt-get install strace"))
}

/// The server under strace with these faults, each as `-e inject=` has it. The count in `when=`
/// is each thread's own: the journal's first two writes and syncs make and open one sale.
pub(crate) fn with_faults(start: Start, path: Option<&str>, faults: &[&str]) -> Start {
    let mut words: Vec<String> =
        ["strace", "-D", "-f", "-qq", "-o", "/dev/null"].map(str::to_owned).to_vec();
    if let Some(path) = path {
        words.extend(["-P".to_owned(), path.to_owned()]);
    }
    let calls = faults.iter().map(|fault| fault.split(':').next().unwrap_or_default());
    words.extend(["-e".to_owned(), format!("trace={}", calls.collect::<Vec<_>>().join(","))]);
    for fault in faults {
        words.extend(["-e".to_owned(), format!("inject={fault}")]);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    start.by(&words)
}

/// Sends strace away: from now on nothing fails any more.
pub(crate) fn end_faults(server: &Server) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("TracerPid:")).expect("a figure");
    let tracer = line.trim().parse().ok().and_then(Pid::from_raw).expect("it is traced");
    kill_process(tracer, Signal::TERM).expect("our own strace");
}
