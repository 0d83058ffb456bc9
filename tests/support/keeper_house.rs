//! A journal with true records, written and kept on a disk of the tests: a shop that decides, the
//! journal's room and the keeper's, worked by hand.

use std::cell::Cell as Slot;
use std::sync::Arc;

use crossbeam::utils::CachePadded;
use doorbuster::chains::chains;
use doorbuster::journal::{
    self, Durability, Journal, JournalError, JournalOptions, Report, Storage, Watermark,
};
use doorbuster::keeper::{Keep, Keeper, KeeperParts, Unremembered, remember};
use doorbuster::message::{Cell, Head, encode_terms, kind, text_tail};
use doorbuster::metrics::{JournalCounters, KeeperCounters};
use doorbuster::record::{self, Replay};
use doorbuster::ring::{Writer, ring};
use doorbuster::sale::{
    About, Bounds, Buy, Command, Fill, Form, Given, Ident, ItemTerms, Name, Party, Seed, Shop,
    Side, Terms,
};
use doorbuster::taps::Taps;

/// What its shop holds.
pub(crate) const BOUNDS: Bounds = Bounds {
    orders_max: 6_000,
    buyers_max: 6_050,
    long_texts_max: 6_000,
    lines_max: 100,
    waiters_max: 100,
    sales_max: 4,
};
const SEGMENT_BYTES: u64 = 8192;
const BATCH_CELLS: usize = 40;
const SNAPSHOT_BYTES: u64 = 20_000;

thread_local! {
    static TIME: Slot<u64> = const { Slot::new(1) };
}

/// Small, seeded, good enough to choose by.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Why nothing starts.
#[derive(Debug)]
#[allow(dead_code, reason = "they are shown")]
pub(crate) enum Lost {
    Memory(Unremembered),
    Journal(JournalError),
}

fn options() -> JournalOptions {
    JournalOptions::tiny(SEGMENT_BYTES, 2, Durability::Fsync, BATCH_CELLS)
}

fn seed() -> Seed {
    Seed::new([1, 2, 3, 4])
}

/// The state that a start finds.
pub(crate) fn started(disk: &(impl Storage + Clone)) -> Result<(Shop, Report), Lost> {
    let (shop, recovered, _) = recovered(disk)?;
    Ok((shop, *recovered.report()))
}

/// State, journal, and bytes of that behind the snapshot.
fn recovered<S: Storage + Clone>(disk: &S) -> Result<(Shop, journal::Recovered<S>, u64), Lost> {
    let (mut writer, _) = chains(1024);
    let memory = remember(disk, BOUNDS, seed, |at| writer.push(at.seq, &at.chain));
    let memory = memory.map_err(Lost::Memory)?;
    let mut replay = Replay::new(memory.shop, false);
    let mut behind = 0;
    let apply = |first, cells: &[Cell]| {
        behind += size_of_val(cells) as u64;
        replay.apply(first, cells)
    };
    let recovered = journal::open_from(disk.clone(), &options(), memory.from, writer, apply);
    let recovered = recovered.map_err(Lost::Journal)?;
    let (shop, _) = replay.finish().expect("no seal");
    shop.prove().expect("it keeps the law");
    Ok((shop, recovered, behind))
}

/// See the page's header.
pub(crate) struct House<S: Storage + Clone> {
    shop: Shop,
    held: Vec<Given>,
    dice: Dice,
    now: u64,
    number: u64,
    records: Writer<Cell>,
    journal: Journal<S>,
    keeper: Keeper<S>,
    pub(crate) watermark: Watermark,
    pub(crate) counters: Arc<KeeperCounters>,
    /// The state hash after each seq that it has made.
    hashes: Vec<[u8; 32]>,
}

impl<S: Storage + Clone> House<S> {
    /// Opens what is on the disk and goes on.
    pub(crate) fn open(disk: &S, dice: u64, keep: Keep, taps: &Taps) -> Result<House<S>, Lost> {
        let (shop, recovered, behind) = recovered(disk)?;
        let (records, reader) = ring(1024, Cell::ZERO);
        let counters = Arc::<CachePadded<JournalCounters>>::default();
        let watermark = Watermark::default();
        let started = recovered.start(watermark.clone(), reader, Vec::new(), Arc::clone(&counters));
        let (journal, _) = started.map_err(Lost::Journal)?;
        let kept = Arc::<KeeperCounters>::default();
        let newest = journal::snapshots(disk).map_err(Lost::Journal)?.last().copied();
        let newest = newest.map(|seq| journal::SnapshotReader::open(disk, seq));
        let newest = newest.transpose().map_err(Lost::Journal)?;
        let keeper = Keeper::new(KeeperParts {
            storage: disk.clone(),
            bounds: BOUNDS,
            seed,
            watermark: watermark.clone(),
            newest: newest.map(|reader| reader.header().place),
            behind,
            snapshot_bytes: SNAPSHOT_BYTES,
            chains_max: 1024,
            keep,
            taps: taps.clone(),
            journal: counters,
            counters: Arc::clone(&kept),
            clock: || TIME.get(),
        });
        let (now, number) = (shop.now().max(1), shop.seq());
        let mut house = House {
            shop,
            held: Vec::new(),
            dice: Dice(dice ^ number),
            now,
            number,
            records,
            journal,
            keeper,
            watermark,
            counters: kept,
            hashes: vec![[0; 32]],
        };
        if house.shop.seq() == 0 {
            house.create();
        }
        Ok(house)
    }

    fn create(&mut self) {
        let name = |text: &str| Name::parse(text.as_bytes()).expect("a good name");
        let item = |sku: &str| ItemTerms { sku: name(sku), stock: 1 << 30, price: 25, limit: 5 };
        let terms = Terms {
            currency: *b"EUR",
            hold_ms: 40,
            opens_at: 1,
            ..Terms::new(name("drop"), ["tee", "mug"].map(item).to_vec())
        };
        let (sale, _) = self.shop.create(self.now, &terms).expect("a good sale");
        self.push(&encode_terms(sale, &terms, self.now));
    }

    fn push(&mut self, cells: &[Cell]) {
        cells.iter().for_each(|cell| self.records.push(*cell));
        self.hashes.push(self.shop.state_hash());
        assert_eq!(self.hashes.len() as u64, self.shop.seq() + 1);
    }

    /// Some decisions, durable when this returns.
    pub(crate) fn batch(&mut self) {
        for _ in 0..=self.dice.below(6) {
            self.decide();
        }
        self.records.publish();
        while self.journal.has_work() {
            self.journal.work().expect("the disk is well");
        }
        assert_eq!(self.watermark.seq(), self.shop.seq());
    }

    fn decide(&mut self) {
        self.now += self.dice.below(4_000_000);
        while let Some((sale, given)) = self.shop.expire(self.now) {
            self.held.retain(|held| held.order != given.order);
            self.push(&[record::change(kind::EXPIRE, sale, &given, self.now).into()]);
        }
        let chosen = self.dice.below(3 + self.held.len() as u64) as usize;
        let is_known = chosen < self.held.len();
        if is_known {
            let order = self.held.swap_remove(chosen).order;
            let about = About { sale: 1, order, buyer: Ident::NONE };
            let (kind, command) = if self.dice.below(2) == 0 {
                (kind::CONFIRM, Command::Confirm(about))
            } else {
                (kind::RELEASE, Command::Release(about))
            };
            let given = self.shop.apply(self.now, &command).expect("it is held");
            return self.push(&[record::change(kind, 1, &given, self.now).into()]);
        }
        self.buy();
    }

    fn buy(&mut self) {
        self.number += 1;
        let is_long = self.dice.below(5) == 0;
        let text = format!("a-buyer-of-many-letters-{}", self.number);
        let mut padded = [0; 64];
        padded[..text.len()].copy_from_slice(text.as_bytes());
        let mut head = Head::new(kind::BUY);
        (head.sale, head.item, head.units) = (1.into(), 1.into(), 1.into());
        let key = Ident { form: Form::Decimal, bits: self.number.into() };
        head.set_key(key);
        let mut cells = Vec::new();
        let buyer = if is_long {
            let bits = u128::from_le_bytes(*padded.first_chunk().expect("longer"));
            head.set_buyer(Ident { form: Form::Long, bits });
            head.tails = 1.into();
            cells.push(text_tail(text.as_bytes()));
            Party { ident: self.shop.long(&padded), text: Some(&padded) }
        } else {
            let ident = Ident { form: Form::Decimal, bits: u128::from(self.number) + 7 };
            head.set_buyer(ident);
            ident.into()
        };
        let buy = Buy {
            sale: 1,
            item: 1,
            units: 1,
            max_price: u64::MAX,
            fill: Fill::All,
            waits: false,
            side: Side::NONE,
            condition: 7,
            buyer,
            key: key.into(),
        };
        let given = self.shop.apply(self.now, &Command::Buy(buy)).expect("there is enough");
        self.held.push(given);
        cells.insert(0, record::buy(&head, 7, &given, self.now).into());
        self.push(&cells);
    }

    /// Lets the keeper do what there is to do, some time after it did so last.
    pub(crate) fn keep(&mut self) {
        TIME.set(TIME.get() + 100_000_000_000);
        while self.keeper.work(&|| false) > 0 {}
    }

    /// The state after a seq.
    pub(crate) fn hash_at(&self, seq: u64) -> [u8; 32] {
        self.hashes[seq as usize]
    }

    /// Takes what an earlier house on this disk knew of the states before.
    pub(crate) fn hashes_so_far(&mut self, before: Vec<[u8; 32]>) {
        if !before.is_empty() {
            let made = std::mem::replace(&mut self.hashes, before);
            self.hashes.truncate(self.shop.seq() as usize + 1);
            assert_eq!(made.len(), 1);
        }
    }

    pub(crate) fn into_hashes(self) -> Vec<[u8; 32]> {
        self.hashes
    }
}
