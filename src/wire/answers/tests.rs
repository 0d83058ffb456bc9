//! Answers in RESP, byte by byte.

use super::*;
use crate::message::{Head, encode_lines, text_tail};
use bytemuck::Zeroable;

fn shown(write: impl Fn(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).expect("ASCII").replace("\r\n", " ")
}

fn reply(outcome: u8) -> Reply {
    Reply {
        kind: kind::REPLY,
        outcome,
        order: 42.into(),
        seq: 43.into(),
        units: 1.into(),
        price: 2500.into(),
        expires_in_ms: 120_000.into(),
        ..Reply::zeroed()
    }
}

#[test]
fn answers_are_the_arrays_of_the_contract() {
    assert_eq!(
        shown(|out| buy(&reply(outcome::HELD), out)),
        "*6 $4 held :42 :43 :1 :2500 :120000 "
    );
    assert_eq!(
        shown(|out| buy(&reply(outcome::WAITING), out)),
        "*7 $7 waiting :42 :43 :1 :2500 :0 :120000 "
    );
    for state in (outcome::CONFIRMED..=outcome::CANCELLED).chain([outcome::LEFT]) {
        let word = outcome::word(state);
        let start = format!("*6 ${} {word} :42 ", word.len());
        assert!(shown(|out| buy(&reply(state), out)).starts_with(&start));
    }
    let held = Reply { after: 77.into(), ..reply(outcome::HELD) };
    assert_eq!(
        shown(|out| news(&held, "drop", out)),
        ">8 $5 order $4 drop :42 $4 held :77 :1 :2500 :120000 "
    );
    assert!(shown(|out| news(&reply(4), &"x".repeat(64), out)).ends_with(" :0 :1 :2500 :0 "));
    assert_eq!(shown(|out| change(&reply(2), out)), "*3 $9 confirmed :42 :43 ");
    assert_eq!(shown(|out| buy(&reply(outcome::SOLD_OUT), out)), "*1 $8 sold_out ");
    assert_eq!(
        shown(|out| buy(&reply(outcome::PRICE_CHANGED), out)),
        "*2 $13 price_changed :2500 "
    );
    let about = |number, subject| shown(|out| purchase(&reply(number), subject, out));
    assert_eq!(
        about(outcome::LIMIT_REACHED, Subject::Item("tee")),
        "*3 $13 limit_reached :2500 $3 tee "
    );
    assert_eq!(
        about(outcome::LIMIT_REACHED, Subject::Group("card")),
        "*3 $13 limit_reached :2500 $4 card "
    );
    assert_eq!(about(40, Subject::All), "*1 $8 sold_out ");
    assert_eq!(about(40, Subject::Item("tee")), "*2 $8 sold_out $3 tee ");
    assert_eq!(about(outcome::UNKNOWN_CHANNEL, Subject::All), "*1 $15 unknown_channel ");
    assert_eq!(shown(|out| unknown_item(b"hat", out)), "*2 $12 unknown_item $3 hat ");
    assert_eq!(shown(|out| change(&reply(outcome::UNKNOWN_ORDER), out)), "*1 $13 unknown_order ");
    assert_eq!(shown(|out| buy(&reply(outcome::OVERLOADED), out)), "-BUSY retry after 2500 ms ");
    let receipt = Some(Receipt { seq: 43, chain: [0xcd; 16] });
    let with_receipt = |receipt, resp3| {
        shown(|out| {
            buy(&reply(outcome::SOLD_OUT), out);
            let start = out.len();
            change(&reply(2), out);
            add_receipt(start, receipt, resp3, out);
        })
    };
    let start = "*1 $8 sold_out *4 $9 confirmed :42 :43 ";
    let digits = format!("000000000000002b{}", "cd".repeat(16));
    assert_eq!(with_receipt(receipt, false), format!("{start}$48 {digits} "));
    assert_eq!(with_receipt(None, false), format!("{start}$-1 "));
    assert_eq!(with_receipt(None, true), format!("{start}_ "));
    let stocked = StockReply { stock: 9.into(), free: 4.into(), ..StockReply::zeroed() };
    assert_eq!(shown(|out| stock(&stocked, out)), "*5 :9 :4 :0 :0 :0 ");
}

#[test]
fn an_order_is_shown_with_its_texts_unchanged() {
    let key = b"a-key-that-is-longer-than-sixteen";
    let mut head = Head::new(kind::BUY);
    head.set_buyer(Ident::parse(b"77").expect("good"));
    head.set_key(Ident::parse(key).expect("good"));
    head.units = 2.into();
    head.price = 100.into();
    let mut reply = reply(outcome::HELD);
    reply.expires_at = 1_795_809_720_123_000_000.into();
    head.item = 1.into();
    let items = ["tee", "cap"].map(|name| Name::parse(name.as_bytes()).expect("a name"));
    let tails = [head.into(), text_tail(key)];
    let order_of = |reply: &Reply, resp3| {
        let (receipt, sale) = (None, "drop");
        let shown_order = Shown { reply, receipt, tails: &tails, sale, items: &items };
        shown(|out| order(&shown_order, resp3, out))
    };
    assert_eq!(
        order_of(&reply, true),
        "%13 $5 order :42 $3 seq :43 $4 sale $4 drop $5 state $4 held $5 buyer $2 77 $3 key \
         $33 a-key-that-is-longer-than-sixteen $4 item $3 tee $5 units :2 $5 price :100 \
         $13 expires_in_ms :120000 $10 expires_at $24 2026-11-27T20:02:00.123Z $8 position _ \
         $7 receipt _ "
    );
    let lines = [OrderLine::new(2, 1, 900), OrderLine::new(1, 2, 50)];
    head.kind = kind::BASKET;
    let tails = [head.into(), text_tail(key), encode_lines(&lines)];
    let receipt = Some(Receipt { seq: 43, chain: [0xab; 16] });
    let shown_order = Shown { reply: &reply, receipt, tails: &tails, sale: "drop", items: &items };
    assert!(
        shown(|out| order(&shown_order, true, out))
            .contains("$5 lines *2 *3 $3 cap :1 :900 *3 $3 tee :2 :50 $5 units :2 $5 price :100 ")
    );
    let told = format!("$7 receipt $48 000000000000002b{} ", "ab".repeat(16));
    assert!(shown(|out| order(&shown_order, true, out)).ends_with(&told));
    reply.expires_at = 0.into();
    assert!(order_of(&reply, false).starts_with("*26 $5 order"));
    assert!(order_of(&reply, false).ends_with("$8 position $-1 $7 receipt $-1 "));
}
