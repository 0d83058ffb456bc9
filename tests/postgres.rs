//! The PostgreSQL sink, with the real program and a real server: what is in the tables beside what
//! the journal says, whatever was killed in between, and what is said when it cannot go on.

use super::support::{postgres, resp, server, sinks};

use std::time::{Duration, Instant};

use postgres::Postgres;
use server::{House, Server};
use sinks::{AT_ONCE, DROP, assert_same, at_least, reconcile, rounds, shop, shop_one, until};

fn sink(postgres: &Postgres, name: &str, more: &str) -> String {
    format!("name={name} type=postgres url={} timeout_ms=5000 {more}", postgres.url())
}

fn run(house: &House, sink: &str) -> Server {
    house.server().with(&["--sink", sink]).run()
}

#[track_caller]
#[test]
fn each_change_is_in_the_tables_once_whatever_was_killed() {
    let house = House::new(&[DROP, AT_ONCE]);
    let Some(mut postgres) = Postgres::start() else { return };
    let sinks = [
        sink(&postgres, "all", "changes=all schema=all_of_them"),
        sink(&postgres, "sold", ""),
        sink(&postgres, "once", "sales=once schema=once"),
    ];
    let start = || sinks.iter().fold(house.server(), |start, sink| start.with(&["--sink", sink]));
    let rounds = rounds();
    for round in 0..rounds {
        let server = start().run();
        std::thread::scope(|scope| {
            let shopping = scope.spawn(|| shop(&server, round, 300));
            std::thread::sleep(Duration::from_millis(60 + 37 * (round % 10)));
            if round % 3 != 1 {
                postgres.kill();
            }
            if round % 3 != 0 {
                server.strike();
            }
            if round % 3 != 1 {
                postgres.again();
            }
            if round % 3 == 0 {
                // It finds the server again by itself.
                until(&server, "doorbuster_sink_lag_seqs{sink=\"all\"} 0");
                server.strike();
            }
            // It ends when nobody answers any more.
            shopping.join().expect("it only asks");
        });
        server.wait();
    }
    let server = start().run();
    shop(&server, rounds, 30).expect("it answers");
    server.stop().expect_code(0);
    sinks.iter().for_each(|sink| assert_same(&house, sink));
    // The same by other means: what the log says of each order is its state in the table.
    let sold = house.records().iter().filter(|record| record["kind"] == "buy").count();
    let in_table = postgres.ask("SELECT count(*), sum(total) FROM once.orders");
    assert_eq!(in_table, [format!("{sold}|{}", 100 * sold)]);
    let states = postgres.ask(
        "SELECT count(*) FROM all_of_them.orders o WHERE state <> replace((SELECT change FROM \
         all_of_them.changes c WHERE c.order_id = o.id ORDER BY seq DESC LIMIT 1), 'extended', \
         'held')",
    );
    assert_eq!(states, ["0"]);
    assert!(postgres.ask("SELECT count(*) FROM all_of_them.changes") > vec!["100".to_owned()]);
}

#[test]
fn what_somebody_changed_is_found_and_can_be_told_again() {
    let house = House::new(&[DROP, AT_ONCE]);
    let Some(postgres) = Postgres::start() else { return };
    let sink = sink(&postgres, "all", "changes=all");
    let server = run(&house, &sink);
    shop(&server, 0, 60).expect("it answers");
    std::thread::sleep(Duration::from_millis(200));
    until(&server, "doorbuster_sink_lag_seqs{sink=\"all\"} 0");
    assert_same(&house, &sink);
    postgres.ask(
        "DELETE FROM doorbuster.orders WHERE id IN (SELECT id FROM doorbuster.orders LIMIT 2); \
         DELETE FROM doorbuster.changes WHERE seq = (SELECT max(seq) FROM doorbuster.changes); \
         UPDATE doorbuster.orders SET state = 'sold' WHERE id = (SELECT max(id) FROM \
             doorbuster.orders WHERE state = 'confirmed'); \
         DELETE FROM doorbuster.lines WHERE order_id = (SELECT min(id) FROM doorbuster.orders \
             WHERE state = 'confirmed');",
    );
    let compared = reconcile(&house, &sink);
    let said = &compared.expect_code(1).stdout;
    for part in ["missing: {", "orders has no row for it", "orders says sold, not confirmed"] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    assert!(
        said.contains("and the sink has {") && said.contains("changes that differ: "),
        "{said}"
    );
    let newest = server_seq(&postgres);
    let listed = sinks::sink(&server, &["replay", "all", "--from", "1", "--to", &newest]);
    assert!(listed.expect_code(0).stdout.contains("are being delivered again"), "{listed:?}");
    let deadline = Instant::now() + server::PATIENCE;
    while sinks::sink(&server, &["list"]).stdout.contains("again") {
        assert!(Instant::now() < deadline, "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_same(&house, &sink);
    server.stop().expect_code(0);
}

#[test]
fn a_table_that_was_dropped_is_made_and_told_from_the_beginning() {
    let house = House::new(&[AT_ONCE]);
    let Some(postgres) = Postgres::start() else { return };
    let sink = sink(&postgres, "sold", "");
    let server = run(&house, &sink);
    shop_one(&server, "one");
    until(&server, "doorbuster_sink_changes_total{sink=\"sold\"} 1");
    server.stop().expect_code(0);
    postgres.ask("DROP SCHEMA doorbuster CASCADE");
    let server = run(&house, &sink);
    shop_one(&server, "two");
    until(&server, "doorbuster_sink_changes_total{sink=\"sold\"} 2");
    let said = server.stop();
    assert!(said.expect_code(0).stderr.contains("its other side has seqs up to 0"), "{said:?}");
    assert_eq!(postgres.ask("SELECT count(*) FROM doorbuster.orders"), ["2"]);
    assert_same(&house, &sink);
}

#[test]
fn an_order_that_was_held_before_the_sink_began_is_whole_when_it_is_told() {
    let house =
        House::new(&["name = \"drop\"\nhold_ms = 600000\nitems = [{ sku = \"tee\", stock = 9, \
                              price = 5 }, { sku = \"cap\", stock = 9, price = 7 }]\n"]);
    let Some(postgres) = Postgres::start() else { return };
    let server = house.server().run();
    let mut resp = resp::Resp::over(server.connect());
    let words = ["BASKET", "drop", "ann", "k", "tee", "2", "cap", "1"];
    let order = resp.ask(&words).number(1).to_string();
    server.stop().expect_code(0);
    let sink = sink(&postgres, "late", "changes=all from=now");
    let server = run(&house, &sink);
    let mut resp = resp::Resp::over(server.connect());
    assert_eq!(resp.ask(&["CONFIRM", "drop", &order]).word(), "confirmed");
    until(&server, "doorbuster_sink_changes_total{sink=\"late\"} 1");
    server.stop().expect_code(0);
    let rows = postgres.ask("SELECT item, units, price FROM doorbuster.lines ORDER BY line");
    assert_eq!(rows, ["tee|2|5", "cap|1|7"]);
    assert_eq!(postgres.ask("SELECT state, total FROM doorbuster.orders"), ["confirmed|17"]);
    assert_same(&house, &sink);
}

#[test]
fn what_is_settled_while_nothing_is_told_of_it_is_in_the_tables() {
    let house = House::new(&[DROP]);
    let Some(postgres) = Postgres::start() else { return };
    let sink = sink(&postgres, "some", "changes=waiting changes=confirmed changes=cancelled");
    let server = run(&house, &sink);
    let mut resp = resp::Resp::over(server.connect());
    let all = resp.ask(&["BUY", "drop", "cap", "ann", "k1", "UNITS", "3"]).number(1).to_string();
    let waits = resp.ask(&["BUY", "drop", "cap", "bob", "k2", "UNITS", "4", "UPTO", "WAIT"]);
    let waits = waits.number(1).to_string();
    assert_eq!(resp.ask(&["RELEASE", "drop", &all]).word(), "released");
    // It is offered what there is.
    assert_eq!(resp.ask(&["CONFIRM", "drop", &waits]).word(), "confirmed");
    assert_eq!(resp.ask(&["CANCEL", "drop", &waits]).word(), "cancelled");
    until(&server, "doorbuster_sink_lag_seqs{sink=\"some\"} 0");
    server.stop().expect_code(0);
    let rows = postgres.ask(
        "SELECT units, total, state FROM doorbuster.lines JOIN \
                             doorbuster.orders ON id = order_id",
    );
    assert_eq!(rows, ["3|2700|cancelled"]);
    let compared = reconcile(&house, &sink);
    let said = &compared.expect_code(0).stdout;
    assert_eq!(said.matches("the same").count(), 3, "{said}");
}

#[test]
fn what_was_now_at_the_first_start_is_where_it_begins() {
    let house = House::new(&[AT_ONCE]);
    let Some(mut postgres) = Postgres::start() else { return };
    let sink = sink(&postgres, "late", "from=now");
    postgres.kill();
    let server = run(&house, &sink);
    at_least(&server, "doorbuster_sink_failures_total{sink=\"late\"}", 1);
    shop_one(&server, "one");
    server.stop().expect_code(0);
    postgres.again();
    let server = run(&house, &sink);
    until(&server, "doorbuster_sink_lag_seqs{sink=\"late\"} 0");
    server.stop().expect_code(0);
    assert_eq!(postgres.ask("SELECT count(*) FROM doorbuster.orders"), ["1"]);
    // The tables of a later journal: there is nothing to compare with.
    postgres.ask("UPDATE doorbuster.progress SET seq = 1000000");
    let compared = reconcile(&house, &sink);
    assert!(compared.expect_code(1).stderr.contains("the journal ends at"), "{compared:?}");
    // Another type under the same name has nothing to do with it.
    let path = house.path("late.ndjson");
    let other = format!("name=late type=file path={}", path.display());
    let server = run(&house, &other);
    at_least(&server, "doorbuster_sink_stopped{sink=\"late\"}", 1);
    let ended = server.stop();
    assert!(ended.expect_code(0).stderr.contains("is of a postgres sink"), "{ended:?}");
}

fn server_seq(postgres: &Postgres) -> String {
    postgres.ask("SELECT seq FROM doorbuster.progress").remove(0)
}

/// Starts with this sink, and something to tell; what is said of why it does not.
fn trouble(house: &House, sink: &str, figure: &str) -> String {
    let server = run(house, sink);
    shop_one(&server, "k");
    at_least(&server, figure, 1);
    let ended = server.stop();
    let said = &ended.expect_code(0).stderr;
    let line = said.lines().find(|line| line.contains("sink sold"));
    line.unwrap_or_else(|| panic!("it does not say so: {said}")).to_owned()
}

const STOPPED: &str = "doorbuster_sink_stopped{sink=\"sold\"}";
const FAILED: &str = "doorbuster_sink_failures_total{sink=\"sold\"}";

#[test]
fn a_schema_that_is_not_ours_stops_the_sink_alone() {
    let (house, other) = (House::new(&[AT_ONCE]), House::new(&[AT_ONCE]));
    let Some(postgres) = Postgres::start() else { return };
    let sink = sink(&postgres, "sold", "");
    let server = run(&other, &sink);
    shop_one(&server, "one");
    until(&server, "doorbuster_sink_changes_total{sink=\"sold\"} 1");
    server.stop().expect_code(0);
    let line = trouble(&house, &sink, STOPPED);
    assert!(line.contains("is written by sink sold of journal"), "{line}");
    postgres.ask("INSERT INTO doorbuster.migrations VALUES (99)");
    let line = trouble(&house, &sink, STOPPED);
    assert!(line.contains("a newer doorbuster made them"), "{line}");
}

#[test]
fn tables_that_were_changed_and_rows_that_are_refused_stop_the_sink_alone() {
    let house = House::new(&[AT_ONCE]);
    let Some(postgres) = Postgres::start() else { return };
    let sink = sink(&postgres, "sold", "");
    let server = run(&house, &sink);
    shop_one(&server, "one");
    until(&server, "doorbuster_sink_changes_total{sink=\"sold\"} 1");
    postgres.ask(
        "ALTER TABLE doorbuster.orders ADD CONSTRAINT no_ann CHECK (key <> 'k'), \
         ADD COLUMN packed boolean",
    );
    server.stop().expect_code(0);
    let line = trouble(&house, &sink, STOPPED);
    assert!(line.contains("23514") && line.contains("no_ann"), "{line}");
    postgres.ask(
        "ALTER TABLE doorbuster.orders DROP CONSTRAINT no_ann; \
         ALTER TABLE doorbuster.lines RENAME units TO pieces",
    );
    let line = trouble(&house, &sink, STOPPED);
    assert!(line.contains("42703") && line.contains("units"), "{line}");
    postgres.ask("ALTER TABLE doorbuster.lines RENAME pieces TO units");
    let server = run(&house, &sink);
    until(&server, "doorbuster_sink_lag_seqs{sink=\"sold\"} 0");
    server.stop().expect_code(0);
    assert_same(&house, &sink);
}

#[test]
fn a_server_that_is_not_there_or_does_not_let_us_in_is_tried_again() {
    let house = House::new(&[AT_ONCE]);
    let nobody = format!(
        "name=sold type=postgres url=postgres://shop@127.0.0.1:{}/shop?sslmode=disable",
        postgres::free_port()
    );
    let line = trouble(&house, &nobody, FAILED);
    assert!(line.contains("Connection refused") && line.contains("nothing is lost"), "{line}");
    let ca = house.path("no-ca.pem");
    let shy = format!("{nobody} ca_file={}", ca.display()).replace("=disable", "=require");
    let line = trouble(&house, &shy, FAILED);
    assert!(line.contains("no-ca.pem") && line.contains("nothing is lost"), "{line}");
    let Some(postgres) = Postgres::start() else { return };
    std::fs::write(
        postgres.data().join("pg_hba.conf"),
        "host all all 127.0.0.1/32 scram-sha-256\n",
    )
    .expect("written");
    postgres.ask(
        "ALTER USER shop PASSWORD 'open sesame'; SELECT pg_reload_conf(); SELECT pg_sleep(0.1)",
    );
    let password = house.path("password");
    std::fs::write(&password, "close sesame\n").expect("written");
    let sink = sink(&postgres, "sold", &format!("password_file={}", password.display()));
    let server = run(&house, &sink);
    at_least(&server, FAILED, 2);
    // The file is read anew.
    std::fs::write(&password, "open sesame\n").expect("written");
    until(&server, "doorbuster_sink_lag_seqs{sink=\"sold\"} 0");
    let ended = server.stop();
    let said = &ended.expect_code(0).stderr;
    assert!(said.contains("28P01") && said.contains("goes on"), "{said}");
    assert!(!said.contains("sesame"), "{said}");
}

#[test]
fn of_two_servers_the_one_that_began_last_writes() {
    let house = House::new(&[AT_ONCE]);
    let Some(postgres) = Postgres::start() else { return };
    let sink = sink(&postgres, "sold", "");
    let old = run(&house, &sink);
    shop_one(&old, "one");
    until(&old, "doorbuster_sink_changes_total{sink=\"sold\"} 1");
    // What a second server does when it begins.
    postgres.ask("UPDATE doorbuster.progress SET owner = 'another'");
    shop_one(&old, "two");
    at_least(&old, STOPPED, 1);
    assert_eq!(postgres.ask("SELECT count(*) FROM doorbuster.orders"), ["1"]);
    // Whoever is resumed takes it back.
    let resumed = sinks::sink(&old, &["resume", "sold"]);
    assert!(resumed.expect_code(0).stdout.contains("running"), "{resumed:?}");
    until(&old, "doorbuster_sink_changes_total{sink=\"sold\"} 2");
    let ended = old.stop();
    let said = &ended.expect_code(0).stderr;
    assert!(said.contains("another doorbuster has taken over schema doorbuster"), "{said}");
    assert_same(&house, &sink);
}

#[test]
fn a_server_that_hangs_is_given_up_and_found_again() {
    let house = House::new(&[AT_ONCE]);
    let Some(postgres) = Postgres::start() else { return };
    let sink = sink(&postgres, "sold", "").replace("5000", "300");
    let server = run(&house, &sink);
    shop_one(&server, "one");
    until(&server, "doorbuster_sink_changes_total{sink=\"sold\"} 1");
    // Somebody holds what the sink needs.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            postgres.ask("BEGIN; LOCK TABLE doorbuster.orders; SELECT pg_sleep(1); COMMIT");
        });
        std::thread::sleep(Duration::from_millis(200));
        shop_one(&server, "two");
        at_least(&server, FAILED, 1);
    });
    until(&server, "doorbuster_sink_changes_total{sink=\"sold\"} 2");
    let ended = server.stop();
    let said = &ended.expect_code(0).stderr;
    // Whichever clock is heard first: ours, or the server's, which is asked for as much.
    let whys = ["no answer within 300 ms", "due to statement timeout"];
    assert!(whys.iter().any(|why| said.contains(why)), "{said}");
    assert_same(&house, &sink);
}
