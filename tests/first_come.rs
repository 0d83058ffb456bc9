//! First come, first served, with a crowd: 10,000 buyers over 1,000 sockets that are open at once,
//! for 100 units. Exactly 100 get one; and whoever was answered before another began to ask was
//! decided before that other, as the journal and every answer show.

use super::support::{resp, server};

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use doorbuster::client::HELLO;
use doorbuster::message::{CELL_BYTES, Cell, Head, NO_MAX_PRICE, kind, outcome};
use doorbuster::sale::Ident;
use resp::{Resp, encode, parse};
use server::{House, PATIENCE, Server};

const SOCKETS: usize = 1_000;
const BUYERS_PER_SOCKET: usize = 10;
const UNITS: usize = 100;
const THREADS: usize = 4;

const SALE: &str = r#"
name = "drop"
limit = 1
hold_ms = 3600000
items = [{ sku = "tee", stock = 100, price = 2500 }]
"#;

/// What became of one buyer.
#[derive(Clone, Copy)]
struct Fate {
    /// Just before the request was handed to the socket.
    sent: Instant,
    /// Just after the answer was taken from it.
    answered: Instant,
    /// `None`: sold out.
    order: Option<u64>,
}

/// One socket and its buyers, who come one after another, up to `window` at once.
struct Queue {
    socket: usize,
    stream: TcpStream,
    is_binary: bool,
    window: usize,
    sent: Vec<Instant>,
    input: Vec<u8>,
    fates: Vec<Fate>,
}

fn key(socket: usize, buyer: usize) -> String {
    format!("{socket}-{buyer}")
}

impl Queue {
    fn open(server: &Server, socket: usize) -> Queue {
        let mut stream = server.connect();
        let is_binary = socket.is_multiple_of(2);
        if is_binary {
            stream.write_all(&HELLO).expect("sent");
            stream.read_exact(&mut [0; CELL_BYTES]).expect("a greeting");
        }
        stream.set_nonblocking(true).expect("a socket");
        // Some wait for each answer, some send all they have.
        let window = [1, 1, 3, BUYERS_PER_SOCKET][socket / 2 % 4];
        let (sent, fates) = (Vec::new(), Vec::new());
        Queue { socket, stream, is_binary, window, sent, input: Vec::new(), fates }
    }

    fn is_done(&self) -> bool {
        self.fates.len() == BUYERS_PER_SOCKET
    }

    /// Sends what may be sent and takes what has come. Returns whether anything moved.
    fn work(&mut self) -> bool {
        let mut moved = false;
        while self.sent.len() < BUYERS_PER_SOCKET
            && self.sent.len() - self.fates.len() < self.window
        {
            let request = self.request(self.sent.len());
            self.sent.push(Instant::now());
            self.stream.write_all(&request).expect("so little always finds room");
            moved = true;
        }
        let mut bytes = [0; 4096];
        match self.stream.read(&mut bytes) {
            Ok(0) => panic!("socket {} was closed", self.socket),
            Ok(read) => self.input.extend_from_slice(&bytes[..read]),
            Err(why) if why.kind() == ErrorKind::WouldBlock => return moved,
            Err(why) => panic!("socket {}: {why}", self.socket),
        }
        let answered = Instant::now();
        while let Some(order) = self.answer() {
            let sent = self.sent[self.fates.len()];
            self.fates.push(Fate { sent, answered, order });
        }
        true
    }

    fn request(&self, buyer: usize) -> Vec<u8> {
        let key = key(self.socket, buyer);
        let mut bytes = Vec::new();
        if self.is_binary {
            let mut head = Head::new(kind::BUY);
            (head.sale, head.item, head.units) = (1.into(), 1.into(), 1.into());
            head.price = NO_MAX_PRICE.into();
            let ident = Ident::parse(key.as_bytes()).expect("a good ident");
            head.set_buyer(ident);
            head.set_key(ident);
            bytes.extend_from_slice(&Cell::from(head).0);
        } else {
            encode(&["BUY", "drop", "tee", &key, &key], &mut bytes);
        }
        bytes
    }

    /// The next answer: an order, or sold out.
    fn answer(&mut self) -> Option<Option<u64>> {
        let (order, used) = if self.is_binary {
            let cell = Cell(*self.input.first_chunk::<CELL_BYTES>()?);
            let reply = cell.reply();
            let is_held = reply.outcome == outcome::HELD;
            assert!(is_held || reply.outcome == outcome::SOLD_OUT, "{}", reply.outcome);
            (is_held.then(|| reply.order.to_native()), CELL_BYTES)
        } else {
            let (value, used) = parse(&self.input)?;
            let is_held = value.word() == "held";
            assert!(is_held || value.word() == "sold_out", "{value:?}");
            (is_held.then(|| value.number(1)), used)
        };
        self.input.drain(..used);
        Some(order)
    }
}

/// Serves its sockets in turn, from a place of its own, until all buyers are answered.
fn run(queues: &mut [Queue], start: &Barrier, from: usize) {
    start.wait();
    let deadline = Instant::now() + PATIENCE;
    queues.rotate_left(from);
    while !queues.iter().all(Queue::is_done) {
        let mut moved = false;
        for queue in queues.iter_mut().filter(|queue| !queue.is_done()) {
            moved |= queue.work();
        }
        assert!(Instant::now() < deadline, "buyers were left without an answer");
        if !moved {
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}

/// The sockets of a crowd and of a server need more descriptors than some systems give at first.
fn raise_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("up to the maximum everyone may");
}

fn crowd(house: &House, arguments: &[&str]) {
    let server = house.server().with(arguments).run();
    let mut queues: Vec<Queue> = (0..SOCKETS).map(|socket| Queue::open(&server, socket)).collect();
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for (thread, share) in queues.chunks_mut(SOCKETS / THREADS).enumerate() {
            let start = &start;
            scope.spawn(move || run(share, start, thread * 60));
        }
    });
    queues.sort_by_key(|queue| queue.socket);
    let mut peer = Resp::over(server.connect());
    let stock = peer.ask(&["STOCK", "drop", "tee"]);
    assert_eq!([0, 1, 2, 3].map(|at| stock.number(at)), [100, 0, 100, 0]);
    drop(peer);
    server.stop().expect_code(0);
    check(house, &queues);
}

fn check(house: &House, queues: &[Queue]) {
    // Exactly those whom the journal gives a unit were told so.
    let records = house.records();
    let holds: Vec<_> = records.iter().filter(|record| record["kind"] == "hold").collect();
    assert_eq!(holds.len(), UNITS);
    let winners: Vec<(u64, Fate)> = holds
        .iter()
        .map(|hold| {
            let key = hold["key"].as_str().expect("a key");
            let (socket, buyer) = key.split_once('-').expect("our own");
            let number = |text: &str| text.parse::<usize>().expect("our own");
            let fate = queues[number(socket)].fates[number(buyer)];
            assert_eq!(
                fate.order.map(|order| order.to_string()).as_deref(),
                hold["order"].as_str()
            );
            (hold["seq"].as_u64().expect("a number"), fate)
        })
        .collect();
    let fates = || queues.iter().flat_map(|queue| &queue.fates);
    assert_eq!(fates().count(), SOCKETS * BUYERS_PER_SOCKET);
    assert_eq!(fates().filter(|fate| fate.order.is_some()).count(), UNITS);

    // In the journal's order, nobody was decided before one who had been answered by then.
    for (index, (seq, earlier)) in winners.iter().enumerate() {
        for (later_seq, later) in &winners[index + 1..] {
            assert!(seq < later_seq);
            assert!(later.answered >= earlier.sent, "seq {later_seq} was served before {seq} came");
        }
    }
    // Whoever was refused was decided after the last unit went: none of the winners came later
    // than the first refusal was told.
    let refused = fates().filter(|fate| fate.order.is_none());
    let first_refusal = refused.map(|fate| fate.answered).min().expect("most were refused");
    for (seq, winner) in &winners {
        assert!(winner.sent <= first_refusal, "seq {seq} came after a refusal and won");
    }
    // On one socket the first come are served first.
    for queue in queues {
        let orders: Vec<u64> = queue.fates.iter().map_while(|fate| fate.order).collect();
        let held = queue.fates.iter().filter(|fate| fate.order.is_some()).count();
        assert_eq!(orders.len(), held, "socket {}: a later one won", queue.socket);
        assert!(orders.is_sorted(), "socket {}: {orders:?}", queue.socket);
    }
    let verdict = house.audit();
    assert_eq!((&verdict["held"], &verdict["orders"]), (&UNITS.into(), &UNITS.into()));
}

#[test]
fn ten_thousand_buyers_for_a_hundred_units_are_served_in_the_order_of_their_coming() {
    raise_descriptors();
    crowd(&House::new(&[SALE]), &[]);
    crowd(&House::new(&[SALE]), &["--shards", "4", "--threads", "apart"]);
}
