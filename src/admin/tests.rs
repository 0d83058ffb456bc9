//! The router over a house that is only pretended: every path and every status of the document,
//! bad input of every kind, and feeds on a clock that stands still.

mod document;
mod feeds;
mod input;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use axum::response::Response;
use parking_lot::Mutex;
use serde_json::Value;
use tower::ServiceExt;

use super::access::{Access, AskAccess};
use super::desk::{Desk, Done, Refusal, WhenDone, WhenSeen};
use super::health::{Phase, advance};
use super::office::{House, Office};
use super::routes;
use crate::heads::Shelf;
use crate::operator::{ChannelView, DrawView, ItemView, OperatorCommand, SaleView, WaveView};
use crate::sale::{self, Name, Terms};
use crate::taps::{Ask, SinkView, Tell};

/// How the pretended house behaves.
const WELL: u8 = 0;
/// Its door is full.
const FULL: u8 = 1;
/// It never answers, as if it had stopped.
const DEAF: u8 = 2;

/// Sales as an operator sees them, without journal or matcher.
#[derive(Default)]
struct FakeDesk {
    sales: Mutex<BTreeMap<Name, (Terms, SaleView)>>,
    mood: AtomicU8,
    looks: AtomicUsize,
    seq: AtomicUsize,
}

impl FakeDesk {
    fn decide(&self, command: OperatorCommand) -> Result<Done, Refusal> {
        let refusal = |word| Refusal { word, amount: 0 };
        let mut sales = self.sales.lock();
        let name = *command.sale();
        if let OperatorCommand::Create(terms) = command {
            return match sales.get(&name) {
                Some((old, view)) if *old == terms => Ok(Done { seq: view.after, replayed: true }),
                Some(_) => Err(refusal("key_reused")),
                None => {
                    let done = self.done();
                    let view = view(&terms, done.seq);
                    sales.insert(name, (terms, view));
                    Ok(done)
                }
            };
        }
        let (_, view) = sales.get_mut(&name).ok_or(refusal("unknown_sale"))?;
        if let OperatorCommand::Remove { .. } = command {
            if view.state != sale::Phase::Closed {
                return Err(refusal("not_closed"));
            }
            sales.remove(&name);
            return Ok(self.done());
        }
        if view.state == sale::Phase::Closed {
            return Err(refusal("closed"));
        }
        let seq = self.seq.load(Relaxed) as u64 + 1;
        let skus: Vec<Name> = view.items.iter().map(|item| item.name).collect();
        let find = |sku: Name| {
            let place = skus.iter().position(|known| *known == sku);
            place.ok_or(refusal("unknown_item"))
        };
        match command {
            OperatorCommand::Open { .. } | OperatorCommand::Resume { .. } => {
                view.state = sale::Phase::Open
            }
            OperatorCommand::Pause { .. } => view.state = sale::Phase::Paused,
            OperatorCommand::Close { .. } => view.state = sale::Phase::Closed,
            OperatorCommand::Add { item: sku, units, .. } => {
                let item = &mut view.items[find(sku)?];
                (item.stock, item.free) = (item.stock + units, item.free + units);
            }
            OperatorCommand::Withdraw { item: sku, units, .. } => {
                let item = &mut view.items[find(sku)?];
                if item.free < units {
                    return Err(Refusal { word: "sold_out", amount: item.free });
                }
                (item.stock, item.free) = (item.stock - units, item.free - units);
            }
            OperatorCommand::Price { item: sku, price, .. } => view.items[find(sku)?].price = price,
            OperatorCommand::Aside { item: sku, aside, .. } => {
                let item = &mut view.items[find(sku)?];
                if item.free < aside.units {
                    return Err(Refusal { word: "sold_out", amount: item.free });
                }
                item.free -= aside.units;
                item.channels.push(ChannelView {
                    name: aside.channel,
                    set_aside: aside.units,
                    free: aside.units,
                    until: aside.until,
                    is_swept: false,
                });
            }
            OperatorCommand::Plan { item, units, at, .. } => {
                find(item)?;
                view.waves.push(WaveView { id: seq, item, units, at });
            }
            OperatorCommand::CallOff { wave, .. } => {
                let place = view.waves.iter().position(|known| known.id == wave);
                view.waves.remove(place.ok_or(refusal("unknown_wave"))?);
            }
            OperatorCommand::Draw { seed, .. } => {
                let draw = view.draw.as_mut().ok_or(refusal("no_draw"))?;
                draw.seed = Some(seed);
            }
            OperatorCommand::Create(_)
            | OperatorCommand::Remove { .. }
            | OperatorCommand::Sale { .. } => unreachable!("decided above"),
        }
        Ok(self.done())
    }

    fn done(&self) -> Done {
        Done { seq: self.seq.fetch_add(1, Relaxed) as u64 + 1, replayed: false }
    }
}

fn view(terms: &Terms, seq: u64) -> SaleView {
    let item = |item: &crate::sale::ItemTerms| ItemView {
        name: item.sku,
        stock: item.stock,
        free: item.stock,
        held: 0,
        confirmed: 0,
        waiting: 0,
        price: item.price,
        limit: item.limit,
        channels: Vec::new(),
    };
    SaleView {
        after: seq,
        name: terms.name,
        state: sale::Phase::Scheduled,
        opens_at: terms.opens_at,
        closes_at: terms.closes_at,
        hold_ms: terms.hold_ms,
        extend_ms: terms.extend_ms,
        limit: terms.limit,
        currency: terms.currency,
        offer_ms: terms.offer_ms,
        waitlist: terms.waitlist,
        is_strict: terms.is_strict,
        groups: terms.groups.clone(),
        draw: terms.draw.map(|draw| DrawView {
            at: draw.at,
            commitment: draw.commitment,
            state: sale::DrawState::Entering,
            entries: 0,
            seed: None,
        }),
        items: terms.items.iter().map(item).collect(),
        waves: Vec::new(),
    }
}

impl Desk for FakeDesk {
    fn command(&self, command: OperatorCommand, then: WhenDone) -> Result<(), Refusal> {
        match self.mood.load(Relaxed) {
            DEAF => {}
            FULL => return Err(Refusal { word: "overloaded", amount: 40 }),
            _ => then(self.decide(command)),
        }
        Ok(())
    }

    fn look(&self, sale: Name, then: WhenSeen) -> Result<(), Refusal> {
        self.looks.fetch_add(1, Relaxed);
        match self.mood.load(Relaxed) {
            DEAF => {}
            FULL => return Err(Refusal { word: "overloaded", amount: 40 }),
            _ => {
                let view = self.sales.lock().get(&sale).map(|(_, view)| view.clone());
                then(view.ok_or(Refusal { word: "unknown_sale", amount: 0 }));
            }
        }
        Ok(())
    }

    fn sinks(&self) -> Vec<SinkView> {
        vec![SinkView { name: "drop".to_owned(), kind: "file".to_owned(), ..SinkView::default() }]
    }

    /// There is a sink for each sale, which refuses everything when that is closed.
    fn ask_sink(&self, name: &str, _ask: Ask, tell: Tell) -> Option<Result<(), String>> {
        let sale = Name::parse(name.as_bytes()).expect("a name");
        let phase = self.sales.lock().get(&sale)?.1.state;
        match self.mood.load(Relaxed) {
            FULL => return Some(Err("too many questions".to_owned())),
            DEAF => {}
            _ if phase == sale::Phase::Closed => tell(Err("not now".to_owned())),
            _ => tell(Ok(self.sinks().remove(0))),
        }
        Some(Ok(()))
    }

    fn heads(&self) -> Shelf {
        Shelf::default()
    }

    fn names(&self) -> Vec<Name> {
        self.sales.lock().keys().rev().copied().collect()
    }
}

/// A port without sockets.
struct Port {
    desk: Arc<FakeDesk>,
    office: Arc<Office>,
    router: axum::Router,
}

/// An answer, read to its end.
struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|why| panic!("{why}: {}", self.text))
    }

    fn kind(&self) -> &str {
        self.headers.get("content-type").map_or("", |kind| kind.to_str().expect("ASCII"))
    }

    /// Asserts that it is a problem of this word, whole and consistent.
    #[track_caller]
    fn expect_problem(&self, status: u16, word: &str) -> String {
        assert_eq!(
            (self.status, self.kind()),
            (status, "application/problem+json"),
            "{}",
            self.text
        );
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:doorbuster:{word}"), "{}", self.text);
        assert_eq!(problem["status"], status);
        assert!(!problem["title"].as_str().expect("a title").is_empty());
        assert_eq!(self.headers.contains_key("retry-after"), status == 503);
        problem["detail"].as_str().expect("a detail").to_owned()
    }
}

/// `a` may everything, `r` look, `b` nothing here.
fn roles() -> AskAccess {
    Arc::new(|token| match token {
        Some("a") => Access::Admin,
        Some("r") => Access::Read,
        Some("b") => Access::Elsewhere,
        _ => Access::Unknown,
    })
}

impl Port {
    fn loading() -> Port {
        let (desk, office) = (Arc::<FakeDesk>::default(), Office::new());
        let router = routes::router(Arc::clone(&office), roles());
        Port { desk, office, router }
    }

    fn open() -> Port {
        let port = Port::loading();
        let desk = Arc::clone(&port.desk) as Arc<dyn Desk>;
        let house = House { desk, metrics: Box::new(|| "doorbuster_seq 0\n".to_owned()) };
        assert!(port.office.house.set(house).is_ok());
        advance(&port.office.phase, Phase::Ready);
        port
    }

    async fn send(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.expect("a router always answers")
    }

    /// Asks with the token of an admin.
    async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("authorization", "Bearer a");
        read(self.send(request.body(Body::from(body.to_owned())).expect("a request")).await).await
    }
}

async fn read(response: Response) -> Answer {
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 1 << 20).await.expect("a whole body");
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    Answer { status: parts.status.as_u16(), headers: parts.headers, text }
}

const SALE: &str = r#"{"items":[{"sku":"tee","stock":10,"price":2500,"limit":2}]}"#;
