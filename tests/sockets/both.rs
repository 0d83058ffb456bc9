//! The Rust client over the binary protocol, and the same orders over RESP, on one port at once.

use doorbuster::client::{Answer, Client, Item, OrderAnswer, Refusal, Request, State};
use serde_json::json;

use super::resp::{Resp, Value};
use super::server::{House, PATIENCE, Server};
use super::{CROWD, DROP};

pub(crate) fn connect(server: &Server) -> Client {
    let mut client = Client::over(server.connect()).expect("a greeting");
    client.set_timeout(Some(PATIENCE)).expect("a timeout");
    client
}

#[track_caller]
pub(crate) fn given(answer: Answer) -> OrderAnswer {
    match answer {
        Answer::Order(order) => order,
        other => panic!("no order: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn refused(answer: Answer) -> Refusal {
    match answer {
        Answer::Refused(refusal) => refusal,
        other => panic!("no refusal: {other:?}"),
    }
}

#[test]
fn the_rust_client_does_the_whole_life_of_an_order() {
    let house = House::new(&[DROP]);
    let server = house.serve();
    let mut client = connect(&server);
    client.ping().expect("there");
    let tee = client.resolve("drop", "tee").expect("it is sold");
    let cap = client.resolve("drop", "cap").expect("it is sold");
    assert!(client.resolve("drop", "nope").is_err() && client.resolve("nope", "tee").is_err());

    let held = given(client.buy(tee, "u1", "k1", 2).expect("an answer"));
    assert_eq!((held.state, held.units, held.price), (State::Held, 2, 2500));
    assert!(held.expires_at > 0 && !held.replayed);
    let again = given(client.buy(tee, "u1", "k1", 2).expect("an answer"));
    assert_eq!(again, OrderAnswer { replayed: true, expires_in_ms: again.expires_in_ms, ..held });
    let other = client.buy(tee, "u1", "k1", 1).expect("an answer");
    assert_eq!(refused(other), Refusal::KeyReused);
    let third = client.buy(tee, "u1", "k2", 1).expect("an answer");
    assert_eq!(refused(third), Refusal::LimitReached { limit: 2 });
    let dear = Request::Buy { item: tee, buyer: "u2", key: "k3", units: 1, max_price: Some(2499) };
    assert_eq!(
        refused(client.call(&dear).expect("an answer")),
        Refusal::PriceChanged { price: 2500 }
    );

    let stranger = Request::Confirm { sale: tee.sale, order: held.order, buyer: Some("u2") };
    assert_eq!(refused(client.call(&stranger).expect("an answer")), Refusal::NotYourOrder);
    let owner = Request::Confirm { sale: tee.sale, order: held.order, buyer: Some("u1") };
    let confirmed = given(client.call(&owner).expect("an answer"));
    assert_eq!((confirmed.state, confirmed.order), (State::Confirmed, held.order));
    let twice = client.confirm(tee.sale, held.order).expect("an answer");
    assert_eq!(refused(twice), Refusal::AlreadyConfirmed);

    let last = given(client.buy(cap, "u2", "k4", 1).expect("an answer"));
    let late = client.buy(cap, "u3", "k5", 1).expect("an answer");
    assert_eq!(refused(late), Refusal::SoldOut);
    let back = given(client.release(cap.sale, last.order).expect("an answer"));
    assert_eq!(back.state, State::Released);
    let Answer::Stock(stock) = client.stock(tee).expect("an answer") else { panic!("no stock") };
    assert_eq!((stock.stock, stock.free, stock.held, stock.confirmed), (10, 8, 0, 2));
    let nowhere = client.order(tee.sale, 999).expect("an answer");
    assert_eq!(refused(nowhere), Refusal::UnknownOrder);
    let nothing = Item { sale: 77, item: 1 };
    let nothing = client.buy(nothing, "u", "k", 1).expect("an answer");
    assert_eq!(refused(nothing), Refusal::UnknownSale);
}

#[test]
fn buyers_and_keys_come_back_unchanged_over_both_protocols_and_from_the_journal() {
    let longest = "x".repeat(64);
    let texts = [
        "a",
        "0",
        "007",
        "18446744073709551615",
        "18446744073709551616",
        "340282366920938463463374607431768211455",
        "340282366920938463463374607431768211456",
        "-1",
        "sixteen-letters!",
        "seventeen-letters",
        "6f1e0c4a-93d1-4f3c-8a55-0123456789ab",
        "6F1E0C4A-93D1-4F3C-8A55-0123456789AB",
        "6f1e0c4a93d14f3c8a550123456789ab",
        "~!@#$%^&*()_+{}|:\"<>?`-=[]\\;',./",
        longest.as_str(),
    ];
    let house = House::new(&[CROWD]);
    let server = house.serve();
    let mut client = connect(&server);
    let mut resp = Resp::over(server.connect());
    let tee = client.resolve("crowd", "tee").expect("it is sold");
    let mut orders = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        // Each is buyer and key once; every other order comes over RESP.
        let order = if index % 2 == 0 {
            given(client.buy(tee, text, text, 1).expect("an answer")).order
        } else {
            resp.ask(&["BUY", "crowd", "tee", text, text]).number(1)
        };
        orders.push(order);
    }
    let check = |client: &mut Client, resp: &mut Resp| {
        for (text, order) in texts.iter().zip(&orders) {
            let Answer::Shown(shown) = client.order(tee.sale, *order).expect("an answer") else {
                panic!("{text} is not shown");
            };
            assert_eq!([shown.buyer.as_str(), &shown.key], [*text, *text]);
            let told = resp.ask(&["ORDER", "crowd", &order.to_string()]);
            for field in ["buyer", "key"] {
                assert_eq!(*told.field(field), Value::Text((*text).to_owned()));
            }
            // The other protocol sees the same key.
            let again = given(client.buy(tee, text, text, 1).expect("an answer"));
            assert!(again.replayed && again.order == *order, "{text}");
            assert_eq!(resp.ask(&["BUY", "crowd", "tee", text, text]).number(1), *order, "{text}");
        }
    };
    check(&mut client, &mut resp);
    server.kill();
    let server = house.serve();
    check(&mut connect(&server), &mut Resp::over(server.connect()));
    server.stop().expect_code(0);
    let records = house.records();
    for (text, order) in texts.iter().zip(&orders) {
        let record = &records[usize::try_from(*order).expect("few") - 1];
        assert_eq!([&record["buyer"], &record["key"]], [text, text]);
        assert_eq!(record["order"], order.to_string());
    }
}

#[test]
fn both_protocols_are_served_at_once_and_never_give_a_unit_twice() {
    const EACH: usize = 400;
    let sale = format!(
        "name = \"crowd\"\nhold_ms = 3600000\n\
         items = [{{ sku = \"tee\", stock = {}, price = 1 }}]\n",
        3 * EACH
    );
    let house = House::new(&[&sale]);
    let server = house.server().with(&["--shards", "2"]).run();
    let held = std::thread::scope(|scope| {
        let buyers: Vec<_> = (0..6)
            .map(|who| {
                let (binary, resp) = (who % 2 == 0, server.connect());
                let mut client = binary.then(|| connect(&server));
                let buy = move || {
                    let mut resp = Resp::over(resp);
                    let mut held = Vec::new();
                    for number in 0..EACH {
                        let (buyer, key) = (format!("{who}"), format!("{who}-{number}"));
                        if let Some(client) = &mut client {
                            let tee = Item { sale: 1, item: 1 };
                            if let Answer::Order(order) =
                                client.buy(tee, &buyer, &key, 1).expect("an answer")
                            {
                                held.push(order.order);
                            }
                        } else {
                            let answer = resp.ask(&["BUY", "crowd", "tee", &buyer, &key]);
                            match answer.word() {
                                "held" => held.push(answer.number(1)),
                                word => assert_eq!(word, "sold_out"),
                            }
                        }
                    }
                    held
                };
                scope.spawn(buy)
            })
            .collect();
        buyers.into_iter().flat_map(|buyer| buyer.join().expect("no panic")).collect::<Vec<u64>>()
    });
    let mut unique = held.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!((held.len(), unique.len()), (3 * EACH, 3 * EACH));
    server.stop().expect_code(0);
    assert_eq!(house.audit()["held"], 3 * EACH);
}

/// A sale whose holds may be prolonged.
const LONGER: &str = "name = \"longer\"\nhold_ms = 60000\nextend_ms = 30000\n\
    items = [{ sku = \"tee\", stock = 2, price = 2500, limit = 2 }]\n";

#[test]
fn a_hold_is_prolonged_once_and_a_purchase_given_back_over_both_protocols() {
    let house = House::new(&[LONGER]);
    let server = house.serve();
    let mut client = connect(&server);
    let mut resp = Resp::over(server.connect());
    let tee = client.resolve("longer", "tee").expect("it is sold");
    let held = given(client.buy(tee, "u1", "k1", 1).expect("an answer"));
    let longer = given(client.extend(tee.sale, held.order).expect("an answer"));
    assert_eq!((longer.state, longer.order), (State::Held, held.order));
    assert_eq!(longer.expires_at, held.expires_at + 30_000_000_000);
    assert!(longer.expires_in_ms > 60_000 && longer.seq > held.seq);
    let twice = client.extend(tee.sale, held.order).expect("an answer");
    assert_eq!(refused(twice), Refusal::ExtendRefused);
    let early = client.cancel(tee.sale, held.order).expect("an answer");
    assert_eq!(refused(early), Refusal::NotConfirmed);

    let order = resp.ask(&["BUY", "longer", "tee", "u1", "k2"]).number(1).to_string();
    let longer = resp.ask(&["EXTEND", "longer", &order]);
    assert_eq!((longer.word(), longer.number(1).to_string()), ("held", order.clone()));
    assert_eq!(resp.ask(&["EXTEND", "longer", &order]).word(), "extend_refused");
    assert_eq!(resp.ask(&["CANCEL", "longer", &order]).word(), "not_confirmed");
    assert_eq!(resp.ask(&["BUY", "longer", "tee", "u2", "k3"]).word(), "sold_out");
    assert_eq!(resp.ask(&["CONFIRM", "longer", &order]).word(), "confirmed");
    assert_eq!(resp.ask(&["CANCEL", "longer", &order]).word(), "cancelled");
    assert_eq!(resp.ask(&["CANCEL", "longer", &order]).word(), "already_released");

    let given_back = client.buy(tee, "u1", "k4", 1).expect("the unit and its limit are back");
    let paid = given(client.confirm(tee.sale, given(given_back).order).expect("an answer"));
    let whose = Request::Cancel { sale: tee.sale, order: paid.order, buyer: Some("u2") };
    assert_eq!(refused(client.call(&whose).expect("an answer")), Refusal::NotYourOrder);
    let whose = Request::Cancel { sale: tee.sale, order: paid.order, buyer: Some("u1") };
    let cancelled = given(client.call(&whose).expect("an answer"));
    assert_eq!((cancelled.state, cancelled.order), (State::Cancelled, paid.order));
    let Answer::Stock(stock) = client.stock(tee).expect("an answer") else { panic!("no stock") };
    assert_eq!((stock.stock, stock.free, stock.held, stock.confirmed), (2, 1, 1, 0));

    // From the journal it is the same.
    server.stop().expect_code(0);
    let server = house.serve();
    let mut client = connect(&server);
    let Answer::Stock(again) = client.stock(tee).expect("an answer") else { panic!("no stock") };
    assert_eq!(again, stock);
    let extended = client.extend(tee.sale, held.order).expect("an answer");
    assert_eq!(refused(extended), Refusal::ExtendRefused);
}

#[test]
fn who_is_content_with_fewer_units_gets_what_is_there_over_both_protocols() {
    let house = House::new(&["name = \"few\"\nhold_ms = 60000\n\
        items = [{ sku = \"tee\", stock = 5, price = 2500, limit = 4 }]\n"]);
    let server = house.serve();
    let mut client = connect(&server);
    let mut resp = Resp::over(server.connect());
    let tee = client.resolve("few", "tee").expect("it is sold");
    let (buyer, key, max_price) = ("u1", "a-key-of-more-than-sixteen", Some(2500));
    let upto = Request::BuyUpTo { item: tee, buyer, key, units: 9, max_price };
    let four = given(client.call(&upto).expect("an answer"));
    assert_eq!((four.state, four.units, four.replayed), (State::Held, 4, false));
    let again = given(client.call(&upto).expect("an answer"));
    assert_eq!((again.order, again.units, again.replayed), (four.order, 4, true));
    let whole = Request::Buy { item: tee, buyer, key, units: 9, max_price };
    assert_eq!(refused(client.call(&whole).expect("an answer")), Refusal::KeyReused);
    let upto = Request::BuyUpTo { item: tee, buyer, key: "k2", units: 9, max_price };
    let limit = refused(client.call(&upto).expect("an answer"));
    assert_eq!(limit, Refusal::LimitReached { limit: 4 });

    assert_eq!(resp.ask(&["BUY", "few", "tee", "u2", "k3", "UNITS", "2"]).word(), "sold_out");
    let one = resp.ask(&["BUY", "few", "tee", "u2", "k3", "UPTO", "UNITS", "2"]);
    assert_eq!((one.word(), one.number(3)), ("held", 1));
    let none = resp.ask(&["BUY", "few", "tee", "u3", "k4", "UNITS", "2", "UPTO"]);
    assert_eq!(none.word(), "sold_out");

    server.stop().expect_code(0);
    let server = house.serve();
    let upto = Request::BuyUpTo { item: tee, buyer, key, units: 9, max_price };
    let again = given(connect(&server).call(&upto).expect("an answer"));
    assert_eq!((again.order, again.units, again.replayed), (four.order, 4, true));
    server.stop().expect_code(0);
    let asked: Vec<_> = house.records().into_iter().filter(|one| !one["up_to"].is_null()).collect();
    assert_eq!(asked.len(), 2);
    assert_eq!((&asked[0]["units"], &asked[0]["up_to"]), (&json!(4), &json!(9)));
    assert_eq!(house.audit()["verdict"], "pass");
}

/// A sale of several items.
const MANY: &str = "name = \"many\"\nhold_ms = 60000\nlimit = 20\nitems = [\
    { sku = \"tee\", stock = 5, price = 2500, limit = 3 },\
    { sku = \"cap\", stock = 2, price = 900 },\
    { sku = \"mug\", stock = 9, price = 100 }, { sku = \"bag\", stock = 9, price = 10 }]\n";

#[test]
fn a_basket_is_given_whole_or_not_at_all_over_both_protocols() {
    let house = House::new(&[MANY]);
    let server = house.serve();
    let mut client = connect(&server);
    let mut resp = Resp::over(server.connect());
    let sale = client.resolve("many", "tee").expect("it is sold").sale;
    let buyer = "a-buyer-of-more-than-sixteen";
    let lines = [(1, 1), (3, 2), (1, 1), (4, 1), (2, 1)];
    let held = given(client.basket(sale, buyer, "k1", &lines).expect("an answer"));
    assert_eq!((held.state, held.units, held.price), (State::Held, 6, 2 * 2500 + 900 + 200 + 10));
    let Answer::Shown(shown) = client.order(sale, held.order).expect("an answer") else {
        panic!("no order")
    };
    let kept: Vec<_> = shown.lines.iter().map(|l| (l.item, l.units, l.price)).collect();
    assert_eq!(kept, [(1, 2, 2500), (3, 2, 100), (4, 1, 10), (2, 1, 900)]);
    assert_eq!((shown.buyer.as_str(), shown.item.item), (buyer, 0));
    let again = given(client.basket(sale, buyer, "k1", &lines).expect("an answer"));
    assert_eq!((again.order, again.replayed), (held.order, true));
    let other = client.basket(sale, buyer, "k1", &lines[..4]).expect("an answer");
    assert_eq!(refused(other), Refusal::KeyReused);
    let much = client.basket(sale, buyer, "k2", &[(3, 1), (1, 1), (1, 1)]).expect("an answer");
    let limit = Refusal::LimitReached { limit: 3 };
    assert_eq!(much, Answer::RefusedLine { refusal: limit, line: 1 });
    let none = client.basket(sale, "u2", "k3", &[(3, 1), (9, 1)]).expect("an answer");
    assert_eq!(none, Answer::RefusedLine { refusal: Refusal::UnknownItem, line: 1 });
    assert!(client.basket(sale, "u2", "k3", &[(1, 1); 17]).is_err());

    let lacks = resp.ask(&["BASKET", "many", "u2", "k3", "tee", "1", "cap", "2"]);
    assert_eq!(lacks, Value::List(vec![Value::Text("sold_out".into()), Value::Text("cap".into())]));
    let lacks = resp.ask(&["BASKET", "many", "u2", "k3", "tee", "1", "hat", "2"]);
    let texts = ["unknown_item", "hat"].map(|text| Value::Text(text.into()));
    assert_eq!(lacks, Value::List(texts.to_vec()));
    assert_eq!(resp.ask(&["BASKET", "none", "u2", "k3", "tee", "1"]).word(), "unknown_sale");
    let much = resp.ask(&["BASKET", "many", "u2", "k3", "mug", "1", "tee", "4"]);
    assert_eq!((much.word(), much.number(1)), ("limit_reached", 3));
    let Value::List(parts) = much else { panic!("no array") };
    assert_eq!(parts[2], Value::Text("tee".into()));
    let held = resp.ask(&["BASKET", "many", "u2", "k3", "tee", "1", "cap", "1"]);
    assert_eq!((held.word(), held.number(3), held.number(4)), ("held", 2, 3400));
    let order = held.number(1).to_string();
    let shown = resp.ask(&["ORDER", "many", &order]);
    let line = |item: &str, units, price| {
        let numbers = [Value::Number(units), Value::Number(price)];
        Value::List([vec![Value::Text(item.into())], numbers.to_vec()].concat())
    };
    assert_eq!(shown.field("lines"), &Value::List(vec![line("tee", 1, 2500), line("cap", 1, 900)]));
    assert_eq!(resp.ask(&["STOCK", "many", "cap"]).number(1), 0);
    assert_eq!(resp.ask(&["RELEASE", "many", &order]).word(), "released");
    assert_eq!(resp.ask(&["STOCK", "many", "cap"]).number(1), 1);
    assert_eq!(given(client.confirm(sale, again.order).expect("paid")).units, 6);

    // From the journal it is the same.
    server.stop().expect_code(0);
    let server = house.serve();
    let mut client = connect(&server);
    let again = given(client.basket(sale, buyer, "k1", &lines).expect("an answer"));
    assert_eq!((again.state, again.replayed), (State::Confirmed, true));
    server.stop().expect_code(0);
    assert_eq!(house.audit()["verdict"], "pass");
    let records = house.records();
    let basket = records.iter().find(|one| !one["lines"].is_null()).expect("a basket");
    assert_eq!(basket["lines"][1], json!({"item": "mug", "units": 2, "price": 100}));
}
