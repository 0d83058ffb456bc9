//! What a crash may cost with less durability than `fsync` (with that, nothing: `crash` and
//! `recovery`), and that each test which the documents name as their witness is there.

use super::support::{peer, server};

use std::path::Path;

use peer::{Peer, Told};
use server::{House, Server};

const SALE: &str = "name = \"lasting\"\nhold_ms = 86400000\n\
     items = [{ sku = \"tee\", stock = 1000000000, price = 2500 }]\n";
const LASTING: (u16, &str) = (1, "lasting");

/// Buys and is told; gives the orders in the order in which they were told.
fn told(server: &Server, count: usize) -> Vec<u64> {
    let mut peer = Peer::connect(server, true).expect("a server that serves");
    let mut orders = Vec::new();
    for some in 0..count / 100 {
        (0..100).for_each(|index| peer.buy(LASTING, &format!("k-{some}-{index}"), 1));
        peer.flush();
        for _ in 0..100 {
            match peer.receive().expect("an answer") {
                Told::Order { order, .. } => orders.push(order),
                Told::Refused(word) => panic!("{word}"),
            }
        }
    }
    orders
}

/// Which of these orders are still there.
fn kept(server: &Server, orders: &[u64]) -> Vec<bool> {
    let mut peer = Peer::connect(server, true).expect("a server that serves");
    let mut kept = Vec::new();
    for some in orders.chunks(200) {
        some.iter().for_each(|order| peer.order(LASTING, *order));
        peer.flush();
        for order in some {
            kept.push(match peer.receive().expect("an answer") {
                Told::Order { order: found, .. } => found == *order,
                Told::Refused(word) => {
                    assert_eq!(word, "unknown_order");
                    false
                }
            });
        }
    }
    kept
}

/// Kills a server that has told of some orders. Returns which of them the next one knows.
fn after_a_kill(durability: &str) -> Vec<bool> {
    let house = House::new(&[SALE]);
    let server = house.server().with(&["--durability", durability]).run();
    let orders = told(&server, 2000);
    server.kill();
    let server = house.server().with(&["--durability", durability]).run();
    let kept = kept(&server, &orders);
    server.stop().expect_code(0);
    house.audit();
    kept
}

#[test]
fn with_os_a_killed_server_has_lost_nothing_that_it_told() {
    assert!(after_a_kill("os").iter().all(|is_kept| *is_kept));
}

#[test]
fn with_none_a_killed_server_may_have_lost_the_newest_and_nothing_before() {
    let kept = after_a_kill("none");
    assert!(kept.is_sorted_by(|before, after| before >= after), "a gap: {kept:?}");
}

/// The words in backticks that read like the path of a test: `room::what_holds`.
fn witnesses(text: &str) -> Vec<&str> {
    let plain = |word: &&str| {
        let is_name = |part: &str| {
            !part.is_empty() && part.bytes().all(|it| it.is_ascii_lowercase() || it == b'_')
        };
        let (room, test) = word.rsplit_once("::").unwrap_or_default();
        room.split("::").all(is_name) && is_name(test) && test.matches('_').count() >= 3
    };
    text.split('`').skip(1).step_by(2).filter(plain).collect()
}

/// Whether a test of this path is among the integration tests.
fn is_there(path: &str) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let Some((room, test)) = path.rsplit_once("::") else { return false };
    let file = root.join(room.replace("::", "/")).with_extension("rs");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.contains(&format!("#[test]\nfn {test}()"))
}

#[test]
fn every_test_that_a_document_names_is_there() {
    let sample = "`guarantees::every_test_that_a_document_names_is_there`, `a::b_c`, `recovery.rs`";
    assert_eq!(witnesses(sample).len(), 1);
    assert!(is_there(witnesses(sample)[0]));
    assert!(!is_there("guarantees::a_test_that_nobody_wrote") && !is_there("nowhere::a_b_c_d"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut faults = Vec::new();
    for (document, at_least) in [("SECURITY.md", 15), ("ARCHITECTURE.md", 8), ("README.md", 0)] {
        let text = std::fs::read_to_string(root.join(document)).expect("it is there");
        let witnesses = witnesses(&text);
        assert!(witnesses.len() >= at_least, "{document} names {} tests", witnesses.len());
        let missing = witnesses.into_iter().filter(|path| !is_there(path));
        faults.extend(missing.map(|path| format!("{document}: there is no test `{path}`")));
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}
