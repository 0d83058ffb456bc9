//! The sale against a naive one: maps, lists and loops, as short as they can be. Millions of seeded
//! random commands over every command and state; each answer must be the same, and at the end the
//! stock, the proof and the image too. `DOORBUSTER_MODEL_COMMANDS` asks for a longer run.

#[path = "model/naive.rs"]
mod naive;
#[path = "model/rules.rs"]
mod rules;

use doorbuster::sale::{
    About, Basket, Bounds, Buy, Command, Fill, Form, Ident, ItemTerms, Name, OrderLine, PRICE_MAX,
    Rule, Ruling, STOCK_MAX, Seed, Shop, Terms, condition,
};
use naive::{MS, Naive};

/// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>): small, seeded, the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

fn name(text: &str) -> Name {
    Name::parse(text.as_bytes()).expect("a good name")
}

fn terms(random: &mut Random, number: u64, start: u64) -> Terms {
    let items = (0..1 + random.below(3)).map(|item| ItemTerms {
        sku: name(&format!("item-{item}")),
        stock: random.below(40),
        price: 1000 + random.below(3),
        limit: random.below(4) as u32,
    });
    Terms {
        name: name(&format!("sale-{number}")),
        items: items.collect(),
        currency: *b"EUR",
        limit: random.below(3) as u32 * 3,
        hold_ms: [0, 5, 5, 20][random.below(4) as usize],
        extend_ms: [0, 7, 30][random.below(3) as usize],
        offer_ms: [4, 20][random.below(2) as usize],
        waitlist: [0, 3, 200][random.below(3) as usize],
        is_strict: random.below(2) == 0,
        opens_at: [0, 0, start + 3 * MS][random.below(3) as usize],
        closes_at: [0, 0, start + 400 * MS][random.below(3) as usize],
    }
}

fn removed_name(sale: u16) -> Name {
    name(&format!("sale-{}", sale - 1))
}

/// Ends are rare, so that there is something to rule.
fn ruling(random: &mut Random) -> Ruling {
    let units = [0, 1, 2, 10, STOCK_MAX][random.below(5) as usize];
    let rule = match random.below(40) {
        0..=5 => Rule::Open,
        6..=9 => Rule::Pause,
        10..=19 => Rule::Resume,
        20 => Rule::Close,
        21 | 22 => Rule::Remove,
        23..=28 => Rule::Add(units),
        29..=33 => Rule::Withdraw(units),
        _ => Rule::Price([999, 1000, 1001, PRICE_MAX + 1][random.below(4) as usize]),
    };
    Ruling { sale: 0, item: random.below(4) as u16, rule }
}

/// Mostly the number of a sale that is there.
fn a_sale(random: &mut Random, naive: &Naive) -> u16 {
    let any = random.below(naive.sales.len() as u64 + 2) as u16;
    let there: Vec<u16> = naive.there().collect();
    if random.below(8) == 0 || there.is_empty() {
        return any;
    }
    there[random.below(there.len() as u64) as usize]
}

/// Ends a sale and removes it, and has another in its place.
fn turn_over(sale: u16, random: &mut Random, shop: &mut Shop, naive: &mut Naive, now: &mut u64) {
    let close = Ruling { sale, item: 0, rule: Rule::Close };
    while let Some(given) = naive.promote(*now) {
        assert_eq!(shop.promote(*now).map(|(_, given)| given), Some(given));
    }
    assert_eq!(shop.promote(*now), None);
    assert_eq!(shop.rule(*now, &close), naive.rule(*now, &close));
    // Past the end of every hold.
    *now += 60 * MS;
    while let Some(given) = naive.expire(*now) {
        assert_eq!(shop.expire(*now).map(|(_, given)| given), Some(given));
    }
    assert_eq!(shop.expire(*now), None);
    while let Some(given) = naive.promote(*now) {
        assert_eq!(shop.promote(*now).map(|(_, given)| given), Some(given));
    }
    assert_eq!(shop.promote(*now), None);
    let remove = Ruling { rule: Rule::Remove, ..close };
    assert_eq!(shop.rule(*now, &remove), naive.rule(*now, &remove));
    let terms = terms(random, naive.sales.len() as u64, *now);
    let (number, _) = shop.create(*now, &terms).expect("it fits");
    naive.create(&terms);
    let open = Ruling { sale: number, item: 0, rule: Rule::Open };
    assert_eq!(shop.rule(*now, &open), naive.rule(*now, &open));
}

/// Orders that fit into the tables of a shop whose sales turn over.
const ORDERS_AT_ONCE: usize = 50;

/// One life of a shop, in which sales `turn over` or are seldom removed. Returns how many sales
/// were removed in it, and how many orders given.
fn live(seed: u64, commands: u64, turns_over: bool) -> (usize, u64) {
    let (most, sales) = if turns_over { (ORDERS_AT_ONCE, 2000) } else { (4096, 4) };
    let bounds = Bounds {
        orders_max: most,
        buyers_max: 4 * most,
        long_texts_max: 64,
        lines_max: 2 * most,
        waiters_max: 4096,
        sales_max: sales,
    };
    let mut given_ever = 0;
    let mut random = Random(seed);
    let mut shop = Shop::new(bounds, Seed::new([seed, 2, 3, 4]));
    let mut naive = Naive::default();
    let mut now = 1_000_000_000_000 * MS;
    for number in 0..1 + random.below(3) {
        let terms = terms(&mut random, number, now);
        shop.create(now, &terms).expect("it fits");
        naive.create(&terms);
    }
    let opened = 1 + random.below(3) as u16;
    let ident = |bits: u64| Ident { form: Form::Decimal, bits: u128::from(bits) };
    for step in 0..commands {
        let context = format!("seed {seed}, step {step}");
        // Often the same instant, sometimes the very end of a hold.
        now += [0, 0, 1, MS / 2, MS, 5 * MS][random.below(6) as usize];
        loop {
            let (real, model) = (shop.expire(now).map(|(_, given)| given), naive.expire(now));
            assert_eq!(real, model, "{context}: expiry");
            if real.is_none() {
                break;
            }
        }
        if turns_over {
            while naive.orders.len() >= ORDERS_AT_ONCE || random.below(40) == 0 {
                let Some(oldest) = naive.there().next() else { break };
                turn_over(oldest, &mut random, &mut shop, &mut naive, &mut now);
            }
            shop.clear_some(random.below(100) as usize);
        }
        // Offers go on while commands are decided, but not past an operator's.
        let is_ruled = step == 3 || random.below(16) == 0;
        let mut offers = if is_ruled { u64::MAX } else { random.below(4) };
        while offers > 0 {
            let (real, model) = (shop.promote(now).map(|(_, given)| given), naive.promote(now));
            assert_eq!(real, model, "{context}: offer");
            offers = if real.is_none() { 0 } else { offers - 1 };
        }
        if is_ruled {
            let ruling = if step == 3 {
                Ruling { sale: opened, item: 0, rule: Rule::Open }
            } else {
                Ruling { sale: a_sale(&mut random, &naive), ..ruling(&mut random) }
            };
            let (real, model) = (shop.rule(now, &ruling), naive.rule(now, &ruling));
            assert_eq!(real, model, "{context}: {ruling:?}");
            if real == Ok(naive.seq) && ruling.rule == Rule::Remove {
                // Its name is free.
                let mut terms = terms(&mut random, u64::from(ruling.sale) - 1, now);
                terms.name = removed_name(ruling.sale);
                if shop.create(now, &terms).is_ok() {
                    naive.create(&terms);
                }
            }
        }
        let sale = a_sale(&mut random, &naive);
        let about = About {
            sale,
            order: random.below(naive.seq + 2),
            buyer: [Ident::NONE, ident(random.below(12))][random.below(2) as usize],
        };
        let max_price = [u64::MAX, 1000, 1001, 1002][random.below(4) as usize];
        let units = 1 + random.below(3) as u32;
        let fill = [Fill::All, Fill::UpTo][random.below(2) as usize];
        if random.below(4) == 0 {
            // Three lines of three items: often two are of one.
            let line = |random: &mut Random| {
                OrderLine::new(random.below(4) as u16, 1 + random.below(2) as u32, 77)
            };
            let lines: Vec<OrderLine> =
                (0..1 + random.below(3)).map(|_| line(&mut random)).collect();
            let basket = Basket {
                sale,
                lines: &lines,
                max_price,
                condition: condition(max_price, Fill::All, 0, false),
                buyer: ident(random.below(12)).into(),
                key: ident(random.below(commands)).into(),
            };
            let (real, model) = (shop.basket(now, &basket), naive.basket(now, &basket));
            assert_eq!(real, model, "{context}: {basket:?}");
            if let Ok(given) = real {
                given_ever += u64::from(!given.replayed);
                let kept = shop.lines(given.order).iter();
                let kept = kept.map(|line| (line.item, line.units.into(), line.price));
                assert!(kept.eq(naive.orders[&given.order].lines.iter().copied()), "{context}");
            }
            continue;
        }
        let waits = random.below(2) == 0;
        let command = match random.below(13) {
            0..=5 => Command::Buy(Buy {
                sale,
                item: random.below(5) as u16,
                units,
                max_price,
                fill,
                waits,
                condition: condition(max_price, fill, units, waits),
                buyer: ident(random.below(12)).into(),
                key: ident(random.below(commands)).into(),
            }),
            6 | 7 => Command::Confirm(about),
            8 | 9 => Command::Release(about),
            10 => Command::Cancel(about),
            _ => Command::Extend(about),
        };
        let real = shop.apply(now, &command);
        let model = match &command {
            Command::Buy(buy) => naive.buy(now, buy),
            command => naive.change(command),
        };
        let is_given = matches!((&command, real), (Command::Buy(_), Ok(g)) if !g.replayed);
        given_ever += u64::from(is_given);
        assert_eq!(real, model, "{context}: {command:?}");
        assert_eq!(shop.seq(), naive.seq, "{context}: seq");
    }
    compare(seed, &shop, &naive, bounds);
    (naive.sales.iter().filter(|sale| sale.is_removed).count(), given_ever)
}

fn compare(seed: u64, shop: &Shop, naive: &Naive, bounds: Bounds) {
    for ((sale, item), free) in &naive.free {
        let kept = shop.kept().nth(usize::from(*sale) - 1).expect("a sale that was created");
        let stock = kept.stocks[usize::from(*item) - 1];
        assert_eq!(stock.free, *free, "seed {seed}");
        let waiting: u64 = naive.queue(*sale, *item).map(|order| order.lines[0].1).sum();
        assert_eq!(stock.waiting, waiting, "seed {seed}");
        assert_eq!(stock.stock, stock.free + stock.held + stock.confirmed, "seed {seed}");
    }
    for (kept, sale) in shop.kept().zip(&naive.sales) {
        assert_eq!(kept.is_removed, sale.is_removed, "seed {seed}");
        assert_eq!(shop.stock(kept.number, 1).is_err(), sale.is_removed, "seed {seed}");
    }
    let totals = shop.prove().unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    assert_eq!(totals.orders, naive.orders.len() as u64, "seed {seed}");
    let mut lines = Vec::new();
    shop.image(|line| lines.push(*line));
    let again = Shop::from_image(bounds, Seed::new([9, 9, 9, 9]), lines)
        .unwrap_or_else(|why| panic!("seed {seed}: {why:?}"));
    assert_eq!(again.state_hash(), shop.state_hash(), "seed {seed}: an image makes the same state");
}

#[test]
fn the_sale_decides_as_a_naive_one_does() {
    let wanted = std::env::var("DOORBUSTER_MODEL_COMMANDS");
    let wanted: u64 = wanted.map_or(400_000, |text| text.parse().expect("a number"));
    let (mut done, mut seed, mut removed) = (0, 1, 0);
    while done < wanted {
        removed += live(seed, 500, false).0;
        done += 500;
        seed += 1;
    }
    assert!(removed > 0, "the commands are random enough to end a sale");
}

#[test]
fn small_tables_suffice_for_many_sales_if_each_is_removed() {
    for seed in 1..=12 {
        let (removed, given) = live(seed, 20_000, true);
        let many = 20 * ORDERS_AT_ONCE as u64;
        assert!(given > many, "seed {seed}: {removed} removed, {given} orders");
    }
}
