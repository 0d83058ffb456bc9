//! Why a server does not start, by whose fault it is.

use std::io;
use std::net::SocketAddr;

use crate::journal::JournalError;
use crate::keeper::Unremembered;

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The port.
    #[error("could not listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A thread or what it waits on.
    #[error("could not start a thread: {0}")]
    Thread(#[from] io::Error),
    /// The signed heads: their folder, log or key.
    #[error("signed heads: {0}")]
    Heads(String),
    /// A sale at the start.
    #[error("{0}")]
    Sale(String),
    /// An option.
    #[error("{0}")]
    Options(String),
}

impl From<Unremembered> for StartError {
    fn from(why: Unremembered) -> StartError {
        match why {
            Unremembered::Journal(why) => StartError::Journal(why),
            Unremembered::TooSmall { .. } => StartError::Options(why.to_string()),
        }
    }
}
