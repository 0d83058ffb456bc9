//! A server of a few lines with known habits, for binary, RESP and HTTP: what a generator says of
//! it can be checked against what it is known to have done.
//!
//! It gives every purchase an order at once, unless a habit forbids. A thread for each connection;
//! all end when their client goes.

mod http;

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use ::doorbuster::client::{HELLO, VERSION};
use ::doorbuster::message::{CELL_BYTES, Cell, Reply, StockReply, kind, outcome};

/// Name of the only sale and item.
const SALE: &str = "drop";
/// Requests that it takes at once on a connection.
const IN_FLIGHT_MAX: u32 = 8192;

/// What it does besides answering at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Habits {
    /// Counted from the first request: stands still after the first time for the second.
    pub(crate) stall: Option<(Duration, Duration)>,
    /// Closes connections after that many answers; the second number is how many of them.
    pub(crate) die: Option<(u64, u64)>,
    /// Gives a repeated key its order again (and takes time to remember it).
    pub(crate) remember: bool,
    /// Refuses whatever comes after that many orders.
    pub(crate) stock: Option<u64>,
    /// Tells of that stock, whatever it gives.
    pub(crate) tells: Option<u64>,
    /// Counts a confirm as two.
    pub(crate) miscounts: bool,
    /// Is overloaded for the first so many purchases.
    pub(crate) busy: u64,
    /// Answers names and greetings only.
    pub(crate) hush: bool,
}

struct Shop {
    habits: Habits,
    start: OnceLock<Instant>,
    orders: AtomicU64,
    confirmed: AtomicU64,
    released: AtomicU64,
    asked: AtomicU64,
    deaths: AtomicU64,
    keys: Mutex<HashMap<Vec<u8>, u64>>,
}

/// Starts it on a free port of the loopback.
pub(crate) fn start(habits: Habits) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    let shop = Arc::new(Shop {
        habits,
        start: OnceLock::new(),
        orders: AtomicU64::new(0),
        confirmed: AtomicU64::new(0),
        released: AtomicU64::new(0),
        asked: AtomicU64::new(0),
        deaths: AtomicU64::new(0),
        keys: Mutex::default(),
    });
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let shop = Arc::clone(&shop);
            // How a client goes is its own business.
            thread::spawn(move || shop.serve(stream));
        }
    });
    address
}

impl Shop {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut input = vec![0; 256 * 1024];
        let mut output = Vec::with_capacity(256 * 1024);
        let (mut length, mut answered) = (0, 0);
        loop {
            match stream.read(&mut input[length..])? {
                0 => return Ok(()),
                count => length += count,
            }
            let mut at = 0;
            let tongue = input[0];
            while let Some((used, buys)) = match tongue {
                b'*' => self.array(&input[at..length], &mut output),
                b'G' | b'P' => self.http(&input[at..length], &mut output),
                _ => self.cell(&input[at..length], &mut output),
            } {
                at += used;
                answered += u64::from(buys);
                if self.habits.die.is_some_and(|(after, _)| answered == after) {
                    let (_, wanted) = self.habits.die.unwrap_or_default();
                    if self.deaths.fetch_add(1, Ordering::Relaxed) < wanted {
                        return Ok(());
                    }
                }
            }
            input.copy_within(at..length, 0);
            length -= at;
            stream.write_all(&output)?;
            output.clear();
        }
    }

    /// Stands still if it is time to; returns whether to answer.
    fn pause(&self) -> bool {
        if let Some((after, length)) = self.habits.stall {
            let since = self.start.get_or_init(Instant::now).elapsed();
            if since >= after && since < after + length {
                thread::sleep(after + length - since);
            }
        }
        !self.habits.hush
    }

    /// Stock, free, held, confirmed.
    fn sight(&self) -> [u64; 4] {
        let stock = self.habits.stock.unwrap_or(1_000_000_000);
        let given = self.orders.load(Ordering::Relaxed).min(stock);
        let [confirmed, released] =
            [&self.confirmed, &self.released].map(|count| count.load(Ordering::Relaxed));
        let told = self.habits.tells.unwrap_or(stock);
        let held = given.saturating_sub(confirmed + released);
        [told, told.saturating_sub(held + confirmed), held, confirmed]
    }

    /// An order confirmed or released.
    fn decide(&self, confirm: bool) {
        let count = if confirm { &self.confirmed } else { &self.released };
        count.fetch_add(1 + u64::from(self.habits.miscounts), Ordering::Relaxed);
    }

    /// The order of a key: its id and whether it was given before; or the outcome that it is
    /// refused with.
    fn buy(&self, key: &[u8]) -> Result<(u64, bool), u8> {
        if self.asked.fetch_add(1, Ordering::Relaxed) < self.habits.busy {
            return Err(outcome::OVERLOADED);
        }
        let mut keys =
            self.habits.remember.then(|| self.keys.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(order) = keys.as_ref().and_then(|keys| keys.get(key)) {
            return Ok((*order, true));
        }
        let order = 1 + self.orders.fetch_add(1, Ordering::Relaxed);
        if self.habits.stock.is_some_and(|stock| order > stock) {
            return Err(outcome::SOLD_OUT);
        }
        if let Some(keys) = &mut keys {
            keys.insert(key.to_vec(), order);
        }
        Ok((order, false))
    }

    /// Answers the first cell; bytes used, and whether it was a request.
    fn cell(&self, input: &[u8], output: &mut Vec<u8>) -> Option<(usize, bool)> {
        let cell = Cell(*input.first_chunk()?);
        let head = cell.head();
        if head.kind == kind::HELLO {
            let mut hello = HELLO;
            (hello[1], hello[2]) = (outcome::OK, VERSION);
            hello[4..8].copy_from_slice(&IN_FLIGHT_MAX.to_le_bytes());
            output.extend_from_slice(&hello);
            return Some((CELL_BYTES, false));
        }
        let used = CELL_BYTES * (1 + usize::from(head.tails.to_native()));
        let tails = input.get(CELL_BYTES..used)?;
        let zero = Cell::ZERO;
        let mut reply = Reply { kind: kind::REPLY, tag: head.tag, ..*zero.reply() };
        match head.kind {
            kind::RESOLVE if tails.starts_with(SALE.as_bytes()) => {
                (reply.order, reply.seq) = (1.into(), 1.into());
            }
            kind::RESOLVE => reply.outcome = outcome::UNKNOWN_SALE,
            kind::STOCK => {
                let kind = kind::STOCK_REPLY;
                let [stock, free, held, confirmed] = self.sight().map(Into::into);
                let tag = head.tag;
                let zero = zero.stock_reply();
                let stock = StockReply { kind, stock, free, held, confirmed, tag, ..*zero };
                output.extend_from_slice(&Cell::from(stock).0);
                return Some((used, true));
            }
            kind::CONFIRM => {
                self.decide(true);
                (reply.outcome, reply.order) = (outcome::CONFIRMED, head.order().into())
            }
            kind::RELEASE => {
                self.decide(false);
                (reply.outcome, reply.order) = (outcome::RELEASED, head.order().into())
            }
            _ => match self.pause().then(|| self.buy(&head.key)) {
                None => return Some((used, true)),
                Some(Err(refusal)) => reply.outcome = refusal,
                Some(Ok((order, again))) => {
                    (reply.outcome, reply.order) = (outcome::HELD, order.into());
                    reply.replayed = u8::from(again);
                }
            },
        }
        output.extend_from_slice(&Cell::from(reply).0);
        Some((used, true))
    }

    /// Answers the first array of bulk strings; bytes used, and whether it was a request.
    fn array(&self, input: &[u8], output: &mut Vec<u8>) -> Option<(usize, bool)> {
        let mut at = 0;
        let mut line = || {
            let length = input.get(at..)?.iter().position(|byte| *byte == b'\n')?;
            let line = &input[at..at + length - 1];
            at += length + 1;
            Some(line)
        };
        let count: usize = std::str::from_utf8(&line()?[1..]).ok()?.parse().ok()?;
        let mut words: [&[u8]; 8] = [b""; 8];
        for word in &mut words[..count] {
            line()?;
            *word = line()?;
        }
        let text = match words[0] {
            b"STOCK" if words[1] == SALE.as_bytes() => {
                let [stock, free, held, confirmed] = self.sight();
                format!("*5\r\n:{stock}\r\n:{free}\r\n:{held}\r\n:{confirmed}\r\n:0\r\n")
            }
            b"STOCK" => "*1\r\n$12\r\nunknown_sale\r\n".to_owned(),
            b"CONFIRM" | b"RELEASE" => {
                self.decide(words[0] == b"CONFIRM");
                let (state, order) = match words[0] {
                    b"CONFIRM" => ("$9\r\nconfirmed", String::from_utf8_lossy(words[2])),
                    _ => ("$8\r\nreleased", String::from_utf8_lossy(words[2])),
                };
                format!("*3\r\n{state}\r\n:{order}\r\n:7\r\n")
            }
            _ => match self.pause().then(|| self.buy(words[4])) {
                None => return Some((at, true)),
                Some(Err(outcome::OVERLOADED)) => "-BUSY retry after 100 ms\r\n".to_owned(),
                Some(Err(_)) => "*1\r\n$8\r\nsold_out\r\n".to_owned(),
                Some(Ok((order, _))) => {
                    format!("*6\r\n$4\r\nheld\r\n:{order}\r\n:{order}\r\n:1\r\n:2500\r\n:60000\r\n")
                }
            },
        };
        output.extend_from_slice(text.as_bytes());
        Some((at, true))
    }
}
