//! What a message is; the first byte of its head. Numbers stay for ever; the gaps are for commands
//! to come.

/// Units for a buyer. Request and record.
pub const BUY: u8 = 1;
/// A hold becomes a purchase. Request and record.
pub const CONFIRM: u8 = 2;
/// A hold is given back. Request and record.
pub const RELEASE: u8 = 3;
/// A hold lasts longer. Request and record.
pub const EXTEND: u8 = 4;
/// A purchase is given back. Request and record.
pub const CANCEL: u8 = 5;
/// Units of several items for a buyer, all or none. Request and record.
pub const BASKET: u8 = 6;
/// A hold ran out. Record only.
pub const EXPIRE: u8 = 7;
/// A purchase that waits, as [`BUY`] otherwise. Record only.
pub const WAIT: u8 = 8;
/// Units are held for one who waited. Record only.
pub const OFFER: u8 = 9;
/// One who waited is given nothing, for the sale is over. Record only.
pub const LEAVE: u8 = 10;
/// Units that were planned are added. Record only: the wave's id lies where a purchase has its key,
/// the units in `price`.
pub const SURGE: u8 = 11;
/// What is left of a channel's units returns to the common ones. Record only: the channel's number
/// lies in `tag`, the units in `price`.
pub const SWEEP: u8 = 12;
/// An entry of a draw has its turn; `tag` tells the state it is in then. Record only.
pub const DRAWN: u8 = 13;
/// A new sale. From the operator; record.
pub const CREATE: u8 = 16;
/// A sale opens now. From the operator, as all up to [`DRAW`]; record.
pub const OPEN: u8 = 17;
/// A sale takes no purchases for a while.
pub const PAUSE: u8 = 18;
/// A paused sale goes on.
pub const RESUME: u8 = 19;
/// A sale ends for ever.
pub const CLOSE: u8 = 20;
/// A closed sale is forgotten, and its name free again.
pub const REMOVE: u8 = 21;
/// An item gets more units; how many stands in `price`.
pub const ADD: u8 = 22;
/// Free units of an item are taken away; how many stands in `price`.
pub const WITHDRAW: u8 = 23;
/// An item gets another price; it stands in `price`.
pub const PRICE: u8 = 24;
/// Free units of an item are set aside for a channel, whose name lies in a tail; how many stands in
/// `price`, until when (Unix ns, 0 for no end) where a purchase has its key.
pub const ASIDE: u8 = 25;
/// An item is to get more units at a time: the units stand in `price`, the time (Unix ns) where a
/// purchase has its key. The seq is the wave's id.
pub const PLAN: u8 = 26;
/// A planned wave will not come; its id stands where a purchase has its key.
pub const CALL_OFF: u8 = 27;
/// The seed of a draw is revealed: 32 bytes where a purchase has buyer and key.
pub const DRAW: u8 = 28;
/// The state hash at a clean stop. Record only.
pub const SEAL: u8 = 32;
/// Asks for an order. Request only.
pub const ORDER: u8 = 64;
/// Asks for an item's stock. Request only.
pub const STOCK: u8 = 65;
/// Asks for the order that a key stands for. Request only: sale and key, no buyer.
pub const ORDER_BY_KEY: u8 = 66;
/// Asks for a sale and all its items. Request only.
pub const SALE: u8 = 67;
/// Asks for the numbers of a sale's and an item's name. Binary protocol only.
pub const RESOLVE: u8 = 96;
/// Asks for nothing. Binary protocol only.
pub const PING: u8 = 97;
/// A tail: bytes 16.. of a long buyer or key at offset 8.
pub const TEXT: u8 = 128;
/// A tail: an item of a sale, read as [`ItemReply`](super::ItemReply).
pub const ITEM: u8 = 129;
/// A tail: the buyer's ticket behind a purchase. Binary protocol only.
pub const TICKET: u8 = 130;
/// A tail: up to three lines of an order; see [`encode_lines`](super::encode_lines).
pub const LINES: u8 = 131;
/// A tail: what a purchase names beside buyer and item; see [`encode_side`](super::encode_side).
pub const SIDE: u8 = 132;
/// A tail: more of a sale's terms, read as [`TermsReply`](super::TermsReply).
pub const TERMS: u8 = 133;
/// A tail: a channel's units of an item, read as [`PoolReply`](super::PoolReply).
pub const POOL: u8 = 134;
/// A tail: units that are to come, read as [`WaveReply`](super::WaveReply).
pub const WAVE: u8 = 135;
/// A tail: the revealed seed of a draw in bytes 32..64.
pub const SEED: u8 = 136;
/// An answer, read as [`Reply`](super::Reply).
pub const REPLY: u8 = 192;
/// An answer, read as [`StockReply`](super::StockReply).
pub const STOCK_REPLY: u8 = 193;
/// An answer, read as [`SaleReply`](super::SaleReply).
pub const SALE_REPLY: u8 = 194;
/// What became of an order that was waited for, unasked; read as [`Reply`](super::Reply). Binary
/// protocol only.
pub const NEWS: u8 = 195;
/// First cell on a binary connection, both ways.
pub const HELLO: u8 = 0xDB;
