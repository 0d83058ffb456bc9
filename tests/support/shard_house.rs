//! A shard between real sockets and a matcher that is only pretended: every request is answered
//! `held` with the next order id, from a state that needs no journal.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytemuck::Zeroable;
use doorbuster::access::Access;
use doorbuster::bell::Bell;
use doorbuster::board::BoardWriter;
use doorbuster::certificates::Certificates;
use doorbuster::chains::chains;
use doorbuster::directory::DirectoryWriter;
use doorbuster::heads::Shelf;
use doorbuster::journal::{Gate, Watermark};
use doorbuster::limits::{REPLY_RING_CELLS, REQUEST_RING_CELLS};
use doorbuster::message::{Cell, Head, NO_MAX_PRICE, Reply, StockReply, kind, outcome};
use doorbuster::metrics::Metrics;
use doorbuster::news::NewsWriter;
use doorbuster::ring::{Reader, Writer, ring};
use doorbuster::sale::{Ident, Name, Seed};
use doorbuster::shard::{Shard, ShardOptions, ShardParts};

/// Monotonic ns, from 1 s on: 0 means never.
pub(crate) fn clock() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = START.get_or_init(Instant::now);
    1_000_000_000 + u64::try_from(start.elapsed().as_nanos()).expect("centuries")
}

/// Answers requests in order. While `frozen` it answers none; an order at and above `after_from` is
/// said to need that seq durable.
pub(crate) struct FakeMatcher {
    requests: Reader<Cell>,
    replies: Writer<Cell>,
    pub(crate) frozen: Arc<AtomicBool>,
    after_from: u64,
    order: u64,
}

impl FakeMatcher {
    fn work(&mut self) -> usize {
        let there = self.requests.available(1);
        let mut at = 0;
        while at < there && !self.frozen.load(Ordering::Relaxed) {
            let cell = self.requests.get(at);
            let head = *cell.head();
            assert!(head.time.to_native() > 0, "stamped");
            let tails = usize::from(head.tails.to_native());
            self.answer(&head, tails, at);
            at += 1 + tails;
        }
        self.requests.release(at);
        self.replies.publish();
        at
    }

    fn answer(&mut self, head: &Head, tails: usize, at: usize) {
        let refused = match (head.sale.to_native(), head.item.to_native(), head.kind) {
            (0, ..) => Some(outcome::UNKNOWN_SALE),
            (_, 0, kind::BUY | kind::STOCK) => Some(outcome::UNKNOWN_ITEM),
            _ => None,
        };
        if head.kind == kind::STOCK && refused.is_none() {
            let stocked =
                StockReply { stock: 10.into(), free: 9.into(), held: 1.into(), ..zeroed() };
            let stocked = StockReply { kind: kind::STOCK_REPLY, ..stocked };
            return self.replies.push(stocked.into());
        }
        let mut reply = Reply { kind: kind::REPLY, arrived: head.time, ..zeroed() };
        if let Some(outcome) = refused {
            reply.outcome = outcome;
            return self.replies.push(reply.into());
        }
        self.order += 1;
        if self.order >= self.after_from {
            reply.after = self.order.into();
        }
        (reply.order, reply.seq) = (self.order.into(), self.order.into());
        (reply.units, reply.price) = (head.units, 2500.into());
        reply.outcome = match head.kind {
            kind::CONFIRM => outcome::CONFIRMED,
            kind::RELEASE => outcome::RELEASED,
            _ => outcome::HELD,
        };
        if head.kind == kind::ORDER {
            reply.tails = 1;
            reply.order = head.order().into();
            let mut order = Head { item: 1.into(), units: 2.into(), ..Head::new(kind::BUY) };
            order.sale = head.sale;
            order.set_buyer(Ident::parse(b"u1").expect("good"));
            order.set_key(Ident::parse(b"k1").expect("good"));
            self.replies.push(reply.into());
            return self.replies.push(order.into());
        }
        self.replies.push(reply.into());
        // Long texts must have come whole.
        for tail in 1..=tails {
            assert_eq!(self.requests.get(at + tail).kind(), kind::TEXT);
        }
    }
}

pub(crate) fn zeroed<T: Zeroable>() -> T {
    T::zeroed()
}

/// A shard and its matcher on a thread of their own.
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Metrics,
    pub(crate) frozen: Arc<AtomicBool>,
    pub(crate) loading: Arc<AtomicBool>,
    pub(crate) stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<bool>>,
}

pub(crate) const QUICK: ShardOptions = ShardOptions {
    connections_max: 64,
    connection_in_flight_max: 1024,
    buffers_bytes_max: 4 << 20,
    idle_ms: 0,
    request_ms: 0,
    write_stall_ms: 0,
    heartbeat_ms: 15_000,
    tls_required: false,
};

/// A shard without TLS and the matcher's ends of its rings.
pub(crate) fn make(
    index: usize,
    options: ShardOptions,
    metrics: &Metrics,
    loading: &Arc<AtomicBool>,
) -> (Shard, Reader<Cell>, Writer<Cell>) {
    make_with(index, options, metrics, loading, (None, &NewsWriter::default()))
}

/// The first shard, which hears these news.
pub(crate) fn make_with_news(
    options: ShardOptions,
    metrics: &Metrics,
    loading: &Arc<AtomicBool>,
    news: &NewsWriter,
) -> (Shard, Reader<Cell>, Writer<Cell>) {
    make_with(0, options, metrics, loading, (None, news))
}

fn make_with(
    index: usize,
    options: ShardOptions,
    metrics: &Metrics,
    loading: &Arc<AtomicBool>,
    (certificates, news): (Option<Arc<Certificates>>, &NewsWriter),
) -> (Shard, Reader<Cell>, Writer<Cell>) {
    let (request_writer, request_reader) = ring(REQUEST_RING_CELLS, Cell::ZERO);
    let (reply_writer, reply_reader) = ring(REPLY_RING_CELLS, Cell::ZERO);
    let mut names = DirectoryWriter::default();
    let name = |text: &str| Name::parse(text.as_bytes()).expect("a name");
    names.add(name("drop"), [name("tee"), name("cap")]);
    names.add(name("large"), (0..100).map(|item| name(&format!("item-{item}"))));
    let shard = Shard::new(ShardParts {
        index,
        requests: request_writer,
        replies: reply_reader,
        gate: Gate::new(Watermark::default()),
        chains: chains(1).1,
        heads: Shelf::default(),
        matcher_bell: Arc::new(Bell::new(|| {})),
        directory: names.reader(),
        metrics: metrics.clone(),
        clock,
        loading: Arc::clone(loading),
        certificates,
        access: Access::open(),
        board: BoardWriter::new(1, Seed::new([1, 2, 3, 4])).reader(),
        news: news.reader(index),
        options,
    });
    (shard.expect("epoll"), request_reader, reply_writer)
}

impl House {
    pub(crate) fn open(options: ShardOptions) -> House {
        House::open_after(options, u64::MAX)
    }

    pub(crate) fn open_after(options: ShardOptions, after_from: u64) -> House {
        House::open_with(options, after_from, None)
    }

    pub(crate) fn open_tls(options: ShardOptions, certificates: &Arc<Certificates>) -> House {
        House::open_with(options, u64::MAX, Some(Arc::clone(certificates)))
    }

    fn open_with(
        options: ShardOptions,
        after_from: u64,
        certificates: Option<Arc<Certificates>>,
    ) -> House {
        let metrics = Metrics::new(1);
        let loading = Arc::new(AtomicBool::new(false));
        let (mut shard, requests, replies) =
            make_with(0, options, &metrics, &loading, (certificates, &NewsWriter::default()));
        let any = "127.0.0.1:0".parse().expect("an address");
        let listener = mio::net::TcpListener::bind(any).expect("a free port");
        let address = listener.local_addr().expect("bound");
        shard.open(listener, vec![shard.door()]).expect("a listener");
        let frozen = Arc::new(AtomicBool::new(false));
        let mut matcher =
            FakeMatcher { requests, replies, frozen: Arc::clone(&frozen), after_from, order: 0 };
        let stop = Arc::new(AtomicBool::new(false));
        let asked_to_stop = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !asked_to_stop.load(Ordering::Relaxed) {
                if shard.work() + matcher.work() == 0 {
                    shard.doze(Duration::from_millis(5), || false);
                }
            }
            shard.drain();
            let deadline = Instant::now() + Duration::from_millis(500);
            while !shard.is_drained() && Instant::now() < deadline {
                shard.work();
                matcher.work();
            }
            shard.is_drained()
        });
        House { address, metrics, frozen, loading, stop, thread: Some(thread) }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the port is open");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        stream.set_nodelay(true).expect("a socket");
        stream
    }

    pub(crate) fn greet(&self) -> TcpStream {
        let mut stream = self.connect();
        let mut hello = Cell::ZERO;
        hello.0[..2].copy_from_slice(&[kind::HELLO, 1]);
        stream.write_all(&hello.0).expect("sent");
        let told = cell(&mut stream);
        assert_eq!(told.0[..8], [kind::HELLO, 0, 1, 0, 0, 4, 0, 0]);
        stream
    }

    /// Asks it to drain; returns whether it could.
    pub(crate) fn shut(&mut self) -> bool {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("shut once").join().expect("no panic in the house")
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let joined = thread.join();
            assert!(joined.is_ok() || std::thread::panicking(), "no panic in the house");
        }
    }
}

pub(crate) fn resp(line: &str) -> Vec<u8> {
    let words: Vec<&str> = line.split(' ').collect();
    let mut bytes = format!("*{}\r\n", words.len());
    for word in words {
        bytes += &format!("${}\r\n{word}\r\n", word.len());
    }
    bytes.into_bytes()
}

/// Sends and compares what comes back, line ends shown as blanks.
pub(crate) fn ask(stream: &mut (impl Read + Write), line: &str, expected: &str) {
    stream.write_all(&resp(line)).expect("sent");
    expect(stream, expected);
}

pub(crate) fn expect(stream: &mut impl Read, expected: &str) {
    let expected = expected.replace(' ', "\r\n");
    let mut got = vec![0; expected.len()];
    if let Err(error) = stream.read_exact(&mut got) {
        panic!("{error} instead of {expected:?}");
    }
    assert_eq!(String::from_utf8_lossy(&got), expected);
}

/// All until the peer closes.
pub(crate) fn last_words(stream: &mut impl Read) -> String {
    let mut words = Vec::new();
    let end = stream.read_to_end(&mut words);
    assert!(end.is_ok(), "{end:?} after {:?}", String::from_utf8_lossy(&words));
    String::from_utf8(words).expect("ASCII")
}

pub(crate) fn cell(stream: &mut impl Read) -> Cell {
    let mut cell = Cell::ZERO;
    stream.read_exact(&mut cell.0).expect("a cell");
    cell
}

pub(crate) fn buy(tag: u32) -> Head {
    let mut head = Head::new(kind::BUY);
    (head.sale, head.item) = (1.into(), 1.into());
    head.tag = tag.into();
    head.units = 1.into();
    head.price = NO_MAX_PRICE.into();
    head.set_buyer(Ident::parse(format!("buyer-{tag}").as_bytes()).expect("good"));
    head.set_key(Ident::parse(tag.to_string().as_bytes()).expect("good"));
    head
}

pub(crate) fn send(stream: &mut impl Write, head: Head) {
    stream.write_all(&Cell::from(head).0).expect("sent");
}

pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
