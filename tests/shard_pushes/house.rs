//! A shard whose matcher is played by the test: what was asked is handed out, and answered as told.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, atomic::AtomicBool};
use std::time::{Duration, Instant};

use doorbuster::message::{CELL_BYTES, Cell, Head, Reply, WAITS, kind, outcome};
use doorbuster::metrics::Metrics;
use doorbuster::news::NewsWriter;
use doorbuster::ring::{Reader, Writer};
use doorbuster::sale::Ident;
use doorbuster::shard::{Shard, ShardOptions};

use super::shard_house::{buy, make_with_news, resp, zeroed};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const STREAM: &str = "GET /v1/sales/drop/orders/7/events HTTP/1.1\r\nHost: x\r\n\r\n";

pub(crate) struct House {
    pub(crate) shard: Shard,
    pub(crate) requests: Reader<Cell>,
    pub(crate) replies: Writer<Cell>,
    pub(crate) news: NewsWriter,
    pub(crate) metrics: Metrics,
    pub(crate) address: SocketAddr,
}

/// A peer and what it has heard and not yet looked at.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    pub(crate) heard: Vec<u8>,
    pub(crate) is_over: bool,
}

impl House {
    pub(crate) fn open(options: ShardOptions) -> House {
        let (metrics, loading) = (Metrics::new(1), Arc::new(AtomicBool::new(false)));
        let news = NewsWriter::default();
        let (mut shard, requests, replies) = make_with_news(options, &metrics, &loading, &news);
        let any = "127.0.0.1:0".parse().expect("an address");
        let listener = mio::net::TcpListener::bind(any).expect("a free port");
        let address = listener.local_addr().expect("bound");
        shard.open(listener, vec![shard.door()]).expect("a listener");
        House { shard, requests, replies, news, metrics, address }
    }

    pub(crate) fn connect(&self, words: impl AsRef<[u8]>) -> Peer {
        let mut stream = TcpStream::connect(self.address).expect("the port is open");
        stream.write_all(words.as_ref()).expect("sent");
        stream.set_nonblocking(true).expect("a socket");
        Peer { stream, heard: Vec::new(), is_over: false }
    }

    pub(crate) fn greet(&self) -> Peer {
        let mut hello = Cell::ZERO;
        hello.0[..2].copy_from_slice(&[kind::HELLO, 1]);
        self.connect(hello.0)
    }

    /// Works until `done`.
    #[track_caller]
    pub(crate) fn until<T>(
        &mut self,
        what: &str,
        mut done: impl FnMut(&mut House) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.shard.work();
            if let Some(value) = done(self) {
                return value;
            }
            assert!(Instant::now() < deadline, "waited in vain: {what}");
        }
    }

    /// Works for long enough that whatever would happen has happened.
    pub(crate) fn rest(&mut self) {
        let end = Instant::now() + Duration::from_millis(40);
        while Instant::now() < end {
            self.shard.work();
        }
    }

    /// What has been asked, without waiting.
    pub(crate) fn asked(&mut self) -> Vec<Head> {
        let there = self.requests.available(1);
        let heads = (0..there).map(|at| *self.requests.get(at).head()).collect();
        self.requests.release(there);
        heads
    }

    /// The next questions, so many.
    #[track_caller]
    pub(crate) fn questions(&mut self, count: usize) -> Vec<Head> {
        let mut asked = Vec::new();
        self.until("questions", |house| {
            asked.extend(house.asked());
            (asked.len() >= count).then_some(())
        });
        assert_eq!(asked.len(), count, "more questions than expected");
        asked
    }

    /// The next question, which is for this order.
    #[track_caller]
    pub(crate) fn asks_for(&mut self, order: u64) {
        let head = self.questions(1)[0];
        assert_eq!((head.kind, head.order(), head.sale.to_native()), (kind::ORDER, order, 1));
    }

    #[track_caller]
    pub(crate) fn asks_nothing(&mut self) {
        self.rest();
        assert_eq!(self.asked().len(), 0, "asked without need");
    }

    pub(crate) fn reply(&mut self, order: u64, state: u8, after: u64) {
        self.replies.push(reply(order, state, after).into());
        self.replies.publish();
    }

    /// Shows an order as the matcher does.
    pub(crate) fn show(&mut self, order: u64, state: u8, after: u64) {
        let mut head = Head { item: 1.into(), sale: 1.into(), ..Head::new(kind::BUY) };
        head.set_buyer(Ident::parse(b"u1").expect("good"));
        head.set_key(Ident::parse(b"k1").expect("good"));
        self.replies.push(Reply { tails: 1, ..reply(order, state, after) }.into());
        self.replies.push(head.into());
        self.replies.publish();
    }

    pub(crate) fn tell(&mut self, order: u64) {
        self.news.tell(order);
        self.news.publish();
    }

    /// All that a peer has heard since, once it is `len` bytes.
    #[track_caller]
    pub(crate) fn hears(&mut self, peer: &mut Peer, len: usize) -> Vec<u8> {
        self.until("words", |_| {
            peer.listen();
            (peer.heard.len() >= len).then_some(())
        });
        assert_eq!(peer.heard.len(), len, "{}", peer.heard.escape_ascii());
        std::mem::take(&mut peer.heard)
    }

    /// A peer hears just this, line ends shown as blanks.
    #[track_caller]
    pub(crate) fn says(&mut self, peer: &mut Peer, expected: &str) {
        let heard = self.hears(peer, expected.replace(' ', "\r\n").len());
        assert_eq!(String::from_utf8_lossy(&heard).replace("\r\n", " "), expected);
    }

    #[track_caller]
    pub(crate) fn says_nothing(&mut self, peer: &mut Peer) {
        self.rest();
        peer.listen();
        assert!(peer.heard.is_empty(), "{}", peer.heard.escape_ascii());
    }

    /// All that a peer hears until its connection ends.
    #[track_caller]
    pub(crate) fn last_words(&mut self, peer: &mut Peer) -> String {
        self.until("the end", |_| {
            peer.listen();
            peer.is_over.then_some(())
        });
        String::from_utf8(std::mem::take(&mut peer.heard)).expect("ASCII")
    }

    /// A RESP3 peer that waits under order 7, and was asked for once.
    pub(crate) fn waiting(&mut self) -> Peer {
        let mut peer = self.connect(resp("HELLO 3"));
        let hello = self.until("hello", |_| {
            peer.listen();
            peer.heard.ends_with(b"*0\r\n").then(|| std::mem::take(&mut peer.heard))
        });
        assert!(hello.starts_with(b"%7\r\n"));
        peer.send(resp("BUY drop tee u1 k1 WAIT"));
        self.questions(1);
        self.reply(7, outcome::WAITING, 0);
        self.says(&mut peer, "*7 $7 waiting :7 :9 :1 :2500 :0 :3 ");
        self.asks_for(7);
        self.show(7, outcome::WAITING, 0);
        peer
    }

    /// A stream of order 7's events, up to its first.
    pub(crate) fn streaming(&mut self, more: &str) -> Peer {
        let mut peer = self.connect(format!("{STREAM}{more}"));
        self.asks_for(7);
        self.show(7, outcome::WAITING, 0);
        let words = self.until("an event", |_| {
            peer.listen();
            peer.heard.ends_with(b"\n\n").then(|| std::mem::take(&mut peer.heard))
        });
        let words = String::from_utf8(words).expect("ASCII");
        assert!(words.starts_with("HTTP/1.1 200 OK\r\n"), "{words}");
        assert!(words.contains("\r\n\r\nid: 0\nevent: order\ndata: {\"order\":\"7\""), "{words}");
        self.asks_for(7);
        self.show(7, outcome::WAITING, 0);
        peer
    }
}

impl Peer {
    pub(crate) fn send(&mut self, words: impl AsRef<[u8]>) {
        self.stream.write_all(words.as_ref()).expect("sent");
    }

    pub(crate) fn listen(&mut self) {
        let mut bytes = [0; 64 * 1024];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return self.is_over = true,
                Ok(read) => self.heard.extend_from_slice(&bytes[..read]),
                Err(why) if why.kind() == ErrorKind::WouldBlock => return,
                Err(why) => panic!("{why} after {}", self.heard.escape_ascii()),
            }
        }
    }
}

pub(crate) fn reply(order: u64, state: u8, after: u64) -> Reply {
    let reply = Reply { kind: kind::REPLY, outcome: state, after: after.into(), ..zeroed() };
    let expires_in_ms = if state == outcome::WAITING { 3 } else { 1000 };
    let price = 2500.into();
    let (units, expires_in_ms) = (1.into(), expires_in_ms.into());
    Reply { order: order.into(), seq: 9.into(), units, price, expires_in_ms, ..reply }
}

/// A binary peer that waits under `count` orders, from 1 on, all asked for once.
pub(crate) fn crowd(house: &mut House, count: u32) -> Peer {
    let mut peer = house.greet();
    house.hears(&mut peer, CELL_BYTES);
    let waits = |tag| Cell::from(Head { options: WAITS | buy(tag).options, ..buy(tag) }).0;
    let (mut sent, mut bought) = (0, 0);
    while sent < count {
        let some = (sent + 1..=count).take(256);
        peer.send(some.clone().flat_map(waits).collect::<Vec<u8>>());
        sent += some.count() as u32;
        house.until("purchases", |house| {
            for head in house.asked() {
                if head.kind == kind::BUY {
                    bought += 1;
                    house.reply(bought.into(), outcome::WAITING, 0);
                } else {
                    house.show(head.order(), outcome::WAITING, 0);
                }
            }
            (bought == sent).then_some(())
        });
    }
    house.hears(&mut peer, count as usize * CELL_BYTES);
    let mut left = Vec::new();
    house.until("the last question", |house| {
        left = house.asked();
        left.iter().for_each(|head| house.show(head.order(), outcome::WAITING, 0));
        let counters = &house.metrics.shards[0];
        (left.is_empty() && counters.watches.value() > 0).then_some(())
    });
    house.rest();
    peer
}
