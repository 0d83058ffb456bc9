//! The program as a user starts it, in an environment without variables of ours.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use serde_json::Value;

/// A run about to start.
pub(crate) struct Run(Command);

/// What a run that has ended leaves behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) exit: i32,
    pub(crate) report: Value,
    pub(crate) stderr: String,
}

/// A run on the sale `drop` and its item `tee`, unless the words say otherwise.
pub(crate) fn run(target: SocketAddr, words: &str) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.env_remove("DOORBUSTER_TOKEN").env_remove("DOORBUSTER_CA");
    command.args(["run", "--json", "--warmup", "0s", "--target", &target.to_string()]);
    for (name, usual) in [("--sale", "drop"), ("--item", "tee")] {
        if !words.contains(name) {
            command.args([name, usual]);
        }
    }
    command.args(words.split_whitespace()).stdin(Stdio::null());
    Run(command)
}

impl Run {
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Run {
        self.0.env(name, value);
        self
    }

    /// Runs it to its end; the report is null if there is none.
    pub(crate) fn end(mut self) -> Ended {
        let output = self.0.output().expect("it starts");
        Ended {
            exit: output.status.code().unwrap_or(-1),
            report: serde_json::from_slice(&output.stdout).unwrap_or_default(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ended {
    /// A number of the report, by its pointer.
    #[track_caller]
    pub(crate) fn number(&self, pointer: &str) -> u64 {
        let value = self.report.pointer(pointer).and_then(Value::as_u64);
        value.unwrap_or_else(|| panic!("no {pointer}: {self:#?}"))
    }

    /// It must have ended before any load, with this code and a line that holds `part`.
    #[track_caller]
    pub(crate) fn refused(&self, exit: i32, part: &str) {
        assert_eq!((self.exit, &self.report), (exit, &Value::Null), "{part}: {}", self.stderr);
        assert!(self.stderr.contains(part), "no '{part}': {}", self.stderr);
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
    }
}
