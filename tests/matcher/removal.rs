//! Sales one after another in tables that have room for one: what was removed is cleared away while
//! the next is sold, and the journal replays in tables of the same size.

use doorbuster::message::{Cell, Head, kind, outcome};
use doorbuster::sale::{ItemTerms, Rule, Terms};

use super::{House, buy, name, terms};

const SALES: u16 = 12;
/// More than half of what there is room for.
const ORDERS: usize = 40;

fn buy_in(sale: u16, number: usize) -> Vec<Cell> {
    // Every eighth under a long key.
    let key = if number.is_multiple_of(8) { "a-key-of-more-than-sixteen" } else { "k" };
    let mut cells = buy(&format!("u{number}"), &format!("{key}-{number}"), 0);
    let head = *cells[0].head();
    cells[0] = Head { sale: sale.into(), ..head }.into();
    cells
}

#[test]
fn sales_one_after_another_need_room_for_one_and_replay_in_as_much() {
    let mut house = House::new();
    for sale in 1..=SALES {
        let item = ItemTerms { sku: name("tee"), stock: ORDERS as u64, price: 5, limit: 1 };
        let made = house.create(&Terms { items: vec![item], ..terms(1) });
        assert_eq!(made.reply().outcome, outcome::OK);
        house.rule(sale, 0, Rule::Open);
        let mut orders = Vec::new();
        for number in 0..ORDERS {
            let reply = *house.ask(&buy_in(sale, number))[0].reply();
            assert_eq!(reply.outcome, outcome::HELD, "sale {sale}, order {number}");
            orders.push(reply.order.to_native());
        }
        let one_more = house.ask(&buy_in(sale, ORDERS))[0].reply().outcome;
        assert_eq!(one_more, outcome::SOLD_OUT);
        for order in orders {
            let mut confirm = Head { sale: sale.into(), ..Head::new(kind::CONFIRM) };
            confirm.set_order(order);
            assert_eq!(house.ask(&[confirm.into()])[0].reply().outcome, outcome::CONFIRMED);
        }
        house.rule(sale, 0, Rule::Close);
        assert_eq!(house.rule(sale, 0, Rule::Remove).reply().outcome, outcome::OK);
        house.replayed();
    }
    while house.matcher.work() > 0 {}
    assert!(!house.matcher.busy());
    assert_eq!(house.matcher.shop().orders_len(), 0);
}
