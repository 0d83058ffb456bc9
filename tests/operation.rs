//! What operators and crowds do to the real program, over HTTP and RESP: stops and kills under
//! load, idle crowds, overload, changes of options under load, and who may do what.

use super::support::{http_peer as peer, resp, server, tls};

#[path = "operation/buyers.rs"]
mod buyers;
#[path = "operation/crowd.rs"]
mod crowd;
#[path = "operation/overload.rs"]
mod overload;
#[path = "operation/reload.rs"]
mod reload;
#[path = "operation/roles.rs"]
mod roles;
#[path = "operation/stop.rs"]
mod stop;
#[path = "operation/tickets.rs"]
mod tickets;

/// Enough for everyone, and no limits. Holds last.
const CROWD: &str = r#"
name = "crowd"
hold_ms = 3600000
items = [{ sku = "tee", stock = 1000000, price = 2500 }]
"#;
