//! What the operator's port needs of the house behind it: somebody who takes a command by name,
//! gives it its place in the order of arrival, and answers when it is durable.
//!
//! It never decides. The port knows nothing behind this page, so its tests can sit there instead.

use crate::sale::{Name, Terms};

/// What an operator wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A new sale.
    Create(Terms),
    /// A sale without opening time opens.
    Open(Name),
    /// A sale takes no new orders for now.
    Pause(Name),
    /// It takes them again.
    Resume(Name),
    /// A sale ends.
    Close(Name),
    /// A closed sale is forgotten.
    Remove(Name),
    /// Units of an item come in: sale, item, units.
    Add(Name, Name, u64),
    /// Free units of an item are taken out: sale, item, units.
    Withdraw(Name, Name, u64),
    /// An item has a new price: sale, item, minor units.
    Price(Name, Name, u64),
}

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

/// Where a sale stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaleState {
    /// Not open yet.
    Scheduled,
    /// Selling.
    Open,
    /// Interrupted.
    Paused,
    /// Over.
    Closed,
}

/// A sale at one moment. Times are Unix ns, 0 for none; limits 0 for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaleView {
    /// The newest seq this was seen at.
    pub seq: u64,
    /// Its name.
    pub name: Name,
    /// Where it stands.
    pub state: SaleState,
    /// When it opens or opened by its terms.
    pub opens_at: u64,
    /// When it ends by its terms.
    pub closes_at: u64,
    /// How long a hold lasts.
    pub hold_ms: u32,
    /// Units that one buyer may have.
    pub limit: u32,
    /// Three capital letters, or zeros.
    pub currency: [u8; 3],
    /// Its items, in the order of their numbers.
    pub items: Vec<ItemView>,
}

/// One item at that moment. `stock = free + held + confirmed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemView {
    /// Its name.
    pub sku: Name,
    /// Units given into the sale.
    pub stock: u64,
    /// Units nobody has.
    pub free: u64,
    /// Units in holds.
    pub held: u64,
    /// Units sold.
    pub confirmed: u64,
    /// Units waited for.
    pub waiting: u64,
    /// Minor units each.
    pub price: u64,
    /// Units that one buyer may have of it.
    pub limit: u32,
}

/// Takes the answer to a wish; dropped uncalled if there will be none.
pub type WhenDone = Box<dyn FnOnce(Result<Done, Refusal>) + Send>;
/// Takes the answer to a question; dropped uncalled if there will be none.
pub type WhenSeen = Box<dyn FnOnce(Result<SaleView, Refusal>) + Send>;

/// The house behind the port. Nothing here waits: answers come on a thread of the house.
pub trait Desk: Send + Sync + 'static {
    /// Asks for a change.
    ///
    /// # Errors
    /// A refusal at the door; nobody is called then.
    fn wish(&self, wish: Wish, then: WhenDone) -> Result<(), Refusal>;

    /// Asks how a sale stands.
    ///
    /// # Errors
    /// As [`wish`](Self::wish).
    fn look(&self, sale: Name, then: WhenSeen) -> Result<(), Refusal>;

    /// The sales there are, in no order.
    fn names(&self) -> Vec<Name>;
}
