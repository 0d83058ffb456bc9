//! Sold-out answers that do not pass the matcher: they are given, and given up the moment that
//! something else is true.

use super::resp::{Resp, Value};
use super::server::{House, Server};

/// Two limited caps, on holds that end soon or late.
fn sale(hold_ms: u32) -> String {
    format!(
        "name = \"drop\"\nlimit = 3\nhold_ms = {hold_ms}\n\
         items = [{{ sku = \"cap\", stock = 2, price = 900, limit = 1 }}]\n"
    )
}

fn talk(server: &Server) -> Resp {
    Resp::over(server.connect())
}

fn ask(resp: &mut Resp, line: &str) -> Value {
    resp.ask(&line.split(' ').collect::<Vec<_>>())
}

fn word(resp: &mut Resp, line: &str) -> String {
    ask(resp, line).word().to_owned()
}

/// Purchases refused without asking the matcher.
fn here(resp: &mut Resp) -> u64 {
    let info = ask(resp, "INFO");
    let line = info.word().lines().find_map(|line| line.strip_prefix("sold_out_at_shard:"));
    line.expect("INFO counts them").trim().parse().expect("a number")
}

#[test]
fn what_is_sold_out_is_refused_at_the_shard_but_for_whom_another_answer_is_due() {
    let house = House::new(&[&sale(3_600_000)]);
    let server = house.serve();
    let mut resp = talk(&server);
    assert_eq!(word(&mut resp, "BUY drop cap ann k-ann"), "held");
    let order = ask(&mut resp, "BUY drop cap bob k-bob");
    let order = order.number(1);
    for number in 0..20 {
        assert_eq!(word(&mut resp, &format!("BUY drop cap new{number} k-{number}")), "sold_out");
    }
    assert!(here(&mut resp) >= 15, "{} of 20", here(&mut resp));
    // Another connection hears the same, and these hear what the law says.
    let mut other = talk(&server);
    for (line, expected) in [
        ("BUY drop cap eve k-eve", "sold_out"),
        ("BUY drop cap ann k-ann", "held"),
        ("BUY drop cap eve k-ann", "key_reused"),
        ("BUY drop cap ann k-more", "limit_reached"),
        ("BUY drop cap eve k-eve UNITS 2", "limit_reached"),
        ("BUY drop cap eve k-eve MAXPRICE 899", "price_changed"),
        ("BUY drop mug eve k-eve", "unknown_item"),
    ] {
        assert_eq!(word(&mut other, line), expected, "{line}");
        assert_eq!(word(&mut resp, line), expected, "{line}");
    }
    // Pipelined behind what gives a unit back, it is decided after that.
    let lines = [format!("RELEASE drop {order}"), "BUY drop cap fay k-fay".to_owned()];
    for line in &lines {
        resp.send(&line.split(' ').collect::<Vec<_>>()).expect("sent");
    }
    for expected in ["released", "held"] {
        assert_eq!(resp.receive().expect("told").word(), expected);
    }
    assert_eq!(word(&mut other, "BUY drop cap gil k-gil"), "sold_out");
    server.stop().expect_code(0);
    house.audit();
}

#[test]
fn a_unit_whose_hold_ran_out_goes_to_the_next_who_asks() {
    let house = House::new(&[&sale(150)]);
    let server = house.serve();
    let mut resp = talk(&server);
    let mut held = 0;
    let begun = std::time::Instant::now();
    for number in 0.. {
        match &*word(&mut resp, &format!("BUY drop cap b{number} k{number}")) {
            "held" => held += 1,
            "sold_out" => {}
            other => panic!("{other}"),
        }
        // Six units need the two that there are three times.
        if held == 6 {
            break;
        }
        assert!(begun.elapsed() < super::server::PATIENCE, "{held} held after {number}");
    }
    assert!(here(&mut resp) > 0);
    server.stop().expect_code(0);
    house.audit();
}
