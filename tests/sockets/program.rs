//! What the program says of itself: exit codes with clear words, `log` and `audit`.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::process::Command;

use super::resp::{Resp, Value, encode};
use super::server::{House, run};
use super::{CROWD, DROP};

#[test]
fn a_second_server_on_the_folder_exits_73_and_the_first_goes_on() {
    let house = House::new(&[CROWD]);
    let server = house.serve();
    let second = house.server().try_run().err().expect("the folder is in use");
    second.expect_code(73);
    assert!(second.stderr.contains("another server is using"), "{}", second.stderr);
    assert!(second.stderr.contains(&*house.data().to_string_lossy()), "{}", second.stderr);
    let held = Resp::over(server.connect()).ask(&["BUY", "crowd", "tee", "u", "k"]);
    assert_eq!(held.word(), "held");
    // Not even a crash leaves the folder locked.
    server.kill();
    house.serve();
}

#[test]
fn a_port_or_folder_that_cannot_be_had_exits_73() {
    let house = House::new(&[CROWD]);
    let server = house.serve();
    let other = House::new(&[CROWD]);
    let address = server.address.to_string();
    let data = other.data();
    let data = data.to_string_lossy();
    let admin = ["--admin-listen", "127.0.0.1:0"];
    let taken = run(&[&["serve", "--listen", &address, "--data", &data], &admin[..]].concat());
    taken.expect_code(73);
    assert!(taken.stderr.contains(&address), "{}", taken.stderr);
    std::fs::write(other.path("file"), "not a folder").expect("written");
    let nowhere = other.server().data(other.path("file")).try_run().err().expect("no folder");
    nowhere.expect_code(73);
}

#[test]
fn a_folder_for_sinks_that_could_not_be_had_was_called_a_bad_configuration() {
    let house = House::new(&[CROWD]);
    std::fs::create_dir(house.data()).expect("a folder");
    std::fs::write(house.data().join("sinks"), "not a folder").expect("written");
    let sink = format!("name=orders type=file path={}", house.path("orders").display());
    let nowhere = house.server().with(&["--sink", &sink]).try_run().err().expect("no folder");
    nowhere.expect_code(73);
    assert!(nowhere.stderr.contains("could not create"), "{}", nowhere.stderr);
}

#[test]
fn damage_in_the_journal_exits_65_and_says_where() {
    let house = House::new(&[CROWD]);
    let server = house.serve();
    let mut peer = Resp::over(server.connect());
    for number in 0..200 {
        peer.ask(&["BUY", "crowd", "tee", "u", &format!("{number}")]);
    }
    drop(peer);
    server.kill();
    let segment = house.segments().into_iter().next().expect("a segment");
    let file = OpenOptions::new().read(true).write(true).open(segment).expect("a segment");
    let mut byte = [0];
    let at = 64 * 150 + 20;
    file.read_exact_at(&mut byte, at).expect("read");
    file.write_all_at(&[byte[0] ^ 1], at).expect("written");
    let refused = house.server().try_run().err().expect("damage");
    refused.expect_code(65);
    let said = &refused.stderr;
    for word in ["segment 1", "damaged at offset", "seq"] {
        assert!(said.contains(word), "{said}");
    }
    for command in ["audit", "log"] {
        let looked = house.look(command, &[]);
        looked.expect_code(65);
        assert!(looked.stderr.contains("damaged at offset"), "{}", looked.stderr);
    }
    // Nothing was changed by looking: with the byte put back all is well.
    file.write_all_at(&byte, at).expect("written");
    let server = house.serve();
    let mut peer = Resp::over(server.connect());
    assert_eq!(peer.ask(&["STOCK", "crowd", "tee"]).number(2), 200);
    drop(peer);
    server.stop().expect_code(0);
    assert_eq!(house.audit()["held"], 200);
}

#[test]
fn a_bad_configuration_exits_78_with_file_line_and_what_is_allowed() {
    let house = House::new(&[CROWD]);
    let config = house.path("doorbuster.toml");
    let path = config.to_string_lossy().into_owned();
    for (text, line, allowed) in [
        ("shards = 1\ndurability = \"maybe\"\n", 2, "`fsync`"),
        ("\n\ncolour = \"red\"\n", 3, "`listen`"),
        ("listen = \"nowhere\"\n", 1, "socket address"),
        ("shards = \n", 1, ""),
    ] {
        std::fs::write(&config, text).expect("written");
        let refused = house.server().with(&["--config", &path]).try_run().err().expect("refused");
        refused.expect_code(78);
        let said = &refused.stderr;
        assert!(said.contains(&format!("doorbuster.toml:{line}:")), "{said}");
        assert!(said.contains(allowed), "{said}");
    }
    let refused = house.server().with(&["--shards", "99"]).try_run().err().expect("refused");
    refused.expect_code(78);
    assert!(refused.stderr.contains("between 1 and 64"), "{}", refused.stderr);
    let refused = house.server().option("SHRADS", 1).try_run().err().expect("refused");
    refused.expect_code(78);
    assert!(refused.stderr.contains("DOORBUSTER_SHRADS"), "{}", refused.stderr);
    let bad = House::new(&["name = \"a b\"\nitems = []\n"]);
    let refused = bad.server().try_run().err().expect("refused");
    refused.expect_code(78);
    assert!(refused.stderr.contains("sale-0.toml"), "{}", refused.stderr);
}

#[test]
fn a_start_that_fails_at_a_sale_file_ends_at_once_every_time() {
    // The stop could overtake the matcher on its way to its thread, and then nobody ever ended.
    let bad = House::new(&["name = \"drop\"\nitems = []\n"]);
    for _ in 0..20 {
        bad.server().with(&["--threads", "shared"]).try_run().err().expect("bad").expect_code(78);
    }
}

#[test]
fn a_sale_file_with_other_terms_than_the_sale_has_is_named_and_changes_nothing() {
    let house = House::new(&[CROWD]);
    let told = "sale 'crowd' was created with other terms";
    for (terms, is_told) in [(CROWD, false), (&CROWD.replace("stock = ", "stock = 1"), true)] {
        std::fs::write(house.path("sale-0.toml"), terms).expect("written");
        for _ in 0..2 {
            let ended = house.serve().stop();
            assert_eq!(ended.expect_code(0).stderr.contains(told), is_told, "{}", ended.stderr);
        }
    }
    let created = house.records().into_iter().filter(|record| record["kind"] == "create");
    assert_eq!(created.count(), 1);
}

#[test]
fn a_low_soft_limit_of_descriptors_keeps_no_buyer_out() {
    // 1,024 is what most systems give; the hard limit is what a server may have.
    let house = House::new(&[CROWD]);
    let low = ["sh", "-c", "ulimit -Sn 64 && exec \"$0\" \"$@\""];
    let server = house.server().by(&low).run();
    let mut peers: Vec<Resp> = (0..200).map(|_| Resp::over(server.connect())).collect();
    for peer in &mut peers {
        assert_eq!(peer.ask(&["PING"]).word(), "PONG");
    }
}

#[test]
fn a_flood_of_connections_leaves_the_journal_the_descriptors_that_it_needs() {
    // Orders of three cells, so many that the journal has to make a new segment.
    const ORDERS: usize = 30_000;
    let house = House::new(&[CROWD]);
    let low = ["sh", "-c", "ulimit -n 512 && exec \"$0\" \"$@\""];
    let server = house.server().by(&low).run();
    let mut good = Resp::over(server.connect());
    assert_eq!(good.ask(&["PING"]).word(), "PONG");
    let flood: Vec<_> = (0..600).map(|_| server.connect()).collect();
    let mut sending = good.stream.try_clone().expect("a socket");
    let sender = std::thread::spawn(move || {
        let buyer = "a-buyer-of-more-than-sixteen-letters";
        for number in 0..ORDERS {
            let mut bytes = Vec::new();
            let key = format!("a-key-of-more-than-sixteen-letters-{number}");
            encode(&["BUY", "crowd", "tee", buyer, &key], &mut bytes);
            sending.write_all(&bytes).expect("it is read in the end");
        }
    });
    for number in 0..ORDERS {
        let answer = good.receive().expect("it goes on");
        assert_eq!(answer.word(), "held", "{number}");
    }
    sender.join().expect("sent");
    drop((flood, good));
    let ended = server.stop();
    ended.expect_code(0);
    assert!(ended.stderr.contains("connections_max lowered"), "{}", ended.stderr);
    assert!(house.segments().len() > 3);
}

#[test]
fn wrong_usage_exits_2_and_help_is_there() {
    for words in [&["sell"][..], &["serve", "--colour"], &["log"], &["audit"], &[]] {
        run(words).expect_code(2);
    }
    for words in [&["--help"][..], &["serve", "--help"], &["log", "--help"], &["--version"]] {
        let help = run(words);
        help.expect_code(0);
        assert!(!help.stdout.is_empty());
    }
    let house = House::new(&[]);
    for command in ["log", "audit"] {
        house.look(command, &[]).expect_code(73);
    }
}

#[test]
fn log_and_audit_tell_the_whole_story_to_people_and_scripts() {
    let house = House::new(&[DROP]);
    let server = house.serve();
    let mut peer = Resp::over(server.connect());
    let first = peer.ask(&["BUY", "drop", "tee", "u1", "k1", "UNITS", "2"]).number(1).to_string();
    let second = peer.ask(&["BUY", "drop", "cap", "u2", "k2"]).number(1).to_string();
    assert_eq!(peer.ask(&["CONFIRM", "drop", &first]).word(), "confirmed");
    assert_eq!(peer.ask(&["RELEASE", "drop", &second]).word(), "released");
    assert_eq!(peer.ask(&["BUY", "drop", "cap", "u3", "k3", "UNITS", "2"]).word(), "sold_out");
    drop(peer);
    server.stop().expect_code(0);

    let records = house.records();
    let kinds: Vec<&str> = records.iter().filter_map(|record| record["kind"].as_str()).collect();
    assert_eq!(kinds, ["create", "open", "hold", "hold", "confirm", "release", "seal"]);
    for (seq, record) in (1_u64..).zip(&records) {
        assert_eq!(record["seq"], seq, "dense from 1");
    }
    let hold = &records[2];
    assert_eq!([&hold["sale"], &hold["item"], &hold["buyer"]], ["drop", "tee", "u1"]);
    assert_eq!((&hold["units"], &hold["price"]), (&2.into(), &2500.into()));
    assert_eq!(hold["order"], first.as_str());

    let text = house.look("log", &["--from", "5"]);
    text.expect_code(0);
    let lines: Vec<&str> = text.stdout.lines().collect();
    assert_eq!(lines.len(), 3);
    let confirm = format!("confirm  sale=drop order={first}");
    assert!(lines[0].contains(&confirm), "{}", lines[0]);

    let verdict = house.audit();
    assert_eq!(verdict["seq"], 7);
    let totals = ["orders", "buyers", "held", "confirmed", "released", "expired", "seals"];
    assert_eq!(totals.map(|name| verdict[name].as_u64()), [2, 2, 0, 1, 1, 0, 1].map(Some));
    assert_eq!(verdict["sales"][0]["items"][0]["confirmed"], 2);
    assert_eq!(verdict["torn"], serde_json::Value::Null);
    let text = house.look("audit", &[]);
    text.expect_code(0);
    assert!(text.stdout.contains("PASS") && text.stdout.contains("sale drop"), "{}", text.stdout);
}

#[test]
fn a_copied_folder_is_proved_and_served_like_the_first() {
    let house = House::new(&[CROWD]);
    let server = house.serve();
    let held = Resp::over(server.connect()).ask(&["BUY", "crowd", "tee", "u", "k"]);
    server.stop().expect_code(0);
    let copy = house.path("copy");
    let copied = Command::new("cp").arg("-r").arg(house.data()).arg(&copy).status();
    assert!(copied.expect("cp runs").success());
    run(&["audit", &copy.to_string_lossy()]).expect_code(0);
    let server = house.server().data(copy).run();
    let again = Resp::over(server.connect()).ask(&["BUY", "crowd", "tee", "u", "k"]);
    assert_eq!((again.word(), again.number(1)), ("held", held.number(1)));
    assert_ne!(again, Value::Nil);
}
