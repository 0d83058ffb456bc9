//! The matcher between its rings, without a journal: answers of several cells, and what becomes of
//! requests in records.

use std::sync::Arc;

use crossbeam::utils::CachePadded;
use doorbuster::bell::Bell;
use doorbuster::board::BoardWriter;
use doorbuster::journal::Room;
use doorbuster::limits::{ITEMS_PER_SALE_MAX, SALE_CELLS_MAX};
use doorbuster::matcher::{Door, Matcher, MatcherParts};
use doorbuster::message::{
    Cell, FULL, Head, NO_MAX_PRICE, UP_TO, encode_lines, encode_terms, join_text, kind, outcome,
    text_tail,
};
use doorbuster::news::{Heard, News, NewsWriter};
use doorbuster::record::{Replay, rule};
use doorbuster::ring::{Reader, Writer, ring};
use doorbuster::sale::{
    Bounds, Form, Ident, ItemTerms, Name, OrderLine, Phase, Rule, Ruling, Seed, Shop, Terms,
    text_len,
};

const BOUNDS: Bounds = Bounds {
    orders_max: 64,
    buyers_max: 64,
    long_texts_max: 16,
    lines_max: 64,
    waiters_max: 64,
    sales_max: 16,
};
#[path = "matcher/crowd.rs"]
mod crowd;
#[path = "matcher/drops.rs"]
mod drops;
#[path = "matcher/removal.rs"]
mod removal;
#[path = "matcher/watched.rs"]
mod watched;

const NOW: u64 = 1_795_809_720_000_000_000;

thread_local! {
    /// What the matcher's clock shows.
    static TIME: std::cell::Cell<u64> = const { std::cell::Cell::new(NOW) };
}

struct House {
    matcher: Matcher,
    requests: Writer<Cell>,
    replies: Reader<Cell>,
    records: Reader<Cell>,
    /// As a shard would hear it.
    news: News,
    /// All records so far.
    journal: Vec<Cell>,
    bounds: Bounds,
}

impl House {
    fn new() -> House {
        House::of(BOUNDS)
    }

    fn of(bounds: Bounds) -> House {
        let (requests, requests_reader) = ring(8192, Cell::ZERO);
        let (replies_writer, replies) = ring(2048, Cell::ZERO);
        let (records_writer, records) = ring(8192, Cell::ZERO);
        let bell = || Arc::new(Bell::new(|| {}));
        let news_writer = NewsWriter::default();
        let news = news_writer.reader(0);
        let matcher = Matcher::new(MatcherParts {
            shop: Shop::new(bounds, Seed::new([1, 2, 3, 4])),
            board: BoardWriter::new(bounds.orders_max, Seed::new([1, 2, 3, 4])),
            news: news_writer,
            doors: vec![Door { requests: requests_reader, replies: replies_writer, bell: bell() }],
            records: records_writer,
            journal_bell: bell(),
            room: Room::default(),
            clock: || TIME.get(),
            monotonic: || 1,
            shed_after_ns: u64::MAX,
            counters: Arc::new(CachePadded::default()),
            journal_counters: Arc::new(CachePadded::default()),
        });
        House { matcher, requests, replies, records, news, journal: Vec::new(), bounds }
    }

    /// Asks, and returns the cells of the answer.
    fn ask(&mut self, cells: &[Cell]) -> Vec<Cell> {
        cells.iter().for_each(|cell| self.requests.push(*cell));
        self.requests.publish();
        // The board may catch up beside.
        assert!(self.matcher.work() >= 1);
        let there = self.replies.available(1);
        let answer: Vec<Cell> = (0..there).map(|at| self.replies.get(at)).collect();
        self.replies.release(there);
        self.record();
        assert_eq!(answer.len(), 1 + answer[0].reply_tails(), "it comes whole");
        answer
    }

    /// Takes the new records; returns how many cells there were.
    fn record(&mut self) -> usize {
        let recorded = self.records.available(1);
        self.journal.extend((0..recorded).map(|at| self.records.get(at)));
        self.records.release(recorded);
        recorded
    }

    fn rule(&mut self, sale: u16, item: u16, what: Rule) -> Cell {
        let cells: Vec<Cell> = rule(&Ruling { sale, item, rule: what }, 1).collect();
        self.ask(&cells)[0]
    }

    fn create(&mut self, terms: &Terms) -> Cell {
        self.ask(&encode_terms(0, terms, 1))[0]
    }

    /// What all records together make, decided again.
    fn replayed(&self) -> Shop {
        let mut replay = Replay::new(Shop::new(self.bounds, Seed::new([9, 9, 9, 9])), true);
        replay.apply(1, &self.journal).expect("the same law");
        let (shop, _) = replay.finish().expect("no seal");
        assert_eq!(shop.state_hash(), self.matcher.shop().state_hash());
        shop
    }
}

fn name(text: &str) -> Name {
    Name::parse(text.as_bytes()).expect("a good name")
}

fn terms(items: usize) -> Terms {
    let items = (0..items).map(|index| ItemTerms {
        sku: name(&format!("item-{index}")),
        stock: index as u64 + 3,
        price: 2500,
        limit: 2,
    });
    Terms {
        currency: *b"EUR",
        limit: 9,
        hold_ms: 120_000,
        ..Terms::new(name("drop"), items.collect())
    }
}

fn buy(buyer: &str, key: &str, tag: u32) -> Vec<Cell> {
    let mut head = Head { units: 1.into(), price: NO_MAX_PRICE.into(), ..Head::new(kind::BUY) };
    (head.sale, head.item, head.time) = (1.into(), 1.into(), 1.into());
    let mut tails = Vec::new();
    let idents = [buyer, key].map(|text| {
        let ident = Ident::parse(text.as_bytes()).expect("a good ident");
        if ident.form == Form::Long {
            tails.push(text_tail(text.as_bytes()));
        }
        ident
    });
    head.set_buyer(idents[0]);
    head.set_key(idents[1]);
    head.tag = tag.into();
    head.tails = (tails.len() as u16).into();
    [vec![head.into()], tails].concat()
}

const BUYER: &str = "a-buyer-of-more-than-sixteen";
const KEY: &str = "a-key-of-more-than-sixteen";

#[test]
fn a_command_is_answered_in_full_if_it_asks_for_it_and_its_record_does_not_show_that() {
    let mut house = House::new();
    house.create(&terms(1));
    house.rule(1, 0, Rule::Open);
    let text = |head_bits: [u8; 16], tail: &Cell| {
        let text = join_text(u128::from_le_bytes(head_bits), tail);
        String::from_utf8(text[..text_len(&text)].to_vec()).expect("ASCII")
    };
    let check = |cells: &[Cell], state: u8, seq: u64, replayed: u8| {
        assert_eq!(cells.len(), 4);
        let (reply, order) = (cells[0].reply(), cells[1].head());
        assert_eq!((reply.outcome, reply.order.to_native()), (state, 3));
        assert_eq!((reply.seq.to_native(), reply.replayed), (seq, replayed));
        assert_eq!((order.kind, order.units.to_native()), (kind::BUY, 1));
        assert_eq!(text(order.buyer, &cells[2]), BUYER);
        assert_eq!(text(order.key, &cells[3]), KEY);
    };
    check(&house.ask(&buy(BUYER, KEY, FULL)), outcome::HELD, 3, 0);
    check(&house.ask(&buy(BUYER, KEY, FULL)), outcome::HELD, 3, 1);
    assert_eq!(house.ask(&buy(BUYER, KEY, 0)).len(), 1);
    let mut confirm = Head { sale: 1.into(), tag: FULL.into(), ..Head::new(kind::CONFIRM) };
    confirm.set_order(3);
    check(&house.ask(&[confirm.into()]), outcome::CONFIRMED, 4, 0);
    let refused = house.ask(&[confirm.into()]);
    assert_eq!((refused.len(), refused[0].reply().outcome), (1, outcome::ALREADY_CONFIRMED));
    // The key leads to the order, as does its id.
    let mut by_key = Head { sale: 1.into(), ..Head::new(kind::ORDER_BY_KEY) };
    by_key.set_key(Ident::parse(KEY.as_bytes()).expect("good"));
    by_key.tails = 1.into();
    check(&house.ask(&[by_key.into(), text_tail(KEY.as_bytes())]), outcome::CONFIRMED, 3, 0);
    by_key.set_key(Ident::parse(b"another").expect("good"));
    by_key.tails = 0.into();
    assert_eq!(house.ask(&[by_key.into()])[0].reply().outcome, outcome::UNKNOWN_ORDER);
    by_key.sale = 2.into();
    assert_eq!(house.ask(&[by_key.into()])[0].reply().outcome, outcome::UNKNOWN_SALE);
    let bought = house.journal.iter().filter(|cell| cell.kind() == kind::BUY);
    let options: Vec<u8> = bought.map(|cell| cell.head().options).collect();
    assert_eq!(options, [Form::Long as u8 | (Form::Long as u8) << 3]);
    house.replayed();
}

#[test]
fn the_largest_sale_is_shown_whole() {
    let mut house = House::new();
    let wanted = terms(ITEMS_PER_SALE_MAX);
    assert_eq!(house.create(&wanted).reply().order.to_native(), 1);
    let question = Head { sale: 1.into(), ..Head::new(kind::SALE) };
    let cells = house.ask(&[question.into()]);
    // Behind the items come the rest of the terms.
    assert_eq!(cells.len(), 2 + ITEMS_PER_SALE_MAX);
    assert!(cells.len() <= SALE_CELLS_MAX);
    assert_eq!(cells[1 + ITEMS_PER_SALE_MAX].kind(), kind::TERMS);
    let sale = cells[0].sale_reply();
    assert_eq!((sale.state, sale.currency), (Phase::Scheduled as u8, *b"EUR"));
    assert_eq!((sale.limit.to_native(), sale.hold_ms.to_native()), (9, 120_000));
    assert_eq!(sale.after.to_native(), 1);
    for (index, cell) in cells[1..=ITEMS_PER_SALE_MAX].iter().enumerate() {
        let item = cell.item_reply();
        assert_eq!((item.kind, item.item.to_native()), (kind::ITEM, index as u16 + 1));
        assert_eq!(
            (item.stock.to_native(), item.free.to_native()),
            (index as u64 + 3, index as u64 + 3)
        );
        assert_eq!((item.price.to_native(), item.limit.to_native()), (2500, 2));
    }
    let unknown = Head { sale: 2.into(), ..Head::new(kind::SALE) };
    let cells = house.ask(&[unknown.into()]);
    assert_eq!((cells.len(), cells[0].reply().outcome), (1, outcome::UNKNOWN_SALE));
}

#[test]
fn a_sale_is_created_once_and_again_only_after_it_was_removed() {
    let mut house = House::new();
    let told = |cell: Cell| {
        let reply = cell.reply();
        (reply.outcome, reply.replayed, reply.order.to_native(), reply.seq.to_native())
    };
    assert_eq!(told(house.create(&terms(1))), (outcome::OK, 0, 1, 1));
    assert_eq!(told(house.create(&terms(1))), (outcome::OK, 1, 1, 0));
    // It is the terms of the beginning that count, not what became of them.
    house.rule(1, 1, Rule::Add(5));
    house.rule(1, 1, Rule::Price(7));
    assert_eq!(told(house.create(&terms(1))), (outcome::OK, 1, 1, 0));
    assert_eq!(told(house.create(&terms(2))), (outcome::KEY_REUSED, 0, 1, 0));
    assert_eq!(house.rule(1, 0, Rule::Remove).reply().outcome, outcome::NOT_CLOSED);
    house.rule(1, 0, Rule::Close);
    assert_eq!(told(house.rule(1, 0, Rule::Remove)), (outcome::OK, 0, 1, 5));
    assert_eq!(told(house.create(&terms(2))), (outcome::OK, 0, 2, 6));
    house.replayed();
}

#[test]
fn every_command_about_an_order_is_recorded_and_replays_to_the_same_state() {
    let mut house = House::new();
    house.create(&Terms { extend_ms: 1_000, ..terms(3) });
    house.rule(1, 0, Rule::Open);
    let bought = house.ask(&buy("u1", "k1", 0))[0].reply().order.to_native();
    let given_back = house.ask(&buy("u2", "k2", 0))[0].reply().order.to_native();
    // One is free where five are asked for.
    let mut many = buy("u3", KEY, 0);
    let head = *many[0].head();
    many[0] = Head { units: 5.into(), options: head.options | UP_TO, ..head }.into();
    let one = *house.ask(&many)[0].reply();
    assert_eq!((one.outcome, one.units.to_native()), (outcome::HELD, 1));
    let line = |item| OrderLine::new(item, 1, 0);
    let mut basket = buy("a-buyer-of-a-basket", "k4", 0);
    let head = *basket[0].head();
    let lines = [line(2), line(1), line(2), line(3)];
    basket[0] = Head {
        kind: kind::BASKET,
        units: 0.into(),
        item: 0.into(),
        tails: (head.tails.to_native() + 2).into(),
        tag: FULL.into(),
        ..head
    }
    .into();
    basket.extend([encode_lines(&lines[..3]), encode_lines(&lines[3..])]);
    let cells = house.ask(&basket);
    assert_eq!((cells[0].reply().outcome, cells.len()), (outcome::SOLD_OUT, 1));
    let (place, item) = (cells[0].reply().units, cells[0].reply().expires_in_ms);
    assert_eq!((place.to_native(), item.to_native()), (2, 1), "the second line, of item 1");
    house.rule(1, 1, Rule::Add(1));
    let cells = house.ask(&basket);
    assert_eq!((cells[0].reply().outcome, cells.len()), (outcome::HELD, 4));
    assert_eq!(cells[0].reply().price.to_native(), 4 * 2500);
    let joined = [(2, 2), (1, 1), (3, 1)].map(|(item, units)| OrderLine::new(item, units, 2500));
    assert_eq!(cells[3], encode_lines(&joined));
    let of_basket = cells[0].reply().order.to_native();
    let commands = [
        (kind::EXTEND, of_basket, outcome::HELD),
        (kind::CONFIRM, of_basket, outcome::CONFIRMED),
        (kind::CANCEL, of_basket, outcome::CANCELLED),
        (kind::EXTEND, bought, outcome::HELD),
        (kind::EXTEND, given_back, outcome::HELD),
        (kind::CONFIRM, bought, outcome::CONFIRMED),
        (kind::RELEASE, given_back, outcome::RELEASED),
        (kind::CANCEL, bought, outcome::CANCELLED),
    ];
    for (seq, (kind, order, told)) in (8..).zip(commands) {
        let mut command = Head { sale: 1.into(), ..Head::new(kind) };
        command.set_order(order);
        let reply = *house.ask(&[command.into()])[0].reply();
        assert_eq!((reply.outcome, reply.seq.to_native()), (told, seq));
        let shop = house.replayed();
        let image = shop.image_lines();
        let restored = Shop::from_image(BOUNDS, Seed::new([5, 6, 7, 8]), &image[..]);
        let restored = restored.unwrap_or_else(|why| panic!("{kind}: {why:?}"));
        assert_eq!(restored.state_hash(), shop.state_hash(), "{kind}");
        // A second time it changes nothing.
        let records = house.journal.len();
        assert!(outcome::is_refusal(house.ask(&[command.into()])[0].reply().outcome));
        assert_eq!(house.journal.len(), records);
    }
}

#[test]
fn every_ruling_is_recorded_once_and_replays_to_the_same_state() {
    let mut house = House::new();
    house.create(&terms(2));
    let rules = [
        (0, Rule::Pause),
        (0, Rule::Open),
        (0, Rule::Resume),
        (1, Rule::Add(10)),
        (2, Rule::Withdraw(3)),
        (1, Rule::Price(100)),
        (0, Rule::Close),
        (0, Rule::Remove),
    ];
    for (seq, (item, what)) in (2..).zip(rules) {
        let told = *house.rule(1, item, what).reply();
        assert_eq!((told.outcome, told.seq.to_native()), (outcome::OK, seq), "{what:?}");
        let records = house.journal.len();
        if matches!(what, Rule::Open | Rule::Pause | Rule::Resume | Rule::Price(_) | Rule::Close) {
            let again = *house.rule(1, item, what).reply();
            assert_eq!((again.outcome, again.seq.to_native()), (outcome::OK, 0), "{what:?}");
            assert_eq!(house.journal.len(), records, "{what:?}");
        }
        let shop = house.replayed();
        let image = shop.image_lines();
        let restored = Shop::from_image(BOUNDS, Seed::new([5, 6, 7, 8]), &image[..]);
        let restored = restored.unwrap_or_else(|why| panic!("{what:?}: {why:?}"));
        assert_eq!(restored.state_hash(), shop.state_hash(), "{what:?}");
    }
}

#[test]
fn records_of_rulings_that_the_law_would_not_write_are_refused() {
    let replay = |records: &[Head]| {
        let mut cells = encode_terms(1, &terms(1), NOW);
        cells.extend(records.iter().map(|head| Cell::from(*head)));
        let mut replay = Replay::new(Shop::new(BOUNDS, Seed::new([1, 2, 3, 4])), true);
        replay.apply(1, &cells)
    };
    let record = |item, what| {
        let mut cells = rule(&Ruling { sale: 1, item, rule: what }, NOW);
        *cells.next().expect("it has a head").head()
    };
    assert_eq!(replay(&[record(0, Rule::Pause), record(0, Rule::Close)]), Ok(()));
    let refused = |records: &[Head], why: &str| {
        let told = replay(records).expect_err("it breaks the law");
        assert!(told.starts_with("seq ") && told.contains(why), "{told}");
    };
    refused(&[record(0, Rule::Pause), record(0, Rule::Pause)], "seq 3: it changes nothing");
    refused(&[record(0, Rule::Close), record(0, Rule::Open)], "Closed");
    refused(&[record(0, Rule::Remove)], "NotClosed");
    refused(&[record(1, Rule::Withdraw(4))], "NotFree(3)");
    refused(&[record(2, Rule::Add(1))], "UnknownItem");
    refused(&[record(1, Rule::Price(1 << 60))], "TooMuch");
    refused(&[Head { units: 1.into(), ..record(0, Rule::Pause) }], "something beside it");
}
