//! Orders that are watched, told by a shard between real sockets and a matcher that the test plays
//! itself, answer by answer: what is asked when, and what a peer hears of it.

#[path = "shard_pushes/house.rs"]
mod house;
use super::support::shard_house;

use std::time::Duration;

use doorbuster::limits::{
    CONNECTION_WATCHES_MAX, NEWS_MAX, OUT_BYTES_HIGH, WATCHES_ASKED_MAX, WATCHES_MAX,
};
use doorbuster::message::{CELL_BYTES, Cell, Head, Reply, kind, outcome};
use doorbuster::shard::ShardOptions;
use house::{House, Peer, STREAM, crowd, reply};
use shard_house::{QUICK, resp};

#[test]
fn news_stand_between_whole_answers_and_only_changes_are_told() {
    let mut house = House::open(QUICK);
    let peer = &mut house.waiting();
    house.says_nothing(peer);
    house.tell(8);
    house.asks_nothing();
    peer.send([resp("CONFIRM drop 1"), resp("PING"), resp("CONFIRM drop 2")].concat());
    house.tell(7);
    let asked = house.questions(2);
    let kinds = asked.iter().map(|head| head.kind).collect::<Vec<_>>();
    for kind in &kinds {
        match *kind {
            kind::ORDER => house.show(7, outcome::HELD, 0),
            _ => house.reply(1, outcome::CONFIRMED, 0),
        }
    }
    house.questions(1);
    house.reply(2, outcome::CONFIRMED, 0);
    let push = ">8 $5 order $4 drop :7 $4 held :0 :1 :2500 :1000 ";
    let first = "*3 $9 confirmed :1 :9 ";
    let pong = "+PONG ";
    let last = "*3 $9 confirmed :2 :9 ";
    if kinds[0] == kind::ORDER {
        house.says(peer, &format!("{push}{first}{pong}{last}"));
    } else {
        house.says(peer, &format!("{first}{push}{pong}{last}"));
    }
    // It is heard to the end of its hold, and then no more.
    house.tell(7);
    house.asks_for(7);
    house.tell(7);
    house.show(7, outcome::HELD, 0);
    house.asks_for(7);
    house.show(7, outcome::EXPIRED, 0);
    house.says(peer, ">8 $5 order $4 drop :7 $7 expired :0 :1 :2500 :0 ");
    house.tell(7);
    house.asks_nothing();
    assert_eq!(house.metrics.shards[0].watches.value(), 0);
    assert_eq!(house.metrics.shards[0].pushes.value(), 2);
    assert_eq!(house.metrics.shards[0].requests.value(), 3);
}

#[test]
fn nothing_is_pushed_before_it_is_durable() {
    let mut house = House::open(QUICK);
    let peer = &mut house.waiting();
    house.tell(7);
    house.asks_for(7);
    house.show(7, outcome::HELD, 10);
    house.says_nothing(peer);
    // What comes behind it waits for it.
    peer.send(resp("CONFIRM drop 1"));
    house.questions(1);
    house.reply(1, outcome::CONFIRMED, 0);
    house.says_nothing(peer);
}

#[test]
fn who_speaks_resp2_or_goes_back_to_it_is_told_only_what_it_asks() {
    let mut house = House::open(QUICK);
    let mut old = house.connect(resp("BUY drop tee u1 k1 WAIT"));
    house.questions(1);
    house.reply(7, outcome::WAITING, 0);
    house.says(&mut old, "*7 $7 waiting :7 :9 :1 :2500 :0 :3 ");
    house.tell(7);
    house.asks_nothing();
    let mut peer = house.waiting();
    peer.send(resp("RESET"));
    house.says(&mut peer, "+RESET ");
    house.tell(7);
    house.asks_for(7);
    house.show(7, outcome::HELD, 0);
    house.says_nothing(&mut peer);
    assert_eq!(house.metrics.shards[0].watches.value(), 0);
}

#[test]
fn a_shard_that_missed_news_asks_for_all_that_it_watches() {
    let mut house = House::open(QUICK);
    let peer = &mut house.waiting();
    house.rest();
    for order in 0..=NEWS_MAX as u64 {
        house.news.tell(1_000 + order);
    }
    house.news.publish();
    house.asks_for(7);
    house.show(7, outcome::LEFT, 0);
    house.says(peer, ">8 $5 order $4 drop :7 $4 left :0 :1 :2500 :0 ");
}

#[test]
fn a_connection_watches_only_so_many_orders() {
    let mut house = House::open(QUICK);
    let count = CONNECTION_WATCHES_MAX + 1;
    let mut peer = crowd(&mut house, count);
    assert_eq!(house.metrics.shards[0].watches.value(), u64::from(CONNECTION_WATCHES_MAX));
    house.tell(count.into());
    house.asks_nothing();
    house.tell(1);
    house.asks_for(1);
    house.show(1, outcome::HELD, 0);
    let cell = house.hears(&mut peer, CELL_BYTES);
    let cell = Cell(*cell.first_chunk().expect("a cell"));
    let expected = Reply { kind: kind::NEWS, seq: 0.into(), ..reply(1, outcome::HELD, 0) };
    assert_eq!(*cell.reply(), expected);
    // Its places are free again when it is gone, also with a question on its way.
    house.tell(2);
    house.asks_for(2);
    drop(peer);
    house.until("the end", |house| (house.shard.connections() == 0).then_some(()));
    house.show(2, outcome::HELD, 0);
    house.tell(3);
    house.asks_nothing();
    assert_eq!(house.metrics.shards[0].watches.value(), 0);
    house.waiting();
}

#[test]
fn when_as_many_orders_are_watched_as_may_be_a_stream_is_refused_and_a_purchase_is_not() {
    let mut house = House::open(ShardOptions { connections_max: 100, ..QUICK });
    let connections = WATCHES_MAX as u32 / CONNECTION_WATCHES_MAX;
    let crowds: Vec<Peer> =
        (0..connections).map(|_| crowd(&mut house, CONNECTION_WATCHES_MAX)).collect();
    assert_eq!(house.metrics.shards[0].watches.value(), WATCHES_MAX as u64);
    let mut peer = house.connect(STREAM.replace("/7/", "/100007/"));
    house.asks_for(100_007);
    house.show(100_007, outcome::WAITING, 0);
    let words = house.last_words(&mut peer);
    assert!(words.starts_with("HTTP/1.1 503 ") && words.contains("\r\nRetry-After: "), "{words}");
    assert!(words.contains("urn:doorbuster:overloaded"), "{words}");
    let mut peer = house.connect([resp("HELLO 3"), resp("BUY drop tee u1 k1 WAIT")].concat());
    house.questions(1);
    house.reply(100_007, outcome::WAITING, 0);
    house.until("an answer", |_| {
        peer.listen();
        peer.heard.ends_with(b":3\r\n").then_some(())
    });
    house.tell(100_007);
    house.asks_nothing();
    // One change of an order that all of them watch is asked for by each.
    house.tell(1);
    house.questions(connections as usize);
    drop(crowds);
}

#[test]
fn a_peer_that_never_reads_is_asked_for_no_more_and_hears_the_newest_when_it_does() {
    const COUNT: u64 = CONNECTION_WATCHES_MAX as u64;
    let mut house = House::open(QUICK);
    let mut peer = crowd(&mut house, CONNECTION_WATCHES_MAX);
    let (mut rounds, mut told) = (0_u64, 0);
    // In the kernel's hands and a little more, never all.
    loop {
        rounds += 1;
        assert!(rounds < 20_000, "told without end");
        (1..=COUNT).for_each(|order| house.news.tell(order));
        house.news.publish();
        let mut asked = Vec::new();
        for _ in 0..20 {
            house.shard.work();
            asked.extend(house.asked());
        }
        if asked.is_empty() {
            break;
        }
        for head in asked {
            let held = Reply { expires_at: rounds.into(), ..reply(head.order(), outcome::HELD, 0) };
            let head = Head { sale: 1.into(), item: 1.into(), ..Head::new(kind::BUY) };
            house.replies.push(Reply { tails: 1, ..held }.into());
            house.replies.push(head.into());
            told += CELL_BYTES;
        }
        house.replies.publish();
        house.rest();
    }
    let sent = house.metrics.shards[0].bytes_out.value() as usize;
    let most = sent + OUT_BYTES_HIGH + WATCHES_ASKED_MAX * CELL_BYTES;
    assert!(told <= most, "{told} told, {sent} sent");
    // Now it reads, and hears how its orders stand.
    let mut last = vec![0; COUNT as usize + 1];
    let mut ended = 0;
    house.until("the newest of all", |house| {
        for head in house.asked() {
            house.show(head.order(), outcome::EXPIRED, 0);
        }
        peer.listen();
        let whole = peer.heard.len() / CELL_BYTES * CELL_BYTES;
        for cell in peer.heard.drain(..whole).collect::<Vec<u8>>().chunks(CELL_BYTES) {
            let cell = Cell(*cell.first_chunk().expect("a cell"));
            let news = cell.reply();
            assert_eq!((cell.kind(), news.tag.to_native()), (kind::NEWS, 0));
            let place = &mut last[news.order.to_native() as usize];
            let at =
                if news.outcome == outcome::EXPIRED { u64::MAX } else { news.expires_at.into() };
            assert!(at > *place, "told again, or an older state");
            *place = at;
            ended += usize::from(at == u64::MAX);
        }
        (ended == COUNT as usize).then_some(())
    });
    assert_eq!(house.metrics.shards[0].watches.value(), 0);
}

#[test]
fn a_stream_tells_each_change_and_ends_with_the_order() {
    let mut house = House::open(ShardOptions { idle_ms: 100, request_ms: 100, ..QUICK });
    // Whatever is said behind is heard by nobody.
    let mut peer = house.streaming(&format!("{STREAM}GET"));
    house.asks_nothing();
    std::thread::sleep(Duration::from_millis(150));
    house.rest();
    peer.send("more");
    house.says_nothing(&mut peer);
    house.tell(7);
    house.asks_for(7);
    house.show(7, outcome::HELD, 0);
    let event = house.until("an event", |_| {
        peer.listen();
        peer.heard.ends_with(b"\n\n").then(|| std::mem::take(&mut peer.heard))
    });
    let event = String::from_utf8(event).expect("ASCII");
    assert!(event.contains("\"state\":\"held\"") && event.starts_with("id: 0\nevent: order\n"));
    house.tell(7);
    house.asks_for(7);
    house.show(7, outcome::CONFIRMED, 0);
    let event = house.last_words(&mut peer);
    assert!(event.contains("\"state\":\"confirmed\"") && event.ends_with("\n\n"), "{event}");
    assert_eq!(house.metrics.shards[0].watches.value(), 0);
}

#[test]
fn a_silent_stream_shows_signs_of_life_and_ends_when_its_peer_or_the_house_does() {
    let mut house = House::open(ShardOptions { heartbeat_ms: 30, ..QUICK });
    let mut peer = house.streaming("");
    house.until("two heartbeats", |_| {
        peer.listen();
        (peer.heard.len() >= 6).then_some(())
    });
    assert!(peer.heard.starts_with(b":\n\n:\n\n"));
    drop(peer);
    house.until("the end", |house| (house.shard.connections() == 0).then_some(()));
    house.asks_nothing();
    assert_eq!(house.metrics.shards[0].watches.value(), 0);

    let mut peer = house.streaming("");
    // One whose first answer is still to come when the house closes is told it, and that is all.
    let mut late = house.connect(STREAM);
    house.asks_for(7);
    house.shard.drain();
    let words = house.last_words(&mut peer);
    assert!(words.replace(":\n\n", "").is_empty(), "{words}");
    assert!(!house.shard.is_drained());
    house.show(7, outcome::WAITING, 0);
    assert!(house.last_words(&mut late).ends_with("\n\n"));
    assert!(house.shard.is_drained());
}

#[test]
fn who_wants_no_stream_gets_its_head_and_an_unknown_order_is_a_problem() {
    let mut house = House::open(QUICK);
    let mut peer = house.connect(STREAM.replace("GET", "HEAD"));
    house.asks_for(7);
    house.show(7, outcome::WAITING, 0);
    let words = house.last_words(&mut peer);
    assert!(words.contains("Content-Type: text/event-stream\r\n") && words.ends_with("\r\n\r\n"));
    let mut peer = house.connect(STREAM);
    house.asks_for(7);
    house.replies.push(reply(0, outcome::UNKNOWN_ORDER, 0).into());
    house.replies.publish();
    let words = house.last_words(&mut peer);
    assert!(words.starts_with("HTTP/1.1 404 ") && words.contains("urn:doorbuster:unknown_order"));
    // One that is over is told once.
    let mut peer = house.connect(STREAM);
    house.asks_for(7);
    house.show(7, outcome::RELEASED, 0);
    assert!(house.last_words(&mut peer).contains("\"state\":\"released\""));
    house.asks_nothing();
}
