//! Redis as a rival: everything it is told goes into its append-only file.
//!
//! Departures from its defaults, all in its favour: no snapshots, and the file is not rewritten
//! during a run.

use std::{fs, net::SocketAddr, path::Path};

use super::keeper::{Plan, Program};
use super::server::{Server, folder};
use super::{find, free_address, new_password};
use crate::Failure;
use crate::options::Target;
use crate::prepare;

const HOW: &str =
    "apt-get install redis-server, or https://redis.io/docs/latest/operate/oss_and_stack/install";

/// Starts it on a free port; `appendfsync` is when it syncs.
pub(super) fn start(
    appendfsync: &str,
    dir: Option<&Path>,
    target: &mut Target,
    more: &[String],
) -> Result<(Server, Vec<(String, String)>), Failure> {
    let program = find("redis-server", &["/usr/local/bin".into(), "/usr/bin".into()], HOW)?;
    let address = free_address()?;
    let password = new_password()?;
    let folder = folder(dir)?;
    let settings = settings(address, appendfsync, &password.0, target.connections, &folder);
    let file = folder.join("redis.conf");
    fs::write(&file, settings).map_err(|error| {
        let _ = fs::remove_dir_all(&folder);
        Failure::new(Failure::DISK, format!("{}: {error}", file.display()))
    })?;
    let mut arguments = vec![file.to_string_lossy().into_owned()];
    arguments.extend_from_slice(more);
    let server = Program { path: program, arguments, user: None };
    let server = Server::start(&Plan { folder, before: Vec::new(), server, quit: false })?;
    target.address = address.into();
    target.setup.password = Some(password);
    server.wait(|| prepare::redis::is_ready(address, &target.setup))?;
    Ok((server, Vec::new()))
}

fn settings(
    address: SocketAddr,
    appendfsync: &str,
    password: &str,
    connections: usize,
    folder: &Path,
) -> String {
    format!(
        "bind {}\nport {}\nrequirepass {password}\ndir \"{}\"\nappendonly yes\n\
         appendfsync {appendfsync}\nsave \"\"\nauto-aof-rewrite-percentage 0\nmaxclients {}\n\
         daemonize no\n",
        address.ip(),
        address.port(),
        folder.display(),
        connections + 64,
    )
}
