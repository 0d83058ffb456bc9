//! What one thread of a run has to do.

use std::sync::{Arc, atomic::AtomicBool};

use super::answered::Manners;
use super::arrivals::{Arrivals, Profile};
use super::content::Content;
use super::slice::Teller;
use crate::clock::Clock;

/// What decides when a request is sent.
#[derive(Clone, Debug)]
pub(crate) enum Pace {
    /// Whenever there is room in the pipeline.
    Closed {
        /// Measured requests of this thread, if they are what ends the run.
        requests: Option<u64>,
    },
    /// When it is due.
    Open(Profile),
}

/// A thread's part of the run. Times are ns since the start.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) clock: Clock,
    pub(crate) pace: Pace,
    pub(crate) content: Content,
    pub(crate) manners: Manners,
    /// Tries after the first one.
    pub(crate) retries: u8,
    /// The limit of a buyer for an item, if it is known.
    pub(crate) limit: Option<u32>,
    pub(crate) items: usize,
    /// Threads, and which of them this is.
    pub(crate) stride: u64,
    pub(crate) offset: u64,
    /// Requests before this are sent but not measured.
    pub(crate) measured_from: u64,
    /// Nothing is due from here on.
    pub(crate) end: u64,
    /// How long to wait for answers after the end.
    pub(crate) patience: u64,
    /// Set by a signal: come to an end.
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) teller: Teller,
}

impl Plan {
    /// What is due on connection `index` of this thread's `count`; `None` in a closed loop.
    pub(crate) fn arrivals(&self, index: u64, count: u64) -> Option<Arrivals> {
        let Pace::Open(profile) = &self.pace else { return None };
        let first = index * self.stride + self.offset;
        Some(Arrivals::new(profile.clone(), first, count * self.stride))
    }

    /// What thread `offset` has to do.
    pub(crate) fn part(&self, offset: u64) -> Plan {
        let mut part = Plan { offset, ..self.clone() };
        if let Pace::Closed { requests: Some(count) } = &mut part.pace {
            *count = (*count + self.stride - 1 - offset) / self.stride;
        }
        part
    }
}
