//! The sale against a naive one: maps, lists and loops, as short as they can be. Millions of seeded
//! random commands over every command and state; each answer must be the same, and at the end the
//! stock, the proof and the image too. `DOORBUSTER_MODEL_COMMANDS` asks for a longer run.

use std::collections::{BTreeMap, HashMap};

use doorbuster::sale::{
    About, Bounds, Buy, Command, Form, Given, Ident, ItemTerms, Name, Outcome, PRICE_MAX, Refusal,
    Rule, Ruling, STOCK_MAX, Seed, Shop, State, Terms, condition,
};

const MS: u64 = 1_000_000;

#[derive(Clone)]
struct Order {
    given: Given,
    sale: u16,
    item: u16,
    buyer: Ident,
    condition: u32,
}

/// A sale: its terms with the prices in force, and what the operator has said of it.
#[derive(Clone)]
struct Sale {
    terms: Terms,
    is_open: bool,
    is_paused: bool,
    is_closed: bool,
    is_removed: bool,
}

impl Sale {
    fn is_over(&self, now: u64) -> bool {
        self.is_closed || self.terms.closes_at != 0 && now >= self.terms.closes_at
    }

    fn has_opened(&self, now: u64) -> bool {
        self.is_open || self.terms.opens_at != 0 && now >= self.terms.opens_at
    }
}

/// The law, written down once more without any cleverness.
#[derive(Default)]
struct Naive {
    seq: u64,
    sales: Vec<Sale>,
    free: HashMap<(u16, u16), u64>,
    orders: BTreeMap<u64, Order>,
    keys: HashMap<(u16, u8, u128), u64>,
}

impl Naive {
    fn create(&mut self, terms: &Terms) {
        self.seq += 1;
        let [is_open, is_paused, is_closed, is_removed] = [false; 4];
        self.sales.push(Sale { terms: terms.clone(), is_open, is_paused, is_closed, is_removed });
        let sale = self.sales.len() as u16;
        for (number, item) in (1..).zip(&terms.items) {
            self.free.insert((sale, number), item.stock);
        }
    }

    fn sale(&self, sale: u16) -> Result<usize, Refusal> {
        let index = usize::from(sale).wrapping_sub(1);
        let found = self.sales.get(index).filter(|sale| !sale.is_removed);
        found.map(|_| index).ok_or(Refusal::UnknownSale)
    }

    fn sum(&self, counts: impl Fn(&Order) -> bool) -> u64 {
        let orders = self.orders.values().filter(|order| counts(order));
        orders.map(|order| u64::from(order.given.units)).sum()
    }

    /// The seq of the change; 0 if there is none.
    fn rule(&mut self, now: u64, ruling: &Ruling) -> Result<u64, Refusal> {
        let (number, index) = (ruling.sale, self.sale(ruling.sale)?);
        let (is_over, has_opened) =
            (self.sales[index].is_over(now), self.sales[index].has_opened(now));
        let held = self.sum(|order| order.sale == number && order.given.state == State::Held);
        let is_item = matches!(ruling.rule, Rule::Add(_) | Rule::Withdraw(_) | Rule::Price(_));
        if is_item && !self.free.contains_key(&(number, ruling.item)) {
            return Err(Refusal::UnknownItem);
        }
        if is_over && !matches!(ruling.rule, Rule::Close | Rule::Remove) {
            return Err(Refusal::Closed);
        }
        let sale = &mut self.sales[index];
        let free = self.free.get_mut(&(number, ruling.item));
        let changes = match ruling.rule {
            Rule::Open => {
                sale.is_open = true;
                !has_opened
            }
            Rule::Pause => !std::mem::replace(&mut sale.is_paused, true),
            Rule::Resume => std::mem::replace(&mut sale.is_paused, false),
            Rule::Close => {
                sale.is_closed |= !is_over;
                !is_over
            }
            Rule::Remove if !is_over => return Err(Refusal::NotClosed),
            Rule::Remove if held > 0 => return Err(Refusal::HoldsLive(held)),
            Rule::Remove => {
                sale.is_removed = true;
                true
            }
            Rule::Add(units) => {
                let taken = self.sum(|order| {
                    (order.sale, order.item) == (number, ruling.item)
                        && [State::Held, State::Confirmed].contains(&order.given.state)
                });
                let free_now = self.free[&(number, ruling.item)];
                if free_now + taken + units > STOCK_MAX {
                    return Err(Refusal::TooMuch(STOCK_MAX - free_now - taken));
                }
                self.free.insert((number, ruling.item), free_now + units);
                units > 0
            }
            Rule::Withdraw(units) => {
                let free = free.expect("an item of the sale");
                if *free < units {
                    return Err(Refusal::NotFree(*free));
                }
                *free -= units;
                units > 0
            }
            Rule::Price(price) if price > PRICE_MAX => return Err(Refusal::TooMuch(PRICE_MAX)),
            Rule::Price(price) => {
                let item = &mut sale.terms.items[usize::from(ruling.item) - 1];
                std::mem::replace(&mut item.price, price) != price
            }
        };
        self.seq += u64::from(changes);
        Ok(if changes { self.seq } else { 0 })
    }

    fn units(&self, sale: u16, item: Option<u16>, buyer: Ident) -> u64 {
        self.sum(|order| {
            order.sale == sale
                && item.is_none_or(|item| order.item == item)
                && order.buyer == buyer
                && [State::Held, State::Confirmed].contains(&order.given.state)
        })
    }

    fn buy(&mut self, now: u64, buy: &Buy) -> Outcome {
        let (sale, item) = (buy.sale, buy.item);
        let found = self.sales[self.sale(sale)?].clone();
        let terms = &found.terms;
        let thing = terms.items.get(usize::from(item).wrapping_sub(1));
        let thing = *thing.ok_or(Refusal::UnknownItem)?;
        let (key, buyer) = (buy.key.ident, buy.buyer.ident);
        if let Some(id) = self.keys.get(&(sale, key.form as u8, key.bits)) {
            let order = &self.orders[id];
            let same = order.item == item
                && order.given.units == buy.units
                && order.buyer == buyer
                && order.condition == buy.condition;
            let again = Given { seq: *id, replayed: true, ..order.given };
            return if same { Ok(again) } else { Err(Refusal::KeyReused) };
        }
        // What the operator has closed is neither to be opened nor to go on.
        if !found.is_closed && !found.has_opened(now) {
            return Err(Refusal::NotOpen);
        }
        if !found.is_closed && found.is_paused {
            return Err(Refusal::Paused);
        }
        if found.is_over(now) {
            return Err(Refusal::Closed);
        }
        if thing.price > buy.max_price {
            return Err(Refusal::PriceChanged(thing.price));
        }
        let units = u64::from(buy.units);
        let passes = |has: u64, limit: u32| limit != 0 && has + units > u64::from(limit);
        if passes(self.units(sale, Some(item), buyer), thing.limit) {
            return Err(Refusal::LimitReached(thing.limit));
        }
        if passes(self.units(sale, None, buyer), terms.limit) {
            return Err(Refusal::LimitReached(terms.limit));
        }
        let free = self.free.get_mut(&(sale, item)).expect("an item of the sale");
        if *free < units {
            return Err(Refusal::SoldOut);
        }
        *free -= units;
        self.seq += 1;
        let held = terms.hold_ms > 0;
        let given = Given {
            item: buy.item,
            order: self.seq,
            seq: self.seq,
            state: if held { State::Held } else { State::Confirmed },
            units: buy.units,
            price: thing.price,
            expires_at: if held { now + u64::from(terms.hold_ms) * MS } else { 0 },
            replayed: false,
        };
        let order = Order { given, sale, item, buyer, condition: buy.condition };
        self.orders.insert(self.seq, order);
        self.keys.insert((sale, key.form as u8, key.bits), self.seq);
        Ok(given)
    }

    fn change(&mut self, about: &About, to: State) -> Outcome {
        self.sale(about.sale)?;
        let order = self.orders.get_mut(&about.order).filter(|order| order.sale == about.sale);
        let order = order.ok_or(Refusal::UnknownOrder)?;
        if about.buyer != Ident::NONE && about.buyer != order.buyer {
            return Err(Refusal::NotYourOrder);
        }
        match order.given.state {
            State::Held => {}
            State::Expired => return Err(Refusal::HoldExpired),
            State::Confirmed => return Err(Refusal::AlreadyConfirmed),
            State::Released => return Err(Refusal::AlreadyReleased),
        }
        Ok(self.set(about.order, to))
    }

    fn set(&mut self, id: u64, to: State) -> Given {
        self.seq += 1;
        let order = self.orders.get_mut(&id).expect("it was found");
        order.given.state = to;
        if to != State::Confirmed {
            let free = self.free.get_mut(&(order.sale, order.item)).expect("an item of the sale");
            *free += u64::from(order.given.units);
        }
        Given { seq: self.seq, ..order.given }
    }

    fn expire(&mut self, now: u64) -> Option<Given> {
        let held = self.orders.values().filter(|order| order.given.state == State::Held);
        let due = held.filter(|order| order.given.expires_at <= now);
        let id = due.map(|order| (order.given.expires_at, order.given.order)).min()?.1;
        Some(self.set(id, State::Expired))
    }
}

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
    Ruling { sale: random.below(5) as u16, item: random.below(4) as u16, rule }
}

/// One life of a shop: returns how many sales were removed in it.
fn live(seed: u64, commands: u64) -> usize {
    let bounds = Bounds { orders_max: 4096, buyers_max: 4096, long_texts_max: 64, sales_max: 4 };
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
        if step == 3 || random.below(16) == 0 {
            let ruling = if step == 3 {
                Ruling { sale: opened, item: 0, rule: Rule::Open }
            } else {
                ruling(&mut random)
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
        let sale = random.below(5) as u16;
        let about = About {
            sale,
            order: random.below(naive.seq + 2),
            buyer: [Ident::NONE, ident(random.below(12))][random.below(2) as usize],
        };
        let max_price = [u64::MAX, 1000, 1001, 1002][random.below(4) as usize];
        let (real, model) = match random.below(10) {
            0..=5 => {
                let buy = Buy {
                    sale,
                    item: random.below(5) as u16,
                    units: 1 + random.below(3) as u32,
                    max_price,
                    condition: condition(max_price),
                    buyer: ident(random.below(12)).into(),
                    key: ident(random.below(commands)).into(),
                };
                (shop.apply(now, &Command::Buy(buy)), naive.buy(now, &buy))
            }
            6 | 7 => {
                (shop.apply(now, &Command::Confirm(about)), naive.change(&about, State::Confirmed))
            }
            _ => (shop.apply(now, &Command::Release(about)), naive.change(&about, State::Released)),
        };
        assert_eq!(real, model, "{context}");
        assert_eq!(shop.seq(), naive.seq, "{context}: seq");
    }
    compare(seed, &shop, &naive, bounds);
    naive.sales.iter().filter(|sale| sale.is_removed).count()
}

fn compare(seed: u64, shop: &Shop, naive: &Naive, bounds: Bounds) {
    for ((sale, item), free) in &naive.free {
        let kept = shop.kept().nth(usize::from(*sale) - 1).expect("a sale that was created");
        let stock = kept.stocks[usize::from(*item) - 1];
        assert_eq!(stock.free, *free, "seed {seed}");
        let is_removed = naive.sales[usize::from(*sale) - 1].is_removed;
        assert_eq!(shop.stock(*sale, *item).is_err(), is_removed, "seed {seed}");
        assert_eq!(kept.is_removed, is_removed, "seed {seed}");
        assert_eq!(stock.stock, stock.free + stock.held + stock.confirmed, "seed {seed}");
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
        removed += live(seed, 500);
        done += 500;
        seed += 1;
    }
    assert!(removed > 0, "the commands are random enough to end a sale");
}
