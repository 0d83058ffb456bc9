//! What travels: the 64-byte cell and its three readings.
//!
//! A message is a head cell and the `tails` cells behind it. The same cells come in on the binary
//! protocol, cross the rings and lie in the journal; the layouts below are fixed for ever.
//! All integers are little-endian. Every bit pattern of a cell can be read without error; what a
//! field may *mean* is checked by `wire` for peers and by the matcher for everyone.

pub mod kind;
mod lines;
pub mod outcome;
mod receipt;
mod shown;
mod side;
mod terms;
mod ticket;
mod walk;

use bytemuck::{Pod, Zeroable};
use rkyv::{
    Portable,
    bytecheck::CheckBytes,
    rancor::Failure,
    rend::{u16_le, u32_le, u64_le},
};

use crate::sale::{Form, Ident, Text};
pub use lines::{LINES_PER_CELL, Lines, encode_lines, line_cells, lines_in};
pub use receipt::{BadReceipt, RECEIPT_CHAIN_BYTES, RECEIPT_DIGITS, Receipt};
pub use shown::{
    ItemReply, PoolReply, SaleReply, TermsReply, WaveReply, draw_state, draw_word, seed_in,
};
pub use side::{decode_side, encode_side, member_digest};
pub use ticket::{TicketText, split_ticket, ticket_parts, ticket_tail};
pub use walk::messages;

pub use terms::{check as check_terms, decode_terms, encode_terms};

/// Bytes of a cell.
pub const CELL_BYTES: usize = 64;

/// One cache line: what the rings carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Cell(pub [u8; CELL_BYTES]);

/// The tag of a purchase or an order's command that asks to be answered with the order in full, as
/// [`kind::ORDER`] is. Rings only, where there is no other tag but 0; records keep none.
pub const FULL: u32 = 1;

/// The bit of [`Head::options`] by which a purchase is content with fewer units than it asks for.
/// Its record has in its last tail, as a line, what it asked for.
pub const UP_TO: u8 = 1 << 6;
/// The bit by which one rather waits than be sold out.
pub const WAITS: u8 = 1 << 7;

/// `max_price` of a request that names none.
pub const NO_MAX_PRICE: u64 = u64::MAX;

/// The head of a request or record.
///
/// | offset | bytes | field | in a request | in a record |
/// |---|---|---|---|---|
/// | 0 | 1 | kind | [`kind`] | same |
/// | 1 | 1 | options | bits 0-2 buyer's form, 3-5 key's form, 6 [`UP_TO`], 7 [`WAITS`] | same |
/// | 2 | 2 | tails | cells behind this one | same |
/// | 4 | 4 | tag | the caller's, echoed; ring: 0 or [`FULL`] | buy: digest of its conditions |
/// | 8 | 2 | sale | its number, 0 unknown | same |
/// | 10 | 2 | item | its number in the sale, 0 unknown or a basket | same |
/// | 12 | 4 | units | wanted; 0 of a basket | given in all |
/// | 16 | 16 | buyer | bits of the ident | same |
/// | 32 | 16 | key | bits of the ident; for an order's commands its id in the first 8 | same |
/// | 48 | 8 | price | highest acceptable, [`NO_MAX_PRICE`] if any | in force; of a basket in all |
/// | | | | a ruling's units or price | same |
/// | 56 | 8 | time | ring: arrival stamp, monotonic ns; wire: zero | matcher's time, Unix ns |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Portable, CheckBytes, Pod, Zeroable)]
#[bytecheck(crate = rkyv::bytecheck)]
#[repr(C)]
pub struct Head {
    /// See [`kind`].
    pub kind: u8,
    /// Forms of buyer and key.
    pub options: u8,
    /// Cells that follow and belong to this one.
    pub tails: u16_le,
    /// The caller's word (request) or a digest (record).
    pub tag: u32_le,
    /// Number of the sale.
    pub sale: u16_le,
    /// Number of the item in the sale.
    pub item: u16_le,
    /// Units wanted or given.
    pub units: u32_le,
    /// Bits of the buyer's ident.
    pub buyer: [u8; 16],
    /// Bits of the key's ident, or the order's id in the first 8 bytes.
    pub key: [u8; 16],
    /// Minor units each.
    pub price: u64_le,
    /// A stamp or a time, ns.
    pub time: u64_le,
}

/// An answer about an order, or a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Portable, CheckBytes, Pod, Zeroable)]
#[bytecheck(crate = rkyv::bytecheck)]
#[repr(C)]
pub struct Reply {
    /// [`kind::REPLY`].
    pub kind: u8,
    /// See [`outcome`].
    pub outcome: u8,
    /// Cells that follow: for `ORDER` the order's own head cell (read as a record [`Head`]
    /// without its time), its long texts and, of a basket, its lines.
    pub tails: u8,
    /// 1 if this is the repeated answer to a repeated key.
    pub replayed: u8,
    /// The caller's tag, echoed (binary protocol only).
    pub tag: u32_le,
    /// The order's id; also the seq of the record that made it. 0 in a refusal.
    pub order: u64_le,
    /// Seq of the change that this answers. 0 in a refusal.
    pub seq: u64_le,
    /// The newest seq that this answer was decided from: it may be told once that is durable. On
    /// the wire, of an answer about an order, the front half of its receipt's chain.
    pub after: u64_le,
    /// Price of a unit, of a basket in all; or what the refusal's meaning says.
    pub price: u64_le,
    /// When the hold ends, Unix ns; 0 if it does not.
    pub expires_at: u64_le,
    /// Units of the order. In the refusal of a basket the line that it is about, from 1; 0 if it is
    /// about all.
    pub units: u32_le,
    /// What was left of the hold at the decision, ms. Of an order that waits its place among those
    /// who wait, from 1. In the refusal of a basket the number of that line's item.
    pub expires_in_ms: u32_le,
    /// Arrival stamp of the request, monotonic ns. On the wire zero, or the back half of the
    /// receipt's chain.
    pub arrived: u64_le,
}

/// An answer to [`kind::STOCK`]: units of one item. `kind`, `outcome` and `after` lie where they
/// lie in [`Reply`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Portable, CheckBytes, Pod, Zeroable)]
#[bytecheck(crate = rkyv::bytecheck)]
#[repr(C)]
pub struct StockReply {
    /// [`kind::STOCK_REPLY`].
    pub kind: u8,
    /// [`outcome::OK`].
    pub outcome: u8,
    /// Zero.
    pub tails: u8,
    /// Zero.
    pub zero: u8,
    /// The caller's tag, echoed (binary protocol only).
    pub tag: u32_le,
    /// Units given into the sale.
    pub stock: u64_le,
    /// Units nobody has.
    pub free: u64_le,
    /// As in [`Reply::after`].
    pub after: u64_le,
    /// Units in holds.
    pub held: u64_le,
    /// Units sold.
    pub confirmed: u64_le,
    /// Units waited for.
    pub waiting: u64_le,
    /// As in [`Reply::arrived`].
    pub arrived: u64_le,
}

const _: () = assert!(size_of::<Cell>() == CELL_BYTES && align_of::<Cell>() == CELL_BYTES);
const _: () = assert!(size_of::<Head>() == CELL_BYTES && size_of::<Reply>() == CELL_BYTES);
const _: () = assert!(size_of::<StockReply>() == CELL_BYTES);
const _: () = assert!(size_of::<SaleReply>() == CELL_BYTES && size_of::<ItemReply>() == CELL_BYTES);
const _: () =
    assert!(size_of::<TermsReply>() == CELL_BYTES && size_of::<PoolReply>() == CELL_BYTES);
const _: () = assert!(size_of::<WaveReply>() == CELL_BYTES);

macro_rules! readings {
    ($($name:ident),*) => {$(
        impl From<$name> for Cell {
            #[inline]
            fn from(reading: $name) -> Cell {
                Cell(bytemuck::must_cast(reading))
            }
        }
        impl<'a> From<&'a Cell> for &'a $name {
            #[inline]
            fn from(cell: &'a Cell) -> &'a $name {
                rkyv::access::<$name, Failure>(&cell.0)
                    .expect("a cell is aligned and every bit pattern of integers is valid")
            }
        }
    )*};
}
readings!(Head, Reply, StockReply, SaleReply, ItemReply, TermsReply, PoolReply, WaveReply);

impl Cell {
    /// All zero.
    pub const ZERO: Cell = Cell([0; CELL_BYTES]);

    /// The first byte: what the message is.
    #[inline]
    pub const fn kind(&self) -> u8 {
        self.0[0]
    }

    /// Reads it as the head of a request or record.
    #[inline]
    pub fn head(&self) -> &Head {
        self.into()
    }

    /// Reads it as an answer.
    #[inline]
    pub fn reply(&self) -> &Reply {
        self.into()
    }

    /// Reads it as an answer about stock.
    #[inline]
    pub fn stock_reply(&self) -> &StockReply {
        self.into()
    }

    /// Reads it as an answer about a sale.
    #[inline]
    pub fn sale_reply(&self) -> &SaleReply {
        self.into()
    }

    /// Reads it as the item of an answer about a sale.
    #[inline]
    pub fn item_reply(&self) -> &ItemReply {
        self.into()
    }

    /// Reads it as more of a sale's terms.
    #[inline]
    pub fn terms_reply(&self) -> &TermsReply {
        self.into()
    }

    /// Reads it as a channel's units of an item.
    #[inline]
    pub fn pool_reply(&self) -> &PoolReply {
        self.into()
    }

    /// Reads it as units that are to come.
    #[inline]
    pub fn wave_reply(&self) -> &WaveReply {
        self.into()
    }

    /// Cells that follow an answer of whatever kind and belong to it.
    #[inline]
    pub fn reply_tails(&self) -> usize {
        if self.kind() == kind::SALE_REPLY {
            usize::from(self.sale_reply().tails.to_native())
        } else {
            usize::from(self.reply().tails)
        }
    }
}

impl Head {
    /// A head with everything zero but its kind.
    pub fn new(kind: u8) -> Head {
        Head { kind, ..Head::zeroed() }
    }

    /// The buyer; `None` if its form is none of ours.
    #[inline]
    pub fn buyer(&self) -> Option<Ident> {
        let form = Form::from_number(self.options & 7)?;
        Some(Ident { form, bits: u128::from_le_bytes(self.buyer) })
    }

    /// The key; `None` if its form is none of ours.
    #[inline]
    pub fn key(&self) -> Option<Ident> {
        let form = Form::from_number(self.options >> 3 & 7)?;
        Some(Ident { form, bits: u128::from_le_bytes(self.key) })
    }

    /// Sets the buyer and its form.
    #[inline]
    pub fn set_buyer(&mut self, ident: Ident) {
        self.options = self.options & !7 | ident.form as u8;
        self.buyer = ident.bits.to_le_bytes();
    }

    /// Sets the key and its form.
    #[inline]
    pub fn set_key(&mut self, ident: Ident) {
        self.options = self.options & !(7 << 3) | (ident.form as u8) << 3;
        self.key = ident.bits.to_le_bytes();
    }

    /// The order that an order's command names (it lies where a purchase has its key).
    #[inline]
    pub fn order(&self) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.key[..8]);
        u64::from_le_bytes(bytes)
    }

    /// Whether it is content with fewer units; see [`UP_TO`].
    #[inline]
    pub fn is_up_to(&self) -> bool {
        self.options & UP_TO != 0
    }

    /// Whether it rather waits than be sold out; see [`WAITS`].
    #[inline]
    pub fn is_waiting(&self) -> bool {
        self.options & WAITS != 0
    }

    /// Whether it asks for the order in full; see [`FULL`].
    #[inline]
    pub fn is_full(&self) -> bool {
        self.tag.to_native() == FULL
    }

    /// Names the order of an order's command.
    #[inline]
    pub fn set_order(&mut self, order: u64) {
        self.key = u128::from(order).to_le_bytes();
    }
}

/// Makes the tail for a long text: what does not fit into the head.
///
/// # Panics
/// If the text is shorter than 17 or longer than 64 bytes.
pub fn text_tail(text: &[u8]) -> Cell {
    let mut cell = Cell::ZERO;
    cell.0[0] = kind::TEXT;
    let rest = &text[16..];
    assert!(!rest.is_empty());
    cell.0[8..8 + rest.len()].copy_from_slice(rest);
    cell
}

/// Joins the 16 bytes from the head with those of its tail.
pub fn join_text(bits: u128, tail: &Cell) -> Text {
    let mut text = [0; 64];
    text[..16].copy_from_slice(&bits.to_le_bytes());
    text[16..].copy_from_slice(&tail.0[8..56]);
    text
}
