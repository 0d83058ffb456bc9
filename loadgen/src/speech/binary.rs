//! The binary protocol: cells from a template, patched in place.

use doorbuster::client::Item;
use doorbuster::message::{CELL_BYTES, Cell, Head, NO_MAX_PRICE, kind, text_tail};
use doorbuster::sale::{Form, Ident};

use super::{Command, Parsed, Protocol};
use crate::load::content::{Buyer, Purchase};

/// Cells ready to be patched.
pub(crate) struct Binary {
    /// A purchase of each item.
    buy: Vec<Head>,
    command: Head,
    /// In front of a request's number, in decimal.
    run: u128,
}

impl Binary {
    pub(crate) fn new(items: &[Item], run: u128) -> Binary {
        let none = Ident { form: Form::Decimal, bits: 0 };
        let buy = items.iter().map(|item| {
            let mut head = Head::new(kind::BUY);
            head.sale = item.sale.into();
            head.item = item.item.into();
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

/// A purchase by name; a long name takes a cell of its own.
fn named(mut head: Head, buyer: &str, out: &mut Vec<u8>) {
    let ident = Ident::parse(buyer.as_bytes()).expect("names are checked before the run");
    head.set_buyer(ident);
    let long = ident.form == Form::Long;
    head.tails = u16::from(long).into();
    out.extend_from_slice(&Cell::from(head).0);
    if long {
        out.extend_from_slice(&text_tail(buyer.as_bytes()).0);
    }
}

impl Protocol for Binary {
    const TAGGED: bool = true;
    const SAYS_REPLAYED: bool = true;

    fn buy(&mut self, purchase: &Purchase<'_>, tag: u32, out: &mut Vec<u8>) {
        let head = &mut self.buy[purchase.item];
        let key = self.run + u128::from(purchase.number);
        head.tag = tag.into();
        head.key = key.to_le_bytes();
        head.units = purchase.units.into();
        let buyer = match purchase.buyer {
            Buyer::New => key,
            Buyer::Number(number) => number.into(),
            Buyer::Named(text) => return named(*head, text, out),
        };
        head.buyer = buyer.to_le_bytes();
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
    fn parse(&mut self, bytes: &[u8], answers: &mut Vec<Parsed>) -> Result<usize, String> {
        let mut at = 0;
        while let Some(first) = bytes[at..].first_chunk::<CELL_BYTES>() {
            if first[0] != kind::REPLY {
                return Err(format!("a cell of kind {} where an answer was due", first[0]));
            }
            let cell = Cell(*first);
            let reply = cell.reply();
            let end = at + (1 + usize::from(reply.tails)) * CELL_BYTES;
            if bytes.len() < end {
                break;
            }
            answers.push(Parsed {
                outcome: reply.outcome,
                replayed: reply.replayed != 0,
                tag: reply.tag.to_native(),
                order: reply.order.to_native(),
                units: reply.units.to_native(),
                expires_in_ms: reply.expires_in_ms.to_native(),
                text: (at as u32, end as u32),
            });
            at = end;
        }
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buyer_with_a_long_name_takes_a_second_cell() {
        let mut binary = Binary::new(&[Item { sale: 1, item: 2 }], 5_000);
        for (name, cells) in [("31", 1), ("a-short-name", 1), ("a-buyer-of-quite-a-long-name", 2)] {
            let mut out = Vec::new();
            let purchase = Purchase {
                number: 7,
                buyer: Buyer::Named(name),
                item: 0,
                units: 2,
                wait: false,
                repeat: false,
            };
            binary.buy(&purchase, 9, &mut out);
            assert_eq!(out.len(), cells * CELL_BYTES, "{name}");
            let cell = Cell(*out.first_chunk().expect("a cell"));
            let head = cell.head();
            assert_eq!(usize::from(head.tails.to_native()), cells - 1);
            assert_eq!(head.buyer(), Ident::parse(name.as_bytes()).ok());
            assert_eq!(head.key(), Some(Ident { form: Form::Decimal, bits: 5_007 }));
            let tail = (cells == 2).then(|| text_tail(name.as_bytes()).0.to_vec());
            assert_eq!(&out[CELL_BYTES..], tail.unwrap_or_default());
        }
    }
}
