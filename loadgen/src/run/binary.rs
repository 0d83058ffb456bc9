//! The binary protocol: cells from a template, patched in place.

use doorbuster::client::Item;
use doorbuster::message::{CELL_BYTES, Cell, Head, NO_MAX_PRICE, kind};
use doorbuster::sale::{Form, Ident};

use super::content::Purchase;
use super::protocol::{Command, Parsed, Protocol};

/// Cells ready to be patched.
pub(crate) struct Binary {
    /// A purchase of each item.
    buy: Vec<Head>,
    command: Head,
    /// In front of a request's number, in decimal.
    run: u128,
}

impl Binary {
    pub(crate) fn new(items: &[Item], units: u32, run: u128) -> Binary {
        let none = Ident { form: Form::Decimal, bits: 0 };
        let buy = items.iter().map(|item| {
            let mut head = Head::new(kind::BUY);
            head.sale = item.sale.into();
            head.item = item.item.into();
            head.units = units.into();
            head.price = NO_MAX_PRICE.into();
            head.set_buyer(none);
            head.set_key(none);
            head
        });
        let mut command = Head::new(kind::CONFIRM);
        command.sale = items[0].sale.into();
        Binary { buy: buy.collect(), command, run }
    }
}

impl Protocol for Binary {
    const TAGGED: bool = true;

    fn buy(&mut self, purchase: &Purchase, tag: u32, out: &mut Vec<u8>) {
        let head = &mut self.buy[purchase.item];
        let key = self.run + u128::from(purchase.number);
        head.tag = tag.into();
        head.key = key.to_le_bytes();
        head.buyer = purchase.buyer.map_or(key, u128::from).to_le_bytes();
        out.extend_from_slice(&Cell::from(*head).0);
    }

    fn command(&mut self, command: Command, order: u64, tag: u32, out: &mut Vec<u8>) {
        let head = &mut self.command;
        head.kind = match command {
            Command::Confirm => kind::CONFIRM,
            Command::Release => kind::RELEASE,
        };
        head.tag = tag.into();
        head.set_order(order);
        out.extend_from_slice(&Cell::from(*head).0);
    }

    #[inline]
    fn parse(&self, bytes: &[u8]) -> Result<Option<Parsed>, String> {
        let Some(first) = bytes.first_chunk::<CELL_BYTES>() else { return Ok(None) };
        if first[0] != kind::REPLY {
            return Err(format!("a cell of kind {} where an answer was due", first[0]));
        }
        let cell = Cell(*first);
        let reply = cell.reply();
        let length = (1 + usize::from(reply.tails)) * CELL_BYTES;
        if bytes.len() < length {
            return Ok(None);
        }
        Ok(Some(Parsed {
            outcome: reply.outcome,
            replayed: reply.replayed != 0,
            tag: reply.tag.to_native(),
            order: reply.order.to_native(),
            bytes: length,
        }))
    }
}
