//! The program against the real server: every protocol, plain and through TLS, with tokens right
//! and wrong.

use ::doorbuster::access::{Role, Token};

use crate::PROTOCOLS;
use crate::house::{Asks, House};
use crate::program::run;
use crate::relay::{Trick, relay};

const MIX: &str = "--requests 800 --connections 3 --buyers 500 --units 2 --duplicates 0.1 \
                   --confirm 0.3 --release 0.1";

#[test]
fn every_protocol_is_spoken_plain_and_through_tls() {
    for tls in [false, true] {
        for protocol in PROTOCOLS {
            let house = House::open(Asks { tls, token: true });
            let token = house.token(Role::Buy);
            let ca = house.path("ca.pem").display().to_string();
            let words = match (tls, protocol) {
                (false, _) => format!("--protocol {protocol} {MIX}"),
                (true, "http") => format!("--protocol https --ca {ca} {MIX}"),
                (true, _) => format!("--protocol {protocol} --tls --ca {ca} {MIX}"),
            };
            let ended = if protocol == "resp" {
                std::fs::write(house.path("token"), format!("{token}\n")).expect("written");
                let file = house.path("token").display().to_string();
                run(house.address(), &format!("{words} --token-file {file}")).end()
            } else {
                run(house.address(), &words).variable("DOORBUSTER_TOKEN", &token).end()
            };
            assert_eq!(ended.exit, 0, "{words}: {ended:#?}");
            let orders = ended.number("/orders");
            // 500 buyers may have two each, so some of 800 requests for two are above the limit.
            let refused = ended.number("/outcomes/refused/limit_reached");
            assert!((200..=600).contains(&orders) && refused > 50, "{words}: {ended:#?}");
            assert!(ended.number("/outcomes/confirm/confirmed") > 50, "{words}: {ended:#?}");
            assert_eq!(ended.number("/counts/answers"), 800 + ended.number("/counts/followed"));
            assert_eq!(ended.report["run"]["tls"], tls);
            assert!(!ended.report.to_string().contains(&token), "the token is told");
        }
    }
}

#[test]
fn baskets_are_bought_whole_and_places_on_the_waiting_list_are_counted_apart() {
    for protocol in PROTOCOLS {
        let house = House::open(Asks::default());
        let words = format!(
            "--protocol {protocol} --item tee,cap --requests 300 --connections 3 --baskets 0.4 \
             --basket-lines 2 --wait 1 --confirm 0.5 --release 0.1"
        );
        let ended = run(house.address(), &words).end();
        assert_eq!(ended.exit, 0, "{words}: {ended:#?}");
        // Twenty places; those of whom units came back for are taken again.
        let waiting = ended.number("/outcomes/waiting/waiting");
        assert!((20..80).contains(&waiting), "{ended:#?}");
        assert_eq!(ended.number("/latency/waiting/from_sent/count"), waiting);
        assert!(ended.number("/outcomes/refused/sold_out") > 10, "{ended:#?}");
        assert!(ended.number("/orders") > 100, "{ended:#?}");
    }
}

#[test]
fn a_token_that_does_not_count_ends_it_before_any_load() {
    let house = House::open(Asks { tls: false, token: true });
    let wrong = Token::new().expect("random");
    let reader = house.token(Role::Read);
    for protocol in PROTOCOLS {
        let words = format!("--protocol {protocol}");
        let ended = run(house.address(), &words).end();
        ended.refused(1, "unauthorized: the server asks for a token: --token-file FILE or");
        let ended = run(house.address(), &words).variable("DOORBUSTER_TOKEN", wrong.reveal()).end();
        ended.refused(1, "unauthorized: the server does not know the token");
        assert!(!ended.stderr.contains(wrong.reveal()));
        let ended = run(house.address(), &words).variable("DOORBUSTER_TOKEN", &reader).end();
        ended.refused(1, "forbidden: the token may not buy");
    }
    assert_eq!(house.purchases(), 0);
}

#[test]
fn a_token_that_nobody_asks_for_does_no_harm() {
    let house = House::open(Asks::default());
    let token = Token::new().expect("random");
    for protocol in PROTOCOLS {
        let words = format!("--protocol {protocol} --requests 50 --connections 2");
        let run = run(house.address(), &words).variable("DOORBUSTER_TOKEN", token.reveal());
        let ended = run.end();
        assert_eq!((ended.exit, ended.number("/orders")), (0, 50), "{ended:#?}");
    }
    assert_eq!(house.purchases(), 150);
}

#[test]
fn names_that_the_server_does_not_know_are_told_before_any_load() {
    let house = House::open(Asks::default());
    for protocol in PROTOCOLS {
        for (names, part) in [
            ("--sale shop", "unknown_sale: sale 'shop', item 'tee'"),
            ("--item tee,mug", "unknown_item: sale 'drop', item 'mug'"),
        ] {
            let ended = run(house.address(), &format!("--protocol {protocol} {names}")).end();
            ended.refused(1, part);
        }
    }
    assert_eq!(house.purchases(), 0);
}

#[test]
fn a_certificate_must_be_signed_by_who_is_trusted_and_for_the_name() {
    let house = House::open(Asks { tls: true, token: false });
    let other = House::open(Asks::default());
    let ca = house.path("ca.pem").display().to_string();
    let stranger = other.path("ca.pem").display().to_string();
    for protocol in PROTOCOLS {
        let tls = format!("--protocol {protocol} --tls");
        let ended = run(house.address(), &format!("{tls} --ca {stranger}")).end();
        ended.refused(69, "TLS: invalid peer certificate");
        let words = format!("{tls} --ca {ca} --server-name shop.example");
        run(house.address(), &words).end().refused(69, "TLS: invalid peer certificate");
        let ended = run(other.address(), &format!("{tls} --ca {ca}")).end();
        assert_eq!(ended.exit, 69, "{}", ended.stderr);
        let ended = run(house.address(), &format!("--protocol {protocol}")).end();
        ended.refused(69, "TLS only");
        let words = format!("{tls} --server-name localhost --requests 20 --connections 2");
        let ended = run(house.address(), &words).variable("DOORBUSTER_CA", &ca).end();
        assert_eq!((ended.exit, ended.number("/orders")), (0, 20), "{ended:#?}");
    }
    assert_eq!(house.purchases(), 60);
}

/// Far more is under way than the sockets and rustls take at once.
#[test]
fn nothing_is_lost_where_tls_is_full() {
    let house = House::open(Asks { tls: true, token: false });
    let ca = house.path("ca.pem").display().to_string();
    for protocol in PROTOCOLS {
        let words = format!(
            "--protocol {protocol} --tls --ca {ca} --requests 20000 --connections 1 \
             --pipeline 8000 --buyers 300 --timeout 60s"
        );
        let ended = run(house.address(), &words).end();
        assert_eq!(ended.exit, 0, "{ended:#?}");
        assert_eq!(ended.number("/counts/answers"), 20_000, "{ended:#?}");
    }
}

#[test]
fn tls_that_comes_in_pieces_is_understood_and_where_it_breaks_off_its_connection_ends() {
    let house = House::open(Asks { tls: true, token: false });
    let ca = house.path("ca.pem").display().to_string();
    for protocol in PROTOCOLS {
        let tls = format!("--protocol {protocol} --tls --ca {ca} --connections 2");
        let drip = relay(house.address(), Trick::Drip);
        let ended = run(drip, &format!("{tls} --requests 60")).end();
        assert_eq!((ended.exit, ended.number("/counts/answers")), (0, 60), "{ended:#?}");
        let babble = relay(house.address(), Trick::Babble(8_000));
        let ended = run(babble, &format!("{tls} --duration 30s")).end();
        assert_eq!((ended.exit, ended.number("/counts/connections_lost")), (69, 2), "{ended:#?}");
        let error = ended.report["first_error"].as_str().unwrap_or_default();
        assert!(error.starts_with("a connection died: "), "{protocol}: {error}");
    }
}
