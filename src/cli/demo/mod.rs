//! `doorbuster demo`: a flash sale from opening to audit, in about ten seconds, with a crash in the
//! middle of it. Server and crowd are two processes that know each other by sockets alone.
//!
//! `stage` the folder and the server, `plan` the crowd, `visitor` its connections, `burst` the
//! throughput, `ledger` the journal read again, `checks` both sides compared, `summary` the result.

mod burst;
mod checks;
mod ledger;
mod plan;
mod stage;
mod summary;
mod visitor;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, atomic::Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use doorbuster::client::{Answer, Client, Item};
use doorbuster::journal::Disk;

use super::words::{count, duration};
use super::{CANNOT_CREATE, Demo, FAILED, FINE, audit, failed};
use checks::Evidence;
use plan::{BUYERS, CONNECTIONS, SALE, WARES};
use stage::{Curtain, Stage};
use visitor::{Deed, Hall, Visitor};

/// The crash comes this long after the opening.
const CRASH: Duration = Duration::from_millis(1_000);
/// How long an answer may take on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

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
        eprintln!("doorbuster: kept {}", curtain.0.data().display());
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
    let clients = connect(ready.address)?;
    let (clients, items) = resolve(clients)?;

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
    let mut inversions = inversions(ready.address)?;
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
    let outage = outage(&hall, killed)?;
    tell(opened, &format!("buyers are answered again, {} after the kill", duration(outage)));

    let deeds = leave(visitors)?;
    tell(
        opened,
        &format!(
            "the crowd has gone, after {} answers; a burst of plain orders follows",
            count(hall.answers.load(Ordering::Relaxed))
        ),
    );
    let burst = burst::run(ready.address, PATIENCE)?;
    tell(opened, &format!("burst over: {} more orders", count(burst.orders)));
    wait_for_holds(&hall, ready.address)?;
    inversions += self::inversions(ready.address)?;
    let status = stage.stop()?;
    if !status.success() {
        return Err(format!("the server did not stop cleanly: {status}"));
    }
    tell(opened, "the last holds have run out; SIGTERM, and the server has stopped");

    let audited = Instant::now();
    let disk = Disk::new(stage.data().join("journal"));
    let proof = audit::prove(&disk).map_err(|why| format!("the audit says: {why}"))?;
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

fn connect(address: SocketAddr) -> Result<Vec<Client>, String> {
    let connect = |_| {
        let mut client = Client::connect(address)?;
        client.set_timeout(Some(PATIENCE))?;
        Ok(client)
    };
    let clients: Result<_, doorbuster::client::Error> = (0..CONNECTIONS).map(connect).collect();
    clients.map_err(|why| format!("could not connect: {why}"))
}

fn resolve(mut clients: Vec<Client>) -> Result<(Vec<Client>, Vec<Item>), String> {
    let items: Result<Vec<Item>, _> =
        WARES.iter().map(|ware| clients[0].resolve(SALE, ware.sku)).collect();
    let items = items.map_err(|why| format!("the sale is not there: {why}"))?;
    Ok((clients, items))
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

/// Waits for the first answer after the crash. Returns how long there was none.
fn outage(hall: &Hall, killed: Instant) -> Result<Duration, String> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let back = hall.first_answer_back.load(Ordering::Relaxed);
        if back != u64::MAX {
            let back = hall.opened + Duration::from_nanos(back);
            return Ok(back.saturating_duration_since(killed));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Err("nobody was answered after the crash".to_owned())
}

/// Waits until no unit is held any more.
fn wait_for_holds(hall: &Hall, address: SocketAddr) -> Result<(), String> {
    let mut client = Client::connect(address).map_err(|why| why.to_string())?;
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let mut held = 0;
        for item in &hall.items {
            match client.stock(*item) {
                Ok(Answer::Stock(stock)) => held += stock.held,
                other => return Err(format!("not an answer about stock: {other:?}")),
            }
        }
        if held == 0 {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err("a hold does not run out".to_owned())
}

/// What the server itself says about the order of arrival, asked as `redis-cli info` would.
fn inversions(address: SocketAddr) -> Result<u64, String> {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"*1\r\n$4\r\nINFO\r\n*1\r\n$4\r\nQUIT\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    let text = ask().map_err(|why| format!("INFO: {why}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("arrival_inversions:"));
    line.and_then(|number| number.trim().parse().ok()).ok_or("INFO: no inversions".to_owned())
}
