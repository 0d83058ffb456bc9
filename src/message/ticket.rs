//! A buyer's ticket as text and as a cell. What it is worth is for others to say.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | [`kind::TICKET`] |
//! | 8 | 32 | HMAC-SHA256 |
//! | 40 | 8 | expiry, Unix seconds |
//!
//! All else is zero. The cell stands behind all other tails of a purchase, on the binary protocol
//! only: it never crosses a ring and is never recorded.

use super::{Cell, kind};

/// The parts of `<buyer>.<expiry>.<mac>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketText<'a> {
    /// Whose it is; may hold dots.
    pub buyer: &'a [u8],
    /// Unix seconds, in decimal without leading zeros.
    pub expiry: u64,
    /// From 64 hex digits.
    pub mac: [u8; 32],
}

/// Takes a ticket's text apart; `None` if it does not read like one.
pub fn split_ticket(text: &[u8]) -> Option<TicketText<'_>> {
    let (rest, mac) = split_at_last_dot(text)?;
    let (buyer, expiry) = split_at_last_dot(rest)?;
    let canonical = expiry.first().is_some_and(|first| *first != b'0' || expiry.len() == 1);
    if buyer.is_empty() || !canonical || !expiry.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let expiry = std::str::from_utf8(expiry).ok()?.parse().ok()?;
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let digits: &[u8; 64] = mac.try_into().ok()?;
    let mut mac = [0; 32];
    for (byte, pair) in mac.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(TicketText { buyer, expiry, mac })
}

fn split_at_last_dot(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = text.iter().rposition(|byte| *byte == b'.')?;
    Some((&text[..dot], &text[dot + 1..]))
}

/// Makes the cell.
pub fn ticket_tail(expiry: u64, mac: &[u8; 32]) -> Cell {
    let mut cell = Cell::ZERO;
    cell.0[0] = kind::TICKET;
    cell.0[8..40].copy_from_slice(mac);
    cell.0[40..48].copy_from_slice(&expiry.to_le_bytes());
    cell
}

/// Expiry and mac of a cell that is a ticket's; `None` if it is none.
pub fn ticket_parts(cell: &Cell) -> Option<(u64, [u8; 32])> {
    let mac = cell.0[8..].first_chunk::<32>()?;
    let expiry = u64::from_le_bytes(*cell.0[40..].first_chunk::<8>()?);
    (*cell == ticket_tail(expiry, mac)).then_some((expiry, *mac))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_gives_back_what_went_in_and_nothing_else_is_a_ticket() {
        let mac = [7; 32];
        let cell = ticket_tail(1_795_809_600, &mac);
        assert_eq!(ticket_parts(&cell), Some((1_795_809_600, mac)));
        for at in [0, 1, 7, 48, 63] {
            let mut spoilt = cell;
            spoilt.0[at] ^= 1;
            assert_eq!(ticket_parts(&spoilt), None, "{at}");
        }
    }

    #[test]
    fn a_buyer_may_hold_dots() {
        let text = format!("a.b..5.{}", "0f".repeat(32));
        let ticket = split_ticket(text.as_bytes()).expect("well formed");
        assert_eq!((ticket.buyer, ticket.expiry, ticket.mac), (&b"a.b."[..], 5, [15; 32]));
    }
}
