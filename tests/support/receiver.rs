//! A receiver of webhooks: HTTP/1.1 on a port of this machine, a thread for each connection. It
//! keeps what it is sent, and answers as its test wants.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

/// Nothing takes so long unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was sent.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A status, and header lines.
    Status(u16, &'static [&'static str]),
    /// A status and a body.
    Says(u16, &'static str),
    /// Nothing, and the connection is cut.
    Cut,
    /// Nothing, as long as the other side waits.
    Silence,
}

pub(crate) const TAKEN: Reply = Reply::Status(204, &[]);

type Judge = dyn Fn(&Posted, usize) -> Reply + Send + Sync;

/// It listens as long as it lives.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    posted: Mutex<Vec<Posted>>,
    judge: Box<Judge>,
    tls: Option<Arc<ServerConfig>>,
    is_over: AtomicBool,
}

impl Posted {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// The seqs of its events.
    pub(crate) fn seqs(&self) -> Vec<u64> {
        let seq = |event: &Value| event["data"]["seq"].as_u64().expect("a seq");
        match self.json() {
            Value::Array(events) => events.iter().map(seq).collect(),
            event => vec![seq(&event)],
        }
    }
}

impl Receiver {
    /// One that answers what `judge` says of a message, and of how many came before it.
    pub(crate) fn new(judge: impl Fn(&Posted, usize) -> Reply + Send + Sync + 'static) -> Receiver {
        Receiver::over(free(), None, Box::new(judge))
    }

    /// One that speaks TLS.
    pub(crate) fn with_tls(config: Arc<ServerConfig>) -> Receiver {
        Receiver::over(free(), Some(config), Box::new(|_, _| TAKEN))
    }

    /// One on a socket that listens.
    pub(crate) fn over(
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        judge: Box<Judge>,
    ) -> Receiver {
        let address = listener.local_addr().expect("bound");
        let (posted, is_over) = (Mutex::default(), AtomicBool::new(false));
        let shared = Arc::new(Shared { posted, judge, tls, is_over });
        let own = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if own.is_over.load(Ordering::Acquire) {
                    break;
                }
                let own = Arc::clone(&own);
                std::thread::spawn(move || own.serve(stream));
            }
        });
        Receiver { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks/orders", self.address)
    }

    /// All that was sent so far.
    pub(crate) fn posted(&self) -> Vec<Posted> {
        self.shared.posted.lock().expect("nobody panics with it").clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.shared.posted.lock().expect("nobody panics with it").len()
    }

    /// Waits until so many were sent.
    #[track_caller]
    pub(crate) fn until(&self, count: usize) -> Vec<Posted> {
        let deadline = Instant::now() + PATIENCE;
        while self.count() < count {
            assert!(Instant::now() < deadline, "{} of {count} messages", self.count());
            std::thread::sleep(Duration::from_millis(1));
        }
        self.posted()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        // It may be waiting for somebody.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let _ = stream.set_read_timeout(Some(PATIENCE));
        match &self.tls {
            None => self.answer(stream),
            Some(config) => {
                let session = ServerConnection::new(Arc::clone(config)).expect("a good one");
                self.answer(StreamOwned::new(session, stream));
            }
        }
    }

    fn answer(&self, stream: impl Read + Write) {
        let mut stream = BufReader::with_capacity(65_536, stream);
        while let Some(posted) = read(&mut stream) {
            // Whoever is gone answers nobody.
            if self.is_over.load(Ordering::Acquire) {
                return;
            }
            let before = {
                let mut all = self.posted.lock().expect("nobody panics with it");
                all.push(posted.clone());
                all.len() - 1
            };
            let (status, headers, body) = match (self.judge)(&posted, before) {
                Reply::Status(status, headers) => (status, headers, ""),
                Reply::Says(status, body) => (status, &[][..], body),
                Reply::Cut => return,
                Reply::Silence => {
                    // Until the other side hangs up.
                    let _ = stream.read(&mut [0]);
                    return;
                }
            };
            let mut head = format!("HTTP/1.1 {status} as wanted\r\n");
            headers.iter().for_each(|line| head += &format!("{line}\r\n"));
            if status != 204 {
                head += &format!("content-length: {}\r\n", body.len());
            }
            let answer = format!("{head}\r\n{body}");
            if stream.get_mut().write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

fn free() -> TcpListener {
    TcpListener::bind(("127.0.0.1", 0)).expect("a free port")
}

/// The next request; `None` at the end.
fn read(stream: &mut impl BufRead) -> Option<Posted> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).ok().filter(|count| *count > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Posted { path, headers, body: String::from_utf8(body).expect("UTF-8") })
}
