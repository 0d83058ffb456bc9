//! `doorbuster audit DIR`: reads the whole journal, decides every record again, and proves that
//! nothing was oversold, nothing given twice, and nothing changed since it was written.

use std::io::Write;
use std::path::Path;

use doorbuster::journal::{self, Disk, JournalError, Reading, Report, is_served};
use doorbuster::limits::{BASKET_LINES_MAX, SALES_MAX};
use doorbuster::message::{Cell, kind, lines_in, messages};
use doorbuster::pipeline::seed;
use doorbuster::record::{RecordCounts, Replay};
use doorbuster::sale::{Bounds, Form, Kept, Phase, Shop, Totals};
use serde_json::json;

use super::words::count;
use super::{
    Audit, CANNOT_CREATE, FAILED, delivered, failed, journal_code, log::is_data_folder,
    tell_of_server,
};

/// What an audit found to be true.
pub(super) struct Proof {
    pub(super) report: Report,
    pub(super) counts: RecordCounts,
    pub(super) totals: Totals,
    pub(super) shop: Shop,
}

/// Audits. Returns the exit code.
pub(super) fn run(arguments: &Audit) -> i32 {
    if let Err(why) = is_data_folder(&arguments.dir) {
        return failed(CANNOT_CREATE, &why);
    }
    match prove(&arguments.dir) {
        Ok(proof) => {
            tell_of_server(&proof.report);
            let text = if arguments.json { as_json(&proof) } else { as_text(&proof) };
            let mut out = std::io::stdout().lock();
            delivered(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
        }
        Err(why) => {
            let code = match why {
                JournalError::Refused { .. } => FAILED,
                _ => journal_code(&why),
            };
            failed(code, &format_args!("audit failed: {why}"))
        }
    }
}

/// Reads, replays and proves a data folder. A server may be writing it: what counts is what was
/// there at the first look.
///
/// # Errors
/// What is wrong: damage, or the first record that breaks the law.
pub(super) fn prove(folder: &Path) -> Result<Proof, JournalError> {
    let disk = &Disk::new(folder.join("journal"));
    let is_served = || is_served(folder);
    let reading = Reading { last_seq: u64::MAX, is_served: &is_served };
    let (bounds, seen) = bounds(disk, &reading)?;
    let mut replay = Replay::new(Shop::new(bounds, seed()), true);
    let reading = Reading { last_seq: seen.seq, ..reading };
    let read = journal::read_while(disk, &reading, |first, cells| replay.apply(first, cells))?;
    // The second look ends before a tear; the first has seen it.
    let report = Report { torn: seen.torn, is_live: seen.is_live || read.is_live, ..read };
    let refused = |what| JournalError::Refused { seq: report.seq, what };
    let (shop, counts) = replay.finish().map_err(refused)?;
    let totals = shop.prove().map_err(refused)?;
    Ok(Proof { report, counts, totals, shop })
}

/// Counts what the tables must hold.
fn bounds(disk: &Disk, reading: &Reading<'_>) -> Result<(Bounds, Report), JournalError> {
    let (mut orders, mut waits, mut lines, mut long_texts) = (1, 0, 0, 2);
    let report = journal::read_while(disk, reading, |_, cells: &[Cell]| {
        for record in messages(cells) {
            let head = record[0].head();
            if matches!(head.kind, kind::BUY | kind::WAIT | kind::BASKET) {
                orders += 1;
                waits += usize::from(head.kind == kind::WAIT);
                if head.kind == kind::BASKET {
                    lines += record[1..].iter().map(|cell| lines_in(cell).count()).sum::<usize>();
                }
                let is_long = |form: Option<Form>| usize::from(form == Some(Form::Long));
                long_texts += is_long(head.buyer().map(|ident| ident.form));
                long_texts += is_long(head.key().map(|ident| ident.form));
            }
        }
        Ok(())
    })?;
    let bounds = Bounds {
        orders_max: orders,
        // A buyer may have an entry of its own for each line.
        buyers_max: 2 * orders + lines + BASKET_LINES_MAX + 1,
        long_texts_max: long_texts,
        lines_max: lines,
        // However few of them wait in one place.
        waiters_max: 15 * waits,
        sales_max: SALES_MAX,
    };
    Ok((bounds, report))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where a sale stood at the end of the journal.
fn state(kept: &Kept<'_>, shop: &Shop) -> &'static str {
    shop.phase(kept.number, shop.now()).map_or("removed", Phase::word)
}

fn as_text(proof: &Proof) -> String {
    let Proof { report, counts, totals, shop } = proof;
    let mut text = format!(
        "journal   {} records in {} batches and {} segments, seq 1 to {}\n",
        count(report.seq),
        count(report.batches),
        count(u64::from(report.segments)),
        count(report.seq)
    );
    if let Some(torn) = &report.torn {
        text += &format!(
            "          a torn end at segment {}, offset {}: seq {} was not acknowledged \
             if it was written with durability fsync\n",
            torn.segment,
            count(torn.offset),
            count(torn.seq)
        );
    }
    text += &format!("chain     {} unbroken\n", hex(&report.chain[..16]));
    text += &format!(
        "replay    every record decided again with the same answer; {} seals prove the state\n",
        count(counts.of(kind::SEAL))
    );
    text += &format!(
        "orders    {} of {} buyers: {} confirmed, {} cancelled, {} released, {} expired, \
         {} held, {} waiting, {} left\n",
        count(totals.orders),
        count(totals.buyers),
        count(totals.confirmed),
        count(totals.cancelled),
        count(totals.released),
        count(totals.expired),
        count(totals.held),
        count(totals.waiting),
        count(totals.left)
    );
    for kept in shop.kept() {
        text += &format!("\nsale {} ({})\n", kept.terms.name, state(&kept, shop));
        if kept.is_removed {
            continue;
        }
        text += &format!(
            "  {:<20} {:>12} {:>12} {:>12} {:>12}\n",
            "item", "stock", "= free", "+ held", "+ confirmed"
        );
        for (item, stock) in kept.terms.items.iter().zip(&kept.stocks).take(20) {
            text += &format!(
                "  {:<20} {:>12} {:>12} {:>12} {:>12}\n",
                item.sku,
                count(stock.stock),
                count(stock.free),
                count(stock.held),
                count(stock.confirmed)
            );
        }
        if kept.stocks.len() > 20 {
            text += &format!("  and {} more items\n", kept.stocks.len() - 20);
        }
    }
    text += "\nPASS      nothing oversold, no limit passed, no key twice, nothing changed\n";
    text
}

fn as_json(proof: &Proof) -> String {
    let Proof { report, counts, totals, shop } = proof;
    let sales: Vec<_> = shop
        .kept()
        .map(|kept| {
            let items: Vec<_> = (kept.terms.items.iter())
                .zip(&kept.stocks)
                .map(|(item, stock)| {
                    json!({"sku": item.sku.as_str(), "stock": stock.stock, "free": stock.free,
                        "held": stock.held, "confirmed": stock.confirmed, "price": stock.price})
                })
                .collect();
            json!({"name": kept.terms.name.as_str(), "state": state(&kept, shop), "items": items})
        })
        .collect();
    let torn = report.torn.map(|torn| {
        json!({"segment": torn.segment, "offset": torn.offset, "seq": torn.seq,
            "bytes": torn.bytes})
    });
    let value = json!({
        "verdict": "pass",
        "seq": report.seq,
        "batches": report.batches,
        "segments": report.segments,
        "chain": hex(&report.chain),
        "state_hash": hex(&shop.state_hash()),
        "seals": counts.of(kind::SEAL),
        "torn": torn,
        "orders": totals.orders,
        "buyers": totals.buyers,
        "held": totals.held,
        "confirmed": totals.confirmed,
        "cancelled": totals.cancelled,
        "released": totals.released,
        "expired": totals.expired,
        "waiting": totals.waiting,
        "left": totals.left,
        "sales": sales,
    });
    format!("{value}\n")
}
