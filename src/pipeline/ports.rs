//! The buyers' port as a shard gets it, and what wakes a thread. It starts nothing.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use crossbeam::sync::Parker;
use socket2::{Domain, Protocol, Socket, Type};

use super::StartError;
use crate::bell::Bell;
use crate::options::Options;
use crate::shard::ShardOptions;

/// Peers that may knock before they are let in.
const BACKLOG: i32 = 4096;

/// How each shard treats its peers.
pub(super) fn shard_options(options: &Options) -> ShardOptions {
    ShardOptions {
        connections_max: options.connections_max.div_ceil(options.shards),
        idle_ms: options.idle_ms,
        request_ms: options.request_ms,
        write_stall_ms: options.write_stall_ms,
        tls_required: options.tls_required,
        ..ShardOptions::default()
    }
}

/// A bell that wakes whoever is parked there.
pub(super) fn bell_of(parker: &Parker) -> Arc<Bell> {
    let unparker = parker.unparker().clone();
    Arc::new(Bell::new(move || unparker.unpark()))
}

/// Opens the buyers' port.
pub(super) fn listen(address: SocketAddr) -> Result<std::net::TcpListener, StartError> {
    let open = || -> io::Result<std::net::TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    open().map_err(|source| StartError::Listen { address, source })
}
