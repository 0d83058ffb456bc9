//! What the program does and says: `doorbuster token`, bad files, and ports that others can reach.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use doorbuster::options::Layer;

use super::resp::Resp;
use super::server::{Ended, House, run};

const SALE: &str = "name = \"drop\"\n[[items]]\nsku = \"tee\"\nstock = 5\nprice = 100\n";

fn token(file: &Path, arguments: &[&str]) -> Ended {
    let file = file.to_str().expect("UTF-8");
    run(&[&["token"], arguments, &["--file", file]].concat())
}

#[test]
fn a_token_is_told_once_and_lets_its_owner_in() {
    let house = House::new(&[SALE]);
    let file = house.path("tokens.toml");
    let made = token(&file, &["new", "--name", "checkout", "--role", "buy"]);
    made.expect_code(0);
    let first = made.stdout.trim_end();
    assert!(first.starts_with("db_") && first.len() == 46, "{first}");
    assert!(!made.stderr.contains(first) && made.stderr.contains("checkout"), "{}", made.stderr);
    let text = std::fs::read_to_string(&file).expect("written");
    assert!(!text.contains(first) && text.contains("sha256:"), "{text}");
    let made = token(&file, &["new", "--name", "checkout"]);
    made.expect_code(0);
    assert!(made.stderr.contains("remove --older"), "{}", made.stderr);
    let second = made.stdout.trim_end();

    let server = house.server().option("TOKENS_FILE", file.display()).run();
    for shown in [first, second] {
        let mut peer = Resp::over(server.connect());
        assert_eq!(peer.ask(&["AUTH", "checkout", shown]).word(), "OK");
        assert_eq!(peer.ask(&["BUY", "drop", "tee", "u", shown]).word(), "held");
    }
    let mut stranger = Resp::over(server.connect());
    assert!(stranger.ask(&["BUY", "drop", "tee", "u", "k"]).word().starts_with("NOAUTH"));
    let said = server.stop().stderr;
    assert!(!said.contains(first) && !said.contains(second), "{said}");

    let listed = token(&file, &["list"]);
    listed.expect_code(0);
    assert!(listed.stdout.contains("checkout") && listed.stdout.matches("sha256:").count() == 2);
    let listed = token(&file, &["list", "--json"]);
    let line: serde_json::Value = serde_json::from_str(&listed.stdout).expect("one object");
    assert_eq!((&line["name"], &line["roles"][0]), (&"checkout".into(), &"buy".into()));
    token(&file, &["remove", "--name", "checkout", "--older"]).expect_code(0);
    assert_eq!(token(&file, &["list"]).stdout.matches("sha256:").count(), 1);
    token(&file, &["remove", "--name", "checkout"]).expect_code(0);
    assert!(!token(&file, &["list"]).stdout.contains("checkout"));
}

#[test]
fn what_makes_no_sense_is_refused_with_a_word_and_exit_code() {
    let house = House::new(&[]);
    let file = house.path("tokens.toml");
    for (arguments, code, expected) in [
        (&["new", "--name", "a b", "--role", "buy"][..], 2, "'a b' is no name"),
        (&["new", "--name", "a", "--role", "boss"], 2, "admin"),
        (&["new", "--name", "a"], 78, "say its --role"),
        (&["remove", "--name", "a"], 78, "there is no token 'a'"),
        (&["list"], 78, "No such file"),
    ] {
        let ended = token(&file, arguments);
        ended.expect_code(code);
        assert!(ended.stderr.contains(expected), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stdout.is_empty());
    }
}

#[test]
fn a_server_says_what_is_wrong_with_its_files() {
    let house = House::new(&[SALE]);
    let [tokens, secrets] = ["tokens.toml", "secrets"].map(|name| house.path(name));
    let refused = |text: &str, secret: &str| {
        std::fs::write(&tokens, text).expect("written");
        std::fs::write(&secrets, secret).expect("written");
        let server = house.server().option("TOKENS_FILE", tokens.display());
        let server = server.option("TICKET_SECRETS_FILE", secrets.display());
        let ended = server.option("TICKETS", "required").try_run().err().expect("refused");
        ended.expect_code(78);
        ended.stderr
    };
    let good_secret = "x".repeat(32);
    let unknown = "[[token]]\nname = \"a\"\nroles = [\"buy\"]\ncolour = 1\ndigests = []\n";
    let said = refused(unknown, &good_secret);
    assert!(said.contains("tokens.toml:4: ") && said.contains("colour"), "{said}");
    let said = refused("", "hunter2-is-short");
    assert!(said.contains("secrets:1: ") && said.contains("32"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");

    std::fs::write(&secrets, good_secret).expect("written");
    std::fs::set_permissions(&tokens, PermissionsExt::from_mode(0o644)).expect("it is ours");
    let said = house.server().option("TOKENS_FILE", tokens.display()).run().stop().stderr;
    assert!(said.contains("(mode 644); chmod 600 it"), "{said}");
    assert!(said.contains("nobody may do anything"), "{said}");
}

#[test]
fn a_port_that_others_can_reach_is_not_opened_to_all_by_accident() {
    let house = House::new(&[SALE]);
    let data = house.data();
    let data = data.to_str().expect("UTF-8");
    let ended = run(&["serve", "--listen", "0.0.0.0:0", "--data", data]);
    ended.expect_code(78);
    for word in ["listen: 0.0.0.0:0 can be reached", "tokens_file", "--allow-open"] {
        assert!(ended.stderr.contains(word), "{}", ended.stderr);
    }
    assert!(!house.data().exists(), "nothing was begun");
    let listen = Some(([0, 0, 0, 0], 0).into());
    let open = Layer { listen, allow_open: Some(true), ..Layer::default() };
    assert!(open.options().expect("said aloud").access().allow_open);
    let tokens = Layer { listen, tokens_file: Some(Some("t.toml".into())), ..Layer::default() };
    assert!(tokens.options().is_ok());
}
