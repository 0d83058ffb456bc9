//! Feeds on a clock that stands still: how many events there are is counted, not timed.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures_util::stream::{Stream, StreamExt};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::super::feed::feed;
use super::super::health::{Phase, advance};
use super::super::office::Office;
use super::super::reading::OfSale;
use super::{Port, SALE};
use crate::limits::ADMIN_FEEDS_MAX;
use crate::operator::OperatorCommand;
use crate::sale::Name;

type Bytes = Pin<Box<dyn Stream<Item = String> + Send>>;

/// The feed as its bytes come.
async fn watch(office: &Arc<Office>) -> Bytes {
    let state = axum::extract::State(Arc::clone(office));
    let response = feed(state, OfSale(drop_())).await.unwrap_or_else(|why| panic!("{why:?}"));
    let bytes = response.into_body().into_data_stream();
    Box::pin(bytes.map(|bytes| String::from_utf8(bytes.expect("bytes").to_vec()).expect("text")))
}

fn drop_() -> Name {
    Name::parse(b"drop").expect("a name")
}

/// Event, id and data.
fn parts(text: &str) -> (String, u64, Value) {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).trim().to_owned()
    };
    let data = serde_json::from_str(&field("data:")).expect("JSON");
    (field("event:"), field("id:").parse().expect("a seq"), data)
}

async fn port() -> Port {
    let port = Port::open();
    assert_eq!(port.ask("PUT", "/v1/sales/drop", SALE).await.status, 201);
    port
}

fn price(port: &Port, price: u64) {
    let tee = Name::parse(b"tee").expect("a name");
    port.desk.decide(OperatorCommand::Price { sale: drop_(), item: tee, price }).expect("a price");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_then_what_changed_and_an_end() {
    let port = port().await;
    let mut feed = watch(&port.office).await;
    let (event, id, sale) = parts(&feed.next().await.expect("a snapshot"));
    assert_eq!((event.as_str(), id, &sale["items"][0]["price"]), ("snapshot", 1, &2500.into()));
    price(&port, 9);
    let (event, id, delta) = parts(&feed.next().await.expect("a delta"));
    assert_eq!((event.as_str(), id, &delta["items"][0]["price"]), ("delta", 1, &9.into()));
    assert!(delta.get("state").is_none(), "{delta}");
    port.desk.decide(OperatorCommand::Close { sale: drop_() }).expect("closed");
    let (_, _, delta) = parts(&feed.next().await.expect("a delta"));
    assert_eq!((&delta["state"], &delta["items"]), (&"closed".into(), &Value::Array(vec![])));
    port.desk.decide(OperatorCommand::Remove { sale: drop_() }).expect("removed");
    assert_eq!(parts(&feed.next().await.expect("the end")).0, "end");
    assert!(feed.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn never_more_than_ten_events_a_second_however_much_changes() {
    let port = port().await;
    let mut feed = watch(&port.office).await;
    let (start, mut events, mut newest) = (Instant::now(), 0, 0);
    // A change every millisecond for ten seconds.
    for number in 0..10_000_u64 {
        price(&port, 10_000 + number);
        let next = timeout(Duration::from_millis(1), feed.next()).await;
        if let Ok(Some(text)) = next {
            events += 1;
            newest = parts(&text).2["items"][0]["price"].as_u64().expect("a price");
        }
    }
    let tenths = start.elapsed().as_millis() / 100;
    assert!((50..=tenths + 1).contains(&events), "{events} events in {tenths} tenths");
    assert!(newest > 19_700, "the newest is told: {newest}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_the_newest_and_nothing_queues_up() {
    let port = port().await;
    let mut feed = watch(&port.office).await;
    feed.next().await.expect("a snapshot");
    for number in 0..50 {
        price(&port, number);
        sleep(Duration::from_millis(200)).await;
    }
    let (_, _, delta) = parts(&feed.next().await.expect("a delta"));
    assert_eq!(delta["items"][0]["price"], 49);
    let next = timeout(Duration::from_secs(10), feed.next()).await;
    assert!(next.is_err(), "one delta stands for all fifty: {next:?}");
    let quiet = timeout(Duration::from_secs(10), feed.next()).await;
    assert!(quiet.expect("a sign of life").expect("text").starts_with(':'));
}

#[tokio::test(start_paused = true)]
async fn one_poller_looks_for_all_and_none_for_nobody() {
    let port = port().await;
    let mut feeds = Vec::new();
    for _ in 0..20 {
        feeds.push(watch(&port.office).await);
    }
    let looks = |port: &Port| port.desk.looks.load(Relaxed);
    let before = looks(&port);
    sleep(Duration::from_secs(1)).await;
    assert!((9..=11).contains(&(looks(&port) - before)), "{} looks", looks(&port) - before);
    drop(feeds);
    sleep(Duration::from_secs(1)).await;
    let before = looks(&port);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(looks(&port), before);
    assert!(port.office.sights.lock().is_empty());
    let mut again = watch(&port.office).await;
    assert_eq!(parts(&again.next().await.expect("a snapshot")).0, "snapshot");
}

#[tokio::test(start_paused = true)]
async fn feeds_are_bounded_given_back_and_end_with_the_server() {
    let port = port().await;
    let mut feeds = Vec::new();
    for _ in 0..ADMIN_FEEDS_MAX {
        feeds.push(watch(&port.office).await);
    }
    let answer = port.ask("GET", "/v1/sales/drop/feed", "").await;
    let detail = answer.expect_problem(503, "overloaded");
    assert!(detail.contains("64 feeds"), "{detail}");
    feeds.truncate(1);
    let mut more = watch(&port.office).await;
    more.next().await.expect("a snapshot");
    let mut one = feeds.pop().expect("one is left");
    one.next().await.expect("a snapshot");
    advance(&port.office.phase, Phase::Draining);
    assert!(one.next().await.is_none() && more.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_last_event_id_does_no_harm() {
    let port = port().await;
    let mut request = axum::http::Request::builder().uri("/v1/sales/drop/feed");
    request = request.header("authorization", "Bearer r").header("last-event-id", "\u{e4}-7");
    let response = port.send(request.body(axum::body::Body::empty()).expect("a request")).await;
    assert_eq!(response.status(), 200);
    let mut bytes = response.into_body().into_data_stream();
    let first = bytes.next().await.expect("a snapshot").expect("bytes");
    assert!(first.starts_with(b"event: snapshot"), "{first:?}");
}
