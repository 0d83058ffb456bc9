//! `doorbuster demo`: a flash sale from opening to audit, in about ten seconds, with a crash in the
//! middle of it. Server and crowd are two processes that know each other by sockets alone.
//!
//! `stage` the folder and the server, `plan` the crowd, `hall` where it stands, `visitor` its
//! connections, `talk` other questions, `burst` the throughput, `ledger` the journal read again,
//! `checks` both sides compared, `summary` the result.

mod burst;
mod checks;
mod hall;
mod ledger;
mod plan;
mod stage;
mod summary;
mod talk;
mod visitor;

use std::io::Write;
use std::sync::{Arc, atomic::Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use doorbuster::client::Client;
use doorbuster::journal::Disk;

use super::words::{count, duration};
use super::{CANNOT_CREATE, Demo, FAILED, FINE, audit, failed, talk as say_aside};
use checks::Evidence;
use hall::{Deed, Hall};
use plan::{BUYERS, CONNECTIONS, SALE, WARES};
use stage::{Curtain, Stage};
use visitor::Visitor;

/// The crash comes this long after the opening.
const CRASH: Duration = Duration::from_millis(1_000);

/// Runs it. Returns the exit code.
pub(super) fn run(arguments: &Demo) -> i32 {
    let curtain = match Stage::new(arguments.keep) {
        Ok(stage) => Curtain(stage),
        Err(why) => {
            return failed(CANNOT_CREATE, &format_args!("could not set the demo up: {why}"));
        }
    };
    let code = match show(&curtain.0) {
        Ok(()) => FINE,
        Err(_) if curtain.0.is_interrupted() => loop {
            // The thread that got the signal clears up and ends the process.
            thread::park();
        },
        Err(why) => failed(FAILED, &format_args!("demo failed: {why}")),
    };
    if arguments.keep {
        say_aside(&format_args!("kept {}", curtain.0.data().display()));
    }
    code
}

/// Prints a line. A reader that has gone is no reason to stop.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints a line of the timeline.
fn tell(opened: Instant, line: &str) {
    say(&format!("{:6.2} s  {line}", opened.elapsed().as_secs_f64()));
}

fn show(stage: &Stage) -> Result<(), String> {
    say("A flash sale from opening to audit. Server and crowd are two processes on this machine;");
    say("no buyer is answered before the change is synced to disk.");
    if stage.is_in_memory() {
        say("(The temporary folder lies in memory here, so syncing costs nothing.)");
    }
    say("");
    let sales = [stage.sale(SALE, &plan::sale_file())?, stage.sale(burst::SALE, burst::SALE_FILE)?];
    let ready = stage.start(&sales)?;
    let mut clients = talk::connect(ready.address)?;
    let items = talk::resolve(&mut clients[0])?;

    let hall = Arc::new(Hall::new(Instant::now(), items, ready.address));
    let opened = hall.opened;
    let stock = WARES.iter().map(|ware| ware.stock).sum();
    tell(
        opened,
        &format!(
            "doors open: {} units of {} items, {} buyers on {CONNECTIONS} connections",
            count(stock),
            WARES.len(),
            count(BUYERS.into())
        ),
    );
    let visitors = open(&hall, clients)?;

    thread::sleep(CRASH.saturating_sub(opened.elapsed()));
    let mut inversions = talk::inversions(ready.address)?;
    let killed = stage.kill()?;
    tell(
        opened,
        &format!(
            "kill -9 of the server in the middle of the rush, after {} answers",
            count(hall.answers.load(Ordering::Relaxed))
        ),
    );
    let ready = stage.start(&sales)?;
    hall.reopen(ready.address);
    tell(
        opened,
        &format!(
            "started again on the same folder: {} journal records replayed in {}{}",
            ready.records,
            ready.replay,
            if ready.cut { ", a torn end cut" } else { "" }
        ),
    );
    let outage = talk::outage(&hall, killed)?;
    tell(opened, &format!("buyers are answered again, {} after the kill", duration(outage)));

    let deeds = leave(visitors)?;
    tell(
        opened,
        &format!(
            "the crowd has gone, after {} answers; a burst of plain orders follows",
            count(hall.answers.load(Ordering::Relaxed))
        ),
    );
    let burst = burst::run(ready.address, talk::PATIENCE)?;
    tell(opened, &format!("burst over: {} more orders", count(burst.orders)));
    talk::wait_for_holds(&hall, ready.address)?;
    inversions += talk::inversions(ready.address)?;
    let status = stage.stop()?;
    if !status.success() {
        return Err(format!("the server did not stop cleanly: {status}"));
    }
    tell(opened, "the last holds have run out; SIGTERM, and the server has stopped");

    let audited = Instant::now();
    let disk = Disk::new(stage.data().join("journal"));
    let proof = audit::prove(&stage.data()).map_err(|why| format!("the audit says: {why}"))?;
    tell(
        opened,
        &format!(
            "audit: all {} records decided again, in {}",
            count(proof.report.seq),
            duration(audited.elapsed())
        ),
    );
    let ledger = ledger::read(&disk, hall.items[0].sale)?;
    let evidence =
        Evidence { hall: &hall, deeds: &deeds, ledger: &ledger, proof: &proof, burst: &burst };
    let checked = checks::all(&evidence);
    summary::print(&evidence, inversions, outage);
    for line in checked? {
        say(&format!("  ok  {line}"));
    }
    say("  ok  the audit: nothing oversold, no limit passed, no key twice, nothing changed since");
    say("");
    say("nothing oversold, nothing lost");
    Ok(())
}

type Visit = JoinHandle<Result<Vec<Deed>, String>>;

/// Lets the crowd in.
fn open(hall: &Arc<Hall>, clients: Vec<Client>) -> Result<Vec<Visit>, String> {
    let visit = |(number, client)| {
        let hall = Arc::clone(hall);
        let visit = move || Visitor::new(hall, client, number, CONNECTIONS).run();
        thread::Builder::new().stack_size(512 << 10).spawn(visit)
    };
    let visits: Result<_, std::io::Error> = (0..).zip(clients).map(visit).collect();
    visits.map_err(|why| format!("no thread for a connection: {why}"))
}

/// Waits until all have done what they came for.
fn leave(visits: Vec<Visit>) -> Result<Vec<Vec<Deed>>, String> {
    visits
        .into_iter()
        .map(|visit| visit.join().map_err(|_| "a connection's thread panicked".to_owned())?)
        .collect()
}
