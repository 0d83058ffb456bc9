//! What is signed, what is posted, which addresses are inside, when a message is tried again.

use std::time::Duration;

use super::endpoint::wait_of;
use super::is_public;
use super::later::Later;
use super::message::Message;
use super::shown;
use super::signer::Signer;
use crate::sale::{Name, State};
use crate::sink::{Change, Kind, OrderFacts, Trouble};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NS: u64 = 1_000_000_000;

fn change(seq: u64) -> Change {
    let facts = OrderFacts {
        buyer: "ann".into(),
        key: format!("k{seq}").as_str().into(),
        channel: None,
        lines: smallvec::SmallVec::new(),
    };
    Change {
        seq,
        time: 1_790_000_000_000_000_000,
        kind: Kind::Now(State::Confirmed),
        sale: Name::parse(b"drop").expect("a name"),
        currency: None,
        order: seq - 1,
        facts: Some(facts),
    }
}

#[test]
fn the_published_example_is_signed_as_it_was_published() {
    let signer = Signer::parse(SECRET).expect("a good secret");
    let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "{\"test\": 2432232314}");
    let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    assert_eq!(signer.sign(id, 1_614_265_330, body), signature);
    // While one takes the place of another both sign.
    let both = Signer::parse(&format!("{OTHER}\n\n {SECRET}\r\n")).expect("two good ones");
    let signed = both.sign(id, 1_614_265_330, body);
    let signed: Vec<&str> = signed.split(' ').collect();
    assert_eq!((signed.len(), signed[1]), (2, signature));
    let lone = Signer::parse(OTHER.trim_end_matches('=')).expect("without padding");
    assert_eq!(lone.sign(id, 1_614_265_330, body), signed[0]);
}

#[test]
fn a_secret_of_another_form_is_refused_and_not_shown() {
    let three = format!("{SECRET}\n{OTHER}\n{SECRET}");
    for (text, part) in [
        ("", "0 secrets; one or two are wanted"),
        (three.as_str(), "3 secrets; one or two are wanted"),
        ("whsec_dG9vIHNob3J0", "line 1: it is not `whsec_` and the base64 of 24 to 64 bytes"),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "line 1: it is not"),
        (&format!("{SECRET}\nwhsec_no base64 at all, only words"), "line 2: it is not"),
    ] {
        let Err(why) = Signer::parse(text) else { panic!("taken: {text}") };
        assert!(why.contains(part) && !why.contains("MfKQ") && !why.contains("dG9v"), "{why}");
    }
}

#[test]
fn an_event_is_whole_and_its_id_is_always_the_same() {
    let one = change(9);
    let message = Message::of(&[&one], "ab12", false);
    let text = concat!(
        r#"{"specversion":"1.0","id":"ab12-9","source":"/doorbuster/ab12/drop","#,
        r#""type":"doorbuster.order.confirmed","subject":"8","#,
        r#""time":"2026-09-21T14:13:20.000000Z","datacontenttype":"application/json","#,
        r#""data":{"seq":9,"time":"2026-09-21T14:13:20.000000Z","change":"confirmed","#,
        r#""sale":"drop","order":"8","buyer":"ann","key":"k9","lines":[],"total":0,"#,
        r#""currency":null}}"#
    );
    assert_eq!((message.id.as_str(), message.body.as_str()), ("ab12-9", text));
    assert_eq!(message.content_type(), "application/cloudevents+json");
    let list = Message::of(&[&one], "ab12", true);
    assert_eq!((list.id.as_str(), list.body.clone()), ("ab12-9", format!("[{text}]")));
    assert_eq!(list.content_type(), "application/cloudevents-batch+json");
    // The same ends and something else between is another message.
    let (two, three, last) = (change(10), change(11), change(12));
    let id = |changes: &[&Change]| Message::of(changes, "ab12", true).id;
    assert!(id(&[&one, &two, &last]).starts_with("ab12-9-12-"));
    assert_ne!(id(&[&one, &two, &last]), id(&[&one, &three, &last]));
    assert_eq!(id(&[&one, &two, &last]), id(&[&one, &two, &last]));
}

#[test]
fn addresses_inside_are_known_in_every_disguise() {
    for inside in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.1",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.1.2.3",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "2001::1",
        "3fff::1",
        "100::1",
    ] {
        assert!(!is_public(inside.parse().expect("an address")), "{inside}");
    }
    for outside in [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "198.20.0.1",
        "223.255.255.1",
        "2606:4700::1111",
        "2001:4860:4860::8888",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
    ] {
        assert!(is_public(outside.parse().expect("an address")), "{outside}");
    }
}

#[test]
fn what_is_said_of_a_url_has_no_secret_in_it() {
    let url = "https://ann:pass@shop.example:8443/hooks/T0KEN?key=s";
    assert_eq!(shown(url), "https://shop.example:8443");
    assert_eq!(shown("http://[::1]/x"), "http://[::1]");
}

#[test]
fn a_wait_is_asked_for_in_seconds_or_by_a_date() {
    let now = 784_111_700 * NS;
    assert_eq!(wait_of("120", now), Some(Duration::from_secs(120)));
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_eq!(wait_of(date, now), Some(Duration::from_secs(77)));
    assert_eq!(wait_of(date, now + 1000 * NS), Some(Duration::ZERO));
    assert_eq!(wait_of("soon", now), None);
    assert_eq!(wait_of("-1", now), None);
}

/// Asks for what is due, hour after hour, and refuses it; returns when it was due, s.
fn refused_until_the_end(later: &mut Later) -> Vec<u64> {
    let mut times = Vec::new();
    for second in (0..90 * 3600).step_by(5) {
        for message in later.due(second * NS, 10) {
            times.push(second);
            later.failed(&message.id, "422: no".to_owned(), second * NS, 0, true);
        }
        later.keep().expect("written");
    }
    times
}

#[test]
fn a_message_is_tried_at_growing_intervals_and_then_given_up() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, dead) = (folder.path().join("hook.later"), folder.path().join("dead.ndjson"));
    let open = |hours: u64| {
        let opened = Later::open(path.clone(), dead.clone(), Duration::from_secs(hours * 3600));
        opened.map_err(Trouble::sentence)
    };
    std::fs::write(&dead, "{\"cut by a cra").expect("written");
    let mut later = open(72).expect("a new one");
    let message = Message::of(&[&change(9)], "ab12", false);
    later.add(message.clone(), "422: no".to_owned(), 0, 0);
    later.keep().expect("written");
    // Whatever was killed, it is there.
    let mut later = open(72).expect("it reads back");
    assert_eq!((later.len(), later.due(4 * NS, 10)), (1, vec![]));
    assert_eq!(later.due(5 * NS, 10), std::slice::from_ref(&message));
    let times = refused_until_the_end(&mut later);
    let (minute, hour) = (60, 3600);
    let mut expected = vec![5];
    for pause in [5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour] {
        expected.push(expected[expected.len() - 1] + pause);
    }
    // The last time is when the patience ends.
    expected.push(72 * hour);
    assert_eq!((times, later.len()), (expected, 0));
    assert_eq!(open(72).expect("it reads back").len(), 0);
    let text = std::fs::read_to_string(&dead).expect("dead letters");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    let letter: serde_json::Value = serde_json::from_str(lines[1]).expect("JSON");
    assert_eq!((&letter["why"], &letter["attempts"]), (&"422: no".into(), &10.into()));
    assert_eq!((&letter["id"], &letter["event"]["id"]), (&"ab12-9".into(), &"ab12-9".into()));
    assert_eq!(letter["first"], "1970-01-01T00:00:00.000000Z");
    // Without patience it is given up at once.
    let mut later = open(0).expect("there is none");
    later.add(message, "422: no".to_owned(), 7, 0);
    assert_eq!(later.keep().map_err(Trouble::sentence), Ok(1));
    assert_eq!(std::fs::read_to_string(&dead).expect("dead letters").lines().count(), 3);
    std::fs::write(&path, "no JSON\n").expect("written");
    let Err(why) = open(72) else { panic!("it is damaged") };
    assert!(why.contains("hook.later"), "{why}");
}

#[test]
fn a_receiver_that_takes_nothing_says_nothing_of_a_message() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, dead) = (folder.path().join("hook.later"), folder.path().join("dead.ndjson"));
    let opened = Later::open(path, dead, Duration::from_secs(1));
    let mut later = opened.map_err(Trouble::sentence).expect("a new one");
    let message = Message::of(&[&change(9)], "ab12", false);
    later.add(message.clone(), "500".to_owned(), 0, 7);
    let away = |later: &mut Later, second: u64, taken| {
        later.failed(&message.id, "away".to_owned(), second * NS, taken, false);
        later.keep().map_err(Trouble::sentence).expect("written")
    };
    // For days.
    for second in [5, 100, 100_000, 1_000_000] {
        assert_eq!((away(&mut later, second, 7), later.len()), (0, 1));
    }
    // It has taken another one since.
    assert_eq!((away(&mut later, 1_000_010, 8), later.len()), (1, 0));
}
