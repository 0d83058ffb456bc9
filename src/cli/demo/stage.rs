//! The stage: a temporary folder and the server process in it.
//!
//! Invariant: when the demo ends, however it ends, both are gone. A drop, a signal and a panic all
//! end in [`Stage::clear`]; if the demo itself is killed, the server's `--with-parent` ends it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::talk as say_aside;

/// Orders that the server's tables hold: the crowd's and the burst's.
const ORDERS_MAX: u64 = super::burst::ORDERS_MAX + 2 * super::plan::BUYERS as u64;
/// How long a start or a stop may take on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder and perhaps a server. Clones share them.
#[derive(Clone)]
pub(super) struct Stage {
    folder: Arc<Path>,
    keep: bool,
    server: Arc<Mutex<Option<Child>>>,
    interrupted: Arc<AtomicBool>,
}

/// Clears the stage when it goes.
pub(super) struct Curtain(pub(super) Stage);

impl Drop for Curtain {
    fn drop(&mut self) {
        self.0.clear();
    }
}

/// What a server said when it was ready.
pub(super) struct Ready {
    pub(super) address: SocketAddr,
    /// Records in the journal when it started.
    pub(super) records: String,
    /// How long it took to replay them.
    pub(super) replay: String,
    /// Whether it cut a torn end.
    pub(super) cut: bool,
}

impl Stage {
    /// Makes the folder, and sees to it that signals and panics clear it away.
    pub(super) fn new(keep: bool) -> std::io::Result<Stage> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let folder = tempfile::Builder::new().prefix("doorbuster-demo-").tempdir()?.keep();
        let stage = Stage {
            folder: folder.into(),
            keep,
            server: Arc::default(),
            interrupted: Arc::default(),
        };
        let last_words = std::panic::take_hook();
        let panicking = stage.clone();
        std::panic::set_hook(Box::new(move |panic| {
            panicking.clear();
            last_words(panic);
        }));
        let interrupted = stage.clone();
        thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                interrupted.interrupted.store(true, Ordering::SeqCst);
                interrupted.clear();
                say_aside(&"demo interrupted");
                std::process::exit(128 + signal);
            }
        });
        Ok(stage)
    }

    /// Whether the folder lies in memory, where a sync costs nothing.
    pub(super) fn is_in_memory(&self) -> bool {
        #[cfg(target_os = "linux")]
        if let Ok(system) = rustix::fs::statfs(&*self.folder) {
            const TMPFS: rustix::fs::FsWord = 0x0102_1994;
            return system.f_type == TMPFS;
        }
        false
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Writes a sale file. Returns where.
    pub(super) fn sale(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let path = self.folder.join(format!("{name}.toml"));
        std::fs::write(&path, text).map_err(|why| format!("{}: {why}", path.display()))?;
        Ok(path)
    }

    /// Starts a server and waits until it takes orders. To be called by the main thread only: the
    /// server ends with the thread that started it.
    pub(super) fn start(&self, sales: &[PathBuf]) -> Result<Ready, String> {
        let program = std::env::current_exe().map_err(|why| format!("no own program: {why}"))?;
        let mut command = Command::new(program);
        command.args(["serve", "--with-parent", "--listen", "127.0.0.1:0"]);
        command.args(["--admin-listen", "127.0.0.1:0"]);
        command.arg("--orders-max").arg(ORDERS_MAX.to_string()).arg("--data").arg(self.data());
        for path in sales {
            command.arg("--sale").arg(path);
        }
        // The demo shows the defaults, whatever the user has set.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("DOORBUSTER_") {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = {
            let mut server = self.server.lock();
            if self.interrupted.load(Ordering::SeqCst) {
                return Err("interrupted".to_owned());
            }
            let child = server.insert(command.spawn().map_err(|why| format!("no server: {why}"))?);
            child.stderr.take()
        };
        let talk = listen_to(child.take().ok_or("the server has no stderr")?);
        wait_until_ready(&talk)
    }

    /// SIGKILL: no last word, no flush. Returns when it was sent.
    pub(super) fn kill(&self) -> Result<Instant, String> {
        let mut child = self.server.lock().take().ok_or("no server to kill")?;
        let at = Instant::now();
        child.kill().map_err(|why| format!("could not kill the server: {why}"))?;
        child.wait().map_err(|why| format!("the killed server does not end: {why}"))?;
        Ok(at)
    }

    /// SIGTERM, and waits for the end.
    pub(super) fn stop(&self) -> Result<ExitStatus, String> {
        if let Some(child) = &*self.server.lock() {
            kill_process(Pid::from_child(child), Signal::TERM)
                .map_err(|why| format!("could not stop the server: {why}"))?;
        }
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            // The lock is short, so that a signal meanwhile finds it free.
            let mut server = self.server.lock();
            let Some(child) = &mut *server else { break };
            if let Some(status) = child.try_wait().map_err(|why| why.to_string())? {
                *server = None;
                return Ok(status);
            }
            drop(server);
            thread::sleep(Duration::from_millis(5));
        }
        Err("the server does not stop on SIGTERM".to_owned())
    }

    /// Whether a signal ends the demo: what fails now fails because of that.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    fn clear(&self) {
        // Without the lock only if the thread that panics holds it; the server then ends with us.
        if let Some(mut server) = self.server.try_lock_for(Duration::from_millis(500))
            && let Some(mut child) = server.take()
        {
            let _ = child.kill();
            let _ = child.wait();
        }
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// Reads what the server says, to its end, so that it never waits for a reader.
fn listen_to(stderr: ChildStderr) -> Receiver<String> {
    let (said, hears) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            // Nobody listens any more once the server is ready.
            let _ = said.send(line);
        }
    });
    hears
}

fn wait_until_ready(talk: &Receiver<String>) -> Result<Ready, String> {
    let (mut records, mut replay, mut cut) = (String::new(), String::new(), false);
    let mut last = "nothing".to_owned();
    let start = Instant::now();
    while let Ok(line) = talk.recv_timeout(PATIENCE.saturating_sub(start.elapsed())) {
        if let Some((_, text)) = line.rsplit_once("listening on ") {
            let address = text.trim().parse().map_err(|_| format!("no address: {text}"))?;
            return Ok(Ready { address, records, replay, cut });
        }
        if let Some((before, time)) = line.rsplit_once(" records, replayed in ") {
            records = before.rsplit(' ').next().unwrap_or_default().to_owned();
            replay = time.to_owned();
        }
        cut |= line.contains("cut a torn end");
        last = line;
    }
    Err(format!("the server did not start; the last it said: {last}"))
}
