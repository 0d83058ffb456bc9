//! What a power cut does to writes that were not synced.

use crate::drill::random::Random;

const SECTOR_BYTES: usize = 512;

/// What a power cut leaves of writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::drill) enum Cut {
    /// Nothing.
    Lost,
    /// Everything.
    Kept,
    /// The first of them, the last one torn at any byte.
    Torn,
    /// Any sectors of them, in no order.
    Reordered,
    /// As [`Cut::Torn`], and a bit of what is left is another.
    Flipped,
}

/// Which bytes of writes that were not synced are there after a power cut.
pub(super) fn survivors(
    cut: Cut,
    mut unsynced: Vec<(usize, Vec<u8>)>,
    live: &[u8],
    random: &mut Random,
) -> Vec<(usize, Vec<u8>)> {
    match cut {
        Cut::Lost => Vec::new(),
        Cut::Kept => unsynced,
        Cut::Torn | Cut::Flipped => {
            let kept = random.place(unsynced.len() + 1);
            if let Some((_, torn)) = unsynced.get_mut(kept) {
                torn.truncate(random.place(torn.len() + 1));
            }
            unsynced.truncate(kept + 1);
            if cut == Cut::Flipped
                && let Some((_, bytes)) = unsynced.last_mut()
                && !bytes.is_empty()
            {
                let at = random.place(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
            unsynced
        }
        Cut::Reordered => {
            let sectors = |(at, bytes): &(usize, Vec<u8>)| {
                at / SECTOR_BYTES..(at + bytes.len()).div_ceil(SECTOR_BYTES)
            };
            let mut sectors: Vec<usize> = unsynced.iter().flat_map(sectors).collect();
            sectors.sort_unstable();
            sectors.dedup();
            sectors.retain(|_| random.once_in(2));
            let bytes = |sector: usize| {
                let from = sector * SECTOR_BYTES;
                (from, live[from..(from + SECTOR_BYTES).min(live.len())].to_vec())
            };
            sectors.into_iter().map(bytes).collect()
        }
    }
}
