//! The real program, as a user starts it: in a folder of its own, on a port that the system picks,
//! with small tables. What it says is collected, and it never outlives its test.
//!
//! It is ended by its own process id and by nothing else.

#[path = "house.rs"]
mod house;

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, unbounded};
pub(crate) use house::House;
use rustix::process::{Pid, Signal, kill_process};

/// Nothing in these tests takes so long unless something is wrong.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const PROGRAM: &str = env!("CARGO_BIN_EXE_doorbuster");

/// What a run that has ended leaves behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The exit code; `None` if a signal ended it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Asserts the exit code, showing what was said if it is another.
    #[track_caller]
    pub(crate) fn expect_code(&self, code: i32) -> &Ended {
        assert_eq!(self.code(), Some(code), "{} {:?}", self.stderr, self.status.signal());
        self
    }
}

/// Runs the program with these arguments, to its end.
pub(crate) fn run(arguments: &[impl AsRef<OsStr>]) -> Ended {
    let output = bare(&[]).args(arguments).output().expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { status: output.status, stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// The program, or what runs it, in an environment without options of ours.
fn bare(wrapper: &[String]) -> Command {
    let mut words = wrapper.iter().map(String::as_str).chain([PROGRAM]);
    let mut command = Command::new(words.next().expect("the program at least"));
    command.args(words).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DOORBUSTER_") {
            command.env_remove(name);
        }
    }
    command
}

/// How a server is started.
pub(crate) struct Start {
    wrapper: Vec<String>,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    data: PathBuf,
    sales: Vec<PathBuf>,
}

impl Start {
    /// Adds arguments.
    pub(crate) fn with(mut self, arguments: &[&str]) -> Start {
        self.arguments.extend(arguments.iter().map(|&word| word.to_owned()));
        self
    }

    /// Sets an option by its environment variable, `DOORBUSTER_` left out.
    pub(crate) fn option(mut self, name: &str, value: impl ToString) -> Start {
        self.variables.push((format!("DOORBUSTER_{name}"), value.to_string()));
        self
    }

    /// Sets a variable that is no option.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Start {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another data folder.
    pub(crate) fn data(mut self, data: PathBuf) -> Start {
        self.data = data;
        self
    }

    /// Runs the server by another program, which must become the server or exec it.
    pub(crate) fn by(mut self, wrapper: &[&str]) -> Start {
        self.wrapper = wrapper.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Starts it and does not wait for anything.
    pub(crate) fn spawn(self) -> Server {
        let mut command = bare(&self.wrapper);
        command
            .env("DOORBUSTER_SEGMENT_MIB", "4")
            .env("DOORBUSTER_ORDERS_MAX", "100000")
            .envs(self.variables);
        command.arg("serve").arg("--data").arg(&self.data).args([
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
        ]);
        for sale in &self.sales {
            command.arg("--sale").arg(sale);
        }
        command.args(self.arguments).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let (tell, said) = unbounded();
        let ear = std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Server {
            child,
            said,
            heard: String::new(),
            ear: Some(ear),
            address,
            admin: address,
            ended: None,
        }
    }

    /// Starts it and waits until it listens.
    ///
    /// # Errors
    /// If it ends instead.
    pub(crate) fn try_run(self) -> Result<Server, Ended> {
        let mut server = self.spawn();
        if server.listens() { Ok(server) } else { Err(server.wait()) }
    }

    /// Starts it and waits until it listens.
    pub(crate) fn run(self) -> Server {
        self.try_run().unwrap_or_else(|ended| panic!("it does not start: {ended:?}"))
    }
}

/// A server that runs.
pub(crate) struct Server {
    child: Child,
    said: Receiver<String>,
    heard: String,
    ear: Option<JoinHandle<()>>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Where operators connect.
    pub(crate) admin: SocketAddr,
    ended: Option<ExitStatus>,
}

impl Server {
    /// Waits for it to say where it listens; `false` if it ends instead.
    pub(crate) fn listens(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "it neither listens nor ends: {}", self.heard);
            let line = match self.said.recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => continue,
            };
            self.heard += &format!("{line}\n");
            // In JSON the sentence ends with a quotation mark.
            let behind =
                |words: &str| Some(line.rsplit_once(words)?.1.split('"').next()?.to_owned());
            if let Some(address) = behind("operators connect to ") {
                self.admin = address.parse().expect("an address");
            }
            if let Some(address) = behind("listening on ") {
                self.address = address.parse().expect("an address");
                return true;
            }
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// A connection on which every wait has an end.
    pub(crate) fn connect(&self) -> TcpStream {
        self.try_connect().expect("it listens")
    }

    /// As [`connect`](Self::connect), to a server that may be gone.
    ///
    /// # Errors
    /// As the socket says.
    pub(crate) fn try_connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Memory that it keeps, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a figure");
        let kib = line.split_whitespace().nth(1).expect("a number");
        kib.parse::<u64>().expect("a number") * 1024
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("our own child");
        }
        self.ended.is_some()
    }

    /// Until it is waited for, its process id is nobody else's.
    fn signal(&self, signal: Signal) {
        if self.ended.is_none() {
            let id = Pid::from_child(&self.child);
            kill_process(id, signal).expect("our own child, not waited for yet");
        }
    }

    /// Waits for a line with `part` in it. Returns the line.
    pub(crate) fn says(&mut self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.said.recv_timeout(left).unwrap_or_else(|why| {
                panic!("it does not say '{part}' ({why}): {}", self.heard);
            });
            self.heard += &format!("{line}\n");
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Lets it do nothing, or go on.
    pub(crate) fn freeze(&self, is_frozen: bool) {
        self.signal(if is_frozen { Signal::STOP } else { Signal::CONT });
    }

    /// Asks it to read its options again.
    pub(crate) fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Kills it as `kill -9` does, and does not wait.
    pub(crate) fn strike(&self) {
        self.signal(Signal::KILL);
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(self) -> Ended {
        self.terminate();
        self.wait()
    }

    /// Kills it and waits until it has ended.
    pub(crate) fn kill(self) -> Ended {
        self.strike();
        self.wait()
    }

    /// Waits until it has ended.
    pub(crate) fn wait(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        while !self.has_ended() {
            assert!(Instant::now() < deadline, "it does not end: {}", self.heard);
            std::thread::sleep(Duration::from_millis(2));
        }
        if let Some(ear) = self.ear.take() {
            ear.join().expect("it only listens");
        }
        for line in self.said.try_iter() {
            self.heard += &format!("{line}\n");
        }
        let status = self.ended.expect("it has ended");
        Ended { status, stdout: String::new(), stderr: std::mem::take(&mut self.heard) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}
