//! Time: since the run began, in ns; and CPU time of processes.
//!
//! Readings are few (one per batch); whatever can be had by arithmetic is.

use std::time::{Duration, Instant};

/// Looks at a family of processes before one is taken that may miss some.
const SCANS: u32 = 100;

/// Counts ns from the start of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// Starts at `delay` from now; until then readings are 0.
    pub(crate) fn starting_in(delay: Duration) -> Clock {
        Clock(Instant::now() + delay)
    }

    pub(crate) fn now(&self) -> u64 {
        nanos(Instant::now().saturating_duration_since(self.0))
    }
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// CPU time used so far in seconds, all threads: of this program (`None`), or of a process and all
/// that it has started, for some servers are many processes. `None` where there is no `/proc` or no
/// such process. Counted by the kernel in steps of 10 ms.
pub(crate) fn cpu_seconds(process: Option<u32>) -> Option<f64> {
    let ticks = match process {
        None => Times::of("self")?.own,
        Some(process) => family(process)?,
    };
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// CPU time of a process and of its descendants, in ticks.
fn family(process: u32) -> Option<u64> {
    let mut root = Times::of(&process.to_string())?;
    for _ in 0..SCANS {
        let others = descendants(process);
        let before = std::mem::replace(&mut root, Times::of(&process.to_string())?);
        // A child that ended in between may have been missed on both sides.
        if before.waited_for == root.waited_for {
            return Some(root.own + root.waited_for + others);
        }
    }
    Some(root.own + root.waited_for + descendants(process))
}

/// CPU time of the living descendants of a process, in ticks.
fn descendants(root: u32) -> u64 {
    let processes: Vec<(u32, Times)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let id = entry.ok()?.file_name().to_str()?.parse().ok()?;
            Some((id, Times::of(&format!("{id}"))?))
        })
        .collect();
    let (mut family, mut ticks) = (vec![root], 0);
    while let Some(parent) = family.pop() {
        for (id, times) in processes.iter().filter(|(_, times)| times.parent == parent) {
            ticks += times.own + times.waited_for;
            family.push(*id);
        }
    }
    ticks
}

/// What the kernel says of a process.
#[derive(Clone, Copy, Debug)]
struct Times {
    parent: u32,
    /// In ticks, its own and that of children which ended.
    own: u64,
    waited_for: u64,
}

impl Times {
    fn of(process: &str) -> Option<Times> {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // Field 2 is the program's name in parentheses and may hold anything; 4 is the parent, 14
        // to 17 are the times.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let ticks = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Times {
            parent: fields.get(1)?.parse().ok()?,
            own: ticks(14)? + ticks(15)?,
            waited_for: ticks(16)? + ticks(17)?,
        })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_a_child_has_used_counts_for_its_parent() {
        let burn = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo; read x";
        let mut child = std::process::Command::new("sh")
            .args(["-c", &format!("sh -c '{burn}'; true")])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("there is a shell");
        let mut line = [0];
        let output = child.stdout.as_mut().expect("it was piped");
        std::io::Read::read_exact(output, &mut line).expect("the grandchild speaks");
        let own = Times::of(&child.id().to_string()).expect("it waits").own;
        let whole = cpu_seconds(Some(child.id())).expect("it waits");
        drop(child.stdin.take());
        child.wait().expect("it ends");
        let own = own as f64 / rustix::param::clock_ticks_per_second() as f64;
        assert!(whole > own + 0.01, "{whole} and {own}");
    }
}
