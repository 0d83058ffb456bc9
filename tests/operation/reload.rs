//! SIGHUP while clients work: new deadlines, new tokens and a new certificate, and nobody fails but
//! who may not come any more.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use doorbuster::access::{self, Role, Token};
use doorbuster::sale::Name;
use rustls::version;

use super::CROWD;
use super::peer::{Peer, order};
use super::resp::Resp;
use super::server::{House, PATIENCE, Server};
use super::tls::{self, Authority, Files, over};

const IDLE_MS: u64 = 2_000;
/// Clients of each kind.
const CLIENTS: usize = 6;
/// Requests of each client after the change, at least.
const MORE: usize = 20;

pub(crate) fn add(tokens: &Path, whose: &str, role: Role) -> String {
    let token = Token::new().expect("random");
    let name = Name::parse(whose.as_bytes()).expect("a name");
    access::add(tokens, &name, &[role], token.digest()).expect("added");
    token.reveal().to_owned()
}

pub(crate) fn remove(tokens: &Path, whose: &str) {
    let name = Name::parse(whose.as_bytes()).expect("a name");
    access::remove(tokens, &name, false).expect("removed");
}

/// A request for a new order with a token.
fn order_with(token: &str, key: &str) -> String {
    let body = format!(r#"{{"item":"tee","buyer":"{key}"}}"#);
    order("crowd", key, &body).replace("Host:", &format!("Authorization: Bearer {token}\r\nHost:"))
}

/// Where the test stands, for the clients to see.
struct Stage {
    is_changed: AtomicBool,
    /// Clients that are well at work.
    ready: AtomicUsize,
}

impl Stage {
    /// Works until the change and some time after it; `step` is given the number of the request.
    fn play(&self, mut step: impl FnMut(usize)) -> usize {
        let (mut done, mut after) = (0, 0);
        while after < MORE {
            let is_changed = self.is_changed.load(Ordering::Acquire);
            step(done);
            done += 1;
            after += usize::from(is_changed);
            if done == MORE {
                self.ready.fetch_add(1, Ordering::Release);
            }
        }
        done
    }
}

fn over_http(mut peer: Peer, token: &str, who: usize, stage: &Stage) -> usize {
    stage.play(|number| {
        let answer = peer.ask(order_with(token, &format!("h{who}-{number}")));
        assert_eq!(answer.status, 201, "{answer:?}");
    })
}

fn over_resp(mut peer: Resp, who: usize, stage: &Stage) -> usize {
    stage.play(|number| {
        let key = format!("r{who}-{number}");
        assert_eq!(peer.ask(&["BUY", "crowd", "tee", &key, &key]).word(), "held");
    })
}

fn over_tls(mut peer: tls::Peer, token: &str, stage: &Stage) -> usize {
    stage.play(|number| {
        peer.write_all(order_with(token, &format!("t-{number}")).as_bytes()).expect("sent");
        let answer = heard(&mut peer);
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    })
}

/// One answer with an order, which ends with its receipt or with none.
fn heard(peer: &mut impl Read) -> String {
    let (mut text, mut bytes) = (String::new(), [0; 4096]);
    while !(text.ends_with("\"}") || text.ends_with("null}")) {
        let read = peer.read(&mut bytes).expect("an answer");
        assert!(read > 0, "closed after {text}");
        text += std::str::from_utf8(&bytes[..read]).expect("ASCII");
    }
    text
}

/// The certificate that a new peer is shown.
fn certificate(server: &Server, authority: &Authority) -> Vec<u8> {
    let mut peer = over(server.connect(), &authority.trusted(&version::TLS13));
    peer.conn.complete_io(&mut peer.sock).expect("a handshake");
    peer.conn.peer_certificates().expect("it has shown one")[0].to_vec()
}

#[test]
fn a_reload_under_load_fails_nobody_but_the_removed_token() {
    let (house, authority) = (House::new(&[CROWD]), Authority::new());
    let files = Files::new(&authority);
    let (tokens, config) = (house.path("tokens.toml"), house.path("doorbuster.toml"));
    let [kept, gone] = ["kept", "gone"].map(|name| add(&tokens, name, Role::Buy));
    fs::write(&config, "idle_ms = 300000\n").expect("written");
    let text = |path: &Path| path.display().to_string();
    let mut server = house
        .server()
        .with(&["--config", &text(&config), "--tokens-file", &text(&tokens)])
        .with(&["--tls-cert", &text(&files.cert()), "--tls-key", &text(&files.key())])
        .run();
    let before = certificate(&server, &authority);
    let of = |token: &str| {
        let mut peer = Resp::over(server.connect());
        assert_eq!(peer.ask(&["AUTH", token]).word(), "OK");
        peer
    };
    let (mut removed, mut removed_resp) = (Peer::of(&server), of(&gone));
    assert_eq!(removed.ask(order_with(&gone, "g-1")).status, 201);
    assert_eq!(removed_resp.ask(&["PING"]).word(), "PONG");
    let browsers: Vec<Peer> = (0..CLIENTS).map(|_| Peer::of(&server)).collect();
    let redis: Vec<Resp> = (0..CLIENTS).map(|_| of(&kept)).collect();
    let veiled = over(server.connect(), &authority.trusted(&version::TLS13));
    let stage = Stage { is_changed: AtomicBool::new(false), ready: AtomicUsize::new(0) };
    let (orders, added) = std::thread::scope(|scope| {
        let (stage, kept) = (&stage, &kept);
        let mut clients = vec![scope.spawn(move || over_tls(veiled, kept, stage))];
        for (who, (browser, redis)) in browsers.into_iter().zip(redis).enumerate() {
            clients.push(scope.spawn(move || over_http(browser, kept, who, stage)));
            clients.push(scope.spawn(move || over_resp(redis, who, stage)));
        }
        let deadline = Instant::now() + PATIENCE;
        while stage.ready.load(Ordering::Acquire) < clients.len() {
            assert!(Instant::now() < deadline, "no load");
            std::thread::sleep(Duration::from_millis(1));
        }
        remove(&tokens, "gone");
        let added = add(&tokens, "added", Role::Buy);
        files.put(&authority.issue());
        fs::write(&config, format!("idle_ms = {IDLE_MS}\n")).expect("written");
        server.hang_up();
        server.says("options read again");
        stage.is_changed.store(true, Ordering::Release);
        let orders: usize = clients.into_iter().map(|it| it.join().expect("all went well")).sum();
        (orders, added)
    });
    // The removed token is good for nothing any more, on connections that it had opened too.
    let refused = removed.ask(order_with(&gone, "g-2"));
    assert_eq!((refused.status, refused.problem().as_str()), (401, "unauthorized"));
    assert!(removed_resp.ask(&["PING"]).word().starts_with("NOAUTH"));
    assert_eq!(Peer::of(&server).ask(order_with(&added, "a-1")).status, 201);
    assert_ne!(certificate(&server, &authority), before, "the new certificate is shown");
    // And silence is over sooner.
    let begun = Instant::now();
    assert!(Peer::of(&server).is_closed());
    assert!((Duration::from_millis(IDLE_MS)..PATIENCE / 2).contains(&begun.elapsed()));
    server.stop().expect_code(0);
    assert_eq!(house.audit()["held"], orders + 2);
}
