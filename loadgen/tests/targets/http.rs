//! HTTP, and every protocol where they could differ, against a shop whose answers come in pieces,
//! turn to garbage, or stop.

use crate::PROTOCOLS;
use crate::program::run;
use crate::relay::{Trick, relay};
use crate::support::{Habits, start};

#[test]
fn every_kind_of_answer_over_http_is_counted_apart() {
    let shop = start(Habits { remember: true, stock: Some(1_500), ..Habits::default() });
    let words = "--protocol http --requests 2000 --connections 4 --threads 2 --duplicates 0.2 \
                 --confirm 0.3 --release 0.1";
    let ended = run(shop, words).end();
    assert_eq!(ended.exit, 0, "{ended:#?}");
    assert_eq!(ended.number("/orders"), 1_500);
    assert_eq!(ended.number("/outcomes/given/held"), 1_500);
    let replayed = ended.number("/outcomes/replayed/held");
    let refused = ended.number("/outcomes/refused/sold_out");
    assert_eq!(1_500 + replayed + refused, 2_000, "{ended:#?}");
    assert!(replayed > 100 && refused > 0, "{ended:#?}");
    let followed =
        ended.number("/outcomes/confirm/confirmed") + ended.number("/outcomes/release/released");
    assert_eq!(ended.number("/counts/followed"), followed);
    assert!(followed.abs_diff(600) < 150, "{ended:#?}");
    assert_eq!(ended.report["run"]["protocol"], "http");
    assert_eq!(ended.report["run"]["tls"], false);
}

/// The server says that an answer is a repetition, and it is one to a key that was sent once.
#[test]
fn a_repetition_is_one_because_the_server_says_so() {
    let shop = start(Habits { remember: true, ..Habits::default() });
    let words = "--protocol http --requests 300 --connections 1 --duplicates 0.5";
    let ended = run(shop, words).end();
    assert_eq!(ended.exit, 0, "{ended:#?}");
    let repeats = ended.number("/counts/repeats_sent");
    assert_eq!(ended.number("/outcomes/replayed/held"), repeats);
    assert_eq!(ended.number("/orders"), 300 - repeats);
}

#[test]
fn answers_that_come_byte_by_byte_are_understood() {
    for protocol in PROTOCOLS {
        let shop = start(Habits { remember: true, stock: Some(150), ..Habits::default() });
        let words = format!(
            "--protocol {protocol} --requests 200 --connections 2 --duplicates 0.1 --confirm 0.5"
        );
        let ended = run(relay(shop, Trick::Drip), &words).end();
        assert_eq!(ended.exit, 0, "{protocol}: {ended:#?}");
        assert_eq!(ended.number("/orders"), 150, "{protocol}");
        assert_eq!(ended.number("/counts/errors"), 0, "{protocol}");
    }
}

#[test]
fn garbage_ends_its_connection_and_is_shown() {
    for protocol in PROTOCOLS {
        let shop = relay(start(Habits::default()), Trick::Babble(2_000));
        let words = format!("--protocol {protocol} --duration 30s --connections 2");
        let ended = run(shop, &words).end();
        assert_eq!(ended.exit, 69, "{protocol}: {ended:#?}");
        assert_eq!(ended.number("/counts/connections_lost"), 2, "{protocol}");
        assert!(ended.number("/orders") > 0, "{protocol}: {ended:#?}");
        let error = ended.report["first_error"].as_str().unwrap_or_default();
        assert!(error.starts_with("a connection died: "), "{protocol}: {error}");
        assert!(!error.contains("the server closed it"), "{protocol}: {error}");
    }
}

#[test]
fn connections_that_die_are_counted_over_http_too() {
    let some = Habits { die: Some((100, 2)), ..Habits::default() };
    let words = "--protocol http --rate 4000 --duration 500ms --connections 4 --timeout 300ms";
    let ended = run(start(some), words).end();
    assert_eq!(ended.exit, 1, "{ended:#?}");
    assert_eq!(ended.number("/counts/connections_lost"), 2);
    assert!(ended.number("/counts/unsent") > 0, "{ended:#?}");
    assert_eq!(ended.number("/latency/all_purchases/from_intended/count"), 2_000);
}
