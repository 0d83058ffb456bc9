//! Requests and their cells.
//!
//! Encoding appends whole cells to a buffer or leaves it as it was; it never touches a socket.

use super::{Error, Purchase, Result};
use crate::limits::{BASKET_LINES_MAX, REQUEST_TAILS_MAX};
use crate::message::{
    Cell, Head, LINES_PER_CELL, NO_MAX_PRICE, UP_TO, WAITS, encode_lines, kind, split_ticket,
    text_tail, ticket_tail,
};
use crate::sale::{Form, Ident, Name, OrderLine};

/// A sale and one of its items, by the numbers the server gave their names. They stay the same for
/// as long as the server's data folder lives, so they may be kept and shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// Number of the sale, from 1.
    pub sale: u16,
    /// Number of the item within its sale, from 1; 0 if only the sale was asked for.
    pub item: u16,
}

/// What can be asked. Buyers and keys are 1-64 printable ASCII characters without spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request<'a> {
    /// Units of one item for a buyer. Sent again with the same key and content it is answered with
    /// the same order, so it can be repeated whenever an answer got lost.
    Buy {
        /// What to buy.
        item: Item,
        /// For whom.
        buyer: &'a str,
        /// The caller's idempotency key, unique in the sale.
        key: &'a str,
        /// How many, from 1.
        units: u32,
        /// The highest price of a unit to accept, in minor units; `None` for any.
        max_price: Option<u64>,
    },
    /// As `Buy`, content with fewer units: as many as are free and as the buyer's limits leave, one
    /// at least. The answer says how many.
    BuyUpTo {
        /// What to buy.
        item: Item,
        /// For whom.
        buyer: &'a str,
        /// The caller's idempotency key, unique in the sale.
        key: &'a str,
        /// How many at most, from 1.
        units: u32,
        /// The highest price of a unit to accept, in minor units; `None` for any.
        max_price: Option<u64>,
    },
    /// As `Buy`, and rather waits than be sold out, in a sale that has a waiting list.
    BuyOrWait {
        /// What to buy.
        item: Item,
        /// For whom.
        buyer: &'a str,
        /// The caller's idempotency key, unique in the sale.
        key: &'a str,
        /// How many, from 1.
        units: u32,
        /// The highest price of a unit to accept, in minor units; `None` for any.
        max_price: Option<u64>,
    },
    /// Units of several items for a buyer, all or none.
    Basket {
        /// Number of the sale.
        sale: u16,
        /// 1 to 16 items of it by their numbers, with the units of each.
        lines: &'a [(u16, u32)],
        /// For whom.
        buyer: &'a str,
        /// The caller's idempotency key, unique in the sale.
        key: &'a str,
        /// The highest price of a unit to accept, in minor units; `None` for any.
        max_price: Option<u64>,
    },
    /// As `Buy`, with the signed ticket that lets the buyer buy in this sale. The buyer is the
    /// ticket's.
    BuyWithTicket {
        /// What to buy.
        item: Item,
        /// `<buyer>.<expiry>.<64 hex digits>`.
        ticket: &'a str,
        /// The caller's idempotency key, unique in the sale.
        key: &'a str,
        /// How many, from 1.
        units: u32,
        /// The highest price of a unit to accept, in minor units; `None` for any.
        max_price: Option<u64>,
    },
    /// A purchase with all that can be said of one.
    Purchase(Purchase<'a>),
    /// A hold becomes a purchase.
    Confirm {
        /// Number of the sale.
        sale: u16,
        /// The order's id.
        order: u64,
        /// If given: whose order it must be.
        buyer: Option<&'a str>,
    },
    /// A hold is given back.
    Release {
        /// Number of the sale.
        sale: u16,
        /// The order's id.
        order: u64,
        /// If given: whose order it must be.
        buyer: Option<&'a str>,
    },
    /// A hold lasts longer, once, by as much as the sale allows.
    Extend {
        /// Number of the sale.
        sale: u16,
        /// The order's id.
        order: u64,
        /// If given: whose order it must be.
        buyer: Option<&'a str>,
    },
    /// A purchase is given back.
    Cancel {
        /// Number of the sale.
        sale: u16,
        /// The order's id.
        order: u64,
        /// If given: whose order it must be.
        buyer: Option<&'a str>,
    },
    /// Shows an order.
    Order {
        /// Number of the sale.
        sale: u16,
        /// The order's id.
        order: u64,
    },
    /// Shows the units of an item.
    Stock {
        /// Which item.
        item: Item,
    },
    /// Asks for the numbers of names.
    Resolve {
        /// Name of the sale.
        sale: &'a str,
        /// Name of an item in it, if one is wanted.
        item: Option<&'a str>,
    },
    /// Asks for the number of a sale's channel.
    ResolveChannel {
        /// Name of the sale.
        sale: &'a str,
        /// Name of the channel.
        channel: &'a str,
    },
    /// Asks for nothing.
    Ping,
}

impl Request<'_> {
    /// Appends the request's cells to `out`.
    pub(super) fn encode(&self, tag: u32, out: &mut Vec<u8>) -> Result<()> {
        let mut tails = Tails { cells: [Cell::ZERO; TAILS_MAX], count: 0 };
        let mut head = match *self {
            Request::Buy { item, buyer, key, units, max_price } => {
                purchase(item, (buyer, key), (units, max_price), &mut tails)?
            }
            Request::BuyOrWait { item, buyer, key, units, max_price } => {
                let head = purchase(item, (buyer, key), (units, max_price), &mut tails)?;
                Head { options: head.options | WAITS, ..head }
            }
            Request::Basket { sale, lines, buyer, key, max_price } => {
                let item = Item { sale, item: 0 };
                let mut head = purchase(item, (buyer, key), (0, max_price), &mut tails)?;
                head.kind = kind::BASKET;
                tails.lines(lines)?;
                head
            }
            Request::BuyUpTo { item, buyer, key, units, max_price } => {
                let head = purchase(item, (buyer, key), (units, max_price), &mut tails)?;
                Head { options: head.options | UP_TO, ..head }
            }
            Request::BuyWithTicket { item, ticket, key, units, max_price } => {
                let parts = split_ticket(ticket.as_bytes()).ok_or_else(bad_ticket)?;
                let buyer = std::str::from_utf8(parts.buyer).map_err(|_| bad_ticket())?;
                let head = purchase(item, (buyer, key), (units, max_price), &mut tails)?;
                tails.ticket(ticket)?;
                head
            }
            Request::Purchase(ref purchase) => purchase.encode(&mut tails)?,
            Request::Confirm { sale, order, buyer } => {
                command(kind::CONFIRM, sale, order, buyer, &mut tails)?
            }
            Request::Release { sale, order, buyer } => {
                command(kind::RELEASE, sale, order, buyer, &mut tails)?
            }
            Request::Extend { sale, order, buyer } => {
                command(kind::EXTEND, sale, order, buyer, &mut tails)?
            }
            Request::Cancel { sale, order, buyer } => {
                command(kind::CANCEL, sale, order, buyer, &mut tails)?
            }
            Request::Order { sale, order } => command(kind::ORDER, sale, order, None, &mut tails)?,
            Request::Stock { item } => {
                let mut head = Head::new(kind::STOCK);
                head.sale = item.sale.into();
                head.item = item.item.into();
                head
            }
            Request::Resolve { sale, item } => {
                tails.name("sale", sale)?;
                item.map_or(Ok(()), |item| tails.name("item", item))?;
                Head::new(kind::RESOLVE)
            }
            Request::ResolveChannel { sale, channel } => {
                tails.name("sale", sale)?;
                tails.push(Cell::ZERO);
                tails.name("channel", channel)?;
                Head::new(kind::RESOLVE)
            }
            Request::Ping => Head::new(kind::PING),
        };
        head.tag = tag.into();
        head.tails = tails.count.into();
        out.extend_from_slice(&Cell::from(head).0);
        for tail in &tails.cells[..usize::from(tails.count)] {
            out.extend_from_slice(&tail.0);
        }
        Ok(())
    }
}

pub(super) fn purchase(
    item: Item,
    (buyer, key): (&str, &str),
    (units, max_price): (u32, Option<u64>),
    tails: &mut Tails,
) -> Result<Head> {
    let mut head = Head::new(kind::BUY);
    head.sale = item.sale.into();
    head.item = item.item.into();
    head.units = units.into();
    head.price = max_price.unwrap_or(NO_MAX_PRICE).into();
    head.set_buyer(tails.ident("buyer", buyer)?);
    head.set_key(tails.ident("key", key)?);
    Ok(head)
}

fn command(
    kind: u8,
    sale: u16,
    order: u64,
    buyer: Option<&str>,
    tails: &mut Tails,
) -> Result<Head> {
    let mut head = Head::new(kind);
    head.sale = sale.into();
    head.set_order(order);
    if let Some(buyer) = buyer {
        head.set_buyer(tails.ident("buyer", buyer)?);
    }
    Ok(head)
}

fn bad_ticket() -> Error {
    Error::BadText { field: "ticket", reason: "is not <buyer>.<expiry>.<64 hex digits>".into() }
}

/// Two long texts, a side, the lines of a basket, and a ticket.
const TAILS_MAX: usize = REQUEST_TAILS_MAX + 1;

/// The cells behind a head.
pub(super) struct Tails {
    cells: [Cell; TAILS_MAX],
    count: u16,
}

impl Tails {
    pub(super) fn push(&mut self, cell: Cell) {
        self.cells[usize::from(self.count)] = cell;
        self.count += 1;
    }

    pub(super) fn lines(&mut self, lines: &[(u16, u32)]) -> Result<()> {
        if !(1..=BASKET_LINES_MAX).contains(&lines.len()) {
            let reason = format!("are {}: a basket has 1 to {BASKET_LINES_MAX}", lines.len());
            return Err(Error::BadText { field: "lines", reason });
        }
        for some in lines.chunks(LINES_PER_CELL) {
            let mut cell = [OrderLine::default(); LINES_PER_CELL];
            for (line, (item, units)) in cell.iter_mut().zip(some) {
                *line = OrderLine::new(*item, *units, 0);
            }
            self.push(encode_lines(&cell[..some.len()]));
        }
        Ok(())
    }

    pub(super) fn ticket(&mut self, ticket: &str) -> Result<()> {
        let parts = split_ticket(ticket.as_bytes()).ok_or_else(bad_ticket)?;
        self.push(ticket_tail(parts.expiry, &parts.mac));
        Ok(())
    }

    fn ident(&mut self, field: &'static str, text: &str) -> Result<Ident> {
        let ident = Ident::parse(text.as_bytes())
            .map_err(|reason| Error::BadText { field, reason: reason.to_string() })?;
        if ident.form == Form::Long {
            self.push(text_tail(text.as_bytes()));
        }
        Ok(ident)
    }

    fn name(&mut self, field: &'static str, text: &str) -> Result<()> {
        let name =
            Name::parse(text.as_bytes()).map_err(|reason| Error::BadText { field, reason })?;
        self.push(Cell(*name.as_bytes()));
        Ok(())
    }
}
