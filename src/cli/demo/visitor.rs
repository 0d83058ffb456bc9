//! One connection of the crowd: sends what its buyers want when they want it, notes every answer,
//! and when the server dies under it, finds the new one and repeats all that was not answered under
//! the same keys.
//!
//! Answers come in the order of sending, so `pending` is all the book-keeping there is.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use doorbuster::client::{Answer, Client, Error, Refusal, Request, State};

use super::hall::{Ask, Deed, Errand, Hall, Told};
use super::plan::{self, LAST_CLICK_MS, LIMIT, Temper};
use super::talk::PATIENCE;

const NS_PER_MS: u64 = 1_000_000;
/// Requests on their way over one connection.
const IN_FLIGHT_MAX: usize = 256;

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
            let Some((generation, address)) = self.hall.after(self.generation, deadline) else {
                return Err("a connection was lost, and no new server came".to_owned());
            };
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
        self.hall.answered(answered, self.back > 0);
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
