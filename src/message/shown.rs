//! The answer to [`kind::SALE`](super::kind::SALE): a [`SaleReply`] and, behind it, one
//! [`ItemReply`] for each item in the order of their numbers, then one [`TermsReply`], a
//! [`kind::SEED`](super::kind::SEED) cell if a draw's seed was revealed, a [`PoolReply`] for each
//! item and channel that units were set aside for, and a [`WaveReply`] for each that is to come.
//!
//! `kind`, `outcome`, `tag`, `after` and `arrived` lie where they lie in [`Reply`](super::Reply);
//! only the number of tails is wider, because a sale has more items than a byte can count.

use bytemuck::{Pod, Zeroable};
use rkyv::{
    Portable,
    bytecheck::CheckBytes,
    rend::{u16_le, u32_le, u64_le},
};

use super::Cell;
use crate::sale::DrawState;

/// A sale as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Portable, CheckBytes, Pod, Zeroable)]
#[bytecheck(crate = rkyv::bytecheck)]
#[repr(C)]
pub struct SaleReply {
    /// [`kind::SALE_REPLY`](super::kind::SALE_REPLY).
    pub kind: u8,
    /// [`outcome::OK`](super::outcome::OK).
    pub outcome: u8,
    /// Cells that follow: the sale's items, and what else is told of it.
    pub tails: u16_le,
    /// As in [`Reply::tag`](super::Reply::tag).
    pub tag: u32_le,
    /// When it opens by itself, Unix ns; 0 if the operator opens it.
    pub opens_at: u64_le,
    /// When it ends by itself, Unix ns; 0 if it does not.
    pub closes_at: u64_le,
    /// As in [`Reply::after`](super::Reply::after).
    pub after: u64_le,
    /// How long a hold lasts; 0 if every order is a purchase at once.
    pub hold_ms: u32_le,
    /// Units that one buyer may have of all items together; 0 for no limit.
    pub limit: u32_le,
    /// The number of a [`Phase`](crate::sale::Phase), at the matcher's time.
    pub state: u8,
    /// Three capital letters, or zeros if none is named.
    pub currency: [u8; 3],
    /// By how much a hold may be prolonged, once; 0 for not at all.
    pub extend_ms: u32_le,
    /// Zero.
    pub zero: [u8; 8],
    /// As in [`Reply::arrived`](super::Reply::arrived).
    pub arrived: u64_le,
}

/// One item of a sale as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Portable, CheckBytes, Pod, Zeroable)]
#[bytecheck(crate = rkyv::bytecheck)]
#[repr(C)]
pub struct ItemReply {
    /// [`kind::ITEM`](super::kind::ITEM).
    pub kind: u8,
    /// Zero.
    pub zero: u8,
    /// Its number in the sale.
    pub item: u16_le,
    /// Units that one buyer may have of it; 0 for no limit.
    pub limit: u32_le,
    /// Units given into the sale.
    pub stock: u64_le,
    /// Units nobody has.
    pub free: u64_le,
    /// Units in holds.
    pub held: u64_le,
    /// Units sold.
    pub confirmed: u64_le,
    /// Units waited for.
    pub waiting: u64_le,
    /// Minor units each.
    pub price: u64_le,
    /// Zero.
    pub zeros: [u8; 8],
}

/// What a sale's own cell has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Portable, CheckBytes, Pod, Zeroable)]
#[bytecheck(crate = rkyv::bytecheck)]
#[repr(C)]
pub struct TermsReply {
    /// [`kind::TERMS`](super::kind::TERMS).
    pub kind: u8,
    /// 1 if the first who waits for an item blocks those behind.
    pub is_strict: u8,
    /// The number of a [`DrawState`](crate::sale::DrawState); 0 if there is no draw.
    pub draw: u8,
    /// Limit groups: 0 to 2. Their names are in the [`directory`](crate::directory).
    pub groups: u8,
    /// How long units are held for one who waited, ms.
    pub offer_ms: u32_le,
    /// Orders that may wait at once.
    pub waitlist: u32_le,
    /// Units that one member of each limit group may have.
    pub group_limits: [u32_le; 2],
    /// Entries in the draw so far, those that left it again among them.
    pub entries: u32_le,
    /// When entries end, Unix ns; 0 without a draw.
    pub draw_at: u64_le,
    /// The BLAKE3 hash of the draw's seed; zero without a draw.
    pub commitment: [u8; 32],
}

/// Units of an item that were set aside for a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Portable, CheckBytes, Pod, Zeroable)]
#[bytecheck(crate = rkyv::bytecheck)]
#[repr(C)]
pub struct PoolReply {
    /// [`kind::POOL`](super::kind::POOL).
    pub kind: u8,
    /// The channel's number in the sale.
    pub channel: u8,
    /// The item's number in the sale.
    pub item: u16_le,
    /// 1 if what was left has returned to the common units.
    pub is_swept: u8,
    /// Zero.
    pub zero: [u8; 3],
    /// Units ever set aside.
    pub set_aside: u64_le,
    /// Of these, units nobody has.
    pub free: u64_le,
    /// When what is left returns, Unix ns; 0 if it does not.
    pub until: u64_le,
    /// Zero.
    pub zeros: [u8; 32],
}

/// The draw state with this number; `None` for no draw.
pub fn draw_state(number: u8) -> Option<DrawState> {
    use DrawState::{Drawing, Drawn, Entering, Sealed};
    [Entering, Sealed, Drawing, Drawn].into_iter().find(|state| *state as u8 == number)
}

/// As people read it.
pub fn draw_word(state: DrawState) -> &'static str {
    match state {
        DrawState::Entering => "entering",
        DrawState::Sealed => "sealed",
        DrawState::Drawing => "drawing",
        DrawState::Drawn => "drawn",
    }
}

/// The seed in a [`kind::SEED`](super::kind::SEED) cell.
pub fn seed_in(cell: &Cell) -> [u8; 32] {
    *cell.0.last_chunk().expect("a cell has 64 bytes")
}

/// Units that are to be added to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Portable, CheckBytes, Pod, Zeroable)]
#[bytecheck(crate = rkyv::bytecheck)]
#[repr(C)]
pub struct WaveReply {
    /// [`kind::WAVE`](super::kind::WAVE).
    pub kind: u8,
    /// Zero.
    pub zero: u8,
    /// The item's number in the sale.
    pub item: u16_le,
    /// Zero.
    pub zeros: [u8; 4],
    /// The wave's id: the seq of its plan.
    pub wave: u64_le,
    /// How many.
    pub units: u64_le,
    /// When, Unix ns.
    pub at: u64_le,
    /// Zero.
    pub more_zeros: [u8; 32],
}

#[cfg(test)]
mod tests {
    use super::super::{Reply, kind};
    use super::*;

    #[test]
    fn fields_lie_where_the_formats_say_and_tails_are_counted_in_both() {
        let mut cell = Cell::ZERO;
        for (at, byte) in cell.0.iter_mut().enumerate() {
            *byte = at as u8;
        }
        let sale = cell.sale_reply();
        assert_eq!(sale.after.to_native().to_le_bytes()[0], 24);
        assert_eq!(cell.reply().after.to_native(), sale.after.to_native());
        assert_eq!((sale.opens_at.to_native() as u8, sale.closes_at.to_native() as u8), (8, 16));
        assert_eq!((sale.hold_ms.to_native() as u8, sale.limit.to_native() as u8), (32, 36));
        assert_eq!((sale.state, sale.currency, sale.zero[0]), (40, [41, 42, 43], 48));
        assert_eq!(sale.extend_ms.to_native() as u8, 44);
        assert_eq!(sale.arrived.to_native() as u8, 56);
        assert_eq!(cell.item_reply().price.to_native() as u8, 48);
        cell.0[0] = kind::SALE_REPLY;
        assert_eq!(cell.reply_tails(), 0x0302);
        let reply = Reply { kind: kind::REPLY, tails: 3, replayed: 1, ..Reply::zeroed() };
        assert_eq!(Cell::from(reply).reply_tails(), 3);
    }
}
