//! The lines of an order as cells: three to a cell, behind the long texts.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | [`kind::LINES`] |
//! | 1 | 1 | lines in this cell, 1 to 3; 3 in all but the last |
//! | 2 | 14 | zero |
//! | 16, 32, 48 | 2 | the item's number in the sale, 0 unknown |
//! | 18 | 2 | zero |
//! | 20 | 4 | units |
//! | 24 | 8 | minor units each; zero in a request |

use super::{Cell, kind};
use crate::sale::{BASKET_LINES_MAX, OrderLine};

/// Lines in a cell.
pub const LINES_PER_CELL: usize = 3;
const LINE_BYTES: usize = 16;

/// Cells that so many lines take.
pub const fn line_cells(lines: usize) -> usize {
    lines.div_ceil(LINES_PER_CELL)
}

/// Writes up to three lines into a cell.
///
/// # Panics
/// If there are none, or more.
pub fn encode_lines(lines: &[OrderLine]) -> Cell {
    assert!((1..=LINES_PER_CELL).contains(&lines.len()));
    let mut cell = Cell::ZERO;
    cell.0[..2].copy_from_slice(&[kind::LINES, lines.len() as u8]);
    for (line, bytes) in lines.iter().zip(cell.0[LINE_BYTES..].chunks_exact_mut(LINE_BYTES)) {
        bytes[..2].copy_from_slice(&line.item.to_le_bytes());
        bytes[4..8].copy_from_slice(&line.units.to_le_bytes());
        bytes[8..].copy_from_slice(&line.price.to_le_bytes());
    }
    cell
}

/// The lines in a cell; whatever it is, there are three at most.
#[inline]
pub fn lines_in(cell: &Cell) -> impl Iterator<Item = OrderLine> {
    let count = usize::from(cell.0[1]).min(LINES_PER_CELL);
    let bytes = cell.0;
    (1..=count).map(move |index| {
        let line: &[u8; LINE_BYTES] =
            bytes[index * LINE_BYTES..].first_chunk().expect("three lines and a head fill a cell");
        let [a, b, _, _, c, d, e, f, price @ ..] = *line;
        let item = u16::from_le_bytes([a, b]);
        OrderLine::new(item, u32::from_le_bytes([c, d, e, f]), u64::from_le_bytes(price))
    })
}

/// The lines of a basket, read from cells.
pub struct Lines {
    lines: [OrderLine; BASKET_LINES_MAX],
    len: usize,
}

impl Lines {
    /// Reads them from so many cells; `None` if those hold none, or more than a basket may have, or
    /// are spelt otherwise than [`encode_lines`] would.
    #[inline]
    pub fn read(cells: usize, cell: impl Fn(usize) -> Cell) -> Option<Lines> {
        let mut read = Lines { lines: [OrderLine::default(); BASKET_LINES_MAX], len: 0 };
        for index in 0..cells {
            let (cell, from) = (cell(index), read.len);
            if from != index * LINES_PER_CELL {
                return None;
            }
            for line in lines_in(&cell) {
                *read.lines.get_mut(read.len)? = line;
                read.len += 1;
            }
            if read.len == from || encode_lines(&read.lines[from..read.len]) != cell {
                return None;
            }
        }
        (read.len > 0).then_some(read)
    }

    /// All of them, in the order in which they came.
    #[inline]
    pub fn all(&self) -> &[OrderLine] {
        &self.lines[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_as_they_were() {
        let line = |item| OrderLine::new(item, u32::from(item) * 1000, 1 << (40 + item));
        for count in 1..=3 {
            let lines: Vec<OrderLine> = (1..=count).map(line).collect();
            let cell = encode_lines(&lines);
            assert_eq!(cell.kind(), kind::LINES);
            assert_eq!(lines_in(&cell).collect::<Vec<_>>(), lines);
        }
        assert_eq!((line_cells(1), line_cells(3), line_cells(4), line_cells(16)), (1, 1, 2, 6));
        assert_eq!(lines_in(&Cell([255; 64])).count(), 3);
    }
}
