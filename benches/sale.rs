//! The pure room alone, one thread: decisions a second with limits, idempotency and holds, every
//! decision a new order of a new buyer; beside it the plain loop that a shop would write first, a
//! `std` hash map of what each buyer has.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use doorbuster::sale::{
    Basket, Bounds, Buy, Command, Fill, Form, Ident, ItemTerms, Name, OrderLine, Seed, Shop, Side,
    Terms, condition,
};

/// How far ahead of its decision a request's memory is asked for, as the matcher does.
const AHEAD: u64 = 32;
const SEED: Seed = Seed::new([1, 2, 3, 4]);

fn name(text: &str) -> Name {
    Name::parse(text.as_bytes()).expect("a good name")
}

fn shop(orders_max: usize, buyers_max: usize) -> Shop {
    let bounds = Bounds {
        orders_max,
        buyers_max: buyers_max + 5,
        long_texts_max: 16,
        lines_max: 4 * orders_max,
        waiters_max: 0,
        sales_max: 16,
    };
    let mut shop = Shop::new(bounds, SEED);
    let item = |sku: &str| ItemTerms { sku: name(sku), stock: 1 << 40, price: 2500, limit: 2 };
    let terms = Terms {
        currency: *b"EUR",
        limit: 4,
        hold_ms: 120_000,
        opens_at: 1,
        ..Terms::new(name("drop"), ["tee", "cap", "mug", "bag"].map(item).to_vec())
    };
    shop.create(1, &terms).expect("a good sale");
    shop
}

/// A permutation of 0..2^64, so that neighbours in time are no neighbours in any table.
fn scatter(number: u64) -> u128 {
    let mut x = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x ^= x >> 29;
    u128::from(x.wrapping_mul(0xBF58_476D_1CE4_E5B9))
}

/// Decides `count` purchases, each under a new key, by `buyers` different buyers in turn.
fn decide(shop: &mut Shop, count: u64, buyers: u64) -> Duration {
    let start = Instant::now();
    let ident = |bits| Ident { form: Form::Decimal, bits };
    let mut given = 0;
    for number in 0..count + AHEAD {
        if number < count {
            shop.prefetch(1, ident(scatter(number % buyers)), ident(scatter(number)));
        }
        let Some(number) = number.checked_sub(AHEAD) else { continue };
        let buy = Buy {
            sale: 1,
            item: 1,
            units: 1,
            max_price: u64::MAX,
            fill: Fill::All,
            waits: false,
            side: Side::NONE,
            condition: condition(u64::MAX, Fill::All, 1, false, &Side::NONE),
            buyer: ident(scatter(number % buyers)).into(),
            key: ident(scatter(number)).into(),
        };
        given += u64::from(shop.apply(1000 + number / 256, &Command::Buy(buy)).is_ok());
    }
    let time = start.elapsed();
    assert_eq!(given, count.min(2 * buyers), "the limit is two units a buyer");
    time
}

/// Decides `count` baskets of four items, each of a new buyer under a new key.
fn baskets(shop: &mut Shop, count: u64) -> Duration {
    let lines = [1, 2, 3, 4].map(|item| OrderLine::new(item, 1, 0));
    let start = Instant::now();
    let ident = |bits| Ident { form: Form::Decimal, bits };
    let mut given = 0;
    for number in 0..count + AHEAD {
        if number < count {
            shop.prefetch(1, ident(scatter(number)), ident(scatter(number)));
        }
        let Some(number) = number.checked_sub(AHEAD) else { continue };
        let basket = Basket {
            sale: 1,
            lines: &lines,
            max_price: u64::MAX,
            waits: false,
            side: Side::NONE,
            condition: condition(u64::MAX, Fill::All, 0, false, &Side::NONE),
            buyer: ident(scatter(number)).into(),
            key: ident(scatter(number)).into(),
        };
        given += u64::from(shop.basket(1000 + number / 256, &basket).is_ok());
    }
    let time = start.elapsed();
    assert_eq!(given, count, "each buyer may have one of each");
    time
}

fn sale(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sale");
    group.sample_size(10).warm_up_time(Duration::from_millis(1));
    for (label, buyers) in [("10M buyers", 10_000_000_u64), ("100k buyers", 100_000)] {
        let count = if buyers > 1_000_000 { buyers } else { 2 * buyers };
        group.throughput(Throughput::Elements(count));
        group.bench_function(label, |bencher| {
            bencher.iter_custom(|rounds| {
                (0..rounds)
                    .map(|_| decide(&mut shop(count as usize, count as usize), count, buyers))
                    .sum()
            });
        });
        group.bench_function(format!("{label}, plain hash map, limit alone"), |bencher| {
            bencher.iter_custom(|rounds| (0..rounds).map(|_| plain(count, buyers)).sum());
        });
    }
    // What four items cost together, beside what one costs.
    const BASKETS: u64 = 2_000_000;
    let tables = || shop(BASKETS as usize, 4 * BASKETS as usize);
    group.throughput(Throughput::Elements(BASKETS));
    group.bench_function("2M buyers, one item", |bencher| {
        bencher.iter_custom(|rounds| {
            (0..rounds).map(|_| decide(&mut tables(), BASKETS, BASKETS)).sum()
        });
    });
    group.bench_function("2M buyers, basket of four items", |bencher| {
        bencher.iter_custom(|rounds| (0..rounds).map(|_| baskets(&mut tables(), BASKETS)).sum());
    });
    group.finish();
    let shop = shop(10_000_000, 10_000_000);
    let (orders, buyers) = shop.table_bytes();
    println!("bytes an order: {:.1}", orders as f64 / 10e6);
    println!("bytes a buyer:  {:.1}", buyers as f64 / 10e6);
    assert!(orders <= 128 * 10_000_000 && buyers <= 48 * 10_000_000);
}

fn plain(count: u64, buyers: u64) -> Duration {
    let mut has: HashMap<u128, u32> = HashMap::with_capacity(buyers as usize);
    let mut stock = 1_u64 << 40;
    let start = Instant::now();
    for number in 0..count {
        let units = has.entry(scatter(number % buyers)).or_default();
        if *units < 2 && stock > 0 {
            *units += 1;
            stock -= 1;
        }
    }
    let time = start.elapsed();
    assert_eq!(black_box((1 << 40) - stock), count.min(2 * buyers));
    time
}

criterion_group!(benches, sale);
criterion_main!(benches);
