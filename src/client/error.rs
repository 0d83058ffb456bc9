//! What can go wrong between a caller and a server, apart from refusals.
//!
//! A refusal is an answer, not an error; only [`Client::resolve`](super::Client::resolve), which
//! has nothing else to give, returns one as [`Error::Refused`].

use super::Refusal;

/// Why a call of the client failed. After [`Io`](Error::Io), [`Closed`](Error::Closed) or
/// [`Protocol`](Error::Protocol) the connection is of no more use: connect again and repeat what
/// was unanswered under the same keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The socket failed; with a timeout set, also when that ran out.
    #[error("connection failed: {0}")]
    Io(#[from] std::io::Error),
    /// The server closed the connection.
    #[error("the server closed the connection with {in_flight} requests unanswered")]
    Closed {
        /// Requests sent and not answered.
        in_flight: u32,
    },
    /// What came is not an answer that belongs here.
    #[error("the server does not speak this protocol: {0}")]
    Protocol(&'static str),
    /// As many requests are in flight as the server allows. Nothing was sent: receive first.
    #[error("{max} requests are in flight, as many as the server takes: receive answers first")]
    InFlightFull {
        /// The server's bound for one connection.
        max: u32,
    },
    /// A one-call form was used while pipelined requests are unanswered. Nothing was sent.
    #[error("{in_flight} pipelined requests are unanswered: receive those first")]
    Unanswered {
        /// Requests sent and not answered.
        in_flight: u32,
    },
    /// A buyer, key or name that cannot be sent. Nothing was sent.
    #[error("{field} {reason}")]
    BadText {
        /// What it was meant to be.
        field: &'static str,
        /// What is allowed.
        reason: String,
    },
    /// A name that the server does not know.
    #[error("refused: {0}")]
    Refused(Refusal),
}

/// What the client's calls return.
pub type Result<T> = std::result::Result<T, Error>;
