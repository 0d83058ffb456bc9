//! Requests as lines of words, and what is made of them.

use super::*;
use crate::wire::resp::{Args, parse};

/// The head's fields of a request, or the error as the peer sees it.
fn shown(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request += &format!("${}\r\n{word}\r\n", word.len());
    }
    let mut args = Args::new();
    parse(request.as_bytes(), &mut args).expect("well formed").expect("whole");
    let mut ask = Ask::new(0);
    match read(&args.of(request.as_bytes()), &mut ask) {
        Command::Ask => {
            format!(
                "{} {}/{} units {}{} price {} tails {} order {}",
                ask.head.kind,
                ask.sale.escape_ascii(),
                ask.item.escape_ascii(),
                ask.head.units,
                match (ask.head.is_up_to(), ask.head.is_waiting()) {
                    (true, false) => " up to",
                    (false, true) => " or waits",
                    (true, true) => " up to or waits",
                    (false, false) => "",
                },
                ask.head.price,
                ask.head.tails,
                if ask.head.key().is_some_and(|key| key != Ident::NONE && key.form != Form::None) {
                    0
                } else {
                    ask.head.order()
                },
            ) + &lines_of(&ask.lines)
                + &side_of(&ask.named)
                + if ask.receipt { " with receipt" } else { "" }
        }
        Command::Local => "local".into(),
        Command::Fault(fault) => {
            let mut out = Vec::new();
            fault.write(&mut out);
            String::from_utf8(out).expect("ASCII").trim_end().into()
        }
    }
}

fn side_of(named: &Named<'_>) -> String {
    let channel = named.channel.escape_ascii().to_string();
    let group = |(group, member): (&[u8], &[u8])| {
        format!(" {}:{}", group.escape_ascii(), member.escape_ascii())
    };
    let groups: String = named.groups().map(group).collect();
    if channel.is_empty() { groups } else { format!(" by {channel}{groups}") }
}

fn lines_of(lines: &Lines<'_>) -> String {
    let line = |index| {
        let (item, units) = lines.line(index);
        format!(", {units} of {}", item.escape_ascii())
    };
    (0..lines.len()).map(line).collect()
}

#[test]
fn a_basket_has_lines_and_may_have_a_ticket_behind() {
    let any = u64::MAX;
    let head = |tails| format!("6 drop/ units 0 price {any} tails {tails} order 0");
    assert_eq!(shown("BASKET drop u1 k1 tee 2"), head(1) + ", 2 of tee");
    assert_eq!(
        shown("basket drop u1 a-key-of-a-long-name tee 2 cap 1 tee 1 hat 9"),
        head(3) + ", 2 of tee, 1 of cap, 1 of tee, 9 of hat"
    );
    // A thing may be called so.
    assert_eq!(shown("BASKET drop u1 k1 ticket 2"), head(1) + ", 2 of ticket");
    let words = "BASKET drop u1 k1 ticket 2 TICKET u1.5.00";
    assert_eq!(shown(words), head(1) + ", 2 of ticket");
    let many = |count| format!("BASKET drop u1 k1{}", " tee 1".repeat(count));
    assert_eq!(shown(&many(16)), head(6) + &", 1 of tee".repeat(16));
    let most = "-ERR a basket has 1 to 16 lines of item and units";
    assert_eq!(shown(&many(17)), most);
    assert_eq!(shown("BASKET drop u1 k1 TICKET u1.5.00"), most);
    let arity = "-ERR wrong number of arguments for 'basket' command";
    assert_eq!(shown("BASKET drop u1 k1 tee"), arity);
    let units = "-ERR UNITS must be an integer from 1 to 1000000";
    let waits = format!("6 drop/ units 0 or waits price {any} tails 1 order 0");
    assert_eq!(shown("BASKET drop u1 k1 tee 1 WAIT"), waits.clone() + ", 1 of tee");
    assert_eq!(
        shown("BASKET drop u1 k1 tee 1 wait 2 channel tv group card 5 group age 7 wait ticket t"),
        waits + ", 1 of tee, 2 of wait by tv card:5 age:7"
    );
    assert_eq!(shown("BASKET drop u1 k1 tee 1 WAIT WAIT"), "-ERR syntax error");
    assert_eq!(shown("BASKET drop u1 k1 tee 1 UPTO"), "-ERR syntax error");
    assert_eq!(shown("BASKET drop u1 k1 tee 1 WAIT cap 1"), "-ERR syntax error");
    assert_eq!(shown("BASKET drop u1 k1 tee 1 WAIT UNITS 1"), "-ERR syntax error");
    for bad in ["tee 0", "tee x", "tee 1 cap", "tee 1000001", "tee 1 cap -1"] {
        assert_eq!(shown(&format!("BASKET drop u1 k1 {bad}")), units, "{bad}");
    }
    for bad in ["tee 1 TICKET", "tee 1 TICKET a.b cap 1", "tee 1 TICKET a TICKET b"] {
        let told = shown(&format!("BASKET drop u1 k1 {bad}"));
        assert_eq!(told, "-ERR syntax error", "{bad}");
    }
    assert!(shown("BASKET drop u1 \u{e9} tee 1").starts_with("-ERR key may hold"));
}

#[test]
fn a_receipt_is_wished_for_by_a_word_alone() {
    let any = u64::MAX;
    let buy = |more: &str| format!("1 drop/tee units 3{more} price {any} tails 0 order 0");
    for words in ["RECEIPT UNITS 3", "UNITS 3 receipt", "TICKET a RECEIPT UNITS 3"] {
        let told = shown(&format!("BUY drop tee u1 k1 {words}"));
        assert_eq!(told, buy("") + " with receipt", "{words}");
    }
    assert_eq!(
        shown("BUY drop tee u1 k1 UNITS 3 WAIT RECEIPT"),
        buy(" or waits") + " with receipt"
    );
    assert_eq!(shown("BUY drop tee u1 k1 UNITS 3 TICKET RECEIPT"), buy(""));
    assert_eq!(shown("BUY drop tee u1 k1 RECEIPT RECEIPT"), "-ERR syntax error");
    for (word, kind) in [("CONFIRM", 2), ("RELEASE", 3), ("EXTEND", 4), ("CANCEL", 5)] {
        let told = shown(&format!("{word} drop 7 RECEIPT"));
        assert_eq!(told, format!("{kind} drop/ units 0 price 0 tails 0 order 7 with receipt"));
    }
    assert!(shown("ORDER drop 7 RECEIPT").starts_with("-ERR wrong number"));

    let basket = |more: &str| {
        let head = format!("6 drop/ units 0 price {any} tails 1 order 0, 1 of tee{more}");
        head + " with receipt"
    };
    for (words, more) in [
        ("RECEIPT", ""),
        ("receipt 2 RECEIPT", ", 2 of receipt"),
        ("TICKET a RECEIPT", ""),
        ("RECEIPT TICKET a", ""),
    ] {
        let told = shown(&format!("BASKET drop u1 k1 tee 1 {words}"));
        assert_eq!(told, basket(more), "{words}");
    }
    for bad in ["RECEIPT RECEIPT", "RECEIPT cap 1", "TICKET a RECEIPT cap 1"] {
        let told = shown(&format!("BASKET drop u1 k1 tee 1 {bad}"));
        assert_eq!(told, "-ERR syntax error", "{bad}");
    }
    for (words, wanted) in [
        ("RECEIPT TICKET a.b", "a.b"),
        ("TICKET a.b RECEIPT", "a.b"),
        ("TICKET receipt", "receipt"),
        ("TICKET receipt RECEIPT", "receipt"),
        ("ticket 2 RECEIPT", ""),
        ("RECEIPT", ""),
    ] {
        for front in ["BASKET drop u1 k1 tee 1", "BUY drop tee u1 k1"] {
            if front.starts_with("BUY") && words.starts_with("ticket 2") {
                continue;
            }
            let words: Vec<&str> = front.split(' ').chain(words.split(' ')).collect();
            let word = |word: &&str| format!("${}\r\n{word}\r\n", word.len());
            let request =
                format!("*{}\r\n", words.len()) + &words.iter().map(word).collect::<String>();
            let mut args = Args::new();
            parse(request.as_bytes(), &mut args).expect("well formed").expect("whole");
            assert_eq!(ticket(&args.of(request.as_bytes())), wanted.as_bytes(), "{words:?}");
        }
    }
}

#[test]
fn commands_become_heads() {
    let any = u64::MAX;
    assert_eq!(
        shown("BUY drop tee u1 k1"),
        format!("1 drop/tee units 1 price {any} tails 0 order 0")
    );
    assert_eq!(
        shown("buy drop tee u1 k1 maxprice 0 Units 3"),
        "1 drop/tee units 3 price 0 tails 0 order 0"
    );
    assert_eq!(
        shown("buy drop tee u1 k1 wait maxprice 0 Units 3"),
        "1 drop/tee units 3 or waits price 0 tails 0 order 0"
    );
    assert_eq!(
        shown("buy drop tee u1 k1 maxprice 0 upto Units 3"),
        "1 drop/tee units 3 up to price 0 tails 0 order 0"
    );
    assert_eq!(
        shown("BUY d t a-buyer-of-a-long-name a-key-of-a-long-name"),
        format!("1 d/t units 1 price {any} tails 2 order 0")
    );
    assert_eq!(shown("CONFIRM drop 42"), "2 drop/ units 0 price 0 tails 0 order 42");
    assert_eq!(shown("release drop 0"), "3 drop/ units 0 price 0 tails 0 order 0");
    assert_eq!(
        shown("ORDER d 18446744073709551615"),
        format!("64 d/ units 0 price 0 tails 0 order {any}")
    );
    assert_eq!(shown("STOCK d t"), "65 d/t units 0 price 0 tails 0 order 0");
    assert_eq!(shown("extend d 1"), "4 d/ units 0 price 0 tails 0 order 1");
    assert_eq!(shown("Cancel d 1"), "5 d/ units 0 price 0 tails 0 order 1");
    assert_eq!(shown("EXPAND d 1"), "local");
    assert_eq!(
        shown("BUY drop tee u1 k1 ticket u1.5.00 UNITS 3"),
        format!("1 drop/tee units 3 price {any} tails 0 order 0")
    );
}

#[test]
fn a_ticket_is_found_where_it_stands_and_nowhere_else() {
    for (line, expected) in [
        ("BUY drop tee u1 k1", ""),
        ("BUY drop ticket ticket ticket", ""),
        ("BUY drop tee u1 k1 UNITS 3", ""),
        ("BUY drop tee u1 k1 Ticket u1.5.00 UNITS 3", "u1.5.00"),
        ("BUY drop tee u1 k1 UNITS 3 TICKET u1.5.00", "u1.5.00"),
        ("BUY drop tee u1 k1 UPTO TICKET u1.5.00 UNITS 3", "u1.5.00"),
        ("BUY drop tee u1 k1 WAIT TICKET ticket UPTO", "ticket"),
        ("BASKET drop u1 k1 tee 2 ticket 3", ""),
        ("BASKET drop u1 k1 tee 2 ticket u1.5.00", "u1.5.00"),
        ("BASKET drop u1 k1 tee 2 ticket u1.5.00 WAIT", "u1.5.00"),
        ("BASKET drop u1 k1 tee 2 group ticket x CHANNEL tv ticket t", "t"),
        ("BUY drop tee u1 k1 GROUP ticket x", ""),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request += &format!("${}\r\n{word}\r\n", word.len());
        }
        let mut args = Args::new();
        parse(request.as_bytes(), &mut args).expect("well formed").expect("whole");
        let found = ticket(&args.of(request.as_bytes()));
        assert_eq!(found, expected.as_bytes(), "{line}");
    }
}

#[test]
fn faults_are_told_as_redis_tells_them() {
    let arity = |name| format!("-ERR wrong number of arguments for '{name}' command");
    assert_eq!(shown("BUY drop tee u1"), arity("buy"));
    assert_eq!(shown("CONFIRM drop"), arity("confirm"));
    assert_eq!(shown("EXTEND drop"), arity("extend"));
    assert_eq!(shown("CANCEL drop 1 u1"), arity("cancel"));
    assert_eq!(shown("ORDER drop 1 2"), arity("order"));
    assert_eq!(shown("STOCK drop"), arity("stock"));
    let units = "-ERR UNITS must be an integer from 1 to 1000000";
    for bad in ["0", "1000001", "-1", "1x", "99999999999999999999999", ""] {
        assert_eq!(shown(&format!("BUY d t u k UNITS {bad}")), units);
    }
    let price = "-ERR MAXPRICE must be an integer from 0 to 9007199254740992";
    assert_eq!(shown("BUY d t u k MAXPRICE 9007199254740993"), price);
    for bad in [
        "UPTO UPTO",
        "WAIT WAIT",
        "UNITS",
        "UNITS 1 UNITS 1",
        "UNITS 1 x",
        "TICKET",
        "TICKET a TICKET b",
        "CHANNEL",
        "CHANNEL a CHANNEL a",
        "GROUP card",
    ] {
        assert_eq!(shown(&format!("BUY d t u k {bad}")), "-ERR syntax error");
    }
    let channel = "-ERR CHANNEL must be a name of 1 to 64 of A-Z a-z 0-9 . _ -";
    assert_eq!(shown("BUY d t u k CHANNEL a/b"), channel);
    let twice = "-ERR GROUP names a limit group twice";
    assert_eq!(shown("BUY d t u k GROUP card a GROUP card b"), twice);
    let many = "-ERR GROUP is there more than 2 times, and no sale has more";
    assert_eq!(shown("BUY d t u k GROUP a a GROUP b b GROUP c c"), many);
    let member = "-ERR GROUP member is empty: 1 to 64 printable ASCII characters without spaces";
    assert_eq!(shown("BUY d t u k GROUP card "), member);
    assert!(shown("CONFIRM d x").starts_with("-ERR order must be"));
    assert!(shown("BUY d t  k").starts_with("-ERR buyer is empty"));
    assert!(shown("BUY d t u \u{e9}").starts_with("-ERR key may hold"));
}
