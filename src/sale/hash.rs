//! A keyed hash of 128 bits. Buyers and keys are chosen by clients, so where they fall in a table
//! must not be theirs to choose; the seed is drawn by whoever makes the shop and never told.
//!
//! The construction is the folded multiply of wyhash (<https://github.com/wangyi-fudan/wyhash>): a
//! 64 x 64 -> 128 bit product whose halves are combined by exclusive or.

/// The secret of one process's tables.
#[derive(Clone, Copy)]
pub struct Seed(pub [u64; 4]);

#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}

impl Seed {
    /// The hash of an ident's bits within a context (its sale, form and so on).
    #[inline(always)]
    pub(super) fn hash(&self, bits: u128, context: u64) -> u64 {
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
