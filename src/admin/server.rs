//! The port's sockets: accepts, bounds, deadlines. One task a connection, so nobody waits for a
//! slow one; above the bound a spare connection is told of health and nothing else.
//!
//! It never looks into a request. A handshake (TLS) can be put between socket and HTTP.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutWriter;

use super::health::{Phase, reaches};
use crate::limits::{ADMIN_CONNECTIONS_MAX, ADMIN_CONNECTIONS_SPARE, ADMIN_HEAD_BYTES_MAX};

/// Time for a request's head to arrive, and so for a connection to say nothing.
pub(super) const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// Time for a peer to take what waits for it.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);
/// Time for answers under way when the port closes.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// After a failed accept: there may be no descriptors for a moment.
const REST: Duration = Duration::from_millis(50);

/// Bytes both ways, whatever lies below.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A handshake under way.
pub type Shaking = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send>>;

/// What comes between a socket and its first request.
pub type Handshake = Arc<dyn Fn(TcpStream) -> Shaking + Send + Sync>;

/// Nothing between them.
pub fn plain() -> Handshake {
    Arc::new(|socket| Box::pin(async { Ok(Box::new(socket) as Box<dyn Stream>) }))
}

/// Serves until the phase is [`Phase::Stopping`].
pub(super) async fn serve(
    listener: TcpListener,
    handshake: Handshake,
    (router, health_only): (Router, Router),
    mut phase: watch::Receiver<Phase>,
) {
    let places = Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX));
    let spare = Arc::new(Semaphore::new(ADMIN_CONNECTIONS_SPARE));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = reaches(&mut phase, Phase::Stopping) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((socket, _)) = accepted else {
            sleep(REST).await;
            continue;
        };
        // Answers are small and awaited; without it they would only come later.
        let _ = socket.set_nodelay(true);
        let (place, router) = match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => (place, router.clone()),
            Err(_) => match Arc::clone(&spare).try_acquire_owned() {
                Ok(place) => (place, health_only.clone()),
                Err(_) => continue,
            },
        };
        let (handshake, phase) = (Arc::clone(&handshake), phase.clone());
        connections.spawn(async move {
            if let Ok(Ok(stream)) = timeout(HEAD_DEADLINE, handshake(socket)).await {
                converse(stream, router, phase).await;
            }
            drop(place);
        });
    }
    drop(listener);
    let last = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(LAST_ANSWERS, last).await;
}

/// One connection to its end.
async fn converse(stream: Box<dyn Stream>, router: Router, mut phase: watch::Receiver<Phase>) {
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(WRITE_DEADLINE));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(ADMIN_HEAD_BYTES_MAX);
    let service = TowerToHyperService::new(router);
    let mut connection = pin!(http.serve_connection(TokioIo::new(Box::pin(stream)), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = reaches(&mut phase, Phase::Stopping) => connection.as_mut().graceful_shutdown(),
    }
    // How it ends is the peer's affair.
    let _ = connection.await;
}
