//! `doorbuster sale` as a user runs it.

use std::process::Command;

use serde_json::{Value, json};

use super::server::{Ended, House, Server, run};

const FILE: &str = "name = \"drop\"\ncurrency = \"EUR\"\ncloses_at = 2099-11-27T20:00:00Z\n\
    [[items]]\nsku = \"tee\"\nstock = 1234567\nprice = 2500\nlimit = 2\n";

fn sale(server: &Server, words: &[&str]) -> Ended {
    let admin = format!("http://{}", server.admin);
    run(&[&["sale", "--admin", &admin], words].concat())
}

#[test]
fn each_command_does_what_it_says_and_tells_it() {
    let house = House::new(&[]);
    let server = house.serve();
    let path = house.path("drop.toml");
    std::fs::write(&path, FILE).expect("a sale file");
    let path = path.to_str().expect("text");
    for (words, code, expected) in [
        (&["list"][..], 0, "no sales"),
        (&["create", path], 0, "sale drop is scheduled, at seq 1"),
        (&["create", path], 0, "sale drop is scheduled, at seq 1"),
        (&["open", "drop"], 0, "sale drop is open, at seq 2"),
        (&["pause", "drop"], 0, "sale drop is paused, at seq 3"),
        (&["resume", "drop"], 0, "sale drop is open, at seq 4"),
        (&["stock", "drop", "tee", "+100"], 0, "at seq 5"),
        (&["stock", "drop", "tee", "-50"], 0, "at seq 6"),
        (&["stock", "drop", "tee", "-9999999"], 1, "sold_out: only free units"),
        (&["price", "drop", "tee", "1900"], 0, "at seq 7"),
        (&["show", "drop"], 0, "1,234,617"),
        (&["show", "drop"], 0, "closes 2099-11-27 20:00:00 UTC"),
        (&["list"], 0, "drop  open       1  1,234,617"),
        (&["remove", "drop"], 1, "not_closed: "),
        (&["close", "drop"], 0, "sale drop is closed, at seq 8"),
        (&["remove", "drop"], 0, "sale drop is removed, at seq 9"),
        (&["show", "drop"], 1, "unknown_sale: there is no sale 'drop'"),
        (&["show", "a b"], 2, "is no name"),
        (&["stock", "drop", "tee", "5"], 2, "+100"),
        (&["create", "/nowhere.toml"], 78, "/nowhere.toml"),
    ] {
        let ended = sale(&server, words);
        ended.expect_code(code);
        let (said, other) = match code {
            0 => (&ended.stdout, &ended.stderr),
            _ => (&ended.stderr, &ended.stdout),
        };
        assert!(said.contains(expected) && other.is_empty(), "{words:?}: {ended:?}");
    }
}

#[test]
fn scripts_get_json_and_an_exit_code_when_nobody_is_there() {
    let house = House::new(&["name = \"drop\"\n[[items]]\nsku = \"tee\"\nstock = 5\nprice = 1\n"]);
    let server = house.serve();
    let parse = |ended: &Ended| serde_json::from_str::<Value>(&ended.stdout).expect("JSON");
    let shown = sale(&server, &["show", "drop", "--json"]);
    assert_eq!(parse(shown.expect_code(0))["items"][0]["free"], 5);
    let list = sale(&server, &["--json", "list"]);
    assert_eq!(parse(list.expect_code(0))["sales"][0]["name"], json!("drop"));
    let admin = format!("http://{}", server.admin);
    server.stop().expect_code(0);
    let gone = run(&["sale", "--admin", &admin, "list"]);
    assert!(gone.expect_code(69).stderr.contains(&admin), "{}", gone.stderr);
    let odd = run(&["sale", "--admin", "127.0.0.1:7401", "list"]);
    assert!(odd.expect_code(2).stderr.contains("http://"), "{}", odd.stderr);
}

#[test]
fn a_token_comes_from_the_environment_or_a_file_and_is_never_shown() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let admin = format!("http://{}", listener.local_addr().expect("an address"));
    let peer = std::thread::spawn(move || {
        let mut heads = Vec::new();
        for _ in 0..2 {
            use std::io::{BufRead, BufReader, Write};
            let (stream, _) = listener.accept().expect("a caller");
            let mut reader = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                assert!(reader.read_line(&mut head).expect("a line") > 0);
            }
            heads.push(head);
            let answer = b"HTTP/1.1 418 No\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
            reader.get_mut().write_all(answer).expect("answered");
        }
        heads
    });
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "filed-secret\n").expect("written");
    let program = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorbuster"));
        command.env("DOORBUSTER_ADMIN", &admin).env("DOORBUSTER_TOKEN", "told-secret");
        command
    };
    let told = program().args(["sale", "list"]).output().expect("it runs");
    let filed = program().args(["sale", "list", "--token-file"]).arg(&file).output();
    let heads = peer.join().expect("two callers");
    assert!(heads[0].to_lowercase().contains("authorization: bearer told-secret\r\n"));
    assert!(heads[1].to_lowercase().contains("authorization: bearer filed-secret\r\n"));
    for ended in [told, filed.expect("it runs")] {
        assert_eq!(ended.status.code(), Some(69), "{ended:?}");
        assert!(!String::from_utf8_lossy(&ended.stderr).contains("secret"), "{ended:?}");
    }
}

#[test]
fn completions_know_the_commands_of_each_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]);
        script.expect_code(0);
        assert!(
            script.stdout.contains("token-file") && script.stdout.contains("resume"),
            "{shell}"
        );
    }
    run(&["completions", "cobol"]).expect_code(2);
}

#[test]
fn a_port_that_speaks_tls_is_trusted_by_its_authority_and_reached_no_other_way() {
    let house = House::new(&["name = \"drop\"\n[[items]]\nsku = \"tee\"\nstock = 5\nprice = 1\n"]);
    let (cert, key) = (house.path("cert.pem"), house.path("key.pem"));
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    std::fs::write(&cert, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let server = house
        .server()
        .option("TLS_CERT", cert.display())
        .option("TLS_KEY", key.display())
        .option("TLS_REQUIRED", true)
        .run();
    let admin = format!("https://{}", server.admin);
    let plain = format!("http://{}", server.admin);
    let [cert, key] = [&cert, &key].map(|path| path.to_str().expect("text"));
    for (admin, ca, code, expected) in [
        (&admin, &["--ca", cert][..], 0, "drop"),
        (&admin, &[], 69, "does not answer"),
        (&plain, &["--ca", cert], 69, "does not answer"),
        (&admin, &["--ca", key], 78, "no certificate in it"),
        (&admin, &["--ca", "/nowhere.pem"], 78, "/nowhere.pem"),
    ] {
        let ended = run(&[&["sale", "--admin", admin, "list"], ca].concat());
        ended.expect_code(code);
        assert!(format!("{ended:?}").contains(expected), "{admin} {ca:?}: {ended:?}");
    }
    server.stop().expect_code(0);
}
