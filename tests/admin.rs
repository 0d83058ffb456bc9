//! The operator's port of the whole program: a sale's life over HTTP beside buyers over RESP, what
//! a restart keeps, feeds, bounds, stops, and the command line over it.

use super::support::{resp, server};

#[path = "admin/bounds.rs"]
mod bounds;
#[path = "admin/command.rs"]
mod command;
#[path = "admin/http.rs"]
mod http;
#[path = "admin/life.rs"]
mod life;

/// Ten tees, two for each buyer; holds last.
const DROP: &str = r#"{"items":[{"sku":"tee","stock":10,"price":2500,"limit":2},
    {"sku":"cap","stock":1,"price":900}],"hold_ms":3600000}"#;
