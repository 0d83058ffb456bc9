//! `loadgen suite`: all contestants in turn, some rounds of them, and one report.
//!
//! A round starts each contestant anew, drives it at every shape and stops it before the next one
//! starts, so that whatever else the machine does meets them all. What is told are medians over the
//! rounds; every run is kept in the document. A rate that a contestant plainly cannot keep is not
//! driven, and its row says so. Nothing is hidden: what is missing or failed has its line.

mod contestant;
mod document;
mod knee;
mod page;
#[cfg(test)]
mod sample;
mod shape;
mod standing;
mod tables;

use std::{
    path::PathBuf,
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use clap::Args;

use crate::options::{self, duration};
use crate::report::KeptFile;
use crate::rival::Running;
use crate::{Failure, bare, run};
use contestant::Contestant;
use document::SuiteDocument;
use shape::Shape;

/// Length of the parts of `bare` beside the runs: they need not be longer.
const BARE_SHARE: u32 = 3;
/// A rate above this share of what a closed loop gave is not driven.
const HOPELESS: f64 = 1.2;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Who takes part, comma between them [default: all but
    /// redis-off]
    #[arg(long, value_enum, value_delimiter = ',', hide_default_value = true,
        default_values_t = Contestant::USUAL)]
    contestants: Vec<Contestant>,
    /// How often each has its turn
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Purchases a second of the open loops
    #[arg(long, value_delimiter = ',', default_value = "1000,3000,10000,30000,100000")]
    rates: Vec<f64>,
    /// Connections
    #[arg(long, default_value_t = 50)]
    connections: usize,
    /// How long to measure each
    #[arg(long, default_value = "1200ms", value_parser = duration)]
    duration: Duration,
    /// How long to drive each before measuring
    #[arg(long, default_value = "300ms", value_parser = duration)]
    warmup: Duration,
    /// One short round: to see that all works, not to publish
    #[arg(long, conflicts_with_all = ["rounds", "duration", "warmup"])]
    quick: bool,
    /// Where their data goes: on the disk that is to be measured [default: the temporary folder]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Where the document with all runs goes
    #[arg(long, value_name = "FILE", default_value = "suite.json")]
    out: PathBuf,
    /// Look for each one's knee too: the highest rate that it keeps; up to 20 s more for each
    #[arg(long)]
    knee: bool,
    /// The knee: latency is broken when 1 in 100 waits longer than this
    #[arg(long, default_value = "20ms", value_parser = duration)]
    p99: Duration,
    /// Keep a page of HTML with plots, tables and every command line
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Keep the plot of latency by offered rate as an SVG, for a README
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print the tables as Markdown
    #[arg(long)]
    markdown: bool,
}

impl Arguments {
    fn check(&self) -> Result<(), Failure> {
        let bad_rate = |rate: &f64| !(*rate > 0.0 && rate.is_finite());
        let problem = if self.rounds == 0 || self.connections == 0 {
            "--rounds and --connections: 1 or more"
        } else if self.rates.iter().any(bad_rate) || self.duration.is_zero() {
            "--rates and --duration: above 0"
        } else {
            return Ok(());
        };
        Err(Failure::new(Failure::USAGE, problem))
    }

    /// Rounds, warm-up and length of a run.
    fn extent(&self) -> (usize, Duration, Duration) {
        if self.quick {
            (1, Duration::from_millis(100), Duration::from_millis(300))
        } else {
            (self.rounds, self.warmup, self.duration)
        }
    }

    fn shapes(&self) -> Vec<Shape> {
        let open = self.rates.iter().map(|rate| Shape::Open { rate: *rate });
        [1, 16].map(|pipeline| Shape::Closed { pipeline }).into_iter().chain(open).collect()
    }
}

/// Does all of it; returns the exit code.
pub(crate) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    arguments.check()?;
    let files = Files::open(arguments)?;
    let stop = run::stop_on_signal()?;
    let (rounds, _, length) = arguments.extent();
    let dir = arguments.dir.clone().unwrap_or_else(std::env::temp_dir);
    let bare = bare::measure(&dir, length / BARE_SHARE)?;
    let mut suite = SuiteDocument::new(bare, &arguments.contestants, &arguments.shapes());
    for round in 1..=rounds {
        for index in 0..arguments.contestants.len() {
            if !stop.load(Ordering::Relaxed) && suite.contestants[index].missing.is_none() {
                eprintln!("loadgen: round {round} of {rounds}");
                turn(arguments, &mut suite, index, &stop);
            }
        }
    }
    if arguments.knee {
        knee::all(arguments, &mut suite, &stop);
    }
    suite.partial = stop.load(Ordering::Relaxed);
    suite.conclude();
    let complete = files.finish(&suite);
    let tables = tables::all(&suite);
    let print = if arguments.markdown { tables::markdown } else { tables::plain };
    crate::print(&print(&tables))?;
    if !complete {
        return Ok(Failure::DISK);
    }
    eprintln!("loadgen: all runs are in {}", arguments.out.display());
    Ok(suite.exit_code())
}

/// What is kept of a suite; opened before anything is run.
struct Files {
    out: KeptFile,
    html: Option<KeptFile>,
    svg: Option<KeptFile>,
}

impl Files {
    fn open(arguments: &Arguments) -> Result<Files, Failure> {
        let Arguments { out, html, svg, .. } = arguments;
        let same = |a: &Option<PathBuf>, b: &Option<PathBuf>| a.is_some() && a == b;
        let first = Some(out.clone());
        if same(html, &first) || same(svg, &first) || same(html, svg) {
            let sentence = "--out, --html and --svg: one file cannot hold two kinds of results";
            return Err(Failure::new(Failure::USAGE, sentence));
        }
        let open = |path: &Option<PathBuf>| path.as_deref().map(KeptFile::open).transpose();
        Ok(Files { out: KeptFile::open(out)?, html: open(html)?, svg: open(svg)? })
    }

    /// Writes them all; returns whether they are complete.
    fn finish(mut self, suite: &SuiteDocument) -> bool {
        let json = serde_json::to_string(suite).expect("plain structs with text keys become JSON");
        self.out.write(json.as_bytes());
        if let Some(file) = &mut self.html {
            file.write(page::page(suite).as_bytes());
        }
        if let Some(file) = &mut self.svg {
            file.write(page::plot(suite).as_bytes());
        }
        let all = [Some(self.out), self.html, self.svg];
        // Every one of them, whatever became of the one before.
        let finished: Vec<bool> = all.into_iter().flatten().map(|mut one| one.finish()).collect();
        finished.into_iter().all(|complete| complete)
    }
}

/// One contestant's turn of a round: started, driven at every shape, stopped.
fn turn(arguments: &Arguments, suite: &mut SuiteDocument, index: usize, stop: &Arc<AtomicBool>) {
    let contestant = arguments.contestants[index];
    let mut options = match contestant.options(arguments, None) {
        Ok((options, _)) => options,
        Err(failure) => return suite.miss(index, &failure.sentence),
    };
    let dir = arguments.dir.as_deref();
    let running = match Running::start(contestant.rival(), dir, &mut options, &[]) {
        Ok(running) => running,
        Err(failure) => return suite.miss(index, &failure.sentence),
    };
    for (place, shape) in arguments.shapes().into_iter().enumerate() {
        let best = suite.best(index);
        let row = suite.row(index, place);
        if stop.load(Ordering::Relaxed) {
            return;
        }
        if let (Shape::Open { rate }, Some(best)) = (shape, best)
            && rate > best * HOPELESS
        {
            row.note(format!(
                "not driven: its closed loop had given {}",
                crate::figures::rate(best)
            ));
            continue;
        }
        eprintln!("loadgen: {}, {}", contestant.word(), shape.word());
        match drive(arguments, contestant, shape, &options, &running, stop) {
            // Half a run has no place among whole ones.
            Ok(document) if document.partial => return,
            Ok(document) => row.runs.push(document),
            Err(failure) => row.note(failure.sentence),
        }
    }
}

/// One run at a contestant that is there; `started` says where.
fn drive(
    arguments: &Arguments,
    contestant: Contestant,
    shape: Shape,
    started: &options::Arguments,
    running: &Running,
    stop: &Arc<AtomicBool>,
) -> Result<crate::report::Document, Failure> {
    let (mut options, command) = contestant.options(arguments, Some(shape))?;
    point(&mut options, started);
    options.check()?;
    let (mut document, _) = run::measure(&options, stop, &mut |_, _| {})?;
    running.describe(contestant.rival(), &mut document);
    document.run.command = command;
    Ok(document)
}

/// Points a run at what was started.
fn point(options: &mut options::Arguments, started: &options::Arguments) {
    let (to, from) = (&mut options.target, &started.target);
    (to.protocol, to.server_pid) = (from.protocol, from.server_pid);
    to.address.clone_from(&from.address);
    to.admin.clone_from(&from.admin);
    to.setup.password.clone_from(&from.setup.password);
    to.setup.database.clone_from(&from.setup.database);
}
