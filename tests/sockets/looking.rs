//! `log` and `audit` beside a server that writes, and with nobody to take what they print.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::CROWD;
use super::resp::{Resp, encode};
use super::server::{House, Server, run};

const PROGRAM: &str = env!("CARGO_BIN_EXE_doorbuster");
const LIVE: &str = "a server is writing to this folder: this shows it up to seq ";

/// Buys until the server is gone.
fn buy(server: &Server, who: usize) {
    let mut peer = Resp::over(server.connect());
    for turn in 0.. {
        let mut bytes = Vec::new();
        for number in 0..32 {
            encode(&["BUY", "crowd", "tee", "b", &format!("{who}-{turn}-{number}")], &mut bytes);
        }
        if peer.raw(&bytes).is_err() || (0..32).any(|_| peer.receive().is_err()) {
            return;
        }
    }
}

#[test]
fn log_and_audit_beside_a_server_under_load_do_not_call_its_journal_damaged() {
    for durability in ["fsync", "none"] {
        let house = House::new(&[CROWD]);
        let server = house.server().with(&["--durability", durability]).run();
        std::thread::scope(|scope| {
            for who in 0..2 {
                let server = &server;
                scope.spawn(move || buy(server, who));
            }
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(3) {
                for command in ["log", "audit"] {
                    let looked = house.look(command, &["--json"]);
                    if looked.code() != Some(0) || !looked.stderr.contains(LIVE) {
                        server.terminate();
                        panic!("{command}: {:?} {}", looked.code(), looked.stderr);
                    }
                    assert!(!looked.stderr.contains("torn"), "{}", looked.stderr);
                }
            }
            server.terminate();
        });
        server.wait().expect_code(0);
        let looked = house.look("audit", &[]);
        looked.expect_code(0);
        assert!(!looked.stderr.contains(LIVE), "{}", looked.stderr);
    }
}

#[test]
fn true_damage_beside_a_running_server_is_still_damage() {
    let house = House::new(&[CROWD]);
    let server = house.serve();
    let mut peer = Resp::over(server.connect());
    for number in 0..200 {
        peer.ask(&["BUY", "crowd", "tee", "u", &format!("{number}")]);
    }
    let segment = house.segments().into_iter().next().expect("a segment");
    let file = OpenOptions::new().write(true).open(segment).expect("a segment");
    // A stretch of zeros looks like the end, and is none.
    file.write_all_at(&[0; 640], 64 * 150).expect("written");
    for command in ["log", "audit"] {
        house.look(command, &[]).expect_code(65);
    }
    server.kill();
}

#[test]
fn looking_makes_nothing_in_the_folder() {
    let house = House::new(&[CROWD]);
    house.serve().stop().expect_code(0);
    fs::remove_file(house.data().join("LOCK")).expect("it is there");
    for command in ["log", "audit"] {
        let looked = house.look(command, &[]);
        looked.expect_code(0);
        assert_eq!(looked.stderr, "");
    }
    assert!(!house.data().join("LOCK").exists());
}

#[test]
fn a_result_that_cannot_be_written_exits_74_and_a_reader_that_has_gone_is_fine() {
    let house = House::new(&[CROWD]);
    let server = house.serve();
    let mut peer = Resp::over(server.connect());
    let data = house.data();
    for number in 0..300 {
        peer.ask(&["BUY", "crowd", "tee", "u", &format!("{number}")]);
    }
    drop(peer);
    server.stop().expect_code(0);
    // One fails at its end, the other in the middle; and then there is the audit.
    for words in [&["log", "--from", "300"][..], &["log"], &["audit"], &["audit", "--json"]] {
        let full = OpenOptions::new().write(true).open("/dev/full").expect("there is one");
        let mut command = Command::new(PROGRAM);
        command.arg(words[0]).arg(&data).args(&words[1..]);
        let ended = command.stdout(full).output().expect("it runs");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(74), "{words:?}: {said}");
        assert!(said.contains("could not write the result"), "{said}");
        for is_deaf in [false, true] {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            drop(reader);
            if is_deaf {
                command.stderr(writer.try_clone().expect("a pipe"));
            } else {
                command.stderr(Stdio::piped());
            }
            let ended = command.stdout(writer).output().expect("it runs");
            let said = String::from_utf8_lossy(&ended.stderr);
            assert_eq!((ended.status.code(), &*said), (Some(0), ""), "{words:?}");
        }
    }
    run(&["audit", &data.to_string_lossy()]).expect_code(0);
}
