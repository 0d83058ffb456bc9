//! Orders that are watched, told by a shard between real sockets and a matcher that the test plays
//! itself, answer by answer: what is asked when, and what a peer hears of it.

#[path = "support/shard_house.rs"]
#[allow(dead_code, reason = "every test takes what it needs of it")]
mod shard_house;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, atomic::AtomicBool};
use std::time::{Duration, Instant};

use doorbuster::limits::{
    CONNECTION_WATCHES_MAX, NEWS_MAX, OUT_BYTES_HIGH, WATCHES_ASKED_MAX, WATCHES_MAX,
};
use doorbuster::message::{CELL_BYTES, Cell, Head, Reply, WAITS, kind, outcome};
use doorbuster::metrics::Metrics;
use doorbuster::news::NewsWriter;
use doorbuster::ring::{Reader, Writer};
use doorbuster::sale::Ident;
use doorbuster::shard::{Shard, ShardOptions};
use shard_house::{QUICK, buy, make_with_news, resp, zeroed};

const PATIENCE: Duration = Duration::from_secs(30);
const STREAM: &str = "GET /v1/sales/drop/orders/7/events HTTP/1.1\r\nHost: x\r\n\r\n";

struct House {
    shard: Shard,
    requests: Reader<Cell>,
    replies: Writer<Cell>,
    news: NewsWriter,
    metrics: Metrics,
    address: SocketAddr,
}

/// A peer and what it has heard and not yet looked at.
struct Peer {
    stream: TcpStream,
    heard: Vec<u8>,
    is_over: bool,
}

impl House {
    fn open(options: ShardOptions) -> House {
        let (metrics, loading) = (Metrics::new(1), Arc::new(AtomicBool::new(false)));
        let news = NewsWriter::default();
        let (mut shard, requests, replies) = make_with_news(options, &metrics, &loading, &news);
        let any = "127.0.0.1:0".parse().expect("an address");
        let listener = mio::net::TcpListener::bind(any).expect("a free port");
        let address = listener.local_addr().expect("bound");
        shard.open(listener, vec![shard.door()]).expect("a listener");
        House { shard, requests, replies, news, metrics, address }
    }

    fn connect(&self, words: impl AsRef<[u8]>) -> Peer {
        let mut stream = TcpStream::connect(self.address).expect("the port is open");
        stream.write_all(words.as_ref()).expect("sent");
        stream.set_nonblocking(true).expect("a socket");
        Peer { stream, heard: Vec::new(), is_over: false }
    }

    fn greet(&self) -> Peer {
        let mut hello = Cell::ZERO;
        hello.0[..2].copy_from_slice(&[kind::HELLO, 1]);
        self.connect(hello.0)
    }

    /// Works until `done`.
    #[track_caller]
    fn until<T>(&mut self, what: &str, mut done: impl FnMut(&mut House) -> Option<T>) -> T {
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
    fn rest(&mut self) {
        let end = Instant::now() + Duration::from_millis(40);
        while Instant::now() < end {
            self.shard.work();
        }
    }

    /// What has been asked, without waiting.
    fn asked(&mut self) -> Vec<Head> {
        let there = self.requests.available(1);
        let heads = (0..there).map(|at| *self.requests.get(at).head()).collect();
        self.requests.release(there);
        heads
    }

    /// The next questions, so many.
    #[track_caller]
    fn questions(&mut self, count: usize) -> Vec<Head> {
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
    fn asks_for(&mut self, order: u64) {
        let head = self.questions(1)[0];
        assert_eq!((head.kind, head.order(), head.sale.to_native()), (kind::ORDER, order, 1));
    }

    #[track_caller]
    fn asks_nothing(&mut self) {
        self.rest();
        assert_eq!(self.asked().len(), 0, "asked without need");
    }

    fn reply(&mut self, order: u64, state: u8, after: u64) {
        self.replies.push(reply(order, state, after).into());
        self.replies.publish();
    }

    /// Shows an order as the matcher does.
    fn show(&mut self, order: u64, state: u8, after: u64) {
        let mut head = Head { item: 1.into(), sale: 1.into(), ..Head::new(kind::BUY) };
        head.set_buyer(Ident::parse(b"u1").expect("good"));
        head.set_key(Ident::parse(b"k1").expect("good"));
        self.replies.push(Reply { tails: 1, ..reply(order, state, after) }.into());
        self.replies.push(head.into());
        self.replies.publish();
    }

    fn tell(&mut self, order: u64) {
        self.news.tell(order);
        self.news.publish();
    }

    /// All that a peer has heard since, once it is `len` bytes.
    #[track_caller]
    fn hears(&mut self, peer: &mut Peer, len: usize) -> Vec<u8> {
        self.until("words", |_| {
            peer.listen();
            (peer.heard.len() >= len).then_some(())
        });
        assert_eq!(peer.heard.len(), len, "{}", peer.heard.escape_ascii());
        std::mem::take(&mut peer.heard)
    }

    /// A peer hears just this, line ends shown as blanks.
    #[track_caller]
    fn says(&mut self, peer: &mut Peer, expected: &str) {
        let heard = self.hears(peer, expected.replace(' ', "\r\n").len());
        assert_eq!(String::from_utf8_lossy(&heard).replace("\r\n", " "), expected);
    }

    #[track_caller]
    fn says_nothing(&mut self, peer: &mut Peer) {
        self.rest();
        peer.listen();
        assert!(peer.heard.is_empty(), "{}", peer.heard.escape_ascii());
    }

    /// All that a peer hears until its connection ends.
    #[track_caller]
    fn last_words(&mut self, peer: &mut Peer) -> String {
        self.until("the end", |_| {
            peer.listen();
            peer.is_over.then_some(())
        });
        String::from_utf8(std::mem::take(&mut peer.heard)).expect("ASCII")
    }

    /// A RESP3 peer that waits under order 7, and was asked for once.
    fn waiting(&mut self) -> Peer {
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
    fn streaming(&mut self, more: &str) -> Peer {
        let mut peer = self.connect(format!("{STREAM}{more}"));
        self.asks_for(7);
        self.show(7, outcome::WAITING, 0);
        let words = self.until("an event", |_| {
            peer.listen();
            peer.heard.ends_with(b"\n\n").then(|| std::mem::take(&mut peer.heard))
        });
        let words = String::from_utf8(words).expect("ASCII");
        assert!(words.starts_with("HTTP/1.1 200 OK\r\n"), "{words}");
        assert!(words.contains("\r\n\r\nid: 9\nevent: order\ndata: {\"order\":\"7\""), "{words}");
        self.asks_for(7);
        self.show(7, outcome::WAITING, 0);
        peer
    }
}

impl Peer {
    fn send(&mut self, words: impl AsRef<[u8]>) {
        self.stream.write_all(words.as_ref()).expect("sent");
    }

    fn listen(&mut self) {
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

fn reply(order: u64, state: u8, after: u64) -> Reply {
    let reply = Reply { kind: kind::REPLY, outcome: state, after: after.into(), ..zeroed() };
    let expires_in_ms = if state == outcome::WAITING { 3 } else { 1000 };
    let price = 2500.into();
    let (units, expires_in_ms) = (1.into(), expires_in_ms.into());
    Reply { order: order.into(), seq: 9.into(), units, price, expires_in_ms, ..reply }
}

#[test]
fn news_stand_between_whole_answers_and_only_changes_are_told() {
    let mut house = House::open(QUICK);
    let peer = &mut house.waiting();
    house.says_nothing(peer);
    house.tell(8);
    house.asks_nothing();
    peer.send([resp("CONFIRM drop 1"), resp("PING"), resp("CONFIRM drop 2")].concat());
    house.tell(7);
    let asked = house.questions(2);
    let kinds = asked.iter().map(|head| head.kind).collect::<Vec<_>>();
    for kind in &kinds {
        match *kind {
            kind::ORDER => house.show(7, outcome::HELD, 0),
            _ => house.reply(1, outcome::CONFIRMED, 0),
        }
    }
    house.questions(1);
    house.reply(2, outcome::CONFIRMED, 0);
    let push = ">8 $5 order $4 drop :7 $4 held :9 :1 :2500 :1000 ";
    let first = "*3 $9 confirmed :1 :9 ";
    let pong = "+PONG ";
    let last = "*3 $9 confirmed :2 :9 ";
    if kinds[0] == kind::ORDER {
        house.says(peer, &format!("{push}{first}{pong}{last}"));
    } else {
        house.says(peer, &format!("{first}{push}{pong}{last}"));
    }
    // It is heard to the end of its hold, and then no more.
    house.tell(7);
    house.asks_for(7);
    house.tell(7);
    house.show(7, outcome::HELD, 0);
    house.asks_for(7);
    house.show(7, outcome::EXPIRED, 0);
    house.says(peer, ">8 $5 order $4 drop :7 $7 expired :9 :1 :2500 :0 ");
    house.tell(7);
    house.asks_nothing();
    assert_eq!(house.metrics.shards[0].watches.value(), 0);
    assert_eq!(house.metrics.shards[0].pushes.value(), 2);
    assert_eq!(house.metrics.shards[0].requests.value(), 3);
}

#[test]
fn nothing_is_pushed_before_it_is_durable() {
    let mut house = House::open(QUICK);
    let peer = &mut house.waiting();
    house.tell(7);
    house.asks_for(7);
    house.show(7, outcome::HELD, 10);
    house.says_nothing(peer);
    // What comes behind it waits for it.
    peer.send(resp("CONFIRM drop 1"));
    house.questions(1);
    house.reply(1, outcome::CONFIRMED, 0);
    house.says_nothing(peer);
}

#[test]
fn who_speaks_resp2_or_goes_back_to_it_is_told_only_what_it_asks() {
    let mut house = House::open(QUICK);
    let mut old = house.connect(resp("BUY drop tee u1 k1 WAIT"));
    house.questions(1);
    house.reply(7, outcome::WAITING, 0);
    house.says(&mut old, "*7 $7 waiting :7 :9 :1 :2500 :0 :3 ");
    house.tell(7);
    house.asks_nothing();
    let mut peer = house.waiting();
    peer.send(resp("RESET"));
    house.says(&mut peer, "+RESET ");
    house.tell(7);
    house.asks_for(7);
    house.show(7, outcome::HELD, 0);
    house.says_nothing(&mut peer);
    assert_eq!(house.metrics.shards[0].watches.value(), 0);
}

#[test]
fn a_shard_that_missed_news_asks_for_all_that_it_watches() {
    let mut house = House::open(QUICK);
    let peer = &mut house.waiting();
    house.rest();
    for order in 0..=NEWS_MAX as u64 {
        house.news.tell(1_000 + order);
    }
    house.news.publish();
    house.asks_for(7);
    house.show(7, outcome::LEFT, 0);
    house.says(peer, ">8 $5 order $4 drop :7 $4 left :9 :1 :2500 :0 ");
}

/// A binary peer that waits under `count` orders, from 1 on, all asked for once.
fn crowd(house: &mut House, count: u32) -> Peer {
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

#[test]
fn a_connection_watches_only_so_many_orders() {
    let mut house = House::open(QUICK);
    let count = CONNECTION_WATCHES_MAX + 1;
    let mut peer = crowd(&mut house, count);
    assert_eq!(house.metrics.shards[0].watches.value(), u64::from(CONNECTION_WATCHES_MAX));
    house.tell(count.into());
    house.asks_nothing();
    house.tell(1);
    house.asks_for(1);
    house.show(1, outcome::HELD, 0);
    let cell = house.hears(&mut peer, CELL_BYTES);
    let cell = Cell(*cell.first_chunk().expect("a cell"));
    let expected = Reply { kind: kind::NEWS, ..reply(1, outcome::HELD, 0) };
    assert_eq!(*cell.reply(), expected);
    // Its places are free again when it is gone, also with a question on its way.
    house.tell(2);
    house.asks_for(2);
    drop(peer);
    house.until("the end", |house| (house.shard.connections() == 0).then_some(()));
    house.show(2, outcome::HELD, 0);
    house.tell(3);
    house.asks_nothing();
    assert_eq!(house.metrics.shards[0].watches.value(), 0);
    house.waiting();
}

#[test]
fn when_as_many_orders_are_watched_as_may_be_a_stream_is_refused_and_a_purchase_is_not() {
    let mut house = House::open(ShardOptions { connections_max: 100, ..QUICK });
    let connections = WATCHES_MAX as u32 / CONNECTION_WATCHES_MAX;
    let crowds: Vec<Peer> =
        (0..connections).map(|_| crowd(&mut house, CONNECTION_WATCHES_MAX)).collect();
    assert_eq!(house.metrics.shards[0].watches.value(), WATCHES_MAX as u64);
    let mut peer = house.connect(STREAM.replace("/7/", "/100007/"));
    house.asks_for(100_007);
    house.show(100_007, outcome::WAITING, 0);
    let words = house.last_words(&mut peer);
    assert!(words.starts_with("HTTP/1.1 503 ") && words.contains("\r\nRetry-After: "), "{words}");
    assert!(words.contains("urn:doorbuster:overloaded"), "{words}");
    let mut peer = house.connect([resp("HELLO 3"), resp("BUY drop tee u1 k1 WAIT")].concat());
    house.questions(1);
    house.reply(100_007, outcome::WAITING, 0);
    house.until("an answer", |_| {
        peer.listen();
        peer.heard.ends_with(b":3\r\n").then_some(())
    });
    house.tell(100_007);
    house.asks_nothing();
    // One change of an order that all of them watch is asked for by each.
    house.tell(1);
    house.questions(connections as usize);
    drop(crowds);
}

#[test]
fn a_peer_that_never_reads_is_asked_for_no_more_and_hears_the_newest_when_it_does() {
    const COUNT: u64 = CONNECTION_WATCHES_MAX as u64;
    let mut house = House::open(QUICK);
    let mut peer = crowd(&mut house, CONNECTION_WATCHES_MAX);
    let (mut rounds, mut told) = (0_u64, 0);
    // In the kernel's hands and a little more, never all.
    loop {
        rounds += 1;
        assert!(rounds < 20_000, "told without end");
        (1..=COUNT).for_each(|order| house.news.tell(order));
        house.news.publish();
        let mut asked = Vec::new();
        for _ in 0..20 {
            house.shard.work();
            asked.extend(house.asked());
        }
        if asked.is_empty() {
            break;
        }
        for head in asked {
            let held = Reply { expires_at: rounds.into(), ..reply(head.order(), outcome::HELD, 0) };
            let head = Head { sale: 1.into(), item: 1.into(), ..Head::new(kind::BUY) };
            house.replies.push(Reply { tails: 1, ..held }.into());
            house.replies.push(head.into());
            told += CELL_BYTES;
        }
        house.replies.publish();
        house.rest();
    }
    let sent = house.metrics.shards[0].bytes_out.value() as usize;
    let most = sent + OUT_BYTES_HIGH + WATCHES_ASKED_MAX * CELL_BYTES;
    assert!(told <= most, "{told} told, {sent} sent");
    // Now it reads, and hears how its orders stand.
    let mut last = vec![0; COUNT as usize + 1];
    let mut ended = 0;
    house.until("the newest of all", |house| {
        for head in house.asked() {
            house.show(head.order(), outcome::EXPIRED, 0);
        }
        peer.listen();
        let whole = peer.heard.len() / CELL_BYTES * CELL_BYTES;
        for cell in peer.heard.drain(..whole).collect::<Vec<u8>>().chunks(CELL_BYTES) {
            let cell = Cell(*cell.first_chunk().expect("a cell"));
            let news = cell.reply();
            assert_eq!((cell.kind(), news.tag.to_native()), (kind::NEWS, 0));
            let place = &mut last[news.order.to_native() as usize];
            let at =
                if news.outcome == outcome::EXPIRED { u64::MAX } else { news.expires_at.into() };
            assert!(at > *place, "told again, or an older state");
            *place = at;
            ended += usize::from(at == u64::MAX);
        }
        (ended == COUNT as usize).then_some(())
    });
    assert_eq!(house.metrics.shards[0].watches.value(), 0);
}

#[test]
fn a_stream_tells_each_change_and_ends_with_the_order() {
    let mut house = House::open(ShardOptions { idle_ms: 100, request_ms: 100, ..QUICK });
    // Whatever is said behind is heard by nobody.
    let mut peer = house.streaming(&format!("{STREAM}GET"));
    house.asks_nothing();
    std::thread::sleep(Duration::from_millis(150));
    house.rest();
    peer.send("more");
    house.says_nothing(&mut peer);
    house.tell(7);
    house.asks_for(7);
    house.show(7, outcome::HELD, 0);
    let event = house.until("an event", |_| {
        peer.listen();
        peer.heard.ends_with(b"\n\n").then(|| std::mem::take(&mut peer.heard))
    });
    let event = String::from_utf8(event).expect("ASCII");
    assert!(event.contains("\"state\":\"held\"") && event.starts_with("id: 9\nevent: order\n"));
    house.tell(7);
    house.asks_for(7);
    house.show(7, outcome::CONFIRMED, 0);
    let event = house.last_words(&mut peer);
    assert!(event.contains("\"state\":\"confirmed\"") && event.ends_with("\n\n"), "{event}");
    assert_eq!(house.metrics.shards[0].watches.value(), 0);
}

#[test]
fn a_silent_stream_shows_signs_of_life_and_ends_when_its_peer_or_the_house_does() {
    let mut house = House::open(ShardOptions { heartbeat_ms: 30, ..QUICK });
    let mut peer = house.streaming("");
    house.until("two heartbeats", |_| {
        peer.listen();
        (peer.heard.len() >= 6).then_some(())
    });
    assert!(peer.heard.starts_with(b":\n\n:\n\n"));
    drop(peer);
    house.until("the end", |house| (house.shard.connections() == 0).then_some(()));
    house.asks_nothing();
    assert_eq!(house.metrics.shards[0].watches.value(), 0);

    let mut peer = house.streaming("");
    // One whose first answer is still to come when the house closes is told it, and that is all.
    let mut late = house.connect(STREAM);
    house.asks_for(7);
    house.shard.drain();
    let words = house.last_words(&mut peer);
    assert!(words.replace(":\n\n", "").is_empty(), "{words}");
    assert!(!house.shard.is_drained());
    house.show(7, outcome::WAITING, 0);
    assert!(house.last_words(&mut late).ends_with("\n\n"));
    assert!(house.shard.is_drained());
}

#[test]
fn who_wants_no_stream_gets_its_head_and_an_unknown_order_is_a_problem() {
    let mut house = House::open(QUICK);
    let mut peer = house.connect(STREAM.replace("GET", "HEAD"));
    house.asks_for(7);
    house.show(7, outcome::WAITING, 0);
    let words = house.last_words(&mut peer);
    assert!(words.contains("Content-Type: text/event-stream\r\n") && words.ends_with("\r\n\r\n"));
    let mut peer = house.connect(STREAM);
    house.asks_for(7);
    house.replies.push(reply(0, outcome::UNKNOWN_ORDER, 0).into());
    house.replies.publish();
    let words = house.last_words(&mut peer);
    assert!(words.starts_with("HTTP/1.1 404 ") && words.contains("urn:doorbuster:unknown_order"));
    // One that is over is told once.
    let mut peer = house.connect(STREAM);
    house.asks_for(7);
    house.show(7, outcome::RELEASED, 0);
    assert!(house.last_words(&mut peer).contains("\"state\":\"released\""));
    house.asks_nothing();
}
