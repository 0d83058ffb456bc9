//! Servers that show a certificate of another authority, of another name, or of another time: the
//! sink says what is wrong with it, tells it nothing, and goes on when there is a good one.

use super::server::House;
use super::sinks::{AT_ONCE, shop_some, sink as sink_command, until};
use super::{NatsServer, Postgres, RedisServer, run, tls};

/// Lines among which it is said.
const LINES: usize = 20;

/// Each bad certificate that is shown, and what is said of it.
fn shown(ours: &tls::Authority) -> [((String, String), &'static str); 3] {
    [
        (tls::Authority::named("another").issue(), "invalid peer certificate: UnknownIssuer"),
        (ours.issue_for("elsewhere.example", 4096), "not valid for name \"localhost\""),
        (ours.issue_for("localhost", 2020), "certificate expired"),
    ]
}

/// A server shows one certificate after another, and has been told nothing until the last.
fn what_is_wrong_is_said(
    terms: &str,
    mut show: impl FnMut(&(String, String)),
    told: impl Fn() -> bool,
) {
    let house = House::new(&[AT_ONCE]);
    let ours = tls::Authority::new();
    let (ca, password) = (house.path("ca.pem"), house.path("password"));
    std::fs::write(&ca, ours.pem()).expect("written");
    std::fs::write(&password, "hush").expect("written");
    let mut server = None;
    for (certificate, says) in shown(&ours) {
        show(&certificate);
        let server = server.get_or_insert_with(|| {
            let (ca, password) = (ca.display(), password.display());
            let sink = format!("name=orders {terms} ca_file={ca} password_file={password}");
            let server = run(&house, &sink);
            shop_some(&server, "a", 1);
            server
        });
        sink_command(server, &["resume", "orders"]).expect_code(0);
        // What it said of the one before may still come.
        let mut lines = (0..LINES).map(|_| server.says("sink orders"));
        assert!(lines.any(|line| line.contains(says)), "it never says {says}");
        assert!(!told(), "{says}");
    }
    show(&ours.issue());
    let server = server.expect("it was started");
    until(&server, "doorbuster_sink_changes_total{sink=\"orders\"} 1");
    assert!(told());
    let ended = server.stop();
    assert!(!ended.expect_code(0).stderr.contains("hush"), "{ended:?}");
}

#[test]
fn postgres_is_told_nothing_until_its_certificate_is_good() {
    let Some(postgres) = Postgres::start() else { return };
    let port = postgres.port;
    let show = |(cert, key): &(String, String)| {
        postgres.put("server.crt", cert);
        postgres.put("server.key", key);
        postgres.ask("ALTER SYSTEM SET ssl = on");
        postgres.ask("SELECT pg_reload_conf()");
    };
    let told = || postgres.ask("SELECT to_regnamespace('doorbuster') IS NOT NULL") == ["t"];
    let terms =
        format!("type=postgres url=postgres://shop@localhost:{port}/postgres?sslmode=require");
    what_is_wrong_is_said(&terms, show, told);
}

#[test]
fn nats_is_told_nothing_until_its_certificate_is_good() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    let (cert_word, key_word) = (cert.display().to_string(), key.display().to_string());
    let arguments = ["--tls", "--tlscert", &cert_word, "--tlskey", &key_word];
    let Some(nats) = NatsServer::down(Some(("shop", "hush"))) else { return };
    let nats = nats.arguments(&arguments);
    let port = nats.port();
    let nats = std::cell::RefCell::new(nats);
    let show = |(cert_text, key_text): &(String, String)| {
        std::fs::write(&cert, cert_text).expect("written");
        std::fs::write(&key, key_text).expect("written");
        nats.borrow_mut().kill();
        nats.borrow_mut().start();
    };
    // Its stream lies in its folder.
    let told = || nats.borrow().has_streams();
    let terms = format!("type=nats url=tls://localhost:{port} create=true user=shop");
    what_is_wrong_is_said(&terms, show, told);
}

#[test]
fn redis_is_told_nothing_until_its_certificate_is_good() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    let (cert_word, key_word) = (cert.display().to_string(), key.display().to_string());
    let port = super::redis::free_port().to_string();
    let arguments = ["--tls-port", &port, "--tls-cert-file", &cert_word, "--tls-key-file"];
    let more = [key_word.as_str(), "--tls-auth-clients", "no", "--user", "shop"];
    let more = [&more[..], &["on", ">hush", "~*", "+@all"]].concat();
    let Some(redis) = RedisServer::down(&[&arguments[..], &more].concat()) else { return };
    let redis = std::cell::RefCell::new(redis);
    let show = |(cert_text, key_text): &(String, String)| {
        std::fs::write(&cert, cert_text).expect("written");
        std::fs::write(&key, key_text).expect("written");
        redis.borrow_mut().kill();
        redis.borrow_mut().start();
    };
    let told = || redis.borrow().ask::<i64>(&["EXISTS", "doorbuster:orders"]) == 1;
    let terms = format!("type=redis url=rediss://localhost:{port} user=shop");
    what_is_wrong_is_said(&terms, show, told);
}
