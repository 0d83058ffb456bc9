//! No room to write: files that may not grow (`ulimit -f`), where a write is really cut short, and
//! a disk that fills up under snapshots and sinks and is freed again.

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::resp::{Resp, Value};
use super::server::{House, Server, Start};
use super::sinks::{at_least, figures, reconcile, until};
use super::small_disk::SmallDisk;
use super::wait_until;

const DROP: &str = "name = \"drop\"\nhold_ms = 86400000\n\
                    items = [{ sku = \"tee\", stock = 1000000, price = 2500 }]\n";
const LAG: &str = "doorbuster_sink_lag_seqs{sink=\"orders\"} 0";

/// A sink into a file in the data folder, and what `serve` and `reconcile` know it by.
fn sink(house: &House) -> String {
    let path = house.data().join("orders.ndjson");
    format!("name=orders type=file path={} changes=all", path.display())
}

fn start(house: &House) -> Start {
    let start = house.server().option("SNAPSHOT_MIB", 1).option("KEEP_MIB", 0);
    // Nobody is refused for what else this machine has to do.
    start.option("SHED_AFTER_MS", 60_000).with(&["--sink", &sink(house)])
}

/// Lets no file of a server grow beyond so many bytes; `None` for as many as it likes.
fn limit(server: &Server, bytes: Option<u64>) {
    let id = Pid::from_raw(server.id().cast_signed()).expect("it runs");
    let limit = Rlimit { current: bytes, maximum: None };
    prlimit(Some(id), Resource::Fsize, limit).expect("our own child");
}

/// Buys until a refusal, the end of the connection, or so many. Returns how many that was.
fn buy(server: &Server, name: &str, most: usize) -> usize {
    let mut resp = Resp::over(server.connect());
    let (mut held, mut is_over) = (0, false);
    for some in (0..most).collect::<Vec<_>>().chunks(100) {
        for number in some {
            let key = format!("a-key-of-more-than-sixteen-{name}-{number}");
            is_over |= resp.send(&["BUY", "drop", "tee", &key, &key]).is_err();
        }
        for _ in some {
            match resp.receive() {
                Ok(value @ Value::List(_)) => {
                    assert_eq!(value.word(), "held");
                    held += 1;
                }
                Ok(other) => {
                    assert!(other.word().starts_with("BUSY"), "{other:?}");
                    is_over = true;
                }
                Err(_) => return held,
            }
        }
        if is_over {
            break;
        }
    }
    held
}

/// It starts, has all of these, has told its sink everything, and the audit passes.
fn check(house: &House, held: usize) {
    let server = start(house).run();
    let stock = Resp::over(server.connect()).ask(&["STOCK", "drop", "tee"]);
    assert!(stock.number(2) >= held as u64, "{stock:?}, and {held} were acknowledged");
    until(&server, LAG);
    server.stop().expect_code(0);
    house.audit();
    reconcile(house, &sink(house)).expect_code(0);
}

#[test]
fn a_limit_on_the_size_of_files_killed_the_server() {
    let house = House::new(&[DROP]);
    let mut server = start(&house).run();
    // Room for segments, and not for all lines of the sink or for a large snapshot.
    limit(&server, Some((4 << 20) + 1_001));
    let held = buy(&server, "grow", 30_000);
    assert_eq!(held, 30_000, "orders go on");
    server.says("orders.ndjson: File too large");
    at_least(&server, "doorbuster_snapshot_failures_total", 1);
    limit(&server, None);
    until(&server, LAG);
    server.stop().expect_code(0);
    check(&house, held);
}

#[test]
fn a_write_of_the_journal_that_is_cut_short_ends_the_server_and_loses_nothing() {
    for bytes in [700_001, 1_234_567, 2_097_152] {
        let house = House::new(&[DROP]);
        let server = start(&house).run();
        limit(&server, Some(bytes));
        let held = buy(&server, "short", 30_000);
        assert!((1..30_000).contains(&held), "{held} are held");
        let ended = server.wait();
        ended.expect_code(74);
        assert!(ended.stderr.contains("stopped without answering"), "{}", ended.stderr);
        check(&house, held);
    }
}

#[test]
fn a_full_disk_holds_up_snapshots_and_sinks_and_all_go_on_when_it_is_freed() {
    let house = House::new(&[DROP]);
    let Some(disk) = SmallDisk::mount("a disk full of snapshots", house.data(), "40m") else {
        return;
    };
    let server = start(&house).run();
    wait_until("three segments", || house.segments().len() == 3);
    let mut held = buy(&server, "before", 100);
    until(&server, LAG);
    let ballast = disk.fill();
    held += buy(&server, "full", 90_000);
    assert!(held < 90_000, "the disk is full");
    at_least(&server, "doorbuster_snapshot_failures_total", 1);
    assert!(!figures(&server).lines().any(|line| line == LAG), "nothing could be told");
    std::fs::remove_file(ballast).expect("someone else makes room");
    wait_until("new orders", || {
        let more = buy(&server, &format!("freed-{held}"), 100);
        held += more;
        more == 100
    });
    until(&server, LAG);
    server.stop().expect_code(0);
    check(&house, held);
    drop(disk);
}
