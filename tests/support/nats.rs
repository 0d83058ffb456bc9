//! A NATS server with JetStream of the test's own, in a folder that goes with it, on a port that
//! was free, and a client that looks into it. It is ended by its own process id and by nothing
//! else.

use std::future::Future;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::ConnectOptions;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::{Context, new as jetstream};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use super::{is_in_path, is_to_be_had};

/// The server; it may be down.
pub(crate) struct NatsServer {
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
    child: Option<Child>,
    runtime: Runtime,
    login: Option<(String, String)>,
}

impl NatsServer {
    /// One that runs.
    pub(crate) fn run() -> Option<NatsServer> {
        let mut server = NatsServer::down(None)?;
        server.start();
        Some(server)
    }

    /// One that is to be started, which may want a user and a password; `None` where there is none
    /// to be had.
    pub(crate) fn down(login: Option<(&str, &str)>) -> Option<NatsServer> {
        let how = "nats-server is wanted: apt-get install nats-server";
        if !is_to_be_had(is_in_path("nats-server"), how) {
            return None;
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
        let arguments = match &login {
            None => Vec::new(),
            Some((user, password)) => vec![format!("--user={user}"), format!("--pass={password}")],
        };
        Some(NatsServer {
            folder: tempfile::tempdir().expect("a temporary folder"),
            port: listener.local_addr().expect("an address").port(),
            arguments,
            child: None,
            runtime: Builder::new_current_thread().enable_all().build().expect("a runtime"),
            login,
        })
    }

    /// With further arguments.
    pub(crate) fn arguments(mut self, arguments: &[&str]) -> NatsServer {
        self.arguments.extend(arguments.iter().map(|&word| word.to_owned()));
        self
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Starts it on what lies in its folder, and waits until it listens.
    pub(crate) fn start(&mut self) {
        let mut command = Command::new("nats-server");
        command.args(["-js", "-a", "127.0.0.1", "-p", &self.port.to_string(), "-sd"]);
        command.arg(self.folder.path()).args(&self.arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("nats-server runs"));
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "nats-server does not listen");
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

    /// Whether anybody has made a stream: those lie in its folder.
    pub(crate) fn has_streams(&self) -> bool {
        let streams = self.folder.path().join("jetstream/$G/streams");
        std::fs::read_dir(streams).is_ok_and(|mut streams| streams.next().is_some())
    }

    /// Does something with JetStream, over a connection of its own.
    pub(crate) fn with<T, F: Future<Output = T>>(&self, deed: impl FnOnce(Context) -> F) -> T {
        self.runtime.block_on(async {
            let options = match &self.login {
                None => ConnectOptions::new(),
                Some((user, password)) => {
                    ConnectOptions::with_user_and_password(user.clone(), password.clone())
                }
            };
            deed(jetstream(options.connect(self.url()).await.expect("it answers"))).await
        })
    }

    /// All messages of a stream that are still there.
    pub(crate) fn messages(&self, stream: &str) -> Vec<StreamMessage> {
        self.with(|context| async move {
            let stream = context.get_stream(stream).await.expect("the stream");
            let state = &stream.cached_info().state;
            let mut messages = Vec::new();
            for number in state.first_sequence.max(1)..=state.last_sequence {
                messages.push(stream.get_raw_message(number).await.expect("a message"));
            }
            messages
        })
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}
