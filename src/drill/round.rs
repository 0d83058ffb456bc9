//! One round: a house lives, is worked in an order that the seed decides, and ends; another opens
//! over what is left, and must know all that was told. At last everything works, and everybody must
//! be answered.
//!
//! Invariants, looked at all the time: each decision is the model's; what was told is in the
//! journal that the next house reads; what that journal makes is the state, twice; damage is
//! refused.

mod answers;
mod harm;
mod rulings;
mod survival;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use survival::Opened;

use super::buyers::{Asked, Buyer, Offer};
use super::clock;
use super::disk::{Cut, SimDisk};
use super::faults::{Amid, Damage, End, Fault, Life, Plan, Room};
use super::house::{BOUNDS, EVERYTHING, Found, House, Make, recover};
use super::judge::Judge;
use super::random::Random;
use super::sink::{Outlet, Shelf};
use super::speech::{Ask, Told, item_name, sale_name};
use super::tally::Tally;
use crate::journal::JournalError;
use crate::message::{Cell, outcome};
use crate::operator::{OperatorCommand, OperatorHandle};
use crate::record::Replay;
use crate::sale::{Aside, ItemTerms, Name, Seed, Shop, Terms};

/// Rounds of everybody working in which all must be answered once nothing goes wrong any more.
const CALM_ROUNDS_MAX: u64 = 4_000;

/// How long the power waits for a deed to go amid of.
const AMID_STEPS: u64 = 400;

/// All that outlives a house.
pub(super) struct World {
    random: Random,
    make: Make,
    offer: Offer,
    terms: Vec<Terms>,
    disk: SimDisk,
    shelf: Shelf,
    outlet: Outlet,
    buyers: Vec<Buyer>,
    judge: Judge,
    pub(super) tally: Tally,
    /// What happened, as one number.
    pub(super) trace: u64,
    step: u64,
    /// The newest seq that anything told rests on.
    told: u64,
    /// The newest seq that was said to be durable.
    durable: u64,
    /// Sales that buyers have heard of.
    created: usize,
    is_asking: bool,
    news: Arc<Mutex<Vec<Result<u8, String>>>>,
    /// Until which step the disk is full, and rooms do nothing.
    full_until: u64,
    stalls: Vec<(Room, u64)>,
    weights: Vec<u64>,
    /// How often the disk had failed when the house opened.
    failures: u64,
    /// What was counted of what outlives a house.
    counted: HashMap<&'static str, u64>,
}

fn name(text: &str) -> Name {
    Name::parse(text.as_bytes()).expect("the script has good names only")
}

fn terms(random: &mut Random, sale: u16, items: u16, price: u64) -> Terms {
    let stock = random.pick(&[1, 3, 10]);
    let items = (1..=items).map(|item| ItemTerms {
        sku: name(&item_name(item)),
        stock: 1 + random.below(stock),
        price,
        limit: random.pick(&[0, 0, 2, 3]),
    });
    Terms {
        name: name(&sale_name(sale)),
        items: items.collect(),
        currency: *b"EUR",
        limit: random.pick(&[0, 0, 4]),
        hold_ms: random.pick(&[0, 20, 200, 200, 60_000]),
        extend_ms: random.pick(&[0, 50]),
        offer_ms: random.pick(&[10, 100, 30_000]),
        waitlist: random.pick(&[0, 3, 50]),
        is_strict: random.once_in(2),
        groups: Vec::new(),
        draw: None,
        opens_at: 0,
        closes_at: 0,
    }
}

impl World {
    /// Everything as it is before the first house opens, and what will go wrong.
    pub(super) fn new(seed: u64) -> (World, Plan) {
        clock::wind();
        let mut random = Random::new(seed);
        let shards = 1 + random.place(3);
        let offer = Offer {
            sales: 1 + random.below(2) as u16,
            items: 1 + random.below(3) as u16,
            price: 1000,
        };
        let terms: Vec<Terms> = (1..=offer.sales)
            .map(|sale| terms(&mut random, sale, offer.items, offer.price))
            .collect();
        let batch_cells_max = random.pick(&[24, 48, 200]);
        let buyers = 2 + random.place(6);
        let buyers: Vec<Buyer> =
            (0..buyers).map(|number| Buyer::new(number, shards, &mut random)).collect();
        let plan = Plan::draw(&mut random, buyers.len(), shards);
        let make = Make {
            shards,
            segment_bytes: random
                .pick(&[4096, 8192, 16_384])
                .max((batch_cells_max as u64 + 3) * 64),
            segments_ahead: 1 + random.place(3),
            batch_cells_max,
            connections_max: 32,
            snapshot_bytes: random.pick(&[0, 500, 1_500, 5_000]),
            keep_bytes: random.pick(&[0, 0, 4_000, EVERYTHING]),
        };
        // Segments are made of whole headers' lengths.
        let make = Make { segment_bytes: make.segment_bytes.next_multiple_of(64), ..make };
        let world = World {
            make,
            offer,
            terms,
            disk: SimDisk::default(),
            shelf: Shelf::default(),
            outlet: Outlet::new(random.once_in(2)),
            buyers,
            judge: Judge::default(),
            tally: Tally::default(),
            trace: seed,
            step: 0,
            told: 0,
            durable: 0,
            created: 0,
            is_asking: false,
            news: Arc::default(),
            full_until: 0,
            stalls: Vec::new(),
            weights: Vec::new(),
            failures: 0,
            counted: HashMap::new(),
            random,
        };
        (world, plan)
    }

    /// The round.
    ///
    /// # Errors
    /// A sentence with what was wrong.
    pub(super) fn run(&mut self, plan: &Plan) -> Result<(), String> {
        for life in &plan.lives {
            self.live(life)?;
        }
        self.calm()
    }

    fn note(&mut self, what: u64, value: u64) {
        let mixed = self.trace ^ what.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ value;
        self.trace = Random::new(mixed).next();
    }

    /// One life up to its end, and that its end was survived.
    fn live(&mut self, life: &Life) -> Result<(), String> {
        self.disk.trouble(|troubles| match life.at_start {
            Some(Amid::Fails(deed, nth)) => troubles.fails = Some((deed, nth)),
            Some(Amid::Dies(deed, nth)) => troubles.dies = Some((deed, nth)),
            None => {}
        });
        let mut house = match self.open() {
            Ok(house) => house,
            Err(Opened::Failed(why)) => {
                // The disk failed at the start: the next start finds it well.
                self.tally.outcome("start failed by the disk", 1);
                self.note(1, 0);
                drop(why);
                let cut = self.random.pick(&[Cut::Lost, Cut::Torn, Cut::Reordered]);
                self.disk.cut(cut, &mut self.random);
                self.tally.fault(End::PowerCut(cut).word(), 1);
                match self.open() {
                    Ok(house) => house,
                    Err(Opened::Failed(why)) => return Err(format!("it does not open: {why}")),
                    Err(Opened::Wrong(what)) => return Err(what),
                }
            }
            Err(Opened::Wrong(what)) => return Err(what),
        };
        self.disk.trouble(|troubles| (troubles.fails, troubles.dies) = (None, None));
        self.weights = (0..16).map(|_| 1 + self.random.below(6)).collect();
        let (mut faults, until) = (life.faults.iter().peekable(), self.step + life.steps);
        let start = self.step;
        let late = if life.amid.is_some() { AMID_STEPS } else { 0 };
        while self.step < until + late {
            self.step += 1;
            if self.step == until {
                self.disk.trouble(|troubles| troubles.dies = life.amid);
            }
            while let Some((_, fault)) = faults.next_if(|(step, _)| start + step <= self.step) {
                self.strike(fault);
            }
            self.relieve();
            if !self.act(&mut house)? {
                // The process has ended itself.
                if self.disk.is_dead() {
                    self.tally.fault("power cut amid a write or a sync", 1);
                    return self.end(house, life.end, life.damage);
                }
                self.tally.outcome("stopped by a failing disk", 1);
                return self.end(house, End::PowerCut(Cut::Reordered), life.damage);
            }
        }
        if life.end == End::Stop {
            return self.stop(house, life.damage);
        }
        self.end(house, life.end, life.damage)
    }

    /// Something goes wrong.
    fn strike(&mut self, fault: &Fault) {
        self.note(2, self.step);
        match *fault {
            Fault::DiskFails(deed, nth) => {
                self.disk.trouble(|troubles| troubles.fails = Some((deed, nth)));
            }
            Fault::DiskShort(bytes) => self.disk.trouble(|troubles| troubles.short = Some(bytes)),
            Fault::DiskFull(bytes, steps) => {
                let capacity = self.disk.bytes() + bytes;
                self.disk.trouble(|troubles| troubles.capacity = Some(capacity));
                self.full_until = self.step + steps;
            }
            Fault::DiskSlow(ms) => self.disk.trouble(|troubles| troubles.sync_ns = ms * 1_000_000),
            Fault::Shortage(count) => self.disk.trouble(|troubles| troubles.shortages = count),
            Fault::ClockSteps(ms) => {
                clock::step_wall(ms * 1_000_000);
                let what = if ms < 0 { "wall clock stepped back" } else { "wall clock stepped on" };
                self.tally.fault(what, 1);
            }
            Fault::TimePasses(ms) => {
                clock::pass(ms * 1_000_000);
                self.tally.fault("time passed at a stroke", 1);
            }
            Fault::Reset(buyer) => {
                let broke = self.buyers[buyer].reset();
                self.tally.fault("connection broken", broke.into());
            }
            Fault::HalfClose(buyer) => {
                let ended = self.buyers[buyer].end();
                self.tally.fault("connection half closed", ended.into());
            }
            Fault::Stall(room, steps) => {
                self.stalls.push((room, self.step + steps));
                self.tally.fault("room stalled", 1);
            }
            Fault::SinkRefuses(times) => self.outlet.refuse(times),
            Fault::SinkLosesAnswer => self.outlet.lose_answer(),
            // What is removed it could not be told again: that it has, it said itself.
            Fault::SinkForgets(count) if self.make.keeps_all() => self.outlet.forget(count),
            Fault::SinkForgets(_) => {}
            Fault::CheckpointFails => {
                self.shelf.0.trouble(|troubles| {
                    troubles.fails = Some((super::disk::Deed::Sync, 0));
                });
            }
        }
    }

    fn relieve(&mut self) {
        if self.full_until == self.step {
            self.disk.trouble(|troubles| troubles.capacity = None);
        }
        self.stalls.retain(|(_, until)| *until > self.step);
    }

    /// Somebody does something. Returns whether the house still stands.
    fn act(&mut self, house: &mut House) -> Result<bool, String> {
        let shards = house.shards.len();
        let rooms = 11;
        let sum: u64 = self.weights[..rooms].iter().sum();
        let mut draw = self.random.below(sum);
        let mut what = 0;
        while draw >= self.weights[what] {
            draw -= self.weights[what];
            what += 1;
        }
        clock::pass(self.random.below(200_000));
        if self.random.once_in(30) {
            self.aim();
        }
        let shard = self.random.place(shards);
        let is_stalled = |room: Room| self.stalls.iter().any(|(stalled, _)| *stalled == room);
        let done = match what {
            0 | 1 if !is_stalled(Room::Shard(shard)) => house.shards[shard].work(),
            2 if !is_stalled(Room::Matcher) => self.decide(house)?,
            3 if !is_stalled(Room::Journal) => match self.write(house) {
                Some(done) => done,
                None => return Ok(false),
            },
            4 if !is_stalled(Room::Maker) => house.journal.tend().into(),
            5 => {
                let first = self.random.place(shards + 1);
                let doors = first..(first + 1 + self.random.place(2)).min(shards + 1);
                doors.map(|door| house.carry_requests(door) + house.carry_answers(door)).sum()
            }
            6 => house.carry_records(),
            7 => {
                let mut done = 0;
                for _ in 0..1 + self.random.below(4) {
                    done += self.buyer(house, false)?;
                }
                done
            }
            8 if !is_stalled(Room::Sink) => self.follow(house)?,
            9 if !is_stalled(Room::Operator) => {
                self.rule(house)?;
                house.operator.work()
            }
            10 if !is_stalled(Room::Keeper) => house.keep(),
            _ => 0,
        };
        self.note(what as u64 + 16, done as u64);
        Ok(true)
    }

    /// Has the clock show the very end of a hold, or the instant before or after it.
    fn aim(&mut self) {
        const NEAR_NS: u64 = 300_000_000;
        let held = self
            .judge
            .model()
            .orders
            .values()
            .filter(|order| order.given.state == crate::sale::State::Held);
        let Some(end) = held.map(|order| order.given.expires_at).min() else { return };
        let at = end + self.random.below(3) - 1;
        let is_met = clock::aim(at, NEAR_NS);
        self.tally.outcome("holds looked at in their last instant", is_met.into());
    }

    fn decide(&mut self, house: &mut House) -> Result<usize, String> {
        let work = house.decide()?;
        let done = work.decided.len() + work.records.len();
        let cells = work.records.iter().chain(work.decided.iter().map(|(_, answer)| answer));
        let mut sum = 0;
        for cell in cells.flatten() {
            sum ^= crc32c::crc32c(&cell.0);
        }
        self.note(3, sum.into());
        self.tally.outcome("requests decided", work.decided.len() as u64);
        self.tally.outcome("changes recorded", work.records.len() as u64);
        // As it stood up to now, and as it stands from here.
        self.judge.note_short(self.step);
        self.judge.judge(work)?;
        self.judge.note_short(self.step);
        Ok(done)
    }

    /// One batch; `None`: the process ends.
    fn write(&mut self, house: &mut House) -> Option<usize> {
        let worked = house.journal.work();
        self.durable = self.durable.max(house.watermark.seq());
        worked.ok()
    }
}
