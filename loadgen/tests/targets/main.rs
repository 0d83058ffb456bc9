//! The program against targets of every kind: the real server, a shop whose answers come badly, and
//! strangers.

mod doorbuster;
mod house;
mod http;
mod program;
mod relay;
mod strangers;
#[path = "../support/mod.rs"]
mod support;

/// Every one that is spoken; TLS goes around each.
const PROTOCOLS: [&str; 3] = ["binary", "resp", "http"];
