//! A sale's feed: server-sent events, first a snapshot, then what changed, never more than ten a
//! second. One poller looks at a sale for all who watch it, and there is none when nobody does.
//!
//! A reader compares what it sent last with the newest sight when there is room to send, so one
//! that is slow misses what lay between and nothing queues up for it. Never a buyer's name.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{Stream, unfold};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::desk::Refusal;
use super::health::{Phase, reaches};
use super::office::Office;
use super::problem::Problem;
use super::reading::OfSale;
use super::show::{Delta, Shown};
use crate::limits::ADMIN_FEEDS_MAX;
use crate::sale::Name;

/// Between two looks at a sale, and between two events of a feed.
const GAP: Duration = Duration::from_millis(100);
/// Until the first sight of a sale.
const PATIENCE: Duration = Duration::from_secs(5);
/// After so long without an event a comment says that the feed still lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What a poller sees.
#[derive(Clone, Debug)]
pub(super) enum Sight {
    /// Nothing so far.
    Nothing,
    /// The sale.
    Sale(Arc<Shown>),
    /// That there is no such sale.
    Gone,
}

/// `GET /v1/sales/{sale}/feed`. A `Last-Event-ID` is not needed: the snapshot makes up for all.
pub(super) async fn feed(
    State(office): State<Arc<Office>>,
    OfSale(sale): OfSale,
) -> Result<Response, Problem> {
    let events = events(&office, sale).await?;
    let quiet = KeepAlive::new().interval(KEEP_ALIVE).text("still here");
    let response = Sse::new(events).keep_alive(quiet);
    // For proxies that would collect events before they pass them on.
    Ok(([(header::HeaderName::from_static("x-accel-buffering"), "no")], response).into_response())
}

/// The events of one feed.
pub(super) async fn events(
    office: &Arc<Office>,
    sale: Name,
) -> Result<impl Stream<Item = Result<Event, Infallible>> + use<>, Problem> {
    office.house()?;
    let place = Arc::clone(&office.feeds).try_acquire_owned().map_err(|_| {
        Problem::new("overloaded", format!("all {ADMIN_FEEDS_MAX} feeds are taken; close one"))
    })?;
    let mut sight = watched(office, sale);
    let something = sight.wait_for(|sight| !matches!(sight, Sight::Nothing));
    match timeout(PATIENCE, something).await {
        Ok(Ok(sight)) if matches!(*sight, Sight::Gone) => {
            let refusal = Refusal { word: "unknown_sale", amount: 0 };
            return Err(Problem::refused(refusal, sale.as_str(), None));
        }
        Ok(Ok(_)) => {}
        _ => return Err(Problem::new("overloaded", "the sale could not be seen in time")),
    }
    let reader = Reader {
        sight,
        phase: office.phase.subscribe(),
        sent: None,
        next_at: Instant::now(),
        _place: place,
    };
    Ok(unfold(Some(reader), |reader| async {
        let (event, reader) = reader?.next().await?;
        Some((Ok(event), reader))
    }))
}

/// One who watches.
struct Reader {
    sight: watch::Receiver<Sight>,
    phase: watch::Receiver<Phase>,
    sent: Option<Arc<Shown>>,
    next_at: Instant,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    /// The next event, and who reads on after it; `None` when the server stops.
    async fn next(mut self) -> Option<(Event, Option<Reader>)> {
        loop {
            if self.sent.is_some() {
                tokio::select! {
                    biased;
                    () = reaches(&mut self.phase, Phase::Draining) => return None,
                    changed = self.sight.changed() => changed.ok()?,
                }
                sleep_until(self.next_at).await;
            }
            let newest = self.sight.borrow_and_update().clone();
            let event = match (&newest, &self.sent) {
                (Sight::Nothing, _) => continue,
                (Sight::Gone, sent) => {
                    let seq = sent.as_ref().map_or(0, |sale| sale.seq);
                    return Some((event("end", seq, &serde_json::json!({ "seq": seq })), None));
                }
                (Sight::Sale(sale), None) => event("snapshot", sale.seq, &**sale),
                (Sight::Sale(sale), Some(sent)) => {
                    let Some(delta) = Delta::between(sent, sale) else { continue };
                    event("delta", delta.seq, &delta)
                }
            };
            if let Sight::Sale(sale) = newest {
                self.sent = Some(sale);
            }
            self.next_at = Instant::now() + GAP;
            return Some((event, Some(self)));
        }
    }
}

fn event(kind: &str, seq: u64, data: &impl Serialize) -> Event {
    let data = serde_json::to_string(data).expect("numbers and text become JSON");
    Event::default().event(kind).id(seq.to_string()).data(data)
}

/// The sight of a sale, with somebody who looks.
fn watched(office: &Arc<Office>, sale: Name) -> watch::Receiver<Sight> {
    let mut sights = office.sights.lock();
    if let Some(sight) = sights.get(&sale) {
        return sight.subscribe();
    }
    let (sight, seen) = watch::channel(Sight::Nothing);
    sights.insert(sale, sight.clone());
    tokio::spawn(poll(Arc::clone(office), sale, sight));
    seen
}

/// Looks at a sale until nobody wants to know, or there is no such sale.
async fn poll(office: Arc<Office>, sale: Name, sight: watch::Sender<Sight>) {
    loop {
        let gone = match look(&office, sale).await {
            Some(Sight::Sale(new)) => {
                sight.send_if_modified(|sight| {
                    let changed = match &*sight {
                        Sight::Sale(old) => Delta::between(old, &new).is_some(),
                        _ => true,
                    };
                    *sight = Sight::Sale(Arc::clone(&new));
                    changed
                });
                false
            }
            Some(_) => {
                sight.send_replace(Sight::Gone);
                true
            }
            // The house is busy: it is looked at again later.
            None => false,
        };
        // Whoever subscribes does so under the same lock, so nobody is left without a poller.
        let mut sights = office.sights.lock();
        if gone || sight.receiver_count() == 0 {
            sights.remove(&sale);
            return;
        }
        drop(sights);
        sleep(GAP).await;
    }
}

/// One look; `None` if no answer came.
async fn look(office: &Office, sale: Name) -> Option<Sight> {
    let (sender, answer) = oneshot::channel();
    let desk = &office.house.get()?.desk;
    desk.look(sale, Box::new(move |seen| _ = sender.send(seen))).ok()?;
    match timeout(PATIENCE, answer).await.ok()?.ok()? {
        Ok(view) => Some(Sight::Sale(Arc::new(Shown::from(&view)))),
        Err(Refusal { word: "unknown_sale", .. }) => Some(Sight::Gone),
        Err(_) => None,
    }
}
