//! A real PostgreSQL, in a folder of its own, on a port that the system picks; it never outlives
//! its test. It is ended by its own process id and by nothing else.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use super::is_to_be_had;

const PATIENCE: Duration = Duration::from_secs(60);

/// The user that the server belongs to if root runs the tests: it refuses to be root's.
const USER: &str = "postgres";

/// A server.
pub(crate) struct Postgres {
    folder: TempDir,
    programs: PathBuf,
    pub(crate) port: u16,
    child: Child,
    arguments: Vec<String>,
}

/// The folder of its programs, if there is one.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    found.sort();
    let in_path = std::env::var_os("PATH").unwrap_or_default();
    found.extend(std::env::split_paths(&in_path));
    let found = found.into_iter().find(|folder| folder.join("initdb").exists());
    let how = "PostgreSQL is wanted: apt-get install postgresql";
    if is_to_be_had(found.is_some(), how) { found } else { None }
}

/// A program of it, as a user that it accepts.
fn program(folder: &Path, name: &str) -> Command {
    let path = folder.join(name);
    if !rustix::process::geteuid().is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={USER}"), &format!("--regid={USER}"), "--clear-groups"]);
    command.arg(path);
    command
}

impl Postgres {
    /// A new one, that trusts everybody on this machine; `None` where there is none to be had.
    pub(crate) fn start() -> Option<Postgres> {
        Postgres::start_with(&[])
    }

    /// The same with more arguments.
    pub(crate) fn start_with(arguments: &[&str]) -> Option<Postgres> {
        let programs = programs()?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        give(folder.path(), 0o755);
        let made = program(&programs, "initdb")
            .args(["--auth=trust", "--username=shop", "--no-sync", "--encoding=UTF8"])
            .args(["--no-instructions", "--locale=C", "-D"])
            .arg(folder.path().join("data"))
            .stdin(Stdio::null())
            .current_dir("/")
            .output();
        let made = made.expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = free_port();
        let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
        let child = run(&programs, folder.path(), port, &arguments);
        let server = Postgres { folder, programs, port, child, arguments };
        server.wait();
        Some(server)
    }

    /// A standby, that follows it and answers questions.
    pub(crate) fn standby(&self) -> Postgres {
        let folder = tempfile::tempdir().expect("a temporary folder");
        give(folder.path(), 0o755);
        let copied = program(&self.programs, "pg_basebackup")
            .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "-X", "stream"])
            .args(["-d", &format!("host=127.0.0.1 port={} user=shop", self.port), "-D"])
            .arg(folder.path().join("data"))
            .current_dir("/")
            .output();
        let copied = copied.expect("pg_basebackup runs");
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        let (programs, arguments, port) =
            (self.programs.clone(), self.arguments.clone(), free_port());
        let child = run(&programs, folder.path(), port, &arguments);
        let server = Postgres { folder, programs, port, child, arguments };
        server.wait();
        server
    }

    /// Its data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Puts a file into its data folder, which only itself may read.
    pub(crate) fn put(&self, name: &str, text: &str) {
        let path = self.data().join(name);
        std::fs::write(&path, text).expect("written");
        give(&path, 0o600);
    }

    /// Where a sink finds it.
    pub(crate) fn url(&self) -> String {
        format!("postgres://shop@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }

    /// Kills it as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Starts it again and waits until it answers.
    pub(crate) fn again(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.child = run(&self.programs, self.folder.path(), self.port, &self.arguments);
            // Those it had started may still be about to end; it does not start beside them.
            while self.child.try_wait().expect("it is ours").is_none() {
                if self.try_ask("SELECT 1").is_ok() {
                    return;
                }
                assert!(Instant::now() < deadline, "{}", self.log());
                std::thread::sleep(Duration::from_millis(10));
            }
            assert!(Instant::now() < deadline, "{}", self.log());
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    fn wait(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.try_ask("SELECT 1").is_err() {
            assert!(Instant::now() < deadline, "it does not answer: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("data/log")).unwrap_or_default()
    }

    /// Asks; the rows that come, each with its columns by `|`.
    #[track_caller]
    pub(crate) fn ask(&self, sql: &str) -> Vec<String> {
        self.try_ask(sql).unwrap_or_else(|why| panic!("{sql}: {why:?}"))
    }

    /// Asks.
    pub(crate) fn try_ask(&self, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
        let runtime: Runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await?;
            tokio::spawn(connection);
            let messages = client.simple_query(sql).await?;
            let row = |message| match message {
                SimpleQueryMessage::Row(row) => {
                    let columns = (0..row.len()).map(|at| row.get(at).unwrap_or("-"));
                    Some(columns.collect::<Vec<&str>>().join("|"))
                }
                _ => None,
            };
            Ok(messages.into_iter().filter_map(row).collect())
        })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(programs: &Path, folder: &Path, port: u16, arguments: &[String]) -> Child {
    let log = std::fs::File::options().append(true).create(true).open(folder.join("data/log"));
    let log = log.expect("a log");
    program(programs, "postgres")
        .arg("-D")
        .arg(folder.join("data"))
        .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"])
        .args(["-c", "unix_socket_directories=", "-c", "shared_buffers=32MB"])
        // After a kill it would sync each of a thousand files, which takes seconds.
        .args(["-c", "recovery_init_sync_method=syncfs"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .current_dir("/")
        .spawn()
        .expect("postgres runs")
}

/// Gives a file or folder to whom the server belongs, with this mode.
pub(crate) fn give(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
    if rustix::process::geteuid().is_root() {
        let (uid, gid) = ids_of(USER);
        chown(path, Some(uid), Some(gid)).expect("it becomes theirs");
    }
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        drop(listener);
        if TcpStream::connect(("127.0.0.1", port)).is_err() {
            return port;
        }
    }
}

fn ids_of(user: &str) -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").expect("a list of users");
    let line = users.lines().find(|line| line.split(':').next() == Some(user));
    let line = line.unwrap_or_else(|| panic!("there is no user {user}"));
    let mut numbers = line.split(':').skip(2).map(|number| number.parse().expect("a number"));
    (numbers.next().expect("a uid"), numbers.next().expect("a gid"))
}
