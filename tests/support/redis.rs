//! A Redis server of the test's own, in a folder that goes with it, on a port that was free. It
//! syncs each write, and is ended by its own process id and by nothing else.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::Connection;
use tempfile::TempDir;

use super::{is_in_path, is_to_be_had};

/// The server; it may be down.
pub(crate) struct RedisServer {
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl RedisServer {
    /// One that runs, with these arguments beside ours.
    pub(crate) fn run(arguments: &[&str]) -> Option<RedisServer> {
        let mut server = RedisServer::down(arguments)?;
        server.start();
        Some(server)
    }

    /// One that is to be started; `None` where there is none to be had.
    pub(crate) fn down(arguments: &[&str]) -> Option<RedisServer> {
        let how = "redis-server is wanted: apt-get install redis-server";
        is_to_be_had(is_in_path("redis-server"), how).then(|| RedisServer {
            folder: tempfile::tempdir().expect("a temporary folder"),
            port: free_port(),
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
            child: None,
        })
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts it on what lies in its folder, and waits until it answers.
    pub(crate) fn start(&mut self) {
        let mut command = Command::new("redis-server");
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "always"]);
        command.arg("--dir").arg(self.folder.path()).args(&self.arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("redis-server runs"));
        listens(self.port, "redis-server");
        let deadline = Instant::now() + Duration::from_secs(30);
        while let Err(why) = self.try_ask::<String>(&["PING"]) {
            // One that wants a password answers too.
            if why.code() == Some("NOAUTH") {
                return;
            }
            assert!(Instant::now() < deadline, "redis-server does not answer: {why}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills it as `kill -9` does, if it runs.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("our own child");
            child.wait().expect("our own child");
        }
    }

    /// Removes all that it remembers on disk; it must be down.
    pub(crate) fn forget(&self) {
        assert!(self.child.is_none(), "it runs");
        std::fs::remove_dir_all(self.folder.path().join("appendonlydir")).expect("it was there");
    }

    /// A connection of the test's own.
    ///
    /// # Errors
    /// As Redis says.
    pub(crate) fn connection(&self) -> redis::RedisResult<Connection> {
        let patience = Duration::from_secs(30);
        let connection = redis::Client::open(self.url())?.get_connection_with_timeout(patience)?;
        connection.set_read_timeout(Some(patience))?;
        Ok(connection)
    }

    /// One command; it must be answered well.
    pub(crate) fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_ask(words).unwrap_or_else(|why| panic!("{words:?}: {why}"))
    }

    fn try_ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query(&mut self.connection()?)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Waits until somebody listens there.
fn listens(port: u16, who: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "{who} does not listen");
        std::thread::sleep(Duration::from_millis(5));
    }
}
