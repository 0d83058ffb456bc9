//! What a shard is made of, and how it is told to treat its peers.
//!
//! Nothing here does anything. Invariant: all of it is given before the shard starts; what may
//! change later comes through what it follows.

use std::sync::{Arc, atomic::AtomicBool};

use crate::access::Access;
use crate::bell::Bell;
use crate::board::Board;
use crate::certificates::Certificates;
use crate::chains::Chains;
use crate::directory::Directory;
use crate::heads::Shelf;
use crate::journal::Gate;
use crate::limits::CONNECTION_IN_FLIGHT_MAX;
use crate::message::Cell;
use crate::metrics::Metrics;
use crate::news::News;
use crate::ring::{Reader, Writer};

/// How a shard treats its peers.
#[derive(Clone, Copy, Debug)]
pub struct ShardOptions {
    /// Connections of this shard; more are told so and closed.
    pub connections_max: usize,
    /// Requests that one connection may have on their way.
    pub connection_in_flight_max: u32,
    /// Bytes in the buffers of all connections above which only little is read, and only from
    /// connections that have taken all their answers.
    pub buffers_bytes_max: usize,
    /// A connection that says nothing for so long is closed, ms; 0 for never.
    pub idle_ms: u64,
    /// A request that is not whole after so long ends its connection, ms; 0 for never.
    pub request_ms: u64,
    /// A peer that takes nothing of its answers for so long is closed, ms; 0 for never.
    pub write_stall_ms: u64,
    /// A stream of events that has told nothing for so long is given a sign of life, ms.
    pub heartbeat_ms: u64,
    /// Whether peers without TLS are turned away.
    pub tls_required: bool,
}

impl Default for ShardOptions {
    fn default() -> ShardOptions {
        ShardOptions {
            connections_max: 16_384,
            connection_in_flight_max: CONNECTION_IN_FLIGHT_MAX as u32,
            buffers_bytes_max: 256 << 20,
            idle_ms: 300_000,
            request_ms: 10_000,
            write_stall_ms: 30_000,
            heartbeat_ms: 15_000,
            tls_required: false,
        }
    }
}

/// What a shard is made of.
pub struct ShardParts {
    /// Which one it is, from 0.
    pub index: usize,
    /// To the matcher.
    pub requests: Writer<Cell>,
    /// From the matcher: for every request one answer, in the same order, its head and tails
    /// published at once.
    pub replies: Reader<Cell>,
    /// What lets answers out.
    pub gate: Gate,
    /// What receipts are made of.
    pub chains: Chains,
    /// The signed heads.
    pub heads: Shelf,
    /// What is sold out.
    pub board: Board,
    /// Which orders have changed.
    pub news: News,
    /// Rung when there are requests.
    pub matcher_bell: Arc<Bell>,
    /// The names of sales and items.
    pub directory: Directory,
    /// Where it counts, at `shards[index]`; the others are read for `INFO`.
    pub metrics: Metrics,
    /// Monotonic ns.
    pub clock: fn() -> u64,
    /// Whether the journal is still being replayed.
    pub loading: Arc<AtomicBool>,
    /// For TLS; `None`: none is spoken.
    pub certificates: Option<Arc<Certificates>>,
    /// Who may do what.
    pub access: Access,
    /// How it treats its peers.
    pub options: ShardOptions,
}
