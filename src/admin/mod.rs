//! The operator's port: HTTP for those who run sales, on one thread of its own. It tells of health
//! from the first moment, and asks the house behind it ([`Desk`]) once that is ready.
//!
//! It never decides, and holds no state of a sale but the newest sight of those that somebody
//! watches. What it does to a sale is an ordinary command with its place in the order of arrival.

mod access;
pub mod desk;
mod feed;
mod health;
mod office;
mod page;
mod problem;
mod reading;
mod reception;
mod routes;
mod server;
pub mod show;
mod sinks;
mod tls;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

pub use access::{Access, AskAccess, open_to_all};
pub use desk::Desk;
pub use office::RenderMetrics;
pub use reception::Reception;
pub use server::{Handshake, Shaking, Stream, plain};
pub use tls::tls;

use health::{Phase, advance};
use office::{House, Office};

/// What the port is made of.
pub struct AdminParts {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who may what.
    pub access: AskAccess,
    /// What comes before HTTP.
    pub handshake: Handshake,
}

/// A port that is served. Dropped, it is served until the process ends.
pub struct Admin {
    address: SocketAddr,
    office: Arc<Office>,
    thread: JoinHandle<()>,
}

impl Admin {
    /// Opens the port and serves it: until [`open`](Self::open) it says that the server is loading.
    ///
    /// # Errors
    /// As the system says of the port or the thread.
    pub fn start(parts: AdminParts) -> io::Result<Admin> {
        let listener = std::net::TcpListener::bind(parts.listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let office = Office::new();
        let router = routes::router(Arc::clone(&office), parts.access);
        let health_only = routes::health_only(Arc::clone(&office));
        let phase = office.phase.subscribe();
        let thread = thread::Builder::new().name("admin".to_owned()).spawn(move || {
            let routers = (router, health_only);
            runtime.block_on(server::serve(listener, parts.handshake, routers, phase));
        })?;
        Ok(Admin { address, office, thread })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The house is ready: from now on it is asked.
    ///
    /// # Panics
    /// If it was called before: there is one house.
    pub fn open(&self, desk: Arc<dyn Desk>, metrics: RenderMetrics) {
        let first = self.office.house.set(House { desk, metrics }).is_ok();
        assert!(first, "there is one house");
        advance(&self.office.phase, Phase::Ready);
    }

    /// The server stops: `/readyz` says so, feeds end, the house is not asked any more.
    pub fn drain(&self) {
        advance(&self.office.phase, Phase::Draining);
    }

    /// Closes the port and ends its thread.
    pub fn stop(self) {
        advance(&self.office.phase, Phase::Stopping);
        if let Err(panic) = self.thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}
