//! What the crowd shares: the hall it stands in, with a sign that says where the server is, and the
//! form in which everybody notes what was asked and answered. The notes are the evidence that the
//! checks hold against the journal, so they are taken here, on the buyers' side of the sockets.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use doorbuster::client::{Item, OrderAnswer, Refusal};
use parking_lot::{Condvar, Mutex};

use super::plan::{self, Buyer};

/// What all visitors share.
pub(super) struct Hall {
    pub(super) opened: Instant,
    pub(super) crowd: Vec<Buyer>,
    /// By index of the ware.
    pub(super) items: Vec<Item>,
    /// Counts the servers, with the address of the newest.
    server: Mutex<(u32, SocketAddr)>,
    changed: Condvar,
    /// When the first answer came from the second server, ns after the opening.
    pub(super) first_answer_back: AtomicU64,
    /// Answers so far.
    pub(super) answers: AtomicU64,
}

impl Hall {
    pub(super) fn new(opened: Instant, items: Vec<Item>, address: SocketAddr) -> Hall {
        Hall {
            opened,
            crowd: plan::crowd(),
            items,
            server: Mutex::new((1, address)),
            changed: Condvar::new(),
            first_answer_back: AtomicU64::new(u64::MAX),
            answers: AtomicU64::new(0),
        }
    }

    /// Waits for a server after the one with this number. Returns `None` if none came in time.
    pub(super) fn after(&self, generation: u32, deadline: Instant) -> Option<(u32, SocketAddr)> {
        let mut server = self.server.lock();
        while server.0 == generation {
            if self.changed.wait_until(&mut server, deadline).timed_out() {
                return None;
            }
        }
        Some(*server)
    }

    /// Counts an answer; `back` if it came from the second server.
    pub(super) fn answered(&self, at: u64, back: bool) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        if back {
            self.first_answer_back.fetch_min(at, Ordering::Relaxed);
        }
    }

    /// Tells everybody where the new server is.
    pub(super) fn reopen(&self, address: SocketAddr) {
        let mut server = self.server.lock();
        *server = (server.0 + 1, address);
        self.changed.notify_all();
    }

    /// ns after the opening.
    pub(super) fn now(&self) -> u64 {
        self.opened.elapsed().as_nanos() as u64
    }
}

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ask {
    /// A buyer's click, the first or after a disappointment.
    Click,
    /// The same click once more.
    Again,
    /// More than the limit allows, under a second key.
    More,
    /// To confirm this order.
    Pay(u64),
    /// To release this order.
    GiveBack(u64),
}

/// What one buyer asks at one moment; sorted by time. Times are ns after the opening.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Errand {
    pub(super) due: u64,
    pub(super) buyer: u32,
    pub(super) ask: Ask,
    /// When it was first sent; 0 before.
    pub(super) sent: u64,
    /// It was on its way when the server died, and sent again.
    pub(super) repeated: bool,
}

/// What was answered.
pub(super) enum Told {
    Order(OrderAnswer),
    Refused(Refusal),
}

/// One errand with its answer.
pub(super) struct Deed {
    pub(super) errand: Errand,
    pub(super) told: Told,
    pub(super) answered: u64,
    /// The crash delayed it.
    pub(super) caught: bool,
}

impl Deed {
    /// Done before the crash, with the answer lost in it.
    pub(super) fn was_done_before_the_crash(&self) -> bool {
        self.errand.repeated
            && match &self.told {
                Told::Order(order) => order.replayed,
                Told::Refused(refusal) => {
                    matches!(refusal, Refusal::AlreadyConfirmed | Refusal::AlreadyReleased)
                }
            }
    }
}
