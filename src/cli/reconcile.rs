//! `doorbuster reconcile`: the journal beside what a sink's other side has, sums first, then the
//! changes that differ. It changes nothing on either side, and a server may go on meanwhile.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use doorbuster::heads::hex;
use doorbuster::journal::{self, Disk};
use doorbuster::options::{Layer, SETTINGS, SinkOptions};
use doorbuster::sink::{self, Checkpoint, Sum, Terms, Trouble, Verdict};
use serde_json::json;

use super::words::count;
use super::{
    CANNOT_CREATE, CONFIGURATION, DAMAGED, FAILED, FINE, UNAVAILABLE, delivered, failed, flags, log,
};

/// Differing changes that are printed.
const SHOWN_MAX: usize = 20;

#[derive(Args)]
pub(super) struct Arguments {
    /// The sink: its name in the configuration, or all of it, as serve takes it
    #[arg(long, value_name = "NAME")]
    sink: String,
    /// Read options from this TOML file, as serve does
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder, as serve takes it
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// The result as one JSON object
    #[arg(long)]
    json: bool,
}

/// Compares. Returns the exit code.
pub(super) fn run(arguments: &Arguments) -> i32 {
    let (data, sink) = match meant(arguments) {
        Ok(meant) => meant,
        Err(why) => return failed(CONFIGURATION, &why),
    };
    if let Err(why) = log::is_data_folder(&data) {
        return failed(CANNOT_CREATE, &why);
    }
    let kind = sink.terms.word();
    let mut shown = Vec::new();
    let compared = compare(&data, &sink, |sentence| {
        if shown.len() < SHOWN_MAX {
            shown.push(sentence);
        }
    });
    let verdict = match compared {
        Ok(verdict) => verdict,
        Err(Failure::Never(why)) => return failed(CONFIGURATION, &why),
        Err(Failure::Journal(why)) => return failed(DAMAGED, &why),
        Err(Failure::Sink(Trouble::Stop(why))) => return failed(FAILED, &why),
        Err(Failure::Sink(passing)) => return failed(UNAVAILABLE, &passing.sentence()),
    };
    let text = if arguments.json {
        as_json(&sink.name, kind, &verdict, &shown)
    } else {
        as_text(&sink.name, kind, &verdict, &shown)
    };
    let code = delivered(std::io::stdout().lock().write_all(text.as_bytes()));
    if code == FINE && verdict.differing > 0 { FAILED } else { code }
}

/// The data folder and the sink.
fn meant(arguments: &Arguments) -> Result<(PathBuf, SinkOptions), String> {
    let mut flags = Layer::default();
    let mut say = |name: &str, word: &str| {
        let setting = SETTINGS.iter().find(|setting| setting.name == name);
        flags.flag(setting.expect("there is such an option"), &[word])
    };
    let is_whole = arguments.sink.contains('=');
    if is_whole {
        say("sink", &arguments.sink)?;
    }
    if let Some(data) = &arguments.data {
        say("data", data)?;
    }
    let options = flags.over(flags::below_flags(arguments.config.as_deref())?).options()?;
    let sinks = options.sinks()?;
    let names: Vec<String> = sinks.iter().map(|sink| sink.name.clone()).collect();
    let found = sinks.into_iter().find(|sink| is_whole || sink.name == arguments.sink);
    let found = found.ok_or_else(|| match &names[..] {
        [] => "no sink is configured; name the file with --config".to_owned(),
        names => {
            format!("there is no sink `{}`; there are `{}`", arguments.sink, names.join("`, `"))
        }
    })?;
    Ok((options.data, found))
}

enum Failure {
    /// It is no sink of this folder.
    Never(String),
    Journal(String),
    Sink(Trouble),
}

fn compare(
    data: &std::path::Path,
    sink: &SinkOptions,
    mut tell: impl FnMut(String),
) -> Result<Verdict, Failure> {
    let journal = Disk::new(data.join("journal"));
    let id = journal::id(&journal).map_err(|why| Failure::Journal(why.to_string()))?;
    let path = sink::path_of(data, &sink.name);
    let found = Checkpoint::read(&path).map_err(Failure::Sink)?;
    let checkpoint = match found {
        Some(checkpoint) => checkpoint,
        // A file cannot say itself how far it was told, and nothing is like nothing.
        None if matches!(sink.terms, Terms::File(_)) => {
            let (name, path) = (&sink.name, path.display());
            let why = format!("{name} was never told from this folder: there is no {path}");
            return Err(Failure::Never(why));
        }
        None => Checkpoint { journal: hex(&id), ..Checkpoint::default() },
    };
    let terms = sink.terms.clone();
    let mut ledger = terms.ledger(&sink.name, &checkpoint).map_err(Failure::Sink)?;
    let (wanted, start) = (&sink.wanted, checkpoint.start);
    sink::reconcile(&journal, wanted, start, &mut *ledger, |one| tell(one.sentence()))
        .map_err(Failure::Sink)
}

fn as_text(name: &str, kind: &str, verdict: &Verdict, shown: &[String]) -> String {
    let mut text = format!(
        "sink {name} ({kind}), told up to seq {}: {} changes\n\n",
        count(verdict.seq),
        count(verdict.wanted)
    );
    if verdict.removed > 0 {
        let first = count(verdict.removed + 1);
        let _ = writeln!(text, "compared from seq {first} on: the journal before it is removed\n");
    }
    let mut table = Table::new();
    table
        .load_preset(NOTHING)
        .set_header(["Sale", "Change", "Item", "Lines", "Units", "Amount", "Sink"]);
    for column in table.column_iter_mut().skip(3).take(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for ((sale, change, item), sums) in &verdict.sums {
        let Sum { lines, units, amount } = sums.journal;
        let amount = u64::try_from(amount).map_or(amount.to_string(), count);
        let item = if item.is_empty() { "-" } else { item };
        let cells = [sale, change, item, &count(lines), &count(units), &amount].map(str::to_owned);
        table.add_row(cells.into_iter().chain([beside(&sums.journal, &sums.sink)]));
    }
    for line in table.lines() {
        let _ = writeln!(text, "{}", line.trim());
    }
    let hidden = verdict.differing - shown.len() as u64;
    match verdict.differing {
        0 => text.push_str("\nno difference\n"),
        some => {
            let _ = writeln!(text, "\nchanges that differ: {}", count(some));
            shown.iter().for_each(|one| _ = writeln!(text, "{one}"));
        }
    }
    if hidden > 0 {
        let _ = writeln!(text, "and {} more", count(hidden));
    }
    text
}

/// What a sink has more or less than the journal.
fn beside(journal: &Sum, sink: &Sum) -> String {
    if journal == sink {
        return "the same".to_owned();
    }
    let differing = |word: &str, here: u128, there: u128| {
        let by = here.abs_diff(there);
        let by = u64::try_from(by).map_or(by.to_string(), count);
        let sign = if there > here { '+' } else { '-' };
        (here != there).then(|| format!("{sign}{by} {word}"))
    };
    let parts = [
        differing("lines", journal.lines.into(), sink.lines.into()),
        differing("units", journal.units.into(), sink.units.into()),
        differing("amount", journal.amount, sink.amount),
    ];
    parts.into_iter().flatten().collect::<Vec<String>>().join(", ")
}

fn as_json(name: &str, kind: &str, verdict: &Verdict, shown: &[String]) -> String {
    let sum = |sum: &Sum| {
        // As text: it may be above what a JSON number holds.
        json!({ "lines": sum.lines, "units": sum.units, "amount": sum.amount.to_string() })
    };
    let sums = verdict.sums.iter().map(|((sale, change, item), sums)| {
        json!({
            "sale": sale,
            "change": change,
            "item": if item.is_empty() { None } else { Some(item) },
            "journal": sum(&sums.journal),
            "sink": sum(&sums.sink),
        })
    });
    let whole = json!({
        "sink": name,
        "type": kind,
        "seq": verdict.seq,
        "changes": verdict.wanted,
        "differing": verdict.differing,
        "sums": sums.collect::<Vec<_>>(),
        "differences": shown,
    });
    format!("{whole}\n")
}
