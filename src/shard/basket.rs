//! The lines of baskets on a shard: from names to the cells behind a request.
//!
//! An item that the sale does not have is found out here, where its name still is: the sale's items
//! never change, so the matcher could only say the same.

use super::intake::push_ask;
use super::names::Names;
use crate::limits::BASKET_LINES_MAX;
use crate::message::{Cell, LINES_PER_CELL, encode_lines};
use crate::ring::Writer;
use crate::sale::{OrderLine, Side};
use crate::wire::commands::Ask;

/// The lines of a request in numbers; none if it is no basket.
pub(super) struct Numbered {
    lines: [OrderLine; BASKET_LINES_MAX],
    len: usize,
}

/// Looks up the items of a request's lines in a sale. In a sale that is not known they are not
/// known either.
///
/// # Errors
/// Which line names an item that the sale does not have.
#[inline]
pub(super) fn numbered(names: &mut Names, ask: &Ask<'_>, sale: u16) -> Result<Numbered, usize> {
    let mut numbered = Numbered { lines: [OrderLine::default(); BASKET_LINES_MAX], len: 0 };
    for index in 0..ask.lines.len() {
        let (name, units) = ask.lines.line(index);
        let (_, item) = names.numbers(ask.sale, name);
        if item == 0 && sale != 0 {
            return Err(index);
        }
        numbered.lines[index] = OrderLine::new(item, units, 0);
        numbered.len += 1;
    }
    Ok(numbered)
}

/// Pushes lines behind the long texts and the side of their request.
#[inline]
pub(super) fn push_lines(requests: &mut Writer<Cell>, numbered: &Numbered) {
    for lines in numbered.lines[..numbered.len].chunks(LINES_PER_CELL) {
        requests.push(encode_lines(lines));
    }
}

/// Pushes a basket that came over RESP.
///
/// # Errors
/// Which line names an item that the sale does not have; nothing is pushed then.
pub(super) fn push_basket(
    (requests, names): (&mut Writer<Cell>, &mut Names),
    ask: &Ask<'_>,
    (numbers, side): ((u16, u16), &Side),
    stamp: u64,
) -> Result<(), usize> {
    let lines = numbered(names, ask, numbers.0)?;
    push_ask(requests, ask, (numbers, side), stamp);
    push_lines(requests, &lines);
    Ok(())
}
