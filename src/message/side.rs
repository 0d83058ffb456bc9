//! What a purchase may name beside buyer and item: a channel, and the members of limit groups.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | [`kind::SIDE`] |
//! | 1 | 1 | the channel's number in the sale, 0 for none |
//! | 16, 32 | 16 | digest of the member of the first and the second limit group, 0 for none |
//!
//! All else is zero. The cell stands behind the long texts of a purchase and before its lines, and
//! only if something is in it. A member (a household, a card, a device) travels and is kept as the
//! first 16 bytes of the BLAKE3 hash of its text: what it is called reaches no ring and no disk.

use super::{Cell, kind};
use crate::sale::{GROUPS_MAX, Side};

const GROUP_AT: usize = 16;
const DIGEST_BYTES: usize = 16;

/// What stands for the member of a limit group; never 0.
pub fn member_digest(text: &[u8]) -> u128 {
    let hash = blake3::hash(text);
    let digest = hash.as_bytes().first_chunk::<DIGEST_BYTES>().expect("a hash has 32 bytes");
    u128::from_le_bytes(*digest).max(1)
}

/// Makes the cell.
pub fn encode_side(side: &Side) -> Cell {
    let mut cell = Cell::ZERO;
    cell.0[..2].copy_from_slice(&[kind::SIDE, side.channel]);
    for (group, bytes) in side.groups.iter().zip(cell.0[GROUP_AT..].chunks_exact_mut(DIGEST_BYTES))
    {
        bytes.copy_from_slice(&group.to_le_bytes());
    }
    cell
}

/// Reads the cell; `None` if it is another, is spelt otherwise, or says nothing.
pub fn decode_side(cell: &Cell) -> Option<Side> {
    let mut side = Side { channel: cell.0[1], groups: [0; GROUPS_MAX] };
    for (group, bytes) in side.groups.iter_mut().zip(cell.0[GROUP_AT..].chunks_exact(DIGEST_BYTES))
    {
        *group = u128::from_le_bytes(bytes.try_into().expect("as many"));
    }
    (encode_side(&side) == *cell && side != Side::NONE).then_some(side)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_comes_back_and_nothing_else_is_one() {
        let side = Side { channel: 3, groups: [member_digest(b"card-1"), 0] };
        let cell = encode_side(&side);
        assert_eq!(decode_side(&cell), Some(side));
        assert_eq!(decode_side(&encode_side(&Side::NONE)), None);
        for at in [0, 2, 15, 48, 63] {
            let mut spoilt = cell;
            spoilt.0[at] ^= 1;
            assert_eq!(decode_side(&spoilt), None, "{at}");
        }
    }
}
