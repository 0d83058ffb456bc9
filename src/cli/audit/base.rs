//! Where an audit begins if the beginning of the journal has been removed: the first snapshot,
//! which is then believed as far as it keeps the law and what follows it is as it says.

use std::io::ErrorKind;

use doorbuster::chains::ChainAt;
use doorbuster::journal::{Batch, Disk, JournalError, Place, earliest, read_snapshot, snapshots};
use doorbuster::limits::GROUPS_MAX;
use doorbuster::pipeline::seed;
use doorbuster::sale::{BadImage, Bounds, ImageOrder, ImagePart, Shop, State, read_image};

use super::heads::Check;
use super::receipt::Trace;
use super::{Failure, Tables};

/// The first snapshot of a journal whose beginning has been removed.
pub(super) struct Base {
    pub(super) place: Place,
    chains: Vec<ChainAt>,
}

impl Base {
    /// Finds it, and counts what the tables must hold for it; `None` if the journal begins at its
    /// beginning.
    pub(super) fn find(
        disk: &Disk,
        tables: &mut Tables,
        mut receipt: Option<&mut Trace>,
    ) -> Result<Option<Base>, Failure> {
        let Some(place) = earliest(disk)? else { return Ok(None) };
        let seq = place.seq();
        let (_, (chains, read)) = read_snapshot(disk, seq, |lines| {
            let chains = lines.chains();
            if let Some(receipt) = &mut receipt {
                receipt.find_before(&chains);
            }
            let read = read_image(lines, |part| {
                let ImagePart::Order(order) = part else { return };
                tables.count(order);
                if let Some(receipt) = &mut receipt {
                    receipt.find_kept(order);
                }
            });
            (chains, read)
        })?;
        read.map_err(|why| bad(seq, &why))?;
        let is_last = |at: &ChainAt| (at.seq, at.chain) == (seq, place.chain());
        if !chains.last().is_some_and(is_last) {
            return Err(bad(seq, &"its chain values do not end where it was made"));
        }
        Ok(Some(Base { place, chains }))
    }

    /// The state there, proven.
    pub(super) fn shop(&self, disk: &Disk, bounds: Bounds) -> Result<Shop, Failure> {
        let seq = self.place.seq();
        let (_, shop) = read_snapshot(disk, seq, |lines| {
            drop(lines.chains());
            Shop::from_image(bounds, seed(), lines)
        })?;
        shop.map_err(|why: BadImage| bad(seq, &why))
    }

    /// Counts the orders that it stands for.
    pub(super) fn count(&self, disk: &Disk, receipt: &mut Trace) -> Result<(), Failure> {
        let seq = self.place.seq();
        let (_, read) = read_snapshot(disk, seq, |lines| {
            drop(lines.chains());
            read_image(lines, |part| match part {
                ImagePart::Sale(sale) => receipt.know(sale),
                ImagePart::Order(order) => receipt.count_kept(order),
            })
        })?;
        read.map_err(|why| bad(seq, &why))
    }

    /// Holds signed heads against the chain values that it carries.
    pub(super) fn check(&self, check: &mut Check) {
        let mut first_seq = self.chains[0].seq;
        check.pass_over(first_seq);
        for at in &self.chains {
            let batch = Batch { first_seq, last_seq: at.seq, cells: &[], chain: &at.chain };
            check.batch(&self.place.folder(), &batch);
            first_seq = at.seq + 1;
        }
    }
}

impl Tables {
    /// Counts an order of a snapshot.
    fn count(&mut self, order: &ImageOrder) {
        self.orders += 1;
        self.waits += usize::from(order.state == State::Waiting);
        self.lines += order.lines.len();
        self.members += GROUPS_MAX;
        self.long_texts += order.texts.iter().flatten().count();
    }
}

/// Reads all snapshots after a seq. Returns seq and state hash of each.
pub(super) fn snapshots_after(disk: &Disk, since: u64) -> Result<Vec<(u64, [u8; 32])>, Failure> {
    let mut found = Vec::new();
    for seq in snapshots(disk)?.into_iter().filter(|seq| *seq > since) {
        match read_snapshot(disk, seq, |_| ()) {
            Ok((header, ())) => found.push((seq, header.state_hash)),
            // A server has removed it meanwhile.
            Err(JournalError::Disk { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            Err(why) => return Err(why.into()),
        }
    }
    Ok(found)
}

fn bad(seq: u64, what: &dyn std::fmt::Display) -> Failure {
    JournalError::Snapshot { seq, what: what.to_string() }.into()
}
