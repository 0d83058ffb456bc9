//! `loadgen bare`: what this machine can do at all, so that results read as a share of it.
//!
//! The disk: 4 KiB written into a file that is filled with zeros already (so no metadata changes)
//! and synced, over and over: the floor of a durable answer. The loopback: frames of 64 bytes there
//! and back through the kernel, some depths deep: the ceiling of a protocol of such frames.

use std::{
    fs::File,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::clock::nanos;
use crate::figures::{rate, time};
use crate::load::tally::histogram;
use crate::options::duration;

const BLOCK_BYTES: usize = 4096;
/// Blocks of the file; after the last comes the first.
const BLOCKS: u64 = 4096;
/// How a line about the disk begins, and one about the loopback.
pub(crate) const SYNC: &str = "fdatasync";
pub(crate) const LOOPBACK: &str = "loopback";
const FRAME_BYTES: usize = 64;
const DEPTHS: [usize; 4] = [1, 16, 256, 1024];

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Where to make the file: on the disk that is to be measured [default: the temporary folder]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// How long each part takes
    #[arg(long, default_value = "2s", value_parser = duration)]
    duration: Duration,
    /// Write one JSON document instead of the table
    #[arg(long)]
    json: bool,
}

/// One limit of the machine. Times are those of a step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) per_second: f64,
    pub(crate) p50_ns: u64,
    pub(crate) p99_ns: u64,
    pub(crate) p99_9_ns: u64,
}

impl Line {
    /// `each` things happened in every step that the histogram counts.
    fn new(what: String, each: usize, seconds: f64, steps: &Histogram<u64>) -> Line {
        Line {
            what,
            per_second: (steps.len() * each as u64) as f64 / seconds,
            p50_ns: steps.value_at_quantile(0.5),
            p99_ns: steps.value_at_quantile(0.99),
            p99_9_ns: steps.value_at_quantile(0.999),
        }
    }
}

/// Measures and prints; returns the exit code.
pub(crate) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let dir = arguments.dir.clone().unwrap_or_else(std::env::temp_dir);
    let lines = measure(&dir, arguments.duration)?;
    if arguments.json {
        crate::print_json(&lines)?;
        return Ok(0);
    }
    let mut text = format!("{:<34}{:>14}", "bare machine", "per second");
    let mut add = |line: String| text.push_str(&line);
    add(format!("{:>10}{:>10}{:>10}\n", "p50", "p99", "p99.9"));
    for line in &lines {
        let times = [line.p50_ns, line.p99_ns, line.p99_9_ns].map(time);
        add(format!("{:<34}{:>14}", line.what, rate(line.per_second)));
        add(format!("{:>10}{:>10}{:>10}\n", times[0], times[1], times[2]));
    }
    crate::print(&text)?;
    Ok(0)
}

/// All limits, each measured for `duration`, the disk's in `dir`.
pub(crate) fn measure(dir: &Path, duration: Duration) -> Result<Vec<Line>, Failure> {
    let disk =
        |error: io::Error| Failure::new(Failure::DISK, format!("{}: {error}", dir.display()));
    let socket = |error| Failure::new(Failure::UNAVAILABLE, format!("loopback: {error}"));
    eprintln!("loadgen: syncing in {}", dir.display());
    let mut lines = vec![sync_loop(dir, duration).map_err(disk)?];
    for depth in DEPTHS {
        eprintln!("loadgen: loopback, {depth} deep");
        lines.push(echo_loop(depth, duration).map_err(socket)?);
    }
    Ok(lines)
}

/// Does a step until the time is up; every step is timed.
fn timed(
    duration: Duration,
    mut step: impl FnMut() -> io::Result<()>,
) -> io::Result<(f64, Histogram<u64>)> {
    let mut steps = histogram();
    let start = Instant::now();
    let mut before = start;
    while before - start < duration {
        step()?;
        let after = Instant::now();
        steps.saturating_record(nanos(after - before));
        before = after;
    }
    Ok(((before - start).as_secs_f64(), steps))
}

fn sync_loop(dir: &Path, duration: Duration) -> io::Result<Line> {
    let file: File = tempfile::tempfile_in(dir)?;
    let block = [0; BLOCK_BYTES];
    for index in 0..BLOCKS {
        file.write_all_at(&block, index * BLOCK_BYTES as u64)?;
    }
    file.sync_all()?;
    let block = [0xDB; BLOCK_BYTES];
    let mut index = 0;
    let (seconds, steps) = timed(duration, || {
        file.write_all_at(&block, index % BLOCKS * BLOCK_BYTES as u64)?;
        index += 1;
        file.sync_data()
    })?;
    Ok(Line::new(format!("{SYNC} of 4 KiB"), 1, seconds, &steps))
}

fn echo_loop(depth: usize, duration: Duration) -> io::Result<Line> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut stream = TcpStream::connect(listener.local_addr()?)?;
    let (mut peer, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    peer.set_nodelay(true)?;
    let echo = thread::spawn(move || {
        let mut buffer = vec![0; FRAME_BYTES * DEPTHS[DEPTHS.len() - 1]];
        loop {
            match peer.read(&mut buffer)? {
                0 => return Ok::<_, io::Error>(()),
                count => peer.write_all(&buffer[..count])?,
            }
        }
    });
    let mut frames = vec![0xDB; FRAME_BYTES * depth];
    let (seconds, steps) = timed(duration, || {
        stream.write_all(&frames)?;
        stream.read_exact(&mut frames)
    })?;
    drop(stream);
    echo.join().expect("the echo does not panic")?;
    Ok(Line::new(format!("{LOOPBACK}, 64-byte frames, {depth} deep"), depth, seconds, &steps))
}
