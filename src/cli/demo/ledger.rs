//! What the journal says about the crowd's sale, read record by record and added up without the
//! help of the code that made it: the checks compare it with the buyers' own notes.

use std::collections::HashMap;

use doorbuster::journal::{self, Disk};
use doorbuster::message::{Cell, kind, messages};

use super::plan::WARES;

/// Units of one item over the whole sale.
#[derive(Clone, Copy, Default)]
pub(super) struct Flow {
    /// Ever held.
    pub(super) held: u64,
    pub(super) confirmed: u64,
    pub(super) released: u64,
    pub(super) expired: u64,
    /// The most that were held and confirmed at any one seq.
    pub(super) out_max: u64,
}

impl Flow {
    pub(super) fn came_back(&self) -> u64 {
        self.released + self.expired
    }
}

/// The sale's orders.
#[derive(Default)]
pub(super) struct Ledger {
    /// Item and units by order.
    pub(super) orders: HashMap<u64, (usize, u64)>,
    /// By index of the ware.
    pub(super) flows: [Flow; WARES.len()],
    /// Changes of orders by kind: held, confirmed, released, expired.
    pub(super) changes: [u64; 4],
}

/// Reads a sale's ledger.
///
/// # Errors
/// A sentence about what is damaged.
pub(super) fn read(disk: &Disk, sale: u16) -> Result<Ledger, String> {
    let mut ledger = Ledger::default();
    let result = journal::read(disk, |first, cells| ledger.batch(sale, first, cells));
    result.map_err(|why| format!("journal: {why}"))?;
    Ok(ledger)
}

impl Ledger {
    fn batch(&mut self, sale: u16, first: u64, cells: &[Cell]) -> Result<(), String> {
        for (seq, record) in (first..).zip(messages(cells)) {
            if record[0].head().sale.to_native() == sale {
                self.record(seq, &record[0])?;
            }
        }
        Ok(())
    }

    fn record(&mut self, seq: u64, cell: &Cell) -> Result<(), String> {
        let head = cell.head();
        let change = match head.kind {
            kind::BUY => {
                let ware = usize::from(head.item.to_native()).wrapping_sub(1);
                self.orders.insert(seq, (ware, head.units.to_native().into()));
                0
            }
            kind::CONFIRM => 1,
            kind::RELEASE => 2,
            kind::EXPIRE => 3,
            _ => return Ok(()),
        };
        self.changes[change] += 1;
        let order = if change == 0 { seq } else { head.order() };
        let (ware, units) = *self.orders.get(&order).ok_or(format!("seq {seq}: no such order"))?;
        let flow = self.flows.get_mut(ware).ok_or(format!("seq {seq}: no such item"))?;
        let count = [&mut flow.held, &mut flow.confirmed, &mut flow.released, &mut flow.expired];
        *count.into_iter().nth(change).expect("four kinds") += units;
        flow.out_max = flow.out_max.max(flow.held.saturating_sub(flow.came_back()));
        Ok(())
    }
}
