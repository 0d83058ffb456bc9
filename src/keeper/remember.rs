//! The state that the newest snapshot stands for, and where the journal goes on from it.

use std::sync::mpsc::sync_channel;
use std::thread;

use thiserror::Error;
use tracing::warn;

use crate::chains::ChainAt;
use crate::journal::{
    JournalError, Place, SnapshotLines, Storage, has_beginning, read_snapshot, snapshots,
};
use crate::sale::{BadImage, Bounds, Filing, Pile, Seed, Shop, Unfiled};

/// Piles of orders that are read and not filed yet: as many as come while the memory to file them
/// in is got from the system.
const PILES: usize = 256;
/// Lines of an image from which on two threads share them.
const SHARED_LINES: u64 = 10_000;

/// What is remembered before the journal is read.
pub struct Memory {
    /// The state.
    pub shop: Shop,
    /// Where the journal goes on from it; `None` at its beginning.
    pub from: Option<Place>,
}

/// Why nothing is remembered.
#[derive(Debug, Error)]
pub enum Unremembered {
    /// The disk.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The snapshot has more than the options allow.
    #[error("the snapshot of seq {seq}: {why}")]
    TooSmall {
        /// The seq at which it was made.
        seq: u64,
        /// What does not fit.
        why: String,
    },
}

/// Makes the state of the newest snapshot that is whole; an empty one where there is none. Gives
/// `chain` the chain values that the snapshot carries, in the order of their seqs.
///
/// A snapshot that is damaged is passed over, loudly: an older one stands for less, and the journal
/// behind that is still there.
///
/// # Errors
/// [`Unremembered`]: the disk, options that are too small for the snapshot, or no snapshot is whole
/// and the journal has no beginning any more.
pub fn remember<S: Storage>(
    storage: &S,
    bounds: Bounds,
    seed: fn() -> Seed,
    mut chain: impl FnMut(ChainAt),
) -> Result<Memory, Unremembered> {
    let mut newest = None;
    for seq in snapshots(storage)?.into_iter().rev() {
        let read = read_snapshot(storage, seq, |lines| {
            let chains = lines.chains();
            (chains, shop(bounds, seed(), lines))
        });
        let why = match read {
            Ok((_, (_, Err(BadImage::TooMany(order))))) => {
                let why = BadImage::TooMany(order).to_string();
                return Err(Unremembered::TooSmall { seq, why });
            }
            Ok((header, (chains, Ok(shop)))) if shop.seq() == seq => {
                chains.into_iter().for_each(&mut chain);
                return Ok(Memory { shop, from: Some(header.place) });
            }
            Ok((_, (_, Ok(shop)))) => format!("its image is of seq {}", shop.seq()),
            Ok((_, (_, Err(BadImage::Wrong(what))))) => what,
            Err(JournalError::Snapshot { what, .. }) => what,
            Err(other) => return Err(other.into()),
        };
        warn!("the snapshot of seq {seq} is not used: {why}; an older one or the journal is");
        newest.get_or_insert(JournalError::Snapshot { seq, what: why });
    }
    if let Some(why) = newest
        && !has_beginning(storage)?
    {
        return Err(why.into());
    }
    Ok(Memory { shop: Shop::new(bounds, seed()), from: None })
}

/// The shop of an image. Each order costs several cache misses, so two threads share them: one
/// counts what buyers have, and one puts orders away under their keys and ids. Where there are few,
/// or no second thread is to be had, one does it all.
fn shop(bounds: Bounds, seed: Seed, lines: &mut SnapshotLines) -> Result<Shop, BadImage> {
    if lines.header().image_lines < SHARED_LINES {
        return Shop::from_trusted_image(bounds, seed, lines);
    }
    thread::scope(|scope| {
        let (to_file, piles) = sync_channel::<Pile>(PILES);
        let file = move || {
            let mut filing = Filing::new(bounds, seed);
            piles.iter().try_for_each(|pile| filing.file(&pile)).map(|()| filing)
        };
        let filing =
            thread::Builder::new().name("orders-file".to_owned()).spawn_scoped(scope, file);
        let Ok(filing) = filing else { return Shop::from_trusted_image(bounds, seed, lines) };
        // It ends early only with an error of its own.
        let stopped = |_| BadImage::Wrong("its orders could not be put away".to_owned());
        let unfiled =
            Unfiled::read(bounds, seed, lines, |pile| to_file.send(pile).map_err(stopped));
        drop(to_file);
        let filing = filing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        unfiled?.filed(filing)
    })
}
