//! The chain values of the newest batches, from the journal's thread to whoever has to name them:
//! shards, for receipts, and the room that signs heads.
//!
//! One writer, any number of readers, no lock. The journal puts a batch in before it raises the
//! watermark, so whoever may tell of a record finds the chain value that holds it, unless so many
//! batches came since that its place was used again: then it is not at hand, and that is said. It
//! never makes a chain value, and never says what is durable but to those who sign.
//!
//! Invariant: what a reader was given had been put in as it is; a place that was used again while
//! it was read gives nothing.

use std::sync::Arc;

use crossbeam::utils::CachePadded;

use super::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

/// A chain value.
pub type Chain = [u8; 32];

/// Words of a batch's place: the seq of its last record, and the chain value after it.
const WORDS: usize = 5;

/// A batch by its last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainAt {
    /// The seq of its last record.
    pub seq: u64,
    /// The chain value after it.
    pub chain: Chain,
}

struct Table {
    /// [`WORDS`] for each place; memory that nobody has touched until it is used.
    words: Box<[AtomicU64]>,
    counts: CachePadded<Counts>,
}

#[derive(Default)]
struct Counts {
    /// Batches whose writing began. Stored before their words (a fence after it), loaded after
    /// them (a fence before it): whoever sees a word of a batch sees that it began.
    begun: AtomicU64,
    /// Batches that are in. Stored (Release) after their words, loaded (Acquire) before them.
    done: AtomicU64,
    /// The newest seq known to be synced (Release), read by who signs (Acquire).
    synced: AtomicU64,
    /// The writer is gone (Release), and all that it synced is said.
    is_over: AtomicBool,
    /// The first batch that was put in is not the journal's first. Stored before anybody asks.
    is_cut: AtomicBool,
}

impl Table {
    fn places(&self) -> u64 {
        (self.words.len() / WORDS) as u64
    }

    /// The words of a batch, counted from 0.
    fn place(&self, batch: u64) -> &[AtomicU64] {
        let at = (batch % self.places()) as usize * WORDS;
        &self.words[at..at + WORDS]
    }

    /// A batch that is in; `None` if its place was used again.
    fn read(&self, batch: u64) -> Option<ChainAt> {
        let place = self.place(batch);
        let seq = place[0].load(Relaxed);
        let mut chain = [0; 32];
        for (bytes, word) in chain.chunks_exact_mut(8).zip(&place[1..]) {
            bytes.copy_from_slice(&word.load(Relaxed).to_le_bytes());
        }
        fence(Acquire);
        let is_kept = self.counts.begun.load(Relaxed) <= batch + self.places();
        is_kept.then_some(ChainAt { seq, chain })
    }

    /// Only the last seq of a batch.
    fn seq(&self, batch: u64) -> Option<u64> {
        let seq = self.place(batch)[0].load(Relaxed);
        fence(Acquire);
        (self.counts.begun.load(Relaxed) <= batch + self.places()).then_some(seq)
    }
}

/// A table with room for so many batches.
///
/// # Panics
/// If that is none.
pub fn chains(places: usize) -> (ChainWriter, Chains) {
    assert!(places > 0, "there is always a newest batch");
    #[cfg(not(doorbuster_loom))]
    let words = bytemuck::zeroed_slice_box(places * WORDS);
    // Loom's atomics do not begin as zeros.
    #[cfg(doorbuster_loom)]
    let words = (0..places * WORDS).map(|_| AtomicU64::new(0)).collect();
    let table = Arc::new(Table { words, counts: CachePadded::default() });
    let reader = Chains { table: Arc::clone(&table), at: 0, from: 0, last: NOTHING };
    (ChainWriter { table, batches: 0, seq: 0 }, reader)
}

const NOTHING: ChainAt = ChainAt { seq: 0, chain: [0; 32] };

/// The journal's end.
pub struct ChainWriter {
    table: Arc<Table>,
    /// Batches put in so far, and the last seq of the newest.
    batches: u64,
    seq: u64,
}

impl ChainWriter {
    /// Says, before anybody asks for one, that the first that was put in is not the journal's
    /// first: nobody knows where it begins.
    pub fn cut(&self) {
        self.table.counts.is_cut.store(true, Relaxed);
    }

    /// Puts in the batch that ends with `seq`.
    pub fn push(&mut self, seq: u64, chain: &Chain) {
        assert!(seq > self.seq, "batches follow one another");
        let counts = &self.table.counts;
        counts.begun.store(self.batches + 1, Relaxed);
        fence(Release);
        let place = self.table.place(self.batches);
        place[0].store(seq, Relaxed);
        for (bytes, word) in chain.chunks_exact(8).zip(&place[1..]) {
            word.store(u64::from_le_bytes(bytes.try_into().expect("eight")), Relaxed);
        }
        self.batches += 1;
        self.seq = seq;
        counts.done.store(self.batches, Release);
    }

    /// Says that everything up to `seq` is synced.
    pub fn sync(&self, seq: u64) {
        debug_assert!(seq >= self.table.counts.synced.load(Relaxed));
        self.table.counts.synced.store(seq, Release);
    }
}

impl Drop for ChainWriter {
    fn drop(&mut self) {
        self.table.counts.is_over.store(true, Release);
    }
}

/// A reader's end.
#[derive(Clone)]
pub struct Chains {
    table: Arc<Table>,
    /// The batch of the last look-up: its number, the last seq before it, and what it holds. Most
    /// records that are asked for lie in it or in the next one.
    at: u64,
    from: u64,
    last: ChainAt,
}

impl Chains {
    /// The chain value after the batch that holds `seq`; `None` if it is not at hand.
    #[inline]
    pub fn of(&mut self, seq: u64) -> Option<&Chain> {
        if seq > self.last.seq || seq <= self.from {
            self.find(seq)?;
        }
        Some(&self.last.chain)
    }

    #[cold]
    fn find(&mut self, seq: u64) -> Option<()> {
        let done = self.table.counts.done.load(Acquire);
        if seq == 0 || done == 0 {
            return None;
        }
        // The batch of the last look-up may be followed by the one wanted.
        if seq > self.last.seq && self.last.seq > 0 && self.at + 1 < done {
            let next = self.table.read(self.at + 1);
            if let Some(next) = next.filter(|next| seq <= next.seq) {
                (self.at, self.from, self.last) = (self.at + 1, self.last.seq, next);
                return Some(());
            }
        }
        // The first batch that ends with `seq` or later. What was used again meanwhile lies before
        // what is kept.
        let (mut low, mut high) = (done.saturating_sub(self.table.places()), done);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.table.seq(middle) {
                Some(last) if last >= seq => high = middle,
                _ => low = middle + 1,
            }
        }
        if low == done {
            return None;
        }
        let from = match low {
            0 if self.table.counts.is_cut.load(Relaxed) => return None,
            0 => 0,
            // Of the oldest batch that is kept nobody knows where it begins.
            low => self.table.seq(low - 1)?,
        };
        let last = self.table.read(low)?;
        assert!(from < seq && seq <= last.seq, "batches follow one another");
        (self.at, self.from, self.last) = (low, from, last);
        Some(())
    }

    /// The newest batch that is synced; `None` if it is not at hand.
    pub fn synced(&self) -> Option<ChainAt> {
        let synced = self.table.counts.synced.load(Acquire);
        let done = self.table.counts.done.load(Acquire);
        let (mut low, mut high) = (done.saturating_sub(self.table.places()), done);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.table.seq(middle) {
                Some(last) if last > synced => high = middle,
                _ => low = middle + 1,
            }
        }
        let newest = self.table.read(low.checked_sub(1)?)?;
        (newest.seq <= synced).then_some(newest)
    }

    /// Whether the journal has ended: nothing will be put in or synced any more.
    pub fn is_over(&self) -> bool {
        self.table.counts.is_over.load(Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain value that can be told from its seq.
    fn chain(seq: u64) -> Chain {
        let mut chain = [0; 32];
        for (bytes, word) in chain.chunks_exact_mut(8).zip(0..) {
            bytes.copy_from_slice(&(seq << 2 | word).to_le_bytes());
        }
        chain
    }

    #[test]
    fn each_record_is_found_in_its_batch_in_any_order() {
        let (mut writer, mut reader) = chains(8);
        assert_eq!((reader.of(1).copied(), reader.synced()), (None, None));
        for last in [3, 4, 9] {
            writer.push(last, &chain(last));
        }
        for (seq, last) in [(1, 3), (3, 3), (4, 4), (5, 9), (9, 9), (2, 3), (9, 9), (4, 4)] {
            assert_eq!(reader.of(seq), Some(&chain(last)), "{seq}");
        }
        assert_eq!((reader.of(0).copied(), reader.of(10).copied()), (None, None));
        assert_eq!(reader.of(9), Some(&chain(9)));
    }

    #[test]
    fn what_was_used_again_is_not_at_hand_and_the_rest_is() {
        let (mut writer, mut reader) = chains(4);
        for batch in 1..=100 {
            writer.push(10 * batch, &chain(10 * batch));
            for back in 0..6 {
                let Some(wanted) = (10 * batch).checked_sub(10 * back).filter(|seq| *seq > 0)
                else {
                    continue;
                };
                let mut fresh = reader.clone();
                (fresh.from, fresh.last) = (0, NOTHING);
                // The oldest that is kept has nobody before it who says where it begins.
                let is_kept = back < 3 || back < 4 && batch <= 4;
                assert_eq!(fresh.of(wanted), is_kept.then_some(&chain(wanted)), "{batch} {back}");
            }
            assert_eq!(reader.of(10 * batch), Some(&chain(10 * batch)));
        }
    }

    #[test]
    fn of_the_first_batch_of_a_snapshot_nobody_knows_where_it_begins() {
        let (mut writer, mut reader) = chains(8);
        writer.push(30, &chain(30));
        writer.push(40, &chain(40));
        writer.cut();
        assert_eq!((reader.of(7).copied(), reader.of(30).copied()), (None, None));
        assert_eq!(reader.of(31), Some(&chain(40)));
        assert_eq!(reader.of(7), None);
    }

    #[test]
    fn only_what_is_synced_is_given_to_be_signed() {
        let (mut writer, reader) = chains(4);
        writer.push(5, &chain(5));
        assert_eq!(reader.synced(), None);
        writer.sync(5);
        writer.push(7, &chain(7));
        let at = |seq| Some(ChainAt { seq, chain: chain(seq) });
        assert_eq!(reader.synced(), at(5));
        writer.sync(7);
        assert_eq!((reader.synced(), reader.is_over()), (at(7), false));
        for seq in 8..20 {
            writer.push(seq, &chain(seq));
        }
        assert_eq!(reader.synced(), None);
        drop(writer);
        assert!(reader.is_over());
    }

    #[test]
    fn a_reader_beside_the_writer_sees_whole_batches_or_nothing() {
        const BATCHES: u64 = 200_000;
        let (mut writer, reader) = chains(16);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                let mut reader = reader.clone();
                scope.spawn(move || {
                    let (mut found, mut round) = (0_u64, 0_u64);
                    while !reader.is_over() {
                        let done = reader.table.counts.done.load(Acquire);
                        round += 1;
                        // From the newest to some that are gone, and back to the middle of one.
                        let wanted = (2 * done).saturating_sub(round % 40).max(1);
                        if let Some(told) = reader.of(wanted) {
                            assert_eq!(*told, chain(wanted.next_multiple_of(2)), "{wanted}");
                            found += 1;
                        }
                        if let Some(newest) = reader.synced() {
                            assert_eq!(newest.chain, chain(newest.seq));
                        }
                    }
                    assert!(found > 0, "nothing was found in {round} rounds");
                });
            }
            scope.spawn(move || {
                for batch in 1..=BATCHES {
                    writer.push(2 * batch, &chain(2 * batch));
                    writer.sync(2 * batch);
                    if batch % 64 == 0 {
                        std::thread::yield_now();
                    }
                }
            });
        });
    }
}
