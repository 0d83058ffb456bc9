//! What the board says, against the matcher: whenever it answers a purchase, the matcher, asked the
//! same at the same moment, gives the same answer. Random commands of buyers and operators under a
//! seed, with holds that run out and a clock that is moved by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crossbeam::utils::CachePadded;
use doorbuster::bell::Bell;
use doorbuster::board::{Board, BoardWriter};
use doorbuster::journal::Room;
use doorbuster::matcher::{Door, Matcher, MatcherParts};
use doorbuster::message::{Cell, Head, NO_MAX_PRICE, Reply, encode_terms, kind, outcome};
use doorbuster::news::NewsWriter;
use doorbuster::record::rule;
use doorbuster::ring::{Reader, Writer, ring};
use doorbuster::sale::{Bounds, Form, Ident, ItemTerms, Name, Rule, Ruling, Seed, Shop, Terms};

const BOUNDS: Bounds = Bounds {
    orders_max: 40_000,
    buyers_max: 80_000,
    long_texts_max: 16,
    lines_max: 64,
    waiters_max: 64,
    sales_max: 16,
};
const ITEMS: u16 = 3;
const BEGINNING: u64 = 1_795_809_720_000_000_000;
const MS: u64 = 1_000_000;
/// Ns since the beginning.
static CLOCK: AtomicU64 = AtomicU64::new(1);

struct House {
    matcher: Matcher,
    board: Board,
    requests: Writer<Cell>,
    replies: Reader<Cell>,
    records: Reader<Cell>,
}

impl House {
    fn new() -> House {
        let (requests, requests_reader) = ring(8192, Cell::ZERO);
        let (replies_writer, replies) = ring(2048, Cell::ZERO);
        let (records_writer, records) = ring(8192, Cell::ZERO);
        let bell = || Arc::new(Bell::new(|| {}));
        let board = BoardWriter::new(BOUNDS.orders_max, Seed::new([5, 6, 7, 8]));
        let reader = board.reader();
        let matcher = Matcher::new(MatcherParts {
            shop: Shop::new(BOUNDS, Seed::new([1, 2, 3, 4])),
            board,
            news: NewsWriter::default(),
            doors: vec![Door { requests: requests_reader, replies: replies_writer, bell: bell() }],
            records: records_writer,
            journal_bell: bell(),
            room: Room::default(),
            clock: || BEGINNING + CLOCK.load(Relaxed),
            monotonic: || CLOCK.load(Relaxed),
            shed_after_ns: u64::MAX,
            counters: Arc::new(CachePadded::default()),
            journal_counters: Arc::new(CachePadded::default()),
        });
        House { matcher, board: reader, requests, replies, records }
    }

    fn ask(&mut self, cells: &[Cell]) -> Reply {
        cells.iter().for_each(|cell| self.requests.push(*cell));
        self.requests.publish();
        while self.replies.available(1) == 0 {
            self.matcher.work();
            let recorded = self.records.available(1);
            self.records.release(recorded);
        }
        let reply = *self.replies.get(0).reply();
        self.replies.release(1);
        reply
    }
}

fn terms() -> Terms {
    let name = |text: &str| Name::parse(text.as_bytes()).expect("a good name");
    let items = (1..=ITEMS).map(|item| ItemTerms {
        sku: name(&format!("item-{item}")),
        stock: 4 * u64::from(item),
        price: 100,
        limit: if item == 1 { 0 } else { 2 },
    });
    Terms {
        currency: *b"EUR",
        limit: 3,
        hold_ms: 900,
        // Towards the end of the test.
        closes_at: BEGINNING + 50_000 * MS,
        ..Terms::new(name("drop"), items.collect())
    }
}

/// Sebastiano Vigna's splitmix64.
fn mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}

#[test]
fn the_board_never_answers_otherwise_than_the_matcher_would() {
    let mut house = House::new();
    let mut seed = 0xB0A2D;
    println!("seed {seed:#x}");
    let mut draw = |below: u64| mix(&mut seed) % below;
    house.ask(&encode_terms(0, &terms(), 1));
    let rule_of = |sale: u16, item: u16, what: Rule| {
        rule(&Ruling { sale, item, rule: what }, 1).next().expect("it has a head")
    };
    house.ask(&[rule_of(1, 0, Rule::Open)]);
    let mut sale = 1;
    let (mut orders, mut told, mut sold_out, mut given) = (Vec::new(), 0, 0, 0);
    for round in 0..30_000_u64 {
        CLOCK.fetch_add(draw(4 * MS), Relaxed);
        if round % 5_000 == 4_999 {
            // The next sale has the places that this one's orders had, and the same buyers.
            house.ask(&[rule_of(sale, 0, Rule::Close)]);
            CLOCK.fetch_add(1_000 * MS, Relaxed);
            let removed = house.ask(&[rule_of(sale, 0, Rule::Remove)]);
            assert_eq!(removed.outcome, outcome::OK, "round {round}: no hold lasts so long");
            house.ask(&encode_terms(0, &terms(), 1));
            sale += 1;
            house.ask(&[rule_of(sale, 0, Rule::Open)]);
            orders.clear();
        }
        let item = 1 + draw(u64::from(ITEMS)) as u16;
        let one_of =
            |orders: &[u64], at: u64| orders.get(at as usize % orders.len().max(1)).copied();
        match draw(200) {
            0..=14 => {
                let mut head = Head::new(if draw(2) == 0 { kind::CONFIRM } else { kind::RELEASE });
                (head.sale, head.time) = (sale.into(), 1.into());
                head.set_order(one_of(&orders, draw(1 << 20)).unwrap_or(7));
                house.ask(&[head.into()]);
            }
            15 | 16 => {
                let what = match draw(8) {
                    0 => Rule::Pause,
                    1 | 2 => Rule::Resume,
                    3 | 4 => Rule::Add(1),
                    5 => Rule::Withdraw(1),
                    _ => Rule::Price(50 + draw(100)),
                };
                house.ask(&[rule_of(sale, item, what)]);
            }
            _ => {
                let decimal = |number: u64| Ident { form: Form::Decimal, bits: number.into() };
                // Some buyers and keys come again and again, some once more, most never.
                let mut pick = || match draw(6) {
                    0 => draw(40),
                    1 | 2 => 1_000 + round.saturating_sub(draw(60)),
                    _ => 1_000 + round,
                };
                let (buyer, key) = (pick(), pick());
                let mut head = Head::new(kind::BUY);
                (head.sale, head.item, head.time) = (sale.into(), item.into(), 1.into());
                head.units = (1 + draw(4) as u32).into();
                head.price = if draw(3) == 0 { 60 + draw(90) } else { NO_MAX_PRICE }.into();
                head.set_buyer(decimal(buyer));
                head.set_key(decimal(key));
                let notice = house.board.sold_out((sale, item), &head, CLOCK.load(Relaxed));
                let reply = house.ask(&[head.into()]);
                if let Some(notice) = notice {
                    told += 1;
                    assert_eq!(reply.outcome, outcome::SOLD_OUT, "round {round}: {head:?}");
                    assert!(notice.after <= reply.after.to_native(), "from a state that was");
                }
                sold_out += u64::from(reply.outcome == outcome::SOLD_OUT);
                if reply.outcome == outcome::HELD && reply.replayed == 0 {
                    given += 1;
                    orders.push(reply.order.to_native());
                }
            }
        }
    }
    println!("{given} given, {sold_out} sold out, {told} of them told by the board");
    assert!(given > 300 && sold_out > 1_000, "{given} given, {sold_out} sold out");
    assert!(told * 5 > sold_out, "it is of use: {told} of {sold_out}");
}
