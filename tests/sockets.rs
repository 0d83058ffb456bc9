//! The whole program from socket to disk, over real ports: the life of an order as an independent
//! client sees it, both protocols on one port, peers that mean harm, stops, and what the program
//! says when it cannot go on.

use super::support::{resp, server};

#[path = "sockets/both.rs"]
mod both;
#[path = "sockets/drain.rs"]
mod drain;
#[path = "sockets/hostile.rs"]
mod hostile;
#[path = "sockets/life.rs"]
mod life;
#[path = "sockets/looking.rs"]
mod looking;
#[path = "sockets/program.rs"]
mod program;
#[path = "sockets/pushes.rs"]
mod pushes;
#[path = "sockets/service.rs"]
mod service;
#[path = "sockets/sold_out.rs"]
mod sold_out;
#[path = "sockets/waiting.rs"]
mod waiting;

/// Ten tees, two for each buyer; one cap; four units in all for each buyer. Holds last.
const DROP: &str = r#"
name = "drop"
limit = 4
hold_ms = 3600000
items = [
    { sku = "tee", stock = 10, price = 2500, limit = 2 },
    { sku = "cap", stock = 1, price = 900 },
    { sku = "pin", stock = 1000000, price = 100 },
]
"#;

/// Enough for everyone, and no limits.
const CROWD: &str = r#"
name = "crowd"
hold_ms = 3600000
items = [{ sku = "tee", stock = 1000000, price = 2500 }]
"#;
