//! A crowd that waits, and what is offered to it by one command.

use doorbuster::limits::OFFERS_AT_ONCE;
use doorbuster::message::{WAITS, messages};

use super::*;

#[test]
fn a_crowd_is_offered_what_was_added_in_slices_that_nobody_overtakes() {
    const CROWD: u64 = 10_000;
    let many = CROWD as usize + 10;
    let bounds = Bounds { orders_max: many, buyers_max: 2 * many, waiters_max: many, ..BOUNDS };
    let mut house = House::of(bounds);
    let queue = Terms { waitlist: CROWD as u32, offer_ms: 1_000, ..terms(1) };
    house.create(&queue);
    house.rule(1, 0, Rule::Open);
    let wait = |number: u64| {
        let mut cells = buy(&format!("u{number}"), &format!("k{number}"), 0);
        let head = *cells[0].head();
        cells[0] = Head { options: head.options | WAITS, ..head }.into();
        cells
    };
    // Three are free, and the list has room for so many.
    for number in 0..CROWD + 3 {
        let reply = *house.ask(&wait(number))[0].reply();
        let told = if number < 3 { outcome::HELD } else { outcome::WAITING };
        assert_eq!(reply.outcome, told, "{number}");
        if number >= 3 {
            assert_eq!(u64::from(reply.expires_in_ms.to_native()), number - 2, "its place");
        }
    }
    assert_eq!(house.ask(&wait(CROWD + 3))[0].reply().outcome, outcome::SOLD_OUT);
    let before = house.journal.len();
    // Behind the ruling come one who would overtake, one who asks for the stock, and a ruling.
    let ruled = |what| rule(&Ruling { sale: 1, item: 1, rule: what }, 1).next().expect("a head");
    let add = ruled(Rule::Add(CROWD + 1));
    let stock = Head { sale: 1.into(), item: 1.into(), ..Head::new(kind::STOCK) };
    let withdraw = ruled(Rule::Withdraw(2));
    let first = buy("latecomer", "late", 0);
    for cell in [add, first[0], stock.into(), withdraw] {
        house.requests.push(cell);
    }
    house.requests.publish();
    let mut rounds = 0;
    let mut answers = Vec::new();
    while answers.len() < 4 {
        house.matcher.work();
        let there = house.replies.available(1);
        answers.extend((0..there).map(|at| (rounds, house.replies.get(at))));
        house.replies.release(there);
        assert!(house.record() <= OFFERS_AT_ONCE + 1, "a slice is bounded");
        rounds += 1;
        assert!(rounds < 100, "it never ends");
    }
    let told: Vec<(usize, u8)> = answers.iter().map(|(at, cell)| (*at, cell.0[1])).collect();
    let last = CROWD as usize / OFFERS_AT_ONCE + 1;
    // Of one unit more than those who wait want, two cannot be taken away.
    let expected =
        [(0, outcome::OK), (0, outcome::SOLD_OUT), (0, outcome::OK), (last, outcome::SOLD_OUT)];
    assert_eq!(told, expected);
    assert_eq!(answers[3].1.reply().price.to_native(), 1);
    let seen = answers[2].1.stock_reply();
    assert_eq!((seen.free.to_native(), seen.waiting.to_native()), (CROWD + 1, CROWD));
    let offers: Vec<u64> =
        messages(&house.journal[before + 1..]).map(|one| one[0].head().order()).collect();
    assert_eq!(offers.len() as u64, CROWD);
    assert!(offers.is_sorted(), "in the order in which they came");
    assert_eq!(house.ask(&first)[0].reply().outcome, outcome::HELD, "the last one is the public's");
    house.replayed();
}
