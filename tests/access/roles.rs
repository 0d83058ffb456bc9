//! The table of roles, command by command, in both protocols.

use doorbuster::access::{Role, Token};
use doorbuster::client::{Answer, Client, Error, Refusal, Request};

use super::house::{House, TEE, buy};
use super::resp::{Resp, Value, encode};

/// What a peer got to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// Something that only who may ask hears.
    Answer,
    NoAuth,
    NoPerm,
}
use Heard::{Answer as Yes, NoAuth, NoPerm};

const OUTSIDE: [Heard; 3] = [NoAuth; 3];
const ANYONE_KNOWN: [Heard; 3] = [Yes; 3];
const BUYERS: [Heard; 3] = [Yes, NoPerm, Yes];

/// A command; what `buy`, `read` and `admin` hear; what is heard without a token, after a wrong one
/// and after one that was removed.
const COMMANDS: [(&str, [Heard; 3], [Heard; 3]); 20] = [
    ("BUY drop tee u KEY", BUYERS, OUTSIDE),
    ("BUY drop tee u KEY UNITS 2 TICKET x", BUYERS, OUTSIDE),
    ("CONFIRM drop 1", BUYERS, OUTSIDE),
    ("RELEASE drop 1", BUYERS, OUTSIDE),
    ("buy no such thing KEY", BUYERS, OUTSIDE),
    ("ORDER drop 1", ANYONE_KNOWN, OUTSIDE),
    ("STOCK drop tee", ANYONE_KNOWN, OUTSIDE),
    ("INFO", ANYONE_KNOWN, OUTSIDE),
    ("PING", ANYONE_KNOWN, OUTSIDE),
    ("ECHO x", ANYONE_KNOWN, OUTSIDE),
    ("SELECT 0", ANYONE_KNOWN, OUTSIDE),
    ("CLIENT ID", ANYONE_KNOWN, OUTSIDE),
    ("CLIENT SETNAME me", ANYONE_KNOWN, OUTSIDE),
    ("COMMAND COUNT", ANYONE_KNOWN, OUTSIDE),
    ("CONFIG GET save", ANYONE_KNOWN, OUTSIDE),
    ("HELLO 3", ANYONE_KNOWN, OUTSIDE),
    // What makes no sense is not explained to strangers.
    ("BUY drop", ANYONE_KNOWN, OUTSIDE),
    ("FOO", ANYONE_KNOWN, OUTSIDE),
    ("RESET", ANYONE_KNOWN, [Yes; 3]),
    ("QUIT", ANYONE_KNOWN, [Yes; 3]),
];

fn heard(value: &Value) -> Heard {
    match value {
        Value::Error(text) if text.starts_with("NOAUTH ") => NoAuth,
        Value::Error(text) if text.starts_with("NOPERM this token has no permission") => NoPerm,
        _ => Yes,
    }
}

fn wrong() -> String {
    Token::new().expect("random").reveal().to_owned()
}

fn ask(peer: &mut Resp, line: &str, key: u32) -> Value {
    let line = line.replace("KEY", &format!("key-{key}"));
    peer.ask(&line.split(' ').collect::<Vec<_>>())
}

#[test]
fn every_command_with_every_token() {
    let house = House::open(|_| {});
    let tokens = [Role::Buy, Role::Read, Role::Admin].map(|role| house.token(role.word(), &[role]));
    let removed_token = house.token("removed", &[Role::Admin]);
    let mut removed: Vec<Resp> = COMMANDS.map(|_| house.resp_with(&removed_token)).into();
    house.remove("removed", false);
    let mut key = 0;
    for (index, (line, known, unknown)) in COMMANDS.into_iter().enumerate() {
        for (token, expected) in tokens.iter().zip(known) {
            key += 1;
            let answer = ask(&mut house.resp_with(token), line, key);
            assert_eq!(heard(&answer), expected, "{line}: {answer:?}");
        }
        let mut refused = house.resp();
        let answer = refused.ask(&["AUTH", &wrong()]);
        assert!(matches!(&answer, Value::Error(text) if text.starts_with("WRONGPASS ")));
        let strangers = [&mut house.resp(), &mut refused, &mut removed[index]];
        for (peer, expected) in strangers.into_iter().zip(unknown) {
            let answer = ask(peer, line, 0);
            assert_eq!(heard(&answer), expected, "{line}: {answer:?}");
        }
    }
    let info = house.pipeline().metrics().info();
    let denied = info.lines().find_map(|line| line.strip_prefix("requests_denied:"));
    // 17 commands by three kinds of strangers (HELLO's refusal is its own), 5 as a reader, and the
    // wrong tokens themselves.
    assert_eq!(denied, Some(&*(17 * 3 + 5 + COMMANDS.len()).to_string()), "{info}");
    let figures = house.pipeline().metrics().render();
    let shown = figures.lines().find_map(|line| line.strip_prefix("doorbuster_denied_total "));
    assert_eq!(shown, denied, "{figures}");
}

#[test]
fn refusals_are_worded_as_redis_words_them_and_the_connection_goes_on() {
    let house = House::open(|_| {});
    let reader = house.token("metrics", &[Role::Read]);
    let mut peer = house.resp();
    let error = |text: &str| Value::Error(text.into());
    assert_eq!(peer.ask(&["PING"]), error("NOAUTH Authentication required."));
    let wrong_pass = "WRONGPASS invalid username-password pair or user is disabled.";
    for words in [
        &["AUTH", "x"][..],
        &["AUTH", "metrics", &wrong()],
        &["AUTH", "checkout", &reader],
        &["AUTH", "default", ""],
        &["HELLO", "3", "AUTH", "metrics", "x"],
    ] {
        assert_eq!(peer.ask(words), error(wrong_pass), "{words:?}");
    }
    let hello = peer.ask(&["HELLO", "3", "AUTH", "metrics", &reader]);
    assert_eq!(hello.field("proto"), &Value::Number(3));
    assert_eq!(
        peer.ask(&["Buy", "drop", "tee", "u", "k"]),
        error("NOPERM this token has no permission to run the 'buy' command")
    );
    assert_eq!(peer.ask(&["STOCK", "drop", "tee"]).number(0), 100_000);
    // A wrong token later on takes nothing away; RESET does.
    assert_eq!(peer.ask(&["AUTH", "x"]), error(wrong_pass));
    assert_eq!(peer.ask(&["PING"]).word(), "PONG");
    assert_eq!(peer.ask(&["RESET"]).word(), "RESET");
    assert_eq!(peer.ask(&["PING"]), error("NOAUTH Authentication required."));
}

#[test]
fn a_pipeline_may_begin_with_its_token_and_is_answered_in_order() {
    let house = House::open(|_| {});
    let [buyer, reader] = [("shop", Role::Buy), ("metrics", Role::Read)]
        .map(|(name, role)| house.token(name, &[role]));
    let mut bytes = Vec::new();
    encode(&["STOCK", "drop", "tee"], &mut bytes);
    encode(&["AUTH", &buyer], &mut bytes);
    encode(&["BUY", "drop", "tee", "u", "k1"], &mut bytes);
    encode(&["AUTH", &reader], &mut bytes);
    encode(&["BUY", "drop", "tee", "u", "k2"], &mut bytes);
    encode(&["STOCK", "drop", "tee"], &mut bytes);
    let mut peer = house.resp();
    peer.raw(&bytes).expect("sent");
    let words: Vec<String> = (0..6)
        .map(|_| peer.receive().expect("an answer"))
        .map(|value| value.word().split(' ').next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(words, ["NOAUTH", "OK", "held", "OK", "NOPERM", ""]);
}

#[test]
fn two_tokens_live_while_one_replaces_the_other() {
    let house = House::open(|_| {});
    let old = house.token("shop", &[Role::Buy]);
    let mut with_old = house.resp_with(&old);
    let new = house.token("shop", &[]);
    let mut with_new = house.resp_with(&new);
    for peer in [&mut with_old, &mut with_new, &mut house.resp_with(&old)] {
        assert_eq!(peer.ask(&["PING"]).word(), "PONG");
    }
    house.remove("shop", true);
    assert_eq!(heard(&with_old.ask(&["PING"])), NoAuth);
    assert_eq!(with_new.ask(&["PING"]).word(), "PONG");
    assert!(house.resp().ask(&["AUTH", &old]).word().starts_with("WRONGPASS"));
    // A file that cannot be read leaves everything as it was.
    std::fs::write(house.tokens_file(), "[[token]]\nname = 7\n").expect("written");
    let why = house.pipeline().access().reload().expect_err("no name");
    assert!(why.contains("tokens.toml:2: "), "{why}");
    assert_eq!(with_new.ask(&["PING"]).word(), "PONG");
}

#[test]
fn a_stranger_may_say_little() {
    let house = House::open(|_| {});
    let token = house.token("shop", &[Role::Buy]);
    let words = ["COMMAND"; 11];
    let mut peer = house.resp();
    assert_eq!(heard(&peer.ask(&words[1..])), NoAuth);
    let answer = peer.ask(&words);
    let expected = "ERR Protocol error: unauthenticated multibulk length";
    assert_eq!(answer, Value::Error(expected.into()));
    assert!(peer.is_closed());
    let mut peer = house.resp_with(&token);
    assert_eq!(peer.ask(&words), Value::List(Vec::new()));
    let mut peer = house.resp();
    peer.raw(b"*2\r\n$4\r\nAUTH\r\n$16385\r\n").expect("sent");
    let answer = peer.receive().expect("an answer");
    assert_eq!(answer, Value::Error("ERR Protocol error: invalid bulk length".into()));
    assert!(peer.is_closed());
}

#[test]
fn every_binary_request_with_every_token() {
    let house = House::open(|_| {});
    let tokens = [Role::Buy, Role::Read, Role::Admin].map(|role| house.token(role.word(), &[role]));
    let address = house.pipeline().address();
    let is_unauthorized = |client: Result<Client, Error>| {
        matches!(client, Err(Error::Refused(Refusal::Unauthorized)))
    };
    assert!(is_unauthorized(Client::connect(address)));
    assert!(is_unauthorized(Client::connect_with_token(address, &wrong())));
    let short = Client::connect_with_token(address, "db_short");
    assert!(matches!(short, Err(Error::BadText { field: "token", .. })));
    let removed = house.token("removed", &[Role::Admin]);
    let requests = |key: &'static str| {
        [
            (buy("u", key), BUYERS),
            (Request::Confirm { sale: 1, order: 1, buyer: None }, BUYERS),
            (Request::Release { sale: 1, order: 1, buyer: None }, BUYERS),
            (Request::Order { sale: 1, order: 1 }, ANYONE_KNOWN),
            (Request::Stock { item: TEE }, ANYONE_KNOWN),
            (Request::Resolve { sale: "drop", item: Some("tee") }, ANYONE_KNOWN),
            (Request::Ping, ANYONE_KNOWN),
        ]
    };
    let keys = ["k1", "k2", "k3"];
    for (index, token) in tokens.iter().enumerate() {
        let mut client = house.binary(token);
        for (request, known) in requests(keys[index]) {
            let answer = client.call(&request).expect("an answer");
            let expected = known[index] == NoPerm;
            let forbidden = answer == Answer::Refused(Refusal::Forbidden);
            assert_eq!(forbidden, expected, "{request:?}: {answer:?}");
        }
    }
    let mut clients: Vec<Client> = requests("k").map(|_| house.binary(&removed)).into();
    house.remove("removed", false);
    for ((request, _), client) in requests("k").into_iter().zip(&mut clients) {
        let answer = client.call(&request).expect("an answer");
        assert_eq!(answer, Answer::Refused(Refusal::Unauthorized), "{request:?}");
        assert!(matches!(client.ping(), Err(Error::Closed { .. } | Error::Io(_))));
    }
}

#[test]
fn without_tokens_nobody_is_asked_for_one() {
    let house = House::open(|layer| layer.tokens_file = None);
    let mut peer = house.resp();
    assert_eq!(peer.ask(&["BUY", "drop", "tee", "u", "k"]).word(), "held");
    assert!(peer.ask(&["AUTH", &wrong()]).word().starts_with("ERR AUTH <password> called without"));
    assert_eq!(peer.ask(&["AUTH", "default", "x"]).word(), "OK");
    assert!(peer.ask(&["AUTH", "shop", "x"]).word().starts_with("WRONGPASS"));
    house.binary(&wrong()).ping().expect("a token that nobody looks at");
}

#[test]
fn a_client_library_gets_in_by_its_url() {
    let house = House::open(|_| {});
    let token = house.token("shop", &[Role::Buy]);
    let address = house.pipeline().address();
    for (user, protocol, good) in
        [("", "", true), ("shop", "?protocol=resp3", true), ("eve", "?protocol=resp3", false)]
    {
        let url = format!("redis://{user}:{token}@{address}/{protocol}");
        let connection = redis::Client::open(url).expect("a URL").get_connection();
        assert_eq!(connection.is_ok(), good, "{user}");
        if let Ok(mut connection) = connection {
            let mut command = redis::cmd("STOCK");
            let stock: Vec<u64> =
                command.arg("drop").arg("tee").query(&mut connection).expect("five numbers");
            assert_eq!(stock[0], 100_000);
        }
    }
}
