//! A receiver of webhooks, as a shop would have one: it checks that a message was signed with the
//! secret that both sides know, that it is fresh, and that it has not taken it before, and answers.
//!
//! ```text
//! cargo run --example receiver [ADDRESS] [FILE WITH THE SECRET]
//! ```
//!
//! A real one would keep the ids in its database, in the transaction that does what is to be done;
//! here they live as long as the program.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

/// How old a message may be, s: what was overheard cannot be sent again later.
const AGE_MAX: u64 = 300;

struct Shop {
    key: Vec<u8>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    ids: HashSet<String>,
    units: u64,
    minor_units: u64,
    last: String,
}

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let address = words.next().unwrap_or_else(|| "127.0.0.1:7410".to_owned());
    let path = words.next().unwrap_or_else(|| "examples/sinks/secret".to_owned());
    let secret = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    let key = secret.trim().strip_prefix("whsec_").context("the secret begins with whsec_")?;
    let shop = Arc::new(Shop { key: STANDARD.decode(key)?, taken: Mutex::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(&address).await.context(address)?;
        println!("listening on {}", listener.local_addr()?);
        tokio::spawn(tell(Arc::clone(&shop)));
        let router = Router::new().route("/orders", post(take)).with_state(shop);
        loop {
            let (socket, _) = listener.accept().await?;
            let service = hyper_util::service::TowerToHyperService::new(router.clone());
            tokio::spawn(async move {
                let http = hyper::server::conn::http1::Builder::new();
                // How a connection ends is the sender's affair.
                let socket = hyper_util::rt::TokioIo::new(socket);
                let _ = http.serve_connection(socket, service).await;
            });
        }
    })
}

/// What a message is worth: 204 if we have it, whether from now or from before.
async fn take(State(shop): State<Arc<Shop>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !is_signed(&shop.key, &headers, &body) {
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut taken = shop.taken.lock().expect("nobody panics with it");
    match message {
        Value::Array(events) => events.iter().for_each(|event| taken.take(event)),
        event => taken.take(&event),
    }
    StatusCode::NO_CONTENT
}

/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
fn is_signed(key: &[u8], headers: &HeaderMap, body: &[u8]) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(id), Some(time), Some(signatures)) =
        (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"))
    else {
        return false;
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    if !time.parse().is_ok_and(|time| now.as_secs().abs_diff(time) <= AGE_MAX) {
        return false;
    }
    let is_good = |signature: &str| {
        let signature = signature.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
        let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
        let mac = mac.chain_update(format!("{id}.{time}.")).chain_update(body);
        signature.is_some_and(|signature| mac.verify_slice(&signature).is_ok())
    };
    signatures.split(' ').any(is_good)
}

impl Taken {
    fn take(&mut self, event: &Value) {
        let id = event["id"].as_str().unwrap_or_default();
        // A message may come twice; an order is packed once.
        if !self.ids.insert(id.to_owned()) {
            return;
        }
        let lines = event["data"]["lines"].as_array().into_iter().flatten();
        self.units += lines.map(|line| line["units"].as_u64().unwrap_or(0)).sum::<u64>();
        self.minor_units += event["data"]["total"].as_u64().unwrap_or(0);
        let word = |value: &Value| value.as_str().unwrap_or("?").to_owned();
        self.last = format!("order {} {}", word(&event["subject"]), word(&event["data"]["change"]));
    }
}

/// Says now and then how much there is, as long as it grows.
async fn tell(shop: Arc<Shop>) {
    let mut told = 0;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let taken = shop.taken.lock().expect("nobody panics with it");
        if taken.ids.len() > told {
            told = taken.ids.len();
            let (units, amount) = (taken.units, taken.minor_units as f64 / 100.0);
            println!("{told} events, {units} units, {amount:.2}; the last: {}", taken.last);
        }
    }
}
