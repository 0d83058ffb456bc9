//! The operator's room: takes commands from its inbox through a door of its own to the matcher, so
//! that they take their place in the order of arrival like everything else, and tells the answers
//! when they are durable.
//!
//! It decides nothing and waits for nobody. Names are looked up when a command goes; the names of a
//! sale that was created or removed are published before that is told.
//!
//! Invariants: commands about one sale go one after another, each when the one before was answered;
//! answers come out of the ring in the order in which commands went in, and always find room there.

mod handle;
mod view;
mod words;

use std::collections::VecDeque;
use std::sync::{
    Arc,
    mpsc::{Receiver, sync_channel},
};

use handle::Errand;
pub use handle::{Busy, OperatorHandle, Told};
pub use words::{
    ChannelView, DrawView, ItemView, OperatorAnswer, OperatorCommand, OperatorError, SaleView,
    WaveView,
};

use crate::bell::Bell;
use crate::directory::{Directory, DirectoryWriter, News};
use crate::journal::Gate;
use crate::limits::{
    OPERATOR_IN_FLIGHT_MAX, OPERATOR_INBOX_MAX, OPERATOR_REPLY_RING_CELLS, SALE_CELLS_MAX,
    SALE_MORE_CELLS_MAX, TAILS_MAX,
};
use crate::message::{Cell, Head, check_terms, encode_terms, kind, outcome};
use crate::record;
use crate::ring::{Reader, Writer};
use crate::sale::{Name, Rule, Ruling, Terms};

/// What the room is made of.
pub struct OperatorParts {
    /// To the matcher.
    pub requests: Writer<Cell>,
    /// From the matcher, of [`OPERATOR_REPLY_RING_CELLS`].
    pub replies: Reader<Cell>,
    /// What lets answers out.
    pub gate: Gate,
    /// Rung when there are commands.
    pub matcher_bell: Arc<Bell>,
    /// Where the names of sales are published.
    pub directory: DirectoryWriter,
    /// Monotonic ns, the clock of arrival stamps.
    pub clock: fn() -> u64,
    /// Wakes this room; rung by matcher, journal and whoever asks.
    pub bell: Arc<Bell>,
}

/// A command on its way.
struct Flight {
    errand: Errand,
    /// The sale's number; 0 for a new one.
    sale: u16,
    /// Cells that its answer may take.
    promised: usize,
}

/// The room.
pub struct Operator {
    parts: OperatorParts,
    names: Directory,
    inbox: Receiver<Errand>,
    /// Out of the inbox, but not on its way yet.
    next: Option<Errand>,
    flights: VecDeque<Flight>,
    /// Cells that the answers of all flights may take.
    promised: usize,
    is_stopping: bool,
}

impl Operator {
    /// Makes the room and the way to it.
    pub fn new(parts: OperatorParts) -> (Operator, OperatorHandle) {
        let (sender, inbox) = sync_channel(OPERATOR_INBOX_MAX);
        let handle = OperatorHandle::new(sender, Arc::clone(&parts.bell));
        let operator = Operator {
            names: parts.directory.reader(),
            parts,
            inbox,
            next: None,
            flights: VecDeque::with_capacity(OPERATOR_IN_FLIGHT_MAX),
            promised: 0,
            is_stopping: false,
        };
        (operator, handle)
    }

    /// Tells what can be told and sends what can go. Returns how much that was.
    pub fn work(&mut self) -> usize {
        self.tell() + self.send()
    }

    /// Whether [`work`](Self::work) would find something to do.
    pub fn busy(&mut self) -> bool {
        let answers = self.parts.replies.available(1) > 0
            && self.parts.gate.pass(self.parts.replies.get(0)).is_some();
        answers || self.look() && self.may_go()
    }

    /// Sends nothing more: what waits hears that the server stops.
    pub fn drain(&mut self) {
        self.is_stopping = true;
        self.next = None;
        self.inbox.try_iter().for_each(drop);
    }

    /// Whether, after [`drain`](Self::drain), all that was sent is answered.
    pub fn is_drained(&self) -> bool {
        self.is_stopping && self.flights.is_empty()
    }

    fn send(&mut self) -> usize {
        let mut sent = 0;
        while self.look()
            && self.may_go()
            && let Some(errand) = self.next.take()
        {
            sent += 1;
            if let OperatorCommand::Create(terms) = &errand.command
                && let Err(why) = check_terms(terms)
            {
                errand.tell(Err(OperatorError::Terms(why)));
                continue;
            }
            self.push(errand);
        }
        if self.parts.requests.publish() {
            self.parts.matcher_bell.ring();
        }
        sent
    }

    /// Whether there is a command to be sent.
    fn look(&mut self) -> bool {
        if self.next.is_none() && !self.is_stopping {
            self.next = self.inbox.try_recv().ok();
        }
        self.next.is_some()
    }

    /// Whether it may go now.
    fn may_go(&mut self) -> bool {
        let Some(errand) = &self.next else { return false };
        let sale = errand.command.sale();
        self.flights.len() < OPERATOR_IN_FLIGHT_MAX
            && self.promised + SALE_CELLS_MAX <= OPERATOR_REPLY_RING_CELLS
            && self.parts.requests.free(TAILS_MAX + 1) > TAILS_MAX
            && self.flights.iter().all(|flight| flight.errand.command.sale() != sale)
    }

    fn push(&mut self, errand: Errand) {
        let time = (self.parts.clock)();
        let page = self.names.refresh();
        let name = errand.command.sale();
        let sale = page.sale(name);
        let item = |item: &Name| page.item(sale, item);
        let mut promised = 1;
        let (item, rule) = match &errand.command {
            OperatorCommand::Create(terms) => {
                let cells = encode_terms(0, terms, time);
                self.parts.requests.push_all(cells.into_iter());
                return self.take_off(Flight { errand, sale: 0, promised });
            }
            OperatorCommand::Sale { .. } => {
                let names = page.names(sale);
                promised += names.map_or(0, |names| names.items.len() + SALE_MORE_CELLS_MAX);
                let head = Head { sale: sale.into(), time: time.into(), ..Head::new(kind::SALE) };
                self.parts.requests.push(head.into());
                return self.take_off(Flight { errand, sale, promised });
            }
            OperatorCommand::Open { .. } => (0, Rule::Open),
            OperatorCommand::Pause { .. } => (0, Rule::Pause),
            OperatorCommand::Resume { .. } => (0, Rule::Resume),
            OperatorCommand::Close { .. } => (0, Rule::Close),
            OperatorCommand::Remove { .. } => (0, Rule::Remove),
            OperatorCommand::Add { item: name, units, .. } => (item(name), Rule::Add(*units)),
            OperatorCommand::Withdraw { item: name, units, .. } => {
                (item(name), Rule::Withdraw(*units))
            }
            OperatorCommand::Price { item: name, price, .. } => (item(name), Rule::Price(*price)),
            OperatorCommand::Aside { item: name, aside, .. } => (item(name), Rule::Aside(*aside)),
            OperatorCommand::Plan { item: name, units, at, .. } => {
                (item(name), Rule::Plan { units: *units, at: *at })
            }
            OperatorCommand::CallOff { wave, .. } => (0, Rule::CallOff(*wave)),
            OperatorCommand::Draw { seed, .. } => (0, Rule::Draw(*seed)),
        };
        for cell in record::rule(&Ruling { sale, item, rule }, time) {
            self.parts.requests.push(cell);
        }
        self.take_off(Flight { errand, sale, promised });
    }

    fn take_off(&mut self, flight: Flight) {
        self.promised += flight.promised;
        self.flights.push_back(flight);
    }

    fn tell(&mut self) -> usize {
        let mut there = self.parts.replies.available(1);
        let (mut at, mut news, mut answers) = (0, Vec::new(), Vec::new());
        while at < there {
            let Some(answer) = self.parts.gate.pass(self.parts.replies.get(at)) else { break };
            let answer = answer.into_inner();
            let tails = answer.reply_tails();
            if at + 1 + tails > there {
                there = self.parts.replies.available(at + 1 + tails);
                assert!(at + 1 + tails <= there, "an answer is published with its tails");
            }
            let flight = self.flights.pop_front().expect("an answer has a command");
            assert!(tails < flight.promised, "an answer of {tails} tails");
            self.promised -= flight.promised;
            news.extend(new_names(&flight, &answer));
            answers.push((self.read(&flight, &answer, at + 1), flight.errand));
            at += 1 + tails;
        }
        self.parts.replies.release(at);
        // Whoever hears of a sale finds it there.
        self.parts.directory.publish(news);
        let told = answers.len();
        answers.into_iter().for_each(|(answer, errand)| errand.tell(Ok(answer)));
        told
    }

    /// Reads an answer whose tails lie from `tails_at` on.
    fn read(&self, flight: &Flight, answer: &Cell, tails_at: usize) -> OperatorAnswer {
        if answer.kind() == kind::SALE_REPLY {
            let tails = tails_at..tails_at + answer.reply_tails();
            let tails: Vec<Cell> = tails.map(|at| self.parts.replies.get(at)).collect();
            let names = self.names.page().names(flight.sale);
            let names = names.expect("its number came from this page");
            return OperatorAnswer {
                outcome: outcome::OK,
                seq: 0,
                replayed: false,
                sale: flight.sale,
                value: 0,
                view: Some(view::view(answer, &tails, names)),
            };
        }
        let reply = answer.reply();
        let number = u16::try_from(reply.order.to_native()).expect("a sale's number");
        OperatorAnswer {
            outcome: reply.outcome,
            seq: reply.seq.to_native(),
            replayed: reply.replayed != 0,
            sale: if number == 0 { flight.sale } else { number },
            value: reply.price.to_native(),
            view: None,
        }
    }
}

/// What an answer changes in the directory.
fn new_names(flight: &Flight, answer: &Cell) -> Option<News> {
    // Nothing changed without a seq.
    if answer.kind() != kind::REPLY || answer.reply().seq.to_native() == 0 {
        return None;
    }
    match &flight.errand.command {
        OperatorCommand::Create(terms) => Some(created(terms)),
        OperatorCommand::Remove { .. } => Some(News::Removed(flight.sale)),
        OperatorCommand::Aside { aside, .. } => Some(News::Channel(flight.sale, aside.channel)),
        _ => None,
    }
}

/// What a new sale adds to the directory.
pub(crate) fn created(terms: &Terms) -> News {
    let items = terms.items.iter().map(|item| item.sku).collect();
    let groups = terms.groups.iter().map(|group| group.name).collect();
    News::Created(terms.name, items, groups)
}
