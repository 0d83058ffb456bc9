//! The sale against a naive one: maps, lists and loops, as short as they can be. Millions of seeded
//! random commands over every command and state; each answer must be the same, and at the end the
//! stock, the proof and the image too. `DOORBUSTER_MODEL_COMMANDS` asks for a longer run.

#[path = "model/seen.rs"]
mod seen;
#[path = "model/trio.rs"]
mod trio;
#[path = "model/twin.rs"]
mod twin;

use doorbuster::drill::model::{MS, Naive, Order};
use doorbuster::sale::{
    About, Aside, Basket, Bounds, Buy, Command, DrawTerms, Fill, Form, GroupTerms, Ident,
    ItemTerms, Name, OrderLine, PRICE_MAX, PoolView, Rule, Ruling, STOCK_MAX, Seed, Shop, Side,
    State, Terms, condition,
};
use seen::{MET, Seen, meet};
use trio::Trio;

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
    let stock_max = [40, 5][random.below(2) as usize];
    let items = (0..1 + random.below(3)).map(|item| ItemTerms {
        sku: name(&format!("item-{item}")),
        stock: random.below(stock_max),
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
        groups: ["card", "device"][..random.below(3) as usize]
            .iter()
            .map(|text| GroupTerms { name: name(text), limit: 1 + random.below(4) as u32 })
            .collect(),
        draw: (random.below(2) == 0).then(|| DrawTerms {
            at: start + (4 + random.below(100)) * MS,
            commitment: *blake3::hash(&SEED).as_bytes(),
        }),
        opens_at: [0, 0, start + 3 * MS][random.below(3) as usize],
        closes_at: [0, 0, start + 400 * MS][random.below(3) as usize],
    }
}

fn removed_name(sale: u16) -> Name {
    name(&format!("sale-{}", sale - 1))
}

/// What every draw is drawn with.
const SEED: [u8; 32] = [7; 32];

/// A channel's number, often none; and members of limit groups, sometimes none.
fn side(random: &mut Random) -> Side {
    let mut member = || u128::from(random.below(5));
    let groups = [member(), member()];
    Side { channel: [0, 0, 0, 1, 2][random.below(5) as usize], groups }
}

/// Ends are rare, so that there is something to rule.
fn ruling(random: &mut Random, now: u64, wave: u64) -> Ruling {
    let units = [0, 1, 2, 10, STOCK_MAX][random.below(5) as usize];
    let time = now + [0, MS, 3 * MS, 50 * MS, 600 * MS][random.below(5) as usize];
    let rule = match random.below(76) {
        40..=44 => Rule::Plan { units, at: time },
        45 | 46 => Rule::CallOff(wave + random.below(2)),
        47..=65 => Rule::Draw([SEED, SEED, SEED, [8; 32]][random.below(4) as usize]),
        66.. => Rule::Aside(Aside {
            channel: name(["creator", "region"][random.below(2) as usize]),
            units: [0, 1, 2, 5][random.below(4) as usize],
            until: [0, time][random.below(2) as usize],
        }),
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
fn turn_over(sale: u16, random: &mut Random, trio: &mut Trio, now: &mut u64, seen: &mut Seen) {
    trio.settle(*now, seen);
    let close = Ruling { sale, item: 0, rule: Rule::Close };
    trio.rule(*now, &close).expect("it is there");
    // Past the end of every hold.
    *now += 60 * MS;
    trio.settle(*now, seen);
    trio.rule(*now, &Ruling { rule: Rule::Remove, ..close }).expect("nobody is left in it");
    let terms = terms(random, trio.naive.sales.len() as u64, *now);
    let sale = trio.create(*now, &terms).expect("it fits");
    trio.rule(*now, &Ruling { sale, item: 0, rule: Rule::Open }).expect("it is new");
}

/// Orders that fit into the tables of a shop whose sales turn over.
const ORDERS_AT_ONCE: usize = 50;

/// One life of a shop, in which sales `turn over` or are seldom removed. Returns how many sales
/// were removed in it, and how many orders given.
fn live(seed: u64, commands: u64, turns_over: bool, seen: &mut Seen) -> (usize, u64) {
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
    let mut trio = Trio::new(bounds, seed);
    let mut now = 1_000_000_000_000 * MS;
    for number in 0..1 + random.below(3) {
        let terms = terms(&mut random, number, now);
        trio.create(now, &terms).expect("it fits");
    }
    let opened = 1 + random.below(3) as u16;
    let ident = |bits: u64| Ident { form: Form::Decimal, bits: u128::from(bits) };
    for step in 0..commands {
        trio.context = format!("seed {seed}, step {step}");
        // Often the same instant, sometimes the very end of a hold.
        now += [0, 0, 1, MS / 2, MS, 5 * MS][random.below(6) as usize];
        trio.tick(now, seen);
        if turns_over {
            while trio.naive.orders.len() >= ORDERS_AT_ONCE || random.below(40) == 0 {
                let Some(oldest) = trio.naive.there().next() else { break };
                turn_over(oldest, &mut random, &mut trio, &mut now, seen);
            }
            trio.shop.clear_some(random.below(100) as usize);
        }
        if random.below(100) == 0 {
            trio.twin.restore(&trio.shop);
        }
        // Offers go on while commands are decided, but not past an operator's.
        let is_ruled = step == 3 || random.below(12) == 0;
        let mut offers = if is_ruled { u64::MAX } else { random.below(4) };
        while offers > 0 {
            let turn = trio.promote(now, seen);
            offers = if turn.is_none() { 0 } else { offers - 1 };
        }
        if is_ruled {
            let ruling = if step == 3 {
                Ruling { sale: opened, item: 0, rule: Rule::Open }
            } else {
                let wave = trio.naive.plans.last();
                let sale = wave.filter(|_| random.below(4) == 0).map(|plan| plan.2.0);
                let sale = sale.unwrap_or_else(|| a_sale(&mut random, &trio.naive));
                let wave = wave.map_or(0, |plan| plan.1);
                Ruling { sale, ..ruling(&mut random, now, wave) }
            };
            let real = trio.rule(now, &ruling);
            meet(
                seen,
                real.map_or_else(|why| format!("{why:?}"), |_| format!("{:?}", ruling.rule)),
            );
            if real == Ok(trio.naive.seq) && ruling.rule == Rule::Remove {
                // Its name is free.
                let mut terms = terms(&mut random, u64::from(ruling.sale) - 1, now);
                terms.name = removed_name(ruling.sale);
                trio.create(now, &terms);
            }
        }
        let sale = a_sale(&mut random, &trio.naive);
        let about = About {
            sale,
            order: random.below(trio.naive.seq + 2),
            buyer: [Ident::NONE, ident(random.below(12))][random.below(2) as usize],
        };
        let side = side(&mut random);
        let waits = random.below(2) == 0;
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
                waits,
                side,
                condition: condition(max_price, Fill::All, 0, waits, &side),
                buyer: ident(random.below(12)).into(),
                key: ident(random.below(commands)).into(),
            };
            let real = trio.basket(now, &basket);
            let met =
                real.map_or_else(|no| format!("{:?}", no.why), |ok| format!("{:?}", ok.state));
            meet(seen, format!("basket {met}"));
            if let Ok(given) = real {
                given_ever += u64::from(!given.replayed);
                let kept = trio.shop.lines(given.order).iter();
                let kept = kept.map(|line| (line.item, line.units.into(), line.price));
                let lines = trio.naive.orders[&given.order].lines.iter().copied();
                assert!(kept.eq(lines), "{}", trio.context);
            }
            continue;
        }
        let command = match random.below(13) {
            0..=5 => Command::Buy(Buy {
                sale,
                item: random.below(5) as u16,
                units,
                max_price,
                fill,
                waits,
                side,
                condition: condition(max_price, fill, units, waits, &side),
                buyer: ident(random.below(12)).into(),
                key: ident(random.below(commands)).into(),
            }),
            6 | 7 => Command::Confirm(about),
            8 | 9 => Command::Release(about),
            10 => Command::Cancel(about),
            _ => Command::Extend(about),
        };
        let real = trio.apply(now, &command);
        let is_given = matches!((&command, real), (Command::Buy(_), Ok(g)) if !g.replayed);
        given_ever += u64::from(is_given);
        meet(
            seen,
            real.map_or_else(|why| format!("{why:?}"), |given| format!("{:?}", given.state)),
        );
        if let (Command::Buy(buy), Ok(given)) = (&command, &real) {
            if buy.side.channel != 0 && given.state == State::Held {
                meet(seen, "from a channel".to_owned());
            }
            if trio.naive.orders[&given.order].is_undrawn {
                meet(seen, "entry".to_owned());
            }
        }
    }
    trio.twin.compare(&trio.shop);
    let Trio { shop, naive, .. } = trio;
    compare(seed, &shop, &naive, bounds);
    (naive.sales.iter().filter(|sale| sale.is_removed).count(), given_ever)
}

fn compare(seed: u64, shop: &Shop, naive: &Naive, bounds: Bounds) {
    for (sale, item) in naive.free.keys().filter(|p| p.2 == 0).map(|p| (&p.0, &p.1)) {
        let free = naive.free.iter().filter(|(place, _)| (&place.0, &place.1) == (sale, item));
        let free = &free.map(|(_, units)| units).sum::<u64>();
        let kept = shop.kept().nth(usize::from(*sale) - 1).expect("a sale that was created");
        let stock = kept.stocks[usize::from(*item) - 1];
        assert_eq!(stock.free, *free, "seed {seed}");
        let waiting = |order: &Order| order.sale == *sale && order.given.state == State::Waiting;
        let waiting = naive.sum(Some(*item), waiting);
        assert_eq!(stock.waiting, waiting, "seed {seed}");
        assert_eq!(stock.stock, stock.free + stock.held + stock.confirmed, "seed {seed}");
    }
    for (place, pool) in &naive.pools {
        let is_this = |view: &PoolView| (view.item, view.channel) == (place.1, place.2);
        let Some(view) = shop.pools(place.0).find(is_this) else { continue };
        let naive = (naive.free[place], pool.set_aside, pool.until, pool.is_swept);
        assert_eq!((view.free, view.set_aside, view.until, view.is_swept), naive, "seed {seed}");
    }
    for (kept, sale) in shop.kept().zip(&naive.sales) {
        assert_eq!(kept.is_removed, sale.is_removed, "seed {seed}");
        assert_eq!(shop.stock(kept.number, 1).is_err(), sale.is_removed, "seed {seed}");
    }
    let totals = shop.prove().unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    assert_eq!(totals.orders, naive.orders.len() as u64, "seed {seed}");
    let lines = shop.image_lines();
    let again = Shop::from_image(bounds, Seed::new([9, 9, 9, 9]), &lines[..])
        .unwrap_or_else(|why| panic!("seed {seed}: {why:?}"));
    assert_eq!(again.state_hash(), shop.state_hash(), "seed {seed}: an image makes the same state");
}

#[test]
fn the_sale_decides_as_a_naive_one_does() {
    let wanted = std::env::var("DOORBUSTER_MODEL_COMMANDS");
    let wanted: u64 = wanted.map_or(400_000, |text| text.parse().expect("a number"));
    let (mut done, mut seed, mut removed, mut seen) = (0, 1, 0, Seen::new());
    while done < wanted {
        removed += live(seed, 500, false, &mut seen).0;
        done += 500;
        seed += 1;
    }
    assert!(removed > 0, "the commands are random enough to end a sale");
    for what in MET {
        assert!(seen.contains_key(what), "{what} was never met: {seen:#?}");
    }
}

#[test]
fn small_tables_suffice_for_many_sales_if_each_is_removed() {
    for seed in 1..=4 {
        let (removed, given) = live(seed, 12_000, true, &mut Seen::new());
        let many = 6 * ORDERS_AT_ONCE as u64;
        assert!(given > many, "seed {seed}: {removed} removed, {given} orders");
    }
}
