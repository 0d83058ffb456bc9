//! A purchase with all that can be said of one, and its cells. The other purchases among
//! [`Request`](super::Request)s are short for the usual ones.

use super::request::{Tails, purchase};
use super::{Error, Item, Result};
use crate::limits::GROUPS_MAX;
use crate::message::{Head, UP_TO, WAITS, encode_side, kind, member_digest};
use crate::sale::{BadIdent, Ident, Side};

/// A purchase with all that can be said of one; [`Purchase::of`] says the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purchase<'a> {
    /// Number of the sale.
    pub sale: u16,
    /// 1 to 16 items of it by their numbers, with the units of each; more than one is a basket.
    pub lines: &'a [(u16, u32)],
    /// For whom.
    pub buyer: &'a str,
    /// The caller's idempotency key, unique in the sale.
    pub key: &'a str,
    /// The highest price of a unit to accept, in minor units; `None` for any.
    pub max_price: Option<u64>,
    /// Whether fewer units will do; not of a basket.
    pub is_up_to: bool,
    /// Whether it rather waits than be sold out, in a sale that has a waiting list.
    pub waits: bool,
    /// Number of the channel whose units it wants (see
    /// [`Client::channel`](super::Client::channel)); 0 for the common ones.
    pub channel: u8,
    /// Its member of each limit group, in the order in which the sale has them: 1-64 printable
    /// ASCII characters without spaces, of which only a digest leaves this client.
    pub groups: [Option<&'a str>; GROUPS_MAX],
    /// `<buyer>.<expiry>.<64 hex digits>`, where the server asks for one.
    pub ticket: Option<&'a str>,
}

impl<'a> Purchase<'a> {
    /// These lines in this sale, at whatever price is in force.
    pub fn of(sale: u16, lines: &'a [(u16, u32)], buyer: &'a str, key: &'a str) -> Purchase<'a> {
        Purchase {
            sale,
            lines,
            buyer,
            key,
            max_price: None,
            is_up_to: false,
            waits: false,
            channel: 0,
            groups: [None; GROUPS_MAX],
            ticket: None,
        }
    }

    pub(super) fn encode(&self, tails: &mut Tails) -> Result<Head> {
        let is_basket = self.lines.len() != 1;
        let (item, units) = if is_basket { (0, 0) } else { self.lines[0] };
        let item = Item { sale: self.sale, item };
        let mut head = purchase(item, (self.buyer, self.key), (units, self.max_price), tails)?;
        head.options |= if self.is_up_to { UP_TO } else { 0 };
        head.options |= if self.waits { WAITS } else { 0 };
        let mut side = Side { channel: self.channel, groups: [0; GROUPS_MAX] };
        for (digest, member) in side.groups.iter_mut().zip(self.groups) {
            let Some(member) = member else { continue };
            let bad = |why: BadIdent| Error::BadText { field: "group", reason: why.to_string() };
            Ident::parse(member.as_bytes()).map_err(bad)?;
            *digest = member_digest(member.as_bytes());
        }
        if side != Side::NONE {
            tails.push(encode_side(&side));
        }
        if is_basket {
            head.kind = kind::BASKET;
            tails.lines(self.lines)?;
        }
        if let Some(ticket) = self.ticket {
            tails.ticket(ticket)?;
        }
        Ok(head)
    }
}
