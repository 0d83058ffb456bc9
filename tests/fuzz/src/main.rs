//! `cargo run --release -p fuzz -- [TARGET] --seconds N`: reads what nobody would write, for so
//! long, and says what came of it. Ends with 1 if anything was found.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Parser;
use fuzz::inside::{self, Slip};
use fuzz::outside::{self, Plan};
use fuzz::seen::Seen;
use fuzz::{files, table, targets};

/// Feeds the readers of the house with what nobody would write.
#[derive(Parser)]
#[command(name = "fuzz")]
struct Words {
    /// One target only; all others share the time.
    target: Option<String>,
    /// How long, all targets together.
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// Where chance begins; the time if it is not said. One seed gives one run.
    #[arg(long)]
    seed: Option<u64>,
    /// A folder for inputs that showed something new.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// A folder for findings.
    #[arg(long, default_value_os_t = files::found())]
    found: PathBuf,
    /// Reads this one input and nothing else.
    #[arg(long)]
    input: Option<PathBuf>,
    /// The loop itself, which writes down here what it reads.
    #[arg(long, hide = true)]
    inside: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Words::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("fuzz: {why}");
            ExitCode::from(2)
        }
    }
}

/// Returns whether nothing was found.
fn run(words: &Words) -> Result<bool, String> {
    let named = words.target.as_deref().or(words.input.as_deref().and_then(files::target_of));
    let chosen = targets::chosen(named)?;
    if let Some(path) = &words.input {
        let [target] = &chosen[..] else { return Err("--input: name its target".to_owned()) };
        let input = std::fs::read(path).map_err(|why| format!("{}: {why}", path.display()))?;
        (target.make)()(&input, &mut Seen::default());
        println!("{}: {} holds", path.display(), target.name);
        return Ok(true);
    }
    let told = |why: std::io::Error| why.to_string();
    let since_epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let seed = words.seed.unwrap_or(since_epoch.as_secs());
    let time = Duration::try_from_secs_f64(words.seconds).map_err(|why| format!("{why}"))?;
    if let Some(path) = &words.inside {
        let slip = Slip::create(path).map_err(told)?;
        inside::run(chosen[0], seed, time, &slip, words.keep.as_deref()).map_err(told)?;
        return Ok(true);
    }
    let program = std::env::current_exe().map_err(told)?;
    let plan = Plan {
        program: &program,
        time: time / chosen.len() as u32,
        seed,
        keep: words.keep.as_deref(),
        found: &words.found,
    };
    let outcomes: Result<Vec<_>, _> =
        chosen.iter().map(|target| outside::run(&plan, target)).collect();
    let outcomes = outcomes.map_err(told)?;
    for outcome in &outcomes {
        if let Some((path, why)) = &outcome.finding {
            println!("{}: {why}", outcome.target);
            println!("  re-run: cargo run --release -p fuzz -- --input {}\n", path.display());
        }
    }
    print!("{}", table::table(&outcomes, seed));
    Ok(outcomes.iter().all(|outcome| outcome.finding.is_none()))
}
