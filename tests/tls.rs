//! TLS on the buyers' one port, as rustls' own client sees it and as peers that mean harm do.

use super::support::{server, shard_house, tls};

#[path = "tls/bytes.rs"]
mod bytes;
#[path = "tls/crowds.rs"]
mod crowds;
#[path = "tls/program.rs"]
mod program;
#[path = "tls/trust.rs"]
mod trust;
