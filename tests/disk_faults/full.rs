//! A full disk: new orders are refused, what is held can still be confirmed and released to the
//! last one, a restart changes nothing of that, and with room again there are new orders again.

use doorbuster::client::State;

use super::peer::{Peer, Told};
use super::resp::Resp;
use super::server::{House, Server};
use super::small_disk::SmallDisk;
use super::strace;
use super::{CROWD, SALE, wait_until};

/// More than fit into the segments that are there.
const ORDERS_MAX: usize = 90_000;

fn key(number: usize) -> String {
    format!("a-key-that-needs-a-cell-of-its-own-{number}")
}

/// Buys until the first refusal for want of room. Returns the orders.
fn fill(server: &Server) -> Vec<u64> {
    let mut peer = Peer::connect(server, true).expect("it serves");
    let mut orders = Vec::new();
    for some in (0..ORDERS_MAX).collect::<Vec<_>>().chunks(500) {
        some.iter().for_each(|number| peer.buy(CROWD, &key(*number), 1));
        peer.flush();
        let mut is_full = false;
        for _ in some {
            match peer.receive().expect("an answer") {
                Told::Order { order, .. } if !is_full => orders.push(order),
                Told::Refused(word) if word == "overloaded" => is_full = true,
                other => panic!("{other:?}"),
            }
        }
        if is_full {
            return orders;
        }
    }
    panic!("{} orders and no end", orders.len());
}

/// Confirms two and releases one of three, `window` at a time.
fn settle(server: &Server, orders: &[u64], window: usize) {
    let mut peer = Peer::connect(server, true).expect("it serves");
    let to = |order: u64| if order.is_multiple_of(3) { State::Released } else { State::Confirmed };
    for some in orders.chunks(window) {
        some.iter().for_each(|order| peer.change(CROWD, *order, to(*order)));
        peer.flush();
        for order in some {
            let told = peer.receive().expect("an answer");
            assert_eq!(told, Told::Order { state: to(*order), order: *order });
        }
    }
}

fn is_refused(resp: &mut Resp) -> bool {
    let told = resp.ask(&["BUY", "crowd", "tee", "u", "one-more"]);
    match told.word() {
        busy if busy.starts_with("BUSY retry after 1") && busy.ends_with(" ms") => true,
        "held" => false,
        _ => panic!("{told:?}"),
    }
}

/// Fills a disk that has room for the first segments only, and settles half of what is held,
/// `window` orders at a time. Returns the other half.
fn live_through_a_full_disk(server: &Server, window: usize) -> Vec<u64> {
    let orders = fill(server);
    let mut resp = Resp::over(server.connect());
    assert!(is_refused(&mut resp), "over RESP too");
    // What is there can be asked for, and repeated, and changed.
    let again = resp.ask(&["BUY", "crowd", "tee", &key(0), &key(0)]);
    assert_eq!((again.word(), again.number(1)), ("held", orders[0]));
    assert_eq!(resp.ask(&["STOCK", "crowd", "tee"]).number(2), orders.len() as u64);
    let (now, later) = orders.split_at(orders.len() / 2);
    settle(server, now, window);
    later.to_vec()
}

fn new_orders_are_taken_again(house: &House, server: Server) {
    let mut resp = Resp::over(server.connect());
    wait_until("a new order", || !is_refused(&mut resp));
    drop(resp);
    server.stop().expect_code(0);
    let verdict = house.audit();
    assert_eq!(verdict["held"], 1);
}

#[test]
fn a_disk_that_refuses_segments_keeps_room_for_what_is_held() {
    if !strace::is_there("a disk that refuses segments") {
        return;
    }
    let house = House::new(&[SALE]);
    let next = house.data().join("journal/00000004.seg.tmp");
    let fault = ["pwrite64:error=ENOSPC"];
    let server = strace::with_faults(house.server(), next.to_str(), &fault).run();
    let held = live_through_a_full_disk(&server, 500);
    // The rest of them, to the last.
    settle(&server, &held, 500);
    let mut resp = Resp::over(server.connect());
    assert_eq!(resp.ask(&["STOCK", "crowd", "tee"]).number(2), 0);
    drop(resp);
    strace::end_faults(&server);
    new_orders_are_taken_again(&house, server);
}

#[test]
fn a_disk_that_is_really_full_keeps_room_for_what_is_held_across_a_restart() {
    let house = House::new(&[SALE]);
    let data = house.data();
    let Some(disk) = SmallDisk::mount("a disk that is really full", data.clone(), "20m") else {
        return;
    };
    // Three segments of 4 MiB, and the rest is taken by someone else.
    let server = house.serve();
    let journal = data.join("journal");
    wait_until("three segments", || house.segments().len() == 3);
    let ballast = disk.fill();
    let held = live_through_a_full_disk(&server, 1);
    server.stop().expect_code(0);
    // It comes back on the full disk, with the same reserve.
    let server = house.serve();
    let mut resp = Resp::over(server.connect());
    wait_until("a refusal", || journal.is_dir() && is_refused(&mut resp));
    settle(&server, &held, 1);
    assert_eq!(resp.ask(&["STOCK", "crowd", "tee"]).number(2), 0);
    drop(resp);
    std::fs::remove_file(&ballast).expect("someone else makes room");
    new_orders_are_taken_again(&house, server);
    drop(disk);
}
