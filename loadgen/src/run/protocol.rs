//! What both protocols can do for a driver: put requests into a buffer, take answers out of one.
//!
//! Neither side allocates or touches a socket. The driver is compiled once for each protocol.

use super::content::Purchase;

/// An `outcome` of no protocol: the server answered with an error.
pub(crate) const ERROR: u8 = 255;

/// The command about an order that follows a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Confirm,
    Release,
}

/// One answer, as far as a driver cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// One of [`doorbuster::message::outcome`], or [`ERROR`].
    pub(crate) outcome: u8,
    /// Whether the server says that it repeats an answer. RESP never says.
    pub(crate) replayed: bool,
    /// The tag, if the protocol has them.
    pub(crate) tag: u32,
    /// The order's id; 0 in a refusal.
    pub(crate) order: u64,
    /// Bytes that the answer took.
    pub(crate) bytes: usize,
}

/// Speaks one protocol on all connections of a thread.
pub(crate) trait Protocol {
    /// Whether answers carry the request's tag and say when they are replayed.
    const TAGGED: bool;

    /// Appends a purchase.
    fn buy(&mut self, purchase: &Purchase, tag: u32, out: &mut Vec<u8>);

    /// Appends a command about an order.
    fn command(&mut self, command: Command, order: u64, tag: u32, out: &mut Vec<u8>);

    /// Reads the first answer in `bytes`; `None` if it is not all there yet.
    ///
    /// # Errors
    /// A sentence when no further byte can make it an answer.
    fn parse(&self, bytes: &[u8]) -> Result<Option<Parsed>, String>;
}
