//! What tests have in common: the real program, its peers and servers, disks that lose power.

use std::io::Write as _;

pub(crate) mod crash_disk;
pub(crate) mod faketime;
pub(crate) mod http_peer;
pub(crate) mod keeper_house;
pub(crate) mod nats;
pub(crate) mod peer;
pub(crate) mod postgres;
pub(crate) mod proxy;
pub(crate) mod receiver;
pub(crate) mod redis;
pub(crate) mod resp;
pub(crate) mod server;
pub(crate) mod shard_house;
pub(crate) mod sinks;
pub(crate) mod small_disk;
pub(crate) mod strace;
pub(crate) mod tls;

/// Whether a test that wants something of this machine can be: otherwise it says in one line how to
/// get that. CI has everything.
pub(crate) fn is_to_be_had(found: bool, how: &str) -> bool {
    if !found {
        let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!is_ci, "{how}, and CI must not skip this");
        tell(&format!("skipped: {how}"));
    }
    found
}

/// Says it to people, past the harness, which keeps what a test that passes prints.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Whether there is a program of this name.
pub(crate) fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).exists())
}
