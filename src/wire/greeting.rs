//! The first cells of a binary connection, and how it is told that it may not do something. Byte by
//! byte they are described in [`binary`](super::binary).
//!
//! It keeps no token: what it finds is the peer's own bytes, where they lie.

use crate::access::{Denied, Refused, TOKEN_BYTES};
use crate::message::{CELL_BYTES, Cell, kind, outcome};

/// The version of the protocol.
pub const VERSION: u8 = 1;
/// Where a token lies in a client's first cell.
pub const TOKEN_AT: usize = 8;

/// What a client's first cell says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting<'a> {
    /// It speaks this protocol; with its token, empty if it shows none.
    Good(&'a [u8]),
    /// It does not.
    Bad,
}

/// The greeting at the start of `input`; `None` if more has to come.
pub fn parse_hello(input: &[u8]) -> Option<Greeting<'_>> {
    const TOKEN_END: usize = TOKEN_AT + TOKEN_BYTES;
    let cell = input.first_chunk::<CELL_BYTES>()?;
    let token = &cell[TOKEN_AT..TOKEN_END];
    let zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    let good = cell[..2] == [kind::HELLO, VERSION]
        && zero(&cell[2..TOKEN_AT])
        && zero(&cell[TOKEN_END..])
        && (zero(token) || token.iter().all(u8::is_ascii_graphic));
    Some(match (good, zero(token)) {
        (false, _) => Greeting::Bad,
        (true, true) => Greeting::Good(&[]),
        (true, false) => Greeting::Good(token),
    })
}

/// Appends the answer to the greeting; `number` is the most requests on their way, or, with
/// [`OVERLOADED`](outcome::OVERLOADED), after how many ms to try again.
pub fn hello(told: u8, number: u32, out: &mut Vec<u8>) {
    let mut cell = Cell::ZERO;
    cell.0[..3].copy_from_slice(&[kind::HELLO, told, VERSION]);
    cell.0[4..8].copy_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&cell.0);
}

/// Outcome and `price` by which a request is told that it does not get as far as the matcher.
pub fn turned_away(refused: Refused) -> (u8, u64) {
    match refused {
        Refused::Denied(Denied::NoToken | Denied::WrongToken) => (outcome::UNAUTHORIZED, 0),
        Refused::Denied(Denied::WrongRole) => (outcome::FORBIDDEN, 0),
        Refused::Ticket(why) => (outcome::TICKET_REFUSED, why as u64),
        Refused::Busy { retry_after_ms } => (outcome::OVERLOADED, retry_after_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_may_show_a_token() {
        let mut cell = Cell::ZERO.0;
        cell[..2].copy_from_slice(&[kind::HELLO, VERSION]);
        assert_eq!(parse_hello(&cell[..63]), None);
        assert_eq!(parse_hello(&cell), Some(Greeting::Good(&[])));
        cell[8..54].fill(b'x');
        assert_eq!(parse_hello(&cell), Some(Greeting::Good(&[b'x'; 46])));
        for (at, byte) in [(1, 2), (2, 1), (7, b'x'), (8, 0), (53, b' '), (54, b'x'), (63, 1)] {
            let mut spoilt = cell;
            spoilt[at] = byte;
            assert_eq!(parse_hello(&spoilt), Some(Greeting::Bad), "{at}");
        }
    }
}
