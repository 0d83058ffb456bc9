//! Cells in a row, message by message.

use super::{Cell, Head};

impl Head {
    /// Cells of the whole message: this one and its tails.
    #[inline(always)]
    pub fn cells(&self) -> usize {
        1 + usize::from(self.tails.to_native())
    }
}

/// The messages that lie one after another in `cells`, each with its head first. If the last one is
/// cut short, it comes as short as it is.
pub fn messages(cells: &[Cell]) -> impl Iterator<Item = &[Cell]> {
    let mut rest = cells;
    std::iter::from_fn(move || {
        let len = rest.first()?.head().cells().min(rest.len());
        let (message, after) = rest.split_at(len);
        rest = after;
        Some(message)
    })
}

#[cfg(test)]
mod tests {
    use super::super::kind;
    use super::*;

    #[test]
    fn messages_come_whole_and_the_last_as_short_as_it_is() {
        let head = |tails: u16| Cell::from(Head { tails: tails.into(), ..Head::new(kind::BUY) });
        let cells = [head(0), head(2), Cell::ZERO, Cell::ZERO, head(3), Cell::ZERO];
        let lens: Vec<usize> = messages(&cells).map(<[Cell]>::len).collect();
        assert_eq!(lens, [1, 3, 2]);
        assert_eq!(messages(&[]).count(), 0);
    }
}
