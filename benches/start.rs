//! How soon a server with many live orders is in service: the state from a snapshot, for 10 million
//! orders that are held (`DOORBUSTER_ORDERS` for another number), each of a buyer of its own;
//! beside it the same state from the journal's records.

use std::time::{Duration, Instant};

use doorbuster::chains::ChainAt;
use doorbuster::journal::{
    self, Cursor, Disk, Durability, Journal, JournalOptions, SnapshotHeader, SnapshotWriter,
    Watermark,
};
use doorbuster::keeper::remember;
use doorbuster::message::{Cell, Head, encode_terms, kind};
use doorbuster::record::{self, Replay};
use doorbuster::ring::{Writer, ring};
use doorbuster::sale::{
    Bounds, Buy, Command, Fill, Form, Ident, ItemTerms, Name, Seed, Shop, Side, Terms,
};

const ROUNDS: usize = 5;
const BATCH: u64 = 4096;

fn seed() -> Seed {
    Seed::new([1, 2, 3, 4])
}

/// Neighbours in time are no neighbours in any table.
fn scatter(number: u64) -> u128 {
    let mut x = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x ^= x >> 29;
    u128::from(x.wrapping_mul(0xBF58_476D_1CE4_E5B9))
}

fn terms() -> Terms {
    let name = |text: &str| Name::parse(text.as_bytes()).expect("a good name");
    Terms {
        currency: *b"EUR",
        limit: 4,
        hold_ms: 1_000_000_000,
        opens_at: 1,
        ..Terms::new(
            name("drop"),
            vec![ItemTerms { sku: name("tee"), stock: 1 << 40, price: 2500, limit: 2 }],
        )
    }
}

/// Writes the journal of so many orders.
fn write(disk: &Disk, shop: &mut Shop, orders: u64) {
    let options = JournalOptions::new(64 << 20, 2, Durability::Os).expect("good options");
    let recovered = journal::open(disk.clone(), &options, |_, _| Ok(())).expect("a new folder");
    let (mut records, reader) = ring(65_536, Cell::ZERO);
    let started =
        recovered.start(Watermark::default(), reader, Vec::new(), std::sync::Arc::default());
    let (mut journal, _) = started.expect("a thread");
    let (sale, _) = shop.create(1, &terms()).expect("a good sale");
    encode_terms(sale, &terms(), 1).into_iter().for_each(|cell| records.push(cell));
    for number in 0..orders {
        buy(shop, number, &mut records);
        if number % BATCH == 0 {
            publish(&mut records, &mut journal);
        }
    }
    publish(&mut records, &mut journal);
    journal.finish().expect("the disk is well");
}

fn buy(shop: &mut Shop, number: u64, records: &mut Writer<Cell>) {
    let ident = |bits| Ident { form: Form::Decimal, bits };
    let mut head = Head::new(kind::BUY);
    (head.sale, head.item, head.units) = (1.into(), 1.into(), 1.into());
    head.set_buyer(ident(scatter(number)));
    head.set_key(ident(scatter(number + 7)));
    let buy = Buy {
        sale: 1,
        item: 1,
        units: 1,
        max_price: u64::MAX,
        fill: Fill::All,
        waits: false,
        side: Side::NONE,
        condition: 7,
        buyer: ident(scatter(number)).into(),
        key: ident(scatter(number + 7)).into(),
    };
    let now = 2 + number;
    let given = shop.apply(now, &Command::Buy(buy)).expect("there is enough");
    records.push(record::buy(&head, 7, &given, now).into());
}

fn publish(records: &mut Writer<Cell>, journal: &mut Journal<Disk>) {
    records.publish();
    while journal.has_work() {
        journal.work().expect("the disk is well");
    }
}

/// Makes the snapshot at the journal's end.
fn snapshot(disk: &Disk, shop: &Shop) -> u64 {
    let mut cursor = Cursor::new(disk.clone()).expect("a journal");
    let mut last = None;
    while let Some(batch) = cursor.next(shop.seq()).expect("a good journal") {
        last = Some(ChainAt { seq: batch.last_seq, chain: *batch.chain });
    }
    let mut writer = SnapshotWriter::new(disk, shop.seq()).expect("room");
    writer.push_chain(&last.expect("there are batches")).expect("room");
    let mut image_lines = 0;
    shop.image(|line| {
        writer.push(line).expect("room");
        image_lines += 1;
    });
    let place = cursor.place();
    let state_hash = shop.state_hash();
    let header = SnapshotHeader { place, state_hash, chain_lines: 1, image_lines };
    writer.finish(&header).expect("room");
    64 * image_lines
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

fn main() {
    let wanted = std::env::var("DOORBUSTER_ORDERS").ok().and_then(|text| text.parse().ok());
    let orders: u64 = wanted.unwrap_or(10_000_000);
    let bounds = Bounds {
        orders_max: orders as usize + 1,
        buyers_max: orders as usize + 64,
        long_texts_max: 16,
        lines_max: 16,
        waiters_max: 16,
        sales_max: 16,
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let disk = Disk::new(folder.path());
    let mut shop = Shop::new(bounds, seed());
    write(&disk, &mut shop, orders);
    let (hash, start) = (shop.state_hash(), Instant::now());
    let bytes = snapshot(&disk, &shop);
    println!(
        "a snapshot of {orders} held orders: {} MB, made in {:.2} s",
        bytes / 1_000_000,
        start.elapsed().as_secs_f64()
    );
    drop(shop);
    let (mut from_snapshot, mut from_journal) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let memory = remember(&disk, bounds, seed, |_| ()).expect("a good snapshot");
        from_snapshot.push(start.elapsed());
        assert!(memory.from.is_some() && memory.shop.state_hash() == hash);
        drop(memory);
        let start = Instant::now();
        let mut replay = Replay::new(Shop::new(bounds, seed()), false);
        journal::read(&disk, |first, cells| replay.apply(first, cells)).expect("a good journal");
        from_journal.push(start.elapsed());
        assert!(replay.shop().state_hash() == hash);
    }
    println!(
        "from the snapshot {:.2} s, from the journal {:.2} s (medians of {ROUNDS}, in turn)",
        median(from_snapshot),
        median(from_journal)
    );
}
