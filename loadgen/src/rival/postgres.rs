//! PostgreSQL as a rival: a cluster of its own, durable as it is by default.
//!
//! Departures from its defaults, all in its favour: more shared memory, no replication's log, no
//! checkpoint during a run, no just-in-time compiler, so much as one hand would set on a server.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
};

use super::keeper::{Plan, Program};
use super::server::{Server, folder};
use super::{find, free_address, new_password};
use crate::Failure;
use crate::options::{Database, Target};
use crate::prepare;

const HOW: &str = "apt-get install postgresql, or https://www.postgresql.org/download";
/// The cluster's only user.
const USER: &str = "loadgen";
/// Where systems put one folder a version, with `bin` in it.
const VERSIONS: [&str; 3] = ["/usr/lib/postgresql", "/usr/pgsql", "/opt/postgresql"];
/// Settings that every run shares.
const SETTINGS: [&str; 13] = [
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "shared_buffers=256MB",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=8GB",
    "checkpoint_timeout=1h",
    "jit=off",
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "autovacuum_naptime=5s",
    "log_min_messages=warning",
];

/// Makes a cluster and starts it on a free port.
pub(super) fn start(
    dir: Option<&Path>,
    target: &mut Target,
    more: &[String],
) -> Result<(Server, Vec<(String, String)>), Failure> {
    let places = places();
    let (initdb, postgres) = (find("initdb", &places, HOW)?, find("postgres", &places, HOW)?);
    let user = user()?;
    let address = free_address()?;
    let password = new_password()?;
    let folder = folder(dir)?;
    let plan = || {
        let secret = folder.join("password");
        fs::write(&secret, &password.0)?;
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
        if let Some((user, group)) = user {
            chown(&secret, Some(user), Some(group))?;
            chown(&folder, Some(user), Some(group))?;
        }
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let data = text(folder.join("data"));
        let words = [
            "--pgdata",
            &data,
            "--username",
            USER,
            "--auth=scram-sha-256",
            "--pwfile",
            &text(secret),
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ];
        let arguments = words.map(str::to_owned).to_vec();
        let before = vec![Program { path: initdb, arguments, user }];
        let mut arguments = vec!["-D".to_owned(), data];
        let own = [
            format!("port={}", address.port()),
            format!("max_connections={}", target.connections + 20),
        ];
        for setting in SETTINGS.map(str::to_owned).into_iter().chain(own) {
            arguments.extend(["-c".to_owned(), setting]);
        }
        arguments.extend_from_slice(more);
        let server = Program { path: postgres, arguments, user };
        Ok::<_, std::io::Error>(Plan { folder: folder.clone(), before, server, quit: true })
    };
    let plan = plan().map_err(|error| {
        let _ = fs::remove_dir_all(&folder);
        Failure::new(Failure::DISK, format!("{}: {error}", folder.display()))
    })?;
    let server = Server::start(&plan)?;
    target.address = address.into();
    target.setup.password = Some(password);
    target.setup.database = Database { user: USER.to_owned(), name: "postgres".to_owned() };
    server.wait(|| prepare::postgres::is_ready(target))?;
    Ok((server, Vec::new()))
}

/// Folders that may hold the programs, newest version first.
fn places() -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = Vec::new();
    for folder in VERSIONS {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let version = entry.file_name().to_string_lossy().parse().unwrap_or(0);
            versions.push((version, entry.path().join("bin")));
        }
    }
    versions.sort();
    let newest_first = versions.into_iter().rev().map(|(_, folder)| folder);
    newest_first.chain(["/usr/local/bin".into(), "/usr/local/pgsql/bin".into()]).collect()
}

/// Whom to run it as: PostgreSQL refuses to run as root, so then it is its own user or nobody.
fn user() -> Result<Option<(u32, u32)>, Failure> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let of = |name: &str| {
        let mut fields = users.lines().find_map(|line| line.strip_prefix(name))?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let found = of("postgres:").or_else(|| of("nobody:"));
    found.map(Some).ok_or_else(|| {
        let sentence = "PostgreSQL does not run as root, and there is no user postgres or nobody";
        Failure::new(Failure::UNAVAILABLE, sentence)
    })
}
