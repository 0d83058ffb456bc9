//! TLS on the buyers' one port, as rustls' own client sees it and as peers that mean harm do.

#[path = "support/server.rs"]
#[allow(dead_code, reason = "every test takes what it needs of it")]
mod server;
#[path = "support/shard_house.rs"]
#[allow(dead_code, reason = "every test takes what it needs of it")]
mod shard_house;
#[path = "support/tls.rs"]
#[allow(dead_code, reason = "every test takes what it needs of it")]
mod tls;

#[path = "tls/bytes.rs"]
mod bytes;
#[path = "tls/crowds.rs"]
mod crowds;
#[path = "tls/program.rs"]
mod program;
#[path = "tls/trust.rs"]
mod trust;
