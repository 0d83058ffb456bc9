//! Buyers over HTTP, from socket to disk: the life of an order, each status, what the document
//! says, and every way in which a peer may send its requests, on the port that RESP is spoken on
//! too.

use super::support::{http_peer as peer, resp, server};

#[path = "http/document.rs"]
mod document;
#[path = "http/life.rs"]
mod life;
#[path = "http/manners.rs"]
mod manners;
#[path = "http/provoking.rs"]
mod provoking;
#[path = "http/schema.rs"]
mod schema;
#[path = "http/statuses.rs"]
mod statuses;

/// Ten tees, two for each buyer; one cap; four units in all for each buyer. Holds last.
const DROP: &str = r#"
name = "drop"
currency = "EUR"
limit = 4
hold_ms = 3600000
items = [
    { sku = "tee", stock = 10, price = 2500, limit = 2 },
    { sku = "cap", stock = 1, price = 900 },
]
"#;

/// Enough for everyone, and no limits.
const CROWD: &str = r#"
name = "crowd"
hold_ms = 3600000
items = [{ sku = "tee", stock = 1000000, price = 2500 }]
"#;
