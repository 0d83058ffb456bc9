//! Bytes and what they mean: RESP, the binary protocol and HTTP, requests one way and answers the
//! other.
//!
//! It knows no socket, no clock, no ring and no connection table, and it never allocates for a
//! request: requests are read where they lie, answers are appended to a buffer that the caller
//! keeps.
//!
//! Invariant: how a stream of bytes was cut into reads never changes what is read from it.

pub mod answers;
pub mod binary;
pub mod commands;
pub mod greeting;
pub mod http;
pub mod local;
pub mod resp;
mod scribe;
pub mod side;

pub use scribe::{push_decimal, push_moment};
