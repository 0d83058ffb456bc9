//! What a shard that watches orders hears of the matcher.

use doorbuster::message::WAITS;

use super::*;

fn heard(house: &mut House) -> Vec<Heard> {
    std::iter::from_fn(|| house.news.hear()).collect()
}

#[test]
fn every_change_of_an_order_is_told_to_who_watches_and_its_beginning_is_not() {
    let mut house = House::new();
    house.create(&Terms { waitlist: 9, offer_ms: 1_000, ..terms(1) });
    house.rule(1, 0, Rule::Open);
    let ask = |house: &mut House, kind: u8, order: u64| {
        let mut head = Head { sale: 1.into(), ..Head::new(kind) };
        head.set_order(order);
        house.ask(&[head.into()])[0].reply().outcome
    };
    let order = |house: &mut House, key: &str| {
        let mut cells = buy(key, key, 0);
        cells[0] = Head { options: cells[0].head().options | WAITS, ..*cells[0].head() }.into();
        house.ask(&cells)[0].reply().order.to_native()
    };
    let held: Vec<u64> = ["a", "b", "c"].map(|key| order(&mut house, key)).into();
    assert_eq!(ask(&mut house, kind::CONFIRM, held[0]), outcome::CONFIRMED);
    house.news.watch(true);
    assert_eq!(heard(&mut house), [], "that was before");
    let waits = order(&mut house, "d");
    assert_eq!(heard(&mut house), [], "who asked is told by the answer");
    assert_eq!(ask(&mut house, kind::CONFIRM, held[0]), outcome::ALREADY_CONFIRMED);
    assert_eq!(heard(&mut house), [], "a refusal changes nothing");
    assert_eq!(ask(&mut house, kind::RELEASE, held[1]), outcome::RELEASED);
    house.matcher.work();
    let offered = [Heard::Changed(held[1]), Heard::Changed(waits)];
    assert_eq!(heard(&mut house), offered, "it is given back and offered");
    assert_eq!(ask(&mut house, kind::CANCEL, held[0]), outcome::CANCELLED);
    assert_eq!(heard(&mut house), [Heard::Changed(held[0])]);
    // The sale ends; what is held goes its way, who waits leaves.
    let first = order(&mut house, "e");
    let last = order(&mut house, "f");
    assert_ne!(first, last);
    house.rule(1, 0, Rule::Close);
    house.matcher.work();
    assert_eq!(heard(&mut house), [Heard::Changed(last)]);
    house.news.watch(false);
    assert_eq!(ask(&mut house, kind::RELEASE, held[2]), outcome::RELEASED);
    assert_eq!(heard(&mut house), []);
}
