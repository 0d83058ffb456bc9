//! One connection of the crowd: sends what its buyers want when they want it, notes every answer,
//! and when the server dies under it, finds the new one and repeats all that was not answered under
//! the same keys.
//!
//! Answers come in the order of sending, so `pending` is all the book-keeping there is.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use std::thread;
use std::time::{Duration, Instant};

use doorbuster::client::{Answer, Client, Error, Item, OrderAnswer, Refusal, Request, State};
use parking_lot::{Condvar, Mutex};

use super::plan::{self, Buyer, LAST_CLICK_MS, LIMIT, Temper};

const NS_PER_MS: u64 = 1_000_000;
/// Requests on their way over one connection.
const IN_FLIGHT_MAX: usize = 256;
/// How long an answer or a new server may take on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// What all visitors share.
pub(super) struct Hall {
    pub(super) opened: Instant,
    pub(super) crowd: Vec<Buyer>,
    /// By index of the ware.
    pub(super) items: Vec<Item>,
    /// Counts the servers, with the address of the newest.
    server: Mutex<(u32, SocketAddr)>,
    changed: Condvar,
    /// When the first answer came from the second server, ns after the opening.
    pub(super) first_answer_back: AtomicU64,
    /// Answers so far.
    pub(super) answers: AtomicU64,
}

impl Hall {
    pub(super) fn new(opened: Instant, items: Vec<Item>, address: SocketAddr) -> Hall {
        Hall {
            opened,
            crowd: plan::crowd(),
            items,
            server: Mutex::new((1, address)),
            changed: Condvar::new(),
            first_answer_back: AtomicU64::new(u64::MAX),
            answers: AtomicU64::new(0),
        }
    }

    /// Tells everybody where the new server is.
    pub(super) fn reopen(&self, address: SocketAddr) {
        let mut server = self.server.lock();
        *server = (server.0 + 1, address);
        self.changed.notify_all();
    }

    /// ns after the opening.
    pub(super) fn now(&self) -> u64 {
        self.opened.elapsed().as_nanos() as u64
    }
}

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ask {
    /// A buyer's click, the first or after a disappointment.
    Click,
    /// The same click once more.
    Again,
    /// More than the limit allows, under a second key.
    More,
    /// To confirm this order.
    Pay(u64),
    /// To release this order.
    GiveBack(u64),
}

/// What one buyer asks at one moment; sorted by time. Times are ns after the opening.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Errand {
    pub(super) due: u64,
    pub(super) buyer: u32,
    pub(super) ask: Ask,
    /// When it was first sent; 0 before.
    pub(super) sent: u64,
    /// It was on its way when the server died, and sent again.
    pub(super) repeated: bool,
}

/// What was answered.
pub(super) enum Told {
    Order(OrderAnswer),
    Refused(Refusal),
}

/// One errand with its answer.
pub(super) struct Deed {
    pub(super) errand: Errand,
    pub(super) told: Told,
    pub(super) answered: u64,
    /// The crash delayed it.
    pub(super) caught: bool,
}

impl Deed {
    /// Done before the crash, with the answer lost in it.
    pub(super) fn was_done_before_the_crash(&self) -> bool {
        self.errand.repeated
            && match &self.told {
                Told::Order(order) => order.replayed,
                Told::Refused(refusal) => {
                    matches!(refusal, Refusal::AlreadyConfirmed | Refusal::AlreadyReleased)
                }
            }
    }
}

/// One connection.
pub(super) struct Visitor {
    hall: Arc<Hall>,
    client: Client,
    generation: u32,
    /// Back on a new server since then; 0 while on the first.
    back: u64,
    errands: BinaryHeap<Reverse<Errand>>,
    pending: VecDeque<Errand>,
    /// Buyers that have come back, by number: how often.
    returned: HashMap<u32, u32>,
    deeds: Vec<Deed>,
}

impl Visitor {
    /// The connection with this number out of `count`.
    pub(super) fn new(hall: Arc<Hall>, client: Client, number: u32, count: u32) -> Visitor {
        let errand = |ms: u32, buyer: u32, ask: Ask| {
            let due = u64::from(ms) * NS_PER_MS;
            Reverse(Errand { due, buyer, ask, sent: 0, repeated: false })
        };
        let mut errands = BinaryHeap::new();
        for (index, buyer) in (0..).zip(&hall.crowd) {
            if index % count == number {
                errands.push(errand(buyer.click_ms, index, Ask::Click));
            }
            if let Some(later) = buyer.again_ms
                && (index + count / 2) % count == number
            {
                errands.push(errand(buyer.click_ms + later, index, Ask::Again));
            }
        }
        Visitor {
            hall,
            client,
            generation: 1,
            back: 0,
            errands,
            pending: VecDeque::new(),
            returned: HashMap::new(),
            deeds: Vec::new(),
        }
    }

    /// Sees to all errands. Returns what came of them, in the order of sending.
    ///
    /// # Errors
    /// A sentence if the server is lost for good.
    pub(super) fn run(mut self) -> Result<Vec<Deed>, String> {
        loop {
            let done = self.send_what_is_due().and_then(|()| {
                if self.pending.is_empty() { Ok(None) } else { self.client.receive().map(Some) }
            });
            match done {
                Ok(Some((_, answer))) => self.note(answer)?,
                Ok(None) => {
                    let Some(Reverse(next)) = self.errands.peek() else { return Ok(self.deeds) };
                    let until = next.due.saturating_sub(self.hall.now());
                    thread::sleep(Duration::from_nanos(until));
                }
                Err(Error::Io(_) | Error::Closed { .. }) => self.find_the_new_server()?,
                Err(why) => return Err(why.to_string()),
            }
        }
    }

    fn send_what_is_due(&mut self) -> Result<(), Error> {
        while self.pending.len() < IN_FLIGHT_MAX
            && let Some(Reverse(next)) = self.errands.peek()
            && next.due <= self.hall.now()
        {
            let Reverse(errand) = self.errands.pop().expect("it was there");
            self.pending.push_back(errand);
            self.send(self.pending.len() - 1)?;
        }
        Ok(())
    }

    /// Sends what is pending at an index.
    fn send(&mut self, index: usize) -> Result<(), Error> {
        let errand = &mut self.pending[index];
        if errand.sent == 0 {
            errand.sent = self.hall.now();
        }
        let buyer = &self.hall.crowd[errand.buyer as usize];
        let item = self.hall.items[buyer.ware];
        let name = plan::name(errand.buyer);
        let more = errand.ask == Ask::More;
        let key = plan::key(errand.buyer, more);
        let request = match errand.ask {
            Ask::Click | Ask::Again | Ask::More => {
                let units = if more { LIMIT } else { buyer.units };
                Request::Buy { item, buyer: &name, key: &key, units, max_price: None }
            }
            Ask::Pay(order) => Request::Confirm { sale: item.sale, order, buyer: Some(&name) },
            Ask::GiveBack(order) => Request::Release { sale: item.sale, order, buyer: Some(&name) },
        };
        self.client.send(&request).map(|_| ())
    }

    fn find_the_new_server(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut server = self.hall.server.lock();
            while server.0 == self.generation {
                if self.hall.changed.wait_until(&mut server, deadline).timed_out() {
                    return Err("a connection was lost, and no new server came".to_owned());
                }
            }
            let (generation, address) = *server;
            drop(server);
            let connected = Client::connect(address).and_then(|mut client| {
                client.set_timeout(Some(PATIENCE))?;
                Ok(client)
            });
            match connected {
                Ok(client) => (self.client, self.generation) = (client, generation),
                Err(why) if Instant::now() > deadline => return Err(why.to_string()),
                Err(_) => {
                    thread::sleep(Duration::from_millis(10));
                    continue;
                }
            }
            self.back = self.hall.now();
            self.pending.iter_mut().for_each(|errand| errand.repeated = true);
            // In the old order; at most IN_FLIGHT_MAX, which any server takes.
            return (0..self.pending.len())
                .try_for_each(|index| self.send(index))
                .map_err(|why| format!("lost the new server, too: {why}"));
        }
    }

    fn note(&mut self, answer: Answer) -> Result<(), String> {
        let answered = self.hall.now();
        let mut errand = self.pending.pop_front().expect("answers follow requests");
        if self.back > 0 {
            self.hall.first_answer_back.fetch_min(answered, Ordering::Relaxed);
        }
        self.hall.answers.fetch_add(1, Ordering::Relaxed);
        let told = match answer {
            Answer::Refused(Refusal::Overloaded { retry_after_ms }) => {
                errand.due = answered + retry_after_ms * NS_PER_MS;
                self.errands.push(Reverse(errand));
                return Ok(());
            }
            Answer::Refused(refusal) => Told::Refused(refusal),
            Answer::Order(order) => Told::Order(order),
            other => return Err(format!("not an answer to an order: {other:?}")),
        };
        self.go_on(&errand, &told, answered);
        let caught = errand.due < self.back;
        self.deeds.push(Deed { errand, told, answered, caught });
        Ok(())
    }

    /// What a buyer does next.
    fn go_on(&mut self, errand: &Errand, told: &Told, now: u64) {
        let buyer = &self.hall.crowd[errand.buyer as usize];
        let next = match (errand.ask, told) {
            (Ask::Click, Told::Order(order)) if order.state == State::Held => match buyer.temper {
                Temper::Pays | Temper::PaysAndWantsMore => {
                    Some((buyer.thinks_ms, Ask::Pay(order.order)))
                }
                Temper::GivesBack => Some((buyer.thinks_ms, Ask::GiveBack(order.order))),
                Temper::WalksAway => None,
            },
            (Ask::Click, Told::Refused(Refusal::SoldOut)) => {
                let returned = self.returned.entry(errand.buyer).or_default();
                *returned += 1;
                let in_time =
                    now / NS_PER_MS + u64::from(buyer.returns_after_ms) <= u64::from(LAST_CLICK_MS);
                (*returned <= buyer.returns && in_time)
                    .then_some((buyer.returns_after_ms, Ask::Click))
            }
            (Ask::Pay(_), Told::Order(_)) if buyer.temper == Temper::PaysAndWantsMore => {
                Some((300, Ask::More))
            }
            _ => None,
        };
        if let Some((ms, ask)) = next {
            let due = now + u64::from(ms) * NS_PER_MS;
            let buyer = errand.buyer;
            self.errands.push(Reverse(Errand { due, buyer, ask, sent: 0, repeated: false }));
        }
    }
}
