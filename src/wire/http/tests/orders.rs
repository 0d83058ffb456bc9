//! The body of an order, field by field.

use super::{post, seen};

#[track_caller]
fn expect(body: &str, expected: &str) {
    assert_eq!(seen(post(body)), expected, "{body}");
}

#[test]
fn an_order_says_what_it_wants() {
    for (body, expected) in [
        (r#"{"item":"tee","units":1,"buyer":"u1"}"#, "BUY drop/tee x1 for u1 key k"),
        (r#"{"buyer":"u1","item":"tee"}"#, "BUY drop/tee x1 for u1 key k"),
        (" {\n\t\"item\" : \"tee\" ,\r\n\"buyer\":\"u1\" } ", "BUY drop/tee x1 for u1 key k"),
        (r#"{"item":"t","units":1000000,"buyer":"42"}"#, "BUY drop/t x1000000 for 42 key k"),
        (r#"{"item":"t","buyer":"u","max_price":0}"#, "BUY drop/t x1 at 0 for u key k"),
        (
            r#"{"item":"t","buyer":"u","max_price":9007199254740992,"fill":"all","wait":false}"#,
            "BUY drop/t x1 at 9007199254740992 for u key k",
        ),
        (r#"{"item":"t","fill":"up_to","units":3,"buyer":"u"}"#, "BUY drop/t x3 up to for u key k"),
        (r#"{"item":"t","wait":true,"buyer":"u"}"#, "BUY drop/t x1 or waits for u key k"),
        (
            r#"{"lines":[{"item":"a"},{"item":"b"}],"buyer":"u","wait":true}"#,
            "BASKET drop/a x1/b x1 or waits for u key k",
        ),
        (
            r#"{"item":"t","buyer":"u","channel":"tv","groups":{"card":"c","\u0061ge":"\u0041"}}"#,
            "BUY drop/t x1 by tv card:c age:A for u key k",
        ),
        (r#"{"item":"t","buyer":"u","groups":{}}"#, "BUY drop/t x1 for u key k"),
        (r#"{"lines":[{"item":"t","units":3}],"buyer":"u"}"#, "BUY drop/t x3 for u key k"),
        (
            r#"{"lines":[{"item":"t"},{"units":3,"item":"\u0061b"}],"buyer":"u","max_price":7}"#,
            "BASKET drop/t x1/ab x3 at 7 for u key k",
        ),
        (
            r#"{"buyer":"a-buyer-with-a-name-of-some-length","lines":[{"item":"t"},{"item":"t"}]}"#,
            "BASKET drop/t x1/t x1 for a-buyer-with-a-name-of-some-length key k",
        ),
        (r#"{"lines" : [ { "item" : "t" } ],"buyer":"u"}"#, "BUY drop/t x1 for u key k"),
        (r#"{"\u0069tem":"\u0074ee","buyer":"a\"\\\/b"}"#, r#"BUY drop/tee x1 for a"\/b key k"#),
        (
            r#"{"item":"tee","buyer":"a-buyer-with-a-name-of-some-length"}"#,
            "BUY drop/tee x1 for a-buyer-with-a-name-of-some-length key k",
        ),
        (
            r#"{"item":"tee","buyer":"a-buyer-with-a-\u006eame-of-some-length"}"#,
            "BUY drop/tee x1 for a-buyer-with-a-name-of-some-length key k",
        ),
    ] {
        expect(body, expected);
    }
}

#[test]
fn a_field_that_is_missing_wrong_or_too_much_is_named() {
    let units = "units must be an integer from 1 to 1000000, got";
    let price = "max_price must be an integer from 0 to 9007199254740992, got";
    let item = "item must be a name of 1 to 64 characters of A-Z a-z 0-9 . _ -, got";
    let lines = "lines must be an array of 1 to 16 lines, got";
    let fields = "there are item, units, lines, buyer, max_price, fill, wait, channel and groups";
    let channel = "channel must be a name of 1 to 64 characters of A-Z a-z 0-9 . _ -, got";
    let groups = "groups must be an object of limit groups and members, got";
    let fill = "fill must be \"all\" or \"up_to\", got";
    let buyer = "buyer may hold printable ASCII characters without spaces only, got";
    let twice = "is there more than once";
    let both = format!("{twice} (or in lines as well)");
    let upto = "fill must be \"all\" in an order of several lines, got 'up_to'";
    let long = "x".repeat(65);
    let many = format!("{{\"lines\":[{}{{}}],\"buyer\":\"u\"}}", "{\"item\":\"t\"},".repeat(16));
    for (body, detail) in [
        (r#"{}"#, "buyer is missing".to_owned()),
        (r#"{"item":"t"}"#, "buyer is missing".into()),
        (r#"{"buyer":"u"}"#, "item (or lines) is missing".into()),
        (r#"{"item":1,"buyer":"u"}"#, format!("{item} a number")),
        (r#"{"item":null,"buyer":"u"}"#, format!("{item} null")),
        (r#"{"item":"","buyer":"u"}"#, format!("{item} ''")),
        (r#"{"item":"a b","buyer":"u"}"#, format!("{item} 'a b'")),
        (r#"{"item":"a\u0000","buyer":"u"}"#, format!(r"{item} 'a\x00'")),
        (r#"{"item":"é","buyer":"u"}"#, format!(r"{item} '\xc3\xa9'")),
        (&format!(r#"{{"item":"{long}","buyer":"u"}}"#), format!("{item} '{long}'")),
        (r#"{"item":"t","item":"t","buyer":"u"}"#, format!("item {both}")),
        (r#"{"item":"t","buyer":["u"]}"#, "buyer must be a string, got an array".into()),
        (r#"{"item":"t","buyer":true}"#, "buyer must be a string, got true".into()),
        (
            r#"{"item":"t","buyer":""}"#,
            "buyer is empty: 1 to 64 printable ASCII characters without spaces, got ''".into(),
        ),
        (
            &format!(r#"{{"item":"t","buyer":"{long}"}}"#),
            format!("buyer is longer than 64 characters, got '{long}'"),
        ),
        (r#"{"item":"t","buyer":"a b"}"#, format!(r"{buyer} 'a b'")),
        (r#"{"item":"t","buyer":"a\n"}"#, format!(r"{buyer} 'a\n'")),
        (r#"{"item":"t","buyer":"\ud83d\ude00"}"#, format!(r"{buyer} '\xf0\x9f\x98\x80'")),
        (r#"{"item":"t","buyer":"u","buyer":"v"}"#, format!("buyer {twice}")),
        (r#"{"item":"t","buyer":"u","units":0}"#, format!("{units} 0")),
        (r#"{"item":"t","buyer":"u","units":1000001}"#, format!("{units} 1000001")),
        (r#"{"item":"t","buyer":"u","units":-1}"#, format!("{units} '-1'")),
        (r#"{"item":"t","buyer":"u","units":1.0}"#, format!("{units} '1.0'")),
        (r#"{"item":"t","buyer":"u","units":1e2}"#, format!("{units} '1e2'")),
        (
            r#"{"item":"t","buyer":"u","units":99999999999999999999999}"#,
            format!("{units} '99999999999999999999999'"),
        ),
        (r#"{"item":"t","buyer":"u","units":"1"}"#, format!("{units} a string")),
        (r#"{"item":"t","buyer":"u","units":null}"#, format!("{units} null")),
        (r#"{"item":"t","buyer":"u","units":1,"units":1}"#, format!("units {both}")),
        (
            r#"{"item":"t","buyer":"u","max_price":9007199254740993}"#,
            format!("{price} 9007199254740993"),
        ),
        (r#"{"item":"t","buyer":"u","max_price":{}}"#, format!("{price} an object")),
        (r#"{"item":"t","buyer":"u","max_price":1,"max_price":1}"#, format!("max_price {twice}")),
        (r#"{"item":"t","buyer":"u","fill":"upto"}"#, format!("{fill} 'upto'")),
        (r#"{"item":"t","buyer":"u","fill":false}"#, format!("{fill} false")),
        (r#"{"item":"t","buyer":"u","fill":"all","fill":"all"}"#, format!("fill {twice}")),
        (r#"{"item":"t","buyer":"u","channel":"a b"}"#, format!("{channel} 'a b'")),
        (r#"{"item":"t","buyer":"u","channel":null}"#, format!("{channel} null")),
        (r#"{"item":"t","buyer":"u","channel":"a","channel":"a"}"#, format!("channel {twice}")),
        (r#"{"item":"t","buyer":"u","groups":["c"]}"#, format!("{groups} an array")),
        (r#"{"item":"t","buyer":"u","groups":{},"groups":{}}"#, format!("groups {twice}")),
        (
            r#"{"item":"t","buyer":"u","groups":{"card":7}}"#,
            "groups.card must be a string, got a number".into(),
        ),
        (
            r#"{"item":"t","buyer":"u","groups":{"card":"a b"}}"#,
            "groups.card may hold printable ASCII characters without spaces only, got 'a b'".into(),
        ),
        (
            r#"{"item":"t","buyer":"u","groups":{"card":"a","c\u0061rd":"b"}}"#,
            format!("groups.card {twice}"),
        ),
        (
            r#"{"item":"t","buyer":"u","groups":{"a":"1","b":"2","c":"3"}}"#,
            "groups must have 2 members at most, got more".into(),
        ),
        (r#"{"item":"t","buyer":"u","wait":0}"#, "wait must be true or false, got a number".into()),
        (r#"{"item":"t","buyer":"u","wait":false,"wait":false}"#, format!("wait {twice}")),
        (r#"{"lines":[],"buyer":"u"}"#, format!("{lines} none")),
        (r#"{"lines":{},"buyer":"u"}"#, format!("{lines} an object")),
        (&many, format!("{lines} more")),
        (r#"{"lines":[{"item":"a"},{"item":"b"}],"buyer":"u","fill":"up_to"}"#, upto.into()),
        (
            r#"{"lines":[1],"buyer":"u"}"#,
            "lines[0] must be an object with item and units, got a number".into(),
        ),
        (r#"{"lines":[{"units":1}],"buyer":"u"}"#, "lines[0].item is missing".into()),
        (
            r#"{"lines":[{"item":"t","units":0}],"buyer":"u"}"#,
            "lines[0].units must be an integer from 1 to 1000000, got 0".into(),
        ),
        (
            r#"{"lines":[{"item":"t","price":0}],"buyer":"u"}"#,
            "'price' is no field; there are item and units in a line".into(),
        ),
        (
            r#"{"lines":[{"item":"t"}],"lines":[{"item":"t"}],"buyer":"u"}"#,
            format!("lines {twice}"),
        ),
        (
            r#"{"item":"t","lines":[{"item":"t"}],"buyer":"u"}"#,
            "an order has either lines or item and units, got both".into(),
        ),
        (r#"{"lines":[{"item":"t"}],"item":"t","buyer":"u"}"#, format!("item {both}")),
        (r#"{"lines":[{"item":"t"}],"units":1,"buyer":"u"}"#, format!("units {both}")),
        (r#"{"Item":"t","buyer":"u"}"#, format!("'Item' is no field; {fields}")),
        (r#"{"item":"t","buyer":"u","":1}"#, format!("'' is no field; {fields}")),
        (r#"[]"#, "the body must be an object, got an array".into()),
        (r#""item""#, "the body must be an object, got a string".into()),
    ] {
        expect(body, &format!("400 bad_field: {detail}"));
    }
}

#[test]
fn what_is_no_json_is_refused_with_the_place() {
    let deep = "[".repeat(10_000);
    for (body, detail) in [
        ("", "it ends where an object should stand"),
        ("{", "it ends where a name in quotes should stand"),
        ("nothing", ""),
        ("{item:1}", "at byte 1 a name in quotes should stand, got 'i'"),
        ("{'item':1}", "at byte 1 a name in quotes should stand, got '''"),
        (r#"{"item""#, "it ends where ':' should stand"),
        (r#"{"item" "t"}"#, "at byte 8 ':' should stand, got '\"'"),
        (r#"{"item":}"#, "at byte 8 a value should stand, got '}'"),
        (r#"{"item":"t" "buyer":"u"}"#, "at byte 12 ',' or '}' should stand, got '\"'"),
        (r#"{"item":"t",}"#, "at byte 12 a name in quotes should stand, got '}'"),
        (r#"{"item":"t","buyer":"u"},"#, "at byte 24 its end should stand, got ','"),
        (r#"{"item":"t","buyer":"u"}{}"#, "at byte 24 its end should stand, got '{'"),
        ("{\"item\":\"a\tb\"}", r"at byte 10 the rest of a string should stand, got '\t'"),
        (r#"{"item":"t"#, "it ends where the rest of a string should stand"),
        (r#"{"item":"\x"}"#, r#"at byte 10 one of " \ / b f n r t u should stand, got 'x'"#),
        (r#"{"item":"\u00g0"}"#, "at byte 13 a hex digit should stand, got 'g'"),
        (r#"{"item":"\ud800"}"#, "at byte 15 a whole pair of surrogates should stand, got '\"'"),
        (
            r#"{"item":"\ud800\u0041"}"#,
            "at byte 21 a whole pair of surrogates should stand, got '\"'",
        ),
        (r#"{"item":"\udc00"}"#, "at byte 15 a whole pair of surrogates should stand, got '\"'"),
        (
            r#"{"units":01}"#,
            "at byte 10 a digit that a number can have there should stand, got '1'",
        ),
        (r#"{"units":-}"#, "at byte 10 a digit that a number can have there should stand, got '}'"),
        (r#"{"units":1.}"#, "at byte 11 a digit should stand, got '}'"),
        (r#"{"units":1e+}"#, "at byte 12 a digit should stand, got '}'"),
        (r#"{"units":+1}"#, "at byte 9 a value should stand, got '+'"),
        (r#"{"units":NaN}"#, "at byte 9 a value should stand, got 'N'"),
        (r#"{"wait":truth}"#, "at byte 8 true or false should stand, got 't'"),
        (r#"{"lines":[{"item":"t"} {}]}"#, "at byte 23 ',' or ']' should stand, got '{'"),
        ("\u{feff}{}", r"at byte 0 a value should stand, got '\xef'"),
        (&deep, ""),
    ] {
        let seen = seen(post(body));
        match detail {
            "" => assert!(seen.starts_with("400 "), "{body}: {seen}"),
            detail => {
                let expected = format!("400 malformed_json: the body is no JSON: {detail}");
                assert_eq!(seen, expected, "{body}");
            }
        }
    }
    let mut bad = post(r#"{"item":"t","buyer":"uu"}"#).into_bytes();
    let at = bad.len() - 3;
    bad[at] = 0xff;
    assert_eq!(seen(bad), "400 malformed_json: the body is no UTF-8 from byte 22 on");
}

#[test]
fn a_command_may_say_who_sends_it() {
    let command = |body: &str| {
        seen(format!(
            "POST /v1/sales/drop/orders/7/release HTTP/1.1\r\nHost: x\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    };
    assert_eq!(command(""), "RELEASE drop order 7");
    assert_eq!(command("{}"), "RELEASE drop order 7");
    assert_eq!(command(r#"{"buyer":"u1"}"#), "RELEASE drop for u1 order 7");
    assert_eq!(
        command(r#"{"buyer":"a-buyer-with-a-name-of-some-length"}"#),
        "RELEASE drop for a-buyer-with-a-name-of-some-length order 7"
    );
    assert_eq!(command(r#"{"item":"t"}"#), "400 bad_field: 'item' is no field; there are buyer");
    assert_eq!(command(r#"{"buyer":7}"#), "400 bad_field: buyer must be a string, got a number");
    assert!(command(" ").starts_with("400 malformed_json"));
}
