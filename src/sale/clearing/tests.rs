//! Tables that are filled, cleared and filled again.

use super::super::{
    About, Basket, Bounds, Buy, Command, Fill, Form, GroupTerms, Ident, ItemTerms, Name, OrderLine,
    Party, Refusal, Rule, Ruling, Seed, Shop, Side, State, Terms, Text,
};

const BOUNDS: Bounds = Bounds {
    orders_max: 200,
    buyers_max: 900,
    long_texts_max: 90,
    lines_max: 600,
    waiters_max: 0,
    sales_max: 64,
};
const NOW: u64 = 1_000_000_000_000;
const HOLD_MS: u32 = 1_000_000;

fn name(text: &str) -> Name {
    Name::parse(text.as_bytes()).expect("a good name")
}

fn create(shop: &mut Shop, text: &str) -> u16 {
    let item = |sku: &str, limit| ItemTerms { sku: name(sku), stock: 10_000, price: 5, limit };
    let terms = Terms {
        name: name(text),
        items: vec![item("a", 9), item("b", 9), item("c", 9), item("d", 0), item("e", 9)],
        currency: *b"EUR",
        limit: 0,
        hold_ms: HOLD_MS,
        extend_ms: 1,
        offer_ms: 0,
        waitlist: 0,
        is_strict: false,
        groups: vec![GroupTerms { name: name("card"), limit: 9 }],
        draw: None,
        opens_at: 1,
        closes_at: 0,
    };
    shop.create(shop.now().max(NOW), &terms).expect("it fits").0
}

fn text(of: &str, number: u64) -> Text {
    let mut text = [0; 64];
    let spelled = format!("{of}-of-more-than-sixteen-{number}");
    text[..spelled.len()].copy_from_slice(spelled.as_bytes());
    text
}

/// An order of one or more items: of one buyer there are two, and every fifth has long texts.
fn give(shop: &mut Shop, sale: u16, number: u64) -> Result<u64, Refusal> {
    let texts = [text("buyer", number / 2), text("key", number)];
    let is_long = number % 10 < 2;
    let party = |index: usize, bits: u64| {
        let short = Ident { form: Form::Decimal, bits: bits.into() };
        let ident = if is_long { shop.long(&texts[index]) } else { short };
        Party { ident, text: is_long.then_some(&texts[index]) }
    };
    let (buyer, key) = (party(0, number / 2), party(1, number));
    let (max_price, condition, now) = (u64::MAX, 0, shop.now());
    // Every third counts for a member of a limit group, too.
    let group = if number.is_multiple_of(3) { 1 + u128::from(number) } else { 0 };
    let side = Side { groups: [group, 0], ..Side::NONE };
    let lines: Vec<OrderLine> = (1..=number % 6).map(|i| OrderLine::new(i as u16, 1, 0)).collect();
    let given = if lines.len() > 1 {
        let (waits, lines) = (false, &lines[..]);
        let basket = Basket { sale, lines, max_price, waits, side, condition, buyer, key };
        shop.basket(now, &basket).map_err(|refused| refused.why)?
    } else {
        let (item, units, fill, waits) = (1 + number as u16 % 2, 1, Fill::All, false);
        let buy = Buy { sale, item, units, max_price, fill, waits, side, condition, buyer, key };
        shop.apply(now, &Command::Buy(buy))?
    };
    assert!(!given.replayed && given.state == State::Held);
    Ok(given.order)
}

/// Orders until a table is full; some are extended. Returns their ids.
fn fill(shop: &mut Shop, sale: u16) -> Vec<u64> {
    let mut orders = Vec::new();
    let refused = loop {
        match give(shop, sale, orders.len() as u64) {
            Ok(order) => orders.push(order),
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, Refusal::Overloaded);
    for order in orders.iter().step_by(3) {
        let about = About { sale, order: *order, buyer: Ident::NONE };
        shop.apply(shop.now(), &Command::Extend(about)).expect("a hold is extended once");
    }
    orders
}

/// Ends all holds of a sale, and the sale.
fn remove(shop: &mut Shop, sale: u16, orders: &[u64]) {
    for order in orders {
        let about = About { sale, order: *order, buyer: Ident::NONE };
        let is_paid = order % 2 == 0;
        let command = if is_paid { Command::Confirm(about) } else { Command::Release(about) };
        shop.apply(shop.now(), &command).expect("it is held");
    }
    for rule in [Rule::Close, Rule::Remove] {
        shop.rule(shop.now(), &Ruling { sale, item: 0, rule }).expect("nothing is held");
    }
    for order in orders {
        let about = About { sale, order: *order, buyer: Ident::NONE };
        assert_eq!(shop.order(&about).err(), Some(Refusal::UnknownSale));
    }
}

fn clear(shop: &mut Shop) {
    while shop.clear_some(7) > 0 {}
    assert!(!shop.is_clearing());
}

#[test]
fn a_table_takes_as_many_orders_after_each_removal_as_at_first() {
    let mut shop = Shop::new(BOUNDS, Seed::new([1, 2, 3, 4]));
    // Its holds stand at the heads of the lanes, and what comes behind stays linked to them.
    let stays = create(&mut shop, "stays");
    let kept: Vec<u64> =
        (0..30).map(|number| give(&mut shop, stays, number).expect("room")).collect();
    let mut first = None;
    for round in 0..40_usize {
        let sale = create(&mut shop, "goes");
        let orders = fill(&mut shop, sale);
        let before = *first.get_or_insert(orders.len());
        assert_eq!(orders.len(), before, "round {round}: what was removed left something behind");
        remove(&mut shop, sale, &orders);
        let is_now = shop.image_lines();
        // However far it has come, it shows in nothing but what is free.
        shop.clear_some(round * 100);
        assert_eq!(shop.image_lines(), is_now);
        let again = Shop::from_image(BOUNDS, Seed::new([9, 9, 9, 9]), &is_now[..]);
        assert!(again.expect("an image").image_lines() == is_now, "round {round}");
        let shown = is_now.len() - 1 - 2 * usize::from(sale) - 2 * 5;
        assert!((60..=120).contains(&shown), "the orders of one sale: {shown} lines");
        assert_eq!(shop.prove().expect("the law is kept").orders, 30);
    }
    assert!(first.expect("rounds") > 100, "{first:?} orders fit");
    clear(&mut shop);
    assert_eq!(shop.orders_len(), 30);
    for (number, order) in kept.iter().enumerate() {
        let view = shop.order(&About { sale: stays, order: *order, buyer: Ident::NONE });
        let (view, count) = (view.expect("it stays"), number % 6);
        assert_eq!(view.lines.len(), if count > 1 { count } else { 0 });
        assert!(
            view.lines.iter().zip(1..).all(|(line, item)| (line.item, line.units) == (item, 1))
        );
        if number % 10 < 2 {
            assert_eq!(view.key.text, Some(&text("key", number as u64)));
            assert_eq!(view.buyer.text, Some(&text("buyer", number as u64 / 2)));
        }
    }
    // Every lane leads to what is held, and to nothing else.
    let end = shop.now() + 2 * u64::from(HOLD_MS) * 1_000_000;
    let expired: Vec<u64> =
        std::iter::from_fn(|| shop.expire(end).map(|(_, given)| given.order)).collect();
    assert_eq!(expired, kept);
    remove(&mut shop, stays, &[]);
    clear(&mut shop);
    assert_eq!((shop.orders_len(), shop.buyers_len(), shop.texts.len()), (0, 0, 0));
    assert_eq!(shop.due(), u64::MAX);
}

#[test]
fn a_sale_that_is_removed_while_another_is_cleared_away_has_its_turn() {
    let mut shop = Shop::new(BOUNDS, Seed::new([5, 6, 7, 8]));
    let mut sales = Vec::new();
    for number in 0..4 {
        let sale = create(&mut shop, &format!("sale-{number}"));
        let orders: Vec<u64> =
            (0..30).map(|number| give(&mut shop, sale, number).expect("room")).collect();
        sales.push((sale, orders));
    }
    for (sale, orders) in &sales {
        remove(&mut shop, *sale, orders);
        shop.clear_some(150);
    }
    assert!(shop.is_clearing());
    clear(&mut shop);
    assert_eq!((shop.orders_len(), shop.buyers_len(), shop.texts.len()), (0, 0, 0));
}
