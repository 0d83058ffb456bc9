//! The binary protocol: cells from a template, patched in place.

use doorbuster::client::Item;
use doorbuster::limits::BASKET_LINES_MAX;
use doorbuster::message::{
    CELL_BYTES, Cell, Head, LINES_PER_CELL, NO_MAX_PRICE, WAITS, encode_lines, encode_side, kind,
    line_cells, member_digest, text_tail,
};
use doorbuster::sale::{Form, Ident, OrderLine, Side};

use super::decimal::Decimal;
use super::{Command, Parsed, Protocol};
use crate::load::connect::Shop;
use crate::load::content::{Buyer, Purchase};

const LINE_CELLS_MAX: usize = line_cells(BASKET_LINES_MAX);

/// Cells ready to be patched.
pub(crate) struct Binary {
    /// A purchase of each item.
    buy: Vec<Head>,
    /// The items' numbers in the sale.
    numbers: Vec<u16>,
    command: Head,
    /// The channel's number in the sale; 0 for none.
    channel: u8,
    /// In front of a request's number, in decimal.
    run: u128,
}

impl Binary {
    pub(crate) fn new(shop: &Shop, run: u128) -> Binary {
        let items: &[Item] = &shop.numbers;
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
        let numbers = items.iter().map(|item| item.item).collect();
        Binary { buy: buy.collect(), numbers, command, channel: shop.channel, run }
    }
}

/// The lines of a basket, as the last cells behind its head. Returns how many cells they take.
fn put_lines(purchase: &Purchase<'_>, numbers: &[u16], cells: &mut [Cell]) -> usize {
    let mut lines = [OrderLine::default(); BASKET_LINES_MAX];
    for (line, (item, units)) in lines.iter_mut().zip(purchase.lines()) {
        *line = OrderLine::new(numbers[item], units, 0);
    }
    let some = lines[..usize::from(purchase.lines)].chunks(LINES_PER_CELL);
    let count = some.len();
    for (cell, some) in cells.iter_mut().zip(some) {
        *cell = encode_lines(some);
    }
    count
}

/// What it names beside buyer and item.
fn side_of(purchase: &Purchase<'_>, channel: u8) -> Side {
    let digest = |member: u64| match member {
        0 => 0,
        member => member_digest(Decimal::new(member.into()).text()),
    };
    Side { channel, groups: purchase.members.map(digest) }
}

/// A purchase by name, with more cells behind; a long name takes a cell of its own before them.
fn named(mut head: Head, buyer: &str, behind: &[Cell], out: &mut Vec<u8>) {
    let ident = Ident::parse(buyer.as_bytes()).expect("names are checked before the run");
    head.set_buyer(ident);
    let long = ident.form == Form::Long;
    head.tails = (u16::from(long) + behind.len() as u16).into();
    out.extend_from_slice(&Cell::from(head).0);
    if long {
        out.extend_from_slice(&text_tail(buyer.as_bytes()).0);
    }
    behind.iter().for_each(|cell| out.extend_from_slice(&cell.0));
}

impl Protocol for Binary {
    const TAGGED: bool = true;
    const SAYS_REPLAYED: bool = true;

    fn buy(&mut self, purchase: &Purchase<'_>, tag: u32, out: &mut Vec<u8>) {
        let key = self.run + u128::from(purchase.number);
        let mut head = self.buy[purchase.item];
        head.tag = tag.into();
        head.key = key.to_le_bytes();
        head.units = purchase.units.into();
        if purchase.wait {
            head.options |= WAITS;
        }
        let (mut cells, mut count) = ([Cell::ZERO; 1 + LINE_CELLS_MAX], 0);
        let side = side_of(purchase, self.channel);
        if side != Side::NONE {
            cells[0] = encode_side(&side);
            count += 1;
        }
        if purchase.lines > 0 {
            (head.kind, head.item, head.units) = (kind::BASKET, 0.into(), 0.into());
            count += put_lines(purchase, &self.numbers, &mut cells[count..]);
        }
        let buyer = match purchase.buyer {
            Buyer::New => key,
            Buyer::Number(number) => number.into(),
            Buyer::Named(text) => return named(head, text, &cells[..count], out),
        };
        head.buyer = buyer.to_le_bytes();
        head.tails = (count as u16).into();
        out.extend_from_slice(&Cell::from(head).0);
        cells[..count].iter().for_each(|cell| out.extend_from_slice(&cell.0));
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
            if first[0] == kind::NEWS {
                // Of a purchase that waits: what was asked for it is answered already.
                at += CELL_BYTES;
                continue;
            }
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

    fn shop(channel: u8) -> Shop {
        Shop {
            hold_ms: None,
            limit: None,
            items: Vec::new(),
            numbers: vec![Item { sale: 1, item: 2 }],
            channel,
            tells_terms: false,
        }
    }

    #[test]
    fn a_side_stands_before_the_lines() {
        let mut purchase = Purchase::one(Buyer::Named("a-buyer-of-quite-a-long-name"));
        (purchase.lines, purchase.members, purchase.wait) = (1, [7, 0], true);
        let mut out = Vec::new();
        Binary::new(&shop(2), 5_000).buy(&purchase, 9, &mut out);
        let cells: Vec<Cell> =
            out.chunks_exact(64).map(|bytes| Cell(bytes.try_into().expect("64"))).collect();
        let kinds: Vec<u8> = cells.iter().map(Cell::kind).collect();
        assert_eq!(kinds, [kind::BASKET, kind::TEXT, kind::SIDE, kind::LINES]);
        assert_eq!(cells[2], encode_side(&Side { channel: 2, groups: [member_digest(b"7"), 0] }));
        let frame = doorbuster::wire::binary::parse(&out).expect("whole");
        assert_eq!(frame.what, doorbuster::wire::binary::What::Ask);
    }

    #[test]
    fn news_of_one_who_waited_are_no_answers() {
        let mut bytes = Vec::new();
        for (kind, tag) in [(kind::NEWS, 0), (kind::REPLY, 5), (kind::NEWS, 0)] {
            let mut cell = Cell::ZERO;
            (cell.0[0], cell.0[4]) = (kind, tag);
            bytes.extend_from_slice(&cell.0);
        }
        let mut binary = Binary::new(&shop(0), 5_000);
        let mut answers = Vec::new();
        assert_eq!(binary.parse(&bytes, &mut answers), Ok(3 * CELL_BYTES));
        assert_eq!(answers.iter().map(|answer| answer.tag).collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn a_buyer_with_a_long_name_takes_a_second_cell() {
        let mut binary = Binary::new(&shop(0), 5_000);
        for (name, cells) in [("31", 1), ("a-short-name", 1), ("a-buyer-of-quite-a-long-name", 2)] {
            let mut out = Vec::new();
            let purchase = Purchase { number: 7, units: 2, ..Purchase::one(Buyer::Named(name)) };
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
