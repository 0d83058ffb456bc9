//! What the operator's port needs of the house behind it: somebody who takes a command by name,
//! gives it its place in the order of arrival, and answers when it is durable.
//!
//! It never decides. The port knows nothing behind this page, so its tests can sit there instead.

use crate::heads::Shelf;
use crate::operator::{OperatorCommand, SaleView};
use crate::sale::Name;
use crate::taps::{Ask, SinkView, Tell};

/// A change that was made, and is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Its place in the journal; of an earlier one if this was asked for before.
    pub seq: u64,
    /// Whether it had been made before: nothing changed now.
    pub replayed: bool,
}

/// Why not; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `unknown_sale`, `sold_out`, ...
    pub word: &'static str,
    /// What belongs to the word: free units (`sold_out`), ms to wait (`overloaded`).
    pub amount: u64,
}

/// Takes the answer to a command; dropped uncalled if there will be none.
pub type WhenDone = Box<dyn FnOnce(Result<Done, Refusal>) + Send>;
/// Takes the answer to a question; dropped uncalled if there will be none.
pub type WhenSeen = Box<dyn FnOnce(Result<SaleView, Refusal>) + Send>;

/// The house behind the port. Nothing here waits: answers come on a thread of the house.
pub trait Desk: Send + Sync + 'static {
    /// Asks for a change.
    ///
    /// # Errors
    /// A refusal at the door; nobody is called then.
    fn command(&self, command: OperatorCommand, then: WhenDone) -> Result<(), Refusal>;

    /// Asks how a sale stands.
    ///
    /// # Errors
    /// As [`command`](Self::command).
    fn look(&self, sale: Name, then: WhenSeen) -> Result<(), Refusal>;

    /// The signed heads.
    fn heads(&self) -> Shelf;

    /// How the sinks do.
    fn sinks(&self) -> Vec<SinkView>;

    /// Asks a sink; `None` if there is none of this name.
    ///
    /// # Errors
    /// A sentence, if too much waits for it; nobody is called then.
    fn ask_sink(&self, name: &str, ask: Ask, tell: Tell) -> Option<Result<(), String>>;

    /// The sales there are, in no order.
    fn names(&self) -> Vec<Name>;
}
