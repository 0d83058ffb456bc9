//! What an operator can say and hear. Sales and items go by their names; the room looks up their
//! numbers.

use crate::sale::{Aside, DrawState, GroupTerms, Name, Phase, Seq, Stamp, Terms};

/// What an operator says or asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorCommand {
    /// A new sale. Again with the same terms it is answered `replayed`, with others `key_reused`.
    Create(Terms),
    /// The sale opens now, whatever its opening time is.
    Open {
        /// Which sale.
        sale: Name,
    },
    /// New purchases are refused; what is held goes on.
    Pause {
        /// Which sale.
        sale: Name,
    },
    /// A paused sale goes on.
    Resume {
        /// Which sale.
        sale: Name,
    },
    /// The sale ends for ever; what is held goes on.
    Close {
        /// Which sale.
        sale: Name,
    },
    /// A closed sale without holds is forgotten, and its name free again.
    Remove {
        /// Which sale.
        sale: Name,
    },
    /// An item gets more units.
    Add {
        /// Which sale.
        sale: Name,
        /// Which of its items.
        item: Name,
        /// How many more.
        units: u64,
    },
    /// Free units of an item are taken away.
    Withdraw {
        /// Which sale.
        sale: Name,
        /// Which of its items.
        item: Name,
        /// How many fewer.
        units: u64,
    },
    /// An item costs something else from now on; what is held keeps its price.
    Price {
        /// Which sale.
        sale: Name,
        /// Which of its items.
        item: Name,
        /// Minor units each.
        price: u64,
    },
    /// Free units of an item are set aside for a channel.
    Aside {
        /// Which sale.
        sale: Name,
        /// Which of its items.
        item: Name,
        /// How many, for which, and until when.
        aside: Aside,
    },
    /// An item will get more units at a time.
    Plan {
        /// Which sale.
        sale: Name,
        /// Which of its items.
        item: Name,
        /// How many more.
        units: u64,
        /// When, Unix ns.
        at: Stamp,
    },
    /// A wave that was planned will not come.
    CallOff {
        /// Which sale.
        sale: Name,
        /// The seq of its plan.
        wave: Seq,
    },
    /// The seed of a draw is revealed.
    Draw {
        /// Which sale.
        sale: Name,
        /// What was committed to.
        seed: [u8; 32],
    },
    /// Asks how the sale stands.
    Sale {
        /// Which sale.
        sale: Name,
    },
}

impl OperatorCommand {
    /// The sale that it is about.
    pub fn sale(&self) -> &Name {
        match self {
            OperatorCommand::Create(terms) => &terms.name,
            OperatorCommand::Open { sale }
            | OperatorCommand::Pause { sale }
            | OperatorCommand::Resume { sale }
            | OperatorCommand::Close { sale }
            | OperatorCommand::Remove { sale }
            | OperatorCommand::Add { sale, .. }
            | OperatorCommand::Withdraw { sale, .. }
            | OperatorCommand::Price { sale, .. }
            | OperatorCommand::Aside { sale, .. }
            | OperatorCommand::Plan { sale, .. }
            | OperatorCommand::CallOff { sale, .. }
            | OperatorCommand::Draw { sale, .. }
            | OperatorCommand::Sale { sale } => sale,
        }
    }
}

/// The matcher's answer; whatever it tells of is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorAnswer {
    /// See [`outcome`](crate::message::outcome): `OK` or a refusal.
    pub outcome: u8,
    /// Seq of the change; 0 if nothing changed.
    pub seq: u64,
    /// Whether the sale had been created just so before.
    pub replayed: bool,
    /// The sale's number, as far as it is known.
    pub sale: u16,
    /// What the refusal's meaning says: units that are free, units in holds, the most that would
    /// do, or the ms after which to try again. 0 otherwise.
    pub value: u64,
    /// The sale as it stands, to a question that was not refused.
    pub view: Option<SaleView>,
}

/// A sale as it stood at some seq.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaleView {
    /// The newest seq of all at that moment.
    pub after: u64,
    /// Its name.
    pub name: Name,
    /// Where it stood.
    pub state: Phase,
    /// When it opens by itself, Unix ns; 0 if the operator opens it.
    pub opens_at: u64,
    /// When it ends by itself, Unix ns; 0 if it does not.
    pub closes_at: u64,
    /// How long a hold lasts; 0 if every order is a purchase at once.
    pub hold_ms: u32,
    /// By how much a hold may be prolonged, once; 0 for not at all.
    pub extend_ms: u32,
    /// Units that one buyer may have of all items together; 0 for no limit.
    pub limit: u32,
    /// Three capital letters, or zeros if none is named.
    pub currency: [u8; 3],
    /// How long units are held for one who waited for them, ms.
    pub offer_ms: u32,
    /// Orders that may wait at once; 0 for no waiting list.
    pub waitlist: u32,
    /// Whether the first who waits for an item blocks those behind.
    pub is_strict: bool,
    /// Its limit groups.
    pub groups: Vec<GroupTerms>,
    /// Its draw, if it has one.
    pub draw: Option<DrawView>,
    /// What it sells, in the order of the items' numbers.
    pub items: Vec<ItemView>,
    /// Units that are to come, in the order of time.
    pub waves: Vec<WaveView>,
}

/// A draw as it stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawView {
    /// Until when entries are taken, Unix ns.
    pub at: Stamp,
    /// The BLAKE3 hash of its seed.
    pub commitment: [u8; 32],
    /// How far it had come.
    pub state: DrawState,
    /// Entries so far, those that left it again among them.
    pub entries: u32,
    /// The seed, once it is revealed.
    pub seed: Option<[u8; 32]>,
}

/// Units of an item that were set aside for a channel, as they stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelView {
    /// The channel's name.
    pub name: Name,
    /// Units ever set aside.
    pub set_aside: u64,
    /// Of these, units nobody has.
    pub free: u64,
    /// When what is left returns to the common units, Unix ns; 0 if it does not.
    pub until: Stamp,
    /// Whether it has.
    pub is_swept: bool,
}

/// Units that are to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaveView {
    /// Its id: the seq of its plan.
    pub id: Seq,
    /// The item's name.
    pub item: Name,
    /// How many.
    pub units: u64,
    /// When, Unix ns.
    pub at: Stamp,
}

/// One item of a sale as it stood. `stock = free + held + confirmed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemView {
    /// Its name.
    pub name: Name,
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
    /// Units that one buyer may have of it; 0 for no limit.
    pub limit: u32,
    /// What was set aside of it, in the order of the channels' numbers.
    pub channels: Vec<ChannelView>,
}

/// Why a command was not decided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// The server stops. What was on its way to the matcher may still have been done.
    #[error("stopping")]
    Stopping,
    /// Terms that no sale can have: what is wrong and what is allowed.
    #[error("{0}")]
    Terms(String),
}
