//! A keyed hash of 128 bits. Buyers and keys are chosen by clients, so where they fall in a table
//! must not be theirs to choose; the seed is drawn by whoever makes the shop and never told.
//!
//! The construction is the folded multiply of wyhash (<https://github.com/wangyi-fudan/wyhash>): a
//! 64 x 64 -> 128 bit product whose halves are combined by exclusive or.

/// The secret of one process's tables.
#[derive(Clone, Copy)]
pub struct Seed([u64; 4]);

#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}

impl Seed {
    /// A secret from four words. Whatever they are, the hash is a good one (words of few bits would
    /// make short products, and those few hashes); that nobody can guess it is up to the words.
    pub const fn new(words: [u64; 4]) -> Seed {
        let mut seed = words;
        let mut index = 0;
        while index < seed.len() {
            // SplitMix64's finalizer (<https://prng.di.unimi.it/splitmix64.c>), which is one to
            // one.
            let mut word =
                seed[index].wrapping_add(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(index as u64 + 1));
            word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            seed[index] = word ^ (word >> 31);
            index += 1;
        }
        Seed(seed)
    }

    /// The hash of an ident's bits within a context (its sale, form and so on).
    #[inline(always)]
    pub fn hash(&self, bits: u128, context: u64) -> u64 {
        let [a, b, c, d] = self.0;
        let inner = fold(bits as u64 ^ a, (bits >> 64) as u64 ^ b);
        fold(inner ^ c, context ^ d)
    }

    /// 128 bits that stand for a long text: a keyed BLAKE3.
    pub(super) fn digest(&self, text: &[u8; 64]) -> u128 {
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_exact_mut(8).zip(self.0) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        let digest = blake3::keyed_hash(&key, text);
        let mut low = [0; 16];
        low.copy_from_slice(&digest.as_bytes()[..16]);
        u128::from_le_bytes(low)
    }
}

/// Maps a hash to `0..len` by its high bits (Lemire, <https://arxiv.org/abs/1805.10941>).
#[inline(always)]
pub(super) fn reduce(hash: u64, len: usize) -> usize {
    ((u128::from(hash) * len as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_under_a_plain_seed_spread_over_a_table() {
        let seed = Seed::new([1, 2, 3, 4]);
        let mut fill = [0_u32; 256];
        for number in 0..25_600 {
            fill[reduce(seed.hash(number, 1), fill.len())] += 1;
        }
        assert!(fill.iter().all(|count| (50..200).contains(count)), "{fill:?}");
    }
}
