//! The server's own journal as a witness: what was told against what is written.
//!
//! An order's id is the seq of the record that made it, so the order of ids is the order of
//! decisions if, and only if, the journal has each of them at its seq, under the key that was
//! bought with. The journal's own checksums and chain are verified by reading it; `doorbuster
//! audit` proves the law on top.

use std::path::Path;

use doorbuster::journal::{Disk, Reading, is_served, read_while};
use doorbuster::message::{kind, messages};

use super::document::Check;
use crate::figures::grouped;
use crate::load::arrived::Arrived;

/// The check's name.
const NAME: &str = "the journal has every order at its place";

/// Compares orders, in the order of decisions, with the journal of the data folder `dir`. A key is
/// `run_id` and the purchase's number.
pub(super) fn witness(dir: &Path, decided: &[Arrived], run_id: u128) -> Check {
    let mut orders = decided.iter().peekable();
    let (mut found, mut wrong, mut missing) = (0_u64, 0_u64, 0_u64);
    let mut latest = 0;
    let mut backwards = 0_u64;
    let disk = Disk::new(dir.join("journal"));
    let served = || is_served(dir);
    let reading = Reading { from: None, last_seq: u64::MAX, is_served: &served };
    let read = read_while(&disk, &reading, |first, cells| {
        for (seq, record) in (first..).zip(messages(cells)) {
            let head = record[0].head();
            backwards += u64::from(head.time.to_native() < latest);
            latest = latest.max(head.time.to_native());
            while orders.next_if(|order| order.order < seq).is_some() {
                missing += 1;
            }
            if let Some(order) = orders.next_if(|order| order.order == seq) {
                let key = head.key().map(|key| key.bits);
                let right = key == Some(run_id + u128::from(order.number));
                let bought = matches!(head.kind, kind::BUY | kind::BASKET) && right;
                found += u64::from(bought);
                wrong += u64::from(!bought);
            }
        }
        Ok(())
    });
    missing += orders.count() as u64;
    let detail = match read {
        Err(why) => format!("{}: {why}", dir.display()),
        Ok(_) if wrong + missing + backwards > 0 => format!(
            "{} are missing, {} are others, {} are earlier than one before",
            grouped(missing),
            grouped(wrong),
            grouped(backwards)
        ),
        Ok(report) => format!("{} of {} records", grouped(found), grouped(report.seq)),
    };
    let passed = found == decided.len() as u64 && backwards == 0;
    Check { name: NAME.to_owned(), passed, detail }
}
