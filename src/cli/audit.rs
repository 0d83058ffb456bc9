//! `doorbuster audit DIR`: reads the whole journal, decides every record again, and proves that
//! nothing was oversold, nothing given twice, and nothing changed since it was written or signed.

mod base;
mod heads;
mod receipt;

use std::io::Write;
use std::path::{Path, PathBuf};

use doorbuster::heads::{PublicKey, hex};
use doorbuster::journal::{self, Batch, Disk, JournalError, Reading, Report, is_served};
use doorbuster::limits::{BASKET_LINES_MAX, GROUPS_MAX, SALES_MAX};
use doorbuster::message::{Cell, Receipt, kind, lines_in, messages};
use doorbuster::pipeline::seed;
use doorbuster::record::{RecordCounts, Replay};
use doorbuster::sale::{Bounds, Form, Kept, Phase, Shop, Totals};
use serde_json::json;

use super::words::{count, time_ms};
use super::{
    Audit, CANNOT_CREATE, FAILED, FINE, delivered, failed, journal_code, log::is_data_folder,
    tell_of_server,
};

use self::base::Base;
use self::heads::{Check, Found};
use self::receipt::Trace;

/// What is asked besides.
#[derive(Default)]
struct Wanted<'a> {
    receipt: Option<Receipt>,
    /// Files of heads that were published elsewhere.
    heads: &'a [PathBuf],
    /// Whose heads count; anybody's if none is given.
    keys: &'a [PublicKey],
}

/// Why an audit fails.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The journal is damaged or breaks the law.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A signed head says otherwise.
    #[error("signed heads: {0}")]
    Heads(String),
}

/// What an audit found to be true.
pub(super) struct Proof {
    pub(super) report: Report,
    pub(super) counts: RecordCounts,
    pub(super) totals: Totals,
    pub(super) shop: Shop,
    /// Snapshots that hold the state that the journal makes.
    snapshots: u64,
    /// The heads in the folder's own log, and in each file.
    heads: Vec<Found>,
    receipt: Option<Trace>,
}

/// Audits. Returns the exit code.
pub(super) fn run(arguments: &Audit) -> i32 {
    if let Err(why) = is_data_folder(&arguments.dir) {
        return failed(CANNOT_CREATE, &why);
    }
    let Audit { receipt, heads, heads_key: keys, .. } = arguments;
    match prove_with(&arguments.dir, &Wanted { receipt: *receipt, heads, keys }) {
        Ok(proof) => {
            tell_of_server(&proof.report);
            let text = if arguments.json { as_json(&proof) } else { as_text(&proof) };
            let mut out = std::io::stdout().lock();
            let code = delivered(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
            let is_no = proof.receipt.is_some_and(|receipt| !receipt.is_true());
            if is_no && code == FINE { FAILED } else { code }
        }
        Err(why) => {
            let code = match &why {
                Failure::Journal(JournalError::Refused { .. }) | Failure::Heads(_) => FAILED,
                Failure::Journal(why) => journal_code(why),
            };
            failed(code, &format_args!("audit failed: {why}"))
        }
    }
}

/// Reads, replays and proves a data folder. A server may be writing it: what counts is what was
/// there at the first look.
///
/// # Errors
/// What is wrong: damage, the first record that breaks the law, or a head that says otherwise.
pub(super) fn prove(folder: &Path) -> Result<Proof, Failure> {
    prove_with(folder, &Wanted::default())
}

fn prove_with(folder: &Path, wanted: &Wanted<'_>) -> Result<Proof, Failure> {
    let disk = Disk::new(folder.join("journal"));
    let begins = || journal::earliest(&disk).ok().flatten().map(|place| place.seq());
    loop {
        let before = begins();
        match prove_once(folder, wanted) {
            // A server has removed meanwhile what was being read. It does so seldom.
            Err(_) if is_served(folder) && begins() > before => {}
            proven => return proven,
        }
    }
}

fn prove_once(folder: &Path, wanted: &Wanted<'_>) -> Result<Proof, Failure> {
    // Before the journal: what is signed by now is in the journal by then.
    let mut checks = vec![Check::of_log(folder, wanted.keys).map_err(Failure::Heads)?];
    for path in wanted.heads {
        checks.push(Check::of_file(path, wanted.keys).map_err(Failure::Heads)?);
    }
    let mut receipt = wanted.receipt.map(Trace::new);
    let disk = &Disk::new(folder.join("journal"));
    let is_served = || is_served(folder);
    let mut tables = Tables::default();
    let base = Base::find(disk, &mut tables, receipt.as_mut())?;
    let from = base.as_ref().map(|base| base.place);
    let reading = Reading { from, last_seq: u64::MAX, is_served: &is_served };
    let seen = tables.read(disk, &reading, receipt.as_mut())?;
    let snapshots = base::snapshots_after(disk, seen.since)?;
    let bounds = tables.bounds();
    let shop = match &base {
        Some(base) => base.shop(disk, bounds)?,
        None => Shop::new(bounds, seed()),
    };
    if let Some(base) = &base {
        checks.iter_mut().for_each(|check| base.check(check));
        receipt.as_mut().map_or(Ok(()), |receipt| base.count(disk, receipt))?;
    }
    let (mut replay, mut proven) = (Replay::new(shop, true), 0);
    let reading = Reading { last_seq: seen.seq, ..reading };
    let read = journal::read_batches(disk, &reading, |batch| {
        replay.apply(batch.first_seq, batch.cells)?;
        if let Some((_, hash)) = snapshots.iter().find(|(seq, _)| *seq == batch.last_seq) {
            if replay.shop().state_hash() != *hash {
                return Err("the state there is not that of the snapshot".to_owned());
            }
            proven += 1;
        }
        checks.iter_mut().for_each(|check| check.batch(&seen.folder, batch));
        receipt.as_mut().map_or(Ok(()), |receipt| receipt.count(batch))
    })?;
    // The second look ends before a tear; the first has seen it.
    let report = Report { torn: seen.torn, is_live: seen.is_live || read.is_live, ..read };
    let refused = |what| JournalError::Refused { seq: report.seq, what };
    let (shop, counts) = replay.finish().map_err(refused)?;
    let totals = shop.prove().map_err(refused)?;
    let heads: Result<_, _> = checks.into_iter().map(|check| check.finish(report.seq)).collect();
    let heads = heads.map_err(Failure::Heads)?;
    Ok(Proof { report, counts, totals, shop, heads, receipt, snapshots: proven })
}

/// What the tables must hold.
#[derive(Default)]
struct Tables {
    orders: usize,
    waits: usize,
    lines: usize,
    long_texts: usize,
    members: usize,
}

impl Tables {
    /// Counts what the journal has; a receipt's record is looked for on the way.
    fn read(
        &mut self,
        disk: &Disk,
        reading: &Reading<'_>,
        mut receipt: Option<&mut Trace>,
    ) -> Result<Report, JournalError> {
        journal::read_batches(disk, reading, |batch: &Batch<'_>| {
            if let Some(receipt) = &mut receipt {
                receipt.find(batch);
            }
            messages(batch.cells).for_each(|record| self.record(record));
            Ok(())
        })
    }

    fn record(&mut self, record: &[Cell]) {
        let head = record[0].head();
        if !matches!(head.kind, kind::BUY | kind::WAIT | kind::BASKET) {
            return;
        }
        self.orders += 1;
        self.waits += usize::from(head.kind == kind::WAIT);
        let of_kind = |kind| record[1..].iter().filter(move |cell| cell.kind() == kind);
        self.lines += of_kind(kind::LINES).map(|cell| lines_in(cell).count()).sum::<usize>();
        self.members += GROUPS_MAX * of_kind(kind::SIDE).count();
        let is_long = |form: Option<Form>| usize::from(form == Some(Form::Long));
        self.long_texts += is_long(head.buyer().map(|ident| ident.form));
        self.long_texts += is_long(head.key().map(|ident| ident.form));
    }

    fn bounds(&self) -> Bounds {
        let Tables { orders, waits, lines, long_texts, members } = *self;
        Bounds {
            orders_max: orders + 1,
            // A buyer may have an entry of its own for each line, an order one for each member.
            buyers_max: 2 * (orders + 1) + lines + members + BASKET_LINES_MAX + GROUPS_MAX + 1,
            long_texts_max: long_texts + 2,
            lines_max: lines,
            // However few of them wait in one place, a basket in the queue of each line.
            waiters_max: 15 * (waits + lines),
            sales_max: SALES_MAX,
        }
    }
}

/// Where a sale stood at the end of the journal.
fn state(kept: &Kept<'_>, shop: &Shop) -> &'static str {
    shop.phase(kept.number, shop.now()).map_or("removed", Phase::word)
}

fn as_text(proof: &Proof) -> String {
    let Proof { report, counts, totals, shop, heads, receipt, snapshots } = proof;
    let mut text = format!(
        "journal   {} records in {} batches and {} segments, seq 1 to {}\n",
        count(report.seq),
        count(report.batches),
        count(u64::from(report.segments)),
        count(report.seq)
    );
    if report.since > 0 {
        text += &format!(
            "          those up to seq {} have been removed; a snapshot stands for them\n",
            count(report.since)
        );
    }
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
    for found in heads {
        text += &heads_line(found);
    }
    text += &format!(
        "replay    every record decided again with the same answer; {} seals prove the state\n",
        count(counts.of(kind::SEAL))
    );
    if *snapshots > 0 {
        text += &format!("snapshots {} have the state that the journal makes\n", count(*snapshots));
    }
    let [offers, drawn] = [kind::OFFER, kind::DRAWN].map(|kind| counts.of(kind));
    if offers + drawn > 0 {
        text += &format!(
            "turns     {} offers from waiting lists and {} turns in draws, each in its order\n",
            count(offers),
            count(drawn)
        );
    }
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
        text += &draw_line(&kept, shop);
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
    if let Some(receipt) = receipt {
        text += &format!("\n{}", receipt.as_text(report.seq));
    }
    text
}

/// What became of a sale's draw; empty if it has none.
fn draw_line(kept: &Kept<'_>, shop: &Shop) -> String {
    let Some(draw) = shop.draw(kept.number, shop.now()) else { return String::new() };
    let entries = count(u64::from(draw.entries));
    match draw.seed {
        Some(seed) => format!(
            "  draw: {entries} entries, drawn again in the same order; the seed {} is the one \
             that was committed to\n",
            hex(&seed)
        ),
        None => format!("  draw: {entries} entries; its seed has not been revealed\n"),
    }
}

fn heads_line(found: &Found) -> String {
    let over = match found.passed_over {
        0 => String::new(),
        some => format!("          {} of records that have been removed\n", count(some)),
    };
    if found.count == 0 {
        return format!("heads     none is signed\n{over}");
    }
    let keys: Vec<String> = found.keys.iter().map(|key| hex(key)).collect();
    format!(
        "heads     {} signed, of seq {} to {}, the last at {}: as the journal has it\n          \
         signed with the key {}\n{over}",
        count(found.count),
        count(found.first),
        count(found.last),
        time_ms(found.time),
        keys.join(", ")
    )
}

fn as_json(proof: &Proof) -> String {
    let Proof { report, counts, totals, shop, heads, receipt, snapshots } = proof;
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
        "since": report.since,
        "snapshots": snapshots,
        "batches": report.batches,
        "segments": report.segments,
        "chain": hex(&report.chain),
        "state_hash": hex(&shop.state_hash()),
        "heads": heads.iter().map(heads_json).collect::<Vec<_>>(),
        "receipt": receipt.as_ref().map(|receipt| receipt.as_json(report.seq)),
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

fn heads_json(found: &Found) -> serde_json::Value {
    let keys: Vec<String> = found.keys.iter().map(|key| hex(key)).collect();
    let Found { count, first, last, time, passed_over, .. } = found;
    json!({"count": count, "first": first, "last": last, "time": time, "keys": keys,
        "passed_over": passed_over})
}
