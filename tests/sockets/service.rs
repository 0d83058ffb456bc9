//! The program as a service: options read again, what it says while it runs, and how it speaks with
//! the service manager.

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use super::resp::{Resp, encode};
use super::server::{House, PATIENCE, run};
use super::{CROWD, DROP};

#[test]
fn a_reload_brings_into_force_what_can_change_and_says_what_cannot() {
    let house = House::new(&[DROP]);
    let config = house.path("doorbuster.toml");
    let path = config.to_string_lossy().into_owned();
    let write = |text: &str| std::fs::write(&config, text).expect("written");
    write("connections_max = 100\n");
    let mut server = house.server().with(&["--config", &path, "--shards", "1"]).run();
    let mut first = Resp::over(server.connect());
    assert_eq!(first.ask(&["PING"]).word(), "PONG");

    // A bad file changes nothing, though its first line could be understood.
    write("connections_max = 1\nidle_ms = \"soon\"\n");
    server.hang_up();
    let line = server.says("nothing changed");
    assert!(line.contains("doorbuster.toml:2: idle_ms: \"soon\""), "{line}");
    let mut second = Resp::over(server.connect());
    assert_eq!(second.ask(&["PING"]).word(), "PONG");

    // A flag stays above the file, and what needs a restart is said each time.
    for _ in 0..2 {
        write("connections_max = 1\nshards = 2\nsegments_ahead = 3\n");
        server.hang_up();
        let line = server.says("segments_ahead");
        assert!(line.ends_with("SIGHUP: segments_ahead: 2 -> 3 needs a restart"), "{line}");
        server.says("options read again");
    }
    // Those who are in stay; who comes now is one too many, once the shard has looked.
    let deadline = Instant::now() + PATIENCE;
    let turned_away = || {
        let mut late = Resp::over(server.connect());
        let said = late.ask(&["PING"]);
        format!("{said:?}").contains("max number of clients")
    };
    while !turned_away() {
        assert!(Instant::now() < deadline, "the new limit never holds");
    }
    assert_eq!(first.ask(&["PING"]).word(), "PONG");
    assert_eq!(second.ask(&["PING"]).word(), "PONG");
    write("log_level = \"error\"\n");
    server.hang_up();
    server.says("options read again");
    let ended = server.stop();
    ended.expect_code(0);
    assert!(!ended.stderr.contains("shards:"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("SIGTERM"), "{}", ended.stderr);
}

#[test]
fn events_are_one_json_object_a_line_with_a_time_and_a_level() {
    let house = House::new(&[DROP]);
    let server = house.server().with(&["--log", "json"]).run();
    let mut rude = server.connect();
    rude.write_all(b"*1\r\n!\r\n").expect("sent");
    let mut server = server;
    let line = server.says("broke their protocol");
    let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&event["peers"], &event["level"]), (&1.into(), &"INFO".into()));
    assert!(event["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{event}");
    let ended = server.stop();
    ended.expect_code(0);
    for line in ended.stderr.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert!(event["message"].is_string(), "{line}");
    }
}

/// What the service manager hears.
struct Manager {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
    fn at(house: &House) -> Manager {
        let socket = UnixDatagram::bind(house.path("notify")).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time");
        Manager { socket, heard: Vec::new() }
    }

    /// Waits for a message with this line in it, and returns it.
    fn hears(&mut self, wanted: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            let length = self.socket.recv(&mut buffer).unwrap_or_else(|why| {
                panic!("{wanted} never came ({why}): {:?}", self.heard);
            });
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            self.heard.push(message.clone());
            if message.lines().any(|line| line.starts_with(wanted)) {
                return message;
            }
        }
    }
}

#[test]
fn the_service_manager_hears_of_ready_reload_progress_and_stop() {
    let house = House::new(&[CROWD]);
    let mut manager = Manager::at(&house);
    let server = house
        .server()
        .variable("NOTIFY_SOCKET", &house.path("notify").to_string_lossy())
        .variable("WATCHDOG_USEC", "600000")
        .run();
    let ready = manager.hears("READY=1");
    assert!(ready.contains(&format!("STATUS=listening on {}", server.address)), "{ready}");
    assert!(!manager.heard.iter().any(|message| message.contains("WATCHDOG=1")));
    for _ in 0..3 {
        manager.hears("WATCHDOG=1");
    }
    server.hang_up();
    let reloading = manager.hears("RELOADING=1");
    let stamp = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    assert!(stamp.is_some_and(|stamp| stamp.parse::<u64>().is_ok()), "{reloading}");
    manager.hears("READY=1");
    server.terminate();
    manager.hears("STOPPING=1");
    server.wait().expect_code(0);
}

#[test]
fn a_second_signal_ends_the_wait_for_a_peer_that_takes_no_answers() {
    /// What a stop waits for such a peer, at most.
    const DRAIN: Duration = Duration::from_secs(10);
    let house = House::new(&[CROWD]);
    let mut server = house.serve();
    let mut deaf = server.connect();
    deaf.set_nonblocking(true).expect("a socket");
    let mut bytes = Vec::new();
    encode(&["ECHO", &"x".repeat(16_000)], &mut bytes);
    // It sends and never reads, until the server has so much for it that it reads no more either.
    let deadline = Instant::now() + PATIENCE;
    let (mut blocked, mut sent) = (0, 0);
    while blocked < 20 {
        assert!(Instant::now() < deadline, "the server never stops reading");
        match deaf.write(&bytes[sent..]) {
            Ok(more) => (blocked, sent) = (0, (sent + more) % bytes.len()),
            Err(_) => {
                blocked += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
    server.terminate();
    server.says("SIGTERM");
    let start = Instant::now();
    server.terminate();
    let ended = server.wait();
    ended.expect_code(0);
    assert!(start.elapsed() < DRAIN, "it waited for the deaf peer");
    assert!(ended.stderr.contains("a second signal"), "{}", ended.stderr);
}

#[test]
fn options_are_printed_and_checked_without_a_server() {
    let house = House::new(&[DROP]);
    let sale = house.path("sale-0.toml").to_string_lossy().into_owned();
    let printed = run(&["serve", "--print-config", "--sale", &sale, "--idle-ms=5", "--pin"]);
    printed.expect_code(0);
    let again = house.path("again.toml");
    std::fs::write(&again, &printed.stdout).expect("written");
    let again = again.to_string_lossy().into_owned();
    let second = run(&["serve", "--print-config", "--config", &again]);
    let values = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split(" #").next().unwrap_or(line).trim().to_owned()).collect()
    };
    assert_eq!(values(&printed.stdout), values(&second.stdout));
    assert!(second.stdout.contains("pin = true"), "{}", second.stdout);
    run(&["serve", "--check", "--config", &again]).expect_code(0);
    std::fs::write(house.path("sale-0.toml"), "name = 3\n").expect("written");
    let refused = run(&["serve", "--check", "--config", &again]);
    refused.expect_code(78);
    assert!(refused.stderr.contains("sale-0.toml"), "{}", refused.stderr);
    assert!(!std::path::Path::new("doorbuster-data").exists(), "nothing is begun by a look");
}
