//! A proxy of TCP on this machine, before a real server, that does what bad networks do: it cuts a
//! connection after so many bytes, passes nothing on, or passes everything on slowly.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::server::PATIENCE;

/// How often whoever waits for bytes looks whether something else is wanted of it.
const LOOK: Duration = Duration::from_millis(5);
/// Bytes that are passed on at once.
const PIECE_BYTES: usize = 16 * 1024;

/// What it does with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It passes them on.
    Pass,
    /// It takes new connections, and passes nothing on, of those that are there neither.
    Hang,
    /// It passes on so many bytes at once, and each time it waits so long before.
    Slow(usize, Duration),
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToServer,
    FromServer,
}

/// It listens as long as it lives.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    /// Where the server listens.
    server: AtomicU16,
    mode: Mutex<Mode>,
    /// Bytes of a way that are still passed on before their connection is cut.
    fuse: Mutex<Option<(Way, usize)>>,
    cuts: AtomicU64,
    is_over: AtomicBool,
}

/// The two ends of a connection.
struct Pair {
    client: TcpStream,
    server: TcpStream,
    is_cut: AtomicBool,
}

impl Proxy {
    /// One before the server that listens, or will, on this port.
    pub(crate) fn before(server: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let shared = Arc::new(Shared {
            server: AtomicU16::new(server),
            mode: Mutex::new(Mode::Pass),
            fuse: Mutex::new(None),
            cuts: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        let own = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if own.is_over.load(SeqCst) {
                    break;
                }
                own.open(client);
            }
        });
        Proxy { port, shared }
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// New connections go to the server on this port.
    pub(crate) fn lead_to(&self, server: u16) {
        self.shared.server.store(server, SeqCst);
    }

    /// From now on it does this.
    pub(crate) fn set(&self, mode: Mode) {
        *self.shared.mode.lock().expect("nobody panics with it") = mode;
    }

    /// Resets the connection on which the last of so many further bytes goes this way, and waits
    /// until that has happened.
    #[track_caller]
    pub(crate) fn cut_after(&self, way: Way, bytes: usize) {
        let before = self.shared.cuts.load(SeqCst);
        *self.shared.fuse.lock().expect("nobody panics with it") = Some((way, bytes));
        let deadline = Instant::now() + PATIENCE;
        while self.shared.cuts.load(SeqCst) == before {
            assert!(Instant::now() < deadline, "{bytes} bytes never went {way:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, SeqCst);
        // It may be waiting for somebody.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    /// Connects somebody with the server; who cannot be connected is turned away.
    fn open(self: &Arc<Shared>, client: TcpStream) {
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.server.load(SeqCst))) else {
            return;
        };
        for stream in [&client, &server] {
            let _ = stream.set_nodelay(true);
            stream.set_read_timeout(Some(LOOK)).expect("a good timeout");
        }
        let pair = Arc::new(Pair { client, server, is_cut: AtomicBool::new(false) });
        for way in [Way::ToServer, Way::FromServer] {
            let (own, pair) = (Arc::clone(self), Arc::clone(&pair));
            std::thread::spawn(move || own.carry(way, &pair));
        }
    }

    fn mode(&self) -> Mode {
        *self.mode.lock().expect("nobody panics with it")
    }

    /// Carries bytes one way until there are no more.
    fn carry(&self, way: Way, pair: &Pair) {
        let (mut from, mut to) = match way {
            Way::ToServer => (&pair.client, &pair.server),
            Way::FromServer => (&pair.server, &pair.client),
        };
        let mut bytes = [0; PIECE_BYTES];
        while !self.is_over.load(SeqCst) && !pair.is_cut.load(SeqCst) {
            let most = match self.mode() {
                Mode::Pass => PIECE_BYTES,
                Mode::Slow(most, wait) => {
                    std::thread::sleep(wait);
                    most
                }
                Mode::Hang => {
                    std::thread::sleep(LOOK);
                    continue;
                }
            };
            let read = match from.read(&mut bytes[..most]) {
                Ok(0) => break,
                Ok(read) => read,
                Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    continue;
                }
                Err(_) => break,
            };
            // What came just before it was told to hang.
            while self.mode() == Mode::Hang && !self.is_over.load(SeqCst) {
                std::thread::sleep(LOOK);
            }
            let (passed, is_cut) = self.burn(way, read);
            if to.write_all(&bytes[..passed]).is_err() {
                break;
            }
            if is_cut {
                pair.cut();
                self.cuts.fetch_add(1, SeqCst);
                return;
            }
        }
        // What was carried arrives; then each side hears of the end.
        if !pair.is_cut.load(SeqCst) {
            let _ = to.shutdown(Shutdown::Write);
        }
    }

    /// How many of these bytes are passed on, and whether their connection is cut then.
    fn burn(&self, way: Way, bytes: usize) -> (usize, bool) {
        let mut fuse = self.fuse.lock().expect("nobody panics with it");
        match *fuse {
            Some((burning, left)) if burning == way && bytes >= left => {
                *fuse = None;
                (left, true)
            }
            Some((burning, left)) if burning == way => {
                *fuse = Some((burning, left - bytes));
                (bytes, false)
            }
            _ => (bytes, false),
        }
    }
}

impl Pair {
    /// Both sides are told that the connection was reset, as soon as both threads let it go.
    fn cut(&self) {
        for stream in [&self.client, &self.server] {
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
        self.is_cut.store(true, SeqCst);
    }
}
